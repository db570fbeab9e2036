package domino

import (
	"context"
	"net/url"
	"strconv"
)

// Project is a project. OwnerID is empty in what [Client.AllProjects] lists, Archived false in what [Client.Projects] does.
type Project struct {
	ID, Name, OwnerID, Owner string // Owner is a user name
	Archived                 bool
}

type projectWire struct {
	ID      id     `json:"id"`
	Name    string `json:"name"`
	OwnerID id     `json:"ownerId"`
	Owner   string `json:"ownerUsername"`
}

func (w projectWire) value() (Project, error) {
	p := Project{ID: string(w.ID), Name: w.Name, OwnerID: string(w.OwnerID), Owner: w.Owner}
	return p, needID(p.ID)
}

// Projects lists the projects that the caller may see, archived ones not among them (api.md §6, GET /v4/projects: in no
// specification, and used live by four clients).
func (c *Client) Projects(ctx context.Context) ([]Project, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/projects"), "project", "", projectWire.value)
}

type projectEntryWire struct {
	ID       id     `json:"projectId"`
	Name     string `json:"name"`
	Owner    string `json:"ownerUsername"`
	Archived bool   `json:"archived"`
}

func (w projectEntryWire) value() (Project, error) {
	p := Project{ID: string(w.ID), Name: w.Name, Owner: w.Owner, Archived: w.Archived}
	return p, needID(p.ID)
}

// AllProjects lists the projects of the deployment, archived ones too (op getDashboardEntries; admins only).
func (c *Client) AllProjects(ctx context.Context) ([]Project, []RowError, error) {
	const size = 50
	return paged(ctx, c, pages[projectEntryWire, Project]{
		what: "project", field: "page", value: projectEntryWire.value, id: func(p Project) string { return p.ID },
		request: func(_, offset int) request {
			r := newRequest("/v4/admin/dashboardEntries")
			r.query = url.Values{
				"offset": {strconv.Itoa(offset)}, "pageSize": {strconv.Itoa(size)},
				"sortBy": {"created"}, "sortOrder": {"asc"},
			}
			if c.Dialect().ArchivedFlag {
				r.query.Set("includeArchived", "true")
			}
			return r
		},
		total: "totalMatches", size: size,
	})
}
