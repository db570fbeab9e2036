package domino

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// EndpointVersion is one version of a GenAI endpoint (api.md §9c, ModelEndpointVersionV1; 6.2 and later), with what its
// endpoint says about it. It is stopped and started by its number. Nobody is known to have called these routes: all that is
// known is their specification.
type EndpointVersion struct {
	EndpointID  string
	Number      int
	Name        string // of the endpoint
	ProjectID   string
	ProjectName string
	Owner       User   // of the project; Name may be a full name
	Maker       User   // of the endpoint; likewise
	Creator     User   // of the version; likewise
	Status      string // Building, BuildFailed, Starting, Running, Stopping, Stopped, Failed or Unknown
	// From here on of single reads only.
	ExecutionID    string // empty while nothing serves it
	EnvironmentID  string
	HardwareTierID string
	DataPlaneID    string
	Created        time.Time
}

type endpointUserWire struct {
	ID   id     `json:"id"`
	Name string `json:"name"`
}

func (w *endpointUserWire) user() User {
	if w == nil {
		return User{}
	}
	return User{ID: string(w.ID), Name: w.Name}
}

type endpointWire struct {
	ID      id                `json:"id"`
	Name    string            `json:"name"`
	Creator *endpointUserWire `json:"creator"`
	Project *struct {
		ID    id                `json:"id"`
		Name  string            `json:"name"`
		Owner *endpointUserWire `json:"owner"`
	} `json:"project"`
}

// value is what the endpoint gives to each of its versions.
func (w endpointWire) value() (EndpointVersion, error) {
	v := EndpointVersion{EndpointID: string(w.ID), Name: w.Name, Maker: w.Creator.user()}
	if p := w.Project; p != nil {
		v.ProjectID, v.ProjectName, v.Owner = string(p.ID), p.Name, p.Owner.user()
	}
	return v, needID(v.EndpointID)
}

type endpointVersionWire struct {
	Number      *integer          `json:"number"`
	Status      string            `json:"status"`
	Creator     *endpointUserWire `json:"creator"`
	Created     timestamp         `json:"createdAt"`
	ExecutionID id                `json:"executionId"`
	Environment *struct {
		ID id `json:"id"`
	} `json:"environment"`
	HardwareTier *struct {
		ID          id `json:"id"`
		DataPlaneID id `json:"dataPlaneId"`
	} `json:"hardwareTier"`
}

func (w endpointVersionWire) value() (EndpointVersion, error) {
	v := EndpointVersion{Status: w.Status, Creator: w.Creator.user(), ExecutionID: string(w.ExecutionID), Created: w.Created.Time}
	if w.Number == nil {
		return v, needID("")
	}
	v.Number = int(*w.Number)
	if w.Environment != nil {
		v.EnvironmentID = string(w.Environment.ID)
	}
	if w.HardwareTier != nil {
		v.HardwareTierID, v.DataPlaneID = string(w.HardwareTier.ID), string(w.HardwareTier.DataPlaneID)
	}
	return v, nil
}

// Endpoints lists the GenAI endpoints that the caller may see, each as a version without number and status (op
// getEndpoints). A release that has no such route is a KindNoRoute, and asked only once.
func (c *Client) Endpoints(ctx context.Context) ([]EndpointVersion, []RowError, error) {
	r := newRequest("/api/gen-ai/beta/endpoints")
	if err := c.missing(routeEndpoints, r); err != nil {
		return nil, nil, err
	}
	list, rows, err := wholeList(ctx, c, r, "endpoint", "items", endpointWire.value)
	return list, rows, c.confirmMissing(ctx, routeEndpoints, err)
}

// EndpointVersions lists the versions of an endpoint of [Client.Endpoints] (op getEndpointVersions).
func (c *Client) EndpointVersions(ctx context.Context, of EndpointVersion) ([]EndpointVersion, []RowError, error) {
	list, rows, err := wholeList(ctx, c, newRequest("/api/gen-ai/beta/endpoints/{}/versions", of.EndpointID),
		"version of endpoint "+of.EndpointID, "items", endpointVersionWire.value)
	for i, v := range list {
		list[i] = of
		list[i].Number, list[i].Status, list[i].Creator, list[i].Created = v.Number, v.Status, v.Creator, v.Created
	}
	return list, rows, err
}

// EndpointVersion reads one version (op getEndpointVersionByNumber, of the specification of 6.2; api.md §9c leaves it out). It does not tell the endpoint's name and project.
func (c *Client) EndpointVersion(ctx context.Context, endpointID string, number int) (EndpointVersion, error) {
	v, err := one(ctx, c, newRequest("/api/gen-ai/beta/endpoints/{}/versions/{}", endpointID, strconv.Itoa(number)), endpointVersionWire.value)
	v.EndpointID = endpointID
	return v, err
}

// StartEndpointVersion starts a version (op startEndpointVersion; 204).
func (c *Client) StartEndpointVersion(ctx context.Context, endpointID string, number int) error {
	return c.post(ctx, newRequest("/api/gen-ai/beta/endpoints/{}/versions/{}/start", endpointID, strconv.Itoa(number)))
}

