package domino

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// workspaceRows is the admin list over rows, which for each call may be others. total below zero: none is given.
func workspaceRows(t *testing.T, rows func(call, offset, limit int) (page []string, total int)) (*Client, *int) {
	t.Helper()
	calls := new(int)
	return inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("sortBy") != "createdTime" || q.Get("sortOrder") != "asc" {
			t.Errorf("query = %v, want an order", q)
		}
		offset, _ := strconv.Atoi(q.Get("offset"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		*calls++
		page, total := rows(*calls, offset, limit)
		for i, id := range page {
			page[i] = fmt.Sprintf(`{"workspaceId":%q}`, id)
		}
		fmt.Fprintf(w, `{"offset":%d,"tableRows":[%s]`, offset, strings.Join(page, ","))
		if total >= 0 {
			fmt.Fprintf(w, `,"totalEntries":%d`, total)
		}
		fmt.Fprint(w, "}")
	}), calls
}

// window is what a list of n rows shows from offset.
func window(n, offset, limit int) []string {
	var page []string
	for i := offset; i < min(n, offset+limit); i++ {
		page = append(page, strconv.Itoa(i))
	}
	return page
}

func distinct(t *testing.T, rows []WorkspaceRow) int {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			t.Errorf("row %s twice", r.ID)
		}
		seen[r.ID] = true
	}
	return len(seen)
}

func TestPaging(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rows  func(call, offset, limit int) ([]string, int)
		want  int
		bad   int
		calls int
	}{
		{"no rows", func(_, offset, limit int) ([]string, int) { return nil, 0 }, 0, 0, 1},
		{"one page", func(_, offset, limit int) ([]string, int) { return window(7, offset, limit), 7 }, 7, 0, 1},
		{"a full last page", func(_, offset, limit int) ([]string, int) { return window(100, offset, limit), 100 }, 100, 0, 3},
		{"three pages", func(_, offset, limit int) ([]string, int) { return window(120, offset, limit), 120 }, 120, 0, 3},
		{"no total", func(_, offset, limit int) ([]string, int) { return window(120, offset, limit), -1 }, 120, 0, 4},
		// api.md §3: some lists cap the page silently. Going on by the rows that came finds them all.
		{"pages capped", func(_, offset, limit int) ([]string, int) { return window(120, offset, 20), 120 }, 120, 0, 6},
		{"offset ignored", func(_, offset, limit int) ([]string, int) { return window(50, 0, limit), -1 }, 50, 0, 2},
		{"rows repeated", func(_, offset, limit int) ([]string, int) { return window(120, max(0, offset-3), limit), 120 }, 120, 0, 3},
		// One scan misses rows that the next one shows.
		{"total found by the second scan", func(call, offset, limit int) ([]string, int) {
			if call <= 3 {
				return window(60, offset, limit), 61
			}
			return window(61, offset, limit), 61
		}, 61, 0, 5},
		{"total never found", func(_, offset, limit int) ([]string, int) { return window(60, offset, limit), 61 }, 60, 1, 9},
		// Each scan misses another row: together they have them all, but nobody can know.
		{"another row missing each time", func(call, offset, limit int) ([]string, int) {
			if offset > 0 {
				return nil, 3
			}
			return [][]string{{"a", "b"}, {"b", "c"}, {"a", "c"}}[(call-1)/2%3], 3
		}, 3, 1, 6},
		{"more rows than the total", func(_, offset, limit int) ([]string, int) { return window(7, offset, limit), 5 }, 7, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, calls := workspaceRows(t, tt.rows)
			rows, bad, err := c.WorkspaceRows(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := distinct(t, rows); got != tt.want {
				t.Errorf("%d rows, want %d", got, tt.want)
			}
			if len(bad) != tt.bad {
				t.Errorf("bad rows = %v, want %d", bad, tt.bad)
			}
			if *calls != tt.calls {
				t.Errorf("%d calls, want %d", *calls, tt.calls)
			}
		})
	}
}

