package modes_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// healthy is a deployment in which nothing is to be mended.
func healthy() dominosim.Config {
	return dominosim.Config{
		Profile: "6.1", Seed: 3, Plain: true, Latency: 20 * time.Millisecond, StartTime: 20 * time.Second, StopTime: 15 * time.Second,
		Projects: 4, Apps: 8, Models: 5, Workspaces: 8, Schedules: 6, StoppedFraction: 0.2,
	}
}

// toMend are the severities and codes of what an audit finds, but for what is only to be known.
func toMend(res *report.Result) []string {
	var out []string
	for _, f := range res.Findings {
		if f.Severity != execution.Info {
			out = append(out, string(f.Severity)+" "+f.Code)
		}
	}
	return out
}

func TestAuditFindsNothingOnAHealthyDeployment(t *testing.T) {
	for _, profile := range []string{"5.9", "6.1", "6.3"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := healthy()
				c.Profile = profile
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				running := len(s.running())
				res := s.must(0, "audit")
				if got := toMend(res); len(got) > 0 {
					t.Errorf("findings %v, want none: %+v", got, res.Findings)
				}
				if res.Audit.Running != running || res.Audit.Lost != 0 {
					t.Errorf("%d of %d would be lost, want 0 of %d", res.Audit.Lost, res.Audit.Running, running)
				}
				var text strings.Builder
				if err := res.WriteText(&text); err != nil {
					t.Fatal(err)
				}
				first, _, _ := strings.Cut(text.String(), "\n")
				if want := fmt.Sprintf("If the upgrade began now, all %d executions that run would come back by themselves.", running); first != want {
					t.Errorf("the first line is %q, want %q", first, want)
				}
			})
		})
	}
}

// What its policy leaves alone would not come back by itself, and that is nothing to be mended.
func TestAuditCountsWhatIsLeftToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy())
		workspaces := len(s.sim.Ledger().Running(dominosim.KindWorkspace))
		res := s.must(0, "audit")
		want := fmt.Sprintf("If the upgrade began now, %d of %d executions would not come back by themselves, because workspaces are started by their owners, unless restore is asked to (DMM_RESTORE_WORKSPACES) (%d).",
			workspaces, len(s.running()), workspaces)
		if res.Audit.Headline != want {
			t.Errorf("the first line is %q, want %q", res.Audit.Headline, want)
		}
	})
}

// What a snapshot calls an error, an audit does too: the owner of a workspace meets what a restore would.
func TestAuditAndSnapshotAgreeOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := healthy()
		c.Plain = false
		s := newSite(t, c)
		errorsOf := func(res *report.Result) (all []string) {
			for _, f := range res.Findings {
				if f.Severity == execution.Error {
					all = append(all, f.String())
				}
			}
			return all
		}
		audit, snap := errorsOf(s.must(7, "audit")), errorsOf(s.must(0, "snapshot"))
		if len(snap) < 2 || !slices.Equal(audit, snap) {
			t.Errorf("an audit finds\n%s\nand a snapshot\n%s", strings.Join(audit, "\n"), strings.Join(snap, "\n"))
		}
	})
}

func jwt(expires time.Time) string {
	claims := fmt.Sprintf(`{"exp":%d}`, expires.Unix())
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// Domino says of a token that is over what it says of one that never was. Its own word tells more.
func TestAnExpiredTokenIsCalledThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy())
		_, err := s.run("snapshot", "DOMINO_API_KEY=", "DOMINO_TOKEN="+jwt(time.Now().Add(-time.Hour)))
		if want := "the token expired at 1999-12-31T23:00:00Z"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("snapshot says %v, want %q", err, want)
		}
	})
}

