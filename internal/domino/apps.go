package domino

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// App is a model product (api.md §8, nucleus.ModelProduct). Every field but ID may be empty.
type App struct {
	ID              string
	Type            string // APP, BATCH, REPORT or SCORER: the list holds all of them
	ProjectID       string
	Name            string
	Status          string // a RunStatus (api.md §21)
	InstanceID      string // of its latest run: latestAppInstanceId from 6.1, latestAppVersionId before
	EnvironmentID   string
	HardwareTierID  string
	RunningCommitID string
	Publisher       User // as whom it runs
	LastUpdated     time.Time
}

type appWire struct {
	ID              id        `json:"id"`
	Type            string    `json:"modelProductType"`
	ProjectID       id        `json:"projectId"`
	Name            string    `json:"name"`
	Status          string    `json:"status"`
	InstanceID      id        `json:"latestAppInstanceId"`
	VersionID       id        `json:"latestAppVersionId"`
	EnvironmentID   id        `json:"environmentId"`
	HardwareTierID  id        `json:"hardwareTierId"`
	RunningCommitID string    `json:"runningCommitId"`
	LastUpdated     timestamp `json:"lastUpdated"`
	Publisher       *struct {
		ID   id     `json:"id"`
		Name string `json:"userName"`
	} `json:"publisher"`
}

func (w appWire) value() (App, error) {
	a := App{
		ID: string(w.ID), Type: w.Type, ProjectID: string(w.ProjectID), Name: w.Name, Status: w.Status,
		InstanceID: string(first(w.InstanceID, w.VersionID)), EnvironmentID: string(w.EnvironmentID),
		HardwareTierID: string(w.HardwareTierID), RunningCommitID: w.RunningCommitID, LastUpdated: w.LastUpdated.Time,
	}
	if w.Publisher != nil {
		a.Publisher = User{ID: string(w.Publisher.ID), Name: w.Publisher.Name}
	}
	return a, needID(a.ID)
}

// Apps lists the model products that the caller may see, of all types (op listProjectModelProducts). There is no total
// to check the list against.
func (c *Client) Apps(ctx context.Context) ([]App, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/modelProducts"), "app", "", appWire.value)
}

// App reads one model product (op getModelProduct).
func (c *Client) App(ctx context.Context, id string) (App, error) {
	return one(ctx, c, newRequest("/v4/modelProducts/{}", id), appWire.value)
}

// Mount is a volume as an execution has it mounted.
type Mount struct {
	ID   string // empty where Domino gives a name only: a volume that is not registered, or a release before 5.9
	Name string
}

type mountWire struct {
	ID   id     `json:"id"`
	Name string `json:"name"`
}

func (w mountWire) mount() Mount { return Mount{ID: string(w.ID), Name: w.Name} }

type netAppMountWire struct {
	ID   id     `json:"volumeId"`
	Name string `json:"volumeName"`
}

func (w netAppMountWire) mount() Mount { return Mount{ID: string(w.ID), Name: w.Name} }

// Repo is a git repository and the commit of it that an execution runs on.
type Repo struct{ ID, Commit string }

// AppInstance is one run of an app (api.md §8, common.AppInstanceDetails; called an app version before 6.1, and then
// without mounts).
type AppInstance struct {
	ID                    string
	Status                string
	InputCommitID         string
	HardwareTierName      string
	EnvironmentName       string
	EnvironmentRevisionID string
	Started               time.Time
	Volumes               []Mount
	NetAppVolumes         []Mount
	MainRepo              *Repo // nil: not a git-based project
}

