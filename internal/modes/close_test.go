package modes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// A close gives up what is down. It asks first, lists it, and names what still brings it back; later commands do so too.
func TestCloseAsksBeforeItGivesUpWhatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		ran := s.running()
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		down := len(s.lost(ran))
		entries := len(s.keys("windows/000001/journal/"))

		res := s.must(4, "close", "DMM_REASON=x")
		if len(res.Executions) != down || !strings.Contains(res.Message, "--yes") || !strings.Contains(res.Next, "dmm restore") {
			t.Errorf("close lists %d executions, want %d: %s Next: %s", len(res.Executions), down, res.Message, res.Next)
		}
		if got := len(s.keys("windows/000001/journal/")); got != entries {
			t.Errorf("close without --yes has written %d entries", got-entries)
		}
		if s.must(0, "status").Phase != window.PhaseStopped {
			t.Error("the window is not open any more")
		}

		again := "dmm restore --from-snapshot " + id + " --yes"
		if res := s.must(0, "close", "DMM_REASON=x", "DMM_YES=true"); !strings.Contains(res.Next, again) {
			t.Errorf("close says next %q, want %q", res.Next, again)
		}
		for _, mode := range []string{"status", "restore"} {
			if res := s.must(0, mode); !strings.Contains(res.Next, again) {
				t.Errorf("dmm %s says next %q, want %q", mode, res.Next, again)
			}
		}
		if w := s.must(0, "list").Windows[0]; w.Back != 0 || w.Of != down {
			t.Errorf("list says that %d of %d are back, want 0 of %d", w.Back, w.Of, down)
		}
		s.must(0, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		s.wantSame(ran)
		if w := s.must(0, "list").Windows[1]; w.Back != down || w.Of != down {
			t.Errorf("list says that %d of %d are back, want all %d", w.Back, w.Of, down)
		}
	})
}

// With all back, there is nothing to ask about.
func TestCloseWithNothingDownDoesNotAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		ctx, stop := context.WithCancelCause(t.Context())
		real := s.store
		s.store = &intruding{real, 1, func() { stop(modes.ErrInterrupted) }} // before anything is sent
		if _, err := s.runContext(ctx, "shutdown"); !errors.Is(err, modes.ErrInterrupted) {
			t.Fatalf("the shutdown ends with %v, want it interrupted", err)
		}
		s.store = real
		if got := s.must(0, "status").Phase; got != window.PhaseStopping {
			t.Fatalf("the window is %s: the test proves nothing", got)
		}
		s.must(0, "close", "DMM_REASON=x")
	})
}

// What a restore has left because of its settings stays open, while the window does, to one that asks for it.
func TestARestoreThatAsksStartsWhatAnEarlierOneHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		ran := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.sim.AddFault(dominosim.Fault{Path: startApp, Kind: dominosim.FaultStatus, Status: 400, Times: 100})
		first := s.must(3, "restore")
		for _, x := range first.Executions {
			if x.Kind == "Workspace" && (x.Outcome != "left" || !strings.Contains(x.Reason, "was not asked to start it")) {
				t.Errorf("%s is %s: %s, want it left, and by which run", x.ID, x.Outcome, x.Reason)
			}
		}
		s.sim.ClearFaults()
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		s.wantSame(ran)
	})
}

// Once the window is closed it is settled for good, and what brings it back is named.
func TestARestoreThatAsksTooLateIsToldWhatBringsItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		ran := s.running()
		id := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		s.must(0, "restore")
		res := s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		if want := "dmm restore --from-snapshot " + id + " --yes --restore-workspaces"; res.Next != want || !strings.Contains(res.Message, "left 2 down") {
			t.Errorf("restore says %q, next %q, want %q", res.Message, res.Next, want)
		}
		s.must(0, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true", "DMM_RESTORE_WORKSPACES=true")
		s.wantSame(ran)
	})
}
