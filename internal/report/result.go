// Package report says what a run found and did: one result object, which is printed as
// text for people or as JSON for programs.
package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Schema names the format of a result's JSON. Others rely on it.
const Schema = "dmm.result/v1"

// Result is what a mode has to say when it ends.
type Result struct {
	Schema   string        `json:"schema"`
	Mode     string        `json:"mode"`
	Code     int           `json:"code"` // the exit code
	DryRun   bool          `json:"dryRun,omitempty"`
	Domino   string        `json:"domino,omitempty"` // URL and version
	As       string        `json:"as,omitempty"`     // whose key was used
	Snapshot string        `json:"snapshot,omitempty"`
	Window   string        `json:"window,omitempty"`
	Phase    window.Phase  `json:"phase,omitempty"`
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took"` // nanoseconds

	Kinds      []KindCount `json:"kinds,omitempty"`
	Executions []Execution `json:"executions,omitempty"`
	Snapshots  []Snapshot  `json:"snapshots,omitempty"` // list, verify, prune
	Windows    []Window    `json:"windows,omitempty"`
	Projects   []Group     `json:"projects,omitempty"` // show, those with most running first
	Owners     []Group     `json:"owners,omitempty"`
	Audit      *Audit      `json:"audit,omitempty"`
	Rehearsal  *Estimate   `json:"rehearsal,omitempty"`
	Checks     []Check     `json:"checks,omitempty"` // check
	Store      *Store      `json:"store,omitempty"`  // check-store, audit
	Notes      []string    `json:"notes,omitempty"`
	// Findings are what keeps executions from coming back as they were, or changes how they do.
	Findings  []execution.Finding `json:"findings,omitempty"`
	LastQuiet time.Time           `json:"lastQuiet,omitzero"`
	// StillRuns is what the last scan of the shutdown saw running, and why.
	StillRuns *window.StillRuns `json:"stillRuns,omitempty"`
	// Journal is where the window's journal ends, once the run's end is on record.
	Journal *window.Anchor `json:"journal,omitempty"`

	// Document, if there is one, is what was asked for: it alone goes to standard output, whatever
	// the format of results, and the last line to standard error.
	Document []byte `json:"-"`

	// Message is the last line: what has happened, in one sentence.
	Message string `json:"message"`
	// Next is the command to type next, empty if there is none.
	Next string `json:"next,omitempty"`
}

// Status says how a check came out.
type Status string

// The statuses of checks.
const (
	OK        Status = "ok"
	Attention Status = "attention" // works, or is done without, and somebody should know
	Bad       Status = "bad"
	Skipped   Status = "skipped"
)

// Check is one thing that was checked.
type Check struct {
	Status Status `json:"status"`
	What   string `json:"what"`
	Said   string `json:"said"`
}

// Check adds what came of a check.
func (r *Result) Check(s Status, what, said string) {
	r.Checks = append(r.Checks, Check{Status: s, What: what, Said: said})
}

// KindCount counts the executions of a kind.
type KindCount struct {
	Kind execution.Kind `json:"kind"`
	// Running and NotRunning are what a snapshot saw.
	Running    int `json:"running,omitempty"`
	NotRunning int `json:"notRunning,omitempty"`
	// The others are how far a step has come: Total executions are its business.
	Total     int `json:"total,omitempty"`
	Done      int `json:"done,omitempty"`
	Failed    int `json:"failed,omitempty"`
	Left      int `json:"left,omitempty"`
	NotOurs   int `json:"notOurs,omitempty"`
	Remaining int `json:"remaining,omitempty"`
}

// Execution is one execution of a step and what became of it.
type Execution struct {
	Kind    execution.Kind `json:"kind"`
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Project string         `json:"project"`
	Owner   string         `json:"owner,omitempty"`
	Outcome string         `json:"outcome"` // done, failed, left, not-ours, untouched, unexplained, remaining, planned, refused, unknown; show: running, not running
	Reason  string         `json:"reason,omitempty"`
	Guesses []string       `json:"guesses,omitempty"`
}

// guessed is the heading of what a restore brought back with guesses.
const guessed = "guessed"

func (r *Result) guessed(e Execution) bool {
	return (r.Phase == window.PhaseRestoring || r.Phase == window.PhaseClosed) && e.Outcome == "done" && len(e.Guesses) > 0
}

// Guessed is how many a restore brought back, but perhaps not as they were.
func (r *Result) Guessed() int {
	n := 0
	for _, e := range r.Executions {
		if r.guessed(e) {
			n++
		}
	}
	return n
}

// Quiet reports whether the execution needs nobody's attention.
func (e Execution) Quiet() bool { return e.Outcome == "done" && e.Reason == "" }

