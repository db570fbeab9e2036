package execution_test

import (
	"encoding/json"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func TestFilter(t *testing.T) {
	app := execution.Execution{
		Kind: execution.App, ID: "app-1", Owner: "B.Keller",
		Project: execution.Project{ID: "p1", Owner: "a.okafor", Name: "Churn-Forecast"},
	}
	version := execution.Execution{
		Kind: execution.ModelAPI, ID: "version-1", Parent: "model-1",
		Project: execution.Project{ID: "p2", Owner: "c.rossi", Name: "risk"},
	}
	// Its project is not known by name, and it has no owner.
	bare := execution.Execution{Kind: execution.Workspace, ID: "w-1", Project: execution.Project{ID: "p3"}}

	for _, tt := range []struct {
		name   string
		filter execution.Filter
		want   []bool // app, version, bare
	}{
		{"none", execution.Filter{}, []bool{true, true, true}},
		{"kind", execution.Filter{Kinds: []execution.Kind{execution.App}}, []bool{true, false, false}},
		{"kinds", execution.Filter{Kinds: []execution.Kind{execution.App, execution.Workspace}}, []bool{true, false, true}},
		{"project", execution.Filter{Projects: []string{"a.okafor/Churn-Forecast"}}, []bool{true, false, false}},
		{"project in another case", execution.Filter{Projects: []string{"A.OKAFOR/churn-forecast"}}, []bool{true, false, false}},
		{"project by its name alone is none", execution.Filter{Projects: []string{"churn-forecast"}}, []bool{false, false, false}},
		{"project by id where nothing else is known", execution.Filter{Projects: []string{"p3"}}, []bool{false, false, true}},
		{"owner of the execution", execution.Filter{Owners: []string{"b.keller"}}, []bool{true, false, false}},
		{"owner of the project", execution.Filter{Owners: []string{"A.Okafor", "c.rossi"}}, []bool{true, true, false}},
		{"without project", execution.Filter{ExcludeProjects: []string{"C.ROSSI/risk"}}, []bool{true, false, true}},
		{"without owner of the execution", execution.Filter{ExcludeOwners: []string{"b.keller"}}, []bool{false, true, true}},
		{"without owner of the project", execution.Filter{ExcludeOwners: []string{"c.rossi"}}, []bool{true, false, true}},
		{"without id", execution.Filter{Exclude: []string{"APP-1"}}, []bool{false, true, true}},
		{"without a model: all of its versions", execution.Filter{Exclude: []string{"model-1"}}, []bool{true, false, true}},
		{"an empty name is nobody's", execution.Filter{ExcludeOwners: []string{""}, Exclude: []string{""}}, []bool{true, true, true}},
		{"all that is asked for must hold", execution.Filter{Kinds: []execution.Kind{execution.ModelAPI}, Owners: []string{"a.okafor"}},
			[]bool{false, false, false}},
		{"kind and owner", execution.Filter{Kinds: []execution.Kind{execution.App}, Owners: []string{"a.okafor"}}, []bool{true, false, false}},
		{"exclusion wins over project", execution.Filter{Projects: []string{"a.okafor/churn-forecast"}, ExcludeOwners: []string{"b.keller"}},
			[]bool{false, false, false}},
		{"exclusion wins over kind", execution.Filter{Kinds: []execution.Kind{execution.App, execution.ModelAPI}, Exclude: []string{"app-1"}},
			[]bool{false, true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, e := range []execution.Execution{app, version, bare} {
				if got := tt.filter.Match(e); got != tt.want[i] {
					t.Errorf("Match(%s) = %t, want %t", e, got, tt.want[i])
				}
			}
		})
	}
}

func TestFilterInWords(t *testing.T) {
	for _, tt := range []struct {
		filter execution.Filter
		want   string
	}{
		{execution.Filter{}, "everything"},
		{execution.Filter{Kinds: []execution.Kind{execution.App, execution.Workspace}}, "kinds App, Workspace"},
		{
			execution.Filter{
				Kinds: []execution.Kind{execution.App}, Projects: []string{"a/b"}, Owners: []string{"c"},
				ExcludeProjects: []string{"d/e"}, ExcludeOwners: []string{"f", "g"}, Exclude: []string{"h"},
			},
			"kinds App; projects a/b; owners c; without projects d/e; without owners f, g; without ids h",
		},
	} {
		if got := tt.filter.String(); got != tt.want {
			t.Errorf("String() = %q, want %q", got, tt.want)
		}
	}
}

// A filter is pinned in a window, so that a later version must find it under these names.
func TestFilterOnRecord(t *testing.T) {
	got, err := json.Marshal(execution.Filter{
		Kinds: []execution.Kind{execution.App}, Projects: []string{"a/b"}, Owners: []string{"c"},
		ExcludeProjects: []string{"d/e"}, ExcludeOwners: []string{"f"}, Exclude: []string{"h"},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kinds":["App"],"projects":["a/b"],"owners":["c"],"excludeProjects":["d/e"],"excludeOwners":["f"],"exclude":["h"]}`
	if string(got) != want {
		t.Errorf("a filter is recorded as %s, want %s", got, want)
	}
}
