package modes

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// preflightTime is how long a preflight may take. It only warns: a route that hangs must not keep executions down.
const preflightTime = 90 * time.Second

// preflight asks what would keep executions from coming back. Its findings are warnings: none of them ends a mode. What could
// not be asked in time is among the problems.
func (e *Env) preflight(ctx context.Context, at *scene, d *execution.Drivers, pods []execution.Pod, executions []execution.Execution) ([]execution.Finding, []execution.Problem, error) {
	limited, cancel := context.WithTimeout(ctx, preflightTime)
	defer cancel()
	findings, problems := d.Preflight(limited, execution.Outlook{
		Caller: at.domino.Principal, Steps: stepsFrom(at.res.Mode),
		Until:      time.Now().Add(e.Config.WaitReady + e.Config.Settle + e.Config.GracePeriod),
		Workspaces: e.Config.RestoreWorkspaces, Jobs: e.Config.RerunJobs, Pods: pods, OnlyGET: at.res.Mode == "audit",
	}, executions)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	return findings, problems, nil
}

// stepsFrom are the steps of a maintenance from a mode on.
func stepsFrom(mode string) []string {
	switch mode {
	case "restore":
		return []string{execution.StepRestore}
	case "shutdown":
		return []string{execution.StepShutdown, execution.StepRestore}
	}
	return []string{execution.StepSnapshot, execution.StepShutdown, execution.StepRestore}
}

// foresee puts into the result, and into the log before anything is touched, what would keep executions from coming back.
func (e *Env) foresee(ctx context.Context, at *scene, executions []execution.Execution) error {
	pods, _ := e.pods(ctx) // that they cannot be seen is said of the checks that need them
	findings, problems, err := e.preflight(ctx, at, execution.NewDrivers(at.client), pods, executions)
	if err != nil {
		return err
	}
	at.res.Findings = findings
	for _, f := range findings {
		level := slog.LevelWarn
		if f.Severity == execution.Info {
			level = slog.LevelInfo
		}
		e.Log.Log(ctx, level, "preflight", "severity", f.Severity, "code", f.Code, "finding", f.String())
	}
	for _, p := range problems {
		at.res.Note(p.String())
	}
	return nil
}

// putOnRecord keeps in the journal what a run has found before it touches anything, for the report.
func putOnRecord(ctx context.Context, run *window.Run, findings []execution.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return run.Append(ctx, window.FoundBy(findings))
}

// errorsFirst begins a next step with what has to be seen to before it, if anything.
func errorsFirst(res *report.Result) string {
	n := 0
	for _, f := range res.Findings {
		if f.Severity == execution.Error {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("see to the %s above", plural(n, "error"))
}

// shutdownNext is the step after what was foreseen for a shutdown that has not begun. Errors come first; and then another
// snapshot, since the one that is there holds what restarts are to be asked for, as it was before anything was mended.
func shutdownNext(res *report.Result) string {
	if first := errorsFirst(res); first != "" {
		return first + ", then dmm snapshot again; or, if they may stay, dmm shutdown"
	}
	return "dmm shutdown"
}

// running are the executions that count as running.
func running(executions []execution.Execution) []execution.Execution {
	var up []execution.Execution
	for _, x := range executions {
		if x.State.Up() {
			up = append(up, x)
		}
	}
	return up
}

// toReturn are those of a snapshot that a restore with these settings would bring back.
func (e *Env) toReturn(executions []execution.Execution) []execution.Execution {
	h := e.handling()
	return slices.DeleteFunc(running(executions), func(x execution.Execution) bool {
		return x.Kind == execution.Job && !e.Config.RerunJobs || x.Kind == execution.Build && !e.Config.Rebuild || h.Ignores(x.Kind)
	})
}

// toCome are those of a snapshot that a shutdown with these settings would stop.
func (e *Env) toCome(executions []execution.Execution) []execution.Execution {
	f, h := e.filter(), e.handling()
	var all []execution.Execution
	for _, x := range running(executions) {
		if course, _ := h.Of(x); course == execution.CourseStop && f.Match(x) {
			all = append(all, x)
		}
	}
	return all
}

// planned are the executions that a plan's steps stop or start.
func planned(p converge.Plan) []execution.Execution {
	var all []execution.Execution
	for _, s := range p.Steps {
		if !s.Wait {
			all = append(all, s.Item.Execution)
		}
	}
	return all
}
