package modes_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Each test here is a corner in which an earlier version lost an execution, blocked the
// next maintenance, or said what was not so.

// watched is a store that shows each journal entry to a function before it is written.
type watched struct {
	store.Store
	entry func(body string)
}

func (w watched) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if strings.HasPrefix(key, "windows/") {
		w.entry(string(body))
	}
	return w.Store.Put(ctx, key, body, o)
}

func TestAShutdownThatWaitedItsTurnDoesNotEnterARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		app := s.anyOf(ran, dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Times: 5})
		// A second shutdown has looked at the window. Before it begins, a restore runs and ends with 3.
		plain, restored := *s, false
		s.store = watched{s.store, func(body string) {
			if strings.Contains(body, `"begin"`) && !restored {
				restored = true
				plain.must(3, "restore")
			}
		}}
		if _, err := s.run("shutdown"); modes.Classify(err) != modes.FaultRefused {
			t.Errorf("shutdown in a window that is being restored: %v, want a refusal", err)
		}
		plain.must(0, "restore")
		s.wantSame(ran)
	})
}

func TestWhatComesUpAfterItWasGivenUpIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StartTime = 3 * time.Minute
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_GRACE_PERIOD=1m")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(3, "restore") // the cluster scales up for longer than the grace period
		time.Sleep(10 * time.Minute)
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantExactly(ran, once, once)
	})
}

func TestARestartedAppIsStillOfItsProjectAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		app := s.anyRunning(dominosim.KindApp)
		s.must(0, "snapshot")
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := s.sim.OwnerStartApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		only := "DMM_PROJECTS=" + s.object(app).Project
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultHang, Delay: 200 * time.Hour})
		s.interrupted(time.Second, "shutdown", only)
		res := s.must(0, "shutdown", only)
		if _, runs := s.running()[app]; runs || outcomeOf(res, app.ID) != "done" {
			t.Errorf("it runs: %t, and shutdown says %q of it; want it down and done", runs, outcomeOf(res, app.ID))
		}
	})
}

func (s *site) object(k dominosim.Key) dominosim.Object {
	for _, o := range s.sim.Objects(k.Kind) {
		if o.Key == k {
			return o
		}
	}
	s.t.Fatalf("no %v", k)
	return dominosim.Object{}
}

func TestWhatCouldNotBeReadForTheSnapshotIsReadBeforeItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/modelProducts/{id}", Object: app.ID, Kind: dominosim.FaultStatus, Status: 503, Times: 5})
		s.must(3, "snapshot")
		s.must(0, "shutdown", "DMM_ALLOW_INCOMPLETE=true")
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantFired()
	})
}

func TestARestoreFromASnapshotStartsWhatWasStartedAndStoppedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		id := s.must(0, "snapshot").Snapshot
		app := s.anyRunning(dominosim.KindApp)
		for _, owner := range []func(string) error{s.sim.OwnerStopApp, s.sim.OwnerStartApp, s.sim.OwnerStopApp} {
			if err := owner(app.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		s.must(0, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		s.wantSame(ran)
	})
}

func TestDryRunsAreDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true", "DMM_REASON=test")
		app := s.anyRunning(dominosim.KindApp)
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		dry := func(mode string, env ...string) {
			t.Helper()
			writes, entries := len(s.sim.Ledger().Writes()), s.entries()
			res := s.must(0, mode, append(env, "DMM_DRY_RUN=true")...)
			if !res.DryRun || len(s.sim.Ledger().Writes()) != writes || s.entries() != entries {
				t.Errorf("dmm %s %v as a dry run: says so: %t, %d calls, %d journal entries; want none", mode, env, res.DryRun,
					len(s.sim.Ledger().Writes())-writes, s.entries()-entries)
			}
		}
		for _, mode := range []string{"shutdown", "restore", "close"} {
			dry(mode)
		}
		s.must(0, "restore")
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		dry("restore", "DMM_RESTORE_FROM="+id)
		s.interrupted(500*time.Millisecond, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		dry("restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
	})
}

func (s *site) entries() int {
	n := 0
	for _, err := range s.store.List(s.t.Context(), "windows/") {
		if err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}

func TestALookThatHangsDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/modelProducts/{id}", Object: app.ID, Kind: dominosim.FaultHang, Times: 2})
		began := time.Now()
		s.must(0, "shutdown")
		if first := s.sim.Ledger().Writes()[0].Arrived.Sub(began); first > 5*time.Second {
			t.Errorf("the first call was sent after %s, want soon", first)
		}
	})
}

func TestCredentialsThatExpireInTheLastScanEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		down := len(s.running())
		s.must(0, "snapshot")
		var expired atomic.Bool
		next := s.transport
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if expired.Load() {
				r.Header.Set("X-Domino-Api-Key", "0000")
			}
			return next.RoundTrip(r)
		})
		s.store = watched{s.store, func(body string) {
			down -= strings.Count(body, `"event":"done"`)
			expired.Store(down <= 0)
		}}
		if _, err := s.run("shutdown"); modes.Classify(err) != modes.FaultCredentials {
			t.Errorf("shutdown whose token expires before its last scan: %v, want a fault of credentials", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestASignalInTheLastScanIsNotCalledDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		down := len(s.running())
		s.must(0, "snapshot")
		ctx, stop := context.WithCancelCause(t.Context())
		s.store = watched{s.store, func(body string) {
			if down -= strings.Count(body, `"event":"done"`); down <= 0 {
				time.AfterFunc(time.Millisecond, func() { stop(modes.ErrInterrupted) })
			}
		}}
		res, err := s.runContext(ctx, "shutdown")
		if modes.Classify(err) != modes.FaultInterrupted || strings.Contains(res.Message, "Shutdown is done") || res.Phase == window.PhaseStopped {
			t.Errorf("shutdown that is interrupted in its last scan: %v, %q, phase %s", err, res.Message, res.Phase)
		}
	})
}

func TestQuietIsNotSaidOverWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		if res := s.must(3, "shutdown"); !res.LastQuiet.IsZero() {
			t.Errorf("quiet was seen at %s, while an app runs that could not be stopped", res.LastQuiet)
		}
	})
}

func TestRestoreNamesWhatShutdownNeverGotTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		model := s.anyRunning(dominosim.KindModelAPI) // model APIs go last
		s.must(0, "snapshot")
		s.interrupted(2*time.Second, "shutdown")
		res := s.must(0, "restore")
		if got := outcomeOf(res, model.ID); got != "untouched" {
			t.Errorf("restore says %q of what shutdown never got to, want untouched", got)
		}
	})
}

func TestASnapshotIsNotTakenAcrossAWholeMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		meanwhile, took := *s, new(sync.Once)
		next := s.transport
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/v4/admin/executions" {
				took.Do(func() {
					meanwhile.must(0, "shutdown")
					meanwhile.must(0, "restore")
				})
			}
			return next.RoundTrip(r)
		})
		if res, err := s.run("snapshot"); err == nil {
			t.Errorf("a snapshot was taken across a whole maintenance: %s", res.Message)
		}
	})
}

// lostAfter is something that dies for good at the n-th request, or store write.
type lostAfter struct {
	mu   sync.Mutex
	left int
}

func (l *lostAfter) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left--
	return l.left < 0
}

func TestADominoThatIsLostInMidRunEndsItResumably(t *testing.T) {
	for _, mode := range []string{"shutdown", "restore"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
				ran := s.running()
				s.must(0, "snapshot")
				if mode == "restore" {
					s.must(0, "shutdown")
				}
				plain, lost := s.transport, &lostAfter{left: 30}
				s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					if lost.gone() {
						return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
					}
					return plain.RoundTrip(r)
				})
				res, err := s.run(mode)
				if err == nil || modes.Classify(err) != modes.FaultOther || !strings.Contains(res.Message, "0 of 9 executions are ") || !strings.Contains(res.Message, ", 9 failed") {
					t.Errorf("%s without a Domino: %v, %q; want an error that is worth a retry, and how far it is", mode, err, res.Message)
				}
				s.transport = plain
				s.must(0, mode)
				if mode == "shutdown" {
					s.must(0, "restore")
				}
				s.wantSame(ran)
				s.wantAtMostOnce()
			})
		})
	}
}

// full is a disk without space from the n-th write on.
type full struct {
	store.Store
	after *lostAfter
}

func (f full) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if f.after.gone() {
		return &store.Error{Op: "put", Key: key, Err: syscall.ENOSPC}
	}
	return f.Store.Put(ctx, key, body, o)
}

