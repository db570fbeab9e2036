package execution

import (
	"cmp"
	"context"
	"errors"
	"sync"
)

// ErrNotHandled: another tool has recorded something that no driver of its kind handles.
var ErrNotHandled = errors.New("it is left alone, since dmm does not handle its kind")

// filler is a Driver whose restart arguments Domino still shows when the execution is down.
type filler interface {
	Fill(ctx context.Context, e Execution) (Execution, error)
}

// Lacking reports whether a start of the execution needs arguments that its line does not hold: Domino did
// not tell them when it was written, or it comes from a tool that does not record them.
func (d *Drivers) Lacking(e Execution) bool {
	_, fills := d.byKind[e.Kind].(filler)
	return fills && len(e.Restart) == 0 || e.Project.Owner == ""
}

// Filled is an execution with what Domino tells of it now, or why it could not tell: ErrGone, ErrNotHandled, or
// a failure to ask.
type Filled struct {
	Execution
	Err error
}

// Fill reads from Domino what lines lack: the arguments that each execution ran with last, which is a guess and
// said so, and the name of its project. What a line has on record stays.
func (d *Drivers) Fill(ctx context.Context, executions []Execution) ([]Filled, []Problem) {
	known := d.projects.load(ctx)
	projectOfModel := map[string]string{}
	for _, e := range executions {
		if e.Kind == ModelAPI && e.Project.ID == "" {
			list, l := d.byKind[ModelAPI].(*models).models(ctx)
			known.merge(l)
			for _, m := range list {
				projectOfModel[m.ID] = m.ProjectID
			}
			break
		}
	}
	filled := make([]Filled, len(executions))
	var mu sync.Mutex
	eachParallel(ctx, len(executions), func(i int) {
		e := executions[i]
		f, fills := d.byKind[e.Kind].(filler)
		var err error
		if fills && len(e.Restart) == 0 {
			var now Execution
			if now, err = f.Fill(ctx, e); err == nil {
				e.Restart, e.Since = now.Restart, now.Since
				e.Environment, e.HardwareTier, e.DataPlane = now.Environment, now.HardwareTier, cmp.Or(e.DataPlane, now.DataPlane)
				e.Project.ID = cmp.Or(e.Project.ID, now.Project.ID)
				e.Guesses = append([]string{"its arguments were not on record: it comes back with those that it ran with last, as Domino shows them now"}, now.Guesses...)
			}
		}
		if e.Kind == ModelAPI {
			e.Project.ID = cmp.Or(e.Project.ID, projectOfModel[e.Parent])
		}
		if p := d.projects.get(e.Project.ID); p.Name != "" {
			e.Project = p
		}
		mu.Lock()
		defer mu.Unlock()
		filled[i] = Filled{e, err}
	})
	return filled, known.Problems
}
