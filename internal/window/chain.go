package window

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// The entries of a journal are a chain: the first line of each carries, as prev, the SHA-256 of the bytes of the entry
// before. Entry 1 carries that of the last entry of the window before. So an entry that was edited, doubled, swapped,
// or put in from elsewhere shows: its neighbour does not fit. A journal that has lost its end still fits, so that
// the end has an anchor outside of it. Whoever can compute SHA-256 can forge a chain; it is against accidents.
//
// A version of dmm before the chain wrote no prev and ignores it. Its journals are read as they are, and a window that it has
// begun is chained from the entry with which this version goes on.

// genesis is the prev of entry 1 of the first window, which follows nothing.
var genesis = strings.Repeat("0", hex.EncodedLen(sha256.Size))

// sumOf is what the next entry carries of one.
func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Anchor is the end of a journal as a run left it. Reports, last lines, Events and the webhook keep it outside of the
// journal, where it shows that a journal has lost its end.
type Anchor struct {
	Entries int    `json:"entries"`
	Head    string `json:"head"` // SHA-256 of the last entry's bytes, in hex
}

func (a Anchor) String() string { return fmt.Sprintf("%d entries, head %.12s", a.Entries, a.Head) }

// Anchor is the end of the journal as far as the window has been read.
func (w *Window) Anchor() Anchor { return Anchor{Entries: w.entries(), Head: w.head()} }

// entries is how many journal entries have been read, or written.
func (w *Window) entries() int { return len(w.sums) }

// head is what the next entry has to carry.
func (w *Window) head() string {
	if n := len(w.sums); n > 0 {
		return w.sums[n-1]
	}
	return w.before
}

// add takes the next entry.
func (w *Window) add(lines []Line, body []byte) {
	w.starts = append(w.starts, len(w.Lines))
	w.Lines = append(w.Lines, lines...)
	w.sums, w.sizes = append(w.sums, sumOf(body)), append(w.sizes, int64(len(body)))
	w.chained = w.chained || lines[0].Prev != ""
	w.sealed = w.sealed || len(w.sums) == 1 && lines[0].MAC != ""
}

// follows refuses an entry that does not fit to the one before it.
func (w *Window) follows(key string, first Line) error {
	switch n := w.entries(); {
	case first.Prev == "" && w.chained:
		return damaged(key, "carries no checksum of the entry before, though earlier ones do: an older dmm has written it, or no dmm")
	case first.Prev == "" || n == 0: // before the chain; or it follows another window, which whoever reads both looks at
		return nil
	case first.Prev != w.head():
		return damaged(key, "does not follow %s: one of the two was changed, doubled, swapped, or is of another journal", entryKey(w.Number, n))
	}
	return nil
}

// followsWindow refuses an entry 1 that does not fit to the last entry of the window before, whose checksum is last,
// empty if it is not known.
func followsWindow(number int, first Line, last string) error {
	switch {
	case first.Prev == "" || last == "" || first.Prev == last:
		return nil
	case last == genesis:
		return damaged(entryKey(number, 1), "follows a window, and is of the first one")
	}
	return damaged(entryKey(number, 1), "does not follow the last entry of window %s: one of the two was changed, or is of another store", name(number-1))
}

// ReportKey is where the report of a window is kept in a format: txt, json or html. Others rely on it.
func ReportKey(window, format string) string { return root + window + "/report." + format }

// anchored holds the journal against the anchor in its report, and reads on where lists lag behind it.
func (w *Window) anchored(ctx context.Context, s store.Store) error {
	key := ReportKey(w.Name(), "json")
	body, err := store.ReadAll(ctx, s, key, maxEntry)
	if errors.Is(err, store.ErrNotFound) {
		return nil // no run has ended yet
	}
	if err != nil {
		return fmt.Errorf("read the anchor of the journal: %w", orForeign(err))
	}
	var a struct{ Journal Anchor }
	if json.Unmarshal(body, &a) != nil || a.Journal.Entries == 0 {
		return nil // nothing relies on a report; those of older versions have no anchor
	}
	if a.Journal.Entries < 0 {
		return damaged(key, "says that the journal has %s", a.Journal)
	}
	for w.entries() < a.Journal.Entries {
		err := w.extend(ctx, s, w.entries()+1) // a list may lag, a read does not
		if errors.Is(err, store.ErrNotFound) {
			return damaged(entryKey(w.Number, w.entries()+1), "is missing: %s says that the journal has %s", key, a.Journal)
		}
		if err != nil {
			return err
		}
	}
	if w.sums[a.Journal.Entries-1] != a.Journal.Head {
		return damaged(entryKey(w.Number, a.Journal.Entries), "is not the entry that %s was made from: the journal had %s", key, a.Journal)
	}
	return nil
}

// codePrefix is how an entry begins that carries a code.
const codePrefix = `{"mac":"`

