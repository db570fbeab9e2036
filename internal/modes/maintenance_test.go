package modes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim/spectest"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
)

func TestMain(m *testing.M) {
	crash.Tell(func(e *crash.Error) {
		w, ok := e.Value.(*world)
		if !ok {
			panic(e)
		}
		w.kill(e) // as main does
	})
	var options []goleak.Option
	if os.Getenv("DMM_TEST_S3_ENDPOINT") != "" { // whose client keeps connections that nobody can close
		options = append(options, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	}
	goleak.VerifyTestMain(m, options...)
}

// site is a simulated deployment with the store its maintenance is recorded in, and the
// settings that every mode is run with.
type site struct {
	t     *testing.T
	sim   *dominosim.Sim
	store store.Store
	env   []string
	from  string // the profile that it began with

	transport http.RoundTripper
	quiet     bool           // no log, also with -v
	log       io.Writer      // where the log goes, unless nil
	cluster   bool           // the pods of the simulation can be listed
	staged    *dominosim.Sim // that of the last rehearsal
}

// lagging is a deployment that is as awkward as Domino may be: lists late by up to 40 s and
// going back in time, calls that land up to 15 s after their client gave up.
func lagging(profile string) dominosim.Config {
	c := dominosim.Lagged(dominosim.Config{
		Profile: profile, Seed: 11, Latency: 30 * time.Millisecond, StartTime: 20 * time.Second, StopTime: 15 * time.Second,
		Projects: 4, Apps: 8, Models: 5, Workspaces: 8, Schedules: 6, Endpoints: 3, Deployments: 3, StoppedFraction: 0.3,
	})
	return c
}

func newSite(t *testing.T, c dominosim.Config, env ...string) *site {
	c.OnExchange = spectest.Watch(t)
	sim := dominosim.New(c)
	if c.Deployments > 0 {
		env = append([]string{"DMM_EXTERNAL_DEPLOYMENTS=stop"}, env...)
	}
	return &site{t: t, sim: sim, store: mem.New(), env: env, from: sim.Profile(), transport: sim.RoundTripper()}
}

// run runs a mode as its command would, with further settings.
func (s *site) run(mode string, env ...string) (*report.Result, error) {
	return s.runContext(s.t.Context(), mode, env...)
}

func (s *site) runContext(ctx context.Context, mode string, env ...string) (*report.Result, error) {
	s.t.Helper()
	environ := append([]string{"DOMINO_HOSTNAME=http://domino.example.com", "DOMINO_API_KEY=" + dominosim.DefaultAPIKey, "DMM_STORE=mem:"}, s.env...)
	environ = append(environ, env...)
	slices.Reverse(environ) // of two settings of one name the later holds
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(flags)
	cfg, _, err := config.Load(environ, flags)
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() && !s.quiet {
		log = slog.New(slog.NewTextHandler(s.t.Output(), nil))
	}
	if s.log != nil {
		log = slog.New(slog.NewTextHandler(s.log, nil))
	}
	e := &modes.Env{
		Config: cfg, Out: io.Discard, Log: log, Version: "test", Transport: s.transport, Store: s.store,
		ExitCode: func(res *report.Result, err error) int {
			if err != nil {
				return 1
			}
			return res.Code
		},
	}
	e.Staged = func(sim *dominosim.Sim) { s.staged = sim }
	if s.cluster {
		e.Pods = func(context.Context) ([]execution.Pod, error) {
			var pods []execution.Pod
			for _, p := range s.sim.Pods() {
				pods = append(pods, execution.Pod{Name: p.Name, Namespace: "domino-compute", Phase: "Running", Labels: p.Labels, Claims: p.Claims})
			}
			return pods, nil
		}
	}
	for _, m := range modes.All() {
		if m.Name == mode {
			return m.Run(ctx, e)
		}
	}
	s.t.Fatalf("no mode %q", mode)
	return nil, nil
}

// must runs a mode that is expected to end with a code.
func (s *site) must(code int, mode string, env ...string) *report.Result {
	s.t.Helper()
	res, err := s.run(mode, env...)
	if err != nil {
		s.t.Fatalf("dmm %s: %v", mode, err)
	}
	if res.Code != code {
		var b strings.Builder
		_ = res.WriteText(&b)
		s.t.Fatalf("dmm %s: code %d, want %d:\n%s", mode, res.Code, code, b.String())
	}
	return res
}

func (s *site) running() map[dominosim.Key]dominosim.Run { return s.sim.Ledger().Snapshot() }

// wantSame asserts that what runs now is what ran before, each with the same arguments.
func (s *site) wantSame(before map[dominosim.Key]dominosim.Run) {
	s.t.Helper()
	if diff := cmp.Diff(s.arguments(before), s.arguments(s.running()), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("what runs after the maintenance (-want +got):\n%s", diff)
	}
}

// arguments is what each runs with, as far as a restart can have it: not as whom and since
// when, not how its commit was named, and not a volume that is no longer registered.
// Definitions of schedules are compared as Domino shows them (shown).
func (s *site) arguments(runs map[dominosim.Key]dominosim.Run) map[dominosim.Key]dominosim.Run {
	return alike(s.exact(runs))
}

// exact is arguments with each job by its own id.
func (s *site) exact(runs map[dominosim.Key]dominosim.Run) map[dominosim.Key]dominosim.Run {
	registered := map[string]bool{}
	var volumes []struct{ ID string }
	s.get("/v4/datamount/all", &volumes)
	for _, v := range volumes {
		registered[v.ID] = true
	}
	out := map[dominosim.Key]dominosim.Run{}
	for k, r := range runs {
		r = r.Arguments()
		r.GitRef, r.Definition = nil, nil
		r.Volumes = slices.DeleteFunc(slices.Clone(r.Volumes), func(id string) bool { return !registered[id] })
		if k.Kind == dominosim.KindApp && s.older("6.1") {
			// Neither commit nor mounts are told (api.md §8): the newest commit and all local volumes of
			// the project are what can be had.
			r.Commit, r.Volumes, r.NetAppVolumes = "", nil, nil
		}
		if k.Kind == dominosim.KindApp && s.older("5.7") {
			r.Environment, r.EnvironmentRevision = "", "" // nor is the environment
		}
		out[k] = r
	}
	return out
}

// alike numbers jobs of the same command: they are the same but for their ids, and which of them a re-run repeats makes no difference.
func alike(runs map[dominosim.Key]dominosim.Run) map[dominosim.Key]dominosim.Run {
	out := map[dominosim.Key]dominosim.Run{}
	counted := map[string]int{}
	for k, r := range runs {
		if k.Kind == dominosim.KindJob {
			counted[r.Command]++
			k.ID = fmt.Sprintf("%s, %d", r.Command, counted[r.Command])
			r.Key = k
		}
		out[k] = r
	}
	return out
}

// older reports whether the deployment was older than a profile when it began.
func (s *site) older(profile string) bool {
	all := dominosim.Profiles()
	return slices.Index(all, s.from) < slices.Index(all, profile)
}

// shown is every schedule's definition as Domino shows it, but for whether it is paused.
func (s *site) shown() map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range s.sim.Objects(dominosim.KindScheduledJob) {
		var d map[string]any
		s.get("/v4/projects/"+o.ProjectID+"/scheduledjobs/"+o.ID, &d)
		out[o.ID] = d
	}
	return out
}

