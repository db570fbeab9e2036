package modes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const checkLong = `Checks that dmm could work here: that Domino takes the credentials and grants the rights, that
the store answers and can be the lock of a maintenance, and what Domino answers on each route that
dmm relies on, with whether others have put a live deployment's answer on it on public record. It changes nothing in
Domino, and creates and deletes one object under probes/ in the store.

Ends with 6 if rights are missing without which a maintenance cannot be whole, and with 1 if the store
or a route fails otherwise than by being absent in this release. It tries all of them. Run it first.`

// Check checks credentials, rights, store and routes.
func Check(ctx context.Context, e *Env) (*report.Result, error) {
	client, dep, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	at, storeErr := e.beginOffline(ctx, "check")
	if storeErr != nil { // what else there is to know is not to hide behind it
		at = &scene{res: e.result("check")}
	} else {
		storeErr = window.Probe(ctx, at.store, e.holder("check").Run)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	res := at.res
	res.Domino, res.As = dep.URL+" "+dep.Version.Raw, dep.Principal.Name
	role := "no administrator"
	if dep.Principal.Admin {
		role = "administrator"
	}
	res.Check(report.OK, "credentials", dep.Principal.Name+", "+role)
	status, spoken := report.OK, dep.Version.Raw+", spoken to as "+dep.Dialect.Name
	if len(dep.Warnings) > 0 {
		status, spoken = report.Attention, spoken+": "+strings.Join(dep.Warnings, "; ")
	}
	res.Check(status, "version", spoken)
	blind := e.checkRights(res, dep.Principal)
	what := "it answers, and can be the lock of a maintenance"
	switch {
	case storeErr != nil:
		res.Check(report.Bad, "store", storeErr.Error())
	case at.open():
		what += "; window " + at.last.Name() + " is open"
		fallthrough
	default:
		res.Check(report.OK, "store", what)
	}
	e.checkCluster(ctx, res)

	answers := client.Ask(ctx)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	failed, unconfirmed := 0, 0
	for _, a := range answers {
		if !a.Confirmed {
			unconfirmed++
		}
		status, said := answered(a)
		if status == report.Bad {
			failed++
		}
		evidence := "a live deployment's answer is on public record"
		if !a.Confirmed {
			evidence = "no live answer is on public record"
		}
		res.Check(status, a.Method+" "+a.Path, fmt.Sprintf("%s; %s; to %s", said, evidence, a.Use))
	}
	res.Message = fmt.Sprintf("dmm can work here. Of the %d routes that it relies on, %d are in no public record of a live deployment's answers.", len(answers), unconfirmed)
	switch {
	case blind:
		res.Code, res.Message = 6, "Rights are missing without which a maintenance cannot be whole."
		res.Next = "use the key of an administrator (SysAdmin)"
	case storeErr != nil:
		res.Code, res.Message, res.Next = e.ExitCode(nil, storeErr), "The store fails: "+storeErr.Error(), NextStep("check", storeErr)
	case failed > 0:
		res.Code, res.Message = 1, fmt.Sprintf("%s of Domino failed, see above.", plural(failed, "route"))
		res.Next = "mend that, or report it, and run dmm check again"
	default:
		res.Next = "dmm snapshot"
	}
	return res, nil
}

// checkRights reports whether rights are missing without which a maintenance cannot be whole.
func (e *Env) checkRights(res *report.Result, p domino.Principal) (blind bool) {
	missing := execution.Rights(p, nil, execution.StepSnapshot, execution.StepShutdown, execution.StepRestore)
	for _, f := range missing {
		res.Check(report.Attention, "rights", f.Message)
	}
	if len(missing) == 0 {
		res.Check(report.OK, "rights", "all that a maintenance needs")
	}
	return !execution.MayMaintain(p)
}

func (e *Env) checkCluster(ctx context.Context, res *report.Result) {
	namespaces := strings.Join(e.Config.ComputeNamespaces, ", ")
	switch pods, err := e.pods(ctx); {
	case errors.Is(err, kube.ErrNoCluster):
		res.Check(report.Skipped, "cluster", "none in reach: pods bear no witness")
	case err != nil:
		res.Check(report.Attention, "cluster", "pods bear no witness: "+err.Error())
	default:
		n := len(slices.DeleteFunc(pods, func(p execution.Pod) bool { return p.Run() == "" && p.Model() == "" && p.Build() == "" }))
		res.Check(report.OK, "cluster", fmt.Sprintf("%s of executions in %s", plural(n, "pod"), namespaces))
	}
}

// answered is what an answer on a route means for dmm. A route that a release lacks is asked once and done without; a
// refusal is a missing right, which is told apart from a route that fails.
func answered(a domino.Answer) (report.Status, string) {
	var e *domino.Error
	switch {
	case a.Skipped != "":
		return report.Skipped, a.Skipped
	case a.Err == nil:
		return report.OK, "answered"
	case !errors.As(a.Err, &e):
		return report.Bad, a.Err.Error()
	case e.Kind == domino.KindNoRoute:
		return report.Attention, "absent in this release, dmm does without"
	case e.Kind == domino.KindForbidden:
		return report.Attention, "refused: " + e.Message
	}
	said := e.Kind.String()
	if e.Status != 0 {
		said = fmt.Sprintf("%d %s", e.Status, said)
	}
	if e.Message != "" {
		said += ": " + e.Message
	}
	return report.Bad, said
}
