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

// A look is what one reading shows of an execution. It may be older than the time at which it was asked for, by the lag
// and no more, and than the look before.
type look struct {
	execution.Execution
	gone  bool
	asked time.Time
	sure  bool // the answer to a call shows it, which does not lag
}

// task is one execution being driven by this run, with what this run knows of it.
type task struct {
	item      *window.Item
	driver    execution.Driver
	phase     phase
	outcome   window.Event // once it is settled
	notBefore time.Time    // nothing is sent for it before, nor an outcome recorded
	next      time.Time    // when it is to be looked at
	taken     time.Time    // when it was last taken up
	held      bool         // it is to be called once nothing else runs
	lag       time.Duration

	// landed: a call for the goal may have taken effect, of this run or of an earlier one.
	landed bool
	// answered: Domino has accepted a call of this run, after which nothing else is to be sent.
	answered bool
	// newFrom: what is asked for from then on shows a moment after all that is on record of it.
	newFrom time.Time
	// freshFrom is the same of the last call too: after its answer.
	freshFrom time.Time
	// already: that answer was that it is at the goal. Only what cannot be older lets it be called again.
	already bool
	// moving: after the answer it has been seen on its way, so that an end state is a new one.
	moving bool
	// changed is when a look has last shown what may have come of the call: it was on its way, or at the goal.
	changed time.Time
	// made is the instance that Domino named when it accepted the start.
	made string
	// shown is the outcome that the last looks agree in, and since when.
	shown struct {
		outcome  window.Event
		instance string
		at       time.Time
	}
	// verified: the driver has read back what the last call left, and found no more changed than was asked for.
	verified bool
	// last: it is being read for the last time, its time is over.
	last bool
	// before is the instance that the last call met, or would have, and was the state.
	before     string
	was        execution.State
	answeredAt time.Time // the last call

	// compared: what its start sends was held against what Domino tells, with that result.
	compared bool
	unlike   execution.Comparison

	waits   bool // nothing is sent for it
	forced  bool
	late    bool // before is an instance that an earlier start made, and that was given up
	renamed bool // instance ids may have changed their meaning since before was seen
	calls   int  // intents of this run
	refused int  // calls that Domino refused, looks that failed, restarts by others
	unsent  int  // calls that never left
	seen    execution.Execution
}

// newTask makes a task of a plan whose facts are all from before a time.
func newTask(g window.Goal, s Step, d execution.Driver, known time.Time, lag time.Duration) *task {
	it := s.Item
	t := &task{
		item: it, driver: d, notBefore: s.NotBefore, lag: lag, waits: s.Wait, renamed: s.Renamed,
		seen: it.Execution, before: it.Instance,
	}
	t.newFrom = known.Add(lag)
	t.freshFrom = t.newFrom
	if !s.NotBefore.IsZero() {
		t.next = s.NotBefore.Add(-lag) // a look that the one at its time may agree with
	}
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
	later                 // it may be so no more: look again when a reading cannot be older than what is known
	call                  // send the call
	renew                 // it is another than the one on record: record it, then call
	settle                // record an outcome
)

// ruling is a verdict with the outcome to record, if any.
type ruling struct {
	verdict
	event  window.Event
	reason string
	// sure: what was seen cannot have been so before what is known of it, and stay hidden since. Any other outcome takes a
	// second look.
	sure bool
}

func outcome(e window.Event, format string, args ...any) ruling {
	return ruling{settle, e, fmt.Sprintf(format, args...), false}
}

// given is the ruling as one that is sure under a condition.
func (r ruling) given(sure bool) ruling {
	r.sure = sure
	return r
}

// fresh reports whether a look shows a moment after the answer to the last call, and after all that is on record.
func (t *task) fresh(l look) bool { return l.sure || !l.asked.Before(t.freshFrom) }

// isNew reports whether a look shows a moment after all that is on record. So does the very instance that a start has
// made.
func (t *task) isNew(l look) bool {
	return l.sure || !l.asked.Before(t.newFrom) || t.made != "" && l.Instance == t.made
}

// arrived reports whether a look shows the goal as what came of a call of this run: after its answer; or after it was
// seen on its way, and not before what is on record, such as the stop that a restore undoes right after it.
func (t *task) arrived(l look) bool {
	return l.sure || t.answered && (t.fresh(l) || t.moving && t.isNew(l))
}

// arrives is when a look may show that.
func (t *task) arrives() time.Time {
	if t.moving {
		return t.newFrom
	}
	return t.freshFrom
}

// moves notes that a look shows it on its way after the answer to its call.
func (t *task) moves(l look) {
	if t.answered && l.asked.After(t.answeredAt) {
		t.moving, t.changed = true, time.Now()
	}
}

// undone reports whether a look, which shows it as it was before the call, shows a moment after a look that did not:
// else it may show the one in which Domino had accepted the call, and not begun.
func (t *task) undone(l look) bool {
	return !t.changed.IsZero() && !l.asked.Before(t.changed.Add(t.lag))
}

// unseen reports whether only a look on its way would show that an end state is a new one: its kind shows no instance.
func (t *task) unseen() bool {
	return t.answered && !t.moving && t.item.Instance == "" && t.item.Kind != execution.Job
}

// shows reports whether a further look shows what the last one has.
func (t *task) shows(now execution.Execution) bool {
	c, ok := t.driver.(execution.Comparer)
	return now.Instance == t.seen.Instance && !(ok && len(c.Differences(t.seen, now)) > 0)
}

