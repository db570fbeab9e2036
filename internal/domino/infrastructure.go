package domino

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// What executions need to start: hardware tiers, data planes, users, limits.

// HardwareTier is a hardware tier (api.md §15, hardwaretier.HardwareTierDto).
type HardwareTier struct {
	ID, Name    string
	Archived    bool
	DataPlaneID string // may be empty
}

type hardwareTierWire struct {
	ID          id     `json:"id"`
	Name        string `json:"name"`
	DataPlaneID id     `json:"dataPlaneId"`
	Archived    bool   `json:"isArchived"` // up to 5.9
	Flags       *struct {
		Archived bool `json:"isArchived"`
	} `json:"hwtFlags"` // from 5.10
}

func (w hardwareTierWire) value() (HardwareTier, error) {
	t := HardwareTier{ID: string(w.ID), Name: w.Name, Archived: w.Archived, DataPlaneID: string(w.DataPlaneID)}
	if w.Flags != nil {
		t.Archived = w.Flags.Archived
	}
	return t, needID(t.ID)
}

// HardwareTiers lists all hardware tiers, archived ones too (op getAllHardwareTiers; a bare array in 4.x, api.md §15).
func (c *Client) HardwareTiers(ctx context.Context) ([]HardwareTier, []RowError, error) {
	r := newRequest("/v4/hardwareTier")
	r.query = url.Values{"show_archived": {"true"}}
	return wholeList(ctx, c, r, "hardware tier", "hardwareTiers", hardwareTierWire.value)
}

// HardwareTier reads one hardware tier (op getHardwareTier).
func (c *Client) HardwareTier(ctx context.Context, id string) (HardwareTier, error) {
	return one(ctx, c, newRequest("/v4/hardwareTier/{}", id), hardwareTierWire.value)
}

// DataPlane is a cluster that executions run on (api.md §16, dataplane.DataPlaneDto).
type DataPlane struct {
	ID, Name          string
	Local             bool // Domino's own cluster
	Healthy, Archived bool
	State, Message    string // Healthy, Unhealthy, Error or Disconnected, and why
	Outdated          bool   // it requires an upgrade (5.9 and later)
}

type dataPlaneWire struct {
	ID       id     `json:"id"`
	Name     string `json:"name"`
	Local    bool   `json:"isLocal"`
	Healthy  *bool  `json:"isHealthy"`
	Archived bool   `json:"isArchived"`
	Status   *struct {
		State    string `json:"state"`
		Message  string `json:"message"`
		Outdated bool   `json:"requiresUpgrade"`
	} `json:"status"`
}

func (w dataPlaneWire) value() (DataPlane, error) {
	p := DataPlane{ID: string(w.ID), Name: w.Name, Local: w.Local, Archived: w.Archived}
	if w.Status != nil {
		p.State, p.Message, p.Outdated = w.Status.State, w.Status.Message, w.Status.Outdated
	}
	p.Healthy = w.Healthy == nil && (p.State == "" || strings.EqualFold(p.State, "healthy")) || w.Healthy != nil && *w.Healthy
	return p, needID(p.ID)
}

// DataPlanes lists the data planes, archived ones too (op listDataPlanes).
func (c *Client) DataPlanes(ctx context.Context) ([]DataPlane, []RowError, error) {
	r := newRequest("/v4/dataplanes/dataplanes")
	r.query = url.Values{"showArchived": {"true"}}
	return wholeList(ctx, c, r, "data plane", "", dataPlaneWire.value)
}

// Account is a user as an administrator sees it (api.md §5, admin.AdminUserManagementUser).
type Account struct {
	Name   string // user name
	Active bool
	Roles  []string // such as SysAdmin, Practitioner (docs-facts §1.13)
}

type accountWire struct {
	Name   string   `json:"username"`
	Active *bool    `json:"isActive"`
	Roles  []string `json:"roles"`
}

func (w accountWire) value() (Account, error) {
	if w.Name == "" {
		return Account{}, errors.New("it has no user name")
	}
	return Account{Name: w.Name, Active: w.Active == nil || *w.Active, Roles: w.Roles}, nil
}

// Accounts lists all users with whether they are active (op getUsers; 5.10 and later, admins only).
func (c *Client) Accounts(ctx context.Context) ([]Account, []RowError, error) {
	const size = 100
	return paged(ctx, c, pages[accountWire, Account]{
		what: "user", field: "users", value: accountWire.value, id: func(a Account) string { return a.Name },
		request: func(_, offset int) request {
			r := newRequest("/v4/admin/user-management/users")
			r.query = url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)}}
			return r
		},
		size: size,
	})
}

