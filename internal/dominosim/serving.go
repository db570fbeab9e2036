package dominosim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// What serves models beside model APIs (api.md §9c): versions of GenAI endpoints (6.2+) and deployments outside of Domino
// (6.0+). Of both there is only the specification: how long they take and what a stop of something that does not run
// answers is NOT EVIDENCED, and is taken to be as with apps: a refusal.

// A served is one of either. Its words are those of its kind.
type served struct {
	kind, id string // "endpoint/number" of a version
	name     string
	number   int // of a version
	project  *project
	creator  *user
	others   []*user // owners beside the creator, of a deployment
	created  time.Time
	env      *environment
	tier     string         // of a version
	endpoint *genAIEndpoint // nil: a deployment
	state    history[string]
	ids      history[string] // of the execution that serves it
	lastRun  Run
}

type genAIEndpoint struct {
	id, name string
	project  *project
	maker    *user
	versions []*served // by number
}

// words of a served's life: coming, up, going, down, failed (§21; ModelDeploymentStatus).
func (v *served) words() [5]string {
	if v.endpoint != nil {
		return [5]string{"Starting", "Running", "Stopping", "Stopped", "Failed"}
	}
	return [5]string{"STARTING", "RUNNING", "STOPPING", "STOPPED", "FAILED"}
}

func (v *served) goesOn(t time.Time) bool {
	w := v.words()
	is := v.state.at(t)
	return is == w[0] || is == w[1]
}

func (v *served) over(t time.Time) bool {
	w := v.words()
	is := v.state.at(t)
	return is == w[3] || is == w[4]
}

func (v *served) start(s *Sim, at time.Time, by *user, failure string) {
	w := v.words()
	end := w[1]
	if failure != "" {
		end = w[4]
	}
	v.state.change(at, w[0])
	v.state.set(at.Add(s.cfg.StartTime), end)
	v.ids.change(at, s.newID())
	v.lastRun = v.run(at, by)
	s.started(v.lastRun)
}

func (v *served) stop(s *Sim, at time.Time, sticks bool) {
	w := v.words()
	v.state.change(at, w[2])
	if !sticks {
		v.state.set(at.Add(s.cfg.StopTime), w[3])
		v.ids.set(at.Add(s.cfg.StopTime), "")
	}
}

func (v *served) run(at time.Time, by *user) Run {
	r := Run{Key: Key{v.kind, v.id}, Environment: v.env.id, EnvironmentRevision: v.env.revision, By: by.name, At: at}
	if v.endpoint != nil {
		r.Execution, r.HardwareTier = v.ids.at(at), v.tier
	}
	return r
}

func (s *Sim) addServed(v *served, at time.Time, stopped bool) {
	w := v.words()
	v.state.set(v.created, w[3])
	if !stopped {
		v.state.set(at, w[1])
		v.ids.set(at, s.newID())
		v.lastRun = v.run(at, v.creator)
	}
	s.serving.add(v.id, v)
}

// makeEndpoint makes an endpoint with one to three versions, of which any may run.
func (s *Sim) makeEndpoint(i int) {
	e := &genAIEndpoint{id: s.newID(), name: numbered(endpointNames, i), project: s.any(i), maker: s.any(i).owner}
	s.endpoints.add(e.id, e)
	for n := range 1 + i%3 {
		v := &served{
			kind: KindEndpoint, id: fmt.Sprintf("%s/%d", e.id, n+1), name: fmt.Sprintf("%s v%d", e.name, n+1), number: n + 1,
			project: e.project, creator: e.project.owner, created: s.ago(i + n).Add(-24 * time.Hour), endpoint: e,
			env: e.project.environment, tier: "gpu-small-k8s",
		}
		e.versions = append(e.versions, v)
		s.addServed(v, s.ago(i+n), n == 1 || s.stopped())
	}
}

func (s *Sim) makeDeployment(i int) {
	id := s.newID()
	v := &served{
		kind: KindDeployment, id: id[:8] + "-0509-4cae-89af-" + id[12:], name: numbered(modelNames, i) + "-external", project: s.any(i),
		creator: s.any(i).owner, created: s.ago(i).Add(-24 * time.Hour), env: s.any(i).environment,
	}
	s.addServed(v, s.ago(i), s.stopped())
}

func person(u *user) obj { return obj{"id": u.id, "name": u.full()} }

