// Package window is the record of one maintenance: its journal is the log of what was
// tried on each execution, the lock that lets one process work at a time, and the fence
// that stops a process which has lost its place.
//
//	windows/000017/journal/00000001.jsonl ...   each created only if absent, never changed
//
// What holds, whatever fails:
//
//   - Windows are numbered without a gap, and only the highest may be open. Opening one
//     means creating entry 1 of the next number; of two that try, one wins.
//   - Entries are numbered without a gap. Whoever creates number n owns step n. There is
//     no other lock.
//   - A run that finds its number taken by other bytes than its own has lost its place
//     and never writes again.
//   - No call that changes an execution goes out unless its intent is on record, and
//     unless the run's last append was begun less than two thirds of the lease ago. The
//     call itself times out after one third. So nothing of a silent run is under way
//     once its lease has passed.
//   - A run takes over only after it has itself watched the journal be silent for one
//     lease. Clocks of two machines are never compared for this.
//   - What remains to be done is a pure function of snapshot and journal (Remaining).
//   - A gap, a torn entry, an entry nobody here wrote, one that does not follow the one
//     before it, a journal shorter than its report says, an unknown event or schema is
//     damage: it is named and refused, never guessed over.
//   - Before a run says what people act on (quiet, an end with 0 or 3, closed) it looks
//     for its own records, and puts back what the store has lost.
package window

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Schema names the format of journal lines. Others rely on it.
const Schema = "dmm.journal/v1"

const (
	root        = "windows/"
	maxEntry    = 256 << 20 // bytes; a batch of thousands of supplements is a few MiB
	readersOnce = 16
)

// Window is a maintenance as its journal tells it.
type Window struct {
	Number int
	Pinned Pinned
	Lines  []Line

	before  string   // checksum of the last entry of the window before, genesis if there is none; empty if not known
	sums    []string // checksum of each entry
	sizes   []int64  // bytes of each entry
	starts  []int    // index in Lines of the first line of each entry
	chained bool     // an entry carries the checksum of the one before
	sealed  bool     // entry 1 carries a code
}

// Name is how people and object keys call the window.
func (w *Window) Name() string { return name(w.Number) }

func name(number int) string { return fmt.Sprintf("%06d", number) }

// journalKey is what the keys of a window's entries begin with.
func journalKey(window int) string { return root + name(window) + "/journal" }

func entryKey(window, entry int) string {
	return fmt.Sprintf("%s/%08d.jsonl", journalKey(window), entry)
}

// entryOf is the number in the key of a journal entry, 0 if it has none.
func entryOf(key string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(path.Base(key), ".jsonl")) // what is none has another key than its number's
	return n
}

// Closed reports whether the window has its last entry.
func (w *Window) Closed() bool {
	return len(w.Lines) > 0 && w.Lines[len(w.Lines)-1].Event == Closed
}

// OpenedAt is when the window was opened, by the clock of the run that did.
func (w *Window) OpenedAt() time.Time { return w.Lines[0].At }

// Holder returns the run that has begun and not ended, nil if the window is free.
func (w *Window) Holder() *Holder {
	var h *Holder
	for _, l := range w.Lines {
		switch l.Event {
		case Begin:
			h = l.Holder
		case End, Closed:
			h = nil
		}
	}
	return h
}

// LastAt is the time of the newest entry, by the clock of the run that wrote it.
func (w *Window) LastAt() time.Time { return w.Lines[len(w.Lines)-1].At }

// DamagedError: the journal is there and cannot be trusted.
type DamagedError struct {
	Key    string
	Reason string
	Err    error // what package seal says, if that is the reason
}

func (e *DamagedError) Unwrap() error { return e.Err }

func (e *DamagedError) Error() string { return "read journal: " + e.Key + ": " + e.Reason }

func isDamaged(err error) bool { return errors.As(err, new(*DamagedError)) }

