package modes_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// A minor version that nobody knew when dmm was built works as the newest that it knows.
func TestAMinorVersionOfTomorrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.3"), "DMM_RESTORE_WORKSPACES=true")
		s.sim.Report("6.7.2-beta")
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			t.Fatalf("after shutdown %d executions run", len(left))
		}
		s.sim.Report("6.8.0")
		s.must(0, "restore")
		s.wantSame(before)
		s.wantExactly(before, once, once)
	})
}

// Of a major version that nobody knew a snapshot can be taken, but nothing is stopped without being told to.
func TestAMajorVersionThatNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.3"), "DMM_RESTORE_WORKSPACES=true")
		s.sim.Report("7.0.1")
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown", "DMM_DRY_RUN=true")
		_, err := s.run("shutdown")
		var refused *modes.Refusal
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, "7.0.1") || !strings.Contains(refused.Next, "DMM_ALLOW_UNKNOWN_VERSION=true") {
			t.Fatalf("shutdown: %v, want a refusal that names the version and the setting", err)
		}
		if n := len(s.sim.Ledger().Writes()); n > 0 {
			t.Fatalf("%d calls that change Domino were sent", n)
		}
		s.must(0, "shutdown", "DMM_ALLOW_UNKNOWN_VERSION=true")
		if left := s.running(); len(left) > 0 {
			t.Fatalf("after shutdown %d executions run", len(left))
		}
		s.must(0, "restore")
		s.wantSame(before)
		s.wantExactly(before, once, once)
	})
}

// The upgrade was to a major version that nobody knew: what was stopped comes back without a word.
func TestARestoreGoesOnAfterAnUpgradeToAnUnknownMajorVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.1"), "DMM_RESTORE_WORKSPACES=true")
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.sim.SetVersion("6.3")
		s.sim.Report("7.0.1")
		s.must(0, "restore")
		s.wantSame(before)
		s.wantExactly(before, once, once)
	})
}

// A route that the release should have and has not is asked for once, and the older way used.
func TestTheDialectIsCorrectedByWhatTheRoutesAnswer(t *testing.T) {
	for name, gone := range map[string]string{
		"models of all projects": "/v4/modelManager/ui/models", "versions in the public API": "^/api/modelServing/v1/modelApis",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, lagging("6.3"), "DMM_RESTORE_WORKSPACES=true")
				s.sim.AddFault(dominosim.Fault{Path: gone, Kind: dominosim.FaultHTML, Status: 404, Times: -1})
				before := s.running()
				asked := func(mode string) {
					t.Helper()
					was := len(s.sim.Ledger().Requests())
					s.must(0, mode)
					n := 0
					for _, r := range s.sim.Ledger().Requests()[was:] {
						if r.Fault != "" {
							n++
						}
					}
					// As many as are on their way before the first is answered; without a memory it is 90.
					if n < 1 && mode != "restore" || n > 24 {
						t.Errorf("%s asked %d times for a route that is not there", mode, n)
					}
				}
				asked("snapshot")
				asked("shutdown")
				asked("restore")
				s.wantSame(before)
				s.wantExactly(before, once, once)
			})
		})
	}
}
