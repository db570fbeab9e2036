package converge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Engine drives the executions of a plan to its goal.
type Engine struct {
	Drivers Drivers
	Journal Journal
	Limits  Limits
	Log     *slog.Logger
	// Progress, if set, is told how far the plan is, at most once a second: kinds in the order of the plan.
	Progress func(kinds []Count)
}

// Count is how many executions of a kind have an outcome, of those in the plan.
type Count struct {
	Kind        execution.Kind
	Done, Total int
	// Failed and Left are settled, and not at the goal.
	Failed, Left int
}

// Drivers finds the driver of a kind.
type Drivers interface {
	Of(execution.Kind) execution.Driver
}

// Journal takes the events of a run. An error ends the run.
type Journal interface {
	Append(ctx context.Context, lines ...window.Line) error
}

// Limits of a step.
type Limits struct {
	Concurrency      int           // most executions looked at or called at once
	StartConcurrency int           // most executions starting at once; one that takes long gives its place to the next
	MaxFailures      int           // tries per execution
	Grace            time.Duration // how long to wait for the goal after the last call was sent
	Settle           time.Duration // how long what is in doubt is left alone
	Speed            int           // how many times faster than life it looks, in a rehearsal; 0 as 1
}

const (
	// direct is up to how many waiting executions of a kind are read one by one; above
	// that a bulk call nominates those worth reading.
	direct = 16
	// Rounds of observation back off between these, and start over with each success.
	firstRound, slowestRound = time.Second, 15 * time.Second
	// lastCalls is how long calls under way may take once the run is told to stop.
	lastCalls = 10 * time.Second
	// A start holds its place among those at once for this part of the grace period. After that it is waited for
	// beside the others: a tier without machines, or an image that nobody can pull, holds nothing else up.
	placePart = 4
	// unsentPerFailure: a call that never left, throttled or not connected, is a fault of
	// the moment and not of the execution, and gets more patience.
	unsentPerFailure = 4
)

// lag is how far what Domino shows is taken to be behind at most: half of the settle time, of which it is a part.
func (l Limits) lag() time.Duration { return l.Settle / 2 }

// paced is a pause between rounds at the speed of the plan.
func (l Limits) paced(d time.Duration) time.Duration { return d / time.Duration(max(l.Speed, 1)) }

// grace is the grace period as the settings have it, for people.
func (l Limits) grace() time.Duration { return l.Grace * time.Duration(max(l.Speed, 1)) }

// Execute drives the plan until every execution in it has an outcome on record. It ends
// early, with the cause, when ctx ends, when the journal cannot be written, when Domino
// refuses the credentials, and when something here or in a driver panics; what was under
// way then stays in doubt on record, for the next run.
func (e *Engine) Execute(ctx context.Context, p Plan) error {
	x := &step{Engine: e, goal: p.Goal, changed: p.AllowChanged, messages: make(chan func(), 256), roundDelay: e.Limits.paced(firstRound), lastSent: time.Now()}
	for _, l := range p.Left {
		left := window.OutcomeOf(window.Left, p.Goal, l.Item.Key(), "", l.Reason, 0)
		left.Policy = true
		x.buffer(left)
	}
	known := p.Known
	if now := time.Now(); known.IsZero() || known.After(now) {
		known = now
	}
	doubtful, settled := 0, time.Time{}
	for _, s := range p.Steps {
		d := e.Drivers.Of(s.Item.Kind)
		if d == nil {
			x.buffer(window.OutcomeOf(window.Failed, p.Goal, s.Item.Key(), "", "this version of dmm has no driver for its kind", 0))
			continue
		}
		x.tasks = append(x.tasks, newTask(p.Goal, s, d, known, e.Limits.lag()))
		if s.NotBefore.After(time.Now()) {
			doubtful, settled = doubtful+1, s.NotBefore
		}
	}
	if doubtful > 0 {
		x.Log.Info(fmt.Sprintf("leaving %d executions alone until %s: a call for them may still take effect", doubtful, settled.UTC().Format(time.RFC3339)))
	}
	x.open, x.phases[ready] = len(x.tasks), len(x.tasks)
	return x.run(ctx)
}

// step is one execution of a plan. One goroutine owns it and all its tasks; looks, calls
// and rounds run beside it and report through messages, which are functions that the
// owner runs.
type step struct {
	*Engine
	goal    window.Goal
	changed bool    // a start may send what Domino tells otherwise
	tasks   []*task // in the plan's order
	open    int     // tasks without outcome
	phases  [settled + 1]int

	messages chan func()
	inflight int // looks and calls under way

	lines   []window.Line // outcomes not yet on record
	flushed time.Time

	observing  bool
	nextRound  time.Time
	roundDelay time.Duration
	progressed bool
	lastSent   time.Time // when the last call was sent; the start, before any
	reported   time.Time

	fatal error // why the step must end now
}

