package dominosim

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// What owners do meanwhile, in the web UI, past dmm. Their actions are in the ledger as Entry.Owner, take effect at
// once, and are refused with an error where Domino's own API would refuse them.

// own runs an owner's action on an existing execution and enters it in the ledger.
func (s *Sim) own(kind, id, op string, find func() *user, do func(now time.Time, by *user) error) error {
	var err error
	s.locked(func(now time.Time) {
		by := find()
		if by == nil {
			err = fmt.Errorf("%s %s: no such %s", op, id, kind)
			return
		}
		if err = do(now, by); err != nil {
			err = fmt.Errorf("%s %s %s: %w", op, kind, id, err)
			return
		}
		e := s.log.of(Key{kind, id})
		e.owner = append(e.owner, &Call{Op: op, At: now, Sent: now, By: by.name, Answered: true, Effect: true, Status: http.StatusOK})
	})
	return err
}

func (s *Sim) appOwner(id string) func() *user {
	return func() *user {
		a := s.apps.byID[id]
		switch {
		case a == nil:
			return nil
		case a.publisher != nil:
			return a.publisher
		}
		return a.project.owner
	}
}

// OwnerStartApp starts an app again with what it ran with before; a first start takes the project's defaults.
func (s *Sim) OwnerStartApp(id string) error {
	return s.own(KindApp, id, "start", s.appOwner(id), func(now time.Time, by *user) error {
		a := s.apps.byID[id]
		if w := a.word(now); !over(w) && !ending(w) {
			return fmt.Errorf("it is %s", w)
		}
		p := startParams{tier: a.hardware}
		if r := a.latest(now); r != nil {
			p = startParams{
				tier: r.HardwareTier, environment: r.Environment, commit: r.Commit, bundle: r.Bundle, ref: r.GitRef,
				volumes: r.Volumes, netApp: r.NetAppVolumes,
			}
		}
		if _, bad := s.startAppRun(a, now, by, p, ""); bad != nil {
			return fmt.Errorf("%s", bad.message)
		}
		return nil
	})
}

// OwnerConfigureApp chooses the hardware tier and the environment that the next start of an app takes from its row. What is
// empty stays. That the row then shows these and not those of the latest instance is NOT EVIDENCED.
func (s *Sim) OwnerConfigureApp(id, tier, environment string) error {
	return s.own(KindApp, id, "configure", s.appOwner(id), func(now time.Time, _ *user) error {
		a := s.apps.byID[id]
		if tier != "" {
			a.hardware = tier
		}
		if environment != "" {
			a.environment = s.environmentOf(environment)
		}
		a.configured = now
		return nil
	})
}

// OwnerStopApp stops an app.
func (s *Sim) OwnerStopApp(id string) error {
	return s.own(KindApp, id, "stop", s.appOwner(id), func(now time.Time, _ *user) error {
		a := s.apps.byID[id]
		if !goesOn(a.word(now)) {
			return fmt.Errorf("it is %s", a.word(now))
		}
		s.halt(a.latest(now), now, false)
		return nil
	})
}

// SetAppStatus lets the latest instance of an app fall into a state by itself: it crashed ("Failed", "Error"), ended
// ("Succeeded"), or has become "Faulty" (6.2).
func (s *Sim) SetAppStatus(id, word string) error {
	return s.own(KindApp, id, "status "+word, s.appOwner(id), func(now time.Time, _ *user) error {
		if word == "Faulty" && !s.profile.faulty {
			return fmt.Errorf("version %s of Domino has no such status", s.profile.name)
		}
		r := s.apps.byID[id].latest(now)
		if r == nil {
			return fmt.Errorf("it never ran")
		}
		if over(word) {
			s.die(r, now, word)
		} else {
			r.status.change(now, word)
		}
		return nil
	})
}

func (s *Sim) versionOwner(id string) func() *user {
	return func() *user {
		if v := s.versions.byID[id]; v != nil {
			return v.creator
		}
		return nil
	}
}

// OwnerStartModelVersion starts a model version.
func (s *Sim) OwnerStartModelVersion(id string) error {
	return s.own(KindModelAPI, id, "start", s.versionOwner(id), func(now time.Time, by *user) error {
		v := s.versions.byID[id]
		if v.goal().serves() {
			return fmt.Errorf("it runs")
		}
		v.start(s, now, by, "")
		return nil
	})
}

