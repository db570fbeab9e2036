package dominosim

import (
	"net/http"
	"slices"
	"time"
)

// A revision of an environment, with the build of its image (api.md §14).
type revision struct {
	id          string
	number      int
	environment *environment
	created     time.Time
	status      history[string] // Queued, Starting, Pulling, Building, Pushing; Succeeded, Failed, Killed; empty: never built
}

func building(status string) bool {
	return slices.Contains([]string{"Queued", "Starting", "Pulling", "Building", "Pushing"}, status)
}

func (e *environment) latest(t time.Time) *revision {
	for _, r := range slices.Backward(e.revisions) {
		if !r.created.After(t) {
			return r
		}
	}
	return nil
}

// addRevision gives an environment another revision, which is the latest and not the active one.
func (s *Sim) addRevision(e *environment, at time.Time) *revision {
	r := &revision{id: s.newID(), number: len(e.revisions) + 1, environment: e, created: at}
	if n := len(e.revisions); n > 0 {
		r.number = e.revisions[n-1].number + 1
	}
	e.revisions = append(e.revisions, r)
	s.revisions.add(r.id, r)
	return r
}

// build begins the build of a revision. The words are those of the enumeration; how long each takes is not known.
func (s *Sim) build(r *revision, at time.Time, failure string) {
	r.status.change(at, "Queued")
	r.status.set(at.Add(s.cfg.StartTime/4), "Starting")
	r.status.set(at.Add(s.cfg.StartTime/2), "Pulling")
	ready := at.Add(s.cfg.StartTime)
	r.status.set(ready, "Building")
	switch {
	case failure != "":
		r.status.set(ready, "Failed")
	case s.cfg.BuildTime > 0:
		r.status.set(ready.Add(s.cfg.BuildTime*9/10), "Pushing")
		r.status.set(ready.Add(s.cfg.BuildTime), "Succeeded")
	}
}

func (r *revision) run(t time.Time) Run {
	return Run{Key: Key{KindBuild, r.id}, Environment: r.environment.id, EnvironmentRevision: r.id, By: r.environment.owner.name, At: r.status.since(t)}
}

func (r *revision) dto(s *Sim, t time.Time) obj {
	o := obj{"id": r.id, "number": r.number, "url": "/environments/revisions/" + r.id, "availableTools": []obj{}}
	if word := r.status.at(t); word != "" {
		o["status"] = word
	}
	if s.profile.release.atLeast(v5_7) {
		o["isRestricted"] = false
	}
	return o
}

// dto is the environment with its latest revision, whose status is the state of its build (LIVE, api.md §14).
func (e *environment) dto(s *Sim, t time.Time) obj {
	o := obj{
		"id": e.id, "archived": e.archived, "name": e.name, "visibility": "Global", "supportedClusters": []string{},
		"owner": obj{"id": e.owner.id, "username": e.owner.name, "environmentOwnerType": "Individual"},
	}
	if r := e.latest(t); r != nil {
		o["latestRevision"] = r.dto(s, t)
	}
	if active := s.revisions.byID[e.revision]; active != nil {
		o["selectedRevision"] = active.dto(s, t)
	}
	if s.profile.release.atLeast(v5_9) {
		o["description"] = ""
	}
	return o
}

func (c *call) listEnvironments() answer {
	t := c.s.asOf("environments", c.now)
	out := []obj{}
	for _, e := range c.s.environments {
		if !e.archived && !e.removed {
			out = append(out, e.dto(c.s, t))
		}
	}
	return ok(out)
}

func (c *call) environment() (*environment, answer) {
	id := c.r.PathValue("environmentId")
	if e := c.s.environmentOf(id); e != nil && !e.removed {
		return e, answer{}
	}
	return nil, refusal(http.StatusNotFound, "Environment "+id+" does not exist") // words NOT EVIDENCED
}

func (c *call) getEnvironment() answer {
	e, refused := c.environment()
	if e == nil {
		return refused
	}
	return ok(e.dto(c.s, c.seen(e.id)))
}

func (c *call) revision() (*revision, answer) {
	id := c.r.PathValue("environmentRevisionId")
	if r := c.s.revisions.byID[id]; r != nil && r.environment.id == c.r.PathValue("environmentId") {
		return r, answer{}
	}
	return nil, noRevision(id)
}

func noRevision(id string) answer {
	return refusal(http.StatusNotFound, "Environment revision "+id+" does not exist") // words NOT EVIDENCED
}

func (c *call) getRevision() answer {
	r, refused := c.revision()
	if r == nil {
		return refused
	}
	t := c.seen(r.id)
	if r.created.After(t) {
		return noRevision(r.id)
	}
	return ok(r.dto(c.s, t))
}

// cancelBuild answers 204. What it does to a build that is over is NOT EVIDENCED.
func (c *call) cancelBuild() answer {
	r, refused := c.revision()
	if r == nil {
		return refused
	}
	c.open(KindBuild, r.id, "stop", map[string]any{}, nil)
	if !building(r.status.at(c.now)) {
		return refusal(http.StatusBadRequest, "Environment revision "+r.id+" has no running build")
	}
	if !c.bent(FaultStopFails) && !c.bent(FaultStopSticks) {
		c.s.killBuild(r, c.now)
		c.effect.Effect = true
	}
	return answer{status: http.StatusNoContent}
}

func (s *Sim) killBuild(r *revision, at time.Time) {
	r.status.cut(at)
	r.status.set(at.Add(s.cfg.StopTime/4), "Killed")
}

// rebuild queues the revision's build again and answers 201. That it stays the same revision is INF (its only argument is that
// revision), as is that a build under way is refused.
func (c *call) rebuild() answer {
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	r := c.s.revisions.byID[text(body["revisionId"])]
	if r == nil {
		return invalidJSON("/revisionId: error.path.missing")
	}
	c.open(KindBuild, r.id, "start", body, unread(body, []string{"revisionId"}))
	if building(r.status.at(c.now)) {
		return refusal(http.StatusBadRequest, "Environment revision "+r.id+" is being built")
	}
	c.s.build(r, c.now, c.bentFailure())
	c.s.started(r.run(c.now))
	c.effect.Effect = true
	return answer{status: http.StatusCreated, body: r.environment.dto(c.s, c.now)}
}
