package dominosim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A model is a Model API; each of its versions is deployed, and stopped, by itself.
type model struct {
	id, name    string
	project     *project
	created     time.Time
	owner       *user
	others      []*user // further owners
	environment *environment
	tier        *tier
	versions    []*modelVersion // by number, from 1
	active      *modelVersion   // the routed one; nil: nothing was ever deployed
}

type modelVersion struct {
	id         string
	model      *model
	number     int
	creator    *user
	created    time.Time
	deployed   bool // it has been, at some time
	state      history[modelState]
	operations []operation
	seat       *seat
	lastRun    Run // of its latest start
}

// modelState is the first of three vocabularies, what the web UI displays, and whether an operation is under way
// (api.md §9).
type modelState struct {
	name    string
	pending bool
}

// An operation is one "saga" in activeStatus.
type operation struct {
	start, end  time.Time
	description string
	short, long string
	failure     bool
}

// deployment is the word of the second vocabulary. The mapping is INF (api.md §21).
func (m modelState) deployment() string {
	switch m.name {
	case "Running", "Stalled", "Unreachable":
		return "running"
	case "Starting", "Building", "Preparing to build":
		return "starting"
	case "Failed":
		return "failed"
	}
	return "not_running"
}

// serves is whether the version counts as running: up, or on its way there.
func (m modelState) serves() bool {
	d := m.deployment()
	return d == "running" || d == "starting"
}

// goal is the state in which the version will come to rest. One that waits for room, or whose stop sticks, has
// nothing planned after a pending state: it is meant to run, or does so still.
func (v *modelVersion) goal() modelState {
	last := v.state.points[len(v.state.points)-1].value
	if last.pending {
		return modelState{name: "Running"}
	}
	return last
}

func (v *modelVersion) start(s *Sim, at time.Time, by *user, failure string) {
	// A name with isPending may be any: here the old one first, then Starting, then Running before the operation ends.
	before := v.state.at(at).name
	v.state.change(at, modelState{before, true})
	v.deployed = true
	v.seat = &seat{tier: v.model.tier.id, begin: func(begun time.Time) time.Time {
		ready := begun.Add(s.cfg.StartTime)
		op := operation{start: begun, end: ready, description: "Start model version", short: "Running", long: "Model Version Running"}
		v.state.set(begun.Add(s.cfg.StartTime/4), modelState{"Starting", true})
		if failure != "" {
			v.state.set(ready, modelState{failure, false})
			op.short, op.long, op.failure = "Start Failed", "Start failed", true
			s.agenda.add(ready, func(at time.Time) { s.vacateAt(at, at, v.seat) })
		} else {
			v.state.set(begun.Add(s.cfg.StartTime*3/4), modelState{"Running", true})
			v.state.set(ready, modelState{"Running", false})
		}
		v.operations = append(v.operations, op)
		return ready
	}}
	s.take(at, v.seat)
	v.lastRun = v.run(at, by)
	s.started(v.lastRun)
}

func (v *modelVersion) stop(s *Sim, at time.Time, sticks bool) {
	end := at.Add(s.cfg.StopTime)
	before := v.state.at(at).name
	v.state.change(at, modelState{before, true})
	if sticks {
		return
	}
	// Failed stays Failed after a stop that went well (LIVE, api.md §9).
	after := "Stopped"
	if before == "Failed" {
		after = "Failed"
	}
	v.state.set(at.Add(s.cfg.StopTime/2), modelState{after, true})
	v.state.set(end, modelState{after, false})
	v.operations = append(v.operations, operation{
		start: at, end: end, description: "Stop model version", short: "Stopped", long: "Model Version Stopped",
	})
	s.vacateAt(at, end, v.seat)
}

func (v *modelVersion) run(at time.Time, by *user) Run {
	return Run{
		Key: Key{KindModelAPI, v.id}, Environment: v.model.environment.id, EnvironmentRevision: v.model.environment.revision,
		HardwareTier: v.model.tier.id, By: by.name, At: at,
	}
}

