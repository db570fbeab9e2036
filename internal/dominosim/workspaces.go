package dominosim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A workspace is a configuration and a volume, with a chain of sessions; a session is an execution (api.md §10).
type workspace struct {
	id, name    string
	project     *project
	owner       *user
	created     time.Time
	deleted     bool
	environment *environment
	tier        *tier
	// noStatusInfo: its sessions have no sessionStatusInfo; noRevision: its admin row has no environment revision.
	// The schemas allow both.
	noStatusInfo, noRevision bool

	state    history[string] // WorkspaceState, a word of its own that does not wait for the session
	sessions []*session      // oldest first
}

type session struct {
	*run
	workspace *workspace
}

func (w *workspace) latest(t time.Time) *session {
	for _, e := range slices.Backward(w.sessions) {
		if !e.run.started.After(t) {
			return e
		}
	}
	return nil
}

func (s *Sim) startWorkspace(w *workspace, at time.Time, by *user, volumes, netApp []string, failure string) *session {
	r := &run{project: w.project, by: by, title: w.name, Run: Run{
		Key: Key{KindWorkspace, w.id}, Instance: s.newID(), Execution: s.newID(), Environment: w.environment.id,
		EnvironmentRevision: w.environment.revision, HardwareTier: w.tier.id, Volumes: volumes, NetAppVolumes: netApp,
	}}
	e := &session{r, w}
	w.sessions = append(w.sessions, e)
	s.sessions[r.Instance] = e
	w.state.change(at, "Starting")
	s.launch(r, at, failure, func(_, ready time.Time) { w.state.set(ready, "Started") })
	return e
}

// stopWorkspace flips the workspace's word to Stopped half-way, while its session is still finishing (INF, api.md §10:
// clients that looked at the word alone stopped too early).
func (s *Sim) stopWorkspace(w *workspace, at time.Time, sticks bool) {
	s.halt(w.latest(at).run, at, sticks)
	w.state.change(at, "Stopping")
	if !sticks {
		w.state.set(at.Add(s.cfg.StopTime/2), "Stopped")
	}
}

func (e *session) environmentDTO(p profile) obj {
	env := e.workspace.environment
	return environmentSummary(env, e.EnvironmentRevision, p)
}

func environmentSummary(env *environment, revision string, p profile) obj {
	o := obj{"id": env.id, "name": env.name, "revisionId": revision, "revisionNumber": env.number, "revisionType": "Active"}
	if p.release.atLeast(v5_7) { // isRestricted@5.7+ (§10)
		o["isRestricted"] = false
	}
	return o
}

func (w *workspace) config(env obj, p profile) obj {
	hw := obj{"id": obj{"value": w.tier.id}, "name": w.tier.name}
	if p.release.atLeast(v6_0) {
		hw["dataPlane"] = obj{"id": localDataPlane, "name": "Local"}
	}
	return obj{"environment": env, "hardwareTier": hw, "tools": []string{"jupyterlab"}}
}

func (e *session) dto(s *Sim, t time.Time) obj {
	status := e.is(t)
	o := obj{
		"id": e.Instance, "executionId": e.Execution, "config": e.workspace.config(e.environmentDTO(s.profile), s.profile), "datasetMounts": []obj{},
		"externalVolumeMounts":          s.mounts(e.Volumes),
		"queuedWorkspaceHistoryDetails": obj{"expectedWait": "now", "explanation": "", "helpText": ""},
		"start":                         obj{"time": e.run.started.UnixMilli()},
	}
	if s.profile.netApp {
		o["netAppVolumeMounts"] = netAppMounts(e.NetAppVolumes)
	}
	if over(status) {
		o["end"] = obj{"time": e.status.since(t).UnixMilli(), "exitStatus": status, "repoDirty": false}
	}
	if !e.workspace.noStatusInfo {
		// How the flags follow from the status is INF (api.md §21).
		o["sessionStatusInfo"] = obj{
			"rawExecutionDisplayStatus": status, "rawExecutionDisplayStatusUpdatedAt": iso(e.status.since(t)),
			"isLoading": comingUp(status), "isRunning": up(status), "isStoppable": goesOn(status), "isCompleting": ending(status),
			"isFailed": status == "Failed" || status == "Error", "isSuccessful": status == "Stopped" || status == "Succeeded",
			"isCompleted": over(status),
		}
	}
	return o
}

