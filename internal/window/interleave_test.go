package window_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// A fence watches over several runs in one window: what each wrote, and what calls it had under way.
type fence struct {
	mu     sync.Mutex
	last   *contender // whose begin landed last
	calls  map[*contender]int
	taken  int
	breach []string
}

func (f *fence) begun(c *contender) {
	if f.last != nil && f.last != c && !f.last.over {
		f.taken++
		f.last.superseded = true
	}
	for other, n := range f.calls {
		if other != c && n > 0 {
			f.breach = append(f.breach, fmt.Sprintf("%s began while a call of %s was under way", c.name, other.name))
		}
	}
	f.last = c
}

// A contender is one process. Its store takes its time, before an operation and after, as a seed decides.
type contender struct {
	store.Store
	name             string
	f                *fence
	mu               sync.Mutex
	rng              *rand.Rand
	superseded, over bool
}

func (c *contender) turn(ctx context.Context) error {
	c.mu.Lock()
	wait := time.Duration(c.rng.Int64N(int64(100 * time.Millisecond)))
	if c.rng.IntN(12) == 0 {
		wait = time.Duration(c.rng.Int64N(int64(2 * lease)))
	}
	c.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (c *contender) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if err := c.turn(ctx); err != nil {
		return err
	}
	c.f.mu.Lock()
	err := c.Store.Put(ctx, key, body, o)
	if err == nil && strings.HasPrefix(key, "windows/") {
		if bytes.Contains(body, []byte(`"event":"begin"`)) {
			c.f.begun(c)
		}
		if c.f.last != c {
			c.f.breach = append(c.f.breach, fmt.Sprintf("%s wrote %s after the begin of %s", c.name, key, c.f.last.name))
		}
		if bytes.Contains(body, []byte(`"event":"end"`)) || bytes.Contains(body, []byte(`"event":"closed"`)) {
			c.over = true
		}
	}
	c.f.mu.Unlock()
	if late := c.turn(ctx); late != nil {
		return late // it may have landed
	}
	return err
}

// work opens the window or enters it, sends calls through its gate, and ends.
func (c *contender) work(ctx context.Context) error {
	r, err := c.enter(ctx)
	if err != nil {
		return err
	}
	for i := range 20 {
		key := execution.Key{Kind: execution.App, ID: fmt.Sprint(c.name, i)}
		if err := r.Append(ctx, window.Line{Event: window.Intent, Goal: window.Stop, Key: &key}); err != nil {
			if errors.Is(err, window.ErrSuperseded) {
				return err
			}
			continue
		}
		c.call(ctx, r)
	}
	bounded, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return r.End(bounded, 0)
}

func (c *contender) enter(ctx context.Context) (*window.Run, error) {
	last, err := window.Look(ctx, c)
	if err != nil {
		return nil, err
	}
	if last == nil {
		r, err := window.OpenNext(ctx, c, nil, pinned(), who(window.ModeShutdown))
		if !errors.Is(err, window.ErrBusy) {
			return r, err
		}
		last = &window.Window{Number: 1} // somebody was faster
	}
	return window.Enter(ctx, c, last.Number, who(window.ModeShutdown), 10*time.Minute)
}

// call is one call to Domino, as the client sends it: right after the gate, and for no longer than it may.
func (c *contender) call(ctx context.Context, r *window.Run) {
	if r.Gate(ctx) != nil {
		return
	}
	c.f.mu.Lock()
	if c.f.last != c {
		c.f.breach = append(c.f.breach, fmt.Sprintf("the gate of %s let a call pass after the begin of %s", c.name, c.f.last.name))
	}
	c.f.calls[c]++
	c.f.mu.Unlock()
	c.mu.Lock()
	took := time.Duration(c.rng.Int64N(int64(r.CallTimeout())))
	c.mu.Unlock()
	time.Sleep(took)
	c.f.mu.Lock()
	c.f.calls[c]--
	c.f.mu.Unlock()
}

// TestHoweverTheirTurnsComeOneRunIsAtWork lets three runs open, enter and work in one window over a store whose
// operations take up to two leases each. No entry is written and no call is under way by any of them once another's
// begin has landed, and whoever has lost its place is told so.
func TestHoweverTheirTurnsComeOneRunIsAtWork(t *testing.T) {
	taken := 0
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			f := &fence{calls: map[*contender]int{}}
			var all sync.WaitGroup
			var contenders []*contender
			errs := make([]error, 3)
			for i := range errs {
				c := &contender{Store: s, f: f, name: fmt.Sprintf("run %d", i), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
				contenders = append(contenders, c)
				all.Go(func() { errs[i] = c.work(t.Context()) })
			}
			all.Wait()
			for _, b := range f.breach {
				t.Errorf("seed %d: %s", seed, b)
			}
			for i, c := range contenders {
				if c.superseded && errs[i] == nil {
					t.Errorf("seed %d: %s was superseded and does not know", seed, c.name)
				}
			}
			w, err := window.Look(t.Context(), s)
			if err != nil || w == nil || w.Number != 1 {
				t.Errorf("seed %d: window %+v, error %v; want window 1 to be readable", seed, w, err)
			}
			taken += f.taken
		})
	}
	t.Logf("%d runs were taken over", taken)
	if taken < 50 {
		t.Errorf("only %d runs were taken over: the turns come too orderly to prove anything", taken)
	}
}
