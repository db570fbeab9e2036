package modes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
)

// keys are the objects in the store that begin with a prefix.
func (s *site) keys(prefix string) []string {
	s.t.Helper()
	var keys []string
	for info, err := range s.store.List(s.t.Context(), prefix) {
		if err != nil {
			s.t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func (s *site) body(key string) []byte {
	s.t.Helper()
	body, err := store.ReadAll(s.t.Context(), s.store, key, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}

func (s *site) put(key string, body []byte) {
	s.t.Helper()
	if err := s.store.Put(s.t.Context(), key, body, store.PutOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) remove(key string) {
	s.t.Helper()
	if err := s.store.Delete(s.t.Context(), key); err != nil {
		s.t.Fatal(err)
	}
}

func folderOf(id string) string {
	return "snapshots/" + id[:4] + "/" + id[4:6] + "/" + id + "/"
}

// maintain plays a whole maintenance and returns its snapshot.
func (s *site) maintain() string {
	s.t.Helper()
	id := s.must(0, "snapshot").Snapshot
	s.must(0, "shutdown")
	s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
	return id
}

func TestListShowsSnapshotsAndTheWindowsThatNeedThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		first := s.maintain()
		time.Sleep(48 * time.Hour)
		second := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")

		res := s.must(0, "list")
		if len(res.Snapshots) != 2 || len(res.Windows) != 2 {
			t.Fatalf("list shows %d snapshots and %d windows, want 2 of each", len(res.Snapshots), len(res.Windows))
		}
		a, b := res.Snapshots[0], res.Snapshots[1]
		if diff := cmp.Diff([]string{first, "000001", second, "000002 (open)"}, []string{a.ID, a.Windows[0], b.ID, b.Windows[0]}); diff != "" {
			t.Errorf("snapshots and their windows (-want +got):\n%s", diff)
		}
		if a.State != report.Complete || a.Running == 0 || a.Executions < a.Running || a.By != "integration.admin" || a.Tool != "test" || !strings.HasSuffix(a.Domino, " 6.1.0") {
			t.Errorf("list says of the first snapshot %+v", a)
		}
		if got := b.Taken.Sub(a.Taken); got < 48*time.Hour {
			t.Errorf("the two were taken %s apart, want 48h", got)
		}
		if w := res.Windows; w[0].State != "closed" || w[0].Closed.Before(w[0].Opened) || w[1].State != "open" || w[1].Snapshot != second {
			t.Errorf("list says of the windows %+v", w)
		}
		var text strings.Builder
		if err := res.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{first, "000002 (open)", "integration.admin", "complete"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the text lacks %q:\n%s", want, text.String())
			}
		}
	})
}

func TestAnEmptyStoreIsNoError(t *testing.T) {
	s := newSite(t, small())
	for _, mode := range []string{"list", "prune"} {
		if res := s.must(0, mode); !strings.Contains(res.Message, "0 snapshots") {
			t.Errorf("dmm %s says %q", mode, res.Message)
		}
	}
	for _, mode := range []string{"show", "verify"} { // what is to be shown or to be whole has to be there
		if _, err := s.run(mode); modes.Classify(err) != modes.FaultNotFound {
			t.Errorf("dmm %s: %v, want not found", mode, err)
		}
	}
}

func TestShowTellsWhatASnapshotHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		id := s.must(0, "snapshot").Snapshot
		time.Sleep(time.Hour)
		s.must(0, "snapshot")
		snap, err := snapshot.Load(t.Context(), s.store, id)
		if err != nil {
			t.Fatal(err)
		}
		res := s.must(0, "show", "DMM_SNAPSHOT="+id)
		if res.Snapshot != id || len(res.Executions) != len(snap.Executions) {
			t.Fatalf("show tells of %s and %d executions, want %s and %d", res.Snapshot, len(res.Executions), id, len(snap.Executions))
		}
		running := 0
		for _, g := range []struct {
			name   string
			groups []report.Group
		}{{"projects", res.Projects}, {"owners", res.Owners}} {
			running = 0
			for i, one := range g.groups {
				running += one.Running
				if i > 0 && one.Running > g.groups[i-1].Running {
					t.Errorf("%s are out of order: %+v", g.name, g.groups)
				}
			}
			if running != snap.Running() {
				t.Errorf("the %s add up to %d running, want %d", g.name, running, snap.Running())
			}
		}
		if got := s.must(0, "show").Snapshot; got <= id {
			t.Errorf("show without an argument shows %s, want the newest", got)
		}
		if _, err := s.run("show", "DMM_SNAPSHOT=20000101-000000-zzzz"); modes.Classify(err) != modes.FaultNotFound {
			t.Errorf("show of a snapshot that is not there: %v, want not found", err)
		}
	})
}

