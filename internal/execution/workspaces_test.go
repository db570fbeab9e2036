package execution_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// workspace is a running workspace.
func (s *site) workspace() execution.Execution {
	s.Helper()
	return s.find(execution.Workspace, s.running(dominosim.KindWorkspace, nil).ID)
}

// scans is how many projects have been asked for their workspaces.
func (s *site) scans() int {
	n := 0
	for _, r := range s.sim.Ledger().Requests() {
		if r.Route == "/v4/workspace/project/{projectId}/workspace" {
			n++
		}
	}
	return n
}

// Rows of the admin dashboard name their project and have no id of it. One whose project
// cannot be found by name is looked for in every project.
func TestAWorkspaceWhoseProjectIsNotListedIsFoundByScan(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		// An archived project is not in GET /v4/projects, and here not in the admin's list under its name either.
		renamed := changeAnswers("^/v4/admin/dashboardEntries$", func(v any) {
			for _, row := range v.(map[string]any)["page"].([]any) {
				if p := row.(map[string]any); p["archived"] == true {
					p["name"] = "another-name"
				}
			}
		})
		s := newSite(t, dominosim.Config{Profile: profile}, renamed)
		var invisible dominosim.Object
		for _, o := range s.sim.Objects(dominosim.KindWorkspace) {
			if o.Archived {
				invisible = o
			}
		}
		e := s.find(execution.Workspace, invisible.ID)
		if !e.State.Up() || e.Project.ID != invisible.ProjectID || e.Restart == nil {
			t.Errorf("%s: State = %s, project id %q, restart arguments %s, want it to run in %q and to be startable",
				e, e.State, e.Project.ID, e.Restart, invisible.ProjectID)
		}
		if s.scans() == 0 {
			t.Error("no project was scanned: the test proves nothing")
		}
		wantComplete(t, s.list(execution.Workspace))
	})
}

// called makes two projects have the same name, in all answers.
func called(one, other string) via {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return nil, err
			}
			res.Body.Close()
			res.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(other), []byte(one))))
			return res, nil
		})
	}
}

// A project was archived and another made in its name: a row of the admin dashboard, which
// names its project by owner and name, may be of either.
func TestAWorkspaceOfAnArchivedProjectWithANamesakeIsNotLost(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		// The archived project is the thirteenth and so has the owner of the first.
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 12, Workspaces: 3}, called("churn-forecast", "retired-pilot"))
		l := s.inventory(execution.Workspace)
		wantComplete(t, l)
		wantEqual(t, "what runs", s.truth(execution.Workspace), ids(l, up))
	})
}

func TestAWorkspaceWhoseProjectIsNowhereIsAProblem(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		hidden := changeAnswers("^/v4/admin/dashboardEntries$", func(v any) {
			m := v.(map[string]any)
			rows := slices.DeleteFunc(m["page"].([]any), func(row any) bool { return row.(map[string]any)["archived"] == true })
			m["page"], m["totalMatches"] = rows, len(rows)
		})
		s := newSite(t, dominosim.Config{}, hidden)
		l := s.list(execution.Workspace)
		wantProblem(t, l, execution.Workspace, "left-running")
	})
}

// Whoever may not see the rows may still see the projects' own lists.
func TestWorkspacesProjectByProject(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		s.sim.AddFault(dominosim.Fault{Path: "/v4/workspace/adminDashboardRowData", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		l := s.inventory(execution.Workspace)
		s.faultsFired()
		wantComplete(t, l)
		wantEqual(t, "running", s.truth(execution.Workspace), ids(l, up))

		s.sim.AddFault(dominosim.Fault{Path: "/v4/workspace/project/{projectId}/workspace", Kind: dominosim.FaultStatus, Status: 403})
		wantProblem(t, s.list(execution.Workspace), execution.Workspace, "/")
		s.faultsFired()
	})
}

// Rows shift between pages while workspaces come and go (api.md §22 item 8).
func TestRowsThatAreRepeatedAcrossPagesAreListedOnce(t *testing.T) {
	for seed := range uint64(5) {
		inTime(t, "", func(t *testing.T) {
			s := newSite(t, dominosim.Config{Seed: seed + 1, Projects: 5, Workspaces: 260})
			l := s.inventory(execution.Workspace)
			wantComplete(t, l)
			wantEqual(t, "running", s.truth(execution.Workspace), ids(l, up))
			var all []string
			for _, o := range s.sim.Objects(dominosim.KindWorkspace) {
				all = append(all, "Workspace/"+o.ID)
			}
			got := ids(l, nil)
			if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
				t.Errorf("%d workspaces are listed, %d of them different", len(got), n)
			}
			// A scan by project leaves out deleted ones.
			if len(got) < len(all)-1 {
				t.Errorf("%d workspaces are listed, want %d", len(got), len(all))
			}
		})
	}
}

