package execution

import (
	"context"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Sighting is an execution as an independent witness shows it.
type Sighting struct {
	ID       string  `json:"id"` // run id
	Workload string  `json:"workload"`
	Project  Project `json:"project"`
	User     string  `json:"user,omitempty"`
	Title    string  `json:"title,omitempty"`
	State    string  `json:"state"`
	Pod      string  `json:"pod,omitempty"` // the pod that shows it, where no list does
	// Why explains, as far as it can be known, why the inventory lacks it.
	Why string `json:"why,omitempty"`
}

// Witness asks GET /v4/admin/executions, the one call that lists what runs in all
// projects (op getCurrentExecutions; api.md §13). No public client calls it, so that
// what it says is evidence beside the inventory and never instead of it.
func Witness(ctx context.Context, c *domino.Client) ([]Sighting, []Problem, error) {
	list, rows, err := c.Executions(ctx)
	if err != nil {
		return nil, nil, err
	}
	var problems []Problem
	for _, r := range rows {
		problems = append(problems, Problem{Subject: "admin executions: " + r.What, Message: r.Err.Error()})
	}
	var seen []Sighting
	for _, x := range list {
		seen = append(seen, Sighting{
			ID: x.ID, Workload: x.WorkloadType, User: x.User, Title: x.Title, State: x.Status,
			Project: Project{ID: x.ProjectID, Owner: x.ProjectOwner, Name: x.ProjectName},
		})
	}
	return seen, problems, nil
}

// workloadKind is the kind that a workload word stands for, which is a RunType (api.md §21).
func workloadKind(word string) (Kind, bool) {
	k, ok := map[string]Kind{
		"app": App, "workspace": Workspace, "batch": Job, "scheduled": Job, "endpoint": Endpoint, "model api": ModelAPI,
	}[strings.ToLower(word)]
	return k, ok
}

// Unaccounted returns the sightings of kinds with a driver that the inventory does
// not show as running, and counts the others by workload. A run of a launcher is a job
// (docs-facts 1.4) and accounted for if it was found as one. Compute clusters are part of the
// sighting of the execution that they belong to (api.md §13), and so never counted by themselves. Whether model APIs are shown at
// all is not known, nor by which id (§13, §26): one is accounted for if the inventory shows any to run in its project.
func Unaccounted(inventory []Execution, seen []Sighting) (missing []Sighting, without map[string]int) {
	runs, serving := make(map[string]bool, len(inventory)), map[string]bool{}
	for _, e := range inventory {
		switch {
		case e.State.Down():
		case e.Kind == ModelAPI:
			serving[e.Project.ID] = true
		case e.RunID != "":
			runs[e.RunID] = true
		}
	}
	without = map[string]int{}
	for _, s := range seen {
		if st, ok := runStates[strings.ToLower(s.State)]; ok && st.Down() {
			continue
		}
		if runs[s.ID] {
			continue
		}
		switch kind, ok := workloadKind(s.Workload); {
		case !ok:
			without[s.Workload]++
			continue
		case kind == ModelAPI && serving[s.Project.ID]:
			continue
		}
		missing = append(missing, s)
	}
	return missing, without
}