// damages are the ways in which a snapshot can be other than it says.
func damages(s *site, id string) map[string]struct {
	do   func()
	want string // in the reason
	list bool   // its manifest alone shows it
} {
	manifest, data := folderOf(id)+"manifest.json", folderOf(id)+"executions.jsonl.zst"
	edit := func(key string, change func([]byte) []byte) func() {
		return func() { s.put(key, change(slices.Clone(s.body(key)))) }
	}
	return map[string]struct {
		do   func()
		want string
		list bool
	}{
		"missing data":     {func() { s.remove(data) }, "executions.jsonl.zst is missing", false},
		"torn data":        {edit(data, func(b []byte) []byte { return b[:len(b)-7] }), "bytes, its manifest says", false},
		"other data":       {edit(data, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), "sha256 mismatch", false},
		"a torn manifest":  {edit(manifest, func(b []byte) []byte { return b[:len(b)/2] }), "is not JSON", true},
		"another manifest": {edit(manifest, func(b []byte) []byte { return bytes.Replace(b, []byte(id), []byte("20000101-000000-zzzz"), 1) }), "names another snapshot", true},
		"an unknown schema": {edit(manifest, func(b []byte) []byte {
			return bytes.Replace(b, []byte("dmm.snapshot/v1"), []byte("dmm.snapshot/v7"), 1)
		}), `schema "dmm.snapshot/v7" is not known`, true},
		"other counts": {edit(manifest, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"running": `), []byte(`"running": 1`), 1)
		}), "its manifest says", false},
	}
}

func TestVerifyTellsEveryDamageApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		healthy := s.must(0, "snapshot").Snapshot
		time.Sleep(time.Minute)
		id := s.must(0, "snapshot").Snapshot
		whole := map[string][]byte{}
		for _, key := range s.keys("snapshots/") {
			whole[key] = s.body(key)
		}
		if res := s.must(0, "verify"); len(res.Snapshots) != 2 || !strings.Contains(res.Message, "Nothing is damaged: 2 snapshots") {
			t.Fatalf("verify says %+v", res)
		}
		for name, damage := range damages(s, id) {
			damage.do()
			for _, env := range [][]string{nil, {"DMM_SNAPSHOT=" + id}} {
				res := s.must(4, "verify", env...)
				last := res.Snapshots[len(res.Snapshots)-1]
				if last.ID != id || last.State != report.Damaged || !strings.Contains(last.Reason, damage.want) || !strings.Contains(res.Message, id) {
					t.Errorf("%s: verify says %+v: %s; want damaged: %s", name, last, res.Message, damage.want)
				}
				if strings.Contains(res.Message, healthy) {
					t.Errorf("%s: verify takes the healthy one for damaged: %s", name, res.Message)
				}
			}
			s.must(0, "verify", "DMM_SNAPSHOT="+healthy)
			if got := s.must(0, "list").Snapshots[1].State == report.Damaged; got != damage.list {
				t.Errorf("%s: list takes it for damaged: %t, want %t", name, got, damage.list)
			}
			for key, body := range whole {
				s.put(key, body)
			}
		}

		// Data without a manifest is no damage: the snapshot does not exist.
		s.remove(folderOf(id) + "manifest.json")
		if res := s.must(0, "verify"); res.Snapshots[1].State != report.Unfinished {
			t.Errorf("verify says of a snapshot without manifest %+v, want unfinished", res.Snapshots[1])
		}
		if _, err := s.run("verify", "DMM_SNAPSHOT="+id); modes.Classify(err) != modes.FaultNotFound || !strings.Contains(err.Error(), "unfinished") {
			t.Errorf("verify of an unfinished snapshot: %v, want not found and why", err)
		}
	})
}

// What an open window needs, and the journals, are verified too.
func TestVerifyLooksAtWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		s.must(0, "verify")
		manifest := folderOf(id) + "manifest.json"
		body := s.body(manifest)
		s.remove(manifest)
		if res := s.must(4, "verify"); !strings.Contains(res.Windows[0].Reason, "is gone, and an open window needs it") {
			t.Errorf("verify says %+v", res.Windows)
		}
		s.put(manifest, body)
		entry := "windows/000001/journal/00000002.jsonl"
		body = s.body(entry)
		s.put(entry, body[:len(body)-5])
		if res := s.must(4, "verify"); !strings.Contains(res.Message, "window 000001") || !strings.Contains(res.Windows[0].Reason, "torn") {
			t.Errorf("verify says %s: %+v", res.Message, res.Windows)
		}
		s.remove(entry)
		if res := s.must(4, "verify"); !strings.Contains(res.Windows[0].Reason, entry+": is missing") {
			t.Errorf("verify says %+v", res.Windows)
		}
		if res := s.must(0, "list"); res.Windows[0].State != report.Damaged {
			t.Errorf("list says %+v, want a damaged window", res.Windows)
		}
	})
}

// The names of what is given up are in the snapshot and in the reports that were made of it, and nowhere else.
func TestCloseWithoutASnapshotKeepsTheReportThatHasTheNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy())
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		key := "windows/000001/report.txt"
		before := s.body(key)
		s.remove(folderOf(id) + "executions.jsonl.zst")
		res := s.must(0, "close", "DMM_YES=true", "DMM_REASON=by hand")
		if note := strings.Join(res.Notes, "\n"); !strings.Contains(note, "by id alone; "+key+" in the store has the names") {
			t.Errorf("close notes %q, want where the names are", note)
		}
		if after := s.body(key); !bytes.Equal(before, after) {
			t.Errorf("close has written a report without names over one with them:\n%s", after)
		}
		s.must(0, "status", "DMM_REFUSE_OPEN=true") // closed all the same
	})
}

// A store that cannot be written is told apart by what there is to do about it.
func TestTheNextStepAfterTroubleWithTheStore(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, "make room in the store, then dmm restore"},
		{syscall.EDQUOT, "make room in the store, then dmm restore"},
		{file.ErrNoFolder, "mount it, or name in DMM_STORE the folder that the records are in, then dmm restore"},
		{store.ErrDenied, "check the rights of the store's credentials, then dmm restore"},
	} {
		if got := modes.NextStep("restore", fmt.Errorf("write journal: %w", &store.Error{Op: "put", Key: "k", Err: tt.err})); got != tt.want {
			t.Errorf("after %v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

// unreachable is a store that does not answer for some keys.
type unreachable struct {
	store.Store
	prefix string
}

var errUnreachable = errors.New("connection refused")

func (s unreachable) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	if strings.HasPrefix(key, s.prefix) {
		return nil, store.Info{}, errUnreachable
	}
	return s.Store.Get(ctx, key)
}

// "Could not look" is neither "not there" nor "damaged", and nothing is deleted on the strength of it.
func TestAStoreThatDoesNotAnswerIsNoDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		time.Sleep(400 * 24 * time.Hour)
		s.must(0, "snapshot")
		before := s.keys("")
		s.store = unreachable{s.store, "snapshots/"}
		for _, mode := range []string{"list", "show", "verify", "prune"} {
			if _, err := s.run(mode, "DMM_YES=true", "DMM_KEEP=1"); !errors.Is(err, errUnreachable) || modes.Classify(err) != modes.FaultOther {
				t.Errorf("dmm %s: %v, want the store's error and exit code 1", mode, err)
			}
		}
		if diff := cmp.Diff(before, s.keys("")); diff != "" {
			t.Errorf("objects (-before +after):\n%s", diff)
		}
	})
}

// years plays a maintenance every thirty days and returns the snapshots, oldest first.
func (s *site) years(n int) []string {
	var ids []string
	for range n {
		ids = append(ids, s.maintain())
		time.Sleep(30 * 24 * time.Hour)
	}
	return ids
}

func ids(snapshots []report.Snapshot) []string {
	var out []string
	for _, s := range snapshots {
		out = append(out, s.ID)
	}
	return out
}

func TestPruneKeepsWhatIsNewOrNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_KEEP_WITHIN=91d")
		taken := s.years(6) // 180, 150, 120, 90, 60 and 30 days old
		before := s.keys("")

		res := s.must(0, "prune", "DMM_KEEP=2") // and what is younger than 91 days
		if diff := cmp.Diff(taken[:3], ids(res.Snapshots)); diff != "" || len(res.Windows) != 3 || !res.DryRun {
			t.Fatalf("prune would delete (-want +got):\n%s\nand %+v", diff, res.Windows)
		}
		s.must(0, "prune", "DMM_KEEP=2", "DMM_YES=true", "DMM_DRY_RUN=true")
		if diff := cmp.Diff(before, s.keys("")); diff != "" {
			t.Fatalf("a dry run changed objects (-before +after):\n%s", diff)
		}
		if res := s.must(0, "prune", "DMM_KEEP=5", "DMM_YES=true"); len(res.Snapshots) != 1 || len(res.Windows) != 1 {
			t.Errorf("with --keep 5 prune deletes %v and %+v, want one of each", ids(res.Snapshots), res.Windows)
		}
		if res := s.must(0, "prune", "DMM_KEEP=2", "DMM_YES=true"); len(res.Snapshots) != 2 || res.Snapshots[0].Outcome != "deleted" {
			t.Errorf("prune deletes %+v, want the two", res.Snapshots)
		}
		if res := s.must(0, "prune", "DMM_KEEP=1", "DMM_YES=true"); len(res.Snapshots)+len(res.Windows) != 0 {
			t.Errorf("a second prune deletes %v and %+v", ids(res.Snapshots), res.Windows)
		}
		s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		left := s.must(0, "list")
		if diff := cmp.Diff(taken[5:], ids(left.Snapshots)); diff != "" || len(left.Windows) != 1 || left.Windows[0].Window != "000006" {
			t.Errorf("what is left (-want +got):\n%s\nand %+v", diff, left.Windows)
		}
		// Pruning from the bottom is no gap, and the numbers go on.
		s.must(0, "verify")
		s.maintain()
		if w := s.must(0, "list").Windows; len(w) != 2 || w[1].Window != "000007" {
			t.Errorf("windows after the next maintenance: %+v", w)
		}
	})
}

// A snapshot that an open window keeps to stays, however old.
func TestPruneKeepsWhatAnOpenWindowNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		old := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		time.Sleep(200 * 24 * time.Hour)
		s.copySnapshot(old, "20000722-000000-aaaa")
		res := s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		if len(res.Snapshots)+len(res.Windows) != 0 {
			t.Errorf("prune deletes %+v and %+v", res.Snapshots, res.Windows)
		}
		s.must(0, "restore")
	})
}

// copySnapshot makes another snapshot of the same content, as if taken then.
func (s *site) copySnapshot(from, to string) {
	s.t.Helper()
	snap, err := snapshot.Load(s.t.Context(), s.store, from)
	if err != nil {
		s.t.Fatal(err)
	}
	snap.ID = to
	if _, err := snapshot.Write(s.t.Context(), s.store, snap.Manifest, snap.Executions, nil); err != nil {
		s.t.Fatal(err)
	}
}

// The newest snapshot from which a restore could be made is never deleted, whatever lies above it.
func TestPruneNeverDeletesTheNewestThatCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		oldest := s.must(0, "snapshot").Snapshot
		time.Sleep(30 * 24 * time.Hour)
		good := s.must(0, "snapshot").Snapshot
		time.Sleep(30 * 24 * time.Hour)
		torn := s.must(0, "snapshot").Snapshot
		s.put(folderOf(torn)+"executions.jsonl.zst", []byte("no zstd"))
		time.Sleep(30 * 24 * time.Hour)
		foreign := s.must(0, "snapshot").Snapshot
		manifest := folderOf(foreign) + "manifest.json"
		s.put(manifest, bytes.Replace(s.body(manifest), []byte("dmm.snapshot/v1"), []byte("dmm.snapshot/v2"), 1))
		time.Sleep(30 * 24 * time.Hour)
		incomplete := "20000601-000000-aaaa"
		s.copySnapshot(good, incomplete)
		manifest = folderOf(incomplete) + "manifest.json"
		s.put(manifest, bytes.Replace(s.body(manifest), []byte(`"complete": true`), []byte(`"complete": false`), 1))
		s.put(folderOf("20000602-000000-aaaa")+"executions.jsonl.zst", []byte("of a writer that died"))
		s.put(folderOf("20000529-235959-aaaa")+"executions.jsonl.zst", []byte("of one at work"))
		time.Sleep(time.Until(time.Date(2000, 6, 3, 12, 0, 0, 0, time.UTC)))
		s.put(folderOf("20000603-110000-aaaa")+"executions.jsonl.zst", []byte("of one at work"))

		res := s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		if diff := cmp.Diff([]string{oldest, "20000529-235959-aaaa", incomplete, "20000602-000000-aaaa"}, ids(res.Snapshots)); diff != "" {
			t.Errorf("prune deletes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{good, torn, foreign, "20000603-110000-aaaa"}, ids(s.must(0, "list").Snapshots)); diff != "" {
			t.Errorf("what is left (-want +got):\n%s", diff)
		}
		if len(res.Notes) != 2 || !strings.Contains(strings.Join(res.Notes, " "), torn) || !strings.Contains(strings.Join(res.Notes, " "), foreign) {
			t.Errorf("prune notes %q, want the two that are damaged", res.Notes)
		}
	})
}

// dying is a store whose process ends after so many deletions.
type dying struct {
	store.Store
	left int
}

func (s *dying) Delete(ctx context.Context, key string) error {
	if s.left == 0 {
		return errUnreachable
	}
	s.left--
	return s.Store.Delete(ctx, key)
}

// Wherever a prune ends, no snapshot looks whole that is not, no window is missed, and the next prune
// ends what it began.
func TestAPruneThatDiesLeavesNothingHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.years(2)
		s.put("windows/000001/report.txt", []byte("a report"))
		all := map[string][]byte{}
		for _, key := range s.keys("") {
			all[key] = s.body(key)
		}
		real := s.store
		prune := []string{"DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true"}
		for n := 0; ; n++ {
			for key, body := range all {
				s.put(key, body)
			}
			s.store = &dying{real, n}
			_, err := s.run("prune", prune...)
			s.store = real
			if err == nil {
				if want := len(all) / 3; n < want {
					t.Errorf("prune was done after %d deletions, want more than %d", n, want)
				}
				break
			}
			if !errors.Is(err, errUnreachable) {
				t.Fatalf("after %d deletions: %v", n, err)
			}
			res := s.must(0, "verify")
			s.must(0, "status")
			for _, snap := range res.Snapshots {
				if snap.State != report.Complete && snap.State != report.Unfinished {
					t.Fatalf("after %d deletions: %+v", n, snap)
				}
			}
			time.Sleep(25 * time.Hour) // what is unfinished may be being written before that
			s.must(0, "prune", prune...)
			if left := s.must(0, "list"); len(left.Snapshots) != 1 || len(left.Windows) != 1 || len(s.keys("windows/000001/")) > 0 {
				t.Fatalf("after %d deletions and another prune there are %v and %+v", n, ids(left.Snapshots), left.Windows)
			}
		}
	})
}

// meanwhile opens a window the moment a manifest is deleted.
type meanwhile struct {
	store.Store
	do func()
}

func (s *meanwhile) Delete(ctx context.Context, key string) error {
	err := s.Store.Delete(ctx, key)
	if do := s.do; do != nil && strings.HasSuffix(key, "/manifest.json") {
		s.do = nil
		do()
	}
	return err
}

func TestASnapshotThatAWindowTakesUpWhileItIsPrunedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		old := s.must(0, "snapshot").Snapshot
		time.Sleep(30 * 24 * time.Hour)
		s.must(0, "snapshot")
		manifest := s.body(folderOf(old) + "manifest.json")
		real := s.store
		s.store = &meanwhile{real, func() {
			// A run that had read the snapshot before: its window is opened now.
			pruned := s.store
			s.store = real
			s.put(folderOf(old)+"manifest.json", manifest)
			s.must(0, "restore", "DMM_RESTORE_FROM="+old, "DMM_YES=true", "DMM_KINDS=App")
			s.remove(folderOf(old) + "manifest.json")
			s.store = pruned
		}}
		res := s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		s.store = real
		if res.Snapshots[0].Outcome != "kept" || len(res.Notes) != 1 {
			t.Errorf("prune says %+v, %q; want that it was kept", res.Snapshots, res.Notes)
		}
		s.must(0, "verify", "DMM_SNAPSHOT="+old)
	})
}

// aboutToOpen does something right before a window is opened.
type aboutToOpen struct {
	store.Store
	do func()
}

func (s *aboutToOpen) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if do := s.do; do != nil && strings.HasSuffix(key, "/journal/00000001.jsonl") {
		s.do = nil
		do()
	}
	return s.Store.Put(ctx, key, body, o)
}

// The other order: the prune is over before the window is there. Nothing may be stopped that no restore could bring back.
func TestAWindowWhoseSnapshotIsPrunedWhileItIsOpenedStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		ran := s.running()
		old := s.must(0, "snapshot").Snapshot
		time.Sleep(time.Minute)
		s.must(0, "snapshot")
		plain := *s
		s.store = &aboutToOpen{s.store, func() { plain.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true") }}
		if res, err := s.run("shutdown", "DMM_SNAPSHOT="+old); modes.Classify(err) != modes.FaultRefused {
			t.Errorf("shutdown from a snapshot that is gone: %+v, %v, want a refusal", res, err)
		}
		s.wantSame(ran)
		s.must(0, "close", "DMM_YES=true", "DMM_REASON=its snapshot is gone")
		s.must(0, "shutdown")
	})
}

func TestPruneDeletesOldAudits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		var audits []string
		for range 4 {
			audits = append(audits, s.must(0, "audit").Audit.ID)
			time.Sleep(30 * 24 * time.Hour)
		}
		s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=70d")
		if n := len(s.keys("audits/")); n != 12 {
			t.Errorf("a dry run left %d objects of audits, want 12", n)
		}
		s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=70d", "DMM_YES=true")
		for i, id := range audits {
			want := map[bool]int{true: 0, false: 3}[i < 2]
			if n := len(s.keys("audits/" + id[:4] + "/" + id[4:6] + "/" + id + "/")); n != want {
				t.Errorf("audit %d has %d objects left, want %d", i+1, n, want)
			}
		}
		s.must(0, "prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		if n := len(s.keys("audits/")); n != 3 {
			t.Errorf("%d objects are left, want those of the newest audit", n)
		}
	})
}

// A journal that is damaged may need any snapshot: nothing is deleted.
func TestPruneRefusesWhileAJournalIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.years(3)
		for _, key := range []string{"windows/000002/journal/00000001.jsonl", "windows/000001/journal/00000002.jsonl"} {
			body := s.body(key)
			s.remove(key)
			if _, err := s.run("prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true"); modes.Classify(err) != modes.FaultRefused {
				t.Errorf("prune without %s: %v, want refused", key, err)
			}
			s.put(key, body)
		}
		for _, key := range s.keys("windows/000002/") {
			s.remove(key)
		}
		_, err := s.run("prune", "DMM_KEEP=1", "DMM_KEEP_WITHIN=0", "DMM_YES=true")
		if modes.Classify(err) != modes.FaultRefused || !strings.Contains(fmt.Sprint(err), "windows/000002: is missing") {
			t.Errorf("prune with a gap: %v, want refused", err)
		}
	})
}
