package execution

import (
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// runStates folds Domino's RunStatus, which jobs, apps and sessions share
// (api.md §21, from common.RunMonolithDTO.status). "Faulty" (6.2+) is missing on
// purpose: nobody has written down what it means, so it stays Unknown, is
// reported and not touched.
var runStates = map[string]State{
	"queued": Starting, "scheduled": Starting, "pending": Starting, "preparing": Starting, "building": Starting, "pulling": Starting,
	"running": Running, "serving": Running,
	"stoprequested": Stopping, "stopanddiscardrequested": Stopping, "stopping": Stopping, "finishing": Stopping,
	"stopped": Stopped, "succeeded": Stopped,
	"failed": Failed, "error": Failed,
}

func runState(status string) State {
	if s, ok := runStates[strings.ToLower(status)]; ok {
		return s
	}
	return Unknown
}

// endState is runState for what has an end flag beside its word. The flag decides: a word may end before the files are saved.
func endState(status string, completed *bool) State {
	s := runState(status)
	switch {
	case completed == nil:
	case *completed && !s.Down():
		return Stopped
	case !*completed && s.Down():
		return Stopping
	}
	return s
}

// appState folds the status of an app. An app that was never started has an
// empty or unfamiliar status and no instance (api.md §8, inferred): without an
// instance nothing can run.
func appState(status, instance string) State {
	if s, ok := runStates[strings.ToLower(status)]; ok && (instance != "" || s != Starting) {
		return s
	}
	if instance == "" {
		return Stopped
	}
	return Unknown
}

// modelStates folds the display status of a model API version (api.md §9).
// Stalled and Unreachable are deployments that hold resources and serve again by
// themselves, so they run. "Ready to run" is built and not deployed.
var modelStates = map[string]State{
	"preparing to build": Starting, "building": Starting, "starting": Starting,
	"running": Running, "stalled": Running, "unreachable": Running,
	"ready to run": Stopped, "stopped": Stopped, "failed": Failed,
	// The public API's specification calls its status a string, no more; this is the word of the v4 API (api.md §9).
	"not_running": Stopped,
}

// modelState adds isPending, which says that an operation is under way. A
// version that is down but pending may be on its way up or down; Domino does not
// say which. It is called Stopping: not counted as running, not taken as stopped,
// and found by the next scan if it comes up.
func modelState(status string, pending bool) State {
	s, ok := modelStates[strings.ToLower(status)]
	switch {
	case !ok && status == "" && !pending:
		return Stopped // never deployed
	case !ok:
		return Unknown
	case s.Down() && pending:
		return Stopping
	case s == Running && pending:
		// Running and pending is either going down or being replaced: up until it is not.
		return Starting
	}
	return s
}

// workspaceWords folds the state word of a workspace (api.md §10).
var workspaceWords = map[string]State{
	"created": Starting, "initializing": Starting, "starting": Starting,
	"started": Running, "stopping": Stopping, "stopped": Stopped, "deleted": Stopped,
}

func workspaceWord(word string) State {
	if s, ok := workspaceWords[strings.ToLower(word)]; ok {
		return s
	}
	return Unknown
}

// workspaceState prefers what the session says to the workspace's word, since the
// word changes before the files are synchronised and stays Started when a session
// fails (api.md §10). Session and session info are both optional.
func workspaceState(w domino.Workspace) (State, string) {
	if w.Deleted {
		return Stopped, "Deleted"
	}
	s := w.Session
	if s == nil {
		if strings.EqualFold(w.State, "created") {
			return Stopped, w.State // what runs is a session, and it never had one
		}
		return workspaceWord(w.State), w.State
	}
	if i := s.Info; i != nil {
		switch {
		case i.Completed && i.Failed:
			return Failed, i.Status
		case i.Completed:
			return Stopped, i.Status
		case i.Completing:
			return Stopping, i.Status
		case i.Running:
			return Running, i.Status
		case i.Loading:
			return Starting, i.Status
		}
		if st, ok := runStates[strings.ToLower(i.Status)]; ok {
			return st, i.Status
		}
		return Unknown, i.Status
	}
	if s.Ended {
		if strings.EqualFold(s.ExitStatus, "failed") || strings.EqualFold(s.ExitStatus, "error") {
			return Failed, s.ExitStatus
		}
		return Stopped, s.ExitStatus
	}
	if st := workspaceWord(w.State); st != Stopped {
		return st, w.State
	}
	// The word says Stopped, but the session has not ended: its files are still on the way.
	return Stopping, w.State
}
