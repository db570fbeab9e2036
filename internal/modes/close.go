package modes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const closeLong = `Ends the open maintenance and gives up what is not back yet, so that the next one can begin.
It touches nothing in Domino. It lists what it gives up, for which it asks for --yes, and
--reason goes on record. dmm restore --from-snapshot ID --yes still brings it back afterwards.`

// Close ends the open window and gives up what is not back.
func Close(ctx context.Context, e *Env) (*report.Result, error) {
	if e.Config.Reason == "" {
		return nil, &UsageError{Reason: "DMM_REASON (--reason) is empty: why is the rest given up?", Next: "dmm close --reason 'restored by hand'"}
	}
	at, err := e.beginOffline(ctx, "close")
	if err != nil {
		return nil, err
	}
	if err := e.keyed(at); err != nil {
		return nil, err
	}
	if !at.open() {
		return at.nothingOpen(ctx, "Nothing to close: no maintenance is open.")
	}
	res, last := at.res, at.last

	// A snapshot that cannot be read must not keep a window open for ever: the journal
	// alone still names what is given up, by id.
	var lines []execution.Execution
	snap, err := pinnedSnapshot(ctx, at.store, last.Pinned)
	switch {
	case errors.As(err, new(*snapshot.DamagedError)):
		names := ""
		if e.reported(ctx, at.store, last.Name()) {
			names = "; " + window.ReportKey(last.Name(), "txt") + " in the store has the names"
		}
		res.Note(err.Error() + "; what is given up is named by id alone" + names)
	case err != nil:
		return nil, err
	default:
		lines = snap.Executions
	}
	if balance := window.Remaining(lines, last.Lines); e.Config.DryRun || !e.Config.Yes && len(balance.Outstanding()) > 0 {
		for _, it := range balance.Outstanding() {
			res.Executions = append(res.Executions, report.ExecutionOf(it.Execution, "planned", "would be given up"))
		}
		res.Phase = balance.Phase
		n := len(res.Executions)
		res.Next = fmt.Sprintf("dmm restore, to bring them back; or dmm close --yes --reason %s", quoted(e.Config.Reason))
		if e.Config.DryRun {
			res.Message = fmt.Sprintf("Dry run, nothing was changed: close would give up %s.", plural(n, "execution"))
			return res, nil
		}
		res.Code = 4
		res.Message = fmt.Sprintf("Refused without --yes: the %s above are not back, and nothing would bring them back by itself.", plural(n, "execution"))
		return res, nil
	}
	run, err := e.enter(ctx, at, window.ModeClose)
	if err != nil {
		return nil, err
	}
	balance := run.Account(lines)
	e.working(ctx, at, run, snap, fmt.Sprintf("Close begins in window %s: %s would be given up.", run.Name(), plural(len(balance.ToStart()), "execution")))
	events := giveUp(balance, func(*window.Item) bool { return true }, e.Config.Reason)
	if err := run.Close(ctx, e.Config.Reason, events...); err != nil {
		return nil, e.finish(ctx, run, nil, err)
	}
	for _, n := range balance.Notices {
		if !n.Withdrawn && n.Step != window.NoticeAfter {
			res.Note(fmt.Sprintf("Domino still shows its users %q: withdraw it under Admin, Notifications", n.Title))
		}
	}
	res.Starting(balance, last.Pinned.Filter)
	res.Message = fmt.Sprintf("Window %s is closed; %s.", res.Window, balance.Standing(last.Pinned.Filter).Back())
	if len(events) > 0 && snap != nil {
		offerBack(res, last.Pinned, givenUp(balance))
	}
	e.sealed(run, res, nil)
	return res, nil
}

// quoted is a value as a shell takes it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
