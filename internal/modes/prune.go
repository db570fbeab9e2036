package modes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const pruneLong = `Deletes old snapshots and windows, and only says what it would delete unless --yes is given.
It keeps the newest --keep complete snapshots, windows and audits, and all that is younger than --keep-within. Never deleted are the newest snapshot that is complete and can be read to
its end, a snapshot that a window which stays keeps to, the newest window, and what is damaged.`

// unfinishedFor is how long a snapshot without a manifest is taken for one that is being written.
const unfinishedFor = 24 * time.Hour

// Prune deletes old records.
func Prune(ctx context.Context, e *Env) (*report.Result, error) {
	r, err := e.records(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range r.windows {
		if w.Err != nil {
			return nil, w.Err // which snapshots it needs nobody knows
		}
	}
	res := e.result("prune")
	windows := r.oldWindows(e.Config.Keep, time.Now().Add(-e.Config.KeepWithin))
	r.windows = r.windows[len(windows):]
	snapshots, err := r.oldSnapshots(ctx, res, e.Config.Keep, e.Config.KeepWithin)
	if err != nil {
		return nil, err
	}
	for _, w := range windows {
		row := windowRow(w)
		row.Outcome = "to be deleted"
		res.Windows = append(res.Windows, row)
	}
	audits, kept, err := r.oldAudits(ctx, e.Config.Keep, e.Config.KeepWithin)
	if err != nil {
		return nil, err
	}
	what := counted(len(snapshots), len(windows), len(audits))
	stays := counted(len(r.folders)-len(snapshots), len(r.windows), kept)
	switch {
	case len(snapshots)+len(windows)+len(audits) == 0:
		res.Message = "Nothing to delete: " + stays + " stay."
		return res, nil
	case e.Config.DryRun || !e.Config.Yes:
		res.DryRun = true
		res.Message = fmt.Sprintf("Nothing was deleted: prune would delete %s; %s stay.", what, stays)
		res.Next = "dmm prune --yes"
		return res, nil
	}
	// From the bottom up, so that no gap is left whenever this ends. Windows first, since they need the snapshots.
	for i, w := range windows {
		if err := window.Delete(ctx, r.store, w.Number); err != nil {
			return res, err
		}
		res.Windows[i].Outcome = "deleted"
	}
	for i, f := range snapshots {
		err := snapshot.Delete(ctx, r.store, f, func(ctx context.Context) (bool, error) {
			now, err := window.Summaries(ctx, r.store)
			return slices.ContainsFunc(now, func(w window.Summary) bool { return w.Pinned.Snapshot == f.ID }), err
		})
		if errors.Is(err, snapshot.ErrNeeded) {
			res.Snapshots[i].Outcome = "kept"
			res.Note(fmt.Sprintf("a window was opened with snapshot %s while this went on: it stays", f.ID))
			continue
		}
		if err != nil {
			return res, err
		}
		res.Snapshots[i].Outcome = "deleted"
	}
	for _, f := range audits {
		if err := snapshot.DeleteAudit(ctx, r.store, f); err != nil {
			return res, err
		}
	}
	res.Message = fmt.Sprintf("Deleted %s; %s stay.", what, stays)
	return res, nil
}

func counted(snapshots, windows, audits int) string {
	return plural(snapshots, "snapshot") + ", " + plural(windows, "window") + " and " + plural(audits, "audit")
}

// oldAudits are those that are neither among the newest nor younger than that, and how many stay.
func (r *records) oldAudits(ctx context.Context, keep int, within time.Duration) (old []snapshot.Folder, kept int, err error) {
	all, err := snapshot.Audits(ctx, r.store)
	for i, f := range all {
		if age := time.Since(f.At()); f.Err == nil && i < len(all)-keep && age > max(within, unfinishedFor) {
			old = append(old, f)
		}
	}
	return old, len(all) - len(old), err
}

// oldWindows are those from the bottom that are neither among the newest nor younger than a time.
func (r *records) oldWindows(keep int, before time.Time) []window.Summary {
	n := 0
	for n < len(r.windows)-max(keep, 1) && r.windows[n].Last.Before(before) {
		n++
	}
	return r.windows[:n]
}

// oldSnapshots are those that nothing keeps. It notes what it leaves alone because it is damaged.
func (r *records) oldSnapshots(ctx context.Context, res *report.Result, keep int, within time.Duration) ([]snapshot.Folder, error) {
	var old []snapshot.Folder
	var rows []report.Snapshot
	kept := 0
	for i, f := range slices.Backward(r.folders) {
		m, damage := r.manifests[i], r.damage[i]
		if damage == nil && m.Complete && kept < keep { // only one that can be restored from counts
			_, damage = snapshot.Load(ctx, r.store, f.ID)
			switch {
			case damage == nil:
				kept++
				continue
			case !isDamaged(damage):
				return nil, damage
			}
		}
		age := time.Since(f.At())
		switch {
		case damage != nil:
			res.Note(damage.Error() + "; it is left alone")
			continue
		case len(r.pinning(f.ID)) > 0, age < within, f.Unfinished && age < unfinishedFor:
			continue
		}
		row := r.row(f, m, nil)
		row.Outcome = "to be deleted"
		old, rows = append(old, f), append(rows, row)
	}
	slices.Reverse(old)
	slices.Reverse(rows)
	res.Snapshots = rows
	return old, nil
}

func join(words []string) string {
	const most = 10
	if n := len(words) - most; n > 0 {
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(words, ", ")
}