func damaged(key, format string, args ...any) error {
	return &DamagedError{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// orForeign is the damage that err tells of if something stands where the journal should be, and else err.
func orForeign(err error) error {
	var e *store.Error
	if errors.As(err, &e) && errors.Is(e, store.ErrForeign) {
		return damaged(e.Key, "%v", e.Err)
	}
	return err
}

// Look reads the newest window. It is nil when the store answers and holds none.
func Look(ctx context.Context, s store.Store) (*Window, error) {
	entries, err := list(ctx, s, root)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	var numbers []int
	for n := range entries {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if i > 0 && n != numbers[i-1]+1 { // pruning from the bottom leaves no gap
			return nil, missing(n)
		}
	}
	number := numbers[len(numbers)-1]
	w, err := read(ctx, s, number, entries[number])
	if err == nil {
		err = w.anchored(ctx, s)
	}
	if err == nil {
		w.before, err = lastSum(ctx, s, number-1, entries[number-1])
	}
	if err == nil {
		err = followsWindow(number, w.Lines[0], w.before)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// lastSum is the checksum of the last entry of a window: genesis of window 0, and empty, which is not known, of one that
// was pruned. A prune that was killed leaves the beginning of a journal, which no entry closes.
func lastSum(ctx context.Context, s store.Store, number int, entries []int) (string, error) {
	switch {
	case number == 0:
		return genesis, nil
	case len(entries) == 0:
		return "", nil
	}
	key := entryKey(number, entries[len(entries)-1])
	body, err := store.ReadAll(ctx, s, key, maxEntry)
	if err != nil {
		return "", fmt.Errorf("read journal: %w", err)
	}
	lines, err := parseEntry(key, body)
	if err != nil {
		return "", err
	}
	if lines[len(lines)-1].Event == Closed {
		return sumOf(body), nil
	}
	report := ReportKey(name(number), "json")
	switch _, err := s.Stat(ctx, report); {
	case err == nil: // a prune deletes it first
		return "", damaged(entryKey(number, len(entries)+1), "is missing: nothing closes window %s, and %s is there", name(number), report)
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	default:
		return "", fmt.Errorf("read the anchor of the journal: %w", orForeign(err))
	}
}

// missing is the damage of a window that is not there, below one that is.
func missing(below int) error {
	return damaged(root+name(below-1), "is missing, though window %s is there", name(below))
}

// list returns the numbers of the journal entries by window, in order. A window that has other objects and no entry, which
// is damage, is among them with none.
func list(ctx context.Context, s store.Store, prefix string) (map[int][]int, error) {
	entries := map[int][]int{}
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list windows: %w", orForeign(err))
		}
		parts := strings.Split(strings.TrimPrefix(info.Key, root), "/")
		number, err := strconv.Atoi(parts[0])
		if info.Foreign {
			// It is nothing of dmm's, unless it stands where a journal should be, which it hides.
			switch {
			case err != nil:
				continue
			case info.Key == root+name(number), info.Key == journalKey(number):
				return nil, damaged(info.Key, "%v, and no folder", store.ErrForeign)
			case info.Key != entryKey(number, entryOf(info.Key)):
				continue
			}
		}
		if err != nil || number < 1 || parts[0] != name(number) {
			return nil, damaged(info.Key, "is not a window of dmm")
		}
		if len(parts) < 2 || parts[1] != "journal" {
			// It is a report: that is made of a journal, and goes first when the journal is pruned.
			entries[number] = append(entries[number], nil...)
			continue
		}
		entry := entryOf(info.Key)
		if info.Key != entryKey(number, entry) {
			return nil, damaged(info.Key, "is not a journal entry of dmm")
		}
		entries[number] = append(entries[number], entry)
	}
	return entries, nil
}

// load reads one window anew.
func load(ctx context.Context, s store.Store, number int) (*Window, error) {
	entries, err := list(ctx, s, root+name(number)+"/journal/")
	if err != nil {
		return nil, err
	}
	return read(ctx, s, number, entries[number])
}

// whole reports what is missing among the entries of a journal.
func whole(number int, entries []int) error {
	for i, n := range entries {
		if n != i+1 {
			return damaged(entryKey(number, i+1), "is missing, though a later entry is there")
		}
	}
	if len(entries) == 0 {
		return damaged(entryKey(number, 1), "is missing")
	}
	return nil
}

func read(ctx context.Context, s store.Store, number int, entries []int) (*Window, error) {
	if err := whole(number, entries); err != nil {
		return nil, err
	}
	w := &Window{Number: number}
	if err := w.extend(ctx, s, len(entries)); err != nil {
		return nil, err
	}
	return w, nil
}

// extend reads the entries after those that the window has, up to number last.
func (w *Window) extend(ctx context.Context, s store.Store, last int) error {
	bodies, parsed := make([][]byte, last-w.entries()), make([][]Line, last-w.entries())
	g, ctx := crash.NewGroupIn(ctx, readersOnce)
	for i := range parsed {
		key := entryKey(w.Number, w.entries()+1+i)
		g.Go(func() (err error) {
			if bodies[i], err = store.ReadAll(ctx, s, key, maxEntry); err != nil {
				return fmt.Errorf("read journal: %w", orForeign(err))
			}
			if err := checkCode(s, key, bodies[i]); err != nil {
				return err
			}
			parsed[i], err = parseEntry(key, bodies[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, lines := range parsed {
		key := entryKey(w.Number, w.entries()+1)
		switch first := w.entries() == 0; {
		case first && (lines[0].Event != Open || lines[0].Window == nil || lines[0].Window.Lease <= 0):
			return damaged(key, "does not open a window")
		case !first && lines[0].Event == Open, slices.ContainsFunc(lines[1:], func(l Line) bool { return l.Event == Open }):
			return damaged(key, "opens a window that is open")
		case w.Closed():
			return damaged(key, "comes after the entry that closed the window")
		}
		if w.sealed && lines[0].MAC == "" && !seal.Of(s).AllowUnsealed {
			return damaged(key, "carries no code, though the window is under a key: whoever wrote it did not have that")
		}
		if err := w.follows(key, lines[0]); err != nil {
			return err
		}
		w.add(lines, bodies[i])
	}
	w.Pinned = *w.Lines[0].Window
	return nil
}

// parseEntry decodes one journal object: lines of one run, each of a known event.
func parseEntry(key string, body []byte) ([]Line, error) {
	if len(body) == 0 || body[len(body)-1] != '\n' {
		return nil, damaged(key, "is torn: it does not end with a whole line")
	}
	var lines []Line
	for i, raw := range bytes.Split(body[:len(body)-1], []byte("\n")) {
		var l Line
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, damaged(key, "line %d: %v", i+1, err)
		}
		if l.Schema != Schema {
			return nil, damaged(key, "line %d: schema %q is not known to this version of dmm, which reads %q: use the version that wrote it or a newer one", i+1, l.Schema, Schema)
		}
		if !slices.Contains(events, l.Event) {
			return nil, damaged(key, "line %d: event %q is not known to this version of dmm: use the version that wrote it or a newer one", i+1, l.Event)
		}
		if err := l.check(); err != nil {
			return nil, damaged(key, "line %d: %v", i+1, err)
		}
		if i > 0 && l.Run != lines[0].Run {
			return nil, damaged(key, "line %d: is of another run than the first", i+1)
		}
		if i > 0 && (l.Prev != "" || l.MAC != "") {
			return nil, damaged(key, "line %d: carries a checksum or a code, which only the first line of an entry does", i+1)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func encodeEntry(lines []Line) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return nil, fmt.Errorf("encode journal line: %w", err)
		}
	}
	return buf.Bytes(), nil
}

// Pinned is what a window keeps to from its first entry to its last.
type Pinned struct {
	Snapshot string `json:"snapshot"` // id
	SHA256   string `json:"sha256"`   // of the snapshot's data object
	// Manifest is the SHA-256 of the snapshot's manifest. Empty in a window of a version that did not pin it.
	Manifest string           `json:"manifest,omitempty"`
	Domino   string           `json:"domino"` // URL of the deployment
	Filter   execution.Filter `json:"filter,omitzero"`
	// Handling of jobs and builds. Empty in a window of a version that left them alone.
	Handling execution.Handling `json:"handling,omitzero"`
	Lease    time.Duration      `json:"lease"` // nanoseconds
	// FromSnapshot: this window stopped nothing. What its snapshot shows running is owed.
	FromSnapshot bool `json:"fromSnapshot,omitempty"`
	// Intent is what the maintenance is for, if it says so, and Before what the last one before it was for that did. They
	// tell a shutdown that is repeated from one that is meant.
	Intent string `json:"intent,omitempty"`
	Before string `json:"before,omitempty"`
	// BeforeOff: what Before was for has been called off, or that it was done is not on record.
	BeforeOff bool `json:"beforeOff,omitempty"`
}

// Intent is what the last maintenance was for of those up to this one that said so, and whether it was done: whether a
// restore in it said that it was for the same. Any other restore calls it off, as far as anybody can know.
func (w *Window) Intent() (intent string, done bool) {
	if w.Pinned.Intent == "" {
		return w.Pinned.Before, !w.Pinned.BeforeOff
	}
	return w.Pinned.Intent, slices.ContainsFunc(w.Lines, func(l Line) bool {
		return l.Event == Begin && l.Holder != nil && l.Holder.Mode == ModeRestore && l.Holder.Intent == w.Pinned.Intent
	})
}

// Flags are the flags with which a shutdown goes on in the window, each with a space before it.
func (p Pinned) Flags() string {
	var b strings.Builder
	add := func(name string, values ...string) { b.WriteString(flag(name, strings.Join(values, ","))) }
	kinds := make([]string, len(p.Filter.Kinds))
	for i, k := range p.Filter.Kinds {
		kinds[i] = string(k)
	}
	add("kinds", kinds...)
	add("projects", p.Filter.Projects...)
	add("owners", p.Filter.Owners...)
	add("exclude-projects", p.Filter.ExcludeProjects...)
	add("exclude-owners", p.Filter.ExcludeOwners...)
	add("exclude", p.Filter.Exclude...)
	if p.Handling.Jobs != execution.PolicyWait { // the default
		add("running-jobs", string(p.Handling.Jobs))
	}
	if p.Handling.Builds != execution.PolicyWait {
		add("running-builds", string(p.Handling.Builds))
	}
	if p.Handling.External == execution.PolicyStop {
		add("external-deployments", string(p.Handling.External))
	}
	return b.String()
}

// RestoreFlags are those of the restore that follows when what the window is for has been done.
func (p Pinned) RestoreFlags() string { return flag("intent", p.Intent) }

// flag is a flag as a shell has it, with a space before it, and nothing where it has no value.
func flag(name, value string) string {
	if value == "" {
		return ""
	}
	if strings.ContainsFunc(value, func(r rune) bool {
		return !strings.ContainsRune("-_./,:@", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return " --" + name + " " + value
}

// Holder says who a run is, for people who must find it.
type Holder struct {
	Run  string `json:"run"`
	Mode string `json:"mode"`
	Pod  string `json:"pod,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	Tool string `json:"tool,omitempty"` // version of dmm
	// Intent is what has been done, if the run is a restore that says so (see Pinned).
	Intent string `json:"intent,omitempty"`
	// Also are the kinds that a restore was asked to start, and would otherwise leave to their owners.
	Also []execution.Kind `json:"also,omitempty"`
}

func (h Holder) String() string {
	where := h.Host
	if h.Pod != "" {
		where = "pod " + h.Pod
	}
	return fmt.Sprintf("%s run %s on %s, pid %d", h.Mode, h.Run, where, h.PID)
}

// Errors that a caller decides on. They come inside a *RefusedError.
var (
	ErrSuperseded = errors.New("superseded")
	ErrBusy       = errors.New("another run is at work")
	ErrClosed     = errors.New("the window is closed")
	ErrUnsafe     = errors.New("this store let a second creation of one key succeed")
)

// RefusedError says that a guard of the journal said no. Nothing was touched after it.
type RefusedError struct {
	Err    error   // one of the errors above
	Window string  // empty if there is none yet
	Holder *Holder // whoever has the place, if known
}

func (e *RefusedError) Error() string {
	s := e.Err.Error()
	if e.Window != "" {
		s = "window " + e.Window + ": " + s
	}
	if e.Holder != nil {
		s += ": " + e.Holder.String()
	}
	return s
}

func (e *RefusedError) Unwrap() error { return e.Err }
