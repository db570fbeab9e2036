package modes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/store/s3"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

func entryOf(window, n int) string {
	return fmt.Sprintf("windows/%06d/journal/%08d.jsonl", window, n)
}

// edited is an entry with a field of its first line changed, well-formed as before.
func edited(t *testing.T, body []byte, change func(*window.Line)) []byte {
	t.Helper()
	var out bytes.Buffer
	for i, line := range slices.Collect(bytes.Lines(body)) {
		var l window.Line
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			change(&l)
		}
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// Whatever somebody does to a journal that leaves each entry well-formed is damage, named by its key, in each mode
// that reads it.
func TestAJournalThatWasTamperedWithIsRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.maintain() // window 1, closed
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		down := s.running()
		journal := s.keys("windows/000002/journal/")
		n := len(journal)
		if n < 6 {
			t.Fatalf("the journal has %d entries, too few to tamper with", n)
		}
		whole := map[string][]byte{}
		for _, key := range s.keys("") {
			whole[key] = s.body(key)
		}
		foreign := s.body(entryOf(1, 4))
		report := "windows/000002/report.json"
		for name, c := range map[string]struct {
			do   func()
			want string // the key that is named
		}{
			"an entry is edited":       {func() { s.put(entryOf(2, 3), edited(t, whole[entryOf(2, 3)], func(l *window.Line) { l.Try++ })) }, entryOf(2, 4)},
			"two entries are swapped":  {func() { s.put(entryOf(2, 3), whole[entryOf(2, 4)]); s.put(entryOf(2, 4), whole[entryOf(2, 3)]) }, entryOf(2, 3)},
			"an entry is doubled":      {func() { s.put(entryOf(2, n+1), whole[entryOf(2, n)]) }, entryOf(2, n+1)},
			"an entry of another":      {func() { s.put(entryOf(2, n+1), foreign) }, entryOf(2, n+1)},
			"an entry without a chain": {func() { s.put(entryOf(2, n+1), edited(t, whole[entryOf(2, n)], func(l *window.Line) { l.Prev = "" })) }, entryOf(2, n+1)},
			"the last entry is edited": {func() {
				s.put(entryOf(2, n), edited(t, whole[entryOf(2, n)], func(l *window.Line) { l.Run = "another" }))
			}, entryOf(2, n)},
			"the last entry is gone": {func() { s.remove(entryOf(2, n)) }, entryOf(2, n)},
			"all but the first are gone": {func() {
				for i := 2; i <= n; i++ {
					s.remove(entryOf(2, i))
				}
			}, entryOf(2, 2)},
			"entry 1 is edited": {func() {
				s.put(entryOf(2, 1), edited(t, whole[entryOf(2, 1)], func(l *window.Line) { l.Window.Intent = "another" }))
			}, entryOf(2, 2)},
			"it follows another window": {func() {
				s.put(entryOf(1, len(s.keys("windows/000001/journal/"))), edited(t, s.body(s.keys("windows/000001/journal/")[len(s.keys("windows/000001/journal/"))-1]), func(l *window.Line) { l.Run = "another" }))
			}, entryOf(2, 1)},
		} {
			c.do()
			for _, mode := range []string{"status", "restore", "shutdown", "close", "verify", "report", "list", "snapshot"} {
				res, err := s.run(mode, "DMM_REASON=x", "DMM_YES=true")
				said := fmt.Sprint(err)
				if err == nil && mode == "list" {
					continue // it reads the ends of a journal alone
				}
				if err == nil && mode == "verify" && res.Code == 4 {
					for _, w := range res.Windows {
						said += w.Reason
					}
				} else if err == nil && mode == "report" && name == "it follows another window" {
					continue // it reads one window
				} else if modes.Classify(err) != modes.FaultRefused {
					t.Errorf("%s: dmm %s: %v, want it refused", name, mode, err)
				}
				if !strings.Contains(said, c.want) {
					t.Errorf("%s: dmm %s says %q, want %s named", name, mode, said, c.want)
				}
			}
			for _, key := range s.keys("") {
				if whole[key] == nil {
					s.remove(key)
				}
			}
			for key, body := range whole {
				s.put(key, body)
			}
		}
		if got := s.running(); len(got) != len(down) {
			t.Errorf("%d executions run, want the %d of before: something was started", len(got), len(down))
		}
		s.remove(report) // without its anchor the journal is whole all the same
		s.must(0, "status")
		s.put(report, whole[report])
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

// intruding is a store in which something happens right after so many journal entries were written.
type intruding struct {
	store.Store
	after int
	do    func()
}

func (i *intruding) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	err := i.Store.Put(ctx, key, body, o)
	if err == nil && strings.Contains(key, "/journal/") {
		if i.after--; i.after == 0 {
			i.do()
		}
	}
	return err
}

