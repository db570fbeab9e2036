package execution

import (
	"cmp"
	"fmt"
	"strings"
)

// Policy is what a shutdown does with something that comes to its end by itself. The words are on record.
type Policy string

// The policies. PolicyStop saves a job's results and PolicyDiscard does not; PolicyCancel is the stop of a build.
const (
	PolicyWait    Policy = "wait"
	PolicyStop    Policy = "stop"
	PolicyDiscard Policy = "discard"
	PolicyCancel  Policy = "cancel"
	PolicyIgnore  Policy = "ignore"
)

// Handling is how a shutdown handles jobs, builds and external deployments. It is pinned in a window, so that its JSON is a format others rely on.
type Handling struct {
	Jobs     Policy `json:"jobs,omitempty"`
	Builds   Policy `json:"builds,omitempty"`
	External Policy `json:"external,omitempty"` // PolicyStop, or empty
}

func (h Handling) String() string {
	return fmt.Sprintf("DMM_RUNNING_JOBS=%s, DMM_RUNNING_BUILDS=%s and DMM_EXTERNAL_DEPLOYMENTS=%s", h.Jobs, h.Builds, cmp.Or(h.External, PolicyIgnore))
}

// A Course is what a shutdown does with one execution: it stops it, waits until it ends, or leaves it alone.
type Course int

// The courses.
const (
	CourseStop Course = iota
	CourseWait
	CourseLeave
)

// Of returns the course for e, and what a person should know about it. Where no policy is on record, as by versions of dmm that
// knew none, it is left.
func (h Handling) Of(e Execution) (Course, string) {
	policy, setting := h.Jobs, "DMM_RUNNING_JOBS"
	switch e.Kind {
	case Job:
	case Build:
		policy, setting = h.Builds, "DMM_RUNNING_BUILDS"
	case ExternalDeployment:
		if h.External == PolicyStop {
			return CourseStop, "its endpoint is deleted, and made anew when it starts (DMM_EXTERNAL_DEPLOYMENTS is stop)"
		}
		return CourseLeave, "it was left running: no upgrade reaches it, outside of Domino's cluster (DMM_EXTERNAL_DEPLOYMENTS is not stop)"
	default:
		return CourseStop, ""
	}
	switch policy {
	case PolicyStop:
		if e.Flow == "" {
			return CourseStop, "it is stopped and its results are saved (" + setting + " is stop)"
		}
	case PolicyDiscard:
		if e.Flow == "" {
			return CourseStop, "it is stopped and its results are lost (" + setting + " is discard)"
		}
	case PolicyCancel:
		return CourseStop, "it is cancelled (" + setting + " is cancel)"
	case PolicyWait:
	default:
		return CourseLeave, "it was left running: " + setting + " is ignore" + ofFlow(e)
	}
	if e.Flow != "" {
		return CourseWait, "it is waited for and never stopped" + ofFlow(e)
	}
	return CourseWait, "it is waited for (" + setting + " is wait)"
}

// ofFlow says what the stop of a flow's job would do (docs-facts 1.11).
func ofFlow(e Execution) string {
	if e.Flow == "" {
		return ""
	}
	return "; it belongs to the flow " + e.Flow + ", all of which would end with it"
}

// Ignores reports whether executions of a kind are nothing that this handling is about.
func (h Handling) Ignores(k Kind) bool {
	course, _ := h.Of(Execution{Kind: k})
	return course == CourseLeave
}

// Finished reports whether a job or build has come to its own end: nothing stopped it, and there is nothing to bring back.
// What was stopped ends as Stopped or Killed (api.md §21; inferred that a stop never ends as Succeeded).
func (e Execution) Finished() bool {
	return (e.Kind == Job || e.Kind == Build) && strings.EqualFold(e.DominoState, "Succeeded")
}
