package dominosim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Thing is an execution of a deployment that is to be played, with its own id and names. What it belongs to and needs is made
// as it is named: users, projects, environments, hardware tiers, volumes. One of a kind that the profile does not know, and a
// job or build that does not run, is not made.
type Thing struct {
	Kind, ID, Name            string // any Kind of the ledger but KindLauncher
	ProjectID                 string
	ProjectOwner, ProjectName string
	Owner                     string
	Owners                    []string // the others whose a model, an endpoint or an external deployment is
	Running                   bool
	HardwareTier              string
	Environment               string
	Volumes                   []string // ids
	Model                     string   // of a model version; of an endpoint's, the endpoint
	Active                    bool     // of a model version
	Classic                   bool     // of a workspace
	Number                    int      // of a job, in its project
	Command, Commit, Flow     string   // of a job
}

// makeThings makes the things of the configuration.
func (s *Sim) makeThings() {
	for i, t := range s.cfg.Things {
		if !s.profile.knows(t.Kind) {
			continue
		}
		if t.Kind == KindBuild {
			s.loadBuild(t)
			continue
		}
		p, at := s.projectFor(t), s.ago(i)
		owner := p.owner
		if t.Owner != "" {
			owner = s.userFor(t.Owner)
		}
		switch t.Kind {
		case KindApp:
			s.loadApp(t, p, owner, at)
		case KindModelAPI:
			s.loadVersion(t, p, owner, at)
		case KindEndpoint, KindDeployment:
			s.loadServed(t, p, owner, at)
		case KindJob:
			s.loadJob(t, p, owner, at)
		case KindWorkspace:
			if t.Classic {
				w := &classic{id: t.ID, name: t.Name, tier: s.tierFor(t.HardwareTier), env: s.environmentFor(t.Environment)}
				s.addClassic(w, p, owner, at)
				if !t.Running {
					s.finished(w.run, "Stopped")
				}
				continue
			}
			w := s.addWorkspace(p, t.Name, at.Add(-time.Hour))
			s.workspaces.rename(w.id, t.ID)
			w.id, w.owner, w.environment, w.tier = t.ID, owner, s.environmentFor(t.Environment), s.tierFor(t.HardwareTier)
			e := s.sat(w, at, s.volumesFor(t, p), nil)
			if !t.Running {
				s.finished(e.run, "Stopped")
				w.state.change(s.born.Add(-2*time.Hour), "Stopped")
			}
		case KindScheduledJob:
			d := s.addSchedule(p, t.Name, at, !t.Running)
			d.definition.points[0].value["scheduledByUserId"] = owner.id
			s.schedules.rename(d.id, t.ID)
			d.id = t.ID
		}
	}
	for _, p := range s.projects {
		slices.SortStableFunc(p.jobs, func(a, b *job) int { return cmp.Compare(a.number, b.number) })
	}
}

// loadJob takes the number out of a job's name, which the client puts there.
func (s *Sim) loadJob(t Thing, p *project, owner *user, at time.Time) {
	if !t.Running {
		return
	}
	j := s.newJob(p, t.Command, owner)
	s.jobs.rename(j.id, t.ID)
	env := s.environmentFor(t.Environment)
	j.id, j.flow, j.number = t.ID, t.Flow, cmp.Or(t.Number, j.number)
	j.title = strings.TrimPrefix(t.Name, fmt.Sprintf("#%d ", t.Number))
	j.Key.ID, j.Execution, j.Volumes, j.Commit = t.ID, t.ID, s.volumesFor(t, p), cmp.Or(t.Commit, p.head.at(at))
	j.Environment, j.EnvironmentRevision, j.HardwareTier = env.id, env.revision, s.tierFor(t.HardwareTier).id
	s.underWay(j, at)
}

// loadBuild takes the name of the environment and the number of the revision out of the build's name ("R 4.3, revision 7").
func (s *Sim) loadBuild(t Thing) {
	if !t.Running {
		return
	}
	e := s.environmentFor(t.Environment)
	if t.Owner != "" {
		e.owner = s.userFor(t.Owner)
	}
	r := s.addBuild(e)
	s.revisions.rename(r.id, t.ID)
	r.id = t.ID
	if i := strings.LastIndex(t.Name, ", revision "); i > 0 {
		e.name = t.Name[:i]
		if n, err := strconv.Atoi(t.Name[i+len(", revision "):]); err == nil {
			r.number = n
		}
	}
}

