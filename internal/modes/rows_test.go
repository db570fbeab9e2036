package modes_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

// One test for each row of api.md §23: what the tool before this one gets wrong, or could have used. Each is a maintenance,
// and each fails when the row's behaviour is put in the place of dmm's.

// rows is a deployment without awkward rows, in which everything runs.
func rows(profile string) dominosim.Config {
	return dominosim.Config{
		Profile: profile, Seed: 4, Plain: true, Latency: 10 * time.Millisecond, StartTime: 15 * time.Second, StopTime: 15 * time.Second,
		Projects: 3, Apps: 6, Models: 4, Workspaces: 4, Schedules: 4,
	}
}

// row plays a test in virtual time.
func row(t *testing.T, c dominosim.Config, play func(s *site), env ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(newSite(t, c, append(env, "DMM_RESTORE_WORKSPACES=true")...)) })
}

// wholeRow is a row that shows in what runs after a maintenance of everything.
func wholeRow(t *testing.T, c dominosim.Config, then func(s *site, before map[dominosim.Key]dominosim.Run), env ...string) {
	t.Helper()
	row(t, c, func(s *site) {
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			s.t.Errorf("after shutdown %d executions run", len(left))
		}
		s.must(0, "restore")
		s.wantExactly(before, once, once)
		then(s, before)
	}, env...)
}

// eachApp holds what an app runs with now against what it ran with before.
func (s *site) eachApp(before map[dominosim.Key]dominosim.Run, same func(was, is dominosim.Run) bool) {
	s.t.Helper()
	n := 0
	for k, was := range of(before, dominosim.KindApp) {
		n++
		if is := s.running()[k]; !same(was, is) {
			s.t.Errorf("%v ran with %+v and runs with %+v", k, was, is)
		}
	}
	if n == 0 {
		s.t.Error("no app ran")
	}
}

func (s *site) objectNamed(kind, name string) dominosim.Object {
	s.t.Helper()
	for _, o := range s.sim.Objects(kind) {
		if o.Name == name {
			return o
		}
	}
	s.t.Fatalf("no %s is called %s", kind, name)
	return dominosim.Object{}
}

// asked are the requests for a route.
func (s *site) asked(route string) int {
	return len(slices.DeleteFunc(s.sim.Ledger().Requests(), func(r dominosim.Request) bool { return r.Route != route }))
}

func TestRow01AppKeepsItsEnvironmentAndCommit(t *testing.T) {
	wholeRow(t, rows("6.1"), func(s *site, before map[dominosim.Key]dominosim.Run) {
		s.eachApp(before, func(was, is dominosim.Run) bool {
			return was.Environment == is.Environment && was.Commit == is.Commit && is.Environment != "" && is.Commit != ""
		})
	})
}

func TestRow02AppMountsWhatItHadMounted(t *testing.T) {
	wholeRow(t, rows("6.1"), func(s *site, before map[dominosim.Key]dominosim.Run) {
		s.eachApp(before, func(was, is dominosim.Run) bool { return slices.Equal(was.Volumes, is.Volumes) })
	})
}

func TestRow03AppKeepsItsNetAppVolumesAndBundle(t *testing.T) {
	c := rows("6.2")
	c.Apps = 9
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		volumes, bundles := 0, 0
		for _, r := range before {
			volumes += len(r.NetAppVolumes)
			bundles += len(r.Bundle)
		}
		if volumes == 0 || bundles == 0 {
			s.t.Errorf("%d NetApp volumes and %d bundles were in use, want some of each", volumes, bundles)
		}
		s.eachApp(before, func(was, is dominosim.Run) bool {
			return slices.Equal(was.NetAppVolumes, is.NetAppVolumes) && was.Bundle == is.Bundle
		})
	})
}

func TestRow04AStopWithoutAnAnswerBodyIsNoFailure(t *testing.T) {
	c := rows("6.1")
	empty := true
	c.EmptyStopBody = &empty
	wholeRow(t, c, func(*site, map[dominosim.Key]dominosim.Run) {}) // each was stopped once, and nothing failed
}