func (w *workspace) dto(s *Sim, t time.Time) obj {
	env := environmentSummary(w.environment, w.environment.revision, s.profile)
	stats := obj{"runTimeSec": 100}
	o := obj{
		"id": w.id, "deleted": w.deleted, "projectId": w.project.id, "ownerId": w.owner.id, "ownerName": w.owner.name, "name": w.name,
		"state": w.state.at(t), "stateUpdatedAt": iso(w.state.since(t)), "createdAt": iso(w.created),
		"initConfig": obj{"volumeSize": obj{"value": 10, "unit": "GiB"}}, "configTemplate": w.config(env, s.profile),
		"importedProjects": []obj{}, "importedGitRepos": []obj{}, "dataPlaneId": localDataPlane, "sessionStats": stats,
		"isLegacy": false, "isReproduced": false,
	}
	if s.profile.release.atLeast(v6_0) {
		o["project"] = obj{
			"id": w.project.id, "name": w.project.name,
			"owner": obj{"id": w.project.owner.id, "userName": w.project.owner.name},
		}
	}
	if e := w.latest(t); e != nil {
		o["mostRecentSession"] = e.dto(s, t)
		stats["lastStartTime"] = e.run.started.UnixMilli()
	}
	return o
}

// workspace is the one that the path names; it must be in the project that the path names.
func (c *call) workspace() (*workspace, answer) {
	id := c.r.PathValue("workspaceId")
	w := c.s.workspaces.byID[id]
	if w == nil || w.project.id != c.r.PathValue("projectId") {
		if strings.HasPrefix(c.route.path, "/api/") {
			return nil, publicError(http.StatusNotFound, "Workspace with id "+id+" could not be found")
		}
		return nil, noWorkspace(id)
	}
	if !c.caller.sees(w.project) && c.caller != w.owner {
		return nil, lacking("ViewWorkspaces")
	}
	return w, answer{}
}

func noWorkspace(id string) answer {
	return refusal(http.StatusNotFound, "Workspace "+id+" does not exist")
}

func (c *call) getWorkspace() answer {
	w, refused := c.workspace()
	if w == nil {
		return refused
	}
	t := c.seen(w.id)
	if w.created.After(t) {
		return noWorkspace(w.id)
	}
	return ok(w.dto(c.s, t))
}

// stopWorkspace answers an empty body, or the session (api.md §10).
func (c *call) stopWorkspace() answer {
	w, refused := c.workspace()
	if w == nil {
		return refused
	}
	c.open(KindWorkspace, w.id, "stop", map[string]any{}, nil)
	e := w.latest(c.now)
	if e == nil || over(e.is(c.now)) { // NOT EVIDENCED what is answered here
		return refusal(http.StatusBadRequest, "Workspace "+w.id+" has no running session")
	}
	if (goesOn(e.is(c.now)) || e.stuck) && !c.bent(FaultStopFails) {
		c.s.stopWorkspace(w, c.now, c.bent(FaultStopSticks))
		c.effect.Effect = true
	}
	if *c.s.cfg.EmptyStopBody {
		return done()
	}
	return ok(e.dto(c.s, c.now))
}

// startSession needs the query key even if it has nothing to say (LIVE, api.md §10).
func (c *call) startSession() answer {
	w, refused := c.workspace()
	if w == nil {
		return refused
	}
	volumes, given := c.query["externalVolumeMounts"]
	if !given {
		return missingParameter("externalVolumeMounts")
	}
	var netApp []string
	if c.s.profile.netApp {
		netApp = nonEmpty(c.query["netAppVolumeIds"])
	}
	e, bad := c.newSession(w, nonEmpty(volumes), netApp)
	if bad != nil {
		return *bad
	}
	return ok(e.dto(c.s, c.now))
}