func (s *Sim) loadServed(t Thing, p *project, owner *user, at time.Time) {
	v := &served{
		kind: t.Kind, id: t.ID, name: t.Name, project: p, creator: owner, created: at.Add(-time.Hour),
		env: s.environmentFor(t.Environment), tier: s.tierFor(t.HardwareTier).id,
	}
	if t.Kind == KindEndpoint {
		e := s.endpoints.byID[t.Model]
		if e == nil {
			e = &genAIEndpoint{id: t.Model, name: unversioned(t.Name), project: p, maker: owner}
			for _, name := range t.Owners {
				e.maker = s.userFor(name)
			}
			s.endpoints.add(e.id, e)
		}
		v.endpoint, v.number = e, len(e.versions)+1
		if _, n, ok := strings.Cut(t.ID, "/"); ok {
			v.number, _ = strconv.Atoi(n)
		}
		e.versions = append(e.versions, v)
	}
	if t.Kind == KindDeployment {
		for _, name := range t.Owners {
			v.others = append(v.others, s.userFor(name))
		}
	}
	s.addServed(v, at, !t.Running)
}

// unversioned is what a version is one of: "scorer v5" is a version of scorer.
func unversioned(name string) string {
	if i := strings.LastIndex(name, " v"); i > 0 {
		return name[:i]
	}
	return name
}

func (s *Sim) loadApp(t Thing, p *project, owner *user, at time.Time) {
	a := s.addApp(p, t.Name, at.Add(-time.Hour))
	s.apps.rename(a.id, t.ID)
	a.id, a.publisher, a.hardware, a.environment = t.ID, owner, s.tierFor(t.HardwareTier).id, s.environmentFor(t.Environment)
	r := &run{project: p, by: owner, title: a.name, Run: Run{
		Key: Key{KindApp, a.id}, Instance: s.newID(), Environment: a.environment.id, EnvironmentRevision: a.environment.revision,
		HardwareTier: a.hardware, Volumes: s.volumesFor(t, p), Commit: p.head.at(at),
	}}
	r.Execution = r.Instance
	a.runs = append(a.runs, r)
	s.instances[r.Instance] = r
	s.begun(r, at)
	if !t.Running {
		s.finished(r, "Stopped")
	}
}

func (s *Sim) loadVersion(t Thing, p *project, owner *user, at time.Time) {
	m := s.models.byID[t.Model]
	if m == nil {
		m = s.addModel(p, unversioned(t.Name), at.Add(-time.Hour))
		s.models.rename(m.id, t.Model)
		m.id, m.owner = t.Model, owner
		for _, name := range t.Owners {
			m.others = append(m.others, s.userFor(name))
		}
	}
	v := s.addVersion(m, at.Add(-time.Hour))
	s.versions.rename(v.id, t.ID)
	v.id, v.creator = t.ID, owner
	s.served(v, at)
	if !t.Running {
		s.ended(v, s.born.Add(-2*time.Hour), "Stopped")
	}
	if t.Active || m.active == nil {
		m.active = v
	}
}

func (s *Sim) userFor(name string) *user {
	if u := s.userNamed(name); u != nil {
		return u
	}
	u := &user{id: s.newID(), name: name, last: name}
	s.users = append(s.users, u)
	return u
}

// projectFor is the project of a thing, by its id, or by its name where the record has no id.
func (s *Sim) projectFor(t Thing) *project {
	if p := s.projectOf(t.ProjectID); p != nil {
		return p
	}
	owner := s.userFor(cmp.Or(t.ProjectOwner, t.Owner, s.admin.name)) // what is deployed outside of Domino may have no project
	if t.ProjectID == "" {
		for _, p := range s.projects {
			if p.name == cmp.Or(t.ProjectName, "unnamed") && p.owner == owner {
				return p
			}
		}
	}
	p := s.makeProject(cmp.Or(t.ProjectName, "unnamed"), len(s.projects))
	p.id, p.owner = cmp.Or(t.ProjectID, p.id), owner
	return p
}

// environmentFor is the environment of an id, of the release's own if it is empty.
func (s *Sim) environmentFor(id string) *environment {
	if e := s.environmentOf(id); e != nil {
		return e
	}
	if id == "" {
		return s.environments[0]
	}
	e := &environment{id: id, name: "environment " + id, owner: s.admin}
	r := s.addRevision(e, s.born.AddDate(0, -1, 0))
	r.status.set(r.created, "Succeeded")
	e.revision, e.number = r.id, r.number
	s.environments = append(s.environments, e)
	return e
}

func (s *Sim) tierFor(id string) *tier {
	if t := s.tierOf(id); t != nil {
		return t
	}
	if id == "" {
		return s.tiers[0]
	}
	t := &tier{id: id, name: id, cores: 1, memoryGiB: 4, created: s.born.AddDate(-1, 0, 0)}
	s.tiers = append(s.tiers, t)
	return t
}

func (s *Sim) volumesFor(t Thing, p *project) []string {
	for _, id := range t.Volumes {
		v := s.volumeOf(id)
		if v == nil {
			v = &volume{id: id, name: "volume-" + id}
			s.volumes = append(s.volumes, v)
		}
		if !slices.Contains(p.volumes, v) {
			p.volumes = append(p.volumes, v)
		}
	}
	return slices.Clone(t.Volumes)
}
