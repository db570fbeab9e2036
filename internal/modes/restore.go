package modes

import (
	"context"
	"fmt"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const restoreLong = `Starts again what shutdown has stopped, and nothing else: model APIs first, then apps,
workspaces if asked to, schedules last. What its owner had stopped stays stopped. Killed at
any moment, the same command goes on where it was; run again, it tries what failed.

It also calls off a shutdown that is half done.`

// Restore starts again what the open window has stopped.
func Restore(ctx context.Context, e *Env) (*report.Result, error) {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	at, err := e.begin(ctx, "restore")
	if err != nil {
		return nil, err
	}
	if !at.open() {
		return at.nothingOpen(ctx, "Nothing to restore: no maintenance is open.")
	}
	res, last := at.res, at.last
	if err := sameDeployment("window "+last.Name(), last.Pinned.Domino, at.domino.URL); err != nil {
		return nil, err
	}
	snap, err := pinnedSnapshot(ctx, at.store, last.Pinned)
	if err != nil {
		return nil, err
	}
	policy := converge.Policy{Filter: e.filter(), Workspaces: e.Config.RestoreWorkspaces}
	if e.Config.DryRun {
		balance := window.Remaining(snap.Executions, last.Lines)
		preview(res, balance, converge.PlanStart(balance, policy, "", time.Now().Add(e.Config.Settle)))
		identity(res, balance)
		res.Message = fmt.Sprintf("Dry run, nothing was touched: restore has %s to bring back.", plural(len(balance.ToStart()), "execution"))
		res.Next = "dmm restore"
		return res, nil
	}

	run, err := e.enter(ctx, at, window.ModeRestore)
	if err != nil {
		return nil, err
	}
	settled := time.Now().Add(e.Config.Settle)
	ctx, done := run.Guard(ctx)
	defer done()
	balance := run.Account(snap.Executions)
	err = e.engine(at.client, run, "starting").Execute(ctx, converge.PlanStart(balance, policy, run.ID(), settled))
	if err == nil && len(balance.ToStart()) == 0 {
		if err = run.Close(ctx, ""); err == nil {
			concludeRestore(res, balance)
			return res, nil
		}
	}
	concludeRestore(res, balance)
	return res, e.finish(ctx, run, res, err)
}

func concludeRestore(res *report.Result, b *window.Balance) {
	res.Starting(b)
	identity(res, b)
	sum := res.Sum()
	switch {
	case b.Phase == window.PhaseClosed && sum.Left > 0:
		res.Message = fmt.Sprintf("Restore is done: %d of %s are back, %d are left as listed; window %s is closed.", sum.Done, plural(sum.Total, "execution"), sum.Left, res.Window)
	case b.Phase == window.PhaseClosed:
		res.Message = fmt.Sprintf("Restore is done: %d of %s are back; window %s is closed.", sum.Done, plural(sum.Total, "execution"), res.Window)
	case sum.Failed > 0:
		res.Code = 3
		res.Message = fmt.Sprintf("Restore is partial: %d of %s are back, %d failed, %d remain.", sum.Done, plural(sum.Total, "execution"), sum.Failed, sum.Remaining)
		res.Next = "mend what is said above, then dmm restore again, or dmm close --reason '...' to give up the rest"
	default:
		res.Message = fmt.Sprintf("Restore is not finished: %d of %s are back, %d remain.", sum.Done, plural(sum.Total, "execution"), sum.Remaining)
		res.Next = "dmm restore"
	}
}
