package domino

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func (l *limiter) mustAcquire(t *testing.T) ticket {
	t.Helper()
	k, err := l.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLimitIsHalvedOncePerRound(t *testing.T) {
	l := newLimiter(16)
	var under []ticket
	for range 16 {
		under = append(under, l.mustAcquire(t))
	}
	for _, k := range under {
		k.done(overloaded)
	}
	if l.limit != 8 {
		t.Errorf("limit = %v after one round of overload, want 8", l.limit)
	}
	l.mustAcquire(t).done(overloaded)
	if l.limit != 4 {
		t.Errorf("limit = %v after the next, want 4", l.limit)
	}
	for range 10 {
		l.mustAcquire(t).done(overloaded)
	}
	if l.limit != 1 {
		t.Errorf("limit = %v, want it not below 1", l.limit)
	}
}

func TestLimitGrowsByOnePerRound(t *testing.T) {
	l := newLimiter(16)
	l.limit = 4
	round := func() {
		for range int(l.limit) {
			l.mustAcquire(t).done(good)
		}
	}
	round()
	if l.limit < 4.8 || l.limit > 5 {
		t.Errorf("limit = %v after a round at 4, want about 5", l.limit)
	}
	for range 100 {
		round()
	}
	if l.limit != 16 {
		t.Errorf("limit = %v, want the ceiling", l.limit)
	}
	l.mustAcquire(t).done(neutral)
	if l.limit != 16 {
		t.Errorf("limit = %v after a call that says nothing, want 16", l.limit)
	}
	if got := newLimiter(200).limit; got != 16 {
		t.Errorf("a ceiling of 200 begins at %v, want 16", got)
	}
}

func TestLimiterIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		held := l.mustAcquire(t)
		var order []int
		for i := range 5 {
			go func() {
				k, err := l.acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				k.done(good)
			}()
			synctest.Wait() // it waits in line
		}
		held.done(good)
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("order = %v", order)
			}
		}
		if len(order) != 5 || l.inFlight != 0 {
			t.Errorf("%d served, %d under way, want 5 and 0", len(order), l.inFlight)
		}
	})
}

func TestLimiterHonoursContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		held := l.mustAcquire(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if _, err := l.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("acquire = %v after %v, want the deadline after 1m", err, time.Since(begin))
		}
		if _, err := l.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acquire with a context that ended = %v", err)
		}
		held.done(good)
		if l.waiting.Len() != 0 || l.inFlight != 0 {
			t.Errorf("%d waiting, %d under way, want none", l.waiting.Len(), l.inFlight)
		}
		l.mustAcquire(t).done(good)
	})
}

func TestLimiterPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4)
		l.pause(time.Minute)
		l.pause(time.Second) // does not shorten it
		begin := time.Now()
		l.mustAcquire(t).done(good)
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("let through after %v, want 1m", got)
		}
		l.pause(time.Second)
		l.pause(time.Hour) // does lengthen it
		begin = time.Now()
		l.mustAcquire(t).done(good)
		if got := time.Since(begin); got != time.Hour {
			t.Errorf("let through after %v, want 1h", got)
		}
	})
}
