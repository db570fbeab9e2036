package execution

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// What serves models beside model APIs: versions of GenAI endpoints (6.2 and later) and
// deployments outside of Domino (6.0 and later; api.md §9c). Nobody is known to have
// called their routes, so that only the specifications speak for them: a release that
// should have them and has not is reported, and each stop is preceded by a look, since
// what it answers for something that does not run is not known.

// endpointStates folds the status of an endpoint's version (api.md §21). "Unknown" is
// Domino's own word and stays ours.
var endpointStates = map[string]State{
	"building": Starting, "starting": Starting, "running": Running, "stopping": Stopping, "stopped": Stopped,
	"buildfailed": Failed, "failed": Failed,
}

// deploymentStates folds the state of an external deployment (api.md §9c,
// ModelDeploymentStatus). One that is updated is on its way to running.
var deploymentStates = map[string]State{
	"starting": Starting, "updating": Starting, "running": Running, "stopping": Stopping, "deleting": Stopping,
	"stopped": Stopped, "deleted": Stopped, "failed": Failed,
}

func folded(states map[string]State, word string) State {
	if s, ok := states[strings.ToLower(word)]; ok {
		return s
	}
	return Unknown
}

// noRoute reports a release that has not the route it should have. Nothing of the kind
// can exist there, so that the listing is not the shorter for it.
func (l *Listing) noRoute(kind Kind, release string, err error) {
	l.Problems = append(l.Problems, Problem{Kind: kind, Subject: "list", Message: fmt.Sprintf("Domino %s should have them and does not know the route: none are taken to exist (%s)", release, err)})
}

// endpoints drives the versions of GenAI endpoints, each of which is stopped and started by itself.
type endpoints struct {
	client   *domino.Client
	projects *projects
	people   *people
}

// endpointRestart is what names a version to its start, which takes nothing else.
type endpointRestart struct {
	EndpointID string `json:"endpointId"`
	Number     int    `json:"versionNumber"`
}

func (d *endpoints) List(ctx context.Context) Listing {
	var l Listing
	if !d.client.Dialect().Endpoints {
		return l
	}
	list, rows, err := d.client.Endpoints(ctx)
	switch {
	case domino.KindOf(err) == domino.KindNoRoute:
		l.noRoute(Endpoint, d.client.Dialect().Name, err)
	case err != nil:
		l.problem(Endpoint, "list", err)
	}
	for _, r := range rows {
		l.problem(Endpoint, r.What, r.Err)
	}
	var names map[string]string
	if len(list) > 0 {
		if names, err = d.people.names(ctx); err != nil {
			l.unnamed(Endpoint, err)
		}
	}
	versions := make([]Listing, len(list))
	eachParallel(ctx, len(list), func(i int) {
		of := list[i]
		found, rows, err := d.client.EndpointVersions(ctx, of)
		if err != nil {
			versions[i].problem(Endpoint, of.Name, fmt.Errorf("list its versions: %w", err))
		}
		for _, r := range rows {
			versions[i].problem(Endpoint, of.Name+" "+r.What, r.Err)
		}
		for _, v := range found {
			e := d.fold(v)
			e.owned(called(names, v.Creator), called(names, v.Maker))
			versions[i].Executions = append(versions[i].Executions, e)
		}
	})
	for _, v := range versions {
		l.merge(v)
	}
	if err := ctx.Err(); err != nil {
		l.problem(Endpoint, "list", err)
	}
	return l
}

func (d *endpoints) fold(v domino.EndpointVersion) Execution {
	project := d.projects.get(v.ProjectID)
	if project.Name == "" {
		project.Owner, project.Name = v.Owner.Name, v.ProjectName
	}
	return Execution{
		Kind: Endpoint, ID: v.EndpointID + "/" + strconv.Itoa(v.Number), Parent: v.EndpointID, Name: fmt.Sprintf("%s v%d", v.Name, v.Number),
		Project: project, Owner: v.Creator.Name, State: folded(endpointStates, v.Status), DominoState: v.Status, RunID: v.ExecutionID,
		Since: v.Created, HardwareTier: v.HardwareTierID, Environment: v.EnvironmentID, DataPlane: v.DataPlaneID,
		Restart: restartArgs(endpointRestart{EndpointID: v.EndpointID, Number: v.Number}),
	}
}

// Poll tells nothing: there is no list of versions across endpoints.
func (d *endpoints) Poll(context.Context) (map[string]State, error) { return nil, nil }

func (d *endpoints) Read(ctx context.Context, e Execution) (Execution, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(e.ID, e.Parent+"/"))
	if err != nil {
		return e, fmt.Errorf("read %s: its id names no version", e)
	}
	v, err := d.client.EndpointVersion(ctx, e.Parent, number)
	if err != nil {
		return e, gone(err)
	}
	now := d.fold(v)
	now.Name, now.Project = e.Name, e.Project // a version does not tell
	now.keepOwners(e)
	return now, nil
}

