package window

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// maxCall is the longest that a call which changes Domino may take; with a short lease
// it is a third of that.
const maxCall = 20 * time.Second

// Run is one process at work in a window. While it lives it owns the next step of the
// journal. Its methods may be called from many goroutines.
type Run struct {
	store  store.Store
	holder Holder
	lease  time.Duration

	// turn is held by whoever appends, for as long as the store takes. What follows is its.
	turn    chan struct{}
	window  *Window
	pending *unanswered // it must be settled before anything else is appended
	balance *Balance
	keepers []Keeper
	putBack []string  // keys of what the store had lost
	looked  time.Time // when the run last looked for its own records

	mu       sync.Mutex
	sent     time.Time // before the newest append was sent, monotonic and wall
	lost     error     // why this run must not go on
	whenLost context.CancelCauseFunc

	stop      sync.Once
	stopBeats chan struct{}
	beatsOver chan struct{} // nil before the first
}

// unanswered is an append of which the store gave no answer: it may have landed.
type unanswered struct {
	lines []Line
	sent  time.Time // the first time
}

// NewHolder names this run at random; mode, pod, host, pid and tool are for people.
func NewHolder(mode, pod, host string, pid int, tool string) Holder {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return Holder{Run: hex.EncodeToString(b), Mode: mode, Pod: pod, Host: host, PID: pid, Tool: tool}
}

// OpenNext opens the window after last (nil: the first), which must be closed, and
// begins to work in it. First it proves on a probe key that the store refuses a second
// creation, without which the journal is no lock. If another process opens the window
// at the same time it is ErrBusy.
func OpenNext(ctx context.Context, s store.Store, last *Window, p Pinned, who Holder) (*Run, error) {
	number, head := 1, genesis
	if last != nil {
		if !last.Closed() {
			return nil, &RefusedError{Err: ErrBusy, Window: last.Name(), Holder: last.Holder()}
		}
		number, head = last.Number+1, last.head()
		before, done := last.Intent()
		p.Before, p.BeforeOff = before, before != "" && !done
	}
	if err := Probe(ctx, s, who.Run); err != nil {
		return nil, err
	}
	r := newRun(s, &Window{Number: number, Pinned: p, before: head}, who)
	lines := []Line{{Event: Open, Window: &p}, {Event: Begin, Holder: &who}}
	if err := r.Append(ctx, lines...); err != nil {
		var taken *RefusedError
		if errors.Is(err, ErrSuperseded) && errors.As(err, &taken) {
			return nil, &RefusedError{Err: ErrBusy, Window: name(number), Holder: taken.Holder}
		}
		return nil, err
	}
	r.beat()
	return r, nil
}

// ProbeKey is the object on which a run tries its store. Others rely on the format.
func ProbeKey(run string) string { return "probes/" + run }

// Probe creates one key twice, and is ErrUnsafe if the store lets it.
func Probe(ctx context.Context, s store.Store, run string) error {
	key := ProbeKey(run)
	if err := s.Put(ctx, key, []byte("first\n"), store.PutOptions{IfAbsent: true}); err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	second := s.Put(ctx, key, []byte("second\n"), store.PutOptions{IfAbsent: true})
	if err := s.Delete(ctx, key); err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	if second == nil {
		return &RefusedError{Err: ErrUnsafe}
	}
	if !errors.Is(second, store.ErrExists) {
		return fmt.Errorf("probe the store: create a key a second time: %w", second)
	}
	return nil
}

