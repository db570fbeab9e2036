package execution

import (
	"slices"
	"strings"
)

// Filter says which executions a step touches. The zero Filter matches all. It is
// pinned in a window, so that its JSON is a format others rely on.
type Filter struct {
	Kinds           []Kind   `json:"kinds,omitempty"`
	Projects        []string `json:"projects,omitempty"` // owner/name
	Owners          []string `json:"owners,omitempty"`   // of the execution or of its project
	ExcludeProjects []string `json:"excludeProjects,omitempty"`
	ExcludeOwners   []string `json:"excludeOwners,omitempty"`
	Exclude         []string `json:"exclude,omitempty"` // ids
}

// Match reports whether the filter lets e through. Names compare without regard to case.
func (f Filter) Match(e Execution) bool {
	owners := []string{e.Owner, e.Project.Owner}
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
