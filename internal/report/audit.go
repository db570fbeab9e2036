package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

// Audit is what an audit says beside its findings.
type Audit struct {
	ID string `json:"id"`
	// Headline is the first line: what an upgrade would cost if it began now.
	Headline string   `json:"headline"`
	Running  int      `json:"running"` // executions that run
	Lost     int      `json:"lost"`    // those of them that would not come back by themselves
	Reasons  []Reason `json:"reasons,omitempty"`
	Estimate Estimate `json:"estimate"`
	// Changes since the last snapshot, and since the last audit.
	Since []Comparison `json:"since,omitempty"`
}

// Reason is why so many executions would not come back by themselves.
type Reason struct {
	Text       string `json:"text"`
	Executions int    `json:"executions"`
}

// Estimate is how long a maintenance would take, the upgrade itself left out.
type Estimate struct {
	Stop  int           `json:"stop"`  // executions to be stopped
	Start int           `json:"start"` // executions to be started again
	Down  time.Duration `json:"down"`  // nanoseconds
	Up    time.Duration `json:"up"`
	Basis string        `json:"basis"` // what it rests on
}

// Comparison is what has changed since a record was written.
type Comparison struct {
	With    string            `json:"with"` // "snapshot ID" or "audit ID"
	Changes []snapshot.Change `json:"changes,omitempty"`
}

// opening is what stands above everything else.
func (r *Result) opening(b *strings.Builder) {
	if r.Audit != nil {
		b.WriteString(oneLine(r.Audit.Headline) + "\n\n")
	}
}

// audit prints what an audit says beside its findings, and how long a maintenance would take.
func (r *Result) audit(b *strings.Builder) {
	a := r.Audit
	if a == nil {
		a = &Audit{}
	}
	if r.Rehearsal != nil {
		a.Estimate = *r.Rehearsal
	}
	if e := a.Estimate; e.Basis != "" {
		fmt.Fprintf(b, "\nA maintenance would take about %s beside the upgrade itself: %s to stop %d, %s to start %d again (%s).\n",
			people(e.Down+e.Up), people(e.Down), e.Stop, people(e.Up), e.Start, oneLine(e.Basis))
	}
	for _, c := range a.Since {
		if len(c.Changes) == 0 {
			fmt.Fprintf(b, "\nNothing has changed since %s.\n", c.With)
			continue
		}
		fmt.Fprintf(b, "\nChanged since %s:\n", c.With)
		for i, one := range c.Changes {
			if i == maxPerHeading {
				fmt.Fprintf(b, "  ... and %d more; --output json lists all\n", len(c.Changes)-i)
				break
			}
			fmt.Fprintf(b, "  %-7s %s", one.What, oneLine(one.String()))
			if len(one.Fields) > 0 {
				b.WriteString(": " + oneLine(strings.Join(one.Fields, ", ")))
			}
			b.WriteString("\n")
		}
	}
}

// people writes a duration no more exactly than it is known.
func people(d time.Duration) string {
	if d > 10*time.Minute {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
