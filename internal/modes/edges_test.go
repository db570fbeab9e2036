package modes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
				if err == nil || modes.Classify(err) != modes.FaultOther || !strings.Contains(res.Message, "remain") {
					t.Errorf("%s without a Domino: %v, %q; want an error that is worth a retry, and how many remain", mode, err, res.Message)
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
