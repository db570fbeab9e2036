// Package kill tests what becomes of a maintenance whose process is killed, told to stop,
// or not alone: the built binary runs against the simulator over loopback, and the
// simulator's ledger says in the end what each execution went through.
//
// Everything that Domino takes time for goes sixty times as fast as it may be: a lease of
// 1 s stands for one of 60 s, and settle time, list lag and late landing are scaled alike.
package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim/spectest"
	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// Times of a real maintenance, and the fraction of them that these tests take.
const (
	scale  = 60
	lease  = 60 * time.Second / scale
	settle = 80*time.Second/scale + time.Millisecond // the call timeout, a third of the lease, comes by itself
	lag    = 40 * time.Second / scale
	late   = 15 * time.Second / scale
)

// binary is the path of dmm, built once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for other processes and for clocks, not for this machine's cores.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("16")
	}
	dir, err := os.MkdirTemp("", "dmm-kill-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "dmm")
	// It is built as make build does, so that nothing is compiled twice under make. Git is not asked for a stamp, since it refuses
	// in somebody else's checkout.
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../../cmd/dmm")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build dmm: %v\n%s", err, out))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// drawn is a sample of so many cases, the same each time, or all of them.
func drawn[C any](t *testing.T, few int, what string, cases map[string]C) map[string]C {
	names := slices.Sorted(maps.Keys(cases))
	n := draw.Sample(t, few, len(names), what, "kills")
	out := map[string]C{}
	for i := range n {
		name := names[i*len(names)/n]
		out[name] = cases[name]
	}
	return out
}

// site is a simulated deployment, a store on disk, and the settings dmm is run with.
type site struct {
	t     *testing.T
	sim   *dominosim.Sim
	url   string
	store string
	env   []string
	how   func(*exec.Cmd) // changes how processes are started, unless nil

	mu      sync.Mutex
	onPoint func(moment)
}

// moment is a request as the simulator has it in hand.
type moment struct {
	request  string // method and path, ids written {id}
	answered bool   // it has taken effect, and its answer is about to be sent
	gone     <-chan struct{}
}

// lagging is a deployment as awkward as Domino may be, sixty times as fast.
func lagging() dominosim.Config {
	return dominosim.Config{
		Profile: "6.1", Seed: 5, Latency: 10 * time.Millisecond, StartTime: 300 * time.Millisecond, StopTime: 300 * time.Millisecond,
		ListLag: lag, LagGoesBack: true, LateLanding: late,
		Projects: 3, Apps: 6, Models: 4, Workspaces: 6, Schedules: 6, StoppedFraction: 0.3,
	}
}

