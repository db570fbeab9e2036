package dominosim

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

var (
	people = [][2]string{
		{"Ada", "Okafor"}, {"Bruno", "Keller"}, {"Chiara", "Rossi"}, {"Deepak", "Nair"}, {"Elif", "Demir"}, {"Farid", "Haddad"},
		{"Greta", "Lindqvist"}, {"Hiro", "Tanaka"}, {"Ines", "Moreau"}, {"Jonas", "Weber"}, {"Kemi", "Adeyemi"}, {"Laura", "Santos"},
	}
	projectNames = []string{
		"churn-forecast", "claims-triage", "demand-planning", "credit-risk-pd", "adverse-events-nlp", "supply-route-optimiser",
		"pricing-elasticity", "fraud-signals", "trial-enrolment", "sensor-anomalies", "customer-ltv", "quick-start",
	}
	appNames      = []string{"dashboard", "explorer", "scorecard", "what-if", "monitor", "report-viewer"}
	modelNames    = []string{"scorer", "ranker", "classifier", "forecaster", "embedder"}
	workNames     = []string{"Notebook", "RStudio session", "VSCode", "GPU tuning", "Data prep"}
	endpointNames = []string{"chat-assistant", "summariser", "code-helper"}
	scheduleNames = []string{"Nightly refresh", "Weekly retrain", "Monthly report", "Hourly ingest", "Drift check"}
)

// generate makes the system that the configuration asks for. Everything began before the simulation did.
func (s *Sim) generate() {
	s.rows = map[string][]*workspace{}
	s.makeUsers()
	s.makeInfrastructure()
	s.makeThings()
	for i := range s.cfg.Projects {
		s.makeProject(numbered(projectNames, i), i)
	}
	for i := range s.cfg.Apps {
		s.makeApp(i)
	}
	for i := range s.cfg.Models {
		s.makeModel(i)
	}
	for i := range s.cfg.Workspaces {
		s.makeWorkspace(i)
	}
	for i := range s.cfg.Schedules {
		s.makeSchedule(i)
	}
	for i := range s.cfg.Jobs {
		s.makeJob(i, "")
	}
	for i := range s.cfg.FlowJobs {
		s.makeJob(i, "nightly-flow")
	}
	for i := range s.cfg.Builds {
		s.makeBuild(i)
	}
	for i := range s.cfg.Classics {
		s.makeClassic(i)
	}
	for range s.cfg.UnreachableModels {
		v := s.makeRunningVersion("unreachable-scorer")
		word := "Unreachable"
		if !s.profile.unreachable {
			word = "Stalled"
		}
		v.state.change(s.born, modelState{word, false})
	}
	if *s.cfg.MissingOptionalFields {
		s.makeAwkwardRows()
	}
	if *s.cfg.InvisibleProject {
		s.makeInvisible()
	}
	if s.profile.knows(KindEndpoint) {
		for i := range s.cfg.Endpoints {
			s.makeEndpoint(i)
		}
	}
	if s.profile.knows(KindDeployment) {
		for i := range s.cfg.Deployments {
			s.makeDeployment(i)
		}
	}
}

func (s *Sim) makeUsers() {
	s.admin = &user{id: s.newID(), name: "integration.admin", first: "Integration", last: "Admin", admin: true}
	s.users = append(s.users, s.admin)
	for _, p := range people {
		s.users = append(s.users, &user{id: s.newID(), name: fmt.Sprintf("%c.%s", p[0][0]|0x20, lower(p[1])), first: p[0], last: p[1]})
	}
}

func lower(s string) string { return string(s[0]|0x20) + s[1:] }

