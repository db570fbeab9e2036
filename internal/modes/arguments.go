package modes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// previewArguments completes the preview of a restore with Domino's own word: as who it knows each execution, and
// whether it tells otherwise of what a start would send. It returns how many starts would be refused for that.
func (e *Env) previewArguments(ctx context.Context, at *scene, plan converge.Plan) (refused int, err error) {
	if len(plan.Steps) == 0 {
		return 0, nil
	}
	drivers := execution.NewDrivers(at.client)
	listed := map[execution.Key]execution.Execution{}
	for _, x := range drivers.List(ctx, kindsOf(plan)).Executions { // what a list lacks is read
		listed[x.Key()] = x
	}
	seen, err := look(ctx, drivers, planned(plan))
	if err != nil {
		return 0, err
	}
	compared, err := compareAll(ctx, drivers, plan, seen)
	if err != nil {
		return 0, err
	}
	for i := range at.res.Executions {
		x := &at.res.Executions[i]
		key := execution.Key{Kind: x.Kind, ID: x.ID}
		now, there := seen[key]
		if !there || x.Outcome != "planned" || errors.Is(now.err, execution.ErrGone) {
			continue // which its start will find out
		}
		if is, ok := listed[key]; ok {
			identify(x, is)
		} else {
			identify(x, now.Execution)
		}
		c := compared[key]
		switch {
		case c.err != nil:
			x.Reason += "; it could not be compared with what Domino says: " + c.err.Error()
		case len(c.Differs) > 0 && !plan.AllowChanged:
			refused++
			x.Outcome, x.Reason = "refused", x.Reason+"; "+converge.ChangedArguments(c.Comparison)
		default:
			if text := converge.Unlike(c.Comparison); text != "" {
				x.Reason += "; " + text
			}
		}
	}
	return refused, nil
}

// comparison is what came of comparing one execution, or why it could not be compared.
type comparison struct {
	execution.Comparison
	err error
}

// compareAll compares what the starts of a plan would send with what Domino tells. What runs is not started.
func compareAll(
	ctx context.Context, drivers *execution.Drivers, plan converge.Plan, seen map[execution.Key]sighted,
) (map[execution.Key]comparison, error) {
	all := map[execution.Key]comparison{}
	var mu sync.Mutex
	reads := crash.NewGroup(64) // the client's limiter sets the pace
	for _, s := range plan.Steps {
		now, d := seen[s.Item.Key()], drivers.Of(s.Item.Kind)
		if now.err == nil && now.State.Up() {
			continue
		}
		reads.Go(func() error {
			c, err := execution.Comparison{}, now.err
			if err == nil {
				c, err = execution.Verify(ctx, d, s.Item.Execution, now.Execution, s.Renamed)
			}
			mu.Lock()
			defer mu.Unlock()
			all[s.Item.Key()] = comparison{c, err}
			return nil
		})
	}
	_ = reads.Wait() // errors are in what was compared
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, c := range all {
		if execution.NoCredentials(c.err) {
			return nil, c.err
		}
	}
	return all, nil
}

// identify shows an execution as Domino knows it, and what is on record of it where that differs.
func identify(x *report.Execution, is execution.Execution) {
	was := fmt.Sprintf("%s %q of %s", x.Project, x.Name, x.Owner)
	differs := false
	take := func(shown *string, told string) {
		if told != "" && told != *shown {
			*shown, differs = told, true
		}
	}
	take(&x.Name, is.Name)
	take(&x.Owner, is.Owner)
	if is.Project.Name != "" {
		take(&x.Project, is.Project.String())
	}
	if differs {
		x.Reason += "; it is on record as " + was
	}
}

// kindsOf are the kinds that a plan's steps are about.
func kindsOf(plan converge.Plan) []execution.Kind {
	var kinds []execution.Kind
	for _, s := range plan.Steps {
		if !slices.Contains(kinds, s.Item.Kind) && slices.Contains(execution.Kinds(), s.Item.Kind) {
			kinds = append(kinds, s.Item.Kind)
		}
	}
	return kinds
}
