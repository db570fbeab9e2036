package modes_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// working is a lagging deployment in which jobs run and images are built, next to a little of everything else. Jobs run so
// long, 0 is for ever.
func working(profile string, jobTime time.Duration) dominosim.Config {
	c := lagging(profile)
	c.Apps, c.Models, c.Workspaces, c.Schedules, c.StoppedFraction = 2, 1, 1, 1, 0
	c.Plain = true
	c.Jobs, c.Builds, c.JobTime, c.BuildTime = 6, 2, jobTime, jobTime
	return c
}

// of are the running executions of some kinds.
func of(runs map[dominosim.Key]dominosim.Run, kinds ...string) map[dominosim.Key]dominosim.Run {
	out := maps.Clone(runs)
	maps.DeleteFunc(out, func(k dominosim.Key, _ dominosim.Run) bool { return !slices.Contains(kinds, k.Kind) })
	return out
}

// finite are the kinds that come to an end by themselves.
func finite(k dominosim.Key) bool {
	return k.Kind == dominosim.KindJob || k.Kind == dominosim.KindBuild
}

func TestJobsAndBuildsAreStoppedAndRunAgain(t *testing.T) {
	for _, profile := range []string{"5.9", "5.10", "6.2"} {
		for _, policy := range []string{"stop", "discard"} {
			t.Run(profile+" "+policy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, working(profile, 0), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS="+policy, "DMM_RUNNING_BUILDS=cancel")
					before := s.running()
					s.must(0, "snapshot")
					s.must(0, "shutdown")
					if left := s.running(); len(left) > 0 {
						t.Fatalf("after shutdown %d executions run: %v", len(left), slices.Collect(maps.Keys(left)))
					}
					for k := range of(before, dominosim.KindJob) {
						for _, c := range s.sim.Ledger().Entry(k.Kind, k.ID).Calls {
							if commit := c.Args["commitResults"]; commit != (policy == "stop") {
								t.Errorf("%v was stopped with commitResults %v", k, commit)
							}
							if len(c.Unknown) > 0 {
								t.Errorf("%v: stop sent %v", k, c.Unknown)
							}
						}
					}
					res := s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
					starts := func(k dominosim.Key) int {
						if k.Kind == dominosim.KindBuild && profile == "5.9" {
							return 0 // which has no call for it
						}
						return 1
					}
					s.wantExactly(before, once, starts)
					if profile == "5.9" {
						for k := range of(before, dominosim.KindBuild) {
							if got := outcomeOf(res, k.ID); got != "left" {
								t.Errorf("a build that Domino cannot repeat is %q, want left", got)
							}
							delete(before, k)
						}
					}
					s.wantSame(before)
				})
			})
		}
	}
}

func TestJobsAndBuildsAreLeftToTheirOwnersByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, working("6.2", 0), "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel")
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		res := s.must(0, "restore")
		for k := range before {
			if !finite(k) {
				continue
			}
			if _, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); starts > 0 {
				t.Errorf("%v was started, and nobody had asked for it", k)
			}
			setting := map[string]string{dominosim.KindJob: "DMM_RERUN_JOBS", dominosim.KindBuild: "DMM_REBUILD"}[k.Kind]
			if got := reasonOf(res, k.ID); outcomeOf(res, k.ID) != "left" || !strings.Contains(got, setting) {
				t.Errorf("%v is %s because %q, want left with a reason that names %s", k, outcomeOf(res, k.ID), got, setting)
			}
		}
		if res.Phase != "closed" {
			t.Errorf("the window is %s, want closed", res.Phase)
		}
	})
}

func reasonOf(res *report.Result, id string) string {
	for _, e := range res.Executions {
		if e.ID == id {
			return e.Reason
		}
	}
	return ""
}

