package execution_test

import (
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// spellings of a word that must all mean the same: Domino's own case has changed before.
func spellings(word string) []string {
	return []string{word, strings.ToLower(word), strings.ToUpper(word)}
}

// Every RunStatus of api.md §21.
func TestAppState(t *testing.T) {
	words := map[string]execution.State{
		"Queued": execution.Starting, "Scheduled": execution.Starting, "Pending": execution.Starting,
		"Preparing": execution.Starting, "Building": execution.Starting, "Pulling": execution.Starting,
		"Running": execution.Running, "Serving": execution.Running,
		"StopRequested": execution.Stopping, "StopAndDiscardRequested": execution.Stopping,
		"Stopping": execution.Stopping, "Finishing": execution.Stopping,
		"Stopped": execution.Stopped, "Succeeded": execution.Stopped,
		"Failed": execution.Failed, "Error": execution.Failed,
		// Nobody has written down what it means (api.md §21): reported, never counted as stopped.
		"Faulty":     execution.Unknown,
		"Hibernated": execution.Unknown, // a word of a later version
		"":           execution.Unknown, // an instance and no word
	}
	for word, want := range words {
		for _, w := range spellings(word) {
			if got := execution.AppState(w, "instance"); got != want {
				t.Errorf("AppState(%q, an instance) = %s, want %s", w, got, want)
			}
		}
	}
}

// An app that was never started has no instance, so that nothing of it can run; but a
// word that says it does run is believed.
func TestAppStateWithoutInstance(t *testing.T) {
	for word, want := range map[string]execution.State{
		"": execution.Stopped, "Stopped": execution.Stopped, "Pending": execution.Stopped, "Queued": execution.Stopped,
		"Draft": execution.Stopped, "Faulty": execution.Stopped, "Failed": execution.Failed,
		"Running": execution.Running, "Stopping": execution.Stopping,
	} {
		if got := execution.AppState(word, ""); got != want {
			t.Errorf("AppState(%q, no instance) = %s, want %s", word, got, want)
		}
	}
}

// Every display status of a model version (api.md §9, §21), at rest and with an operation under way.
func TestModelState(t *testing.T) {
	for word, want := range map[string]struct{ rest, pending execution.State }{
		"Preparing to build": {execution.Starting, execution.Starting},
		"Building":           {execution.Starting, execution.Starting},
		"Starting":           {execution.Starting, execution.Starting},
		// Up until it is down: it may be on its way down, or being replaced.
		"Running": {execution.Running, execution.Starting},
		// Both hold resources and serve again by themselves.
		"Stalled":     {execution.Running, execution.Starting},
		"Unreachable": {execution.Running, execution.Starting},
		// On its way, nobody says whereto: neither counted as running nor taken as stopped.
		"Ready to run": {execution.Stopped, execution.Stopping},
		"Stopped":      {execution.Stopped, execution.Stopping},
		"Failed":       {execution.Failed, execution.Stopping},
		"Hibernated":   {execution.Unknown, execution.Unknown},
		"":             {execution.Stopped, execution.Unknown}, // never deployed; or about to be, for the first time
	} {
		for _, w := range spellings(word) {
			if got := execution.ModelState(w, false); got != want.rest {
				t.Errorf("ModelState(%q, at rest) = %s, want %s", w, got, want.rest)
			}
			if got := execution.ModelState(w, true); got != want.pending {
				t.Errorf("ModelState(%q, pending) = %s, want %s", w, got, want.pending)
			}
		}
	}
}

// Every WorkspaceState of api.md §21, as rows of the admin dashboard have it.
func TestWorkspaceWord(t *testing.T) {
	for word, want := range map[string]execution.State{
		"Created": execution.Starting, "Initializing": execution.Starting, "Starting": execution.Starting,
		"Started": execution.Running, "Stopping": execution.Stopping,
		"Stopped": execution.Stopped, "Deleted": execution.Stopped,
		"Hibernated": execution.Unknown, "": execution.Unknown,
	} {
		for _, w := range spellings(word) {
			if got := execution.WorkspaceWord(w); got != want {
				t.Errorf("WorkspaceWord(%q) = %s, want %s", w, got, want)
			}
		}
	}
}

// The session is the truth, the workspace's word only stands in where the session is silent.
func TestWorkspaceState(t *testing.T) {
	session := func(i domino.SessionInfo) *domino.Session { return &domino.Session{ID: "s", Info: &i} }
	for _, tt := range []struct {
		name      string
		workspace domino.Workspace
		want      execution.State
		word      string
	}{
		{"running", domino.Workspace{State: "Started", Session: session(domino.SessionInfo{Status: "Running", Running: true, Stoppable: true})},
			execution.Running, "Running"},
		{"loading", domino.Workspace{State: "Starting", Session: session(domino.SessionInfo{Status: "Pulling", Loading: true, Stoppable: true})},
			execution.Starting, "Pulling"},
		{"completing while it still shows as running",
			domino.Workspace{State: "Started", Session: session(domino.SessionInfo{Status: "Finishing", Running: true, Completing: true})},
			execution.Stopping, "Finishing"},
		{"the word changes before the files are synchronised",
			domino.Workspace{State: "Stopped", Session: session(domino.SessionInfo{Status: "Finishing", Completing: true})},
			execution.Stopping, "Finishing"},
		{"completed", domino.Workspace{State: "Stopped", Session: session(domino.SessionInfo{Status: "Stopped", Completed: true, Successful: true})},
			execution.Stopped, "Stopped"},
		{"the word stays when a session fails",
			domino.Workspace{State: "Started", Session: session(domino.SessionInfo{Status: "Error", Completed: true, Failed: true})},
			execution.Failed, "Error"},
		{"no flag is set: the status decides",
			domino.Workspace{State: "Started", Session: session(domino.SessionInfo{Status: "StopRequested"})},
			execution.Stopping, "StopRequested"},
		{"no flag is set, and an unknown status",
			domino.Workspace{State: "Started", Session: session(domino.SessionInfo{Status: "Faulty"})},
			execution.Unknown, "Faulty"},

		{"never opened: what runs is a session", domino.Workspace{State: "created"}, execution.Stopped, "created"},
		{"no session on record, and the word says that it runs", domino.Workspace{State: "Started"}, execution.Running, "Started"},
		{"no session on record, stopped", domino.Workspace{State: "Stopped"}, execution.Stopped, "Stopped"},
		{"no session on record, an unknown word", domino.Workspace{State: "Hibernated"}, execution.Unknown, "Hibernated"},

		{"no info, running", domino.Workspace{State: "Started", Session: &domino.Session{}}, execution.Running, "Started"},
		{"no info, created and opened", domino.Workspace{State: "Created", Session: &domino.Session{}}, execution.Starting, "Created"},
		{"no info, unknown word", domino.Workspace{State: "Hibernated", Session: &domino.Session{}}, execution.Unknown, "Hibernated"},
		{"no info, stopped by its word, and the session has not ended",
			domino.Workspace{State: "Stopped", Session: &domino.Session{}}, execution.Stopping, "Stopped"},
		{"no info, ended", domino.Workspace{State: "Started", Session: &domino.Session{Ended: true, ExitStatus: "Succeeded"}},
			execution.Stopped, "Succeeded"},
		{"no info, ended badly", domino.Workspace{State: "Started", Session: &domino.Session{Ended: true, ExitStatus: "FAILED"}},
			execution.Failed, "FAILED"},
		{"no info, ended in an error", domino.Workspace{State: "Stopped", Session: &domino.Session{Ended: true, ExitStatus: "Error"}},
			execution.Failed, "Error"},

		{"deleted, whatever else is said",
			domino.Workspace{Deleted: true, State: "Started", Session: session(domino.SessionInfo{Status: "Running", Running: true})},
			execution.Stopped, "Deleted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, word := execution.WorkspaceState(tt.workspace)
			if got != tt.want || word != tt.word {
				t.Errorf("WorkspaceState = %s, %q, want %s, %q", got, word, tt.want, tt.word)
			}
		})
	}
}

// Every RunStatus means the same for a session without flags as for an app.
func TestWorkspaceStateByStatusAlone(t *testing.T) {
	for _, word := range []string{
		"Queued", "Scheduled", "Pending", "Preparing", "Building", "Pulling", "Running", "Serving", "StopRequested",
		"StopAndDiscardRequested", "Stopping", "Finishing", "Stopped", "Succeeded", "Failed", "Error", "Faulty",
	} {
		w := domino.Workspace{State: "Started", Session: &domino.Session{Info: &domino.SessionInfo{Status: word}}}
		if got, _ := execution.WorkspaceState(w); got != execution.AppState(word, "instance") {
			t.Errorf("WorkspaceState of a session that is %s = %s, want %s", word, got, execution.AppState(word, "instance"))
		}
	}
}
