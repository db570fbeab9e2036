package execution_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// version is a running version of a model.
func (s *site) version() execution.Execution {
	s.Helper()
	return s.find(execution.ModelAPI, s.running(dominosim.KindModelAPI, nil).ID)
}

// Each version is deployed by itself: one that is not active may run as well, and one
// that is stopped is listed too.
func TestEveryVersionOfAModelIsAnExecution(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		inactiveRuns := 0
		running := s.sim.Ledger().Running(dominosim.KindModelAPI)
		for _, o := range s.sim.Objects(dominosim.KindModelAPI) {
			e := s.find(execution.ModelAPI, o.ID)
			_, runs := running[o.ID]
			if e.State.Up() != runs {
				t.Errorf("%s is %s (%s), want it to run: %t", e, e.State, e.DominoState, runs)
			}
			if runs && !o.Active {
				inactiveRuns++
			}
			wantEqual(t, "restart arguments of "+e.String(),
				map[string]any{"modelId": o.ModelID, "versionId": o.ID, "active": o.Active && s.everDeployed(o)}, argsOf(t, e))
			if e.Parent != o.ModelID || e.Name != fmt.Sprintf("%s v%d", o.Name, o.Number) || e.Owner == "" {
				t.Errorf("Parent, Name, Owner = %q, %q, %q, want %q, %s v%d and somebody", e.Parent, e.Name, e.Owner, o.ModelID, o.Name, o.Number)
			}
		}
		if inactiveRuns == 0 {
			t.Error("no version runs that is not active: the test proves nothing")
		}
	})
}

// everDeployed: the model's row names an active version only if there was a deployment.
func (s *site) everDeployed(o dominosim.Object) bool {
	return s.sim.Ledger().State(dominosim.KindModelAPI, o.ID) != "Ready to run"
}

// What cannot be reached holds resources all the same, and would be left behind.
func TestAnUnreachableVersionCountsAsRunning(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.version()
		for _, word := range []string{"Unreachable", "Stalled"} {
			if err := s.sim.SetModelStatus(e.ID, word, false); err != nil {
				t.Fatal(err)
			}
			if now := s.read(e); now.State != execution.Running || now.DominoState != word {
				t.Errorf("State = %s (%s), want running (%s)", now.State, now.DominoState, word)
			}
		}
	})
}

// Where the list of all projects' models is refused, each project is asked.
func TestModelsProjectByProject(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		no := false // an archived project that refuses to tell is another matter
		s := newSite(t, dominosim.Config{Profile: profile, InvisibleProject: &no})
		want := ids(s.inventory(execution.ModelAPI), nil)
		s.sim.AddFault(dominosim.Fault{Path: "/v4/modelManager/ui/models", Kind: dominosim.FaultHTML, Status: 404, Times: 1})
		got := s.inventory(execution.ModelAPI)
		s.inventory(execution.ModelAPI) // asked once, remembered
		asked := 0
		for _, r := range s.sim.Ledger().Requests() {
			if r.Path == "/v4/modelManager/ui/models" && (r.Fault != "" || r.Status == 404) {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("a route that is missing was asked %d times, want once", asked)
		}
		if profile == "4.4" { // there it is missing to begin with
			s.sim.ClearFaults()
		}
		s.faultsFired()
		wantComplete(t, got)
		wantEqual(t, "versions", want, ids(got, nil))

		s.sim.AddFault(dominosim.Fault{Path: "/v4/modelManager/getModels", Kind: dominosim.FaultStatus, Status: 403})
		short := s.list(execution.ModelAPI)
		s.faultsFired()
		wantProblem(t, short, execution.ModelAPI, "/")
	})
}

func TestAModelWhoseVersionsCannotBeListedCostsThatModel(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		want := ids(s.list(execution.ModelAPI), nil)
		o := s.running(dominosim.KindModelAPI, nil)
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "^.*/versions", Object: o.ModelID, Kind: dominosim.FaultStatus, Status: 503, Times: -1})
		l := s.list(execution.ModelAPI)
		s.faultsFired()
		wantProblem(t, l, execution.ModelAPI, o.Name)
		lost := 0
		for _, v := range s.sim.Objects(dominosim.KindModelAPI) {
			if v.ModelID == o.ModelID {
				lost++
			}
		}
		if got := len(l.Executions); got != len(want)-lost {
			t.Errorf("%d versions are listed, want %d without the %d of %s", got, len(want)-lost, lost, o.Name)
		}
	})
}