// Enter begins to work in an open window. If the window is held it watches: an end
// frees the window at once, silence for one lease means that the holder is dead, and
// anything else that somebody is at work, for whom it waits up to lockWait.
func Enter(ctx context.Context, s store.Store, number int, who Holder, lockWait time.Duration) (*Run, error) {
	began := time.Now()
	w, err := load(ctx, s, number)
	if err != nil {
		return nil, err
	}
	for {
		if w.Closed() {
			return nil, &RefusedError{Err: ErrClosed, Window: w.Name()}
		}
		if w.Holder() != nil {
			silent, err := w.watch(ctx, s)
			if err != nil {
				return nil, err
			}
			if !silent {
				if h := w.Holder(); h != nil && time.Since(began) >= lockWait {
					return nil, &RefusedError{Err: ErrBusy, Window: w.Name(), Holder: h}
				}
				continue
			}
		}
		r := newRun(s, w, who)
		err := r.Append(ctx, Line{Event: Begin, Holder: &who})
		if errors.Is(err, ErrSuperseded) {
			// Somebody wrote after our last look: look again, once the store's lists may show it.
			if err := wait(ctx, w.step()); err != nil {
				return nil, err
			}
			if w, err = load(ctx, s, number); err != nil {
				return nil, err
			}
			if h := w.Holder(); h != nil && time.Since(began) >= lockWait {
				return nil, &RefusedError{Err: ErrBusy, Window: w.Name(), Holder: h}
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		r.beat()
		return r, nil
	}
}

// watch waits until the window has a new entry, and reads it, or has been silent for
// one lease of this process's own monotonic clock. It looks once more at the end.
func (w *Window) watch(ctx context.Context, s store.Store) (silent bool, err error) {
	for began := time.Now(); ; {
		over := time.Since(began) >= w.Pinned.Lease
		entries, err := list(ctx, s, root+w.Name()+"/journal/")
		if err != nil {
			return false, err
		}
		switch n := len(entries[w.Number]); {
		case n > w.entries():
			return false, w.extend(ctx, s, n)
		case n < w.entries():
			return false, damaged(entryKey(w.Number, n+1), "was there a moment ago and is missing now")
		}
		if over {
			return true, nil
		}
		if err := wait(ctx, w.step()); err != nil {
			return false, err
		}
	}
}

// step is how long to wait between two looks at a journal.
func (w *Window) step() time.Duration { return min(w.Pinned.Lease/20, 2*time.Second) }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Refresh reads what has been written to the window since it was read, and returns those lines.
func (w *Window) Refresh(ctx context.Context, s store.Store) ([]Line, error) {
	entries, err := list(ctx, s, root+w.Name()+"/journal/")
	if err != nil {
		return nil, err
	}
	had := len(w.Lines)
	if n := len(entries[w.Number]); n > w.entries() {
		err = w.extend(ctx, s, n)
	}
	return w.Lines[had:], err
}

func newRun(s store.Store, w *Window, who Holder) *Run {
	return &Run{store: s, holder: who, lease: w.Pinned.Lease, window: w, turn: make(chan struct{}, 1), stopBeats: make(chan struct{})}
}

// Guard returns a context that ends when this run has lost its place.
func (r *Run) Guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whenLost = cancel
	if r.lost != nil {
		cancel(r.lost)
	}
	return ctx, func() { cancel(nil) }
}

// Name is how people and object keys call the window.
func (r *Run) Name() string { return r.window.Name() }

// Pinned is what the window keeps to, whatever the settings of this run say.
func (r *Run) Pinned() Pinned { return r.window.Pinned }

// CallTimeout is how long a call that changes Domino may take.
func (r *Run) CallTimeout() time.Duration { return min(maxCall, r.lease/3) }

// Account folds a snapshot and the journal, and keeps the fold up to date with every
// append from now on. The balance must be used by one goroutine, the one that appends.
func (r *Run) Account(lines []execution.Execution) *Balance {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.balance = Remaining(lines, r.window.Lines)
	return r.balance
}

// Append writes lines as the next entry. Lines of the run get their schema, run and
// time here. ErrSuperseded: the place is lost, for good. Any other error: the store
// gave no answer; whether the entry has landed is settled before the next append.
func (r *Run) Append(ctx context.Context, lines ...Line) error {
	if len(lines) == 0 {
		return nil
	}
	return r.append(ctx, false, lines)
}

// append is Append. A heartbeat leaves an unanswered append of the run's own goroutine to
// that goroutine, which alone may move the balance.
func (r *Run) append(ctx context.Context, beat bool, lines []Line) error {
	lines = slices.Clone(lines) // they are kept until the store has answered, and the caller may go on writing to his
	now := time.Now().UTC()
	for i := range lines {
		lines[i].Schema, lines[i].Run, lines[i].At = Schema, r.holder.Run, now
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("write journal: wait for the write before: %w", context.Cause(ctx))
	}
	if p := r.pending; p != nil {
		if beat && p.lines[0].Event != Heartbeat {
			return fmt.Errorf("window %s: the store has not answered the write before", r.window.Name())
		}
		if err := r.put(ctx, p.lines, p.sent); err != nil {
			return err
		}
	}
	if r.window.Closed() { // by the append that had no answer
		return &RefusedError{Err: ErrClosed, Window: r.window.Name()}
	}
	if peopleActOn(lines) {
		if err := r.look(ctx); err != nil {
			return err
		}
	}
	return r.put(ctx, lines, time.Now())
}

// put creates the next entry. A number that is taken by our own bytes is ours: an
// answer got lost on the way.
func (r *Run) put(ctx context.Context, lines []Line, sent time.Time) error {
	if err := r.superseded(nil); err != nil {
		return err
	}
	key := entryKey(r.window.Number, r.window.entries()+1)
	body, err := r.encode(key, lines)
	if err != nil {
		return err
	}
	r.pending = &unanswered{lines, sent} // until the store has answered, also where it panics
	err = r.store.Put(ctx, key, body, store.PutOptions{IfAbsent: true})
	if errors.Is(err, store.ErrExists) {
		var there []byte
		if there, err = store.ReadAll(ctx, r.store, key, maxEntry); err == nil && !bytes.Equal(there, body) {
			r.pending = nil // it will never land
			return r.superseded(&RefusedError{Err: ErrSuperseded, Window: r.window.Name(), Holder: holderOf(key, there)})
		}
	}
	if errors.Is(err, store.ErrForeign) {
		r.pending = nil // it will never land
		return fmt.Errorf("write journal: %w", orForeign(err))
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	r.pending = nil
	r.mu.Lock()
	r.sent = sent
	r.mu.Unlock()
	r.window.add(lines, body)
	if r.balance != nil {
		r.balance.Apply(lines...)
	}
	return nil
}

// superseded returns why the run has lost its place, if it has. now is that it just did.
func (r *Run) superseded(now error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now != nil && r.lost == nil {
		r.lost = now
		if r.whenLost != nil {
			r.whenLost(now)
		}
	}
	return r.lost
}

func holderOf(key string, body []byte) *Holder {
	lines, err := parseEntry(key, body)
	if err != nil {
		return nil
	}
	for _, l := range lines {
		if l.Holder != nil {
			return l.Holder
		}
	}
	return &Holder{Run: lines[0].Run, Mode: "a"}
}

// age is how old the run's last sign of life is, counted from before it was sent, by
// the larger of monotonic and wall clock: a machine that was suspended has stopped the
// first, one whose clock was set has moved the second.
func (r *Run) age() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return max(now.Sub(r.sent), now.Round(0).Sub(r.sent.Round(0)))
}

// Gate lets a call that changes Domino pass while the run's last append is younger than
// two thirds of the lease; else it appends a heartbeat first. It is asked right before
// the socket.
func (r *Run) Gate(ctx context.Context) error {
	for range 2 {
		if err := r.superseded(nil); err != nil {
			return err
		}
		if r.age() < r.lease*2/3 {
			return nil
		}
		if err := r.heartbeat(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("window %s: the store takes longer for one write than two thirds of the lease (%s)", r.window.Name(), r.lease)
}

// beat appends a heartbeat whenever nothing else was appended for a third of the lease.
func (r *Run) beat() {
	over := make(chan struct{})
	r.beatsOver = over
	crash.Go(func() {
		defer close(over)
		for {
			wait := max(r.lease/3-r.age(), r.lease/30)
			select {
			case <-r.stopBeats:
				return
			case <-time.After(wait):
			}
			if r.age() < r.lease/3 {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), r.lease/3)
			done := make(chan struct{})
			crash.Go(func() { // a run that ends does not wait for its own heartbeat
				select {
				case <-r.stopBeats:
					cancel()
				case <-done:
				}
			})
			err := r.heartbeat(ctx)
			close(done)
			cancel()
			if errors.Is(err, ErrSuperseded) {
				return
			}
		}
	})
}

func (r *Run) heartbeat(ctx context.Context) error {
	return r.append(ctx, true, []Line{{Event: Heartbeat}})
}

// End says that the run stops of itself, with the exit code that it will have, and
// frees the window at once. In a window that is closed there is nothing left to say.
func (r *Run) End(ctx context.Context, code int) error {
	err := r.finish(ctx, Line{Event: End, Code: &code})
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// Close writes the window's last entry, preceded by lines.
func (r *Run) Close(ctx context.Context, reason string, lines ...Line) error {
	return r.finish(ctx, append(lines, Line{Event: Closed, Reason: reason})...)
}

func (r *Run) finish(ctx context.Context, lines ...Line) error {
	r.still()
	if r.balance != nil {
		t := r.balance.Tally()
		last := &lines[len(lines)-1]
		last.Tally = &t
		if last.Event == End && r.holder.Mode == ModeShutdown {
			last.StillRuns = r.balance.StillRuns
		}
	}
	return r.Append(ctx, lines...)
}

// still stops the heartbeats.
func (r *Run) still() {
	r.stop.Do(func() { close(r.stopBeats) })
	if r.beatsOver != nil {
		<-r.beatsOver
	}
}

// Record is the window as this run knows it, for reports; nil if the run has lost its place.
func (r *Run) Record() *Window {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if r.superseded(nil) != nil {
		return nil
	}
	w := *r.window
	w.Lines = slices.Clone(w.Lines)
	return &w
}

// ID is the run's random id.
func (r *Run) ID() string { return r.holder.Run }