// listEndpoints gives those that the caller sees, without pages.
func (c *call) listEndpoints() answer {
	t := c.s.asOf("endpoints", c.now)
	items := []obj{}
	for _, e := range c.s.endpoints.order {
		if !c.caller.sees(e.project) {
			continue
		}
		first := e.versions[0]
		items = append(items, obj{
			"id": e.id, "name": e.name, "creator": person(e.maker),
			"createdAt": iso(first.created), "updatedAt": iso(first.created),
			"generalAccess": "Restricted", "url": "https://domino.example.com/endpoints/" + e.name, "vanityUrl": e.name,
			"project":        obj{"id": e.project.id, "name": e.project.name, "owner": obj{"id": e.project.owner.id, "name": e.project.owner.name}},
			"currentVersion": e.versions[len(e.versions)-1].versionDTO(t),
		})
	}
	return ok(obj{"items": items})
}

func (v *served) versionDTO(t time.Time) obj {
	o := obj{
		"endpointId": v.endpoint.id, "number": v.number, "status": v.state.at(t), "creator": person(v.creator), "createdAt": iso(v.created),
		"modelType": "LLM", "modelSource": obj{"registeredModel": obj{"modelName": v.endpoint.name, "modelVersion": v.number}},
		"environment":   obj{"id": v.env.id, "name": v.env.name, "revisionId": v.env.revision},
		"hardwareTier":  obj{"id": v.tier, "dataPlaneId": localDataPlane, "dataPlaneName": "Local"},
		"configuration": obj{},
	}
	if id := v.ids.at(t); id != "" {
		o["executionId"] = id
	}
	return o
}

func (c *call) endpoint() (*genAIEndpoint, answer) {
	id := c.r.PathValue("endpointId")
	e := c.s.endpoints.byID[id]
	switch {
	case e == nil:
		return nil, publicError(http.StatusNotFound, "Endpoint with id "+id+" could not be found")
	case !c.caller.sees(e.project):
		return nil, lacking("ViewEndpoint") // NOT EVIDENCED
	}
	return e, answer{}
}

func (c *call) listEndpointVersions() answer {
	e, refused := c.endpoint()
	if e == nil {
		return refused
	}
	t := c.s.asOf("endpoint versions "+e.id, c.now)
	out := []obj{}
	for _, v := range e.versions {
		out = append(out, obj{"number": v.number, "status": v.state.at(t), "creator": person(v.creator), "createdAt": iso(v.created)})
	}
	return ok(out)
}

func (c *call) endpointVersion() (*served, answer) {
	e, refused := c.endpoint()
	if e == nil {
		return nil, refused
	}
	n, err := strconv.Atoi(c.r.PathValue("versionNumber"))
	i := slices.IndexFunc(e.versions, func(v *served) bool { return v.number == n })
	if err != nil || i < 0 {
		return nil, publicError(http.StatusNotFound, "Version "+c.r.PathValue("versionNumber")+" of endpoint "+e.id+" could not be found")
	}
	return e.versions[i], answer{}
}

func (c *call) getEndpointVersion() answer {
	v, refused := c.endpointVersion()
	if v == nil {
		return refused
	}
	return ok(v.versionDTO(c.seen(v.id)))
}

func (c *call) startEndpoint() answer { return c.startServed(c.endpointVersion()) }
func (c *call) stopEndpoint() answer  { return c.stopServed(c.endpointVersion()) }

func (c *call) startServed(v *served, refused answer) answer {
	if v == nil {
		return refused
	}
	c.open(v.kind, v.id, "start", map[string]any{}, nil)
	if !v.over(c.now) {
		return publicError(http.StatusBadRequest, v.name+" is "+v.state.at(c.now))
	}
	v.start(c.s, c.now, c.caller, c.bentFailure())
	c.effect.Effect = true
	return answer{status: http.StatusNoContent}
}

func (c *call) stopServed(v *served, refused answer) answer {
	if v == nil {
		return refused
	}
	c.open(v.kind, v.id, "stop", map[string]any{}, nil)
	if !v.goesOn(c.now) {
		return publicError(http.StatusBadRequest, v.name+" is "+v.state.at(c.now))
	}
	if !c.bent(FaultStopFails) {
		v.stop(c.s, c.now, c.bent(FaultStopSticks))
		c.effect.Effect = true
	}
	return answer{status: http.StatusNoContent}
}