func TestRow05StopOfAStoppedAppIsNoFailure(t *testing.T) {
	for _, profile := range []string{"5.9", "6.1"} { // 500 and 404
		t.Run(profile, func(t *testing.T) {
			var s *site
			var app dominosim.Key
			c := rows(profile)
			c.StopTime = 0
			c.OnRequest = func(_ int, r *http.Request) error {
				if s != nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, app.ID+"/stop") {
					_ = s.sim.OwnerStopApp(app.ID) // its owner is faster, once
				}
				return nil
			}
			row(t, c, func(now *site) {
				app = now.anyRunning(dominosim.KindApp)
				now.must(0, "snapshot")
				s = now
				res := now.must(0, "shutdown")
				if got := outcomeOf(res, app.ID); got != "not-ours" {
					t.Errorf("shutdown says %q of it, want not-ours", got)
				}
				if n := len(now.sim.Ledger().Entry(app.Kind, app.ID).Calls); n != 1 {
					t.Errorf("it was asked to stop %d times, want once", n)
				}
			})
		})
	}
}

func TestRow06AScheduleKeepsItsMountsAndFlags(t *testing.T) {
	for _, profile := range []string{"5.9", "6.2"} {
		t.Run(profile, func(t *testing.T) {
			var were map[string]map[string]any
			row(t, rows(profile), func(s *site) {
				were = s.definitions()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				if paused := s.definitions(); !sameBut(were, paused, "isPaused") {
					t.Errorf("paused = %v, want %v", paused, were)
				}
				s.must(0, "restore")
				if now := s.definitions(); !sameBut(were, now) {
					t.Errorf("after the restore = %v, want %v", now, were)
				}
			})
		})
	}
}

// sameBut compares definitions but for some keys.
func sameBut(a, b map[string]map[string]any, keys ...string) bool {
	text := func(all map[string]map[string]any) string {
		out := map[string]map[string]any{}
		for id, d := range all {
			out[id] = map[string]any{}
			for k, v := range d {
				if !slices.Contains(keys, k) {
					out[id][k] = v
				}
			}
		}
		b, err := json.Marshal(out)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	return text(a) == text(b)
}

func TestRow07AScheduleThatFailsTakesNothingWithIt(t *testing.T) {
	row(t, rows("6.1"), func(s *site) {
		schedule := s.anyRunning(dominosim.KindScheduledJob)
		s.sim.AddFault(dominosim.Fault{Method: "PUT", Object: schedule.ID, Kind: dominosim.FaultStatus, Status: 500, Times: -1})
		s.must(0, "snapshot")
		res := s.must(3, "shutdown")
		if got := outcomeOf(res, schedule.ID); got != "failed" {
			t.Errorf("shutdown says %q of the schedule, want failed", got)
		}
		if left := s.running(); len(left) != 1 {
			t.Errorf("%d executions run, want the one that cannot be paused", len(left))
		}
	})
}

func TestRow08WorkspacesAreStartedAgain(t *testing.T) {
	wholeRow(t, rows("6.1"), func(s *site, before map[dominosim.Key]dominosim.Run) {
		for k, was := range of(before, dominosim.KindWorkspace) {
			if is := s.running()[k]; !slices.Equal(was.Volumes, is.Volumes) || !slices.Equal(was.NetAppVolumes, is.NetAppVolumes) {
				t.Errorf("%v ran with %v and runs with %v", k, was, is)
			}
		}
	})
	t.Run("or left to their owners", func(t *testing.T) {
		c, no := rows("6.1"), false
		c.AdminMayStartWorkspaces = &no
		row(t, c, func(s *site) {
			workspace := s.anyRunning(dominosim.KindWorkspace)
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			if res := s.must(0, "restore"); outcomeOf(res, workspace.ID) != "left" || res.Phase != "closed" {
				t.Errorf("restore says %q of it and the window is %s, want left and closed", outcomeOf(res, workspace.ID), res.Phase)
			}
		})
	})
}

func TestRow09JobsAndBuildsAreStopped(t *testing.T) {
	for profile, cancels := range map[string]bool{"6.2": true, "5.5": false} { // builds can be cancelled from 5.9 on
		t.Run(profile, func(t *testing.T) {
			row(t, working(profile, 0), func(s *site) {
				builds := of(s.running(), dominosim.KindBuild)
				s.must(0, "snapshot")
				code := 0
				if !cancels {
					code = 3
				}
				s.must(code, "shutdown")
				if jobs := of(s.running(), dominosim.KindJob); len(jobs) > 0 {
					t.Errorf("%d jobs run", len(jobs))
				}
				if left := of(s.running(), dominosim.KindBuild); cancels == (len(left) > 0) || len(builds) == 0 {
					t.Errorf("%d of %d builds run", len(left), len(builds))
				}
			}, "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel")
		})
	}
}

func TestRow10ClassicWorkspacesAreStoppedAndSaved(t *testing.T) {
	c := rows("5.9")
	c.Classics = 3
	row(t, c, func(s *site) {
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 || s.asked("/v4/workspace/stop/save") != 3 {
			t.Errorf("%d executions run, and %d classic workspaces were saved, want none and 3", len(left), s.asked("/v4/workspace/stop/save"))
		}
	})
	t.Run("or told of", func(t *testing.T) {
		row(t, c, func(s *site) {
			s.sim.AddFault(dominosim.Fault{Path: "/v4/workspace/project/{id}/runningClassicWorkspaces", Kind: dominosim.FaultHTML, Status: 404, Times: -1})
			if res, err := s.run("snapshot"); err != nil || !noted(res, "(classic)") {
				t.Errorf("notes = %v, %v, want those of the classic workspaces that the witness saw", res.Notes, err)
			}
		})
	})
}

func TestRow11AProjectThatIsNotListedEndsNoScan(t *testing.T) {
	c, yes := rows("6.1"), true
	c.InvisibleProject, c.Workspaces = &yes, 70
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		hidden := s.objectNamed(dominosim.KindWorkspace, "left-running")
		if _, ran := before[hidden.Key]; !ran || !hidden.Archived {
			t.Errorf("%+v did not run in an archived project", hidden)
		}
	})
}