// onStores runs a test of what a store loses: on a store in memory, in a folder, and, by the clock on the wall, on the
// S3 server that scripts/test-servers starts.
func onStores(t *testing.T, test func(t *testing.T, s *site)) {
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, newSite(t, small(), "DMM_RESTORE_WORKSPACES=true"))
		})
	})
	t.Run("file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "store")
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
			var err error
			if s.store, err = file.Open(dir); err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	})
	t.Run("s3", func(t *testing.T) {
		endpoint := os.Getenv("DMM_TEST_S3_ENDPOINT")
		if endpoint == "" {
			t.Skip("needs a storage server: run make test-servers")
		}
		t.Parallel() // it waits for the most part
		c := small()
		c.StartTime, c.StopTime = 200*time.Millisecond, 200*time.Millisecond
		s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_SETTLE=2s", "DMM_LEASE=3s")
		var err error
		s.store, err = s3.Open(t.Context(), s3.Options{
			Bucket: os.Getenv("DMM_TEST_S3_BUCKET"), Prefix: "forgets/" + rand.Text(), Endpoint: endpoint,
		})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
}

// A bucket that is emptied, a share that goes away, a failover to an empty replica: what the store has lost while a run was at
// work is put back before that says that it is done.
func TestWhatAStoreForgetsDuringAStepIsPutBack(t *testing.T) {
	all := func(keys []string) []string { return keys }
	journal := func(keys []string) []string {
		return slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, "windows/000001/journal/") })
	}
	for name, c := range map[string]struct {
		step string
		lose func(keys []string) []string
	}{
		"shutdown, emptied or swapped for an empty one": {"shutdown", all},
		"shutdown, rolled back to before it began":      {"shutdown", journal},
		"shutdown, failed over to a replica that lags":  {"shutdown", func(k []string) []string { return journal(k)[2:] }},
		"restore, emptied or swapped for an empty one":  {"restore", all},
		"restore, failed over to a replica that lags": {"restore", func(k []string) []string {
			return journal(k)[len(journal(k))-2:]
		}},
	} {
		step := c.step
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStores(t, func(t *testing.T, s *site) {
				ran := s.running()
				s.must(0, "snapshot")
				if step == "restore" {
					s.must(0, "shutdown")
				}
				real, lost := s.store, 0
				s.store = &intruding{real, 4, func() {
					for _, key := range c.lose(s.keys("")) {
						if strings.HasPrefix(key, "probes/") {
							continue
						}
						lost++
						if err := real.Delete(t.Context(), key); err != nil {
							t.Error(err)
						}
					}
				}}
				res := s.must(0, step)
				s.store = real
				if lost == 0 {
					t.Fatal("nothing was lost: the test proves nothing")
				}
				if !strings.Contains(res.Message, "had lost") || !strings.Contains(res.Message, "put back") {
					t.Errorf("the last line is %q, want it to say what the store had lost", res.Message)
				}
				s.must(0, "verify")
				if step == "shutdown" {
					s.must(0, "restore")
				}
				s.wantSame(ran)
			})
		})
	}
}

