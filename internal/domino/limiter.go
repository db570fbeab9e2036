package domino

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// limiter bounds the calls under way, and adapts the bound below its ceiling as TCP does: one more after each round of
// good answers, half as many when Domino shows that it has too much to do.
type limiter struct {
	ceiling float64

	mu       sync.Mutex
	limit    float64
	inFlight int
	round    int // grows with each decrease
	resume   time.Time
	timer    *time.Timer // wakes the waiters at resume
	waiting  list.List   // of chan struct{}, closed when its turn has come
}

func newLimiter(ceiling int) *limiter {
	// It begins at the ceiling, up to a width that no deployment minds: waiting for the answers is what takes the time.
	return &limiter{ceiling: float64(ceiling), limit: float64(min(ceiling, 16))}
}

// ticket is the right to have one call under way.
type ticket struct {
	l     *limiter
	round int
}

// acquire waits for its turn, first come first served. It returns why ctx ended if that comes first.
func (l *limiter) acquire(ctx context.Context) (ticket, error) {
	if ctx.Err() != nil {
		return ticket{}, ending(ctx)
	}
	l.mu.Lock()
	if l.waiting.Len() == 0 && l.free() {
		defer l.mu.Unlock()
		l.inFlight++
		return ticket{l, l.round}, nil
	}
	turn := make(chan struct{})
	place := l.waiting.PushBack(turn)
	l.mu.Unlock()
	select {
	case <-turn:
		l.mu.Lock()
		defer l.mu.Unlock()
		return ticket{l, l.round}, nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		select {
		case <-turn: // both at once: the turn is for the next
			l.inFlight--
			l.wake()
		default:
			l.waiting.Remove(place)
		}
		return ticket{}, ending(ctx)
	}
}

// verdict is what a call says about Domino's load.
type verdict int

const (
	neutral    verdict = iota // nothing: the call was not made, or failed for reasons of its own
	good                      // Domino answered
	overloaded                // 429, 503, 408, 504, a timeout or a reset
)

// done gives the ticket back.
func (t ticket) done(v verdict) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	switch {
	case v == good:
		l.limit = min(l.ceiling, l.limit+1/l.limit)
	case v == overloaded && t.round == l.round:
		// Once for all calls that were under way together: sixteen refusals at once are one sign, not sixteen.
		l.limit = max(1, l.limit/2)
		l.round++
	}
	l.wake()
}

// pause lets nothing through for d. Calls under way are not touched.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := time.Now().Add(d)
	if !until.After(l.resume) {
		return
	}
	l.resume = until
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wake()
	})
}

// free reports whether one more call may go out. l.mu is held.
func (l *limiter) free() bool {
	return l.inFlight < int(l.limit) && !time.Now().Before(l.resume)
}

// wake lets those through whose turn it is. l.mu is held.
func (l *limiter) wake() {
	for l.waiting.Len() > 0 && l.free() {
		l.inFlight++
		close(l.waiting.Remove(l.waiting.Front()).(chan struct{}))
	}
}
