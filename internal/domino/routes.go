package domino

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
)

// Route is one of Domino's routes that dmm relies on.
type Route struct {
	Method, Path string // with {name} for what an id of is needed
	// Confirmed: there is a public record of a live deployment that answered on it (the LIVE tag of api.md). Of all others
	// specifications or the code of other clients are the only evidence.
	Confirmed bool
	Use       string // what dmm does with it

	query string // what must be asked along
}

// Routes is every route that dmm calls, with its evidence (api.md, conf lines).
var Routes = []Route{
	{"GET", "/version", true, "tell the release", ""},
	{"GET", "/v4/auth/principal", true, "tell who calls, and with which rights", ""},
	{"GET", "/v4/projects", true, "list projects", ""},
	{"GET", "/v4/projects/{project}", false, "read a project", ""},
	{"GET", "/v4/admin/dashboardEntries", false, "list projects, archived ones too", "offset=0&pageSize=1"},

	{"GET", "/v4/modelProducts", false, "list apps", ""},
	{"GET", "/v4/modelProducts/{app}", true, "read an app", ""},
	{"GET", "/v4/modelProducts/apps/versions/{instance}", false, "read what an app runs with", ""},
	{"GET", "/api/apps/beta/apps/{app}", true, "read the configuration of an app", ""},
	{"POST", "/v4/modelProducts/{app}/start", true, "start an app", ""},
	{"POST", "/v4/modelProducts/{app}/stop", true, "stop an app", ""},

	{"GET", "/v4/modelManager/ui/models", false, "list model APIs of all projects", "pageNumber=1&pageSize=1"},
	{"GET", "/v4/modelManager/getModels", true, "list the model APIs of a project", "projectId={project}"},
	{"GET", "/api/modelServing/v1/modelApis/{model}/versions", false, "list versions of a model API", ""},
	{"GET", "/api/modelServing/v1/modelApis/{model}/versions/{version}", false, "read a version of a model API", ""},
	{"GET", "/models/{model}/versions/json", true, "list versions of a model API, where the public route is missing", "pageNumber=1&pageSize=1"},
	{"GET", "/models/{model}/versions/{version}/json", false, "read a version of a model API, where the public route is missing", ""},
	{"GET", "/models/{model}/activeStatus", true, "read the active version of a model API", ""},
	{"POST", "/v4/models/{model}/{version}/startModelDeployment", false, "start a version of a model API", ""},
	{"POST", "/v4/models/{model}/{version}/stopModelDeployment", true, "stop a version of a model API", ""},

	{"GET", "/api/gen-ai/beta/endpoints", false, "list GenAI endpoints", ""},
	{"GET", "/api/gen-ai/beta/endpoints/{endpoint}/versions", false, "list versions of a GenAI endpoint", ""},
	{"GET", "/api/gen-ai/beta/endpoints/{endpoint}/versions/{number}", false, "read a version of a GenAI endpoint", ""},
	{"POST", "/api/gen-ai/beta/endpoints/{endpoint}/versions/{number}/start", false, "start a version of a GenAI endpoint", ""},
	{"POST", "/api/gen-ai/beta/endpoints/{endpoint}/versions/{number}/stop", false, "stop a version of a GenAI endpoint", ""},
	{"GET", "/api/modelServing/v1/modelDeployments", false, "list external deployments", ""},
	{"GET", "/api/modelServing/v1/modelDeployments/{deployment}", false, "read an external deployment", ""},
	{"POST", "/api/modelServing/v1/modelDeployments/{deployment}/start", false, "start an external deployment", ""},
	{"POST", "/api/modelServing/v1/modelDeployments/{deployment}/stop", false, "stop an external deployment", ""},

	{"GET", "/v4/workspace/adminDashboardRowData", false, "list workspaces of all projects", "offset=0&limit=1"},
	{"GET", "/v4/workspace/project/{project}/workspace", true, "list the workspaces of a project", "offset=0&limit=1"},
	{"GET", "/v4/workspace/project/{project}/workspace/{workspace}", true, "read a workspace", ""},
	{"POST", "/v4/workspace/project/{project}/workspace/{workspace}/stop", true, "stop a workspace", ""},
	{"POST", "/v4/workspace/project/{project}/workspace/{workspace}/sessions", true, "start a workspace", ""},
	{"GET", "/v4/workspace/project/{project}/runningClassicWorkspaces", false, "list classic workspaces of a project", "offset=0&limit=1"},
	{"GET", "/v4/workspaces/workspace/{classic}", false, "read a classic workspace", ""},
	{"POST", "/v4/workspace/stop/save", false, "stop a classic workspace", ""},

	{"GET", "/v4/projects/{project}/scheduledjobs", false, "list the schedules of a project", ""},
	{"GET", "/v4/projects/{project}/scheduledjobs/{schedule}", false, "read a schedule", ""},
	{"PUT", "/v4/projects/{project}/scheduledjobs/{schedule}", false, "pause a schedule, and go on with it", ""},

	{"GET", "/v4/jobs", false, "list the jobs of a project", "projectId={project}&page_no=1&page_size=1"},
	{"GET", "/v4/jobs/{job}", false, "read a job", ""},
	{"GET", "/v4/jobs/{job}/runtimeExecutionDetails", false, "read what a job runs with", ""},
	{"POST", "/v4/jobs/stop", false, "stop a job", ""},
	{"POST", "/v4/jobs/restart", false, "run a job again", ""},

	{"GET", "/v4/environments/self", false, "list environments and their builds", ""},
	{"GET", "/v4/environments/{environment}", true, "read an environment", ""},
	{"GET", "/v4/environments/environmentRevision/{revision}", false, "read a revision of an environment", ""},
	{"GET", "/v4/environments/{environment}/environmentRevision/{revision}", false, "read a build", ""},
	{"POST", "/v4/environments/{environment}/environmentRevision/{revision}/cancel", false, "cancel a build", ""},
	{"POST", "/v4/environments/rebuildrevision", false, "build a revision again", ""},

	{"GET", "/v4/admin/executions", false, "compare the inventory with Domino's own list", ""},

	{"GET", "/v4/admin/notifications", false, "find notifications that dmm has sent", "expired=false&offset=0&limit=1"},
	{"POST", "/v4/admin/notifications", false, "tell users", ""},
	{"PUT", "/v4/admin/notifications/{notification}/expired", false, "withdraw what users were told", ""},

	{"GET", "/v4/hardwareTier", true, "list hardware tiers", "show_archived=true"},
	{"GET", "/v4/hardwareTier/{tier}", false, "read a hardware tier", ""},
	{"GET", "/v4/dataplanes/dataplanes", false, "list data planes", ""},
	{"GET", "/v4/datamount/projects/{project}", false, "list the external volumes of a project", ""},
	{"GET", "/v4/datamount/all", true, "list registered external volumes", ""},
	{"GET", "/v4/datamount/{volume}", false, "read an external volume", ""},
	{"POST", "/v4/datamount/pvcs/names", false, "find external volumes by their claims", ""},
	{"GET", "/v4/users", false, "tell whether the owners in filters exist, and what users are called", ""},
	{"GET", "/v4/admin/user-management/users", false, "tell which owners are deactivated", "offset=0&limit=1"},
	{"GET", "/v4/admin/centralConfigSettings", false, "read quotas and limits", ""},
}