func nonEmpty(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

func (c *call) startSessionPublic() answer {
	w, refused := c.workspace()
	if w == nil {
		return refused
	}
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	wanted := []string{"externalVolumeMounts"}
	if c.s.profile.sessionsNeedNetAppKey {
		wanted = append(wanted, "netAppVolumeMounts")
	}
	ids := map[string][]string{}
	for _, key := range wanted {
		values, isArray := body[key].([]any)
		if !isArray {
			return invalidJSON("/" + key + ": error.path.missing")
		}
		for _, v := range values {
			id, _ := v.(string)
			ids[key] = append(ids[key], id)
		}
	}
	e, bad := c.newSession(w, ids["externalVolumeMounts"], ids["netAppVolumeMounts"])
	if bad != nil {
		return *bad
	}
	return ok(obj{
		"metadata":         obj{"notices": []string{}, "requestId": "51d0"},
		"workspaceSession": obj{"id": e.Instance, "executionId": e.Execution},
	})
}

func (c *call) newSession(w *workspace, volumes, netApp []string) (*session, *answer) {
	c.open(KindWorkspace, w.id, "start", map[string]any{"externalVolumeMounts": volumes, "netAppVolumeIds": netApp}, nil)
	// Whether an administrator may start the workspace of somebody else is unknown (api.md §10).
	if c.caller != w.owner && !(c.caller.admin && *c.s.cfg.AdminMayStartWorkspaces) {
		bad := lacking("OpenWorkspace")
		return nil, &bad
	}
	if w.deleted {
		bad := refusal(http.StatusBadRequest, "Workspace "+w.id+" is deleted") // NOT EVIDENCED
		return nil, &bad
	}
	if e := w.latest(c.now); e != nil && !over(e.is(c.now)) { // NOT EVIDENCED; its volume is still attached
		bad := refusal(http.StatusBadRequest, "Workspace "+w.id+" already has an active session")
		return nil, &bad
	}
	failure := c.bentFailure()
	for _, id := range volumes {
		if v := c.s.volumeOf(id); (v == nil || v.unregistered) && failure == "" {
			failure = "Error" // NOT EVIDENCED
		}
	}
	e := c.s.startWorkspace(w, c.now, c.caller, volumes, netApp, failure)
	c.effect.Effect = true
	return e, nil
}

// listSessions: newest first (INF).
func (c *call) listSessions() answer {
	w, refused := c.workspace()
	if w == nil {
		return refused
	}
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit, bad := c.number("limit", 5)
	if bad != nil {
		return *bad
	}
	t := c.s.asOf("sessions "+w.id, c.now)
	var rows []*session
	for _, e := range slices.Backward(w.sessions) {
		if !e.run.started.After(t) {
			rows = append(rows, e)
		}
	}
	out := []obj{}
	for _, e := range page(rows, offset, limit) {
		out = append(out, e.dto(c.s, t))
	}
	return ok(out)
}

func (c *call) getSession() answer {
	e := c.s.sessions[c.r.PathValue("workspaceSessionId")]
	if e == nil || e.workspace.project.id != c.r.PathValue("projectId") || !c.caller.sees(e.workspace.project) {
		return noSession(c.r.PathValue("workspaceSessionId"))
	}
	t := c.seen("session " + e.Instance)
	if e.run.started.After(t) {
		return noSession(e.Instance)
	}
	return ok(e.dto(c.s, t))
}

func noSession(id string) answer {
	return refusal(http.StatusNotFound, "Workspace session "+id+" does not exist")
}

func (c *call) sessionByExecution() answer {
	id := c.r.PathValue("executionId")
	for _, e := range c.s.sessions {
		if e.Execution == id {
			return ok(obj{"executionId": id, "workspaceId": e.workspace.id, "workspaceSessionId": e.Instance, "isRestartable": true})
		}
	}
	return refusal(http.StatusNotFound, "Execution "+id+" does not exist")
}

// projectWorkspaces requires both paging parameters (api.md §10).
func (c *call) projectWorkspaces() answer {
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
	t := c.s.asOf("workspaces "+p.id, c.now)
	var rows []*workspace
	for _, w := range p.workspaces {
		if !w.deleted && !w.created.After(t) {
			rows = append(rows, w)
		}
	}
	out := []obj{}
	for _, w := range page(rows, offset, limit) {
		out = append(out, w.dto(c.s, t))
	}
	return ok(obj{"workspaces": out, "totalWorkspaceCount": len(rows), "offset": offset, "limit": limit})
}

// ownWorkspaces: only the caller's, also an administrator's (api.md §10).
func (c *call) ownWorkspaces() answer {
	number, bad := c.number("pageNumber", 1)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("pageSize", 10)
	if bad != nil {
		return *bad
	}
	t := c.s.asOf("own workspaces "+c.caller.id, c.now)
	var rows []*workspace
	for _, w := range c.s.workspaces.order {
		if w.owner == c.caller && !w.deleted && !w.created.After(t) {
			rows = append(rows, w)
		}
	}
	items := []obj{}
	for _, w := range page(rows, (max(number, 1)-1)*size, size) {
		items = append(items, w.dto(c.s, t))
	}
	return ok(obj{
		"items": items, "totalCount": len(rows),
		"paginationDetails": obj{"pageNumber": number, "pageSize": size, "sortOrder": "desc"},
	})
}

func (w *workspace) row(t time.Time) obj {
	o := obj{
		"workspaceId": w.id, "name": w.name, "ownerUsername": w.owner.name, "workspaceCreatedTime": iso(w.created),
		"environmentName": w.environment.name, "pvSpace": obj{"value": 10, "unit": "GiB"}, "projectName": w.project.name,
		"projectOwnerName": w.project.owner.name, "workspaceState": w.state.at(t), "pvcName": "workspace-" + w.id,
		"dataPlaneName": obj{"value": "Local"},
	}
	if !w.noRevision {
		o["environmentRevisionId"], o["environmentRevisionNumber"] = w.environment.revision, w.environment.number
	}
	if e := w.latest(t); e != nil {
		o["lastSessionStart"] = iso(e.run.started)
	}
	return o
}

// workspaceRows has every workspace, deleted ones too. With RepeatedRows some pages are answered as if a row had come
// in before them while the client was reading: they begin with the last row of the page before, leave out their own
// last, and count one row more. Rows without a sort order shift more often (LIVE: what DMM guards against, api.md §10).
func (c *call) workspaceRows() answer {
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit, bad := c.number("limit", 50)
	if bad != nil {
		return *bad
	}
	sortBy := c.query.Get("sortBy")
	t := c.s.asOf("workspace rows", c.now)
	rows := c.s.sortedRows(sortBy)
	if n := len(rows); n > 0 && rows[n-1].created.After(t) || c.s.cfg.ListLag > 0 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(w *workspace) bool { return w.created.After(t) })
	}
	if c.query.Get("sortOrder") == "desc" {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	total := len(rows)
	if *c.s.cfg.RepeatedRows {
		odds := 2
		if sortBy != "" {
			odds = 4
		}
		if offset > 0 && offset < total && c.s.rng.IntN(odds) == 0 {
			offset--
			total++
		}
	}
	out := []obj{}
	for _, w := range page(rows, offset, limit) {
		out = append(out, w.row(t))
	}
	asked, _ := c.number("offset", 0)
	return ok(obj{"offset": asked, "limit": limit, "totalEntries": total, "tableRows": out})
}