// Each kind of trouble is planted in a healthy deployment, one at a time, and found.
func TestAuditFindsEachKindOfTrouble(t *testing.T) {
	app := func(s *site) dominosim.Run { return s.running()[s.anyRunning(dominosim.KindApp)] }
	mounting := func(s *site, kind string) string {
		for _, r := range s.sim.Ledger().Running(kind) {
			if len(r.Volumes) > 0 {
				return r.Volumes[0]
			}
		}
		s.t.Fatal("no " + kind + " mounts a volume")
		return ""
	}
	newest := func(s *site) string { return s.must(0, "list").Snapshots[0].ID }
	none := []string(nil)
	for name, c := range map[string]struct {
		plant func(s *site) (env []string)
		want  string
		lost  bool // somebody would not come back
	}{
		"an archived hardware tier":    {func(s *site) []string { s.sim.ArchiveTier(app(s).HardwareTier); return none }, "error tier-archived", true},
		"a hardware tier gone":         {func(s *site) []string { s.sim.RemoveTier(app(s).HardwareTier); return none }, "error tier-gone", true},
		"an archived environment":      {func(s *site) []string { s.sim.ArchiveEnvironment(app(s).Environment); return none }, "error environment-archived", true},
		"an environment gone":          {func(s *site) []string { s.sim.RemoveEnvironment(app(s).Environment); return none }, "error environment-gone", true},
		"an environment without image": {func(s *site) []string { s.sim.ReviseEnvironment(app(s).Environment, false, false); return none }, "error environment-unbuilt", true},
		"another active revision":      {func(s *site) []string { s.sim.ReviseEnvironment(app(s).Environment, true, false); return none }, "warning revision-differs", false},
		"a revision gone": {func(s *site) []string {
			for _, d := range s.sim.Ledger().Running(dominosim.KindScheduledJob) {
				if _, pinned := d.Definition["environmentRevisionSpec"].(map[string]any); pinned {
					s.sim.ReviseEnvironment(d.Definition["overrideEnvironmentId"].(string), true, true)
				}
			}
			return none
		}, "error revision-gone", true},
		"a volume unregistered": {func(s *site) []string { s.sim.UnregisterVolume(mounting(s, dominosim.KindWorkspace)); return none }, "error volume-unregistered", false},
		"a volume of others": {func(s *site) []string {
			s.sim.RestrictVolume(mounting(s, dominosim.KindApp), "5f00000000000000000000ff")
			return none
		}, "warning volume-unreadable", false},
		"an archived project": {func(s *site) []string {
			s.sim.ArchiveProject(s.object(s.anyRunning(dominosim.KindApp)).ProjectID)
			return none
		}, "error project-archived", true},
		"an owner deactivated": {func(s *site) []string { s.sim.Deactivate(s.object(s.anyRunning(dominosim.KindApp)).Owner); return none }, "warning owner-deactivated", false},
		"a limit of apps": {func(s *site) []string {
			s.sim.Set("com.cerebro.domino.apps.maxActiveAppRunsPerProject", "1")
			return none
		}, "warning app-limit", false},
		"a data plane disconnected": {func(s *site) []string {
			s.sim.SetDataPlane("64aa00000000000000000001", "east", "Disconnected", app(s).HardwareTier)
			return none
		}, "error data-plane-unhealthy", true},
		"a quota": {func(s *site) []string {
			s.sim.Set("com.cerebro.domino.computegrid.userExecutionsQuota.maximumExecutionsPerUser", "2")
			return none
		}, "warning quota", false},
		"a token that expires": {func(s *site) []string {
			token := jwt(time.Now().Add(3 * time.Minute))
			if err := s.sim.AddKey(token, s.sim.Users()[0]); err != nil {
				s.t.Fatal(err)
			}
			return []string{"DOMINO_API_KEY=", "DOMINO_TOKEN=" + token}
		}, "error token-expires", true},
		"a token that outlives a step and no maintenance": {func(s *site) []string {
			s.maintainFor(2 * time.Hour)
			token := jwt(time.Now().Add(90 * time.Minute))
			if err := s.sim.AddKey(token, s.sim.Users()[0]); err != nil {
				s.t.Fatal(err)
			}
			return []string{"DOMINO_API_KEY=", "DOMINO_TOKEN=" + token}
		}, "error credentials-expire", false},
		"a list that fails": {func(s *site) []string {
			s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/modelProducts", Kind: dominosim.FaultStatus, Status: 400, Times: -1})
			return none
		}, "error inventory-incomplete", true}, // the other witness shows the apps
		"a caller who may not see all": {func(s *site) []string {
			const key = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"
			if err := s.sim.AddKey(key, s.sim.Users()[1]); err != nil {
				s.t.Fatal(err)
			}
			return []string{"DOMINO_API_KEY=" + key}
		}, "error inventory-incomplete", false}, // what it does see is its own
		"a state that nobody knows": {func(s *site) []string {
			if err := s.sim.SetModelStatus(s.anyRunning(dominosim.KindModelAPI).ID, "Hibernating", false); err != nil {
				s.t.Fatal(err)
			}
			return none
		}, "error unknown-state", true},
		"what failed in the last maintenance": {func(s *site) []string {
			k := s.anyRunning(dominosim.KindApp)
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			s.sim.AddFault(dominosim.Fault{Method: "POST", Path: startApp, Object: k.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
			s.must(0, "restore", "DMM_GIVE_UP=true")
			s.sim.ClearFaults()
			if err := s.sim.OwnerStartApp(k.ID); err != nil {
				s.t.Fatal(err)
			}
			time.Sleep(time.Minute)
			return none
		}, "warning failed-before", false},
		"a grace period too short": {func(s *site) []string { s.maintainFor(time.Hour); return []string{"DMM_GRACE_PERIOD=5s"} }, "warning grace-too-short", false},
		"a deadline too short":     {func(s *site) []string { s.maintainFor(time.Hour); return []string{"DMM_DEADLINE=20s"} }, "warning deadline-too-short", false},
		"a certificate unchecked":  {func(s *site) []string { return []string{"DOMINO_SSL_NO_VERIFY=true"} }, "warning tls-not-verified", false},
		"a window open": {func(s *site) []string {
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			return none
		}, "error window-open", false},
		"a journal damaged": {func(s *site) []string {
			s.maintainFor(time.Hour)
			s.maintainFor(time.Hour)
			s.remove("windows/000001/journal/00000001.jsonl")
			return none
		}, "error journal-damaged", false},
		"a journal damaged in its middle": {func(s *site) []string {
			s.maintainFor(time.Hour)
			s.put("windows/000001/journal/00000002.jsonl", []byte("torn"))
			return none
		}, "error journal-damaged", false},
		"the newest snapshot damaged": {func(s *site) []string {
			s.must(0, "snapshot")
			s.put(folderOf(newest(s))+"executions.jsonl.zst", []byte("torn"))
			return none
		}, "error snapshot-damaged", false},
		"a store that is no lock":         {func(s *site) []string { s.store = lockless{s.store}; return none }, "error store", false},
		"a store that may not be written": {func(s *site) []string { s.store = readOnly{s.store}; return none }, "error store", false},
		"a version that nobody has met": {func(s *site) []string {
			s.sim.Report("6.9.0")
			return none
		}, "warning version", false},
		"what the key does not see running": {func(s *site) []string {
			s.transport = rewritten(s.transport, "/v4/admin/executions", `"overviews":[`, `"overviews":[`+
				`{"id":"65a0ffffffffffffffffffff","workloadType":"Workspace","status":"Running","title":"unseen","startingUsername":"o","projectIdentifier":{"projectName":"p","ownerUsername":"o"}},`)
			return none
		}, "warning unaccounted", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, healthy(), "DMM_RESTORE_WORKSPACES=true")
				env := c.plant(s)
				before := s.running()
				writes := len(s.sim.Ledger().Writes())
				res := s.must(7, "audit", env...)
				i := slices.IndexFunc(res.Findings, func(f execution.Finding) bool { return string(f.Severity)+" "+f.Code == c.want })
				if i < 0 {
					t.Fatalf("findings %+v, want %s", res.Findings, c.want)
				}
				var text strings.Builder
				if err := res.WriteText(&text); err != nil || strings.Contains(text.String(), "()") {
					t.Errorf("the text names something without its phase (%v):\n%s", err, &text)
				}
				if f := res.Findings[i]; f.Message == "" || f.Remedy == "" {
					t.Errorf("the finding %+v does not say what is wrong and what to do", f)
				}
				if c.want != "error window-open" && (res.Audit.Lost > 0) != c.lost {
					t.Errorf("the audit says: %s", res.Audit.Headline)
				}
				if partly := strings.Contains(fmt.Sprintf("%+v", res.Audit), "What could not be listed is not counted"); partly != (c.want == "error inventory-incomplete") && res.Audit != nil {
					t.Errorf("the audit says: %s", res.Audit.Headline)
				}
				if got := len(s.sim.Ledger().Writes()); got != writes {
					t.Errorf("the audit sent %d calls that may change something", got-writes)
				}
				if diff := cmp.Diff(before, s.running()); diff != "" {
					t.Errorf("what runs (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// maintainFor plays a maintenance with an upgrade that takes so long.
func (s *site) maintainFor(upgrade time.Duration) {
	s.t.Helper()
	s.must(0, "snapshot")
	s.must(0, "shutdown")
	time.Sleep(upgrade)
	s.must(0, "restore")
	time.Sleep(24 * time.Hour)
}

// lockless creates a key as often as it is asked to.
type lockless struct{ store.Store }

func (s lockless) Put(ctx context.Context, key string, body []byte, _ store.PutOptions) error {
	return s.Store.Put(ctx, key, body, store.PutOptions{})
}

// readOnly is a store of whose credentials somebody has taken the right to write.
type readOnly struct{ store.Store }

func (s readOnly) Put(context.Context, string, []byte, store.PutOptions) error {
	return store.ErrDenied
}

// rewritten is a Domino whose answers at a path have other words in them.
func rewritten(next http.RoundTripper, at, old, new string) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(r)
		if err != nil || r.URL.Path != at {
			return res, err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.Replace(body, []byte(old), []byte(new), 1)
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return res, nil
	})
}

// An audit sends nothing but GET to Domino, whatever it finds on the way.
func TestAuditSendsNothingButGET(t *testing.T) {
	for _, profile := range []string{"4.4", "5.9", "6.1", "6.3"} {
		synctest.Test(t, func(t *testing.T) {
			c := lagging(profile)
			c.Jobs, c.Builds, c.Classics = 2, 1, 1
			s := newSite(t, c)
			s.cluster = true // their volume claims are looked up, too
			var mu sync.Mutex
			var methods []string
			next := s.transport
			s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				methods = append(methods, r.Method)
				mu.Unlock()
				return next.RoundTrip(r)
			})
			if _, err := s.run("audit", "DMM_CONCURRENCY=1"); err != nil {
				t.Fatal(err)
			}
			if len(methods) < 10 {
				t.Fatalf("%d requests were sent: too few to tell", len(methods))
			}
			if i := slices.IndexFunc(methods, func(m string) bool { return m != http.MethodGet }); i >= 0 {
				t.Errorf("%s: an audit sent %s", profile, methods[i])
			}
		})
	}
}

// Before 6.1 only the pods show what an app has mounted, and Domino is asked about their claims by POST. An audit says that
// it does not.
func TestAuditSaysWhatItDoesNotAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for profile, want := range map[string]bool{"5.9": true, "6.1": false} {
			c := healthy()
			c.Profile = profile
			s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
			s.cluster = true
			res := s.must(0, "audit")
			if got := strings.Contains(strings.Join(res.Notes, " "), "which an audit does not send"); got != want {
				t.Errorf("%s: it says that it does not ask: %t, want %t; %q", profile, got, want, res.Notes)
			}
		}
	})
}