// OwnerStopModelVersion stops a model version.
func (s *Sim) OwnerStopModelVersion(id string) error {
	return s.own(KindModelAPI, id, "stop", s.versionOwner(id), func(now time.Time, _ *user) error {
		v := s.versions.byID[id]
		if !v.goal().serves() {
			return fmt.Errorf("it does not run")
		}
		v.stop(s, now, false)
		return nil
	})
}

// SetModelStatus lets a model version show a display status (api.md §9) by itself, such as "Unreachable".
func (s *Sim) SetModelStatus(id, name string, pending bool) error {
	return s.own(KindModelAPI, id, "status "+name, s.versionOwner(id), func(now time.Time, _ *user) error {
		s.versions.byID[id].state.change(now, modelState{name, pending})
		return nil
	})
}

func (s *Sim) workspaceOwner(id string) func() *user {
	return func() *user {
		if w := s.workspaces.byID[id]; w != nil {
			return w.owner
		}
		return nil
	}
}

// OwnerStartWorkspace starts a session with the mounts of the one before.
func (s *Sim) OwnerStartWorkspace(id string) error {
	return s.own(KindWorkspace, id, "start", s.workspaceOwner(id), func(now time.Time, by *user) error {
		w := s.workspaces.byID[id]
		var volumes, netApp []string
		if e := w.latest(now); e != nil {
			if !over(e.is(now)) {
				return fmt.Errorf("its session is %s", e.is(now))
			}
			volumes, netApp = slices.Clone(e.Volumes), slices.Clone(e.NetAppVolumes)
		}
		s.startWorkspace(w, now, by, volumes, netApp, "")
		return nil
	})
}

// OwnerStopWorkspace stops the session of a workspace.
func (s *Sim) OwnerStopWorkspace(id string) error {
	return s.own(KindWorkspace, id, "stop", s.workspaceOwner(id), func(now time.Time, _ *user) error {
		w := s.workspaces.byID[id]
		if e := w.latest(now); e == nil || !goesOn(e.is(now)) {
			return fmt.Errorf("it does not run")
		}
		s.stopWorkspace(w, now, false)
		return nil
	})
}

// OwnerDeleteWorkspace deletes a workspace that does not run. It can still be read, as one that is deleted (api.md §10).
func (s *Sim) OwnerDeleteWorkspace(id string) error {
	return s.own(KindWorkspace, id, "delete", s.workspaceOwner(id), func(now time.Time, _ *user) error {
		w := s.workspaces.byID[id]
		if e := w.latest(now); e != nil && !over(e.is(now)) {
			return fmt.Errorf("it runs")
		}
		w.deleted = true
		w.state.change(now, "Deleted")
		return nil
	})
}

func (s *Sim) scheduleOwner(id string) func() *user {
	return func() *user {
		if d := s.schedules.byID[id]; d != nil {
			return d.project.owner
		}
		return nil
	}
}

// EditSchedule lets an owner change a definition; edit gets a copy in the form of PUT.
func (s *Sim) EditSchedule(id string, edit func(definition map[string]any)) error {
	return s.own(KindScheduledJob, id, "put", s.scheduleOwner(id), func(now time.Time, by *user) error {
		d := s.schedules.byID[id]
		def := normal(d.definition.at(now))
		edit(def)
		s.replace(d, now, normal(def), by.name)
		return nil
	})
}

// OwnerPauseSchedule pauses a schedule, or lets it go on.
func (s *Sim) OwnerPauseSchedule(id string, paused bool) error {
	return s.EditSchedule(id, func(def map[string]any) { def["isPaused"] = paused })
}

// AppSpec is what CreateApp needs; what is empty is chosen.
type AppSpec struct {
	ProjectID, Name string
	Running         bool
}

// CreateApp makes an app as the owner of its project and returns its id.
func (s *Sim) CreateApp(spec AppSpec) string {
	var id string
	s.locked(func(now time.Time) {
		a := s.addApp(s.pick(spec.ProjectID), spec.Name, now)
		id = a.id
		if spec.Running {
			s.startAppRun(a, now, a.publisher, s.variedStart(a), "")
		}
	})
	return id
}

// WorkspaceSpec is what CreateWorkspace needs; what is empty is chosen.
type WorkspaceSpec struct {
	ProjectID, Name string
	Running         bool
}

// CreateWorkspace makes a workspace of the project's owner and returns its id.
func (s *Sim) CreateWorkspace(spec WorkspaceSpec) string {
	var id string
	s.locked(func(now time.Time) {
		w := s.addWorkspace(s.pick(spec.ProjectID), spec.Name, now)
		id = w.id
		if spec.Running {
			s.startWorkspace(w, now, w.owner, nil, nil, "")
		}
	})
	return id
}

