package execution_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	// It has several owners, none of whom owns its project.
	shared := execution.Execution{
		Kind: execution.ModelAPI, ID: "version-2", Parent: "model-2", Owner: "d.nair", Owners: []string{"e.demir", "f.haddad"},
		Project: execution.Project{ID: "p1", Owner: "a.okafor", Name: "Churn-Forecast"},
	}
	// Its project is not known by name, and it has no owner.
	bare := execution.Execution{Kind: execution.Workspace, ID: "w-1", Project: execution.Project{ID: "p3"}}

	for _, tt := range []struct {
		name   string
		filter execution.Filter
		want   []bool // app, version, bare, shared
	}{
		{"none", execution.Filter{}, []bool{true, true, true, true}},
		{"kind", execution.Filter{Kinds: []execution.Kind{execution.App}}, []bool{true, false, false, false}},
		{"kinds", execution.Filter{Kinds: []execution.Kind{execution.App, execution.Workspace}}, []bool{true, false, true, false}},
		{"project", execution.Filter{Projects: []string{"a.okafor/Churn-Forecast"}}, []bool{true, false, false, true}},
		{"project in another case", execution.Filter{Projects: []string{"A.OKAFOR/churn-forecast"}}, []bool{true, false, false, true}},
		{"project by its name alone is none", execution.Filter{Projects: []string{"churn-forecast"}}, []bool{false, false, false, false}},
		{"project by id where nothing else is known", execution.Filter{Projects: []string{"p3"}}, []bool{false, false, true, false}},
		{"owner of the execution", execution.Filter{Owners: []string{"b.keller"}}, []bool{true, false, false, false}},
		{"owner of the project is not whose the execution is", execution.Filter{Owners: []string{"A.Okafor", "c.rossi"}}, []bool{false, false, false, false}},
		{"any of several owners", execution.Filter{Owners: []string{"F.Haddad"}}, []bool{false, false, false, true}},
		{"without project", execution.Filter{ExcludeProjects: []string{"C.ROSSI/risk"}}, []bool{true, false, true, true}},
		{"without owner of the execution", execution.Filter{ExcludeOwners: []string{"b.keller"}}, []bool{false, true, true, true}},
		{"without owner of the project spares nothing of others", execution.Filter{ExcludeOwners: []string{"a.okafor", "c.rossi"}}, []bool{true, true, true, true}},
		{"without any of several owners", execution.Filter{ExcludeOwners: []string{"e.demir"}}, []bool{true, true, true, false}},
		{"without id", execution.Filter{Exclude: []string{"APP-1"}}, []bool{false, true, true, true}},
		{"without a model: all of its versions", execution.Filter{Exclude: []string{"model-1"}}, []bool{true, false, true, true}},
		{"an empty name is nobody's", execution.Filter{ExcludeOwners: []string{""}, Exclude: []string{""}}, []bool{true, true, true, true}},
		{"all that is asked for must hold", execution.Filter{Kinds: []execution.Kind{execution.ModelAPI}, Owners: []string{"b.keller"}},
			[]bool{false, false, false, false}},
		{"kind and owner", execution.Filter{Kinds: []execution.Kind{execution.App}, Owners: []string{"b.keller", "d.nair"}}, []bool{true, false, false, false}},
		{"exclusion wins over project", execution.Filter{Projects: []string{"a.okafor/churn-forecast"}, ExcludeOwners: []string{"b.keller"}},
			[]bool{false, false, false, true}},
		{"exclusion wins over kind", execution.Filter{Kinds: []execution.Kind{execution.App, execution.ModelAPI}, Exclude: []string{"app-1"}},
			[]bool{false, true, false, true}},
		// As windows mean it that were opened before owners were those of executions.
		{"owner, of an older window", execution.Filter{Owners: []string{"a.okafor"}, OfProjects: true}, []bool{true, false, false, true}},
		{"without owner, of an older window", execution.Filter{ExcludeOwners: []string{"a.okafor", "f.haddad"}, OfProjects: true}, []bool{false, true, true, false}},
		{"further owner, of an older window", execution.Filter{Owners: []string{"f.haddad"}, OfProjects: true}, []bool{false, false, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, e := range []execution.Execution{app, version, bare, shared} {
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
	whole := execution.Filter{
		Kinds: []execution.Kind{execution.App}, Projects: []string{"a/b"}, Owners: []string{"c"},
		ExcludeProjects: []string{"d/e"}, ExcludeOwners: []string{"f"}, Exclude: []string{"h"},
	}
	older := whole
	older.OfProjects = true
	const lists = `"kinds":["App"],"projects":["a/b"],"owners":["c"],"excludeProjects":["d/e"],"excludeOwners":["f"],"exclude":["h"]`
	for _, tt := range []struct {
		filter execution.Filter
		want   string
	}{
		{whole, `{` + lists + `,"ownersOf":"executions"}`},
		{older, `{` + lists + `}`},
		{execution.Filter{Projects: []string{"a/b"}}, `{"projects":["a/b"]}`},
		{execution.Filter{}, `{}`},
	} {
		got, err := json.Marshal(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("a filter is recorded as %s, want %s", got, tt.want)
		}
		var back execution.Filter
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.filter, back); diff != "" {
			t.Errorf("%s is read back otherwise (-recorded +read):\n%s", got, diff)
		}
	}
	if !whole.Same(older) || whole.Same(execution.Filter{}) {
		t.Error("two filters are the same by their entries, and by nothing else")
	}
}

// What an entry of a filter names must be among what there is.
func TestWhatAFilterNamesThatDoesNotExist(t *testing.T) {
	var there execution.Existing
	risk := execution.Project{ID: "p2", Owner: "c.rossi", Name: "risk"}
	there.Add(
		execution.Execution{
			Kind: execution.ModelAPI, ID: "version-2", Parent: "model-2", Name: "scorer v1",
			Owner: "d.nair", Owners: []string{"e.demir"},
			Project: execution.Project{ID: "p1", Owner: "a.okafor", Name: "churn"}, State: execution.Stopped,
		},
		execution.Execution{Kind: execution.App, ID: "app-1", Name: "dashboard", Project: risk},
		execution.Execution{Kind: execution.App, ID: "app-2", Name: "dashboard", Project: risk},
	)
	f := execution.Filter{
		Kinds: []execution.Kind{execution.Endpoint}, Projects: []string{"A.Okafor/churn", "a.okafor/chrun"},
		Owners:          []string{"e.demir", "a.okafor", "e.demr"},
		ExcludeProjects: []string{"c.rossi/risk", "c.rossi/churn"}, ExcludeOwners: []string{"C.ROSSI", "rossi"},
		Exclude: []string{"app-1", "model-2", "VERSION-2", "app-3", "dashboard"},
	}
	want := []execution.Entry{
		{Clause: execution.ClauseProjects, Name: "a.okafor/chrun"}, {Clause: execution.ClauseOwners, Name: "e.demr"},
		{Clause: execution.ClauseExcludeProjects, Name: "c.rossi/churn"}, {Clause: execution.ClauseExcludeOwners, Name: "rossi"},
		{Clause: execution.ClauseExclude, Name: "app-3"}, {Clause: execution.ClauseExclude, Name: "dashboard"},
	}
	if diff := cmp.Diff(want, there.Lacks(f)); diff != "" {
		t.Errorf("entries that name nothing (-want +got):\n%s", diff)
	}
	if got := there.IDs.Called("Scorer V1"); got != "version-2" {
		t.Errorf("the id of what people call scorer v1 is %q, want version-2", got)
	}
	if got := there.IDs.Called("dashboard"); got != "" {
		t.Errorf("two are called dashboard, and it is taken for %q", got)
	}
	got := f.Replace(map[execution.Entry]string{want[0]: "a.okafor/churn", want[1]: "e.demir"})
	if !slices.Equal(got.Projects, []string{"A.Okafor/churn"}) ||
		!slices.Equal(got.Owners, []string{"e.demir", "a.okafor"}) || !slices.Equal(got.Exclude, f.Exclude) {
		t.Errorf("mended it is %s", got)
	}
}