// ExecutionOf describes an execution with an outcome.
func ExecutionOf(e execution.Execution, outcome, reason string) Execution {
	return Execution{
		Kind: e.Kind, ID: e.ID, Name: e.Name, Project: e.Project.String(), Owner: e.Owner,
		Outcome: outcome, Reason: reason, Guesses: e.Guesses,
	}
}

// Stopping fills in how far the shutdown of a window has come.
func (r *Result) Stopping(b *window.Balance, f execution.Filter) {
	r.fill(b, window.Stop, func(it *window.Item) bool { return it.InScope(f) })
	r.StillRuns = b.StillRuns
}

// Starting fills in how far the restore of a window has come, and lists what ran and was
// never stopped by it: whether that survived the upgrade nobody here knows.
func (r *Result) Starting(b *window.Balance, f execution.Filter) {
	r.fill(b, window.Start, (*window.Item).Ours)
	untouched := 0
	for _, it := range b.Items() {
		if !it.Ours() && it.Start.Outcome != "" && it.Start.Outcome != window.Done {
			outcome := string(it.Start.Outcome)
			if it.DownUnexplained() {
				outcome = "unexplained"
			}
			r.Executions = append(r.Executions, ExecutionOf(it.Execution, outcome, it.Start.Reason))
		} else if it.Wanted() && !it.Ours() && it.Start.Outcome == "" && it.Stop.Outcome != window.NotOurs && f.Match(it.Execution) {
			untouched++
			reason := "shutdown did not get to it"
			if it.Stop.Reason != "" {
				reason = it.Stop.Reason
			}
			r.Executions = append(r.Executions, ExecutionOf(it.Execution, "untouched", reason))
		}
	}
	if untouched > 0 {
		r.Note(fmt.Sprintf("%d that ran before the maintenance were never stopped by it: they were not touched, and whether they survived the upgrade dmm does not know", untouched))
	}
}

func (r *Result) fill(b *window.Balance, g window.Goal, mine func(*window.Item) bool) {
	r.Phase, r.LastQuiet, r.StillRuns = b.Phase, b.LastQuiet, nil
	r.Kinds, r.Executions = nil, nil
	counts := map[execution.Kind]*KindCount{}
	for _, k := range execution.Kinds() {
		counts[k] = &KindCount{Kind: k}
	}
	for _, it := range b.Items() {
		if !mine(it) {
			continue
		}
		c := counts[it.Kind]
		if c == nil { // a kind of a newer version
			c = &KindCount{Kind: it.Kind}
			counts[it.Kind] = c
		}
		c.Total++
		a := it.Attempt(g)
		outcome := string(a.Outcome)
		switch a.Outcome {
		case window.Done:
			c.Done++
		case window.Failed:
			c.Failed++
		case window.Left:
			c.Left++
		case window.NotOurs:
			c.NotOurs++
		default:
			c.Remaining++
			outcome = "remaining"
		}
		x := ExecutionOf(it.Execution, outcome, a.Reason)
		if g == window.Start && outcome == "done" && a.Intents == 0 {
			x.Guesses = nil // what others started is as they wanted it
		}
		r.Executions = append(r.Executions, x)
	}
	for _, k := range execution.Kinds() {
		r.Kinds = append(r.Kinds, *counts[k])
		delete(counts, k)
	}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		r.Kinds = append(r.Kinds, *counts[k])
	}
	r.Kinds = slices.DeleteFunc(r.Kinds, func(c KindCount) bool { return c.Total == 0 })
}

// Sum adds up a step's kinds.
func (r *Result) Sum() KindCount {
	var sum KindCount
	for _, c := range r.Kinds {
		sum.Running += c.Running
		sum.NotRunning += c.NotRunning
		sum.Total += c.Total
		sum.Done += c.Done
		sum.Failed += c.Failed
		sum.Left += c.Left
		sum.NotOurs += c.NotOurs
		sum.Remaining += c.Remaining
	}
	return sum
}

// Seal says where the window's journal ends, and which records the store had lost while the run was at work. A run that
// has lost its place has no record.
func (r *Result) Seal(w *window.Window, putBack []string) {
	if w == nil {
		return
	}
	a := w.Anchor()
	r.Journal = &a
	if n := len(putBack); n > 0 {
		r.Note(fmt.Sprintf("put back, since the store had lost them while this run was at work: %s", strings.Join(putBack, ", ")))
		r.Message += fmt.Sprintf(" The store had lost %d of its records, and they were put back: see to it that DMM_STORE still is the storage that it was.", n)
	}
	r.Message += fmt.Sprintf(" Journal: window %s, %s.", w.Name(), a)
}

// Note adds a sentence that people should read.
func (r *Result) Note(s string) {
	if !slices.Contains(r.Notes, s) {
		r.Notes = append(r.Notes, s)
	}
}