type appInstanceWire struct {
	ID               id        `json:"id"`
	Status           string    `json:"status"`
	InputCommitID    string    `json:"inputCommitId"`
	HardwareTierName string    `json:"hardwareTierName"`
	Started          timestamp `json:"started"`
	Environment      *struct {
		Name       string `json:"environmentName"`
		RevisionID id     `json:"environmentRevisionId"`
	} `json:"environmentDetails"`
	Volumes       []mountWire       `json:"externalVolumeMounts"`
	NetAppVolumes []netAppMountWire `json:"netAppVolumeMounts"`
	Code          *struct {
		MainRepo *struct {
			ID     id     `json:"id"`
			Commit string `json:"commit"`
		} `json:"mainRepo"`
	} `json:"appCodeInfo"`
}

func (w appInstanceWire) value() (AppInstance, error) {
	a := AppInstance{
		ID: string(w.ID), Status: w.Status, InputCommitID: w.InputCommitID, HardwareTierName: w.HardwareTierName,
		Started: w.Started.Time, Volumes: mounts(w.Volumes), NetAppVolumes: mounts(w.NetAppVolumes),
	}
	if w.Environment != nil {
		a.EnvironmentName, a.EnvironmentRevisionID = w.Environment.Name, string(w.Environment.RevisionID)
	}
	if w.Code != nil && w.Code.MainRepo != nil {
		a.MainRepo = &Repo{ID: string(w.Code.MainRepo.ID), Commit: w.Code.MainRepo.Commit}
	}
	return a, needID(a.ID)
}

// AppInstance reads one run of an app (op getAppInstanceDetails). Its mounts are known from 6.1 on, [Dialect.AppMounts].
func (c *Client) AppInstance(ctx context.Context, instanceID string) (AppInstance, error) {
	return one(ctx, c, newRequest("/v4/modelProducts/apps/versions/{}", instanceID), appInstanceWire.value)
}

// GitRef names a commit, branch or tag. Types of the v4 API are head, commitId, branches, tags, ref; of the beta API
// head, commitId, branches, tags, custom (api.md §21). head has no value.
type GitRef struct {
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
}

// BetaApp is an app as the public beta API shows it (api.md §8b, AppResponse; 6.1 and later). Apps of the classic kind
// may be missing there.
type BetaApp struct {
	CurrentVersion *BetaAppVersion // nil: a draft
}

// BetaAppVersion is the configuration of an app (AppVersionResponse).
type BetaAppVersion struct {
	ID                     string
	BundleID               string
	DFSCommitID            string
	EnvironmentID          string
	EnvironmentRevisionID  string
	HardwareTierID         string
	GitRef                 *GitRef
	ExternalVolumeMountIDs []string
	NetAppVolumeIDs        []string
	// From 6.2 on, and what no start takes (nucleus.StartParams).
	Autoscaling, IdentityPropagation bool
	EntryScript                      string // empty where it is the app's own entry point
}

type betaAppWire struct {
	EntryPoint     string `json:"entryPoint"`
	CurrentVersion *struct {
		ID                     id      `json:"id"`
		BundleID               id      `json:"bundleId"`
		DFSCommitID            string  `json:"dfsCommitId"`
		EnvironmentID          id      `json:"environmentId"`
		EnvironmentRevisionID  id      `json:"environmentRevisionId"`
		HardwareTierID         id      `json:"hardwareTierId"`
		GitRef                 *GitRef `json:"gitRef"`
		ExternalVolumeMountIDs []id    `json:"externalVolumeMountIds"`
		NetAppVolumeIDs        []id    `json:"netAppVolumeIds"`
		EntryScript            string  `json:"entryScript"`
		IdentityPropagation    bool    `json:"extendedIdentityPropagationToAppsEnabled"`
		Autoscaling            *struct {
			Enabled bool `json:"enabled"`
		} `json:"autoscalingSpecification"`
	} `json:"currentVersion"`
}

