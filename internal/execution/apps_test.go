package execution_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func isGone(err error) bool { return errors.Is(err, execution.ErrGone) }

func isAlready(err error) bool { return errors.Is(err, execution.ErrAlready) }

func asType[T error](err error) (T, bool) {
	var e T
	ok := errors.As(err, &e)
	return e, ok
}

// Launchers and the like are in Domino's list of apps (api.md §23 row 14), and are left alone.
func TestOnlyAppsAreApps(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		launchers := s.sim.Objects(dominosim.KindLauncher)
		if len(launchers) == 0 {
			t.Fatal("the simulator has no launcher: the test proves nothing")
		}
		got := ids(s.list(execution.App), nil)
		for _, l := range launchers {
			if slices.Contains(got, "App/"+l.ID) {
				t.Errorf("launcher %q is listed as an app", l.Name)
			}
		}
	})
}

// What each version shows of an app is what its start must carry.
//
// 5.9 shows no mounts: all local volumes of the project are mounted, which is a guess.
// 6.1 shows mounts and the commit. 6.2 takes the bundle, too.
func TestAnAppComesBackAsItWas(t *testing.T) {
	for _, tt := range []struct {
		profile string
		want    func(s *site, r dominosim.Run) map[string]any
		guesses int
	}{
		{"5.9", func(s *site, r dominosim.Run) map[string]any {
			return map[string]any{
				"hardwareTierId": r.HardwareTier, "environmentId": r.Environment,
				"externalVolumeMountIds": jsonList(s.volumesOf(r)),
			}
		}, 2},
		{"6.1", func(_ *site, r dominosim.Run) map[string]any { return shown(r) }, 0},
		{"6.2", func(s *site, r dominosim.Run) map[string]any {
			m := shown(r)
			if r.Bundle != "" && !s.classic(r) {
				m["bundleId"] = r.Bundle
			}
			return m
		}, 0},
	} {
		inTime(t, tt.profile, func(t *testing.T) {
			s := newSite(t, dominosim.Config{Profile: tt.profile, Plain: true, Projects: 4, Apps: 16})
			kinds := map[string]bool{}
			for id, was := range s.sim.Ledger().Running(dominosim.KindApp) {
				e := s.find(execution.App, id)
				if len(e.Guesses) != tt.guesses {
					t.Errorf("%s: guesses = %q, want %d", e, e.Guesses, tt.guesses)
				}
				git := s.gitBased(was)
				want := tt.want(s, was)
				if tt.profile != "5.9" && git {
					// Without it the branch's newest commit would run.
					want["mainRepoGitRef"] = map[string]any{"type": "commitId", "value": was.Commit}
				}
				s.stop(e)
				s.sim.PushCommit(e.Project.ID)

				s.start(e)
				call := s.lastCall(dominosim.KindApp, id, "start")
				wantEqual(t, "start of "+e.String(), want, call.Args)
				if len(call.Unknown) > 0 {
					t.Errorf("%s: Domino %s does not read %q", e, tt.profile, call.Unknown)
				}
				now := s.sim.Ledger().Running(dominosim.KindApp)[id]
				if now.Instance == "" || now.Instance == was.Instance {
					t.Errorf("%s: after the start it runs as %q, want a new instance in place of %q", e, now.Instance, was.Instance)
				}
				if tt.profile != "5.9" {
					now.GitRef = was.GitRef // how the commit was named
					if s.classic(was) {
						now.Bundle = was.Bundle
					}
					wantEqual(t, e.String(), was.Arguments(), now.Arguments())
				}
				for what, is := range map[string]bool{"git": git, "netApp": len(was.NetAppVolumes) > 0, "bundle": was.Bundle != "" && !s.classic(was), "mounts": len(was.Volumes) > 0, "no mounts": len(was.Volumes) == 0} {
					kinds[what] = kinds[what] || is
				}
			}
			for what, want := range map[string]bool{"git": true, "mounts": true, "no mounts": true, "netApp": tt.profile != "5.9", "bundle": tt.profile == "6.2"} {
				if kinds[what] != want {
					t.Errorf("an app with %s was among them: %t, want %t", what, kinds[what], want)
				}
			}
		})
	}
}

// shown is what 6.1 shows of a run, as a start takes it.
func shown(r dominosim.Run) map[string]any {
	m := map[string]any{
		"hardwareTierId": r.HardwareTier, "environmentId": r.Environment, "commitId": r.Commit,
		"externalVolumeMountIds": jsonList(r.Volumes),
	}
	if len(r.NetAppVolumes) > 0 {
		m["netAppVolumeIds"] = jsonList(r.NetAppVolumes)
	}
	return m
}

