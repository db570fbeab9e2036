package domino

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// WorkspaceRow is a workspace as the admin dashboard shows it (api.md §10, workspace.WorkspaceAdminPageTableRow). It names
// its project but has no id of it.
type WorkspaceRow struct {
	ID, Name, Owner, ProjectName, ProjectOwner string

	State           string // WorkspaceState (api.md §21); stopped and deleted ones are in the list too
	DataPlane       string // a name
	EnvironmentName string
}

type workspaceRowWire struct {
	ID              id     `json:"workspaceId"`
	Name            string `json:"name"`
	Owner           string `json:"ownerUsername"`
	ProjectName     string `json:"projectName"`
	ProjectOwner    string `json:"projectOwnerName"`
	State           string `json:"workspaceState"`
	DataPlane       id     `json:"dataPlaneName"` // {"value":"Local"}
	EnvironmentName string `json:"environmentName"`
}

func (w workspaceRowWire) value() (WorkspaceRow, error) {
	r := WorkspaceRow{
		ID: string(w.ID), Name: w.Name, Owner: w.Owner, ProjectName: w.ProjectName, ProjectOwner: w.ProjectOwner,
		State: w.State, DataPlane: string(w.DataPlane), EnvironmentName: w.EnvironmentName,
	}
	return r, needID(r.ID)
}

// WorkspaceRows lists the workspaces of the deployment (op getAdminDashboardRowData; admins only). Its pages shift
// while workspaces come and go, so it is scanned again, three times at most, when the rows do not add up to the total
// that Domino gives; if they never do, a RowError says so.
func (c *Client) WorkspaceRows(ctx context.Context) ([]WorkspaceRow, []RowError, error) {
	const size = 50
	return paged(ctx, c, pages[workspaceRowWire, WorkspaceRow]{
		what: "workspace", field: "tableRows", value: workspaceRowWire.value, id: func(r WorkspaceRow) string { return r.ID },
		request: func(_, offset int) request {
			r := newRequest("/v4/workspace/adminDashboardRowData")
			// The order by creation changes least: new rows come last.
			r.query = url.Values{
				"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)},
				"sortBy": {"createdTime"}, "sortOrder": {"asc"},
			}
			return r
		},
		total: "totalEntries", exact: true, size: size, sizeField: "limit",
	})
}

// Workspace is a durable workspace (api.md §10, workspace.WorkspaceDto).
type Workspace struct {
	ID, ProjectID, OwnerID, Owner, Name string

	State       string // WorkspaceState; Session.Info is nearer to the truth
	DataPlaneID string
	// Of its configuration: what the next session starts with.
	EnvironmentID, EnvironmentRevisionID, HardwareTierID string
	Deleted                                              bool
	Session                                              *Session // the most recent; nil: never started
}

// Session is one run of a workspace (workspace.WorkspaceSessionDto).
type Session struct {
	ID          string
	ExecutionID string
	// Volumes and NetAppVolumes are what the next session has to be given.
	Volumes, NetAppVolumes []Mount
	Started                time.Time
	Ended                  bool
	ExitStatus             string       // Stopped, Succeeded, Failed or Error, once ended
	Info                   *SessionInfo // nil: Domino gave none
}

// SessionInfo is how a session is (workspace.WorkspaceSessionStatusInfo).
type SessionInfo struct {
	Status                                                                 string // a RunStatus (api.md §21)
	Loading, Running, Stoppable, Completing, Failed, Successful, Completed bool
}

type workspaceConfigWire struct {
	Environment *struct {
		ID         id `json:"id"`
		RevisionID id `json:"revisionId"`
	} `json:"environment"`
	HardwareTier *struct {
		ID id `json:"id"` // {"value":"small-k8s"}
	} `json:"hardwareTier"`
}

