package execution

import (
	"context"
	"slices"
	"strings"
)

// Names are what there is of one sort in Domino: projects, users, or ids. They compare without regard to case.
type Names struct {
	spelled map[string]string // by lower case, as Domino spells them
	also    map[string]string // what people call them instead, in lower case; empty where that may be several
	// Unseen says why there may be more than these; empty if there are no more.
	Unseen string
}

func (n *Names) add(names ...string) {
	if n.spelled == nil {
		n.spelled, n.also = map[string]string{}, map[string]string{}
	}
	for _, name := range names {
		if name != "" {
			n.spelled[strings.ToLower(name)] = name
		}
	}
}

func (n *Names) alias(name, alias string) {
	if n.add(name); alias == "" {
		return
	}
	key := strings.ToLower(alias)
	if known, ok := n.also[key]; ok && known != name {
		name = ""
	}
	n.also[key] = name
}

func (n *Names) unseen(why string) {
	if n.Unseen == "" {
		n.Unseen = why
	}
}

// Has reports whether the name is among them.
func (n Names) Has(name string) bool { return n.spelled[strings.ToLower(name)] != "" }

// Called returns the one that people call so, empty if there is none, or more than one.
func (n Names) Called(alias string) string { return n.also[strings.ToLower(alias)] }

// All returns the names as Domino spells them.
func (n Names) All() []string {
	all := make([]string, 0, len(n.spelled))
	for _, name := range n.spelled {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Existing is what exists in Domino, as far as filters name it.
type Existing struct {
	Projects Names // owner/name
	Users    Names // by user name; people also know full names and addresses
	IDs      Names // of executions and of what they are versions of; people also know the names of executions
}

// Add adds executions, whether they run or not, with their projects and owners.
func (x *Existing) Add(executions ...Execution) {
	for _, e := range executions {
		x.Projects.add(e.Project.String())
		x.Users.add(append(e.AllOwners(), e.Project.Owner)...)
		x.IDs.alias(e.ID, e.Name)
		x.IDs.add(e.Parent)
	}
}

// Of returns what the entries of a clause name, nil for kinds: the kinds that there are, dmm knows itself.
func (x *Existing) Of(c Clause) *Names {
	switch c {
	case ClauseProjects, ClauseExcludeProjects:
		return &x.Projects
	case ClauseOwners, ClauseExcludeOwners:
		return &x.Users
	case ClauseExclude:
		return &x.IDs
	}
	return nil
}

// Lacks are the entries of a filter that name nothing among what exists.
func (x *Existing) Lacks(f Filter) []Entry {
	return slices.DeleteFunc(f.Entries(), func(one Entry) bool {
		names := x.Of(one.Clause)
		return names == nil || names.Has(one.Name)
	})
}

// Survey adds what Domino shows now: its executions, projects, archived ones too, and users. Of names that may be
// missing because something could not be looked at, that is said. The executions are returned.
func (d *Drivers) Survey(ctx context.Context, x *Existing) []Execution {
	l := d.List(ctx, Kinds())
	x.Add(l.Executions...)
	for _, p := range l.Problems {
		if !p.Incomplete {
			continue
		}
		x.IDs.unseen(p.String())
		if p.Kind == "" {
			x.Projects.unseen(p.String())
		}
	}
	for _, p := range d.projects.list(true) {
		x.Projects.add(p.String())
		x.Users.add(p.Owner)
	}
	all, err := d.people.list(ctx)
	for _, one := range all {
		x.Users.alias(one.Name, one.FullName)
		x.Users.alias(one.Name, one.Email)
	}
	if err != nil {
		x.Users.unseen("list the users: " + err.Error())
	}
	return l.Executions
}
