package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	id     = "20260922-190227-k3f9"
	folder = "snapshots/2026/09/" + id + "/"
)

var (
	from = time.Date(2026, 9, 22, 19, 2, 27, 0, time.UTC)
	to   = from.Add(41 * time.Second)
)

// executions are one of each kind, with every field somewhere in use.
func executions() []execution.Execution {
	project := execution.Project{ID: "62ab876f4353fd13a0e04f89", Owner: "a.okafor", Name: "churn-forecast"}
	return []execution.Execution{
		{
			Kind: execution.App, ID: "63651fb323381b6c3b43b0a1", Name: "Who's <churning> & why?", Project: project, Owner: "a.okafor",
			State: execution.Running, DominoState: "Serving", Instance: "63651fb323381b6c3b43b0a2", RunID: "63651fb323381b6c3b43b0a2",
			Since: from.Add(-72 * time.Hour), HardwareTier: "small-k8s", Environment: "63629f9823381b6c3b43ab39",
			Restart: json.RawMessage(`{"hardwareTierId":"small-k8s","externalVolumeMountIds":[]}`),
			Guesses: []string{"Domino does not tell its mounts: all local external volumes of its project will be mounted"},
		},
		{
			Kind: execution.ModelAPI, ID: "6365532ab6589d515ab591ab", Parent: "63652e0723381b6c3b43b0c1", Name: "scorer v5", Project: project,
			Owner: "b.keller", State: execution.Failed, DominoState: "Failed", DataPlane: "000000000000000000000000",
		},
		{
			Kind: execution.Workspace, ID: "63651fb323381b6c3b43b0b1", Name: "Notebook", Project: project, State: execution.Starting,
			DominoState: "Pulling", Instance: "63651fb323381b6c3b43b0b2", RunID: "63651fb323381b6c3b43b0b3",
		},
		{Kind: execution.ScheduledJob, ID: "63651fb323381b6c3b43b0d1", Name: "Nightly refresh", Project: project, State: execution.Stopped, DominoState: "paused"},
	}
}

func manifest() snapshot.Manifest {
	return snapshot.Manifest{
		ID: id, From: from, To: to, Domino: snapshot.Domino{URL: "https://domino.example.com", Version: "6.1.0"},
		TakenBy: "integration.admin", Tool: "1.0.0", Complete: true,
		Problems: []execution.Problem{{Kind: execution.App, Subject: "list", Message: "a warning"}},
		Unaccounted: []execution.Sighting{{
			ID: "63651fb323381b6c3b43b0e1", Workload: "App", Project: execution.Project{ID: "p", Owner: "o", Name: "n"}, User: "u", Title: "t", State: "Running",
		}},
		WithoutDriver: map[string]int{"Batch": 2},
	}
}

// written is a store that holds one snapshot.
func written(t *testing.T) *mem.Store {
	t.Helper()
	s := mem.New()
	if _, err := snapshot.Write(t.Context(), s, manifest(), executions(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	body, err := store.ReadAll(t.Context(), s, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func replace(t *testing.T, s store.Store, key string, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, body, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrittenIsLoaded(t *testing.T) {
	s := mem.New()
	m, err := snapshot.Write(t.Context(), s, manifest(), executions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := snapshot.Load(t.Context(), s, id)
	if err != nil {
		t.Fatal(err)
	}
	want := &snapshot.Snapshot{Manifest: m, Executions: executions()}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(snapshot.Snapshot{})); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if got := got.Running(); got != 2 {
		t.Errorf("Running() = %d, want 2: one running, one starting", got)
	}
	if diff := cmp.Diff(snapshot.Count(executions()), m.Counts); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
}

func TestASnapshotOfNothing(t *testing.T) {
	s := mem.New()
	if _, err := snapshot.Write(t.Context(), s, manifest(), nil, nil); err != nil {
		t.Fatal(err)
	}
	got, err := snapshot.Load(t.Context(), s, "latest")
	if err != nil || len(got.Executions) != 0 || got.Data.Lines != 0 {
		t.Errorf("Load = %+v, %v, want no executions", got, err)
	}
}

// Others rely on the objects, their keys and their fields.
func TestFormat(t *testing.T) {
	s := written(t)
	var keys []string
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	if diff := cmp.Diff([]string{folder + "executions.jsonl.zst", folder + "manifest.json"}, keys); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}

	data := read(t, s, folder+"executions.jsonl.zst")
	golden(t, "executions.jsonl", unpack(t, data))

	// How well the compressor does is no part of the format: what describes the compressed bytes is checked here.
	body := read(t, s, folder+"manifest.json")
	sum := sha256.Sum256(data)
	for _, want := range []string{fmt.Sprintf(`"size": %d`, len(data)), fmt.Sprintf(`"sha256": %q`, hex.EncodeToString(sum[:]))} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("manifest lacks %s:\n%s", want, body)
		}
	}
	body = regexp.MustCompile(`"size": \d+`).ReplaceAll(body, []byte(`"size": 1`))
	body = regexp.MustCompile(`"sha256": "\w+"`).ReplaceAll(body, []byte(`"sha256": "00"`))
	golden(t, "manifest.json", body)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update if it is meant):\n%s", path, diff)
	}
}

