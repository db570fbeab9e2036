package modes

import (
	"bytes"
	"context"
	"errors"

	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const reportLong = `Writes the report of a maintenance to standard output: what became of each execution, when it
was away, and who has to see to what. Without an argument it is the newest window. --format
html makes one page that needs nothing else, json what docs/report.schema.json describes.

It is made from the snapshot and the journal, whatever became of the runs, and is the same as
what shutdown, restore and close leave in the store beside the journal.`

// Report writes the report of a window.
func Report(ctx context.Context, e *Env) (*report.Result, error) {
	if e.Config.Format == "dmm-json" {
		return nil, &UsageError{Reason: "DMM_FORMAT (--format) is dmm-json, which is a format of snapshots", Next: "dmm report --format text, json or html; dmm export writes a snapshot"}
	}
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	w, err := window.Named(ctx, s, e.Config.Window)
	if err != nil {
		return nil, err
	}
	snap, err := pinnedSnapshot(ctx, s, w.Pinned)
	if err != nil && !errors.As(err, new(*snapshot.DamagedError)) {
		return nil, err
	}
	res := e.result("report")
	if err != nil {
		snap = nil
		res.Note(err.Error())
		e.Log.Warn("the report has less to say", "error", err)
	}
	m := report.Of(snap, w)
	res.Window, res.Snapshot, res.Phase, res.Domino = m.Window, m.Snapshot, m.Phase, m.Domino
	res.Message, res.Next = m.Summary, m.Next
	format := e.Config.Format
	if format == "auto" {
		format = e.Config.Output
	}
	var b bytes.Buffer
	if err := m.Write(&b, format); err != nil {
		return nil, err
	}
	res.Document = b.Bytes()
	return res, nil
}
