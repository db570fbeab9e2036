package dominosim

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim/spectest"
)

// TestAgainstSpecifications holds every route of every profile against the vendor's specification of that
// version, in both directions: what the simulator serves is declared, and its answers have all that is required and
// nothing that is not declared; what it withholds in a version is not declared there. What departs from that stands in
// spectest, with its reason.
func TestAgainstSpecifications(t *testing.T) {
	if spectest.Dir() == "" {
		t.Skip("DMM_OPENAPI_DIR is not set: the folder with " + strings.Join(spectest.Versions(), ", "))
	}
	for _, p := range profiles {
		t.Run(p.name, func(t *testing.T) {
			watch := spectest.Answers(t)
			no := false
			for _, rt := range routes {
				// A system for each route: those before have changed theirs.
				c := newClient(t, Config{
					Profile: p.name, Seed: 7, EmptyStopBody: &no, StoppedFraction: 0.3,
					Projects: 4, Apps: 10, Models: 6, Workspaces: 12, Schedules: 8, Endpoints: 4, Deployments: 5,
					Jobs: 6, FlowJobs: 1, Builds: 2, Classics: 2,
					OnExchange: watch,
				})
				declared, err := spectest.Declares(p.name, rt.method, rt.path)
				if err != nil {
					t.Fatal(err)
				}
				if !p.has(rt) {
					if declared && !p.interpolated {
						t.Errorf("%s %s: withheld and declared", rt.method, rt.path)
					}
					continue
				}
				for _, path := range c.paths(rt) {
					if r := c.do(rt.method, path, c.bodyFor(rt)); declared && (r.status < 200 || r.status > 299) {
						t.Errorf("%s %s: status = %d: %s", rt.method, path, r.status, r.body)
					}
				}
			}
		})
	}
}