func TestRow12ASessionWithoutStatusIsWaitedFor(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		if _, ran := before[s.objectNamed(dominosim.KindWorkspace, "no-status-info").Key]; !ran {
			t.Error("the workspace whose session has no status did not run")
		}
	})
}

func TestRow13WhatIsOptionalMayBeMissing(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		if _, ran := before[s.objectNamed(dominosim.KindApp, "no-publisher").Key]; !ran {
			t.Error("the app without publisher and tier did not run")
		}
		s.objectNamed(dominosim.KindModelAPI, "never-deployed")
	})
}

func TestRow14OnlyAppsAreStoppedAsApps(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	row(t, c, func(s *site) {
		launcher := s.objectNamed(dominosim.KindLauncher, "batch-launcher")
		res := s.must(0, "snapshot")
		if !noted(res, "Launcher") {
			t.Errorf("notes = %v, want the launcher that dmm leaves alone", res.Notes)
		}
		s.must(0, "shutdown")
		if calls := s.sim.Ledger().Entry(launcher.Kind, launcher.ID).Calls; len(calls) > 0 {
			t.Errorf("the launcher was called: %+v", calls)
		}
	})
}

func TestRow15UnreachableModelsAndFaultyAppsAreSeen(t *testing.T) {
	c := rows("6.2")
	c.UnreachableModels = 2
	row(t, c, func(s *site) {
		faulty := s.anyRunning(dominosim.KindApp)
		if err := s.sim.SetAppStatus(faulty.ID, "Faulty"); err != nil {
			t.Fatal(err)
		}
		before := s.running()
		res := s.must(0, "snapshot")
		if got := outcomeOf(res, faulty.ID); got != "unknown" {
			t.Errorf("snapshot says %q of the faulty app, want unknown", got)
		}
		s.must(3, "shutdown") // nobody knows what Faulty means: it is named, and left alone
		if left := s.running(); len(left) > 0 {
			t.Errorf("%d executions run", len(left))
		}
		s.must(0, "restore")
		s.wantExactly(before, once, once)
		if calls := s.sim.Ledger().Entry(faulty.Kind, faulty.ID).Calls; len(calls) > 0 {
			t.Errorf("the faulty app was called: %+v", calls)
		}
	})
}

func TestRow16ModelsAreListedByDocumentedCalls(t *testing.T) {
	const list, byProject, page = "/v4/modelManager/ui/models", "/v4/modelManager/getModels", "/models/{modelId}/versions/json"
	wholeRow(t, rows("6.1"), func(s *site, _ map[dominosim.Key]dominosim.Run) {
		if s.asked(list) == 0 || s.asked(byProject)+s.asked(page) > 0 {
			t.Errorf("asked %d times for the list, %d times by project and %d times for a page of the UI", s.asked(list), s.asked(byProject), s.asked(page))
		}
	})
	t.Run("or by the older ones", func(t *testing.T) {
		wholeRow(t, rows("4.4"), func(s *site, _ map[dominosim.Key]dominosim.Run) {
			if s.asked(byProject) == 0 || s.asked(page) == 0 {
				t.Errorf("asked %d times by project and %d times for a page of the UI", s.asked(byProject), s.asked(page))
			}
		})
	})
}

