package dominosim

import "time"

// running is what starts or runs at t.
func (s *Sim) running(t time.Time) map[Key]Run {
	out := map[Key]Run{}
	for _, a := range s.apps.order {
		if r := a.latest(t); a.kind() == KindApp && r != nil && goesOn(r.is(t)) {
			out[r.Key] = r.Run
		}
	}
	for _, v := range s.versions.order {
		if v.goal().serves() {
			out[Key{KindModelAPI, v.id}] = v.lastRun
		}
	}
	for _, w := range s.workspaces.order {
		if e := w.latest(t); e != nil && goesOn(e.is(t)) {
			out[e.Key] = e.Run
		}
	}
	for _, w := range s.classics.order {
		if goesOn(w.is(t)) {
			out[w.Key] = w.Run
		}
	}
	for _, j := range s.jobs.order {
		if goesOn(j.is(t)) {
			k := j.Key
			if _, twice := out[k]; twice { // run again by mistake, or by its owner as well
				k.ID = j.id
			}
			out[k] = j.Run
		}
	}
	for _, r := range s.revisions.order {
		if building(r.status.at(t)) {
			out[Key{KindBuild, r.id}] = r.run(t)
		}
	}
	for _, v := range s.serving.order {
		if v.goesOn(t) {
			out[Key{v.kind, v.id}] = v.lastRun
		}
	}
	for _, d := range s.schedules.order {
		if !d.paused(t) {
			out[Key{KindScheduledJob, d.id}] = d.run(d.definition.since(t), d.project.owner.name)
		}
	}
	return out
}

func (s *Sim) moving(t time.Time) []Key {
	var out []Key
	for _, a := range s.apps.order {
		if r := a.latest(t); a.kind() == KindApp && r != nil && (comingUp(r.is(t)) || ending(r.is(t))) {
			out = append(out, r.Key)
		}
	}
	for _, v := range s.versions.order {
		if v.state.at(t).pending {
			out = append(out, Key{KindModelAPI, v.id})
		}
	}
	for _, w := range s.workspaces.order {
		if e := w.latest(t); e != nil && (comingUp(e.is(t)) || ending(e.is(t))) {
			out = append(out, e.Key)
		}
	}
	for _, w := range s.classics.order {
		if ending(w.is(t)) {
			out = append(out, w.Key)
		}
	}
	for _, j := range s.jobs.order {
		if comingUp(j.is(t)) || ending(j.is(t)) {
			out = append(out, j.Key)
		}
	}
	for _, v := range s.serving.order {
		if w, is := v.words(), v.state.at(t); is == w[0] || is == w[2] {
			out = append(out, Key{v.kind, v.id})
		}
	}
	return out
}

func (s *Sim) word(k Key, t time.Time) string {
	switch k.Kind {
	case KindApp, KindLauncher:
		if a := s.apps.byID[k.ID]; a != nil {
			return a.word(t)
		}
	case KindModelAPI:
		if v := s.versions.byID[k.ID]; v != nil {
			return v.state.at(t).name
		}
	case KindEndpoint, KindDeployment:
		if v := s.serving.byID[k.ID]; v != nil {
			return v.state.at(t)
		}
	case KindWorkspace:
		if w := s.workspaces.byID[k.ID]; w != nil {
			return w.state.at(t)
		}
		if w := s.classics.byID[k.ID]; w != nil {
			return w.is(t)
		}
	case KindJob:
		if j := s.jobs.byID[k.ID]; j != nil {
			return j.is(t)
		}
	case KindBuild:
		if r := s.revisions.byID[k.ID]; r != nil {
			return r.status.at(t)
		}
	case KindScheduledJob:
		if d := s.schedules.byID[k.ID]; d != nil {
			if d.paused(t) {
				return "Paused"
			}
			return "Active"
		}
	}
	return ""
}

// An Object is one thing of the model, as tests need it to name it.
type Object struct {
	Key
	Name      string
	ProjectID string
	Project   string // owner/name
	Owner     string // whose it is: publisher, creator, owner, or who scheduled it
	ModelID   string // of a model version
	Number    int    // of a model version
	Active    bool   // of a model version: it is the routed one
	Archived  bool   // its project is archived
	Root      string // of a job: the id of the first of those that re-run each other, as which the ledger knows it
}

// Objects are all things of a kind, running or not, in the order they were made.
func (s *Sim) Objects(kind string) []Object {
	var out []Object
	add := func(id, name string, p *project, owner string) *Object {
		out = append(out, Object{
			Key: Key{kind, id}, Name: name, ProjectID: p.id, Project: p.owner.name + "/" + p.name, Owner: owner, Archived: p.archived,
		})
		return &out[len(out)-1]
	}
	s.locked(func(now time.Time) {
		switch kind {
		case KindApp, KindLauncher:
			for _, a := range s.apps.order {
				if a.kind() == kind {
					owner := ""
					if a.publisher != nil {
						owner = a.publisher.name
					}
					add(a.id, a.name, a.project, owner)
				}
			}
		case KindModelAPI:
			for _, v := range s.versions.order {
				o := add(v.id, v.model.name, v.model.project, v.creator.name)
				o.ModelID, o.Number, o.Active = v.model.id, v.number, v.model.active == v
			}
		case KindEndpoint, KindDeployment:
			for _, v := range s.serving.order {
				if v.kind == kind {
					add(v.id, v.name, v.project, v.creator.name)
				}
			}
		case KindWorkspace:
			for _, w := range s.workspaces.order {
				add(w.id, w.name, w.project, w.owner.name)
			}
		case KindJob:
			for _, j := range s.jobs.order {
				add(j.id, j.title, j.project, j.by.name).Root = j.root.id
			}
		case KindBuild:
			for _, r := range s.revisions.order {
				if r.status.at(now) != "" && r.id != r.environment.revision {
					out = append(out, Object{Key: Key{kind, r.id}, Name: r.environment.name, Owner: r.environment.owner.name})
				}
			}
		case KindScheduledJob:
			for _, d := range s.schedules.order {
				add(d.id, text(d.definition.at(now)["title"]), d.project, d.project.owner.name)
			}
		}
	})
	return out
}

// Definition is a schedule's definition now, in the form of PUT. It is the caller's to change.
func (s *Sim) Definition(scheduleID string) map[string]any {
	var out map[string]any
	s.locked(func(now time.Time) {
		if d := s.schedules.byID[scheduleID]; d != nil {
			out = normal(d.definition.at(now))
		}
	})
	return out
}
