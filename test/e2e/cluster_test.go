package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
)

// dmm asks Domino with a token that Kubernetes issues to its pod for that purpose, and that Domino has Kubernetes check.
func TestServiceAccountToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	const audience = "domino.example.com"
	var asked string
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}}}
		review, err := cluster.AuthenticationV1().TokenReviews().Create(r.Context(), review, metav1.CreateOptions{})
		r.Header.Del("Authorization")
		if err == nil && review.Status.Authenticated {
			asked = review.Status.User.Username
			r.Header.Set("X-Domino-Api-Key", dominosim.DefaultAPIKey)
		}
		s.sim.Handler().ServeHTTP(w, r)
	}))
	s.values = append(s.values, "domino.url="+s.url, "domino.credentials.type=serviceAccountToken", "domino.credentials.audience="+audience)
	s.kubectl("delete", "secret", "dmm-domino") // it is not needed
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	if want := "system:serviceaccount:" + s.namespace + ":dmm"; asked != want {
		t.Errorf("Domino was asked as %q, want %q", asked, want)
	}
}

// What is refused at installation says what to type, and that is enough.
func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	s.kubectl("delete", "secret", "dmm-domino")
	refused := func(words string, args ...string) {
		t.Helper()
		if out, err := s.try(s.helm, s.helmArgs("install", args)...); err == nil || !strings.Contains(out, words) {
			t.Errorf("%q is not in what Helm says: %v\n%s", words, err, out)
		}
	}
	refused("kubectl create secret generic dmm-domino --namespace " + s.namespace + " --from-literal=apiKey=...")
	s.kubectl("create", "secret", "generic", "dmm-domino", "--from-literal=other="+dominosim.DefaultAPIKey)
	refused(`no key "apiKey"; it has: other`)
	s.values = append(s.values, "domino.credentials.key=other")
	refused("no namespace nowhere", "--set", "kubernetes.computeNamespaces={nowhere}")
	refused("kubectl create configmap ca --namespace "+s.namespace, "--set", "ca.configMap=ca")
	refused("claim mine is not in namespace", "--set", "store.volume.existingClaim=mine")
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	// Its Job outlives the release: of the same name again, Helm would take it over, and nothing would run.
	s.run(s.helm, "uninstall", "dmm", "--namespace", s.namespace, "--timeout", "60s")
	refused("kubectl delete job dmm-snapshot-1 --namespace "+s.namespace, "--set", "mode=snapshot")
	s.kubectl("delete", "job", "dmm-snapshot-1")
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
}

// account is a client as a service account that may do what the rules say.
func account(t *testing.T, namespace string, rules ...rbacv1.PolicyRule) *kube.Client {
	t.Helper()
	name := fmt.Sprintf("a%d", time.Now().UnixNano())
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := cluster.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	check(err)
	_, err = cluster.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{})
	check(err)
	_, err = cluster.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: namespace}},
	}, metav1.CreateOptions{})
	check(err)
	token, err := cluster.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	check(err)
	c := rest.AnonymousClientConfig(config)
	c.BearerToken = token.Status.Token
	client, err := kube.New(c, "dmm/test")
	check(err)
	return client
}