// volumesOf are the volumes of the project that a run belongs to, in the order of Domino's list.
func (s *site) volumesOf(r dominosim.Run) []string {
	s.Helper()
	volumes, _, err := s.client.ProjectVolumes(s.Context(), s.projectOf(r))
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, v := range volumes {
		ids = append(ids, v.ID)
	}
	return ids
}

func (s *site) projectOf(r dominosim.Run) string {
	s.Helper()
	for _, o := range s.sim.Objects(r.Kind) {
		if o.ID == r.ID {
			return o.ProjectID
		}
	}
	s.Fatalf("no %s %s", r.Kind, r.ID)
	return ""
}

// classic reports whether the public API, the only one to show a bundle, leaves an app out (api.md §8b).
func (s *site) classic(r dominosim.Run) bool {
	_, err := s.client.BetaApp(s.Context(), r.ID)
	return err != nil
}

// gitBased asks Domino whether an app's instance runs on a git repository.
func (s *site) gitBased(r dominosim.Run) bool {
	s.Helper()
	in, err := s.client.AppInstance(s.Context(), r.Instance)
	if err != nil {
		s.Fatal(err)
	}
	return in.MainRepo != nil
}

// The upgrade lies between the snapshot and the start. What the version of the start
// takes is sent, and nothing that the one of the snapshot did not show.
func TestAnAppComesBackInAnotherVersion(t *testing.T) {
	inTime(t, "snapshot in 6.2, start in 5.9", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2", Plain: true, Projects: 4, Apps: 16})
		o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return len(r.NetAppVolumes) > 0 })
		was := s.sim.Ledger().Running(dominosim.KindApp)[o.ID]
		e := s.find(execution.App, o.ID)
		s.stop(e)
		s.upgrade("5.9")
		s.start(e)
		call := s.lastCall(dominosim.KindApp, o.ID, "start")
		wantEqual(t, "start", map[string]any{
			"hardwareTierId": was.HardwareTier, "environmentId": was.Environment, "externalVolumeMountIds": jsonList(was.Volumes),
		}, call.Args)
	})
	inTime(t, "snapshot in 5.9, start in 6.2", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "5.9", Plain: true, Projects: 4, Apps: 16})
		e := s.app()
		was := s.sim.Ledger().Running(dominosim.KindApp)[e.ID]
		s.stop(e)
		want := map[string]any{
			"hardwareTierId": was.HardwareTier, "environmentId": was.Environment, "externalVolumeMountIds": jsonList(s.volumesOf(was)),
		}
		s.upgrade("6.2")
		s.start(e)
		wantEqual(t, "start", want, s.lastCall(dominosim.KindApp, e.ID, "start").Args)
	})
}

// What people see of the revision is on record, though no version's start takes it.
func TestTheEnvironmentRevisionIsOnRecord(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1"})
		e := s.app()
		was := s.sim.Ledger().Running(dominosim.KindApp)[e.ID]
		if got := argsOf(t, e)["environmentRevisionId"]; got != was.EnvironmentRevision {
			t.Errorf("environmentRevisionId on record = %v, want %s", got, was.EnvironmentRevision)
		}
		if e.RunID != was.Execution {
			t.Errorf("RunID = %q, want the id among Domino's runs, %q", e.RunID, was.Execution)
		}
		if e.Since.IsZero() {
			t.Error("Since is zero, want when the instance started")
		}
	})
}

