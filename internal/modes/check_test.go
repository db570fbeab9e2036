package modes_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

func checkOf(t *testing.T, res *report.Result, what string) report.Check {
	t.Helper()
	i := slices.IndexFunc(res.Checks, func(c report.Check) bool { return c.What == what })
	if i < 0 {
		t.Fatalf("no check of %q among %+v", what, res.Checks)
	}
	return res.Checks[i]
}

// TestCheck: on every version, what dmm relies on answers or is said to be absent, and nothing is changed.
func TestCheck(t *testing.T) {
	for _, profile := range dominosim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, dominosim.Config{Profile: profile, Seed: 11, Projects: 3, Apps: 4, Models: 3, Workspaces: 4, Schedules: 4})
				s.cluster = true
				res := s.must(0, "check")
				for _, what := range []string{"credentials", "rights", "store", "cluster"} {
					if c := checkOf(t, res, what); c.Status != report.OK {
						t.Errorf("%+v, want ok", c)
					}
				}
				routes := slices.DeleteFunc(slices.Clone(res.Checks), func(c report.Check) bool { return !strings.Contains(c.What, "/") })
				if len(routes) != len(domino.Routes) {
					t.Errorf("%d routes, want all %d", len(routes), len(domino.Routes))
				}
				asked := 0
				for _, c := range routes {
					if c.Status == report.OK {
						asked++
					}
					if c.Status == report.Bad {
						t.Errorf("%+v, want no route that fails", c)
					}
				}
				if asked < 20 {
					t.Errorf("%d routes answered, want at least 20: %+v", asked, routes)
				}
				if c := checkOf(t, res, "POST /v4/modelProducts/{app}/stop"); c.Status != report.Skipped || !strings.Contains(c.Said, "; a live deployment's answer is on public record") {
					t.Errorf("%+v, want it skipped, and confirmed", c)
				}
				if c := checkOf(t, res, "GET /v4/environments/self"); c.Status != report.OK || !strings.Contains(c.Said, "no live answer is on public record") {
					t.Errorf("%+v, want it answered, and never confirmed", c)
				}
				beta := checkOf(t, res, "GET /api/apps/beta/apps/{app}")
				if absent := strings.Contains(beta.Said, "absent"); absent != slices.Contains([]string{"4.4", "5.5", "5.7", "5.9", "5.10", "5.11", "6.0"}, profile) {
					t.Errorf("%+v, want it absent before 6.1", beta)
				}
				if n := len(s.sim.Ledger().Writes()); n != 0 {
					t.Errorf("%d writes to Domino, want none", n)
				}
				for info, err := range s.store.List(t.Context(), "") {
					t.Errorf("left in the store: %v, %v", info.Key, err)
				}
			})
		})
	}
}

// TestCheckFails: rights that are missing are 6, a route that fails is 1, credentials that are wrong end it at once.
func TestCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true})
		if err := s.sim.AddKey("somebody", s.sim.Users()[1]); err != nil {
			t.Fatal(err)
		}
		res := s.must(6, "check", "DOMINO_API_KEY=somebody")
		if c := checkOf(t, res, "rights"); c.Status != report.Attention || !strings.Contains(c.Said, "ListAllProjects") {
			t.Errorf("%+v, want the right to see all projects", c)
		}
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/dataplanes/dataplanes", Kind: dominosim.FaultStatus, Status: 503, Times: -1})
		res = s.must(1, "check")
		if c := checkOf(t, res, "GET /v4/dataplanes/dataplanes"); c.Status != report.Bad || !strings.Contains(c.Said, "503") {
			t.Errorf("%+v, want the 503", c)
		}
		if _, err := s.run("check", "DOMINO_API_KEY=nobody"); domino.KindOf(err) != domino.KindCredentials {
			t.Errorf("check with a wrong key = %v, want the credentials refused", err)
		}
	})
}

// A store that refuses hides nothing of Domino.
func TestCheckTriesDominoWhateverTheStoreSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.store = readOnly{s.store}
		res := s.must(1, "check")
		if c := checkOf(t, res, "store"); c.Status != report.Bad || !strings.HasPrefix(res.Message, "The store fails: ") || res.Next == "" {
			t.Errorf("%+v and %q, next %q; want the store named", c, res.Message, res.Next)
		}
		if c := checkOf(t, res, "GET /v4/environments/self"); c.Status != report.OK {
			t.Errorf("%+v, want it asked all the same", c)
		}
	})
}
