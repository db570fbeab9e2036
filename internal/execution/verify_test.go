package execution_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// attackers is an id of something that no execution has run with.
const attackers = "65a000030e5b28ad0f000099"

// replaced is e with some of its restart arguments replaced.
func replaced(t *testing.T, e execution.Execution, args map[string]any) execution.Execution {
	t.Helper()
	all := argsOf(t, e)
	maps.Copy(all, args)
	var err error
	if e.Restart, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	return e
}

// verify compares what a start of e would send with what Domino tells now.
func (s *site) verify(e execution.Execution, older bool) execution.Comparison {
	s.Helper()
	c, err := execution.Verify(s.Context(), s.drivers.Of(e.Kind), e, s.read(e), older)
	if err != nil {
		s.Fatalf("Verify(%s): %v", e, err)
	}
	return c
}

// otherEnvironment is the id of an environment that an app does not run in.
func (s *site) otherEnvironment(e execution.Execution) string {
	s.Helper()
	list, _, err := s.client.Environments(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, x := range list {
		if x.ID != e.Environment {
			return x.ID
		}
	}
	s.Fatal("there is no other environment")
	return ""
}

// lackingRows take environment and tier off the rows of apps.
var lackingRows = changeAnswers("^/v4/modelProducts(/[0-9a-f]{24})?$", func(v any) {
	rows, ok := v.([]any)
	if !ok {
		rows = []any{v}
	}
	for _, r := range rows {
		delete(r.(map[string]any), "environmentId")
		delete(r.(map[string]any), "hardwareTierId")
	}
})

// What a row does not tell, the latest instance tells: by its revision, or by a name that no other environment has.
func TestTheInstanceTellsWhatTheRowOfAnAppLacks(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 4, Apps: 16}, lackingRows)
		o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return s.classic(r) })
		e := s.find(execution.App, o.ID)
		s.stop(e)
		agrees := func(when string) {
			t.Helper()
			if c := s.verify(e, false); len(c.Differs)+len(c.Untold) > 0 {
				t.Errorf("%s: %+v, want no difference", when, c)
			}
		}
		agrees("the environment has the revision")
		s.sim.ReviseEnvironment(e.Environment, true, false)
		agrees("it has two revisions more")
		s.sim.ReviseEnvironment(e.Environment, true, false)
		agrees("it has the name alone")
		other := s.otherEnvironment(e)
		c := s.verify(replaced(t, e, map[string]any{"environmentId": other}), false)
		if len(c.Differs) != 1 || c.Differs[0].Field != "environmentId" {
			t.Errorf("another environment: %+v, want a difference in it", c)
		}
	})
}

// Everybody may give an environment the name of another one: a name that two have tells nothing, nor does a name where
// the row tells the id, even if nothing else that is listed has it.
func TestAnEnvironmentOfTheSameNameIsAnother(t *testing.T) {
	for name, rowTells := range map[string]bool{"the row tells": true, "the row does not tell": false} {
		inTime(t, name, func(t *testing.T) {
			other := ""
			namesakes := changeAnswers("^/v4/environments/", func(v any) {
				rows, ok := v.([]any)
				if !ok {
					rows = []any{v}
				}
				for _, r := range rows {
					if row := r.(map[string]any); row["id"] == other || !rowTells {
						row["name"] = "namesake"
					}
				}
			})
			between := []via{namesakes, changeAnswers("^/v4/modelProducts/apps/versions/", func(v any) {
				v.(map[string]any)["environmentDetails"].(map[string]any)["environmentName"] = "namesake"
			})}
			if !rowTells {
				between = append(between, lackingRows)
			}
			s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 4, Apps: 16}, between...)
			o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return s.classic(r) })
			e := s.find(execution.App, o.ID)
			e.Environment = s.sim.Ledger().Running(dominosim.KindApp)[e.ID].Environment
			s.stop(e)
			other = s.otherEnvironment(e)
			c := s.verify(replaced(t, e, map[string]any{"environmentId": other}), false)
			if len(c.Differs) != 1 || c.Differs[0].Field != "environmentId" {
				t.Errorf("%+v, want a difference in the environment", c)
			}
		})
	}
}

