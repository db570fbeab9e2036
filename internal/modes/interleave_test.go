package modes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// lease is the one that the settings give by default.
const lease = time.Minute

// A referee sees in which order several processes come to one store and one Domino.
type referee struct {
	mu     sync.Mutex
	begins []begin  // in the order in which they landed in the journal
	foul   []string // what a process did that had lost its place
}

type begin struct {
	by *rival
	at time.Time
}

// owner is whose begin landed last.
func (f *referee) owner() *rival {
	if len(f.begins) == 0 {
		return nil
	}
	return f.begins[len(f.begins)-1].by
}

// A rival is one process. Each of its operations on the store and on Domino waits for its turn: before it, and again
// before the process hears of it. How long is drawn from a seed, up to several leases. At one operation the whole
// process may freeze.
type rival struct {
	name    string
	referee *referee
	next    http.RoundTripper
	store.Store

	freezeAt  int // operation; 0: never
	freezeFor time.Duration
	long      int // of a thousand operations so many take up to three leases

	mu    sync.Mutex
	rng   *rand.Rand
	n     int
	wake  time.Time
	froze chan struct{} // closed when it freezes
	ended bool          // its end, or the window's, has landed
	lost  bool          // somebody began before that

	res *report.Result
	err error
}

func newRival(name string, f *referee, s *site, seed uint64) *rival {
	return &rival{
		name: name, referee: f, next: s.sim.RoundTripper(), Store: s.store, froze: make(chan struct{}),
		rng: rand.New(rand.NewPCG(seed, 0xac)),
	}
}

// turn waits until it is this operation's turn. A context that ends meanwhile ends it, but not
// before the process wakes.
func (a *rival) turn(ctx context.Context, first bool) error {
	a.mu.Lock()
	if first {
		if a.n++; a.n == a.freezeAt {
			a.wake = time.Now().Add(a.freezeFor)
			close(a.froze)
		}
	}
	wait := time.Duration(0)
	if a.long > 0 {
		switch p := a.rng.IntN(1000); {
		case p < a.long:
			wait = time.Duration(a.rng.Int64N(int64(3 * lease)))
		case p < 150:
			wait = time.Duration(a.rng.Int64N(int64(4 * time.Second)))
		default:
			wait = time.Duration(a.rng.Int64N(int64(40 * time.Millisecond)))
		}
	}
	a.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	for {
		a.mu.Lock()
		frozen := time.Until(a.wake)
		a.mu.Unlock()
		if frozen <= 0 {
			return ctx.Err()
		}
		time.Sleep(frozen)
	}
}

// RoundTrip sends a request to Domino. The window's gate has let it pass right before: from here it is past its gate,
// and its context ends a third of the lease later, so that it is sent in time or not at all.
func (a *rival) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := a.turn(r.Context(), true); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet {
		a.referee.mu.Lock()
		if owner := a.referee.owner(); owner != a {
			a.referee.foul = append(a.referee.foul, fmt.Sprintf("at %s %s sent %s %s after the begin of %s", clock(time.Now()), a.name, r.Method, r.URL.Path, owner.name))
		}
		a.referee.mu.Unlock()
	}
	res, err := a.next.RoundTrip(r)
	if late := a.turn(r.Context(), false); late != nil && err == nil {
		_ = res.Body.Close()
		return nil, late
	}
	return res, err
}

// Put writes to the store, and tells the referee what has landed.
func (a *rival) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if err := a.turn(ctx, true); err != nil {
		return err
	}
	err := a.landed(ctx, key, body, o)
	if late := a.turn(ctx, false); late != nil {
		return late // it has landed, and nobody here will know
	}
	return err
}