func TestJobsAndBuildsAreWaitedFor(t *testing.T) {
	for _, profile := range []string{"5.5", "6.2"} { // builds cannot be cancelled before 5.9, and are waited for whatever the setting
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, working(profile, 5*time.Minute), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_BUILDS="+map[string]string{"5.5": "cancel", "6.2": "wait"}[profile])
				before := s.running()
				var late string
				time.AfterFunc(45*time.Second, func() { late = s.sim.CreateJob("", "late.py") }) // what is started meanwhile is treated alike
				s.must(0, "snapshot")
				began := time.Now()
				res := s.must(0, "shutdown")
				if left := s.running(); len(left) > 0 {
					t.Fatalf("after shutdown %d executions run: %v", len(left), slices.Collect(maps.Keys(left)))
				}
				if late == "" || s.sim.Ledger().State(dominosim.KindJob, late) != "Succeeded" {
					t.Errorf("the job that was started meanwhile is %q, want Succeeded", s.sim.Ledger().State(dominosim.KindJob, late))
				}
				if res.LastQuiet.IsZero() {
					t.Error("quiet is not on record, though all jobs have ended")
				}
				// Waiting goes on alongside: what is stopped is stopped at once, but for the model APIs.
				for _, e := range s.sim.Ledger().Entries() {
					for _, c := range e.Calls {
						switch {
						case finite(e.Key):
							t.Errorf("%v was called: %+v", e.Key, c)
						case !execution.Kind(e.Kind).Serving() && c.At.Sub(began) > time.Minute:
							t.Errorf("%v was stopped after %v, as if it had waited for the jobs", e.Key, c.At.Sub(began))
						case execution.Kind(e.Kind).Serving() && c.At.Sub(began) < time.Minute:
							t.Errorf("%v was stopped after %v, before the jobs had ended", e.Key, c.At.Sub(began))
						}
					}
				}
				maps.DeleteFunc(before, func(k dominosim.Key, _ dominosim.Run) bool { return finite(k) })
				s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true") // a job that was waited for is no business of it
				s.wantSame(before)
			})
		})
	}
}

func TestAJobThatDoesNotEndIsReportedAndNeverStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, working("6.2", 0), "DMM_RESTORE_WORKSPACES=true")
		before := s.running()
		s.must(0, "snapshot")
		began := time.Now()
		res := s.must(3, "shutdown")
		if took := time.Since(began); took < 10*time.Minute || took > 14*time.Minute {
			t.Errorf("shutdown took %v, want the grace period of 10m, and a bit", took)
		}
		for k := range before {
			state := "is down"
			if _, runs := s.running()[k]; runs {
				state = "runs"
			}
			switch want := map[bool]string{true: "runs", false: "is down"}[finite(k)]; {
			case state != want:
				t.Errorf("%v %s, want it %s", k, state, want)
			case finite(k) && (outcomeOf(res, k.ID) != "failed" || !strings.Contains(reasonOf(res, k.ID), "still runs")):
				t.Errorf("%v is reported as %s, %q", k, outcomeOf(res, k.ID), reasonOf(res, k.ID))
			}
		}
		if !res.LastQuiet.IsZero() {
			t.Error("quiet is on record, though jobs run")
		}
		// One has ended when shutdown is run again, and is done with.
		ended := s.anyRunning(dominosim.KindJob)
		if err := s.sim.EndJob(ended.ID, "Succeeded"); err != nil {
			t.Fatal(err)
		}
		res = s.must(3, "shutdown")
		if got := outcomeOf(res, ended.ID); got != "not-ours" {
			t.Errorf("the job that has ended is %q, want not-ours", got)
		}
		res = s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
		for k := range before {
			if finite(k) && k != ended && outcomeOf(res, k.ID) != "untouched" {
				t.Errorf("restore says of %v %q, want untouched", k, outcomeOf(res, k.ID))
			}
		}
		if got := outcomeOf(res, ended.ID); !strings.HasPrefix(got, "nothing") {
			t.Errorf("restore says of the job that ended %q, want nothing", got)
		}
		delete(before, ended)
		s.wantSame(before)
		s.wantAtMostOnce()
	})
}

func TestIgnoredJobsAreLeftRunningAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, working("6.2", 0), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=ignore", "DMM_RUNNING_BUILDS=ignore")
		before := s.running()
		s.must(0, "snapshot")
		res := s.must(0, "shutdown")
		if res.LastQuiet.IsZero() {
			t.Error("quiet is not on record")
		}
		for k := range before {
			if finite(k) && outcomeOf(res, k.ID) != "left" {
				t.Errorf("%v is reported as %q, want left", k, outcomeOf(res, k.ID))
			}
		}
		if n := len(of(s.running(), dominosim.KindJob, dominosim.KindBuild)); n != 8 {
			t.Errorf("%d jobs and builds run after shutdown, want all 8", n)
		}
		s.must(0, "restore")
		s.wantSame(before)
	})
}

