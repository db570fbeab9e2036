package modes_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Each test here is a sentence of the journal's protocol. Leaving that sentence out loses an
// execution, or starts one that its owner had stopped.

const (
	stopApp    = "/v4/modelProducts/{id}/stop"
	startApp   = "/v4/modelProducts/{id}/start"
	stopWS     = "/v4/workspace/project/{id}/workspace/{id}/stop"
	startWS    = "/v4/workspace/project/{id}/workspace/{id}/sessions"
	startModel = "/v4/models/{id}/{id}/startModelDeployment"
)

// interrupted runs a mode that gets a signal after a while.
func (s *site) interrupted(after time.Duration, mode string, env ...string) {
	s.t.Helper()
	ctx, stop := context.WithCancelCause(s.t.Context())
	defer time.AfterFunc(after, func() { stop(modes.ErrInterrupted) }).Stop()
	if _, err := s.runContext(ctx, mode, env...); !errors.Is(err, modes.ErrInterrupted) {
		s.t.Fatalf("dmm %s, interrupted after %s: %v, want ErrInterrupted", mode, after, err)
	}
}

// small is a deployment of a few plain executions that moves quickly.
func small() dominosim.Config {
	return dominosim.Config{
		Profile: "6.1", Seed: 5, Plain: true, StartReplaces: true, Latency: 10 * time.Millisecond, StartTime: 5 * time.Second, StopTime: 5 * time.Second,
		Projects: 2, Apps: 3, Models: 2, Workspaces: 2, Schedules: 2,
	}
}

func TestRestoreRightAfterShutdownDoesNotBelieveAStaleRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "restore") // lists still show everything running
		s.wantSame(ran)
		s.wantExactly(ran, once, once)
	})
}

func TestAStopThatLandsAfterTheEndOfItsRunIsNotMissedByTheRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		// The signal comes while Domino hangs. The run gives up on the call after 10 s, ends, and
		// the call takes effect 20 s after it was sent.
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultHang, Delay: 20 * time.Second})
		s.interrupted(time.Second, "shutdown")
		var log bytes.Buffer
		s.log = &log
		s.must(0, "restore")
		if n := strings.Count(log.String(), "alone until "); n != 1 {
			t.Errorf("the run says %d times why it waits, want once:\n%s", n, &log)
		}
		time.Sleep(time.Minute)
		s.wantSame(ran)
		s.wantFired()
	})
}

func TestALostStopIsNotTakenAsDoneBecauseOfAStaleStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true")
		app := s.anyRunning(dominosim.KindApp)
		// A minute ago its owner stopped it and has started it again: lists may still show it stopped.
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Second)
		if err := s.sim.OwnerStartApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		ran := s.running()
		s.must(0, "snapshot")
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultDrop}) // no effect, no answer
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			t.Errorf("after shutdown %d executions run", len(left))
		}
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantFired()
	})
}

func TestWhatWasStartedRightBeforeTheSnapshotIsFound(t *testing.T) {
	for seed := range uint64(12) { // how late a list is, is drawn
		synctest.Test(t, func(t *testing.T) {
			c := dominosim.Lagged(small())
			c.Seed = seed
			s := newSite(t, c)
			app := s.anyRunning(dominosim.KindApp)
			if err := s.sim.OwnerStopApp(app.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := s.sim.OwnerStartApp(app.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Second)
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			if _, runs := s.running()[app]; runs {
				t.Errorf("seed %d: an app that ran when the snapshot was taken still runs", seed)
			}
		})
	}
}

func TestAFailedStopIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StopTime = time.Second
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=1")
		ran := s.running()
		s.must(0, "snapshot")
		time.Sleep(6 * time.Minute) // no list hides anything from before it any more
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultLost, Status: 502, Delay: 14 * time.Second})
		res := s.must(3, "shutdown")
		if got := outcomeOf(res, app.ID); got != "failed" {
			t.Fatalf("shutdown says %q of it, want failed", got)
		}
		if _, runs := s.running()[app]; !runs {
			t.Fatal("the call that failed has landed before the restore begins")
		}
		s.must(0, "restore") // at once: the call that failed lands while it works
		time.Sleep(time.Minute)
		s.wantSame(ran)
		s.wantFired()
	})
}