type sessionWire struct {
	ID            id                   `json:"id"`
	ExecutionID   id                   `json:"executionId"`
	Config        *workspaceConfigWire `json:"config"`
	Volumes       []mountWire          `json:"externalVolumeMounts"`
	NetAppVolumes []netAppMountWire    `json:"netAppVolumeMounts"`
	Start         *struct {
		Time timestamp `json:"time"`
	} `json:"start"`
	End *struct {
		ExitStatus string `json:"exitStatus"`
	} `json:"end"`
	Info *struct {
		Status     string `json:"rawExecutionDisplayStatus"`
		Loading    bool   `json:"isLoading"`
		Running    bool   `json:"isRunning"`
		Stoppable  bool   `json:"isStoppable"`
		Completing bool   `json:"isCompleting"`
		Failed     bool   `json:"isFailed"`
		Successful bool   `json:"isSuccessful"`
		Completed  bool   `json:"isCompleted"`
	} `json:"sessionStatusInfo"`
}

func (w sessionWire) value() (Session, error) {
	s := Session{
		ID: string(w.ID), ExecutionID: string(w.ExecutionID),
		Volumes: mounts(w.Volumes), NetAppVolumes: mounts(w.NetAppVolumes),
	}
	if w.Start != nil {
		s.Started = w.Start.Time.Time
	}
	if w.End != nil {
		s.Ended, s.ExitStatus = true, w.End.ExitStatus
	}
	if w.Info != nil {
		info := SessionInfo(*w.Info)
		s.Info = &info
	}
	return s, nil
}

type workspaceWire struct {
	ID          id                   `json:"id"`
	ProjectID   id                   `json:"projectId"`
	OwnerID     id                   `json:"ownerId"`
	Owner       string               `json:"ownerName"`
	Name        string               `json:"name"`
	State       string               `json:"state"`
	DataPlaneID id                   `json:"dataPlaneId"`
	Deleted     bool                 `json:"deleted"`
	Config      *workspaceConfigWire `json:"configTemplate"`
	Session     *sessionWire         `json:"mostRecentSession"`
}

func (w workspaceWire) value() (Workspace, error) {
	v := Workspace{
		ID: string(w.ID), ProjectID: string(w.ProjectID), OwnerID: string(w.OwnerID), Owner: w.Owner, Name: w.Name,
		State: w.State, DataPlaneID: string(w.DataPlaneID), Deleted: w.Deleted,
	}
	config := w.Config
	if w.Session != nil {
		s, err := w.Session.value()
		if err != nil {
			return Workspace{}, err
		}
		v.Session = &s
		if config == nil {
			config = w.Session.Config
		}
	}
	if config != nil && config.Environment != nil {
		v.EnvironmentID, v.EnvironmentRevisionID = string(config.Environment.ID), string(config.Environment.RevisionID)
	}
	if config != nil && config.HardwareTier != nil {
		v.HardwareTierID = string(config.HardwareTier.ID)
	}
	return v, needID(v.ID)
}

// ProjectWorkspaces lists the workspaces of a project that are not deleted (op provisionedWorkspaces).
func (c *Client) ProjectWorkspaces(ctx context.Context, projectID string) ([]Workspace, []RowError, error) {
	const size = 50
	return paged(ctx, c, pages[workspaceWire, Workspace]{
		what: "workspace of project " + projectID, field: "workspaces", value: workspaceWire.value,
		id: func(w Workspace) string { return w.ID },
		request: func(_, offset int) request {
			r := newRequest("/v4/workspace/project/{}/workspace", projectID)
			// Both are required: without them Domino answers 400 (api.md §10).
			r.query = url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)}}
			return r
		},
		total: "totalWorkspaceCount", size: size, sizeField: "limit",
	})
}

// Workspace reads one workspace (op getWorkspace).
func (c *Client) Workspace(ctx context.Context, projectID, id string) (Workspace, error) {
	return one(ctx, c, newRequest("/v4/workspace/project/{}/workspace/{}", projectID, id), workspaceWire.value)
}

// StopWorkspace stops a workspace's session (op stopWorkspaceSession). Nothing of the user's work is committed: it stays
// on the workspace's volume.
func (c *Client) StopWorkspace(ctx context.Context, projectID, id string) error {
	return c.post(ctx, newRequest("/v4/workspace/project/{}/workspace/{}/stop", projectID, id))
}

