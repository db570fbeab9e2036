package domino

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AdminExecution is an execution that has not completed, of any kind but model APIs, as an admin sees it (api.md §13,
// admin.ExecutionOverview).
type AdminExecution struct {
	ID, ProjectID, ProjectName, ProjectOwner string

	User         string // a user name; may be empty
	Status       string // a RunStatus (api.md §21)
	WorkloadType string // Batch, Workspace, App, Scheduled, Launcher ...
	Title        string
	Pods         []string // its own and those of its compute cluster
}

type podWire struct {
	Type string `json:"deployableObjectType"`
	Name string `json:"deployableObjectId"`
}

type executionWire struct {
	ID        id `json:"id"`
	ProjectID id `json:"projectId"`
	Project   *struct {
		Name  string `json:"projectName"`
		Owner string `json:"ownerUsername"`
	} `json:"projectIdentifier"`
	User         string    `json:"startingUsername"`
	Status       string    `json:"status"`
	WorkloadType string    `json:"workloadType"`
	Title        string    `json:"title"`
	Units        []podWire `json:"executionUnits"`
	SparkUnits   []podWire `json:"onDemandSparkExecutionUnits"`
	Clusters     []struct {
		Pods []podWire `json:"podOverviews"`
	} `json:"computeClusterOverviews"`
}

func (w executionWire) value() (AdminExecution, error) {
	e := AdminExecution{
		ID: string(w.ID), ProjectID: string(w.ProjectID), User: w.User, Status: w.Status,
		WorkloadType: w.WorkloadType, Title: w.Title,
	}
	if w.Project != nil {
		e.ProjectName, e.ProjectOwner = w.Project.Name, w.Project.Owner
	}
	units := slices.Concat(w.Units, w.SparkUnits)
	for _, c := range w.Clusters {
		units = append(units, c.Pods...)
	}
	for _, u := range units {
		if u.Name != "" && strings.EqualFold(u.Type, "Pod") {
			e.Pods = append(e.Pods, u.Name)
		}
	}
	return e, needID(e.ID)
}

// Executions lists every execution that has not completed (op getCurrentExecutions; admins only). Releases before 6.0
// answer with the whole array, later ones with pages; which one it is, the answer tells.
func (c *Client) Executions(ctx context.Context) ([]AdminExecution, []RowError, error) {
	const size = 50
	return paged(ctx, c, pages[executionWire, AdminExecution]{
		what: "execution", field: "overviews", value: executionWire.value, id: func(e AdminExecution) string { return e.ID },
		request: func(page, offset int) request {
			r := newRequest("/v4/admin/executions")
			if d := c.Dialect(); d.PagedExecutions || !d.Known() || page > 0 {
				r.query = url.Values{
					"offset": {strconv.Itoa(offset)}, "pageSize": {strconv.Itoa(size)},
					"sortBy": {"executionId"}, "sortOrder": {"asc"},
				}
			}
			return r
		},
		total: "totalCount", size: size, arrayIsWhole: true,
	})
}
