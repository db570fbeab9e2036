package e2e

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// helm upgrade is a maintenance: snapshot, shutdown, upgrade, restore, in this order, with both versions of Helm. The logs stay.
func TestHooks(t *testing.T) {
	for _, helm := range []string{"helm", "helm3"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, brisk())
			if _, err := s.try(helm, "version"); err != nil {
				t.Skipf("%s is not on the PATH", helm)
			}
			s.helm = helm
			s.values = append(s.values, "hooks.enabled=true")
			before := s.truth()
			s.install()
			if n := len(s.sim.Ledger().Requests()); n > 0 {
				t.Errorf("the installation alone has asked Domino %d times", n)
			}
			s.upgrade("--timeout", "3m")
			s.wantWhole(before, 1)
			var last metav1.Time
			for _, name := range []string{"dmm-pre-upgrade-snapshot", "dmm-pre-upgrade-shutdown", "dmm-post-upgrade-restore"} {
				j := s.job(name)
				if ended(j) != batchv1.JobComplete || j.Status.StartTime.Before(&last) {
					t.Errorf("%s is %s, began at %s, and the one before was done at %s", name, ended(j), j.Status.StartTime, last)
				}
				last = *j.Status.CompletionTime
				s.wantLog(name, "connected")
			}
			// The accounts that hooks have for themselves are gone with them.
			if l, err := cluster.CoreV1().ServiceAccounts(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=dmm"}); err != nil || len(l.Items) != 1 {
				t.Errorf("%d accounts are left: %v", len(l.Items), err)
			}
			s.upgrade("--timeout", "3m") // and once more
			s.wantWhole(before, 2)
			s.run(helm, "rollback", "dmm", "1", "--namespace", s.namespace, "--timeout", "3m")
			s.wantLog("dmm-post-rollback-restore", "Nothing to restore: no maintenance is open")
			s.wantWhole(before, 2)
		})
	}
}

// A shutdown that fails blocks the upgrade, which can then be called off without Helm, rolled back, or tried again. An upgrade
// whose restore finds nothing open says so.
func TestAShutdownThatFails(t *testing.T) {
	t.Parallel()
	c := brisk()
	c.Faults = []dominosim.Fault{{Name: "one app does not stop", Method: "POST", Path: "/v4/modelProducts/{id}/stop", Kind: dominosim.FaultStatus, Status: 400, Times: -1, Nth: 3}}
	s := newSite(t, c)
	s.values = append(s.values, "hooks.enabled=true", "job.backoffLimit=0", "settings.maxFailures=1")
	before := s.truth()
	s.install()
	out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "3m"})...)
	if err == nil || !strings.Contains(out, "pre-upgrade hooks failed") {
		t.Fatalf("the upgrade is not blocked: %v\n%s", err, out)
	}
	if e := s.events("dmm-pre-upgrade-shutdown"); !strings.Contains(e, "Warning Partial: shutdown ends with 3: Shutdown is partial") || !strings.Contains(e, "Next: see above, then dmm shutdown again, or dmm restore to call it off") {
		t.Errorf("the Events do not say what to do:\n%s", e)
	}
	if len(s.sim.Ledger().Snapshot()) == len(before) {
		t.Error("nothing was stopped: this proves nothing")
	}
	s.fromCron("restore", "by-hand")
	s.done("by-hand")
	if got := s.truth(); len(got) != len(before) {
		t.Errorf("%d of %d run after the shutdown was called off", len(got), len(before))
	}
	// Again, and this time it is rolled back.
	if out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "3m"})...); err == nil {
		t.Fatalf("the upgrade is not blocked:\n%s", out)
	}
	s.run(s.helm, "rollback", "dmm", "1", "--namespace", s.namespace, "--timeout", "3m")
	s.wantLog("dmm-post-rollback-restore", "Restore is done")
	// Again, with the fault mended after the first try: the second goes on in the open window.
	if out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "3m"})...); err == nil {
		t.Fatalf("the upgrade is not blocked:\n%s", out)
	}
	s.sim.ClearFaults()
	s.upgrade("--timeout", "3m")
	s.wantLog("dmm-pre-upgrade-snapshot", "No snapshot was taken: window 000003 is open")
	if got := s.truth(); len(got) != len(before) {
		t.Errorf("%d of %d run in the end", len(got), len(before))
	}
}

