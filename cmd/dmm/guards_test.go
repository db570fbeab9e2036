package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// A snapshot that is not what its manifest says is refused before anything is touched.
func TestADamagedSnapshotIsRefused(t *testing.T) {
	edit := func(name string, change func([]byte) []byte) func(*testing.T, *site) {
		return func(t *testing.T, s *site) {
			path := s.snapshotFile(name)
			body, err := os.ReadFile(path)
			if err == nil {
				err = os.Chmod(path, 0o600)
			}
			if err == nil {
				err = os.WriteFile(path, change(bytes.Clone(body)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	const data, manifest = "executions.jsonl.zst", "manifest.json"
	for name, c := range map[string]struct {
		damage func(*testing.T, *site)
		want   string
	}{
		"its data is truncated":         {edit(data, func(b []byte) []byte { return b[:len(b)-10] }), "bytes, its manifest says"},
		"its data has another checksum": {edit(data, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), "sha256 mismatch"},
		"its data is gone":              {func(t *testing.T, s *site) { remove(t, s.snapshotFile(data)) }, "is missing"},
		"its manifest is truncated":     {edit(manifest, func(b []byte) []byte { return b[:len(b)/2] }), "is not JSON"},
		"its schema is unknown": {edit(manifest, func(b []byte) []byte {
			return bytes.Replace(b, []byte("dmm.snapshot/v1"), []byte("dmm.snapshot/v9"), 1)
		}), `schema "dmm.snapshot/v9" is not known`},
		"its manifest is another's": {edit(manifest, func(b []byte) []byte { return bytes.Replace(b, []byte(`"id": "`), []byte(`"id": "1`), 1) }), "names another snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, quick())
			s.dmm("snapshot").want(t, exitDone)
			c.damage(t, s)
			s.dmm("shutdown").want(t, exitRefused, "read snapshot 20", c.want, "Next: dmm snapshot, which takes another")
			s.dmm("show").want(t, exitRefused, "read snapshot 20", c.want, "Next: put the object back", "dmm list shows the other snapshots")
			s.wantNothingTouched()
		})
	}
}

// The snapshot that an open window keeps to is checked again by every run.
func TestARestoreRefusesASnapshotThatWasDamagedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	writes := len(s.sim.Ledger().Writes())
	remove(t, s.snapshotFile("manifest.json"))
	s.dmm("restore").want(t, exitRefused, "is gone, and a window keeps to it", "dmm close --reason")
	if got := len(s.sim.Ledger().Writes()); got != writes {
		t.Errorf("%d calls were sent", got-writes)
	}
}

// A journal that cannot be trusted is named and refused, never guessed over.
func TestADamagedJournalIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	const entry = "windows/000001/journal/00000002.jsonl"
	remove(t, filepath.Join(s.folder, entry))
	for _, mode := range []string{"shutdown", "restore", "status"} {
		s.dmm(mode).want(t, exitRefused, entry, "is missing", "Next: put the object back")
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A list that cannot be had costs completeness, never silently: the snapshot is written,
// says so, and is not shut down from.
func TestAListingThatFailsGivesAnIncompleteSnapshot(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Faults = []dominosim.Fault{{Name: "apps cannot be listed", Method: "GET", Path: "/v4/modelProducts", Kind: dominosim.FaultStatus, Status: 400, Times: -1}}
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitPartial, "is written, but NOT complete", "App: list: GET /v4/modelProducts: 400", "Next: mend what is said above and run dmm snapshot again; shutdown refuses this one")
	manifest, err := os.ReadFile(s.snapshotFile("manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(manifest, []byte(`"complete": false`)) {
		t.Errorf("the manifest does not say that it is not complete:\n%s", manifest)
	}
	s.dmm("shutdown").want(t, exitRefused, "is not complete: App: list", "Next: mend that and run dmm snapshot again, or --allow-incomplete")
	s.wantNothingTouched()
	if left := s.sim.UnfiredFaults(); len(left) > 0 {
		t.Errorf("the fault never struck: %+v", left)
	}
}

// Retries stand behind "fails": a fault that passes leaves no trace.
func TestAListingThatFailsAtFirstIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Faults = []dominosim.Fault{{Name: "a moment's trouble", Method: "GET", Path: "/v4/modelProducts", Kind: dominosim.FaultStatus, Status: 503, Times: 2}}
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitDone, "is written")
	if left := s.sim.UnfiredFaults(); len(left) > 0 {
		t.Errorf("the fault did not strike as often as planned: %+v", left)
	}
}

// What may open a window is a fresh, complete snapshot of this deployment.
func TestWhatASnapshotMustBeToOpenAWindow(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("shutdown").want(t, exitNotFound, "the store answers and holds none", "Next: check DMM_STORE and its prefix; dmm snapshot makes a first snapshot")
	s.dmm("snapshot").want(t, exitDone, "then dmm snapshot again; or, if they may stay, dmm shutdown")

	dmm(t, s.with("DMM_SNAPSHOT_MAX_AGE=1ns"), "shutdown").want(t, exitRefused, "old, and DMM_SNAPSHOT_MAX_AGE allows 1ns", "Next: dmm snapshot")
	dmm(t, s.with("DMM_SNAPSHOT=20200101-000000-aaaa"), "shutdown").want(t, exitNotFound, "20200101-000000-aaaa", "holds 1 other.", "Next: dmm list")

	other := newSite(t, quick())
	dmm(t, s.with("DOMINO_HOSTNAME="+other.url), "shutdown").want(t, exitRefused, "belongs to "+s.url, "Next: set DOMINO_HOSTNAME")
	other.wantNothingTouched()
	s.wantNothingTouched()
}

// A window keeps to what it was opened with, and to its phase.
func TestWhatAnOpenWindowRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	// One app will not come back, so that the restore stays open.
	var app string
	for _, o := range s.sim.Objects(dominosim.KindApp) {
		if s.sim.Ledger().State(o.Kind, o.ID) == "Running" {
			app = o.ID
		}
	}
	s.sim.AddFault(dominosim.Fault{Name: "one app cannot start", Method: "POST", Path: "/v4/modelProducts/{id}/start", Object: app, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone, "upgrade Domino, then dmm restore")
	writes := len(s.sim.Ledger().Writes())

	s.dmm("snapshot").want(t, exitDone, "No snapshot was taken: window 000001 is open and keeps to snapshot "+s.snapshotID())
	dmm(t, s.with("DMM_KINDS=App"), "shutdown").want(t, exitUsage, "window 000001 was opened with", "Next: go on with the filters that the window was opened with: without any flag for them")
	dmm(t, s.with("DMM_SNAPSHOT=20200101-000000-aaaa"), "shutdown").want(t, exitUsage, "window 000001 is open and keeps to "+s.snapshotID(), "Next: leave DMM_SNAPSHOT out")
	other := newSite(t, quick())
	for _, mode := range []string{"shutdown", "restore"} {
		dmm(t, s.with("DOMINO_HOSTNAME="+other.url), mode).want(t, exitRefused, "window 000001 belongs to "+s.url)
	}
	other.wantNothingTouched()
	if got := len(s.sim.Ledger().Writes()); got != writes {
		t.Fatalf("refusals have sent %d calls", got-writes)
	}

	dmm(t, s.with("DMM_MAX_FAILURES=1"), "restore").want(t, exitPartial, "Failed, still to be dealt with", app, "Next: mend what is said above, then dmm restore again, or dmm close --reason")
	s.dmm("shutdown").want(t, exitRefused, "window 000001 is being restored", "Next: dmm restore, to finish it, or dmm close --reason")
	s.dmm("status").want(t, exitDone, "Window 000001 is being restored", "1 failed", "Next: dmm restore")

	s.dmm("close", "--yes", "--reason", "the app was retired").want(t, exitDone, "Window 000001 is closed;", "1 given up", app, "the app was retired")
	s.dmm("status").want(t, exitDone, "No maintenance is open", "It was closed because: the app was retired")
	s.dmm("close", "--reason", "again").want(t, exitDone, "Nothing to close")
}

// A shutdown that is run again by what runs one too often, such as Argo CD, does nothing; for another intent it does, and
// one that is half done goes on.
func TestAnIntentIsActedOnOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	cycle := func(intent, want string) int {
		t.Helper()
		env := s.with("DMM_INTENT=" + intent)
		before := len(s.sim.Ledger().Writes())
		s.dmm("snapshot").want(t, exitDone)
		dmm(t, env, "shutdown").want(t, exitDone, want)
		dmm(t, env, "restore").want(t, exitDone)
		return len(s.sim.Ledger().Writes()) - before
	}
	const nothing = "Nothing was stopped: a maintenance for"
	if cycle("6.2.0", "Shutdown is done") == 0 {
		t.Error("the first shutdown did nothing")
	}
	if n := cycle("6.2.0", nothing+` "6.2.0" has been`); n != 0 {
		t.Errorf("the second has sent %d calls", n)
	}
	cycle("", "Shutdown is done") // by hand, in between
	if n := cycle("6.2.0", nothing); n != 0 {
		t.Errorf("after one by hand it has sent %d calls", n)
	}
	cycle("6.3.0", "Shutdown is done")
	s.dmm("snapshot").want(t, exitDone)
	dmm(t, s.with("DMM_INTENT=6.4.0"), "shutdown").want(t, exitDone, "Shutdown is done")
	dmm(t, s.with("DMM_INTENT=6.4.0"), "shutdown").want(t, exitDone, "Shutdown is done") // the window is open: it goes on
	s.dmm("status").want(t, exitDone, "Next: upgrade Domino, then dmm restore --intent 6.4.0")
	s.dmm("restore").want(t, exitDone, `calls off the maintenance for "6.4.0"`)
	dmm(t, s.with("DMM_INTENT=6.4.0"), "shutdown").want(t, exitRefused, `the last maintenance for "6.4.0" was called off`, "another word, such as 6.4.0-b")
}

// What asks before an uninstall refuses while a maintenance is open, or may be, and lets go in every other case: also when
// there is no store any more to ask.
func TestRefuseOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	refuseOpen := []string{"status", "--refuse-open"}
	s.dmm(refuseOpen...).want(t, exitDone, "No maintenance is open: the store holds no records")
	dmm(t, s.with("DMM_STORE=file://"+s.folder+"/not/mounted"), refuseOpen...).want(t, exitDone, "NOT KNOWN whether a maintenance is open", "/not/mounted")
	s.dmm("snapshot").want(t, exitDone)
	s.dmm(refuseOpen...).want(t, exitDone, "there has been none")
	s.dmm("shutdown").want(t, exitDone)
	s.dmm(refuseOpen...).want(t, exitRefused, "Refused while a maintenance is open. Window 000001 is down", "Next: dmm restore", "dmm close --reason")
	s.dmm("status").want(t, exitDone, "Window 000001 is down")
	s.dmm("restore").want(t, exitDone)
	s.dmm(refuseOpen...).want(t, exitDone, "No maintenance is open")
	remove(t, filepath.Join(s.folder, "windows/000001/journal/00000002.jsonl"))
	s.dmm(refuseOpen...).want(t, exitRefused, "is missing")
}

