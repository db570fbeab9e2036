package domino

import (
	"context"
	"errors"
	"net/url"
	"strconv"
)

// Model is a model API (api.md §9, modelmanager.Model). Every field but ID may be empty; those of the active version are
// while nothing was ever deployed.
type Model struct {
	ID                       string
	Name                     string
	ProjectID                string
	ProjectName              string
	ProjectOwner             string
	ActiveVersionID          string
	ActiveVersionStatus      string // display vocabulary (api.md §9)
	ActiveVersionDataPlaneID string // from 5.7
	ActiveVersionNumber      int
	Owners                   []User // Name is never empty
}

type modelWire struct {
	ID                  id      `json:"id"`
	Name                string  `json:"name"`
	ProjectID           id      `json:"projectId"`
	ProjectName         string  `json:"projectName"`
	ProjectOwner        string  `json:"projectOwnerUsername"`
	ActiveVersionID     id      `json:"activeModelVersionId"`
	ActiveVersionStatus string  `json:"activeVersionStatus"`
	DataPlaneID         id      `json:"activeVersionDataPlaneId"`
	ActiveVersionNumber integer `json:"activeVersionNumber"`
	// Owners had {id,name} in a recorded 5.x answer, {id,username,fullName} in every specification (api.md §9).
	Owners []struct {
		ID       id     `json:"id"`
		Name     string `json:"name"`
		UserName string `json:"username"`
	} `json:"owners"`
}

func (w modelWire) value() (Model, error) {
	m := Model{
		ID: string(w.ID), Name: w.Name, ProjectID: string(w.ProjectID), ProjectName: w.ProjectName, ProjectOwner: w.ProjectOwner,
		ActiveVersionID: string(w.ActiveVersionID), ActiveVersionStatus: w.ActiveVersionStatus,
		ActiveVersionDataPlaneID: string(w.DataPlaneID), ActiveVersionNumber: int(w.ActiveVersionNumber),
	}
	for _, o := range w.Owners {
		if name := first(o.UserName, o.Name, string(o.ID)); name != "" {
			m.Owners = append(m.Owners, User{ID: string(o.ID), Name: name})
		}
	}
	return m, needID(m.ID)
}

// Models lists the model APIs of all projects that the caller may see (op getModelsForUI).
//
// That the route works without a project is by its specification alone, and so is that its pages count from one. If
// the first answer shows that they count from zero, they are read so. A release that has no such route is a KindNoRoute,
// and asked only once.
func (c *Client) Models(ctx context.Context) ([]Model, []RowError, error) {
	const size = 100
	firstPage := 1
	if err := c.missing(routeModelList, newRequest("/v4/modelManager/ui/models")); err != nil {
		return nil, nil, err
	}
	list, rows, err := paged(ctx, c, pages[modelWire, Model]{
		what: "model", field: "models", value: modelWire.value, id: func(m Model) string { return m.ID },
		request: func(page, _ int) request {
			r := newRequest("/v4/modelManager/ui/models")
			r.query = url.Values{
				"pageNumber": {strconv.Itoa(firstPage + page)}, "pageSize": {strconv.Itoa(size)},
				"sortBy": {"name"}, "sortDirection": {"asc"},
			}
			return r
		},
		total: "totalItems", size: size, sizeField: "itemsPerPage",
		again: func(got pageInfo) bool {
			// Page one of a list counted from zero is empty, or begins a page too late.
			if firstPage == 1 && (got.rows == 0 && got.total > 0 || got.size > 1 && got.start >= got.size) {
				firstPage = 0
				return true
			}
			return false
		},
	})
	return list, rows, c.confirmMissing(ctx, routeModelList, err)
}

// ProjectModels lists the model APIs of one project (op getModelsByProject).
func (c *Client) ProjectModels(ctx context.Context, projectID string) ([]Model, []RowError, error) {
	r := newRequest("/v4/modelManager/getModels")
	r.query, r.needed = url.Values{"projectId": {projectID}}, []string{projectID}
	return wholeList(ctx, c, r, "model", "models", modelWire.value)
}

