package execution

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// Filter says which executions a step touches. The zero Filter matches all. It is
// pinned in a window, so that its JSON is a format others rely on.
type Filter struct {
	Kinds           []Kind   `json:"kinds,omitempty"`
	Projects        []string `json:"projects,omitempty"` // owner/name
	Owners          []string `json:"owners,omitempty"`   // of the execution
	ExcludeProjects []string `json:"excludeProjects,omitempty"`
	ExcludeOwners   []string `json:"excludeOwners,omitempty"`
	Exclude         []string `json:"exclude,omitempty"` // ids

	// OfProjects: the owner of a project owns what runs in it too, and of several owners of an execution the first alone
	// counts. So it was when windows were opened that do not say otherwise, and they go on so: what such a shutdown was
	// told to spare it still spares.
	OfProjects bool `json:"-"`
}

// ownersOf is on record where owners are those of executions.
const ownersOf = "executions"

type plainFilter Filter

type recordedFilter struct {
	plainFilter
	OwnersOf string `json:"ownersOf,omitempty"`
}

// MarshalJSON records a filter, and with owners what they are owners of.
func (f Filter) MarshalJSON() ([]byte, error) {
	r := recordedFilter{plainFilter: plainFilter(f)}
	if f.namesOwners() && !f.OfProjects {
		r.OwnersOf = ownersOf
	}
	return json.Marshal(r)
}

// UnmarshalJSON reads a filter that is on record.
func (f *Filter) UnmarshalJSON(data []byte) error {
	var r recordedFilter
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	*f = Filter(r.plainFilter)
	f.OfProjects = f.namesOwners() && r.OwnersOf != ownersOf
	return nil
}

func (f Filter) namesOwners() bool { return len(f.Owners)+len(f.ExcludeOwners) > 0 }

// All reports whether the filter lets everything through.
func (f Filter) All() bool { return f.Same(Filter{}) }

// Same reports whether two filters have the same entries, whatever their owners are owners of.
func (f Filter) Same(g Filter) bool {
	f.OfProjects, g.OfProjects = false, false
	return reflect.DeepEqual(f, g)
}

// Match reports whether the filter lets e through. Names compare without regard to case.
func (f Filter) Match(e Execution) bool {
	owners := e.AllOwners()
	if f.OfProjects {
		owners = []string{e.Owner, e.Project.Owner}
	}
	project := []string{e.Project.String()}
	switch {
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, e.Kind):
	case len(f.Projects) > 0 && !anyOf(f.Projects, project):
	case len(f.Owners) > 0 && !anyOf(f.Owners, owners):
	case anyOf(f.ExcludeProjects, project), anyOf(f.ExcludeOwners, owners), anyOf(f.Exclude, []string{e.ID, e.Parent}):
	default:
		return true
	}
	return false
}

func anyOf(list, names []string) bool {
	return slices.ContainsFunc(list, func(l string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return n != "" && strings.EqualFold(l, n) })
	})
}

// Clause is one of a filter's lists, by its name on record.
type Clause string

// The clauses.
const (
	ClauseKinds           Clause = "kinds"
	ClauseProjects        Clause = "projects"
	ClauseOwners          Clause = "owners"
	ClauseExcludeProjects Clause = "excludeProjects"
	ClauseExcludeOwners   Clause = "excludeOwners"
	ClauseExclude         Clause = "exclude"
)

// Entry is one name in a filter.
type Entry struct {
	Clause Clause
	Name   string
}

// Entries are all names in the filter.
func (f Filter) Entries() []Entry {
	var all []Entry
	for _, k := range f.Kinds {
		all = append(all, Entry{ClauseKinds, string(k)})
	}
	for _, c := range []struct {
		clause Clause
		names  []string
	}{
		{ClauseProjects, f.Projects}, {ClauseOwners, f.Owners},
		{ClauseExcludeProjects, f.ExcludeProjects}, {ClauseExcludeOwners, f.ExcludeOwners}, {ClauseExclude, f.Exclude},
	} {
		for _, n := range c.names {
			all = append(all, Entry{c.clause, n})
		}
	}
	return all
}

// Has reports whether the filter has the entry.
func (f Filter) Has(x Entry) bool {
	return slices.ContainsFunc(f.Entries(), func(own Entry) bool {
		return own.Clause == x.Clause && strings.EqualFold(own.Name, x.Name)
	})
}

// Replace returns the filter with other names in place of those of some entries.
func (f Filter) Replace(other map[Entry]string) Filter {
	in := func(c Clause, names []string) []string {
		var out []string
		for _, n := range names {
			if r, ok := other[Entry{c, n}]; ok {
				n = r
			}
			if !anyOf(out, []string{n}) {
				out = append(out, n)
			}
		}
		return out
	}
	f.Projects, f.Owners = in(ClauseProjects, f.Projects), in(ClauseOwners, f.Owners)
	f.ExcludeProjects = in(ClauseExcludeProjects, f.ExcludeProjects)
	f.ExcludeOwners = in(ClauseExcludeOwners, f.ExcludeOwners)
	f.Exclude = in(ClauseExclude, f.Exclude)
	return f
}

// Names reports whether the entry is about e: selects it, or leaves it out.
func (x Entry) Names(e Execution) bool {
	var f Filter
	switch x.Clause {
	case ClauseKinds:
		f.Kinds = []Kind{Kind(x.Name)}
	case ClauseProjects, ClauseExcludeProjects:
		f.Projects = []string{x.Name}
	case ClauseOwners, ClauseExcludeOwners:
		f.Owners = []string{x.Name}
	case ClauseExclude:
		return anyOf([]string{x.Name}, []string{e.ID, e.Parent})
	}
	return f.Match(e)
}

// String says in words what the filter lets through.
func (f Filter) String() string {
	var parts []string
	add := func(word string, list []string) {
		if len(list) > 0 {
			parts = append(parts, word+" "+strings.Join(list, ", "))
		}
	}
	kinds := make([]string, len(f.Kinds))
	for i, k := range f.Kinds {
		kinds[i] = string(k)
	}
	add("kinds", kinds)
	add("projects", f.Projects)
	add("owners", f.Owners)
	add("without projects", f.ExcludeProjects)
	add("without owners", f.ExcludeOwners)
	add("without ids", f.Exclude)
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, "; ")
}
