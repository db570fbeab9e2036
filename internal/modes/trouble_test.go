package modes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

// bent edits what a path answers with: n counts those answers from 1.
type bent struct {
	next http.RoundTripper
	path *regexp.Regexp
	edit func(n int, v any)
	mu   sync.Mutex
	n    int
}

func (b *bent) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !b.path.MatchString(r.URL.Path) || res.StatusCode != http.StatusOK {
		return res, err
	}
	var v any
	err = json.NewDecoder(res.Body).Decode(&v)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.n++
	b.edit(b.n, v)
	b.mu.Unlock()
	body, err := json.Marshal(v)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, err
}

// tableRows are the rows of a page of the admin's list of workspaces.
func tableRows(v any, edit func(rows []any) []any) {
	o := v.(map[string]any)
	o["tableRows"] = edit(o["tableRows"].([]any))
}

// wantTruth takes a snapshot and holds its lines against what the simulator knows: everything once, with its name, and as
// running what runs.
func (s *site) wantTruth(code int) *snapshot.Snapshot {
	s.t.Helper()
	s.must(code, "snapshot")
	snap, err := snapshot.Load(s.t.Context(), s.store, "latest")
	if err != nil {
		s.t.Fatal(err)
	}
	// Of what is down a list may name the project that it likes: nothing is ever done to it.
	line := func(name, project string, up bool) string {
		if !up {
			project = "any"
		}
		return fmt.Sprintf("%q of %s, up: %t", name, project, up)
	}
	want, got := map[string]string{}, map[string]string{}
	running := s.running()
	for _, kind := range []string{
		dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob, dominosim.KindEndpoint, dominosim.KindDeployment,
	} {
		for _, o := range s.sim.Objects(kind) {
			_, up := running[o.Key]
			if kind == dominosim.KindModelAPI {
				o.Name = fmt.Sprintf("%s v%d", o.Name, o.Number)
			}
			if kind == dominosim.KindScheduledJob && o.Archived {
				continue // Domino has stopped it when its project was archived
			}
			want[kind+" "+o.ID] = line(o.Name, o.Project, up)
		}
	}
	for _, x := range snap.Executions {
		if _, twice := got[string(x.Kind)+" "+x.ID]; twice {
			s.t.Errorf("%s is in the snapshot twice", x)
		}
		got[string(x.Kind)+" "+x.ID] = line(x.Name, x.Project.String(), x.State.Up())
		if x.State.Up() && len(x.Restart) == 0 {
			s.t.Errorf("%s runs, and nothing is on record to start it with", x)
		}
	}
	for key := range want { // workspaces that were deleted are in one list and not in the other
		if kind, id, _ := strings.Cut(key, " "); kind == dominosim.KindWorkspace && s.sim.Ledger().State(kind, id) == "Deleted" {
			delete(want, key)
			delete(got, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the snapshot (-what there is +what it shows):\n%s", diff)
	}
	return snap
}

// inTrouble is a deployment of a few pages, of every kind and with every awkward row.
func inTrouble(profile string) dominosim.Config {
	return dominosim.Config{
		Profile: profile, Seed: 9, Projects: 7, Apps: 12, Models: 9, Workspaces: 230, Schedules: 20, Endpoints: 4, Deployments: 130, StoppedFraction: 0.3,
	}
}

func TestASnapshotHoldsEverythingOnce(t *testing.T) {
	const admins = "^/v4/workspace/adminDashboardRowData$"
	missing := func(page int) func(int, any) {
		return func(n int, v any) {
			if n == page {
				tableRows(v, func(rows []any) []any { return rows[:len(rows)-3] })
			}
		}
	}
	for name, trouble := range map[string]struct {
		path string
		edit func(n int, v any)
	}{
		"rows repeat and shift":            {"^none$", nil}, // the simulator's own
		"rows are missing from one page":   {admins, missing(2)},
		"rows are missing from every page": {admins, func(_ int, v any) { tableRows(v, func(rows []any) []any { return rows[:max(0, len(rows)-1)] }) }},
		"pages come twice": {admins, func(n int, v any) {
			if n%2 == 0 {
				tableRows(v, func(rows []any) []any { return append(rows, rows...) })
			}
		}},
		"the total is too high": {admins, func(_ int, v any) { v.(map[string]any)["totalEntries"] = 9999 }},
		"the total is too low":  {admins, func(_ int, v any) { v.(map[string]any)["totalEntries"] = 10 }},
		"the total changes":     {admins, func(n int, v any) { v.(map[string]any)["totalEntries"] = 200 + n }},
		"the total is missing":  {admins, func(_ int, v any) { delete(v.(map[string]any), "totalEntries") }},
		"projects of rows are unknown": {admins, func(_ int, v any) {
			tableRows(v, func(rows []any) []any {
				for i, r := range rows {
					if i%3 == 0 {
						r.(map[string]any)["projectOwnerName"] = "somebody.else"
					}
				}
				return rows
			})
		}},
		"optional fields are missing": {"^/v4/(modelProducts|modelManager|workspace)", func(_ int, v any) {
			forEach(v, func(o map[string]any) {
				for _, key := range []string{"publisher", "hardwareTierId", "runningCommitId", "lastUpdated", "lastSessionStart", "sessionStats", "dataPlaneId", "activeVersionStatus", "owners", "environmentRevisionId"} {
					delete(o, key)
				}
			})
		}},
		"models are counted from zero": {"^/v4/modelManager/ui/models$", func(n int, v any) {
			if n == 1 { // what page one of such a list holds
				v.(map[string]any)["models"] = []any{}
			}
		}},
	} {
		for _, profile := range []string{"5.5", "6.3"} {
			t.Run(name+" in "+profile, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, inTrouble(profile))
					b := &bent{next: s.transport, path: regexp.MustCompile(trouble.path), edit: trouble.edit}
					s.transport = b
					s.env = append(s.env, "DMM_CONCURRENCY=1") // answers are counted
					if snap := s.wantTruth(0); !snap.Complete {
						t.Errorf("it is not complete: %v", snap.Problems)
					}
					if trouble.edit != nil && b.n == 0 {
						t.Error("nothing was bent")
					}
				})
			})
		}
	}
}