// An audit leaves its result, and what ran, for the next one to compare with.
func TestAuditTellsWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, healthy(), "DMM_RESTORE_WORKSPACES=true")
		snap := s.must(0, "snapshot").Snapshot
		time.Sleep(time.Hour)
		first := s.must(0, "audit")
		if n := len(first.Audit.Since); n != 1 || len(first.Audit.Since[0].Changes) != 0 {
			t.Errorf("since the snapshot: %+v, want one comparison without changes", first.Audit.Since)
		}

		stopped := s.anyRunning(dominosim.KindApp)
		if err := s.sim.OwnerStopApp(stopped.ID); err != nil {
			t.Fatal(err)
		}
		edited := s.anyRunning(dominosim.KindScheduledJob)
		if err := s.sim.EditSchedule(edited.ID, func(d map[string]any) { d["command"] = "run.sh --quick" }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		moved := s.anyOther(stopped)
		s.stopAndStart(moved, map[string]any{"hardwareTierId": s.anyOtherTier(moved), "environmentId": s.running()[moved].Environment})
		fresh := s.sim.CreateSchedule("", "brand new", false)
		time.Sleep(time.Hour)

		res := s.must(0, "audit")
		want := map[string]string{stopped.ID: "stopped", edited.ID: "changed command", moved.ID: "changed hardwareTier", fresh: "new"}
		for _, c := range res.Audit.Since {
			got := map[string]string{}
			for _, x := range c.Changes {
				got[x.ID] = strings.TrimSpace(x.What + " " + strings.Join(slices.DeleteFunc(x.Fields, func(f string) bool { return f != "command" && f != "hardwareTier" }), " "))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("changes since %s (-want +got):\n%s", c.With, diff)
			}
		}
		if diff := cmp.Diff([]string{"snapshot " + snap, "audit " + first.Audit.ID}, []string{res.Audit.Since[0].With, res.Audit.Since[1].With}); diff != "" {
			t.Errorf("compared with (-want +got):\n%s", diff)
		}

		// What is on record is what was printed.
		folder := "audits/" + res.Audit.ID[:4] + "/" + res.Audit.ID[4:6] + "/" + res.Audit.ID + "/"
		if diff := cmp.Diff([]string{folder + "audit.json", folder + "audit.txt", folder + "executions.jsonl.zst"}, s.keys(folder)); diff != "" {
			t.Fatalf("objects (-want +got):\n%s", diff)
		}
		var recorded struct {
			Schema string
			Result report.Result
		}
		if err := json.Unmarshal(s.body(folder+"audit.json"), &recorded); err != nil || recorded.Schema != "dmm.audit/v1" {
			t.Fatalf("audit.json has schema %q: %v", recorded.Schema, err)
		}
		if diff := cmp.Diff(res.Audit.Headline, recorded.Result.Audit.Headline); diff != "" {
			t.Errorf("on record (-printed +recorded):\n%s", diff)
		}
		if !bytes.HasPrefix(s.body(folder+"audit.txt"), []byte(res.Audit.Headline+"\n")) {
			t.Errorf("audit.txt begins %.100q", s.body(folder+"audit.txt"))
		}

		// One that cannot be read is no reason to end.
		s.put(folder+"executions.jsonl.zst", []byte("torn"))
		res = s.must(0, "audit")
		if n := len(res.Audit.Since); n != 1 || !strings.Contains(strings.Join(res.Notes, " "), "is damaged and was not compared with") {
			t.Errorf("compared with %+v, notes %q", res.Audit.Since, res.Notes)
		}
		before := len(s.keys("audits/"))
		s.must(0, "audit", "DMM_DRY_RUN=true")
		if got := len(s.keys("audits/")); got != before {
			t.Errorf("a dry run left %d objects behind", got-before)
		}
	})
}

