package dominosim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Thing is an app, model API version, workspace or schedule of a deployment that is to be played, with its own id and names.
// What it belongs to and needs is made as it is named: users, projects, environments, hardware tiers, volumes.
type Thing struct {
	Kind, ID, Name            string // one of KindApp, KindModelAPI, KindWorkspace, KindScheduledJob
	ProjectID                 string
	ProjectOwner, ProjectName string
	Owner                     string
	Running                   bool
	HardwareTier              string
	Environment               string
	Volumes                   []string // ids
	Model                     string   // of a model version
	Active                    bool     // of a model version
}

// makeThings makes the things of the configuration.
func (s *Sim) makeThings() {
	for i, t := range s.cfg.Things {
		p, owner, at := s.projectFor(t), s.userFor(t.Owner), s.ago(i)
		if t.Owner == "" {
			owner = p.owner
		}
		switch t.Kind {
		case KindApp:
			s.loadApp(t, p, owner, at)
		case KindModelAPI:
			s.loadVersion(t, p, owner, at)
		case KindWorkspace:
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
			s.schedules.rename(d.id, t.ID)
			d.id = t.ID
		}
	}
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
		name := t.Name
		if i := strings.LastIndex(name, " v"); i > 0 { // "scorer v5" is a version of scorer
			name = name[:i]
		}
		m = s.addModel(p, name, at.Add(-time.Hour))
		s.models.rename(m.id, t.Model)
		m.id, m.owner = t.Model, owner
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
	u := &user{id: s.newID(), name: name, first: name, last: name}
	s.users = append(s.users, u)
	return u
}

// projectFor is the project of a thing, by its id, or by its name where the record has no id.
func (s *Sim) projectFor(t Thing) *project {
	if p := s.projectOf(t.ProjectID); p != nil {
		return p
	}
	owner := s.userFor(t.ProjectOwner)
	if t.ProjectID == "" {
		for _, p := range s.projects {
			if p.name == t.ProjectName && p.owner == owner {
				return p
			}
		}
	}
	p := s.makeProject(t.ProjectName, len(s.projects))
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