func TestWhatDominoDoesNotTellOfAnAppIsSaidToBeGuessed(t *testing.T) {
	named := func(s *site, name string) execution.Execution {
		return s.find(execution.App, s.running(dominosim.KindApp, func(o dominosim.Object, _ dominosim.Run) bool { return o.Name == name }).ID)
	}
	for _, tt := range []struct {
		name, profile string
		app           func(s *site) execution.Execution
		want          []string // what each guess is about
		volumes       func(s *site, r dominosim.Run) []string
	}{
		{"5.9 tells no mounts", "5.9", (*site).app, []string{"all local external volumes", "takes no commit"}, (*site).volumesOf},
		{
			"a volume that is not registered any more", "6.1",
			func(s *site) execution.Execution { return named(s, "unregistered-volume") },
			[]string{`"nfs-retired" is not registered`}, nil,
		},
		{
			"the row has neither environment nor tier, nor has an older API", "5.9",
			func(s *site) execution.Execution { return named(s, "no-publisher") },
			[]string{"all local external volumes", "default environment", "default tier", "takes no commit"}, (*site).volumesOf,
		},
		{
			"neither the instance nor the version may be read", "6.1",
			func(s *site) execution.Execution {
				s.sim.AddFault(dominosim.Fault{Path: "^/v4/modelProducts/apps/versions/", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
				s.sim.AddFault(dominosim.Fault{Path: "^/api/apps/beta/apps/", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
				return s.app()
			},
			[]string{"all local external volumes", "on which commit"}, (*site).volumesOf,
		},
		{
			"a volume of the project was unregistered", "5.9",
			func(s *site) execution.Execution {
				e := s.app()
				s.sim.UnregisterVolume(s.volumesOf(s.sim.Ledger().Running(dominosim.KindApp)[e.ID])[0])
				return s.find(execution.App, e.ID)
			},
			[]string{"all local external volumes", "takes no commit"},
			func(s *site, r dominosim.Run) []string { return s.volumesOf(r)[1:] },
		},
		{
			"nor may the volumes be listed", "5.9",
			func(s *site) execution.Execution {
				s.sim.AddFault(dominosim.Fault{Path: "^/v4/datamount/projects/", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
				return s.app()
			},
			[]string{"could not all be listed", "takes no commit"}, nil,
		},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			s := newSite(t, dominosim.Config{Profile: tt.profile, Apps: 1, Projects: 4})
			e := tt.app(s)
			s.faultsFired()
			if len(e.Guesses) != len(tt.want) {
				t.Fatalf("guesses = %q, want %d", e.Guesses, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(e.Guesses[i], want) {
					t.Errorf("guess = %q, want one about %q", e.Guesses[i], want)
				}
			}
			var volumes []string
			if tt.volumes != nil {
				volumes = tt.volumes(s, s.sim.Ledger().Running(dominosim.KindApp)[e.ID])
			}
			wantEqual(t, "mounts", any(jsonList(volumes)), argsOf(t, e)["externalVolumeMountIds"])
		})
	}
}

// From 6.1 the public API knows what the row leaves out, of apps that are not classic.
func TestTheBetaAPIKnowsTheEnvironmentThatTheRowLacks(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		lacking := changeAnswers("^/v4/modelProducts", func(v any) {
			rows, ok := v.([]any)
			if !ok {
				rows = []any{v}
			}
			for _, r := range rows {
				delete(r.(map[string]any), "environmentId")
				delete(r.(map[string]any), "hardwareTierId")
			}
		})
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 1, Apps: 1}, lacking)
		e := s.app()
		was := s.sim.Ledger().Running(dominosim.KindApp)[e.ID]
		if e.Environment != was.Environment || e.HardwareTier != was.HardwareTier || len(e.Guesses) > 0 {
			t.Errorf("environment, tier, guesses = %q, %q, %q, want %q, %q, none",
				e.Environment, e.HardwareTier, e.Guesses, was.Environment, was.HardwareTier)
		}
	})
}

// Where the run may not be read, its version still tells the mounts: without them its NetApp volumes would be lost, and volumes
// that it never had be mounted.
func TestTheVersionTellsTheMountsOfARunThatMayNotBeRead(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 4, Apps: 16})
		s.sim.AddFault(dominosim.Fault{Path: "^/v4/modelProducts/apps/versions/", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		netApp := false
		for id, was := range s.sim.Ledger().Running(dominosim.KindApp) {
			if s.classic(was) {
				continue
			}
			netApp = netApp || len(was.NetAppVolumes) > 0
			e := s.find(execution.App, id)
			s.stop(e)
			s.start(e)
			now := s.sim.Ledger().Running(dominosim.KindApp)[id]
			wantEqual(t, "volumes of "+e.String(), was.Volumes, now.Volumes)
			wantEqual(t, "NetApp volumes of "+e.String(), was.NetAppVolumes, now.NetAppVolumes)
			if !strings.Contains(strings.Join(e.Guesses, "\n"), "mounts of its published version") {
				t.Errorf("guesses = %q, want one that says where its mounts are from", e.Guesses)
			}
		}
		if !netApp {
			t.Error("no app has NetApp volumes: the test proves nothing")
		}
	})
}