func TestTheAgeOfADoubtIsNotReadFromSomebodyElsesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultHang, Delay: 20 * time.Second})
		s.interrupted(time.Second, "shutdown")
		s.store = yesterday(t, s.store) // the machine of that run was a day behind
		s.must(0, "restore")
		time.Sleep(time.Minute)
		s.wantSame(ran)
		s.wantFired()
	})
}

// yesterday is a copy of a store whose journal was written by a clock one day behind.
func yesterday(t *testing.T, s store.Store) store.Store {
	t.Helper()
	behind, head := mem.New(), ""
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := store.ReadAll(t.Context(), s, info.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(info.Key, "windows/") && strings.Contains(info.Key, "/journal/") {
			var out bytes.Buffer
			for line := range bytes.Lines(body) {
				var l window.Line
				if err := json.Unmarshal(line, &l); err != nil {
					t.Fatal(err)
				}
				if l.Prev != "" && head != "" {
					l.Prev = head
				}
				l.At = l.At.Add(-24 * time.Hour)
				if err := json.NewEncoder(&out).Encode(l); err != nil {
					t.Fatal(err)
				}
			}
			body = out.Bytes()
			head = fmt.Sprintf("%x", sha256.Sum256(body))
		} else if strings.Contains(info.Key, "/report.") {
			continue // it has the anchor of another journal
		}
		if err := behind.Put(t.Context(), info.Key, body, store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return behind
}

func TestALostStartIsNotSentAgainBeforeItMustHaveLanded(t *testing.T) {
	for name, path := range map[string]string{"app": startApp, "workspace": startWS, "model API": startModel} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
				ran := s.running()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultLost, Delay: 15 * time.Second})
				s.must(0, "restore")
				time.Sleep(time.Minute) // all has landed
				s.wantSame(ran)
				s.wantExactly(ran, once, once)
				s.wantFired()
			})
		})
	}
}

func TestAStopThatLandsAfterASecondShutdownDoesNotUndoTheRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StopTime = time.Second
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		time.Sleep(6 * time.Minute) // no list hides anything from before it any more
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultHang, Delay: 25 * time.Second})
		s.interrupted(time.Second, "shutdown") // it gives up on the call after 11 s
		s.must(0, "shutdown")
		s.must(0, "restore")
		time.Sleep(time.Minute)
		s.wantSame(ran)
		s.wantFired()
	})
}

func TestAStartThatNeverLandedIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		for _, path := range []string{startApp, startWS, startModel} {
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultDrop})
		}
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantExactly(ran, once, once)
		s.wantFired()
	})
}

func TestAStopThatIsRefusedBecauseTheOwnerWasFasterIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		// The owner stops it after dmm has looked, and before its call arrives.
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultSlow, Delay: 8 * time.Second})
		time.AfterFunc(500*time.Millisecond, func() { _ = s.sim.OwnerStopApp(app.ID) })
		res := s.must(0, "shutdown")
		if got := outcomeOf(res, app.ID); got != "not-ours" {
			t.Errorf("shutdown says %q of it, want not-ours", got)
		}
		s.must(0, "restore")
		if _, runs := s.running()[app]; runs {
			t.Error("it runs again, though its owner had stopped it")
		}
		s.wantFired()
	})
}

func TestAnAppThatItsOwnerHasRestartedComesBackAsTheOwnerLeftIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true")
		app := s.anyRunning(dominosim.KindApp)
		s.must(0, "snapshot")
		snapped := s.running()[app].Instance
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if err := s.sim.OwnerStartApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		ran := s.running()
		if ran[app].Instance == snapped {
			t.Fatal("the owner's restart made no new instance")
		}
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

