package domino

import "context"

// Volume is an external data volume (api.md §16, datamount.DataMountDto).
type Volume struct {
	ID, Name   string
	PVC        string
	Registered bool     // a missing flag counts as registered
	Local      bool     // some data plane of it is the local one
	Public     bool     // everybody may use it
	Users      []string // ids of the users and organisations that may
}

type volumeWire struct {
	ID         id     `json:"id"`
	Name       string `json:"name"`
	PVC        string `json:"pvcName"`
	Registered *bool  `json:"isRegistered"`
	Public     bool   `json:"isPublic"`
	Users      []id   `json:"users"`
	DataPlanes []struct {
		Local bool `json:"isLocal"`
	} `json:"dataPlanes"`
}

func (w volumeWire) value() (Volume, error) {
	v := Volume{ID: string(w.ID), Name: w.Name, PVC: w.PVC, Registered: w.Registered == nil || *w.Registered, Public: w.Public, Users: ids(w.Users)}
	for _, p := range w.DataPlanes {
		v.Local = v.Local || p.Local
	}
	return v, needID(v.ID)
}

// ProjectVolumes lists the external data volumes of a project that the caller may use (op findDataMountsByProject).
func (c *Client) ProjectVolumes(ctx context.Context, projectID string) ([]Volume, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/datamount/projects/{}", projectID), "volume of project "+projectID, "", volumeWire.value)
}

// Volumes lists the registered volumes of the deployment (op getAllRegisteredDataMounts; 403 without the right to register
// any, and empty for service accounts without grants, api.md §16).
func (c *Client) Volumes(ctx context.Context) ([]Volume, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/datamount/all"), "volume", "", volumeWire.value)
}

// Volume reads one volume (op getDataMountForUser).
func (c *Client) Volume(ctx context.Context, id string) (Volume, error) {
	return one(ctx, c, newRequest("/v4/datamount/{}", id), volumeWire.value)
}
