package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// schedules drives scheduled jobs: "running" is not being paused. Domino has no call
// that pauses one; its whole definition is put back with one field changed, and a
// PUT reads some fields from another place than GET shows them (api.md §12).
type schedules struct {
	client   *domino.Client
	projects *projects
}

// scheduleRestart keeps the definition as it was: it is never written back as a
// whole over what an owner may have edited since, but it is what a person needs to
// mend a schedule by hand.
type scheduleRestart struct {
	Definition json.RawMessage `json:"definition"`
}

// List asks every project that is not archived: there is no list across projects.
func (d *schedules) List(ctx context.Context) Listing {
	var l Listing
	var mu sync.Mutex
	projects := d.projects.list(false)
	slices.SortFunc(projects, func(a, b Project) int { return strings.Compare(a.ID, b.ID) })
	lists := make([]Listing, len(projects))
	eachParallel(ctx, len(projects), func(i int) {
		list, rows, err := d.client.ScheduledJobs(ctx, projects[i].ID)
		for _, s := range list {
			e := d.fold(s, projects[i])
			if !e.State.Up() {
				e.Restart = nil // nothing will start it, and definitions are large
			}
			lists[i].Executions = append(lists[i].Executions, e)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			l.problem(ScheduledJob, projects[i].String(), err)
		}
		for _, r := range rows {
			l.problem(ScheduledJob, projects[i].String()+" "+r.What, r.Err)
		}
	})
	for _, one := range lists {
		l.merge(one)
	}
	if err := ctx.Err(); err != nil {
		l.problem(ScheduledJob, "list", err)
	}
	return l
}

func (d *schedules) fold(s domino.ScheduledJob, p Project) Execution {
	e := Execution{
		Kind: ScheduledJob, ID: s.ID, Name: s.Title, Project: p, Owner: s.ScheduledBy,
		State: Running, DominoState: "active", HardwareTier: s.HardwareTierID, Environment: s.EnvironmentID, Revision: s.EnvironmentRevisionID,
		Restart: restartArgs(scheduleRestart{Definition: s.Definition}),
	}
	for _, id := range s.VolumeIDs {
		e.Volumes = append(e.Volumes, Mount{ID: id})
	}
	if s.Paused {
		e.State, e.DominoState = Stopped, "paused"
	}
	return e
}

// Poll tells nothing: pausing is done when the PUT has been read back.
func (d *schedules) Poll(context.Context) (map[string]State, error) { return nil, nil }

func (d *schedules) Read(ctx context.Context, e Execution) (Execution, error) {
	s, err := d.client.ScheduledJob(ctx, e.Project.ID, e.ID)
	if err != nil {
		return e, gone(err)
	}
	return d.fold(s, e.Project), nil
}

func (d *schedules) Detail(ctx context.Context, e Execution) (Execution, error) {
	return d.Read(ctx, e)
}

func (d *schedules) Stop(ctx context.Context, e Execution, _ bool) (Answer, error) {
	return d.setPaused(ctx, e, true)
}

func (d *schedules) Start(ctx context.Context, e Execution) (Answer, error) {
	return d.setPaused(ctx, e, false)
}

// setPaused puts the definition as Domino holds it now with isPaused changed, reads
// it back, and if anything else has changed puts the old one once more. A schedule that is paused
// when its start is read back is not put again, whatever else has changed: its owner may have paused
// it, since a reading that is repeated comes late. The caller looks again, and compares.
func (d *schedules) setPaused(ctx context.Context, e Execution, paused bool) (Answer, error) {
	before, err := d.client.ScheduledJob(ctx, e.Project.ID, e.ID)
	if err != nil {
		return Answer{}, unsent(gone(err))
	}
	if before.Paused == paused {
		return Answer{}, fmt.Errorf("%w (paused: %t)", ErrAlready, paused)
	}
	var diff []string
	for range 2 {
		body, err := domino.UpdateOf(before.Definition, paused)
		if err != nil {
			return Answer{}, &UnsentError{err}
		}
		if err := d.client.PutScheduledJob(ctx, e.Project.ID, e.ID, body); err != nil {
			return Answer{}, err // a 404 is about something that the definition names: the schedule itself has just been read
		}
		now, err := d.client.ScheduledJob(ctx, e.Project.ID, e.ID)
		if err != nil {
			return Answer{}, nil //nolint:nilerr // the PUT was accepted; the caller will read again
		}
		if now.Paused && !paused {
			return Answer{}, nil
		}
		diff = domino.SameSchedule(before.Definition, now.Definition)
		if len(diff) == 0 && now.Paused == paused {
			seen := d.fold(now, e.Project)
			return Answer{Seen: &seen}, nil
		}
	}
	return Answer{}, &ChangedError{Fields: diff}
}

// Differences names the fields that differ between the definitions of the two.
func (d *schedules) Differences(before, now Execution) []string {
	var a, b scheduleRestart
	if json.Unmarshal(before.Restart, &a) != nil || json.Unmarshal(now.Restart, &b) != nil {
		return nil
	}
	return domino.SameSchedule(a.Definition, b.Definition)
}

// ChangedError says that Domino changed more of an execution than it was asked to,
// also on the second attempt. The execution is left as it is, for a person to mend.
type ChangedError struct{ Fields []string }

func (e *ChangedError) Error() string {
	if len(e.Fields) == 0 {
		return "Domino accepted the change of isPaused twice and does not show it"
	}
	return "Domino changed more than isPaused, twice: " + strings.Join(e.Fields, ", ") + "; the definition before is in the journal"
}
