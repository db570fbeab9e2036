package domino

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each fixture has the shape of an example of api.md, with ids and names of its own. LIVE marks examples and entries
// that were recorded from a real deployment; the others are composed there from Domino's specification.
func TestFixtures(t *testing.T) {
	ctx := context.Background()
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	const (
		project, app, model, version = "5f0000000000000000000b01", "5f0000000000000000000d01", "5f0000000000000000000901", "5f0000000000000000000913"
		workspace                    = "5f0000000000000000000801"
	)
	list := func(v any, bad []RowError, err error) (any, error) {
		if len(bad) > 0 {
			return v, bad[0]
		}
		return v, err
	}
	instance := AppInstance{
		ID: "5f0000000000000000000d02", Status: "Running", InputCommitID: "00112233445566778899aabbccddeeff00112233",
		HardwareTierName: "Medium", EnvironmentName: "Py311", EnvironmentRevisionID: "5f0000000000000000000e02", Started: at(1711958400000),
		Volumes:       []Mount{{ID: "5f0000000000000000000f01", Name: "raw"}, {Name: "gone"}},
		NetAppVolumes: []Mount{{ID: "b1d7a0f2-0000-4000-8000-000000000001", Name: "features"}},
		MainRepo:      &Repo{ID: "5f0000000000000000000b91", Commit: "ffeeddccbbaa99887766554433221100ffeeddcc"},
	}
	wantApp := App{
		ID: app, Type: "APP", ProjectID: project, Name: "churn-board", Status: "Running", InstanceID: "5f0000000000000000000d02",
		EnvironmentID: "5f0000000000000000000e01", HardwareTierID: "medium-k8s", RunningCommitID: "00112233445566778899aabbccddeeff00112233",
		Publisher: User{ID: "5f00000000000000000000a2", Name: "mira.ottens"}, LastUpdated: time.Date(2024, 4, 1, 8, 30, 0, 0, time.UTC),
	}
	running := SessionInfo{Status: "Running", Running: true, Stoppable: true}
	wantWorkspace := Workspace{
		ID: workspace, ProjectID: project, OwnerID: "5f00000000000000000000a3", Owner: "jon.baird", Name: "bench", State: "Started",
		DataPlaneID: "000000000000000000000000", EnvironmentID: "5f0000000000000000000e01", EnvironmentRevisionID: "5f0000000000000000000e02",
		HardwareTierID: "medium-k8s",
		Session: &Session{ID: "5f0000000000000000000802", ExecutionID: "5f0000000000000000000803", Started: at(1704164700000),
			Volumes: []Mount{{ID: "5f0000000000000000000f01", Name: "raw"}}, Info: &running},
	}
	served := []ModelVersion{
		{ID: version, ModelID: model, Number: 3, Creator: "5f00000000000000000000a2", Status: "Starting", Pending: true, Deployed: true,
			DataPlaneID: "000000000000000000000000", EnvironmentRevisionID: "5f0000000000000000000e02"},
		{ID: "5f0000000000000000000912", ModelID: model, Number: 2, DataPlaneID: "000000000000000000000000", EnvironmentRevisionID: "5f0000000000000000000e02"},
	}
	schedules := fixture(t, "scheduled_jobs.json")
	definition := json.RawMessage(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(schedules)), "["), "]"))
	wantSchedule := ScheduledJob{ID: "5f0000000000000000000701", ProjectID: project, Title: "Nightly", HardwareTierID: "small-k8s",
		EnvironmentID: "5f0000000000000000000e01", ScheduledBy: "mira.ottens", Definition: definition}

	owners := []User{{ID: "5f00000000000000000000a2", Name: "mira.ottens"}}
	tests := []struct {
		entry   string // of api.md
		release string
		path    string
		fixture string
		wrap    string // %s is the fixture
		call    func(*Client) (any, error)
		want    any
	}{
		{entry: "§5 GET /v4/users", path: "/v4/users", fixture: "users.json",
			call: func(c *Client) (any, error) { return list(c.Users(ctx)) },
			want: []Person{
				{ID: "5f00000000000000000000a2", Name: "mira.ottens", FullName: "Mira Ottens", Email: "mira.ottens@example.com"},
				{ID: "5f00000000000000000000a9", Name: "risk-team", FullName: "risk-team"},
			}},
		{entry: "§6 GET /v4/projects (LIVE)", path: "/v4/projects", fixture: "projects.json",
			call: func(c *Client) (any, error) { return list(c.Projects(ctx)) },
			want: []Project{{ID: project, Name: "churn", OwnerID: "5f00000000000000000000a2", Owner: "mira.ottens"}}},
		{entry: "§6 GET /v4/admin/dashboardEntries", path: "/v4/admin/dashboardEntries", fixture: "dashboard_entries.json",
			call: func(c *Client) (any, error) { return list(c.AllProjects(ctx)) },
			want: []Project{{ID: "5f0000000000000000000b02", Name: "old-risk", Owner: "jon.baird", Archived: true}}},
		{entry: "§8 GET /v4/modelProducts", path: "/v4/modelProducts", fixture: "model_product.json", wrap: "[%s]",
			call: func(c *Client) (any, error) { return list(c.Apps(ctx)) }, want: []App{wantApp}},
		{entry: "§8 GET /v4/modelProducts/{modelProductId} (LIVE)", path: "/v4/modelProducts/" + app, fixture: "model_product.json",
			call: func(c *Client) (any, error) { return c.App(ctx, app) }, want: wantApp},
		{entry: "§8 GET /v4/modelProducts/apps/versions/{appInstanceId}", path: "/v4/modelProducts/apps/versions/" + instance.ID, fixture: "app_instance.json",
			call: func(c *Client) (any, error) { return c.AppInstance(ctx, instance.ID) }, want: instance},
		{entry: "§8 POST /v4/modelProducts/{modelProductId}/start (LIVE)", path: "/v4/modelProducts/" + app + "/start", fixture: "app_start_answer.json",
			call: func(c *Client) (any, error) { return c.StartApp(ctx, app, AppStart{}) }, want: "5f0000000000000000000d03"},
		{entry: "§8 POST /v4/modelProducts/{modelProductId}/stop (LIVE)", path: "/v4/modelProducts/" + app + "/stop", fixture: "app_start_answer.json",
			call: func(c *Client) (any, error) { return nil, c.StopApp(ctx, app, false) }},
		{entry: "§8b GET /api/apps/beta/apps (LIVE: a row) and /api/apps/beta/apps/{appId} (LIVE)", path: "/api/apps/beta/apps/" + app, fixture: "beta_app.json",
			call: func(c *Client) (any, error) { return c.BetaApp(ctx, app) },
			want: BetaApp{CurrentVersion: &BetaAppVersion{ID: "5f0000000000000000000d11", EnvironmentID: "5f0000000000000000000e01",
				EnvironmentRevisionID: "5f0000000000000000000e02", HardwareTierID: "medium-k8s", GitRef: &GitRef{Type: "head"},
				ExternalVolumeMountIDs: []string{}, NetAppVolumeIDs: []string{}}}},
		{entry: "§9 GET /v4/modelManager/getModels (LIVE)", path: "/v4/modelManager/getModels", fixture: "models_by_project.json",
			call: func(c *Client) (any, error) { return list(c.ProjectModels(ctx, project)) },
			want: []Model{{ID: model, Name: "churn_score", ProjectID: project, ProjectName: "churn", ProjectOwner: "mira.ottens",
				ActiveVersionID: version, ActiveVersionStatus: "Failed", ActiveVersionNumber: 3, Owners: owners}}},
		{entry: "§9 GET /v4/modelManager/ui/models", path: "/v4/modelManager/ui/models", fixture: "models_ui.json",
			call: func(c *Client) (any, error) { return list(c.Models(ctx)) },
			want: []Model{{ID: model, Name: "churn_score", ProjectID: project, ProjectName: "churn", ProjectOwner: "mira.ottens", ActiveVersionID: version,
				ActiveVersionStatus: "Running", ActiveVersionDataPlaneID: "000000000000000000000000", ActiveVersionNumber: 3, Owners: owners},
				{ID: "5f0000000000000000000902", Name: "never_deployed"}}},
		{entry: "§9 GET /models/{modelId}/versions/{modelVersionId}/json", release: "5.5.2", path: "/models/" + model + "/versions/" + version + "/json",
			fixture: "model_versions_page.json", wrap: "unwrap",
			call: func(c *Client) (any, error) { return c.ModelVersion(ctx, model, version) },
			want: ModelVersion{ID: version, ModelID: model, Number: 3, Creator: "mira.ottens", Status: "Running", Deployed: true}},
		{entry: "§9 GET /models/{modelId}/activeStatus (LIVE)", path: "/models/" + model + "/activeStatus", fixture: "model_active_status.json",
			call: func(c *Client) (any, error) { return c.ActiveModelVersion(ctx, model) },
			want: ModelVersion{ID: version, ModelID: model, Status: "Failed", Deployed: true}},
		{entry: "§9 POST .../stopModelDeployment (LIVE: an object)", path: "/v4/models/" + model + "/" + version + "/stopModelDeployment", fixture: "model_stop_answer.json",
			call: func(c *Client) (any, error) { return nil, c.StopModelVersion(ctx, model, version) }},
		{entry: "§9 POST .../startModelDeployment (by its specification an array)", path: "/v4/models/" + model + "/" + version + "/startModelDeployment",
			fixture: "model_stop_answer.json", wrap: "[%s]",
			call: func(c *Client) (any, error) { return nil, c.StartModelVersion(ctx, model, version) }},
		{entry: "§9b GET /api/modelServing/v1/modelApis/{modelApiId}/versions", release: "6.1.0", path: "/api/modelServing/v1/modelApis/" + model + "/versions",
			fixture: "model_versions_served.json", call: func(c *Client) (any, error) { return list(c.ModelVersions(ctx, model)) }, want: served},
		{entry: "§10 GET /v4/workspace/adminDashboardRowData", path: "/v4/workspace/adminDashboardRowData", fixture: "workspace_rows.json",
			call: func(c *Client) (any, error) { return list(c.WorkspaceRows(ctx)) },
			want: []WorkspaceRow{{ID: workspace, Name: "bench", Owner: "jon.baird", ProjectName: "churn", ProjectOwner: "mira.ottens", State: "Started",
				DataPlane: "Local", EnvironmentName: "Py311"}}},
		{entry: "§10 GET /v4/workspace/project/{projectId}/workspace (LIVE)", path: "/v4/workspace/project/" + project + "/workspace", fixture: "project_workspaces.json",
			call: func(c *Client) (any, error) { return list(c.ProjectWorkspaces(ctx, project)) },
			want: []Workspace{{ID: "5f0000000000000000000804", ProjectID: project, OwnerID: "5f00000000000000000000a3", Owner: "jon.baird", Name: "idle",
				State: "Created", DataPlaneID: "000000000000000000000000", HardwareTierID: "small-k8s"}}},
		{entry: "§10 GET /v4/workspace/project/{projectId}/workspace/{workspaceId} (LIVE)", path: "/v4/workspace/project/" + project + "/workspace/" + workspace,
			fixture: "workspace.json", call: func(c *Client) (any, error) { return c.Workspace(ctx, project, workspace) }, want: wantWorkspace},
		{entry: "§10 POST .../sessions (LIVE)", path: "/v4/workspace/project/" + project + "/workspace/" + workspace + "/sessions", fixture: "session_start_answer.json",
			call: func(c *Client) (any, error) { return c.StartWorkspaceSession(ctx, project, workspace, nil, nil) },
			want: Session{ID: "5f0000000000000000000805", ExecutionID: "5f0000000000000000000806"}},
		{entry: "§12 GET /v4/projects/{projectId}/scheduledjobs", path: "/v4/projects/" + project + "/scheduledjobs", fixture: "scheduled_jobs.json",
			call: func(c *Client) (any, error) { return list(c.ScheduledJobs(ctx, project)) }, want: []ScheduledJob{wantSchedule}},
		{entry: "§12 GET /v4/projects/{projectId}/scheduledjobs/{scheduledJobKey}", path: "/v4/projects/" + project + "/scheduledjobs/" + wantSchedule.ID,
			fixture: "scheduled_jobs.json", wrap: "unwrap",
			call: func(c *Client) (any, error) { return c.ScheduledJob(ctx, project, wantSchedule.ID) }, want: wantSchedule},
		{entry: "§13 GET /v4/admin/executions, 6.0 and later", path: "/v4/admin/executions", fixture: "executions_paged.json",
			call: func(c *Client) (any, error) { return list(c.Executions(ctx)) }, want: []AdminExecution{execution803}},
		{entry: "§16 GET /v4/datamount/projects/{projectId}", path: "/v4/datamount/projects/" + project, fixture: "project_volumes.json",
			call: func(c *Client) (any, error) { return list(c.ProjectVolumes(ctx, project)) },
			want: []Volume{{ID: "5f0000000000000000000f01", Name: "raw", PVC: "raw-pvc", Registered: true, Local: true, Users: []string{"5f00000000000000000000a2"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.entry, func(t *testing.T) {
			body := strings.TrimSpace(string(fixture(t, tt.fixture)))
			switch tt.wrap {
			case "":
			case "unwrap": // the only element of the list
				i, j := strings.Index(body, "["), strings.LastIndex(body, "]")
				if body = body[i+1 : j]; tt.fixture == "model_versions_page.json" {
					body = `{"result":` + body + `}`
				}
			default:
				body = fmt.Sprintf(tt.wrap, body)
			}
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != tt.path {
					answer(404, "text/html", "<html>")(w, r)
					return
				}
				answerJSON(body)(w, r)
			})
			if tt.release != "" {
				speaking(t, c, tt.release)
			}
			got, err := tt.call(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var execution803 = AdminExecution{
	ID: "5f0000000000000000000803", ProjectID: "5f0000000000000000000b01", ProjectName: "churn", ProjectOwner: "mira.ottens", User: "jon.baird",
	Status: "Running", WorkloadType: "Workspace", Title: "bench",
	Pods: []string{"run-5f0000000000000000000803-x1y2z", "ray-5f0000000000000000000803-worker-0"},
}

// api.md §13: the bare array of releases up to 5.11, which take no parameters.
func TestExecutionsOfOldReleases(t *testing.T) {
	var page struct {
		Overviews json.RawMessage `json:"overviews"`
	}
	if err := json.Unmarshal(fixture(t, "executions_paged.json"), &page); err != nil {
		t.Fatal(err)
	}
	calls := 0
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.URL.RawQuery != "" {
			t.Errorf("query = %q, want none", r.URL.RawQuery)
		}
		_, _ = w.Write(page.Overviews)
	})
	got, bad, err := speaking(t, c, "5.11.1").Executions(t.Context())
	if err != nil || len(bad) > 0 {
		t.Fatal(err, bad)
	}
	if diff := cmp.Diff([]AdminExecution{execution803}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}

// Every field but the id may be missing or null.
func TestOptionalFieldsAreOptional(t *testing.T) {
	ctx := t.Context()
	nulls := map[string]string{
		"app": `{"id":"x","modelProductType":null,"projectId":null,"name":null,"status":null,"latestAppInstanceId":null,"latestAppVersionId":null,
			"environmentId":null,"hardwareTierId":null,"runningCommitId":null,"publisher":null,"lastUpdated":null}`,
		"instance":  `{"id":"x","started":null,"environmentDetails":null,"externalVolumeMounts":null,"netAppVolumeMounts":[null],"appCodeInfo":{"mainRepo":null}}`,
		"served":    `{"id":"x","number":null,"metadata":null,"deployment":null}`,
		"workspace": `{"id":"x","configTemplate":null,"mostRecentSession":{"start":null,"end":null,"sessionStatusInfo":null,"config":{"environment":null,"hardwareTier":{"id":null}}}}`,
		"schedule":  `{"id":"x","isPaused":null,"scheduledByUserId":null}`,
	}
	const bare = `{"id":"x"}`
	for name, call := range map[string]func(*Client) error{
		"app":       func(c *Client) error { _, err := c.App(ctx, "x"); return err },
		"instance":  func(c *Client) error { _, err := c.AppInstance(ctx, "x"); return err },
		"beta":      func(c *Client) error { _, err := c.BetaApp(ctx, "x"); return err },
		"served":    func(c *Client) error { _, err := speaking(t, c, "6.1").ModelVersion(ctx, "m", "x"); return err },
		"workspace": func(c *Client) error { _, err := c.Workspace(ctx, "p", "x"); return err },
		"schedule":  func(c *Client) error { _, err := c.ScheduledJob(ctx, "p", "x"); return err },
	} {
		for _, body := range []string{bare, nulls[name]} {
			if body == "" {
				continue
			}
			if err := call(inMemory(t, answerJSON(body))); err != nil {
				t.Errorf("%s %s: %v", name, body, err)
			}
		}
	}
	for _, body := range []string{bare, `{"id":"x","activeVersionNumber":null,"activeModelVersionId":null,"owners":null}`} {
		if m, err := decodeOne(modelWire.value, body); err != nil || m.ID != "x" {
			t.Errorf("model %s: %v, %v", body, m, err)
		}
	}
	if e, err := decodeOne(executionWire.value, bare); err != nil || e.ID != "x" {
		t.Errorf("execution: %v, %v", e, err)
	}
	if v, err := decodeOne(volumeWire.value, bare); err != nil || !v.Registered || v.Local {
		t.Errorf("volume: %v, %v, want it registered and not local", v, err)
	}
	a, err := decodeOne(appWire.value, `{"id":"x","latestAppVersionId":"v"}`)
	if err != nil || a.InstanceID != "v" {
		t.Errorf("app of a release before 6.1: instance %q, %v, want v", a.InstanceID, err)
	}
}

func decodeOne[W, T any](value func(W) (T, error), body string) (T, error) {
	var w W
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		var zero T
		return zero, err
	}
	return value(w)
}

// A row that does not parse costs that row.
func TestBadRows(t *testing.T) {
	c := inMemory(t, answerJSON(`[{"id":"1"},{"id":"2","name":5},null,"x",{"name":"nameless"},{"id":"6"}]`))
	apps, bad, err := c.Apps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(apps) != 2 || apps[0].ID != "1" || apps[1].ID != "6" {
		t.Errorf("apps = %v, want 1 and 6", apps)
	}
	var what []string
	for _, b := range bad {
		note(b)
		what = append(what, b.What)
		if b.Err == nil {
			t.Errorf("%s: no reason", b.What)
		}
	}
	if diff := cmp.Diff([]string{"app 2", "app row 3", "app row 4", "app row 5"}, what); diff != "" {
		t.Errorf("bad rows (-want +got):\n%s", diff)
	}
}

// "Cannot see" is never "nothing there": none of these is an empty list.
func TestAnswersThatAreNoList(t *testing.T) {
	for _, body := range []string{"", " ", "null", "true", `"x"`, "5", "{}", `{"tableRows":null,"totalEntries":0}`, `{"tableRows":{}}`, `[] []`, `[}`, `[{]`, `{"tableRows":[]]`} {
		for name, call := range map[string]func(*Client) error{
			"whole": func(c *Client) error { _, _, err := c.Apps(t.Context()); return err },
			"pages": func(c *Client) error { _, _, err := c.WorkspaceRows(t.Context()); return err },
		} {
			if name == "pages" && body == `[] []` {
				continue
			}
			e := asError(t, call(inMemory(t, answerJSON(body))))
			if e.Kind != KindBadAnswer {
				t.Errorf("%s %q: %v, want an unreadable answer", name, body, e)
			}
		}
	}
}

// versionsOf is a deployment that has the routes for model versions that are named.
func versionsOf(t *testing.T, calls *[]string, public, pages bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/"):
			*calls = append(*calls, "public")
			if !public {
				answer(404, "application/json", string(fixture(t, "errors/public_route_404.json")))(w, r)
			} else if strings.HasSuffix(r.URL.Path, "/versions") {
				answerJSON(`[{"id":"v1"}]`)(w, r)
			} else {
				answerJSON(`{"id":"v1"}`)(w, r)
			}
		default:
			*calls = append(*calls, "page")
			switch {
			case !pages:
				answer(404, "text/html", string(fixture(t, "errors/play_404.html")))(w, r)
			case r.URL.Query().Get("pageNumber") == "1":
				answerJSON(`{"results":[{"id":"v1"}]}`)(w, r)
			case r.URL.Query().Has("pageNumber"):
				answerJSON(`{"results":[]}`)(w, r)
			default:
				answerJSON(`{"result":{"id":"v1"}}`)(w, r)
			}
		}
	}
}

func TestModelVersionRoutes(t *testing.T) {
	for _, tt := range []struct {
		name          string
		release       string
		public, pages bool
		want          []string // calls for one version, the list, and the list again
		fails         bool
	}{
		{"new release", "6.1", true, true, []string{"public", "public", "public"}, false},
		{"old release", "5.10", false, true, []string{"page", "page", "page", "page", "page"}, false},
		{"new release without the public route", "6.1", false, true, []string{"public", "page", "page", "page", "page", "page"}, false},
		{"old release without the UI's route", "5.10", true, false, []string{"page", "public", "public", "public"}, false},
		{"release not asked for", "", true, true, []string{"public", "public", "public"}, false},
		// Nothing is remembered then: Domino may be down behind its ingress.
		{"neither", "6.1", false, false, []string{"public", "page", "public", "page", "public", "page"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var calls []string
			c := inMemory(t, versionsOf(t, &calls, tt.public, tt.pages))
			if tt.release != "" {
				speaking(t, c, tt.release)
			}
			check := func(id, model string, err error) {
				t.Helper()
				if tt.fails {
					if KindOf(err) != KindNoRoute {
						t.Errorf("error = %v, want no such route", err)
					}
				} else if err != nil || id != "v1" || model != "m" {
					t.Errorf("got version %q of %q, %v, want v1 of m", id, model, err)
				}
			}
			v, err := c.ModelVersion(t.Context(), "m", "v1")
			check(v.ID, v.ModelID, err)
			for range 2 {
				list, _, err := c.ModelVersions(t.Context(), "m")
				if len(list) > 0 {
					v = list[0]
				}
				check(v.ID, v.ModelID, err)
			}
			if diff := cmp.Diff(tt.want, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// api.md §9: 1-based pages, and an empty page past the end.
func TestModelVersionPages(t *testing.T) {
	var pages []string
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		pages = append(pages, r.URL.Query().Get("pageNumber"))
		switch r.URL.Query().Get("pageNumber") {
		case "1":
			fmt.Fprint(w, `{"results":[{"id":"3","number":3,"deploymentStatus":{"name":"Unreachable","isPending":true}},{"id":"2"}]}`)
		case "2":
			fmt.Fprint(w, `{"results":[{"id":"1","number":1.0}]}`)
		default:
			fmt.Fprint(w, `{"results":[]}`)
		}
	})
	list, _, err := speaking(t, c, "5.9").ModelVersions(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	want := []ModelVersion{{ID: "3", ModelID: "m", Number: 3, Status: "Unreachable", Pending: true, Deployed: true}, {ID: "2", ModelID: "m"}, {ID: "1", ModelID: "m", Number: 1}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(pages, []string{"1", "2", "3"}) {
		t.Errorf("pages = %v, want 1 2 3", pages)
	}
}

func TestActiveModelVersionOfAnotherModel(t *testing.T) {
	c := inMemory(t, answerJSON(`{"modelId":{"value":"other"}}`))
	_, err := c.ActiveModelVersion(t.Context(), "m")
	if e := asError(t, err); e.Kind != KindBadAnswer {
		t.Errorf("got %v, want an unreadable answer", e)
	}
}

func TestStartAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`"5f"`: "5f", ` "5f" ` + "\n": "5f", `{"id":"5f"}`: "5f", `{"value":"5f"}`: "5f", "": "", "null": "", "5f": "", "[]": "", "{}": "", `{"id":5}`: "",
	} {
		c := inMemory(t, answer(200, "", body))
		if id, err := c.StartApp(t.Context(), "a", AppStart{}); id != want || err != nil {
			t.Errorf("answer %q: id %q, %v, want %q", body, id, err, want)
		}
	}
	for _, body := range []string{"", "null", "[]", "5", "no JSON", `{"id":7}`} {
		c := inMemory(t, answer(200, "", body))
		if s, err := c.StartWorkspaceSession(t.Context(), "p", "w", nil, nil); s.ID != "" || err != nil {
			t.Errorf("answer %q: session %v, %v, want an accepted start without a session", body, s, err)
		}
	}
	for _, status := range []int{200, 201, 202, 204} {
		if err := inMemory(t, answer(status, "", "")).StopWorkspace(t.Context(), "p", "w"); err != nil {
			t.Errorf("empty %d: %v", status, err)
		}
	}
}

func TestTimes(t *testing.T) {
	want := time.Date(2024, 5, 2, 10, 11, 12, 5e6, time.UTC)
	for _, s := range []string{`"2024-05-02T10:11:12.005Z"`, `"2024-05-02T12:11:12.005+02:00"`, `"2024-05-02T12:11:12.005+0200"`,
		`"2024-05-02T10:11:12.005"`, `1714644672005`, `"1714644672005"`} {
		var got timestamp
		if err := json.Unmarshal([]byte(s), &got); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{`null`, `""`, `"yesterday"`, `0`, `-1`, `1714644672005000000`, `{}`, `true`, `1.5`} {
		got := timestamp{want}
		if err := json.Unmarshal([]byte(s), &got); err != nil || !got.IsZero() {
			t.Errorf("%s = %v, %v, want no time and no error", s, got, err)
		}
	}
}

func TestNumbersAndIDs(t *testing.T) {
	for s, want := range map[string]integer{"5": 5, "5.0": 5, "5e1": 50, "null": 0} {
		var got integer
		if err := json.Unmarshal([]byte(s), &got); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"5.5", `"5"`, "true", "1e300"} {
		var got integer
		if err := json.Unmarshal([]byte(s), &got); err == nil {
			t.Errorf("%s = %v, want an error", s, got)
		}
	}
	for s, want := range map[string]id{`"a"`: "a", `{"value":"a"}`: "a", "null": "", "{}": "", `{"value":null}`: ""} {
		got := id("old")
		if err := json.Unmarshal([]byte(s), &got); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", s, got, err, want)
		}
	}
	for _, s := range []string{"5", "[]", `{"value":5}`, "true"} {
		var got id
		if err := json.Unmarshal([]byte(s), &got); err == nil {
			t.Errorf("%s = %q, want an error", s, got)
		}
	}
}
