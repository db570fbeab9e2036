package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Store is what became of trying the store.
type Store struct {
	Store  string        `json:"store"`        // where it is
	As     string        `json:"as,omitempty"` // whose credentials are used, or why that cannot be told
	Rights []StoreRight  `json:"rights"`       // in the order in which they were tried
	Skew   time.Duration `json:"skew"`         // nanoseconds by which the storage's clock is ahead of ours, 0 as far as can be told
}

// StoreRight is one thing that a maintenance does to its store.
type StoreRight struct {
	Try    string        `json:"try"`             // create, create again, overwrite, read, list, delete, read what is absent
	Right  string        `json:"right,omitempty"` // the permission it takes
	OK     bool          `json:"ok"`
	Took   time.Duration `json:"took"` // nanoseconds; 0 if it was not tried
	Reason string        `json:"reason,omitempty"`
}

// store prints what became of trying the store.
func (r *Result) store(b *strings.Builder) {
	s := r.Store
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n%-9s %s\n", "store", oneLine(s.Store))
	if s.As != "" {
		fmt.Fprintf(b, "%-9s %s\n", "as", oneLine(s.As))
	}
	if s.Skew != 0 {
		word := "ahead of"
		if s.Skew < 0 {
			word = "behind"
		}
		fmt.Fprintf(b, "%-9s the storage's is %v %s this machine's\n", "clock", s.Skew.Abs().Round(time.Second), word)
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, one := range s.Rights {
		word, took := "ok", one.Took.Round(time.Millisecond/10).String()
		switch {
		case !one.OK && one.Took == 0:
			word, took = "-", ""
		case !one.OK:
			word = "FAILED"
		}
		row(t, "  "+word, one.Try, took, one.Right)
	}
	_ = t.Flush() // a strings.Builder does not fail
	for _, one := range s.Rights {
		switch {
		case one.Reason == "" || one.Took == 0:
		case one.OK:
			fmt.Fprintf(b, "\n%s: %s\n", one.Try, oneLine(one.Reason))
		default:
			fmt.Fprintf(b, "\n%s failed: %s\n", one.Try, oneLine(one.Reason))
		}
	}
}