func TestJobsOfAFlowAreDrained(t *testing.T) {
	for _, policy := range []string{"wait", "stop", "discard"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := working("6.2", 4*time.Minute)
				c.FlowJobs, c.Builds = 2, 0
				s := newSite(t, c, "DMM_RUNNING_JOBS="+policy)
				var flow []string
				for _, o := range s.sim.Objects(dominosim.KindJob)[6:] {
					flow = append(flow, o.ID)
				}
				s.must(0, "snapshot")
				dry := s.must(0, "shutdown", "DMM_DRY_RUN=true")
				res := s.must(0, "shutdown")
				for _, id := range flow {
					if word := s.sim.Ledger().State(dominosim.KindJob, id); word != "Succeeded" {
						t.Errorf("the job %s of a flow is %s, want Succeeded", id, word)
					}
					if why := reasonOf(dry, id); !strings.Contains(why, "flow") || !strings.Contains(why, "never stopped") {
						t.Errorf("the dry run says of it %q", why)
					}
					if got := outcomeOf(res, id); got != "not-ours" {
						t.Errorf("the result says of it %q, want not-ours", got)
					}
				}
				if !slices.ContainsFunc(res.Notes, func(n string) bool { return strings.Contains(n, "2 jobs of flows") }) {
					t.Errorf("notes = %v, want one about 2 jobs of a flow", res.Notes)
				}
			})
		})
	}
}

func TestAWindowKeepsToItsPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, working("6.2", 0), "DMM_RUNNING_JOBS=stop")
		s.must(0, "snapshot")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(modes.ErrInterrupted) })
		if _, err := s.runContext(ctx, "shutdown"); modes.Classify(err) != modes.FaultInterrupted {
			t.Fatalf("interrupted shutdown: %v", err)
		}
		for _, other := range []string{"DMM_RUNNING_JOBS=discard", "DMM_RUNNING_BUILDS=cancel"} {
			_, err := s.run("shutdown", other)
			var usage *modes.UsageError
			if !errors.As(err, &usage) || modes.Classify(err) != modes.FaultUsage {
				t.Errorf("shutdown with %s: %v, want a usage error", other, err)
			}
		}
	})
}

// An answer that is lost, an owner who is faster, another job that looks alike: each re-run is made once, or its job is left with
// the advice to look.
func TestAReRunIsMadeOnce(t *testing.T) {
	const restart = "/v4/jobs/restart"
	for name, c := range map[string]struct {
		faults []dominosim.Fault
		before func(t *testing.T, s *site, jobs []dominosim.Object)
		left   int // jobs that are left with a reason
		again  int // re-runs in all that dmm has made
	}{
		"each answer is lost":                {faults: []dominosim.Fault{{Kind: dominosim.FaultLost, Times: 6}}, again: 6},
		"each call is lost and lands late":   {faults: []dominosim.Fault{{Kind: dominosim.FaultLost, Times: 6, Late: true}}, again: 6},
		"each first answer is a page":        {faults: []dominosim.Fault{{Kind: dominosim.FaultLost, Status: 502, Times: 6}}, again: 6},
		"no first call reaches Domino":       {faults: []dominosim.Fault{{Kind: dominosim.FaultDrop, Times: 6}}, again: 6},
		"one answer of two alike is lost":    {faults: []dominosim.Fault{{Kind: dominosim.FaultLost, Times: 1}}, again: 6},
		"answers have no body":               {faults: []dominosim.Fault{{Kind: dominosim.FaultEmpty, Times: 6}}, again: 6},
		"Domino is overloaded for a while":   {faults: []dominosim.Fault{{Kind: dominosim.FaultStatus, Status: 503, Times: 3}}, again: 6},
		"its owner has run one again":        {before: rerunByOwner, left: 2, again: 4},
		"its owner runs the command by hand": {before: startedByOwner, left: 2, again: 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, working("6.2", 0), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel")
				jobs := s.sim.Objects(dominosim.KindJob)
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				if c.before != nil {
					c.before(t, s, jobs)
				}
				for _, f := range c.faults {
					f.Method, f.Path = http.MethodPost, restart
					s.sim.AddFault(f)
				}
				res := s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
				left, again := 0, 0
				for _, j := range jobs {
					_, starts := effects(s.sim.Ledger().Entry(j.Kind, j.ID))
					again += starts
					switch got := outcomeOf(res, j.ID); {
					case got == "left" && strings.Contains(reasonOf(res, j.ID), "look at job #"):
						left++
					case got != "done":
						t.Errorf("job %s is %s: %s", j.ID, got, reasonOf(res, j.ID))
					}
				}
				if left != c.left || again != c.again {
					t.Errorf("%d jobs were re-run and %d left, want %d and %d", again, left, c.again, c.left)
				}
				if missed := s.sim.UnfiredFaults(); len(missed) > 0 {
					t.Errorf("planned faults did not strike: %+v", missed)
				}
				if n := len(of(s.running(), dominosim.KindBuild)); n != 2 {
					t.Errorf("%d builds run, want 2", n)
				}
			})
		})
	}
}

