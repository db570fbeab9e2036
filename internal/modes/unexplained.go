package modes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// A journal may have lost what it knew, without a trace inside of the store: a bucket that was rolled back to an hour
// ago, or failed over to a replica that lags, is whole and old. What then gives it away is Domino itself: what the
// snapshot shows running is down, and the journal does not say why.

// nobodySays is the reason of what is down without an explanation. It is on record.
const nobodySays = "it is down, and nothing on record says who stopped it"

// explain reads what ran, what the journal does not explain, and puts on record what of that is down now: it keeps the
// window open. What is read at the end is not older than the beginning of the run, since lists and reads may lag.
func (e *Env) explain(ctx context.Context, at *scene, run *window.Run, b *window.Balance, began time.Time) error {
	items := b.Unexplained(run.Pinned().Filter)
	if len(items) == 0 {
		return nil
	}
	if hidden := time.Until(began.Add(e.listLag())); hidden > 0 {
		e.Log.Info("looking at what the journal says nothing of, once what is read is not older than this run",
			"executions", len(items), "in", hidden.Round(time.Second).String())
		if err := pause(ctx, hidden); err != nil {
			return err
		}
	}
	drivers := execution.NewDrivers(at.client)
	seen, err := look(ctx, drivers, executionsOf(items))
	if err != nil {
		return err
	}
	var moving []execution.Execution
	for _, now := range seen {
		if now.err == nil && now.State == execution.Stopping {
			moving = append(moving, now.Execution)
		}
	}
	if len(moving) > 0 {
		e.Log.Info("waiting for what is on its way down, and the journal says nothing of", "executions", len(moving), "first", moving[0].String())
		if err := e.untilStill(ctx, drivers, moving, time.Now().Add(e.Config.GracePeriod)); err != nil {
			return err
		}
		if seen, err = look(ctx, drivers, executionsOf(items)); err != nil {
			return err
		}
	}
	var lines []window.Line
	for _, it := range items {
		switch now := seen[it.Key()]; {
		case errors.Is(now.err, execution.ErrGone):
			lines = append(lines, window.OutcomeOf(window.Left, window.Start, it.Key(), "", "it no longer exists in Domino, and dmm had not stopped it", 0))
		case now.err != nil:
			lines = append(lines, window.OutcomeOf(window.Failed, window.Start, it.Key(), "",
				"nothing on record says whether it was stopped, and it could not be read: "+now.err.Error(), 0))
		case now.State.Down() && now.Finished():
			lines = append(lines, window.OutcomeOf(window.NotOurs, window.Stop, it.Key(), now.Instance, "it came to its own end", 0))
		case !now.State.Up():
			lines = append(lines, window.OutcomeOf(window.Failed, window.Start, it.Key(), now.Instance, notUp(now.Execution), 0))
		case it.StartFailed():
			lines = append(lines, window.OutcomeOf(window.Done, window.Start, it.Key(), now.Instance, "it runs again, and dmm had not stopped it", 0))
		}
	}
	return run.Append(ctx, lines...)
}

// notUp says of what does not run, and nobody knows why, how it is.
func notUp(x execution.Execution) string {
	switch x.State {
	case execution.Stopping:
		return "it is on its way down, and nothing on record says who stopped it"
	case execution.Unknown:
		return fmt.Sprintf("nobody knows whether it runs: Domino says %q of it", x.DominoState)
	}
	return nobodySays
}

// previewExplain lists what explain would find not running, and returns how many they are.
func (e *Env) previewExplain(ctx context.Context, at *scene, items []*window.Item) (int, error) {
	down, err := notRunning(ctx, execution.NewDrivers(at.client), executionsOf(items))
	at.res.Executions = append(at.res.Executions, down...)
	return len(down), err
}

// notRunning reads what has run, and returns what of it does not, and could not be read. What is gone, or has come to its
// own end, is nobody's business.
func notRunning(ctx context.Context, drivers *execution.Drivers, ran []execution.Execution) ([]report.Execution, error) {
	seen, err := look(ctx, drivers, ran)
	if err != nil {
		return nil, err
	}
	var down []report.Execution
	for _, x := range ran {
		now := seen[x.Key()]
		switch {
		case errors.Is(now.err, execution.ErrGone), now.err == nil && (now.State.Up() || now.State.Down() && now.Finished()):
		case now.err != nil:
			down = append(down, report.ExecutionOf(x, "unexplained", "it could not be read: "+now.err.Error()))
		default:
			down = append(down, report.ExecutionOf(x, "unexplained", notUp(now.Execution)))
		}
	}
	return down, nil
}

