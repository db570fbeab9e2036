package modes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

const importLong = `Makes a snapshot of the file in which the Python tool that dmm replaces has kept what ran, so
that a team can change over in mid-maintenance: dmm restore --from-snapshot ID --yes brings
back what the file lists and does not run now. What the file does not hold, such as mounts and
environments, is read from Domino then, and said to be a guess.`

// largestImport bounds what is read as a file of the Python tool, in bytes: a hundred times more than any.
const largestImport = 256 << 20

// Import makes a snapshot of the Python tool's file.
func Import(ctx context.Context, e *Env) (*report.Result, error) {
	if e.Config.File == "" {
		return nil, &UsageError{Reason: "DMM_FILE (--file) is empty: which file is to be imported?", Next: "dmm import old.json"}
	}
	at, err := e.beginOffline(ctx, "import")
	if err != nil {
		return nil, err
	}
	name := filepath.Base(e.Config.File)
	data, info, err := readImport(e.Config.File)
	if err != nil {
		return nil, &UsageError{Reason: fmt.Sprintf("read %s: %v", e.Config.File, err), Next: "give the path of a file that 'dmm snapshot' of the Python tool has written"}
	}
	executions, problems, err := snapshot.ReadPeer(data)
	if err != nil {
		return nil, &UsageError{Reason: fmt.Sprintf("read %s: %v", e.Config.File, err), Next: "give the path of a file that 'dmm snapshot' of the Python tool has written"}
	}
	res := at.res
	m := snapshot.Manifest{
		// The file does not say when it was taken: it was not later than it was written.
		ID: snapshot.NewID(res.Began), From: info.ModTime().UTC(), To: info.ModTime().UTC(),
		Domino: snapshot.Domino{URL: e.Config.Hostname}, TakenBy: "the Python tool, in " + name, Tool: e.Version,
		Problems: append([]execution.Problem{{
			Subject: "import", Incomplete: true,
			Message: "it was imported from " + name + ", which does not say what the Python tool could not list, nor what each execution ran with",
		}}, problems...),
	}
	m.Counts = snapshot.Count(executions)
	contents(res, m, executions)
	for _, x := range executions {
		res.Executions = append(res.Executions, report.ExecutionOf(x, "running", ""))
	}
	if len(problems) > 0 {
		res.Code = 3
	}
	if res.DryRun {
		res.Message = fmt.Sprintf("Dry run, nothing is written: %s lists %s.", name, plural(m.Running(), "execution"))
		return res, nil
	}
	if m, err = snapshot.Write(ctx, at.store, m, executions, nil); err != nil {
		return nil, err
	}
	res.Snapshot, res.Window, res.Phase = m.ID, "", ""
	res.Message = fmt.Sprintf("Snapshot %s is made of %s: %s running.", m.ID, name, plural(m.Running(), "execution"))
	res.Next = "dmm restore --from-snapshot " + m.ID + ", to see what of it does not run now"
	return res, nil
}

func readImport(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("it is not a regular file")
	case info.Size() > largestImport:
		return nil, nil, fmt.Errorf("it has %d bytes, more than any such file", info.Size())
	}
	data, err := os.ReadFile(path)
	return data, info, cause(err)
}

// cause leaves out the path, which the message names already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
