package domino

import "context"

// Volume is an external data volume (api.md §16, datamount.DataMountDto).
type Volume struct {
	ID, Name   string
	PVC        string
	Registered bool // a missing flag counts as registered
	Local      bool // some data plane of it is the local one
}

type volumeWire struct {
	ID         id     `json:"id"`
	Name       string `json:"name"`
	PVC        string `json:"pvcName"`
	Registered *bool  `json:"isRegistered"`
	DataPlanes []struct {
		Local bool `json:"isLocal"`
	} `json:"dataPlanes"`
}

func (w volumeWire) value() (Volume, error) {
	v := Volume{ID: string(w.ID), Name: w.Name, PVC: w.PVC, Registered: w.Registered == nil || *w.Registered}
	for _, p := range w.DataPlanes {
		v.Local = v.Local || p.Local
	}
	return v, needID(v.ID)
}

// ProjectVolumes lists the external data volumes of a project that the caller may use (op findDataMountsByProject).
func (c *Client) ProjectVolumes(ctx context.Context, projectID string) ([]Volume, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/datamount/projects/{}", projectID), "volume of project "+projectID, "", volumeWire.value)
}