// A workspace comes back with the mounts of its session before, as far as the version takes them.
func TestAWorkspaceComesBackWithItsMounts(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 4, Workspaces: 12, Plain: true})
		for id, was := range s.sim.Ledger().Running(dominosim.KindWorkspace) {
			e := s.find(execution.Workspace, id)
			if e.Instance != was.Instance || e.RunID != was.Execution || len(e.Guesses) > 0 {
				t.Errorf("%s: Instance, RunID, Guesses = %q, %q, %q, want %q, %q, none", e, e.Instance, e.RunID, e.Guesses, was.Instance, was.Execution)
			}
			s.stop(e)
			if now := s.read(e); now.State != execution.Stopped {
				t.Errorf("%s: after the stop it is %s, want stopped", e, now.State)
			}
			s.start(e)
			now := s.sim.Ledger().Running(dominosim.KindWorkspace)[id]
			if now.Instance == "" || now.Instance == was.Instance {
				t.Errorf("%s: after the start it runs as %q, want a new session in place of %q", e, now.Instance, was.Instance)
			}
			call := s.lastCall(dominosim.KindWorkspace, id, "start")
			wantEqual(t, "volumes of "+e.String(), was.Volumes, idsOf(call.Args["externalVolumeMounts"]))
			wantEqual(t, "NetApp volumes of "+e.String(), was.NetAppVolumes, idsOf(call.Args["netAppVolumeIds"]))
		}
	})
}

// idsOf is a list of ids, nil if it is empty.
func idsOf(v any) []string {
	list, _ := v.([]string)
	if len(list) == 0 {
		return nil
	}
	return list
}

// The query key for volumes is required also when there are none; the one for NetApp
// volumes does not exist before 6.1 (api.md §10).
func TestQueryOfASessionStart(t *testing.T) {
	inTime(t, "6.1 then 5.9", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Projects: 4, Workspaces: 12, Plain: true})
		o := s.running(dominosim.KindWorkspace, func(_ dominosim.Object, r dominosim.Run) bool {
			return len(r.NetAppVolumes) > 0 && len(r.Volumes) == 0
		})
		was := s.sim.Ledger().Running(dominosim.KindWorkspace)[o.ID]
		e := s.find(execution.Workspace, o.ID)
		query := func() url.Values {
			s.stop(e)
			s.start(e)
			writes := s.sim.Ledger().Writes()
			q, err := url.ParseQuery(writes[len(writes)-1].Query)
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		wantEqual(t, "query in 6.1", url.Values{"externalVolumeMounts": {""}, "netAppVolumeIds": was.NetAppVolumes}, query())
		s.upgrade("5.9")
		wantEqual(t, "query in 5.9", url.Values{"externalVolumeMounts": {""}}, query())
	})
}

// Before 5.9 mounts had a name and no id, and an unregistered volume never has one.
func TestMountsWithoutIDs(t *testing.T) {
	anonymous := func(path string) via {
		return changeAnswers(path, func(v any) {
			m := v.(map[string]any)
			if session, ok := m["mostRecentSession"].(map[string]any); ok {
				m = session
			}
			mounts, _ := m["externalVolumeMounts"].([]any)
			for _, e := range mounts {
				delete(e.(map[string]any), "id")
			}
		})
	}
	mounted := func(_ dominosim.Object, r dominosim.Run) bool { return len(r.Volumes) > 0 }
	for _, tt := range []struct {
		kind execution.Kind
		path string
		key  string
	}{
		{execution.Workspace, `^/v4/workspace/project/\w+/workspace/\w+$`, "externalVolumeMounts"},
		{execution.App, "^/v4/modelProducts/apps/versions/", "externalVolumeMountIds"},
	} {
		inTime(t, string(tt.kind), func(t *testing.T) {
			s := newSite(t, dominosim.Config{Plain: true, Projects: 3, Workspaces: 6, Apps: 6}, anonymous(tt.path))
			o := s.running(string(tt.kind), mounted)
			was := s.sim.Ledger().Running(string(tt.kind))[o.ID]

			e := s.find(tt.kind, o.ID)
			wantEqual(t, "mounts found by name", any(jsonList(was.Volumes)), argsOf(t, e)[tt.key])
			if len(e.Guesses) > 0 {
				t.Errorf("guesses = %q, want none: the project has a volume of that name", e.Guesses)
			}

			s.sim.UnregisterVolume(was.Volumes[0])
			e = s.find(tt.kind, o.ID)
			wantEqual(t, "mounts when the volume is not registered any more", any(jsonList(nil)), argsOf(t, e)[tt.key])
			if len(e.Guesses) != 1 || !strings.Contains(e.Guesses[0], "is not registered") {
				t.Errorf("guesses = %q, want one about the volume", e.Guesses)
			}

			s.sim.AddFault(dominosim.Fault{Path: "^/v4/datamount/projects/", Kind: dominosim.FaultStatus, Status: 503, Times: -1})
			if full, err := s.drivers.Of(tt.kind).Detail(t.Context(), e); err == nil {
				t.Errorf("Detail while volumes cannot be listed = %+v, want an error", full)
			}
			s.faultsFired()
		})
	}
}