// sortedRows keeps each order that was asked for until a workspace is added: pages of twenty thousand rows
// would otherwise be sorted anew each.
func (s *Sim) sortedRows(by string) []*workspace {
	var key func(*workspace) string
	switch by { // which names Domino takes is NOT EVIDENCED; others leave the order of creation
	case "name":
		key = func(w *workspace) string { return w.name }
	case "owner", "ownerUsername":
		key = func(w *workspace) string { return w.owner.name }
	case "project", "projectName":
		key = func(w *workspace) string { return w.project.name }
	default:
		return s.workspaces.order
	}
	rows := s.rows[by]
	if len(rows) != len(s.workspaces.order) {
		rows = slices.Clone(s.workspaces.order)
		slices.SortStableFunc(rows, func(a, b *workspace) int {
			return cmp.Or(strings.Compare(key(a), key(b)), strings.Compare(a.id, b.id))
		})
		s.rows[by] = rows
	}
	return rows
}

func (c *call) workspaceSummary() answer {
	t := c.s.asOf("workspace summary", c.now)
	total, started := 0, 0
	for _, w := range c.s.workspaces.order {
		if w.deleted || w.created.After(t) {
			continue
		}
		total++
		if w.state.at(t) == "Started" {
			started++
		}
	}
	return ok(obj{
		"totalNumWorkspaces": total, "maxAllowedNumWorkspaces": 100000, "totalStartedWorkspaces": started,
		"totalAllocatedVolumeSize": obj{"value": 10 * total, "unit": "GiB"},
	})
}
