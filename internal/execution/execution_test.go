package execution_test

import (
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func TestWordsForPeople(t *testing.T) {
	project := execution.Project{ID: "p1", Owner: "a.okafor", Name: "churn-forecast"}
	e := execution.Execution{Kind: execution.App, ID: "a1", Name: "dash\nboard", Project: project}
	stopped := execution.Execution{DominoState: "Stopped"}
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
		{"what was there without a call", (&execution.AlreadyError{Now: stopped}).Error(), "is already so (Stopped)"},
		{"what was there when a call was refused", (&execution.AlreadyError{Now: stopped, Refusal: execution.ErrGone}).Error(),
			"is already so (Stopped): no longer exists in Domino"},
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

// What has ended for good stays true in a reading of any age.
func TestWhatEndsForGood(t *testing.T) {
	app := execution.Execution{Kind: execution.App, State: execution.Running, Instance: "1"}
	down := func(kind execution.Kind, instance string) execution.Execution {
		return execution.Execution{Kind: kind, State: execution.Stopped, Instance: instance}
	}
	of := func(kind execution.Kind) execution.Execution { return execution.Execution{Kind: kind} }
	classic := execution.Execution{Kind: execution.Workspace, Restart: []byte(`{"classic":true}`)}
	for name, c := range map[string]struct {
		was, now execution.Execution
		want     bool
	}{
		"the instance of an app":            {app, down(execution.App, "1"), true},
		"another instance":                  {app, down(execution.App, "2"), false},
		"it runs still":                     {app, app, false},
		"an app that shows no instance":     {execution.Execution{Kind: execution.App}, down(execution.App, ""), false},
		"a job":                             {execution.Execution{Kind: execution.Job}, down(execution.Job, ""), true},
		"a classic workspace":               {classic, down(execution.Workspace, ""), true},
		"a version of a model starts again": {of(execution.ModelAPI), down(execution.ModelAPI, ""), false},
		"so does a schedule":                {of(execution.ScheduledJob), down(execution.ScheduledJob, ""), false},
		"and a build":                       {of(execution.Build), down(execution.Build, ""), false},
	} {
		if got := c.was.EndsIn(c.now); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