func TestRow17AVolumeThatIsNotRegisteredIsFound(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	row(t, c, func(s *site) {
		app := s.objectNamed(dominosim.KindApp, "unregistered-volume")
		found := findings(s.must(0, "snapshot"), execution.VolumeUnregistered)
		if len(found) == 0 || !slices.ContainsFunc(found[0].Executions, func(r execution.Ref) bool { return r.ID == app.ID }) {
			t.Errorf("findings = %v, want the unregistered volume of %s", found, app.ID)
		}
	})
}

func TestARestoreSaysWhatCameBackNotAsItWas(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	row(t, c, func(s *site) {
		app := s.objectNamed(dominosim.KindApp, "unregistered-volume")
		// A snapshot holds what restarts are to be asked for: whoever mends something needs another.
		again := "see to the 1 error above, then dmm snapshot again; or, if they may stay, dmm shutdown"
		for _, dry := range []string{"snapshot", "shutdown"} {
			res := s.must(0, dry, "DMM_DRY_RUN="+strconv.FormatBool(dry == "shutdown"))
			if res.Next != again {
				t.Errorf("a %s with findings of severity error says %q, want %q", dry, res.Next, again)
			}
		}
		if res := s.must(0, "snapshot", "DMM_DRY_RUN=true"); res.Next != "dmm snapshot" {
			t.Errorf("a dry run of a snapshot says %q, though there is none to shut down from", res.Next)
		}
		res := s.must(0, "shutdown")
		if want := "see to the 1 error above, upgrade Domino, then dmm restore"; res.Next != want {
			t.Errorf("a shutdown with findings of severity error says %q, want %q", res.Next, want)
		}
		res = s.must(0, "restore", "DMM_KINDS=ModelAPI")
		if !strings.Contains(res.Message, "The filters of this run leave out ") {
			t.Errorf("a restore whose filter leaves most out says %q", res.Message)
		}
		res = s.must(0, "restore", "DMM_RESTORE_WORKSPACES=false")
		guess := "is not registered for its project, or this key may not use it: the restart will lack it"
		for _, e := range res.Executions {
			if e.ID == app.ID && (e.Outcome != "done" || len(e.Guesses) != 1 || !strings.Contains(e.Guesses[0], guess)) {
				t.Errorf("restore says of %s: %s, guesses %q", e.Name, e.Outcome, e.Guesses)
			}
		}
		var text strings.Builder
		if err := res.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), "Back, but perhaps not as it was:") || !strings.Contains(text.String(), guess) ||
			!strings.Contains(text.String(), "Found before this restore began") || !strings.Contains(res.Message, "came back perhaps not as before") {
			t.Errorf("restore does not say what came back without its volume:\n%s", &text)
		}
		res = s.must(0, "restore", "DMM_RESTORE_WORKSPACES=false")
		if !strings.Contains(res.Message, "Window 000001 brought back ") || !strings.HasPrefix(res.Next, "dmm report 000001") {
			t.Errorf("a second restore says %q, next %q", res.Message, res.Next)
		}
	})
}

func TestRow18AVersionThatIsNotActiveComesBack(t *testing.T) {
	c, yes := rows("6.1"), true
	c.MissingOptionalFields = &yes
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		inactive := 0
		for _, o := range s.sim.Objects(dominosim.KindModelAPI) {
			if _, ran := before[o.Key]; ran && !o.Active {
				inactive++
			}
		}
		if inactive == 0 {
			t.Error("no version ran that is not the active one")
		}
	})
}

func TestRow19TheWaitIsForAllAtOnce(t *testing.T) {
	c := rows("6.1")
	c.Apps, c.Workspaces = 60, 60
	row(t, c, func(s *site) {
		before := s.running()
		s.must(0, "snapshot")
		began := time.Now()
		res := s.must(0, "shutdown")
		// Two stages of 15 s each, the settle time of a snapshot that is young, and some rounds. One after the other it
		// would be half an hour.
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("%d executions took %s to stop", len(before), took)
		}
		if len(res.Executions) != len(before) {
			t.Errorf("%d executions are reported, want all %d", len(res.Executions), len(before))
		}
	})
}