// checkCode refuses an entry without the code that it must have.
func checkCode(s store.Store, key string, body []byte) error {
	sealed := seal.Of(s)
	if sealed.Key == nil || sealed.AllowUnsealed {
		return nil
	}
	if err := sealed.Key.Check(seal.JournalEntry, key, codePrefix, body); err != nil {
		return &DamagedError{Key: key, Reason: err.Error(), Err: err}
	}
	return nil
}

// Sealed reports whether the window is under a key.
func (w *Window) Sealed() bool { return w.sealed }

// encode is what the next entry is to hold.
func (r *Run) encode(key string, lines []Line) ([]byte, error) {
	lines[0].Prev = r.window.head()
	k := seal.Of(r.store).Key
	if k == nil || r.window.entries() > 0 && !r.window.sealed {
		return encodeEntry(lines)
	}
	lines[0].MAC = seal.Blank
	body, err := encodeEntry(lines)
	if err != nil {
		return nil, err
	}
	k.Seal(seal.JournalEntry, key, codePrefix, body)
	lines[0].MAC = string(body[len(codePrefix):][:len(seal.Blank)])
	return body, nil
}

// LostError says that the store has lost records of a run while that was at work, and that they could not be put back.
type LostError struct {
	Window string
	Keys   []string
	Err    error // why they could not be put back
}

func (e *LostError) Error() string {
	keys := strings.Join(e.Keys, ", ")
	if n := len(e.Keys); n > 3 {
		keys = fmt.Sprintf("%s to %s", e.Keys[0], e.Keys[n-1])
	}
	return fmt.Sprintf("window %s: the store has lost %s while this run was at work, and they could not be put back: %v. "+
		"Do not upgrade: without them nobody knows what to bring back", e.Window, keys, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// Keeper looks for a record that a run relies on beside its journal, and puts it back where the store has lost it. It
// returns the keys of what it put back.
type Keeper func(ctx context.Context) ([]string, error)

// Keep has the run look for another record whenever it looks for its journal.
func (r *Run) Keep(k Keeper) { r.keepers = append(r.keepers, k) }

// PutBack are the keys of the records that the store had lost while the run was at work, and that it has put back.
func (r *Run) PutBack() []string {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	return slices.Clone(r.putBack)
}

// looksOnce is for how much of the lease a look counts: an end right after quiet needs none of its own.
const looksOnce = 3

// peopleActOn reports whether lines say something that people act on.
func peopleActOn(lines []Line) bool {
	return slices.ContainsFunc(lines, func(l Line) bool {
		return l.Event == Quiet || l.Event == Closed || l.Event == End && (*l.Code == 0 || *l.Code == 3)
	})
}

// look lists the run's own journal, puts back what the store has lost of it, and has the keepers look. It is done
// before the run says anything that people act on. The caller has the turn.
func (r *Run) look(ctx context.Context) error {
	if time.Since(r.looked) < r.lease/looksOnce {
		return nil
	}
	w := r.window
	there := map[string]int64{}
	for info, err := range r.store.List(ctx, root+w.Name()+"/journal/") {
		if err != nil {
			return fmt.Errorf("look for the run's own journal: %w", err)
		}
		if !info.Foreign {
			there[info.Key] = info.Size
		}
	}
	lost := &LostError{Window: w.Name()}
	for n := range w.entries() {
		key := entryKey(w.Number, n+1)
		size, ok := there[key]
		switch {
		case ok && size != w.sizes[n]:
			lost.Keys, lost.Err = append(lost.Keys, key), errors.New("other objects are there in their place")
		case !ok && lost.Err == nil:
			var putBack bool
			if putBack, lost.Err = r.restoreEntry(ctx, n); lost.Err == nil {
				if putBack {
					r.putBack = append(r.putBack, key)
				}
				continue
			}
			fallthrough
		case !ok:
			lost.Keys = append(lost.Keys, key)
		}
	}
	if lost.Err != nil {
		return lost
	}
	for _, k := range r.keepers {
		keys, err := k(ctx)
		r.putBack = append(r.putBack, keys...)
		if err != nil {
			return err
		}
	}
	r.looked = time.Now()
	return nil
}

// restoreEntry creates an entry anew from its lines, if these give the very bytes that it had, and reports whether it was
// missing: a list may lag. n counts from 0.
func (r *Run) restoreEntry(ctx context.Context, n int) (missing bool, err error) {
	w := r.window
	end := len(w.Lines)
	if n+1 < w.entries() {
		end = w.starts[n+1]
	}
	body, err := encodeEntry(w.Lines[w.starts[n]:end])
	if err != nil {
		return false, err
	}
	key := entryKey(w.Number, n+1)
	if sumOf(body) == w.sums[n] {
		err = r.store.Put(ctx, key, body, store.PutOptions{IfAbsent: true})
		missing = err == nil
	} else {
		err = errors.New("another version of dmm has written it, whose bytes this run does not have")
	}
	if err != nil {
		if there, getErr := store.ReadAll(ctx, r.store, key, maxEntry); getErr == nil && sumOf(there) == w.sums[n] {
			return false, nil
		}
	}
	return missing, err
}