func TestAStoreThatIsLostInMidRunEndsItResumably(t *testing.T) {
	for _, mode := range []string{"shutdown", "restore"} {
		for writes := range 5 {
			t.Run(fmt.Sprintf("%s after %d writes", mode, writes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
					ran := s.running()
					s.must(0, "snapshot")
					if mode == "restore" {
						s.must(0, "shutdown")
					}
					plain := s.store
					s.store = full{plain, &lostAfter{left: writes}}
					_, err := s.run(mode)
					if err == nil || modes.Classify(err) != modes.FaultOther || !errors.Is(err, syscall.ENOSPC) {
						t.Errorf("%s on a full disk: %v, want an error that names it and is worth a retry", mode, err)
					}
					s.store = plain
					s.must(0, mode)
					if mode == "shutdown" {
						s.must(0, "restore")
					}
					s.wantSame(ran)
					s.wantAtMostOnce()
				})
			})
		}
	}
}

// Images that cannot be pulled stay at Pulling: each is waited for for the whole grace period, beside the others and not before them.
func TestStartsThatNeverEndHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 5, Plain: true, Projects: 4, Apps: 30})
		ran := s.running()
		var stuck []string
		for k := range ran {
			if len(stuck) < 12 {
				stuck = append(stuck, k.ID)
				s.sim.AddFault(dominosim.Fault{Path: startApp, Object: k.ID, Kind: dominosim.FaultStartFails, State: "Pulling", Times: -1})
			}
		}
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		began := time.Now()
		res := s.must(3, "restore", "DMM_START_CONCURRENCY=4", "DMM_GRACE_PERIOD=10m")
		var last time.Duration
		for _, w := range s.sim.Ledger().Writes() {
			if strings.HasSuffix(w.Path, "/start") {
				last = max(last, w.Arrived.Sub(began))
			}
		}
		if last > 12*time.Minute {
			t.Errorf("the last start was sent %s after the restore began", last)
		}
		if took := time.Since(began); took > last+12*time.Minute {
			t.Errorf("the restore took %s, and its last start was sent after %s", took, last)
		}
		for k := range ran {
			want := "done"
			if slices.Contains(stuck, k.ID) {
				want = "failed"
			}
			if got := outcomeOf(res, k.ID); got != want {
				t.Errorf("%s is %q, want %s", k.ID, got, want)
			}
		}
		s.wantAtMostOnce()
	})
}

// A start that was given up may still come up. Its owner, who saw it wait, stopped it: no further try undoes that.
func TestWhatItsOwnerStopsAfterItWasGivenUpStaysStopped(t *testing.T) {
	for kind, stop := range map[string]func(*dominosim.Sim, string) error{
		dominosim.KindApp: (*dominosim.Sim).OwnerStopApp, dominosim.KindWorkspace: (*dominosim.Sim).OwnerStopWorkspace,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := small()
				c.StartTime = 3 * time.Minute
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_GRACE_PERIOD=1m")
				k := s.anyRunning(kind)
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				s.must(3, "restore")
				if err := stop(s.sim, k.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				res := s.must(0, "restore")
				time.Sleep(10 * time.Minute)
				if _, runs := s.running()[k]; runs || outcomeOf(res, k.ID) != "left" {
					t.Errorf("it runs: %t, and restore says %q of it (%s), want left", runs, outcomeOf(res, k.ID), reasonOf(res, k.ID))
				}
				s.wantAtMostOnce()
			})
		})
	}
}

func TestGiveUpKeepsToTheFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=1")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		for _, path := range []string{startApp, startModel} {
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: 400})
		}
		s.must(3, "restore")
		res := s.must(3, "restore", "DMM_KINDS=App", "DMM_GIVE_UP=true") // a model API failed too
		if res.Phase != window.PhaseRestoring {
			t.Errorf("the window is %s: what the filter leaves out was given up: %s", res.Phase, res.Message)
		}
		s.must(0, "restore")
		s.wantSame(ran)
		s.wantFired()
	})
}