// get and post ask the simulator directly, as an administrator.
func (s *site) get(path string, into any) {
	s.t.Helper()
	if err := json.Unmarshal(s.ask(http.MethodGet, path, ""), into); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
}

func (s *site) post(path, body string) {
	s.t.Helper()
	s.ask(http.MethodPost, path, body)
}

func (s *site) ask(method, path, body string) []byte {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://domino.example.com"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Domino-Api-Key", dominosim.DefaultAPIKey)
	res, err := s.sim.RoundTripper().RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, answer, err)
	}
	return answer
}

// stops and starts are how often a call of dmm has stopped or started an execution, in effect.
func effects(e dominosim.Entry) (stops, starts int) {
	if e.Kind != dominosim.KindScheduledJob {
		return e.Effects("stop"), e.Effects("start")
	}
	for _, c := range e.Calls {
		switch paused, _ := c.Args["isPaused"].(bool); {
		case !c.Effect:
		case paused:
			stops++
		default:
			starts++
		}
	}
	return stops, starts
}

// wantExactly asserts from the ledger that each execution of want was stopped and started
// so many times, and that nothing else was touched.
func (s *site) wantExactly(want map[dominosim.Key]dominosim.Run, stops, starts func(dominosim.Key) int) {
	s.t.Helper()
	for k := range want {
		gotStops, gotStarts := effects(s.sim.Ledger().Entry(k.Kind, k.ID))
		if gotStops != stops(k) || gotStarts != starts(k) {
			s.t.Errorf("%s %s: stopped %d times and started %d times in effect, want %d and %d", k.Kind, k.ID, gotStops, gotStarts, stops(k), starts(k))
		}
	}
	for _, e := range s.sim.Ledger().Entries() {
		if _, ok := want[e.Key]; !ok && len(e.Calls) > 0 {
			s.t.Errorf("%s %s did not run and was called: %+v", e.Kind, e.ID, e.Calls)
		}
		for _, c := range e.Calls {
			if len(c.Unknown) > 0 && e.Kind != dominosim.KindScheduledJob { // unknown fields of a schedule are kept on purpose
				s.t.Errorf("%s %s: %s sent %v, which this version of Domino does not read", e.Kind, e.ID, c.Op, c.Unknown)
			}
		}
	}
}