func TestAScheduleThatItsOwnerEditedMeanwhileKeepsTheEdit(t *testing.T) {
	for name, when := range map[string]string{"before shutdown": "shutdown", "during the maintenance": "restore"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, dominosim.Lagged(small()))
				schedule := s.anyRunning(dominosim.KindScheduledJob)
				s.must(0, "snapshot")
				for _, mode := range []string{"shutdown", "restore"} {
					if mode == when {
						if err := s.sim.EditSchedule(schedule.ID, func(d map[string]any) { d["title"] = "Edited" }); err != nil {
							t.Fatal(err)
						}
					}
					s.must(0, mode)
				}
				d := s.sim.Definition(schedule.ID)
				if d["title"] != "Edited" || d["isPaused"] != false {
					t.Errorf("title %v, paused %v; want the owner's title, and not paused", d["title"], d["isPaused"])
				}
			})
		})
	}
}

func TestRestoreRunAgainTriesWhatFailedAndTouchesNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		app := s.anyOf(ran, dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStartFails, State: "Failed"})
		res := s.must(3, "restore")
		if got := outcomeOf(res, app.ID); got != "failed" || len(s.running()) != len(ran)-1 {
			t.Errorf("after the first restore it is %q and %d run, want failed and %d", got, len(s.running()), len(ran)-1)
		}
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantExactly(ran, once, func(k dominosim.Key) int {
			if k == app {
				return 2 // the first took effect, and failed
			}
			return 1
		})
	})
}

func TestAnAppThatDoesNotStopIsForcedAfterTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_GRACE_PERIOD=1m")
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultStopSticks})
		began := time.Now()
		s.must(0, "shutdown")
		if took := time.Since(began); took < time.Minute || took > 3*time.Minute {
			t.Errorf("shutdown took %s, want a grace period of 1m and a little", took)
		}
		forced := 0
		for _, c := range s.sim.Ledger().Entry(app.Kind, app.ID).Calls {
			if c.Args["force"] == true {
				forced++
			}
		}
		if forced != 1 {
			t.Errorf("it was forced %d times, want once", forced)
		}
		s.wantFired()
	})
}

func TestWhatNeverStopsIsReportedAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_GRACE_PERIOD=1m", "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 500, Body: `{"message":"cannot stop, sorry","success":false}`, Times: -1})
		res := s.must(3, "shutdown")
		for _, e := range res.Executions {
			if e.ID == app.ID && !strings.Contains(e.Reason, "cannot stop, sorry") {
				t.Errorf("the reason is %q, want it in Domino's words", e.Reason)
			}
		}
		if left := s.running(); len(left) != 1 {
			t.Errorf("%d executions run, want only the one that cannot be stopped", len(left))
		}
		calls := len(s.sim.Ledger().Entry(app.Kind, app.ID).Calls)
		s.sim.ClearFaults()
		s.must(0, "restore")
		s.wantSame(ran)
		if again := s.sim.Ledger().Entry(app.Kind, app.ID).Calls[calls:]; len(again) > 0 {
			t.Errorf("restore called the app that never went down: %+v", again)
		}
	})
}

func TestAnExpiredTokenEndsTheRunResumably(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.sim.AddFault(dominosim.Fault{Path: stopWS, Kind: dominosim.FaultStatus, Status: 401, Body: `{"message":"token expired"}`, Times: -1})
		_, err := s.run("shutdown")
		if modes.Classify(err) != modes.FaultCredentials {
			t.Fatalf("shutdown with an expired token: %v, want a fault of credentials", err)
		}
		s.sim.ClearFaults()
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

func TestAWrongKeyTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		for _, mode := range []string{"snapshot", "shutdown", "restore"} {
			_, err := s.run(mode, "DOMINO_API_KEY=0000")
			if modes.Classify(err) != modes.FaultCredentials || domino.KindOf(err) != domino.KindCredentials {
				t.Errorf("dmm %s with a wrong key: %v, want a fault of credentials", mode, err)
			}
		}
		for info, err := range s.store.List(t.Context(), "") {
			t.Errorf("the store holds %s (%v), want nothing", info.Key, err)
		}
		if writes := s.sim.Ledger().Writes(); len(writes) > 0 {
			t.Errorf("Domino was asked to change something: %+v", writes)
		}
	})
}

