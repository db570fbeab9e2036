package window

import (
	"errors"
	"fmt"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// Event is what a journal line says. The words are on record.
type Event string

// Events of the window and its runs.
const (
	Open      Event = "open"      // first line of entry 1: pins what the window keeps to
	Begin     Event = "begin"     // a run starts to work
	Heartbeat Event = "heartbeat" // a run lives; it may say what it has found before it touches anything
	Told      Event = "told"      // users are about to be told something, or were, or it was withdrawn
	Quiet     Event = "quiet"     // a scan found nothing that runs and should not
	End       Event = "end"       // a run stops of itself
	Closed    Event = "closed"    // last line of a window
)

// Events of one execution.
const (
	Supplement Event = "supplement" // its line, in place of the snapshot's
	Intent     Event = "intent"     // before a call
	Done       Event = "done"       // the goal was observed
	Failed     Event = "failed"     // given up for this run, with the reason
	Left       Event = "left"       // settled without being back: by policy, by a person, or only its owner can
	NotOurs    Event = "not-ours"   // its owner stopped it, or it ended by itself: not dmm
)

var events = []Event{Open, Begin, Heartbeat, Told, Quiet, End, Closed, Supplement, Intent, Done, Failed, Left, NotOurs}

// Goal is where a step drives executions.
type Goal string

// The goals.
const (
	Stop  Goal = "stop"
	Start Goal = "start"
)

// Line is one line of the journal.
type Line struct {
	// MAC, on the first line of an entry, is its code, if the journal is under a key (see package seal). It comes first.
	MAC string `json:"mac,omitempty"`

	Schema string    `json:"schema"`
	Run    string    `json:"run"`
	At     time.Time `json:"at"` // UTC, by the writer's clock; for people, never compared
	Event  Event     `json:"event"`
	// Prev, on the first line of an entry, is the SHA-256 of the bytes of the entry before (see chain.go).
	Prev string `json:"prev,omitempty"`

	Goal     Goal           `json:"goal,omitempty"`     // intent and outcomes
	Key      *execution.Key `json:"key,omitempty"`      // intent and outcomes
	Instance string         `json:"instance,omitempty"` // intent: seen before the call; outcomes: seen now
	Try      int            `json:"try,omitempty"`      // intent and failed: which try of this run it is, from 1
	Reason   string         `json:"reason,omitempty"`   // outcomes and closed, for people
	Policy   bool           `json:"policy,omitempty"`   // left: a setting has said so, and a restore with another setting may start it

	Execution *execution.Execution `json:"execution,omitempty"` // supplement
	Window    *Pinned              `json:"window,omitempty"`    // open
	Holder    *Holder              `json:"holder,omitempty"`    // begin
	Code      *int                 `json:"code,omitempty"`      // end: the run's exit code
	Tally     *Tally               `json:"tally,omitempty"`     // end and closed: how far the window had come
	StillRuns *StillRuns           `json:"stillRuns,omitempty"` // end of a shutdown: what its last scan saw running
	Notice    *Notice              `json:"notice,omitempty"`    // told
	// Findings, on a heartbeat, are what the run's preflight found. Reports tell of them; nothing is decided by them, so
	// that a version that does not know them loses nothing.
	Findings []execution.Finding `json:"findings,omitempty"`
}

// Tally is how much of what a window had stopped, or was to restore, is back.
type Tally struct {
	Of   int `json:"of"`
	Back int `json:"back"`
}

// Steps at which users are told, as Notice.Step has them.
const (
	NoticeBefore = "before"
	NoticeDuring = "during"
	NoticeAfter  = "after"
)

// Notice is one notification of Domino's. It is on record before it is sent, so that it is not sent twice; its title and
// start tell it from all others, also where Domino's answer, and with it the id, was lost.
type Notice struct {
	Step      string    `json:"step"`
	ID        string    `json:"id,omitempty"` // of the notification; empty: not known, or not sent yet
	Title     string    `json:"title"`
	Start     time.Time `json:"start"` // to the millisecond, as Domino keeps it
	Withdrawn bool      `json:"withdrawn,omitempty"`
}

// check refuses lines that lack what their event needs.
func (l Line) check() error {
	if l.Run == "" {
		return errors.New("names no run")
	}
	switch l.Event {
	case Intent, Done, Failed, Left, NotOurs:
		if l.Key == nil || l.Key.ID == "" || (l.Goal != Stop && l.Goal != Start) {
			return fmt.Errorf("%s names no execution or no goal", l.Event)
		}
	case Supplement:
		if l.Execution == nil || l.Execution.ID == "" {
			return errors.New("supplement holds no execution")
		}
	case Told:
		if l.Notice == nil || l.Notice.Step == "" {
			return errors.New("told holds no notice")
		}
	case Begin:
		if l.Holder == nil {
			return errors.New("begin names nobody")
		}
	case End:
		if l.Code == nil {
			return errors.New("end has no code")
		}
	}
	return nil
}

// IntentOf is the line that must be on record before a call for e: which goal, and
// the instance that was seen. What undoes the call is e's own line, in the snapshot or
// in a supplement before this.
func IntentOf(g Goal, e execution.Execution, try int) Line {
	k := e.Key()
	return Line{Event: Intent, Goal: g, Key: &k, Instance: e.Instance, Try: try}
}

// OutcomeOf is the line that settles e for a goal.
func OutcomeOf(event Event, g Goal, key execution.Key, instance, reason string, try int) Line {
	return Line{Event: event, Goal: g, Key: &key, Instance: instance, Reason: reason, Try: try}
}

// FoundBy is the line that puts on record what a run's preflight found.
func FoundBy(findings []execution.Finding) Line { return Line{Event: Heartbeat, Findings: findings} }

// SupplementOf puts e's line in place of the one that the snapshot has, if any.
func SupplementOf(e execution.Execution) Line { return Line{Event: Supplement, Execution: &e} }

// GivenUpPrefix begins the reason of a Left that is a person's decision not to go on: reports
// list those among what failed, not among what was left by policy. It is on record.
const GivenUpPrefix = "given up: "