func once(dominosim.Key) int { return 1 }

// TestMaintenanceBringsBackExactlyWhatRan plays the whole maintenance of each version, with the upgrade to the next
// one in its middle, and over all of them at once.
func TestMaintenanceBringsBackExactlyWhatRan(t *testing.T) {
	profiles := dominosim.Profiles()
	upgrades := [][2]string{{profiles[0], profiles[len(profiles)-1]}}
	for i, p := range profiles {
		upgrades = append(upgrades, [2]string{p, p})
		if i > 0 {
			upgrades = append(upgrades, [2]string{profiles[i-1], p})
		}
	}
	for _, u := range upgrades {
		from, to := u[0], u[1]
		t.Run(from+" to "+to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lagging(from)
				c.RenumberInstances = from != to
				s := newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
				before, definitions := s.running(), s.definitions()
				shown := s.shown()

				s.must(0, "snapshot")
				s.must(0, "shutdown")
				if left := s.running(); len(left) > 0 {
					t.Fatalf("after shutdown %d executions run: %v", len(left), slices.Collect(maps.Keys(left)))
				}
				s.sim.SetVersion(to)
				s.must(0, "restore")

				s.wantSame(before)
				s.wantExactly(before, once, once)
				if diff := cmp.Diff(definitions, s.definitions()); diff != "" {
					t.Errorf("definitions of schedules (-before +after):\n%s", diff)
				}
				if diff := cmp.Diff(shown, s.shown()); diff != "" && from == to {
					t.Errorf("schedules as Domino shows them (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// definitions is every schedule's definition as the simulator keeps it, in the form of a PUT, but for what says no more
// than its absence: two versions fill in different defaults.
func (s *site) definitions() map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range s.sim.Objects(dominosim.KindScheduledJob) {
		d := s.sim.Definition(o.ID)
		maps.DeleteFunc(d, func(_ string, v any) bool {
			list, isList := v.([]any)
			return v == nil || v == false || isList && len(list) == 0
		})
		out[o.ID] = d
	}
	return out
}

func TestWorkspacesAreLeftToTheirOwnersByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.1"))
		before := s.running()
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		res := s.must(0, "restore")

		starts := func(k dominosim.Key) int {
			if k.Kind == dominosim.KindWorkspace {
				return 0
			}
			return 1
		}
		s.wantExactly(before, once, starts)
		left := 0
		for _, e := range res.Executions {
			if e.Outcome == "left" && e.Kind == "Workspace" && e.Reason != "" {
				left++
			}
		}
		workspaces := 0
		for k := range before {
			if k.Kind == dominosim.KindWorkspace {
				workspaces++
			}
		}
		if left != workspaces || workspaces == 0 {
			t.Errorf("%d workspaces are reported as left, want the %d that ran", left, workspaces)
		}
		if res.Phase != "closed" {
			t.Errorf("the window is %s, want closed: what is left to its owner is settled", res.Phase)
		}
	})
}

func TestAnAppThatItsOwnerStoppedAfterTheSnapshotStaysStopped(t *testing.T) {
	for name, afterwards := range map[string]time.Duration{"seen by the list": time.Minute, "hidden by the lag": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, lagging("6.1"), "DMM_RESTORE_WORKSPACES=true")
				before := s.running()
				app := s.anyRunning(dominosim.KindApp)
				s.must(0, "snapshot")
				if err := s.sim.OwnerStopApp(app.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(15*time.Second + afterwards)
				res := s.must(0, "shutdown")
				if got := outcomeOf(res, app.ID); got != "not-ours" {
					t.Errorf("shutdown says %q of it, want not-ours", got)
				}
				s.must(0, "restore")
				if _, runs := s.running()[app]; runs {
					t.Error("it runs again, though its owner had stopped it")
				}
				delete(before, app)
				s.wantSame(before)
			})
		})
	}
}

