package execution_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// plain is a deployment without anything to find in it.
func plain(profile string) dominosim.Config {
	return dominosim.Config{Profile: profile, Plain: true, Projects: 3, Apps: 6, Models: 3, Workspaces: 6, Schedules: 4}
}

// preflight is what a preflight of everything that runs finds.
func (s *site) preflight(o execution.Outlook) ([]execution.Finding, []execution.Problem) {
	s.Helper()
	l := s.inventory()
	var running []execution.Execution
	for _, e := range l.Executions {
		if e.State.Up() {
			running = append(running, e)
		}
	}
	o.Caller = domino.Principal{ID: "5f0000000000000000000001", Name: "integration.admin"}
	o.Until = time.Now().Add(time.Hour)
	return s.drivers.Preflight(s.Context(), o, running)
}

func codes(findings []execution.Finding) []string {
	var out []string
	for _, f := range findings {
		if f.Code != execution.RunsAs {
			out = append(out, string(f.Severity)+" "+f.Code)
		}
	}
	return out
}

func hits(f execution.Finding) []string {
	var out []string
	for _, r := range f.Executions {
		out = append(out, r.Key.String())
	}
	slices.Sort(out)
	return out
}

// using are the running executions for which a predicate over what they run with holds.
func (s *site) using(is func(dominosim.Run) bool) []string {
	var out []string
	for k, r := range s.sim.Ledger().Snapshot() {
		if is(r) {
			out = append(out, k.Kind+"/"+k.ID)
		}
	}
	slices.Sort(out)
	return out
}

// TestPreflightFindsNothingAmiss: what can be started again as it is raises no finding, and nothing goes unchecked that
// the version tells.
func TestPreflightFindsNothingAmiss(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, plain(profile))
		findings, problems := s.preflight(execution.Outlook{})
		if got := codes(findings); len(got) > 0 {
			t.Errorf("findings = %v, want none", findings)
		}
		want := map[string]int{"4.4": 3, "5.5": 3, "5.7": 3, "5.9": 2, "5.10": 1, "5.11": 1, "6.0": 1}
		if len(problems) != want[profile] {
			t.Errorf("unchecked = %v, want %d: users are told from 5.10 on, settings from 5.9 on, volumes of apps from 6.1 on", problems, want[profile])
		}
		for _, p := range problems {
			if p.Incomplete {
				t.Errorf("problem %v makes an inventory incomplete, which it says nothing about", p)
			}
		}
		if s.writes() != 0 {
			t.Error("a preflight has changed something")
		}
	})
}