func (x *step) run(ctx context.Context) error {
	// Calls outlive ctx by a moment, so that a run that is told to stop gets their answers.
	calls, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCalls()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastCalls, stopCalls) })()
	x.flushed, x.nextRound = time.Now(), time.Now().Add(x.Limits.paced(firstRound))
	for x.fatal == nil && ctx.Err() == nil {
		x.guarded(func() { x.dispatch(calls); x.record(calls) })
		if x.fatal != nil || x.open == 0 && x.inflight == 0 && len(x.lines) == 0 {
			break
		}
		timer := time.NewTimer(time.Until(x.wake()))
		select {
		case m := <-x.messages:
			x.guarded(m)
			x.drain()
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		x.guarded(x.report)
	}
	return x.end(ctx, calls, stopCalls)
}

// guarded calls f, whose panic ends the step as any fatal error does: what is known goes on record.
func (x *step) guarded(f func()) {
	if err := crash.Catch(func() error { f(); return nil }); err != nil && x.fatal == nil {
		x.fatal = err
	}
}

// end lets what is under way finish and puts what is known on record.
func (x *step) end(ctx context.Context, calls context.Context, stopCalls func()) error {
	cause := x.fatal
	if cause == nil {
		cause = context.Cause(ctx)
	}
	if cause == nil {
		return nil
	}
	if errors.Is(cause, window.ErrSuperseded) {
		stopCalls()
	}
	limit := time.AfterFunc(lastCalls, stopCalls) // also where it is not ctx that has ended
	defer limit.Stop()
	for x.inflight > 0 || x.observing {
		x.guarded(<-x.messages)
	}
	if !errors.Is(cause, window.ErrSuperseded) && len(x.lines) > 0 && !errors.As(x.fatal, new(*journalError)) {
		last, cancel := context.WithTimeout(context.WithoutCancel(calls), lastCalls)
		defer cancel()
		if err := x.Journal.Append(last, x.lines...); err != nil {
			return errors.Join(cause, err)
		}
	}
	return cause
}

// journalError marks a fatal error of the journal itself.
type journalError struct{ error }

func (e *journalError) Unwrap() error { return e.error }

// drain runs the messages that are there, so that intents and outcomes go on record in batches.
func (x *step) drain() {
	for {
		select {
		case m := <-x.messages:
			x.guarded(m)
		default:
			return
		}
	}
}

// dispatch expires what has waited too long, starts a round of observation if one is
// due, and looks at as many executions that are ready as the limits allow.
func (x *step) dispatch(ctx context.Context) {
	now := time.Now()
	x.expire(ctx, now)
	x.observe(ctx, now)
	if x.inflight >= x.Limits.Concurrency {
		return // refill in batches, so that intents cost few writes
	}
	if x.count(ready) == 0 {
		return
	}
	room := 2*x.Limits.Concurrency - x.inflight - x.count(queued)
	slots := room
	if x.goal == window.Start {
		slots = x.Limits.StartConcurrency - x.starting(now)
	}
	barrier := x.barrier()
	for _, t := range x.tasks {
		if room <= 0 || slots <= 0 {
			return
		}
		if t.phase != ready || t.next.After(now) || barrier && t.held {
			continue
		}
		room--
		slots--
		t.taken = now
		x.look(ctx, t)
	}
}

// starting is how many executions are on their way, but for those that have been for long.
func (x *step) starting(now time.Time) int {
	n := x.count(looking, queued, calling, waiting)
	long := now.Add(-x.Limits.Grace / placePart)
	for _, t := range x.tasks {
		if t.phase == waiting && t.taken.Before(long) {
			n--
		}
	}
	return n
}

// barrier holds what serves production back at shutdown while anything else runs: has no outcome, and was not seen down
// either.
func (x *step) barrier() bool {
	now := time.Now()
	others := func(t *task) bool {
		down := t.phase == ready && t.shown.outcome != "" && !t.notBefore.After(now)
		return !t.item.Kind.Serving() && t.phase != settled && !down
	}
	return x.goal == window.Stop && slices.ContainsFunc(x.tasks, others)
}

// move takes a task to another phase.
func (x *step) move(t *task, to phase) {
	x.phases[t.phase]--
	x.phases[to]++
	t.phase = to
}

