package modes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

const showLong = `Shows what a snapshot holds: its executions by kind, project and owner, what could not be
listed, and what runs in Domino and is not among them. Without an argument it is the newest one.`

// Show shows one snapshot.
func Show(ctx context.Context, e *Env) (*report.Result, error) {
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := snapshot.Load(ctx, s, e.Config.Snapshot)
	if err != nil {
		return nil, err
	}
	res := e.result("show")
	res.Snapshot, res.Domino, res.As = snap.ID, snap.Domino.URL+" "+snap.Domino.Version, snap.TakenBy
	contents(res, snap.Manifest, snap.Executions)
	for _, x := range snap.Executions {
		switch {
		case x.State.Up():
			res.Executions = append(res.Executions, report.ExecutionOf(x, "running", ""))
		case x.State != execution.Unknown: // contents has those
			res.Executions = append(res.Executions, report.ExecutionOf(x, "not running", ""))
		}
	}
	res.Projects = groups(snap.Executions, func(x execution.Execution) string { return x.Project.String() })
	res.Owners = groups(snap.Executions, func(x execution.Execution) string { return x.Owner })
	complete := "It is complete."
	if !snap.Complete {
		complete = "It is NOT complete: " + firstProblem(snap.Problems) + "."
	}
	res.Message = fmt.Sprintf("Snapshot %s was taken at %s by dmm %s and shows %s running. %s",
		snap.ID, snap.To.UTC().Format("2006-01-02 15:04:05Z"), snap.Tool, plural(snap.Running(), "execution"), complete)
	return res, nil
}

// groups counts executions by a name, those with most running first.
func groups(executions []execution.Execution, by func(execution.Execution) string) []report.Group {
	var all []report.Group
	index := map[string]int{}
	for _, x := range executions {
		name := cmp.Or(by(x), "nobody known")
		i, ok := index[name]
		if !ok {
			i = len(all)
			index[name] = i
			all = append(all, report.Group{Name: name})
		}
		if x.State.Up() {
			all[i].Running++
		} else {
			all[i].NotRunning++
		}
	}
	slices.SortFunc(all, func(a, b report.Group) int {
		return cmp.Or(cmp.Compare(b.Running, a.Running), strings.Compare(a.Name, b.Name))
	})
	return all
}
