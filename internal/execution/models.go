package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// models drives model APIs. One execution is one version: each is deployed,
// stopped and started by itself, and at most one of a model is active (api.md §9).
type models struct {
	client   *domino.Client
	projects *projects
	people   *people
}

// modelRestart is what startModelDeployment takes: nothing but two ids (api.md §9).
type modelRestart struct {
	ModelID   string `json:"modelId"`
	VersionID string `json:"versionId"`
	Active    bool   `json:"active"` // on record for people: starting a version does not make it active
}

// ModelRestart returns the restart arguments of a version that another tool has recorded.
func ModelRestart(model, version string, active bool) json.RawMessage {
	return restartArgs(modelRestart{ModelID: model, VersionID: version, Active: active})
}

// ActiveVersion reports whether a model API version was the one that its model routes to.
func ActiveVersion(e Execution) bool {
	var r modelRestart
	return json.Unmarshal(e.Restart, &r) == nil && r.Active
}

func (d *models) List(ctx context.Context) Listing {
	list, l := d.models(ctx)
	versions := make([]Listing, len(list))
	eachParallel(ctx, len(list), func(i int) { versions[i] = d.versions(ctx, list[i]) })
	for _, v := range versions {
		l.merge(v)
	}
	d.people.rename(ctx, ModelAPI, &l)
	if err := ctx.Err(); err != nil {
		l.problem(ModelAPI, "list", err)
	}
	return l
}

// models lists the models of all projects by one paged call (op getModelsForUI,
// never confirmed live without a project), or else project by project.
func (d *models) models(ctx context.Context) ([]domino.Model, Listing) {
	var l Listing
	list, rows, err := d.client.Models(ctx)
	if err == nil {
		for _, r := range rows {
			l.problem(ModelAPI, r.What, r.Err)
		}
		return list, l
	}
	if !answered(err) {
		l.problem(ModelAPI, "list", err)
		return nil, l
	}
	// Archived ones too: their archival ends runs (docs: Archive a project), and nobody says that it ends model APIs.
	projects := d.projects.list(true)
	var mu sync.Mutex
	eachParallel(ctx, len(projects), func(i int) {
		one, rows, err := d.client.ProjectModels(ctx, projects[i].ID)
		mu.Lock()
		defer mu.Unlock()
		list = append(list, one...)
		for _, r := range rows {
			l.problem(ModelAPI, r.What, r.Err)
		}
		if known, _ := d.projects.entry(projects[i].ID); known.Archived && answered(err) { // what such a one answers is not known
			l.Problems = append(l.Problems, Problem{Kind: ModelAPI, Subject: projects[i].String(), Message: "it is archived, and does not show its model APIs: " + err.Error()})
		} else if err != nil {
			l.problem(ModelAPI, projects[i].String(), err)
		}
	})
	return list, l
}

func (d *models) versions(ctx context.Context, m domino.Model) Listing {
	var l Listing
	list, rows, err := d.client.ModelVersions(ctx, m.ID)
	if err != nil {
		l.problem(ModelAPI, m.Name, fmt.Errorf("list its versions: %w", err))
	}
	for _, r := range rows {
		l.problem(ModelAPI, m.Name+" "+r.What, r.Err)
	}
	project := d.projects.get(m.ProjectID)
	if project.Name == "" {
		project.Owner, project.Name = m.ProjectOwner, m.ProjectName
	}
	owners := make([]string, len(m.Owners))
	for i, o := range m.Owners {
		owners[i] = o.Name
	}
	for _, v := range list {
		e := d.fold(v)
		e.Parent, e.Project = m.ID, project
		e.Name = fmt.Sprintf("%s v%d", m.Name, v.Number)
		maker := v.Creator
		if i := slices.IndexFunc(m.Owners, func(o domino.User) bool { return o.ID == maker }); i >= 0 {
			maker = owners[i]
		}
		// A model API runs as nobody: it is theirs whom Domino calls its owners, and the maker's of the version.
		e.owned(append(owners, maker)...)
		if e.DataPlane == "" && v.ID == m.ActiveVersionID {
			e.DataPlane = m.ActiveVersionDataPlaneID
		}
		e.Restart = restartArgs(modelRestart{ModelID: m.ID, VersionID: v.ID, Active: v.ID == m.ActiveVersionID})
		l.Executions = append(l.Executions, e)
	}
	return l
}

func (d *models) fold(v domino.ModelVersion) Execution {
	word := v.Status
	if v.Pending {
		word += " (pending)"
	}
	return Execution{
		Kind: ModelAPI, ID: v.ID, Owner: v.Creator,
		State: modelState(v.Status, v.Pending), DominoState: word, DataPlane: v.DataPlaneID,
	}
}