func (x *step) count(phases ...phase) int {
	n := 0
	for _, p := range phases {
		n += x.phases[p]
	}
	return n
}

// wake is when something is due that no message will announce.
func (x *step) wake() time.Time {
	now := time.Now()
	at := now.Add(x.Limits.paced(slowestRound))
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if len(x.lines) > 0 || x.count(queued) > 0 {
		sooner(x.flushed.Add(time.Second))
	}
	if !x.observing && x.count(waiting) > 0 {
		sooner(x.nextRound)
		sooner(x.lastSent.Add(x.Limits.Grace))
	}
	for _, t := range x.tasks {
		if t.phase == ready && t.next.After(now) {
			sooner(t.next)
		}
	}
	if at.Before(now.Add(10 * time.Millisecond)) {
		at = now.Add(10 * time.Millisecond)
	}
	return at
}

// look reads one execution and rules on it.
func (x *step) look(ctx context.Context, t *task) {
	x.move(t, looking)
	x.spawn(func() func() {
		s := see(ctx, t)
		return func() { x.looked(ctx, t, s) }
	})
}

// spawn runs f beside the owner, which then runs what f returns.
func (x *step) spawn(f func() func()) {
	x.inflight++
	x.beside(f, func() { x.inflight-- })
}

// beside calls f in a goroutine of its own. The owner then calls ended, and what f returns. If f panics, that ends
// the step.
func (x *step) beside(f func() func(), ended func()) {
	crash.Go(func() {
		var m func()
		err := crash.Catch(func() error { m = f(); return nil })
		x.messages <- func() {
			ended()
			if err != nil {
				panic(err) // for the owner, who guards himself
			}
			m()
		}
	})
}

func (x *step) looked(ctx context.Context, t *task, s sighting) {
	if s.err != nil {
		if x.endsAll(s.err) {
			return
		}
		if t.last {
			x.settle(t, window.Failed, fmt.Sprintf("it was not seen at the goal within %s, and could not be read at last: %s",
				x.Limits.grace(), reason(s.err)))
			return
		}
		x.again(t, &t.refused, x.Limits.MaxFailures, fmt.Errorf("look at it: %w", s.err))
		return
	}
	x.rule(ctx, t, s.look)
}

// rule applies the verdict on what has just been seen of a task.
func (x *step) rule(ctx context.Context, t *task, l look) {
	if !l.gone {
		t.seen = l.Execution
	}
	var r ruling
	if x.goal == window.Stop {
		r = t.judgeStop(l)
	} else {
		r = t.judgeStart(l)
	}
	agrees := r.verdict == settle && t.agrees(r, l)
	if r.verdict != settle {
		t.shown.outcome = ""
	}
	switch now := time.Now(); {
	case t.notBefore.After(now):
		at := t.notBefore
		if again := t.shown.at.Add(t.lag); r.verdict == settle && again.After(at) {
			at = again
		}
		x.later(t, at)
	case r.verdict == settle && (r.sure || agrees):
		x.settle(t, r.event, r.reason)
	case r.verdict == settle && t.answered:
		x.later(t, t.arrives())
	case r.verdict == settle:
		x.later(t, t.shown.at.Add(t.lag))
	case r.verdict == wait:
		if t.phase != waiting {
			x.sooner()
		}
		if t.last {
			x.settle(t, window.Failed, t.overdue(x.Limits.grace()))
			return
		}
		x.move(t, waiting)
	case r.verdict == later, r.verdict == call && t.already && !t.fresh(l):
		x.later(t, t.freshFrom)
	case t.item.Kind.Serving() && x.barrier():
		t.held = true // its first look has been early, for a second one to agree with
		x.later(t, now)
	case r.verdict == renew:
		x.renew(ctx, t)
	case x.goal == window.Start && !t.compared:
		x.compare(ctx, t, l)
	default:
		x.move(t, queued)
	}
}

// later has a task looked at again, not before a time.
func (x *step) later(t *task, at time.Time) {
	x.move(t, ready)
	t.next = at
}