// Detail is Read: a version shows all that its restart needs.
func (d *endpoints) Detail(ctx context.Context, e Execution) (Execution, error) {
	return d.Read(ctx, e)
}

func (d *endpoints) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	return stopServing(ctx, d, e, func(r endpointRestart) error { return d.client.StopEndpointVersion(ctx, r.EndpointID, r.Number) })
}

func (d *endpoints) Start(ctx context.Context, e Execution) (Answer, error) {
	return startServing(ctx, d, e, func(r endpointRestart) error { return d.client.StartEndpointVersion(ctx, r.EndpointID, r.Number) })
}

// deployments drives models that are deployed outside of Domino.
type deployments struct {
	client   *domino.Client
	projects *projects
	people   *people
}

// deploymentRestart is what names a deployment to its start, which takes nothing else.
type deploymentRestart struct {
	ID string `json:"modelDeploymentId"`
}

func (d *deployments) List(ctx context.Context) Listing {
	var l Listing
	if !d.client.Dialect().Deployments {
		return l
	}
	list, rows, err := d.client.ModelDeployments(ctx)
	switch {
	case domino.KindOf(err) == domino.KindNoRoute:
		l.noRoute(ExternalDeployment, d.client.Dialect().Name, err)
	case err != nil:
		l.problem(ExternalDeployment, "list", err)
	}
	for _, r := range rows {
		l.problem(ExternalDeployment, r.What, r.Err)
	}
	for _, v := range list {
		e := d.fold(v)
		others := slices.DeleteFunc(slices.Clone(v.OwnerIDs), func(id string) bool { return id == v.Creator.ID })
		e.owned(append([]string{v.Creator.Name}, others...)...)
		l.Executions = append(l.Executions, e)
	}
	d.people.rename(ctx, ExternalDeployment, &l)
	return l
}

func (d *deployments) fold(v domino.ModelDeployment) Execution {
	word := v.State
	if word == "" {
		word = "no state"
	}
	return Execution{
		Kind: ExternalDeployment, ID: v.ID, Name: v.Name, Project: d.projects.get(v.ProjectID), Owner: v.Creator.Name,
		State: folded(deploymentStates, v.State), DominoState: word, Since: v.Created, Environment: v.EnvironmentID, // and on none of Domino's data planes
		Restart: restartArgs(deploymentRestart{ID: v.ID}),
	}
}

func (d *deployments) Poll(ctx context.Context) (map[string]State, error) {
	if !d.client.Dialect().Deployments {
		return nil, nil
	}
	list, _, err := d.client.ModelDeployments(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(list))
	for _, v := range list {
		states[v.ID] = folded(deploymentStates, v.State)
	}
	return states, nil
}

func (d *deployments) Read(ctx context.Context, e Execution) (Execution, error) {
	v, err := d.client.ModelDeployment(ctx, e.ID)
	if err != nil {
		return e, gone(err)
	}
	now := d.fold(v)
	if now.Project.Name == "" {
		now.Project.Owner, now.Project.Name = e.Project.Owner, e.Project.Name
	}
	now.keepOwners(e)
	return now, nil
}

// Detail is Read: the start takes nothing but the id.
func (d *deployments) Detail(ctx context.Context, e Execution) (Execution, error) {
	return d.Read(ctx, e)
}

func (d *deployments) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	return stopServing(ctx, d, e, func(r deploymentRestart) error { return d.client.StopModelDeployment(ctx, r.ID) })
}

func (d *deployments) Start(ctx context.Context, e Execution) (Answer, error) {
	return startServing(ctx, d, e, func(r deploymentRestart) error { return d.client.StartModelDeployment(ctx, r.ID) })
}

// stopServing looks, and stops what is not down.
func stopServing[R any](ctx context.Context, d Driver, e Execution, stop func(R) error) (Answer, error) {
	now, err := d.Read(ctx, e)
	if err != nil {
		return Answer{}, unsent(err)
	}
	if now.State.Down() {
		return Answer{}, &AlreadyError{Now: now}
	}
	var r R
	if err := decodeRestart(now, &r); err != nil {
		return Answer{}, &UnsentError{err}
	}
	err = stop(r)
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Down)
	}
	return Answer{}, err
}

func startServing[R any](ctx context.Context, d Driver, e Execution, start func(R) error) (Answer, error) {
	var r R
	if err := decodeRestart(e, &r); err != nil {
		return Answer{}, err
	}
	err := start(r)
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Up)
	}
	return Answer{}, err
}