func TestShutdownSendsSchedulesFirstAndModelAPIsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Apps, c.Schedules = 60, 60 // many, so that not all are sent at once
		s := newSite(t, c)
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		last := map[string]time.Time{}
		first := map[string]time.Time{}
		for k := range ran {
			for _, c := range s.sim.Ledger().Entry(k.Kind, k.ID).Calls {
				if first[k.Kind].IsZero() || c.At.Before(first[k.Kind]) {
					first[k.Kind] = c.At
				}
				if c.At.After(last[k.Kind]) {
					last[k.Kind] = c.At
				}
			}
		}
		if !first[dominosim.KindModelAPI].After(last[dominosim.KindApp].Add(5 * time.Second)) {
			t.Errorf("model APIs were stopped from %s on, want after the apps, of which the last was told at %s and takes 5s",
				first[dominosim.KindModelAPI], last[dominosim.KindApp])
		}
		if !last[dominosim.KindScheduledJob].Before(last[dominosim.KindApp]) {
			t.Errorf("the last schedule was paused at %s, want before the last app was stopped at %s", last[dominosim.KindScheduledJob], last[dominosim.KindApp])
		}
	})
}

func TestNoMoreStartAtOnceThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Apps, c.Workspaces = 12, 12
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		most := 0
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					most = max(most, len(s.sim.Ledger().Moving()))
				}
			}
		}()
		s.must(0, "restore", "DMM_START_CONCURRENCY=4")
		close(stop)
		synctest.Wait()
		if most > 4 || most < 2 {
			t.Errorf("up to %d executions were starting at once, want no more than 4, and several", most)
		}
		s.wantSame(ran)
	})
}

func TestDeadlineEndsTheRunResumably(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		_, err := s.run("shutdown", "DMM_DEADLINE=2s")
		if modes.Classify(err) != modes.FaultDeadline {
			t.Fatalf("shutdown with a deadline of 2s: %v, want ErrDeadline", err)
		}
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

func TestCloseGivesUpTheRestAndSaysWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		app := s.anyOf(ran, dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		s.must(3, "restore")
		res := s.must(0, "close", "DMM_YES=true", "DMM_REASON=its environment is gone")
		if got := outcomeOf(res, app.ID); got != "left" || !strings.Contains(res.Message, "1 given up") {
			t.Errorf("close says %q of it and %q, want left and that 1 execution is given up", got, res.Message)
		}
		s.sim.ClearFaults()
		s.must(0, "snapshot") // one broken app does not block the next maintenance
		s.must(0, "shutdown")
		s.must(0, "restore")
	})
}

func TestWhileAMaintenanceIsOpenNoSnapshotIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		res := s.must(0, "snapshot")
		if !strings.Contains(res.Message, "No snapshot was taken") {
			t.Errorf("snapshot says %q, want that none was taken", res.Message)
		}
		ids, err := snapshot.List(t.Context(), s.store)
		if err != nil || len(ids) != 1 {
			t.Errorf("%d snapshots, error %v; want 1", len(ids), err)
		}
	})
}

func TestAListingThatFailsMakesAnIncompleteSnapshotThatShutdownRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/modelProducts", Kind: dominosim.FaultStatus, Status: 503, Times: -1})
		res := s.must(3, "snapshot")
		if !strings.Contains(res.Message, "NOT complete") {
			t.Errorf("snapshot says %q, want that it is not complete", res.Message)
		}
		s.sim.ClearFaults()
		_, err := s.run("shutdown")
		if modes.Classify(err) != modes.FaultRefused || len(s.sim.Ledger().Writes()) > 0 {
			t.Errorf("shutdown from an incomplete snapshot: %v and %d writes, want a refusal and none", err, len(s.sim.Ledger().Writes()))
		}
	})
}