// renew records what runs now in place of the line on record, before it is stopped.
func (x *step) renew(ctx context.Context, t *task) {
	if t.calls > 0 {
		if t.refused++; t.refused >= x.Limits.MaxFailures {
			x.settle(t, window.Failed, fmt.Sprintf("it was started again %d times while it was being stopped", t.refused))
			return
		}
	}
	x.move(t, looking)
	x.spawn(func() func() {
		full, err := t.driver.Detail(ctx, t.seen)
		return func() {
			switch {
			case err != nil && !errors.Is(err, execution.ErrGone):
				if !x.endsAll(err) {
					x.again(t, &t.refused, x.Limits.MaxFailures, fmt.Errorf("read what its restart needs: %w", err))
				}
			case err == nil && full.State.Up() && t.shows(full):
				full.Name, full.Parent = t.item.Name, t.item.Parent // a single read may lack them
				x.buffer(window.SupplementOf(full))
				t.landed, t.answered, t.seen = false, false, full
				// The item itself follows once the supplement is on record; what it is compared
				// with from now on is this.
				t.item.Execution = full
				x.move(t, queued)
			default:
				x.later(t, time.Now().Add(x.Limits.paced(firstRound))) // it changed again in between, or this look is older
			}
		}
	})
}

// compare holds what the first start of a task is about to send against what Domino tells of it: a record may be forged. It
// is refused by what cannot be older than the record.
func (x *step) compare(ctx context.Context, t *task, l look) {
	x.move(t, looking)
	x.spawn(func() func() {
		c, err := execution.Verify(ctx, t.driver, t.item.Execution, l.Execution, t.renamed)
		return func() {
			switch {
			case err != nil:
				if !x.endsAll(err) {
					x.again(t, &t.refused, x.Limits.MaxFailures, fmt.Errorf("compare what is on record with Domino: %w", err))
				}
			case len(c.Differs) > 0 && !x.changed && !t.isNew(l):
				x.later(t, t.newFrom)
			case len(c.Differs) > 0 && !x.changed:
				x.settle(t, window.Failed, ChangedArguments(c))
			default:
				t.compared, t.unlike = true, c
				x.move(t, queued)
			}
		}
	})
}

// record puts outcomes on record, together with the intents of what is queued, and
// sends the calls of those.
func (x *step) record(ctx context.Context) {
	var batch []*task
	if n := x.count(queued); n > 0 && (x.count(looking) == 0 || n >= x.Limits.Concurrency || time.Since(x.flushed) >= time.Second) {
		for _, t := range x.tasks {
			if t.phase == queued {
				batch = append(batch, t)
			}
		}
	}
	due := len(batch) > 0 || x.open == 0 || time.Since(x.flushed) >= time.Second
	if !due || len(batch) == 0 && len(x.lines) == 0 || x.fatal != nil {
		return
	}
	lines := x.lines
	for _, t := range batch {
		t.calls++
		lines = append(lines, window.IntentOf(x.goal, t.seen, t.calls))
	}
	if err := crash.Catch(func() error { return x.Journal.Append(ctx, lines...) }); err != nil {
		x.fatal = &journalError{err}
		return
	}
	x.lines, x.flushed = nil, time.Now()
	for _, t := range batch {
		x.call(ctx, t)
	}
}

// call sends the call of a task whose intent is on record.
func (x *step) call(ctx context.Context, t *task) {
	x.move(t, calling)
	t.verified, t.late, t.last, t.held = false, false, false, false
	t.before, t.was = t.seen.Instance, t.seen.State
	asked := time.Now()
	x.lastSent = asked
	subject := t.item.Execution
	x.spawn(func() func() {
		var a execution.Answer
		var err error
		if x.goal == window.Stop {
			a, err = t.driver.Stop(ctx, subject, t.forced)
		} else {
			a, err = t.driver.Start(ctx, subject)
		}
		return func() { x.called(ctx, t, asked, a, err) }
	})
}