// Answer is what this deployment said on a route.
type Answer struct {
	Route
	// Err is nil where it answered with JSON, and else why not, mostly an [*Error].
	Err error
	// Skipped is why the route was not asked: it changes something, or needs an id of which there is none here.
	Skipped string
}

// Ask asks every route that only reads, once each with the id of something that is there, and changes nothing. A list that
// Domino sends whole is read to its end.
func (c *Client) Ask(ctx context.Context) []Answer {
	ids := c.sampleIDs(ctx)
	answers := make([]Answer, len(Routes))
	all := crash.NewGroup(0) // the limiter sets the pace
	for i, r := range Routes {
		answers[i].Route = r
		path, query, missing := r.fill(ids)
		switch {
		case r.Method != http.MethodGet:
			answers[i].Skipped = "not asked: it is a " + r.Method
		case missing != "":
			answers[i].Skipped = "not asked: there is no " + missing + " to ask about"
		default:
			all.Go(func() error {
				req := request{method: http.MethodGet, path: path, query: query, whole: true}
				answers[i].Err = c.read(ctx, req, func(body io.Reader) error {
					var anything any
					raw, err := io.ReadAll(&bounded{body, maxList})
					if err != nil {
						return err
					}
					return unmarshal(raw, &anything)
				})
				return nil
			})
		}
	}
	_ = all.Wait() // errors are in the answers
	return answers
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// fill puts ids in, and names one that is missing.
func (r Route) fill(ids map[string]string) (path string, query url.Values, missing string) {
	put := func(s string, escape func(string) string) string {
		return placeholder.ReplaceAllStringFunc(s, func(m string) string {
			name := strings.Trim(m, "{}")
			if ids[name] == "" {
				missing = name
			}
			return escape(ids[name])
		})
	}
	path = put(r.Path, url.PathEscape)
	query, _ = url.ParseQuery(put(r.query, url.QueryEscape)) // of a table that is tested
	return path, query, missing
}

// sampleIDs are ids of one of each that is there, as far as lists show one.
func (c *Client) sampleIDs(ctx context.Context) map[string]string {
	ids := map[string]string{}
	note := func(found map[string]string) { maps.Copy(ids, found) }
	projects, _, _ := c.Projects(ctx)
	for _, p := range projects[:min(len(projects), 20)] { // among the first there should be something of each
		if ids["project"] == "" {
			note(map[string]string{"project": p.ID})
		}
		if ids["schedule"] == "" {
			if list, _, _ := c.ScheduledJobs(ctx, p.ID); len(list) > 0 {
				note(map[string]string{"project": p.ID, "schedule": list[0].ID})
			}
		}
		if ids["workspace"] == "" {
			if list, _, _ := c.ProjectWorkspaces(ctx, p.ID); len(list) > 0 {
				note(map[string]string{"project": p.ID, "workspace": list[0].ID})
				delete(ids, "schedule") // of another project, perhaps
				if list, _, _ := c.ScheduledJobs(ctx, p.ID); len(list) > 0 {
					ids["schedule"] = list[0].ID
				}
			}
		}
		if ids["schedule"] != "" && ids["workspace"] != "" {
			break
		}
	}
	apps, _, _ := c.Apps(ctx)
	for _, a := range apps {
		if ids["app"] == "" || ids["instance"] == "" && a.InstanceID != "" {
			note(map[string]string{"app": a.ID, "instance": a.InstanceID})
		}
	}
	if models, _, _ := c.Models(ctx); len(models) > 0 {
		note(map[string]string{"model": models[0].ID, "version": models[0].ActiveVersionID})
	}
	environments, _, _ := c.Environments(ctx)
	for _, e := range environments {
		if e.Active != nil {
			note(map[string]string{"environment": e.ID, "revision": e.Active.ID})
			break
		}
	}
	if tiers, _, _ := c.HardwareTiers(ctx); len(tiers) > 0 {
		ids["tier"] = tiers[0].ID
	}
	if volumes, _, _ := c.Volumes(ctx); len(volumes) > 0 {
		ids["volume"] = volumes[0].ID
	}
	return ids
}