func forEach(v any, edit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			forEach(e, edit)
		}
	case map[string]any:
		edit(v)
		for _, e := range v {
			forEach(e, edit)
		}
	}
}

// Owners start and end workspaces while their pages are read: what is there all the time is in the snapshot.
func TestASnapshotOfPagesThatDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *site
		c := inTrouble("6.2")
		c.Latency = 20 * time.Millisecond
		pages := 0
		c.OnRequest = func(_ int, r *http.Request) error {
			if s != nil && strings.HasSuffix(r.URL.Path, "/adminDashboardRowData") && pages < 12 {
				pages++
				s.sim.CreateWorkspace(dominosim.WorkspaceSpec{Name: fmt.Sprint("new ", pages), Running: true})
			}
			return nil
		}
		at := newSite(t, c)
		before := at.running()
		s = at
		at.must(0, "snapshot")
		snap, err := snapshot.Load(t.Context(), at.store, "latest")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[dominosim.Key]int{}
		for _, x := range snap.Executions {
			if x.State.Up() {
				seen[dominosim.Key{Kind: string(x.Kind), ID: x.ID}]++
			}
		}
		for k := range before {
			if seen[k] != 1 {
				t.Errorf("%v ran all the time and is in the snapshot %d times", k, seen[k])
			}
		}
		if pages == 0 {
			t.Error("nothing drifted")
		}
	})
}

// States that nobody knows are on record as such, and everything else beside them.
func TestASnapshotOfUnknownStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inTrouble("6.2")
		c.UnreachableModels = 3
		s := newSite(t, c)
		faulty := s.anyRunning(dominosim.KindApp)
		if err := s.sim.SetAppStatus(faulty.ID, "Faulty"); err != nil {
			t.Fatal(err)
		}
		odd := s.anyRunning(dominosim.KindModelAPI)
		if err := s.sim.SetModelStatus(odd.ID, "Failed", false); err != nil {
			t.Fatal(err)
		}
		snap := s.wantTruth(0)
		i := slices.IndexFunc(snap.Executions, func(x execution.Execution) bool { return x.ID == faulty.ID })
		if x := snap.Executions[i]; x.State != "unknown" || x.DominoState != "Faulty" {
			t.Errorf("the faulty app is %s (%s), want unknown (Faulty)", x.State, x.DominoState)
		}
	})
}

func TestASnapshotOfThreeThousandProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inTrouble("6.1")
		c.Projects, c.Latency, c.Capacity, c.OnExchange = 3000, 5*time.Millisecond, 40, nil
		s := newSite(t, c)
		s.wantTruth(0)
	})
}

// Names are the owners' to choose, and come back as they are.
func TestASnapshotOfNamesOfEveryKind(t *testing.T) {
	names := []string{
		"Ünïcödé", "日本語のアプリ", "עברית ימין לשמאל", "👩‍👩‍👧‍👦 family", "e\u0301 and é", "a\u202egnp.exe", "zero\u200bwidth", "tab\tand\nline",
		`quotes " ' \ and </script>`, "\u0000nul", "\ufeffmark", "😀", strings.Repeat("long ", 2000), " ", "%2e%2e/../etc", "${jndi:x}", "\U0010ffff", "\x1b[31mred",
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2", Seed: 2, Plain: true, Projects: 3, Apps: 1, Models: 1, Workspaces: 1, Schedules: 1})
		for _, name := range names {
			s.sim.CreateApp(dominosim.AppSpec{Name: name, Running: true})
			s.sim.CreateWorkspace(dominosim.WorkspaceSpec{Name: name, Running: true})
			s.sim.CreateModel("", name, true)
			s.sim.CreateSchedule("", name, false)
		}
		s.wantTruth(0)
		before := s.running()
		s.must(0, "shutdown")
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		s.wantExactly(before, once, once)
	})
}
