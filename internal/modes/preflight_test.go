package modes_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

func findings(res *report.Result, code string) []execution.Finding {
	return slices.DeleteFunc(slices.Clone(res.Findings), func(f execution.Finding) bool { return f.Code != code })
}

func noted(res *report.Result, part string) bool {
	return slices.ContainsFunc(res.Notes, func(n string) bool { return strings.Contains(n, part) })
}

// TestPreflightIsSaidBeforeAnythingIsStopped: snapshot, the dry runs, shutdown and restore all name what will not come
// back as it was, and none of them ends for it.
func TestPreflightIsSaidBeforeAnythingIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 3, Apps: 6, Models: 2, Workspaces: 4, Schedules: 2})
		s.sim.ArchiveTier("medium-k8s")
		check := func(step string, res *report.Result) {
			t.Helper()
			tier, as := findings(res, execution.TierArchived), findings(res, execution.RunsAs)
			if len(tier) != 1 || len(tier[0].Executions) == 0 || len(as) != 1 || len(as[0].Executions) != 6 {
				t.Errorf("%s: findings = %v, want the archived tier and as whom six apps will run", step, res.Findings)
			}
		}
		check("snapshot", s.must(0, "snapshot"))
		snap, err := snapshot.Load(t.Context(), s.store, "latest")
		if err != nil || len(snap.Findings) == 0 || !snap.Complete {
			t.Errorf("snapshot = %+v, %v, want findings in its manifest, and complete", snap.Manifest, err)
		}
		check("shutdown --dry-run", s.must(0, "shutdown", "DMM_DRY_RUN=true"))
		if n := len(s.sim.Ledger().Writes()); n != 0 {
			t.Fatalf("%d writes by now, want none", n)
		}
		check("shutdown", s.must(0, "shutdown"))
		dry := s.must(0, "restore", "DMM_DRY_RUN=true")
		check("restore --dry-run", dry)
		var b strings.Builder
		if err := dry.WriteText(&b); err != nil || !strings.Contains(b.String(), "hardware tier medium-k8s (Medium) is archived") || !strings.Contains(b.String(), "to do: ") {
			t.Errorf("text = %s, %v, want the finding and what to do about it", b.String(), err)
		}
		check("restore", s.must(3, "restore")) // what ran on the archived tier cannot start
		s.wantFoundOnRecord(2)
	})
}

// wantFoundOnRecord asserts that each run of the last window has put on record what it found before it touched anything, and
// that the report tells of it.
func (s *site) wantFoundOnRecord(runs int) {
	s.t.Helper()
	w, err := window.Look(s.t.Context(), s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]int{}
	for _, l := range w.Lines {
		found[l.Run] += len(l.Findings)
		if l.Event == window.Intent && found[l.Run] == 0 {
			s.t.Errorf("run %s was about to call %v and had put no finding on record", l.Run, l.Key)
		}
	}
	if len(found) != runs {
		s.t.Errorf("%d runs are on record, want %d", len(found), runs)
	}
	var m report.Maintenance
	if err := json.Unmarshal(s.must(0, "report", "DMM_FORMAT=json").Document, &m); err != nil {
		s.t.Fatal(err)
	}
	if len(m.Findings) < 2 || m.Findings[0].Severity != execution.Error || len(m.Findings[0].Runs) != runs {
		s.t.Errorf("the report tells of %+v, want an error first that each of %d runs found", m.Findings, runs)
	}
}

// TestRestoreWaitsForPods: with a cluster in reach, Domino's word alone does not bring anything back.
func TestRestoreWaitsForPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Apps: 2, Models: 2, Workspaces: 2, Schedules: 1})
		s.cluster = true
		ran := s.running()
		version := s.sim.Objects(dominosim.KindModelAPI)[0]
		if _, up := ran[version.Key]; !up {
			t.Fatalf("%v does not run", version)
		}
		if res := s.must(0, "snapshot"); len(res.Notes) > 0 {
			t.Errorf("notes = %q, want none: all witnesses agree", res.Notes)
		}
		s.must(0, "shutdown")
		s.sim.LosePod(version.ID)
		res := s.must(3, "restore", "DMM_RESTORE_WORKSPACES=true")
		i := slices.IndexFunc(res.Executions, func(e report.Execution) bool { return e.ID == version.ID })
		if i < 0 || res.Executions[i].Outcome != "failed" || !strings.Contains(res.Executions[i].Reason, "has no pod") {
			t.Errorf("executions = %+v, want %s failed for want of a pod", res.Executions, version.ID)
		}
		if sum := res.Sum(); sum.Done != sum.Total-1 {
			t.Errorf("sum = %+v, want all but one done", sum)
		}
		s.sim.FindPod(version.ID)
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		s.wantSame(ran)
	})
}

