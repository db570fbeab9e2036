package dominosim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// One test for each behaviour of api.md §22 that this simulator has, in its order.

func TestInvalidKeyIsAnonymousAndForbidden(t *testing.T) { // 1
	c := newClient(t, Config{})
	c.key = "not-a-key"
	p := get[struct {
		IsAnonymous, IsAdmin bool
		CanonicalID          *string
	}](c, "/v4/auth/principal")
	if !p.IsAnonymous || p.IsAdmin || p.CanonicalID != nil {
		t.Errorf("principal = %+v, want an anonymous one", p)
	}
	r := c.wantStatus("GET", "/v4/modelProducts", nil, http.StatusForbidden)
	var body struct {
		Success      bool
		DebugMessage string
		Reason       struct{ Required, Missing []string }
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Success || !strings.HasPrefix(body.DebugMessage, "AnonymousPrincipal is not authorized") || len(body.Reason.Missing) != 1 {
		t.Errorf("body = %s, want the recorded form of a 403", r.body)
	}
	c.key = DefaultAPIKey
	if p := get[struct{ IsAdmin bool }](c, "/v4/auth/principal"); !p.IsAdmin {
		t.Error("the configured key is not an administrator's")
	}
}

func TestTokenIsAccepted(t *testing.T) {
	sim := New(Config{Token: "t0k3n"})
	r, _ := http.NewRequest("GET", "https://d/v4/users/self", nil)
	r.Header.Set("Authorization", "Bearer t0k3n")
	res, err := sim.RoundTripper().RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("answer = %v, %v, want 200", res, err)
	}
	r.Header.Del("Authorization")
	r.Header.Set("X-Domino-Api-Key", "t0k3n") // a token in the key's header is nobody's (api.md §1)
	if res, _ := sim.RoundTripper().RoundTrip(r); res.StatusCode != http.StatusForbidden {
		t.Errorf("status = %d, want 403", res.StatusCode)
	}
}

func TestUsersWithoutRightsSeeLess(t *testing.T) {
	c := newClient(t, Config{})
	if err := c.sim.AddKey("user-key", c.sim.Users()[1]); err != nil {
		t.Fatal(err)
	}
	all := len(get[[]any](c, "/v4/projects"))
	c.key = "user-key"
	if n := len(get[[]any](c, "/v4/projects")); n == 0 || n >= all {
		t.Errorf("projects = %d of %d, want one's own", n, all)
	}
	c.wantStatus("GET", "/v4/admin/executions", nil, http.StatusForbidden)
	c.wantStatus("GET", "/v4/datamount/all", nil, http.StatusForbidden)
	c.wantStatus("GET", "/api/modelServing/v1/modelApis?offset=0", nil, http.StatusForbidden)
}

func TestUnknownObjectsAndRoutes(t *testing.T) { // 2
	c := newClient(t, Config{})
	r := c.wantStatus("GET", "/v4/projects/000000000000000000000001", nil, http.StatusNotFound)
	if r.kind != "application/json" || !strings.Contains(string(r.body), `"success":false`) {
		t.Errorf("unknown project: %s %s, want Domino's JSON", r.kind, r.body)
	}
	for _, path := range []string{"/v4/nothing", "/v4/modelProducts/", "/v4//projects"} {
		if r := c.wantStatus("GET", path, nil, http.StatusNotFound); !strings.HasPrefix(r.kind, "text/html") {
			t.Errorf("GET %s: content type = %q, want HTML", path, r.kind)
		}
	}
	if r := c.wantStatus("DELETE", "/v4/projects", nil, http.StatusNotFound); !strings.HasPrefix(r.kind, "text/html") {
		t.Errorf("unknown method: content type = %q, want HTML", r.kind)
	}
	if r := c.wantStatus("GET", "/api/nothing/v1", nil, http.StatusNotFound); !strings.Contains(string(r.body), `"errors"`) {
		t.Errorf("unknown public route: %s, want the public form", r.body)
	}
	r = c.wantStatus("GET", "/v4/modelProducts/xyz", nil, http.StatusBadRequest)
	if !strings.Contains(string(r.body), "is not a valid ID") {
		t.Errorf("malformed id: %s", r.body)
	}
}

// stopped stops an app and returns it with its last run.
func (c *client) stoppedApp() (Object, Run) {
	o := c.running(KindApp)
	was := c.sim.Ledger().Running(KindApp)[o.ID]
	post[string](c, "/v4/modelProducts/"+o.ID+"/stop", nil)
	return o, was
}

