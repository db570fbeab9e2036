package execution_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// What the failure of a call means decides whether it is sent again, left alone until it
// must have landed, or given up.
func TestFaultOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault dominosim.Fault
		want  execution.Fault
	}{
		{"refused", dominosim.Fault{Kind: dominosim.FaultStatus, Status: 409}, execution.Refused},
		{"refused in Domino's words", dominosim.Fault{Kind: dominosim.FaultStatus, Status: 500}, execution.Refused},
		{"forbidden", dominosim.Fault{Kind: dominosim.FaultStatus, Status: 403}, execution.Forbidden},
		{"throttled", dominosim.Fault{Kind: dominosim.FaultStatus, Status: 429}, execution.Unsent},
		{"never connected", dominosim.Fault{Kind: dominosim.FaultRefuse}, execution.Unsent},
		{"the connection broke", dominosim.Fault{Kind: dominosim.FaultDrop}, execution.Lost},
		{"a gateway answered", dominosim.Fault{Kind: dominosim.FaultLost, Status: 504}, execution.Lost},
		{"a page answered", dominosim.Fault{Kind: dominosim.FaultHTML, Status: 500}, execution.Lost},
		{"no answer in time", dominosim.Fault{Kind: dominosim.FaultHang}, execution.Lost},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			s := newSite(t, dominosim.Config{})
			e := s.app()
			tt.fault.Path = "/v4/modelProducts/{id}/stop"
			s.sim.AddFault(tt.fault)
			_, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false)
			s.faultsFired()
			if err == nil || execution.FaultOf(err) != tt.want {
				t.Errorf("FaultOf(%v) = %d, want %d", err, execution.FaultOf(err), tt.want)
			}
			if execution.NoCredentials(err) {
				t.Errorf("NoCredentials(%v) = true, want false", err)
			}
		})
	}
	unsent := fmt.Errorf("stop it: %w", &execution.UnsentError{Err: errors.New("no answer")})
	if got := execution.FaultOf(unsent); got != execution.Unsent {
		t.Errorf("FaultOf(%v) = %d, want Unsent", unsent, got)
	}
	if got := execution.FaultOf(errors.New("anything else")); got != execution.Refused {
		t.Errorf("FaultOf of anything else = %d, want Refused", got)
	}
}

// Credentials that are not accepted any more are no one execution's fault.
func TestNoCredentials(t *testing.T) {
	for _, fault := range []dominosim.Fault{
		{Kind: dominosim.FaultStatus, Status: 401},
		{Kind: dominosim.FaultHTML, Status: 200}, // a login page
	} {
		inTime(t, fmt.Sprint(fault.Status), func(t *testing.T) {
			s := newSite(t, dominosim.Config{})
			e := s.app()
			s.sim.AddFault(fault)
			if _, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false); !execution.NoCredentials(err) {
				t.Errorf("NoCredentials(%v) = false, want true", err)
			}
		})
	}
}
