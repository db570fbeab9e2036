package modes_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
)

var record = flag.Bool("record", false, "record the formats of this version under testdata/records, where there are none yet")

// TestRecordsOfEveryFormatAreRead reads the records that each format so far has left behind:
// dmm itself is often upgraded between shutdown and restore. A new format adds a folder
// beside v1; what is there is never written again.
func TestRecordsOfEveryFormatAreRead(t *testing.T) {
	if *record {
		recordV1(t, "testdata/records/v1-chained")
	}
	type totals struct {
		Phase, Snapshot string
		Sum             report.KindCount
	}
	for dir, want := range map[string]totals{
		"v1": {"restoring", "20000101-000000-qe4r", report.KindCount{Total: 8, Done: 4, Failed: 1, Left: 2, Remaining: 1}},
		// Entries carry the sum of the one before, and the report where they end.
		"v1-chained": {"restoring", "20000101-000000-474g", report.KindCount{Total: 8, Done: 4, Failed: 1, Left: 2, Remaining: 1}},
	} {
		t.Run(dir, func(t *testing.T) {
			s := newSite(t, small())
			s.store = loadRecords(t, filepath.Join("testdata/records", dir))
			res := s.must(0, "status")
			got := totals{string(res.Phase), res.Snapshot, res.Sum()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status of the recorded window (-want +got):\n%s", diff)
			}
		})
	}
}

func loadRecords(t *testing.T, dir string) store.Store {
	t.Helper()
	s := mem.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return s.Put(t.Context(), filepath.ToSlash(key), body, store.PutOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recordV1 plays a maintenance with an outcome of every sort and keeps its records.
func recordV1(t *testing.T, dir string) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		model := s.anyRunning(dominosim.KindModelAPI)
		if err := s.sim.OwnerStopModelVersion(model.ID); err != nil {
			t.Fatal(err)
		}
		s.must(0, "shutdown")
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		s.must(3, "restore", "DMM_EXCLUDE="+s.anyOtherApp(app).ID)
		for info, err := range s.store.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			body, err := store.ReadAll(t.Context(), s.store, info.Key, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.FromSlash(info.Key))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func (s *site) anyOtherApp(than dominosim.Key) dominosim.Key {
	for _, o := range s.sim.Objects(dominosim.KindApp) {
		if o.Key != than {
			return o.Key
		}
	}
	s.t.Fatal("only one app")
	return dominosim.Key{}
}
