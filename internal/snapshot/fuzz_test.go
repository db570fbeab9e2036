package snapshot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

// Whatever a store returns, a reader has a value or a reason.

func FuzzParseManifest(f *testing.F) {
	body, err := os.ReadFile(filepath.Join("testdata", "manifest.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`null`))
	f.Add([]byte(`{"schema":"dmm.snapshot/v1","counts":{"App":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := snapshot.ParseManifest(id, body)
		switch {
		case err == nil && (m.ID != id || m.Schema != snapshot.Schema):
			t.Errorf("ParseManifest accepts schema %q and id %q", m.Schema, m.ID)
		case err == nil:
			m.Running()
		case !errors.As(err, new(*snapshot.DamagedError)):
			t.Errorf("ParseManifest = %v, want a DamagedError", err)
		}
	})
}

func FuzzParseData(f *testing.F) {
	lines, err := os.ReadFile(filepath.Join("testdata", "executions.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lines, true)
	f.Add(pack(f, lines), false)
	f.Add(pack(f, lines)[:40], false)
	f.Add([]byte(`{"kind":"App","id":"a","restart":null,"since":""}`), true)
	f.Fuzz(func(t *testing.T, data []byte, compress bool) {
		m := manifest()
		good := false
		if compress { // what it holds is known, and what a manifest would say of it
			var list []execution.Execution
			list, good = decoded(data)
			m.Counts, m.Data.Lines = snapshot.Count(list), len(list)
			data = pack(t, data)
		}
		sum := sha256.Sum256(data)
		m.Data.Size, m.Data.SHA256 = int64(len(data)), hex.EncodeToString(sum[:])
		got, err := snapshot.ParseData(m, data)
		switch {
		case err != nil && (good || !errors.As(err, new(*snapshot.DamagedError))):
			t.Errorf("ParseData = %v, want a DamagedError, and only for what is damaged", err)
		case err == nil && len(got) != m.Data.Lines:
			t.Errorf("ParseData accepts %d executions, its manifest says %d", len(got), m.Data.Lines)
		}
	})
}

// decoded are the executions that data begins with, and whether it holds nothing else and each once.
func decoded(data []byte) (list []execution.Execution, good bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	seen := map[execution.Key]bool{}
	for {
		var e execution.Execution
		err := d.Decode(&e)
		if err != nil || e.Kind == "" || e.ID == "" || seen[e.Key()] {
			return list, err == io.EOF
		}
		seen[e.Key()] = true
		list = append(list, e)
	}
}

// Whatever somebody imports, it is refused with a reason, or what is made of it can be written and read again.
func FuzzReadPeer(f *testing.F) {
	f.Add([]byte(`{"App": [{"_id": {"_id": "a", "hardwareTierId": "t", "projectId": "p"}, "name": "n", "owner": "o"}], "Scheduled Job": null}`))
	f.Add([]byte(`{"Model API Version": [{"_id": {"_id": "v", "modelId": "m", "isActive": false}, "name": "n #1"}], "Workspace": [{"_id": {"_id": "w", "projectId": "p"}, "name": "p/w"}]}`))
	f.Add([]byte(`{"Scheduled Job": [{"_id": {"key": "k", "projectId": "p"}}], "Job": [1]}`))
	f.Add([]byte(`{"App": ["a", null, {"_id": null}, {"_id": "a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		executions, _, err := snapshot.ReadPeer(data)
		if err != nil {
			return
		}
		var file bytes.Buffer
		if err := snapshot.WritePeer(&file, executions); err != nil {
			t.Fatal(err)
		}
		again, problems, err := snapshot.ReadPeer(file.Bytes())
		if err != nil || len(problems) > 0 || len(again) != len(executions) {
			t.Errorf("of %d executions %d are read again: %v, %v", len(executions), len(again), problems, err)
		}
	})
}
