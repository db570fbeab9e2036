package modes

import (
	"bytes"
	"context"
	"fmt"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

const exportLong = `Writes what a snapshot shows running to standard output, in the format of the Python tool that
dmm replaces, so that a team can go back to it. Without an argument it is the newest snapshot.`

// Export writes a snapshot in the Python tool's format.
func Export(ctx context.Context, e *Env) (*report.Result, error) {
	if f := e.Config.Format; f != "auto" && f != "dmm-json" {
		return nil, &UsageError{Reason: "DMM_FORMAT (--format) is " + f + ", and an export is dmm-json", Next: "dmm export; dmm report writes the report of a maintenance"}
	}
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := snapshot.Load(ctx, s, e.Config.Snapshot)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := snapshot.WritePeer(&file, snap.Executions); err != nil {
		return nil, fmt.Errorf("export snapshot %s: %w", snap.ID, err)
	}
	res := e.result("export")
	res.Snapshot, res.Document = snap.ID, file.Bytes()
	written, left := 0, 0
	for _, x := range snap.Executions {
		switch {
		case !x.State.Up():
		case x.Kind == execution.App, x.Kind == execution.ModelAPI, x.Kind == execution.Workspace, x.Kind == execution.ScheduledJob:
			written++
		default:
			left++
		}
	}
	res.Message = fmt.Sprintf("Exported %s of snapshot %s.", plural(written, "running execution"), snap.ID)
	if left > 0 {
		res.Message += fmt.Sprintf(" %s of kinds that the Python tool does not know were left out.", plural(left, "other"))
	}
	return res, nil
}
