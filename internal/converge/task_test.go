package converge

import (
	"cmp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// The tables say what a look at an execution means. The engine around them is tested by
// whole maintenances in internal/modes.

func app(state execution.State, instance string) execution.Execution {
	return execution.Execution{Kind: execution.App, ID: "app", State: state, Instance: instance, Restart: []byte("{}")}
}

// The states, for short.
const (
	running, stopped, failed    = execution.Running, execution.Stopped, execution.Failed
	starting, stopping, unknown = execution.Starting, execution.Stopping, execution.Unknown
)

// When a look was asked for. Everything on record is from before the table's now, and calls were answered ten seconds
// after it.
const (
	lag  = 40 * time.Second
	old  = time.Second          // asked for so soon that it may show what was before
	soon = lag + time.Second    // asked for so late that it cannot show what was before what is on record, but before the call
	late = lag + 10*time.Second // asked for so late that it can show neither
)

// judged is a task with what it is judged by: facts that all are from before now.
func judged(t task, now time.Time) *task {
	t.newFrom, t.freshFrom, t.answeredAt = now.Add(lag), now.Add(late), now.Add(late-lag)
	if !t.answered {
		t.freshFrom = t.newFrom
	}
	t.lag = lag
	if t.moving {
		t.changed = now.Add(late - lag)
	}
	return &t
}

// given says how sure a ruling is, for people.
func (r ruling) String() string {
	word := map[verdict]string{wait: "wait", later: "look later", call: "call", renew: "renew"}[r.verdict]
	switch {
	case r.verdict != settle:
		return word
	case r.sure:
		return string(r.event)
	}
	return string(r.event) + ", if a second look agrees"
}

func TestWhatALookMeansForAStop(t *testing.T) {
	const again = ", if a second look agrees"
	fresh, landed, answered := task{}, task{landed: true}, task{landed: true, answered: true}
	forced := task{landed: true, forced: true}
	moving := task{landed: true, answered: true, moving: true}
	waits := task{waits: true}
	job := func(state execution.State, word string) execution.Execution {
		return execution.Execution{Kind: execution.Job, ID: "job", State: state, DominoState: word, Restart: []byte("{}")}
	}
	build := func(state execution.State, word string) execution.Execution {
		return execution.Execution{Kind: execution.Build, ID: "build", State: state, DominoState: word, Restart: []byte("{}")}
	}
	version := func(state execution.State) execution.Execution {
		return execution.Execution{Kind: execution.ModelAPI, ID: "version", State: state, Restart: []byte("{}")}
	}
	schedule := func(state execution.State) execution.Execution {
		return execution.Execution{Kind: execution.ScheduledJob, ID: "schedule", State: state, Restart: []byte("{}")}
	}
	gone := execution.Execution{}
	now := time.Now()
	for name, c := range map[string]struct {
		task task
		now  execution.Execution
		gone bool
		age  time.Duration
		want string
	}{
		"it is waited for and runs":                 {waits, job(running, "Running"), false, old, "wait"},
		"it is waited for, and is another":          {waits, app(running, "2"), false, old, "wait"},
		"it is waited for and was stopped":          {waits, job(stopped, "Stopped"), false, old, "not-ours"},
		"it is waited for and has ended":            {waits, job(stopped, "Succeeded"), false, old, "not-ours"},
		"a build that is waited for has ended":      {waits, build(stopped, "Succeeded"), false, old, "not-ours" + again},
		"it is waited for and was deleted":          {waits, gone, true, old, "not-ours" + again},
		"it is waited for, nobody knows its state":  {waits, job(unknown, "Faulty"), false, old, "failed" + again},
		"it ended by itself after the call":         {answered, job(stopped, "Succeeded"), false, old, "not-ours"},
		"it ended by itself, a call in doubt":       {landed, job(stopped, "Succeeded"), false, old, "not-ours"},
		"a build ended, perhaps an earlier time":    {answered, build(stopped, "Succeeded"), false, old, "not-ours" + again},
		"it was stopped by the call":                {answered, job(stopped, "Stopped"), false, old, "done"},
		"it failed after the call":                  {answered, job(failed, "Failed"), false, old, "done"},
		"it runs":                                   {fresh, app(running, "1"), false, old, "call"},
		"it is starting":                            {fresh, app(starting, "1"), false, old, "call"},
		"its owner was faster":                      {fresh, app(stopped, "1"), false, old, "not-ours"},
		"another instance of it is down":            {fresh, app(stopped, "2"), false, old, "not-ours" + again},
		"its owner is stopping it":                  {fresh, app(stopping, "1"), false, old, "wait"},
		"it was deleted, or is not there yet":       {fresh, gone, true, old, "not-ours" + again},
		"nobody knows its state":                    {fresh, app(unknown, "1"), false, old, "failed" + again},
		"another instance runs, perhaps before":     {fresh, app(running, "2"), false, old, "look later"},
		"its owner has restarted it":                {fresh, app(running, "2"), false, late, "renew"},
		"a call in doubt has landed":                {landed, app(stopped, "1"), false, old, "done"},
		"a call in doubt has not landed":            {landed, app(running, "1"), false, old, "call"},
		"it was deleted after a call in doubt":      {landed, gone, true, old, "done" + again},
		"the call was accepted, it still runs":      {answered, app(running, "1"), false, old, "wait"},
		"the call was accepted, it is down":         {answered, app(failed, "1"), false, old, "done"},
		"the call was accepted, and it is deleted":  {answered, gone, true, late, "done"},
		"the call was accepted, another runs":       {answered, app(running, "2"), false, old, "wait"},
		"the call was accepted, it is up again":     {answered, app(running, "2"), false, late, "renew"},
		"the call was accepted, its state is new":   {answered, app(unknown, "1"), false, old, "wait"},
		"it sticks at stopping and is to be forced": {forced, app(stopping, "1"), false, old, "call"},

		"a version is down, perhaps before it ran":      {fresh, version(stopped), false, old, "not-ours" + again},
		"a version that dmm asked to stop is down":      {landed, version(stopped), false, old, "done" + again},
		"a version is down, perhaps before the call":    {answered, version(stopped), false, old, "done" + again},
		"a version is down after the call":              {answered, version(stopped), false, late, "done"},
		"a version was seen to go down":                 {moving, version(stopped), false, soon, "done"},
		"a version went down, perhaps before it ran":    {moving, version(stopped), false, old, "done" + again},
		"a schedule is paused, perhaps before the call": {answered, schedule(stopped), false, old, "done" + again},
		"a schedule is paused after the call":           {answered, schedule(stopped), false, late, "done"},
		"a schedule is active, perhaps before the call": {answered, schedule(running), false, old, "wait"},
		"a schedule is active after the call":           {answered, schedule(running), false, late, "renew"},
		"a version runs after the call, not down yet":   {answered, version(running), false, late, "wait"},
		"a version went down after the call, and runs":  {moving, version(running), false, late, "renew"},
		"a version went down, and is shown as it ran":   {moving, version(running), false, soon, "wait"},
		"a version went down, and is on its way":        {moving, version(starting), false, late, "wait"},
	} {
		task := judged(c.task, now)
		task.item = &window.Item{Execution: app(running, "1")}
		if c.now.Kind != "" && c.now.Kind != execution.App {
			task.item.Execution = execution.Execution{Kind: c.now.Kind, ID: c.now.ID, State: running, Restart: []byte("{}")}
		}
		if r := task.judgeStop(look{Execution: c.now, gone: c.gone, asked: now.Add(c.age)}); r.String() != c.want {
			t.Errorf("%s: %v, want %s", name, r, c.want)
		}
	}
}

func TestWhatALookMeansForAStart(t *testing.T) {
	const again = ", if a second look agrees"
	ours := task{before: "1"}
	inDoubt := task{before: "1", landed: true}
	answered := task{before: "1", landed: true, answered: true}
	told := task{before: "1", landed: true, answered: true, made: "2"}
	givenUp := task{before: "2", landed: true, late: true}
	called, moving := task{answered: true}, task{answered: true, moving: true}
	kind := func(k execution.Kind, state execution.State, word string) execution.Execution {
		return execution.Execution{Kind: k, ID: string(k), State: state, DominoState: word, Restart: []byte("{}")}
	}
	version := func(state execution.State) execution.Execution { return kind(execution.ModelAPI, state, "") }
	schedule := func(state execution.State) execution.Execution { return kind(execution.ScheduledJob, state, "") }
	gone := execution.Execution{}
	now := time.Now()
	for name, c := range map[string]struct {
		task task
		down bool // its stop was seen to be done
		now  execution.Execution
		gone bool
		age  time.Duration
		want string
	}{
		"it is down":                                 {ours, true, app(stopped, "1"), false, old, "call"},
		"somebody has started it already":            {ours, true, app(running, "2"), false, late, "done"},
		"another runs, perhaps from before":          {ours, true, app(running, "2"), false, old, "done" + again},
		"its owner has started and stopped it":       {ours, true, app(stopped, "2"), false, late, "left"},
		"another is down, perhaps from before":       {ours, true, app(stopped, "2"), false, old, "left" + again},
		"somebody has started it and it failed":      {ours, true, app(failed, "2"), false, old, "call"},
		"it never went down":                         {ours, false, app(running, "1"), false, old, "done" + again},
		"what was seen down is shown running":        {ours, true, app(running, "1"), false, old, "wait"},
		"our stop still lands":                       {ours, false, app(stopping, "1"), false, old, "wait"},
		"it is gone":                                 {ours, true, gone, true, old, "failed" + again},
		"nobody knows its state":                     {ours, true, app(unknown, "1"), false, old, "failed" + again},
		"a start in doubt has not landed":            {inDoubt, true, app(stopped, "1"), false, old, "call"},
		"a start in doubt has landed":                {inDoubt, true, app(starting, "2"), false, old, "wait"},
		"a start in doubt has landed and failed":     {inDoubt, true, app(failed, "2"), false, late, "failed"},
		"it was accepted and is not visible yet":     {answered, true, app(stopped, "1"), false, late, "wait"},
		"it was accepted and another runs":           {answered, true, app(running, "2"), false, old, "done" + again},
		"it was accepted and runs":                   {answered, true, app(running, "2"), false, late, "done"},
		"it was accepted, and that very one runs":    {told, true, app(running, "2"), false, old, "done"},
		"it was accepted, and that very one failed":  {told, true, app(failed, "2"), false, old, "failed"},
		"it was accepted and its owner stopped it":   {told, true, app(stopped, "2"), false, old, "left"},
		"what was given up has come up since":        {givenUp, true, app(running, "2"), false, old, "done" + again},
		"what was given up has failed":               {givenUp, true, app(failed, "2"), false, old, "call"},
		"what was given up was stopped by its owner": {givenUp, true, app(stopped, "2"), false, old, "left"},

		"a version runs, perhaps from before its stop":      {task{}, true, version(running), false, old, "done" + again},
		"a version runs, shown by one look":                 {task{}, true, version(running), false, late, "done" + again},
		"a version is down":                                 {task{}, true, version(stopped), false, old, "call"},
		"a version runs, perhaps from before its start":     {called, true, version(running), false, old, "done" + again},
		"a version runs after its start":                    {called, true, version(running), false, late, "done"},
		"a version was seen to come up":                     {moving, true, version(running), false, soon, "done"},
		"a version came up, perhaps before its stop":        {moving, true, version(running), false, old, "done" + again},
		"a version, accepted, an old failure":               {called, true, version(failed), false, late, "wait"},
		"a version, seen to start, failed, perhaps before":  {moving, true, version(failed), false, old, "wait"},
		"a version, seen to start, and failed":              {moving, true, version(failed), false, late, "failed"},
		"a version, seen to start, stopped, perhaps before": {moving, true, version(stopped), false, old, "wait"},
		"a version, seen to start, and stopped":             {moving, true, version(stopped), false, late, "left"},
		"a schedule, accepted, and shown paused":            {called, true, schedule(stopped), false, old, "wait"},
		"a schedule, accepted, and paused for long":         {called, true, schedule(stopped), false, late, "left"},
		"a schedule, accepted, and active, perhaps before":  {called, true, schedule(running), false, old, "done" + again},
		"a schedule, accepted, and active":                  {called, true, schedule(running), false, late, "done"},
		"a build has been made since":                       {task{}, true, kind(execution.Build, stopped, "Succeeded"), false, old, "done" + again},
		"a build was cancelled":                             {task{}, true, kind(execution.Build, stopped, "Killed"), false, old, "call"},
		"a job that was stopped runs, perhaps from before":  {task{}, true, kind(execution.Job, running, "Running"), false, old, "done" + again},
	} {
		task := judged(c.task, now)
		task.item = &window.Item{Execution: app(running, "1")}
		task.item.Kind = cmp.Or(c.now.Kind, execution.App)
		if c.down {
			task.item.Stop.Outcome = window.Done
		}
		if r := task.judgeStart(look{Execution: c.now, gone: c.gone, asked: now.Add(c.age)}); r.String() != c.want {
			t.Errorf("%s: %v, want %s", name, r, c.want)
		}
	}
}

// What is seen on its way after the answer to a call makes an end state a new one.
func TestWhatIsSeenOnItsWay(t *testing.T) {
	now := time.Now()
	version := func(state execution.State) execution.Execution {
		return execution.Execution{Kind: execution.ModelAPI, State: state, Restart: []byte("{}")}
	}
	ran, began := task{answered: true, was: running}, task{answered: true, was: starting}
	for name, c := range map[string]struct {
		goal  window.Goal
		task  task
		shown execution.State
		asked time.Duration
		want  bool
	}{
		"it is stopping":                          {window.Stop, ran, stopping, late, true},
		"it is pending, and was running":          {window.Stop, ran, starting, late, true},
		"it is starting, as it was when called":   {window.Stop, began, starting, late, false},
		"it was looked at before the stop":        {window.Stop, ran, stopping, old, false},
		"it is stopping by itself":                {window.Stop, task{}, stopping, late, false},
		"it is starting":                          {window.Start, task{answered: true}, starting, late, true},
		"it is pending":                           {window.Start, task{answered: true}, stopping, late, true},
		"it was looked at before the start":       {window.Start, task{answered: true}, starting, old, false},
		"it is starting, and dmm has not done it": {window.Start, task{}, starting, late, false},
	} {
		task := judged(c.task, now)
		task.item = &window.Item{Execution: version(running)}
		l := look{Execution: version(c.shown), asked: now.Add(c.asked)}
		if c.goal == window.Stop {
			task.judgeStop(l)
		} else {
			task.judgeStart(l)
		}
		if task.moving != c.want {
			t.Errorf("%s: on its way by the call: %t, want %t", name, task.moving, c.want)
		}
	}
}

// What a look shows as it was before the call means that the call was undone, if it shows a moment after a look that
// did not: before that it may be what Domino had accepted and not begun.
func TestWhatWasUndoneAfterTheCall(t *testing.T) {
	version := func(state execution.State) execution.Execution {
		return execution.Execution{Kind: execution.ModelAPI, State: state, Restart: []byte("{}")}
	}
	for name, c := range map[string]struct {
		goal         window.Goal
		shown, again execution.State
		after        time.Duration // between the two looks, of which the second cannot be older than the call
		want         string
	}{
		"it was down, and runs":                         {window.Stop, stopped, running, lag, "renew"},
		"it was down, and is shown running soon after":  {window.Stop, stopped, running, lag - 1, "wait"},
		"it was stopping, and runs":                     {window.Stop, stopping, running, lag, "renew"},
		"it was never seen down, and runs":              {window.Stop, running, running, lag, "wait"},
		"it ran, and is down":                           {window.Start, running, stopped, lag, "left"},
		"it ran, and is shown down soon after":          {window.Start, running, stopped, lag - 1, "wait"},
		"it was starting, and has failed":               {window.Start, starting, failed, lag, "failed"},
		"it was starting, and is shown down soon after": {window.Start, starting, failed, lag - 1, "wait"},
		"it was never seen up, and is down":             {window.Start, stopped, stopped, lag, "wait"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				task := task{lag: lag, answered: true, landed: true, answeredAt: time.Now(), was: running}
				task.item = &window.Item{Execution: version(running)}
				judge := task.judgeStart
				if c.goal == window.Stop {
					judge = task.judgeStop
				}
				time.Sleep(time.Hour)
				judge(look{Execution: version(c.shown), asked: time.Now()})
				time.Sleep(c.after)
				if r := judge(look{Execution: version(c.again), asked: time.Now()}); r.String() != c.want {
					t.Errorf("%v, want %s", r, c.want)
				}
			})
		})
	}
}