func (a *rival) landed(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	a.referee.mu.Lock()
	defer a.referee.mu.Unlock()
	err := a.Store.Put(ctx, key, body, o)
	if err != nil || !strings.HasPrefix(key, "windows/") || !strings.Contains(key, "/journal/") {
		return err
	}
	if bytes.Contains(body, []byte(`"event":"begin"`)) {
		for _, b := range a.referee.begins {
			b.by.lost = b.by.lost || b.by != a && !b.by.ended
		}
		a.referee.begins = append(a.referee.begins, begin{a, time.Now()})
		a.ended = false
	}
	if owner := a.referee.owner(); owner != a {
		a.referee.foul = append(a.referee.foul, fmt.Sprintf("at %s %s wrote %s after the begin of %s", clock(time.Now()), a.name, key, owner.name))
	}
	if bytes.Contains(body, []byte(`"event":"end"`)) || bytes.Contains(body, []byte(`"event":"closed"`)) {
		a.ended = true
	}
	return nil
}

func (a *rival) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	if err := a.turn(ctx, true); err != nil {
		return nil, store.Info{}, err
	}
	r, info, err := a.Store.Get(ctx, key)
	if late := a.turn(ctx, false); late != nil {
		return nil, info, late
	}
	return r, info, err
}

func (a *rival) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := a.turn(ctx, true); err != nil {
			yield(store.Info{}, err)
			return
		}
		var found []store.Info
		for info, err := range a.Store.List(ctx, prefix) {
			if err != nil {
				yield(store.Info{}, err)
				return
			}
			found = append(found, info)
		}
		if err := a.turn(ctx, false); err != nil {
			yield(store.Info{}, err)
			return
		}
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (a *rival) Delete(ctx context.Context, key string) error {
	if err := a.turn(ctx, true); err != nil {
		return err
	}
	return a.Store.Delete(ctx, key)
}

// act runs a mode as this process.
func (a *rival) act(s *site, mode string, env ...string) {
	mine := *s
	mine.quiet, mine.store, mine.transport = true, a, a
	ctx, cancel := context.WithTimeout(s.t.Context(), 6*time.Hour)
	defer cancel()
	a.res, a.err = mine.runContext(ctx, mode, env...)
	if errors.Is(a.err, context.DeadlineExceeded) && ctx.Err() != nil {
		s.t.Errorf("%s has not ended within 6 hours", a.name)
	}
}

// wantFenced asserts what holds of processes that ran beside each other, however their turns came.
func (s *site) wantFenced(f *referee, ran map[dominosim.Key]dominosim.Run, rivals ...*rival) {
	s.t.Helper()
	for _, foul := range f.foul {
		s.t.Error(foul)
	}
	for _, a := range rivals {
		switch refused := a.err != nil && modes.Classify(a.err) == modes.FaultRefused; {
		case a.lost && !refused && !errors.Is(a.err, context.DeadlineExceeded): // or the store did not answer its last word
			s.t.Errorf("%s was superseded and ended with %v, want a refusal", a.name, a.err)
		case a.err != nil && !refused && modes.Classify(a.err) != modes.FaultOther:
			s.t.Errorf("%s ended with %v", a.name, a.err)
		}
	}
	p := &playing{site: s, before: ran, admin: s.sim.Users()[0]}
	for k := range ran {
		turns := p.turns(k)
		for _, u := range turns {
			if u.up && u.was && k.Kind != dominosim.KindScheduledJob {
				s.t.Errorf("%v was started at %s while it ran\n%s", k, clock(u.at), p.story(k, turns, nil))
			}
		}
	}
	last, err := window.Look(s.t.Context(), s.store)
	if err != nil {
		s.t.Errorf("the journal cannot be read: %v", err)
	}
	if last == nil {
		return
	}
	open := 0
	for info, err := range s.store.List(s.t.Context(), "windows/") {
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.HasSuffix(info.Key, "/00000001.jsonl") {
			open++
		}
		body, err := store.ReadAll(s.t.Context(), s.store, info.Key, 1<<20)
		if err != nil {
			s.t.Fatal(err)
		}
		if bytes.Contains(body, []byte(`"event":"closed"`)) {
			open--
		}
	}
	if open > 1 {
		s.t.Errorf("%d windows are open", open)
	}
}