func (s *Sim) makeInfrastructure() {
	for i, name := range []string{"Domino Standard Environment", "Python 3.11 Data Science", "R 4.3 Clinical", "GPU PyTorch"} {
		e := &environment{id: s.newID(), name: name, owner: s.admin}
		active := s.addRevision(e, s.born.AddDate(0, -1, 0))
		active.number = 3 + i
		active.status.set(active.created, "Succeeded")
		e.revision, e.number = active.id, active.number
		s.environments = append(s.environments, e)
	}
	s.planes = []*plane{{id: localDataPlane, name: "Local", state: "Healthy"}}
	long := s.born.AddDate(-1, 0, 0)
	s.tiers = []*tier{
		{id: "small-k8s", name: "Small", cores: 1, memoryGiB: 4, created: long},
		{id: "medium-k8s", name: "Medium", cores: 4, memoryGiB: 16, created: long},
		{id: "gpu-small-k8s", name: "GPU small", cores: 4, memoryGiB: 16, created: long},
		{id: "old-large", name: "Large (retired)", cores: 16, memoryGiB: 64, archived: true, created: long},
		{id: "model-small", name: "Endpoint small", cores: 1, memoryGiB: 2, model: true, created: long},
	}
	for _, name := range []string{"nfs-reference", "nfs-landing", "efs-models", "smb-exports", "nfs-retired"} {
		s.volumes = append(s.volumes, &volume{id: s.newID(), name: name})
	}
	// Executions that mount it run, but nobody can mount it again (docs-facts, EDV warning).
	s.volumes[4].unregistered = true
}

func (s *Sim) makeProject(name string, i int) *project {
	p := &project{
		id: s.newID(), name: name, owner: s.users[1+i%len(people)], created: s.born.AddDate(0, -6, -i%28), git: i%2 == 0,
		environment: s.environments[0], tier: s.tiers[0],
	}
	p.head.set(p.created, s.newCommit())
	p.head.set(s.born.AddDate(0, 0, -20), s.newCommit())
	p.head.set(s.born.Add(-90*time.Minute), s.newCommit()) // newer than what most executions run with
	// More volumes than any one execution of the project mounts.
	p.volumes = []*volume{s.volumes[i%4], s.volumes[(i+1)%4]}
	p.netApp = []netAppVolume{{id: fmt.Sprintf("nav-%04d", i), name: fmt.Sprintf("team-share-%d", i)}}
	s.projects = append(s.projects, p)
	return p
}

func (s *Sim) stopped() bool { return s.rng.Float64() < s.cfg.StoppedFraction }

func numbered(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s-%d", names[i%len(names)], i/len(names)+1)
}

// any spreads executions over the projects that were asked for.
func (s *Sim) any(i int) *project { return s.projects[i%s.cfg.Projects] }

// ago is a time before the simulation; i spreads it.
func (s *Sim) ago(i int) time.Time { return s.born.Add(-time.Duration(3+i%300) * time.Hour) }

func (s *Sim) addApp(p *project, name string, created time.Time) *app {
	if name == "" {
		name = numbered(appNames, len(s.apps.order))
	}
	n := len(s.apps.order)
	a := &app{
		id: s.newID(), name: name, productType: "APP", project: p, created: created, publisher: p.owner,
		hardware: s.tiers[n%3].id, environment: s.environments[1+n%3], beta: n%3 != 2, version: s.newID(),
	}
	s.apps.add(a.id, a)
	return a
}

// variedStart is what the app's owner would start it with: not the project's defaults.
func (s *Sim) variedStart(a *app) startParams {
	n := len(s.instances)
	p := startParams{tier: a.hardware, environment: a.environment.id}
	if n%3 != 0 {
		p.volumes = []string{a.project.volumes[0].id}
	}
	if s.profile.netApp && n%4 == 1 {
		p.netApp = []string{a.project.netApp[0].id}
	}
	if s.profile.bundles && a.beta && n%5 == 2 { // a bundle belongs to an app's version, which classic apps lack (§8b)
		p.bundle = s.newID()
	}
	return p
}

// begun enters a run that began before the simulation.
func (s *Sim) begun(r *run, at time.Time) {
	r.started, r.seeded = at, true
	r.Run.At, r.Run.By = at, r.by.name
	r.status.set(at, "Queued")
	r.status.set(at.Add(time.Minute), "Running")
	r.seat = &seat{tier: r.HardwareTier}
	s.occupy(r.seat)
	s.live = append(s.live, r)
}

