package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Drivers are the drivers of all kinds over one client, sharing what they know
// about projects.
type Drivers struct {
	client   *domino.Client
	projects *projects
	people   *people
	byKind   map[Kind]Driver
	pods     *podWatch // nil: pods bear no witness
}

// NewDrivers returns the drivers over a client. Stop and Start need a client that
// may write (domino.Client.WithGate).
func NewDrivers(c *domino.Client) *Drivers {
	p, who := &projects{client: c}, newPeople(c)
	return &Drivers{client: c, projects: p, people: who, byKind: map[Kind]Driver{
		App:                &apps{client: c, projects: p, tiers: &tiers{client: c}},
		ModelAPI:           &models{client: c, projects: p, people: who},
		Endpoint:           &endpoints{client: c, projects: p, people: who},
		ExternalDeployment: &deployments{client: c, projects: p, people: who},
		Workspace:          &workspaces{client: c, projects: p},
		ScheduledJob:       &schedules{client: c, projects: p},
		Job:                newJobs(c, p),
		Build:              &builds{client: c},
	}}
}

// Handle lets the drivers stop jobs as a handling says: with or without their results.
func (d *Drivers) Handle(h Handling) { d.byKind[Job].(*jobs).discard = h.Jobs == PolicyDiscard }

// Recall tells the drivers of an earlier start on record: what it made of e, if Domino told.
func (d *Drivers) Recall(e Execution, instance string) {
	var r jobRestart
	if e.Kind == Job && json.Unmarshal(e.Restart, &r) == nil {
		d.byKind[Job].(*jobs).recall(r, instance)
	}
}

// Of returns the driver of a kind, nil if there is none.
func (d *Drivers) Of(k Kind) Driver {
	driver := d.byKind[k]
	if driver == nil || d.pods == nil {
		return driver
	}
	w := &witnessed{Driver: driver, pods: d.pods}
	if c, ok := driver.(Comparer); ok {
		return &witnessedComparer{w, c}
	}
	return w
}

// List lists all executions of the kinds, in the order of Kinds, with projects
// read anew. A kind that cannot be listed is a problem of the listing and takes
// nothing from the others.
func (d *Drivers) List(ctx context.Context, kinds []Kind) Listing {
	all := d.projects.load(ctx)
	d.people.again()
	lists := make([]Listing, len(kinds))
	each := crash.NewGroup(0)
	for i, k := range kinds {
		each.Go(func() error { lists[i] = d.byKind[k].List(ctx); return nil })
	}
	_ = each.Wait()        // errors are problems of the lists
	seen := map[Key]bool{} // what moves while it is listed may be listed twice
	for _, l := range lists {
		all.Problems = append(all.Problems, l.Problems...)
		for _, e := range l.Executions {
			if !seen[e.Key()] {
				seen[e.Key()] = true
				all.Executions = append(all.Executions, e)
			}
		}
	}
	return all
}

// Detail reads every execution that is not down, in place, and fills in what only single
// reads tell. One that turns out to be gone is dropped; one that cannot be read is
// kept as the list showed it, and is a problem.
func (d *Drivers) Detail(ctx context.Context, l *Listing) {
	var mu sync.Mutex
	var problems Listing
	gone := make([]bool, len(l.Executions))
	eachParallel(ctx, len(l.Executions), func(i int) {
		e := l.Executions[i]
		if e.State.Down() {
			return
		}
		full, err := d.byKind[e.Kind].Detail(ctx, e)
		switch {
		case isGone(err):
			gone[i] = true
		case err != nil:
			mu.Lock()
			problems.problem(e.Kind, e.Name+" ("+e.ID+")", fmt.Errorf("read what its restart needs: %w", err))
			mu.Unlock()
		default:
			l.Executions[i] = full
		}
	})
	kept := l.Executions[:0]
	for i, e := range l.Executions {
		if !gone[i] {
			kept = append(kept, e)
		}
	}
	l.Executions = kept
	l.merge(problems)
}