func TestAnAppStartedDuringShutdownIsStoppedAndRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{
			Profile: "6.1", Seed: 3, Latency: 30 * time.Millisecond, StartTime: 5 * time.Second, StopTime: 10 * time.Second,
			Projects: 3, Apps: 6, Models: 3, Workspaces: 3, Schedules: 3, StoppedFraction: 0.5,
		}, "DMM_RESTORE_WORKSPACES=true")
		before := s.running()
		var late dominosim.Key
		for _, o := range s.sim.Objects(dominosim.KindApp) {
			if _, runs := before[o.Key]; !runs {
				late = o.Key
			}
		}
		s.must(0, "snapshot")
		time.AfterFunc(6*time.Second, func() {
			if err := s.sim.OwnerStartApp(late.ID); err != nil {
				t.Error(err)
			}
		})
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			t.Fatalf("after shutdown %d executions run", len(left))
		}
		s.must(0, "restore")
		stops, starts := effects(s.sim.Ledger().Entry(late.Kind, late.ID))
		if stops != 1 || starts != 1 {
			t.Errorf("the app that was started during shutdown was stopped %d times and started %d times, want once each", stops, starts)
		}
		if _, runs := s.running()[late]; !runs {
			t.Error("it does not run again")
		}
	})
}

func TestASecondMaintenanceFollowsAFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.1"), "DMM_RESTORE_WORKSPACES=true")
		before := s.running()
		for range 2 {
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			s.must(0, "restore")
		}
		s.wantSame(before)
	})
}

func TestAShutdownCanBeCalledOffHalfway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, lagging("6.1"), "DMM_RESTORE_WORKSPACES=true")
		before := s.running()
		s.must(0, "snapshot")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(2*time.Second, func() { stop(modes.ErrInterrupted) })
		_, err := s.runContext(ctx, "shutdown")
		if modes.Classify(err) != modes.FaultInterrupted {
			t.Fatalf("interrupted shutdown: %v, want ErrInterrupted", err)
		}
		s.must(0, "restore")
		s.wantSame(before)
		s.wantAtMostOnce()
	})
}

// wantAtMostOnce asserts that nothing was started twice.
func (s *site) wantAtMostOnce() {
	s.t.Helper()
	for _, e := range s.sim.Ledger().Entries() {
		if _, starts := effects(e); starts > 1 {
			s.t.Errorf("%s %s was started %d times", e.Kind, e.ID, starts)
		}
	}
}

func TestAnInterruptedStepGoesOnWhereItWas(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 40 * time.Millisecond, 100 * time.Millisecond, time.Second, 16 * time.Second, 40 * time.Second, 2 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, lagging("6.1"), "DMM_RESTORE_WORKSPACES=true")
				before := s.running()
				s.must(0, "snapshot")
				for _, mode := range []string{"shutdown", "restore"} {
					ctx, stop := context.WithCancelCause(t.Context())
					timer := time.AfterFunc(after, func() { stop(modes.ErrInterrupted) })
					_, err := s.runContext(ctx, mode)
					timer.Stop()
					if err != nil && modes.Classify(err) != modes.FaultInterrupted {
						t.Fatalf("interrupted %s: %v", mode, err)
					}
					s.must(0, mode)
				}
				s.wantSame(before)
				s.wantAtMostOnce()
			})
		})
	}
}

func (s *site) anyRunning(kind string) dominosim.Key {
	keys := slices.SortedFunc(maps.Keys(s.sim.Ledger().Running(kind)), strings.Compare)
	if len(keys) == 0 {
		s.t.Fatalf("no %s runs", kind)
	}
	return dominosim.Key{Kind: kind, ID: keys[0]}
}

func outcomeOf(res *report.Result, id string) string {
	for _, e := range res.Executions {
		if e.ID == id {
			return e.Outcome
		}
	}
	return fmt.Sprintf("nothing (of %d)", len(res.Executions))
}
