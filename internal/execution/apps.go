package execution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// apps drives apps: model products of type APP. Since api.md §8 shows that the
// beta list lacks classic apps, /v4/modelProducts is the inventory on all versions.
type apps struct {
	client   *domino.Client
	projects *projects
	tiers    *tiers
}

// appRestart is what POST .../start takes (op start, nucleus.StartParams; api.md §8), of
// which the client sends what the release reads.
type appRestart struct {
	domino.AppStart
	// EnvironmentRevisionID is on record for people: no version's start takes it.
	EnvironmentRevisionID string `json:"environmentRevisionId,omitempty"`
}

// SameInstances reports whether the instances of apps that two releases of Domino show
// can be compared.
func SameInstances(release, other string) bool { return domino.SameAppInstances(release, other) }

func (d *apps) List(ctx context.Context) Listing {
	var l Listing
	list, rows, err := d.client.Apps(ctx)
	if err != nil {
		l.problem(App, "list", err)
	}
	for _, r := range rows {
		l.problem(App, r.What, r.Err)
	}
	others := map[string]int{}
	for _, a := range list {
		// BATCH, REPORT and SCORER are launchers and the like (api.md §23 row 14).
		if e := d.fold(a); strings.EqualFold(a.Type, "APP") {
			l.Executions = append(l.Executions, e)
		} else if e.State.Up() {
			others[a.Type]++
		}
	}
	for _, word := range slices.Sorted(maps.Keys(others)) {
		typed := cmp.Or(word, "no type")
		message := fmt.Sprintf("1 running model product (%s) is no app: dmm leaves it alone, and an upgrade may end it", typed)
		if n := others[word]; n > 1 {
			message = fmt.Sprintf("%d running model products (%s) are no apps: dmm leaves them alone, and an upgrade may end them", n, typed)
		}
		l.Problems = append(l.Problems, Problem{Kind: App, Subject: typed, Message: message})
	}
	return l
}

func (d *apps) fold(a domino.App) Execution {
	return Execution{
		Kind: App, ID: a.ID, Name: a.Name, Project: d.projects.get(a.ProjectID), Owner: a.Publisher.Name,
		State: appState(a.Status, a.InstanceID), DominoState: a.Status, Instance: a.InstanceID, RunID: a.InstanceID,
		Since: a.LastUpdated, HardwareTier: a.HardwareTierID, Environment: a.EnvironmentID,
	}
}

func (d *apps) Poll(ctx context.Context) (map[string]State, error) {
	list, _, err := d.client.Apps(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(list))
	for _, a := range list {
		states[a.ID] = appState(a.Status, a.InstanceID)
	}
	return states, nil
}

func (d *apps) Read(ctx context.Context, e Execution) (Execution, error) {
	a, err := d.client.App(ctx, e.ID)
	if err != nil {
		return e, gone(err)
	}
	now := d.fold(a)
	if now.Project.Name == "" { // the catalogue may not be loaded, or lack it
		now.Project.Owner, now.Project.Name = e.Project.Owner, e.Project.Name
	}
	return now, nil
}

func (d *apps) Detail(ctx context.Context, e Execution) (Execution, error) {
	e, err := d.Read(ctx, e)
	if err != nil || !e.State.Up() {
		return e, err
	}
	return d.arguments(ctx, e)
}

