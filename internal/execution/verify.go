package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// A record may be forged: whoever may write to the store could choose with what something is started, as the user whose
// key dmm has. So what a start is about to send is compared before with what Domino itself tells: of the execution's
// row, of its latest instance or session, and of its version. Each kind names here what its start takes from the
// record.
//
//   - App: tier, environment, commit, git reference, bundle and mounts.
//   - Workspace: its project and mounts.
//   - Model API, endpoint, external deployment, job: ids alone. They must be those of the execution that was read.
//   - Schedule and build: nothing. A schedule is put as Domino holds it, and a build is known by its id alone.
//
// What a record leaves out is not compared: Domino puts its project's own default in its place, or mounts nothing.

// Verifier is a Driver whose starts send what is on record.
type Verifier interface {
	// Verify compares what a start of e would send with what Domino tells. now is what Read has shown of e. older: the
	// record may be of a release of Domino that told less, where guesses stand in.
	Verify(ctx context.Context, e, now Execution, older bool) (Comparison, error)
}

// Verify is the comparison by d, which has nothing to say where the starts of its kind send nothing from the record.
func Verify(ctx context.Context, d Driver, e, now Execution, older bool) (Comparison, error) {
	if v, ok := d.(Verifier); ok {
		return v.Verify(ctx, e, now, older)
	}
	return Comparison{}, nil
}

// Verify is that of the driver itself: pods tell nothing of arguments.
func (d *witnessed) Verify(ctx context.Context, e, now Execution, older bool) (Comparison, error) {
	return Verify(ctx, d.Driver, e, now, older)
}

// Comparison is how what a start would send compares with what Domino tells.
type Comparison struct {
	Differs []Difference
	Untold  []string // what would be sent and Domino tells nothing of, so that it could not be compared
}

// Difference is one field of a start of which Domino tells otherwise than the record.
type Difference struct {
	Field          string
	Record, Domino string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s (record %s, Domino %s)", d.Field, d.Record, d.Domino)
}

// Different lists what differs, for people.
func (c Comparison) Different() string {
	list := make([]string, len(c.Differs))
	for i, d := range c.Differs {
		list[i] = d.String()
	}
	return strings.Join(list, ", ")
}

// told is what one of Domino's answers says of a field.
type told struct {
	known  bool // Domino says something of it, be it that there is none
	values []string
	shown  string // for people, where a value is known by another name than the record's
}

// A source asks Domino, or has asked.
type source func() (told, error)

// says is a source that has been read. What is empty tells nothing.
func says(values ...string) source {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	return func() (told, error) { return told{known: len(values) > 0, values: values}, nil }
}

// hold compares what is sent of a field with sources, of which each further one is asked only for what those before
// have not confirmed.
func (c *Comparison) hold(field string, sent []string, sources ...source) error {
	rest := slices.DeleteFunc(slices.Clone(sent), func(v string) bool { return v == "" })
	known := false
	var shown []string
	for _, ask := range sources {
		if len(rest) == 0 {
			return nil
		}
		t, err := ask()
		if err != nil {
			return err
		}
		known = known || t.known
		if t.shown != "" {
			shown = append(shown, t.shown)
		}
		for _, v := range t.values {
			if !slices.Contains(shown, v) {
				shown = append(shown, v)
			}
		}
		rest = slices.DeleteFunc(rest, func(v string) bool { return slices.Contains(t.values, v) })
	}
	switch {
	case len(rest) == 0:
	case !known:
		c.Untold = append(c.Untold, field)
	default:
		if len(shown) == 0 {
			shown = []string{"none"}
		}
		c.Differs = append(c.Differs, Difference{field, strings.Join(rest, " "), strings.Join(shown, " or ")})
	}
	return nil
}

// same compares an id with the one that Domino knows the execution by, which was read already.
func (c *Comparison) same(field, sent, known string) {
	if sent != known {
		c.Differs = append(c.Differs, Difference{field, sent, known})
	}
}

// appWord is what Domino tells of an app, asked for when it is needed, and once.
type appWord struct {
	*apps
	row Execution

	instance *domino.AppInstance // nil: not asked yet, or not told
	version  *domino.BetaAppVersion
	asked    struct{ instance, version bool }
	drafted  bool // there is no version
}

