package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// headings say what the outcomes mean, in the order in which people should read them.
var headings = []struct{ outcome, text string }{
	{"failed", "Failed, still to be dealt with"},
	{"refused", "Would be refused: other arguments are on record than Domino says"},
	{"unexplained", "Down, and nothing on record says who stopped them"},
	{"unknown", "In a state that dmm does not know, not touched"},
	{"untouched", "Ran before, and was never stopped by dmm: please check"},
	{guessed, notAsBefore},
	{"remaining", "Not done yet"},
	{"planned", "Would be done, in this order"},
	{"running", "Ran when the snapshot was taken"},
	{"left", "Left alone"},
	{"not-ours", "Not ours: stopped by their owners or ended by themselves, they stay so"},
	{"done", "Done, with something to know"},
}

// maxPerHeading keeps a text report readable; the JSON has every execution.
const maxPerHeading = 100

// WriteText prints the result for people. The last line is the message.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	r.opening(&b)
	r.head(&b)
	r.table(&b)
	r.records(&b)
	for _, h := range headings {
		r.list(&b, h.outcome, h.text)
	}
	r.checks(&b)
	r.findings(&b)
	r.audit(&b)
	r.store(&b)
	toKnow(&b, r.Notes)
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(r.LastLine() + "\n")
	_, err := io.WriteString(w, strings.TrimLeft(b.String(), "\n")) // a result without a head begins with its first table
	return err
}

// LastLine is what a person acts on: what has happened, and the next command.
func (r *Result) LastLine() string {
	message := oneLine(strings.TrimSpace(r.Message))
	if r.Next == "" {
		return message
	}
	if !strings.HasSuffix(message, ".") && !strings.HasSuffix(message, "?") {
		message += "." // errors end without one
	}
	return message + " Next: " + oneLine(r.Next)
}

func toKnow(b *strings.Builder, notes []string) {
	if len(notes) > 0 {
		b.WriteString("\nTo know:\n")
	}
	for _, n := range notes {
		fmt.Fprintf(b, "  - %s\n", oneLine(n))
	}
}

// fields prints a name and a value a line, where there is a value.
func fields(b *strings.Builder) func(name, value string) {
	return func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-9s %s\n", name, oneLine(value))
		}
	}
}

func (r *Result) head(b *strings.Builder) {
	row := fields(b)
	row("Domino", r.Domino)
	row("as", r.As)
	row("snapshot", r.Snapshot)
	if r.Window != "" && r.Phase == "" {
		row("window", r.Window)
	} else if r.Window != "" {
		row("window", fmt.Sprintf("%s (%s)", r.Window, r.Phase))
	}
	if r.Journal != nil {
		row("journal", r.Journal.String())
	}
	if !r.LastQuiet.IsZero() {
		row("quiet", r.StillRuns.Quiet(r.LastQuiet.UTC().Format(time.RFC3339)))
	}
}

func (r *Result) table(b *strings.Builder) {
	if len(r.Kinds) == 0 {
		return
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	sum := r.Sum()
	sum.Kind = "all"
	if sum.Total == 0 {
		fmt.Fprintln(t, "kind\trunning\tnot running\t")
	} else {
		fmt.Fprintln(t, "kind\ttotal\tdone\tfailed\tleft\tnot ours\tremaining\t")
	}
	for _, c := range append(slices.Clone(r.Kinds), sum) {
		if sum.Total == 0 {
			fmt.Fprintf(t, "%s\t%d\t%d\t\n", c.Kind, c.Running, c.NotRunning)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", c.Kind, c.Total, c.Done, c.Failed, c.Left, c.NotOurs, c.Remaining)
	}
	_ = t.Flush() // a strings.Builder does not fail
}

func (r *Result) list(b *strings.Builder, outcome, heading string) {
	s := section{b: b, heading: heading, rest: "--output json lists all"}
	for _, e := range r.Executions {
		as := e.Outcome
		if r.guessed(e) {
			as = guessed
		} else if e.Quiet() {
			continue
		}
		if as != outcome {
			continue
		}
		if outcome != "planned" && outcome != guessed {
			e.Guesses = nil
		}
		s.add(e, "")
	}
	s.end()
}

// A section lists executions under a heading, if there are any, cut at maxPerHeading: rest says where all are.
type section struct {
	b             *strings.Builder
	heading, rest string
	n             int
}

// add prints one, what to do about it, and its guesses.
func (s *section) add(e Execution, todo string) {
	if s.n++; s.n == 1 {
		fmt.Fprintf(s.b, "\n%s:\n", s.heading)
	}
	if s.n > maxPerHeading {
		return
	}
	fmt.Fprintf(s.b, "  %s %s %q", oneLine(string(e.Kind)), cmp.Or(oneLine(e.Project), "-"), e.Name)
	if e.Owner != "" {
		s.b.WriteString(" of " + oneLine(e.Owner))
	}
	s.b.WriteString(" (" + oneLine(e.ID) + ")")
	if e.Reason != "" {
		s.b.WriteString(": " + oneLine(e.Reason))
	}
	s.b.WriteString("\n")
	if todo != "" {
		e.Guesses = append([]string{todo}, e.Guesses...)
	}
	for _, below := range e.Guesses {
		s.b.WriteString("      " + oneLine(below) + "\n")
	}
}

func (s *section) end() {
	if s.n > maxPerHeading {
		fmt.Fprintf(s.b, "  ... and %d more; %s\n", s.n-maxPerHeading, s.rest)
	}
}

func (r *Result) checks(b *strings.Builder) {
	if len(r.Checks) == 0 {
		return
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Status, oneLine(c.What), oneLine(c.Said))
	}
	_ = t.Flush() // a strings.Builder does not fail
}

// maxPerFinding keeps a finding readable; the JSON has every execution.
const maxPerFinding = 10

func (r *Result) findings(b *strings.Builder) {
	switch {
	case len(r.Findings) == 0:
	case r.Mode == window.ModeRestore && !r.DryRun && r.Code != 4:
		b.WriteString("\nFound before this restore began, with what was to be done by then:\n")
	default:
		b.WriteString("\nBefore the restore:\n")
	}
	for _, f := range r.Findings {
		finding(b, f, "", "--output json lists all")
	}
}

// finding prints one: what it is, who found it if that is to be said, what it hits, and where the rest of those is.
func finding(b *strings.Builder, f execution.Finding, by, rest string) {
	fmt.Fprintf(b, "  %-7s %s\n", oneLine(string(f.Severity)), oneLine(f.Message))
	if f.Remedy != "" {
		b.WriteString("          to do: " + oneLine(f.Remedy) + "\n")
	}
	if by != "" {
		b.WriteString("          found by " + oneLine(by) + "\n")
	}
	for i, e := range f.Executions {
		if i == maxPerFinding {
			fmt.Fprintf(b, "            ... and %d more; %s\n", len(f.Executions)-i, rest)
			break
		}
		b.WriteString("          - " + oneLine(e.String()))
		if e.Owner != "" {
			b.WriteString(" of " + oneLine(e.Owner))
		}
		b.WriteString("\n")
	}
}

// oneLine keeps what Domino or a user wrote from breaking the layout or moving the
// terminal: everything that is not printed as itself becomes a space.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s)
}

// WriteJSON prints the result as one JSON object on one line.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