// finished ends such a run, before the simulation too.
func (s *Sim) finished(r *run, word string) {
	end := r.started.Add(s.born.Sub(r.started) / 2)
	r.status.change(end, word)
	s.vacateAt(end, end, r.seat)
}

func (s *Sim) makeApp(i int) *app {
	a := s.addApp(s.any(i), "", s.ago(i).Add(-48*time.Hour))
	at := s.ago(i)
	p := s.variedStart(a)
	r := &run{project: a.project, by: a.publisher, title: a.name, Run: Run{
		Key: Key{a.kind(), a.id}, Instance: s.newID(), Environment: p.environment, EnvironmentRevision: a.environment.revision,
		HardwareTier: p.tier, Volumes: p.volumes, NetAppVolumes: p.netApp, Commit: a.project.head.at(at), Bundle: p.bundle,
	}}
	r.Execution = r.Instance
	a.runs = append(a.runs, r)
	s.instances[r.Instance] = r
	s.begun(r, at)
	if s.stopped() {
		s.finished(r, [...]string{"Stopped", "Failed", "Stopped", "Succeeded"}[i%4])
	}
	return a
}

func (s *Sim) addModel(p *project, name string, created time.Time) *model {
	if name == "" {
		name = numbered(modelNames, len(s.models.order))
	}
	m := &model{
		id: s.newID(), name: name, project: p, created: created, owner: p.owner,
		environment: s.environments[1+len(s.models.order)%3], tier: s.tiers[4],
	}
	p.models = append(p.models, m)
	s.models.add(m.id, m)
	return m
}

func (s *Sim) addVersion(m *model, created time.Time) *modelVersion {
	v := &modelVersion{id: s.newID(), model: m, number: len(m.versions) + 1, creator: m.owner, created: created}
	v.state.set(created, modelState{"Ready to run", false})
	m.versions = append(m.versions, v)
	s.versions.add(v.id, v)
	return v
}

// served enters a deployment from before the simulation.
func (s *Sim) served(v *modelVersion, at time.Time) {
	v.deployed = true
	v.state.set(at, modelState{"Starting", true})
	v.state.set(at.Add(time.Minute), modelState{"Running", false})
	v.operations = append(v.operations, operation{
		start: at, end: at.Add(time.Minute), description: "Deploy model version", short: "Running", long: "Model Version Running",
	})
	v.seat = &seat{tier: v.model.tier.id}
	s.occupy(v.seat)
	v.lastRun = v.run(at, v.creator)
}

func (s *Sim) ended(v *modelVersion, at time.Time, word string) {
	v.state.change(at, modelState{word, false})
	s.vacateAt(at, at, v.seat)
}

// makeModel makes a model whose last version is the active one; those before it were stopped by it.
func (s *Sim) makeModel(i int) *model {
	m := s.addModel(s.any(i+1), "", s.ago(i).Add(-72*time.Hour))
	if i%4 == 1 { // two own it
		m.others = []*user{s.users[1+(i+5)%len(people)]}
	}
	for n := range 1 + i%3 {
		at := s.ago(i).Add(-time.Duration(24*(2-n)) * time.Hour)
		v := s.addVersion(m, at)
		s.served(v, at.Add(time.Minute))
		if m.active != nil {
			s.ended(m.active, at.Add(2*time.Minute), "Stopped")
		}
		m.active = v
	}
	if s.stopped() {
		s.ended(m.active, s.born.Add(-time.Hour), [...]string{"Stopped", "Failed"}[i%2])
	}
	return m
}

func (s *Sim) makeRunningVersion(name string) *modelVersion {
	m := s.addModel(s.any(len(s.models.order)), name, s.ago(100))
	v := s.addVersion(m, s.ago(100))
	s.served(v, s.ago(99))
	m.active = v
	return v
}

func (s *Sim) addWorkspace(p *project, name string, created time.Time) *workspace {
	n := len(s.workspaces.order)
	if name == "" {
		name = numbered(workNames, n)
	}
	w := &workspace{
		id: s.newID(), name: name, project: p, owner: p.owner, created: created,
		environment: s.environments[1+n%3], tier: s.tiers[n%3],
	}
	w.state.set(created, "Created")
	p.workspaces = append(p.workspaces, w)
	s.workspaces.add(w.id, w)
	return w
}