// What Domino refuses to tell could not be compared, which is said; what it could not be asked is an error.
func TestWhatDominoDoesNotTellCouldNotBeCompared(t *testing.T) {
	inTime(t, "refused", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 4, Apps: 4})
		e := s.app()
		s.stop(e)
		for _, path := range []string{
			"^/v4/modelProducts/apps/versions/", "^/api/apps/beta/apps/", "^/v4/datamount/projects/",
		} {
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		}
		c := s.verify(replaced(t, e, map[string]any{"externalVolumeMountIds": []string{attackers}}), false)
		commit, volumes := slices.Contains(c.Untold, "commitId"), slices.Contains(c.Untold, "externalVolumeMountIds")
		if !commit || !volumes || len(c.Differs) > 0 {
			t.Errorf("%+v, want commit and volumes not to be told", c)
		}
	})
	inTime(t, "no answer", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 4, Apps: 4})
		e := s.app()
		s.stop(e)
		for path, status := range map[string]int{"^/v4/modelProducts/apps/versions/": 503, "^/api/apps/beta/apps/": 403} {
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: status, Times: -1})
		}
		if c, err := execution.Verify(t.Context(), s.drivers.Of(e.Kind), e, s.read(e), false); err == nil {
			t.Errorf("Verify: %+v and no error", c)
		}
	})
}

// Before 6.1 Domino tells no mounts: all of the project's stand in for the record, and for the comparison after the
// upgrade. No others do, nor do these where the record is of a release that told.
func TestMountsThatWereGuessedAreComparedWithTheProjects(t *testing.T) {
	inTime(t, "5.9 to 6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "5.9", Plain: true, Projects: 4, Apps: 16})
		o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool {
			return len(s.volumesOf(r)) > len(r.Volumes)
		})
		e := s.find(execution.App, o.ID)
		s.stop(e)
		s.upgrade("6.1")
		for name, tt := range map[string]struct {
			e       execution.Execution
			older   bool
			differs int
		}{
			"guessed":         {e, true, 0},
			"no guess":        {e, false, 1},
			"not the project": {replaced(t, e, map[string]any{"externalVolumeMountIds": []string{attackers}}), true, 1},
		} {
			if c := s.verify(tt.e, tt.older); len(c.Differs) != tt.differs || len(c.Untold) > 0 {
				t.Errorf("%s: %+v, want %d differences", name, c, tt.differs)
			}
		}
	})
}

// What an app that never ran is started with is nobody's word but the record's: Domino has none, and that is told.
func TestAnAppThatNeverRanHasRunWithNothing(t *testing.T) {
	inTime(t, "6.2", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2", Plain: true, Projects: 1, Apps: 1})
		id := s.sim.CreateApp(dominosim.AppSpec{Name: "draft"})
		e := execution.Execution{Kind: execution.App, ID: id, Restart: []byte("{}")}
		for field, value := range map[string]any{
			"commitId": "0123", "netAppVolumeIds": []string{attackers}, "bundleId": attackers,
			"externalVolumeMountIds": []string{attackers},
			"mainRepoGitRef":         map[string]string{"type": "branches", "value": "x"},
		} {
			c := s.verify(replaced(t, e, map[string]any{field: value}), false)
			if len(c.Differs) != 1 || c.Differs[0].Field != field {
				t.Errorf("%s: %+v, want a difference in it", field, c)
			}
		}
	})
}

// A comparison costs a start what Domino has not said already: one read of an app from 6.1 on, and of most else none.
func TestWhatAComparisonCosts(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		var requests atomic.Int64
		c := dominosim.Config{
			Profile: profile, Plain: true, Projects: 4, Apps: 4, Models: 2, Workspaces: 3, Schedules: 1, Jobs: 1,
		}
		s := newSite(t, c, func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				return next.RoundTrip(r)
			})
		})
		for _, e := range s.inventory().Executions {
			if !e.State.Up() || execution.Classic(e) {
				continue
			}
			now := s.read(e)
			requests.Store(0)
			if _, err := execution.Verify(t.Context(), s.drivers.Of(e.Kind), e, now, false); err != nil {
				t.Fatal(err)
			}
			most := map[execution.Kind]int{execution.App: 2, execution.Workspace: 1}[e.Kind]
			if n := int(requests.Load()); n > most {
				t.Errorf("%s: %d requests, want %d at most", e, n, most)
			}
		}
	})
}