func (w betaAppWire) value() (BetaApp, error) {
	v := w.CurrentVersion
	if v == nil {
		return BetaApp{}, nil
	}
	b := &BetaAppVersion{
		ID: string(v.ID), BundleID: string(v.BundleID), DFSCommitID: v.DFSCommitID,
		EnvironmentID: string(v.EnvironmentID), EnvironmentRevisionID: string(v.EnvironmentRevisionID),
		HardwareTierID: string(v.HardwareTierID), GitRef: v.GitRef,
		ExternalVolumeMountIDs: ids(v.ExternalVolumeMountIDs), NetAppVolumeIDs: ids(v.NetAppVolumeIDs),
		Autoscaling: v.Autoscaling != nil && v.Autoscaling.Enabled, IdentityPropagation: v.IdentityPropagation,
	}
	if v.EntryScript != w.EntryPoint {
		b.EntryScript = v.EntryScript
	}
	return BetaApp{CurrentVersion: b}, nil
}

// BetaApp reads one app through the public API (op getApp). The id is that of [App].
func (c *Client) BetaApp(ctx context.Context, id string) (BetaApp, error) {
	return one(ctx, c, newRequest("/api/apps/beta/apps/{}", id), betaAppWire.value)
}

// AppStart are the arguments of an app's start (api.md §8, nucleus.StartParams). What is empty is not sent, and Domino
// chooses for itself; without an environment that may be the project's default one.
type AppStart struct {
	HardwareTierID         string   `json:"hardwareTierId,omitempty"`
	EnvironmentID          string   `json:"environmentId,omitempty"`
	CommitID               string   `json:"commitId,omitempty"`
	BundleID               string   `json:"bundleId,omitempty"`
	MainRepoGitRef         *GitRef  `json:"mainRepoGitRef,omitempty"`
	ExternalVolumeMountIDs []string `json:"externalVolumeMountIds"` // always sent: exactly these are mounted
	NetAppVolumeIDs        []string `json:"netAppVolumeIds,omitempty"`
}

// AcceptedStart is s as far as d's release reads it, and the names of the fields that it would ignore. A Dialect that is
// not known yet accepts all.
func (d Dialect) AcceptedStart(s AppStart) (accepted AppStart, dropped []string) {
	if s.ExternalVolumeMountIDs == nil {
		s.ExternalVolumeMountIDs = []string{}
	}
	if !d.Known() {
		return s, nil
	}
	drop := func(accepts, set bool, name string, reset func()) {
		if !accepts && set {
			reset()
			dropped = append(dropped, name)
		}
	}
	drop(d.StartEnvironment, s.EnvironmentID != "", "environmentId", func() { s.EnvironmentID = "" })
	drop(d.StartCommit, s.CommitID != "", "commitId", func() { s.CommitID = "" })
	drop(d.StartCommit, s.MainRepoGitRef != nil, "mainRepoGitRef", func() { s.MainRepoGitRef = nil })
	drop(d.StartNetApp, len(s.NetAppVolumeIDs) > 0, "netAppVolumeIds", func() { s.NetAppVolumeIDs = nil })
	drop(d.StartBundle, s.BundleID != "", "bundleId", func() { s.BundleID = "" })
	return s, dropped
}

// StartApp starts an app with what its release accepts of s (op start). The id of the new run is empty if Domino's
// answer does not tell it. The app runs as the caller from then on.
func (c *Client) StartApp(ctx context.Context, id string, s AppStart) (instanceID string, err error) {
	s, _ = c.Dialect().AcceptedStart(s)
	body, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	r := newRequest("/v4/modelProducts/{}/start", id)
	r.method, r.body = "POST", body
	answer, err := c.write(ctx, r)
	if err != nil {
		return "", err
	}
	return bareID(answer), nil
}

// StopApp stops an app (op stop); force does so whatever its status. Domino refuses to stop an app that does not run,
// with 404 or 500 by release.
func (c *Client) StopApp(ctx context.Context, id string, force bool) error {
	r := newRequest("/v4/modelProducts/{}/stop", id)
	r.method = "POST"
	if force {
		r.query = url.Values{"force": {"true"}}
	}
	_, err := c.write(ctx, r)
	return err
}