func pack(t testing.TB, lines []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstd.MinWindowSize))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(lines, nil)
}

func unpack(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines, err := z.DecodeAll(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// recording notes the keys that are put, and refuses some.
type recording struct {
	store.Store
	puts   []string
	refuse func(key string) error
}

func (r *recording) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if !o.IfAbsent {
		return errors.New("a snapshot is only ever created")
	}
	r.puts = append(r.puts, key)
	if r.refuse != nil {
		if err := r.refuse(key); err != nil {
			return err
		}
	}
	return r.Store.Put(ctx, key, body, o)
}

// The manifest is the commit: data first, then the last question, then the manifest.
func TestTheManifestIsWrittenLast(t *testing.T) {
	s := &recording{Store: mem.New()}
	_, err := snapshot.Write(t.Context(), s, manifest(), executions(), func(context.Context) error {
		s.puts = append(s.puts, "commit")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{folder + "executions.jsonl.zst", "commit", folder + "manifest.json"}
	if diff := cmp.Diff(want, s.puts); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestASnapshotWithoutItsManifestDoesNotExist(t *testing.T) {
	no := errors.New("no")
	for _, tt := range []struct {
		name   string
		commit func(context.Context) error
		refuse string // name of the object whose put fails
	}{
		{"it is not to be committed", func(context.Context) error { return no }, ""},
		{"its manifest cannot be written", nil, "manifest.json"},
		{"its data cannot be written", func(context.Context) error { panic("asked without data") }, "executions.jsonl.zst"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &recording{Store: mem.New(), refuse: func(key string) error {
				if tt.refuse != "" && strings.HasSuffix(key, tt.refuse) {
					return no
				}
				return nil
			}}
			_, err := snapshot.Write(t.Context(), s, manifest(), executions(), tt.commit)
			if !errors.Is(err, no) || !strings.Contains(err.Error(), id) {
				t.Errorf("Write = %v, want the cause and the snapshot's id", err)
			}
			if ids, err := snapshot.List(t.Context(), s); err != nil || len(ids) > 0 {
				t.Errorf("List = %v, %v, want none", ids, err)
			}
			if _, err := s.Stat(t.Context(), folder+"manifest.json"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Stat of the manifest = %v, want ErrNotFound", err)
			}
			if _, err := snapshot.Load(t.Context(), s, "latest"); !errors.Is(err, snapshot.ErrNotFound) {
				t.Errorf("Load = %v, want ErrNotFound", err)
			}
		})
	}
}

func TestASnapshotIsNeverOverwritten(t *testing.T) {
	s := written(t)
	before := read(t, s, folder+"manifest.json")
	other := manifest()
	other.TakenBy = "somebody.else"
	if _, err := snapshot.Write(t.Context(), s, other, executions()[:1], nil); !errors.Is(err, store.ErrExists) {
		t.Errorf("Write of an id that is taken = %v, want ErrExists", err)
	}
	if got := read(t, s, folder+"manifest.json"); !bytes.Equal(before, got) {
		t.Errorf("manifest = %s, want the first", got)
	}
	if _, err := snapshot.Load(t.Context(), s, id); err != nil {
		t.Errorf("Load = %v, want the first, whole", err)
	}
}

func TestAnExecutionThatCannotBeEncodedIsNotWritten(t *testing.T) {
	s := &recording{Store: mem.New()}
	bad := executions()[:1]
	bad[0].Restart = json.RawMessage("{")
	if _, err := snapshot.Write(t.Context(), s, manifest(), bad, nil); err == nil || !strings.Contains(err.Error(), bad[0].ID) || len(s.puts) > 0 {
		t.Errorf("Write = %v after %q, want an error that names %s and nothing written", err, s.puts, bad[0].ID)
	}
}

func TestAMalformedIDIsNotWritten(t *testing.T) {
	for _, bad := range []string{"", "latest", "20260922-190227-k3f9/../x", "20260922-190227-K3F9", "20260922-190227-k3f9x"} {
		s := &recording{Store: mem.New()}
		m := manifest()
		m.ID = bad
		if _, err := snapshot.Write(t.Context(), s, m, nil, nil); err == nil || len(s.puts) > 0 {
			t.Errorf("Write of id %q = %v after %q, want an error and nothing written", bad, err, s.puts)
		}
	}
}

func TestList(t *testing.T) {
	s := mem.New()
	want := []string{"20251231-235959-zzzz", "20260101-000000-aaaa", "20260101-000000-bbbb"}
	for _, id := range []string{want[2], want[0], want[1]} {
		m := manifest()
		m.ID = id
		if _, err := snapshot.Write(t.Context(), s, m, executions(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{
		"snapshots/2026/02/20260201-000000-cccc/executions.jsonl.zst", // data alone
		"snapshots/2025/02/20260201-000000-cccc/manifest.json",        // in another month's folder
		"snapshots/2026/02/not-an-id/manifest.json",
		"snapshots/manifest.json",
		"other/2026/02/20260201-000000-cccc/manifest.json",
	} {
		replace(t, s, key, []byte("{}"))
	}
	got, err := snapshot.List(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for _, name := range []string{"", "latest"} {
		newest, err := snapshot.Load(t.Context(), s, name)
		if err != nil || newest.ID != want[2] {
			t.Errorf("Load(%q) = %+v, %v, want %s", name, newest, err, want[2])
		}
	}
	oldest, err := snapshot.Load(t.Context(), s, want[0])
	if err != nil || oldest.ID != want[0] {
		t.Errorf("Load(%q) = %+v, %v, want it", want[0], oldest, err)
	}
}

func TestASnapshotThatIsNotThere(t *testing.T) {
	empty, full := mem.New(), written(t)
	for _, tt := range []struct {
		name  string
		store store.Store
		id    string
		want  string
	}{
		{"the latest of none", empty, "latest", "holds none"},
		{"one of none", empty, id, "holds none"},
		{"another", full, "20260101-000000-aaaa", "holds 1 other"},
		{"nonsense", full, "../../etc", "holds 1 other"},
		{"too short for a folder", full, "1", "holds 1 other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := snapshot.Load(t.Context(), tt.store, tt.id)
			if !errors.Is(err, snapshot.ErrNotFound) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load(%q) = %v, want ErrNotFound that says %q", tt.id, err, tt.want)
			}
		})
	}
}

// failing is a store that cannot be looked into.
type failing struct {
	store.Store
	list, get error
}

func (f failing) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	if f.list == nil {
		return f.Store.List(ctx, prefix)
	}
	return func(yield func(store.Info, error) bool) { yield(store.Info{}, f.list) }
}

func (f failing) Stat(context.Context, string) (store.Info, error) { return store.Info{}, f.get }

func (f failing) Get(ctx context.Context, key string) (r io.ReadCloser, info store.Info, err error) {
	if f.get == nil || !strings.HasSuffix(key, ".zst") {
		return f.Store.Get(ctx, key)
	}
	return nil, store.Info{}, f.get
}

// "Cannot see" is never "nothing there", and is no damage either.
func TestAStoreThatCannotBeReadIsNotAnEmptyOne(t *testing.T) {
	other := errors.New("no answer")
	for _, tt := range []struct {
		name  string
		store failing
		want  error
	}{
		{"the list is denied", failing{list: store.ErrDenied}, store.ErrDenied},
		{"the list fails", failing{list: other}, other},
		{"the data is denied", failing{get: store.ErrDenied}, store.ErrDenied},
		{"the data cannot be got", failing{get: other}, other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.store.Store = written(t)
			for _, name := range []string{"latest", id} {
				_, err := snapshot.Load(t.Context(), tt.store, name)
				if !errors.Is(err, tt.want) || errors.Is(err, snapshot.ErrNotFound) || errors.As(err, new(*snapshot.DamagedError)) {
					t.Errorf("Load(%s) = %v, want %v and neither ErrNotFound nor damage", name, err, tt.want)
				}
			}
		})
	}
}

func TestDamage(t *testing.T) {
	edit := func(pattern, with string) func([]byte) []byte {
		return func(body []byte) []byte {
			out := regexp.MustCompile(pattern).ReplaceAll(body, []byte(with))
			if bytes.Equal(out, body) {
				panic(pattern + " is not in the manifest")
			}
			return out
		}
	}
	for _, tt := range []struct {
		name     string
		manifest func([]byte) []byte
		data     func([]byte) []byte // nil result: deleted
		want     string
	}{
		{name: "data missing", data: func([]byte) []byte { return nil }, want: "executions.jsonl.zst is missing"},
		{name: "data truncated", data: func(b []byte) []byte { return b[:len(b)-1] }, want: "its manifest says"},
		{name: "data longer", data: func(b []byte) []byte { return append(b, 0) }, want: "its manifest says"},
		{name: "one bit of the data flipped", data: func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, want: "sha256 mismatch"},
		{name: "manifest empty", manifest: func([]byte) []byte { return []byte{} }, want: "manifest.json is not JSON"},
		{name: "manifest truncated", manifest: func(b []byte) []byte { return b[:len(b)/2] }, want: "manifest.json is not JSON"},
		{name: "manifest null", manifest: func([]byte) []byte { return []byte("null") }, want: `schema "" is not known`},
		{name: "manifest an array", manifest: func([]byte) []byte { return []byte("[]") }, want: "manifest.json is not JSON"},
		{name: "manifest of other types", manifest: edit(`"takenBy": "[^"]*"`, `"takenBy": 7`), want: "takenBy"},
		{name: "unknown schema", manifest: edit(`dmm.snapshot/v1`, `dmm.snapshot/v2`), want: `schema "dmm.snapshot/v2" is not known to this version of dmm, which reads "dmm.snapshot/v1"`},
		{name: "another snapshot's manifest", manifest: edit(id, "20260101-000000-aaaa"), want: `names another snapshot, "20260101-000000-aaaa"`},
		{name: "another data object", manifest: edit(`executions.jsonl.zst`, `../x`), want: `unknown data object "../x"`},
		{name: "another number of lines", manifest: edit(`"lines": \d+`, `"lines": 5`), want: "has 4 lines, its manifest says 5"},
		{name: "a count of what is not there", manifest: edit(`"App": \{`, `"App": {"starting": 3,`), want: "0 App are starting, its manifest says 3"},
		{name: "a kind that is not there", manifest: edit(`"App": \{`, `"Job": {"running": 1}, "App": {`), want: "0 Job are running, its manifest says 1"},
		{name: "another count", manifest: edit(`"running": 1`, `"running": 2`), want: "1 App are running, its manifest says 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := written(t)
			if tt.manifest != nil {
				replace(t, s, folder+"manifest.json", tt.manifest(read(t, s, folder+"manifest.json")))
			}
			if tt.data != nil {
				if body := tt.data(read(t, s, folder+"executions.jsonl.zst")); body != nil {
					replace(t, s, folder+"executions.jsonl.zst", body)
				} else if err := s.Delete(t.Context(), folder+"executions.jsonl.zst"); err != nil {
					t.Fatal(err)
				}
			}
			wantDamaged(t, s, tt.want)
		})
	}
}

func wantDamaged(t *testing.T, s store.Store, want string) {
	t.Helper()
	got, err := snapshot.Load(t.Context(), s, id)
	var damage *snapshot.DamagedError
	if !errors.As(err, &damage) {
		t.Fatalf("Load = %+v, %v, want a DamagedError", got, err)
	}
	if damage.ID != id || !strings.Contains(damage.Reason, want) || err.Error() != "read snapshot "+id+": "+damage.Reason {
		t.Errorf("Load = %q, want the snapshot's id and %q", err, want)
	}
}

// A manifest may be right about the bytes and the bytes may be wrong, if dmm has written them so.
func TestDataThatIsNotWhatItShouldBe(t *testing.T) {
	const line = `{"kind":"App","id":"a","name":"","project":{"id":"","owner":"","name":""},"state":"running","dominoState":""}` + "\n"
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"a line twice", pack(t, []byte(line+line)), "line 2: no kind or id, or one that came before"},
		{"a line without an id", pack(t, []byte(line+`{"kind":"App"}`)), "line 2: no kind or id"},
		{"a line without a kind", pack(t, []byte(`{"id":"a"}`)), "line 1: no kind or id"},
		{"a line that is null", pack(t, []byte("null")), "line 1: no kind or id"},
		{"a line that is not JSON", pack(t, []byte(line+"x")), "line 2: invalid character"},
		{"a line that ends early", pack(t, []byte(line[:40])), "line 1: unexpected EOF"},
		{"a line of other types", pack(t, []byte(`{"kind":"App","id":7}`)), "line 1: json: cannot unmarshal number"},
		{"not compressed", []byte(line), "line 1: invalid input: magic number mismatch"},
		{"compressed and broken off", pack(t, bytes.Repeat([]byte(line), 3))[:12], "line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sum := sha256.Sum256(tt.data)
			m := manifest()
			m.Data = snapshot.Data{Size: int64(len(tt.data)), SHA256: hex.EncodeToString(sum[:]), Lines: 2}
			got, err := snapshot.ParseData(m, tt.data)
			var damage *snapshot.DamagedError
			if !errors.As(err, &damage) || !strings.Contains(damage.Reason, tt.want) {
				t.Errorf("ParseData = %v, %v, want a DamagedError that says %q", got, err, tt.want)
			}
		})
	}
}

