package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// jobs drives jobs. A job runs once: it ends by itself, is waited for or stopped, and what a restore starts is another job,
// its re-run.
//
// # How jobs are found
//
// There is no list of jobs over all projects (api.md §11), so that every project is asked for its active ones. Archived
// projects are not: Domino stops what runs in them when they are archived, and what they answer is not known. GET
// /v4/admin/executions nominates the rest. That list would do for all in one call, but nobody has confirmed that it is whole
// (it is of "the Kubernetes Compute Grid, for now"; api.md §13), and a job it lacked would be killed by the upgrade unseen. A
// project whose list fails makes the listing incomplete; an unanswered list of executions does not, and the snapshot says
// that it could not be asked.
//
// # How a re-run is recognised
//
// Domino's own re-run (op restartJob) is the only one that keeps all that a job ran with: no answer tells its volume size or
// capacity type, which POST /v4/jobs/start would need. It makes a job with a new id each time it is called, so that a call
// whose answer is lost must not be repeated before it is known not to have taken effect. What a re-run of ours shares with its
// original is certain: the project, the command, a greater number, and that it was submitted after the original had ended,
// both by Domino's clock, since dmm sends no re-run of what it has not seen down. So before each call, the first and all others,
// the project's later jobs are read (whole, or nothing is called):
//
//   - None fits: no re-run took effect. A call in doubt is settled by then, so that it would be in the list.
//   - One fits that was started by our own user on the same commit, is called a re-run as Domino calls them, and is nobody
//     else's re-run: it is ours, of an earlier call, and nothing is called.
//   - One fits in part: somebody else's re-run, or a start of the same command by hand or by its schedule. Nothing is called,
//     and the job is left with the advice to look at that one.
//
// Two jobs that are the same in all of that may both be in doubt. Each takes a re-run that the other has not, from the answers
// of this process and, by Recall, from the journal; and only one re-run is on its way at a time. Which of the two a re-run
// was made from does not matter, since they are the same.
type jobs struct {
	client   *domino.Client
	projects *projects
	discard  bool // a stop does not save results

	turn chan struct{} // taken while a re-run is looked for and called

	mu      sync.Mutex
	reruns  map[string]string // id of a re-run: of the job that it re-runs
	unnamed map[string]bool   // project and command of re-runs that Domino accepted without telling their id
}

func newJobs(c *domino.Client, p *projects) *jobs {
	return &jobs{client: c, projects: p, turn: make(chan struct{}, 1), reruns: map[string]string{}, unnamed: map[string]bool{}}
}

// jobRestart is what a re-run needs and is recognised by.
type jobRestart struct {
	ProjectID string `json:"projectId"`
	JobID     string `json:"jobId"`
	Number    int    `json:"number"`
	Command   string `json:"command"`
	CommitID  string `json:"commitId,omitempty"`
}

// JobFacts are what a job's restart arguments tell of it: its number in its project, its command, and the commit that it began with.
func JobFacts(e Execution) (number int, command, commit string) {
	var r jobRestart
	if e.Kind == Job && json.Unmarshal(e.Restart, &r) == nil {
		return r.Number, r.Command, r.CommitID
	}
	return 0, "", ""
}

func (r jobRestart) alike() string { return r.ProjectID + " " + r.Command }

func (d *jobs) List(ctx context.Context) Listing {
	var l Listing
	var mu sync.Mutex
	listed := map[string]bool{}
	projects := d.projects.list(false)
	eachParallel(ctx, len(projects), func(i int) {
		list, rows, err := d.client.ActiveJobs(ctx, projects[i].ID)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			l.problem(Job, projects[i].String(), err)
		}
		for _, r := range rows {
			l.problem(Job, projects[i].String()+" "+r.What, r.Err)
		}
		for _, j := range list {
			listed[j.ID] = true
			l.Executions = append(l.Executions, fold(j, projects[i]))
		}
	})
	if err := ctx.Err(); err != nil {
		l.problem(Job, "list", err)
		return l
	}
	others, _, err := d.client.Executions(ctx)
	if err != nil {
		return l // the witness of the snapshot says so
	}
	for _, x := range others {
		if kind, _ := workloadKind(x.WorkloadType); kind == Job && !listed[x.ID] {
			l.Executions = append(l.Executions, Execution{
				Kind: Job, ID: x.ID, Name: x.Title, Owner: x.User, RunID: x.ID, State: runState(x.Status), DominoState: x.Status,
				Project: Project{ID: x.ProjectID, Owner: x.ProjectOwner, Name: x.ProjectName},
			})
		}
	}
	return l
}

func fold(j domino.Job, p Project) Execution {
	name := cmp.Or(j.Title, j.Command)
	if j.Number > 0 {
		name = fmt.Sprintf("#%d %s", j.Number, name)
	}
	e := Execution{
		Kind: Job, ID: j.ID, RunID: j.ID, Name: name, Project: p, Owner: j.StartedBy.Name, Flow: j.Flow, DominoState: j.Status,
		Since: j.Started,
	}
	if e.Since.IsZero() {
		e.Since = j.Submitted
	}
	e.State = endState(j.Status, j.Completed)
	e.Restart = restartArgs(jobRestart{ProjectID: p.ID, JobID: j.ID, Number: j.Number, Command: j.Command, CommitID: j.CommitID})
	return e
}

