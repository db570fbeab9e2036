package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// workspaces drives durable workspaces. A workspace is a configuration and a
// volume; what runs is its session (api.md §10).
type workspaces struct {
	client   *domino.Client
	projects *projects
}

// workspaceRestart is what POST .../sessions takes (op startWorkspaceSession).
type workspaceRestart struct {
	ProjectID              string   `json:"projectId"`
	ExternalVolumeMountIDs []string `json:"externalVolumeMounts"`
	NetAppVolumeIDs        []string `json:"netAppVolumeIds,omitempty"`
	// Classic: it is a plain run. op relaunchWorkspace would make another one of it (api.md §10b), as somebody else perhaps: it is not called.
	Classic bool `json:"classic,omitempty"`
}

// Classic reports whether a workspace is a classic one.
func Classic(e Execution) bool {
	var r workspaceRestart
	return json.Unmarshal(e.Restart, &r) == nil && r.Classic
}

// List reads the admin's rows. They carry no project id, so that they are joined to
// projects by owner and name; rows that do not join or parse, totals that do not agree
// with the rows, and callers who may not see them cost a scan of every project (api.md
// §10, §22 item 8, §23 row 11).
func (d *workspaces) List(ctx context.Context) Listing {
	l := d.durable(ctx)
	l.merge(d.classics(ctx))
	return l
}

// classics lists the classic workspaces that run, project by project (api.md §10b, §23 row 10). Nobody has confirmed the route:
// where Domino answers and refuses, that is said, and the listing is as whole as one can be. The list of all executions
// shows what runs there.
func (d *workspaces) classics(ctx context.Context) Listing {
	var l Listing
	var mu sync.Mutex
	var refused []string
	var refusal, unknown error
	projects := d.projects.list(false)
	eachParallel(ctx, len(projects), func(i int) {
		list, rows, err := d.client.RunningClassics(ctx, projects[i].ID)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case domino.KindOf(err) == domino.KindNoRoute:
			unknown = err
		case answered(err):
			refused, refusal = append(refused, projects[i].String()), err
		case err != nil:
			l.problem(Workspace, "classic ones of "+projects[i].String(), err)
		}
		for _, r := range rows {
			l.problem(Workspace, r.What, r.Err)
		}
		for _, w := range list {
			e := d.fold(w)
			e.Project, e.Instance, e.RunID = projects[i], "", cmp.Or(e.RunID, e.ID)
			e.Restart = restartArgs(workspaceRestart{ProjectID: projects[i].ID, Classic: true})
			l.Executions = append(l.Executions, e)
		}
	})
	if unknown != nil {
		l.Problems = append(l.Problems, Problem{
			Kind: Workspace, Subject: "classic workspaces", Message: fmt.Sprintf("Domino %s does not know their list: none are taken to exist (%v)", d.client.Dialect().Name, unknown),
		})
	}
	if len(refused) > 0 {
		l.Problems = append(l.Problems, Problem{
			Kind: Workspace, Subject: "classic workspaces", Message: fmt.Sprintf("could not be listed in %d projects (%s, ...): stop them by hand: %v", len(refused), refused[0], refusal),
		})
	}
	return l
}

func (d *workspaces) durable(ctx context.Context) Listing {
	var l Listing
	rows, broken, err := d.client.WorkspaceRows(ctx)
	switch {
	case err != nil && !answered(err):
		l.problem(Workspace, "list", err)
		return l
	case err != nil, len(broken) > 0:
		return d.scan(ctx, nil)
	}
	lost := map[string]domino.WorkspaceRow{}
	for _, r := range rows {
		p, ok := d.projects.find(r.ProjectOwner, r.ProjectName)
		if !ok && !workspaceWord(r.State).Down() {
			lost[r.ID] = r
			continue
		}
		l.Executions = append(l.Executions, Execution{
			Kind: Workspace, ID: r.ID, Name: r.Name, Owner: r.Owner, Project: p,
			State: workspaceWord(r.State), DominoState: r.State, DataPlane: r.DataPlane,
		})
	}
	if len(lost) > 0 {
		l.merge(d.scan(ctx, lost))
	}
	return l
}

// scan lists workspaces project by project, archived ones too: all of them, or only
// the lost ones, of which those that are not found are problems.
func (d *workspaces) scan(ctx context.Context, lost map[string]domino.WorkspaceRow) Listing {
	var l Listing
	var mu sync.Mutex
	projects := d.projects.list(true)
	eachParallel(ctx, len(projects), func(i int) {
		list, rows, err := d.client.ProjectWorkspaces(ctx, projects[i].ID)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && lost == nil {
			l.problem(Workspace, projects[i].String(), err)
		}
		for _, r := range rows {
			l.problem(Workspace, r.What, r.Err)
		}
		for _, w := range list {
			if _, wanted := lost[w.ID]; wanted || lost == nil {
				l.Executions = append(l.Executions, d.fold(w))
				delete(lost, w.ID)
			}
		}
	})
	for _, r := range lost {
		l.problem(Workspace, r.Name+" ("+r.ID+")", fmt.Errorf("its project %s/%s is not among the projects that this key can see", r.ProjectOwner, r.ProjectName))
	}
	if err := ctx.Err(); err != nil {
		l.problem(Workspace, "list", err)
	}
	return l
}

