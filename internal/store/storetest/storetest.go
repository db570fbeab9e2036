// Package storetest is the conformance suite of package store: every store passes it, and it knows none
// of them. With -short it does the same on less.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Run checks what the package comment of store promises. make gives an empty store for each test; the
// suite leaves objects behind.
func Run(t *testing.T, make func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"AbsentKey", absentKey},
		{"ReadAfterWrite", readAfterWrite},
		{"Overwrite", overwrite},
		{"Create", create},
		{"CreateRace", createRace},
		{"Delete", remove},
		{"EmptyBody", emptyBody},
		{"LargeBody", largeBody},
		{"BodyIsCopied", bodyIsCopied},
		{"ListAfterWrite", listAfterWrite},
		{"ListPrefix", listPrefix},
		{"ListMany", listMany},
		{"ListStopsEarly", listStopsEarly},
		{"OddKeys", oddKeys},
		{"BadKeys", badKeys},
		{"CancelledContext", cancelledContext},
		{"CancelledWrites", cancelledWrites},
		{"Readers", readers},
		{"OverwriteIsWhole", overwriteIsWhole},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, make(t)) })
	}
}

var ifAbsent = store.PutOptions{IfAbsent: true}

func put(t *testing.T, s store.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(body), store.PutOptions{}); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func wantBody(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	got, err := store.ReadAll(t.Context(), s, key, int64(len(want))+1024)
	if err != nil {
		t.Errorf("ReadAll(%q): %v", key, err)
	} else if string(got) != want {
		t.Errorf("ReadAll(%q) = %.40q (%d bytes), want %.40q (%d bytes)", key, got, len(got), want, len(want))
	}
}

func wantAbsent(t *testing.T, s store.Store, key string) {
	t.Helper()
	if body, info, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get(%q) = %v, %v, want ErrNotFound", key, info, err)
		if err == nil {
			_ = body.Close()
		}
	}
	if info, err := s.Stat(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Stat(%q) = %v, %v, want ErrNotFound", key, info, err)
	}
}

func keys(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var found []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		found = append(found, info.Key)
	}
	return found
}

func wantKeys(t *testing.T, s store.Store, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, keys(t, s, prefix)); diff != "" {
		t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
	}
}

func absentKey(t *testing.T, s store.Store) {
	wantAbsent(t, s, "absent")
	wantAbsent(t, s, "folder/absent")
	wantKeys(t, s, "")
	put(t, s, "folder/present", "x")
	wantAbsent(t, s, "folder") // is no object
	wantAbsent(t, s, "folder/presen")
	wantAbsent(t, s, "folder/present/below") // and the object no folder
	_, err := s.Stat(t.Context(), "absent")
	var e *store.Error
	if !errors.As(err, &e) || e.Key != "absent" || e.Op != "stat" {
		t.Errorf("Stat(absent) = %#v, want a *store.Error with operation and key", err)
	}
}

func readAfterWrite(t *testing.T, s store.Store) {
	const key = "windows/000001/journal/00000001.jsonl"
	before := time.Now()
	put(t, s, key, "one\ntwo\n")
	wantBody(t, s, key, "one\ntwo\n")

	info, err := s.Stat(t.Context(), key)
	if err != nil {
		t.Fatalf("Stat: %v", err)
	}
	if info.Key != key || info.Size != 8 {
		t.Errorf("Stat = %+v, want key %s and size 8", info, key)
	}
	if d := info.Modified.Sub(before); d < -time.Hour || d > time.Hour || info.Modified.Location() != time.UTC {
		t.Errorf("Stat: Modified = %v, want about %v, in UTC", info.Modified, before.UTC())
	}
	body, opened, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	defer body.Close()
	if !opened.Modified.Truncate(time.Second).Equal(info.Modified.Truncate(time.Second)) {
		t.Errorf("Get: Modified = %v, Stat says %v", opened.Modified, info.Modified)
	}
	for listed, err := range s.List(t.Context(), key) {
		if err != nil || listed.Size != 8 || listed.Key != key || !listed.Modified.Truncate(time.Second).Equal(info.Modified.Truncate(time.Second)) {
			t.Errorf("List = %+v, %v, Stat says %+v", listed, err, info)
		}
	}
}