// Two looks agree that lead to the same outcome and lie further apart than the lag, with none between them that leads
// to another.
func TestTwoLooksThatAgree(t *testing.T) {
	one, two := app(stopped, "1"), app(stopped, "2")
	type shown struct {
		after time.Duration
		r     ruling
		now   execution.Execution
	}
	ours, theirs := outcome(window.Done, ""), outcome(window.NotOurs, "")
	for name, c := range map[string]struct {
		looks []shown
		want  bool
	}{
		"one look":                         {[]shown{{0, theirs, one}}, false},
		"two looks within the lag":         {[]shown{{0, theirs, one}, {lag - 1, theirs, one}}, false},
		"two looks that lie further apart": {[]shown{{0, theirs, one}, {lag, theirs, one}}, true},
		"three looks":                      {[]shown{{0, theirs, one}, {lag / 2, theirs, one}, {lag / 2, theirs, one}}, true},
		"they differ in the outcome":       {[]shown{{0, ours, one}, {lag, theirs, one}}, false},
		"they differ in the instance":      {[]shown{{0, theirs, one}, {lag, theirs, two}}, false},
		"they differ, and agree again":     {[]shown{{0, theirs, one}, {lag / 2, ours, one}, {lag / 2, theirs, one}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				task, agree := task{lag: lag}, false
				for _, l := range c.looks {
					time.Sleep(l.after)
					agree = task.agrees(l.r, look{Execution: l.now, asked: time.Now()})
				}
				if agree != c.want {
					t.Errorf("they agree: %t, want %t", agree, c.want)
				}
			})
		})
	}
}

