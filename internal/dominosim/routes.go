package dominosim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

type rights int

const (
	open rights = iota // answers anybody
	member
	administrator
)

// A route is one method and path of Domino, with the versions that have it.
type route struct {
	method, path string
	from         release // zero: all profiles
	before       release // zero: still there
	writes       bool
	rights       rights
	operation    string // the system operation that a 403 names
	do           func(*call) answer
}

// routes is the whole surface. Paths are those of the vendor's specifications except where a comment cites api.md.
var routes = []*route{
	// No specification has these; api.md §4.
	{method: "GET", path: "/version", do: (*call).version},
	{method: "GET", path: "/health", do: (*call).health},

	{method: "GET", path: "/v4/frontend/config", from: v5_7, do: (*call).frontendConfig},
	{method: "GET", path: "/v4/auth/principal", do: (*call).principal},
	{method: "GET", path: "/v4/users/self", rights: member, do: (*call).self},
	{method: "GET", path: "/v4/users", rights: member, do: (*call).listUsers},

	// GET /v4/projects is in no specification and in every client; api.md §6.
	{method: "GET", path: "/v4/projects", rights: member, do: (*call).listProjects},
	{method: "GET", path: "/v4/projects/{projectId}", rights: member, do: (*call).getProject},
	{method: "GET", path: "/v4/admin/dashboardEntries", rights: administrator, operation: "ViewAdminDashboard", do: (*call).dashboardEntries},
	{method: "GET", path: "/v4/hardwareTier", rights: member, do: (*call).listTiers},
	{method: "GET", path: "/v4/hardwareTier/{hardwareTierId}", rights: member, do: (*call).getTier},
	{method: "GET", path: "/v4/admin/user-management/users", rights: administrator, operation: "ViewUserList", from: v5_10, do: (*call).listAccounts},
	{method: "GET", path: "/v4/admin/centralConfigSettings", rights: administrator, operation: "EditCentralConfig", from: v5_9, do: (*call).listSettings},
	{method: "POST", path: "/v4/admin/notifications", rights: administrator, operation: "ManageNotifications", writes: true, do: (*call).notify},
	{method: "GET", path: "/v4/admin/notifications", rights: administrator, operation: "ManageNotifications", do: (*call).listNotifications},
	{method: "PUT", path: "/v4/admin/notifications/{id}/expired", rights: administrator, operation: "ManageNotifications", writes: true, do: (*call).expireNotification},
	{method: "GET", path: "/v4/datamount/projects/{projectId}", rights: member, do: (*call).projectVolumes},
	{method: "GET", path: "/v4/datamount/all", rights: member, do: (*call).allVolumes},
	{method: "GET", path: "/v4/datamount/{datamountId}", rights: member, do: (*call).getVolume},
	// A read, though a POST.
	{method: "POST", path: "/v4/datamount/pvcs/names", rights: member, do: (*call).volumesByClaim},
	{method: "GET", path: "/v4/dataplanes/dataplanes", rights: member, do: (*call).listDataPlanes},

	{method: "GET", path: "/v4/modelProducts", rights: member, do: (*call).listApps},
	{method: "GET", path: "/v4/modelProducts/{modelProductId}", rights: member, do: (*call).getApp},
	{method: "POST", path: "/v4/modelProducts/{modelProductId}/start", rights: member, writes: true, do: (*call).startApp},
	{method: "POST", path: "/v4/modelProducts/{modelProductId}/stop", rights: member, writes: true, do: (*call).stopApp},
	// The parameter is called appVersionId in the older specifications.
	{method: "GET", path: "/v4/modelProducts/apps/versions/{appInstanceId}", rights: member, do: (*call).getAppInstance},
	{method: "GET", path: "/api/apps/beta/apps", rights: member, from: v6_1, do: (*call).listBetaApps},
	{method: "GET", path: "/api/apps/beta/apps/{appId}", rights: member, from: v6_1, do: (*call).getBetaApp},

	{method: "GET", path: "/v4/modelManager/getModels", rights: member, do: (*call).projectModels},
	// What no client of 4.x is known to have called is not there in 4.4, so that the older ways are walked. NOT EVIDENCED.
	{method: "GET", path: "/v4/modelManager/ui/models", from: v5_5, rights: member, do: (*call).modelsForUI},
	// Routes of the web UI, in no specification; api.md §9.
	{method: "GET", path: "/models/{modelId}/versions/json", rights: member, do: (*call).uiVersions},
	{method: "GET", path: "/models/{modelId}/versions/{modelVersionId}/json", rights: member, do: (*call).uiVersion},
	{method: "GET", path: "/models/{modelId}/activeStatus", rights: member, do: (*call).activeStatus},
	{method: "POST", path: "/v4/models/{modelId}/{modelVersionId}/startModelDeployment", rights: member, writes: true, do: (*call).startModel},
	{method: "POST", path: "/v4/models/{modelId}/{modelVersionId}/stopModelDeployment", rights: member, writes: true, do: (*call).stopModel},
	{method: "GET", path: "/v4/models/{modelId}/{modelVersionId}/getModelDeploymentStatus", rights: member, do: (*call).deploymentStatus},
	{method: "GET", path: "/api/modelServing/v1/modelApis", rights: member, from: v5_11, do: (*call).listModelAPIs},
	{method: "GET", path: "/api/modelServing/v1/modelApis/{modelApiId}", rights: member, from: v5_11, do: (*call).getModelAPI},
	{method: "GET", path: "/api/modelServing/v1/modelApis/{modelApiId}/versions", rights: member, from: v5_11, do: (*call).listModelAPIVersions},
	{method: "GET", path: "/api/modelServing/v1/modelApis/{modelApiId}/versions/{modelApiVersionId}", rights: member, from: v5_11, do: (*call).getModelAPIVersion},

	// The copy of the 6.3 specification is a trimmed one, which has no endpoints (api.md §0, §9c).
	{method: "GET", path: "/api/gen-ai/beta/endpoints", rights: member, from: v6_2, do: (*call).listEndpoints},
	{method: "GET", path: "/api/gen-ai/beta/endpoints/{endpointId}/versions", rights: member, from: v6_2, do: (*call).listEndpointVersions},
	{method: "GET", path: "/api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}", rights: member, from: v6_2, do: (*call).getEndpointVersion},
	{method: "POST", path: "/api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}/start", rights: member, from: v6_2, writes: true, do: (*call).startEndpoint},
	{method: "POST", path: "/api/gen-ai/beta/endpoints/{endpointId}/versions/{versionNumber}/stop", rights: member, from: v6_2, writes: true, do: (*call).stopEndpoint},
	{method: "GET", path: "/api/modelServing/v1/modelDeployments", rights: member, from: v6_0, do: (*call).listDeployments},
	{method: "GET", path: "/api/modelServing/v1/modelDeployments/{modelDeploymentId}", rights: member, from: v6_0, do: (*call).getDeployment},
	{method: "POST", path: "/api/modelServing/v1/modelDeployments/{modelDeploymentId}/start", rights: member, from: v6_0, writes: true, do: (*call).startDeployment},
	{method: "POST", path: "/api/modelServing/v1/modelDeployments/{modelDeploymentId}/stop", rights: member, from: v6_0, writes: true, do: (*call).stopDeployment},

	{method: "GET", path: "/v4/workspace/adminDashboardRowData", rights: administrator, operation: "ViewAdminDashboard", do: (*call).workspaceRows},
	{method: "GET", path: "/v4/workspace/adminDashboardSummary", rights: administrator, operation: "ViewAdminDashboard", do: (*call).workspaceSummary},
	{method: "GET", path: "/v4/workspace", rights: member, from: v6_0, do: (*call).ownWorkspaces},
	{method: "GET", path: "/v4/workspace/project/{projectId}/workspace", rights: member, do: (*call).projectWorkspaces},
	{method: "GET", path: "/v4/workspace/project/{projectId}/workspace/{workspaceId}", rights: member, do: (*call).getWorkspace},
	{method: "POST", path: "/v4/workspace/project/{projectId}/workspace/{workspaceId}/stop", rights: member, writes: true, do: (*call).stopWorkspace},
	{method: "GET", path: "/v4/workspace/project/{projectId}/workspace/{workspaceId}/sessions", rights: member, do: (*call).listSessions},
	{method: "POST", path: "/v4/workspace/project/{projectId}/workspace/{workspaceId}/sessions", rights: member, writes: true, do: (*call).startSession},
	{method: "POST", path: "/api/projects/v1/projects/{projectId}/workspaces/{workspaceId}/sessions", rights: member, from: v5_9, writes: true, do: (*call).startSessionPublic},
	{method: "GET", path: "/v4/workspace/project/{projectId}/sessions/{workspaceSessionId}", rights: member, do: (*call).getSession},
	{method: "GET", path: "/v4/workspace/{executionId}/getSessionByExecutionId", rights: member, do: (*call).sessionByExecution},

	{method: "GET", path: "/v4/projects/{projectId}/scheduledjobs", rights: member, do: (*call).listSchedules},
	{method: "GET", path: "/v4/projects/{projectId}/scheduledjobs/{scheduledJobKey}", rights: member, do: (*call).getSchedule},
	{method: "PUT", path: "/v4/projects/{projectId}/scheduledjobs/{scheduledJobKey}", rights: member, writes: true, do: (*call).putSchedule},

	{method: "GET", path: "/v4/workspace/project/{projectId}/runningClassicWorkspaces", rights: member, do: (*call).runningClassics},
	{method: "GET", path: "/v4/workspaces/workspace/{workspaceId}", rights: member, do: (*call).getClassic},
	{method: "POST", path: "/v4/workspace/stop/save", rights: member, writes: true, do: (*call).stopClassic},
	{method: "POST", path: "/v4/workspace/stop/discard", rights: member, writes: true, do: (*call).stopClassic},

	{method: "GET", path: "/v4/jobs", rights: member, do: (*call).listJobs},
	{method: "GET", path: "/v4/jobs/{jobId}", rights: member, do: (*call).getJob},
	{method: "GET", path: "/v4/jobs/{jobId}/runtimeExecutionDetails", rights: member, do: (*call).jobRuntime},
	{method: "POST", path: "/v4/jobs/stop", rights: member, writes: true, do: (*call).stopJob},
	{method: "POST", path: "/v4/jobs/restart", rights: member, writes: true, do: (*call).restartJob},

	{method: "GET", path: "/v4/environments/self", rights: member, do: (*call).listEnvironments},
	{method: "GET", path: "/v4/environments/{environmentId}", rights: member, do: (*call).getEnvironment},
	{method: "GET", path: "/v4/environments/environmentRevision/{environmentRevisionId}", rights: member, from: v5_9, do: (*call).getRevisionDetails},
	{method: "GET", path: "/v4/environments/{environmentId}/environmentRevision/{environmentRevisionId}", rights: member, from: v5_10, do: (*call).getRevision},
	{method: "POST", path: "/v4/environments/{environmentId}/environmentRevision/{environmentRevisionId}/cancel", rights: member, from: v5_9, writes: true, do: (*call).cancelBuild},
	{method: "POST", path: "/v4/environments/rebuildrevision", rights: member, from: v5_10, writes: true, do: (*call).rebuild},

	{method: "GET", path: "/v4/admin/executions", from: v5_5, rights: administrator, operation: "ViewExecutors", do: (*call).listExecutions},
}

