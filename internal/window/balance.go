package window

import (
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// Phase is how far a maintenance has come.
type Phase string

// The phases, in their order. Restore may begin from PhaseStopping: a maintenance called off.
const (
	PhaseOpen      Phase = "open"
	PhaseStopping  Phase = "stopping"
	PhaseStopped   Phase = "stopped"
	PhaseRestoring Phase = "restoring"
	PhaseClosed    Phase = "closed"
)

// Modes of the runs that move the phase, as Holder.Mode has them.
const (
	ModeShutdown = "shutdown"
	ModeRestore  = "restore"
	ModeClose    = "close"
)

// Attempt is what became of one execution on the way to one goal.
type Attempt struct {
	Intents  int       // calls on record, sent or not
	Open     bool      // the last of them may still land: it has no outcome, or failed
	Run      string    // of the last intent
	At       time.Time // of the last intent or outcome
	Before   string    // instance seen before the last intent
	Outcome  Event     // Done, Failed, Left, NotOurs, or empty: none yet
	Reason   string
	Policy   bool   // it was left because of a setting
	Instance string // seen with the outcome
	Try      int
}

// Settled reports whether nothing more will be tried for this goal.
func (a Attempt) Settled() bool {
	return a.Outcome == Done || a.Outcome == Left || a.Outcome == NotOurs
}

// Item is one execution of a window with all that the journal says about it.
type Item struct {
	execution.Execution      // its latest line
	Supplement          bool // the line came after the snapshot
	Claimed             bool // owed without having been stopped: the window restores a snapshot
	Stop, Start         Attempt
}

// Wanted reports whether shutdown has to bring it down: it ran, or has been found running since.
func (it *Item) Wanted() bool { return it.State.Up() || it.Supplement }

// InScope reports whether the shutdown of a window with this filter is about it. What the journal says of its stop is enough
// where the snapshot cannot be read.
func (it *Item) InScope(f execution.Filter) bool {
	unread := it.State == "" && it.Stop != (Attempt{})
	return unread || it.Wanted() && f.Match(it.Execution)
}

// SeenDown reports whether the window has put on record that it does not run, and nothing since then that it does.
func (it *Item) SeenDown() bool { return it.Stop.Outcome == Done || it.Stop.Outcome == NotOurs }

// Lacks reports whether its line does not say what a restart needs.
func (it *Item) Lacks() bool { return len(it.Restart) == 0 }

// Ours reports whether dmm has taken on to bring it back: it has a stop intent, and it
// did not turn out that its owner had stopped it.
func (it *Item) Ours() bool {
	return it.Claimed || it.Stop.Intents > 0 && it.Stop.Outcome != NotOurs
}

// Owed reports whether it is ours and not yet back, nor settled otherwise.
func (it *Item) Owed() bool { return it.Ours() && !it.Start.Settled() }

// DownUnexplained reports whether a restore found it down though the journal says nothing of its stop.
func (it *Item) DownUnexplained() bool { return !it.Ours() && it.Start.Outcome == Failed }

// GivenUp reports whether a person has decided not to bring it back.
func (it *Item) GivenUp() bool {
	return it.Start.Outcome == Left && strings.HasPrefix(it.Start.Reason, GivenUpPrefix)
}

// StartFailed reports whether the last attempt to start it failed.
func (it *Item) StartFailed() bool { return it.Start.Outcome == Failed }

// InDoubt reports whether a call may be on its way for which the journal has no sure
// answer, seen by a run that has no answer of its own. A failed attempt is one: what
// was given up may still land.
func (it *Item) InDoubt(g Goal) bool {
	if g == Stop {
		return it.Stop.Open
	}
	return it.Start.Open || it.Start.Intents == 0 && it.Stop.Open
}

// Attempt returns the attempt at a goal.
func (it *Item) Attempt(g Goal) *Attempt {
	if g == Start {
		return &it.Start
	}
	return &it.Stop
}

// Balance is what is done, what remains, what is left, what failed and why: a fold of
// one snapshot and the journal of its window.
type Balance struct {
	Phase     Phase
	LastQuiet time.Time  // when a scan last found nothing that runs and should not
	Notices   []Notice   // what users were told, the latest of each step
	StillRuns *StillRuns // what ran when the last shutdown that ended had looked for the last time; nil if nothing says so
	Partial   bool       // the shutdown that ended last did not bring down everything, or could not see that it had
	GivenUp   string     // why the window was closed before all was back

	order []execution.Key
	items map[execution.Key]*Item
	mode  string           // of the run that writes
	also  []execution.Kind // of the restore that began last
}

// Remaining folds a snapshot's executions and a journal. It is pure: the same input
// gives the same balance, and every reader of a window goes through it.
func Remaining(snapshot []execution.Execution, journal []Line) *Balance {
	b := &Balance{Phase: PhaseOpen, items: make(map[execution.Key]*Item, len(snapshot))}
	for _, e := range snapshot {
		b.item(e.Key()).Execution = e
	}
	b.Apply(journal...)
	return b
}

func (b *Balance) item(k execution.Key) *Item {
	it := b.items[k]
	if it == nil {
		it = &Item{Execution: execution.Execution{Kind: k.Kind, ID: k.ID}}
		b.items[k] = it
		b.order = append(b.order, k)
	}
	return it
}

// Apply folds further lines. The latest line of an execution wins.
func (b *Balance) Apply(lines ...Line) {
	for _, l := range lines {
		switch l.Event {
		case Heartbeat:
		case Told:
			b.Notices = append(slices.DeleteFunc(b.Notices, func(n Notice) bool { return n.Step == l.Notice.Step }), *l.Notice)
		case Open:
			for _, it := range b.items {
				it.Claimed = l.Window.FromSnapshot && it.State.Up()
			}
		case Begin:
			b.mode = l.Holder.Mode
			if b.mode == ModeShutdown {
				b.StillRuns = nil // it will look for itself
			}
			switch {
			case b.mode == ModeRestore:
				b.Phase, b.also = PhaseRestoring, l.Holder.Also
			case b.mode == ModeShutdown && b.Phase != PhaseRestoring:
				b.Phase = PhaseStopping
			}
		case End:
			// Code 0 and 3 end a shutdown that has tried everything; any other ends one that has not.
			if b.mode == ModeShutdown && b.Phase == PhaseStopping && (*l.Code == 0 || *l.Code == 3) {
				b.Phase, b.Partial = PhaseStopped, *l.Code == 3
			}
			if l.StillRuns != nil {
				b.StillRuns = l.StillRuns
			}
		case Quiet:
			b.LastQuiet = l.At
		case Closed:
			b.Phase, b.GivenUp = PhaseClosed, l.Reason
		case Supplement:
			it := b.item(l.Execution.Key())
			it.Execution, it.Supplement = *l.Execution, true
			// It runs again, or differently, and has been seen to: what was tried is past.
			if it.Stop.Outcome == NotOurs {
				it.Stop = Attempt{} // nor is it ours before the next intent
			}
			it.Stop.Outcome, it.Stop.Reason, it.Stop.Open = "", "", false
		case Intent:
			it := b.item(*l.Key)
			if l.Goal == Stop {
				it.Start = Attempt{} // what was started before is stopped again, and owed again
			}
			a := it.Attempt(l.Goal)
			a.Intents++
			a.Open = true
			a.Run, a.At, a.Before, a.Try = l.Run, l.At, l.Instance, l.Try
			a.Outcome, a.Reason, a.Instance, a.Policy = "", "", "", false
		case Done, Failed, Left, NotOurs:
			a := b.item(*l.Key).Attempt(l.Goal)
			a.Outcome, a.Reason, a.Instance, a.At, a.Policy = l.Event, l.Reason, l.Instance, l.At, l.Policy
			a.Try = max(a.Try, l.Try)
			a.Open = a.Open && l.Event == Failed
			if l.Event == Failed {
				a.Run = l.Run
			}
		}
	}
}

// Next is how a window goes on, for people.
func (b *Balance) Next(p Pinned) string {
	switch {
	case b.Phase == PhaseClosed:
		return ""
	case b.Phase == PhaseRestoring:
		return "dmm restore" + Asking(b.also...)
	case b.Phase == PhaseStopped && !b.Partial:
		return "upgrade Domino, then dmm restore" + p.RestoreFlags()
	}
	return "dmm shutdown" + p.Flags() + ", to go on, or dmm restore, to call it off"
}

// Asking returns the flags that ask a restore for kinds which it would leave alone, each with a space before it.
func Asking(kinds ...execution.Kind) string {
	flags := ""
	for _, f := range []struct {
		kind execution.Kind
		flag string
	}{
		{execution.Build, " --rebuild"}, {execution.Job, " --rerun-jobs"}, {execution.Workspace, " --restore-workspaces"},
	} {
		if slices.Contains(kinds, f.kind) {
			flags += f.flag
		}
	}
	return flags
}

// Item returns what is known of an execution, nil if the window knows nothing of it.
func (b *Balance) Item(k execution.Key) *Item { return b.items[k] }

// Items returns all executions in the order of the snapshot, then of the journal.
func (b *Balance) Items() []*Item {
	items := make([]*Item, len(b.order))
	for i, k := range b.order {
		items[i] = b.items[k]
	}
	return items
}

// ToStop returns what a shutdown with this filter still has to bring down. What failed
// is among it.
func (b *Balance) ToStop(f execution.Filter) []*Item {
	return b.where(func(it *Item) bool { return it.Wanted() && !it.Stop.Settled() && f.Match(it.Execution) })
}

// ToStart returns what a restore still owes. What failed is among it.
func (b *Balance) ToStart() []*Item { return b.where((*Item).Owed) }

// LeftByPolicy returns what a restore has left because of its settings, and another one may start while the window is open.
func (b *Balance) LeftByPolicy() []*Item {
	return b.where(func(it *Item) bool { return it.Ours() && it.Start.Outcome == Left && it.Start.Policy })
}

// LeftDown returns what the window has settled without its being back, also what it had not stopped itself.
func (b *Balance) LeftDown() []*Item {
	return b.where(func(it *Item) bool { return it.Ours() && it.Start.Outcome == Left || it.GivenUp() })
}

// Tally counts what is back.
func (b *Balance) Tally() Tally {
	var t Tally
	for _, it := range b.items {
		if it.Ours() {
			t.Of++
			if it.Start.Outcome == Done {
				t.Back++
			}
		}
	}
	return t
}

// Outstanding returns what keeps the window open: what is owed, and what is down without an explanation.
func (b *Balance) Outstanding() []*Item {
	return b.where(func(it *Item) bool { return it.Owed() || it.DownUnexplained() })
}

// Unexplained returns what ran, is no owner's business and dmm's as little: the journal says nothing of a stop, and
// nobody has settled it since. A shutdown that was called off has left such behind, running; what of it is down is not explained.
func (b *Balance) Unexplained(f execution.Filter) []*Item {
	return b.where(func(it *Item) bool {
		return it.Wanted() && !it.Ours() && it.Stop == (Attempt{}) && !it.Start.Settled() && f.Match(it.Execution)
	})
}

func (b *Balance) where(keep func(*Item) bool) []*Item {
	var items []*Item
	for _, k := range b.order {
		if it := b.items[k]; keep(it) {
			items = append(items, it)
		}
	}
	return items
}