// modelDTO is a row of getModels and ui/models. The keys of a model that was never deployed are absent (api.md §9).
func (m *model) dto(s *Sim, t time.Time) obj {
	owners := []obj{}
	for _, u := range append([]*user{m.owner}, m.others...) {
		if s.profile.ownerNames {
			owners = append(owners, obj{"id": u.id, "name": u.name})
		} else {
			owners = append(owners, obj{"id": u.id, "username": u.name, "fullName": u.full()})
		}
	}
	o := obj{
		"id": m.id, "name": m.name, "description": "", "lastModified": m.created.UnixMilli(), "projectId": m.project.id,
		"projectName": m.project.name, "projectOwnerUsername": m.project.owner.name, "owners": owners, "isAsync": false,
	}
	if v := m.active; v != nil && v.deployed {
		o["activeVersionNumber"], o["activeModelVersionId"] = v.number, v.id
		o["activeVersionStatus"] = v.state.at(t).name
		if s.profile.modelDataPlane {
			o["activeVersionDataPlaneId"] = localDataPlane
		}
		if s.profile.release.atLeast(v6_2) {
			o["activeVersion"] = obj{"id": v.id, "function": "predict"}
		}
	}
	return o
}

func (c *call) projectModels() answer {
	id := c.query.Get("projectId")
	if id == "" {
		return missingParameter("projectId")
	}
	t := c.s.asOf("getModels "+id, c.now)
	p := c.s.projectOf(id)
	if p == nil || !c.caller.sees(p) {
		return lacking("ViewProject") // NOT EVIDENCED
	}
	out := []obj{}
	for _, m := range p.models {
		if !m.created.After(t) {
			out = append(out, m.dto(c.s, t))
		}
	}
	return ok(out)
}

// modelsForUI pages over the models of all projects (nobody has tried it, api.md §9). Its default page size is
// NOT EVIDENCED.
func (c *call) modelsForUI() answer {
	number, bad := c.number("pageNumber", 1)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("pageSize", 25)
	if bad != nil {
		return *bad
	}
	projectID := c.query.Get("projectId")
	t := c.s.asOf("ui/models "+projectID, c.now)
	var rows []*model
	for _, m := range c.s.models.order {
		if m.created.After(t) || !c.caller.sees(m.project) || projectID != "" && m.project.id != projectID {
			continue
		}
		rows = append(rows, m)
	}
	start := (max(number, 1) - 1) * size
	models, access := []obj{}, obj{}
	for _, m := range page(rows, start, size) {
		models = append(models, m.dto(c.s, t))
		access[m.id] = obj{}
	}
	return ok(obj{
		"currentItemCount": len(models), "startIndex": start, "itemsPerPage": size, "totalItems": len(rows),
		"models": models, "modelAccess": access,
	})
}

// theModel is the one that a path value names. Routes of the UI answer errors as HTML (INF from api.md §2).
func (c *call) theModel(key string) (*model, answer) {
	m := c.s.models.byID[c.r.PathValue(key)]
	switch public := strings.HasPrefix(c.route.path, "/api/"); {
	case m == nil && public:
		return nil, publicError(http.StatusNotFound, "Model API with id "+c.r.PathValue(key)+" could not be found")
	case m == nil && strings.HasPrefix(c.route.path, "/models/"):
		return nil, htmlPage(http.StatusNotFound, "Model not found")
	case m == nil:
		return nil, refusal(http.StatusNotFound, "Model "+c.r.PathValue(key)+" does not exist")
	case !c.caller.sees(m.project):
		return nil, lacking("ViewModelApi") // NOT EVIDENCED
	}
	return m, answer{}
}

func (c *call) theVersion(modelKey, versionKey string) (*modelVersion, answer) {
	m, refused := c.theModel(modelKey)
	if m == nil {
		return nil, refused
	}
	id := c.r.PathValue(versionKey)
	if i := slices.IndexFunc(m.versions, func(v *modelVersion) bool { return v.id == id }); i >= 0 {
		return m.versions[i], answer{}
	}
	switch {
	case strings.HasPrefix(c.route.path, "/api/"):
		return nil, publicError(http.StatusNotFound, "Model API version with id "+id+" could not be found")
	case strings.HasPrefix(c.route.path, "/models/"):
		return nil, htmlPage(http.StatusNotFound, "Model version not found")
	}
	return nil, refusal(http.StatusNotFound, "Model version "+id+" does not exist")
}

func (v *modelVersion) uiDTO(t time.Time) obj {
	st := v.state.at(t)
	return obj{
		"id": v.id, "number": v.number, "creator": obj{"name": v.creator.name},
		"deploymentStatus": obj{"name": st.name, "isPending": st.pending},
	}
}

