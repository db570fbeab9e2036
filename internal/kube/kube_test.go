package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/rest"

	"github.com/domino-maintenance-mode/dmm/internal/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves an API of which each path answers as a test says. Others are not there.
func serve(t *testing.T, answers map[string]http.HandlerFunc) (*kube.Client, *httptest.Server) {
	a := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := answers[r.Method+" "+r.URL.Path]; ok {
			h(w, r)
			return
		}
		status(http.StatusNotFound, metav1.StatusReasonNotFound)(w, r)
	}))
	t.Cleanup(a.Close)
	c, err := kube.New(&rest.Config{Host: a.URL, Transport: &http.Transport{DisableKeepAlives: true}}, "dmm/test")
	if err != nil {
		t.Fatal(err)
	}
	return c, a
}

func answer(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

func status(code int, reason metav1.StatusReason) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Reason: reason, Message: "said the server"})
	}
}

func page(next string, names ...string) corev1.PodList {
	l := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{Continue: next}}
	for _, n := range names {
		l.Items = append(l.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: n, Namespace: "domino-compute"}})
	}
	return l
}

const podsPath, namespacePath = "/api/v1/namespaces/domino-compute/pods", "/api/v1/namespaces/domino-compute"

func names(pods []kube.Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Name)
	}
	return out
}

func TestPodsArePlain(t *testing.T) {
	created := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	list := page("", "run-1-abc")
	p := &list.Items[0]
	p.Labels = map[string]string{"dominodatalab.com/workload-type": "App"}
	p.CreationTimestamp, p.DeletionTimestamp = metav1.NewTime(created), &metav1.Time{Time: created}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	for _, claim := range []string{"b", "a", "b"} {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
	}
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	c, _ := serve(t, map[string]http.HandlerFunc{"GET " + podsPath: answer(list)})
	got, err := c.Pods(t.Context(), "domino-compute")
	if err != nil {
		t.Fatal(err)
	}
	want := []kube.Pod{{Name: "run-1-abc", Namespace: "domino-compute", Labels: map[string]string{"dominodatalab.com/workload-type": "App"},
		Phase: "Running", Ready: true, Deleting: true, Created: created, Claims: []string{"a", "b"}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("Pods (-want +got):\n%s", diff)
	}
	if !got[0].Gone() {
		t.Error("a pod that was told to end counts as one that runs")
	}
}

// A list that expires between two pages is read again whole: half a list would be a Domino with half its executions.
func TestPodsComeInPages(t *testing.T) {
	for _, expires := range []bool{false, true} {
		var asked []string
		c, _ := serve(t, map[string]http.HandlerFunc{"GET " + podsPath: func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			asked = append(asked, q.Get("limit")+"/"+q.Get("continue"))
			switch {
			case q.Get("limit") == "": // whole
				answer(page("", "a", "b", "c"))(w, r)
			case q.Get("continue") == "":
				answer(page("more", "c", "a"))(w, r)
			case expires:
				status(http.StatusGone, metav1.StatusReasonExpired)(w, r)
			default:
				answer(page("", "b"))(w, r)
			}
		}})
		got, err := c.Pods(t.Context(), "domino-compute")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, names(got)); diff != "" {
			t.Errorf("expires %v: %s", expires, diff)
		}
		want := []string{"500/", "500/more"}
		if expires {
			want = append(want, "/")
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("expires %v: asked (-want +got):\n%s", expires, diff)
		}
	}
}