// CreateModel makes a model with one version in a project (empty: any) and returns the ids of both.
func (s *Sim) CreateModel(projectID, name string, running bool) (modelID, versionID string) {
	s.locked(func(now time.Time) {
		m := s.addModel(s.pick(projectID), name, now)
		v := s.addVersion(m, now)
		modelID, versionID = m.id, v.id
		if running {
			m.active = v
			v.start(s, now, v.creator, "")
		}
	})
	return modelID, versionID
}

// CreateSchedule makes a schedule in a project (empty: any) and returns its id.
func (s *Sim) CreateSchedule(projectID, title string, paused bool) string {
	var id string
	s.locked(func(now time.Time) {
		d := s.addSchedule(s.pick(projectID), title, now, paused)
		id = d.id
		if !paused {
			s.started(d.run(now, d.project.owner.name))
		}
	})
	return id
}

// pick is the project of an id, or one that is not archived.
func (s *Sim) pick(id string) *project {
	if p := s.projectOf(id); p != nil {
		return p
	}
	return s.projects[0]
}

// PushCommit gives a project a new latest commit and returns it.
func (s *Sim) PushCommit(projectID string) string {
	var commit string
	s.locked(func(now time.Time) {
		if p := s.projectOf(projectID); p != nil {
			commit = s.newCommit()
			p.head.change(now, commit)
		}
	})
	return commit
}

// ArchiveProject hides a project from GET /v4/projects.
func (s *Sim) ArchiveProject(projectID string) {
	s.locked(func(time.Time) {
		if p := s.projectOf(projectID); p != nil {
			p.archived = true
		}
	})
}

// UnregisterVolume makes a volume one that executions still mount and nobody can name any more.
func (s *Sim) UnregisterVolume(id string) {
	s.locked(func(time.Time) {
		if v := s.volumeOf(id); v != nil {
			v.unregistered = true
		}
	})
}

// AddKey gives a user a credential, API key or token, with no more than a user's rights (the administrator's has all).
func (s *Sim) AddKey(key, userName string) error {
	var err error
	s.locked(func(time.Time) {
		u := s.userNamed(userName)
		if u == nil {
			err = fmt.Errorf("add key: no user %q", userName)
			return
		}
		s.keys[key] = u
	})
	return err
}

// Users are the names of all users, the administrator's first.
func (s *Sim) Users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, u := range s.users {
		out = append(out, u.name)
	}
	return out
}

func (s *Sim) jobOwner(id string) func() *user {
	return func() *user {
		if j := s.jobs.byID[id]; j != nil {
			return j.by
		}
		return nil
	}
}

// OwnerStopJob stops a job, or the re-run of it that runs.
func (s *Sim) OwnerStopJob(id string) error {
	return s.own(KindJob, id, "stop", s.jobOwner(id), func(now time.Time, _ *user) error {
		for _, j := range slices.Backward(s.jobs.order) {
			if j.root == s.jobs.byID[id].root && goesOn(j.is(now)) {
				s.stopJob(j, now, true, false)
				return nil
			}
		}
		return fmt.Errorf("it does not run")
	})
}

// OwnerRerunJob runs a job again, as another one of the same root.
func (s *Sim) OwnerRerunJob(id string) error {
	return s.own(KindJob, id, "start", s.jobOwner(id), func(now time.Time, by *user) error {
		j := s.jobs.byID[id]
		s.rerun(j, now, by, j.Commit, "")
		return nil
	})
}

// EndJob lets a job end by itself: Succeeded, Failed or Error.
func (s *Sim) EndJob(id, word string) error {
	return s.own(KindJob, id, "status "+word, s.jobOwner(id), func(now time.Time, _ *user) error {
		s.die(s.jobs.byID[id].run, now, word)
		return nil
	})
}

// CreateJob starts a job in a project (empty: any) as its owner and returns its id.
func (s *Sim) CreateJob(projectID, command string) string {
	var id string
	s.locked(func(now time.Time) {
		p := s.pick(projectID)
		j := s.newJob(p, command, p.owner)
		s.launch(j.run, now, "", func(_, ready time.Time) { s.endBySelf(j, ready) })
		id = j.id
	})
	return id
}

// CreateBuild makes a new revision of an environment and builds it; it returns the ids of both.
func (s *Sim) CreateBuild() (environmentID, revisionID string) {
	s.locked(func(now time.Time) {
		e := s.environments[0]
		r := s.addRevision(e, now)
		s.build(r, now, "")
		environmentID, revisionID = e.id, r.id
	})
	return environmentID, revisionID
}
