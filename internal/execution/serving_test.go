package execution_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// serves is a deployment with versions of endpoints and external deployments, of which some run.
var serves = dominosim.Config{
	Profile: "6.2", Plain: true, Projects: 3, Endpoints: 5, Deployments: 40, StoppedFraction: 0.3,
	StartTime: 20 * time.Second, StopTime: 10 * time.Second,
}

func (s *site) stays(e execution.Execution, want execution.State) {
	s.Helper()
	if now := s.read(e); now.State != want || now.Name != e.Name || now.Project != e.Project {
		s.Errorf("Read(%s) = %s %s (%s), want %s", e, now, now.State, now.DominoState, want)
	}
}

// Every version of an endpoint is stopped and started by itself, and so is every deployment.
func TestEndpointsAndDeploymentsGoDownAndUp(t *testing.T) {
	for _, kind := range []execution.Kind{execution.Endpoint, execution.ExternalDeployment} {
		inTime(t, string(kind), func(t *testing.T) {
			s := newSite(t, serves)
			before := s.sim.Ledger().Running(string(kind))
			l := s.inventory(kind)
			wantComplete(t, l)
			wantEqual(t, "listed", len(s.sim.Objects(string(kind))), len(l.Executions))
			wantEqual(t, "what runs", s.truth(kind), ids(l, up))
			for _, e := range l.Executions {
				if !e.State.Up() {
					if _, err := s.drivers.Of(kind).Stop(t.Context(), e, false); !isAlready(err) {
						t.Errorf("Stop of %s, which is %s: %v, want ErrAlready", e, e.DominoState, err)
					}
					continue
				}
				s.stop(e)
				s.stays(e, execution.Stopping)
				time.Sleep(10 * time.Second)
				s.stays(e, execution.Stopped)
				s.start(e)
				s.stays(e, execution.Starting)
				time.Sleep(20 * time.Second)
				s.stays(e, execution.Running)
				if _, err := s.drivers.Of(kind).Start(t.Context(), e); !isAlready(err) {
					t.Errorf("Start of %s, which runs: %v, want ErrAlready", e, err)
				}
			}
			after := s.sim.Ledger().Running(string(kind))
			if len(after) != len(before) || len(before) < 2 {
				t.Errorf("%d run, want the %d that ran before", len(after), len(before))
			}
		})
	}
}

// A release before 6.0 knows neither, and is not asked.
func TestEndpointsAndDeploymentsAreAskedForWhereTheyExist(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 2, Endpoints: 2, Deployments: 2})
		l := s.list(execution.Endpoint, execution.ExternalDeployment)
		if len(l.Problems) > 0 {
			t.Errorf("problems = %v, want none", l.Problems)
		}
		wantEqual(t, "listed", len(s.sim.Objects(dominosim.KindEndpoint))+len(s.sim.Objects(dominosim.KindDeployment)), len(l.Executions))
		for _, r := range s.sim.Ledger().Requests() {
			if r.Status == 404 {
				t.Errorf("GET %s was asked of %s, which has no such route", r.Path, profile)
			}
		}
	})
}

// Of these routes there is nothing but a specification: a release that should have them and has not is told of, once,
// and Domino being down is not mistaken for it.
func TestARouteThatShouldBeThereAndIsNot(t *testing.T) {
	for kind, path := range map[execution.Kind]string{
		execution.Endpoint: "^/api/gen-ai/", execution.ExternalDeployment: "^/api/modelServing/v1/modelDeployments",
	} {
		inTime(t, string(kind)+" is missing", func(t *testing.T) {
			s := newSite(t, serves)
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultHTML, Status: 404, Times: -1})
			for range 3 {
				l := s.list(kind)
				wantComplete(t, l)
				if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Message, "Domino 6.2 should have them") {
					t.Errorf("problems = %v, want the missing route", l.Problems)
				}
			}
			asked := slices.DeleteFunc(s.sim.Ledger().Requests(), func(r dominosim.Request) bool { return r.Fault == "" })
			if len(asked) != 1 {
				t.Errorf("the route was asked for %d times, want once", len(asked))
			}
		})
		inTime(t, string(kind)+" while Domino is down", func(t *testing.T) {
			s := newSite(t, serves)
			s.sim.AddFault(dominosim.Fault{Kind: dominosim.FaultHTML, Status: 404, Times: -1})
			if l := s.list(kind); l.Complete() {
				t.Errorf("Complete() = true, want false: %v", l.Problems)
			}
			s.sim.ClearFaults()
			if l := s.list(kind); !l.Complete() || len(l.Executions) == 0 {
				t.Errorf("once Domino is back: %d executions, problems %v", len(l.Executions), l.Problems)
			}
		})
		inTime(t, string(kind)+" is forbidden", func(t *testing.T) {
			s := newSite(t, serves)
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: 403, Times: -1})
			if l := s.list(kind); l.Complete() {
				t.Error("Complete() = true, want false: nobody could look")
			}
		})
	}
}

// Words of either vocabulary (api.md §9c, §21), those that nobody knows among them.
func TestStatesOfWhatServes(t *testing.T) {
	for kind, words := range map[execution.Kind]map[string]execution.State{
		execution.Endpoint: {
			"Building": execution.Starting, "Starting": execution.Starting, "Running": execution.Running, "Stopping": execution.Stopping,
			"Stopped": execution.Stopped, "Failed": execution.Failed, "BuildFailed": execution.Failed, "Unknown": execution.Unknown, "Odd": execution.Unknown,
		},
		execution.ExternalDeployment: {
			"STARTING": execution.Starting, "UPDATING": execution.Starting, "RUNNING": execution.Running, "STOPPING": execution.Stopping,
			"DELETING": execution.Stopping, "STOPPED": execution.Stopped, "DELETED": execution.Stopped, "FAILED": execution.Failed,
			"": execution.Unknown, "ODD": execution.Unknown,
		},
	} {
		inTime(t, string(kind), func(t *testing.T) {
			odd := serves // with words that no specification has
			odd.OnExchange = func(string, *http.Request, []byte, int, http.Header, []byte) {}
			s := newSite(t, odd)
			o := s.running(string(kind), nil)
			for word, want := range words {
				if err := s.sim.SetServedStatus(o.Kind, o.ID, word); err != nil {
					t.Fatal(err)
				}
				if got := s.find(kind, o.ID); got.State != want {
					t.Errorf("%q is %s, want %s", word, got.State, want)
				}
			}
		})
	}
}

func TestWhatServesAndIsGone(t *testing.T) {
	inTime(t, "6.2", func(t *testing.T) {
		s := newSite(t, serves)
		for _, kind := range []execution.Kind{execution.Endpoint, execution.ExternalDeployment} {
			e := s.find(kind, s.running(string(kind), nil).ID)
			gone := e
			gone.ID, gone.Parent = "no-such/7", "no-such"
			d := s.drivers.Of(kind)
			if _, err := d.Read(t.Context(), gone); !isGone(err) {
				t.Errorf("%s: Read = %v, want ErrGone", kind, err)
			}
			if _, err := d.Stop(t.Context(), gone, false); !isGone(err) {
				t.Errorf("%s: Stop = %v, want ErrGone", kind, err)
			}
		}
	})
}