// arguments fills in what a start of the app as it was needs, from its latest instance where Domino shows it.
func (d *apps) arguments(ctx context.Context, e Execution) (Execution, error) {
	e.DataPlane = d.tiers.plane(ctx, e.HardwareTier)
	r := appRestart{AppStart: domino.AppStart{HardwareTierID: e.HardwareTier, EnvironmentID: e.Environment, ExternalVolumeMountIDs: []string{}}}
	e.Guesses = nil
	known := false
	var in domino.AppInstance
	var err error
	if d.client.Dialect().AppMounts && e.Instance != "" {
		in, known, err = d.instance(ctx, &e, &r)
		if err != nil {
			return e, err
		}
	}
	v, err := d.version(ctx, e)
	if err != nil {
		return e, err
	}
	switch {
	case v != nil:
		takeVersion(*v, known, &e, &r)
	case !known:
		if err := d.guessVolumes(ctx, &e, &r); err != nil {
			return e, err
		}
	}
	if err := d.byName(ctx, in, &r); err != nil {
		return e, err
	}
	if r.EnvironmentID == "" {
		e.Guesses = append(e.Guesses, "Domino does not say in which environment it runs: it will come back in its project's default environment")
	}
	if r.HardwareTierID == "" {
		e.Guesses = append(e.Guesses, "Domino does not say on which hardware tier it runs: it will come back on its project's default tier")
	}
	switch api := d.client.Dialect(); {
	case !api.StartCommit:
		e.Guesses = append(e.Guesses, "a start in Domino "+api.Name+" takes no commit: it will come back on its project's newest")
	case r.MainRepoGitRef != nil && r.MainRepoGitRef.Type != "commitId":
		e.Guesses = append(e.Guesses, "Domino does not show on which commit it runs: it will come back on the newest of "+named(*r.MainRepoGitRef))
	case r.MainRepoGitRef == nil && (r.CommitID == "" || in.MainRepo != nil || !known && v != nil && v.GitRef != nil):
		e.Guesses = append(e.Guesses, "Domino does not show on which commit it runs: it will come back on its project's newest")
	}
	if api := d.client.Dialect(); !api.StartEnvironment {
		e.Guesses = append(e.Guesses, "a start in Domino "+api.Name+" takes no environment: it will come back in its project's default environment")
	}
	e.Environment, e.HardwareTier = r.EnvironmentID, r.HardwareTierID
	e.Restart = restartArgs(r)
	return e, nil
}

// Fill gives the app the arguments of its latest instance, and its own hardware tier if that is on record.
func (d *apps) Fill(ctx context.Context, e Execution) (Execution, error) {
	a, err := d.client.App(ctx, e.ID)
	if err != nil {
		return e, gone(err)
	}
	if !strings.EqualFold(a.Type, "APP") {
		return e, fmt.Errorf("%w: Domino calls it %s", ErrNotHandled, a.Type)
	}
	now := d.fold(a)
	now.HardwareTier = cmp.Or(e.HardwareTier, now.HardwareTier)
	return d.arguments(ctx, now)
}

// instance reads the real mounts, commit and revision of the running instance
// (6.1+, op getAppInstanceDetails). It reports false when Domino does not show them.
func (d *apps) instance(ctx context.Context, e *Execution, r *appRestart) (domino.AppInstance, bool, error) {
	in, err := d.client.AppInstance(ctx, e.Instance)
	if err != nil {
		if answered(err) {
			return in, false, nil // 403, 404 or a 500 in Domino's words: fall back to the guess and say so
		}
		return in, false, err
	}
	if !in.Started.IsZero() {
		e.Since = in.Started
	}
	var unnamed []domino.Mount
	for _, m := range in.Volumes {
		if m.ID == "" {
			unnamed = append(unnamed, m)
			continue
		}
		r.ExternalVolumeMountIDs = append(r.ExternalVolumeMountIDs, m.ID)
	}
	if len(unnamed) > 0 {
		ids, guesses, err := volumesByName(ctx, d.client, e.Project.ID, unnamed)
		if err != nil {
			return in, false, err
		}
		r.ExternalVolumeMountIDs = append(r.ExternalVolumeMountIDs, ids...)
		e.Guesses = append(e.Guesses, guesses...)
	}
	for _, m := range in.NetAppVolumes {
		r.NetAppVolumeIDs = append(r.NetAppVolumeIDs, m.ID)
	}
	e.Volumes = mountsOf(in.Volumes)
	e.Revision, r.EnvironmentRevisionID = in.EnvironmentRevisionID, in.EnvironmentRevisionID
	r.CommitID = in.InputCommitID
	if in.MainRepo != nil && in.MainRepo.Commit != "" {
		// A start without it takes the branch's newest commit (api.md §8).
		r.MainRepoGitRef = &domino.GitRef{Type: "commitId", Value: in.MainRepo.Commit}
	}
	return in, true, nil
}