// TestPreflightFinds changes one thing about a deployment at a time.
func TestPreflightFinds(t *testing.T) {
	id := func(v string) func(dominosim.Run) bool {
		return func(r dominosim.Run) bool {
			return r.HardwareTier == v || r.Environment == v || slices.Contains(r.Volumes, v)
		}
	}
	tests := []struct {
		name   string
		change func(s *site) (want []string) // the executions that it hits
		want   string
		since  string // the oldest profile that can tell; all if empty
	}{
		{"archived hardware tier", func(s *site) []string { s.sim.ArchiveTier("small-k8s"); return s.using(id("small-k8s")) }, "error tier-archived", ""},
		{"hardware tier gone", func(s *site) []string { s.sim.RemoveTier("medium-k8s"); return s.using(id("medium-k8s")) }, "error tier-gone", ""},
		{"archived environment", func(s *site) []string {
			env := s.app().Environment
			s.sim.ArchiveEnvironment(env)
			return s.using(id(env))
		}, "error environment-archived", "5.7"},
		{"environment gone", func(s *site) []string {
			env := s.app().Environment
			s.sim.RemoveEnvironment(env)
			return s.using(id(env))
		}, "error environment-gone", "5.7"},
		{"environment not built", func(s *site) []string {
			env := s.find(execution.Workspace, s.running(dominosim.KindWorkspace, nil).ID).Environment
			s.sim.ReviseEnvironment(env, false, false)
			return nil
		}, "error environment-unbuilt", ""},
		{"another revision is active", func(s *site) []string {
			app := s.app()
			s.sim.ReviseEnvironment(app.Environment, true, false)
			return s.using(func(r dominosim.Run) bool { return r.Kind == dominosim.KindApp && r.Environment == app.Environment })
		}, "warning revision-differs", "6.1"},
		{"volume unregistered", func(s *site) []string {
			var volume string
			s.running(dominosim.KindWorkspace, func(_ dominosim.Object, r dominosim.Run) bool {
				if len(r.Volumes) > 0 {
					volume = r.Volumes[0]
				}
				return volume != ""
			})
			s.sim.UnregisterVolume(volume)
			return nil // the simulator leaves the ids of schedules as they are
		}, "error volume-unregistered", "5.9"},
		{"volume of others", func(s *site) []string {
			var volume string
			s.running(dominosim.KindApp, func(_ dominosim.Object, r dominosim.Run) bool {
				if len(r.Volumes) > 0 {
					volume = r.Volumes[0]
				}
				return volume != ""
			})
			s.sim.RestrictVolume(volume, "5f00000000000000000000ff")
			return s.using(func(r dominosim.Run) bool { return r.Kind == dominosim.KindApp && slices.Contains(r.Volumes, volume) })
		}, "warning volume-unreadable", "6.1"},
		{"archived project", func(s *site) []string {
			app := s.app()
			s.sim.ArchiveProject(app.Project.ID)
			return nil // its schedules are not listed any more
		}, "error project-archived", ""},
		{"owner deactivated", func(s *site) []string { s.sim.Deactivate(s.app().Owner); return nil }, "warning owner-deactivated", "5.10"},
		{"app limit", func(s *site) []string {
			s.sim.Set("com.cerebro.domino.apps.maxActiveAppRunsPerProject", "1")
			return nil
		}, "warning app-limit", "5.9"},
		{"quota of the caller", func(s *site) []string {
			s.sim.Set("com.cerebro.domino.computegrid.userExecutionsQuota.maximumExecutionsPerUser", "5")
			return s.truth(execution.App)
		}, "warning quota", "5.9"},
		{"more than quota and queue", func(s *site) []string {
			s.sim.Set("com.cerebro.domino.computegrid.userExecutionsQuota.maximumExecutionsPerUser", "2")
			s.sim.Set("com.cerebro.domino.computegrid.userExecutionsQuota.userExecutionQueueLimit", "1")
			return s.truth(execution.App)
		}, "error quota", "5.9"},
		{"data plane not healthy", func(s *site) []string {
			s.sim.SetDataPlane("64aa00000000000000000001", "east", "Disconnected", "small-k8s")
			return nil
		}, "error data-plane-unhealthy", ""},
		{"data plane behind the control plane", func(s *site) []string {
			s.sim.SetDataPlane("64aa00000000000000000001", "east", "Healthy", "small-k8s")
			s.sim.OutdateDataPlane("64aa00000000000000000001")
			return nil
		}, "warning data-plane-outdated", "5.9"},
		{"the caller is no practitioner", func(s *site) []string {
			s.sim.SetRoles("integration.admin", "SysAdmin", "GovernanceAdmin")
			return s.truth(execution.App)
		}, "warning rights-missing", "5.10"},
	}
	profiles := dominosim.Profiles()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachProfile(t, func(t *testing.T, profile string) {
				if slices.Index(profiles, profile) < slices.Index(profiles, tt.since) {
					return // TestPreflightFindsNothingAmiss asserts that this is said
				}
				s := newSite(t, plain(profile))
				hit := tt.change(s)
				findings, _ := s.preflight(execution.Outlook{})
				i := slices.IndexFunc(findings, func(f execution.Finding) bool { return string(f.Severity)+" "+f.Code == tt.want })
				if i < 0 {
					t.Fatalf("findings = %v, want one %q", findings, tt.want)
				}
				f := findings[i]
				if f.Message == "" || f.Remedy == "" || len(f.Executions) == 0 {
					t.Errorf("finding %+v does not say what is wrong, with which, and what to do", f)
				}
				if hit != nil && profile == "6.1" {
					// Domino does not tell of model APIs on which tier and in which environment they run.
					hit = slices.DeleteFunc(hit, func(k string) bool { return strings.HasPrefix(k, "ModelAPI/") })
					wantEqual(t, "executions that it hits", hit, hits(f))
				}
			})
		})
	}
}

