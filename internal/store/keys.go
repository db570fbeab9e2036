package store

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxKeyLength is the longest key in bytes. S3 allows 1,024, of which the prefix in the store's URL
	// and the escapes take their part.
	MaxKeyLength = 512
	// MaxSegmentLength is the most bytes between two slashes of a key once it is escaped: file systems
	// end at 255, and the file store needs a few for itself.
	MaxSegmentLength = 240
)

// CheckKey says what is wrong with a key that no store takes, or nil.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errors.New("a key must not be empty")
	case len(key) > MaxKeyLength:
		return fmt.Errorf("a key of %d bytes is too long, the limit is %d", len(key), MaxKeyLength)
	case !utf8.ValidString(key):
		return errors.New("a key must be valid UTF-8")
	case strings.ContainsFunc(key, unlistable):
		return errors.New("a key must not contain control characters")
	case strings.HasSuffix(key, "/"): // bucket tools take such an object for a folder, and FromPaths could not place it
		return errors.New("a key must not end in a slash")
	}
	for segment := range strings.SplitSeq(EscapeKey(key), "/") {
		if len(segment) > MaxSegmentLength {
			return fmt.Errorf("a key must not have more than %d bytes between two slashes", MaxSegmentLength)
		}
	}
	return nil
}

// unlistable tells the characters that the XML of an S3 listing cannot carry.
func unlistable(r rune) bool { return unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF' }

// EscapeKey turns a key into a path that means nothing special to anyone on the way: file systems,
// servers and proxies resolve "." and "..", squeeze "//" or refuse them; Azure and SMB turn "\" into "/" and
// drop a dot at the end of a segment. A segment "." or ".." becomes "%2E" or "%2E%2E", a last dot "%2E", a
// backslash "%5C", an empty segment "%", and "%" itself "%25". All else stays as it is, so that what dmm
// writes is found under its own name. No two keys share a path.
//
// The path sorts like the key, but for these escapes: their "%" comes before the ".", "\" or "/" of the key,
// never after it.
func EscapeKey(key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = escapeSegment(s)
	}
	return strings.Join(segments, "/")
}

func escapeSegment(s string) string {
	switch s {
	case "":
		return "%"
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	s = escape.Replace(s)
	if rest, ok := strings.CutSuffix(s, "."); ok {
		s = rest + "%2E"
	}
	return s
}

var (
	escape   = strings.NewReplacer("%", "%25", `\`, "%5C")
	unescape = strings.NewReplacer("%25", "%", "%5C", `\`)
)

// UnescapeKey turns a path back into its key. It is false for a path that EscapeKey makes of no key:
// what somebody else put there is none of a store's objects.
func UnescapeKey(path string) (key string, ok bool) {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		switch s {
		case "%":
			segments[i] = ""
		case "%2E":
			segments[i] = "."
		case "%2E%2E":
			segments[i] = ".."
		default:
			if rest, ok := strings.CutSuffix(s, "%2E"); ok {
				s = rest + "."
			}
			segments[i] = unescape.Replace(s)
		}
	}
	key = strings.Join(segments, "/")
	return key, CheckKey(key) == nil && EscapeKey(key) == path
}

// EscapePrefix gives a prefix that the paths of all keys with the given prefix have in common. Other
// paths may have it too, so that a listing by it needs another look at each key.
func EscapePrefix(prefix string) string {
	cut := strings.LastIndexByte(prefix, '/') + 1
	folder, begun := prefix[:cut], prefix[cut:]
	if folder != "" {
		folder = EscapeKey(folder[:cut-1]) + "/"
	}
	switch begun {
	case "", ".", "..": // may go on as "..." or be complete, and then it is escaped
		return folder
	}
	return folder + escape.Replace(strings.TrimSuffix(begun, ".")) // the dot may be the last one, and escaped
}

// FromPaths turns a listing of paths, in ascending order of path as bucket services give it, into the
// listing of keys that List owes: only keys with the prefix, in ascending order of key. It passes over
// what is no store's path, and refuses a listing out of order, which may be short as well.
func FromPaths(paths iter.Seq2[Info, error], prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		// A key with an escape other than that of "%" comes too early in the order of paths. It is held back
		// until a key without one has passed its place: nothing that follows that one belongs before it.
		var held []Info
		release := func(before func(key string) bool) bool {
			slices.SortFunc(held, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
			for len(held) > 0 && before(held[0].Key) {
				first := held[0]
				held = held[1:]
				if !yield(first, nil) {
					return false
				}
			}
			return true
		}
		last := ""
		for info, err := range paths {
			if err != nil {
				yield(Info{}, err)
				return
			}
			path := info.Key
			if path <= last && last != "" {
				yield(Info{}, fmt.Errorf("the listing is out of order: %q after %q", path, last))
				return
			}
			last = path
			key, ok := UnescapeKey(path)
			if !ok || !strings.HasPrefix(key, prefix) {
				continue
			}
			info.Key = key
			if path != strings.ReplaceAll(key, "%", "%25") {
				held = append(held, info)
				continue
			}
			if !release(func(k string) bool { return k < key }) || !yield(info, nil) {
				return
			}
		}
		release(func(string) bool { return true })
	}
}