// byName finds the environment and the tier that neither the app's row nor its version tells: its instance names them
// (api.md §8, common.AppInstanceDetails). A name that several have, or that is not listed, tells nothing.
func (d *apps) byName(ctx context.Context, in domino.AppInstance, r *appRestart) error {
	if r.EnvironmentID == "" && in.EnvironmentName != "" {
		list, _, err := d.client.Environments(ctx)
		if err != nil && !answered(err) {
			return err
		}
		r.EnvironmentID = only(list, func(e domino.Environment) (string, bool) { return e.ID, e.Name == in.EnvironmentName })
	}
	if r.HardwareTierID == "" && in.HardwareTierName != "" {
		list, _, err := d.client.HardwareTiers(ctx)
		if err != nil && !answered(err) {
			return err
		}
		r.HardwareTierID = only(list, func(t domino.HardwareTier) (string, bool) { return t.ID, t.Name == in.HardwareTierName })
	}
	return nil
}

// only is the id of the one element that is meant, empty if none or several are.
func only[T any](list []T, meant func(T) (id string, is bool)) string {
	found := ""
	for _, v := range list {
		if id, is := meant(v); is {
			if found != "" {
				return ""
			}
			found = id
		}
	}
	return found
}

// guessVolumes does what the peer tool does where Domino does not tell: every
// external volume of the project on the local data plane.
func (d *apps) guessVolumes(ctx context.Context, e *Execution, r *appRestart) error {
	volumes, rows, err := d.client.ProjectVolumes(ctx, e.Project.ID)
	if err != nil && !answered(err) {
		return err
	}
	for _, v := range volumes {
		if v.Local && v.Registered { // the list may hold ones that are not (api.md §16), with which nothing would start
			r.ExternalVolumeMountIDs = append(r.ExternalVolumeMountIDs, v.ID)
		}
	}
	switch {
	case err != nil || len(rows) > 0:
		e.Guesses = append(e.Guesses, "the external volumes of its project could not all be listed: some mounts may be missing after the restart")
	case len(r.ExternalVolumeMountIDs) > 0:
		e.Guesses = append(e.Guesses, "Domino does not tell its mounts: all local external volumes of its project will be mounted")
	}
	return nil
}

// version reads the app's configuration from the beta API (6.1+). It is nil for classic apps, which
// are not there (api.md §8b), and for drafts.
func (d *apps) version(ctx context.Context, e Execution) (*domino.BetaAppVersion, error) {
	if !d.client.Dialect().BetaApps {
		return nil, nil
	}
	b, err := d.client.BetaApp(ctx, e.ID)
	if err != nil && !answered(err) {
		return nil, err
	}
	return b.CurrentVersion, nil
}

// takeVersion fills in from an app's version what neither its row nor its instance tells, and says what of the version a
// start cannot carry (api.md §8, nucleus.StartParams beside AppVersionResponse): a start with arguments may make another
// version.
func takeVersion(v domino.BetaAppVersion, known bool, e *Execution, r *appRestart) {
	r.EnvironmentID = cmp.Or(r.EnvironmentID, v.EnvironmentID)
	r.HardwareTierID = cmp.Or(r.HardwareTierID, v.HardwareTierID)
	r.BundleID = v.BundleID
	ref := v.GitRef
	if ref != nil && (ref.Type == "head" || ref.Type == "custom") { // what a start takes without one, and no type of its (api.md §21)
		ref = nil
	}
	switch {
	case !known:
		r.ExternalVolumeMountIDs, r.NetAppVolumeIDs = append(r.ExternalVolumeMountIDs, v.ExternalVolumeMountIDs...), v.NetAppVolumeIDs
		r.CommitID, r.MainRepoGitRef = v.DFSCommitID, ref
		e.Guesses = append(e.Guesses, "Domino does not show what it runs with: it will come back with the mounts of its published version")
	case r.MainRepoGitRef == nil:
		r.MainRepoGitRef = ref
	case ref != nil && ref.Type != "commitId":
		e.Guesses = append(e.Guesses, fmt.Sprintf("its version follows %s: it will come back on the commit that it runs on, and perhaps follow it no more until "+
			"it is published again", named(*ref)))
	}
	var lost []string
	if v.Autoscaling {
		lost = append(lost, "autoscaling")
	}
	if v.IdentityPropagation {
		lost = append(lost, "extended identity propagation")
	}
	if v.EntryScript != "" {
		lost = append(lost, "the entry script "+v.EntryScript)
	}
	if len(lost) > 0 {
		e.Guesses = append(e.Guesses, "its version has "+strings.Join(lost, ", ")+", which no start can name: look whether it has them after the restart")
	}
}