// TestAnAdministratorWhoIsNoPractitionerStartsNoApp: the finding foretells what a restore meets.
func TestAnAdministratorWhoIsNoPractitionerStartsNoApp(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, plain("6.1"))
		e := s.app()
		s.sim.SetRoles("integration.admin", "SysAdmin")
		s.stop(e)
		if _, err := s.drivers.Of(e.Kind).Start(t.Context(), e); execution.FaultOf(err) != execution.Forbidden {
			t.Errorf("Start = %v, want it forbidden", err)
		}
	})
}

// TestPreflightNamesWhatRunsOutsideOfDomino: a stop there deletes what an upgrade would not touch.
func TestPreflightNamesWhatRunsOutsideOfDomino(t *testing.T) {
	inTime(t, "6.2", func(t *testing.T) {
		c := plain("6.2")
		c.Deployments = 4
		s := newSite(t, c)
		for step, want := range map[string]string{
			execution.StepShutdown: "warning outside-domino", execution.StepRestore: "", // which is too late to say it
		} {
			findings, _ := s.preflight(execution.Outlook{Steps: []string{step}})
			other := slices.DeleteFunc(codes(findings), func(c string) bool { return strings.HasSuffix(c, execution.RightsMissing) })
			wantEqual(t, step, want, strings.Join(other, ", "))
			for _, f := range findings {
				if f.Code == execution.OutsideDomino {
					wantEqual(t, "deployments", s.truth(execution.ExternalDeployment), hits(f))
				}
			}
		}
	})
}

// TestPreflightPinnedRevision: what a schedule is pinned to may go while its environment stays.
func TestPreflightPinnedRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, plain("6.1"))
		var pinned execution.Execution
		for _, e := range s.inventory(execution.ScheduledJob).Executions {
			if e.Revision != "" && e.State.Up() {
				pinned = e
			}
		}
		if pinned.ID == "" {
			t.Fatal("no schedule is pinned to a revision")
		}
		s.sim.ReviseEnvironment(pinned.Environment, true, false)
		if findings, _ := s.preflight(execution.Outlook{}); slices.Contains(codes(findings), "error revision-gone") {
			t.Errorf("findings = %v, but the old revision is there", findings)
		}
		s = newSite(t, plain("6.1"))
		s.sim.ReviseEnvironment(pinned.Environment, true, true)
		findings, _ := s.preflight(execution.Outlook{})
		i := slices.IndexFunc(findings, func(f execution.Finding) bool {
			return f.Code == execution.RevisionGone && slices.Contains(hits(f), pinned.Key().String())
		})
		if i < 0 {
			t.Errorf("findings = %v, want one about the revision of %s", findings, pinned)
		}
	})
}

// TestPreflightSaysWhatItCouldNotLookAt: a list that cannot be had is a check that was not made, never "nothing there".
func TestPreflightSaysWhatItCouldNotLookAt(t *testing.T) {
	for path, want := range map[string]string{
		"/v4/hardwareTier":                "hardware tiers",
		"/v4/environments/self":           "environments",
		"/v4/dataplanes/dataplanes":       "data planes",
		"/v4/admin/user-management/users": "owners",
		"/v4/admin/centralConfigSettings": "how many apps",
	} {
		inTime(t, path, func(t *testing.T) {
			c := plain("6.1")
			c.Faults = []dominosim.Fault{{Name: "down", Method: "GET", Path: path, Kind: dominosim.FaultStatus, Status: http.StatusForbidden, Times: -1}}
			s := newSite(t, c)
			findings, problems := s.preflight(execution.Outlook{})
			if got := codes(findings); len(got) > 0 {
				t.Errorf("findings = %v, want none: nothing was seen", findings)
			}
			if !slices.ContainsFunc(problems, func(p execution.Problem) bool {
				return strings.Contains(p.Message, want) && strings.Contains(p.Message, "not checked") && strings.Contains(p.Message, "403")
			}) {
				t.Errorf("problems = %v, want one about %s", problems, want)
			}
			s.faultsFired()
		})
	}
}

