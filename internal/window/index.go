package window

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Summary is what the first and the last entry of a window's journal tell of it.
type Summary struct {
	Number int
	Pinned Pinned
	Opened time.Time // by the clock of the run that opened it
	Last   time.Time // of the newest line
	Closed bool
	Tally  *Tally // nil: the window is at work, or of an older version
	// Err is why nothing above can be trusted, a *DamagedError; nil if it can.
	Err error

	head string // checksum of the last entry
}

// Name is how people and object keys call the window.
func (w Summary) Name() string { return name(w.Number) }

// Summaries reads the ends of every window's journal, in the order of their numbers. A window that
// is damaged, or missing, is among them with its Err.
func Summaries(ctx context.Context, s store.Store) ([]Summary, error) {
	entries, err := list(ctx, s, root)
	if err != nil {
		return nil, err
	}
	var all []Summary
	for _, number := range slices.Sorted(maps.Keys(entries)) {
		if n := len(all); n > 0 && all[n-1].Number != number-1 {
			all = append(all, Summary{Number: number - 1, Err: missing(number)})
		}
		w := Summary{Number: number}
		before := "" // the bottom windows may have been pruned
		if n := len(all); n > 0 {
			before = all[n-1].head
		} else if number == 1 {
			before = genesis
		}
		w.Err = whole(number, entries[number])
		if w.Err == nil {
			w.Err = w.read(ctx, s, entries[number], before)
		}
		if w.Err != nil && !isDamaged(w.Err) {
			return nil, w.Err
		}
		all = append(all, w)
	}
	return all, nil
}

// read reads the two ends. before is the checksum of the last entry of the window before, empty if not known.
func (w *Summary) read(ctx context.Context, s store.Store, entries []int, before string) error {
	first := &Window{Number: w.Number}
	if err := first.extend(ctx, s, 1); err != nil {
		return err
	}
	w.Pinned, w.Opened = first.Pinned, first.OpenedAt()
	key := entryKey(w.Number, len(entries))
	body, err := store.ReadAll(ctx, s, key, maxEntry)
	if err != nil {
		return fmt.Errorf("read journal: %w", orForeign(err))
	}
	if err := checkCode(s, key, body); err != nil {
		return err
	}
	lines, err := parseEntry(key, body)
	if err != nil {
		return err
	}
	last := lines[len(lines)-1]
	w.Last, w.Closed, w.Tally = last.At, last.Event == Closed, last.Tally
	if w.Closed { // else a prune that was killed has left its beginning, if it is not the newest
		w.head = sumOf(body)
	}
	return followsWindow(w.Number, first.Lines[0], before)
}

// ErrNotFound: the store answered, and holds no window of that number, or none at all.
var ErrNotFound = errors.New("not found")

// Named reads the whole journal of the window of a name, or of the newest one if it is empty or "latest".
func Named(ctx context.Context, s store.Store, name string) (*Window, error) {
	if name == "" || name == "latest" {
		w, err := Look(ctx, s)
		if w == nil && err == nil {
			err = fmt.Errorf("read the latest window: %w: the store answers and holds none", ErrNotFound)
		}
		return w, err
	}
	number, err := strconv.Atoi(name)
	if err != nil {
		return nil, fmt.Errorf("read window %q: %w: windows have numbers", name, ErrNotFound)
	}
	w, err := Read(ctx, s, number)
	if w == nil && err == nil {
		err = fmt.Errorf("read window %s: %w: the store answers and does not hold it", name, ErrNotFound)
	}
	return w, err
}

// Read reads the whole journal of one window: nil if the store answers and holds no such window.
func Read(ctx context.Context, s store.Store, number int) (*Window, error) {
	entries, err := list(ctx, s, root+name(number)+"/")
	if err != nil || len(entries[number]) == 0 {
		return nil, err
	}
	w, err := read(ctx, s, number, entries[number])
	if err == nil {
		err = w.anchored(ctx, s)
	}
	return w, err
}

// Delete deletes the records of the bottom window, its reports first and then its journal from
// the last entry down: what is left if it ends early is a shorter journal, and no gap.
// The caller sees to it that there is a higher window and no lower one.
func Delete(ctx context.Context, s store.Store, number int) error {
	var keys []string
	for info, err := range s.List(ctx, root+name(number)+"/") {
		switch {
		case err != nil:
			return fmt.Errorf("delete window %s: %w", name(number), orForeign(err))
		case info.Foreign && info.Key == entryKey(number, entryOf(info.Key)):
			return fmt.Errorf("delete window %s: %w", name(number), damaged(info.Key, "%v", store.ErrForeign))
		case info.Foreign: // beside the journal it is in nobody's way
			continue
		}
		keys = append(keys, info.Key)
	}
	journal := func(key string) bool { return strings.HasPrefix(key, root+name(number)+"/journal/") }
	slices.SortStableFunc(keys, func(a, b string) int {
		switch {
		case journal(a) != journal(b) && journal(a):
			return 1
		case journal(a) != journal(b):
			return -1
		}
		return strings.Compare(b, a)
	})
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete window %s: %w", name(number), err)
		}
	}
	return nil
}