// agrees reports whether an earlier look led to the same outcome, and none to another since, long enough ago for this
// look to show a later moment. The first look is kept.
func (t *task) agrees(r ruling, l look) bool {
	if t.shown.outcome != r.event || t.shown.instance != l.Instance || t.shown.at.IsZero() {
		t.shown.outcome, t.shown.instance, t.shown.at = r.event, l.Instance, time.Now()
	}
	return !l.asked.Before(t.shown.at.Add(t.lag))
}

// judgeStop rules on a task of a shutdown, given a look at its execution.
func (t *task) judgeStop(l look) ruling {
	now, ended := l.Execution, t.item.EndsIn(l.Execution)
	switch {
	case t.waits && l.gone:
		return outcome(window.NotOurs, "it no longer exists in Domino")
	case t.waits && now.State.Down():
		return outcome(window.NotOurs, "it came to its end, or its owner stopped it (Domino says %s)", now.DominoState).
			given(ended)
	case t.waits && now.State != execution.Unknown:
		return ruling{verdict: wait}
	case l.gone && (t.landed || t.answered):
		return outcome(window.Done, "it no longer exists in Domino").given(t.arrived(l))
	case l.gone:
		return outcome(window.NotOurs, "it no longer exists in Domino, and dmm had not stopped it")
	case now.State.Down() && now.Finished():
		return outcome(window.NotOurs, "it came to its own end (Domino says %s)", now.DominoState).given(ended)
	case now.State.Down() && (t.landed || t.answered):
		if t.answered {
			t.changed = time.Now()
		}
		return outcome(window.Done, "%s", t.rewritten(now)).given(ended || t.arrived(l))
	case now.State.Down():
		return outcome(window.NotOurs, "it was stopped before dmm stopped it (Domino says %s)", now.DominoState).given(ended)
	case t.forced && !t.answered:
		return ruling{verdict: call} // whatever its state: it did not stop when it was asked
	case now.State == execution.Stopping:
		t.moves(l)
		return ruling{verdict: wait}
	case now.State == execution.Unknown && (t.landed || t.answered):
		return ruling{verdict: wait}
	case now.State == execution.Unknown:
		return outcome(window.Failed, "its state %q is not known to dmm, which did not touch it", now.DominoState)
	case t.other(now) && (t.fresh(l) || t.item.Lacks()):
		return ruling{verdict: renew}
	case t.answered && t.item.Kind == execution.ScheduledJob && t.fresh(l):
		return ruling{verdict: renew} // it is never on its way: it goes on again, or the call did nothing
	case t.answered && now.State == execution.Running && t.fresh(l) && t.undone(l):
		return ruling{verdict: renew}
	case t.answered:
		if now.State == execution.Starting && t.was == execution.Running { // as a model version is called that goes down
			t.moves(l)
		}
		return ruling{verdict: wait}
	case t.other(now):
		return ruling{verdict: later}
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
	if t.item.Lacks() {
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
	if more == "" || sentence == "" {
		return sentence + more
	}
	return sentence + "; " + more
}

// judgeStart rules on a task of a restore, given a look at its execution.
func (t *task) judgeStart(l look) ruling {
	now, started := l.Execution, t.landed || t.answered
	switch {
	case l.gone:
		return outcome(window.Failed, "it no longer exists in Domino")
	case now.State == execution.Stopping:
		t.moves(l) // it was down before the call: what is under way is its start, or came after
		return ruling{verdict: wait}
	case now.State == execution.Unknown && started:
		return ruling{verdict: wait}
	case now.State == execution.Unknown:
		return outcome(window.Failed, "its state %q is not known to dmm, which did not touch it", now.DominoState)
	case now.Instance != "" && t.before != "":
		if now.Instance != t.before {
			return t.judgeNewInstance(l, started).given(t.isNew(l))
		}
		return t.judgeSameInstance(now, started)
	}
	return t.judgeWithoutInstance(l)
}

// judgeNewInstance: another instance than the one before our call means that a start has taken effect, whatever its
// state now. It is not sent again. One that may be older than the one before means nothing.
func (t *task) judgeNewInstance(l look, started bool) ruling {
	now := l.Execution
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
		return outcome(window.Left, "it was started as %s and has been stopped since, not by dmm", now.Instance).
			given(true) // it has ended for good
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
func (t *task) judgeWithoutInstance(l look) ruling {
	now := l.Execution
	switch now.State {
	case execution.Running:
		if t.answered && t.isNew(l) {
			t.changed = time.Now()
		}
		return outcome(window.Done, "%s", t.rewritten(now)).given(t.arrived(l))
	case execution.Starting:
		t.moves(l)
		return ruling{verdict: wait}
	}
	switch {
	case !t.answered && now.Kind == execution.Build && now.Finished():
		return outcome(window.Done, "it has been built since")
	case !t.answered:
		return ruling{verdict: call}
	case !t.fresh(l):
		return ruling{verdict: wait}
	case t.item.Kind == execution.ScheduledJob:
		return outcome(window.Left, "%s", also("it was started and has been paused since, not by dmm", t.rewritten(now))).
			given(true) // it is never on its way
	case t.undone(l) && now.State == execution.Failed:
		return outcome(window.Failed, "it was started and ended as %s", now.DominoState).given(true)
	case t.undone(l):
		return outcome(window.Left, "it was started and has been stopped since, not by dmm").given(true)
	}
	return ruling{verdict: wait} // a status of before the start may stay for a while (api.md §22 item 10)
}
