package dominosim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// A job is one run of a command. It comes to its end by itself, and does not run again: a re-run is another job.
type job struct {
	*run
	id, command string
	number      int    // counted in its project
	scheduled   bool   // a schedule started it
	flow        string // the flow that it is a task of; empty: none
	// root is the job that this one re-runs, by way of others perhaps, or itself. The ledger knows jobs by their root, so
	// that it tells what is run again.
	root *job
}

func (s *Sim) newJob(p *project, command string, by *user) *job {
	j := &job{id: s.newID(), number: p.nextJob(), command: command}
	j.root = j
	env := s.environments[1+len(s.jobs.order)/2%3]
	j.run = &run{project: p, by: by, title: command, Run: Run{
		Key: Key{KindJob, j.id}, Execution: j.id, Environment: env.id, EnvironmentRevision: env.revision, HardwareTier: "medium-k8s",
		Volumes: []string{p.volumes[0].id}, Commit: p.head.at(time.Now()), Command: command,
	}}
	s.addJob(j)
	return j
}

// nextJob is the number of the project's next job; its jobs are in the order of their numbers.
func (p *project) nextJob() int {
	if n := len(p.jobs); n > 0 {
		return p.jobs[n-1].number + 1
	}
	return 1
}

func (s *Sim) addJob(j *job) {
	j.project.jobs = append(j.project.jobs, j)
	s.jobs.add(j.id, j)
}

// rerun is a new job with what the other ran with (api.md §11, op restartJob).
func (s *Sim) rerun(of *job, at time.Time, by *user, commit, failure string) *job {
	j := &job{id: s.newID(), number: of.project.nextJob(), command: of.command, root: of.root}
	r := of.Run
	r.Execution, r.Commit = j.id, commit
	j.run = &run{project: of.project, by: by, title: "[Rerun] " + of.title, cluster: of.cluster, Run: r}
	s.addJob(j)
	s.launch(j.run, at, failure, func(_, ready time.Time) { s.endBySelf(j, ready) })
	return j
}

// endBySelf plans the job's own end. Which words lie before it is from the product's documentation (docs-facts 1.3).
func (s *Sim) endBySelf(j *job, running time.Time) {
	if s.cfg.JobTime == 0 {
		return
	}
	end := running.Add(s.cfg.JobTime)
	j.status.set(end.Add(-s.cfg.JobTime/10), "Finishing")
	j.status.set(end, "Succeeded")
	s.agenda.add(end, func(at time.Time) {
		if j.is(at) == "Succeeded" {
			s.vacateAt(at, at, j.seat)
		}
	})
}

func (j *job) dto(s *Sim, t time.Time) obj {
	word := j.is(t)
	stages := obj{"submissionTime": j.started.UnixMilli()}
	if over(word) {
		stages["completedTime"] = j.status.since(t).UnixMilli()
	}
	statuses := obj{"isCompleted": over(word), "isArchived": false, "isScheduled": j.scheduled, "executionStatus": word}
	p := s.profile
	o := obj{
		"number": j.number, "id": j.id, "stageTime": stages, "tags": []obj{}, "jobRunCommand": j.command, "commentsCount": 0, "title": j.title,
		"startedBy": obj{"id": j.by.id, "username": j.by.name}, "commitDetails": obj{"inputCommitId": j.Commit}, "dominoStats": []obj{},
		"statuses": statuses, "mainRepoGitRef": obj{"type": "head"}, "dependentRepositories": []obj{}, "dependentDatasetMounts": []obj{},
		"dependentProjects": []obj{}, "suggestDatasets": false, "goalIds": []string{}, "dependentExternalVolumeMounts": s.jobMounts(j.Volumes),
	}
	if j.cluster {
		o["computeCluster"] = obj{"clusterType": "Ray", "computeEnvironmentId": j.Environment, "workerCount": 2, "workerHardwareTierId": obj{"value": "medium-k8s"}}
	}
	if p.release.atLeast(v5_7) {
		o["snapshotDatasetsOnCompletion"] = false
	}
	if !p.release.atLeast(v5_9) {
		statuses["volumeRecoverabilityStatus"] = "NoActionNecessary"
	}
	if j.flow != "" && p.release.atLeast(v5_11) {
		o["workflowDetails"] = obj{"workflowOrchestrator": "flyte", "executionMetadata": obj{"nodeWorkflowExecutionName": j.flow, "taskExecutionName": j.command}}
	}
	if p.release.atLeast(v6_0) {
		o["projectId"] = j.project.id
	}
	if p.netApp {
		o["dependentNetAppVolumeMounts"] = []obj{}
	}
	if p.release.atLeast(v6_2) {
		o["snapshotNetAppVolumesOnCompletion"] = false
	}
	return o
}

// jobMounts have names and no ids (api.md §11, jobs.DependentExternalVolumeMount).
func (s *Sim) jobMounts(ids []string) []obj {
	out := s.mounts(ids)
	for _, m := range out {
		delete(m, "id")
	}
	return out
}

// jobPage is how many jobs come at most, whatever is asked for. NOT EVIDENCED for this list; others cap silently (api.md §3).
const jobPage = 100