func TestShortListsSaySo(t *testing.T) {
	c, _ := workspaceRows(t, func(_, offset, limit int) ([]string, int) { return window(60, offset, limit), 61 })
	_, bad, err := c.WorkspaceRows(t.Context())
	if err != nil || len(bad) != 1 {
		t.Fatal(bad, err)
	}
	if got, want := bad[0].Error(), "workspace list: 60 rows found in the last of 3 scans, while Domino counts 61"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
}

// A row that does not parse is a row: it is missing from none.
func TestBadRowsCountForTheTotal(t *testing.T) {
	calls := 0
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		fmt.Fprint(w, `{"tableRows":[{"workspaceId":"a"},{"workspaceId":"b","name":7},{"name":"c"}],"totalEntries":3}`)
	})
	rows, bad, err := c.WorkspaceRows(t.Context())
	if err != nil || len(rows) != 1 || len(bad) != 2 || calls != 1 {
		t.Errorf("got %v, %v, %v in %d calls, want one row and two bad ones in one call", rows, bad, err, calls)
	}
}

func TestFailedPageFailsTheList(t *testing.T) {
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("offset") != "0" {
			answer(403, "application/json", `{"message":"no"}`)(w, r)
			return
		}
		fmt.Fprint(w, `{"tableRows":[{"workspaceId":"a"}],"totalEntries":100}`)
	})
	rows, _, err := c.WorkspaceRows(t.Context())
	if e := asError(t, err); e.Kind != KindForbidden || rows != nil {
		t.Errorf("got %v, %v, want no rows and the refusal", rows, e)
	}
}

// More rows than the total say nothing where no rule of Domino's says that they would.
func TestOtherListsAcceptMoreThanTheTotal(t *testing.T) {
	calls := 0
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		fmt.Fprint(w, `{"workspaces":[{"id":"a"},{"id":"b"}],"totalWorkspaceCount":1,"limit":50}`)
	})
	list, bad, err := c.ProjectWorkspaces(t.Context(), "p")
	if err != nil || len(list) != 2 || len(bad) != 0 || calls != 1 {
		t.Errorf("got %v, %v, %v in %d calls, want two in one", list, bad, err, calls)
	}
}

func TestAllProjectsAsksForArchivedOnes(t *testing.T) {
	for release, want := range map[string]string{"6.2": "", "6.3": "true"} {
		var got string
		c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query().Get("includeArchived")
			fmt.Fprint(w, `{"page":[],"totalMatches":0}`)
		})
		if _, _, err := speaking(t, c, release).AllProjects(t.Context()); err != nil || got != want {
			t.Errorf("%s: includeArchived = %q, %v, want %q", release, got, err, want)
		}
	}
}

// That pages of ui/models count from one is not proven (api.md §9): both ways must list all.
func TestModelPagesFromOneOrZero(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 250} {
		for base := range 2 {
			var pages []int
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				page, _ := strconv.Atoi(r.URL.Query().Get("pageNumber"))
				size, _ := strconv.Atoi(r.URL.Query().Get("pageSize"))
				pages = append(pages, page)
				start := (page - base) * size
				rows := window(n, start, size)
				for i, id := range rows {
					rows[i] = fmt.Sprintf(`{"id":"m%s"}`, id)
				}
				fmt.Fprintf(w, `{"currentItemCount":%d,"startIndex":%d,"itemsPerPage":%d,"totalItems":%d,"models":[%s],"modelAccess":{"m":{}}}`,
					len(rows), start, size, n, strings.Join(rows, ","))
			})
			list, bad, err := c.Models(t.Context())
			if err != nil || len(list) != n || len(bad) > 0 {
				t.Errorf("%d models, pages from %d: %d listed, %v, %v (pages %v)", n, base, len(list), bad, err, pages)
			}
		}
	}
}

func TestModelsWithoutTheRoute(t *testing.T) {
	_, _, err := inMemory(t, answer(404, "text/html", string(fixture(t, "errors/play_404.html")))).Models(t.Context())
	if e := asError(t, err); e.Kind != KindNoRoute {
		t.Errorf("got %v, want no such route", e)
	}
}