func rerunByOwner(t *testing.T, s *site, jobs []dominosim.Object) {
	if err := s.sim.OwnerRerunJob(jobs[0].ID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // until lists show it
}

func startedByOwner(_ *testing.T, s *site, jobs []dominosim.Object) {
	s.sim.CreateJob(jobs[2].ProjectID, jobs[2].Name)
	time.Sleep(time.Minute)
}

// A job that comes to its end while it is being stopped has not been stopped, and is not run again.
func TestAJobThatEndsWhileItIsStoppedIsNotRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, working("6.2", 0), "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel")
		s.must(0, "snapshot")
		job := s.anyRunning(dominosim.KindJob)
		s.sim.AddFault(dominosim.Fault{Method: http.MethodPost, Path: "/v4/jobs/stop", Kind: dominosim.FaultStopFails, Times: -1})
		time.AfterFunc(30*time.Second, func() {
			s.sim.ClearFaults()
			for _, o := range s.sim.Objects(dominosim.KindJob) {
				if err := s.sim.EndJob(o.ID, "Succeeded"); err != nil {
					t.Error(err)
				}
			}
		})
		res := s.must(0, "shutdown")
		if got := outcomeOf(res, job.ID); got != "not-ours" {
			t.Errorf("shutdown says of it %q, want not-ours", got)
		}
		s.must(0, "restore", "DMM_RERUN_JOBS=true")
		if _, starts := effects(s.sim.Ledger().Entry(job.Kind, job.ID)); starts > 0 {
			t.Error("it was run again")
		}
	})
}

func TestClassicWorkspacesAreSavedAndLeftToTheirOwners(t *testing.T) { // api.md §23, row 10
	for _, profile := range []string{"5.5", "6.2"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := working(profile, 0)
				c.Jobs, c.Builds, c.Classics = 0, 0, 2
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				before := s.running()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				if left := s.running(); len(left) > 0 {
					t.Fatalf("after shutdown %d executions run", len(left))
				}
				for _, r := range s.sim.Ledger().Writes() {
					if strings.Contains(r.Path, "discard") {
						t.Errorf("%s: work was thrown away", r.Path)
					}
				}
				res := s.must(0, "restore")
				left := 0
				for k := range before {
					if outcomeOf(res, k.ID) == "left" {
						left++
						delete(before, k)
						if stops, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); stops != 1 || starts != 0 || !strings.Contains(reasonOf(res, k.ID), "classic") {
							t.Errorf("%v was stopped %d and started %d times, and is left because %q", k, stops, starts, reasonOf(res, k.ID))
						}
					}
				}
				if left != 2 {
					t.Errorf("%d workspaces are left to their owners, want the 2 classic ones", left)
				}
				s.wantSame(before)
			})
		})
	}
}

// Jobs that are run again change hands, which is said before anything is stopped; what is waited for or left does not.
func TestWhomAJobRunsAsAgainIsSaidBefore(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"DMM_RUNNING_JOBS=stop", "DMM_RERUN_JOBS=true"}, true},
		{[]string{"DMM_RUNNING_JOBS=stop"}, false},
		{[]string{"DMM_RERUN_JOBS=true"}, false}, // waited for
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, working("6.2", 0), c.env...)
			s.must(0, "snapshot")
			res := s.must(0, "shutdown", "DMM_DRY_RUN=true")
			said := slices.ContainsFunc(res.Findings, func(f execution.Finding) bool { return strings.Contains(f.Message, "6 jobs of others") })
			if said != c.want {
				t.Errorf("with %v findings = %v, want the 6 jobs among them: %t", c.env, res.Findings, c.want)
			}
		})
	}
}
