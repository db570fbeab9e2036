package modes

import (
	"context"
	"errors"
	"fmt"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const listLong = `Lists the snapshots in the store, with when, of what and by whom they were taken, and the
windows, with the snapshot that each keeps to. It reads manifests and the ends of journals:
dmm verify reads everything.`

// List lists what the store holds.
func List(ctx context.Context, e *Env) (*report.Result, error) {
	r, err := e.records(ctx)
	if err != nil {
		return nil, err
	}
	res := e.result("list")
	bad := 0
	for i, f := range r.folders {
		row := r.row(f, r.manifests[i], r.damage[i])
		if row.State == report.Damaged {
			bad++
		}
		res.Snapshots = append(res.Snapshots, row)
	}
	for _, w := range r.windows {
		row := windowRow(w)
		if row.State == report.Damaged {
			bad++
		}
		res.Windows = append(res.Windows, row)
	}
	res.Message = fmt.Sprintf("The store holds %s and %s.", plural(len(r.folders), "snapshot"), plural(len(r.windows), "window"))
	switch {
	case bad > 0:
		res.Message = fmt.Sprintf("The store holds %s and %s, %d of them damaged.", plural(len(r.folders), "snapshot"), plural(len(r.windows), "window"), bad)
		res.Next = "dmm verify"
	case len(r.folders)+len(r.windows) == 0:
		res.Next = "check DMM_STORE and its prefix; if this is a new store, dmm snapshot"
	}
	return res, nil
}

// records is what the store holds: all snapshots with their manifests, and the windows.
type records struct {
	store     store.Store
	folders   []snapshot.Folder
	manifests []snapshot.Manifest // of each folder, empty if it is unfinished or damaged
	damage    []error             // of each manifest
	windows   []window.Summary
}

// manifestsAtOnce bounds how many are read at the same time.
const manifestsAtOnce = 16

// records reads them. A damaged one is part of what there is; a store that does not answer is an error.
func (e *Env) records(ctx context.Context) (*records, error) {
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	r := &records{store: s}
	if r.windows, err = window.Summaries(ctx, s); err != nil {
		return nil, err
	}
	if r.folders, err = snapshot.Folders(ctx, s); err != nil {
		return nil, err
	}
	r.manifests, r.damage = make([]snapshot.Manifest, len(r.folders)), make([]error, len(r.folders))
	g, ctx := crash.NewGroupIn(ctx, manifestsAtOnce)
	for i, f := range r.folders {
		if r.damage[i] = f.Err; f.Unfinished || f.Err != nil {
			continue
		}
		g.Go(func() error {
			m, err := snapshot.ReadManifest(ctx, s, f.ID)
			if isDamaged(err) {
				r.damage[i] = err
				return nil
			}
			r.manifests[i] = m
			return err
		})
	}
	return r, g.Wait()
}

func isDamaged(err error) bool {
	return errors.As(err, new(*snapshot.DamagedError)) || errors.As(err, new(*window.DamagedError))
}

// pinning names the windows that keep to a snapshot, the open one as such.
func (r *records) pinning(id string) []string {
	var names []string
	for _, w := range r.windows {
		switch {
		case w.Err != nil || w.Pinned.Snapshot != id:
		case w.Closed:
			names = append(names, w.Name())
		default:
			names = append(names, w.Name()+" (open)")
		}
	}
	return names
}

// row describes a snapshot, given its manifest or why it cannot be read.
func (r *records) row(f snapshot.Folder, m snapshot.Manifest, damage error) report.Snapshot {
	row := report.Snapshot{ID: f.ID, Bytes: f.Size, Windows: r.pinning(f.ID), State: report.Complete}
	switch {
	case damage != nil:
		row.State, row.Reason = report.Damaged, damage.Error()
		return row
	case f.Unfinished:
		row.State = report.Unfinished
		row.Reason = "it has no manifest, so that it does not exist: it is being written, or its writer died"
		return row
	case !m.Complete:
		row.State, row.Reason = report.Incomplete, firstProblem(m.Problems)
	}
	row.Taken, row.Domino, row.By, row.Tool = m.To, m.Domino.URL+" "+m.Domino.Version, m.TakenBy, m.Tool
	row.Running, row.Executions = m.Running(), m.Data.Lines
	return row
}

func windowRow(w window.Summary) report.Window {
	row := report.Window{Window: w.Name(), Snapshot: w.Pinned.Snapshot, Opened: w.Opened, State: "open"}
	switch {
	case w.Err != nil:
		return report.Window{Window: w.Name(), State: report.Damaged, Reason: w.Err.Error()}
	case w.Closed:
		row.State, row.Closed = "closed", w.Last
	}
	if w.Tally != nil {
		row.Back, row.Of = w.Tally.Back, w.Tally.Of
	}
	return row
}