// TestSnapshotExplainsWhatOnlyPodsShow: the third witness is in the manifest and in the result, and a snapshot that it
// contradicts is still complete.
func TestSnapshotExplainsWhatOnlyPodsShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Apps: 2, Models: 2, Workspaces: 2, Schedules: 1})
		s.cluster = true
		var app dominosim.Run
		for k, r := range s.running() {
			if k.Kind == dominosim.KindApp {
				app = r
			}
		}
		s.sim.LosePod(app.Execution)
		s.sim.LeavePod(dominosim.Pod{Name: "run-5f0000000000000000000bad-1", Labels: map[string]string{"dominodatalab.com/workload-type": "Workspace"}})
		res := s.must(0, "snapshot")
		for _, want := range []string{"pod domino-compute/run-5f0000000000000000000bad-1", "has no pod"} {
			if !noted(res, want) {
				t.Errorf("notes = %q, want one with %q", res.Notes, want)
			}
		}
		snap, err := snapshot.Load(t.Context(), s.store, "latest")
		if err != nil || len(snap.Unaccounted) != 1 || snap.Unaccounted[0].Why == "" {
			t.Errorf("unaccounted = %+v, %v, want the pod, explained", snap.Unaccounted, err)
		}
		// Domino's word stands: the app without a pod counts as running.
		at := slices.IndexFunc(snap.Executions, func(e execution.Execution) bool { return e.RunID == app.Execution })
		if at < 0 || !snap.Executions[at].State.Up() {
			t.Errorf("the app of %s is not among what runs", fmt.Sprint(app.Key))
		}
	})
}

// TestRightsComeFirst: a key that cannot see all projects makes a snapshot that says so, with what else its owner may not
// do, and that shutdown refuses; one that can and is no administrator is named what it lacks.
func TestRightsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 3, Apps: 3, Models: 2, Workspaces: 3, Schedules: 2})
		user := s.sim.Users()[1]
		if err := s.sim.AddKey("somebody", user); err != nil {
			t.Fatal(err)
		}
		res := s.must(3, "snapshot", "DOMINO_API_KEY=somebody")
		if got := len(findings(res, execution.RightsMissing)); got != 6 {
			t.Errorf("findings = %v, want all six rights", res.Findings)
		}
		if !noted(res, "may not list all projects") {
			t.Errorf("notes = %q, want one about sight", res.Notes)
		}
		if snap, err := snapshot.Load(t.Context(), s.store, "latest"); err != nil || snap.Complete {
			t.Errorf("complete = %t, %v, want false", snap.Complete, err)
		}
		if _, err := s.run("shutdown", "DOMINO_API_KEY=somebody"); err == nil || !strings.Contains(err.Error(), "not complete") {
			t.Errorf("shutdown = %v, want a refusal", err)
		}
		s.sim.Grant(user, "ListAllProjects", "StopRuns", "ActAsProjectAdmin", "ViewAdminDashboard", "ViewUserList", "EditCentralConfig")
		res = s.must(0, "snapshot", "DOMINO_API_KEY=somebody")
		if got := findings(res, execution.RightsMissing); len(got) != 1 || !strings.Contains(got[0].Message, "ViewExecutors") || got[0].Severity != execution.Warning {
			t.Errorf("findings = %v, want the one right that is missing", got)
		}
		if !noted(res, "second look") {
			t.Errorf("notes = %q, want one that the second witness could not be asked", res.Notes)
		}
	})
}