// uiVersions pages from 1; a page past the end is empty (api.md §9). Newest first is NOT EVIDENCED.
func (c *call) uiVersions() answer {
	m, refused := c.theModel("modelId")
	if m == nil {
		return refused
	}
	number, bad := c.number("pageNumber", 1)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("pageSize", 10)
	if bad != nil {
		return *bad
	}
	t := c.s.asOf("versions "+m.id, c.now)
	rows := m.made(t)
	results := []obj{}
	for _, v := range page(rows, (max(number, 1)-1)*size, size) {
		results = append(results, v.uiDTO(t))
	}
	return ok(obj{"results": results})
}

// made are the versions that existed at t, newest first.
func (m *model) made(t time.Time) []*modelVersion {
	var out []*modelVersion
	for _, v := range slices.Backward(m.versions) {
		if !v.created.After(t) {
			out = append(out, v)
		}
	}
	return out
}

func (c *call) uiVersion() answer {
	v, refused := c.theVersion("modelId", "modelVersionId")
	if v == nil {
		return refused
	}
	t := c.seen(v.id)
	if v.created.After(t) {
		return htmlPage(http.StatusNotFound, "Model version not found")
	}
	return ok(obj{"result": v.uiDTO(t)})
}

// activeStatus shows the active version, or the last that failed (api.md §9).
func (c *call) activeStatus() answer {
	m, refused := c.theModel("modelId")
	if m == nil {
		return refused
	}
	v := m.active
	if v == nil {
		return htmlPage(http.StatusNotFound, "Model has no active version") // NOT EVIDENCED
	}
	t := c.seen("status " + m.id)
	st := v.state.at(t)
	ops := []obj{}
	for _, op := range v.operations {
		if op.start.After(t) {
			continue
		}
		o := obj{
			"startTime": op.start.UnixMilli(), "lastUpdated": op.start.UnixMilli(), "sagaDescription": op.description,
			"shortStateDescription": "Pending", "longStateDescription": "Pending", "isFailure": false,
		}
		if !op.end.After(t) {
			o["endTime"], o["lastUpdated"] = op.end.UnixMilli(), op.end.UnixMilli()
			o["shortStateDescription"], o["longStateDescription"], o["isFailure"] = op.short, op.long, op.failure
		}
		ops = append(ops, o)
	}
	return ok(obj{
		"modelId": obj{"value": m.id}, "modelVersionId": obj{"value": v.id}, "status": st.name, "operations": ops, "isPending": st.pending,
	})
}

// startModel is harmless for a version that runs; it does not make the version the active one (INF, api.md §9).
func (c *call) startModel() answer {
	v, refused := c.theVersion("modelId", "modelVersionId")
	if v == nil {
		return refused
	}
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	c.open(KindModelAPI, v.id, "start", body, unread(body, nil))
	if !v.goal().serves() {
		v.start(c.s, c.now, c.caller, c.bentFailure())
		if c.s.cfg.StartActivates {
			v.model.active = v
		}
		c.effect.Effect = true
	}
	return c.deployed(v, "starting")
}

// stopModel can be repeated, and takes versions that never ran (LIVE, api.md §9).
func (c *call) stopModel() answer {
	v, refused := c.theVersion("modelId", "modelVersionId")
	if v == nil {
		return refused
	}
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	c.open(KindModelAPI, v.id, "stop", body, unread(body, nil))
	if goal := v.goal(); goal.deployment() != "not_running" && !c.bent(FaultStopFails) {
		v.stop(c.s, c.now, c.bent(FaultStopSticks))
		c.effect.Effect = goal.serves()
	}
	return c.deployed(v, "not_running")
}

func (c *call) deploymentStatus() answer {
	v, refused := c.theVersion("modelId", "modelVersionId")
	if v == nil {
		return refused
	}
	return c.deployed(v, v.state.at(c.seen("deployment "+v.id)).deployment())
}

// deployed is an object as it was recorded, although the specifications say array (api.md §9).
func (c *call) deployed(v *modelVersion, word string) answer {
	o := obj{"modelId": v.model.id, "modelVersionId": v.id, "status": word}
	if c.s.cfg.ArrayAnswers {
		return ok([]obj{o})
	}
	return ok(o)
}

