package domino

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestJobsAfter: what is missing from the list must be missing from Domino, since a job is run again on the strength of it.
func TestJobsAfter(t *testing.T) {
	const project = "5f0000000000000000000b01"
	newest := func(n int) []int { // numbers n..1
		var all []int
		for i := n; i > 0; i-- {
			all = append(all, i)
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		numbers []int
		after   int
		server  int // its cap on a page
		offset  int // by which size it counts the pages: the one it was asked for or its own
		total   int // that it says beside the real one
		want    int // jobs; -1: an error
		calls   int
	}{
		{"one page, newest first", newest(5), 3, 100, 100, 0, 2, 1},
		{"many pages, read as far as need be", newest(250), 120, 100, 100, 0, 130, 2},
		{"none that is later", newest(5), 5, 100, 100, 0, 0, 1},
		{"an empty project", nil, 5, 100, 100, 0, 0, 1},
		{"an order that is not kept", []int{1, 2, 3, 4, 5, 9, 7}, 3, 100, 100, 0, 4, 2},
		{"a smaller page than was asked for", newest(250), 0, 50, 50, 0, 250, 6},
		{"a smaller page, and places counted by what was asked for", newest(250), 0, 50, 100, 0, -1, 4},
		{"the same, and early enough to be overlooked", newest(250), 120, 50, 100, 0, -1, 4},
		{"a total that is greater than all rows", []int{1, 2, 3}, 0, 100, 100, 4, -1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("projectId") != project || q.Get("order_by") != "number" || q.Get("sort_by") != "desc" || q.Get("show_archived") != "true" || q.Get("status") != "" {
					t.Errorf("query = %v", q)
				}
				calls++
				page, _ := strconv.Atoi(q.Get("page_no"))
				from := min((page-1)*tt.offset, len(tt.numbers))
				var rows []string
				for _, n := range tt.numbers[from:min(from+tt.server, len(tt.numbers))] {
					rows = append(rows, fmt.Sprintf(`{"id":"j%d","number":%d,"jobRunCommand":"x.py"}`, n, n))
				}
				total := tt.total
				if total == 0 {
					total = len(tt.numbers)
				}
				fmt.Fprintf(w, `{"jobs":[%s],"totalCount":%d}`, strings.Join(rows, ","), total)
			})
			jobs, err := c.JobsAfter(context.Background(), project, tt.after)
			got := len(jobs)
			if err != nil {
				got = -1
			}
			if got != tt.want || calls != tt.calls {
				t.Errorf("%d jobs after %d calls (%v), want %d after %d", got, calls, err, tt.want, tt.calls)
			}
			if slices.ContainsFunc(jobs, func(j Job) bool { return j.Number <= tt.after }) {
				t.Errorf("jobs = %v, want none up to %d", jobs, tt.after)
			}
		})
	}
}