func TestPlansAreOrdered(t *testing.T) {
	var lines []execution.Execution
	var journal []window.Line
	for _, k := range []execution.Kind{execution.Job, execution.App, execution.ModelAPI, execution.Workspace, execution.Build, execution.ScheduledJob} {
		e := execution.Execution{Kind: k, ID: "x", State: execution.Running}
		lines = append(lines, e)
		journal = append(journal, window.IntentOf(window.Stop, e, 1), window.OutcomeOf(window.Done, window.Stop, e.Key(), "", "", 1))
	}
	kinds := func(p Plan) (list []execution.Kind) {
		for _, s := range p.Steps {
			list = append(list, s.Item.Kind)
		}
		return list
	}
	stop := PlanStop(window.Remaining(lines, nil), execution.Filter{}, execution.Handling{Jobs: execution.PolicyWait, Builds: execution.PolicyIgnore}, "", time.Time{})
	if got := kinds(stop); len(got) != 5 || got[0] != execution.ScheduledJob || got[1] != execution.Job || got[4] != execution.ModelAPI {
		t.Errorf("a shutdown goes %v, want schedules first, then jobs, and model APIs last", got)
	}
	for _, step := range stop.Steps {
		if step.Wait != (step.Item.Kind == execution.Job) {
			t.Errorf("%s is waited for: %t", step.Item.Kind, step.Wait)
		}
	}
	if len(stop.Left) != 1 || stop.Left[0].Item.Kind != execution.Build {
		t.Errorf("a shutdown leaves %v alone, want the build", stop.Left)
	}
	start := PlanStart(window.Remaining(lines, journal), Policy{Leave: map[execution.Kind]string{execution.Workspace: "by setting"}}, "", time.Time{})
	if got := kinds(start); len(got) != 5 || got[0] != execution.ModelAPI || got[2] != execution.ScheduledJob || got[4] != execution.Job {
		t.Errorf("a restore goes %v, want model APIs first, schedules, and jobs last, without workspaces", got)
	}
	if len(start.Left) != 1 || start.Left[0].Item.Kind != execution.Workspace {
		t.Errorf("a restore leaves %v alone, want the workspace", start.Left)
	}
}