func TestAppStartWithoutEnvironmentTakesProjectDefault(t *testing.T) { // 3
	c := newClient(t, Config{})
	o, was := c.stoppedApp()
	if was.Environment == c.sim.environments[0].id {
		t.Fatal("the app runs with the project's default environment already")
	}
	post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{"hardwareTierId": was.HardwareTier})
	now := c.sim.Ledger().Running(KindApp)[o.ID]
	if want := c.sim.environments[0].id; now.Environment != want {
		t.Errorf("Environment = %s, want the default %s", now.Environment, want)
	}
	if now.Commit == was.Commit || now.Commit != c.sim.projectOf(o.ProjectID).head.at(time.Now()) {
		t.Errorf("Commit = %s, want the latest one and not %s", now.Commit, was.Commit)
	}
	if len(now.Volumes) != 0 {
		t.Errorf("Volumes = %v, want exactly those that were sent: none", now.Volumes)
	}
}

func TestLaterStartsKeepTheEnvironmentOnRequest(t *testing.T) { // 3
	c := newClient(t, Config{KeepEnvironment: true})
	o, was := c.stoppedApp()
	post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{})
	if now := c.sim.Ledger().Running(KindApp)[o.ID]; now.Environment != was.Environment {
		t.Errorf("Environment = %s, want that of the run before, %s", now.Environment, was.Environment)
	}
	id := c.sim.CreateApp(AppSpec{})
	post[string](c, "/v4/modelProducts/"+id+"/start", obj{})
	if now, want := c.sim.Ledger().Running(KindApp)[id], c.sim.environments[0].id; now.Environment != want {
		t.Errorf("first start: Environment = %s, want the default %s", now.Environment, want)
	}
}

func TestRunningThingsAreNotStartedTwice(t *testing.T) {
	c := newClient(t, Config{})
	app, work := c.running(KindApp), c.running(KindWorkspace)
	c.wantStatus("POST", "/v4/modelProducts/"+app.ID+"/start", obj{}, http.StatusBadRequest)
	c.wantStatus("POST", "/v4/workspace/project/"+work.ProjectID+"/workspace/"+work.ID+"/sessions?externalVolumeMounts=", nil, http.StatusBadRequest)
	for _, k := range []Key{app.Key, work.Key} {
		if e := c.sim.Ledger().Entry(k.Kind, k.ID); len(e.Started) != 0 || e.Effects("start") != 0 || len(e.Calls) != 1 {
			t.Errorf("%v: entry = %+v, want one refused call", k, e)
		}
	}
}

func TestFaultyIsOfNewerVersions(t *testing.T) {
	c := newClient(t, Config{Profile: "6.1"})
	o := c.running(KindApp)
	if err := c.sim.SetAppStatus(o.ID, "Faulty"); err == nil {
		t.Error("6.1: no error")
	}
	c.sim.SetVersion("6.2")
	if err := c.sim.SetAppStatus(o.ID, "Faulty"); err != nil {
		t.Error(err)
	}
	if w := c.read(o.ID); w != "Faulty" {
		t.Errorf("status = %s, want Faulty", w)
	}
	post[string](c, "/v4/modelProducts/"+o.ID+"/stop", nil)
	if w := c.read(o.ID); w != "Stopped" {
		t.Errorf("status = %s, want Stopped", w)
	}
}

func TestAppStartTakesWhatItIsGiven(t *testing.T) {
	c := newClient(t, Config{Profile: "6.2"})
	o, was := c.stoppedApp()
	volume := c.sim.volumes[0].id
	body := obj{
		"hardwareTierId": "gpu-small-k8s", "environmentId": c.sim.environments[3].id, "externalVolumeMountIds": []string{volume},
		"netAppVolumeIds": []string{"nav-0009"}, "commitId": was.Commit, "mainRepoGitRef": obj{"type": "commitId", "value": was.Commit},
		"bundleId": "b-1", "colour": "blue",
	}
	instance := post[string](c, "/v4/modelProducts/"+o.ID+"/start", body)
	want := Run{
		Key: o.Key, Instance: instance, Execution: instance, Environment: c.sim.environments[3].id,
		EnvironmentRevision: c.sim.environments[3].revision, HardwareTier: "gpu-small-k8s", Volumes: []string{volume},
		NetAppVolumes: []string{"nav-0009"}, Commit: was.Commit, GitRef: &GitRef{"commitId", was.Commit}, Bundle: "b-1",
		By: "integration.admin",
	}
	if diff := cmp.Diff(want, c.sim.Ledger().Running(KindApp)[o.ID], cmpopts.IgnoreFields(Run{}, "At")); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	calls := c.sim.Ledger().Entry(KindApp, o.ID).Calls
	if last := calls[len(calls)-1]; !cmp.Equal(last.Unknown, []string{"colour"}) || !last.Effect || !last.Answered {
		t.Errorf("call = %+v, want it effective, answered, and the unknown key on record", last)
	}
	app := get[struct {
		Publisher           struct{ UserName string }
		LatestAppInstanceID string
	}](c, "/v4/modelProducts/"+o.ID)
	if app.Publisher.UserName != "integration.admin" || app.LatestAppInstanceID != instance {
		t.Errorf("app = %+v, want the caller as its publisher and instance %s", app, instance)
	}
	details := get[struct {
		InputCommitID        string
		ExternalVolumeMounts []struct{ ID string }
		NetAppVolumeMounts   []struct{ VolumeID string }
	}](c, "/v4/modelProducts/apps/versions/"+instance)
	if details.InputCommitID != was.Commit || len(details.ExternalVolumeMounts) != 1 || details.ExternalVolumeMounts[0].ID != volume ||
		len(details.NetAppVolumeMounts) != 1 || details.NetAppVolumeMounts[0].VolumeID != "nav-0009" {
		t.Errorf("instance details = %+v", details)
	}
}