// "Could not look" is never "nothing there".
func TestNoPodsIsNotNoAnswer(t *testing.T) {
	page200 := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>please log in</html>")
	}
	for _, test := range []struct {
		name       string
		pods, ns   http.HandlerFunc
		ok         bool
		is, isNot  error
		mustSayAll []string
	}{
		{name: "an empty namespace", pods: answer(page("")), ns: answer(corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}}), ok: true},
		{name: "no such namespace", pods: answer(page("")), is: kube.ErrNotFound, isNot: kube.ErrDenied, mustSayAll: []string{"get namespaces", "domino-compute"}},
		{name: "an empty one that may not be looked at", pods: answer(page("")), ns: status(403, metav1.StatusReasonForbidden), is: kube.ErrDenied, isNot: kube.ErrNotFound},
		{name: "denied", pods: status(403, metav1.StatusReasonForbidden), is: kube.ErrDenied, isNot: kube.ErrNotFound, mustSayAll: []string{"list pods in namespace domino-compute"}},
		{name: "not known", pods: status(401, metav1.StatusReasonUnauthorized), is: kube.ErrDenied, isNot: kube.ErrNotFound},
		{name: "a server in trouble", pods: status(500, metav1.StatusReasonInternalError), isNot: kube.ErrNotFound},
		{name: "a page in its place", pods: page200, isNot: kube.ErrNotFound},
	} {
		answers := map[string]http.HandlerFunc{"GET " + podsPath: test.pods}
		if test.ns != nil {
			answers["GET "+namespacePath] = test.ns
		}
		c, _ := serve(t, answers)
		pods, err := c.Pods(t.Context(), "domino-compute")
		if (err == nil) != test.ok || len(pods) != 0 {
			t.Errorf("%s: Pods gives %v and %v", test.name, pods, err)
			continue
		}
		if test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v is not %q", test.name, err, test.is)
		}
		if test.isNot != nil && errors.Is(err, test.isNot) {
			t.Errorf("%s: %v is %q", test.name, err, test.isNot)
		}
		for _, words := range test.mustSayAll {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q is not in %v", test.name, words, err)
			}
		}
	}
}

func TestNobodyThere(t *testing.T) {
	c, a := serve(t, nil)
	a.Close()
	pods, err := c.Pods(t.Context(), "domino-compute")
	if err == nil || errors.Is(err, kube.ErrNotFound) || errors.Is(err, kube.ErrDenied) {
		t.Errorf("Pods gives %v and %v", pods, err)
	}
	if _, err := c.DominoResource(t.Context(), "domino-operator"); err == nil || errors.Is(err, kube.ErrNotFound) {
		t.Errorf("DominoResource gives %v", err)
	}
}

