package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// meanings say in a heading what an outcome means. Those of the troubles stand open in a
// report, with reasons; back has none, since nobody need read it.
var meanings = map[Outcome]string{
	Fail:      "Failed",
	GivenUp:   "Given up: not brought back by dmm, and not looked at since; nobody tries again",
	Untouched: "Ran before, and dmm never stopped it: please check",
	Unsure:    "In a state that dmm does not know, not touched",
	Waiting:   "Still to be stopped",
	Down:      "Stopped, to be brought back",
	LeftAlone: "Left to their owners",
	NotOurs:   "Not ours: stopped by their owners or ended by themselves, they stay so",
	Excluded:  "Left out of this maintenance",
	Back:      "Running again",
}

// notAsBefore heads what came back with guesses.
const notAsBefore = "Back, but perhaps not as it was"

// foundBefore heads what preflights have found.
const foundBefore = "Found before anything was touched"

// day is how people read a time; all are UTC.
const day = "2 January 2006, 15:04:05 UTC"

// WriteText prints the report for people. The last line is what has happened, and what to type next.
func (m *Maintenance) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Maintenance %s of %s\n\n", m.Window, oneLine(m.where()))
	row := fields(&b)
	row("verdict", string(m.Verdict))
	row("opened", m.Opened.UTC().Format(day))
	row(map[bool]string{true: "closed", false: "known to"}[m.Phase == "closed"], fmt.Sprintf("%s, %s later", m.Until.UTC().Format(day), Spoken(m.Until.Sub(m.Opened))))
	row("snapshot", m.Snapshot)
	if !m.Quiet.IsZero() {
		row("quiet", m.StillRuns.Quiet(m.Quiet.UTC().Format(day)))
	}
	if still := m.StillRuns; still != nil && still.Total > 0 {
		row("still ran", fmt.Sprintf("%d at %s: %s", still.Total, still.Seen.UTC().Format(day), still.Why()))
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\ttotal\tback\tto do\tfailed\tleft\tnot ours\ttypical downtime\tlongest\t")
	for _, g := range append(slices.Clone(m.Kinds), m.Total) {
		if g.Name == "" {
			g.Name = "all"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n", oneLine(g.Name), g.Total, g.Back, g.Down, g.Failed, g.Left, g.NotOurs, lasting(g.Median), lasting(g.Longest))
	}
	_ = t.Flush() // a strings.Builder does not fail
	for _, o := range order {
		m.list(&b, meanings[o], func(e Entry) bool { return e.Outcome == o && o != Back })
		if o == troubles[len(troubles)-1] {
			m.list(&b, notAsBefore, func(e Entry) bool { return len(e.Guesses) > 0 })
		}
	}
	m.list(&b, "Running again, with something to know", func(e Entry) bool { return e.Outcome == Back && e.Reason != "" && len(e.Guesses) == 0 })
	if len(m.Findings) > 0 {
		b.WriteString("\n" + foundBefore + ":\n")
		for _, f := range m.Findings {
			finding(&b, f.Finding, m.foundBy(f), "the JSON report lists all")
		}
	}
	if len(m.Runs) > 0 {
		b.WriteString("\nWho worked on it:\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, r := range m.Runs {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", r.Began.UTC().Format(time.RFC3339), oneLine(r.Mode), Spoken(r.Until.Sub(r.Began)), r.end(), oneLine(r.Where))
		}
		_ = t.Flush()
	}
	toKnow(&b, m.Notes)
	b.WriteString("\n" + m.LastLine() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// LastLine is the summary, and what to type next.
func (m *Maintenance) LastLine() string {
	return (&Result{Message: m.Summary, Next: m.Next}).LastLine()
}

func (m *Maintenance) where() string {
	if m.Version == "" {
		return m.Domino
	}
	return m.Domino + " (Domino " + m.Version + ")"
}

// end is how a run ended, for people.
func (r Run) end() string {
	if r.Code == nil {
		return "has not ended"
	}
	return fmt.Sprintf("exit %d", *r.Code)
}

func lasting(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return Spoken(time.Duration(seconds * float64(time.Second)))
}

func (m *Maintenance) list(b *strings.Builder, heading string, which func(Entry) bool) {
	s := section{b: b, heading: heading, rest: "the JSON and the HTML report list all"}
	for _, e := range m.Entries {
		if !which(e) {
			continue
		}
		todo := ""
		if e.Outcome.Trouble() {
			todo = e.Next
		}
		s.add(Execution{Kind: e.Kind, ID: e.ID, Name: e.Name, Project: e.Project, Owner: e.Owner, Reason: e.Reason, Guesses: e.Guesses}, todo)
	}
	s.end()
}

// Formats are what a report can be written in.
var Formats = []string{"text", "json", "html"}

// Write writes the report in one of the formats.
func (m *Maintenance) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return m.WriteText(w)
	case "json":
		return m.WriteJSON(w)
	case "html":
		return m.WriteHTML(w)
	}
	return fmt.Errorf("a report has no format %q", format)
}

// Owner is a user with what is left to her.
type Owner struct {
	Name    string
	Entries []Entry
}

// LeftTo lists who must start something, and what.
func (m *Maintenance) LeftTo() []Owner {
	by := map[string][]Entry{}
	for _, e := range m.Entries {
		if e.Outcome == LeftAlone {
			by[e.Owner] = append(by[e.Owner], e)
		}
	}
	var owners []Owner
	for _, name := range slices.Sorted(maps.Keys(by)) {
		owners = append(owners, Owner{name, by[name]})
	}
	return owners
}

// WriteJSON prints the report as one JSON object on one line.
func (m *Maintenance) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(m)
}