// of asks for the latest instance, which all releases tell of (op getAppInstanceDetails; api.md §8). It is nil where
// Domino refuses to, and where there is none.
func (w *appWord) of(ctx context.Context) (*domino.AppInstance, error) {
	if w.asked.instance || w.row.Instance == "" {
		return w.instance, nil
	}
	in, err := w.client.AppInstance(ctx, w.row.Instance)
	if err != nil && !answered(err) {
		return nil, fmt.Errorf("read its latest instance: %w", err)
	}
	w.asked.instance = true
	if err == nil {
		w.instance = &in
	}
	return w.instance, nil
}

// published asks for the app's version. known is whether Domino told, be it that there is none: classic apps have none,
// nor have drafts (api.md §8b).
func (w *appWord) published(ctx context.Context) (v *domino.BetaAppVersion, known bool, err error) {
	switch {
	case !w.client.Dialect().BetaApps:
		return nil, true, nil
	case w.asked.version:
		return w.version, w.version != nil || w.drafted, nil
	}
	b, err := w.client.BetaApp(ctx, w.row.ID)
	if err != nil && !answered(err) {
		return nil, false, fmt.Errorf("read its version: %w", err)
	}
	w.asked.version = true
	w.version = b.CurrentVersion
	w.drafted = err == nil || domino.KindOf(err) == domino.KindNotFound
	return w.version, w.version != nil || w.drafted, nil
}

// byInstance is a source out of the latest instance. An app that never ran has run with nothing.
func (w *appWord) byInstance(ctx context.Context, tell func(in *domino.AppInstance) told) source {
	return func() (told, error) {
		if w.row.Instance == "" {
			return told{known: true}, nil
		}
		in, err := w.of(ctx)
		if err != nil || in == nil {
			return told{}, err
		}
		return tell(in), nil
	}
}

// byVersion is a source out of the version. One that does not say tells nothing.
func (w *appWord) byVersion(ctx context.Context, tell func(v *domino.BetaAppVersion) []string) source {
	return func() (told, error) {
		v, _, err := w.published(ctx)
		if err != nil || v == nil {
			return told{}, err
		}
		return says(tell(v)...)()
	}
}

// Verify compares an app's arguments with its row, its latest instance and its version.
func (d *apps) Verify(ctx context.Context, e, now Execution, older bool) (Comparison, error) {
	var r appRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) != nil {
		return c, nil // its start sends nothing, and says so
	}
	s, _ := d.client.Dialect().AcceptedStart(r.AppStart)
	w := &appWord{apps: d, row: now}
	for _, f := range []struct {
		name string
		sent []string
		from []source
	}{
		{"hardwareTierId", []string{s.HardwareTierID}, []source{
			says(now.HardwareTier), w.tier(ctx, s.HardwareTierID),
			w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return []string{v.HardwareTierID} }),
		}},
		{"environmentId", []string{s.EnvironmentID}, []source{
			says(now.Environment), w.environment(ctx, s.EnvironmentID),
			w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return []string{v.EnvironmentID} }),
		}},
		{"commitId", []string{s.CommitID}, []source{
			w.byInstance(ctx, func(in *domino.AppInstance) told {
				return told{known: in.InputCommitID != "", values: []string{in.InputCommitID}}
			}),
			w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return []string{v.DFSCommitID} }),
		}},
		{"mainRepoGitRef", refOf(s.MainRepoGitRef), w.gitRef(ctx)},
		{"bundleId", []string{s.BundleID}, []source{w.bundle(ctx)}},
		{"externalVolumeMountIds", s.ExternalVolumeMountIDs, w.volumes(ctx, older)},
		{"netAppVolumeIds", s.NetAppVolumeIDs, []source{
			w.byInstance(ctx, func(in *domino.AppInstance) told {
				return told{known: d.client.Dialect().AppMounts, values: mountIDs(in.NetAppVolumes)}
			}),
			w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return v.NetAppVolumeIDs }),
		}},
	} {
		if err := c.hold(f.name, f.sent, f.from...); err != nil {
			return c, err
		}
	}
	return c, nil
}

