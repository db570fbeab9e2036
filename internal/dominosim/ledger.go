package dominosim

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// A Key names an execution: one of the Kind constants, and the id of the app, model version, workspace or schedule.
type Key struct{ Kind, ID string }

// An Entry is all that was done to one execution.
type Entry struct {
	Key
	Calls   []Call // through the API, in the order they took effect or were refused
	Owner   []Call // owners' actions, by the Owner methods
	Started []Run  // every start that took effect, whoever asked for it
}

// A Call is one stop, start or put that reached the model.
type Call struct {
	Op       string         // "stop", "start" or "put"
	At       time.Time      // when it was handled; At and Sent differ by the lateness of a call that landed late
	Sent     time.Time      // when its request arrived
	By       string         // user name
	Args     map[string]any // the body, or the query for workspace sessions
	Unknown  []string       // keys of the body that this version does not read
	Status   int            // of the answer, sent or not
	Refused  string         // Domino's words, if it refused
	Answered bool           // the answer was delivered
	Effect   bool           // it changed something; not so for the stop of what is stopped
}

// A GitRef is a reference in a project's main repository.
type GitRef struct {
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
}

// A Run is one start that took effect, with what it runs with.
type Run struct {
	Key
	Instance            string // app instance or workspace session; empty for model versions and schedules
	Execution           string // the id in admin/executions, where it has one
	Environment         string
	EnvironmentRevision string
	HardwareTier        string
	Volumes             []string // external data volumes, registered or not
	NetAppVolumes       []string
	Commit              string
	GitRef              *GitRef
	Bundle              string
	Command             string         // jobs
	Definition          map[string]any // schedules: the whole definition but isPaused
	By                  string
	At                  time.Time
}

// Arguments is r without what differs between two runs of the same thing: who, when and which instance.
func (r Run) Arguments() Run {
	r.Instance, r.Execution, r.By, r.At = "", "", "", time.Time{}
	return r
}

// A Request is one HTTP request.
type Request struct {
	N       int // from 1
	Method  string
	Path    string
	Query   string
	Route   string // its template; empty if there is no such route
	Write   bool   // it is one that may change something
	Object  string // the id of what it was about, where its path does not name that
	Arrived time.Time
	Ended   time.Time
	Status  int    // 0: no answer was delivered
	Err     string // what the client saw instead
	Fault   string // kind of the fault that struck it
}

type log struct {
	entries  map[Key]*entry
	order    []Key
	requests []*Request
}

type entry struct {
	calls, owner []*Call
	started      []Run
}

func (l *log) init() { l.entries = map[Key]*entry{} }

func (l *log) of(k Key) *entry {
	e := l.entries[k]
	if e == nil {
		e = &entry{}
		l.entries[k] = e
		l.order = append(l.order, k)
	}
	return e
}

func (l *log) request(r *http.Request, rt *route, f *Fault) *Request {
	q := &Request{N: len(l.requests) + 1, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Arrived: time.Now()}
	if rt != nil {
		q.Route, q.Write = rt.path, rt.writes
	}
	if f != nil {
		q.Fault = f.Kind
	}
	l.requests = append(l.requests, q)
	return q
}

// open begins the record of a call on an execution. Every route that changes one calls it first.
func (c *call) open(kind, id, op string, args map[string]any, unknown []string) {
	c.entry.Object = id
	c.effect = &Call{Op: op, At: c.now, Sent: c.entry.Arrived, By: c.caller.name, Args: args, Unknown: unknown}
	e := c.s.log.of(Key{kind, id})
	e.calls = append(e.calls, c.effect)
}

func (s *Sim) started(r Run) {
	e := s.log.of(r.Key)
	e.started = append(e.started, r)
}

// A Ledger tells the truth about the model: what was done, and what runs now. It does not lag.
type Ledger struct{ s *Sim }

// Ledger is where tests look.
func (s *Sim) Ledger() *Ledger { return &Ledger{s} }

// Entry is what was done to one execution.
func (l *Ledger) Entry(kind, id string) Entry {
	k := Key{kind, id}
	out := Entry{Key: k}
	l.s.locked(func(time.Time) {
		if e := l.s.log.entries[k]; e != nil {
			out = e.copy(k)
		}
	})
	return out
}

// Entries are all executions to which anything was done, in the order they were first touched.
func (l *Ledger) Entries() []Entry {
	var out []Entry
	l.s.locked(func(time.Time) {
		for _, k := range l.s.log.order {
			out = append(out, l.s.log.entries[k].copy(k))
		}
	})
	return out
}

func (e *entry) copy(k Key) Entry {
	out := Entry{Key: k, Started: slices.Clone(e.started)}
	for _, c := range e.calls {
		out.Calls = append(out.Calls, *c)
	}
	for _, c := range e.owner {
		out.Owner = append(out.Owner, *c)
	}
	return out
}

// Effects counts the calls of an operation that changed something.
func (e Entry) Effects(op string) int {
	n := 0
	for _, c := range e.Calls {
		if c.Op == op && c.Effect {
			n++
		}
	}
	return n
}

// Requests are all HTTP requests in the order they arrived; those under way have no end.
func (l *Ledger) Requests() []Request {
	var out []Request
	l.s.locked(func(time.Time) {
		for _, r := range l.s.log.requests {
			out = append(out, *r)
		}
	})
	return out
}

// Writes are the requests that may change something.
func (l *Ledger) Writes() []Request {
	return slices.DeleteFunc(l.Requests(), func(r Request) bool { return !r.Write })
}

// Running is what of a kind starts or runs now, by id, with its arguments. A schedule runs while it is not
// paused. What is stopping, has failed or is Faulty does not run.
func (l *Ledger) Running(kind string) map[string]Run {
	out := map[string]Run{}
	for k, r := range l.Snapshot() {
		if k.Kind == kind {
			out[k.ID] = r
		}
	}
	return out
}

// Snapshot is everything that starts or runs now: apps, model versions, workspaces, schedules.
func (l *Ledger) Snapshot() map[Key]Run {
	out := map[Key]Run{}
	l.s.locked(func(now time.Time) { maps.Copy(out, l.s.running(now)) })
	return out
}

// Moving are the executions on their way from one state to another.
func (l *Ledger) Moving() []Key {
	var out []Key
	l.s.locked(func(now time.Time) { out = l.s.moving(now) })
	return out
}

// State is Domino's word for an execution now; for schedules "Paused" and "Active", which are ours.
// It is empty if there is no such execution.
func (l *Ledger) State(kind, id string) string {
	var word string
	l.s.locked(func(now time.Time) { word = l.s.word(Key{kind, id}, now) })
	return word
}