func TestOldVersionsIgnoreTheCommitOfAStart(t *testing.T) {
	c := newClient(t, Config{Profile: "5.9"})
	o, was := c.stoppedApp()
	post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{"environmentId": was.Environment, "commitId": was.Commit, "netAppVolumeIds": []string{"n"}})
	now := c.sim.Ledger().Running(KindApp)[o.ID]
	if now.Commit == was.Commit || now.NetAppVolumes != nil || now.Environment != was.Environment {
		t.Errorf("run = %+v, want the environment taken, the commit and NetApp volumes ignored", now)
	}
}

func TestStopOfStoppedApp(t *testing.T) { // 4
	for profile, want := range map[string]int{"5.9": 500, "6.1": 404, "6.2": 404} {
		c := newClient(t, Config{Profile: profile})
		o, _ := c.stoppedApp()
		r := c.wantStatus("POST", "/v4/modelProducts/"+o.ID+"/stop", nil, want)
		if r.kind != "application/json" {
			t.Errorf("%s: content type = %q, want Domino's own words", profile, r.kind)
		}
		if e := c.sim.Ledger().Entry(KindApp, o.ID); e.Effects("stop") != 1 || len(e.Calls) != 2 || e.Calls[1].Refused == "" {
			t.Errorf("%s: calls = %+v, want one effective stop and one refused", profile, e.Calls)
		}
	}
}

func TestForceEndsAStopThatSticks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{StopTime: time.Minute, Faults: []Fault{{Path: "/v4/modelProducts/{id}/stop", Kind: FaultStopSticks}}})
		o, _ := c.stoppedApp()
		time.Sleep(time.Hour)
		if w := c.sim.Ledger().State(KindApp, o.ID); w != "Stopping" {
			t.Fatalf("state = %s, want Stopping for ever", w)
		}
		post[string](c, "/v4/modelProducts/"+o.ID+"/stop?force=true", nil)
		if w := c.sim.Ledger().State(KindApp, o.ID); w != "Stopped" {
			t.Errorf("state = %s, want Stopped", w)
		}
	})
}

func TestTransitionsTakeTheirTime(t *testing.T) { // 5
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{StartTime: 40 * time.Second, StopTime: 40 * time.Second})
		o := c.running(KindApp)
		var words []string
		watch := func(d time.Duration) {
			for end := time.Now().Add(d); !time.Now().After(end); time.Sleep(time.Second) {
				if w := c.sim.Ledger().State(KindApp, o.ID); len(words) == 0 || words[len(words)-1] != w {
					words = append(words, w)
				}
			}
		}
		instance := post[string](c, "/v4/modelProducts/"+o.ID+"/stop", nil)
		watch(time.Minute)
		if next := post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{}); next == instance {
			t.Errorf("instance = %s again, want a new one", next)
		}
		watch(time.Minute)
		want := strings.Fields("StopRequested Stopping Finishing Stopped Scheduled Pending Preparing Pulling Running")
		if diff := cmp.Diff(want, words); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

func TestWorkspaceStopAnswersNothing(t *testing.T) { // 6
	no := false
	for _, empty := range []*bool{nil, &no} {
		c := newClient(t, Config{EmptyStopBody: empty})
		o := c.running(KindWorkspace)
		r := c.wantStatus("POST", "/v4/workspace/project/"+o.ProjectID+"/workspace/"+o.ID+"/stop", nil, http.StatusOK)
		if got, want := len(r.body) == 0, empty == nil; got != want {
			t.Errorf("body = %q, want it empty: %v", r.body, want)
		}
	}
}

func TestWorkspaceWordFlipsBeforeItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{StopTime: 40 * time.Second})
		o := c.running(KindWorkspace)
		path := "/v4/workspace/project/" + o.ProjectID + "/workspace/" + o.ID
		type workspace struct {
			State             string
			MostRecentSession struct {
				SessionStatusInfo struct{ IsCompleted, IsCompleting bool }
			}
		}
		c.wantStatus("POST", path+"/stop", nil, http.StatusOK)
		time.Sleep(30 * time.Second)
		w := get[workspace](c, path)
		if info := w.MostRecentSession.SessionStatusInfo; w.State != "Stopped" || info.IsCompleted || !info.IsCompleting {
			t.Errorf("after 30 s: %+v, want Stopped with a session that is still completing", w)
		}
		time.Sleep(10 * time.Second)
		if w := get[workspace](c, path); !w.MostRecentSession.SessionStatusInfo.IsCompleted {
			t.Errorf("after 40 s: %+v, want the session completed", w)
		}
	})
}

func TestSessionsNeedTheirQueryKey(t *testing.T) { // 7
	c := newClient(t, Config{})
	o := c.running(KindWorkspace)
	path := "/v4/workspace/project/" + o.ProjectID + "/workspace/" + o.ID
	c.wantStatus("POST", path+"/stop", nil, http.StatusOK)
	r := c.wantStatus("POST", path+"/sessions", nil, http.StatusBadRequest)
	if !strings.Contains(string(r.body), "Missing parameter: externalVolumeMounts") {
		t.Errorf("body = %s", r.body)
	}
	before := c.sim.workspaces.byID[o.ID].sessions[0].Instance
	if got := post[struct{ ID string }](c, path+"/sessions?externalVolumeMounts=", nil); got.ID == before || got.ID == "" {
		t.Errorf("session = %q, want a new one", got.ID)
	}
	c.wantStatus("POST", path+"/stop", nil, http.StatusOK)
	a, b := c.sim.volumes[0].id, c.sim.volumes[1].id
	c.wantStatus("POST", path+"/sessions?externalVolumeMounts="+a+"&externalVolumeMounts="+b+"&netAppVolumeIds=nav-1", nil, http.StatusOK)
	run := c.sim.Ledger().Running(KindWorkspace)[o.ID]
	if !cmp.Equal(run.Volumes, []string{a, b}) || !cmp.Equal(run.NetAppVolumes, []string{"nav-1"}) {
		t.Errorf("mounts = %v %v", run.Volumes, run.NetAppVolumes)
	}
}

func TestAdministratorMayBeRefusedAWorkspace(t *testing.T) {
	no := false
	c := newClient(t, Config{AdminMayStartWorkspaces: &no})
	o := c.running(KindWorkspace)
	path := "/v4/workspace/project/" + o.ProjectID + "/workspace/" + o.ID
	c.wantStatus("POST", path+"/stop", nil, http.StatusOK)
	c.wantStatus("POST", path+"/sessions?externalVolumeMounts=", nil, http.StatusForbidden)
	if err := c.sim.OwnerStartWorkspace(o.ID); err != nil {
		t.Error(err)
	}
}

func TestPublicSessionsNeedBothLists(t *testing.T) {
	c := newClient(t, Config{})
	o := c.running(KindWorkspace)
	c.wantStatus("POST", "/v4/workspace/project/"+o.ProjectID+"/workspace/"+o.ID+"/stop", nil, http.StatusOK)
	path := "/api/projects/v1/projects/" + o.ProjectID + "/workspaces/" + o.ID + "/sessions"
	r := c.wantStatus("POST", path, obj{"externalVolumeMounts": []string{}}, http.StatusBadRequest)
	if !strings.Contains(string(r.body), "error.path.missing") {
		t.Errorf("body = %s", r.body)
	}
	c.wantStatus("POST", path, obj{"externalVolumeMounts": []string{}, "netAppVolumeMounts": []string{}}, http.StatusOK)
}

type rowPage struct {
	TotalEntries int
	TableRows    []struct{ WorkspaceID, ProjectName, ProjectOwnerName string }
}

