package modes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const statusLong = `Reads the journal and tells how far the open maintenance is, what failed and why. It calls
nobody but the store and changes nothing.

With --watch it goes on until the maintenance is closed or Ctrl-C, and shows how each kind gets
on, from another terminal than that of the run.

With --refuse-open it ends with 4 while a maintenance is open, for whatever must not happen during
one.`

// Status tells how far the newest window is, and with DMM_REFUSE_OPEN refuses what must not happen while it is open.
func Status(ctx context.Context, e *Env) (*report.Result, error) {
	if e.Config.Watch {
		if err := e.watch(ctx); err != nil {
			return nil, err
		}
		ctx = context.WithoutCancel(ctx) // Ctrl-C is how people end a watch
	}
	res, err := status(ctx, e)
	switch {
	case !e.Config.RefuseOpen:
	case Classify(err) == FaultNotFound:
		res = e.result("status")
		res.Message = "No maintenance is open: the store holds no records."
		return res, nil
	case err != nil && ctx.Err() == nil && Classify(err) != FaultRefused:
		res = e.result("status")
		res.Message = "NOT KNOWN whether a maintenance is open, since the store could not be read: " + err.Error()
		e.Log.Warn(res.Message)
		return res, nil
	case err == nil && res.Window != "" && res.Phase != window.PhaseClosed:
		res.Code = 4
		res.Message = "Refused while a maintenance is open. " + res.Message
		res.Next = "dmm restore, to bring everything back, or dmm close --reason '...', to give it up; then this again"
	}
	return res, err
}

func status(ctx context.Context, e *Env) (*report.Result, error) {
	at, err := e.beginOffline(ctx, "status")
	if err != nil {
		return nil, err
	}
	res, w := at.res, at.last
	if w == nil {
		if _, err := at.nothingOpen(ctx, "No maintenance is open, and there has been none."); err != nil {
			return nil, err
		}
		return res, at.nameUnmatched(ctx)
	}
	res.Window, res.Snapshot, res.Domino = w.Name(), w.Pinned.Snapshot, w.Pinned.Domino
	var lines []execution.Execution
	snap, err := pinnedSnapshot(ctx, at.store, w.Pinned)
	switch {
	case w.Closed() && errors.As(err, new(*snapshot.DamagedError)): // nobody needs it any more
		res.Note(err.Error() + "; executions are named by id alone")
	case err != nil:
		return nil, err
	default:
		lines = snap.Executions
	}
	anchor := w.Anchor()
	res.Journal = &anchor
	b := window.Remaining(lines, w.Lines)
	if b.Phase == window.PhaseRestoring || b.Phase == window.PhaseClosed {
		res.Starting(b, w.Pinned.Filter)
	} else {
		res.Stopping(b, w.Pinned.Filter)
	}
	if h := w.Holder(); h != nil {
		goal := window.Stop
		if b.Phase == window.PhaseRestoring {
			goal = window.Start
		}
		doubt := 0
		for _, it := range b.Items() {
			if it.InDoubt(goal) {
				doubt++
			}
		}
		res.Note(fmt.Sprintf("%s is at work, or has died at work; its last entry is of %s, %s ago",
			h, w.LastAt().Format(time.RFC3339), max(0, time.Since(w.LastAt())).Round(time.Second)))
		if doubt > 0 {
			res.Note(plural(doubt, "call") + " that may still take effect, as far as the journal tells: whoever goes on leaves these executions alone for a while, then looks")
		}
	}
	res.Next = b.Next(w.Pinned)
	standing := b.Standing(w.Pinned.Filter)
	switch b.Phase {
	case window.PhaseClosed:
		res.Message = fmt.Sprintf("No maintenance is open. The last was window %s: %s.", w.Name(), standing.Back())
		if b.GivenUp != "" {
			res.Message += " It was closed because: " + b.GivenUp
		}
		if standing.GivenUp > 0 {
			offerBack(res, w.Pinned, givenUp(b))
		}
		if err := at.nameUnmatched(ctx); err != nil {
			return nil, err
		}
	case window.PhaseRestoring:
		res.Message = fmt.Sprintf("Window %s is being restored: %s.", w.Name(), standing.Back())
	case window.PhaseStopped:
		res.Message = fmt.Sprintf("Window %s is %s: %s.", w.Name(), standing.HowDown(), standing.Down())
	default:
		res.Message = fmt.Sprintf("Window %s is being shut down: %s.", w.Name(), standing.Down())
	}
	return res, nil
}
