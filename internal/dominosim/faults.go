package dominosim

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Kinds of faults. "No effect" and "effect" are about the model, and hold for reads too, of which nothing is seen.
const (
	FaultStatus     = "status"      // no effect; answers Status (503) with Body, or Domino's JSON form of an error
	FaultHTML       = "html"        // no effect; answers Status (200: the login page, the default) with an HTML body
	FaultRefuse     = "refuse"      // no effect; the connection is refused (over a socket: broken, it is open by then)
	FaultDrop       = "drop"        // no effect; the connection breaks
	FaultLost       = "lost"        // effect, at once or later; the connection breaks, or with Status a gateway's HTML page
	FaultHang       = "hang"        // effect, at once or later; no answer comes until the client gives up
	FaultSlow       = "slow"        // effect, but Delay is added before it
	FaultEmpty      = "empty"       // effect; the answer's body is missing
	FaultStopFails  = "stop-fails"  // the stop is accepted and nothing changes
	FaultStopSticks = "stop-sticks" // the stop is accepted and stays at Stopping; an app's ends with force=true
	FaultStartFails = "start-fails" // the start is accepted and ends in State (Failed) instead of Running
)

var faultKinds = []string{
	FaultStatus, FaultHTML, FaultRefuse, FaultDrop, FaultLost, FaultHang, FaultSlow, FaultEmpty,
	FaultStopFails, FaultStopSticks, FaultStartFails,
}

// A Fault is one planned misbehaviour.
type Fault struct {
	Name   string `json:"name"`   // for the reader of a test
	Method string `json:"method"` // empty: any
	// Path is a route's template ("/v4/modelProducts/{id}/stop", whatever its parameters are called),
	// a regular expression if it begins with ^, or a path as it is; empty: any.
	Path   string `json:"path"`
	Object string `json:"object"` // only requests whose path has this id as a segment, or whose body names it
	Nth    int    `json:"nth"`    // the first matching request it strikes, from 1 (default 1)
	Times  int    `json:"times"`  // how many in a row (default 1); -1: for ever

	Kind   string            `json:"kind"`
	Status int               `json:"status"`
	Body   string            `json:"body"`
	Header map[string]string `json:"header"` // such as Retry-After
	State  string            `json:"state"`  // start-fails: the status it ends in
	Delay  time.Duration     `json:"delay"`  // slow: how slow. lost, hang: how late the effect is
	Late   bool              `json:"late"`   // lost, hang: the lateness is drawn, up to Config.LateLanding
}

// A FaultReport is a fault and how often it struck.
type FaultReport struct {
	Fault
	Fired int
}

func (f Fault) validate() error {
	var errs []error
	if !slices.Contains(faultKinds, f.Kind) {
		errs = append(errs, fmt.Errorf("kind %q: want one of %s", f.Kind, strings.Join(faultKinds, ", ")))
	}
	if strings.HasPrefix(f.Path, "^") {
		if _, err := regexp.Compile(f.Path); err != nil {
			errs = append(errs, fmt.Errorf("path: %w", err))
		}
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		errs = append(errs, fmt.Errorf("status %d: want 200 to 599", f.Status))
	}
	if f.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay %v: want no less than 0", f.Delay))
	}
	if f.Nth < 0 {
		errs = append(errs, fmt.Errorf("nth %d: want 1 or more", f.Nth))
	}
	if f.Times < -1 {
		errs = append(errs, fmt.Errorf("times %d: want 1 or more, or -1", f.Times))
	}
	return errors.Join(errs...)
}

type plannedFault struct {
	Fault
	pattern *regexp.Regexp
	seen    int // matching requests so far
	fired   int
}

func planFault(f Fault) (*plannedFault, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	if f.Nth == 0 {
		f.Nth = 1
	}
	if f.Times == 0 {
		f.Times = 1
	}
	p := &plannedFault{Fault: f}
	if strings.HasPrefix(f.Path, "^") {
		p.pattern = regexp.MustCompile(f.Path)
	}
	return p, nil
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// template makes two spellings of a route equal: names of parameters do not count.
func template(path string) string { return parameter.ReplaceAllString(path, "{}") }

func (p *plannedFault) matches(r *http.Request, body []byte, rt *route) bool {
	if p.Method != "" && p.Method != r.Method {
		return false
	}
	if p.Object != "" && !slices.Contains(strings.Split(r.URL.Path, "/"), p.Object) && !bytes.Contains(body, []byte(`"`+p.Object+`"`)) {
		return false
	}
	switch {
	case p.Path == "":
		return true
	case p.pattern != nil:
		return p.pattern.MatchString(r.URL.Path)
	case strings.Contains(p.Path, "{"):
		return rt != nil && template(rt.path) == template(p.Path)
	}
	return p.Path == r.URL.Path
}

// strike counts r against every fault and returns the first one that is due.
func (s *Sim) strike(r *http.Request, body []byte, rt *route) *Fault {
	var due *plannedFault
	for _, p := range s.faults {
		if !p.matches(r, body, rt) {
			continue
		}
		p.seen++
		if due == nil && p.seen >= p.Nth && (p.Times < 0 || p.fired < p.Times) {
			due = p
		}
	}
	if due == nil {
		return nil
	}
	due.fired++
	f := due.Fault
	return &f
}

// AddFault plans another fault while the simulation runs. It panics if f is not valid: a test is wrong then.
func (s *Sim) AddFault(f Fault) {
	p, err := planFault(f)
	if err != nil {
		panic("dominosim: add fault: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, p)
}

// ClearFaults makes an end of every planned fault that has not struck out.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults are all planned faults.
func (s *Sim) Faults() []FaultReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []FaultReport
	for _, p := range s.faults {
		out = append(out, FaultReport{p.Fault, p.fired})
	}
	return out
}

// UnfiredFaults are those that struck less often than planned (at all, for those that go on for ever). A test that
// plans faults and does not look here proves nothing.
func (s *Sim) UnfiredFaults() []FaultReport {
	var out []FaultReport
	for _, f := range s.Faults() {
		if f.Fired < max(f.Times, 1) {
			out = append(out, f)
		}
	}
	return out
}
