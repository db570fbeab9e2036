package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func FuzzKeyPath(f *testing.F) {
	for _, key := range []string{"a/b", "..", "a/../b", "//", "%", "%2E", "100%/x", "/", "ü ", "...", "a%25", "a.", `a\b`, "%5C", "%2E."} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Whatever the string, its path stays below the folder it is put in.
		for segment := range strings.SplitSeq(EscapeKey(s), "/") {
			if segment == "" || strings.HasSuffix(segment, ".") || strings.Contains(segment, `\`) {
				t.Errorf("EscapeKey(%q) = %q, with a segment that has a meaning", s, EscapeKey(s))
			}
		}
		if CheckKey(s) == nil {
			if got, ok := UnescapeKey(EscapeKey(s)); !ok || got != s {
				t.Errorf("UnescapeKey(EscapeKey(%q)) = %q, %v", s, got, ok)
			}
		}
		if key, ok := UnescapeKey(s); ok && EscapeKey(key) != s {
			t.Errorf("UnescapeKey(%q) = %q, whose path is %q", s, key, EscapeKey(key))
		}
	})
}

func TestCheckKey(t *testing.T) {
	for _, test := range []struct {
		key  string
		good bool
	}{
		{"a", true}, {"../x", true}, {"/x", true}, {"ü 日本/🙂", true}, {strings.Repeat("k/", 200) + "k", true},
		{"", false}, {"/", false}, {"a/", false}, {"a\x00", false}, {"a\n", false}, {"\u0085", false}, {"\uffff", false}, {"\xc3", false},
		{strings.Repeat("k", MaxSegmentLength), true}, {strings.Repeat("k", MaxSegmentLength+1), false},
		{strings.Repeat("%", MaxSegmentLength/3+1), false}, {strings.Repeat("k/", 256) + "k", false},
	} {
		if err := CheckKey(test.key); (err == nil) != test.good {
			t.Errorf("CheckKey(%.20q) = %v, want it accepted: %v", test.key, err, test.good)
		}
	}
}

func seq(err error, keys ...string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for _, k := range keys {
			if !yield(Info{Key: k}, nil) {
				return
			}
		}
		if err != nil {
			yield(Info{}, err)
		}
	}
}

// TestFromPaths compares with the plain way: all the keys, filtered and sorted.
func TestFromPaths(t *testing.T) {
	key := rapid.SliceOfN(rapid.SampledFrom([]string{"/", "/", ".", ".", "%", "-", "!", "0", "a", "2E", "5C", `\`, "ü"}), 1, 7)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string { return strings.Join(key.Draw(t, name), "") }
		var keys, paths, want []string
		for i := range rapid.IntRange(0, 30).Draw(t, "n") {
			keys = append(keys, draw(fmt.Sprint(i)))
		}
		slices.Sort(keys)
		keys = slices.DeleteFunc(slices.Compact(keys), func(k string) bool { return CheckKey(k) != nil })
		prefix := draw("prefix")
		if len(keys) > 0 { // a beginning of a key finds something
			k := rapid.SampledFrom(keys).Draw(t, "key")
			prefix = k[:rapid.IntRange(0, len(k)).Draw(t, "cut")]
		}
		for _, k := range keys {
			if strings.HasPrefix(EscapeKey(k), EscapePrefix(prefix)) {
				paths = append(paths, EscapeKey(k))
			} else if strings.HasPrefix(k, prefix) {
				t.Errorf("EscapePrefix(%q) = %q leaves out %q", prefix, EscapePrefix(prefix), EscapeKey(k))
			}
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		slices.Sort(paths)
		var got []string
		for info, err := range FromPaths(seq(nil, paths...), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, info.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
		// It can be left at any point.
		stop, seen := rapid.IntRange(0, 31).Draw(t, "stop"), 0
		for _, err := range FromPaths(seq(nil, paths...), prefix) {
			if seen++; seen == stop || err != nil {
				break
			}
		}
	})
}

func TestFromPathsErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		paths iter.Seq2[Info, error]
		want  string
	}{
		{seq(nil, "a", "b"), "[a b <nil>]"},
		{seq(broken, "a", "b"), "[a b broken]"},
		{seq(nil, "b", "a", "c"), `[b the listing is out of order: "a" after "b"]`},
		{seq(nil, "a", "a"), `[a the listing is out of order: "a" after "a"]`},
		{seq(nil, "%2E/x", "%2E/y", "a"), "[./x ./y a <nil>]"},
	} {
		var got []any
		var last error
		for info, err := range FromPaths(test.paths, "") {
			if last = err; err == nil {
				got = append(got, info.Key)
			}
		}
		if s := fmt.Sprint(append(got, last)); s != test.want {
			t.Errorf("got %s, want %s", s, test.want)
		}
	}
}

// canned is a store that has one answer to Get.
type canned struct {
	Store
	size int64
	body io.Reader
}

func (c canned) Get(_ context.Context, key string) (io.ReadCloser, Info, error) {
	return io.NopCloser(c.body), Info{Key: key, Size: c.size}, nil
}

func TestReadAll(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name  string
		store canned
		limit int64
		want  string // in the error
	}{
		{"whole", canned{size: 4, body: strings.NewReader("body")}, 4, ""},
		{"too large", canned{size: 4, body: strings.NewReader("body")}, 3, "object of 4 bytes is larger than the limit of 3"},
		{"larger than it says", canned{size: 3, body: strings.NewReader("body")}, 3, "larger than the limit"},
		{"longer than it says", canned{size: 3, body: strings.NewReader("body")}, 9, "read 4 bytes of an object of 3"},
		{"short", canned{size: 5, body: strings.NewReader("body")}, 9, "unexpected EOF"},
		{"broken", canned{size: 5, body: io.MultiReader(strings.NewReader("body"), errReader{broken})}, 9, `get "k": broken`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadAll(t.Context(), test.store, "k", test.limit)
			switch {
			case test.want == "" && (err != nil || string(got) != "body"):
				t.Errorf("ReadAll = %q, %v, want the body", got, err)
			case test.want != "" && (err == nil || got != nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("ReadAll = %q, %v, want an error with %q", got, err, test.want)
			}
		})
	}
}

type errReader struct{ error }

func (r errReader) Read([]byte) (int, error) { return 0, r.error }