// The public API, from 5.11 on. Its statuses are taken to be the display words (api.md §9b: "same data").

func (m *model) publicDTO(s *Sim, t time.Time) obj {
	o := obj{
		"id": m.id, "name": m.name, "description": "", "environmentId": m.environment.id, "hardwareTierId": m.tier.id,
		"isArchived": false, "isAsync": false, "replicas": 2, "routingMode": "basic", "strictNodeAntiAffinity": false, "volumes": []obj{},
		"access":        obj{"accessTokens": []obj{}, "isPublic": false},
		"collaborators": []obj{{"collaborator": m.owner.id, "role": "Owner"}},
		"healthCheck":   obj{"failureThreshold": 20, "initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 4},
		"metadata":      obj{"created": m.created.UnixMilli(), "createdBy": m.owner.id, "lastModified": m.created.UnixMilli()},
	}
	if v := m.active; v != nil {
		summary := obj{"id": v.id, "number": v.number, "dataPlaneId": localDataPlane}
		if d := v.deployment(t); d != nil {
			summary["deployment"] = d
		}
		o["activeVersion"] = summary
	}
	return o
}

// deployment is absent when there never was one (api.md §9b).
func (v *modelVersion) deployment(t time.Time) obj {
	if !v.deployed {
		return nil
	}
	st := v.state.at(t)
	return obj{"status": st.name, "isPending": st.pending}
}

func (v *modelVersion) publicDTO(t time.Time) obj {
	o := obj{
		"id": v.id, "modelApiId": v.model.id, "number": v.number, "projectId": v.model.project.id, "dataPlaneId": localDataPlane,
		"commitId": v.model.project.head.at(v.created), "environmentRevisionId": v.model.environment.revision, "labels": []string{},
		"logHttpRequestResponse": false, "monitoringEnabled": false, "recordInvocation": false,
		"metadata": obj{"created": v.created.UnixMilli(), "createdBy": v.creator.id},
		"source":   obj{"type": "File", "file": "model.py", "function": "predict"},
	}
	if d := v.deployment(t); d != nil {
		o["deployment"] = d
	}
	return o
}

// listModelAPIs: the specification's default offset is 25, typo or trap (api.md §9b). Here it is the trap.
func (c *call) listModelAPIs() answer {
	limit, bad := c.number("limit", 25)
	if bad != nil {
		return *bad
	}
	offset, bad := c.number("offset", 25)
	if bad != nil {
		return *bad
	}
	projectID, name := c.query.Get("projectId"), c.query.Get("name")
	if projectID == "" && !c.caller.admin { // LIVE
		return publicError(http.StatusForbidden, "not authorized to view access configuration")
	}
	pattern, err := regexp.Compile(name)
	if err != nil {
		return publicError(http.StatusBadRequest, "name is not a regular expression")
	}
	t := c.s.asOf("modelApis "+projectID, c.now)
	var rows []*model
	for _, m := range c.s.models.order {
		if m.created.After(t) || !c.caller.sees(m.project) || projectID != "" && m.project.id != projectID || !pattern.MatchString(m.name) {
			continue
		}
		rows = append(rows, m)
	}
	items := []obj{}
	for _, m := range page(rows, offset, limit) {
		items = append(items, m.publicDTO(c.s, t))
	}
	return ok(obj{"items": items, "metadata": metadata(limit, offset, len(rows))})
}

func (c *call) getModelAPI() answer {
	m, refused := c.theModel("modelApiId")
	if m == nil {
		return refused
	}
	return ok(m.publicDTO(c.s, c.seen(m.id)))
}

func (c *call) listModelAPIVersions() answer {
	m, refused := c.theModel("modelApiId")
	if m == nil {
		return refused
	}
	t := c.s.asOf("modelApi versions "+m.id, c.now)
	out := []obj{}
	for _, v := range m.made(t) {
		out = append(out, v.publicDTO(t))
	}
	return ok(out)
}

func (c *call) getModelAPIVersion() answer {
	v, refused := c.theVersion("modelApiId", "modelApiVersionId")
	if v == nil {
		return refused
	}
	t := c.seen(v.id)
	if v.created.After(t) {
		return publicError(http.StatusNotFound, "Model API version with id "+v.id+" could not be found")
	}
	return ok(v.publicDTO(t))
}
