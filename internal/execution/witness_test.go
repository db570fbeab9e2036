package execution_test

import (
	"slices"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func (s *site) witness() []execution.Sighting {
	s.Helper()
	seen, problems, err := execution.Witness(s.Context(), s.client)
	if err != nil || len(problems) > 0 {
		s.Fatalf("Witness: %v, problems %v", err, problems)
	}
	return seen
}

// 5.9 answers with an array, 6.x with pages, of which this deployment fills several.
func TestTheWitnessAccountsForTheInventory(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		if profile == "4.4" { // whose route is not evidenced; api.md §13
			s := newSite(t, dominosim.Config{Profile: profile})
			if _, _, err := execution.Witness(t.Context(), s.client); domino.KindOf(err) != domino.KindNoRoute {
				t.Errorf("Witness: %v, want no such route", err)
			}
			return
		}
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 4, Apps: 30, Workspaces: 60, Jobs: 55, StoppedFraction: 0.2})
		l := s.inventory()
		seen := s.witness()
		missing, without := execution.Unaccounted(l.Executions, seen)
		if len(missing) > 0 {
			t.Errorf("unaccounted = %+v, want none", missing)
		}
		wantEqual(t, "kinds without a driver", map[string]int{"Launcher": 1}, without)

		for _, kind := range []execution.Kind{execution.App, execution.Workspace} {
			i := slices.IndexFunc(l.Executions, func(e execution.Execution) bool { return e.Kind == kind && e.State.Up() })
			lost := l.Executions[i]
			missing, _ = execution.Unaccounted(slices.Delete(slices.Clone(l.Executions), i, i+1), seen)
			if len(missing) != 1 || missing[0].ID != lost.RunID || missing[0].Project != lost.Project ||
				missing[0].Workload != string(kind) || missing[0].Title != lost.Name {
				t.Errorf("without %s unaccounted = %+v, want the run %s of it", lost, missing, lost.RunID)
			}
		}
	})
}

// What the inventory believes to be down and the witness shows to run is unaccounted for.
func TestUnaccounted(t *testing.T) {
	app := execution.Execution{Kind: execution.App, ID: "a", RunID: "run", State: execution.Running}
	in := func(s execution.State) execution.Execution { e := app; e.State = s; return e }
	seen := func(workload, state string) execution.Sighting {
		return execution.Sighting{ID: "run", Workload: workload, State: state}
	}
	for _, tt := range []struct {
		name      string
		inventory execution.Execution
		seen      execution.Sighting
		missing   bool
		without   map[string]int
	}{
		{"both say that it runs", app, seen("App", "Running"), false, map[string]int{}},
		{"workloads in another case", app, seen("app", "RUNNING"), false, map[string]int{}},
		{"it is stopping", in(execution.Stopping), seen("App", "Running"), false, map[string]int{}},
		{"its state is not known", in(execution.Unknown), seen("App", "Faulty"), false, map[string]int{}},
		{"it is down, and seen to run", in(execution.Stopped), seen("App", "Running"), true, map[string]int{}},
		{"it has failed, and is seen to run", in(execution.Failed), seen("App", "Running"), true, map[string]int{}},
		{"a word that is not known counts as running", in(execution.Stopped), seen("App", "Hibernated"), true, map[string]int{}},
		{"it is down, and seen to stop", in(execution.Stopped), seen("App", "Stopping"), true, map[string]int{}},
		{"it is down in both", in(execution.Stopped), seen("App", "Succeeded"), false, map[string]int{}},
		{"a workspace", execution.Execution{}, seen("Workspace", "Running"), true, map[string]int{}},
		{"a job that is in no list", execution.Execution{}, seen("Batch", "Running"), true, map[string]int{}},
		{"a job", execution.Execution{Kind: execution.Job, ID: "run", RunID: "run", State: execution.Running}, seen("Scheduled", "Running"), false, map[string]int{}},
		{"a launcher's run that is a job", execution.Execution{Kind: execution.Job, ID: "run", RunID: "run", State: execution.Running}, seen("Launcher", "Running"), false, map[string]int{}},
		{"a launcher", execution.Execution{}, seen("Launcher", "Running"), false, map[string]int{"Launcher": 1}},
		{"a GenAI endpoint that the key does not see", execution.Execution{}, seen("Endpoint", "Running"), true, map[string]int{}},
		{"a GenAI endpoint", execution.Execution{Kind: execution.Endpoint, ID: "e/1", RunID: "run", State: execution.Running}, seen("Endpoint", "Running"), false, map[string]int{}},
		{"a model API, by whatever id", execution.Execution{Kind: execution.ModelAPI, ID: "version", State: execution.Running}, seen("Model API", "Running"), false, map[string]int{}},
		{"a model API where none runs", execution.Execution{Kind: execution.ModelAPI, ID: "version", State: execution.Stopped}, seen("Model API", "Running"), true, map[string]int{}},
		{"a job that is over", app, seen("Scheduled", "Failed"), false, map[string]int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			missing, without := execution.Unaccounted([]execution.Execution{tt.inventory}, []execution.Sighting{tt.seen})
			if got := len(missing) > 0; got != tt.missing {
				t.Errorf("unaccounted = %+v, want it among them: %t", missing, tt.missing)
			}
			wantEqual(t, "kinds without a driver", tt.without, without)
		})
	}
}

// A workspace that is stopping is in the inventory, so that the witness shows nothing new.
func TestAWorkspaceThatIsStoppingIsAccountedFor(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{StopTime: time.Minute})
		s.stop(s.workspace())
		time.Sleep(20 * time.Second)
		l := s.inventory()
		if missing, _ := execution.Unaccounted(l.Executions, s.witness()); len(missing) > 0 {
			t.Errorf("unaccounted = %+v, want none", missing)
		}
	})
}

func TestAWitnessThatIsPartlyUnreadable(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		var bad string
		s := newSite(t, dominosim.Config{}, changeAnswers("^/v4/admin/executions$", func(v any) { spoil(v, bad, "status") }))
		before := s.witness()
		bad = before[0].ID
		seen, problems, err := execution.Witness(t.Context(), s.client)
		if err != nil || len(seen) != len(before)-1 || len(problems) != 1 {
			t.Fatalf("Witness = %d sightings, problems %v, %v, want %d, one and no error", len(seen), problems, err, len(before)-1)
		}
		if problems[0].Incomplete {
			t.Errorf("problem = %+v, want a warning: the witness is evidence beside the inventory", problems[0])
		}
	})
}

func TestAWitnessThatCannotBeAsked(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Faults: []dominosim.Fault{
			{Path: "/v4/admin/executions", Kind: dominosim.FaultStatus, Status: 403},
		}})
		_, _, err := execution.Witness(t.Context(), s.client)
		if refusal, ok := asDomino(err); !ok || refusal.Status != 403 {
			t.Errorf("Witness = %v, want Domino's 403", err)
		}
		s.faultsFired()
	})
}