// The word changes before the session is over: only Read says when it is.
func TestAWorkspaceIsStoppedWhenItsSessionIsOver(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		const stop = 40 * time.Second
		s := newSite(t, dominosim.Config{StopTime: stop, Plain: true, Projects: 1, Workspaces: 2})
		e := s.workspace()
		s.stop(e)
		time.Sleep(stop * 3 / 4)
		states, err := s.drivers.Of(e.Kind).Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if word, now := states[e.ID], s.read(e).State; word != execution.Stopped || now != execution.Stopping {
			t.Errorf("while the files are synchronised Poll says %s, Read %s, want stopped, stopping", word, now)
		}
		time.Sleep(stop / 2)
		if now := s.read(e); now.State != execution.Stopped {
			t.Errorf("Read = %s in the end, want stopped", now.State)
		}
	})
}

// Domino answers a stop with an empty body, or with the session (api.md §22 item 6).
func TestStopOfAWorkspace(t *testing.T) {
	for _, empty := range []bool{true, false} {
		eachProfile(t, func(t *testing.T, profile string) {
			s := newSite(t, dominosim.Config{Profile: profile, EmptyStopBody: &empty})
			e := s.workspace()
			s.stop(e)
			if n := s.sim.Ledger().Entry(dominosim.KindWorkspace, e.ID).Effects("stop"); n != 1 {
				t.Errorf("stopped %d times, want once", n)
			}
			if _, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false); !isAlready(err) {
				t.Errorf("Stop of a stopped workspace = %v, want ErrAlready", err)
			}
			s.start(e)
			s.sim.AddFault(dominosim.Fault{Path: "^/v4/workspace/.*/stop$", Kind: dominosim.FaultStatus, Status: 500})
			if _, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false); err == nil || isAlready(err) {
				t.Errorf("Stop that is refused while it runs = %v, want the refusal", err)
			}
			s.faultsFired()
		})
	}
}

func TestOnlyItsOwnerMayStartAWorkspace(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		may := false
		s := newSite(t, dominosim.Config{AdminMayStartWorkspaces: &may})
		e := s.workspace()
		s.stop(e)
		_, err := s.drivers.Of(e.Kind).Start(t.Context(), e)
		if !errors.Is(err, execution.ErrNotOurs) {
			t.Errorf("Start = %v, want ErrNotOurs", err)
		}
		if refusal, ok := asDomino(err); !ok || refusal.Status != 403 {
			t.Errorf("Start = %v, want Domino's 403 in it", err)
		}
		if n := len(s.calls(dominosim.KindWorkspace, e.ID, "start")); n != 1 {
			t.Errorf("%d starts were sent, want 1", n)
		}
	})
}

// The schemas allow a session without its status, and a workspace without a session.
func TestWorkspacesWithoutOptionalFields(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		want := map[string]execution.State{"no-status-info": execution.Running, "never-opened": execution.Stopped, "deleted": execution.Stopped}
		got := map[string]execution.State{}
		for _, e := range s.inventory(execution.Workspace).Executions {
			if _, ok := want[e.Name]; ok {
				got[e.Name] = e.State
			}
		}
		wantEqual(t, "states", want, got)
	})
}

// A workspace that its owner has deleted can still be read (api.md §10, deleted of workspace.WorkspaceDto), and is gone: no start of
// it is of any use.
func TestAWorkspaceThatWasDeletedIsGone(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.workspace()
		s.stop(e)
		if err := s.sim.OwnerDeleteWorkspace(e.ID); err != nil {
			t.Fatal(err)
		}
		d := s.drivers.Of(e.Kind)
		if now, err := d.Read(t.Context(), e); !isGone(err) {
			t.Errorf("Read = %s, %v, want ErrGone", now.DominoState, err)
		}
		if _, err := d.Start(t.Context(), e); !isGone(err) {
			t.Errorf("Start = %v, want ErrGone", err)
		}
	})
}