// What cannot be put back truthfully ends with "do not upgrade".
func TestWhatCannotBePutBackEndsWithDoNotUpgrade(t *testing.T) {
	for name, do := range map[string]func(*testing.T, *site){
		"an entry that another version has written": func(t *testing.T, s *site) {
			// As if by a version with a field more.
			key := entryOf(1, 2)
			s.put(key, bytes.Replace(s.body(key), []byte(`{"schema"`), []byte(`{"later":1,"schema"`), 1))
			rechain(t, s, 1)
			s.store = &intruding{s.store, 3, func() { s.remove(key) }}
		},
		"another object in its place": func(t *testing.T, s *site) {
			s.store = &intruding{s.store, 3, func() { s.put(entryOf(1, 2), []byte("another\n")) }}
		},
		"another snapshot in its place": func(t *testing.T, s *site) {
			s.store = &intruding{s.store, 3, func() { s.put(s.keys("snapshots/")[1], []byte("{}")) }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small())
				s.must(0, "snapshot")
				s.interrupted(2*time.Second, "shutdown")
				s.remove("windows/000001/report.json")
				do(t, s)
				res, err := s.run("shutdown")
				if modes.Classify(err) != modes.FaultRefused || !strings.Contains(err.Error(), "Do not upgrade") {
					t.Fatalf("dmm shutdown: %v, want it refused with Do not upgrade", err)
				}
				if res != nil && (strings.Contains(res.Message, "done") || strings.Contains(res.Next, "upgrade")) {
					t.Errorf("the result says %q, next %q", res.Message, res.Next)
				}
			})
		})
	}
}

// rechain makes the checksums of a journal fit again after a change, as whoever forges one would.
func rechain(t *testing.T, s *site, number int) {
	t.Helper()
	head := ""
	for _, key := range s.keys(fmt.Sprintf("windows/%06d/journal/", number)) {
		body := s.body(key)
		if head != "" {
			var first struct{ Prev string }
			line, _, _ := bytes.Cut(body, []byte("\n"))
			if err := json.Unmarshal(line, &first); err != nil {
				t.Fatal(err)
			}
			body = bytes.Replace(body, []byte(first.Prev), []byte(head), 1)
			s.put(key, body)
		}
		head = fmt.Sprintf("%x", sha256.Sum256(body))
	}
}

// The end of the journal is where people and programs keep it: the last line, the result's JSON and the report.
func TestEachStepSaysWhereItsJournalEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		for _, step := range []string{"shutdown", "restore"} {
			res := s.must(0, step)
			keys := s.keys("windows/000001/journal/")
			head := fmt.Sprintf("%x", sha256.Sum256(s.body(keys[len(keys)-1])))
			if res.Journal == nil || res.Journal.Entries != len(keys) || res.Journal.Head != head {
				t.Errorf("%s: journal %+v, want %d entries and head %s", step, res.Journal, len(keys), head)
			}
			if want := fmt.Sprintf("window 000001, %d entries, head %s", len(keys), head[:12]); !strings.Contains(res.LastLine(), want) {
				t.Errorf("%s: the last line is %q, want %q in it", step, res.LastLine(), want)
			}
			var kept struct{ Journal window.Anchor }
			if err := json.Unmarshal(s.body("windows/000001/report.json"), &kept); err != nil || kept.Journal != *res.Journal {
				t.Errorf("%s: the report has %+v, error %v, want %+v", step, kept.Journal, err, *res.Journal)
			}
		}
	})
}

// A window that an older dmm has begun is finished by this one, and is a chain from where this one goes on.
func TestAWindowOfAnOlderVersionIsChainedFromWhereThisOneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		old := mem.New()
		entries := 0
		for _, key := range s.keys("") {
			body := s.body(key)
			if strings.Contains(key, "/journal/") {
				entries++
				body = edited(t, body, func(l *window.Line) {
					l.Prev = ""
					if l.Window != nil {
						l.Window.Manifest = ""
					}
				})
			}
			if !strings.Contains(key, "/report.") {
				if err := old.Put(t.Context(), key, body, store.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.store = old
		s.must(0, "restore")
		s.wantSame(ran)
		for i, key := range s.keys("windows/000001/journal/") {
			if got := bytes.Contains(s.body(key), []byte(`"prev":"`)); got != (i >= entries) {
				t.Errorf("%s carries a checksum: %t", key, got)
			}
		}
		s.must(0, "verify")
		s.put(entryOf(1, entries), edited(t, s.body(entryOf(1, entries)), func(l *window.Line) { l.Run = "another" }))
		s.remove("windows/000001/report.json")
		s.must(4, "verify")
	})
}

// What a chain costs is counted: a step lists its own journal once.
func TestAStepListsItsOwnJournalOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		for _, step := range []string{"shutdown", "restore"} {
			lists := 0
			real := s.store
			s.store = tellsLists{real, func(prefix string) {
				if prefix == "windows/000001/journal/" {
					lists++
				}
			}}
			s.must(0, step)
			s.store = real
			want := 2 // its own, and the one after its report
			if step == "restore" {
				want++ // to enter the window
			}
			if lists != want {
				t.Errorf("%s lists the journal %d times, want %d", step, lists, want)
			}
		}
	})
}

