package dominosim

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A call is one request on its way through the simulator.
type call struct {
	s       *Sim
	r       *http.Request // for path values and headers; its body has been read
	query   url.Values
	body    []byte
	route   *route
	release string // of Domino, when it arrived; empty: one that nobody knows
	fault   *Fault
	entry   *Request // in the log of requests
	effect  *Call    // in the ledger, once the route's function has opened it

	// Set when it is handled.
	now    time.Time
	caller *user // nil: anonymous
}

// exchange takes a request to its answer, or to the error that its client sees. It blocks for as long as
// Domino would, in the caller's goroutine.
func (s *Sim) exchange(ctx context.Context, r *http.Request, body []byte) (answer, error) {
	c := s.arrive(r, body)
	a, err := s.process(ctx, c)
	if watch := s.cfg.OnExchange; watch != nil {
		status, h := a.status, http.Header{}
		if err != nil || c.fault != nil {
			status = 0
		}
		a.writeHeader(h)
		watch(c.release, r, body, status, h, a.encoded)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.entry.Ended = time.Now()
	if err != nil {
		c.entry.Err = err.Error()
		return answer{}, err
	}
	c.entry.Status = a.status
	if c.effect != nil {
		c.effect.Answered = true
	}
	return a, nil
}

func (s *Sim) arrive(r *http.Request, body []byte) *call {
	c := &call{s: s, r: r, query: r.URL.Query(), body: body}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.route, c.release = s.match(r), s.profile.name
	if s.reported != "" {
		c.release = "" // its clients speak to a release that there is no document of
	}
	c.fault = s.strike(r, body, c.route)
	c.entry = s.log.request(r, c.route, c.fault)
	return c
}

func (s *Sim) process(ctx context.Context, c *call) (answer, error) {
	if hook := s.cfg.OnRequest; hook != nil {
		if err := hook(c.entry.N, c.r); err != nil {
			return answer{}, broken(err)
		}
	}
	kind := ""
	if c.fault != nil {
		kind = c.fault.Kind
	}
	switch kind {
	case FaultRefuse:
		return answer{}, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case FaultDrop:
		return answer{}, broken(syscall.ECONNRESET)
	}
	wait := s.cfg.Latency / 2
	if kind == FaultSlow {
		wait += c.fault.Delay
	}
	if err := s.gate.enter(ctx); err != nil {
		s.abandoned(c)
		return answer{}, err
	}
	defer s.gate.leave()
	if err := pause(ctx, wait); err != nil {
		s.abandoned(c)
		return answer{}, err
	}

	var a answer
	switch kind {
	case FaultStatus:
		a = c.fault.answer(http.StatusServiceUnavailable)
	case FaultHTML:
		a = c.fault.page(http.StatusOK)
	case FaultLost:
		s.landLate(c, c.fault.Delay)
		if c.fault.Status == 0 {
			return answer{}, broken(syscall.ECONNRESET)
		}
		a = c.fault.page(c.fault.Status)
	case FaultHang:
		s.landLate(c, c.fault.Delay)
		<-ctx.Done()
		return answer{}, context.Cause(ctx)
	default:
		a = s.handle(c)
		if kind == FaultEmpty {
			a = answer{status: a.status}
		}
	}
	if hook := s.cfg.OnAnswer; hook != nil {
		if err := hook(c.entry.N, c.r, a.status); err != nil {
			return answer{}, broken(err)
		}
	}
	a.encode()
	if err := pause(ctx, s.cfg.Latency-s.cfg.Latency/2); err != nil {
		return answer{}, err
	}
	return a, nil
}

// handle lets the request take effect now.
func (s *Sim) handle(c *call) answer {
	var a answer
	s.locked(func(now time.Time) { a = c.perform(now) })
	return a
}

// perform runs the route's function at a moment; the simulation is locked and has caught up.
func (c *call) perform(now time.Time) answer {
	c.now = now
	c.caller = c.s.authenticate(c.r)
	if c.route == nil {
		return unknownRoute(c.r)
	}
	// A browser whose session is over is shown the login page, as 200 (api.md §1, §22 item 2).
	if c.caller == nil && c.route.rights != open && strings.Contains(c.r.Header.Get("Cookie"), "dominoSession=") {
		return htmlPage(http.StatusOK, "Sign in to Domino")
	}
	if a, ok := c.authorised(); !ok {
		return a
	}
	if a, ok := c.wellFormedIDs(); !ok {
		return a
	}
	a := c.route.do(c)
	if c.effect != nil {
		c.effect.Status = a.status
		c.effect.Refused = a.message
	}
	return a
}

// abandoned decides about a request whose client gave up before it was handled. A write may still land, up to
// LateLanding later, on whatever state it meets then; every third does not. NOT EVIDENCED, and the reason why
// a client must not believe what it reads right after a lost answer.
func (s *Sim) abandoned(c *call) {
	if c.route == nil || !c.route.writes || s.cfg.LateLanding == 0 {
		return
	}
	s.locked(func(now time.Time) {
		if s.rng.IntN(3) == 0 {
			return
		}
		s.agenda.add(now.Add(s.drawn(s.cfg.LateLanding)), func(at time.Time) { c.perform(at) })
	})
}

// landLate lets a request take effect a while from now, and at once if the while is zero.
func (s *Sim) landLate(c *call, delay time.Duration) {
	s.locked(func(now time.Time) {
		if c.fault.Late {
			delay = s.drawn(s.cfg.LateLanding)
		}
		if delay == 0 {
			c.perform(now)
			return
		}
		s.agenda.add(now.Add(delay), func(at time.Time) { c.perform(at) })
	})
}

// bent is whether the fault of this call is of the given kind, for routes whose effect it changes.
func (c *call) bent(kind string) bool { return c.fault != nil && c.fault.Kind == kind }

// object reads the body as a JSON object. An empty body and null are objects without keys, as the
// stop calls of the clients that api.md §8 lists send them.
func (c *call) object() (map[string]any, error) {
	m := map[string]any{}
	if len(c.body) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(c.body, &m); err != nil {
		return nil, err
	}
	if m == nil {
		m = map[string]any{}
	}
	return m, nil
}

// broken is what a client sees when the connection ends before the answer.
func broken(cause error) error { return &net.OpError{Op: "read", Net: "tcp", Err: cause} }

// pause waits for d. With nothing to wait for it still notices a client that has given up.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A gate lets so many requests in at once, the others in the order they came. Each waits on a channel of its
// own, made when it waits, so that a Sim may outlive a synctest bubble.
type gate struct {
	limit int // 0: no limit

	mu      sync.Mutex
	inside  int
	waiting []chan struct{}
}

func (g *gate) enter(ctx context.Context) error {
	if g.limit == 0 {
		return nil
	}
	g.mu.Lock()
	if g.inside < g.limit {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			g.mu.Unlock()
			return context.Cause(ctx)
		}
	}
	g.mu.Unlock()
	g.leave() // it was our turn at the same moment: pass it on
	return context.Cause(ctx)
}

func (g *gate) leave() {
	if g.limit == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		return
	}
	g.inside--
}
