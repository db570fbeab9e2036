package e2e

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// The node is drained in the middle of a shutdown, as the upgrade of Kubernetes does. Nobody does anything: the Job goes on, and
// the maintenance is whole. It is the only test that changes what others run on, so that it runs before they do.
func TestDrain(t *testing.T) {
	s := newSite(t, slow())
	before := s.truth()
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	s.upgrade("--set", "mode=shutdown")
	s.midShutdown()
	pods := s.podsOf("dmm-shutdown-2")
	node := pods[0].Spec.NodeName
	t.Cleanup(func() { _, _ = s.try("kubectl", "uncordon", node) })
	s.run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s")
	s.run("kubectl", "uncordon", node)
	s.done("dmm-shutdown-2")
	s.wantNothingRunning()
	if j := s.job("dmm-shutdown-2"); j.Status.Failed != 0 {
		t.Errorf("the eviction counts as %d failures", j.Status.Failed)
	}
	s.upgrade("--set", "mode=restore")
	s.done("dmm-restore-3")
	s.wantWhole(before, 1)
}

// The procedure of the README, with both versions of Helm: snapshot, shutdown, restore, each a revision of the release. In
// between dmm itself is upgraded. The namespace enforces Pod Security "restricted" and a quota, the user is arbitrary, and the
// network policy is there (the cluster of CI stores it and enforces none).
func TestMaintenance(t *testing.T) {
	for _, helm := range []string{"helm", "helm3"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, brisk())
			if _, err := s.try(helm, "version"); err != nil {
				t.Skipf("%s is not on the PATH", helm)
			}
			s.helm = helm
			s.values = append(s.values, "networkPolicy.enabled=true", "podSecurityContext.runAsUser=1234567", "podSecurityContext.runAsGroup=0", "podSecurityContext.fsGroup=null")
			before := s.truth()
			s.install("--set", "mode=snapshot")
			s.done("dmm-snapshot-1")
			s.upgrade("--set", "mode=shutdown")
			s.done("dmm-shutdown-2")
			s.wantNothingRunning()
			if out, err := s.try(helm, "uninstall", "dmm", "--namespace", s.namespace, "--timeout", "60s"); err == nil {
				t.Errorf("an uninstall in the middle of a maintenance passes:\n%s", out)
			}
			s.wantLog("dmm-pre-delete", "Refused while a maintenance is open", "dmm restore")
			// Helm keeps a release whose uninstall was refused as one that is going; a rollback to where it is takes that back.
			s.run(helm, "rollback", "dmm", "2", "--namespace", s.namespace)
			s.upgrade("--set", "mode=restore", "--set", "image.tag="+newer[strings.LastIndex(newer, ":")+1:])
			s.done("dmm-restore-4")
			s.wantWhole(before, 1)
			for job, words := range map[string][]string{
				"dmm-snapshot-1": {"Normal Started: snapshot begins", "Normal Done: snapshot ends with 0: Snapshot", "Next: dmm shutdown"},
				"dmm-shutdown-2": {"Normal Done: shutdown ends with 0: Shutdown is done"},
				"dmm-restore-4":  {"Normal Done: restore ends with 0: Restore is done", "is closed"},
				"dmm-pre-delete": {"Warning Refused: status ends with 4"},
			} {
				events := s.events(job)
				for _, w := range words {
					if !strings.Contains(events, w) {
						t.Errorf("%q is not in the Events of %s:\n%s", w, job, events)
					}
				}
			}
			for _, p := range s.podsOf("dmm-snapshot-1") {
				if m := p.Status.ContainerStatuses[0].State.Terminated.Message; !strings.HasPrefix(m, "Snapshot ") || !strings.HasSuffix(m, "Next: dmm shutdown\n") {
					t.Errorf("the termination message is %q", m)
				}
			}
			s.wantNoSecret(dominosim.DefaultAPIKey)
			s.wantNotRepeated("2", "6")
			s.wantWhole(before, 1)
			s.run(helm, "uninstall", "dmm", "--namespace", s.namespace, "--timeout", "60s")
			if _, err := cluster.CoreV1().PersistentVolumeClaims(s.namespace).Get(t.Context(), "dmm", metav1.GetOptions{}); err != nil {
				t.Errorf("the records went with the release: %v", err)
			}
			if jobs, err := cluster.BatchV1().Jobs(s.namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(jobs.Items) != 4 {
				t.Errorf("the Jobs and their logs went with the release: %v %v", jobs, err)
			}
		})
	}
}