// named is a git reference for people.
func named(ref domino.GitRef) string {
	word := map[string]string{"branches": "branch", "tags": "tag"}[ref.Type]
	return cmp.Or(word, ref.Type) + " " + ref.Value
}

// volumesByName finds the ids of mounts of which Domino shows only the name. One
// that is not registered any more has none, and the restart will lack it.
func volumesByName(ctx context.Context, c *domino.Client, project string, mounts []domino.Mount) (ids, guesses []string, err error) {
	volumes, _, err := c.ProjectVolumes(ctx, project)
	if err != nil && !answered(err) {
		return nil, nil, err
	}
	why := "is not registered for its project, or this key may not use it" // the list holds none that it may not (api.md §16)
	if err != nil {
		why = "was not found, since the volumes of its project could not be listed"
	}
	for _, m := range mounts {
		at := slices.IndexFunc(volumes, func(v domino.Volume) bool { return v.Name == m.Name && v.Registered })
		if at < 0 {
			guesses = append(guesses, fmt.Sprintf("its external volume %q %s: the restart will lack it", m.Name, why))
			continue
		}
		ids = append(ids, volumes[at].ID)
	}
	return ids, guesses, nil
}

// Stop stops the app. Domino answers 404 (6.x) or 500 (older) when it does not run
// (api.md §8), and both mean other things as well, so that the app is read again.
func (d *apps) Stop(ctx context.Context, e Execution, force bool) (Answer, error) {
	err := d.client.StopApp(ctx, e.ID, force)
	if err == nil || !answered(err) {
		return Answer{}, err
	}
	return Answer{}, refusedOrAlready(ctx, d, e, err, State.Down)
}

func (d *apps) Start(ctx context.Context, e Execution) (Answer, error) {
	var r appRestart
	if err := decodeRestart(e, &r); err != nil {
		return Answer{}, err
	}
	instance, err := d.client.StartApp(ctx, e.ID, r.AppStart)
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Up)
	}
	return Answer{Instance: instance}, err
}

// refusedOrAlready reads an execution whose stop or start was refused: if it is
// already where the call would have brought it, the refusal is an *AlreadyError.
func refusedOrAlready(ctx context.Context, d Driver, e Execution, refusal error, there func(State) bool) error {
	now, err := d.Read(ctx, e)
	switch {
	case errors.Is(err, ErrGone):
		return err
	case err == nil && there(now.State):
		return &AlreadyError{Now: now, Refusal: refusal}
	}
	return refusal
}

// gone turns Domino's own "not found" about one object into ErrGone. A route that
// is not there is something else and stays what it is.
func gone(err error) error {
	var e *domino.Error
	if errors.As(err, &e) && e.Kind == domino.KindNotFound {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

func isGone(err error) bool { return errors.Is(err, ErrGone) }

// answered reports whether Domino itself said no, in contrast to a failure to ask.
func answered(err error) bool {
	var e *domino.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case domino.KindForbidden, domino.KindNotFound, domino.KindNoRoute, domino.KindRefused:
		return true
	}
	return false
}