// TestPreflightReadsWhatAListLacks: a list that is short is no evidence.
func TestPreflightReadsWhatAListLacks(t *testing.T) {
	for path, field := range map[string]string{
		"^/v4/hardwareTier$": "hardwareTiers", "^/v4/environments/self$": "", "^/v4/datamount/all$": "",
	} {
		inTime(t, path, func(t *testing.T) {
			empty := func(next http.RoundTripper) http.RoundTripper {
				return changeList(path, field)(next)
			}
			s := newSite(t, plain("6.1"), empty)
			findings, problems := s.preflight(execution.Outlook{})
			if got := codes(findings); len(got) > 0 || len(problems) > 0 {
				t.Errorf("findings = %v, problems = %v, want neither: each is there when it is read", findings, problems)
			}
		})
	}
}

// changeList makes a list an empty one.
func changeList(path, field string) via {
	return func(next http.RoundTripper) http.RoundTripper {
		whole := changeAnswers(path, func(v any) { v.(map[string]any)[field] = []any{} })
		if field == "" {
			whole = emptyArray(path)
		}
		return whole(next)
	}
}

// TestPreflightByPods: before 6.1 pods alone tell what an app has mounted.
func TestPreflightByPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, plain("5.9"))
		app := s.app()
		s.sim.UnregisterVolume(s.volumeNamed("nfs-landing"))
		pods := []execution.Pod{
			{Name: "run-" + app.RunID + "-7f9c-x2x", Namespace: "domino-compute", Phase: "Running", Claims: []string{"nfs-landing-pvc", "pvc-scratch"}},
			{Name: "run-5f0000000000000000000bad-1", Namespace: "domino-compute", Phase: "Running", Claims: []string{"nfs-landing-pvc"}},
		}
		findings, _ := s.preflight(execution.Outlook{Pods: pods})
		i := slices.IndexFunc(findings, func(f execution.Finding) bool { return strings.Contains(f.Message, "nfs-landing-pvc") })
		if i < 0 || findings[i].Code != execution.VolumeUnregistered {
			t.Fatalf("findings = %v, want one about the claim", findings)
		}
		wantEqual(t, "executions that it hits", []string{app.Key().String()}, hits(findings[i]))
	})
}

// volumeNamed is the id of a registered volume.
func (s *site) volumeNamed(name string) string {
	s.Helper()
	all, _, err := s.client.Volumes(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, v := range all {
		if v.Name == name {
			return v.ID
		}
	}
	s.Fatalf("no volume %s", name)
	return ""
}

// TestPreflightToken: a JWT says when it ends, an API key does not end.
func TestPreflightToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			left time.Duration
			want []string
		}{
			{30 * time.Minute, []string{"error token-expires"}},
			{5 * time.Hour, []string{"warning token-expires"}},
			{48 * time.Hour, nil},
		} {
			claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(tt.left).Unix()))
			token := "e30." + claims + ".sig"
			sim := dominosim.New(dominosim.Config{Profile: "6.1", Token: token, Plain: true})
			client, err := domino.New(domino.Options{BaseURL: "https://domino.example.com", Credential: domino.Token(token), Transport: sim.RoundTripper()})
			if err != nil {
				t.Fatal(err)
			}
			findings, _ := execution.NewDrivers(client).Preflight(t.Context(), execution.Outlook{Until: time.Now().Add(time.Hour)}, nil)
			wantEqual(t, tt.left.String(), tt.want, codes(findings))
		}
	})
}

// TestIdentity: who ran as whom is said of each execution, and only where it changes.
func TestIdentity(t *testing.T) {
	all := []execution.Execution{
		{Kind: execution.App, ID: "a1", Owner: "ada"},
		{Kind: execution.App, ID: "a2", Owner: "admin"},
		{Kind: execution.App, ID: "a3"},
		{Kind: execution.ModelAPI, ID: "m1", Owner: "ada"},
		{Kind: execution.Workspace, ID: "w1", Owner: "ada"},
		{Kind: execution.ScheduledJob, ID: "s1", Owner: "ada"},
		{Kind: execution.Job, ID: "j1", Owner: "ada"},
	}
	for workspaces, want := range map[bool][]string{false: {"App/a1", "Job/j1"}, true: {"App/a1", "Job/j1", "Workspace/w1"}} {
		var got []string
		for _, f := range execution.Identity("admin", all, workspaces) {
			if f.Code != execution.RunsAs || f.Severity != execution.Info {
				t.Errorf("finding = %+v, want %s", f, execution.RunsAs)
			}
			got = append(got, hits(f)...)
		}
		wantEqual(t, "executions that change hands", want, got)
	}
}
