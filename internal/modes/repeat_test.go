package modes_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// wantNotRepeated asserts that a shutdown with the snapshot of a maintenance that is over is refused, with the window
// that used it and what to do, that its dry run is, too, and that nothing is sent or written.
func (s *site) wantNotRepeated(used, window string, env ...string) {
	s.t.Helper()
	writes, keys := len(s.sim.Ledger().Writes()), len(s.keys(""))
	for _, dry := range []string{"true", "false"} {
		_, err := s.run("shutdown", append(env, "DMM_DRY_RUN="+dry)...)
		if modes.Classify(err) != modes.FaultRefused {
			s.t.Fatalf("dmm shutdown, dry run %s: %v, want it refused", dry, err)
		}
		for _, word := range []string{"snapshot " + used, "window " + window, "closed at 20"} {
			if !strings.Contains(err.Error(), word) {
				s.t.Errorf("%q is not in %q", word, err)
			}
		}
		if next := modes.NextStep("shutdown", err); !strings.HasPrefix(next, "dmm snapshot, if ") {
			s.t.Errorf("the next step is %q", next)
		}
	}
	if n := len(s.sim.Ledger().Writes()) - writes; n > 0 {
		s.t.Errorf("%d calls that change something were sent", n)
	}
	if n := len(s.keys("")) - keys; n != 0 {
		s.t.Errorf("%d records were written", n)
	}
}

func (s *site) ownerStopsAnApp() {
	s.t.Helper()
	if err := s.sim.OwnerStopApp(s.anyRunning(dominosim.KindApp).ID); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

// A Job of an old revision that is made anew, or one whose mode was left in the values, runs what it ran: a shutdown
// with the newest snapshot, which is that of a maintenance that is over.
func TestAMaintenanceThatIsOverIsNotBegunAgain(t *testing.T) {
	restored := func(s *site, _ string) { s.must(0, "restore") }
	for name, c := range map[string]struct {
		over   func(s *site, before string) // ends the maintenance; there was a snapshot before that of it
		env    []string                     // of the shutdown that is repeated
		window string                       // that used the snapshot
	}{
		"restored": {restored, nil, "000001"},
		"restored two hours ago": {func(s *site, id string) {
			restored(s, id)
			time.Sleep(2 * time.Hour)
		}, nil, "000001"},
		"closed": {func(s *site, _ string) {
			s.must(0, "close", "DMM_YES=true", "DMM_REASON=the deployment is rebuilt")
		}, nil, "000001"},
		"closed, and brought back from its snapshot": {func(s *site, _ string) {
			s.must(0, "close", "DMM_YES=true", "DMM_REASON=a try")
			s.must(0, "restore", "DMM_RESTORE_FROM=latest", "DMM_YES=true")
		}, nil, "000002"},
		"restored, and another snapshot brought back after it": {func(s *site, before string) {
			restored(s, before)
			s.ownerStopsAnApp()
			s.must(0, "restore", "DMM_RESTORE_FROM="+before, "DMM_YES=true")
		}, nil, "000001"},
		"for something else": {restored, []string{"DMM_INTENT=6.3.0"}, "000001"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
				before := s.must(0, "snapshot").Snapshot
				time.Sleep(time.Minute)
				used := s.must(0, "snapshot").Snapshot
				s.must(0, "shutdown")
				c.over(s, before)
				ran := s.running()
				s.wantNotRepeated(used, c.window, c.env...)
				s.wantNotRepeated(used, c.window, append(c.env, "DMM_SNAPSHOT="+used)...)
				s.wantSame(ran)

				time.Sleep(time.Second) // ids of snapshots sort by the second
				s.must(0, "snapshot")
				s.must(0, "shutdown", c.env...)
				s.must(0, "restore")
				s.wantSame(ran)
			})
		})
	}
}

// A Job tries again what failed: while the window is open it goes on. Called off meanwhile, it must not begin anew.
func TestTheNextTryOfAShutdownThatWasCalledOffStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true", "DMM_MAX_FAILURES=1")
		ran := s.running()
		used := s.must(0, "snapshot").Snapshot
		s.sim.AddFault(dominosim.Fault{
			Method: "POST", Path: stopApp, Kind: dominosim.FaultStatus, Status: 400, Times: 2, Nth: 1,
		})
		s.must(3, "shutdown")
		if res := s.must(0, "shutdown"); res.Window != "000001" {
			t.Errorf("the second try is in window %s", res.Window)
		}
		s.must(0, "restore")
		s.wantNotRepeated(used, "000001")
		s.wantSame(ran)
	})
}

// A snapshot may be older than the maintenance before the last: that is the one that used it.
func TestASnapshotOfTheMaintenanceBeforeTheLastIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		first := s.must(0, "snapshot").Snapshot
		s.must(0, "shutdown")
		s.must(0, "restore")
		time.Sleep(time.Second)
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.wantNotRepeated(first, "000001", "DMM_SNAPSHOT="+first)
	})
}

// The restore of a maintenance that is over, made anew, starts nothing.
func TestARestoreThatIsMadeAnewStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "restore")
		s.ownerStopsAnApp()
		writes := len(s.sim.Ledger().Writes())
		if res := s.must(0, "restore"); !strings.HasPrefix(res.Message, "Nothing to restore") {
			t.Errorf("restore: %s", res.Message)
		}
		if n := len(s.sim.Ledger().Writes()) - writes; n > 0 {
			t.Errorf("%d calls that change something were sent", n)
		}
	})
}
