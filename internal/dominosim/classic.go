package dominosim

import (
	"net/http"
	"time"
)

// A classic workspace is a plain run with an editor in it, without a volume of its own: what it is stopped without saving is
// lost, and nothing starts it again (api.md §10b; SPEC only).
type classic struct {
	*run
	id, name string
	tier     *tier
	env      *environment
}

func (s *Sim) makeClassic(i int) {
	w := &classic{id: s.newID(), name: numbered(workNames, i) + " (classic)", tier: s.tiers[1], env: s.environments[1+i%3]}
	p := s.any(i)
	s.addClassic(w, p, p.owner, s.ago(i))
}

func (s *Sim) addClassic(w *classic, p *project, by *user, at time.Time) {
	w.run = &run{project: p, by: by, title: w.name, Run: Run{
		Key: Key{KindWorkspace, w.id}, Instance: w.id, Execution: w.id, Environment: w.env.id, EnvironmentRevision: w.env.revision, HardwareTier: w.tier.id,
	}}
	p.classics = append(p.classics, w)
	s.classics.add(w.id, w)
	s.begun(w.run, at)
}

// dto is a WorkspaceDto with isLegacy, as the schema of the list has it; that the run is its session is INF.
func (w *classic) dto(s *Sim, t time.Time) obj {
	durable := &workspace{
		id: w.id, name: w.name, project: w.project, owner: w.by, created: w.started, environment: w.env, tier: w.tier,
	}
	durable.state.set(w.started, "Started")
	durable.sessions = []*session{{w.run, durable}}
	o := durable.dto(s, t)
	o["isLegacy"] = true
	return o
}

func (c *call) runningClassics() answer {
	for _, key := range []string{"offset", "limit"} {
		if !c.query.Has(key) {
			return missingParameter(key)
		}
	}
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit, bad := c.number("limit", 50)
	if bad != nil {
		return *bad
	}
	p, refused := c.project()
	if p == nil {
		return refused
	}
	t := c.s.asOf("classic workspaces "+p.id, c.now)
	var rows []*classic
	for _, w := range p.classics {
		if !over(w.is(t)) {
			rows = append(rows, w)
		}
	}
	out := []obj{}
	for _, w := range page(rows, offset, limit) {
		out = append(out, w.dto(c.s, t))
	}
	return ok(obj{"workspaces": out, "totalWorkspaceCount": len(rows), "offset": offset, "limit": limit})
}

// getClassic is the summary of the older family of routes (op getWorkspaceById).
func (c *call) getClassic() answer {
	if c.query.Get("projectId") == "" {
		return missingParameter("projectId")
	}
	w := c.s.classics.byID[c.r.PathValue("workspaceId")]
	if w == nil || w.project.id != c.query.Get("projectId") { // LIVE: 404 for durable workspaces (api.md §10b, op relaunchWorkspace)
		return refusal(http.StatusNotFound, "Workspace "+c.r.PathValue("workspaceId")+" does not exist")
	}
	t := c.seen(w.id)
	word := w.is(t)
	stages := obj{"submissionTime": w.started.UnixMilli(), "startTime": w.started.UnixMilli()}
	o := obj{
		"id": w.id, "projectId": w.project.id, "title": w.name, "definitionTitle": "JupyterLab", "stageTime": stages, "number": 1,
		"startedBy": obj{"id": w.by.id, "username": w.by.name}, "isCompleted": over(word), "isArchived": false, "status": word,
		"queuedWorkspaceHistoryDetails": obj{"expectedWait": "now", "explanation": "", "helpText": ""},
		"tags":                          []obj{}, "commentsCount": 0, "inputCommitId": w.project.head.at(w.started), "dominoStats": []obj{},
		"dependentRepositories": []obj{}, "dependentDatasetMounts": []obj{}, "dependentProjects": []obj{}, "isRestartable": false,
		"dependentExternalVolumeMounts": []obj{},
	}
	if over(word) {
		stages["completedTime"] = w.status.since(t).UnixMilli()
	}
	if !c.s.profile.release.atLeast(v5_9) {
		o["volumeRecoverabilityStatus"] = "NoActionNecessary"
	}
	return ok(o)
}

func (c *call) stopClassic() answer {
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	id := text(body["workspaceId"])
	if id == "" {
		return invalidJSON("/workspaceId: error.path.missing")
	}
	w := c.s.classics.byID[id]
	if w == nil {
		return refusal(http.StatusNotFound, "Workspace "+id+" does not exist")
	}
	c.open(KindWorkspace, w.id, "stop", body, unread(body, []string{"workspaceId", "commitMessage"}))
	word := w.is(c.now)
	if over(word) { // NOT EVIDENCED
		return refusal(http.StatusBadRequest, "Workspace "+id+" is not running")
	}
	if (goesOn(word) || w.stuck) && !c.bent(FaultStopFails) {
		first := "StopRequested"
		if c.route.path == "/v4/workspace/stop/discard" {
			first = "StopAndDiscardRequested"
		}
		c.s.haltAs(w.run, first, c.now, c.bent(FaultStopSticks))
		c.effect.Effect = true
	}
	return ok("stopping")
}