func overwrite(t *testing.T, s store.Store) {
	for i := range 50 {
		body := strings.Repeat("v", i*7%50) + fmt.Sprint(i)
		put(t, s, "a/b", body)
		wantBody(t, s, "a/b", body)
	}
	wantKeys(t, s, "", "a/b")
}

func create(t *testing.T, s store.Store) {
	if err := s.Put(t.Context(), "a/b", []byte("first"), ifAbsent); err != nil {
		t.Fatalf("create of an absent key: %v", err)
	}
	for _, body := range []string{"second", "first", ""} { // the same bytes are no excuse
		if err := s.Put(t.Context(), "a/b", []byte(body), ifAbsent); !errors.Is(err, store.ErrExists) {
			t.Errorf("create with %q of a key that is there = %v, want ErrExists", body, err)
		}
	}
	wantBody(t, s, "a/b", "first")
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := s.Put(t.Context(), "a/b", []byte("third"), ifAbsent); err != nil {
		t.Errorf("create after delete: %v", err)
	}
	wantBody(t, s, "a/b", "third")
	wantKeys(t, s, "", "a/b")
}

// createRace is the lock of the window journal: of 32 that create one key at the same moment, one wins.
func createRace(t *testing.T, s store.Store) {
	rounds, writers := 200, 32
	if testing.Short() {
		rounds = 20
	}
	for round := range rounds {
		key := fmt.Sprintf("journal/%08d", round)
		results := make([]error, writers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				<-start
				results[w] = s.Put(t.Context(), key, fmt.Appendf(nil, "writer %d", w), ifAbsent)
			})
		}
		close(start)
		wg.Wait()
		var won []int
		for w, err := range results {
			switch {
			case err == nil:
				won = append(won, w)
			case !errors.Is(err, store.ErrExists):
				t.Errorf("round %d, writer %d: %v, want ErrExists", round, w, err)
			}
		}
		if len(won) != 1 {
			t.Fatalf("round %d: writers %v won, want exactly one", round, won)
		}
		wantBody(t, s, key, fmt.Sprintf("writer %d", won[0]))
	}
	if got := len(keys(t, s, "")); got != rounds {
		t.Errorf("List finds %d objects, want %d", got, rounds)
	}
}

func remove(t *testing.T, s store.Store) {
	for _, key := range []string{"absent", "folder/absent"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q) = %v, want nil", key, err)
		}
	}
	put(t, s, "folder/a", "x")
	put(t, s, "folder/b", "x")
	if err := s.Delete(t.Context(), "folder"); err != nil { // no object: nothing to delete
		t.Errorf("Delete(folder) = %v, want nil", err)
	}
	wantKeys(t, s, "", "folder/a", "folder/b")
	for range 2 {
		if err := s.Delete(t.Context(), "folder/a"); err != nil {
			t.Errorf("Delete(folder/a) = %v, want nil", err)
		}
		wantAbsent(t, s, "folder/a")
		wantKeys(t, s, "", "folder/b")
	}
}

func emptyBody(t *testing.T, s store.Store) {
	put(t, s, "empty", "")
	wantBody(t, s, "empty", "")
	if err := s.Put(t.Context(), "nil", nil, ifAbsent); err != nil {
		t.Errorf("create with a nil body: %v", err)
	}
	wantBody(t, s, "nil", "")
	wantKeys(t, s, "", "empty", "nil")
}