// internal/kube against the real API server, with the chart's own rights and without each of them.
func TestWhatTheAPIServerSays(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	ctx := t.Context()
	pods := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}
	namespaces := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{s.compute}, Verbs: []string{"get"}}
	full, blind := account(t, s.compute, pods, namespaces), account(t, s.compute)

	want := len(s.sim.Pods())
	got, err := full.Pods(ctx, s.compute)
	if err != nil || len(got) != want {
		t.Errorf("Pods gives %d and %v, want %d", len(got), err, want)
	}
	for i := range 1100 { // three pages
		_, err := cluster.CoreV1().Pods(s.compute).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("many-%04d", i)},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "example.test/none:1"}}, SchedulingGates: []corev1.PodSchedulingGate{{Name: "example.test/never"}}},
		}, metav1.CreateOptions{})
		s.must(err)
	}
	if got, err := full.Pods(ctx, s.compute); err != nil || len(got) != want+1100 {
		t.Errorf("Pods gives %d and %v, want %d", len(got), err, want+1100)
	}
	if _, err := blind.Pods(ctx, s.compute); !errors.Is(err, kube.ErrDenied) {
		t.Errorf("without rights Pods gives %v", err)
	}
	empty, half := account(t, s.namespace, pods, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}}), account(t, s.namespace, pods)
	if got, err := empty.Pods(ctx, s.namespace); err != nil || len(got) != 0 {
		t.Errorf("of an empty namespace Pods gives %v and %v", got, err)
	}
	if _, err := half.Pods(ctx, s.namespace); !errors.Is(err, kube.ErrDenied) {
		t.Errorf("of an empty namespace that may not be looked at Pods gives %v", err)
	}
	admin, err := kube.New(config, "dmm/test")
	s.must(err)
	if _, err := admin.Pods(ctx, "e2e-no-such-namespace"); !errors.Is(err, kube.ErrNotFound) {
		t.Errorf("of a namespace that is not there Pods gives %v", err)
	}

	job := kube.Job{Namespace: s.namespace, Name: "some-job", UID: "4711"}
	s.must(account(t, s.namespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}).Event(ctx, job, "Done", strings.Repeat("é", 2000), true))
	if e := s.events("some-job"); !strings.HasPrefix(e, "Warning Done: éé") {
		t.Errorf("the Event is %.60q", e)
	}
	if err := half.Event(ctx, job, "Done", "x", false); !errors.Is(err, kube.ErrDenied) {
		t.Errorf("without rights Event gives %v", err)
	}

	// A group of its own, as Domino's is documented nowhere.
	if _, err := admin.DominoResource(ctx, s.namespace); !errors.Is(err, kube.ErrNotFound) {
		t.Errorf("without the kind DominoResource gives %v", err)
	}
	client, err := dynamic.NewForConfig(config)
	s.must(err)
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "dominos.e2e.example.test"},
		"spec": map[string]any{"group": "e2e.example.test", "scope": "Namespaced", "names": map[string]any{"plural": "dominos", "singular": "domino", "kind": "Domino"},
			"versions": []any{map[string]any{"name": "v1alpha1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}},
	}}
	_, err = crds.Create(ctx, crd, metav1.CreateOptions{})
	s.must(err)
	t.Cleanup(func() { _ = crds.Delete(context.Background(), "dominos.e2e.example.test", metav1.DeleteOptions{}) })
	dominos := client.Resource(schema.GroupVersionResource{Group: "e2e.example.test", Version: "v1alpha1", Resource: "dominos"})
	s.await("the kind Domino", 30*time.Second, func() bool {
		_, err := dominos.Namespace(s.namespace).Create(ctx, aDomino(map[string]any{"type": "s3"}), metav1.CreateOptions{})
		return err == nil
	})
	asChart := account(t, s.namespace, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"dominos"}, Verbs: []string{"list"}})
	s.await("the kind in discovery", 30*time.Second, func() bool {
		body, err := asChart.DominoResource(ctx, s.namespace)
		return err == nil && strings.Contains(string(body), `"backups":{"type":"s3"}`)
	})
	if _, err := half.DominoResource(ctx, s.namespace); !errors.Is(err, kube.ErrDenied) {
		t.Errorf("without rights DominoResource gives %v", err)
	}
	t.Run("its backups", func(t *testing.T) { besideTheBackups(t, dominos) })
}

// aDomino is a Domino resource that says where the backups are.
func aDomino(backups map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "e2e.example.test/v1alpha1", "kind": "Domino", "metadata": map[string]any{"name": "domino"},
		"spec": map[string]any{"config": map[string]any{"blob_storage": map[string]any{"backups": backups}}},
	}}
}