// ModelVersion is one version of a model API: what is stopped and started (api.md §9).
type ModelVersion struct {
	ID      string
	ModelID string
	Number  int
	Creator string // a user name from the UI route, a user id from the public API (a recorded answer, api.md §9)
	Status  string // display vocabulary; empty if it was never deployed
	Pending bool   // an operation on it is under way
	// Deployed: Domino told of a deployment, running or not. The public API leaves it out of a version never deployed.
	Deployed              bool
	DataPlaneID           string // public API only
	EnvironmentRevisionID string // public API only
}

// servedVersionWire is a version of the public API (api.md §9b, ModelApiVersion).
type servedVersionWire struct {
	ID                    id      `json:"id"`
	ModelID               id      `json:"modelApiId"`
	Number                integer `json:"number"`
	DataPlaneID           id      `json:"dataPlaneId"`
	EnvironmentRevisionID id      `json:"environmentRevisionId"`
	Metadata              *struct {
		CreatedBy string `json:"createdBy"`
	} `json:"metadata"`
	Deployment *struct {
		Status  string `json:"status"`
		Pending bool   `json:"isPending"`
	} `json:"deployment"`
}

func (w servedVersionWire) value() (ModelVersion, error) {
	v := ModelVersion{
		ID: string(w.ID), ModelID: string(w.ModelID), Number: int(w.Number),
		DataPlaneID: string(w.DataPlaneID), EnvironmentRevisionID: string(w.EnvironmentRevisionID),
	}
	if w.Metadata != nil {
		v.Creator = w.Metadata.CreatedBy
	}
	if w.Deployment != nil {
		v.Status, v.Pending, v.Deployed = w.Deployment.Status, w.Deployment.Pending, true
	}
	return v, needID(v.ID)
}

// pageVersionWire is a version of the UI's own route, which is in no specification (api.md §9).
type pageVersionWire struct {
	ID      id      `json:"id"`
	Number  integer `json:"number"`
	Creator *struct {
		Name string `json:"name"`
	} `json:"creator"`
	Deployment *struct {
		Name    string `json:"name"`
		Pending bool   `json:"isPending"`
	} `json:"deploymentStatus"`
}

func (w pageVersionWire) value() (ModelVersion, error) {
	v := ModelVersion{ID: string(w.ID), Number: int(w.Number)}
	if w.Creator != nil {
		v.Creator = w.Creator.Name
	}
	if w.Deployment != nil {
		v.Status, v.Pending = w.Deployment.Name, w.Deployment.Pending
		v.Deployed = v.Status != ""
	}
	return v, needID(v.ID)
}

// ModelVersions lists the versions of a model API, through the public API where the release has it and else through the
// UI's route. A release that turns out not to have the one is asked through the other, and that is remembered.
func (c *Client) ModelVersions(ctx context.Context, modelID string) ([]ModelVersion, []RowError, error) {
	var (
		list []ModelVersion
		rows []RowError
	)
	err := c.eitherRoute(func(r route) (err error) {
		if r == routeModelServing {
			list, rows, err = wholeList(ctx, c, newRequest("/api/modelServing/v1/modelApis/{}/versions", modelID),
				"version of model "+modelID, "items", servedVersionWire.value)
		} else {
			list, rows, err = c.modelPages(ctx, modelID)
		}
		return err
	})
	for i := range list {
		list[i].ModelID = modelID
	}
	return list, rows, err
}

