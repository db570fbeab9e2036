package modes_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// moment is where in a numbered operation a process ends, or loses an answer.
type moment string

const (
	before moment = "dies before"         // nothing of it has happened
	after  moment = "dies after"          // it has taken effect, the process never hears of it
	lost   moment = "loses the answer of" // it has taken effect, the process lives and does not know
	late   moment = "gives up"            // as lost, and a call to Domino lands up to 15 s later, if at all
	hung   moment = "is stopped in"       // a signal comes while Domino hangs; the call lands as with late
	broken moment = "panics before"       // nothing of it has happened, and its goroutine panics
	breaks moment = "panics after"        // it has taken effect, and its goroutine panics
)

var (
	errDead = errors.New("this process is dead")
	errLost = errors.New("connection reset by peer")
)

// world numbers every operation that a process has with the world outside, store and
// Domino alike, and ends the process at one of them. What its process had under way then
// is abandoned: Domino sees that its client is gone.
type world struct {
	at     int
	moment moment
	kill   context.CancelCauseFunc

	mu    sync.Mutex
	n     int
	what  string   // the operation at which it happened
	names []string // of the operations, by number, if not nil
	dead  context.Context
	death context.CancelFunc
}

func newWorld(at int, m moment, kill context.CancelCauseFunc) *world {
	w := &world{at: at, moment: m, kill: kill}
	w.dead, w.death = context.WithCancel(context.Background())
	return w
}

func (w *world) begin(what string) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead.Err() != nil {
		return 0, errDead
	}
	w.n++
	if w.names != nil {
		w.names = append(w.names, what)
	}
	if w.n == w.at {
		w.what = what
		switch w.moment {
		case before:
			w.die()
			return w.n, errDead
		case broken:
			panic(w)
		}
	}
	return w.n, nil
}

func (w *world) end(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dead.Err() != nil:
		return errDead
	case n != w.at:
	case w.moment == after:
		w.die()
		return errDead
	case w.moment == hung:
		w.kill(modes.ErrInterrupted)
	case w.moment == breaks:
		panic(w)
	case w.moment == lost || w.moment == late:
		return errLost
	}
	return nil
}

// abandons reports whether operation n is one whose client gives up on Domino at once.
func (w *world) abandons(n int) bool {
	return n == w.at && (w.moment == late || w.moment == hung)
}

func (w *world) die() {
	w.death()
	w.kill(modes.ErrInterrupted)
}

// domain passes requests on to Domino.
type domain struct {
	*world
	next http.RoundTripper
}

func (d domain) RoundTrip(r *http.Request) (*http.Response, error) {
	n, err := d.begin(r.Method + " " + r.URL.Path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(d.dead, cancel)
	if d.abandons(n) {
		time.AfterFunc(10*time.Millisecond, cancel) // the request is on its way, its effect is not there yet
	}
	res, err := d.next.RoundTrip(r.WithContext(ctx))
	over := d.end(n)
	if d.moment == hung && n == d.at {
		<-r.Context().Done()
	}
	if over != nil {
		if res != nil {
			_ = res.Body.Close()
		}
		return nil, over
	}
	return res, err
}

// records passes operations on to the store.
type records struct {
	*world
	store.Store
}

func (s records) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	n, err := s.begin("put " + key)
	if err != nil {
		return err
	}
	err = s.Store.Put(ctx, key, body, o)
	return errors.Join(s.end(n), err)
}

func (s records) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	n, err := s.begin("get " + key)
	if err != nil {
		return nil, store.Info{}, err
	}
	r, info, err := s.Store.Get(ctx, key)
	if over := s.end(n); over != nil {
		return nil, info, over
	}
	return r, info, err
}

func (s records) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		n, err := s.begin("list " + prefix)
		if err == nil {
			err = s.end(n)
		}
		if err != nil {
			yield(store.Info{}, err)
			return
		}
		s.Store.List(ctx, prefix)(yield)
	}
}

func (s records) Delete(ctx context.Context, key string) error {
	n, err := s.begin("delete " + key)
	if err != nil {
		return err
	}
	return errors.Join(s.Store.Delete(ctx, key), s.end(n))
}

// TestCrashMatrix takes a maintenance through the end of its process, the loss of an answer, or a panic in whatever
// goroutine it is, at every operation that shutdown and restore have with store and Domino, and runs the step again
// to its end. Lag is on, in a tenth of the cases that of reads of one object too. None is lost, none is extra, each
// is started exactly once in effect and stopped at least once.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	step := draw.Every(t, 50, "cases of the crash matrix", "matrix")
	var cases atomic.Int32
	t.Run("cases", func(t *testing.T) {
		for i, mode := range []string{"shutdown", "restore", calledOff} {
			for j, m := range []moment{before, after, lost, late, hung, broken, breaks} {
				t.Run(fmt.Sprintf("%s %s", mode, m), func(t *testing.T) {
					t.Parallel()
					for at := 1 + (7*i+j)*7%step; ; at += step { // each mode and moment begins elsewhere
						reached := false // also when -run leaves the case out
						lagReads := (at/step+i+j)%10 == 0
						name := fmt.Sprintf("operation %d", at)
						if lagReads {
							name += ", reads lag"
						}
						t.Run(name, func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { reached = matrixCase(t, mode, m, at, lagReads) })
						})
						if !reached || t.Failed() && !draw.All() {
							return
						}
						cases.Add(1)
					}
				})
			}
		}
	})
	t.Logf("%d cases", cases.Load())
	if want := 5_000 / step; int(cases.Load()) < want {
		t.Errorf("%d cases, want at least %d: the operations are not numbered any more", cases.Load(), want)
	}
}