// StartWorkspaceSession starts a new session of a workspace with the volumes of those ids (op startWorkspaceSession). The
// Session is zero if Domino answers with an empty body.
func (c *Client) StartWorkspaceSession(ctx context.Context, projectID, id string, volumes, netApp []string) (Session, error) {
	r := newRequest("/v4/workspace/project/{}/workspace/{}/sessions", projectID, id)
	r.method = "POST"
	// The key is required and may be empty; several ids repeat it (api.md §10).
	r.query = url.Values{"externalVolumeMounts": volumes}
	if len(volumes) == 0 {
		r.query["externalVolumeMounts"] = []string{""}
	}
	if d := c.Dialect(); len(netApp) > 0 && (d.SessionNetApp || !d.Known()) {
		r.query["netAppVolumeIds"] = netApp
	}
	answer, err := c.write(ctx, r)
	if err != nil {
		return Session{}, err
	}
	var w sessionWire
	if json.Unmarshal(answer, &w) != nil {
		// It was accepted; what started is for the caller to look up.
		return Session{}, nil
	}
	return w.value()
}

// RunningClassics lists the classic workspaces of a project that run (op getRunningClassicWorkspaces; SPEC only). A release
// without the route is asked twice, and then no more: its error is of [KindNoRoute].
func (c *Client) RunningClassics(ctx context.Context, projectID string) ([]Workspace, []RowError, error) {
	const size = 50
	ask := func() ([]Workspace, []RowError, error) {
		return paged(ctx, c, pages[workspaceWire, Workspace]{
			what: "classic workspace of project " + projectID, field: "workspaces", value: workspaceWire.value,
			id: func(w Workspace) string { return w.ID },
			request: func(_, offset int) request {
				r := newRequest("/v4/workspace/project/{}/runningClassicWorkspaces", projectID)
				r.query = url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)}} // both are required
				return r
			},
			total: "totalWorkspaceCount", size: size, sizeField: "limit",
		})
	}
	if err := c.missing(routeClassics, newRequest("/v4/workspace/project/{}/runningClassicWorkspaces", projectID)); err != nil {
		return nil, nil, err
	}
	list, rows, err := ask()
	if KindOf(err) == KindNoRoute {
		list, rows, err = ask() // what an ingress says once is not enough to ask for no other project's
	}
	return list, rows, c.confirmMissing(ctx, routeClassics, err)
}

// ClassicWorkspace is a classic workspace: a run with an editor in it (api.md §10b, workspaces.Workspace).
type ClassicWorkspace struct {
	ID, ProjectID, Title, StartedBy string

	Status    string // a RunStatus (api.md §21)
	Completed *bool
}

// ClassicWorkspace reads one (op getWorkspaceById).
func (c *Client) ClassicWorkspace(ctx context.Context, projectID, id string) (ClassicWorkspace, error) {
	r := newRequest("/v4/workspaces/workspace/{}", id)
	r.query, r.needed = url.Values{"projectId": {projectID}}, []string{projectID}
	return one(ctx, c, r, classicWire.value)
}

type classicWire struct {
	ID        id     `json:"id"`
	ProjectID id     `json:"projectId"`
	Title     string `json:"title"`
	Status    string `json:"status"`
	Completed *bool  `json:"isCompleted"`
	StartedBy *struct {
		Name string `json:"username"`
	} `json:"startedBy"`
}

func (w classicWire) value() (ClassicWorkspace, error) {
	v := ClassicWorkspace{ID: string(w.ID), ProjectID: string(w.ProjectID), Title: w.Title, Status: w.Status, Completed: w.Completed}
	if w.StartedBy != nil {
		v.StartedBy = w.StartedBy.Name
	}
	return v, needID(v.ID)
}

// StopClassic stops a classic workspace and saves what was done in it (op stopClassicWorkspaceSaveChanges).
func (c *Client) StopClassic(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]string{"workspaceId": id, "commitMessage": "Stopped for maintenance"})
	if err != nil {
		return err
	}
	r := newRequest("/v4/workspace/stop/save")
	r.method, r.body, r.needed = "POST", body, []string{id}
	_, err = c.write(ctx, r)
	return err
}