func largeBody(t *testing.T, s store.Store) {
	size := 20 << 20
	if testing.Short() {
		size = 1 << 20
	}
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i>>16 ^ i*31)
	}
	if err := s.Put(t.Context(), "large", body, ifAbsent); err != nil {
		t.Fatalf("Put: %v", err)
	}
	r, info, err := s.Get(t.Context(), "large")
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body) || info.Size != int64(size) {
		t.Errorf("read %d bytes of %d, size %d, equal %v: %v", len(got), size, info.Size, bytes.Equal(got, body), err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	// A reader that has seen enough closes early.
	r, _, err = s.Get(t.Context(), "large")
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if _, err := io.ReadFull(r, got[:100]); err != nil {
		t.Errorf("read the first bytes: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close in mid-body: %v", err)
	}
	if _, err := store.ReadAll(t.Context(), s, "large", 100); err == nil {
		t.Error("ReadAll with a limit below the size returned no error")
	}
}

func bodyIsCopied(t *testing.T, s store.Store) {
	body := []byte("before")
	if err := s.Put(t.Context(), "k", body, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	copy(body, "after!")
	wantBody(t, s, "k", "before")
}

func listAfterWrite(t *testing.T, s store.Store) {
	var want []string
	for i := range 30 {
		key := fmt.Sprintf("w/%03d", i)
		put(t, s, key, "x")
		want = append(want, key)
		if got := keys(t, s, "w/"); !slices.Equal(got, want) {
			t.Fatalf("after Put(%q): List = %q", key, got)
		}
	}
	for len(want) > 0 {
		if err := s.Delete(t.Context(), want[0]); err != nil {
			t.Fatal(err)
		}
		want = want[1:]
		if got := keys(t, s, "w/"); !slices.Equal(got, want) {
			t.Fatalf("after Delete: List = %q, want %q", got, want)
		}
	}
}

func listPrefix(t *testing.T, s store.Store) {
	// In byte order "-" < "." < "/" < "0": what is in a folder comes between its neighbours.
	all := []string{"a-b", "a.b", "a/1", "a/10/x", "a/2", "a0", "ab/c", "b", "snapshots/2026/09/20260922-190227-k3f9/manifest.json"}
	for _, key := range []int{5, 3, 8, 0, 7, 2, 6, 1, 4} {
		put(t, s, all[key], "x")
	}
	wantKeys(t, s, "", all...)
	wantKeys(t, s, "a", all[:7]...)
	wantKeys(t, s, "a/", all[2:5]...)
	wantKeys(t, s, "a/1", "a/1", "a/10/x")
	wantKeys(t, s, "a/10", "a/10/x")
	wantKeys(t, s, "a/10/x", "a/10/x")
	wantKeys(t, s, "a/10/x/")
	wantKeys(t, s, "snapshots/2026/09/20260922-19", all[8])
	wantKeys(t, s, "snapshots/2027")
	wantKeys(t, s, "c")
	wantKeys(t, s, "/")
}

// listMany lists more than fit on a page of any service.
func listMany(t *testing.T, s store.Store) {
	n := 2500
	if testing.Short() {
		n = 1100
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("many/%d/%d", i%7, i))
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(want, n/8+1) {
		wg.Go(func() {
			for _, key := range part {
				if err := s.Put(t.Context(), key, []byte(key), ifAbsent); err != nil {
					t.Errorf("Put(%q): %v", key, err)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	wantKeys(t, s, "many/", want...)
	wantKeys(t, s, "many/3/1", slices.DeleteFunc(want, func(k string) bool { return !strings.HasPrefix(k, "many/3/1") })...)
}

func listStopsEarly(t *testing.T, s store.Store) {
	for i := range 5 {
		put(t, s, fmt.Sprintf("d%d/k", i), "x")
	}
	n := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("saw %d objects, want 2", n)
	}
}

func oddKeys(t *testing.T, s store.Store) {
	odd := []string{
		"a b/c d", "ünïcødé/日本語/🙂", "100%", "a%2Fb", "%", "a/%", "%2E%2E", "a+b&c=d?e#f", `back\slash`, "quote'\"<>", "semi;colon:", " ", "trailing ",
		"../../etc/passwd", "a/../b", "./x", "x/.", "x2/..", ".hidden", "...", "a..b", "last.", "end./x", `\`,
		"/leading", "//two", "mid//dle", "*", "~", "-", "lost+found/x",
		strings.Repeat("l", 200) + "/" + strings.Repeat("m", 200), "e\u0301", "\u00e9", // two ways to write é
	}
	for _, key := range odd {
		if err := s.Put(t.Context(), key, []byte(key), ifAbsent); err != nil {
			t.Errorf("create %q: %v", key, err)
		}
	}
	for _, key := range odd {
		wantBody(t, s, key, key)
		if info, err := s.Stat(t.Context(), key); err != nil || info.Key != key {
			t.Errorf("Stat(%q) = %+v, %v", key, info, err)
		}
	}
	slices.Sort(odd)
	wantKeys(t, s, "", odd...)
	for _, prefix := range []string{"a", "a/", "a/.", "a/..", "/", "//", ".", "..", "../", "%", "%2", "x", "x/", "mid/", "mid//", "ü", "l", "la", "last", "last.", "back\\"} {
		wantKeys(t, s, prefix, slices.DeleteFunc(slices.Clone(odd), func(k string) bool { return !strings.HasPrefix(k, prefix) })...)
	}
	for _, key := range odd {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	wantKeys(t, s, "")
}

func badKeys(t *testing.T, s store.Store) {
	for _, key := range []string{"", "nul\x00", "new\nline", "\xff", "trailing/", "/", strings.Repeat("x/", store.MaxKeyLength), strings.Repeat("x", store.MaxSegmentLength+1)} {
		for op, err := range map[string]error{
			"put":    s.Put(t.Context(), key, nil, store.PutOptions{}),
			"create": s.Put(t.Context(), key, nil, ifAbsent),
			"delete": s.Delete(t.Context(), key),
			"get":    func() error { _, _, err := s.Get(t.Context(), key); return err }(),
			"stat":   func() error { _, err := s.Stat(t.Context(), key); return err }(),
		} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
				t.Errorf("%s of %.20q = %v, want another error", op, key, err)
			}
		}
	}
}

func cancelledContext(t *testing.T, s store.Store) {
	put(t, s, "present", "x")
	ctx, cancel := context.WithCancel(t.Context())
	body, _, err := s.Get(ctx, "present")
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	cancel()
	for op, err := range map[string]error{
		"put":    s.Put(ctx, "new", []byte("x"), store.PutOptions{}),
		"create": s.Put(ctx, "new", []byte("x"), ifAbsent),
		"delete": s.Delete(ctx, "present"),
		"get":    func() error { _, _, err := s.Get(ctx, "present"); return err }(),
		"stat":   func() error { _, err := s.Stat(ctx, "present"); return err }(),
		"list":   listError(ctx, s),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context = %v, want context.Canceled", op, err)
		}
	}
	wantKeys(t, s, "", "present")
}

func listError(ctx context.Context, s store.Store) (last error) {
	for _, err := range s.List(ctx, "") {
		last = err
	}
	return last
}

// cancelledWrites cancels writes at some moment of their course. What is seen then is a whole object.
func cancelledWrites(t *testing.T, s store.Store) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	old, body := strings.Repeat("old", 1<<16), strings.Repeat("new!", 1<<18)
	put(t, s, "over", old)
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		key := fmt.Sprintf("fresh/%d", i)
		created := s.Put(ctx, key, []byte(body), ifAbsent)
		replaced := s.Put(ctx, "over", []byte(body), store.PutOptions{})
		cancel()
		for _, err := range []error{created, replaced} {
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("round %d: %v, want nil or context.DeadlineExceeded", i, err)
			}
		}
		found := keys(t, s, key)
		if len(found) > 0 {
			// MinIO takes a write back whose client has hung up, now and then after it was listed.
			_, err := s.Stat(t.Context(), key)
			if created != nil && errors.Is(err, store.ErrNotFound) {
				wantKeys(t, s, key)
				continue
			}
			wantBody(t, s, key, body)
		} else if created == nil {
			t.Errorf("%s is not there, though Put returned nil", key)
		}
		got, err := store.ReadAll(t.Context(), s, "over", 1<<30)
		if err != nil || (string(got) != old && string(got) != body) {
			t.Errorf("overwritten object has %d bytes (%v), want the old body or the new one", len(got), err)
		}
		put(t, s, "over", old)
	}
}

func readers(t *testing.T, s store.Store) {
	body := strings.Repeat("0123456789abcdef", 1<<12)
	put(t, s, "shared", body)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 4 {
				wantBody(t, s, "shared", body)
			}
		})
	}
	wg.Wait()
}

// overwriteIsWhole reads while others write: a reader sees one of the bodies, never a mixture or a part.
func overwriteIsWhole(t *testing.T, s store.Store) {
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	bodies := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 150_000)}
	put(t, s, "k", bodies[0])
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for range rounds {
				if err := s.Put(t.Context(), "k", []byte(bodies[w]), store.PutOptions{}); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		got, err := store.ReadAll(t.Context(), s, "k", 1<<20)
		if err != nil || !slices.Contains(bodies, string(got)) {
			t.Fatalf("read %d bytes, %v, want one of the bodies", len(got), err)
		}
	}
}