// A later version of dmm may write more than this one knows.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	lines := []byte(`{"kind":"App","id":"a","state":"running","later":{"x":1}}` + "\n" + `{"kind":"Endpoint","id":"a","state":"paused"}` + "\n")
	data := pack(t, lines)
	sum := sha256.Sum256(data)
	body := fmt.Appendf(nil, `{"schema":"dmm.snapshot/v1","id":%q,"later":[1],"counts":{"App":{"running":1},"Endpoint":{"paused":1}},
		"data":{"name":"executions.jsonl.zst","size":%d,"sha256":%q,"lines":2,"later":true}}`, id, len(data), hex.EncodeToString(sum[:]))
	s := mem.New()
	replace(t, s, folder+"executions.jsonl.zst", data)
	replace(t, s, folder+"manifest.json", body)

	got, err := snapshot.Load(t.Context(), s, id)
	if err != nil {
		t.Fatal(err)
	}
	want := []execution.Execution{{Kind: "App", ID: "a", State: "running"}, {Kind: "Endpoint", ID: "a", State: "paused"}}
	if diff := cmp.Diff(want, got.Executions); diff != "" {
		t.Errorf("executions (-want +got):\n%s", diff)
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 9, 22, 21, 2, 27, 999, time.FixedZone("", 2*60*60))
	seen := map[string]bool{}
	for range 100 {
		got := snapshot.NewID(at)
		if !regexp.MustCompile(`^20260922-190227-[a-z0-9]{4}$`).MatchString(got) {
			t.Fatalf("NewID = %q, want the time in UTC and four letters or digits", got)
		}
		seen[got] = true
	}
	if len(seen) < 90 { // of a million
		t.Errorf("%d of 100 ids of one second differ", len(seen))
	}
	if a, b := snapshot.NewID(at), snapshot.NewID(at.Add(time.Second)); a >= b {
		t.Errorf("ids %q and %q, want them in the order of their times", a, b)
	}
	m := manifest()
	m.ID = snapshot.NewID(at)
	if _, err := snapshot.Write(t.Context(), mem.New(), m, nil, nil); err != nil {
		t.Errorf("Write of a new id: %v", err)
	}
}