// wantNotRepeated asserts that the shutdown of a maintenance that is over stops nothing when Helm makes its Job anew:
// after a rollback to its revision, where the Job was deleted or has expired, and after an upgrade for another purpose,
// which keeps the mode of the release.
func (s *site) wantNotRepeated(revision, next string) {
	s.t.Helper()
	writes := len(s.sim.Ledger().Writes())
	s.kubectl("delete", "job", "dmm-shutdown-"+revision)
	s.run(s.helm, "rollback", "dmm", revision, "--namespace", s.namespace)
	s.wantRefused("dmm-shutdown-"+revision, "has had its maintenance, window 000001, which was closed at",
		"Next: dmm snapshot, if another maintenance is meant")
	s.run(s.helm, "upgrade", "dmm", chart, "--namespace", s.namespace, "--reset-then-reuse-values",
		"--set", "job.annotations.purpose=another")
	s.wantRefused("dmm-shutdown-"+next, "has had its maintenance, window 000001")
	if n := len(s.sim.Ledger().Writes()) - writes; n > 0 {
		s.t.Errorf("%d calls that change something were sent", n)
	}
}

// wantRefused waits for a Job that a guard refuses, and asserts that it is not tried again and says why.
func (s *site) wantRefused(job string, words ...string) {
	s.t.Helper()
	if how := s.over(job); how != batchv1.JobFailed {
		s.t.Errorf("Job %s ended as %s", job, how)
	}
	if pods := s.podsOf(job); len(pods) != 1 || exit(pods[0]) != 4 {
		s.t.Errorf("Job %s had %d pods, the first of which ended with %d", job, len(pods), exit(pods[0]))
	}
	s.wantLog(job, words...)
}

// Beside a Domino with its usual names nothing has to be set but the credentials and a mode (and the image, which is in no registry
// here). Its front end is a Service that leads to this machine.
func TestNothingSet(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	for _, ns := range []string{"domino-platform", "domino-compute"} {
		_, err := cluster.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"e2e": "dmm"}}}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			t.Skipf("the namespace %s is there: a Domino's own, which is left alone", ns)
		}
		s.must(err)
		t.Cleanup(func() { _ = cluster.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{}) })
	}
	nodes, err := cluster.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	s.must(err)
	address := nodes.Items[0].Status.Addresses[0].Address
	if ip := net.ParseIP(host); ip != nil {
		address = host
	} else if volumes == "" {
		t.Skip("E2E_HOST is no address, and the node may be another machine")
	}
	_, text, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	port, err := strconv.Atoi(text)
	s.must(err)
	number, name := int32(port), "http"
	const frontend = "nucleus-frontend"
	_, err = cluster.CoreV1().Services("domino-platform").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: frontend}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: name, Port: 80}}},
	}, metav1.CreateOptions{})
	s.must(err)
	_, err = cluster.DiscoveryV1().EndpointSlices("domino-platform").Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: frontend, Labels: map[string]string{discoveryv1.LabelServiceName: frontend}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number}},
	}, metav1.CreateOptions{})
	s.must(err)
	s.compute = "domino-compute"
	s.mirrorPods()
	s.values = slices.DeleteFunc(s.values, func(v string) bool { return !strings.HasPrefix(v, "image.") })
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	s.wantLog("dmm-snapshot-1", "http://nucleus-frontend.domino-platform", "is written")
	s.run(s.helm, "test", "dmm", "--namespace", s.namespace, "--timeout", "60s")
}

// A pod that is deleted in the middle of a shutdown is replaced, and the new one goes on.
func TestADeletedPod(t *testing.T) {
	t.Parallel()
	s := newSite(t, slow())
	before := s.truth()
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	s.upgrade("--set", "mode=shutdown")
	s.midShutdown()
	first := s.podsOf("dmm-shutdown-2")[0].Name
	s.kubectl("delete", "pod", first, "--wait=false")
	s.done("dmm-shutdown-2")
	if pods := s.podsOf("dmm-shutdown-2"); pods[len(pods)-1].Name == first {
		t.Error("the Job ended with the pod that was deleted")
	}
	s.wantNothingRunning()
	s.upgrade("--set", "mode=restore")
	s.done("dmm-restore-3")
	s.wantWhole(before, 1)
}