func (s *Sim) sat(w *workspace, at time.Time, volumes, netApp []string) *session {
	e := &session{&run{project: w.project, by: w.owner, title: w.name, Run: Run{
		Key: Key{KindWorkspace, w.id}, Instance: s.newID(), Execution: s.newID(), Environment: w.environment.id,
		EnvironmentRevision: w.environment.revision, HardwareTier: w.tier.id, Volumes: volumes, NetAppVolumes: netApp,
	}}, w}
	w.sessions = append(w.sessions, e)
	s.sessions[e.Instance] = e
	s.begun(e.run, at)
	w.state.change(at.Add(time.Minute), "Started")
	return e
}

func (s *Sim) makeWorkspace(i int) *workspace {
	w := s.addWorkspace(s.any(i), "", s.ago(i).Add(-100*time.Hour))
	if i%4 == 3 { // somebody else's, in this project
		w.owner = s.users[1+(i+5)%len(people)]
	}
	var volumes, netApp []string
	if i%2 == 0 {
		volumes = []string{w.project.volumes[0].id}
	}
	if s.profile.netApp && i%3 == 1 {
		netApp = []string{w.project.netApp[0].id}
	}
	e := s.sat(w, s.ago(i), volumes, netApp)
	if s.stopped() {
		s.finished(e.run, "Stopped")
		w.state.change(s.born.Add(-2*time.Hour), "Stopped")
	}
	return w
}

func (s *Sim) addSchedule(p *project, title string, created time.Time, paused bool) *schedule {
	n := len(s.schedules.order)
	if title == "" {
		title = numbered(scheduleNames, n)
	}
	def := obj{
		"title": title, "command": "run.sh --full", "schedule": obj{"cronString": "0 0 2 * * ?", "isCustom": false},
		"timezoneId": "Europe/London", "isPaused": paused, "allowConcurrentExecution": n%2 == 1, "hardwareTierIdentifier": s.tiers[n%3].id,
		"overrideEnvironmentId": s.environments[1+n%3].id, "environmentRevisionSpec": "ActiveRevision", "scheduledByUserId": p.owner.id,
		"notifyOnCompleteEmailAddresses": []string{p.owner.name + "@example.com"}, "externalVolumeMounts": []string{},
		"volumeSpecificationOverride": obj{"size": obj{"value": 10, "unit": "GiB"}},
	}
	d := &schedule{id: s.newID(), project: p, created: created}
	if n%2 == 0 { // mounts and flags that a PUT of the GET answer loses
		def["externalVolumeMounts"] = []string{p.volumes[0].id}
		def["snapshotDatasetsOnCompletion"] = true
		def["datasetConfig"] = "nightly"
		def["netAppVolumeIds"], def["snapshotNetAppVolumesOnCompletion"] = []string{p.netApp[0].id}, true
	}
	if n%3 == 1 { // the other half of the union
		def["environmentRevisionSpec"] = obj{"revisionId": s.environments[1+n%3].revision}
	}
	if n%3 == 2 && p.git {
		def["mainRepoGitRef"] = obj{"type": "branches", "value": "main"}
	}
	if *s.cfg.MissingOptionalFields && n%4 == 0 {
		// Keys from a later version than any schema at hand.
		d.extra = obj{"jobTemplate": obj{"id": "t-1", "pinned": true}, "retryCount": 2}
	}
	def["publishAfterCompleted"] = n%4 == 0
	known := s.profile.scheduleKeys()
	maps.DeleteFunc(def, func(k string, _ any) bool { return !slices.Contains(known, k) })
	d.definition.set(created, normal(def))
	p.schedules = append(p.schedules, d)
	s.schedules.add(d.id, d)
	return d
}

func (s *Sim) makeSchedule(i int) { s.addSchedule(s.any(i), "", s.ago(i), s.stopped()) }