// eachParallel calls f for 0..n-1. The client's limiter sets the real pace; the
// bound here only keeps goroutines few.
func eachParallel(ctx context.Context, n int, f func(i int)) {
	g := crash.NewGroup(64)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { f(i); return nil })
	}
	_ = g.Wait() // f returns nothing; errors are kept per item
}

// restartArgs encodes the arguments that a driver keeps for itself.
func restartArgs(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("execution: encode restart arguments: %v", err)) // plain structs of strings cannot fail
	}
	return b
}

func decodeRestart(e Execution, into any) error {
	if len(e.Restart) == 0 {
		return fmt.Errorf("start %s: the snapshot holds no restart arguments for it", e)
	}
	if err := json.Unmarshal(e.Restart, into); err != nil {
		return fmt.Errorf("start %s: read its restart arguments: %w", e, err)
	}
	return nil
}

// projects is the catalogue of projects by id and by owner and name.
type projects struct {
	client *domino.Client

	mu     sync.Mutex
	byID   map[string]domino.Project
	byName map[string]map[string]bool // owner/name, lower case, to the ids that have it or had it when they were archived
}

// load reads both lists of projects: the one of everybody, and the admin's, which
// also knows archived ones and those the caller is no member of (api.md §6).
func (p *projects) load(ctx context.Context) Listing {
	var l Listing
	byID, byName := map[string]domino.Project{}, map[string]map[string]bool{}
	add := func(list []domino.Project, rows []domino.RowError) {
		for _, one := range list {
			key := projectKey(one.Owner, one.Name)
			if byName[key] == nil {
				byName[key] = map[string]bool{}
			}
			byID[one.ID], byName[key][one.ID] = one, true
		}
		for _, r := range rows {
			l.problem("", r.What, r.Err)
		}
	}
	all, allRows, errAll := p.client.AllProjects(ctx)
	visible, visibleRows, errVisible := p.client.Projects(ctx)
	add(all, allRows)
	add(visible, visibleRows) // last, since it names the owner by user name
	switch {
	case errVisible != nil && errAll != nil:
		l.problem("", "projects", errVisible)
	case errVisible != nil:
		// GET /v4/projects is in no specification (api.md §6): the admin's list stands in.
		l.Problems = append(l.Problems, Problem{Subject: "projects", Message: "listed by the admin dashboard alone: " + errVisible.Error()})
	case errAll != nil:
		l.problem("", "projects", fmt.Errorf("only those that this key can see are known, the admin's list was refused: %w", errAll))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(byID) > 0 || p.byID == nil {
		p.byID, p.byName = byID, byName
	}
	return l
}

// ensure loads the catalogue if nobody has yet.
func (p *projects) ensure(ctx context.Context) []Problem {
	p.mu.Lock()
	loaded := p.byID != nil
	p.mu.Unlock()
	if loaded {
		return nil // what could not be had then has been said
	}
	return p.load(ctx).Problems
}

func (p *projects) entry(id string) (domino.Project, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.byID[id]
	return one, ok
}

func projectKey(owner, name string) string { return strings.ToLower(owner + "/" + name) }

func (p *projects) get(id string) Project {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.byID[id]
	return Project{ID: id, Owner: one.Owner, Name: one.Name}
}

// find returns the project of that name. An archived project may have a namesake, so
// that a name need not tell which it is.
func (p *projects) find(owner, name string) (Project, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.byName[projectKey(owner, name)]
	if len(ids) != 1 {
		return Project{Owner: owner, Name: name}, false
	}
	for id := range ids {
		return Project{ID: id, Owner: owner, Name: name}, true
	}
	return Project{}, false
}

// list returns the projects, all of them or only those that are not archived:
// Domino stops what runs in a project when it is archived (docs: Archive a project).
func (p *projects) list(archivedToo bool) []Project {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Project
	for id, one := range p.byID {
		if archivedToo || !one.Archived {
			list = append(list, Project{ID: id, Owner: one.Owner, Name: one.Name})
		}
	}
	return list
}
