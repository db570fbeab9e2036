// Package e2e plays maintenances on a real Kubernetes with the real chart and the real image. The simulated Domino runs in the
// test's own process, where pods reach it, and its ledger says what each execution went through; the pods of its executions are
// made in the cluster, as nothing schedules them, so that dmm has something to look at.
//
// "make e2e" runs it: it needs KUBECONFIG and E2E_LOAD_IMAGE, the command that brings an image into the cluster.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

const chart = "../../charts/dmm"

var (
	cluster *kubernetes.Clientset
	config  *rest.Config
	// image and newer are two versions of the image, of which the second differs in its version alone.
	image, newer = os.Getenv("E2E_IMAGE"), os.Getenv("E2E_NEWER_IMAGE")
	// host is this machine, as pods know it.
	host = or(os.Getenv("E2E_HOST"), "host.cluster.internal")
	// volumes is a folder of this machine that is one of the node's, too: volumes are made in it. Empty: the cluster makes them.
	volumes = os.Getenv("E2E_VOLUMES")
)

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

func TestMain(m *testing.M) {
	if image == "" {
		fmt.Println("E2E_IMAGE is not set: nothing is tested on a cluster (make e2e)")
		os.Exit(0)
	}
	var err error
	if config, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")); err == nil {
		config.QPS, config.Burst = 100, 200
		cluster, err = kubernetes.NewForConfig(config)
	}
	if err != nil {
		fmt.Println("connect to the cluster:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// needs skips a test of a mode that this version does not have.
func needs(t *testing.T, mode string) {
	t.Helper()
	if !slices.ContainsFunc(modes.All(), func(m modes.Mode) bool { return m.Name == mode }) {
		t.Skipf("this version has no mode %s", mode)
	}
}

// site is a simulated Domino with a namespace for its executions and one for dmm, and a release of the chart in the latter.
type site struct {
	t         *testing.T
	sim       *dominosim.Sim
	url       string
	namespace string
	compute   string
	folder    string // of the volume on this machine; empty if the cluster makes volumes
	helm      string
	values    []string
}

// brisk is a deployment without awkward rows that takes a moment for everything.
func brisk() dominosim.Config {
	return dominosim.Config{
		Profile: "6.1", Seed: 3, Plain: true, Latency: 5 * time.Millisecond, StartTime: 500 * time.Millisecond, StopTime: 500 * time.Millisecond,
		Projects: 3, Apps: 6, Models: 4, Workspaces: 5, Schedules: 5, StoppedFraction: 0.25,
	}
}

// slow is one of which a shutdown takes long enough to be disturbed.
func slow() dominosim.Config {
	c := brisk()
	c.StopTime = 6 * time.Second
	return c
}

func newSite(t *testing.T, c dominosim.Config) *site {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("Test", "", "/", "-", "_", "-").Replace(t.Name()))
	s := &site{t: t, sim: dominosim.New(c), namespace: "e2e-" + name, compute: "e2e-" + name + "-compute", helm: "helm"}
	s.serve(s.sim.Handler())
	for _, ns := range []string{s.namespace, s.compute} {
		labels := map[string]string{"e2e": "dmm"}
		if ns == s.namespace { // every test runs as hardened as it gets
			labels["pod-security.kubernetes.io/enforce"] = "restricted"
		}
		_, err := cluster.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: labels}}, metav1.CreateOptions{})
		s.must(err)
		t.Cleanup(func() {
			if !t.Failed() || os.Getenv("E2E_KEEP") == "" {
				_ = cluster.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{})
			}
		})
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.tell()
		}
	})
	s.quota()
	s.volume()
	s.secret("dmm-domino", "apiKey", dominosim.DefaultAPIKey)
	s.values = []string{
		"domino.url=" + s.url, "kubernetes.computeNamespaces={" + s.compute + "}",
		"image.registry=", "image.repository=" + image[:strings.LastIndex(image, ":")], "image.tag=" + image[strings.LastIndex(image, ":")+1:],
		"settings.lease=3s", "settings.settle=2s", "settings.lockWait=5s", "settings.restoreWorkspaces=true", "settings.gracePeriod=1m",
		"deadline=5m", "job.backoffLimit=2",
	}
	s.mirrorPods()
	return s
}

// serve serves Domino to this machine and to pods.
func (s *site) serve(h http.Handler) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	s.must(err)
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	s.t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.url = "http://" + host + ":" + port
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// quota demands limits of every container.
func (s *site) quota() {
	hard := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory} {
		hard[name] = resource.MustParse("64Gi")
	}
	_, err := cluster.CoreV1().ResourceQuotas(s.namespace).Create(s.t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{})
	s.must(err)
}