// ServeHTTP makes a route an http.Handler so that a ServeMux finds it and fills in the path values; it does
// not answer.
func (rt *route) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.(*found).route = rt }

// found catches the route that a ServeMux chooses. The mux's own answers (404, 405, redirects to clean
// paths) leave it empty.
type found struct{ route *route }

func (*found) Header() http.Header         { return http.Header{} }
func (*found) Write(b []byte) (int, error) { return len(b), nil }
func (*found) WriteHeader(int)             {}

func newMux() *http.ServeMux {
	m := http.NewServeMux()
	for _, rt := range routes {
		m.Handle(rt.method+" "+rt.path, rt)
	}
	return m
}

// match finds the route in the version that runs now. Absent routes are absent for every method, as with Play.
func (s *Sim) match(r *http.Request) *route {
	var f found
	s.mux.ServeHTTP(&f, r)
	if f.route == nil || r.Method != f.route.method || !s.profile.has(f.route) {
		return nil
	}
	return f.route
}

func (p profile) has(rt *route) bool {
	return p.release.atLeast(rt.from) && (rt.before == release{} || !p.release.atLeast(rt.before))
}

// authenticate finds who calls. A key that is not valid is nobody's: never a 401 (LIVE, api.md §1).
func (s *Sim) authenticate(r *http.Request) *user {
	if key := r.Header.Get("X-Domino-Api-Key"); key != "" {
		if key == s.cfg.APIKey {
			return s.admin
		}
		return s.keys[key]
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token != "" {
		if token == s.cfg.Token {
			return s.admin
		}
		return s.keys[token]
	}
	return nil
}

func (c *call) authorised() (answer, bool) {
	switch {
	case c.route.rights == open:
		return answer{}, true
	case c.caller == nil:
		operation := c.route.operation
		if operation == "" {
			operation = "ViewProject" // NOT EVIDENCED which one each route asks for
		}
		return forbidden("AnonymousPrincipal", operation), false
	case c.route.rights == administrator && !c.caller.admin && !slices.Contains(c.caller.operations, c.route.operation):
		return forbidden("User "+c.caller.name, c.route.operation), false
	}
	return answer{}, true
}

var (
	id24       = regexp.MustCompile(`^[0-9a-f]{24}$`)
	parameters = regexp.MustCompile(`\{(\w+)\}`)
)

// wellFormedIDs: 400 for what cannot be an id (LIVE, api.md §2). Public routes take any string.
func (c *call) wellFormedIDs() (answer, bool) {
	if !strings.HasPrefix(c.route.path, "/v4/") {
		return answer{}, true
	}
	for _, m := range parameters.FindAllStringSubmatch(c.route.path, -1) {
		if v := c.r.PathValue(m[1]); strings.HasSuffix(m[1], "Id") && m[1] != "hardwareTierId" && !id24.MatchString(v) { // tiers have free ones (§3)
			msg := v + " is not a valid ID"
			return answer{status: http.StatusBadRequest, message: msg, body: obj{"message": msg}}, false
		}
	}
	return answer{}, true
}

// page cuts one page out of rows, whatever nonsense offset and limit are.
func page[T any](rows []T, offset, limit int) []T {
	offset = min(max(offset, 0), len(rows))
	return rows[offset:min(offset+max(limit, 0), len(rows))]
}