// A git-based app whose commit Domino leaves out (it is optional; api.md §8, common.AppCodeInfoRepositoryDto) comes back on another
// one, of the branch that its version follows, and that is said.
func TestAnAppWhoseCommitDominoDoesNotTell(t *testing.T) {
	for ref, want := range map[string]string{"head": "its project's newest", "branches": "the newest of branch release", "commitId": ""} {
		inTime(t, ref, func(t *testing.T) {
			value := any("release")
			if ref == "head" {
				value = nil
			}
			noCommit := changeAnswers("^/v4/modelProducts/apps/versions/", func(v any) {
				if repo, ok := v.(map[string]any)["appCodeInfo"].(map[string]any)["mainRepo"].(map[string]any); ok {
					delete(repo, "commit")
				}
			})
			follows := changeAnswers("^/api/apps/beta/apps/", func(v any) {
				v.(map[string]any)["currentVersion"].(map[string]any)["gitRef"] = map[string]any{"type": ref, "value": value}
			})
			s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 1, Apps: 4}, noCommit, follows)
			o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return s.gitBased(r) && !s.classic(r) })
			e := s.find(execution.App, o.ID)
			if got := strings.Join(e.Guesses, "; "); want == "" && got != "" || want != "" && (len(e.Guesses) != 1 || !strings.Contains(got, want)) {
				t.Errorf("guesses = %q, want one about %q", e.Guesses, want)
			}
			if sent := argsOf(t, e)["mainRepoGitRef"]; (sent != nil) != (ref != "head") {
				t.Errorf("mainRepoGitRef = %v of an app whose version has %s", sent, ref)
			}
		})
	}
}

// A project that is not git-based may have {"type":"head"} in its apps' versions (api.md §8b, the example): its commit is known.
func TestAVersionThatNamesTheHeadIsNotGitBased(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		head := changeAnswers("^/api/apps/beta/apps/", func(v any) {
			v.(map[string]any)["currentVersion"].(map[string]any)["gitRef"] = map[string]any{"type": "head"}
		})
		s := newSite(t, dominosim.Config{Profile: "6.1", Plain: true, Projects: 2, Apps: 8}, head)
		o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return !s.gitBased(r) && !s.classic(r) })
		if e := s.find(execution.App, o.ID); len(e.Guesses) > 0 || argsOf(t, e)["commitId"] == nil {
			t.Errorf("guesses = %q, arguments = %s, want its commit and no guess", e.Guesses, e.Restart)
		}
	})
}

// What the version of an app has and no start takes may be lost by a start, and is said.
func TestWhatNoStartCanNameOfAnAppsVersionIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		edit       func(app, version map[string]any)
	}{
		{"autoscaling", "autoscaling", func(_, v map[string]any) {
			v["autoscalingSpecification"] = map[string]any{"enabled": true, "minReplicas": 2, "maxReplicas": 6}
		}},
		{"identity", "extended identity propagation", func(_, v map[string]any) { v["extendedIdentityPropagationToAppsEnabled"] = true }},
		{"entry script", "the entry script serve.R", func(_, v map[string]any) { v["entryScript"] = "serve.R" }},
		{"entry script of the app", "", func(a, v map[string]any) { v["entryScript"] = a["entryPoint"] }},
		{"branch", "follows branch release", func(_, v map[string]any) { v["gitRef"] = map[string]any{"type": "branches", "value": "release"} }},
		{"tag", "follows tag v1", func(_, v map[string]any) { v["gitRef"] = map[string]any{"type": "tags", "value": "v1"} }},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			has := changeAnswers("^/api/apps/beta/apps/", func(v any) {
				a := v.(map[string]any)
				tt.edit(a, a["currentVersion"].(map[string]any))
			})
			s := newSite(t, dominosim.Config{Profile: "6.2", Plain: true, Projects: 1, Apps: 4}, has)
			o := s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool { return s.gitBased(r) && !s.classic(r) })
			e := s.find(execution.App, o.ID)
			if got := strings.Join(e.Guesses, "; "); tt.want == "" && got != "" || tt.want != "" && (len(e.Guesses) != 1 || !strings.Contains(got, tt.want)) {
				t.Errorf("guesses = %q, want one about %q", e.Guesses, tt.want)
			}
			if ref, ok := argsOf(t, e)["mainRepoGitRef"].(map[string]any); !ok || ref["type"] != "commitId" {
				t.Errorf("mainRepoGitRef = %v, want the commit that it runs on", argsOf(t, e)["mainRepoGitRef"])
			}
		})
	}
}

// A classic app is not in the beta list (api.md §8b), and a draft has no version: neither is a fault.
func TestAnAppThatTheBetaAPIDoesNotKnow(t *testing.T) {
	inTime(t, "6.2", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2"})
		s.sim.AddFault(dominosim.Fault{Path: "^/api/apps/beta/apps/", Kind: dominosim.FaultStatus, Status: 404, Times: -1})
		e := s.app()
		s.faultsFired()
		if args := argsOf(t, e); args["environmentId"] == nil || args["bundleId"] != nil {
			t.Errorf("restart arguments = %v, want the row's environment and no bundle", args)
		}
	})
}