// An upgrade would end what a shutdown did not get down.
func TestNobodyIsToldToUpgradeOverWhatStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=1")
		stopped := s.sim.CreateApp(dominosim.AppSpec{Name: "never started"})
		s.env = append(s.env, "DMM_EXCLUDE="+stopped)
		next := func(what, want string) {
			t.Helper()
			for _, mode := range []string{"status", "snapshot"} {
				if res := s.must(0, mode); res.Next != want {
					t.Errorf("%s, the next step that %s names is %q, want %q", what, mode, res.Next, want)
				}
			}
		}
		s.must(0, "snapshot")
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Kind: dominosim.FaultStatus, Status: 400})
		s.must(3, "shutdown")
		next("after a shutdown that is partial", "dmm shutdown --exclude "+stopped+", to go on, or dmm restore, to call it off")
		if res := s.must(0, "status"); !strings.Contains(res.Message, "is partly down: ") || !strings.Contains(res.Message, "1 still runs: 1 failed to stop") {
			t.Errorf("status says %q", res.Message)
		}
		s.must(0, "shutdown")
		next("after a shutdown that is done", "upgrade Domino, then dmm restore")
		s.sim.AddFault(dominosim.Fault{Path: startApp, Kind: dominosim.FaultStatus, Status: 400})
		s.must(3, "restore")
		next("in a restore", "dmm restore --restore-workspaces")
		s.wantFired()
	})
}

// behind is a store that lists an object only some time after it was made, as an NFS client does.
type behind struct {
	store.Store
	by    time.Duration
	lists *int
}

func (l behind) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	*l.lists++
	return func(yield func(store.Info, error) bool) {
		if *l.lists > 1000 {
			yield(store.Info{}, errors.New("somebody lists without end"))
			return
		}
		for info, err := range l.Store.List(ctx, prefix) {
			if (err != nil || time.Since(info.Modified) >= l.by) && !yield(info, err) {
				return
			}
		}
	}
}

func TestARunThatSeesTheEndOfAnotherLateWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=1")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		time.Sleep(2 * time.Minute)
		s.sim.AddFault(dominosim.Fault{Path: startApp, Kind: dominosim.FaultStatus, Status: 400})
		s.must(3, "restore")
		s.store = behind{s.store, time.Minute, new(int)} // on another node, which sees the end of the shutdown
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

// The machine of the snapshot may be behind that of the shutdown, for which the snapshot is older than it is.
func TestTheAgeOfASnapshotIsNotReadFromSomebodyElsesClock(t *testing.T) {
	for seed := range uint64(20) { // how late a list is, is drawn
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
			id := s.must(0, "snapshot").Snapshot
			snap, err := snapshot.Load(t.Context(), s.store, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range s.keys(folderOf(id)) {
				s.remove(key)
			}
			snap.From, snap.To = snap.From.Add(-time.Minute), snap.To.Add(-time.Minute)
			if _, err := snapshot.Write(t.Context(), s.store, snap.Manifest, snap.Executions, nil); err != nil {
				t.Fatal(err)
			}
			s.must(0, "shutdown")
			if _, runs := s.running()[app]; runs {
				t.Errorf("seed %d: an app that ran when the snapshot was taken still runs", seed)
			}
		})
	}
}

// Somebody starts one app after another. Shutdown gives up at some time, and names what it leaves running.
func TestWhatStillComesUpIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		ctx, enough := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		busy.Go(func() {
			for ctx.Err() == nil {
				s.sim.CreateApp(dominosim.AppSpec{Running: true})
				select {
				case <-ctx.Done():
				case <-time.After(6 * time.Second):
				}
			}
		})
		res := s.must(3, "shutdown")
		enough()
		busy.Wait()
		running := s.running()
		if len(running) == 0 {
			t.Error("nothing runs")
		}
		for k := range running {
			if got := outcomeOf(res, k.ID); got != "remaining" {
				t.Errorf("%v runs, and shutdown says %q of it, want remaining", k, got)
			}
		}
		s.must(0, "shutdown")
		s.must(0, "restore")
	})
}

// A rule of the bucket deletes what is old. That must not keep anybody from uninstalling dmm.
func TestAClosedWindowNeedsNoSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "restore")
		for _, key := range s.keys("snapshots/") {
			s.remove(key)
		}
		if res := s.must(0, "status", "DMM_REFUSE_OPEN=true"); res.Phase != window.PhaseClosed || len(res.Notes) != 1 {
			t.Errorf("status says %q of a window that is %s, with the notes %q", res.Message, res.Phase, res.Notes)
		}
	})
}

func TestADryRunOfASnapshotLeavesNothingToShutDownWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		if res := s.must(0, "snapshot", "DMM_DRY_RUN=true"); res.Next != "dmm snapshot" {
			t.Errorf("the next step is %q", res.Next)
		}
	})
}