// modelPages lists versions through the UI's route (api.md §9, GET /models/{modelId}/versions/json): pages count from one,
// there is no total, and a page past the end is empty.
func (c *Client) modelPages(ctx context.Context, modelID string) ([]ModelVersion, []RowError, error) {
	const size = 100
	return paged(ctx, c, pages[pageVersionWire, ModelVersion]{
		what: "version of model " + modelID, field: "results", value: pageVersionWire.value,
		id: func(v ModelVersion) string { return v.ID },
		request: func(page, _ int) request {
			r := newRequest("/models/{}/versions/json", modelID)
			r.query = url.Values{"pageNumber": {strconv.Itoa(page + 1)}, "pageSize": {strconv.Itoa(size)}}
			return r
		},
	})
}

// ModelVersion reads one version, through the same routes as [Client.ModelVersions].
func (c *Client) ModelVersion(ctx context.Context, modelID, versionID string) (ModelVersion, error) {
	var v ModelVersion
	err := c.eitherRoute(func(r route) (err error) {
		if r == routeModelServing {
			v, err = one(ctx, c, newRequest("/api/modelServing/v1/modelApis/{}/versions/{}", modelID, versionID), servedVersionWire.value)
		} else {
			v, err = one(ctx, c, newRequest("/models/{}/versions/{}/json", modelID, versionID),
				func(w struct {
					Result pageVersionWire `json:"result"` // singular here
				}) (ModelVersion, error) {
					return w.Result.value()
				})
		}
		return err
	})
	if err != nil {
		return ModelVersion{}, err
	}
	v.ModelID = modelID
	return v, nil
}

// eitherRoute calls ask with the route that the release should have, then with the other if there is none. Which one
// is missing is only believed, and remembered, once the other has worked: while Domino is down, its ingress answers
// every path with an HTML 404.
func (c *Client) eitherRoute(ask func(route) error) error {
	preferred, other := routeModelPages, routeModelServing
	if d := c.Dialect(); d.ModelServing || !d.Known() {
		preferred, other = other, preferred
	}
	if c.isAbsent(preferred) {
		preferred, other = other, preferred
	}
	err := ask(preferred)
	if KindOf(err) != KindNoRoute || c.isAbsent(other) {
		return err
	}
	if otherErr := ask(other); otherErr != nil {
		if KindOf(otherErr) == KindNoRoute {
			return err
		}
		return otherErr
	}
	c.mu.Lock()
	c.absent[preferred] = true
	c.mu.Unlock()
	return nil
}

func (c *core) isAbsent(r route) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.absent[r]
}

// ActiveModelVersion reads the version that a model routes to, or the one that failed last, with its status. It is the
// zero ModelVersion if there is none. A deployment still being built does not show here, and Failed stays after a later
// stop (api.md §9, GET /models/{modelId}/activeStatus).
func (c *Client) ActiveModelVersion(ctx context.Context, modelID string) (ModelVersion, error) {
	return one(ctx, c, newRequest("/models/{}/activeStatus", modelID), func(w struct {
		ModelID   id     `json:"modelId"`
		VersionID id     `json:"modelVersionId"`
		Status    string `json:"status"`
		Pending   bool   `json:"isPending"`
	}) (ModelVersion, error) {
		v := ModelVersion{ID: string(w.VersionID), ModelID: string(w.ModelID), Status: w.Status, Pending: w.Pending, Deployed: w.Status != ""}
		if v.ModelID != "" && v.ModelID != modelID {
			return ModelVersion{}, errors.New("it is the status of another model")
		}
		v.ModelID = modelID
		return v, nil
	})
}

// StartModelVersion starts the deployment of a version (op startDeployment). It does not make the version active.
func (c *Client) StartModelVersion(ctx context.Context, modelID, versionID string) error {
	return c.post(ctx, newRequest("/v4/models/{}/{}/startModelDeployment", modelID, versionID))
}

// StopModelVersion stops the deployment of a version (op stopDeployment). To stop one that does not run is no error.
func (c *Client) StopModelVersion(ctx context.Context, modelID, versionID string) error {
	return c.post(ctx, newRequest("/v4/models/{}/{}/stopModelDeployment", modelID, versionID))
}