// listJobs counts pages from one and sends three jobs unless told otherwise (api.md §11).
func (c *call) listJobs() answer {
	id := c.query.Get("projectId")
	if id == "" {
		return missingParameter("projectId")
	}
	p := c.s.projectOf(id)
	if p == nil {
		return refusal(http.StatusNotFound, "Project with id "+id+" does not exist")
	}
	if !c.caller.sees(p) {
		return lacking("ViewJobs")
	}
	number, bad := c.number("page_no", 1)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("page_size", 3)
	if bad != nil {
		return *bad
	}
	size = min(size, jobPage)
	t := c.s.asOf("jobs "+p.id, c.now)
	var rows []*job
	for _, j := range p.jobs {
		if j.started.After(t) {
			continue
		}
		switch word := j.is(t); c.query.Get("status") {
		case "active":
			if over(word) {
				continue
			}
		case "completed":
			if !over(word) {
				continue
			}
		}
		rows = append(rows, j)
	}
	order := "asc"
	if c.query.Get("sort_by") != "asc" { // newest first unless told otherwise: NOT EVIDENCED
		order = "desc"
		slices.Reverse(rows)
	}
	offset := (max(number, 1) - 1) * size
	out := []obj{}
	for _, j := range page(rows, offset, size) {
		out = append(out, j.dto(c.s, t))
	}
	return ok(obj{
		"jobs": out, "totalCount": len(rows), "dominoStatColumns": []string{},
		"pagination": obj{"offset": offset, "limit": size, "sortBy": order, "orderBy": "number"},
	})
}

func (c *call) getJob() answer {
	j, refused := c.job(c.r.PathValue("jobId"))
	if j == nil {
		return refused
	}
	t := c.seen(j.id)
	if j.started.After(t) {
		return noJob(j.id)
	}
	return ok(j.dto(c.s, t))
}

func noJob(id string) answer {
	return refusal(http.StatusNotFound, "Job with id "+id+" does not exist") // words NOT EVIDENCED
}

func (c *call) job(id string) (*job, answer) {
	j := c.s.jobs.byID[id]
	if j == nil {
		return nil, noJob(id)
	}
	if !c.caller.sees(j.project) {
		return nil, lacking("ViewJobs")
	}
	return j, answer{}
}

func (c *call) jobRuntime() answer {
	j, refused := c.job(c.r.PathValue("jobId"))
	if j == nil {
		return refused
	}
	env, t := c.s.environmentOf(j.Environment), c.s.tierOf(j.HardwareTier)
	environment := obj{
		"environmentRevisionId": j.EnvironmentRevision, "environmentName": env.name, "revisionNumber": env.number, "environmentRevisionSpec": "ActiveRevision",
	}
	if c.s.profile.release.atLeast(v5_9) {
		environment["environmentId"] = env.id
	}
	return ok(obj{"environment": environment, "hardwareTier": obj{"id": t.id, "name": t.name, "isArchived": t.archived}})
}

// jobCall reads the body of a stop or restart: required up to 5.9 is the project, too (api.md §11, the two request schemas).
func (c *call) jobCall(op string, optional ...string) (j *job, flags map[string]bool, refused answer) {
	body, err := c.object()
	if err != nil {
		return nil, nil, invalidJSON(err.Error())
	}
	var wrong []string
	texts := []string{"jobId"}
	if !c.s.profile.release.atLeast(v5_10) {
		texts = append(texts, "projectId")
	}
	for _, key := range texts {
		if !id24.MatchString(text(body[key])) {
			wrong = append(wrong, "/"+key+": error.path.missing")
		}
	}
	flags = map[string]bool{}
	for _, key := range optional {
		v, isBool := body[key].(bool)
		if !isBool {
			wrong = append(wrong, "/"+key+": error.path.missing")
		}
		flags[key] = v
	}
	if len(wrong) > 0 {
		return nil, nil, invalidJSON(strings.Join(wrong, "; "))
	}
	if j, refused = c.job(text(body["jobId"])); j != nil {
		// python-domino sends the project always: from 5.10 on it is not read and does no harm (CODE, api.md §11).
		c.open(KindJob, j.root.id, op, body, unread(body, append(optional, "jobId", "projectId")))
	}
	return j, flags, refused
}

// stopJob: what is answered for a job that is over is NOT EVIDENCED, clients swallow an error.
func (c *call) stopJob() answer {
	j, flags, refused := c.jobCall("stop", "commitResults")
	if j == nil {
		return refused
	}
	word := j.is(c.now)
	if over(word) {
		return refusal(http.StatusBadRequest, "Job "+j.id+" is completed")
	}
	if (goesOn(word) || j.stuck) && !c.bent(FaultStopFails) {
		c.s.stopJob(j, c.now, flags["commitResults"], c.bent(FaultStopSticks))
		c.effect.Effect = true
	}
	return ok(j.dto(c.s, c.now))
}

// stopJob stops a job, and with it the whole flow that it belongs to (docs-facts 1.11).
func (s *Sim) stopJob(j *job, at time.Time, commit, sticks bool) {
	first := "StopAndDiscardRequested"
	if commit {
		first = "StopRequested"
	}
	s.haltAs(j.run, first, at, sticks)
	for _, other := range j.project.jobs {
		if j.flow != "" && other != j && other.flow == j.flow && goesOn(other.is(at)) {
			s.haltAs(other.run, first, at, false)
		}
	}
}

// restartJob makes a new job each time it is asked to: whether the first one runs still is not looked at (NOT EVIDENCED), so
// that a re-run that is sent twice shows.
func (c *call) restartJob() answer {
	j, flags, refused := c.jobCall("start", "shouldUseOriginalInputCommit")
	if j == nil {
		return refused
	}
	if j.flow != "" { // docs-facts 1.11: such jobs are run again by their flow only
		return refusal(http.StatusBadRequest, "Job "+j.id+" belongs to a flow and cannot be re-run")
	}
	commit := j.project.head.at(c.now)
	if flags["shouldUseOriginalInputCommit"] {
		commit = j.Commit
	}
	again := c.s.rerun(j, c.now, c.caller, commit, c.bentFailure())
	c.effect.Effect = true
	return ok(again.dto(c.s, c.now))
}
