package window

import (
	"slices"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// Timing is how long a step of a past maintenance took, by the clock of the run that made it.
type Timing struct {
	Executions int           // that were called
	Before     time.Duration // from the beginning of the run to its first intent
	Sending    time.Duration // what it took to call all of them for the first time
	After      time.Duration // what else it took to the end of the run: waiting, and the scans of a shutdown
	One        time.Duration // from the intent to the goal, in the middle of all executions
}

// pause is how long a shutdown is silent between two first calls when it waits for something: for the others, before it
// stops model APIs. A restore is silent while as many start as may start at once, which takes the longer the more there are.
const pause = 5 * time.Second

// TimingOf finds how long a step took that one run made from beginning to end. False if it was
// interrupted, or called nothing: its time would tell of other things.
func TimingOf(journal []Line, mode string, g Goal) (Timing, bool) {
	var t Timing
	var begin, first, last, end time.Time
	sent := map[execution.Key]time.Time{}
	var took []time.Duration
	runs, run := 0, ""
	for _, l := range journal {
		switch {
		case l.Event == Begin && l.Holder.Mode == mode:
			runs++
			run, begin = l.Run, l.At
		case l.Run != run:
		case l.Event == Intent && l.Goal == g:
			if first.IsZero() {
				first, last = l.At, l.At
			}
			if _, again := sent[*l.Key]; !again {
				if gap := l.At.Sub(last); g == Start || gap < pause {
					t.Sending += gap
				}
				sent[*l.Key], last = l.At, l.At
			}
		case l.Event == Done && l.Goal == g:
			if at, ok := sent[*l.Key]; ok {
				took = append(took, l.At.Sub(at))
			}
		case l.Event == End && (*l.Code == 0 || *l.Code == 3), l.Event == Closed:
			end = l.At
		}
	}
	if runs != 1 || len(took) == 0 || end.IsZero() {
		return t, false
	}
	slices.Sort(took)
	t.Executions, t.Before, t.After, t.One = len(sent), first.Sub(begin), end.Sub(first)-t.Sending, took[len(took)/2]
	return t, true
}

// For estimates how long the step takes for so many executions, of which so many are on their way at once at most (0:
// no limit). What comes before and after the calls is taken to stay as it was.
func (t Timing) For(executions, atOnce int) time.Duration {
	sending := time.Duration(float64(t.Sending) * float64(executions) / float64(t.Executions))
	if atOnce > 0 && executions > 0 {
		sending = max(sending, time.Duration((executions-1)/atOnce)*t.One)
	}
	return t.Before + sending + t.After
}