func (v *served) deploymentDTO(t time.Time) obj {
	collaborators := []obj{{"id": v.creator.id, "role": "OWNER"}, {"id": v.project.owner.id, "role": "CONSUMER"}}
	for _, u := range v.others {
		collaborators = append(collaborators, obj{"id": u.id, "role": "OWNER"})
	}
	kind := obj{"type": "SYNC_ENDPOINT", "sharedConfig": obj{}, "modelConfigs": obj{}}
	return obj{
		"id": v.id, "name": v.name, "description": "", "version": 1, "creationTimestamp": iso(v.created),
		"creatorInfo":               obj{"id": v.creator.id, "username": v.creator.name},
		"collaborators":             collaborators,
		"isGloballyAccessible":      false,
		"deploymentTargetInfo":      obj{"id": "target-1", "name": "Production", "typeName": "AWS SageMaker"},
		"resourceConfigurationInfo": obj{"id": "resource-1", "name": "Large", "configuration": obj{"instance_type": "m5.large"}},
		"models": []obj{{
			"name": v.name, "environmentId": v.env.id, "environmentName": v.env.name, "projectId": v.project.id,
			"source": obj{"registeredModelName": v.name, "registeredModelVersion": 1, "registeredModelType": "MODELREGISTRY"},
		}},
		"configuration": obj{"sharedConfig": obj{}, "modelConfigs": obj{}, "deploymentType": kind},
		"status":        obj{"state": v.state.at(t), "message": ""},
	}
}

// listDeployments: the specification's default offset is 25, as with modelApis. Here it is the trap.
func (c *call) listDeployments() answer {
	limit, bad := c.number("limit", 25)
	if bad != nil {
		return *bad
	}
	offset, bad := c.number("offset", 25)
	if bad != nil {
		return *bad
	}
	t := c.s.asOf("model deployments", c.now)
	var rows []*served
	for _, v := range c.s.serving.order {
		if v.endpoint == nil && c.caller.sees(v.project) {
			rows = append(rows, v)
		}
	}
	items := []obj{}
	for _, v := range page(rows, offset, limit) {
		items = append(items, v.deploymentDTO(t))
	}
	return ok(obj{"items": items, "metadata": metadata(limit, offset, len(rows))})
}

func (c *call) deployment() (*served, answer) {
	id := c.r.PathValue("modelDeploymentId")
	v := c.s.serving.byID[id]
	switch {
	case v == nil || v.endpoint != nil:
		return nil, publicError(http.StatusNotFound, "Model Deployment with id "+id+" could not be found")
	case !c.caller.sees(v.project):
		return nil, lacking("ViewModelDeployment") // NOT EVIDENCED
	}
	return v, answer{}
}

func (c *call) getDeployment() answer {
	v, refused := c.deployment()
	if v == nil {
		return refused
	}
	return ok(v.deploymentDTO(c.seen(v.id)))
}

func (c *call) startDeployment() answer { return c.startServed(c.deployment()) }
func (c *call) stopDeployment() answer  { return c.stopServed(c.deployment()) }

// OwnerStartServed starts a version of an endpoint, or an external deployment.
func (s *Sim) OwnerStartServed(kind, id string) error {
	return s.ownServed(kind, id, "start", func(v *served, now time.Time) error {
		if !v.over(now) {
			return fmt.Errorf("it is %s", v.state.at(now))
		}
		v.start(s, now, v.creator, "")
		return nil
	})
}

// OwnerStopServed stops a version of an endpoint, or an external deployment.
func (s *Sim) OwnerStopServed(kind, id string) error {
	return s.ownServed(kind, id, "stop", func(v *served, now time.Time) error {
		if !v.goesOn(now) {
			return fmt.Errorf("it is %s", v.state.at(now))
		}
		v.stop(s, now, false)
		return nil
	})
}

// SetServedStatus lets one show a word by itself, such as "Unknown" or "UPDATING".
func (s *Sim) SetServedStatus(kind, id, word string) error {
	return s.ownServed(kind, id, "status "+word, func(v *served, now time.Time) error {
		v.state.change(now, word)
		return nil
	})
}

func (s *Sim) ownServed(kind, id, op string, do func(*served, time.Time) error) error {
	owner := func() *user {
		if v := s.serving.byID[id]; v != nil && v.kind == kind {
			return v.creator
		}
		return nil
	}
	return s.own(kind, id, op, owner, func(now time.Time, _ *user) error { return do(s.serving.byID[id], now) })
}