// volume makes the volume that the chart's claim is bound to, where the cluster does not do so itself.
func (s *site) volume() {
	if volumes == "" {
		return
	}
	s.folder = filepath.Join(volumes, s.namespace)
	s.must(os.RemoveAll(s.folder))
	s.must(os.MkdirAll(s.folder, 0o755))
	s.must(os.Chmod(s.folder, 0o777)) // whatever user the pod has
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: s.folder}},
			ClaimRef:               &corev1.ObjectReference{Namespace: s.namespace, Name: "dmm"},
		},
	}
	_, err := cluster.CoreV1().PersistentVolumes().Create(s.t.Context(), pv, metav1.CreateOptions{})
	s.must(err)
	s.t.Cleanup(func() {
		_ = cluster.CoreV1().PersistentVolumes().Delete(context.Background(), pv.Name, metav1.DeleteOptions{})
		_ = os.RemoveAll(s.folder)
	})
}

func (s *site) secret(name, key, value string) {
	s.t.Helper()
	_, err := cluster.CoreV1().Secrets(s.namespace).Create(s.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{key: value}}, metav1.CreateOptions{})
	s.must(err)
}

// mirrorPods keeps the compute namespace as the simulator says that it is, until the test ends. The pods wait at a gate, so that
// no node runs them, and are said to run.
func (s *site) mirrorPods() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	pods := cluster.CoreV1().Pods(s.compute)
	have := map[string]bool{}
	sync := func() {
		want := map[string]bool{}
		for _, p := range s.sim.Pods() {
			want[p.Name] = true
			if have[p.Name] {
				continue
			}
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: p.Labels},
				Spec: corev1.PodSpec{
					Containers:      []corev1.Container{{Name: "run", Image: "example.test/none:1"}},
					SchedulingGates: []corev1.PodSchedulingGate{{Name: "example.test/never"}},
				},
			}
			made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
			if err == nil {
				made.Status.Phase = corev1.PodRunning
				_, err = pods.UpdateStatus(ctx, made, metav1.UpdateOptions{})
			}
			if err == nil || apierrors.IsAlreadyExists(err) {
				have[p.Name] = true
			}
		}
		for name := range have {
			if !want[name] && pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}) == nil {
				delete(have, name)
			}
		}
	}
	sync()
	go func() {
		defer close(done)
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				sync()
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// try runs a program and returns what it says on standard output. Warnings on standard error are no part of that, unless it fails.
func (s *site) try(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out) + stderr.String(), err
	}
	return string(out), nil
}

func (s *site) run(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (s *site) kubectl(args ...string) string {
	s.t.Helper()
	return s.run("kubectl", append([]string{"--namespace", s.namespace}, args...)...)
}

// helmArgs is helm install or upgrade of the release dmm with values.
func (s *site) helmArgs(verb string, args []string) []string {
	all := []string{verb, "dmm", chart, "--namespace", s.namespace}
	for _, v := range s.values {
		all = append(all, "--set", v)
	}
	return append(all, args...)
}

func (s *site) install(args ...string) string {
	s.t.Helper()
	return s.run(s.helm, s.helmArgs("install", args)...)
}

func (s *site) upgrade(args ...string) string {
	s.t.Helper()
	return s.run(s.helm, s.helmArgs("upgrade", args)...)
}

// await polls until a condition holds.
func (s *site) await(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

func (s *site) job(name string) *batchv1.Job {
	s.t.Helper()
	j, err := cluster.BatchV1().Jobs(s.namespace).Get(s.t.Context(), name, metav1.GetOptions{})
	s.must(err)
	return j
}

func ended(j *batchv1.Job) batchv1.JobConditionType {
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return c.Type
		}
	}
	return ""
}

// done waits for a Job to complete.
func (s *site) done(name string) {
	s.t.Helper()
	if how := s.over(name); how != batchv1.JobComplete {
		s.t.Fatalf("Job %s ended as %s:\n%s", name, how, s.log(name))
	}
}

// over waits for a Job to end and says how.
func (s *site) over(name string) batchv1.JobConditionType {
	s.t.Helper()
	var how batchv1.JobConditionType
	s.await("the end of Job "+name, 2*time.Minute, func() bool {
		j, err := cluster.BatchV1().Jobs(s.namespace).Get(s.t.Context(), name, metav1.GetOptions{})
		if err == nil {
			how = ended(j)
		}
		return how != ""
	})
	return how
}

// fromCron makes a Job of one of the chart's suspended CronJobs.
func (s *site) fromCron(mode, name string) {
	s.t.Helper()
	s.kubectl("create", "job", "--from=cronjob/dmm-"+mode, name)
}

func (s *site) podsOf(job string) []corev1.Pod {
	s.t.Helper()
	l, err := cluster.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job})
	s.must(err)
	slices.SortFunc(l.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return l.Items
}

// log is what all pods of a Job have written, as far as they are still there.
func (s *site) log(job string) string {
	var b strings.Builder
	for _, p := range s.podsOf(job) {
		out, err := cluster.CoreV1().Pods(s.namespace).GetLogs(p.Name, &corev1.PodLogOptions{}).DoRaw(s.t.Context())
		fmt.Fprintf(&b, "--- %s\n%s", p.Name, out)
		if err != nil {
			fmt.Fprintf(&b, "(%v)\n", err)
		}
	}
	return b.String()
}

// exit is the exit code of a pod's container, -1 if it has none yet.
func exit(p corev1.Pod) int32 {
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Terminated != nil {
			return c.State.Terminated.ExitCode
		}
	}
	return -1
}

