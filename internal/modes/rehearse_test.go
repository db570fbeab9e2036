package modes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// A rehearsal takes about as long as the maintenance will, says so, and touches nothing.
func TestARehearsalTellsHowLongAMaintenanceTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dominosim.Lagged(dominosim.Config{
			Profile: "6.1", Seed: 9, Plain: true, Latency: 200 * time.Millisecond, StartTime: 90 * time.Second, StopTime: 40 * time.Second,
			Projects: 10, Apps: 40, Models: 20, Workspaces: 40, Schedules: 20, StoppedFraction: 0.2,
		})
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_START_CONCURRENCY=25")
		id := s.must(0, "snapshot").Snapshot
		before, requests := s.keys(""), len(s.sim.Ledger().Requests())
		res := s.must(0, "rehearse", "DMM_SNAPSHOT="+id, "DMM_SIM_CONFIG="+writeFile(t, "sim.yaml",
			"{latency: 200ms, startTime: 90s, stopTime: 40s, listLag: 40s, lagGoesBack: true, lateLanding: 15s}"))
		if diff := cmp.Diff(before, s.keys("")); diff != "" {
			t.Errorf("objects in the store (-before +after):\n%s", diff)
		}
		if n := len(s.sim.Ledger().Requests()); n != requests {
			t.Errorf("the real Domino was asked %d times", n-requests)
		}
		if n := len(s.running()); res.Rehearsal.Stop != n || res.Rehearsal.Start != n || res.Sum().Done != n {
			t.Errorf("the rehearsal stops %d and starts %d, and %d are back; want %d", res.Rehearsal.Stop, res.Rehearsal.Start, res.Sum().Done, n)
		}
		began := time.Now()
		s.must(0, "shutdown")
		down := time.Since(began)
		began = time.Now()
		s.must(0, "restore")
		up := time.Since(began)
		for _, step := range []struct {
			name           string
			rehearsed, was time.Duration
		}{{"shutdown", res.Rehearsal.Down, down}, {"restore", res.Rehearsal.Up, up}} {
			off := float64(step.rehearsed-step.was) / float64(step.was)
			t.Logf("%s: rehearsed %s, took %s: %+.0f %%", step.name, step.rehearsed.Round(time.Second), step.was.Round(time.Second), off*100)
			if off < -0.4 || off > 0.4 {
				t.Errorf("%s: rehearsed %s, took %s", step.name, step.rehearsed, step.was)
			}
		}
		// The next rehearsal knows from the window how long executions take.
		time.Sleep(time.Hour)
		s.must(0, "snapshot")
		again := s.must(0, "rehearse")
		if off := float64(again.Rehearsal.Up-up) / float64(up); off < -0.5 || off > 0.5 {
			t.Errorf("without times of its own: rehearsed %s, took %s", again.Rehearsal.Up, up)
		}
		var text strings.Builder
		if err := again.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), "A maintenance would take about") || !strings.Contains(text.String(), "rehearsed at 10 times the speed of life") {
			t.Errorf("the text does not say how long it would be:\n%s", text.String())
		}
	})
}

// What the snapshot's findings foresee fails in the rehearsal, by name, and nothing else does.
func TestARehearsalFailsWhereItIsForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy(), "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=2")
		app := s.anyRunning(dominosim.KindApp)
		tier := s.running()[app].HardwareTier
		hit := map[string]bool{}
		for k, r := range s.running() {
			if r.HardwareTier == tier && (k.Kind == dominosim.KindApp || k.Kind == dominosim.KindWorkspace) {
				hit[k.ID] = true
			}
		}
		s.sim.ArchiveTier(tier)
		s.must(0, "snapshot")
		res := s.must(3, "rehearse")
		failed := map[string]bool{}
		for _, x := range res.Executions {
			if x.Outcome == "failed" {
				failed[x.ID] = true
				if !strings.Contains(x.Reason, "is archived") {
					t.Errorf("%s fails because %q", x.Name, x.Reason)
				}
			}
		}
		if diff := cmp.Diff(hit, failed); diff != "" {
			t.Errorf("what fails (-foreseen +rehearsed):\n%s", diff)
		}
	})
}