func TestAdminRowsRepeatAndMiscount(t *testing.T) { // 8
	c := newClient(t, Config{Workspaces: 200})
	scan := func(query string) (unique, repeated, odd int) {
		seen := map[string]bool{}
		for offset := 0; ; offset += 10 {
			p := get[rowPage](c, fmt.Sprintf("/v4/workspace/adminDashboardRowData?limit=10&offset=%d%s", offset, query))
			if p.TotalEntries != len(c.sim.workspaces.order) {
				odd++
			}
			for _, row := range p.TableRows {
				if seen[row.WorkspaceID] {
					repeated++
				}
				seen[row.WorkspaceID] = true
			}
			if len(p.TableRows) < 10 {
				return len(seen), repeated, odd
			}
		}
	}
	total := len(c.sim.workspaces.order)
	if unique, repeated, odd := scan(""); unique == total || repeated == 0 || odd == 0 {
		t.Errorf("one scan: %d unique rows of %d, %d repeated, %d wrong totals; want it awkward", unique, total, repeated, odd)
	}
	plain := newClient(t, Config{Workspaces: 200, Plain: true})
	c, total = plain, 200
	if unique, repeated, odd := scan("&sortBy=name&sortOrder=desc"); unique != total || repeated != 0 || odd != 0 {
		t.Errorf("plain: %d unique rows of %d, %d repeated, %d wrong totals", unique, total, repeated, odd)
	}
}

func TestARowsProjectMayBeInvisible(t *testing.T) { // 8
	c := newClient(t, Config{})
	visible := map[string]bool{}
	for _, p := range get[[]struct{ Name, OwnerUsername string }](c, "/v4/projects") {
		visible[p.OwnerUsername+"/"+p.Name] = true
	}
	missing := ""
	for _, row := range get[rowPage](c, "/v4/workspace/adminDashboardRowData?limit=500").TableRows {
		if name := row.ProjectOwnerName + "/" + row.ProjectName; !visible[name] {
			missing = name
		}
	}
	if missing == "" {
		t.Fatal("every row's project is in GET /v4/projects")
	}
	entries := get[struct {
		Page []struct {
			Name, OwnerUsername string
			Archived            bool
		}
	}](c, "/v4/admin/dashboardEntries")
	for _, e := range entries.Page {
		if e.OwnerUsername+"/"+e.Name == missing && e.Archived {
			return
		}
	}
	t.Errorf("%s is not among the archived dashboard entries", missing)
}

type uiVersion struct {
	ID               string
	Number           int
	DeploymentStatus struct {
		Name      string
		IsPending bool
	}
}

func (c *client) version(o Object) uiVersion {
	return get[struct{ Result uiVersion }](c, "/models/"+o.ModelID+"/versions/"+o.ID+"/json").Result
}

func TestModelVersionPages(t *testing.T) { // 9
	c := newClient(t, Config{})
	var many *model
	running, unreachable := false, false
	for _, m := range c.sim.models.order {
		if many == nil || len(m.versions) > len(many.versions) {
			many = m
		}
		for _, v := range m.versions {
			name := c.version(Object{Key: Key{ID: v.id}, ModelID: m.id}).DeploymentStatus.Name
			running = running || name == "Running" && m.active != v
			unreachable = unreachable || name == "Unreachable"
		}
	}
	if !running || !unreachable {
		t.Errorf("a running version that is not active: %v, an Unreachable one: %v; want both", running, unreachable)
	}
	var numbers []int
	for n := 1; ; n++ {
		p := get[struct{ Results []uiVersion }](c, fmt.Sprintf("/models/%s/versions/json?pageNumber=%d&pageSize=1", many.id, n))
		if len(p.Results) == 0 {
			break
		}
		numbers = append(numbers, p.Results[0].Number)
	}
	if len(numbers) != len(many.versions) || numbers[0] != len(many.versions) {
		t.Errorf("versions = %v, want %d, one a page, and an empty page after", numbers, len(many.versions))
	}
}