func TestWorkspacesThatOnlyTheirOwnersMayStartAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, no := small(), false
		c.AdminMayStartWorkspaces = &no
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		res := s.must(0, "restore")
		for k := range ran {
			if k.Kind == dominosim.KindWorkspace && outcomeOf(res, k.ID) != "left" {
				t.Errorf("restore says %q of workspace %s, want left", outcomeOf(res, k.ID), k.ID)
			}
		}
	})
}

func (s *site) wantFired() {
	s.t.Helper()
	for _, f := range s.sim.UnfiredFaults() {
		s.t.Errorf("the planned fault %+v never fired", f.Fault)
	}
}

func (s *site) anyOf(runs map[dominosim.Key]dominosim.Run, kind string) dominosim.Key {
	for _, o := range s.sim.Objects(kind) {
		if _, ok := runs[o.Key]; ok {
			return o.Key
		}
	}
	s.t.Fatalf("no %s", kind)
	return dominosim.Key{}
}

func TestGiveUpClosesTheWindowOverWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		app := s.anyOf(ran, dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Body: `{"message":"no such tier"}`, Times: -1})
		res := s.must(0, "restore", "DMM_GIVE_UP=true")
		for _, e := range res.Executions {
			if e.ID == app.ID && (e.Outcome != "left" || !strings.Contains(e.Reason, "no such tier")) {
				t.Errorf("restore says %s of it: %q, want left, with why it failed", e.Outcome, e.Reason)
			}
		}
		if res.Phase != window.PhaseClosed {
			t.Errorf("the window is %s, want closed", res.Phase)
		}
		delete(ran, app)
		s.wantSame(ran)
	})
}

func TestARebuiltDeploymentIsRestoredFromASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		id := s.must(0, "snapshot").Snapshot
		// Nothing was shut down by dmm: apps are down because the deployment was rebuilt.
		down := map[dominosim.Key]bool{}
		for k := range ran {
			if k.Kind == dominosim.KindApp {
				down[k] = true
				if err := s.sim.OwnerStopApp(k.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Minute)
		res, err := s.run("restore", "DMM_RESTORE_FROM="+id)
		if err != nil || res.Code != 4 || len(s.sim.Ledger().Writes()) > 0 {
			t.Fatalf("restore --from-snapshot without --yes: code %d, error %v, %d writes; want 4 and none", res.Code, err, len(s.sim.Ledger().Writes()))
		}
		for _, e := range res.Executions {
			if !down[dominosim.Key{Kind: dominosim.KindApp, ID: e.ID}] || e.Reason != "ran in the snapshot, does not run now" {
				t.Errorf("the look lists %s %s (%s: %s), want only what does not run now", e.Kind, e.ID, e.Outcome, e.Reason)
			}
		}
		if len(res.Executions) != len(down) || res.Next != "dmm restore --from-snapshot "+id+" --yes" {
			t.Errorf("the look lists %d, next %q; want %d and the command with --yes", len(res.Executions), res.Next, len(down))
		}
		s.must(0, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		s.wantSame(ran)
		s.wantExactly(ran, func(dominosim.Key) int { return 0 }, func(k dominosim.Key) int {
			if down[k] {
				return 1
			}
			return 0
		})
		if res := s.must(0, "restore", "DMM_RESTORE_FROM="+id); len(res.Executions) > 0 || res.Next != "" {
			t.Errorf("with all of it back the look lists %d executions, next %q", len(res.Executions), res.Next)
		}
	})
}

func TestARestoreFromASnapshotGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		id := s.must(0, "snapshot").Snapshot
		for k := range ran {
			if k.Kind == dominosim.KindApp {
				if err := s.sim.OwnerStopApp(k.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Minute)
		s.interrupted(time.Second, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		if _, err := s.run("shutdown"); modes.Classify(err) != modes.FaultRefused {
			t.Errorf("shutdown while a snapshot is being restored: %v, want a refusal", err)
		}
		s.must(0, "restore") // it needs no further arguments
		s.wantSame(ran)
		s.wantAtMostOnce()
	})
}