// wantRestored asserts that the maintenance comes to its end when its step is run again.
func (s *site) wantRestored(ran map[dominosim.Key]dominosim.Run, stepped string) {
	s.t.Helper()
	if stepped == "shutdown" {
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			s.t.Errorf("%d executions run after shutdown", len(left))
		}
	}
	s.must(0, "restore")
	time.Sleep(time.Minute) // what lands late must not change anything any more
	s.wantSame(ran)
	if last, err := window.Look(s.t.Context(), s.store); err != nil || last == nil || !last.Closed() {
		s.t.Errorf("the journal is not a closed window: %v", err)
	}
	for k := range ran {
		if stops, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); k.Kind != dominosim.KindScheduledJob && stops != starts {
			s.t.Errorf("%v was stopped %d times and started %d times in effect, want as often", k, stops, starts)
		}
	}
}

// TestTwoRunsInEveryOrder lets two processes work on one store and one Domino, in turns that a seed decides, with operations
// that take up to three leases: whichever way they come, only the one whose begin is the last writes to the journal or
// sends anything to Domino that changes it. What was in Domino's hands before that begin may still take effect; for
// this the one that took over waits the settle time.
func TestTwoRunsInEveryOrder(t *testing.T) {
	t.Parallel()
	interleavings := draw.Sample(t, 40, 200, "orders of two runs", "interleavings")
	pairs := [][2]string{{"shutdown", "shutdown"}, {"shutdown", "restore"}, {"restore", "restore"}}
	var mu sync.Mutex
	tally := map[string]int{}
	for seed := range uint64(interleavings) {
		pair := pairs[seed%3]
		t.Run(fmt.Sprintf("%s and %s %d", pair[0], pair[1], seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 0x2))
				s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true")
				s.quiet = true
				ran := s.running()
				s.must(0, "snapshot")
				if pair[0] == "restore" {
					s.must(0, "shutdown")
				}
				f := &referee{}
				one, two := newRival("the first", f, s, 2*seed), newRival("the second", f, s, 2*seed+1)
				one.long, two.long = 1+rng.IntN(30), 1+rng.IntN(10)
				if rng.IntN(20) > 0 {
					one.freezeAt, one.freezeFor = 12+rng.IntN(60), lease/2+time.Duration(rng.Int64N(int64(4*lease)))
				}
				env := fmt.Sprintf("DMM_LOCK_WAIT=%ds", []int{1, 900, 900}[rng.IntN(3)])
				later := time.Duration(rng.Int64N(int64([]time.Duration{time.Second, 10 * time.Second, time.Minute}[rng.IntN(3)])))
				var both sync.WaitGroup
				both.Go(func() { one.act(s, pair[0], env) })
				both.Go(func() { time.Sleep(later); two.act(s, pair[1], env) })
				both.Wait()

				s.wantFenced(f, ran, one, two)
				stepped := pair[0]
				if pair[1] == "restore" {
					stepped = "restore" // it decides whether the window is still open
				}
				s.wantRestored(ran, stepped)
				mu.Lock()
				defer mu.Unlock()
				for _, a := range []*rival{one, two} {
					switch {
					case a.lost:
						tally["superseded"]++
					case a.err == nil:
						tally["done"]++
					case modes.Classify(a.err) == modes.FaultRefused:
						tally["refused"]++
					default:
						tally["failed"]++
					}
				}
			})
		})
	}
	t.Logf("processes: %v", tally)
	all := tally["done"] + tally["refused"] + tally["failed"] + tally["superseded"] // not so if -run leaves cases out
	if draw.All() && all == 2*interleavings && tally["superseded"] < interleavings/8 {
		t.Errorf("only %d processes were superseded: the turns come too orderly to prove anything", tally["superseded"])
	}
}