// Domino answers a stop the same whether the version runs or not (api.md §9), so that
// the version is read right before the call.
func TestStopOfAModelVersion(t *testing.T) {
	for _, array := range []bool{false, true} {
		t.Run(fmt.Sprintf("array answers %t", array), func(t *testing.T) {
			eachProfile(t, func(t *testing.T, profile string) {
				s := newSite(t, dominosim.Config{Profile: profile, ArrayAnswers: array})
				e := s.version()
				s.stop(e)
				requests := s.sim.Ledger().Requests()
				read, call := requests[len(requests)-2], requests[len(requests)-1]
				if read.Method != "GET" || !strings.Contains(read.Path, e.ID) || !call.Write {
					t.Errorf("the last requests are %s %s and %s %s, want a look at the version and its stop", read.Method, read.Path, call.Method, call.Path)
				}
				if now := s.read(e); now.State != execution.Stopped {
					t.Errorf("afterwards it is %s, want stopped", now.State)
				}

				before := s.writes()
				if _, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false); !isAlready(err) {
					t.Errorf("Stop of a stopped version = %v, want ErrAlready", err)
				}
				if n := s.writes() - before; n != 0 {
					t.Errorf("%d calls for a version that is stopped, want 0", n)
				}

				s.start(e)
				wantEqual(t, "running", s.truth(execution.ModelAPI), ids(s.inventory(execution.ModelAPI), up))
				if n := s.sim.Ledger().Entry(dominosim.KindModelAPI, e.ID).Effects("start"); n != 1 {
					t.Errorf("started %d times, want once", n)
				}
			})
		})
	}
}

// A version that is not active is stopped and started like any other, and does not become active by it.
func TestStopAndStartOfAVersionThatIsNotActive(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		o := s.running(dominosim.KindModelAPI, func(o dominosim.Object, _ dominosim.Run) bool { return !o.Active })
		before := s.truth(execution.ModelAPI)
		e := s.find(execution.ModelAPI, o.ID)
		s.stop(e)
		s.start(e)
		wantEqual(t, "running", before, s.truth(execution.ModelAPI))
		if argsOf(t, e)["active"] != false {
			t.Errorf("restart arguments = %s, want it on record as not active", e.Restart)
		}
	})
}

// Stopped and pending may be on its way up: only the call is sure to bring it down.
func TestAStoppedVersionWithAnOperationUnderWayIsStoppedAgain(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.version()
		if err := s.sim.SetModelStatus(e.ID, "Stopped", true); err != nil {
			t.Fatal(err)
		}
		if now := s.read(e); now.State != execution.Stopping || now.DominoState != "Stopped (pending)" {
			t.Errorf("State = %s (%s), want stopping (Stopped (pending))", now.State, now.DominoState)
		}
		before := s.writes()
		s.stop(e)
		if n := s.writes() - before; n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// Whoever could not look has not called, which is not the same as a call without an answer.
func TestAStopThatCouldNotLookFirstWasNotSent(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		version, schedule := s.version(), s.schedule()
		s.sim.AddFault(dominosim.Fault{Method: "GET", Kind: dominosim.FaultStatus, Status: 503, Times: -1})
		for _, e := range []execution.Execution{version, schedule} {
			_, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false)
			if _, ok := asType[*execution.UnsentError](err); !ok || !strings.Contains(err.Error(), "look before the call") {
				t.Errorf("%s: Stop = %v, want an UnsentError", e.Kind, err)
			}
			if cause, ok := asDomino(err); !ok || cause.Status != 503 {
				t.Errorf("%s: Stop = %v, want its cause to be found", e.Kind, err)
			}
		}
		if n := s.writes(); n != 0 {
			t.Errorf("%d calls were sent, want 0", n)
		}
	})
}

// Before 5.11 versions are read through a route of the UI, which answers with a page for
// what it does not know (api.md §2, inferred), like an ingress without a Domino behind it.
func TestReadOfAModelVersionThatIsGone(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		e := s.version()
		e.ID = "0123456789abcdef01234567"
		d := s.drivers.Of(e.Kind)
		if _, err := d.Read(t.Context(), e); !isGone(err) {
			t.Errorf("Read of a version that is gone = %v, want ErrGone", err)
		}
		if _, err := d.Stop(t.Context(), e, false); !isGone(err) {
			t.Errorf("Stop of a version that is gone = %v, want ErrGone", err)
		}
		e.Parent = "0123456789abcdef01234567"
		if _, err := d.Read(t.Context(), e); !isGone(err) {
			t.Errorf("Read of a version whose model is gone = %v, want ErrGone", err)
		}
	})
}

// Nobody says that a model API ends with the archival of its project, so that the project is asked for its models too.
func TestTheModelsOfAnArchivedProjectAreListedProjectByProject(t *testing.T) {
	inTime(t, "4.4", func(t *testing.T) { // which has no list over all projects
		s := newSite(t, dominosim.Config{Profile: "4.4"})
		s.sim.ArchiveProject(s.running(dominosim.KindModelAPI, nil).ProjectID)
		l := s.inventory(execution.ModelAPI)
		wantEqual(t, "running versions", s.truth(execution.ModelAPI), ids(l, up))

		s.sim.AddFault(dominosim.Fault{Path: "/v4/modelManager/getModels", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		noted := 0
		for _, p := range s.list(execution.ModelAPI).Problems {
			if strings.Contains(p.Message, "it is archived") {
				noted++
				if p.Incomplete {
					t.Errorf("problem %v makes the listing incomplete: every archived project would, if Domino shows none of them", p)
				}
			}
		}
		if noted == 0 {
			t.Error("an archived project that does not show its models is not named")
		}
	})
}