// 6.0 and later answer in pages whatever the release was taken for.
func TestExecutionsGoByTheAnswer(t *testing.T) {
	for _, release := range []string{"5.9", "6.0"} {
		c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
			page := window(120, offset, 50)
			for i, id := range page {
				page[i] = fmt.Sprintf(`{"id":%q}`, id)
			}
			fmt.Fprintf(w, `{"overviews":[%s],"totalCount":120}`, strings.Join(page, ","))
		})
		list, bad, err := speaking(t, c, release).Executions(t.Context())
		if err != nil || len(list) != 120 || len(bad) > 0 {
			t.Errorf("%s: %d executions, %v, %v, want 120", release, len(list), bad, err)
		}
	}
}

func TestDialects(t *testing.T) {
	for raw, want := range map[string]struct {
		name   string
		warned bool
	}{
		"4.3.1": {"4.4", true}, "4.4.2": {"4.4", true}, "5.2.0": {"4.4", true}, "5.5.2": {"5.5", false}, "5.8.0": {"5.7", true}, "5.9.1": {"5.9", false},
		"5.10.1": {"5.10", true}, "5.11.1": {"5.11", false}, "5.12": {"5.11", true}, "6.0.1": {"6.0", true}, "6.1.0-rc.1+b7": {"6.1", false}, "6.2": {"6.2", false},
		"6.3.0": {"6.3", false}, "6.4.0": {"6.3", true}, "7.0.0": {"6.3", true}, "v6.1.3": {"6.1", false},
	} {
		v, err := ParseVersion(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		d, warning := dialectOf(v)
		if d.Name != want.name || (warning != "") != want.warned {
			t.Errorf("%s is treated as %s (warning %q), want %s (warned: %v)", raw, d.Name, warning, want.name, want.warned)
		}
	}
	for _, raw := range []string{"", "6", "six", "x6.1", "6.x", "99999999999999999999.1"} {
		if v, err := ParseVersion(raw); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", raw, v)
		}
	}
	// What each release adds, as one picture.
	var got []string
	for _, d := range dialects {
		flags := ""
		for _, on := range []bool{d.StartEnvironment, d.ModelDataPlane, d.SessionMountIDs, d.ScheduleDataConfig, d.ModelServing, d.PagedExecutions,
			d.StartCommit, d.StartNetApp, d.AppMounts, d.BetaApps, d.SessionNetApp, d.StartBundle, d.ArchivedFlag} {
			flags += map[bool]string{true: "x", false: "."}[on]
		}
		got = append(got, fmt.Sprintf("%-4s %s", d.Name, flags))
	}
	want := []string{
		"4.4  .............", "5.5  .............", "5.7  xx...........", "5.9  xxxx.........", "5.10 xxxx.........",
		"5.11 xxxxx........", "6.0  xxxxxx.......", "6.1  xxxxxxxxxxx..", "6.2  xxxxxxxxxxxx.", "6.3  xxxxxxxxxxxxx",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestAcceptedStartNamesWhatIsDropped(t *testing.T) {
	full := AppStart{HardwareTierID: "h", EnvironmentID: "e", CommitID: "c", BundleID: "b", MainRepoGitRef: &GitRef{Type: "head"}, NetAppVolumeIDs: []string{"n"}}
	v, _ := ParseVersion("5.5.2")
	d, _ := dialectOf(v)
	got, dropped := d.AcceptedStart(full)
	if diff := cmp.Diff(AppStart{HardwareTierID: "h", ExternalVolumeMountIDs: []string{}}, got); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"environmentId", "commitId", "mainRepoGitRef", "netAppVolumeIds", "bundleId"}, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	if _, dropped := d.AcceptedStart(AppStart{HardwareTierID: "h"}); dropped != nil {
		t.Errorf("dropped = %v, want nothing: nothing was set", dropped)
	}
}
