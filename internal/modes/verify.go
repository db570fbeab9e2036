package modes

import (
	"context"
	"fmt"

	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const verifyLong = `Reads a snapshot from end to end and checks it against its manifest: size, checksum, lines,
counts. Without an argument it checks all snapshots, and the journals of all windows.
What is damaged is named, and the exit code is 4.`

// Verify reads records to their end.
func Verify(ctx context.Context, e *Env) (*report.Result, error) {
	r, err := e.records(ctx)
	if err != nil {
		return nil, err
	}
	if len(r.folders)+len(r.windows) == 0 {
		return nil, fmt.Errorf("verify: %w: the store answers and holds neither windows nor snapshots", snapshot.ErrNone)
	}
	res := e.result("verify")
	if id := e.Config.Snapshot; id != "" {
		f, err := snapshot.Choose(r.folders, id)
		if err != nil {
			return nil, err
		}
		if err := r.verify(ctx, res, f); err != nil {
			return nil, err
		}
	} else {
		for _, f := range r.folders {
			if err := r.verify(ctx, res, f); err != nil {
				return nil, err
			}
		}
		for _, w := range r.windows {
			if err := r.verifyWindow(ctx, res, w); err != nil {
				return nil, err
			}
		}
	}
	var bad []string
	whole := 0
	for _, s := range res.Snapshots {
		switch s.State {
		case report.Damaged:
			bad = append(bad, "snapshot "+s.ID)
		case report.Complete, report.Incomplete:
			whole++
		}
	}
	for _, w := range res.Windows {
		if w.State == report.Damaged {
			bad = append(bad, "window "+w.Window)
		}
	}
	res.Message = fmt.Sprintf("Nothing is damaged: %s and the journals of %s were read to the end.", plural(whole, "snapshot"), plural(len(res.Windows), "window"))
	if id := e.Config.Snapshot; id != "" && len(bad) == 0 {
		res.Message = fmt.Sprintf("Snapshot %s can be read to the end and holds what it says.", res.Snapshots[0].ID)
	}
	if len(bad) > 0 {
		res.Code = 4
		res.Message = fmt.Sprintf("Damaged: %s.", join(bad))
		res.Next = "put the objects back from the bucket's own versions or backups; what no open window needs may as well be deleted by hand"
	}
	return res, nil
}

// verify reads one snapshot to its end. It is an error only if that could not be tried.
func (r *records) verify(ctx context.Context, res *report.Result, f snapshot.Folder) error {
	if f.Unfinished || f.Err != nil {
		res.Snapshots = append(res.Snapshots, r.row(f, snapshot.Manifest{}, f.Err))
		return nil
	}
	snap, err := snapshot.Load(ctx, r.store, f.ID)
	if err != nil && !isDamaged(err) {
		return err
	}
	var m snapshot.Manifest
	if err == nil {
		m = snap.Manifest
		for _, w := range r.windows {
			if w.Err == nil && w.Pinned.Snapshot == f.ID && !pins(w.Pinned, snap) {
				err = &snapshot.DamagedError{ID: f.ID, Reason: "is not the one that window " + w.Name() + " was opened with"}
			}
		}
	}
	res.Snapshots = append(res.Snapshots, r.row(f, m, err))
	return nil
}

// verifyWindow reads one journal to its end, and looks for the snapshot that an open window needs.
func (r *records) verifyWindow(ctx context.Context, res *report.Result, w window.Summary) error {
	if w.Err == nil {
		_, w.Err = window.Read(ctx, r.store, w.Number)
		if w.Err != nil && !isDamaged(w.Err) {
			return w.Err
		}
	}
	if _, err := snapshot.Choose(r.folders, w.Pinned.Snapshot); w.Err == nil && !w.Closed && err != nil {
		w.Err = &snapshot.DamagedError{ID: w.Pinned.Snapshot, Reason: "is gone, and an open window needs it"}
	}
	res.Windows = append(res.Windows, windowRow(w))
	return nil
}