// calledOff is a shutdown that is not gone on with: restore follows at once.
const calledOff = "shutdown, called off,"

// matrixCase runs one case. It reports whether the operation was reached at all.
func matrixCase(t *testing.T, mode string, m moment, at int, lagReads bool) bool {
	c := lagging("6.1")
	if lagReads {
		c = dominosim.LaggedReads(c)
	}
	c.Projects, c.Apps, c.Models, c.Workspaces, c.Schedules, c.Jobs, c.Builds, c.Deployments = 2, 4, 2, 4, 2, 2, 1, 1
	c.StartReplaces = true
	s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
	ran := s.running()
	s.must(0, "snapshot")
	again := mode
	switch mode {
	case "restore":
		s.must(0, "shutdown")
	case calledOff:
		mode, again = "shutdown", "restore"
	}
	ctx, kill := context.WithCancelCause(t.Context())
	w := newWorld(at, m, kill)
	victim := *s
	victim.store = records{w, s.store}
	victim.transport = domain{w, s.sim.RoundTripper()}
	res, err := victim.runContext(ctx, mode)
	w.death() // whatever is still under way is abandoned
	if w.what == "" {
		return false
	}
	switch {
	case m == broken || m == breaks:
		wantEndOnRecord(t, s, w, cmp.Or(err, context.Cause(ctx)))
	case (m == before || m == after) && err == nil:
		// It died with its last operation: all is on record, but nobody was told.
	case m != before && m != after && err == nil && res.Code != 0:
		t.Errorf("%s: after the loss of an answer it ended with %d: %s", w.what, res.Code, res.LastLine())
	}
	s.must(0, again)
	if again == "shutdown" {
		if left := s.running(); len(left) > 0 {
			t.Errorf("%s: %d executions run after shutdown", w.what, len(left))
		}
		s.must(0, "restore")
	}
	s.wantSame(ran)
	for k := range ran {
		stops, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID))
		for other, r := range ran { // of two jobs that are alike, one may have been run again twice in place of the other
			if k.Kind == dominosim.KindJob && other != k && r.Command == ran[k].Command {
				_, others := effects(s.sim.Ledger().Entry(other.Kind, other.ID))
				if sum := starts + others; again == mode && sum == 2 {
					starts = 1
				} else if again != mode {
					otherStops, _ := effects(s.sim.Ledger().Entry(other.Kind, other.ID))
					stops, starts = stops+otherStops, sum
				}
			}
		}
		switch {
		case again == mode && (stops < 1 || starts != 1):
			t.Errorf("%s: %s %s was stopped %d times and started %d times, want at least once and exactly once", w.what, k.Kind, k.ID, stops, starts)
		case again != mode && stops != starts:
			t.Errorf("%s: %s %s was stopped %d times and started %d times, want as often", w.what, k.Kind, k.ID, stops, starts)
		}
	}
	for _, e := range s.sim.Ledger().Entries() {
		if _, did := ran[e.Key]; !did && len(e.Calls) > 0 {
			t.Errorf("%s: %s %s did not run and was called", w.what, e.Kind, e.ID)
		}
	}
	last, err := window.Look(t.Context(), s.store)
	if opened := last != nil; err != nil || opened && !last.Closed() || !opened && again == mode {
		t.Errorf("%s: the journal is not a closed window: %v", w.what, err)
	}
	time.Sleep(time.Minute) // what lands late must not change anything any more
	s.wantSame(ran)
	if t.Failed() {
		t.Logf("the case: process of %s %s %s", mode, m, w.what)
	}
	return true
}

// wantEndOnRecord asserts that a run which panicked has said so, where it could, so that the next one need not wait
// for its lease.
func wantEndOnRecord(t *testing.T, s *site, w *world, err error) {
	t.Helper()
	if !errors.As(err, new(*crash.Error)) || modes.Classify(err) != modes.FaultOther {
		t.Errorf("%s: it ended with %v, want the panic, which is tried again", w.what, err)
	}
	last, err := window.Look(t.Context(), s.store)
	switch {
	case err != nil:
		t.Errorf("%s: %v", w.what, err)
	case last == nil || last.Closed():
	case last.Lines[len(last.Lines)-1].Event == window.Begin: // whether it had begun it never heard
	case last.Holder() != nil:
		t.Errorf("%s: the journal does not say that the run has ended: %+v", w.what, last.Lines[len(last.Lines)-1])
	}
}

// Status tells how long a run has been silent, and what it leaves in doubt.
func TestStatusOfARunThatDied(t *testing.T) {
	for at := 1; ; at++ {
		found := false
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, small())
			s.must(0, "snapshot")
			ctx, kill := context.WithCancelCause(t.Context())
			w := newWorld(at, after, kill)
			victim := *s
			victim.store, victim.transport = records{w, s.store}, domain{w, s.sim.RoundTripper()}
			_, _ = victim.runContext(ctx, "shutdown")
			w.death()
			if w.what == "" {
				t.Fatal("no stop was called")
			}
			if found = strings.HasPrefix(w.what, "POST ") && strings.HasSuffix(w.what, "/stop"); !found {
				return
			}
			time.Sleep(time.Hour)
			notes := strings.Join(s.must(0, "status").Notes, "\n")
			if !regexp.MustCompile(`(?s), 1h0m\d+s ago.*[1-9]\d* calls? that may still take effect`).MatchString(notes) {
				t.Errorf("status says %q", notes)
			}
		})
		if found || t.Failed() {
			return
		}
	}
}
