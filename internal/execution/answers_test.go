package execution_test

import (
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// What Domino does not know may be what the start names, such as an environment: the
// execution itself is still there.
func TestAStartThatIsNotFoundIsNoProofThatTheExecutionIsGone(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		for _, e := range []execution.Execution{s.app(), s.workspace(), s.version()} {
			s.stop(e)
			s.sim.AddFault(dominosim.Fault{Method: "POST", Kind: dominosim.FaultStatus, Status: 404})
			if _, err := s.drivers.Of(e.Kind).Start(t.Context(), e); err == nil || isGone(err) {
				t.Errorf("%s: Start = %v, want Domino's 404 and not ErrGone", e.Kind, err)
			}
			s.faultsFired()
		}
	})
}

// A list that is not whole, or that was not to be had, is no proof that a version is gone.
func TestAVersionIsGoneOnlyByAListThatIsWhole(t *testing.T) {
	inTime(t, "its row does not parse", func(t *testing.T) {
		var bad string
		s := newSite(t, dominosim.Config{Profile: "5.9"}, changeAnswers("/versions/json$", func(v any) { spoil(v, bad, "number") }))
		e := s.version()
		bad = e.ID
		s.sim.AddFault(dominosim.Fault{Path: "^/models/.*/json$", Object: e.ID, Kind: dominosim.FaultHTML, Status: 404, Times: -1})
		if _, err := s.drivers.Of(e.Kind).Read(t.Context(), e); err == nil || isGone(err) {
			t.Errorf("Read = %v, want an error that is not ErrGone", err)
		}
		s.faultsFired()
	})
	inTime(t, "models may not be listed, and no project is known", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "5.9"})
		e := s.version()
		s.drivers = execution.NewDrivers(s.client) // as a restore has them
		s.sim.AddFault(dominosim.Fault{Path: "^/models/", Kind: dominosim.FaultHTML, Status: 404, Times: -1})
		s.sim.AddFault(dominosim.Fault{Path: "/v4/modelManager/ui/models", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		if _, err := s.drivers.Of(e.Kind).Read(t.Context(), e); err == nil || isGone(err) {
			t.Errorf("Read = %v, want an error that is not ErrGone", err)
		}
		s.faultsFired()
	})
}