func (d *workspaces) fold(w domino.Workspace) Execution {
	e := Execution{
		Kind: Workspace, ID: w.ID, Name: w.Name, Owner: w.Owner, Project: d.projects.get(w.ProjectID),
		HardwareTier: w.HardwareTierID, Environment: w.EnvironmentID, Revision: w.EnvironmentRevisionID, DataPlane: w.DataPlaneID,
	}
	e.State, e.DominoState = workspaceState(w)
	if w.Session != nil {
		e.Instance, e.RunID, e.Since = w.Session.ID, w.Session.ExecutionID, w.Session.Started
		e.Volumes = mountsOf(w.Session.Volumes)
	}
	return e
}

// Poll answers with the state word of each row. The word changes before the session
// is over, which is why Read decides.
func (d *workspaces) Poll(ctx context.Context) (map[string]State, error) {
	rows, _, err := d.client.WorkspaceRows(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(rows))
	for _, r := range rows {
		states[r.ID] = workspaceWord(r.State)
	}
	return states, nil
}

// readClassic tells how the run is; the rest of e stays as it was listed.
func (d *workspaces) readClassic(ctx context.Context, e Execution) (Execution, error) {
	w, err := d.client.ClassicWorkspace(ctx, e.Project.ID, e.ID)
	if err != nil {
		return e, gone(err)
	}
	e.State, e.DominoState = endState(w.Status, w.Completed), w.Status
	return e, nil
}

func (d *workspaces) read(ctx context.Context, e Execution) (domino.Workspace, Execution, error) {
	w, err := d.client.Workspace(ctx, e.Project.ID, e.ID)
	if err != nil {
		return w, e, gone(err)
	}
	if w.Deleted || strings.EqualFold(w.State, "deleted") { // it can be read still, and never be started
		return w, e, fmt.Errorf("%w: it is deleted", ErrGone)
	}
	now := d.fold(w)
	if now.Project.Name == "" {
		now.Project.Owner, now.Project.Name = e.Project.Owner, e.Project.Name
	}
	return w, now, nil
}

func (d *workspaces) Read(ctx context.Context, e Execution) (Execution, error) {
	if Classic(e) {
		return d.readClassic(ctx, e)
	}
	_, now, err := d.read(ctx, e)
	return now, err
}

func (d *workspaces) Detail(ctx context.Context, e Execution) (Execution, error) {
	if Classic(e) {
		return d.readClassic(ctx, e)
	}
	w, now, err := d.read(ctx, e)
	if err != nil || !now.State.Up() {
		return now, err
	}
	return d.arguments(ctx, w, now)
}

// Fill gives the workspace the mounts of its latest session.
func (d *workspaces) Fill(ctx context.Context, e Execution) (Execution, error) {
	w, now, err := d.read(ctx, e)
	if err != nil {
		return e, err
	}
	return d.arguments(ctx, w, now)
}

// arguments fills in what another session with the same mounts needs.
func (d *workspaces) arguments(ctx context.Context, w domino.Workspace, now Execution) (Execution, error) {
	r := workspaceRestart{ProjectID: now.Project.ID, ExternalVolumeMountIDs: []string{}}
	if s := w.Session; s != nil {
		var unnamed []domino.Mount // mounts carry an id from 5.9 (api.md §10)
		for _, m := range s.Volumes {
			if m.ID == "" {
				unnamed = append(unnamed, m)
				continue
			}
			r.ExternalVolumeMountIDs = append(r.ExternalVolumeMountIDs, m.ID)
		}
		if len(unnamed) > 0 {
			ids, guesses, err := volumesByName(ctx, d.client, now.Project.ID, unnamed)
			if err != nil {
				return now, err
			}
			r.ExternalVolumeMountIDs = append(r.ExternalVolumeMountIDs, ids...)
			now.Guesses = guesses
		}
		for _, m := range s.NetAppVolumes {
			r.NetAppVolumeIDs = append(r.NetAppVolumeIDs, m.ID)
		}
	}
	now.Restart = restartArgs(r)
	return now, nil
}

// Stop stops the session; of a classic workspace, it saves what was done in it, which is nowhere else. What Domino answers for a workspace that is stopped is not
// evidenced (api.md §10): any refusal is followed by a look.
func (d *workspaces) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	var err error
	if Classic(e) {
		err = d.client.StopClassic(ctx, e.ID)
	} else {
		err = d.client.StopWorkspace(ctx, e.Project.ID, e.ID)
	}
	if err == nil || !answered(err) {
		return Answer{}, err
	}
	return Answer{}, refusedOrAlready(ctx, d, e, err, State.Down)
}

// Start opens a new session. The documentation gives this right to the workspace's
// owner; whether an administrator's key may is not known (api.md §10).
func (d *workspaces) Start(ctx context.Context, e Execution) (Answer, error) {
	var r workspaceRestart
	if err := decodeRestart(e, &r); err != nil {
		return Answer{}, err
	}
	if r.Classic {
		return Answer{}, &LeaveError{"it is a classic workspace, which only a new run can follow: its owner must launch it, and finds its files in the project"}
	}
	var netApp []string
	if d.client.Dialect().SessionNetApp {
		netApp = r.NetAppVolumeIDs
	}
	session, err := d.client.StartWorkspaceSession(ctx, r.ProjectID, e.ID, r.ExternalVolumeMountIDs, netApp)
	var refused *domino.Error
	if errors.As(err, &refused) && refused.Kind == domino.KindForbidden {
		return Answer{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	if answered(err) {
		return Answer{}, refusedOrAlready(ctx, d, e, err, State.Up)
	}
	return Answer{Instance: session.ID}, err
}