func TestRow20WhatTheKeyCannotSeeIsSeenByAWitness(t *testing.T) {
	row(t, rows("6.1"), func(s *site) {
		app := s.anyRunning(dominosim.KindApp)
		s.transport = without{s.transport, "/v4/modelProducts", app.ID}
		s.must(0, "snapshot")
		snap, err := snapshot.Load(t.Context(), s.store, "latest")
		if err != nil || len(snap.Unaccounted) != 1 || snap.Unaccounted[0].Workload != "App" {
			t.Errorf("unaccounted = %+v, %v, want the app that the list lacks", snap.Unaccounted, err)
		}
	})
}

// without leaves the row with an id out of the list that a path answers with.
type without struct {
	next     http.RoundTripper
	path, id string
}

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	if err != nil || r.URL.Path != w.path {
		return res, err
	}
	var list []map[string]any
	err = json.NewDecoder(res.Body).Decode(&list)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(o map[string]any) bool { return o["id"] == w.id })
	body, err := json.Marshal(list)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, err
}

func TestRow21EndpointsAndExternalDeploymentsGoDownAndUp(t *testing.T) {
	c := rows("6.2")
	c.Endpoints, c.Deployments = 3, 3
	wholeRow(t, c, func(s *site, before map[dominosim.Key]dominosim.Run) {
		if len(of(before, dominosim.KindEndpoint)) < 3 || len(of(before, dominosim.KindDeployment)) < 3 {
			t.Errorf("too few of them ran: %v", before)
		}
	})
	t.Run("or are told of", func(t *testing.T) {
		row(t, c, func(s *site) {
			s.sim.AddFault(dominosim.Fault{Path: "^/api/gen-ai/", Kind: dominosim.FaultHTML, Status: 404, Times: -1})
			if res := s.must(0, "snapshot"); !noted(res, "Endpoint") {
				t.Errorf("notes = %v, want the route that is missing", res.Notes)
			}
		})
	})
}

// What runs outside of Domino's cluster survives an upgrade, and a stop would delete its endpoint (docs-facts §1.7): nobody's
// production goes away unasked.
func TestExternalDeploymentsAreLeftAloneUnlessAskedFor(t *testing.T) {
	c := rows("6.2")
	c.Deployments = 3
	row(t, c, func(s *site) {
		ran := s.running()
		s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "DMM_EXTERNAL") })
		res := s.must(0, "audit")
		if res.Audit.Lost != 0 {
			t.Error("an audit counts them among what would not come back")
		}
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantSame(ran)
		left := 0
		for k := range ran {
			if k.Kind == dominosim.KindDeployment {
				left++
				if calls := s.sim.Ledger().Entry(k.Kind, k.ID).Calls; len(calls) > 0 {
					t.Errorf("%s was called: %+v", k.ID, calls)
				}
			}
		}
		if left < 3 {
			t.Errorf("%d of them ran: this proves nothing", left)
		}
	})
}

// Whether a start changes which version a model routes to is not known (api.md §9): requests must not go elsewhere unseen.
func TestARestoreSaysWhichModelsRouteElsewhere(t *testing.T) {
	for _, profile := range []string{"4.4", "6.2"} { // through either list of models
		for _, activates := range []bool{false, true} {
			c, yes := rows(profile), true
			c.MissingOptionalFields, c.StartActivates = &yes, activates
			row(t, c, func(s *site) {
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				var other dominosim.Object
				for _, o := range s.sim.Objects(dominosim.KindModelAPI) {
					if len(s.sim.Ledger().Entry(dominosim.KindModelAPI, o.ID).Calls) > 0 && !o.Active {
						other = o
					}
				}
				if other.ID == "" {
					t.Fatal("no version was stopped that is not the active one: the test proves nothing")
				}
				s.must(0, "restore", "DMM_EXCLUDE="+other.ID) // so that it is started last
				res := s.must(0, "restore")
				said := slices.ContainsFunc(res.Notes, func(n string) bool {
					return strings.Contains(n, "has become the active one") && strings.Contains(n, other.ID)
				})
				if moved := s.object(other.Key).Active; moved != activates || said != moved {
					t.Errorf("%s: moved %t, want %t; said %t in notes %q", profile, moved, activates, said, res.Notes)
				}
			})
		}
	}
}
