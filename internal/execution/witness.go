package execution

import (
	"context"
	"slices"
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

// Unaccounted returns the sightings of apps and workspaces that the inventory does
// not show as running, and counts the others by workload: kinds without a driver.
func Unaccounted(inventory []Execution, seen []Sighting) (missing []Sighting, without map[string]int) {
	runs := make(map[string]bool, len(inventory))
	for _, e := range inventory {
		if e.RunID != "" && !e.State.Down() {
			runs[e.RunID] = true
		}
	}
	without = map[string]int{}
	for _, s := range seen {
		if st, ok := runStates[strings.ToLower(s.State)]; ok && st.Down() {
			continue
		}
		// Workload words are those of RunType (api.md §21).
		if !slices.Contains([]string{"app", "workspace"}, strings.ToLower(s.Workload)) {
			without[s.Workload]++
			continue
		}
		if !runs[s.ID] {
			missing = append(missing, s)
		}
	}
	return missing, without
}
