package execution

import (
	"fmt"
	"slices"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// RightsMissing is the code of findings about what the caller may not do.
const RightsMissing = "rights-missing"

// Steps of a maintenance, for which rights are needed.
const (
	StepSnapshot = "snapshot"
	StepShutdown = "shutdown"
	StepRestore  = "restore"
)

// rights is what dmm does that only some may (system operations of api.md §5, op getPrincipal). Which operation each of
// Domino's routes asks for is written down for the lists only (api.md §3, §13); the rest follows from their names.
var rights = []struct {
	operation string
	severity  Severity
	steps     []string
	others    bool // it is about the executions of others
	blocks    string
}{
	{"ListAllProjects", Warning, []string{StepSnapshot, StepShutdown}, false, "see the projects of others, and what runs in them"},
	{"StopRuns", Error, []string{StepShutdown}, true, "stop what others have started"},
	{"ActAsProjectAdmin", Error, []string{StepShutdown, StepRestore}, true, "stop and start apps, model APIs and schedules of others"},
	{"ViewAdminDashboard", Warning, []string{StepSnapshot, StepShutdown}, false, "list workspaces and archived projects at once, so that each project is asked"},
	{"ViewExecutors", Warning, []string{StepSnapshot}, false, "compare the inventory with Domino's own list of executions"},
	{"ViewUserList", Warning, []string{StepSnapshot, StepShutdown, StepRestore}, false, "see which owners are deactivated"},
}

// MayMaintain reports whether the caller has the rights without which a maintenance cannot be whole, whatever runs.
func MayMaintain(p domino.Principal) bool {
	return p.Admin || !slices.ContainsFunc([]string{"ListAllProjects", "StopRuns", "ActAsProjectAdmin"}, func(right string) bool {
		return !slices.Contains(p.Operations, right)
	})
}

// Rights names what the caller lacks for the steps, each with what it blocks, and which of the executions it hits. An
// administrator lacks no system operation; that starts take a role as well is what a preflight looks at (preflight.owners).
func Rights(p domino.Principal, executions []Execution, steps ...string) []Finding {
	var missing []Finding
	var others []Execution
	for _, e := range executions {
		if e.Owner != p.Name && e.Project.Owner != p.Name {
			others = append(others, e)
		}
	}
	for _, r := range rights {
		needed := slices.ContainsFunc(r.steps, func(s string) bool { return slices.Contains(steps, s) })
		if p.Admin || !needed || slices.Contains(p.Operations, r.operation) {
			continue
		}
		hit, severity := []Execution(nil), r.severity
		if r.others {
			hit = others
		}
		if r.others && len(others) == 0 {
			severity = Warning // nothing that is known would need it
		}
		missing = append(missing, Finding{
			Severity: severity, Code: RightsMissing, Executions: refs(hit),
			Message: fmt.Sprintf("%s is no administrator and lacks the right %s: it may not %s", p.Name, r.operation, r.blocks),
			Remedy:  "use the key of an administrator (SysAdmin)",
		})
	}
	return missing
}

// Sighted reports whether the caller sees everything that runs (api.md §3, "visibility by caller").
func Sighted(p domino.Principal) bool {
	return p.Admin || slices.Contains(p.Operations, "ListAllProjects")
}