// Of two Jobs at once one works and the other refuses, with 4, and is not tried again. An audit beside them reads the same
// volume.
func TestTwoJobsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, slow())
	before := s.truth()
	s.values = append(s.values, "settings.lockWait=1s")
	s.install("--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	s.fromCron("shutdown", "one")
	s.midShutdown()
	s.fromCron("shutdown", "two")
	s.fromCron("audit", "audit")
	s.wantRefused("two", "at work", "Next: dmm status; then wait for that run to end")
	s.over("audit")
	if pods := s.podsOf("audit"); exit(pods[0]) != 0 && exit(pods[0]) != 7 {
		t.Errorf("the audit beside them ended with %d:\n%s", exit(pods[0]), s.log("audit"))
	}
	s.done("one")
	s.wantNothingRunning()
	s.fromCron("restore", "back")
	s.done("back")
	s.wantWhole(before, 1)
}

// Rights that are missing in the cluster cost a warning and nothing else: each in turn, then all.
func TestRightsDenied(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	before := s.truth()
	s.install()
	for _, c := range []struct{ name, namespace, role, patch, words string }{
		{"no-namespaces", s.compute, "dmm-compute", `[{"op":"remove","path":"/rules/1"}]`, "is written"},
		{"no-pods", s.compute, "dmm-compute", `[{"op":"replace","path":"/rules/0/verbs","value":["get"]}]`, "pods of executions could not be listed"},
		{"no-events", s.namespace, "dmm-events", `[{"op":"replace","path":"/rules/0/verbs","value":["get"]}]`, "the Job has no Event of this"},
	} {
		s.run("kubectl", "--namespace", c.namespace, "patch", "role", c.role, "--type=json", "-p", c.patch)
		s.fromCron("snapshot", c.name)
		s.done(c.name)
		s.wantLog(c.name, c.words)
	}
	s.fromCron("shutdown", "down")
	s.done("down")
	s.wantNothingRunning()
	s.fromCron("restore", "back")
	s.done("back")
	s.wantWhole(before, 1)
	if e := s.events("back"); e != "" {
		t.Errorf("there are Events without the right to make them: %s", e)
	}
}

// The schedule fires by itself, and what the audit found is in the store.
func TestTheAuditFires(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	s.install("--set", "audit.schedule=* * * * *", "--set", "mode=snapshot")
	s.done("dmm-snapshot-1")
	writes := len(s.sim.Ledger().Writes())
	var fired batchv1.Job
	s.await("a Job of the schedule", 90*time.Second, func() bool {
		l, err := cluster.BatchV1().Jobs(s.namespace).List(t.Context(), metav1.ListOptions{})
		s.must(err)
		for _, j := range l.Items {
			if strings.HasPrefix(j.Name, "dmm-audit-schedule-") && ended(&j) != "" {
				fired = j
				return true
			}
		}
		return false
	})
	if pods := s.podsOf(fired.Name); exit(pods[0]) != 0 && exit(pods[0]) != 7 {
		t.Errorf("the audit ended with %d:\n%s", exit(pods[0]), s.log(fired.Name))
	}
	if n := len(s.sim.Ledger().Writes()); n != writes {
		t.Errorf("the audit has sent %d calls that change something", n-writes)
	}
	if s.folder != "" && !strings.Contains(s.run("find", s.folder, "-type", "f"), "/audit") {
		t.Errorf("no result of the audit is in the store:\n%s", s.run("find", s.folder, "-type", "f"))
	}
}

// helm test checks credentials, rights and the store, and says which is wrong.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	needs(t, "check")
	s := newSite(t, brisk())
	s.install()
	s.run(s.helm, "test", "dmm", "--namespace", s.namespace, "--timeout", "60s")
	s.kubectl("delete", "secret", "dmm-domino")
	s.secret("dmm-domino", "apiKey", strings.Repeat("0", 64))
	if out, err := s.try(s.helm, "test", "dmm", "--namespace", s.namespace, "--timeout", "60s"); err == nil {
		t.Errorf("helm test passes with a wrong key:\n%s", out)
	}
	p, err := cluster.CoreV1().Pods(s.namespace).Get(t.Context(), "dmm-check", metav1.GetOptions{})
	s.must(err)
	if exit(*p) != 6 {
		t.Errorf("the check ended with %d: %+v", exit(*p), p.Status)
	}
}