func TestPendingGoesWithAnyName(t *testing.T) { // 9
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{StartTime: 40 * time.Second, StopTime: 40 * time.Second})
		o := c.running(KindModelAPI)
		base := "/v4/models/" + o.ModelID + "/" + o.ID
		var seen []string
		watch := func() {
			for range 45 {
				v := c.version(o).DeploymentStatus
				if s := fmt.Sprint(v.Name, " ", v.IsPending); len(seen) == 0 || seen[len(seen)-1] != s {
					seen = append(seen, s)
				}
				time.Sleep(time.Second)
			}
		}
		post[any](c, base+"/stopModelDeployment", nil)
		watch()
		post[any](c, base+"/startModelDeployment", nil)
		watch()
		want := []string{
			"Running true", "Stopped true", "Stopped false",
			"Stopped true", "Starting true", "Running true", "Running false",
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

func TestActiveStatusKeepsFailed(t *testing.T) { // 10
	c := newClient(t, Config{})
	for _, o := range c.sim.Objects(KindModelAPI) {
		if o.Name != "failed-deploy" {
			continue
		}
		post[any](c, "/v4/models/"+o.ModelID+"/"+o.ID+"/stopModelDeployment", nil)
		st := get[struct {
			Status     string
			IsPending  bool
			Operations []struct{ IsFailure bool }
		}](c, "/models/"+o.ModelID+"/activeStatus")
		if st.Status != "Failed" || st.IsPending || len(st.Operations) != 2 || !st.Operations[0].IsFailure || st.Operations[1].IsFailure {
			t.Errorf("active status = %+v, want Failed after a stop that went well", st)
		}
		if e := c.sim.Ledger().Entry(KindModelAPI, o.ID); len(e.Calls) != 1 || e.Calls[0].Effect {
			t.Errorf("calls = %+v, want one that stopped nothing", e.Calls)
		}
		return
	}
	t.Fatal("no model that failed")
}

func TestModelRowsLackWhatWasNeverDeployed(t *testing.T) { // 11
	for profile, key := range map[string]string{"5.9": "name", "6.1": "username"} {
		c := newClient(t, Config{Profile: profile})
		lacking := 0
		for _, p := range get[[]struct{ ID string }](c, "/v4/projects") {
			for _, m := range get[[]map[string]any](c, "/v4/modelManager/getModels?projectId="+p.ID) {
				if m["activeModelVersionId"] == nil && m["activeVersionStatus"] == nil {
					lacking++
				}
				owner := m["owners"].([]any)[0].(map[string]any)
				if owner[key] == nil {
					t.Errorf("%s: owner = %v, want key %s", profile, owner, key)
				}
			}
		}
		if lacking != 1 {
			t.Errorf("%s: %d models without an active version, want 1", profile, lacking)
		}
		c.wantStatus("GET", "/v4/modelManager/getModels", nil, http.StatusBadRequest)
	}
}

func TestModelStopIsAnObjectAndIdempotent(t *testing.T) { // 12
	c := newClient(t, Config{})
	o := c.running(KindModelAPI)
	path := "/v4/models/" + o.ModelID + "/" + o.ID
	for range 2 {
		got := post[map[string]string](c, path+"/stopModelDeployment", nil)
		want := map[string]string{"modelId": o.ModelID, "modelVersionId": o.ID, "status": "not_running"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	}
	if e := c.sim.Ledger().Entry(KindModelAPI, o.ID); len(e.Calls) != 2 || e.Effects("stop") != 1 {
		t.Errorf("calls = %+v, want two, one of them effective", e.Calls)
	}
	for range 2 {
		post[any](c, path+"/startModelDeployment", nil)
	}
	if e := c.sim.Ledger().Entry(KindModelAPI, o.ID); e.Effects("start") != 1 || len(e.Started) != 1 {
		t.Errorf("starts = %+v, want one", e.Started)
	}
	c = newClient(t, Config{ArrayAnswers: true})
	o = c.running(KindModelAPI)
	get[[]any](c, "/v4/models/"+o.ModelID+"/"+o.ID+"/getModelDeploymentStatus")
}

func TestPutOfAFetchedScheduleLosesMounts(t *testing.T) { // 13
	c := newClient(t, Config{Profile: "6.2"})
	o := c.sim.Objects(KindScheduledJob)[0]
	path := "/v4/projects/" + o.ProjectID + "/scheduledjobs/" + o.ID
	before := c.sim.Definition(o.ID)
	if len(texts(before["externalVolumeMounts"])) == 0 || before["snapshotDatasetsOnCompletion"] != true {
		t.Fatalf("definition = %v, want one with mounts and flags", before)
	}
	fetched := get[map[string]any](c, path)
	if fetched["externalVolumeMounts"] != nil || fetched["dataConfig"] == nil {
		t.Fatalf("GET = %v, want the mounts under dataConfig", fetched)
	}
	fetched["isPaused"] = true
	fetched["mainRepoGitRef"] = obj{"type": "branch", "value": "main"}
	c.wantStatus("PUT", path, fetched, http.StatusOK)
	after := c.sim.Definition(o.ID)
	for _, key := range []string{"externalVolumeMounts", "netAppVolumeIds", "datasetConfig", "snapshotDatasetsOnCompletion", "snapshotNetAppVolumesOnCompletion"} {
		if before[key] == nil || after[key] != nil {
			t.Errorf("%s = %v, was %v; want it lost", key, after[key], before[key])
		}
	}
	if after["isPaused"] != true || after["command"] != before["command"] || !strings.Contains(fmt.Sprint(after["mainRepoGitRef"]), "branch") {
		t.Errorf("definition = %v, want it paused and else as sent", after)
	}
	// With the values mapped up nothing is lost.
	full := before
	full["isPaused"] = false
	c.wantStatus("PUT", path, full, http.StatusOK)
	if diff := cmp.Diff(before, c.sim.Definition(o.ID)); diff != "" {
		t.Errorf("definition (-want +got):\n%s", diff)
	}
	e := c.sim.Ledger().Entry(KindScheduledJob, o.ID)
	if len(e.Started) != 1 || e.Calls[0].Args["isPaused"] != true || !cmp.Equal(e.Calls[0].Unknown,
		[]string{"created", "dataConfig", "hardwareTierName", "id", "jobTemplate", "projectId", "retryCount", "scheduledByUserName"}) {
		t.Errorf("entry = %+v, want both calls and one start on record", e)
	}
	delete(full, "title")
	c.wantStatus("PUT", path, full, http.StatusBadRequest)
}

func TestBetaListIsShortAndLacksClassicApps(t *testing.T) { // 14, as far as lists go
	c := newClient(t, Config{Apps: 150})
	type appList struct {
		Items    []struct{ ID string }
		Metadata struct{ TotalCount int }
	}
	if l := get[appList](c, "/api/apps/beta/apps"); len(l.Items) != 10 {
		t.Errorf("default limit: %d items, want 10", len(l.Items))
	}
	l := get[appList](c, "/api/apps/beta/apps?limit=500")
	all := len(get[[]any](c, "/v4/modelProducts"))
	if len(l.Items) != min(100, l.Metadata.TotalCount) || l.Metadata.TotalCount >= all {
		t.Errorf("%d items of %d, %d model products; want a cap of 100 and no classic apps", len(l.Items), l.Metadata.TotalCount, all)
	}
}

func TestExecutionsListByVersion(t *testing.T) { // 18
	c := newClient(t, Config{Profile: "5.9", Jobs: 3})
	want := len(get[[]any](c, "/v4/admin/executions"))
	c.sim.SetVersion("6.2")
	type executions struct {
		Overviews  []struct{ ID, WorkloadType string }
		TotalCount int
	}
	if p := get[executions](c, "/v4/admin/executions?pageSize=4"); p.TotalCount != want || len(p.Overviews) != 4 {
		t.Errorf("page = %+v, want 4 of %d", p, want)
	}
	kinds := map[string]int{}
	for _, e := range get[executions](c, "/v4/admin/executions?pageSize=1000").Overviews {
		kinds[e.WorkloadType]++
	}
	up := c.sim.Ledger()
	wantKinds := map[string]int{"App": len(up.Running(KindApp)), "Workspace": len(up.Running(KindWorkspace)), "Batch": 3, "Launcher": 1}
	if diff := cmp.Diff(wantKinds, kinds); diff != "" {
		t.Errorf("executions by type (-want +got):\n%s", diff)
	}
	o := c.running(KindApp)
	post[string](c, "/v4/modelProducts/"+o.ID+"/stop", nil)
	if p := get[executions](c, "/v4/admin/executions"); p.TotalCount != want-1 {
		t.Errorf("total after a stop = %d, want %d", p.TotalCount, want-1)
	}
}

func TestRoutesByVersion(t *testing.T) { // 20
	c := newClient(t, Config{Profile: "5.9"})
	later := []string{"/api/apps/beta/apps", "/api/modelServing/v1/modelApis?offset=0", "/v4/workspace"}
	for _, path := range later {
		c.wantStatus("GET", path, nil, http.StatusNotFound)
	}
	o := c.running(KindApp)
	field := func() (older, newer bool) {
		m := get[map[string]any](c, "/v4/modelProducts/"+o.ID)
		return m["latestAppVersionId"] != nil, m["latestAppInstanceId"] != nil
	}
	if older, newer := field(); !older || newer {
		t.Errorf("5.9: latestAppVersionId %v, latestAppInstanceId %v", older, newer)
	}
	c.sim.SetVersion("6.2")
	for _, path := range later {
		c.wantStatus("GET", path, nil, http.StatusOK)
	}
	if older, newer := field(); older || !newer {
		t.Errorf("6.2: latestAppVersionId %v, latestAppInstanceId %v", older, newer)
	}
	if v := get[struct{ Version string }](c, "/version"); !strings.HasPrefix(v.Version, "6.2.") {
		t.Errorf("version = %q", v.Version)
	}
}

func TestAwkwardRowsOfApps(t *testing.T) {
	c := newClient(t, Config{})
	sparse, batch, draft := false, false, false
	for _, a := range get[[]map[string]any](c, "/v4/modelProducts") {
		sparse = sparse || a["publisher"] == nil && a["hardwareTierId"] == nil && a["status"] == "Running"
		batch = batch || a["modelProductType"] == "BATCH" && a["status"] == "Running"
		draft = draft || a["latestAppInstanceId"] == nil
	}
	if !sparse || !batch || !draft {
		t.Errorf("app without publisher: %v, running BATCH product: %v, app that never ran: %v; want all", sparse, batch, draft)
	}
	nameless := false
	for id := range c.sim.instances {
		details := get[struct{ ExternalVolumeMounts []map[string]any }](c, "/v4/modelProducts/apps/versions/"+id)
		for _, m := range details.ExternalVolumeMounts {
			nameless = nameless || m["id"] == nil && m["name"] != nil
		}
	}
	if !nameless {
		t.Error("no mount without an id")
	}
}

func TestJobsStopAndRunAgainAsOthers(t *testing.T) {
	for profile, projectNeeded := range map[string]bool{"5.9": true, "5.10": false, "6.1": false} {
		t.Run(profile, func(t *testing.T) {
			c := newClient(t, Config{Profile: profile, Plain: true, Projects: 1, Jobs: 2, StoppedFraction: 0})
			j := c.sim.jobs.order[0]
			r := c.do("POST", "/v4/jobs/stop", obj{"jobId": j.id, "commitResults": true})
			if want := map[bool]int{true: 400, false: 200}[projectNeeded]; r.status != want {
				t.Errorf("stop without projectId: status = %d, want %d", r.status, want)
			}
			if r := c.do("POST", "/v4/jobs/stop", obj{"jobId": j.id, "projectId": j.project.id}); r.status != 400 {
				t.Errorf("stop without commitResults: status = %d, want 400", r.status)
			}
			c.do("POST", "/v4/jobs/stop", obj{"jobId": j.id, "projectId": j.project.id, "commitResults": true})
			if word := c.sim.Ledger().State(KindJob, j.id); word != "Stopped" {
				t.Fatalf("state = %q, want Stopped", word)
			}
			if n := len(c.sim.Ledger().Running(KindJob)); n != 1 {
				t.Errorf("%d jobs run, want the other", n)
			}
			c.do("POST", "/v4/jobs/restart", obj{"jobId": j.id, "projectId": j.project.id, "shouldUseOriginalInputCommit": true})
			again := c.sim.jobs.order[2]
			if again.id == j.id || again.title != "[Rerun] "+j.title || again.number != 3 {
				t.Errorf("the re-run is %+v", again)
			}
			if diff := cmp.Diff(j.Arguments(), again.Arguments(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("it runs otherwise (-first +again):\n%s", diff)
			}
			if e := c.sim.Ledger().Entry(KindJob, j.id); e.Effects("stop") != 1 || e.Effects("start") != 1 || len(e.Started) != 1 {
				t.Errorf("ledger of the first: %+v", e)
			}
		})
	}
}

func TestAJobEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Plain: true, Projects: 1, Jobs: 1, JobTime: time.Hour})
		id := c.sim.CreateJob("", "short.py")
		if n := len(c.sim.Ledger().Running(KindJob)); n != 2 {
			t.Fatalf("%d jobs run, want 2", n)
		}
		time.Sleep(time.Hour)
		if word := c.sim.Ledger().State(KindJob, id); word != "Succeeded" {
			t.Errorf("after its time a job is %q, want Succeeded", word)
		}
		if n := len(c.sim.Ledger().Running(KindJob)); n != 0 {
			t.Errorf("%d jobs run after their time", n)
		}
	})
}