// What is without its volume starts without it: audit, rehearsal and restore say the same.
func TestAnUnregisteredVolumeHasOneAnswer(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	row(t, c, func(s *site) {
		app := s.objectNamed(dominosim.KindApp, "unregistered-volume")
		of := func(res *report.Result) report.Execution {
			i := slices.IndexFunc(res.Executions, func(x report.Execution) bool { return x.ID == app.ID })
			if i < 0 {
				return report.Execution{}
			}
			return res.Executions[i]
		}
		audit := s.must(7, "audit", "DMM_RESTORE_WORKSPACES=true").Audit
		if !strings.Contains(audit.Headline, "1 would come back without what they had") ||
			slices.ContainsFunc(audit.Reasons, func(r report.Reason) bool { return strings.Contains(r.Text, "registered") }) {
			t.Errorf("audit says %q, reasons %v", audit.Headline, audit.Reasons)
		}
		found := findings(s.must(0, "snapshot"), execution.VolumeUnregistered)
		if len(found) != 1 || !found[0].Starts || !strings.Contains(found[0].Message, "starts again without it") {
			t.Errorf("the snapshot says beforehand %v", found)
		}
		res, err := s.run("rehearse", "DMM_RESTORE_WORKSPACES=true")
		if err != nil || of(res).Outcome == "failed" {
			t.Errorf("the rehearsal says %+v, %v", of(res), err)
		}
		s.must(0, "shutdown")
		res, err = s.run("restore", "DMM_RESTORE_WORKSPACES=true")
		if x := of(res); err != nil || x.Outcome != "done" || len(x.Guesses) == 0 {
			t.Errorf("restore says %+v, %v", x, err)
		}
	})
}

// Faults are met and survived, and the same rehearsal meets the same.
func TestARehearsalWithFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		faults := func(res *report.Result) (met []string) {
			for _, n := range res.Notes {
				if strings.Contains(n, "met and survived") {
					met = append(met, n)
				}
			}
			return met
		}
		quiet := s.must(0, "rehearse")
		if met := faults(quiet); len(met) > 0 {
			t.Errorf("without a rate %q were met", met)
		}
		res, err := s.run("rehearse", "DMM_FAULT_RATE=60")
		if err != nil {
			t.Fatal(err)
		}
		met := faults(res)
		if len(met) < 5 {
			t.Errorf("of %d executions at a rate of 60 %% these met a fault: %q", res.Sum().Total, met)
		}
		again, err := s.run("rehearse", "DMM_FAULT_RATE=60")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(met, faults(again)); diff != "" {
			t.Errorf("another rehearsal of the same (-first +second):\n%s", diff)
		}
		if sum := res.Sum(); sum.Done+sum.Left+sum.Failed != sum.Total {
			t.Errorf("what becomes of them does not add up: %+v", sum)
		}
		if res.Rehearsal.Up <= quiet.Rehearsal.Up && res.Rehearsal.Down <= quiet.Rehearsal.Down {
			t.Errorf("with faults it takes %+v, without %+v", res.Rehearsal, quiet.Rehearsal)
		}
	})
}

func TestARehearsalNeedsASnapshot(t *testing.T) {
	s := newSite(t, small())
	if _, err := s.run("rehearse"); modes.Classify(err) != modes.FaultNotFound {
		t.Errorf("rehearse: %v, want not found", err)
	}
}

// A snapshot of any version can be rehearsed, and an imported one as well as it can be.
func TestARehearsalOfAnyVersion(t *testing.T) {
	for _, profile := range dominosim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := healthy()
				c.Profile, c.Plain = profile, false
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				if _, err := s.run("snapshot"); err != nil {
					t.Fatal(err)
				}
				res, err := s.run("rehearse")
				if err != nil {
					t.Fatal(err)
				}
				if res.Sum().Done == 0 || res.Sum().Remaining > 0 {
					t.Errorf("%s: %+v", res.Message, res.Sum())
				}
			})
		})
	}
}

// allKinds is a healthy deployment with something of every kind.
func allKinds() dominosim.Config {
	c := healthy()
	c.Profile, c.Jobs, c.Builds, c.Classics, c.Endpoints, c.Deployments = "6.2", 6, 2, 2, 3, 3
	return c
}

// names are those of what ran, by kind and id.
func names(sim *dominosim.Sim, ran map[dominosim.Key]dominosim.Run) map[string]string {
	out := map[string]string{}
	for k := range ran {
		for _, o := range sim.Objects(k.Kind) {
			if o.ID == k.ID {
				out[k.Kind+" "+k.ID] = fmt.Sprintf("%s %s %s %d", o.Name, o.Project, o.ModelID, o.Number)
			}
		}
	}
	return out
}