// TestAFrozenRunWritesAndStartsNothingMore freezes a process at one of its operations for longer than its lease, while
// another takes over, and lets it wake while that one is at work or after.
func TestAFrozenRunWritesAndStartsNothingMore(t *testing.T) {
	t.Parallel()
	superseded, cases := 0, 0
	step := draw.Every(t, 10, "operations at which a run freezes", "interleavings")
	for _, pair := range [][2]string{{"shutdown", "shutdown"}, {"shutdown", "restore"}, {"restore", "restore"}} {
		for _, asleep := range []time.Duration{90 * time.Second, 150 * time.Second, 10 * time.Minute} {
			for at := 1 + cases%step; ; at += step {
				reached := false
				t.Run(fmt.Sprintf("%s frozen for %s at operation %d, then %s", pair[0], asleep, at, pair[1]), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newSite(t, dominosim.Lagged(small()), "DMM_RESTORE_WORKSPACES=true", "DMM_LOCK_WAIT=20m")
						s.quiet = true
						ran := s.running()
						s.must(0, "snapshot")
						if pair[0] == "restore" {
							s.must(0, "shutdown")
						}
						f := &referee{}
						frozen, other := newRival("the frozen one", f, s, 1), newRival("the other", f, s, 2)
						frozen.freezeAt, frozen.freezeFor = at, asleep
						over := make(chan struct{})
						go func() { frozen.act(s, pair[0]); close(over) }()
						select {
						case <-over:
							return
						case <-frozen.froze:
							reached = true
						}
						time.Sleep(time.Second)
						other.act(s, pair[1])
						<-over
						s.wantFenced(f, ran, frozen, other)
						s.wantRestored(ran, "restore")
						if frozen.lost {
							superseded++
						}
					})
				})
				if !reached || t.Failed() {
					break
				}
				cases++
			}
		}
	}
	t.Logf("%d cases, in %d of which the frozen run was superseded", cases, superseded)
	if want := 1_000 / step; cases < want || superseded < cases/2 {
		t.Errorf("%d cases, %d superseded: want at least %d, and half of them", cases, superseded, want)
	}
}

// TestTwoThatOpenAWindowAtOnceOpenOne: both have seen that none is open before either of them writes.
func TestTwoThatOpenAWindowAtOnceOpenOne(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, small(), "DMM_LOCK_WAIT=1s")
			s.quiet = true
			ran := s.running()
			s.must(0, "snapshot")
			f := &referee{}
			var rivals []*rival
			var all sync.WaitGroup
			for i := range 4 {
				a := newRival(fmt.Sprintf("number %d", i), f, s, 4*seed+uint64(i))
				rivals = append(rivals, a)
				all.Go(func() { a.act(s, "shutdown") })
			}
			all.Wait()
			s.wantFenced(f, ran, rivals...)
			done := 0
			for _, a := range rivals {
				if a.err == nil {
					done++
				} else if !errors.Is(a.err, window.ErrBusy) {
					t.Errorf("%s: %v, want ErrBusy", a.name, a.err)
				}
			}
			if done != 1 || len(f.begins) != 1 {
				t.Errorf("%d of 4 shutdowns were done and %d began, want one", done, len(f.begins))
			}
		})
	}
}

// tardy holds back the writes of a key until it is let go.
type tardy struct {
	store.Store
	key  string
	held chan struct{} // closed once one is held back
	once *sync.Once
	goOn chan struct{}
}

func (l tardy) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if strings.HasSuffix(key, l.key) {
		l.once.Do(func() { close(l.held) })
		<-l.goOn
	}
	return l.Store.Put(ctx, key, body, o)
}

// A run whose report is slow to be written does not leave it in place of the one of a later run, whichever format it is at.
func TestASlowReportDoesNotReplaceALaterOne(t *testing.T) {
	for _, key := range []string{"report.txt", "report.json", "report.html"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small())
				s.must(0, "snapshot")
				plain := s.store
				slow := tardy{plain, key, make(chan struct{}), new(sync.Once), make(chan struct{})}
				s.store = slow
				var first sync.WaitGroup
				first.Go(func() {
					if _, err := s.run("shutdown"); err != nil {
						t.Error(err)
					}
				})
				<-slow.held
				s.store = plain
				s.must(0, "close", "DMM_YES=true", "DMM_REASON=tried by two")
				close(slow.goOn)
				first.Wait()
				for _, format := range []string{"text", "json", "html"} {
					is := string(s.body("windows/000001/report." + map[string]string{"text": "txt", "json": "json", "html": "html"}[format]))
					if want := string(s.must(0, "report", "DMM_FORMAT="+format).Document); is != want {
						t.Errorf("the report in the store, as %s, is not that of the window as it is (-want +got):\n%s", format, cmp.Diff(want, is))
					}
				}
			})
		})
	}
}
