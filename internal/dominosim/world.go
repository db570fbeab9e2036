package dominosim

import (
	"slices"
	"strings"
	"time"
)

// What executions need and belong to: users, projects, environments, hardware tiers, volumes.

type user struct {
	id, name, first, last string
	admin                 bool
	deactivated           bool
	operations            []string // system operations of one who is no administrator
	roles                 []string // nil: Practitioner, and SysAdmin of the administrator
}

func (u *user) allRoles() []string {
	switch {
	case u.roles != nil:
		return u.roles
	case u.admin:
		return []string{"Practitioner", "SysAdmin"}
	}
	return []string{"Practitioner"}
}

func (u *user) full() string { return strings.TrimSpace(u.first + " " + u.last) }

type project struct {
	id, name    string
	owner       *user
	created     time.Time
	archived    bool
	git         bool
	head        history[string] // latest commit, of the main repository or of the project's files
	environment *environment    // the default one
	tier        *tier           // the default one
	volumes     []*volume
	netApp      []netAppVolume

	models     []*model
	workspaces []*workspace
	schedules  []*schedule
	jobs       []*job
	classics   []*classic
}

type environment struct {
	id, name  string
	owner     *user
	revision  string // the active one
	number    int    // of that
	revisions []*revision
	archived  bool
	removed   bool
}

type tier struct {
	id, name  string
	cores     float64
	memoryGiB float64
	archived  bool
	removed   bool
	plane     string // empty: the local one
	model     bool   // for Model APIs; those and other tiers cannot be interchanged (docs-facts 1.7)
	created   time.Time
}

type volume struct {
	id, name     string
	unregistered bool
	private      bool
	users        []string // ids of those who may use it, if it is private
}

func (v *volume) claim() string { return v.name + "-pvc" }

// A plane is a cluster that executions run on.
type plane struct {
	id, name, state string
	outdated        bool
}

type netAppVolume struct{ id, name string }

// localDataPlane is the id of the plane in Domino's own cluster (api.md §3).
const localDataPlane = "000000000000000000000000"

func (s *Sim) environmentOf(id string) *environment {
	i := slices.IndexFunc(s.environments, func(e *environment) bool { return e.id == id })
	if i < 0 {
		return nil
	}
	return s.environments[i]
}

func (s *Sim) tierOf(id string) *tier {
	i := slices.IndexFunc(s.tiers, func(t *tier) bool { return t.id == id })
	if i < 0 {
		return nil
	}
	return s.tiers[i]
}

func (s *Sim) volumeOf(id string) *volume {
	i := slices.IndexFunc(s.volumes, func(v *volume) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	return s.volumes[i]
}

func (s *Sim) projectOf(id string) *project {
	i := slices.IndexFunc(s.projects, func(p *project) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return s.projects[i]
}

func (s *Sim) userNamed(name string) *user {
	i := slices.IndexFunc(s.users, func(u *user) bool { return u.name == name })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

// sees is a crude form of Domino's visibility: an administrator sees everything, others what they own.
func (u *user) sees(p *project) bool {
	return u.admin || p.owner == u || slices.Contains(u.operations, "ListAllProjects")
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// list is never null in JSON.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}