// An answer that is missing is not an answer: the details stay unread, and nothing is guessed.
func TestDetailOfAnAppThatFailsIsNoGuess(t *testing.T) {
	for _, path := range []string{"^/v4/modelProducts/apps/versions/", "^/api/apps/beta/apps/", "^/v4/datamount/projects/"} {
		inTime(t, path, func(t *testing.T) {
			s := newSite(t, dominosim.Config{Profile: "6.2", Apps: 1, Projects: 4})
			o := s.running(dominosim.KindApp, func(o dominosim.Object, _ dominosim.Run) bool { return o.Name == "unregistered-volume" })
			e := execution.Execution{Kind: execution.App, ID: o.ID}
			s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: 503, Times: -1})
			if full, err := s.drivers.Of(execution.App).Detail(t.Context(), e); err == nil {
				t.Errorf("Detail = %+v, want an error", full)
			}
			s.faultsFired()
		})
	}
}

func TestDetailOfAnAppThatDoesNotRunHasNoRestart(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.app()
		s.stop(e)
		got, err := s.drivers.Of(execution.App).Detail(t.Context(), e)
		if err != nil || got.State != execution.Stopped || got.Restart != nil {
			t.Errorf("Detail = %s with restart arguments %q, %v, want stopped and none", got.State, got.Restart, err)
		}
	})
}

// The stop of an app that does not run is refused: 500 in 5.9, 404 from 6.x on, and both
// mean other things as well (api.md §8).
func TestStopOfAnApp(t *testing.T) {
	for profile, status := range map[string]int{"5.9": 500, "6.1": 404, "6.2": 404} {
		inTime(t, profile, func(t *testing.T) {
			s := newSite(t, dominosim.Config{Profile: profile})
			e := s.app()
			s.stop(e)
			if n := s.sim.Ledger().Entry(dominosim.KindApp, e.ID).Effects("stop"); n != 1 {
				t.Errorf("stopped %d times, want once", n)
			}
			if now := s.read(e); now.State != execution.Stopped || now.DominoState != "Stopped" {
				t.Errorf("afterwards it is %s (%s), want stopped", now.State, now.DominoState)
			}

			_, err := s.drivers.Of(execution.App).Stop(t.Context(), e, false)
			if !isAlready(err) {
				t.Errorf("Stop of a stopped app = %v, want ErrAlready", err)
			}
			if refusal, ok := asDomino(err); !ok || refusal.Status != status {
				t.Errorf("Stop of a stopped app = %v, want Domino's %d in it", err, status)
			}
		})
	}
}

func TestAStopThatIsRefusedWhileTheAppRunsIsARefusal(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.app()
		for _, status := range []int{403, 404, 409, 500} {
			s.sim.AddFault(dominosim.Fault{Path: "/v4/modelProducts/{id}/stop", Kind: dominosim.FaultStatus, Status: status})
			_, err := s.drivers.Of(execution.App).Stop(t.Context(), e, false)
			if refusal, ok := asDomino(err); !ok || refusal.Status != status || isAlready(err) || isGone(err) {
				t.Errorf("Stop = %v, want Domino's %d and nothing else", err, status)
			}
		}
		s.faultsFired()
	})
}

func TestForce(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Faults: []dominosim.Fault{{Path: "/v4/modelProducts/{id}/stop", Kind: dominosim.FaultStopSticks}}})
		e := s.app()
		s.stop(e)
		if now := s.read(e); now.State != execution.Stopping {
			t.Fatalf("it is %s, want stopping: the fault did not strike", now.State)
		}
		if _, err := s.drivers.Of(execution.App).Stop(t.Context(), e, true); err != nil {
			t.Fatal(err)
		}
		var queries []string
		for _, w := range s.sim.Ledger().Writes() {
			queries = append(queries, w.Query)
		}
		wantEqual(t, "queries of the stops", []string{"", "force=true"}, queries)
		if now := s.read(e); now.State != execution.Stopped {
			t.Errorf("after the forced stop it is %s, want stopped", now.State)
		}
	})
}

// Faulty is neither running nor stopped: nobody has written down what it means.
func TestAFaultyAppIsListedAsUnknown(t *testing.T) {
	inTime(t, "6.2", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2"})
		id := s.running(dominosim.KindApp, nil).ID
		if err := s.sim.SetAppStatus(id, "Faulty"); err != nil {
			t.Fatal(err)
		}
		if e := s.find(execution.App, id); e.State != execution.Unknown || e.DominoState != "Faulty" || e.Restart != nil {
			t.Errorf("State = %s (%s), restart arguments %q, want unknown (Faulty), none", e.State, e.DominoState, e.Restart)
		}
	})
}