func TestAnAppThatItsOwnerRestartedOtherwiseComesBackSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true")
		app := s.anyRunning(dominosim.KindApp)
		s.must(0, "snapshot")
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		// Its owner starts it on another hardware tier.
		was := s.anyOtherTier(app)
		s.post("/v4/modelProducts/"+app.ID+"/start", `{"hardwareTierId":"`+was+`","externalVolumeMountIds":[]}`)
		time.Sleep(6 * time.Second)
		ran := s.running()
		if ran[app].HardwareTier != was {
			t.Fatalf("its owner's start runs on %q, want %q", ran[app].HardwareTier, was)
		}
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

func (s *site) anyOtherTier(app dominosim.Key) string {
	for _, r := range s.running() {
		if r.HardwareTier != "" && r.HardwareTier != s.running()[app].HardwareTier {
			return r.HardwareTier
		}
	}
	s.t.Fatal("only one hardware tier")
	return ""
}

func TestASnapshotIsNotTakenOfASystemThatIsBeingShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		first := s.must(0, "snapshot").Snapshot
		// A shutdown opens a window while the second snapshot is being taken.
		meanwhile := *s
		s.transport = opening{s.transport, func() { meanwhile.must(0, "shutdown") }, new(sync.Once)}
		res := s.must(0, "snapshot")
		if !strings.Contains(res.Message, "No snapshot was taken") {
			t.Errorf("snapshot says %q, want that none was taken", res.Message)
		}
		ids, err := snapshot.List(t.Context(), s.store)
		if err != nil || len(ids) != 1 || ids[0] != first {
			t.Errorf("snapshots %v, error %v; want only %s", ids, err, first)
		}
	})
}

// opening does something once, when the list of executions is asked for, which is the last
// that a snapshot reads.
type opening struct {
	next http.RoundTripper
	do   func()
	once *sync.Once
}

func (o opening) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v4/admin/executions" {
		o.once.Do(o.do)
	}
	return o.next.RoundTrip(r)
}

func TestQuietIsNotSaidWhileSomethingIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StopTime = 3 * time.Minute
		s := newSite(t, c)
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		s.must(0, "shutdown")
		if moving := s.sim.Ledger().Moving(); len(moving) > 0 {
			t.Errorf("shutdown is done, and %v are still on their way down", moving)
		}
	})
}

func TestAnAppThatItsOwnerStartedAndStoppedDuringTheUpgradeStaysStopped(t *testing.T) {
	for to, stays := range map[string]bool{"6.1": true, "6.2": true, "5.9": false} {
		t.Run(to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
				app := s.anyRunning(dominosim.KindApp)
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				if err := s.sim.OwnerStartApp(app.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if err := s.sim.OwnerStopApp(app.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				s.sim.SetVersion(to)
				res := s.must(0, "restore")
				// Across 6.1 the id of an instance may mean another thing, which proves nothing.
				_, runs := s.running()[app]
				if runs == stays || stays && outcomeOf(res, app.ID) != "left" {
					t.Errorf("it runs: %t, and restore says %q of it", runs, outcomeOf(res, app.ID))
				}
			})
		})
	}
}

func TestAModelThatItsOwnerStopsWhileDmmStartsItIsNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		model := s.anyRunning(dominosim.KindModelAPI)
		s.must(0, "shutdown")
		time.AfterFunc(1500*time.Millisecond, func() { // its start was accepted and has begun
			if err := s.sim.OwnerStopModelVersion(model.ID); err != nil {
				t.Error(err)
			}
		})
		res := s.must(0, "restore")
		if got := outcomeOf(res, model.ID); got != "left" {
			t.Errorf("restore says %q of it, want left", got)
		}
		if _, runs := s.running()[model]; runs {
			t.Error("it runs, though its owner has stopped it")
		}
	})
}