func TestQuietIsNotSaidOfWhatCouldNotBeListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_ALLOW_INCOMPLETE=true")
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/modelProducts", Kind: dominosim.FaultStatus, Status: 500, Times: -1})
		s.must(3, "snapshot")
		res := s.must(0, "shutdown")
		if said := strings.Join(res.Notes, "\n"); !res.LastQuiet.IsZero() || !strings.Contains(said, "the last scan could not see everything") {
			t.Errorf("apps could not be listed, and quiet was said at %s; the notes: %s", res.LastQuiet, said)
		}
	})
}

// Whoever goes on from another terminal knows nothing of how the restore was begun.
func TestARestoreGoesOnWithTheKindsThatItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.interrupted(time.Second, "restore", "DMM_RESTORE_WORKSPACES=true", "DMM_REBUILD=true")
		if res := s.must(0, "status"); res.Next != "dmm restore --rebuild --restore-workspaces" {
			t.Errorf("the next step is %q", res.Next)
		}
	})
}

// A snapshot of a clock that was ahead is the latest until its time has come, whatever is taken after it.
func TestASnapshotFromTheFutureIsNotTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		snap, err := snapshot.Load(t.Context(), s.store, s.must(0, "snapshot").Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		ahead := snap.Manifest
		ahead.From, ahead.To = ahead.From.Add(2*time.Hour), ahead.To.Add(2*time.Hour)
		ahead.ID = snapshot.NewID(ahead.From)
		if _, err := snapshot.Write(t.Context(), s.store, ahead, snap.Executions, nil); err != nil {
			t.Fatal(err)
		}
		id := s.must(0, "snapshot").Snapshot
		_, err = s.run("shutdown")
		if next := modes.NextStep("shutdown", err); modes.Classify(err) != modes.FaultRefused || !strings.Contains(next, "dmm shutdown --snapshot") {
			t.Errorf("shutdown: %v, next %q", err, next)
		}
		s.must(0, "shutdown", "DMM_SNAPSHOT="+id)
	})
}

func TestARestoreWithFiltersSaysHowTheWindowIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		s.must(0, "close", "DMM_YES=true", "DMM_REASON=the deployment is rebuilt")
		res := s.must(0, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true", "DMM_KINDS=App")
		if res.Phase != window.PhaseRestoring || !strings.Contains(res.Next, "without filters") || !strings.Contains(res.Next, "dmm close") {
			t.Errorf("the window is %s, and the next step is %q", res.Phase, res.Next)
		}
	})
}

// A restore that is told to leave out everything would end well with nothing back, and the window would be in restore.
func TestFiltersThatLeaveNothingAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		for _, dry := range []string{"true", "false"} {
			if _, err := s.run("restore", "DMM_PROJECTS=nobody/nothing", "DMM_DRY_RUN="+dry); modes.Classify(err) != modes.FaultUsage || !strings.Contains(err.Error(), "leaves out everything") {
				t.Errorf("restore whose filters match nothing: %v", err)
			}
		}
		if res := s.must(0, "status"); res.Phase != window.PhaseStopped {
			t.Errorf("the window is %s", res.Phase)
		}
		s.must(0, "shutdown") // is not undone: nothing has been restored
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

// An owner edits and pauses a schedule between its start and the look at it: it is not started again, and the result says both.
func TestAScheduleThatIsPausedBeforeItsStartIsReadBackStaysPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		schedule := s.anyRunning(dominosim.KindScheduledJob)
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		time.Sleep(time.Minute)
		next, puts := s.transport, 0
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if r.Method != http.MethodPut || path.Base(r.URL.Path) != schedule.ID {
				return res, err
			}
			if puts++; puts == 1 {
				err = errors.Join(err, s.sim.EditSchedule(schedule.ID, func(d map[string]any) { d["command"] = "edited.sh" }))
				err = errors.Join(err, s.sim.OwnerPauseSchedule(schedule.ID, true))
			}
			return res, err
		})
		res := s.must(0, "restore")
		if puts != 1 {
			t.Errorf("%d PUTs, want 1", puts)
		}
		if _, runs := s.running()[schedule]; runs {
			t.Error("it was started again after its owner had paused it")
		}
		if got := s.sim.Definition(schedule.ID)["command"]; got != "edited.sh" {
			t.Errorf("its command is %q: its owner's edit was written over", got)
		}
		for _, x := range res.Executions {
			want := "paused since, not by dmm; its definition differs from the one before in command"
			if x.ID == schedule.ID && (x.Outcome != "left" || !strings.Contains(x.Reason, want)) {
				t.Errorf("restore says %q of it: %s", x.Outcome, x.Reason)
			}
		}
	})
}
