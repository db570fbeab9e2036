package dominosim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// An app is a modelProduct: what /v4/modelProducts lists, which is more than apps.
type app struct {
	id, name    string
	productType string // APP, BATCH, REPORT, SCORER
	project     *project
	created     time.Time
	publisher   *user // before its first start here; nil: the row has none
	hardware    string
	environment *environment
	beta        bool   // it has versions, and is in the beta list; a classic app is not (LIVE, api.md §8b)
	version     string // the beta version's id
	runs        []*run // oldest first
	configured  time.Time
}

func (a *app) kind() string {
	if a.productType == "APP" {
		return KindApp
	}
	return KindLauncher
}

// latest is the newest run that had begun by t.
func (a *app) latest(t time.Time) *run {
	for _, r := range slices.Backward(a.runs) {
		if !r.started.After(t) {
			return r
		}
	}
	return nil
}

// word of an app that never ran: "Stopped" (INF, api.md §8).
func (a *app) word(t time.Time) string {
	if r := a.latest(t); r != nil {
		return r.is(t)
	}
	return "Stopped"
}

func (a *app) dto(s *Sim, t time.Time) obj {
	o := obj{
		"id": a.id, "modelProductType": a.productType, "projectId": a.project.id, "name": a.name,
		"created": iso(a.created), "lastUpdated": iso(a.created), "status": a.word(t), "media": []string{},
		"openUrl": "/u/" + a.project.owner.name + "/" + a.project.name + "/app", "tags": []string{}, "stats": obj{"usageCount": 3},
		"appExtension": obj{"appType": "App"},
		"permissionsData": obj{
			"appAccessStatus": "ALLOWED", "pendingInvitations": []string{}, "visibility": "GRANT_BASED", "discoverable": true,
			"accessRequestStatuses": obj{},
		},
	}
	publisher := a.publisher
	if a.hardware != "" {
		o["hardwareTierId"] = a.hardware
	}
	if a.environment != nil && s.profile.startTakesEnvironment {
		o["environmentId"] = a.environment.id
	}
	if r := a.latest(t); r != nil {
		o[s.profile.instanceField] = s.runID(r)
		o["lastUpdated"] = iso(r.status.since(t))
		if !r.seeded {
			publisher = r.by // the run is the caller's, and so becomes the app (INF, api.md §8)
		}
		if !r.seeded && !a.configured.After(r.started) {
			o["hardwareTierId"] = r.HardwareTier
			if s.profile.startTakesEnvironment {
				o["environmentId"] = r.Environment
			}
		}
		if up(r.is(t)) {
			o["runningAppUrl"] = "/apps/" + r.Instance
			o["runningCommitId"] = r.Commit
		}
	}
	if publisher != nil {
		o["publisher"] = publisher.person()
	}
	if s.profile.release.atLeast(v6_1) {
		o["entryPoint"], o["renderIFrame"], o["mountDatasets"] = "app.sh", false, true
	}
	if s.profile.release.atLeast(v6_2) {
		o["mountNetAppVolumes"] = true
	}
	return o
}

func (c *call) listApps() answer {
	t := c.s.asOf("apps", c.now)
	projectID, kind := c.query.Get("projectId"), c.query.Get("type")
	out := []obj{}
	for _, a := range c.s.apps.order {
		if a.created.After(t) || !c.caller.sees(a.project) || projectID != "" && a.project.id != projectID || kind != "" && a.productType != kind {
			continue
		}
		out = append(out, a.dto(c.s, t))
	}
	return ok(out)
}

func (c *call) app() (*app, answer) {
	id := c.r.PathValue("modelProductId")
	a := c.s.apps.byID[id]
	if a == nil {
		return nil, noApp(id)
	}
	if !c.caller.sees(a.project) {
		return nil, lacking("AccessApp")
	}
	return a, answer{}
}

func noApp(id string) answer {
	return refusal(http.StatusNotFound, "Model product with id "+id+" does not exist") // words NOT EVIDENCED
}

func (c *call) getApp() answer {
	a, refused := c.app()
	if a == nil {
		return refused
	}
	t := c.seen(a.id)
	if a.created.After(t) {
		return noApp(a.id)
	}
	return ok(a.dto(c.s, t))
}

// startKeys are the keys of nucleus.StartParams in the version that runs (api.md §8).
func (p profile) startKeys() []string {
	keys := []string{"hardwareTierId", "datasetConfigName", "externalVolumeMountIds"}
	if p.startTakesEnvironment {
		keys = append(keys, "environmentId")
	}
	if p.startTakesCommit {
		keys = append(keys, "commitId", "mainRepoGitRef")
	}
	if p.netApp {
		keys = append(keys, "netAppVolumeIds")
	}
	if p.bundles {
		keys = append(keys, "bundleId")
	}
	return keys
}