// Each kind is stopped and started again in a rehearsal as the settings say, which its simulator's ledger tells.
func TestARehearsalPlaysEveryKind(t *testing.T) {
	const rest = "DMM_RESTORE_WORKSPACES=true"
	none := map[string]int{}
	for _, c := range []struct {
		name   string
		env    []string
		code   int
		stops  map[string]int // of each running execution of a kind, where it is not 1
		starts map[string]int
		note   string
	}{
		{"all is stopped and run again", []string{rest, "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true"}, 0, none, none, ""},
		{"jobs are stopped and left to their owners", []string{rest, "DMM_RUNNING_JOBS=discard", "DMM_RUNNING_BUILDS=cancel"}, 0,
			none, map[string]int{"Job": 0, "Build": 0}, ""},
		{"jobs are waited for and end", []string{rest, "sim: {jobTime: 2m, buildTime: 1m}"}, 0,
			map[string]int{"Job": 0, "Build": 0}, map[string]int{"Job": 0, "Build": 0}, ""},
		{"jobs are waited for in vain", []string{rest}, 3,
			map[string]int{"Job": 0, "Build": 0}, map[string]int{"Job": 0, "Build": 0}, "nobody knows when 6 jobs will end"},
		{"jobs are ignored", []string{rest, "DMM_RUNNING_JOBS=ignore", "DMM_RUNNING_BUILDS=ignore"}, 0,
			map[string]int{"Job": 0, "Build": 0}, map[string]int{"Job": 0, "Build": 0}, ""},
		{"workspaces are left to their owners, and an older Domino has fewer kinds", []string{"DMM_RUNNING_JOBS=ignore", "DMM_RUNNING_BUILDS=ignore", "sim: {profile: '5.10'}"}, 0,
			map[string]int{"Job": 0, "Build": 0, "Endpoint": 0, "ExternalDeployment": 0},
			map[string]int{"Job": 0, "Build": 0, "Endpoint": 0, "ExternalDeployment": 0, "Workspace": 0}, " running executions of kinds that dmm or Domino 5.10 does not know are left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				env := slices.Clone(c.env)
				for i, e := range env {
					if sim, ok := strings.CutPrefix(e, "sim: "); ok {
						env[i] = "DMM_SIM_CONFIG=" + writeFile(t, "sim.yaml", sim)
					}
				}
				s := newSite(t, allKinds(), env...)
				s.must(0, "snapshot")
				before := s.running()
				res := s.must(c.code, "rehearse")
				durable := map[string]bool{} // workspaces
				for _, o := range s.sim.Objects(dominosim.KindWorkspace) {
					durable[o.ID] = true
				}
				count := func(of map[string]int, kind string) int {
					if n, ok := of[kind]; ok {
						return n
					}
					return 1
				}
				for k := range before {
					stops, starts := effects(s.staged.Ledger().Entry(k.Kind, k.ID))
					wantStops, wantStarts := count(c.stops, k.Kind), count(c.starts, k.Kind)
					if k.Kind == dominosim.KindWorkspace && !durable[k.ID] { // a classic one, which no call starts
						wantStarts = 0
					}
					if stops != wantStops || starts != wantStarts {
						t.Errorf("%v was stopped %d and started %d times in the rehearsal, want %d and %d", k, stops, starts, wantStops, wantStarts)
					}
				}
				if diff := cmp.Diff(names(s.sim, before), names(s.staged, before)); diff != "" && s.staged.Profile() == s.sim.Profile() {
					t.Errorf("names (-real +played):\n%s", diff)
				}
				for _, e := range s.staged.Ledger().Entries() {
					if _, ran := before[e.Key]; !ran {
						t.Errorf("%v was touched: %+v", e.Key, e.Calls)
					}
				}
				if c.note != "" && !slices.ContainsFunc(res.Notes, func(n string) bool { return strings.Contains(n, c.note) }) {
					t.Errorf("notes = %q, want one with %q", res.Notes, c.note)
				}
				if c.code == 3 {
					for _, x := range res.Executions {
						if x.Outcome == "failed" && !strings.Contains(x.Reason, "still runs after 10m0s") {
							t.Errorf("%s %s failed because %q", x.Kind, x.Name, x.Reason)
						}
					}
				}
			})
		})
	}
}

// A fault that is drawn for an execution meets its calls, whatever kind it is of.
func TestEveryKindMeetsItsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, allKinds(), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
		s.must(0, "snapshot")
		running := s.running()
		if _, err := s.run("rehearse", "DMM_FAULT_RATE=100"); err != nil {
			t.Fatal(err)
		}
		met := map[string]int{}
		for _, f := range s.staged.Faults() {
			kind, _, _ := strings.Cut(f.Name, " ")
			switch {
			case f.Fired > 0:
				met[kind]++
			case strings.Contains(f.Name, "(classic)") && strings.Contains(f.Name, "start"): // which nothing starts
			default:
				t.Errorf("no call met this: %+v", f.Fault)
			}
		}
		for k := range running {
			if met[k.Kind] == 0 {
				t.Errorf("no fault of a %s was met", k.Kind)
			}
		}
	})
}