// tellsLists is a store that tells of each list.
type tellsLists struct {
	store.Store
	listed func(prefix string)
}

func (c tellsLists) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	c.listed(prefix)
	return c.Store.List(ctx, prefix)
}

// What ran before a maintenance and is down after the restore, but for what owners start themselves.
func (s *site) lost(ran map[dominosim.Key]dominosim.Run) []string {
	runs := s.running()
	var ids []string
	for k := range ran {
		if _, up := runs[k]; !up {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// A store that was rolled back, failed over, swapped or emptied between the steps is whole and old, or another one. Each
// restore then ends with another code than 0, and names all that is down, or says that the store holds nothing.
func TestWhatAStoreHasForgottenBetweenTheStepsIsNamed(t *testing.T) {
	deleted := func(s *site, keys ...string) {
		for _, key := range keys {
			s.remove(key)
		}
	}
	for name, c := range map[string]struct {
		forget func(s *site)
		code   int // -1: an error of the kind not found
	}{
		"rolled back to the middle of the shutdown": {func(s *site) {
			deleted(s, s.keys("windows/000001/report.")...)
			deleted(s, s.keys("windows/000001/journal/")[3:]...)
		}, 3},
		"rolled back to the beginning of the shutdown": {func(s *site) {
			deleted(s, s.keys("windows/000001/report.")...)
			deleted(s, s.keys("windows/000001/journal/")[1:]...)
		}, 3},
		"rolled back to before the shutdown": {func(s *site) { deleted(s, s.keys("windows/")...) }, 3},
		"emptied":                            {func(s *site) { deleted(s, s.keys("")...) }, -1},
		"swapped for an empty one":           {func(s *site) { s.store = mem.New() }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStores(t, func(t *testing.T, s *site) {
				ran := s.running()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				c.forget(s)
				res, err := s.run("restore")
				if c.code < 0 {
					if modes.Classify(err) != modes.FaultNotFound {
						t.Fatalf("restore: %v, want not found", err)
					}
					return
				}
				if err != nil || res.Code != c.code {
					t.Fatalf("restore ends with %v, error %v, want code %d", res, err, c.code)
				}
				lost := s.lost(ran)
				if len(lost) == 0 {
					t.Fatal("nothing was lost")
				}
				for _, id := range lost {
					if got := outcomeOf(res, id); got != "unexplained" {
						t.Errorf("%s is down, and restore says %q of it", id, got)
					}
				}
				if last := res.LastLine(); !strings.Contains(last, fmt.Sprint(len(lost))) || strings.Contains(last, "is done") {
					t.Errorf("the last line is %q, want the %d that are down in it", last, len(lost))
				}
				st := s.must(0, "status")
				if strings.Contains(name, "before the shutdown") {
					if !strings.Contains(st.Message, "newer than any window") {
						t.Errorf("status says %q", st.Message)
					}
					s.must(0, "restore", "DMM_RESTORE_FROM="+s.must(0, "list").Snapshots[0].ID, "DMM_YES=true")
					s.wantSame(ran)
					return
				}
				if st.Phase != window.PhaseRestoring || len(s.lost(ran)) != len(lost) {
					t.Errorf("the window is %s, want it open", st.Phase)
				}
				s.must(3, "restore") // again, until somebody settles it
				s.must(0, "restore", "DMM_GIVE_UP=true")
				s.must(0, "status")
			})
		})
	}
}

// Whoever starts what is not explained, by hand, is done with it.
func TestWhatIsNotExplainedAndRunsAgainIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		app := s.anyRunning(dominosim.KindApp)
		s.interrupted(50*time.Millisecond, "shutdown") // called off before it stops anything
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if res := s.must(3, "restore"); outcomeOf(res, app.ID) != "unexplained" || !strings.Contains(res.Message, "1 more") {
			t.Errorf("restore says %q of it: %s", outcomeOf(res, app.ID), res.Message)
		}
		if err := s.sim.OwnerStartApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.must(0, "restore")
	})
}