// makeJob makes a job that runs. Two and two have the same command and commit in the same project, so that only their numbers
// tell which of them a re-run repeats.
func (s *Sim) makeJob(i int, flow string) {
	p := s.any(i / 2)
	j := s.newJob(p, fmt.Sprintf("train.py --fold %d", i/2), p.owner)
	j.scheduled, j.cluster, j.flow = i%5 == 4, i%4 == 3, flow
	j.Commit = p.head.at(s.ago(i / 2))
	s.underWay(j, s.ago(i/2))
}

// underWay enters a job that began before the simulation. A drawn part of it is left.
func (s *Sim) underWay(j *job, at time.Time) {
	s.begun(j.run, at)
	if s.cfg.JobTime > 0 {
		s.endBySelf(j, s.born.Add(s.drawn(s.cfg.JobTime)-s.cfg.JobTime))
	}
}

// makeBuild lets a new revision of an environment be built.
func (s *Sim) makeBuild(i int) {
	s.addBuild(s.environments[i%len(s.environments)])
}

func (s *Sim) addBuild(e *environment) *revision {
	r := s.addRevision(e, s.born.Add(-time.Minute))
	r.status.set(r.created, "Queued")
	r.status.set(r.created.Add(20*time.Second), "Building")
	if s.cfg.BuildTime > 0 {
		r.status.set(s.born.Add(s.drawn(s.cfg.BuildTime)), "Succeeded")
	}
	return r
}

// makeAwkwardRows makes what the schemas allow and clients do not expect (api.md §23).
func (s *Sim) makeAwkwardRows() {
	sparse := s.makeApp(len(s.apps.order))
	sparse.name, sparse.publisher, sparse.hardware, sparse.environment = "no-publisher", nil, "", nil

	unregistered := s.makeApp(len(s.apps.order))
	unregistered.name, unregistered.runs[0].Volumes = "unregistered-volume", []string{s.volumes[4].id}

	draft := s.addApp(s.any(1), "never-started", s.ago(7)) // neither instance nor version
	draft.beta = true

	launcher := s.addApp(s.any(0), "batch-launcher", s.ago(9))
	launcher.productType, launcher.beta = "BATCH", false
	r := &run{project: launcher.project, by: launcher.publisher, title: launcher.name, Run: Run{
		Key: Key{KindLauncher, launcher.id}, Instance: s.newID(), Environment: launcher.environment.id,
		EnvironmentRevision: launcher.environment.revision, HardwareTier: launcher.hardware, Commit: launcher.project.head.at(s.ago(9)),
	}}
	r.Execution = r.Instance
	launcher.runs = append(launcher.runs, r)
	s.instances[r.Instance] = r
	s.begun(r, s.ago(9))

	never := s.addModel(s.any(0), "never-deployed", s.ago(11)) // no activeModelVersionId
	s.addVersion(never, s.ago(10))

	// A version that runs and is not the active one.
	two := s.makeRunningVersion("two-running")
	old := two
	next := s.addVersion(two.model, s.ago(20))
	s.served(next, s.ago(19))
	two.model.active = next
	old.state.change(s.born.Add(-time.Hour), modelState{"Running", false})

	failed := s.makeRunningVersion("failed-deploy") // Failed stays after a stop that went well (LIVE, api.md §9)
	s.ended(failed, s.born.Add(-3*time.Hour), "Failed")
	failed.operations[0].failure, failed.operations[0].short = true, "Deploy Failed"

	bare := s.makeWorkspace(len(s.workspaces.order))
	bare.name, bare.noStatusInfo, bare.noRevision = "no-status-info", true, true

	s.addWorkspace(s.any(2), "never-opened", s.ago(5)) // Created, without a session

	gone := s.addWorkspace(s.any(0), "deleted", s.ago(200))
	gone.deleted = true
	gone.state.change(s.ago(100), "Deleted")
}

// makeInvisible makes a workspace that runs in an archived project (api.md §10, §22).
func (s *Sim) makeInvisible() {
	p := s.makeProject("retired-pilot", len(s.projects))
	p.archived = true
	w := s.addWorkspace(p, "left-running", s.ago(30))
	s.sat(w, s.ago(29), []string{p.volumes[0].id}, nil)
}