func TestPodsEndWithTheirContext(t *testing.T) {
	c, _ := serve(t, map[string]http.HandlerFunc{"GET " + podsPath: answer(page("", "a"))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Pods(ctx, "domino-compute"); !errors.Is(err, context.Canceled) {
		t.Errorf("Pods gives %v", err)
	}
}

func TestEventNamesTheJob(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := protobuf.NewSerializer(scheme, scheme)
	var got corev1.Event
	c, _ := serve(t, map[string]http.HandlerFunc{"POST /api/v1/namespaces/domino-platform/events": func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, _, err := decoder.Decode(body, nil, &got); err != nil {
			t.Error(err)
		}
		answer(corev1.Event{TypeMeta: metav1.TypeMeta{Kind: "Event", APIVersion: "v1"}})(w, r)
	}})
	job := kube.Job{Namespace: "domino-platform", Name: "dmm-shutdown-3", UID: "4711"}
	if err := c.Event(t.Context(), job, "Partial", strings.Repeat("é", 2000), true); err != nil {
		t.Fatal(err)
	}
	if o := got.InvolvedObject; o.APIVersion != "batch/v1" || o.Kind != "Job" || o.Namespace != job.Namespace || o.Name != job.Name || string(o.UID) != job.UID {
		t.Errorf("the Event is about %+v", o)
	}
	if got.Reason != "Partial" || got.Type != corev1.EventTypeWarning || len(got.Message) > 1024 || !strings.HasSuffix(got.Message, "é...") {
		t.Errorf("the Event has reason %s, type %s and a message of %d bytes that ends with %q", got.Reason, got.Type, len(got.Message), got.Message[len(got.Message)-8:])
	}
	c, _ = serve(t, map[string]http.HandlerFunc{"POST /api/v1/namespaces/domino-platform/events": status(403, metav1.StatusReasonForbidden)})
	if err := c.Event(t.Context(), job, "Done", "", false); !errors.Is(err, kube.ErrDenied) {
		t.Errorf("Event gives %v", err)
	}
}

func TestDominoResource(t *testing.T) {
	groups := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, g := range []string{"metrics.k8s.io", "apps.example.com"} {
		v := metav1.GroupVersionForDiscovery{GroupVersion: g + "/v2", Version: "v2"}
		groups.Groups = append(groups.Groups, metav1.APIGroup{Name: g, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	known := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "apps.example.com/v2", APIResources: []metav1.APIResource{
		{Name: "widgets", Kind: "Widget", Namespaced: true, Verbs: metav1.Verbs{"list"}},
		{Name: "dominos", Kind: "Domino", Namespaced: true, Verbs: metav1.Verbs{"list"}},
	}}
	unknown := known
	unknown.APIResources = known.APIResources[:1]
	object := func(name string) map[string]any {
		return map[string]any{"apiVersion": "apps.example.com/v2", "kind": "Domino", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"config": map[string]any{"blob_storage": map[string]any{"backups": map[string]any{"type": "s3"}}}}}
	}
	list := func(names ...string) http.HandlerFunc {
		items := []any{}
		for _, n := range names {
			items = append(items, object(n))
		}
		return answer(map[string]any{"apiVersion": "apps.example.com/v2", "kind": "DominoList", "items": items})
	}
	down := status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	for _, test := range []struct {
		name      string
		resources metav1.APIResourceList
		objects   http.HandlerFunc
		metrics   http.HandlerFunc // of an aggregated API
		words     string
		is, isNot error
	}{
		{name: "one", resources: known, objects: list("domino")},
		{name: "one, beside an aggregated API that is down", resources: known, objects: list("domino"), metrics: down},
		{name: "none", resources: known, objects: list(), is: kube.ErrNotFound},
		{name: "two", resources: known, objects: list("a", "b"), words: "there are 2", isNot: kube.ErrNotFound},
		{name: "denied", resources: known, objects: status(403, metav1.StatusReasonForbidden), is: kube.ErrDenied, words: "dominos.apps.example.com in namespace domino-operator"},
		{name: "no such kind", resources: unknown, is: kube.ErrNotFound, words: "kind Domino"},
		{name: "no such kind, as far as one can see", resources: unknown, metrics: down, isNot: kube.ErrNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := map[string]http.HandlerFunc{
				"GET /api":                      answer(metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}}),
				"GET /apis":                     answer(groups),
				"GET /apis/apps.example.com/v2": answer(test.resources),
				"GET /apis/metrics.k8s.io/v2":   answer(metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "metrics.k8s.io/v2"}),
				"GET /apis/apps.example.com/v2/namespaces/domino-operator/dominos": test.objects,
			}
			if test.metrics != nil {
				answers["GET /apis/metrics.k8s.io/v2"] = test.metrics
			}
			c, _ := serve(t, answers)
			body, err := c.DominoResource(t.Context(), "domino-operator")
			wantError := test.is != nil || test.isNot != nil || test.words != ""
			if (err != nil) != wantError {
				t.Fatalf("DominoResource gives %s and %v", body, err)
			}
			if err == nil && !strings.Contains(string(body), `"backups":{"type":"s3"}`) {
				t.Errorf("DominoResource gives %s", body)
			}
			if test.is != nil && !errors.Is(err, test.is) || test.isNot != nil && errors.Is(err, test.isNot) {
				t.Errorf("%v: want %v, not %v", err, test.is, test.isNot)
			}
			if err != nil && !strings.Contains(err.Error(), test.words) {
				t.Errorf("%q is not in %v", test.words, err)
			}
		})
	}
}

func TestNoClusterIsSaid(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", t.TempDir()+"/missing")
	t.Setenv("HOME", t.TempDir())
	if _, err := kube.InCluster("dmm"); !errors.Is(err, kube.ErrNoCluster) {
		t.Errorf("InCluster gives %v", err)
	}
	if _, err := kube.FromKubeconfig("dmm"); !errors.Is(err, kube.ErrNoCluster) {
		t.Errorf("FromKubeconfig gives %v", err)
	}
	// A pod that mounts no token has the variables all the same.
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	if _, err := kube.InCluster("dmm"); !errors.Is(err, kube.ErrNoCluster) {
		t.Errorf("InCluster without a token gives %v", err)
	}
}
