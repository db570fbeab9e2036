package converge

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// phase is where a task is on its way.
type phase int

const (
	ready   phase = iota // to be looked at, not before its time
	looking              // being read
	queued               // looked at and to be called; its intent comes next
	calling              // its call is under way
	waiting              // to be observed until it is at the goal
	settled              // its outcome is on record, or buffered for it
)

// task is one execution being driven by this run, with what this run knows of it.
type task struct {
	item      *window.Item
	driver    execution.Driver
	phase     phase
	notBefore time.Time
	taken     time.Time // when it was last taken up

	// landed: a call for the goal may have taken effect, of this run or of an earlier one.
	landed bool
	// answered: Domino has accepted a call of this run, after which nothing else is to be sent.
	answered bool
	// freshFrom: what is read from then on cannot be older than the last call that was answered.
	freshFrom time.Time
	// moving: after the answer it has been seen on its way, so that an end state is a new one.
	moving bool
	// verified: the driver has read back what the last call left, and found no more changed than was asked for.
	verified bool
	// last: it is being read for the last time, its time is over.
	last bool
	// before is the instance that the last call met, or would have.
	before string

	waits   bool // nothing is sent for it
	forced  bool
	late    bool // before is an instance that an earlier start made, and that was given up
	renamed bool // instance ids may have changed their meaning since before was seen
	calls   int  // intents of this run
	refused int  // calls that Domino refused, looks that failed, restarts by others
	unsent  int  // calls that never left
	seen    execution.Execution
}

func newTask(g window.Goal, s Step, d execution.Driver) *task {
	it := s.Item
	t := &task{item: it, driver: d, notBefore: s.NotBefore, waits: s.Wait, renamed: s.Renamed, seen: it.Execution, before: it.Instance}
	if g == window.Stop {
		t.landed = it.Stop.Open
		return t
	}
	t.landed = it.Start.Open
	switch {
	case it.Start.Outcome == window.Failed && it.Start.Instance != "":
		// Failed, it may be started once more; come up since, it is the one that was asked for.
		t.late = it.Start.Instance != cmp.Or(it.Start.Before, it.Stop.Before, it.Instance)
		t.before = it.Start.Instance
	case it.Start.Intents > 0 && it.Start.Before != "":
		t.before = it.Start.Before
	case it.Stop.Before != "":
		t.before = it.Stop.Before
	}
	return t
}

// verdict is what a look at an execution means for its task.
type verdict int

const (
	wait   verdict = iota // it is on its way, or not visible yet
	call                  // send the call
	renew                 // it is another than the one on record: record it, then call
	settle                // record an outcome
)

// ruling is a verdict with the outcome to record, if any.
type ruling struct {
	verdict
	event  window.Event
	reason string
}

func outcome(e window.Event, format string, args ...any) ruling {
	return ruling{settle, e, fmt.Sprintf(format, args...)}
}

// judgeStop rules on a task of a shutdown, given how its execution is now.
func (t *task) judgeStop(now execution.Execution, gone bool) ruling {
	switch {
	case t.waits && gone:
		return outcome(window.NotOurs, "it no longer exists in Domino")
	case t.waits && now.State.Down():
		return outcome(window.NotOurs, "it came to its end, or its owner stopped it (Domino says %s)", now.DominoState)
	case t.waits && now.State != execution.Unknown:
		return ruling{verdict: wait}
	case gone && (t.landed || t.answered):
		return outcome(window.Done, "it no longer exists in Domino")
	case gone:
		return outcome(window.NotOurs, "it no longer exists in Domino, and dmm had not stopped it")
	case now.State.Down() && now.Finished():
		return outcome(window.NotOurs, "it came to its own end (Domino says %s)", now.DominoState)
	case now.State.Down() && (t.landed || t.answered):
		return outcome(window.Done, "%s", t.rewritten(now))
	case now.State.Down():
		return outcome(window.NotOurs, "it was stopped before dmm stopped it (Domino says %s)", now.DominoState)
	case t.forced && !t.answered:
		return ruling{verdict: call} // whatever its state: it did not stop when it was asked
	case now.State == execution.Stopping:
		return ruling{verdict: wait}
	case now.State == execution.Unknown && (t.landed || t.answered):
		return ruling{verdict: wait}
	case now.State == execution.Unknown:
		return outcome(window.Failed, "its state %q is not known to dmm, which did not touch it", now.DominoState)
	case t.other(now):
		return ruling{verdict: renew}
	case t.answered:
		return ruling{verdict: wait}
	}
	return ruling{verdict: call}
}

// overdue says of a task that it was not at the goal in time.
func (t *task) overdue(grace time.Duration) string {
	if t.waits {
		return fmt.Sprintf("it still runs after %s (Domino says %s); dmm waits for it and does not stop it", grace, t.seen.DominoState)
	}
	return fmt.Sprintf("it was not at the goal within %s: Domino says %s", grace, t.seen.DominoState)
}