// Poll tells what Domino's list of all executions shows. A job that is not in it any more is read.
func (d *jobs) Poll(ctx context.Context) (map[string]State, error) {
	list, _, err := d.client.Executions(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(list))
	for _, x := range list {
		states[x.ID] = runState(x.Status)
	}
	return states, nil
}

func (d *jobs) Read(ctx context.Context, e Execution) (Execution, error) {
	j, err := d.client.Job(ctx, e.ID)
	if err != nil {
		return e, gone(err)
	}
	p := e.Project
	if j.ProjectID != "" && j.ProjectID != p.ID {
		p = d.projects.get(j.ProjectID)
	}
	now := fold(j, p)
	now.HardwareTier, now.Environment = e.HardwareTier, e.Environment
	return now, nil
}

// Detail also tells what the job runs in, which its re-run needs nobody to say.
func (d *jobs) Detail(ctx context.Context, e Execution) (Execution, error) {
	now, err := d.Read(ctx, e)
	if err != nil || !now.State.Up() {
		return now, err
	}
	in, err := d.client.JobRuntime(ctx, e.ID)
	switch {
	case err == nil:
		now.HardwareTier, now.Environment = in.HardwareTierID, in.EnvironmentID
	case ctx.Err() != nil, domino.KindOf(err) == domino.KindCredentials:
		return now, err
	}
	return now, nil // it informs people and preflight; a job without it is a job all the same
}

// Stop stops a job. What Domino answers when it is over is not evidenced (api.md §11): any refusal is followed by a look.
func (d *jobs) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	if e.Flow != "" {
		return Answer{}, &UnsentError{errors.New("it belongs to a flow, which dmm does not stop")}
	}
	err := d.client.StopJob(ctx, e.Project.ID, e.ID, !d.discard)
	if err == nil || !answered(err) {
		return Answer{}, err
	}
	return Answer{}, refusedOrAlready(ctx, d, e, err, State.Down)
}

// Start re-runs a job, unless a re-run of it is there. It has reached its goal when there is one: whether that runs or
// waits for a place, and how it ends, is its own affair.
func (d *jobs) Start(ctx context.Context, e Execution) (Answer, error) {
	var r jobRestart
	if err := decodeRestart(e, &r); err != nil {
		return Answer{}, err
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return Answer{}, &UnsentError{context.Cause(ctx)}
	}
	first, err := d.client.Job(ctx, e.ID)
	if err != nil {
		return Answer{}, unsent(gone(err))
	}
	now := fold(first, e.Project)
	switch {
	case now.Finished():
		return Answer{}, &LeaveError{"it has come to its own end since, and there is nothing to re-run"}
	case !now.State.Down():
		return Answer{}, &AlreadyError{Now: now}
	}
	if there, err := d.rerunOf(ctx, r, first); there != nil || err != nil {
		return rerun(e, there), err
	}
	again, err := d.client.RestartJob(ctx, r.ProjectID, r.JobID)
	if domino.KindOf(err) == domino.KindForbidden {
		return Answer{}, fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	if err != nil {
		return Answer{}, err
	}
	d.recall(r, again.ID)
	return rerun(e, &again), nil
}

// rerun is e with its re-run in its place.
func rerun(e Execution, j *domino.Job) Answer {
	if j == nil {
		return Answer{}
	}
	e.State, e.DominoState, e.Instance = Running, cmp.Or(j.Status, "accepted"), j.ID
	return Answer{Seen: &e}
}

// rerunOf looks for a re-run of a job that is over: the one that is surely there, or a *LeaveError if there may be one.
func (d *jobs) rerunOf(ctx context.Context, r jobRestart, first domino.Job) (*domino.Job, error) {
	later, err := d.client.JobsAfter(ctx, r.ProjectID, first.Number)
	if answered(err) {
		return nil, fmt.Errorf("look for a re-run: %w", err) // and there is no use in asking for as long as for a Domino that is away
	}
	if err != nil {
		return nil, &UnsentError{err}
	}
	slices.SortFunc(later, func(a, b domino.Job) int { return cmp.Compare(a.Number, b.Number) })
	d.mu.Lock()
	defer d.mu.Unlock()
	me := d.client.Caller()
	var perhaps *domino.Job
	for _, j := range later {
		before := !first.Ended.IsZero() && !j.Submitted.IsZero() && j.Submitted.Before(first.Ended)
		of, known := d.reruns[j.ID]
		switch {
		case known && of == r.JobID:
			return &j, nil
		case known, before, j.Command != first.Command, j.Scheduled && !first.Scheduled:
			continue
		}
		ours := (j.StartedBy.ID == me.ID || j.StartedBy.Name == me.Name) && me.Name != "" && !j.Scheduled &&
			j.CommitID == first.CommitID && strings.Contains(strings.ToLower(j.Title), "rerun")
		if ours && !d.unnamed[r.alike()] {
			d.reruns[j.ID] = r.JobID
			return &j, nil
		}
		if perhaps == nil {
			perhaps = &j
		}
	}
	if perhaps == nil {
		return nil, nil
	}
	return nil, &LeaveError{fmt.Sprintf("perhaps it was re-run already: look at job #%d (%s) of %s, which has the same command and began after this one had ended",
		perhaps.Number, perhaps.ID, cmp.Or(perhaps.StartedBy.Name, "an unknown user"))}
}

// recall remembers the re-run of a job. An empty id is one that Domino did not tell.
func (d *jobs) recall(r jobRestart, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == "" {
		d.unnamed[r.alike()] = true
		return
	}
	d.reruns[id] = r.JobID
}