func newSite(t *testing.T, c dominosim.Config, env ...string) *site {
	s := &site{t: t, store: t.TempDir(), env: env}
	c.OnRequest = func(_ int, r *http.Request) error { s.pass(r, false); return nil }
	c.OnAnswer = func(_ int, r *http.Request, _ int) error { s.pass(r, true); return nil }
	c.OnExchange = spectest.Watch(t)
	s.sim = dominosim.New(c)
	server := httptest.NewServer(s.sim.Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

var id = regexp.MustCompile(`[0-9a-f]{24}`)

func (s *site) pass(r *http.Request, answered bool) {
	s.mu.Lock()
	f := s.onPoint
	s.mu.Unlock()
	if f != nil {
		f(moment{r.Method + " " + id.ReplaceAllString(r.URL.Path, "{id}"), answered, r.Context().Done()})
	}
}

// on has f called for every request, in the goroutine that serves it; nil: no more.
func (s *site) on(f func(moment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onPoint = f
}

// process is one dmm at work.
type process struct {
	t       *testing.T
	mode    string
	cmd     *exec.Cmd
	out     bytes.Buffer // standard output
	log     bytes.Buffer // standard error
	started chan struct{}
}

// start starts a mode of the built binary. Only what a test sets is in its environment.
func (s *site) start(mode string, env ...string) *process {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	s.t.Cleanup(cancel)
	p := &process{t: s.t, mode: mode, cmd: exec.CommandContext(ctx, binary, mode), started: make(chan struct{})}
	p.cmd.Env = slices.Concat([]string{
		"DOMINO_HOSTNAME=" + s.url, "DOMINO_API_KEY=" + dominosim.DefaultAPIKey, "DMM_STORE=file://" + s.store,
		"DMM_LEASE=" + lease.String(), "DMM_SETTLE=" + settle.String(), "DMM_LOCK_WAIT=10s", "DMM_GRACE_PERIOD=20s",
		"DMM_CONCURRENCY=4", // small batches, so that there is an inside to a step
		"DMM_RESTORE_WORKSPACES=true", "DMM_LOG_LEVEL=debug",
	}, s.env, env)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	if s.how != nil {
		s.how(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	close(p.started)
	return p
}

// signal sends a signal to the process once it is there, from whatever goroutine.
func (p *process) signal(sig os.Signal) error {
	<-p.started
	return p.cmd.Process.Signal(sig)
}

// wait returns the exit code, or the signal that ended the process.
func (p *process) wait() (code int, by syscall.Signal) {
	err := p.cmd.Wait()
	if text := p.out.String() + p.log.String(); strings.Contains(text, dominosim.DefaultAPIKey) {
		p.t.Errorf("dmm %s shows the API key:\n%s", p.mode, text)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("dmm %s: %v", p.mode, err)
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -1, status.Signal()
	}
	return status.ExitStatus(), 0
}

// wantCode asserts how the process ends, by itself.
func (p *process) wantCode(want int) {
	p.t.Helper()
	if code, by := p.wait(); code != want {
		p.t.Fatalf("dmm %s ends with code %d (signal %d), want %d:\n%s\n%s", p.mode, code, by, want, p.out.String(), p.log.String())
	}
}

// must runs a mode to its end and asserts its exit code.
func (s *site) must(code int, mode string, env ...string) {
	s.t.Helper()
	s.start(mode, env...).wantCode(code)
}

// line is what these tests read of a line of the journal.
type line struct {
	Run   string
	Event string
	Code  *int
	Key   *struct{ Kind, ID string }
	Goal  string
}

// journal reads the first window as its files have it.
func (s *site) journal() []line {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(s.store, "windows/000001/journal/*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(names)
	var lines []line
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		for raw := range strings.Lines(string(body)) {
			var l line
			if err := json.Unmarshal([]byte(raw), &l); err != nil {
				s.t.Fatalf("%s: %v", name, err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// state is all that a maintenance must not change.
type state struct {
	runs      map[dominosim.Key]dominosim.Run
	arguments map[dominosim.Key]dominosim.Run
	schedules map[string]map[string]any
}

func (s *site) state() state {
	runs := s.sim.Ledger().Snapshot()
	return state{runs, s.arguments(runs), s.schedules()}
}

// arguments is what each runs with, as far as a restart can have it: not as whom and since
// when, not how its commit was named, and not a volume that is no longer registered.
// Definitions of schedules are compared as Domino shows them (schedules).
func (s *site) arguments(runs map[dominosim.Key]dominosim.Run) map[dominosim.Key]dominosim.Run {
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
		out[k] = r
	}
	return out
}

// schedules is every schedule as Domino shows it, whether it is paused included.
func (s *site) schedules() map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range s.sim.Objects(dominosim.KindScheduledJob) {
		var d map[string]any
		s.get("/v4/projects/"+o.ProjectID+"/scheduledjobs/"+o.ID, &d)
		out[o.ID] = d
	}
	return out
}

// get asks the simulator directly, as an administrator.
func (s *site) get(path string, into any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Domino-Api-Key", dominosim.DefaultAPIKey)
	res, err := s.sim.RoundTripper().RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
}

// wantNothingRunning asserts what a shutdown is for.
func (s *site) wantNothingRunning() {
	s.t.Helper()
	if left := s.sim.Ledger().Snapshot(); len(left) > 0 {
		s.t.Fatalf("after shutdown %d executions run: %v", len(left), left)
	}
}

// wantBroughtBack asserts the sentence that the whole design serves: what ran before runs
// again, with the same arguments, stopped at least and started exactly once in effect;
// nothing else was touched; every schedule is as it was.
func (s *site) wantBroughtBack(before state) {
	s.t.Helper()
	after := s.state()
	if len(before.runs) < 15 {
		s.t.Fatalf("only %d executions ran before: this test proves little", len(before.runs))
	}
	if diff := cmp.Diff(before.arguments, after.arguments, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("what runs after the maintenance (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before.schedules, after.schedules); diff != "" {
		s.t.Errorf("schedules as Domino shows them (-before +after):\n%s", diff)
	}
	for k := range before.runs {
		if stops, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); stops < 1 || starts != 1 {
			s.t.Errorf("%s %s: stopped %d times and started %d times in effect, want at least once and exactly once", k.Kind, k.ID, stops, starts)
		}
	}
	for _, e := range s.sim.Ledger().Entries() {
		if _, ran := before.runs[e.Key]; !ran && len(e.Calls) > 0 {
			s.t.Errorf("%s %s did not run and was called: %+v", e.Kind, e.ID, e.Calls)
		}
	}
}

// effects is how often calls of dmm stopped and started an execution in effect.
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
