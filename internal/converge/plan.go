// Package converge drives executions to a goal: all that a shutdown has to bring down,
// or all that a restore owes. A Plan is made by one function and says what would be
// done and why; a dry run prints it, and Engine.Execute executes that very value.
package converge

import (
	"slices"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Plan is the ordered list of what a step would do.
type Plan struct {
	Goal  window.Goal `json:"goal"`
	Steps []Step      `json:"steps"`
	// Known: what is on record of its executions is from before then. Zero: it may be from right before the plan is
	// executed.
	Known time.Time `json:"known,omitzero"`
	// AllowChanged lets a start go out although Domino tells otherwise of what it sends.
	AllowChanged bool `json:"allowChanged,omitempty"`
	// Left is what the step settles without touching it.
	Left []Leaving `json:"left,omitempty"`
}

// Step is one execution on its way to the goal. Steps are sent in their order.
type Step struct {
	Item *window.Item `json:"-"`
	// NotBefore: until then nothing is sent and no outcome recorded, since a call may be on its way.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Wait: nothing is sent. It comes to its end by itself, or is reported when the grace period is over.
	Wait bool `json:"wait,omitempty"`
	// Renamed: a new instance id does not prove a new instance.
	Renamed bool   `json:"renamed,omitempty"`
	Why     string `json:"why"`
}

// Leaving is one execution that is settled as it is.
type Leaving struct {
	Item   *window.Item `json:"-"`
	Reason string       `json:"reason"`
}

// stopOrder is the order of sending at shutdown. Jobs take longest to end, since their results are saved, and come first
// after the schedules, which start more of them. What serves production goes last, once the others are settled,
// and comes back first.
var stopOrder = []execution.Kind{
	execution.ScheduledJob, execution.Job, execution.Build, execution.Workspace, execution.App,
	execution.ModelAPI, execution.Endpoint, execution.ExternalDeployment,
}

var startOrder = []execution.Kind{
	execution.ModelAPI, execution.Endpoint, execution.ExternalDeployment, execution.App, execution.Workspace,
	execution.ScheduledJob, execution.Build, execution.Job,
}

// PlanStop plans a shutdown. run is the run that will execute it: what failed in it is
// not tried again. What is in doubt is left alone until settled.
func PlanStop(b *window.Balance, f execution.Filter, h execution.Handling, run string, settled time.Time) Plan {
	p := Plan{Goal: window.Stop}
	for _, it := range b.ToStop(f) {
		course, why := h.Of(it.Execution)
		if course == execution.CourseLeave {
			p.Left = append(p.Left, Leaving{it, why})
			continue
		}
		p.add(it, run, settled, why)
		if n := len(p.Steps); n > 0 && p.Steps[n-1].Item == it {
			p.Steps[n-1].Wait = course == execution.CourseWait
		}
	}
	p.sort(stopOrder)
	return p
}

// Policy is what a restore leaves alone.
type Policy struct {
	Filter execution.Filter
	// Leave says why executions of a kind are settled without being started.
	Leave map[execution.Kind]string
	// AppsRenamed: an upgrade since the shutdown has changed what the id of an app's instance is.
	AppsRenamed bool
	// AllowChanged: what is on record is sent, whatever Domino tells of it.
	AllowChanged bool
}

// PlanStart plans a restore of what the window owes.
func PlanStart(b *window.Balance, policy Policy, run string, settled time.Time) Plan {
	p := Plan{Goal: window.Start, AllowChanged: policy.AllowChanged}
	asked := slices.DeleteFunc(b.LeftByPolicy(), func(it *window.Item) bool { return policy.Leave[it.Kind] != "" })
	for _, it := range append(b.ToStart(), asked...) {
		switch {
		case !policy.Filter.Match(it.Execution):
			continue // still owed: a filter on restore only narrows
		case policy.Leave[it.Kind] != "" && it.Start.Intents == 0:
			p.Left = append(p.Left, Leaving{it, policy.Leave[it.Kind]})
			continue
		}
		p.add(it, run, settled, "")
	}
	for i, s := range p.Steps {
		p.Steps[i].Renamed = policy.AppsRenamed && s.Item.Kind == execution.App
	}
	p.sort(startOrder)
	return p
}

func (p *Plan) add(it *window.Item, run string, settled time.Time, also string) {
	a := it.Attempt(p.Goal)
	if a.Outcome == window.Failed && a.Run == run {
		return
	}
	s := Step{Item: it}
	switch {
	case it.InDoubt(p.Goal):
		s.NotBefore, s.Why = settled, "an earlier call for it may still land"
	case p.Goal == window.Stop && it.Supplement:
		s.Why = "found running after the snapshot"
	case p.Goal == window.Stop:
		s.Why = "was " + string(it.State) + " in the snapshot"
	case it.Claimed:
		s.Why = "ran in the snapshot, does not run now"
	case it.Start.Policy:
		s.Why = "was left by an earlier restore, which was not asked to start it"
	default:
		s.Why = "was stopped by this window"
	}
	if a.Outcome == window.Failed {
		s.Why = "failed before: " + a.Reason
	}
	if also != "" {
		s.Why += "; " + also
	}
	p.Steps = append(p.Steps, s)
}

func (p *Plan) sort(order []execution.Kind) {
	slices.SortStableFunc(p.Steps, func(a, b Step) int {
		return slices.Index(order, a.Item.Kind) - slices.Index(order, b.Item.Kind)
	})
}