// events are the reasons and messages of dmm's own Events on a Job, oldest first.
func (s *site) events(job string) string {
	l, err := cluster.CoreV1().Events(s.namespace).List(s.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,involvedObject.name=" + job})
	s.must(err)
	var lines []string
	slices.SortFunc(l.Items, func(a, b corev1.Event) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for _, e := range l.Items {
		if e.Source.Component == "dmm" {
			lines = append(lines, e.Type+" "+e.Reason+": "+e.Message)
		}
	}
	return strings.Join(lines, "\n")
}

func (s *site) wantLog(job string, words ...string) {
	s.t.Helper()
	log := s.log(job)
	for _, w := range words {
		if !strings.Contains(log, w) {
			s.t.Errorf("%q is not in the log of %s:\n%s", w, job, log)
		}
	}
}

// tell shows what a failed test leaves behind.
func (s *site) tell() {
	for _, args := range [][]string{{"get", "pods,jobs,events", "-o", "wide"}, {"logs", "--selector", "app.kubernetes.io/name=domino-maintenance-mode", "--tail", "30", "--prefix"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		out, _ := exec.CommandContext(ctx, "kubectl", append([]string{"--namespace", s.namespace}, args...)...).CombinedOutput()
		cancel()
		s.t.Logf("%s\n%s", strings.Join(args, " "), out)
	}
}

// truth is what runs, with its arguments as far as a restart carries them.
func (s *site) truth() map[dominosim.Key]dominosim.Run {
	out := map[dominosim.Key]dominosim.Run{}
	for k, r := range s.sim.Ledger().Snapshot() {
		r = r.Arguments()
		r.GitRef, r.Definition = nil, nil
		out[k] = r
	}
	return out
}

func (s *site) wantNothingRunning() {
	s.t.Helper()
	if left := s.sim.Ledger().Snapshot(); len(left) > 0 {
		s.t.Fatalf("%d executions run: %v", len(left), left)
	}
}

// wantWhole asserts that what ran before runs again as it did, and each was stopped as often as there were maintenances and
// started exactly as often, and that nothing else was touched.
func (s *site) wantWhole(before map[dominosim.Key]dominosim.Run, maintenances int) {
	s.t.Helper()
	if len(before) < 10 {
		s.t.Fatalf("only %d executions ran before: this proves little", len(before))
	}
	if diff := cmp.Diff(before, s.truth(), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("what runs (-before +after):\n%s", diff)
	}
	for _, e := range s.sim.Ledger().Entries() {
		stops, starts := effects(e)
		if _, ran := before[e.Key]; !ran && len(e.Calls) > 0 {
			s.t.Errorf("%s %s did not run and was called", e.Kind, e.ID)
		} else if ran && (stops < maintenances || starts != maintenances) {
			s.t.Errorf("%s %s: stopped %d times and started %d times in effect, in %d maintenances", e.Kind, e.ID, stops, starts, maintenances)
		}
	}
	for k := range before {
		if e := s.sim.Ledger().Entry(k.Kind, k.ID); maintenances > 0 && len(e.Calls) == 0 {
			s.t.Errorf("%s %s was never stopped", k.Kind, k.ID)
		}
	}
}

// effects is how often calls of dmm stopped and started an execution in effect.
func effects(e dominosim.Entry) (stops, starts int) {
	if e.Kind != dominosim.KindScheduledJob {
		return e.Effects("stop"), e.Effects("start")
	}
	for _, c := range e.Calls {
		switch paused, _ := c.Args["isPaused"].(bool); {
		case !c.Effect:
		case paused:
			stops++
		default:
			starts++
		}
	}
	return stops, starts
}

// midShutdown waits until the shutdown has stopped something and not all.
func (s *site) midShutdown() {
	s.t.Helper()
	s.await("the middle of the shutdown", time.Minute, func() bool {
		var stops int
		for _, e := range s.sim.Ledger().Entries() {
			n, _ := effects(e)
			stops += n
		}
		return stops > 3
	})
	if len(s.sim.Ledger().Snapshot()) == 0 {
		s.t.Fatal("the shutdown was over before it could be disturbed")
	}
}

// wantNoSecret asserts that a text stands in nothing that the API server shows but the Secret itself, nor in any log.
func (s *site) wantNoSecret(text string) {
	s.t.Helper()
	for _, kind := range []string{"pods", "jobs", "cronjobs", "events", "configmaps", "serviceaccounts"} {
		if strings.Contains(s.kubectl("get", kind, "-o", "json"), text) {
			s.t.Errorf("the key is in %s", kind)
		}
	}
	l, err := cluster.CoreV1().Pods(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	s.must(err)
	for _, p := range l.Items {
		r, err := cluster.CoreV1().Pods(s.namespace).GetLogs(p.Name, &corev1.PodLogOptions{}).Stream(s.t.Context())
		if err != nil {
			continue
		}
		log, _ := io.ReadAll(r)
		_ = r.Close()
		if bytes.Contains(log, []byte(text)) {
			s.t.Errorf("the key is in the log of %s", p.Name)
		}
	}
}