// paths are the requests that show a route with everything it can be asked about.
func (c *client) paths(rt *route) []string {
	query := ""
	switch {
	case rt.path == "/v4/workspace/project/{projectId}/workspace" || strings.HasSuffix(rt.path, "/runningClassicWorkspaces"):
		query = "?offset=0&limit=100"
	case rt.path == "/api/modelServing/v1/modelApis", rt.path == "/api/modelServing/v1/modelDeployments":
		query = "?offset=0&limit=100"
	case rt.path == "/api/apps/beta/apps":
		query = "?limit=100"
	case rt.path == "/v4/hardwareTier":
		query = "?show_archived=true"
	case rt.method == "POST" && strings.HasPrefix(rt.path, "/v4") && strings.HasSuffix(rt.path, "/sessions"):
		query = "?externalVolumeMounts="
	case rt.path == "/v4/workspaces/workspace/{workspaceId}":
		var out []string
		for _, w := range c.sim.classics.order {
			out = append(out, "/v4/workspaces/workspace/"+w.id+"?projectId="+w.project.id)
		}
		return out
	case rt.path == "/v4/modelManager/getModels" || rt.path == "/v4/jobs":
		var out []string
		for _, p := range c.sim.projects {
			out = append(out, rt.path+"?projectId="+p.id)
		}
		return out
	}
	if !strings.Contains(rt.path, "{") {
		return []string{rt.path + query}
	}
	var out []string
	add := func(values ...string) { out = append(out, strings.NewReplacer(values...).Replace(rt.path)+query) }
	switch {
	case strings.Contains(rt.path, "{jobId}"):
		for _, j := range c.sim.jobs.order {
			add("{jobId}", j.id)
		}
	case strings.Contains(rt.path, "{environmentId}"):
		for _, e := range c.sim.environments {
			r := e.latest(c.sim.born)
			if !rt.writes || building(r.status.at(c.sim.born)) {
				add("{environmentId}", e.id, "{environmentRevisionId}", r.id)
			}
		}
	case strings.Contains(rt.path, "{modelProductId}"):
		for _, a := range c.sim.apps.order {
			state := c.sim.Ledger().State(KindApp, a.id)
			if strings.HasSuffix(rt.path, "start") && !over(state) || strings.HasSuffix(rt.path, "stop") && over(state) {
				continue
			}
			add("{modelProductId}", a.id)
		}
	case strings.Contains(rt.path, "{appInstanceId}"):
		for id := range c.sim.instances {
			add("{appInstanceId}", id)
		}
	case strings.Contains(rt.path, "{endpointId}"), strings.Contains(rt.path, "{modelDeploymentId}"):
		for _, v := range c.sim.serving.order {
			if strings.HasSuffix(rt.path, "/start") && !v.over(c.sim.born) || strings.HasSuffix(rt.path, "/stop") && v.over(c.sim.born) {
				continue
			}
			if v.endpoint != nil && strings.Contains(rt.path, "{endpointId}") {
				add("{endpointId}", v.endpoint.id, "{versionNumber}", strconv.Itoa(v.number))
			} else if v.endpoint == nil && strings.Contains(rt.path, "{modelDeploymentId}") {
				add("{modelDeploymentId}", v.id)
			}
		}
	case strings.Contains(rt.path, "{appId}"):
		for _, a := range c.sim.apps.order {
			if a.beta {
				add("{appId}", a.id)
			}
		}
	case strings.Contains(rt.path, "{modelVersionId}") || strings.Contains(rt.path, "{modelApiVersionId}") ||
		strings.Contains(rt.path, "{modelApiId}") || strings.Contains(rt.path, "{modelId}"):
		for _, v := range c.sim.versions.order {
			add("{modelId}", v.model.id, "{modelApiId}", v.model.id, "{modelVersionId}", v.id, "{modelApiVersionId}", v.id)
		}
	case strings.Contains(rt.path, "{workspaceId}"):
		for _, w := range c.sim.workspaces.order {
			e := w.latest(c.sim.born)
			active := e != nil && !over(c.sim.sessionWord(w))
			if strings.HasSuffix(rt.path, "/stop") && !active || rt.writes && strings.HasSuffix(rt.path, "/sessions") && (active || w.deleted) {
				continue
			}
			add("{projectId}", w.project.id, "{workspaceId}", w.id)
		}
	case strings.Contains(rt.path, "{workspaceSessionId}"):
		for id, e := range c.sim.sessions {
			add("{projectId}", e.project.id, "{workspaceSessionId}", id)
		}
	case strings.Contains(rt.path, "{executionId}"):
		for _, e := range c.sim.sessions {
			add("{executionId}", e.Execution)
		}
	case strings.Contains(rt.path, "/notifications/{id}"):
		c.do("POST", "/v4/admin/notifications", obj{"title": "Maintenance", "priority": "Critical"})
		add("{id}", c.sim.notifications[0].ID)
	case strings.Contains(rt.path, "{hardwareTierId}"):
		for _, t := range c.sim.tiers {
			add("{hardwareTierId}", t.id)
		}
	case strings.Contains(rt.path, "{environmentRevisionId}"):
		for _, e := range c.sim.environments {
			add("{environmentId}", e.id, "{environmentRevisionId}", e.revision)
		}
	case strings.Contains(rt.path, "{datamountId}"):
		for _, v := range c.sim.volumes {
			add("{datamountId}", v.id)
		}
	case strings.Contains(rt.path, "{scheduledJobKey}"):
		for _, d := range c.sim.schedules.order {
			add("{projectId}", d.project.id, "{scheduledJobKey}", url.PathEscape(d.id))
		}
	default:
		for _, p := range c.sim.projects {
			add("{projectId}", p.id)
		}
	}
	if len(out) == 0 {
		c.t.Errorf("%s %s: nothing to ask for", rt.method, rt.path)
	}
	return out
}

func (c *client) bodyFor(rt *route) any {
	switch {
	case strings.HasPrefix(rt.path, "/v4/workspace/stop/"):
		return obj{"workspaceId": c.sim.classics.order[0].id}
	case strings.HasPrefix(rt.path, "/v4/jobs/"):
		j := c.sim.jobs.order[0]
		return obj{"projectId": j.project.id, "jobId": j.id, "commitResults": true, "shouldUseOriginalInputCommit": true}
	case rt.path == "/v4/environments/rebuildrevision":
		return obj{"revisionId": c.sim.environments[3].revision}
	case strings.HasSuffix(rt.path, "/expired"):
		return obj{"expired": true}
	case rt.path == "/v4/admin/notifications" && rt.writes:
		return obj{"title": "Maintenance", "message": "m", "priority": "Default", "start": "2026-01-02T15:04:05.000Z"}
	case strings.HasSuffix(rt.path, "/pvcs/names"):
		return obj{"pvcNames": []string{"nfs-landing-pvc", "nfs-retired-pvc"}}
	case rt.method == "PUT":
		return c.sim.Definition(c.sim.schedules.order[0].id)
	case strings.HasPrefix(rt.path, "/api/projects/"):
		return obj{"externalVolumeMounts": []string{}, "netAppVolumeMounts": []string{}}
	case strings.HasSuffix(rt.path, "/start"):
		return obj{"externalVolumeMountIds": []string{}}
	}
	return nil
}
