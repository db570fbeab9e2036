package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// States of a snapshot in the store.
const (
	Complete   = "complete"
	Incomplete = "incomplete" // whole, but it could not see everything
	Unfinished = "unfinished" // without its manifest: it does not exist
	Damaged    = "damaged"
)

// Snapshot is a snapshot in the store.
type Snapshot struct {
	ID         string    `json:"id"`
	Taken      time.Time `json:"taken,omitzero"` // when looking ended
	Domino     string    `json:"domino,omitempty"`
	By         string    `json:"by,omitempty"`   // whose key was used
	Tool       string    `json:"tool,omitempty"` // version of dmm
	Running    int       `json:"running"`
	Executions int       `json:"executions"`
	Bytes      int64     `json:"bytes"` // of all its objects
	State      string    `json:"state"` // complete, incomplete, unfinished, damaged
	Reason     string    `json:"reason,omitempty"`
	Windows    []string  `json:"windows,omitempty"` // that keep to it
	Outcome    string    `json:"outcome,omitempty"` // prune: to be deleted, deleted
}

// Window is a window in the store.
type Window struct {
	Window   string    `json:"window"`
	Snapshot string    `json:"snapshot,omitempty"`
	Opened   time.Time `json:"opened,omitzero"`
	Closed   time.Time `json:"closed,omitzero"`
	State    string    `json:"state"` // open, closed, damaged
	Reason   string    `json:"reason,omitempty"`
	Outcome  string    `json:"outcome,omitempty"`
	// Back is how many of Of executions are back, once a run has said so.
	Back int `json:"back,omitempty"`
	Of   int `json:"of,omitempty"`
}

// Group counts what a snapshot saw of one project or of one owner.
type Group struct {
	Name       string `json:"name"`
	Running    int    `json:"running"`
	NotRunning int    `json:"notRunning"`
}

// records prints what the store holds.
func (r *Result) records(b *strings.Builder) {
	if len(r.Snapshots) > 0 {
		b.WriteString("\n")
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "snapshot\ttaken\tDomino\tby\trunning\tof\tstate\twindows\t")
		for _, s := range r.Snapshots {
			state := s.State
			if s.Outcome != "" {
				state += ", " + s.Outcome
			}
			running, of := fmt.Sprint(s.Running), fmt.Sprint(s.Executions)
			if s.Taken.IsZero() {
				running, of = "", ""
			}
			row(t, s.ID, instant(s.Taken), s.Domino, s.By, running, of, state, strings.Join(s.Windows, " "))
		}
		_ = t.Flush() // a strings.Builder does not fail
	}
	if len(r.Windows) > 0 {
		b.WriteString("\n")
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "window\topened\tclosed\tsnapshot\tback\tstate\t")
		for _, w := range r.Windows {
			state := w.State
			if w.Outcome != "" {
				state += ", " + w.Outcome
			}
			back := ""
			if w.Of > 0 {
				back = fmt.Sprintf("%d of %d", w.Back, w.Of)
			}
			row(t, w.Window, instant(w.Opened), instant(w.Closed), w.Snapshot, back, state)
		}
		_ = t.Flush()
	}
	for _, s := range r.Snapshots {
		if s.Reason != "" {
			fmt.Fprintf(b, "\nSnapshot %s is %s: %s\n", s.ID, s.State, oneLine(s.Reason))
		}
	}
	for _, w := range r.Windows {
		if w.Reason != "" {
			fmt.Fprintf(b, "\nWindow %s is %s: %s\n", w.Window, w.State, oneLine(w.Reason))
		}
	}
	for _, g := range []struct {
		heading string
		groups  []Group
	}{{"project", r.Projects}, {"owner", r.Owners}} {
		if len(g.groups) == 0 {
			continue
		}
		b.WriteString("\n")
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "running\tnot running\t  %s\n", g.heading)
		for i, one := range g.groups {
			if i == maxPerHeading {
				break
			}
			fmt.Fprintf(t, "%d\t%d\t  %s\n", one.Running, one.NotRunning, oneLine(one.Name))
		}
		_ = t.Flush()
		if n := len(g.groups) - maxPerHeading; n > 0 {
			fmt.Fprintf(b, "  ... and %d more; --output json lists all\n", n)
		}
	}
}

// row writes one row of a table, in which no cell can hold a tab.
func row(t *tabwriter.Writer, cells ...string) {
	for _, c := range cells {
		fmt.Fprint(t, oneLine(c), "\t")
	}
	fmt.Fprintln(t)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