// Poll tells the states of active versions, which are nearly all that matter. The
// list has no isPending, so that an end state is only a hint; versions that are not
// active are missing and get read one by one.
func (d *models) Poll(ctx context.Context) (map[string]State, error) {
	list, l := d.models(ctx)
	if !l.Complete() && len(list) == 0 {
		return nil, fmt.Errorf("poll model APIs: %s", l.Problems[0])
	}
	states := make(map[string]State, len(list))
	for _, m := range list {
		if m.ActiveVersionID != "" {
			states[m.ActiveVersionID] = modelState(m.ActiveVersionStatus, false)
		}
	}
	return states, nil
}

func (d *models) Read(ctx context.Context, e Execution) (Execution, error) {
	v, err := d.client.ModelVersion(ctx, e.Parent, e.ID)
	if domino.KindOf(err) == domino.KindNoRoute && d.unlisted(ctx, e) {
		return e, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return e, gone(err)
	}
	now := d.fold(v)
	e.State, e.DominoState = now.State, now.DominoState
	return e, nil
}

// Rerouted says which of the versions, of model APIs that were started again, have become the active one of their model and were
// not. That a start does not change it is inferred (api.md §9); in basic routing the route points to "the latest
// successfully-deployed" version (docs-facts §1.7), which may be the one that was started last.
func (d *Drivers) Rerouted(ctx context.Context, started []Execution) []Problem {
	others := map[string]Execution{}
	for _, e := range started {
		if e.Kind == ModelAPI && !ActiveVersion(e) {
			others[e.ID] = e
		}
	}
	if len(others) == 0 {
		return nil
	}
	d.projects.ensure(ctx)
	list, l := d.byKind[ModelAPI].(*models).models(ctx)
	var found []Problem
	for _, m := range list {
		if e, ok := others[m.ActiveVersionID]; ok {
			found = append(found, Problem{Kind: ModelAPI, Subject: m.Name, Message: fmt.Sprintf(
				"version %d has become the active one by its start, and was not before: deploy or promote the other one again in Domino, if requests should go there (%s)",
				m.ActiveVersionNumber, e.ID)})
		}
	}
	if i := slices.IndexFunc(l.Problems, func(p Problem) bool { return p.Incomplete }); i >= 0 {
		found = append(found, Problem{Kind: ModelAPI, Subject: "routing", Message: "whether each model routes to the version that it did was not seen: " + l.Problems[i].Message})
	}
	return found
}

// unlisted reports whether Domino's lists show that a version is gone. Before 5.11 a route
// of the UI is all there is to read one by, and it answers with a page for what it does
// not know (api.md §2, inferred), as an ingress does without a Domino behind it.
func (d *models) unlisted(ctx context.Context, e Execution) bool {
	versions, rows, err := d.client.ModelVersions(ctx, e.Parent)
	if err == nil {
		return len(rows) == 0 && !slices.ContainsFunc(versions, func(v domino.ModelVersion) bool { return v.ID == e.ID })
	}
	if domino.KindOf(err) != domino.KindNoRoute {
		return false
	}
	// Not project by project: a restore knows no projects, and would find none of its models in them.
	list, rows, listErr := d.client.Models(ctx)
	if domino.KindOf(listErr) == domino.KindNoRoute && e.Project.ID != "" {
		list, rows, listErr = d.client.ProjectModels(ctx, e.Project.ID)
	}
	return listErr == nil && len(rows) == 0 &&
		!slices.ContainsFunc(list, func(m domino.Model) bool { return m.ID == e.Parent })
}

// Detail is Read: the list already tells all that a restart needs.
func (d *models) Detail(ctx context.Context, e Execution) (Execution, error) { return d.Read(ctx, e) }

// Stop reads the version right before the call, since the call itself answers the
// same whether the version runs or not (api.md §9).
func (d *models) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	now, err := d.Read(ctx, e)
	if err != nil {
		return Answer{}, unsent(err)
	}
	if now.State.Down() {
		return Answer{}, &AlreadyError{Now: now}
	}
	return Answer{}, gone(d.client.StopModelVersion(ctx, e.Parent, e.ID))
}

func (d *models) Start(ctx context.Context, e Execution) (Answer, error) {
	var r modelRestart
	if err := decodeRestart(e, &r); err != nil {
		return Answer{}, err
	}
	err := d.client.StartModelVersion(ctx, r.ModelID, r.VersionID)
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Up)
	}
	return Answer{}, err
}

// unsent marks the failure of a read that came before a call: the call was never sent.
func unsent(err error) error {
	if isGone(err) {
		return err
	}
	return &UnsentError{err}
}

// UnsentError is a failure before the call that matters was sent.
type UnsentError struct{ Err error }

func (e *UnsentError) Error() string { return "look before the call: " + e.Err.Error() }
func (e *UnsentError) Unwrap() error { return e.Err }