// other reports whether what runs now is not what is on record: a new instance, or
// other restart arguments.
func (t *task) other(now execution.Execution) bool {
	if now.Instance != "" && t.item.Instance != "" && now.Instance != t.item.Instance {
		return true
	}
	if len(t.item.Restart) == 0 {
		return true // it could not be read when its line was written: what a restart needs can only be seen while it runs
	}
	c, ok := t.driver.(execution.Comparer)
	return ok && len(c.Differences(t.item.Execution, now)) > 0
}

// rewritten says what differs after calls that rewrite a whole definition and of which
// nobody has seen what they left: the loss of an answer, or of the look after it, must not hide the loss of a field.
func (t *task) rewritten(now execution.Execution) string {
	c, ok := t.driver.(execution.Comparer)
	if !ok || t.verified || !t.landed {
		return ""
	}
	if diff := c.Differences(t.item.Execution, now); len(diff) > 0 {
		return "its definition differs from the one before in " + strings.Join(diff, ", ") + ", please check it"
	}
	return ""
}

// also adds to a sentence what else there is to say, if anything.
func also(sentence, more string) string {
	if more == "" {
		return sentence
	}
	return sentence + "; " + more
}

// judgeStart rules on a task of a restore, given how its execution is now.
func (t *task) judgeStart(now execution.Execution, gone bool) ruling {
	started := t.landed || t.answered
	switch {
	case gone:
		return outcome(window.Failed, "it no longer exists in Domino")
	case now.State == execution.Stopping:
		t.moving = t.moving || t.answered // it was down before the call: what is under way is its start, or came after
		return ruling{verdict: wait}
	case now.State == execution.Unknown && started:
		return ruling{verdict: wait}
	case now.State == execution.Unknown:
		return outcome(window.Failed, "its state %q is not known to dmm, which did not touch it", now.DominoState)
	case now.Instance != "" && t.before != "":
		if now.Instance != t.before {
			return t.judgeNewInstance(now, started)
		}
		return t.judgeSameInstance(now, started)
	}
	return t.judgeWithoutInstance(now)
}

// judgeNewInstance: another instance than the one before our call means that a start
// has taken effect, whatever its state now. It is not sent again.
func (t *task) judgeNewInstance(now execution.Execution, started bool) ruling {
	switch {
	case now.State == execution.Running && !started:
		return outcome(window.Done, "it was running already, as %s", now.Instance)
	case now.State == execution.Running:
		return outcome(window.Done, "")
	case now.State == execution.Starting:
		return ruling{verdict: wait}
	case !started && (t.renamed || t.item.Claimed || now.State == execution.Failed):
		return ruling{verdict: call} // not its owner's stop, or who knows whose instance that is: it is still owed
	case !started:
		return outcome(window.Left, "it was started and stopped again since, as %s, not by dmm", now.Instance)
	case now.State == execution.Failed:
		return outcome(window.Failed, "it was started as %s and ended as %s", now.Instance, now.DominoState)
	}
	return outcome(window.Left, "it was started as %s and has been stopped since, not by dmm", now.Instance)
}

func (t *task) judgeSameInstance(now execution.Execution, started bool) ruling {
	switch {
	case now.State == execution.Stopped && t.late:
		return outcome(window.Left, "it was started as %s and has been stopped since, not by dmm", now.Instance)
	case now.State.Down() && !t.answered:
		return ruling{verdict: call}
	case now.State == execution.Running && t.late:
		return outcome(window.Done, "it came up after it had been given up")
	case now.State == execution.Running && !started && t.item.Stop.Outcome != window.Done:
		return outcome(window.Done, "it had never gone down")
	}
	// Starting; or accepted and not visible yet; or shown running as the instance that was
	// seen to stop, which cannot be so.
	return ruling{verdict: wait}
}

// judgeWithoutInstance is for kinds, and versions of Domino, that show no instance.
func (t *task) judgeWithoutInstance(now execution.Execution) ruling {
	switch now.State {
	case execution.Running:
		return outcome(window.Done, "%s", t.rewritten(now))
	case execution.Starting:
		t.moving = t.moving || t.answered
		return ruling{verdict: wait}
	}
	switch {
	case !t.answered:
		return ruling{verdict: call}
	case t.item.Kind == execution.ScheduledJob && !time.Now().Before(t.freshFrom): // it is never on its way
		return outcome(window.Left, "%s", also("it was started and has been paused since, not by dmm", t.rewritten(now)))
	case t.moving && now.State == execution.Failed:
		return outcome(window.Failed, "it was started and ended as %s", now.DominoState)
	case t.moving:
		return outcome(window.Left, "it was started and has been stopped since, not by dmm")
	}
	return ruling{verdict: wait} // a status of before the start may stay for a while (api.md §22 item 10)
}
