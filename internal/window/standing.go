package window

import (
	"fmt"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// StillRuns counts what ran in all of Domino when the last scan of a shutdown looked, by why it was not stopped. It is on
// the line of that run's end. The names of its fields are on record.
type StillRuns struct {
	Seen      time.Time `json:"seen"` // UTC
	Total     int       `json:"total"`
	Filtered  int       `json:"filteredOut,omitempty"` // the window is not about it
	Ignored   int       `json:"ignored,omitempty"`     // a setting leaves its kind alone
	Left      int       `json:"left,omitempty"`
	Failed    int       `json:"failed,omitempty"` // its stop
	Remaining int       `json:"remaining,omitempty"`
	Moving    int       `json:"moving,omitempty"`  // on its way down, or up and down, and not by dmm
	Unknown   int       `json:"unknown,omitempty"` // in a state that dmm does not know
	// Unseen are the kinds of which the scan could not see all.
	Unseen []execution.Kind `json:"unseen,omitempty"`
}

// StillRunning counts a list of all kinds against what the window knows and is about. What the window has seen down is
// not counted: a list that shows it running is older.
func (b *Balance) StillRunning(list []execution.Execution, f execution.Filter, h execution.Handling) *StillRuns {
	s := &StillRuns{Seen: time.Now().UTC()}
	for _, x := range list {
		if x.State.Down() {
			continue
		}
		it := b.items[x.Key()]
		switch {
		case !f.Match(x):
			s.Filtered++
		case h.Ignores(x.Kind):
			s.Ignored++
		case it != nil && it.Wanted() && it.SeenDown():
			continue
		case it != nil && it.Stop.Outcome == Left:
			s.Left++
		case it != nil && it.Stop.Outcome == Failed:
			s.Failed++
		case x.State == execution.Unknown:
			s.Unknown++
		case x.State == execution.Stopping:
			s.Moving++
		default:
			s.Remaining++
		}
		s.Total++
	}
	return s
}

// String says how many still run, and why. It is empty where nothing does, and all could be seen.
func (s *StillRuns) String() string {
	if s == nil {
		return ""
	}
	var parts []string
	if s.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d still run%s: %s", s.Total, map[bool]string{true: "s"}[s.Total == 1], s.Why()))
	}
	if len(s.Unseen) > 0 {
		kinds := make([]string, len(s.Unseen))
		for i, k := range s.Unseen {
			kinds[i] = string(k)
		}
		parts = append(parts, "whether more run could not be seen ("+strings.Join(kinds, ", ")+")")
	}
	return strings.Join(parts, "; ")
}

// Why says why what still runs does, with how many there are of each.
func (s *StillRuns) Why() string {
	var why []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{s.Failed, "failed to stop"}, {s.Remaining, "not stopped yet"}, {s.Filtered, "left out by filters"},
		{s.Ignored, "left alone by settings"}, {s.Left, "left"}, {s.Moving, "on their way, not by dmm"},
		{s.Unknown, "in a state that dmm does not know"},
	} {
		if c.n > 0 {
			why = append(why, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(why, ", ")
}

// None reports whether nothing runs, and all could be seen.
func (s *StillRuns) None() bool { return s != nil && s.Total == 0 && len(s.Unseen) == 0 }

// Count is how far a goal is for the executions that it is about.
type Count struct {
	Of, Done, Failed, Left, Remaining int
}

func (c *Count) add(outcome Event) {
	c.Of++
	switch outcome {
	case Done, NotOurs:
		c.Done++
	case Failed:
		c.Failed++
	case Left:
		c.Left++
	default:
		c.Remaining++
	}
}

// rest names what is not done.
func (c Count) rest() string {
	rest := ""
	for _, r := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Left, "left"}, {c.Remaining, "remain" + map[bool]string{true: "s"}[c.Remaining == 1]}} {
		if r.n > 0 {
			rest += fmt.Sprintf(", %d %s", r.n, r.what)
		}
	}
	return rest
}

// Standing is how a window stands. Whatever is said about what is down, still runs or is back is made from it, so that no
// two places can say different things.
type Standing struct {
	Stop        Count // of what the window was to bring down
	Start       Count // of what dmm has stopped
	Unexplained int   // down, and nothing on record says who stopped them
	GivenUp     int   // of these and of what dmm has stopped: a person has decided not to bring them back
	StillRuns   *StillRuns
}

// Standing counts what the window is about.
func (b *Balance) Standing(f execution.Filter) Standing {
	s := Standing{StillRuns: b.StillRuns}
	for _, it := range b.items {
		if it.InScope(f) {
			s.Stop.add(it.Stop.Outcome)
		}
		if it.GivenUp() {
			s.GivenUp++
		}
		if it.Ours() {
			s.Start.add(it.Start.Outcome)
			if it.GivenUp() {
				s.Start.Left-- // it is counted by itself
			}
		}
		if it.DownUnexplained() {
			s.Unexplained++
		}
	}
	if still := s.StillRuns; still != nil { // what was left and does not run has ended by itself
		ended := max(0, s.Stop.Left-still.Ignored-still.Left)
		s.Stop.Done, s.Stop.Left = s.Stop.Done+ended, s.Stop.Left-ended
	}
	return s
}

// HowDown says in a word or two how far Domino is down, once a shutdown has ended.
func (s Standing) HowDown() string {
	switch {
	case s.Stop.Done < s.Stop.Of, s.StillRuns != nil && s.StillRuns.Total > 0:
		return "partly down"
	case !s.StillRuns.None(): // nobody looked at what this window is not about, or could not see all of it
		return "down, as far as is known"
	}
	return "down"
}

// Quiet says what the last scan that found nothing to be stopped has found at a time.
func (s *StillRuns) Quiet(at string) string {
	if s.None() {
		return "a scan last found nothing running at " + at
	}
	return "a scan last found nothing running that was to be stopped at " + at
}

// Down says how many are down, what became of the others, and what still runs and why.
func (s Standing) Down() string {
	stop := s.Stop
	if s.StillRuns != nil {
		stop.Left = 0 // which still run, and are counted there
	}
	text := fmt.Sprintf("%d of %s are down", stop.Done, executions(stop.Of)) + stop.rest()
	if stop.Done == stop.Of {
		text = executions(s.Stop.Of) + " down"
	}
	if still := s.StillRuns.String(); still != "" {
		text += "; " + still
	}
	return text
}

// Back says how many are back, and what became of the others.
func (s Standing) Back() string {
	text := fmt.Sprintf("%d of %s are back", s.Start.Done, executions(s.Start.Of)) + s.Start.rest()
	if s.GivenUp > 0 {
		text += fmt.Sprintf(", %d given up", s.GivenUp)
	}
	if s.Unexplained > 0 {
		text += fmt.Sprintf("; %d more are down, and nothing on record says who stopped them", s.Unexplained)
	}
	return text
}

func executions(n int) string {
	if n == 1 {
		return "1 execution"
	}
	return fmt.Sprintf("%d executions", n)
}