// An upgrade whose hooks pass and that fails in itself: Helm runs no hooks after it, and everything is still down. The restore is
// made by hand, and the next time by a rollback.
func TestAnUpgradeThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	s.values = append(s.values, "hooks.enabled=true")
	before := s.truth()
	s.install()
	for _, restore := range []func(){
		func() { s.fromCron("restore", "by-hand"); s.done("by-hand") },
		func() { s.run(s.helm, "rollback", "dmm", "1", "--namespace", s.namespace, "--timeout", "3m") },
	} {
		const refused = "extraManifests[0].apiVersion=v1,extraManifests[0].kind=ConfigMap,extraManifests[0].metadata.name=No_Name"
		out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "3m", "--set", refused})...)
		if err == nil || strings.Contains(out, "hooks failed") {
			t.Fatalf("the upgrade does not fail in itself: %v\n%s", err, out)
		}
		s.wantNothingRunning()
		restore()
		if got := s.truth(); len(got) != len(before) {
			t.Errorf("%d of %d run in the end", len(got), len(before))
		}
	}
	s.wantWhole(before, 2)
}

// An upgrade that Helm stops waiting for, while its shutdown is at work, is run again: the maintenance goes on and is whole.
func TestATimeoutOfHelm(t *testing.T) {
	t.Parallel()
	s := newSite(t, slow())
	s.values = append(s.values, "hooks.enabled=true")
	before := s.truth()
	s.install()
	done := make(chan string)
	go func() {
		out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "9s"})...)
		if err == nil {
			out = ""
		}
		done <- out
	}()
	s.midShutdown()
	if out := <-done; !strings.Contains(out, "hooks failed") {
		t.Fatalf("Helm did not give up in the middle of the shutdown, or not for its time: %s", out)
	}
	s.upgrade("--timeout", "3m")
	s.wantWhole(before, 1)
}

// With an intent, hooks may run as often as Argo CD has them: the maintenance is made once. One that was called off blocks
// the next upgrade until its intent is another.
func TestAnIntent(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	s.values = append(s.values, "hooks.enabled=true", "hooks.everyUpgrade=false")
	before := s.truth()
	s.install()
	s.upgrade("--timeout", "3m")
	s.wantWhole(before, 0)
	s.upgrade("--timeout", "3m", "--set", "hooks.intent=6.2.0")
	s.wantWhole(before, 1)
	s.upgrade("--timeout", "3m", "--set", "hooks.intent=6.2.0")
	s.wantLog("dmm-pre-upgrade-shutdown", `a maintenance for "6.2.0" has been`)
	s.wantWhole(before, 1)

	// The upgrade itself fails after its shutdown, and is rolled back.
	broken := []string{"--timeout", "3m", "--set", "hooks.intent=6.3.0,job.backoffLimit=0", "--set-json", `extraManifests=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"Not A Name"}}]`}
	if out, err := s.try(s.helm, s.helmArgs("upgrade", broken)...); err == nil {
		t.Fatalf("an upgrade with a ConfigMap that cannot be has succeeded:\n%s", out)
	}
	s.run(s.helm, "rollback", "dmm", "--namespace", s.namespace, "--timeout", "3m")
	s.wantLog("dmm-post-rollback-restore", "Restore is done")
	s.wantWhole(before, 2)
	if out, err := s.try(s.helm, s.helmArgs("upgrade", []string{"--timeout", "3m", "--set", "hooks.intent=6.3.0,job.backoffLimit=0"})...); err == nil {
		t.Fatalf("the upgrade is not blocked:\n%s", out)
	}
	s.wantLog("dmm-pre-upgrade-shutdown", `the last maintenance for "6.3.0" was called off`)
	s.wantWhole(before, 2)
}