// called takes Domino's answer to a call that was sent at a time, or its absence.
func (x *step) called(ctx context.Context, t *task, asked time.Time, a execution.Answer, err error) {
	x.lastSent = time.Now()
	fault := execution.FaultOf(err)
	var there *execution.AlreadyError
	switch {
	case err == nil:
		t.answered, t.landed, t.moving, t.verified = true, true, false, a.Seen != nil
		t.answeredAt, t.changed, t.made, t.already = x.lastSent, time.Time{}, a.Instance, false
		t.freshFrom = x.lastSent.Add(t.lag)
		x.move(t, waiting)
		x.sooner()
		if a.Seen != nil {
			x.rule(ctx, t, look{Execution: *a.Seen, asked: asked, sure: true})
		}
	case errors.Is(err, window.ErrSuperseded):
		x.fatal = err
	case fault == execution.Lost:
		// It may have landed, or land yet: leave it alone, then look.
		t.landed, t.answered = true, false
		t.notBefore = time.Now().Add(x.Limits.Settle)
		x.later(t, t.notBefore.Add(-t.lag))
		t.refused++
		x.Log.Warn("no answer to a call; it is left alone until it must have landed", "execution", t.item.String(), "goal", x.goal, "error", err)
		if !x.endsAll(err) && t.refused >= x.Limits.MaxFailures {
			x.settle(t, window.Failed, reason(err))
		}
	case x.endsAll(err):
	case errors.As(err, &there):
		// Somebody was faster, or that look was older than the one before.
		t.already, t.freshFrom = true, x.lastSent.Add(t.lag)
		x.rule(ctx, t, look{Execution: there.Now, asked: asked})
	case errors.Is(err, execution.ErrGone):
		x.rule(ctx, t, look{gone: true, asked: asked})
	case errors.As(err, new(*execution.LeaveError)):
		x.settle(t, window.Left, reason(err))
	case errors.Is(err, execution.ErrNotOurs):
		x.settle(t, window.Left, "only its owner can start it: "+reason(err))
	case errors.As(err, new(*execution.ChangedError)):
		t.landed = true
		x.settle(t, window.Failed, reason(err))
	case fault == execution.Unsent:
		x.again(t, &t.unsent, unsentPerFailure*x.Limits.MaxFailures, err)
	case fault == execution.Forbidden:
		x.settle(t, window.Failed, reason(err))
	default:
		x.again(t, &t.refused, x.Limits.MaxFailures, err)
	}
}

// again sends a task back to be looked at after a while, unless it had its tries.
func (x *step) again(t *task, tries *int, limit int, err error) {
	*tries++
	if *tries >= limit {
		x.settle(t, window.Failed, fmt.Sprintf("%s (%d tries)", reason(err), *tries))
		return
	}
	x.later(t, time.Now().Add(min(time.Second<<(*tries-1), 30*time.Second)))
	x.Log.Debug("will try again", "execution", t.item.String(), "goal", x.goal, "try", *tries, "error", err)
}

// endsAll reports whether an error is not one execution's own: credentials that Domino
// refuses and a lost place end the run.
func (x *step) endsAll(err error) bool {
	if errors.Is(err, window.ErrSuperseded) || execution.NoCredentials(err) {
		if x.fatal == nil {
			x.fatal = err
		}
		return true
	}
	return false
}

func (x *step) settle(t *task, event window.Event, why string) {
	if t.phase == settled {
		return
	}
	x.move(t, settled)
	t.outcome = event
	x.open--
	x.progressed = true
	if event == window.Done && x.goal == window.Start && t.answered {
		why = also(why, Unlike(t.unlike))
	}
	x.buffer(window.OutcomeOf(event, x.goal, t.item.Key(), t.seen.Instance, why, t.calls))
	level := slog.LevelDebug
	if event == window.Failed {
		level = slog.LevelWarn
	}
	x.Log.Log(context.Background(), level, string(event), "execution", t.item.String(), "goal", x.goal, "reason", why)
}

func (x *step) buffer(l window.Line) { x.lines = append(x.lines, l) }

// expire gives up what is not at the goal when the grace period since the last call is
// over: an app that does not stop is first asked with force, and everything is read once
// more before it is called failed.
func (x *step) expire(ctx context.Context, now time.Time) {
	if now.Sub(x.lastSent) < x.Limits.Grace || x.observing {
		return
	}
	for _, t := range x.tasks {
		if t.phase != waiting {
			continue
		}
		if x.goal == window.Stop && t.item.Kind == execution.App && t.answered && !t.forced {
			x.later(t, now)
			t.forced, t.answered = true, false
			continue
		}
		t.last = true
		x.look(ctx, t)
	}
}

// reason is an error as the journal keeps it.
func reason(err error) string {
	r := []rune(err.Error())
	if len(r) > 500 {
		r = append(r[:499], '…')
	}
	return string(r)
}

// report tells the progress at most once a second.
func (x *step) report() {
	if x.Progress == nil || time.Since(x.reported) < time.Second && x.open > 0 {
		return
	}
	x.reported = time.Now()
	var kinds []Count
	for _, t := range x.tasks {
		if n := len(kinds); n == 0 || kinds[n-1].Kind != t.item.Kind {
			kinds = append(kinds, Count{Kind: t.item.Kind})
		}
		c := &kinds[len(kinds)-1]
		c.Total++
		switch {
		case t.phase != settled:
		case t.outcome == window.Failed:
			c.Failed++
		case t.outcome == window.Left:
			c.Left++
		default:
			c.Done++
		}
	}
	x.Progress(kinds)
}