func TestBuildsAreKilledAndQueuedAgain(t *testing.T) {
	c := newClient(t, Config{Profile: "6.1", Plain: true, Projects: 1, Apps: 1, Builds: 1})
	e := c.sim.environments[0]
	r := e.latest(c.sim.born)
	base := "/v4/environments/" + e.id
	if got := c.do("POST", base+"/environmentRevision/"+r.id+"/cancel", nil); got.status != 204 {
		t.Fatalf("cancel: status = %d, want 204", got.status)
	}
	if word := c.sim.Ledger().State(KindBuild, r.id); word != "Killed" {
		t.Errorf("state = %q, want Killed", word)
	}
	if got := c.do("POST", "/v4/environments/rebuildrevision", obj{"revisionId": r.id}); got.status != 201 {
		t.Errorf("rebuild: status = %d, want 201", got.status)
	}
	if _, runs := c.sim.Ledger().Running(KindBuild)[r.id]; !runs {
		t.Error("the revision is not built again")
	}
}

// A browser that is no longer signed in is shown a page, and not refused (api.md §22 item 2).
func TestASignedOutBrowserGetsTheLoginPage(t *testing.T) {
	s := New(Config{})
	r, _ := http.NewRequest(http.MethodGet, "https://d/v4/users/self", nil)
	r.Header.Set("Cookie", "dominoSession=0f0f")
	res, err := s.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/html") {
		t.Errorf("status = %d, content type %q, want 200 and a page", res.StatusCode, kind)
	}
}