// unread are the keys of a body that this version does not know. They are accepted (LIVE, api.md §8).
func unread(body map[string]any, known []string) []string {
	var out []string
	for k := range body {
		if !slices.Contains(known, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

type startParams struct {
	tier, environment, commit, bundle string
	ref                               *GitRef
	volumes, netApp                   []string
}

// startApp starts a run as the caller. What is not in the body is filled in as Domino does, silently.
func (c *call) startApp() answer {
	a, refused := c.app()
	if a == nil {
		return refused
	}
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	c.open(a.kind(), a.id, "start", body, unread(body, c.s.profile.startKeys()))
	if !contains(c.caller.allRoles(), "Practitioner") {
		return lacking("StartApp") // that it takes the role is documented (docs-facts §1.13), the operation's name is NOT EVIDENCED
	}
	p, bad := c.s.readStart(body)
	if bad != nil {
		return *bad
	}
	// What a start of a running app does is NOT EVIDENCED; 409 is plausible too. While it stops a start is accepted:
	// python-domino starts at once without waiting for the stop (CODE, api.md §8).
	if word := a.word(c.now); !over(word) && !ending(word) {
		if !c.s.cfg.StartReplaces {
			return refusal(http.StatusBadRequest, "App is already running")
		}
		c.s.force(a.latest(c.now), c.now)
	}
	if p.tier == "" { // NOT EVIDENCED which tier is taken
		p.tier = a.hardware
	}
	r, bad := c.s.startAppRun(a, c.now, c.caller, p, c.bentFailure())
	if bad != nil {
		return *bad
	}
	c.effect.Effect = true
	return ok(c.s.runID(r))
}

// bentFailure is the word that a start ends in because of a fault.
func (c *call) bentFailure() string {
	if !c.bent(FaultStartFails) {
		return ""
	}
	if c.fault.State != "" {
		return c.fault.State
	}
	return "Failed"
}

func (s *Sim) readStart(body map[string]any) (startParams, *answer) {
	var p startParams
	var wrong []string
	text := func(key string, into *string) {
		switch v := body[key].(type) {
		case nil:
		case string:
			*into = v
		default:
			wrong = append(wrong, key)
		}
	}
	texts := func(key string, into *[]string) {
		switch v := body[key].(type) {
		case nil:
		case []any:
			for _, e := range v {
				id, isText := e.(string)
				if !isText {
					wrong = append(wrong, key)
					return
				}
				*into = append(*into, id)
			}
		default:
			wrong = append(wrong, key)
		}
	}
	text("hardwareTierId", &p.tier)
	if s.profile.startTakesEnvironment {
		text("environmentId", &p.environment)
	}
	texts("externalVolumeMountIds", &p.volumes)
	if s.profile.startTakesCommit {
		text("commitId", &p.commit)
		switch v := body["mainRepoGitRef"].(type) {
		case nil:
		case map[string]any:
			kind, isText := v["type"].(string)
			if !isText {
				wrong = append(wrong, "mainRepoGitRef.type")
			}
			value, _ := v["value"].(string)
			p.ref = &GitRef{kind, value}
		default:
			wrong = append(wrong, "mainRepoGitRef")
		}
	}
	if s.profile.netApp {
		texts("netAppVolumeIds", &p.netApp)
	}
	if s.profile.bundles {
		text("bundleId", &p.bundle)
	}
	if len(wrong) > 0 {
		a := invalidJSON("error.expected: " + strings.Join(wrong, ", "))
		return p, &a
	}
	return p, nil
}

func (s *Sim) startAppRun(a *app, at time.Time, by *user, p startParams, failure string) (*run, *answer) {
	t := a.project.tier
	if p.tier != "" {
		t = s.tierOf(p.tier)
	}
	if t == nil || t.archived || t.removed { // NOT EVIDENCED, listed as plausible in api.md §22
		bad := refusal(http.StatusBadRequest, "Hardware tier "+p.tier+" is not available")
		return nil, &bad
	}
	// Without environmentId the project's default runs, not the app's own: proven for the first start after a beta
	// create, open for later ones (api.md §8). Unless KeepEnvironment says otherwise, the worse case holds for all.
	env := a.project.environment
	if r := a.latest(at); r != nil && s.cfg.KeepEnvironment {
		env = s.environmentOf(r.Environment)
	}
	if p.environment != "" {
		if env = s.environmentOf(p.environment); env == nil || env.archived || env.removed { // NOT EVIDENCED
			bad := refusal(http.StatusBadRequest, "Environment "+p.environment+" does not exist")
			return nil, &bad
		}
	}
	commit := a.project.head.at(at) // the latest one, if none is named (LIVE, api.md §8)
	switch {
	case p.commit != "":
		commit = p.commit
	case p.ref != nil && p.ref.Type == "commitId" && p.ref.Value != "":
		commit = p.ref.Value
	}
	for _, id := range p.volumes {
		if v := s.volumeOf(id); (v == nil || v.unregistered) && failure == "" {
			failure = "Error" // NOT EVIDENCED, listed as plausible in api.md §22
		}
	}
	r := &run{project: a.project, by: by, title: a.name, Run: Run{
		Key: Key{a.kind(), a.id}, Instance: s.newID(), Environment: env.id, EnvironmentRevision: env.revision, HardwareTier: t.id,
		Volumes: slices.Clone(p.volumes), NetAppVolumes: slices.Clone(p.netApp), Commit: commit, GitRef: p.ref, Bundle: p.bundle,
	}}
	r.Execution = r.Instance // INF, api.md §13
	a.runs = append(a.runs, r)
	s.instances[r.Instance] = r
	s.launch(r, at, failure, nil)
	return r, nil
}

// stopApp answers the id of the run; whose id it is, is NOT EVIDENCED.
func (c *call) stopApp() answer {
	a, refused := c.app()
	if a == nil {
		return refused
	}
	force := c.query.Get("force") == "true"
	args := map[string]any{}
	if force {
		args["force"] = true
	}
	c.open(a.kind(), a.id, "stop", args, nil)
	r := a.latest(c.now)
	word := a.word(c.now)
	switch {
	case r == nil || over(word):
		// LIVE by status; the words are NOT EVIDENCED, nor is what force=true does here.
		status := c.s.profile.stopOfStopped
		if c.s.cfg.StopOfStoppedStatus != 0 {
			status = c.s.cfg.StopOfStoppedStatus
		}
		return refusal(status, "There is no active run for app "+a.id)
	case c.bent(FaultStopFails):
		return ok(c.s.runID(r))
	case ending(word) || r.stuck:
		if force {
			c.s.force(r, c.now)
			c.effect.Effect = true
		}
		return ok(c.s.runID(r)) // NOT EVIDENCED
	case comingUp(word) && !force && c.s.cfg.StopOfStartingNeedsForce:
		return refusal(http.StatusInternalServerError, "App "+a.id+" cannot be stopped while it is "+word)
	}
	c.s.halt(r, c.now, c.bent(FaultStopSticks))
	c.effect.Effect = true
	return ok(c.s.runID(r))
}

// renumbered turns the id of an app's run into the one that it has from 6.1 on, and back, where the two differ.
func (s *Sim) renumbered(id string) string {
	if !s.cfg.RenumberInstances || s.profile.release.atLeast(v6_1) || len(id) != 24 {
		return id
	}
	return id[12:] + id[:12]
}

// runID is the id by which a version knows a run of an app.
func (s *Sim) runID(r *run) string { return s.renumbered(r.Instance) }

// getAppInstance shows what an instance really runs with; mounts from 6.1 on (api.md §8).
func (c *call) getAppInstance() answer {
	r := c.s.instances[c.s.renumbered(c.r.PathValue("appInstanceId"))]
	t := c.seen("instance " + c.r.PathValue("appInstanceId"))
	if r == nil || r.started.After(t) {
		return refusal(http.StatusNotFound, "App instance "+c.r.PathValue("appInstanceId")+" does not exist")
	}
	if !c.caller.sees(r.project) {
		return lacking("AccessApp")
	}
	env := c.s.environmentOf(r.Environment)
	code := obj{"importedGitRepos": []obj{}}
	if r.project.git {
		code["mainRepo"] = obj{
			"id": r.project.id[:23] + "e", "linkText": r.project.name, "fullUrl": "https://git.example.com/" + r.project.name,
			"commit": r.Commit,
		}
	}
	o := obj{
		"id": c.s.runID(r), "started": r.started.UnixMilli(), "inputCommitId": r.Commit, "resourceUsage": obj{"data": []obj{}},
		"hardwareTierName":   c.s.tierOf(r.HardwareTier).name,
		"environmentDetails": obj{"environmentName": env.name, "environmentRevisionId": r.EnvironmentRevision, "revisionNumber": env.number},
		"appCodeInfo":        code, "status": r.is(t),
	}
	if c.s.profile.instanceMounts {
		o["externalVolumeMounts"] = c.s.mounts(r.Volumes)
		o["netAppVolumeMounts"] = netAppMounts(r.NetAppVolumes)
	}
	return ok(o)
}

// betaDTO is the app with its version, from 6.1 on. accessStatuses would be the caller's own (LIVE); he has none.
func (a *app) betaDTO(s *Sim, t time.Time, inList bool) obj {
	o := obj{
		"id": a.id, "name": a.name, "entryPoint": "app.sh", "discoverable": true, "mountDatasets": true, "renderIFrame": false,
		"url": "https://apps.example.com/apps-internal/" + a.id, "views": 12, "visibility": "GRANT_BASED", "accessStatuses": []obj{},
		"updatedAt": a.created.UnixMilli(),
		"project": obj{
			"id": a.project.id, "name": a.project.name, "ownerId": a.project.owner.id, "ownerUsername": a.project.owner.name,
			"projectType": "Analytic",
		},
	}
	newer := s.profile.release.atLeast(v6_2)
	if newer {
		o["configurationType"], o["mountNetAppVolumes"] = "STANDARD", true
		if inList {
			o["isPinned"] = false
		}
	}
	r := a.latest(t)
	publisher := a.publisher
	if r != nil && !r.seeded {
		publisher = r.by
	}
	if publisher != nil {
		o["publisher"] = obj{"id": publisher.id, "name": publisher.name}
	}
	if r == nil {
		return o // a draft has neither version nor instance (api.md §8b)
	}
	// What a v4 start does to the version is NOT EVIDENCED: here the version keeps its id and takes over what runs.
	env := s.environmentOf(r.Environment)
	v := obj{
		"id": a.version, "createdAt": r.started.UnixMilli(), "updatedAt": r.started.UnixMilli(), "environmentId": env.id,
		"environmentRevisionId": r.EnvironmentRevision, "hardwareTierId": r.HardwareTier,
		"externalVolumeMountIds": s.registered(r.Volumes), "netAppVolumeIds": list(r.NetAppVolumes),
		"currentInstance": obj{"id": r.Instance, "createdAt": r.started.UnixMilli(), "status": r.is(t)},
	}
	switch {
	case r.GitRef != nil:
		v["gitRef"] = r.GitRef
	case a.project.git:
		v["gitRef"] = GitRef{Type: "head"}
	default:
		v["dfsCommitId"] = r.Commit
	}
	if newer {
		v["tags"], v["extendedIdentityPropagationToAppsEnabled"] = []obj{}, false
		v["autoscalingSpecification"] = obj{"enabled": false}
		if r.Bundle != "" {
			v["bundleId"], v["bundleName"] = r.Bundle, "bundle"
		}
	}
	o["currentVersion"] = v
	return o
}

// registered are the volumes that have an id to the outside.
func (s *Sim) registered(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		if v := s.volumeOf(id); v != nil && !v.unregistered {
			out = append(out, id)
		}
	}
	return out
}

// listBetaApps has a default limit of 10 and a cap of 100 (LIVE, against the specification).
func (c *call) listBetaApps() answer {
	limit, bad := c.number("limit", 10)
	if bad != nil {
		return *bad
	}
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit = min(limit, 100)
	t := c.s.asOf("beta apps", c.now)
	projectID, name := c.query.Get("projectId"), c.query.Get("name")
	var rows []*app
	for _, a := range c.s.apps.order {
		if !a.beta || a.created.After(t) || !c.caller.sees(a.project) || projectID != "" && a.project.id != projectID ||
			name != "" && !strings.Contains(a.name, name) {
			continue
		}
		rows = append(rows, a)
	}
	items := []obj{}
	for _, a := range page(rows, offset, limit) {
		items = append(items, a.betaDTO(c.s, t, true))
	}
	return ok(obj{"items": items, "metadata": metadata(limit, offset, len(rows))})
}

func metadata(limit, offset, total int) obj {
	return obj{"limit": limit, "offset": offset, "totalCount": total, "notices": []string{}, "requestId": "51d0"}
}

func (c *call) getBetaApp() answer {
	a := c.s.apps.byID[c.r.PathValue("appId")]
	t := c.seen("beta " + c.r.PathValue("appId"))
	if a == nil || !a.beta || a.created.After(t) {
		return publicError(http.StatusNotFound, "App with id "+c.r.PathValue("appId")+" could not be found")
	}
	if !c.caller.sees(a.project) {
		return lacking("AccessApp")
	}
	return ok(a.betaDTO(c.s, t, false))
}