// bundle tells the version's bundle. An app without a version, and a version that names none, has none.
func (w *appWord) bundle(ctx context.Context) source {
	return func() (told, error) {
		v, known, err := w.published(ctx)
		if err != nil || v == nil || v.BundleID == "" {
			return told{known: known}, err
		}
		return told{known: true, values: []string{v.BundleID}}, nil
	}
}

// tier tells the hardware tier of the latest instance, which names it (api.md §8, common.AppInstanceDetails): the row
// may show what the owner has chosen for the next start. Only administrators name tiers.
func (w *appWord) tier(ctx context.Context, id string) source {
	return func() (told, error) {
		in, err := w.of(ctx)
		if err != nil || in == nil || in.HardwareTierName == "" {
			return told{}, err
		}
		t := told{known: true, shown: in.HardwareTierName + " (its latest instance)"}
		list, _, err := w.client.HardwareTiers(ctx)
		if err != nil {
			return told{}, notAnswered(err)
		}
		is := func(one domino.HardwareTier) bool { return one.ID == id && one.Name == in.HardwareTierName }
		if slices.ContainsFunc(list, is) {
			t.values, t.shown = []string{id}, ""
		}
		return t, nil
	}
}

// environment tells whether the latest instance runs in an environment: on its latest or active revision. A name tells
// it only where nothing else does, and no other environment has it: everybody may name one.
func (w *appWord) environment(ctx context.Context, id string) source {
	return func() (told, error) {
		in, err := w.of(ctx)
		if err != nil || in == nil || in.EnvironmentName == "" {
			return told{}, err
		}
		t := told{known: true, shown: in.EnvironmentName + " (its latest instance)"}
		env, err := w.client.Environment(ctx, id)
		if err != nil && !answered(err) {
			return told{}, err
		}
		for _, r := range []*domino.Revision{env.Latest, env.Active} {
			if err == nil && r != nil && r.ID == in.EnvironmentRevisionID {
				return told{known: true, values: []string{id}}, nil
			}
		}
		if v, _, err := w.published(ctx); err != nil || w.row.Environment != "" || v != nil && v.EnvironmentID != "" {
			return t, err
		}
		list, rows, err := w.client.Environments(ctx)
		if err != nil || len(rows) > 0 {
			return t, notAnswered(err)
		}
		if only(list, func(e domino.Environment) (string, bool) { return e.ID, e.Name == in.EnvironmentName }) == id {
			return told{known: true, values: []string{id}}, nil
		}
		return t, nil
	}
}

// notAnswered is an error unless Domino itself said no, which tells nothing.
func notAnswered(err error) error {
	if answered(err) {
		return nil
	}
	return err
}

// refOf is a git reference as one value.
func refOf(ref *domino.GitRef) []string {
	if ref == nil {
		return nil
	}
	return []string{ref.Type + " " + ref.Value}
}

func (w *appWord) gitRef(ctx context.Context) []source {
	return []source{
		w.byInstance(ctx, func(in *domino.AppInstance) told {
			switch {
			case !w.client.Dialect().AppMounts, in.MainRepo != nil && in.MainRepo.Commit == "":
				return told{}
			case in.MainRepo == nil:
				return told{known: true} // its project has no repository
			}
			return told{known: true, values: refOf(&domino.GitRef{Type: "commitId", Value: in.MainRepo.Commit})}
		}),
		w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return refOf(v.GitRef) }),
	}
}

// volumes are those of the latest instance, or of the version where the instance does not tell. Where neither does, or
// did when it was recorded, those of the project stand in, as they did for the record (api.md §16).
func (w *appWord) volumes(ctx context.Context, older bool) []source {
	untold := older || !w.client.Dialect().AppMounts
	return []source{
		w.byInstance(ctx, func(in *domino.AppInstance) told {
			return told{known: w.client.Dialect().AppMounts, values: mountIDs(in.Volumes)}
		}),
		w.byNames(ctx),
		w.byVersion(ctx, func(v *domino.BetaAppVersion) []string { return v.ExternalVolumeMountIDs }),
		func() (told, error) {
			if !untold && (w.row.Instance == "" || w.instance != nil || w.version != nil) {
				return told{}, nil
			}
			return projectVolumes(ctx, w.client, w.row.Project.ID)
		},
	}
}