// Restore with nothing open has nothing to do, if the store is one that was ever used.
func TestARestoreWithNothingOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, args := range [][]string{{"restore"}, {"status"}, {"close", "--reason", "none"}} {
		s.dmm(args...).want(t, exitNotFound, "the store answers and holds neither windows nor snapshots", "Next: check DMM_STORE and its prefix")
	}
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("restore").want(t, exitDone, "Nothing to restore: no maintenance is open")
	s.dmm("status").want(t, exitDone, "No maintenance is open, and there has been none")
	s.dmm("close", "--reason", "none").want(t, exitDone, "Nothing to close")
	s.wantNothingTouched()
}

// DMM_DEADLINE ends a step resumably, wherever it is.
func TestTheDeadlineEndsAStepResumably(t *testing.T) {
	t.Run("before it has reached Domino", func(t *testing.T) {
		t.Parallel()
		c := quick()
		c.Latency = time.Minute
		s := newSite(t, c)
		for _, mode := range []string{"shutdown", "restore"} {
			dmm(t, s.with("DMM_DEADLINE=50ms"), mode).want(t, exitDeadline, "stopped at DMM_DEADLINE", "Next: dmm "+mode+", with a longer DMM_DEADLINE")
		}
	})
	t.Run("while it waits for executions to stop", func(t *testing.T) {
		t.Parallel()
		c := quick()
		c.StopTime = 4 * time.Second
		s := newSite(t, c)
		s.dmm("snapshot").want(t, exitDone)
		dmm(t, s.with("DMM_DEADLINE=1500ms"), "shutdown").want(t, exitDeadline, "stopped at DMM_DEADLINE", "remain", "Next: dmm shutdown, with a longer DMM_DEADLINE")
		s.dmm("status").want(t, exitDone, "is being shut down")
		s.dmm("shutdown").want(t, exitDone, "Shutdown is done")
	})
}

// A dry run changes nothing and lists what would be done.
func TestADryRunTouchesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot", "--dry-run").want(t, exitDone, "Dry run, nothing is written")
	if keys := s.objects(); len(keys) > 0 {
		t.Errorf("the store holds %q", keys)
	}
	s.dmm("snapshot").want(t, exitDone)
	o := s.dmm("shutdown", "--dry-run")
	o.want(t, exitDone, "Would be done, in this order", "Dry run, nothing was touched: shutdown would stop", "if they may stay, dmm shutdown")
	if got, want := strings.Count(o.stdout, ": was running in the snapshot"), len(s.sim.Ledger().Snapshot()); got != want {
		t.Errorf("the plan has %d lines, want %d, one for each that runs:\n%s", got, want, o.stdout)
	}
	s.wantNothingTouched()
}