// StopEndpointVersion stops a version (op stopEndpointVersion; 204).
func (c *Client) StopEndpointVersion(ctx context.Context, endpointID string, number int) error {
	return c.post(ctx, newRequest("/api/gen-ai/beta/endpoints/{}/versions/{}/stop", endpointID, strconv.Itoa(number)))
}

// ModelDeployment is a model that is deployed outside of Domino, to SageMaker for one (api.md §9c, ModelDeployment; 6.0
// and later). Its id need not be one of Mongo's.
type ModelDeployment struct {
	ID, Name      string
	ProjectID     string // of its first model
	EnvironmentID string // likewise
	Creator       User
	OwnerIDs      []string // collaborators whose role is OWNER: users, or organisations
	State         string   // STARTING, RUNNING, UPDATING, STOPPING, STOPPED, FAILED, DELETING, DELETED; empty if Domino does not say
	Created       time.Time
}

type modelDeploymentWire struct {
	ID      id        `json:"id"`
	Name    string    `json:"name"`
	Created timestamp `json:"creationTimestamp"`
	Creator *struct {
		ID   id     `json:"id"`
		Name string `json:"username"`
	} `json:"creatorInfo"`
	Collaborators []struct {
		ID   id     `json:"id"`
		Role string `json:"role"`
	} `json:"collaborators"`
	Models []struct {
		ProjectID     id `json:"projectId"`
		EnvironmentID id `json:"environmentId"`
	} `json:"models"`
	Status *struct {
		State string `json:"state"`
	} `json:"status"`
}

func (w modelDeploymentWire) value() (ModelDeployment, error) {
	d := ModelDeployment{ID: string(w.ID), Name: w.Name, Created: w.Created.Time}
	if w.Creator != nil {
		d.Creator = User{ID: string(w.Creator.ID), Name: w.Creator.Name}
	}
	for _, c := range w.Collaborators {
		if c.ID != "" && strings.EqualFold(c.Role, "OWNER") {
			d.OwnerIDs = append(d.OwnerIDs, string(c.ID))
		}
	}
	if len(w.Models) > 0 {
		d.ProjectID, d.EnvironmentID = string(w.Models[0].ProjectID), string(w.Models[0].EnvironmentID)
	}
	if w.Status != nil {
		d.State = w.Status.State
	}
	return d, needID(d.ID)
}

// ModelDeployments lists external deployments (op getModelDeployments). The specification's default offset is 25, typo or
// trap, so that it is always sent. A release that has no such route is a KindNoRoute, and asked only once.
func (c *Client) ModelDeployments(ctx context.Context) ([]ModelDeployment, []RowError, error) {
	const size = 100
	first := newRequest("/api/modelServing/v1/modelDeployments")
	if err := c.missing(routeModelDeployments, first); err != nil {
		return nil, nil, err
	}
	list, rows, err := paged(ctx, c, pages[modelDeploymentWire, ModelDeployment]{
		what: "model deployment", field: "items", value: modelDeploymentWire.value, id: func(d ModelDeployment) string { return d.ID },
		request: func(_, offset int) request {
			r := first
			r.query = url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)}, "orderBy": {"creationTimestamp ASC"}}
			return r
		},
	})
	return list, rows, c.confirmMissing(ctx, routeModelDeployments, err)
}

// ModelDeployment reads one (op getModelDeploymentById).
func (c *Client) ModelDeployment(ctx context.Context, id string) (ModelDeployment, error) {
	return one(ctx, c, newRequest("/api/modelServing/v1/modelDeployments/{}", id), modelDeploymentWire.value)
}

// StartModelDeployment starts one that is stopped or has failed (op startModelDeployment; 204).
func (c *Client) StartModelDeployment(ctx context.Context, id string) error {
	return c.post(ctx, newRequest("/api/modelServing/v1/modelDeployments/{}/start", id))
}

// StopModelDeployment stops one that runs (op stopModelDeployment; 204).
func (c *Client) StopModelDeployment(ctx context.Context, id string) error {
	return c.post(ctx, newRequest("/api/modelServing/v1/modelDeployments/{}/stop", id))
}

// missing is what is said about a route that this release was seen not to have, without asking again.
func (c *Client) missing(r route, q request) error {
	if !c.isAbsent(r) {
		return nil
	}
	return c.fail(q.method, q.path, &Error{Status: http.StatusNotFound, Kind: KindNoRoute, Message: "this release was asked before and has no such route"})
}

// confirmMissing remembers a route that has answered as missing ones do, once Domino itself answers elsewhere: while it is
// down, its ingress answers every path with an HTML 404. If Domino does not answer, that is the error.
func (c *Client) confirmMissing(ctx context.Context, r route, err error) error {
	if KindOf(err) != KindNoRoute {
		return err
	}
	if _, down := c.principal(ctx); down != nil {
		return down
	}
	c.mu.Lock()
	c.absent[r] = true
	c.mu.Unlock()
	return err
}