// stopAndStart is what an owner does who edits an app.
func (s *site) stopAndStart(k dominosim.Key, with map[string]any) {
	s.t.Helper()
	s.post("/v4/modelProducts/"+k.ID+"/stop", "")
	time.Sleep(time.Minute)
	body, err := json.Marshal(with)
	if err != nil {
		s.t.Fatal(err)
	}
	s.post("/v4/modelProducts/"+k.ID+"/start", string(body))
	time.Sleep(time.Minute)
}

func (s *site) anyOther(than dominosim.Key) dominosim.Key {
	for k := range s.running() {
		if k.Kind == than.Kind && k != than {
			return k
		}
	}
	s.t.Fatalf("no other than %v", than)
	return than
}

// After one maintenance the estimate is within a fifth of what the next one takes, also if there is half as much
// again to do.
func TestTheEstimateIsWithinAFifth(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]int{"as large": 0, "larger": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := dominosim.Lagged(dominosim.Config{
					Profile: "6.1", Seed: 9, Plain: true, Latency: 200 * time.Millisecond, Capacity: 8, StartTime: 90 * time.Second, StopTime: 40 * time.Second,
					Projects: 10, Apps: 60, Models: 30, Workspaces: 60, Schedules: 30, StoppedFraction: 0.1,
				})
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true", "DMM_START_CONCURRENCY=25")
				s.sim.Set("com.cerebro.domino.apps.maxActiveAppRunsPerProject", "100")
				s.sim.Set("com.cerebro.domino.computegrid.userExecutionsQuota.maximumExecutionsPerUser", "1000")
				first := s.must(0, "audit").Audit.Estimate
				if !strings.Contains(first.Basis, "assumed") {
					t.Errorf("without a maintenance the estimate rests on %q", first.Basis)
				}
				s.maintainFor(time.Hour)
				for range grow {
					s.sim.CreateApp(dominosim.AppSpec{Running: true})
					s.sim.CreateWorkspace(dominosim.WorkspaceSpec{Running: true})
				}
				time.Sleep(10 * time.Minute)
				estimate := s.must(0, "audit").Audit.Estimate
				if estimate.Basis != "by window 000001" {
					t.Errorf("the estimate rests on %q", estimate.Basis)
				}
				s.must(0, "snapshot")
				began := time.Now()
				s.must(0, "shutdown")
				down := time.Since(began)
				began = time.Now()
				s.must(0, "restore")
				up := time.Since(began)
				for _, step := range []struct {
					name            string
					estimated, took time.Duration
				}{{"shutdown", estimate.Down, down}, {"restore", estimate.Up, up}, {"both", estimate.Down + estimate.Up, down + up}} {
					off := float64(step.estimated-step.took) / float64(step.took)
					t.Logf("%s: estimated %s, took %s: %+.0f %%", step.name, step.estimated.Round(time.Second), step.took.Round(time.Second), off*100)
					// A step alone is at the mercy of the lists' lag, which is up to 40 s each time that some are waited for.
					if most := map[bool]float64{true: 0.2, false: 0.35}[step.name == "both"]; off < -most || off > most {
						t.Errorf("%s: estimated %s, took %s: %+.0f %%", step.name, step.estimated, step.took, off*100)
					}
				}
			})
		})
	}
}
