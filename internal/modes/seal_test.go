package modes_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// keyFile is a file with a key, as a setting.
func keyFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(strings.Repeat(secret, 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "DMM_JOURNAL_KEY_FILE=" + file
}

// forged has an entry put behind the end of an open window's journal by somebody who may write to the store and
// knows its format: an app that its owner had stopped is said to have been stopped by dmm.
func forged(t *testing.T, s *site, app string) {
	t.Helper()
	forge(t, s, execution.Execution{
		Kind: execution.App, ID: app, Name: "dashboard", Project: execution.Project{Owner: "ceo", Name: "payroll"},
		State: execution.Running, DominoState: "Running", Restart: []byte(`{"hardwareTierId":"gpu-small-k8s"}`),
	})
}

// forge has such an entry say that dmm found an execution running, and stopped it.
func forge(t *testing.T, s *site, e execution.Execution) {
	t.Helper()
	keys := s.keys("windows/000001/journal/")
	w, err := window.Look(t.Context(), s.store)
	if err != nil {
		t.Fatal(err)
	}
	code := 0
	var body bytes.Buffer
	for i, l := range []window.Line{
		{Event: window.Begin, Holder: &window.Holder{Run: "0123456789abcdef", Mode: window.ModeShutdown}},
		window.SupplementOf(e), window.IntentOf(window.Stop, e, 1), window.OutcomeOf(window.Done, window.Stop, e.Key(), e.Instance, "", 1),
		{Event: window.End, Code: &code},
	} {
		l.Schema, l.Run, l.At = "dmm.journal/v1", "0123456789abcdef", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		if i == 0 {
			l.Prev = w.Anchor().Head
		}
		if err := json.NewEncoder(&body).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	s.put(entryOf(1, len(keys)+1), body.Bytes())
}

// Whoever may write to the bucket may not choose what runs: under a key, what they write is damage.
func TestAForgedEntryIsDamageUnderAKey(t *testing.T) {
	key := keyFile(t, "k")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), key)
		app := s.anyRunning(dominosim.KindApp)
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		whole := len(s.keys("windows/000001/journal/"))
		forged(t, s, app.ID)
		for _, mode := range []string{"status", "restore", "shutdown", "close", "report"} {
			if _, err := s.run(mode, "DMM_REASON=x", "DMM_YES=true"); modes.Classify(err) != modes.FaultRefused || !strings.Contains(err.Error(), entryOf(1, whole+1)) {
				t.Errorf("dmm %s: %v, want the forged entry refused by name", mode, err)
			}
		}
		s.must(4, "verify")
		s.remove(entryOf(1, whole+1))
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		s.wantSame(ran)
		s.must(0, "verify")
	})
}

// Nor may they put a snapshot there, change one, or take the codes off.
func TestAForgedSnapshotIsDamageUnderAKey(t *testing.T) {
	key := keyFile(t, "k")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), key)
		id := s.must(0, "snapshot").Snapshot
		manifest := folderOf(id) + "manifest.json"
		body := s.body(manifest)
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		for name, forged := range map[string][]byte{
			"changed":        bytes.Replace(body, []byte(`"takenBy": "`), []byte(`"takenBy": "x`), 1),
			"without a code": bytes.Replace(body, []byte("{\n  \"mac\": \""+m["mac"].(string)+"\",\n"), []byte("{\n"), 1),
		} {
			s.put(manifest, forged)
			for _, mode := range [][]string{{"shutdown"}, {"restore", "DMM_RESTORE_FROM=" + id, "DMM_YES=true"}} {
				if _, err := s.run(mode[0], mode[1:]...); modes.Classify(err) != modes.FaultRefused || !strings.Contains(err.Error(), "code") {
					t.Errorf("%s: dmm %s: %v, want it refused for its code", name, mode[0], err)
				}
			}
			if res := s.must(4, "verify"); res.Snapshots[0].State != report.Damaged {
				t.Errorf("%s: verify says %+v", name, res.Snapshots[0])
			}
		}
		s.put(manifest, body)
		s.must(0, "shutdown")
	})
}

// Without the key people still see how far it is, with a warning, and nothing acts on what nobody could check. A key that is
// lost loses no maintenance.
func TestAMaintenanceIsNotLostWithItsKey(t *testing.T) {
	key, other := keyFile(t, "k"), keyFile(t, "x")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot", key)
		s.must(0, "shutdown", key)
		for _, mode := range []string{"status", "list", "report"} {
			res := s.must(0, mode)
			if mode == "status" && !strings.Contains(strings.Join(res.Notes, " "), "under a key") {
				t.Errorf("dmm status without the key notes %q, want a warning", res.Notes)
			}
		}
		for _, mode := range []string{"shutdown", "restore", "close"} {
			_, err := s.run(mode, "DMM_REASON=x", "DMM_YES=true")
			if modes.Classify(err) != modes.FaultRefused || !strings.Contains(modes.NextStep(mode, err), "--allow-unsigned") {
				t.Errorf("dmm %s without the key: %v, want it refused, and what to do if the key is lost", mode, err)
			}
			if _, err := s.run(mode, other, "DMM_REASON=x", "DMM_YES=true"); modes.Classify(err) != modes.FaultRefused {
				t.Errorf("dmm %s with another key: %v, want it refused", mode, err)
			}
		}
		s.must(0, "restore", "DMM_ALLOW_UNSIGNED=true")
		s.wantSame(ran)
		s.must(0, "status", "DMM_ALLOW_UNSIGNED=true")

		// The next maintenance is under a new key.
		s.must(0, "snapshot", other, "DMM_ALLOW_UNSIGNED=true")
		s.must(0, "shutdown", other, "DMM_ALLOW_UNSIGNED=true")
		s.must(0, "restore", other)
		s.wantSame(ran)
	})
}

// Records from before there was a key are taken where that is said, and a window that was begun without is finished without.
func TestAKeyComesInMidMaintenance(t *testing.T) {
	key := keyFile(t, "k")
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		if _, err := s.run("restore", key); modes.Classify(err) != modes.FaultRefused || !strings.Contains(modes.NextStep("restore", err), "--allow-unsigned") {
			t.Errorf("dmm restore: %v, next %q, want it refused, and how to go on", err, modes.NextStep("restore", err))
		}
		s.must(0, "restore", key, "DMM_ALLOW_UNSIGNED=true")
		s.wantSame(ran)
		s.must(0, "snapshot", key, "DMM_ALLOW_UNSIGNED=true")
		s.must(0, "shutdown", key, "DMM_ALLOW_UNSIGNED=true")
		s.must(0, "restore", key) // this window is under the key
		s.wantSame(ran)
	})
}
