package converge

import (
	"cmp"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// The tables say what a look at an execution means. The engine around them is tested by
// whole maintenances in internal/modes.

func app(state execution.State, instance string) execution.Execution {
	return execution.Execution{Kind: execution.App, ID: "app", State: state, Instance: instance, Restart: []byte("{}")}
}

func TestWhatALookMeansForAStop(t *testing.T) {
	fresh, landed, answered := task{}, task{landed: true}, task{landed: true, answered: true}
	forced := task{landed: true, forced: true}
	waits := task{waits: true}
	job := func(state execution.State, word string) execution.Execution {
		return execution.Execution{Kind: execution.Job, ID: "job", State: state, DominoState: word, Restart: []byte("{}")}
	}
	for name, c := range map[string]struct {
		task task
		now  execution.Execution
		gone bool
		want verdict
		with window.Event
	}{
		"it is waited for and runs":                 {waits, job(execution.Running, "Running"), false, wait, ""},
		"it is waited for, and is another":          {waits, app(execution.Running, "2"), false, wait, ""},
		"it is waited for and was stopped":          {waits, job(execution.Stopped, "Stopped"), false, settle, window.NotOurs},
		"it is waited for and has ended":            {waits, job(execution.Stopped, "Succeeded"), false, settle, window.NotOurs},
		"it is waited for and was deleted":          {waits, execution.Execution{}, true, settle, window.NotOurs},
		"it is waited for, nobody knows its state":  {waits, job(execution.Unknown, "Faulty"), false, settle, window.Failed},
		"it ended by itself after the call":         {answered, job(execution.Stopped, "Succeeded"), false, settle, window.NotOurs},
		"it ended by itself, a call in doubt":       {landed, job(execution.Stopped, "Succeeded"), false, settle, window.NotOurs},
		"it was stopped by the call":                {answered, job(execution.Stopped, "Stopped"), false, settle, window.Done},
		"it failed after the call":                  {answered, job(execution.Failed, "Failed"), false, settle, window.Done},
		"it runs":                                   {fresh, app(execution.Running, "1"), false, call, ""},
		"it is starting":                            {fresh, app(execution.Starting, "1"), false, call, ""},
		"its owner was faster":                      {fresh, app(execution.Stopped, "1"), false, settle, window.NotOurs},
		"its owner is stopping it":                  {fresh, app(execution.Stopping, "1"), false, wait, ""},
		"it was deleted":                            {fresh, execution.Execution{}, true, settle, window.NotOurs},
		"nobody knows its state":                    {fresh, app(execution.Unknown, "1"), false, settle, window.Failed},
		"its owner has restarted it":                {fresh, app(execution.Running, "2"), false, renew, ""},
		"a call in doubt has landed":                {landed, app(execution.Stopped, "1"), false, settle, window.Done},
		"a call in doubt has not landed":            {landed, app(execution.Running, "1"), false, call, ""},
		"it was deleted after a call in doubt":      {landed, execution.Execution{}, true, settle, window.Done},
		"the call was accepted, it still runs":      {answered, app(execution.Running, "1"), false, wait, ""},
		"the call was accepted, it is down":         {answered, app(execution.Failed, "1"), false, settle, window.Done},
		"the call was accepted, it is up again":     {answered, app(execution.Running, "2"), false, renew, ""},
		"the call was accepted, its state is new":   {answered, app(execution.Unknown, "1"), false, wait, ""},
		"it sticks at stopping and is to be forced": {forced, app(execution.Stopping, "1"), false, call, ""},
	} {
		c.task.item = &window.Item{Execution: app(execution.Running, "1")}
		r := c.task.judgeStop(c.now, c.gone)
		if r.verdict != c.want || r.event != c.with {
			t.Errorf("%s: verdict %d %q, want %d %q", name, r.verdict, r.event, c.want, c.with)
		}
	}
}

func TestWhatALookMeansForAStart(t *testing.T) {
	ours := task{before: "1"}
	inDoubt := task{before: "1", landed: true}
	answered := task{before: "1", landed: true, answered: true}
	late := task{before: "2", landed: true, late: true}
	justAnswered := task{answered: true, freshFrom: time.Now().Add(time.Hour)}
	schedule := app(execution.Stopped, "")
	schedule.Kind = execution.ScheduledJob
	for name, c := range map[string]struct {
		task task
		down bool // its stop was seen to be done
		now  execution.Execution
		gone bool
		want verdict
		with window.Event
	}{
		"it is down":                                    {ours, true, app(execution.Stopped, "1"), false, call, ""},
		"somebody has started it already":               {ours, true, app(execution.Running, "2"), false, settle, window.Done},
		"its owner has started and stopped it":          {ours, true, app(execution.Stopped, "2"), false, settle, window.Left},
		"somebody has started it and it failed":         {ours, true, app(execution.Failed, "2"), false, call, ""},
		"it never went down":                            {ours, false, app(execution.Running, "1"), false, settle, window.Done},
		"what was seen down is shown running":           {ours, true, app(execution.Running, "1"), false, wait, ""},
		"our stop still lands":                          {ours, false, app(execution.Stopping, "1"), false, wait, ""},
		"it is gone":                                    {ours, true, execution.Execution{}, true, settle, window.Failed},
		"nobody knows its state":                        {ours, true, app(execution.Unknown, "1"), false, settle, window.Failed},
		"a start in doubt has not landed":               {inDoubt, true, app(execution.Stopped, "1"), false, call, ""},
		"a start in doubt has landed":                   {inDoubt, true, app(execution.Starting, "2"), false, wait, ""},
		"a start in doubt has landed and failed":        {inDoubt, true, app(execution.Failed, "2"), false, settle, window.Failed},
		"it was accepted and is not visible yet":        {answered, true, app(execution.Stopped, "1"), false, wait, ""},
		"it was accepted and runs":                      {answered, true, app(execution.Running, "2"), false, settle, window.Done},
		"it was accepted and its owner stopped it":      {answered, true, app(execution.Stopped, "2"), false, settle, window.Left},
		"what was given up has come up since":           {late, true, app(execution.Running, "2"), false, settle, window.Done},
		"what was given up has failed":                  {late, true, app(execution.Failed, "2"), false, call, ""},
		"what was given up was stopped by its owner":    {late, true, app(execution.Stopped, "2"), false, settle, window.Left},
		"without instances, it runs":                    {task{}, true, app(execution.Running, ""), false, settle, window.Done},
		"without instances, it is down":                 {task{}, true, app(execution.Stopped, ""), false, call, ""},
		"without instances, accepted, an old failure":   {task{answered: true}, true, app(execution.Failed, ""), false, wait, ""},
		"without instances, seen to start, and failed":  {task{answered: true, moving: true}, true, app(execution.Failed, ""), false, settle, window.Failed},
		"without instances, seen to start, and stopped": {task{answered: true, moving: true}, true, app(execution.Stopped, ""), false, settle, window.Left},
		"a schedule, accepted, and shown paused":        {justAnswered, true, schedule, false, wait, ""},
		"a schedule, accepted, and paused for long":     {task{answered: true}, true, schedule, false, settle, window.Left},
	} {
		c.task.item = &window.Item{Execution: app(execution.Running, "1")}
		c.task.item.Kind = cmp.Or(c.now.Kind, execution.App)
		if c.down {
			c.task.item.Stop.Outcome = window.Done
		}
		r := c.task.judgeStart(c.now, c.gone)
		if r.verdict != c.want || r.event != c.with {
			t.Errorf("%s: verdict %d %q, want %d %q", name, r.verdict, r.event, c.want, c.with)
		}
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