type settingWire struct {
	Setting *struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"setting"`
}

// Settings reads records of the central configuration by the last part of their keys, in lower case: documents spell the
// parts before it in more than one way (docs-facts §1.4). What is not set is missing, and Domino's default holds. All
// other records, which may hold secrets, are dropped (op getCentralConfigSettings; 5.9 and later, admins only; one object
// in the specification, a list to be expected, api.md §17).
func (c *Client) Settings(ctx context.Context, names ...string) (map[string]string, error) {
	var all []settingWire
	err := c.read(ctx, newRequest("/v4/admin/centralConfigSettings"), func(body io.Reader) error {
		raw, err := io.ReadAll(&bounded{body, maxObject})
		if err != nil {
			return err
		}
		all = nil
		switch raw := bytes.TrimSpace(raw); {
		case len(raw) == 0:
			return errors.New("it is empty")
		case raw[0] == '[':
			return unmarshal(raw, &all)
		default:
			all = make([]settingWire, 1)
			return unmarshal(raw, &all[0])
		}
	})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, s := range all {
		if s.Setting == nil {
			continue
		}
		key := strings.ToLower(s.Setting.Key)
		for _, name := range names {
			if key == name || strings.HasSuffix(key, "."+name) {
				found[name] = s.Setting.Value
			}
		}
	}
	return found, nil
}

// Revision is a revision of an environment, as an overview names it.
type Revision struct {
	ID     string
	Number int
	Status string // of its build (api.md §14); empty: none
}

// Environment is a compute environment (api.md §14, environments.EnvironmentDetails).
type Environment struct {
	ID, Name string
	Owner    string // a user name
	Archived bool
	Latest   *Revision // nil: none. Its status is the live state of its build (LIVE)
	Active   *Revision // the one that a start takes which names none (selectedRevision); nil: none
}

type revisionWire struct {
	ID     id      `json:"id"`
	Number integer `json:"number"`
	Status string  `json:"status"`
}

func (w *revisionWire) value() *Revision {
	if w == nil || w.ID == "" {
		return nil
	}
	return &Revision{ID: string(w.ID), Number: int(w.Number), Status: w.Status}
}

type environmentWire struct {
	ID       id     `json:"id"`
	Name     string `json:"name"`
	Archived bool   `json:"archived"`
	Owner    *struct {
		Name string `json:"username"`
	} `json:"owner"`
	Latest *revisionWire `json:"latestRevision"`
	Active *revisionWire `json:"selectedRevision"`
}

func (w environmentWire) value() (Environment, error) {
	e := Environment{ID: string(w.ID), Name: w.Name, Archived: w.Archived, Latest: w.Latest.value(), Active: w.Active.value()}
	if w.Owner != nil {
		e.Owner = w.Owner.Name
	}
	return e, needID(e.ID)
}

// Environments lists the environments that the caller may see (op getCurrentUserEnvironments). Whether an administrator
// sees all of them is not known (api.md §26).
func (c *Client) Environments(ctx context.Context) ([]Environment, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/environments/self"), "environment", "", environmentWire.value)
}

// Environment reads one environment (op getEnvironmentById).
func (c *Client) Environment(ctx context.Context, id string) (Environment, error) {
	return one(ctx, c, newRequest("/v4/environments/{}", id), environmentWire.value)
}

type revisionDetailsWire struct {
	Revision *struct {
		ID    id    `json:"id"`
		Built *bool `json:"isBuilt"`
	} `json:"environmentRevision"`
}

// RevisionBuilt reads whether a revision of an environment has an image (op getEnvironmentRevisionDetailsViewModel; 5.9
// and later).
func (c *Client) RevisionBuilt(ctx context.Context, id string) (bool, error) {
	return one(ctx, c, newRequest("/v4/environments/environmentRevision/{}", id), func(w revisionDetailsWire) (bool, error) {
		if w.Revision == nil || w.Revision.Built == nil {
			return false, errors.New("it does not say whether it is built")
		}
		return *w.Revision.Built, nil
	})
}

// Project reads one project (op getProjectSummary), which does not tell whether it is archived.
func (c *Client) Project(ctx context.Context, id string) (Project, error) {
	return one(ctx, c, newRequest("/v4/projects/{}", id), projectWire.value)
}

// VolumesByClaim finds the volumes of the persistent volume claims of these names (op findDataMountsByPvcNames). It is a
// read, though a POST.
func (c *Client) VolumesByClaim(ctx context.Context, claims []string) ([]Volume, []RowError, error) {
	body, err := json.Marshal(map[string][]string{"pvcNames": claims})
	if err != nil {
		return nil, nil, fmt.Errorf("find volumes by claim: %w", err)
	}
	r := newRequest("/v4/datamount/pvcs/names")
	r.method, r.body = "POST", body
	return wholeList(ctx, c, r, "volume", "", volumeWire.value)
}
