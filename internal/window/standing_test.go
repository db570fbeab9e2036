package window_test

import (
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Domino is called down only where somebody has looked at all of it, and has found nothing.
func TestWhatIsCalledDown(t *testing.T) {
	all, some := window.Count{Of: 3, Done: 3}, window.Count{Of: 3, Done: 2, Failed: 1}
	unseen := []execution.Kind{execution.Job}
	for name, c := range map[string]struct {
		stop window.Count
		runs *window.StillRuns
		how  string
		down string
	}{
		"all is down":                         {all, &window.StillRuns{}, "down", "3 executions down"},
		"an older version has looked at less": {all, nil, "down, as far as is known", "3 executions down"},
		"not all could be seen": {
			all, &window.StillRuns{Unseen: unseen}, "down, as far as is known",
			"3 executions down; whether more run could not be seen (Job)",
		},
		"others run": {
			all, &window.StillRuns{Total: 2, Filtered: 1, Ignored: 1}, "partly down",
			"3 executions down; 2 still run: 1 left out by filters, 1 left alone by settings",
		},
		"one failed": {
			some, &window.StillRuns{Total: 1, Failed: 1}, "partly down",
			"2 of 3 executions are down, 1 failed; 1 still runs: 1 failed to stop",
		},
		"one failed, and nobody looked": {some, nil, "partly down", "2 of 3 executions are down, 1 failed"},
	} {
		s := window.Standing{Stop: c.stop, StillRuns: c.runs}
		if s.HowDown() != c.how || s.Down() != c.down {
			t.Errorf("%s: %q, %q; want %q, %q", name, s.HowDown(), s.Down(), c.how, c.down)
		}
	}
}
