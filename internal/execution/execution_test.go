package execution_test

import (
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func TestWordsForPeople(t *testing.T) {
	project := execution.Project{ID: "p1", Owner: "a.okafor", Name: "churn-forecast"}
	e := execution.Execution{Kind: execution.App, ID: "a1", Name: "dash\nboard", Project: project}
	for _, tt := range []struct{ what, got, want string }{
		{"one", execution.App.Plural(1), "1 app"},
		{"none", execution.Workspace.Plural(0), "0 workspaces"},
		{"many", execution.ModelAPI.Plural(3), "3 model API versions"},
		{"schedules", execution.ScheduledJob.Plural(2), "2 schedules"},
		{"a kind of a newer version", execution.Kind("Spaceship").Plural(2), "2 Spaceships"},
		{"project", project.String(), "a.okafor/churn-forecast"},
		{"project of which only the id is known", execution.Project{ID: "p1"}.String(), "p1"},
		{"execution, its name on one line", e.String(), `App a.okafor/churn-forecast "dash\nboard" (a1)`},
		{"key", e.Key().String(), "App/a1"},
		{"problem", execution.Problem{Kind: execution.App, Subject: "list", Message: "timed out"}.String(), "App: list: timed out"},
		{"problem of no kind", execution.Problem{Message: "timed out"}.String(), "timed out"},
		{"changed schedule", (&execution.ChangedError{Fields: []string{"command", "title"}}).Error(),
			"Domino changed more than isPaused, twice: command, title; the definition before is in the journal"},
		{"unchanged schedule", (&execution.ChangedError{}).Error(), "Domino accepted the change of isPaused twice and does not show it"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

// The two questions that are asked of a state are not each other's opposite: what is
// stopping or unknown is neither.
func TestUpAndDown(t *testing.T) {
	for _, tt := range []struct {
		state    execution.State
		up, down bool
	}{
		{execution.Starting, true, false},
		{execution.Running, true, false},
		{execution.Stopping, false, false},
		{execution.Unknown, false, false},
		{execution.Stopped, false, true},
		{execution.Failed, false, true},
	} {
		if got := tt.state.Up(); got != tt.up {
			t.Errorf("%s.Up() = %t, want %t", tt.state, got, tt.up)
		}
		if got := tt.state.Down(); got != tt.down {
			t.Errorf("%s.Down() = %t, want %t", tt.state, got, tt.down)
		}
	}
}

func TestAListingIsCompleteUnlessAProblemSaysThatSomethingMayBeMissing(t *testing.T) {
	warning := execution.Problem{Message: "odd"}
	missing := execution.Problem{Message: "missing", Incomplete: true}
	for _, tt := range []struct {
		problems []execution.Problem
		want     bool
	}{
		{nil, true},
		{[]execution.Problem{warning}, true},
		{[]execution.Problem{warning, missing}, false},
	} {
		if got := (execution.Listing{Problems: tt.problems}).Complete(); got != tt.want {
			t.Errorf("Complete() with %v = %t, want %t", tt.problems, got, tt.want)
		}
	}
}