func TestCount(t *testing.T) {
	got := snapshot.Count([]execution.Execution{
		{Kind: execution.App, State: execution.Running}, {Kind: execution.App, State: execution.Running},
		{Kind: execution.App, State: execution.Failed}, {Kind: execution.Workspace, State: execution.Starting},
	})
	want := map[execution.Kind]map[execution.State]int{
		execution.App:       {execution.Running: 2, execution.Failed: 1},
		execution.Workspace: {execution.Starting: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Count (-want +got):\n%s", diff)
	}
	if got := (snapshot.Manifest{Counts: want}).Running(); got != 3 {
		t.Errorf("Running() = %d, want 3", got)
	}
}

func TestSort(t *testing.T) {
	p := func(owner, name string) execution.Project { return execution.Project{Owner: owner, Name: name} }
	want := []execution.Execution{
		{Kind: execution.App, Project: p("a", "x"), Name: "m", ID: "1"},
		{Kind: execution.App, Project: p("a", "x"), Name: "m", ID: "2"},
		{Kind: execution.App, Project: p("a", "x"), Name: "n", ID: "0"},
		{Kind: execution.App, Project: p("a", "y"), Name: "a", ID: "0"},
		{Kind: execution.App, Project: p("b", "a"), Name: "a", ID: "0"},
		{Kind: execution.ModelAPI, Project: p("a", "a"), Name: "a", ID: "0"},
		{Kind: execution.Workspace, Project: p("a", "a"), Name: "a", ID: "0"},
		{Kind: execution.ScheduledJob, Project: p("a", "a"), Name: "a", ID: "0"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	got[2], got[5] = got[5], got[2]
	snapshot.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Sort (-want +got):\n%s", diff)
	}
}
