package dominosim

import (
	"slices"
	"strings"
	"time"
)

// workload is the type of a run in admin/executions (api.md §13, §21).
func (r *run) workload() string {
	switch r.Kind {
	case KindJob:
		return "Batch"
	default:
		return r.Kind
	}
}

func (r *run) overview(s *Sim, t time.Time) obj {
	id := r.Execution
	if r.Kind == KindApp || r.Kind == KindLauncher {
		id = s.runID(r)
	}
	status := r.is(t)
	units := []obj{}
	if status != "Queued" && status != "Scheduled" {
		units = append(units, obj{
			"deployableObjectType": "Pod", "deployableObjectId": "run-" + r.Execution + "-" + r.Execution[19:],
			"computeNodeId": "ip-10-0-0-1", "status": "Running",
		})
	}
	tier := s.tierOf(r.HardwareTier).overview()
	clusters := []obj{}
	if r.cluster { // nested, and no executions (api.md §13)
		pod := obj{"deployableObjectType": "Pod", "deployableObjectId": "ray-" + r.Execution + "-ray-worker-0", "status": "Running", "role": "worker", "isMaster": false}
		clusters = append(clusters, obj{
			"clusterName": "ray-" + r.Execution, "clusterType": "Ray", "workerHardwareTier": tier, "webUiPath": "", "podOverviews": []obj{pod},
		})
	}
	return obj{
		"id": id, "computeGridType": "Kubernetes", "projectId": r.project.id,
		"projectIdentifier": obj{"ownerUsername": r.project.owner.name, "projectName": r.project.name},
		"startingUserId":    r.by.id, "startingUsername": r.by.name, "hardwareTier": tier,
		"status": status, "executionUnits": units, "created": iso(r.started), "title": r.title, "workloadType": r.workload(),
		"computeClusterOverviews": clusters, "onDemandSparkExecutionUnits": []obj{},
	}
}

// listExecutions has everything on the compute grid that is not over, and no Model APIs (INF, api.md §13).
// A bare array before 6.0, pages after.
func (c *call) listExecutions() answer {
	t := c.s.asOf("executions", c.now)
	var rows []*run
	for _, r := range c.s.lives(c.now) {
		if !r.started.After(t) && !over(r.is(t)) {
			rows = append(rows, r)
		}
	}
	if !c.s.profile.executionsPaged {
		return ok(c.s.overviews(rows, t))
	}
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("pageSize", 50)
	if bad != nil {
		return *bad
	}
	if by := c.query.Get("sortBy"); by != "" { // other columns than the id keep the order of starts
		if by == "executionId" {
			slices.SortFunc(rows, func(a, b *run) int { return strings.Compare(a.Execution, b.Execution) })
		}
		if c.query.Get("sortOrder") == "desc" {
			slices.Reverse(rows)
		}
	}
	return ok(obj{"overviews": c.s.overviews(page(rows, offset, size), t), "totalCount": len(rows)})
}

func (s *Sim) overviews(rows []*run, t time.Time) []obj {
	out := make([]obj, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.overview(s, t))
	}
	return out
}