// byNames are the volumes of which the latest instance shows the name alone.
func (w *appWord) byNames(ctx context.Context) source {
	return func() (told, error) {
		in, err := w.of(ctx)
		if err != nil || in == nil {
			return told{}, err
		}
		return volumesNamed(ctx, w.client, w.row.Project.ID, mountsOf(in.Volumes))
	}
}

func projectVolumes(ctx context.Context, c *domino.Client, project string) (told, error) {
	list, _, err := c.ProjectVolumes(ctx, project)
	if err != nil {
		return told{}, notAnswered(err)
	}
	t := told{known: true}
	for _, v := range list {
		if v.Registered {
			t.values = append(t.values, v.ID)
		}
	}
	return t, nil
}

// volumesNamed are the ids of mounts of which Domino shows the name alone.
func volumesNamed(ctx context.Context, c *domino.Client, project string, mounts []Mount) (told, error) {
	var unnamed []domino.Mount
	for _, m := range mounts {
		if m.ID == "" {
			unnamed = append(unnamed, domino.Mount(m))
		}
	}
	if len(unnamed) == 0 {
		return told{}, nil
	}
	ids, _, err := volumesByName(ctx, c, project, unnamed)
	return told{values: ids}, err
}

// mountIDs are the ids of the mounts that have one.
func mountIDs(mounts []domino.Mount) []string {
	var ids []string
	for _, m := range mounts {
		if m.ID != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// Verify compares a workspace's mounts with those of its latest session, which the read has shown but for NetApp
// volumes. One that never had a session has none.
func (d *workspaces) Verify(ctx context.Context, e, now Execution, _ bool) (Comparison, error) {
	var r workspaceRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) != nil || r.Classic {
		return c, nil // its start sends nothing, and says so
	}
	session := told{known: true}
	for _, m := range now.Volumes {
		if m.ID != "" {
			session.values = append(session.values, m.ID)
		}
	}
	err := c.hold("projectId", []string{r.ProjectID}, says(now.Project.ID))
	if err == nil {
		err = c.hold("externalVolumeMounts", r.ExternalVolumeMountIDs, func() (told, error) { return session, nil },
			func() (told, error) { return volumesNamed(ctx, d.client, now.Project.ID, now.Volumes) })
	}
	if err == nil && d.client.Dialect().SessionNetApp {
		err = c.hold("netAppVolumeIds", r.NetAppVolumeIDs, func() (told, error) {
			w, _, err := d.read(ctx, e)
			if err != nil || w.Session == nil {
				return told{known: err == nil}, err
			}
			return told{known: true, values: mountIDs(w.Session.NetAppVolumes)}, nil
		})
	}
	return c, err
}

// Verify compares the ids of a model API version with those that it was read by.
func (d *models) Verify(_ context.Context, e, _ Execution, _ bool) (Comparison, error) {
	var r modelRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) == nil {
		c.same("modelId", r.ModelID, e.Parent)
		c.same("versionId", r.VersionID, e.ID)
	}
	return c, nil
}

// Verify compares the ids of an endpoint's version with those that Domino shows.
func (d *endpoints) Verify(_ context.Context, e, now Execution, _ bool) (Comparison, error) {
	var r endpointRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) == nil {
		c.same("endpointId", r.EndpointID, now.Parent)
		c.same("versionNumber", fmt.Sprintf("%s/%d", now.Parent, r.Number), now.ID)
	}
	return c, nil
}

// Verify compares the id of a deployment with the one that Domino shows.
func (d *deployments) Verify(_ context.Context, e, now Execution, _ bool) (Comparison, error) {
	var r deploymentRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) == nil {
		c.same("modelDeploymentId", r.ID, now.ID)
	}
	return c, nil
}

// Verify compares the ids by which a job is run again with those of the job that was read. Before 6.0 Domino does not
// tell its project, and the one that it was read by stands in.
func (d *jobs) Verify(_ context.Context, e, now Execution, _ bool) (Comparison, error) {
	var r jobRestart
	var c Comparison
	if json.Unmarshal(e.Restart, &r) == nil {
		c.same("jobId", r.JobID, now.ID)
		c.same("projectId", r.ProjectID, now.Project.ID)
	}
	return c, nil
}