func executionsOf(items []*window.Item) []execution.Execution {
	list := make([]execution.Execution, len(items))
	for i, it := range items {
		list[i] = it.Execution
	}
	return list
}

// sighted is an execution as it is now, or why it could not be read.
type sighted struct {
	execution.Execution
	err error
}

// look reads executions one by one. The error is one that is no execution's own.
func look(ctx context.Context, drivers *execution.Drivers, list []execution.Execution) (map[execution.Key]sighted, error) {
	seen := map[execution.Key]sighted{}
	var mu sync.Mutex
	reads := crash.NewGroup(64) // the client's limiter sets the pace
	for _, x := range list {
		d := drivers.Of(x.Kind)
		if d == nil {
			seen[x.Key()] = sighted{err: fmt.Errorf("this version of dmm has no driver for %s", x.Kind)}
			continue
		}
		reads.Go(func() error {
			now, err := d.Read(ctx, x)
			mu.Lock()
			defer mu.Unlock()
			seen[x.Key()] = sighted{now, err}
			return nil
		})
	}
	_ = reads.Wait() // errors are in what was seen
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, s := range seen {
		if execution.NoCredentials(s.err) {
			return nil, s.err
		}
	}
	return seen, nil
}

// unmatched is the newest complete snapshot if it is newer than any window, nil otherwise: if a shutdown was made of it, the
// records of that are lost.
func (s *scene) unmatched(ctx context.Context) (*snapshot.Snapshot, error) {
	folders, err := snapshot.Folders(ctx, s.store)
	if err != nil {
		return nil, err
	}
	for i := len(folders) - 1; i >= 0; i-- {
		f := folders[i]
		if s.last != nil && (f.ID <= s.last.Pinned.Snapshot || !f.At().After(s.last.LastAt())) {
			return nil, nil
		}
		if f.Unfinished {
			continue
		}
		snap, err := snapshot.Load(ctx, s.store, f.ID)
		switch {
		case errors.As(err, new(*snapshot.DamagedError)):
			s.res.Note(err.Error())
		case err != nil:
			return nil, err
		case snap.Complete:
			return snap, nil
		}
	}
	return nil, nil
}

// since says of a snapshot that it is newer than any window.
func since(snap *snapshot.Snapshot) string {
	return fmt.Sprintf(" Snapshot %s, of %s with %s running, is newer than any window", snap.ID, snap.To.UTC().Format(time.RFC3339), plural(snap.Running(), "execution"))
}

// nameUnmatched says of a snapshot that is newer than any window that it is there.
func (s *scene) nameUnmatched(ctx context.Context) error {
	snap, err := s.unmatched(ctx)
	if err == nil && snap != nil {
		s.res.Message += since(snap) + ": whether a shutdown was made of it, nothing in this store says."
		if s.res.Next == "" {
			s.res.Next = "dmm restore, which compares it with what runs"
		}
	}
	return err
}

// missed compares a snapshot that is newer than any window with what runs, and fills in what of it is down. That all runs
// is said only of what was seen once the calls of a run that died have landed and can be seen.
func (e *Env) missed(ctx context.Context, at *scene, snap *snapshot.Snapshot) error {
	res := at.res
	down, err := compare(ctx, at, snap)
	if err == nil && len(down) == 0 && !e.Config.DryRun {
		e.Log.Info("looking once more at what a snapshot shows that is newer than any window, once a stop can be seen that nothing tells of",
			"snapshot", snap.ID, "in", e.Config.Settle.String())
		if err = pause(ctx, e.Config.Settle); err == nil {
			down, err = compare(ctx, at, snap)
		}
	}
	if err != nil {
		return err
	}
	res.Message += since(snap)
	if len(down) == 0 {
		res.Message += ", and all of that which still exists runs."
		return nil
	}
	res.Code, res.Executions = 3, down
	res.Message += fmt.Sprintf(", and %d of these do not run, or could not be seen to: if a shutdown was made of it, its records are lost.", len(down))
	res.Message += " If their owners have stopped them, there is nothing to do."
	res.Next = "dmm restore --from-snapshot " + snap.ID
	return nil
}

// compare returns what a snapshot shows running and does not run now, or could not be read.
func compare(ctx context.Context, at *scene, snap *snapshot.Snapshot) ([]report.Execution, error) {
	drivers := execution.NewDrivers(at.client)
	up := map[execution.Key]bool{}
	for _, x := range drivers.List(ctx, execution.Kinds()).Executions { // what a list does not show is read
		up[x.Key()] = x.State.Up()
	}
	var list []execution.Execution
	for _, x := range snap.Executions {
		if x.State.Up() && !up[x.Key()] {
			list = append(list, x)
		}
	}
	return notRunning(ctx, drivers, list)
}
