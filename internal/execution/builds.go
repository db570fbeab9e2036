package execution

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// builds drives image builds of environments. One execution is the build of one revision. Domino has no list of builds: the
// state of an environment's latest revision is one (api.md §14). So what is not found is the rebuild of a revision that is
// not its environment's latest, and builds of environments that the caller cannot see. The image of a model API version is
// built as part of its deployment, and is stopped and started with that (models.go).
type builds struct{ client *domino.Client }

// buildRestart is what a rebuild needs.
type buildRestart struct {
	EnvironmentID string `json:"environmentId"`
	RevisionID    string `json:"revisionId"`
}

func (d *builds) List(ctx context.Context) Listing {
	var l Listing
	list, rows, err := d.client.Environments(ctx)
	if err != nil {
		l.problem(Build, "list", err)
	}
	for _, r := range rows {
		l.problem(Build, r.What, r.Err)
	}
	for _, e := range list {
		if e.Latest != nil && !buildState(e.Latest.Status).Down() {
			l.Executions = append(l.Executions, foldBuild(e, *e.Latest))
		}
	}
	return l
}

func foldBuild(e domino.Environment, r domino.Revision) Execution {
	return Execution{
		Kind: Build, ID: r.ID, Parent: e.ID, Name: fmt.Sprintf("%s, revision %d", e.Name, r.Number), Owner: e.Owner, Environment: e.ID,
		State: buildState(r.Status), DominoState: r.Status, Restart: restartArgs(buildRestart{EnvironmentID: e.ID, RevisionID: r.ID}),
	}
}

func (d *builds) Poll(ctx context.Context) (map[string]State, error) {
	list, _, err := d.client.Environments(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(list))
	for _, e := range list {
		if e.Latest != nil {
			states[e.Latest.ID] = buildState(e.Latest.Status)
		}
	}
	return states, nil
}

// Read tells how a build is. Before 5.10 Domino tells of no revision but the latest, so that a build is lost from sight when
// another revision is made.
func (d *builds) Read(ctx context.Context, e Execution) (Execution, error) {
	env, err := d.client.Environment(ctx, e.Parent)
	if err != nil {
		return e, gone(err)
	}
	if env.Latest != nil && env.Latest.ID == e.ID {
		return foldBuild(env, *env.Latest), nil
	}
	if !d.client.Dialect().ReadRevision {
		e.State, e.DominoState = Unknown, "no longer the latest revision, and tells of no other"
		return e, nil
	}
	r, err := d.client.Revision(ctx, e.Parent, e.ID)
	if err != nil {
		return e, gone(err)
	}
	return foldBuild(env, r), nil
}

func (d *builds) Detail(ctx context.Context, e Execution) (Execution, error) { return d.Read(ctx, e) }

func (d *builds) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	err := d.client.CancelBuild(ctx, e.Parent, e.ID)
	if err == nil || !answered(err) {
		return Answer{}, err
	}
	return Answer{}, refusedOrAlready(ctx, d, e, err, State.Down)
}

// Start queues the build again. The revision stays the same one (inferred, api.md §14, op rebuildEnvironmentRevision), so that
// its state tells whether that took effect: it was Killed. It has reached its goal when it is queued or has been built.
func (d *builds) Start(ctx context.Context, e Execution) (Answer, error) {
	if api := d.client.Dialect(); !api.Rebuild {
		return Answer{}, &LeaveError{"Domino " + api.Name + " has no call that builds a revision again: its owner must"}
	}
	now, err := d.Read(ctx, e)
	if err != nil {
		return Answer{}, unsent(err)
	}
	if now.Finished() || !now.State.Down() {
		return Answer{}, &AlreadyError{Now: now}
	}
	err = d.client.RebuildRevision(ctx, e.ID)
	var refused *domino.Error
	if errors.As(err, &refused) && refused.Kind == domino.KindForbidden {
		return Answer{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Up)
	}
	if err != nil {
		return Answer{}, err
	}
	now.State = Running
	return Answer{Seen: &now}, nil
}

// buildStates folds the status of a revision's build (api.md §14).
var buildStates = map[string]State{
	"queued": Starting, "starting": Starting, "pulling": Running, "building": Running, "pushing": Running,
	"": Stopped, "succeeded": Stopped, "killed": Stopped, "failed": Failed,
}

func buildState(status string) State {
	if s, ok := buildStates[strings.ToLower(status)]; ok {
		return s
	}
	return Unknown
}
