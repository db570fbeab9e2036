package modes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// propertySeed is what the property test makes its systems up from, when -rapid.seed does not say. It is the same each
// time, so that a failure is about the change and not about the day; make soak draws others (-rapid.seed=0).
const propertySeed = 1

// A maintenance is one case of the property test: a system, what its owners do meanwhile,
// what Domino does wrong, and how the processes of dmm end. It is made up before anything
// runs, so that it can be run again, made smaller, and kept as a file.
type maintenance struct {
	Profile    string  `json:"profile"`
	Seed       uint64  `json:"seed"`
	Awkward    bool    `json:"awkward,omitempty"`
	NoLag      bool    `json:"noLag,omitempty"`
	LagReads   bool    `json:"lagReads,omitempty"` // reads of one object lag as lists do
	Apps       int     `json:"apps,omitempty"`
	Models     int     `json:"models,omitempty"`
	Workspaces int     `json:"workspaces,omitempty"`
	Schedules  int     `json:"schedules,omitempty"`
	Jobs       int     `json:"jobs,omitempty"`
	Builds     int     `json:"builds,omitempty"`
	Stopped    float64 `json:"stopped,omitempty"`

	RunningJobs string `json:"runningJobs,omitempty"` // DMM_RUNNING_JOBS, wait if empty. Builds are cancelled with stop and discard
	Rerun       bool   `json:"rerun,omitempty"`       // DMM_RERUN_JOBS and DMM_REBUILD

	MaxFailures     int  `json:"maxFailures,omitempty"`
	LeaveWorkspaces bool `json:"leaveWorkspaces,omitempty"` // DMM_RESTORE_WORKSPACES=false
	CallOff         bool `json:"callOff,omitempty"`         // a shutdown that was ended is not gone on with: restore follows
	Retries         int  `json:"retries,omitempty"`         // how often a step that ended with 3 is run again
	PauseMS         int  `json:"pauseMS,omitempty"`         // between two runs

	// Forget is what the store does once the shutdown is over: "tail" loses the end of the journal, "rollback" goes back
	// to how it was ForgetMS after the shutdown began, "swap" is another store, which is empty.
	Forget   string `json:"forget,omitempty"`
	ForgetMS int    `json:"forgetMS,omitempty"`

	Owners    []ownersAction  `json:"owners,omitempty"`
	Faults    []plannedFault  `json:"faults,omitempty"`
	Truncated []int           `json:"truncated,omitempty"` // answers, by number over the whole case, that are cut in half
	Ends      []endOfAProcess `json:"ends,omitempty"`
}

// An ownersAction happens so long after a stage of the maintenance has begun.
type ownersAction struct {
	Stage   int    `json:"stage"` // index in stages
	AfterMS int    `json:"afterMS"`
	Kind    string `json:"kind"`
	Pick    int    `json:"pick"` // which of that kind
	Do      string `json:"do"`   // stop, start, flip (whichever of the two is possible), edit (an app: restart on another tier)
}

// A plannedFault is put in place when a stage begins.
type plannedFault struct {
	Stage   int    `json:"stage"`
	Kind    string `json:"kind"` // a kind of dominosim
	Path    string `json:"path,omitempty"`
	Method  string `json:"method,omitempty"`
	Nth     int    `json:"nth"`
	Times   int    `json:"times"`
	Status  int    `json:"status,omitempty"`
	Retry   string `json:"retry,omitempty"` // Retry-After
	DelayMS int    `json:"delayMS,omitempty"`
}

// An endOfAProcess is a death at a numbered operation, or a signal at a time.
type endOfAProcess struct {
	Mode     string `json:"mode"`
	Run      int    `json:"run"` // which run of the step, from 0
	At       int    `json:"at,omitempty"`
	Moment   moment `json:"moment,omitempty"`
	SignalMS int    `json:"signalMS,omitempty"`
}

// The stages of a maintenance, each of which begins when the one before is over.
var stages = []string{"before the snapshot", "snapshot", "shutdown", "between", "restore"}

// faultsToDraw are the faults that Domino and what lies before it are known for. Those that bend what
// a call does once it was accepted (stop-fails and the like) are not among them: nothing could be done about them.
var faultsToDraw = []plannedFault{
	{Kind: dominosim.FaultStatus, Status: 408},
	{Kind: dominosim.FaultStatus, Status: 429},
	{Kind: dominosim.FaultStatus, Status: 429, Retry: "7"},
	{Kind: dominosim.FaultStatus, Status: 500},
	{Kind: dominosim.FaultStatus, Status: 503},
	{Kind: dominosim.FaultHTML, Status: 502},
	{Kind: dominosim.FaultHTML, Status: 500},
	{Kind: dominosim.FaultLost, Status: 502},
	{Kind: dominosim.FaultLost, Status: 504},
	{Kind: dominosim.FaultLost},
	{Kind: dominosim.FaultDrop},
	{Kind: dominosim.FaultRefuse},
	{Kind: dominosim.FaultHang},
	{Kind: dominosim.FaultSlow},
	{Kind: dominosim.FaultEmpty},
}

var (
	callPaths = []string{
		stopApp, startApp, stopWS, startWS, startModel, "/v4/models/{id}/{id}/stopModelDeployment",
		"/v4/jobs/stop", "/v4/jobs/restart", "/v4/environments/{id}/environmentRevision/{id}/cancel", "/v4/environments/rebuildrevision",
	}
	schedulePath = "/v4/projects/{id}/scheduledjobs/{id}"
)

func drawMaintenance(t *rapid.T) maintenance {
	some := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	m := maintenance{
		Profile:    rapid.SampledFrom([]string{"6.1", "6.2", "5.9"}).Draw(t, "profile"),
		Seed:       rapid.Uint64Range(1, 1<<16).Draw(t, "seed"),
		Awkward:    rapid.Bool().Draw(t, "awkward"),
		NoLag:      some("noLag", 4) == 4,
		Apps:       some("apps", 3),
		Models:     some("models", 2),
		Workspaces: some("workspaces", 2),
		Schedules:  some("schedules", 2),
		Jobs:       some("jobs", 3),
		Builds:     some("builds", 1),
		Stopped:    rapid.SampledFrom([]float64{0, 0.3, 0.7}).Draw(t, "stopped"),

		RunningJobs: rapid.SampledFrom([]string{"stop", "stop", "discard", "wait", "ignore"}).Draw(t, "runningJobs"),
		Rerun:       some("rerun", 3) > 0,

		MaxFailures:     rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "maxFailures"),
		LeaveWorkspaces: some("leaveWorkspaces", 5) == 5,
		CallOff:         some("callOff", 4) == 4,
		Retries:         some("retries", 2),
		PauseMS:         rapid.SampledFrom([]int{0, 0, 1_000, 30_000, 120_000}).Draw(t, "pause"),
	}
	m.LagReads = !m.NoLag && some("lagReads", 2) == 2
	if m.Apps+m.Models+m.Workspaces+m.Schedules+m.Jobs+m.Builds == 0 {
		m.Apps = 1
	}
	// What happens, happens mostly early in a stage, when most is under way.
	delay := rapid.OneOf(rapid.IntRange(0, 700), rapid.IntRange(0, 3_000), rapid.IntRange(0, 30_000), rapid.IntRange(0, 200_000))
	m.Owners = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ownersAction {
		return ownersAction{
			Stage: rapid.IntRange(0, len(stages)-1).Draw(t, "stage"), AfterMS: delay.Draw(t, "after"),
			Kind: rapid.SampledFrom([]string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob, dominosim.KindJob}).Draw(t, "kind"),
			Pick: rapid.IntRange(0, 7).Draw(t, "pick"), Do: rapid.SampledFrom([]string{"flip", "stop", "start", "edit"}).Draw(t, "do"),
		}
	}), 0, 12).Draw(t, "owners")
	m.Faults = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plannedFault {
		f := rapid.SampledFrom(faultsToDraw).Draw(t, "fault")
		f.Stage = rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "stage")
		f.Nth, f.Times = rapid.IntRange(1, 6).Draw(t, "nth"), rapid.IntRange(1, 3).Draw(t, "times")
		switch rapid.IntRange(0, 5).Draw(t, "where") {
		case 0:
			f.Method = http.MethodGet
		case 1:
			f.Path = schedulePath
		case 2:
			f.Nth *= 10 // anything at all
		default:
			f.Path = rapid.SampledFrom(callPaths).Draw(t, "path")
		}
		switch f.Kind {
		case dominosim.FaultLost:
			f.DelayMS = rapid.IntRange(0, 15_000).Draw(t, "delay")
		case dominosim.FaultHang, dominosim.FaultSlow:
			f.DelayMS = rapid.IntRange(0, 30_000).Draw(t, "delay")
		}
		return f
	}), 0, 4).Draw(t, "faults")
	if some("forgets", 9) == 9 {
		m.Forget = rapid.SampledFrom([]string{"tail", "rollback", "rollback", "rollback", "swap"}).Draw(t, "forget")
		m.ForgetMS = delay.Draw(t, "back to")
	}
	m.Truncated = rapid.SliceOfN(rapid.IntRange(1, 300), 0, 2).Draw(t, "truncated")
	m.Ends = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) endOfAProcess {
		e := endOfAProcess{Mode: rapid.SampledFrom([]string{"shutdown", "restore"}).Draw(t, "mode"), Run: rapid.IntRange(0, 2).Draw(t, "run")}
		if rapid.Bool().Draw(t, "signal") {
			e.SignalMS = delay.Draw(t, "after")
			return e
		}
		e.At, e.Moment = rapid.IntRange(1, 150).Draw(t, "at"), rapid.SampledFrom([]moment{before, after, lost, late, hung, hung}).Draw(t, "moment")
		return e
	}), 0, 4).Draw(t, "ends")
	// A signal while Domino hangs is rare among all that, and the case in which a call lands after its run has
	// said its last word.
	if some("hang", 3) == 3 {
		f := plannedFault{Kind: dominosim.FaultHang, Nth: rapid.IntRange(1, 2).Draw(t, "nth"), Times: 1, DelayMS: rapid.IntRange(10_000, 30_000).Draw(t, "delay")}
		e := endOfAProcess{SignalMS: rapid.IntRange(300, 3_000).Draw(t, "after")}
		if rapid.Bool().Draw(t, "restore") {
			f.Stage, f.Path, e.Mode = 4, rapid.SampledFrom([]string{startApp, startWS, startModel}).Draw(t, "path"), "restore"
		} else {
			f.Stage, f.Path, e.Mode = 2, rapid.SampledFrom([]string{stopApp, stopWS}).Draw(t, "path"), "shutdown"
		}
		m.PauseMS, m.Faults, m.Ends = 0, append(m.Faults, f), append(m.Ends, e)
	}
	return m
}

// TestNothingIsLostAndNothingIsStartedAgainstItsOwner makes up systems, owners, faults and ends of the
// process, and holds the simulator's ledger against the sentence that dmm is about: no execution that was
// running before the maintenance is left behind unreported, and none is started that its owner had stopped.
//
// A case that fails is printed as JSON. Kept as a file in testdata/counterexamples it is run for ever after.
func TestNothingIsLostAndNothingIsStartedAgainstItsOwner(t *testing.T) {
	t.Parallel()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := map[string]int{}
	if !given["rapid.seed"] {
		set["rapid.seed"] = propertySeed
	}
	if !given["rapid.checks"] {
		set["rapid.checks"] = draw.Sample(t, 100, 2000, "random maintenances", "random")
	}
	for name, value := range set {
		was := flag.Lookup(name).Value.String()
		t.Cleanup(func() { _ = flag.Set(name, was) })
		if err := flag.Set(name, fmt.Sprint(value)); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { t.Logf("judged: %v", judged.n) }()
	rapid.Check(t, func(r *rapid.T) {
		judged.count("cases")
		m := drawMaintenance(r)
		if wrong := play(t, m); len(wrong) > 0 {
			text, _ := json.Marshal(m)
			r.Fatalf("%s\n\nthe case: %s", strings.Join(wrong, "\n\n"), text)
		}
	})
}

// TestCounterexamples runs the cases that have failed once.
func TestCounterexamples(t *testing.T) {
	files, err := filepath.Glob("testdata/counterexamples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var m maintenance
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&m); err != nil {
				t.Fatal(err)
			}
			for _, w := range play(t, m) {
				t.Error(w)
			}
		})
	}
}

// play runs a case in virtual time and returns what was wrong. It does not fail t, since rapid
// wants to fail by itself, and outside the bubble.
func play(t *testing.T, m maintenance) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t, m)
		p.run()
		p.judge()
		wrong = p.wrong
	})
	return wrong
}

// A playing is a case under way.
type playing struct {
	maintenance
	*site
	cutter *cutter
	admin  string // whom dmm works as

	jobs    []dominosim.Key                 // each of another command
	before  map[dominosim.Key]dominosim.Run // what ran before anything happened
	shown   map[string]map[string]any       // definitions of schedules then
	did     map[dominosim.Key][]deed        // what owners did, in their order
	touched map[dominosim.Key]bool          // by an owner
	timers  []*time.Timer

	restored *report.Result         // of the last restore; nil: nobody saw it
	old      *mem.Store             // the store as it was, to be rolled back to
	forgot   bool                   // the store has lost records
	recorded map[dominosim.Key]bool // what the snapshot shows running
	badEnd   bool                   // restore ended with another code than 0
	mu       sync.Mutex
	wrong    []string
}

func newPlay(t *testing.T, m maintenance) *playing {
	c := dominosim.Config{
		Profile: m.Profile, Seed: m.Seed, Plain: !m.Awkward, StartReplaces: true,
		Latency: 30 * time.Millisecond, StartTime: 20 * time.Second, StopTime: stopTime, LateLanding: 15 * time.Second,
		Projects: 2, Apps: m.Apps, Models: m.Models, Workspaces: m.Workspaces, Schedules: m.Schedules, Builds: m.Builds, StoppedFraction: m.Stopped,
	}
	if c.Apps+c.Models+c.Workspaces+c.Schedules == 0 {
		c.Projects, c.Apps = 2, 1 // the simulator has a default system of its own
	}
	switch {
	case m.LagReads:
		c = dominosim.LaggedReads(c)
	case !m.NoLag:
		c = dominosim.Lagged(c)
	}
	p := &playing{
		maintenance: m, site: newSite(t, c, fmt.Sprintf("DMM_RESTORE_WORKSPACES=%t", !m.LeaveWorkspaces)),
		did: map[dominosim.Key][]deed{}, touched: map[dominosim.Key]bool{},
	}
	if m.MaxFailures > 0 {
		p.env = append(p.env, fmt.Sprintf("DMM_MAX_FAILURES=%d", m.MaxFailures))
	}
	if m.RunningJobs != "" {
		p.env = append(p.env, "DMM_RUNNING_JOBS="+m.RunningJobs)
	}
	if m.RunningJobs == "stop" || m.RunningJobs == "discard" {
		p.env = append(p.env, "DMM_RUNNING_BUILDS=cancel")
	}
	p.env = append(p.env, fmt.Sprintf("DMM_RERUN_JOBS=%t", m.Rerun), fmt.Sprintf("DMM_REBUILD=%t", m.Rerun))
	for i := range m.Jobs {
		p.jobs = append(p.jobs, dominosim.Key{Kind: dominosim.KindJob, ID: p.sim.CreateJob("", fmt.Sprintf("job-%d.py", i))})
	}
	p.quiet = true
	p.cutter = &cutter{next: p.sim.RoundTripper(), at: m.Truncated}
	p.admin = p.sim.Users()[0]
	p.before, p.shown = p.running(), p.site.shown()
	return p
}

func (p *playing) wrongf(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// run takes the maintenance from its snapshot to its end.
func (p *playing) run() {
	p.stage(0)
	time.Sleep(time.Duration(p.PauseMS) * time.Millisecond)
	p.stage(1)
	p.snapshot()
	p.recorded = p.inSnapshot()
	p.stage(2)
	if p.Forget == "rollback" {
		p.timers = append(p.timers, time.AfterFunc(time.Duration(p.ForgetMS)*time.Millisecond+77, func() { p.old = p.copied() }))
	}
	p.step("shutdown")
	p.stage(3)
	p.forget()
	time.Sleep(time.Duration(p.PauseMS) * time.Millisecond)
	p.stage(4)
	p.step("restore")
	for _, timer := range p.timers {
		timer.Stop()
	}
	time.Sleep(time.Minute) // what lands late must not change anything any more
	synctest.Wait()         // owners that acted have written it down
	p.sim.ClearFaults()
}

// stage lets what was planned for a stage begin.
func (p *playing) stage(n int) {
	for i, a := range p.Owners {
		if a.Stage == n {
			// Odd nanoseconds, so that no owner acts at the very moment at which dmm does.
			after := time.Duration(a.AfterMS)*time.Millisecond + time.Duration(1137+i)
			p.timers = append(p.timers, time.AfterFunc(after, func() { p.act(a) }))
		}
	}
	for _, f := range p.Faults {
		if f.Stage == n {
			fault := dominosim.Fault{
				Method: f.Method, Path: f.Path, Kind: f.Kind, Nth: f.Nth, Times: f.Times, Status: f.Status,
				Delay: time.Duration(f.DelayMS) * time.Millisecond,
			}
			if f.Retry != "" {
				fault.Header = map[string]string{"Retry-After": f.Retry}
			}
			if f.Status == http.StatusInternalServerError && f.Kind == dominosim.FaultStatus {
				fault.Body = `{"message":"Something went wrong, in Domino's words","success":false}`
			}
			p.sim.AddFault(fault)
		}
	}
}

func (p *playing) snapshot() {
	for try := range 10 {
		if try == 8 {
			p.sim.ClearFaults()
		}
		res, err := p.through(p.cutter, nil).run("snapshot")
		if err == nil && res.Code == 0 {
			return
		}
		time.Sleep(10 * time.Second)
	}
	p.wrongf("no complete snapshot after 10 tries")
}

// inSnapshot is what the newest snapshot shows running.
func (p *playing) inSnapshot() map[dominosim.Key]bool {
	snap, err := snapshot.Load(context.Background(), p.store, "latest")
	if err != nil {
		return nil // which has been said
	}
	running := map[dominosim.Key]bool{}
	for _, x := range snap.Executions {
		running[dominosim.Key{Kind: string(x.Kind), ID: x.ID}] = x.State.Up()
	}
	return running
}

// copied is a copy of the store.
func (p *playing) copied() *mem.Store {
	c := mem.New()
	for info, err := range p.store.List(context.Background(), "") {
		var body []byte
		if err == nil {
			body, err = store.ReadAll(context.Background(), p.store, info.Key, 1<<30)
		}
		if errors.Is(err, store.ErrNotFound) {
			continue // a probe
		}
		if err == nil {
			err = c.Put(context.Background(), info.Key, body, store.PutOptions{})
		}
		if err != nil {
			p.wrongf("copy the store: %v", err)
		}
	}
	return c
}

// forget has the store lose records.
func (p *playing) forget() {
	switch {
	case p.Forget == "swap":
		p.store, p.forgot = mem.New(), true
	case p.Forget == "rollback" && p.old != nil:
		p.store, p.forgot = p.old, true
	case p.Forget == "tail":
		for i, key := range slices.Backward(p.keysIn("windows/000001/journal/")) {
			if i > 0 && i > len(p.keysIn("windows/000001/journal/"))-2-p.ForgetMS%5 {
				p.remove(key)
				p.forgot = true
			}
		}
	}
	if p.forgot {
		judged.count("stores that forget: " + p.Forget)
	}
}

func (p *playing) keysIn(prefix string) []string { return p.site.keys(prefix) }

// through is the site as one process sees it.
func (p *playing) through(next http.RoundTripper, w *world) *site {
	s := *p.site
	s.transport = next
	if w != nil {
		s.store, s.transport = records{w, p.store}, domain{w, next}
	}
	return &s
}

// step runs shutdown or restore until it has ended by itself, as a Job would.
func (p *playing) step(mode string) {
	retries := p.Retries
	for n := 0; ; n++ {
		if n == 12 {
			p.sim.ClearFaults()
		}
		if n == 16 {
			p.wrongf("%s has not come to an end in %d runs", mode, n)
			return
		}
		res, err, unheard := p.once(mode, n)
		switch {
		case unheard && p.CallOff && mode == "shutdown":
			return
		case unheard:
		case err == nil && res.Code == 0 && mode == "shutdown":
			p.judgeQuiet(res)
			return
		case err == nil && res.Code == 0, err == nil && res.Code == 3 && retries == 0:
			p.badEnd = res.Code != 0
			return
		case err == nil && res.Code == 3:
			retries--
		case err == nil:
			p.wrongf("%s ended with %d: %s", mode, res.Code, res.LastLine())
			return
		case modes.Classify(err) == modes.FaultRefused && strings.Contains(err.Error(), "DMM_SNAPSHOT_MAX_AGE"):
			p.snapshot()
		case p.forgot && (modes.Classify(err) == modes.FaultRefused || modes.Classify(err) == modes.FaultNotFound):
			p.badEnd = true
			return
		case modes.Classify(err) != modes.FaultOther && modes.Classify(err) != modes.FaultInterrupted:
			p.wrongf("%s, run %d: %v", mode, n, err)
			return
		}
		time.Sleep(time.Duration(p.PauseMS) * time.Millisecond)
	}
}

// once runs a step once, with the end that was planned for that run. unheard: the process
// did not live to say how it ended.
func (p *playing) once(mode string, n int) (res *report.Result, err error, unheard bool) {
	ctx, kill := context.WithCancelCause(p.t.Context())
	defer kill(nil)
	limit := time.AfterFunc(6*time.Hour, func() { kill(fmt.Errorf("it has not ended within 6 hours")) })
	defer limit.Stop()
	w := newWorld(-1, before, kill)
	for _, e := range p.Ends {
		if e.Mode != mode || e.Run != n {
			continue
		}
		if e.At > 0 {
			if w.at < 0 {
				w = newWorld(e.At, e.Moment, kill)
			}
		} else {
			signal := time.AfterFunc(time.Duration(e.SignalMS)*time.Millisecond, func() { kill(modes.ErrInterrupted) })
			defer signal.Stop()
		}
	}
	res, err = p.through(p.cutter, w).runContext(ctx, mode)
	w.death()
	dead := w.what != "" && (w.moment == before || w.moment == after)
	if mode == "restore" {
		p.restored = nil
		if err == nil && !dead && len(res.Executions) > 0 {
			p.restored = res
		}
	}
	return res, err, dead || modes.Classify(err) == modes.FaultInterrupted
}

// cutter cuts answers in half, by their number.
type cutter struct {
	next http.RoundTripper
	at   []int

	mu sync.Mutex
	n  int
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	c.mu.Lock()
	c.n++
	cut := slices.Contains(c.at, c.n)
	c.mu.Unlock()
	if err != nil || !cut || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
	res.ContentLength = int64(len(body) / 2)
	return res, nil
}

// A deed is what an owner did, if it could be done.
type deed struct {
	at    time.Time
	do    string // stop, start, edit
	title string // edit
}

func (p *playing) act(a ownersAction) {
	running := p.running()
	objects := slices.DeleteFunc(p.sim.Objects(a.Kind), func(o dominosim.Object) bool {
		_, runs := running[o.Key]
		return a.Do == "stop" && !runs || a.Do == "start" && runs ||
			a.Kind == dominosim.KindJob && !slices.Contains(p.jobs, o.Key) ||
			o.Name == "deleted" || o.Name == "unregistered-volume" // whose owner cannot start it any more, it would fail
	})
	if len(objects) == 0 {
		return
	}
	o := objects[a.Pick%len(objects)]
	if _, runs := running[o.Key]; a.Do == "flip" {
		a.Do = "start"
		if runs {
			a.Do = "stop"
		}
	}
	d := deed{at: time.Now(), do: a.Do}
	var err error
	switch stop := a.Do == "stop"; {
	case a.Kind == dominosim.KindScheduledJob && a.Do == "edit":
		d.title = "Edited at " + clock(d.at)
		err = p.sim.EditSchedule(o.ID, func(def map[string]any) { def["title"] = d.title })
	case a.Kind == dominosim.KindScheduledJob:
		if p.sim.Definition(o.ID)["isPaused"] == stop {
			return
		}
		err = p.sim.OwnerPauseSchedule(o.ID, stop)
	case a.Kind == dominosim.KindApp && a.Do == "edit":
		p.restart(o)
		return
	case a.Do == "edit":
		return
	case a.Kind == dominosim.KindJob && stop:
		err = p.sim.OwnerStopJob(o.ID)
	case a.Kind == dominosim.KindJob:
		err = p.sim.OwnerRerunJob(o.ID)
	case a.Kind == dominosim.KindApp && stop:
		err = p.sim.OwnerStopApp(o.ID)
	case a.Kind == dominosim.KindApp:
		err = p.sim.OwnerStartApp(o.ID)
	case a.Kind == dominosim.KindModelAPI && stop:
		err = p.sim.OwnerStopModelVersion(o.ID)
	case a.Kind == dominosim.KindModelAPI:
		err = p.sim.OwnerStartModelVersion(o.ID)
	case stop:
		err = p.sim.OwnerStopWorkspace(o.ID)
	default:
		err = p.sim.OwnerStartWorkspace(o.ID)
	}
	if err == nil {
		p.note(o.Key, d)
	}
}

// note keeps what an owner did.
func (p *playing) note(k dominosim.Key, d deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched[k] = true
	if d.do != "" {
		p.did[k] = append(p.did[k], d)
	}
}

// deeds are what k's owner did, in order.
func (p *playing) deeds(k dominosim.Key) []deed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.did[k])
}

func (p *playing) wasTouched(k dominosim.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.touched[k]
}

// restart lets an app's owner, or a colleague, stop it and start it on another tier. The start goes through the API,
// so that it is in the ledger, by somebody who is not dmm.
func (p *playing) restart(o dominosim.Object) {
	stopped := time.Now()
	if p.sim.OwnerStopApp(o.ID) == nil {
		p.note(o.Key, deed{at: stopped, do: "stop"})
	} else if _, runs := p.running()[o.Key]; runs {
		return
	}
	tier := "gpu-small-k8s"
	if strings.Contains(o.ID, "7") {
		tier = "medium-k8s"
	}
	colleague := strings.SplitN(o.Project, "/", 2)[0]
	if err := p.sim.AddKey("key of "+colleague, colleague); err != nil {
		p.wrongf("%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://domino.example.com/v4/modelProducts/"+o.ID+"/start",
		strings.NewReader(`{"hardwareTierId":"`+tier+`","externalVolumeMountIds":[]}`))
	if err != nil {
		p.wrongf("%v", err)
		return
	}
	r.Header.Set("X-Domino-Api-Key", "key of "+colleague)
	if res, err := p.sim.RoundTripper().RoundTrip(r); err == nil { // else a fault has struck it
		_ = res.Body.Close()
	}
	p.note(o.Key, deed{})
}

// A turn is one time that an execution went up or down, or was told to in effect.
type turn struct {
	at  time.Time
	dmm bool // else its owner
	up  bool
	was bool           // it was up before
	c   dominosim.Call // dmm's
}

func (u turn) String() string {
	who, what := "owner", "stop"
	if u.dmm {
		who = "dmm"
	}
	if u.up {
		what = "start"
	}
	return fmt.Sprintf("%s %s at %s", who, what, clock(u.at))
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// turns are what happened to an execution, in order: dmm's calls that took effect, and its owner's.
func (p *playing) turns(k dominosim.Key) []turn {
	var turns []turn
	for _, c := range p.sim.Ledger().Entry(k.Kind, k.ID).Calls {
		if !c.Effect {
			continue
		}
		up := c.Op == "start"
		if c.Op == "put" {
			paused, _ := c.Args["isPaused"].(bool)
			up = !paused
		}
		turns = append(turns, turn{at: c.At, dmm: c.By == p.admin, up: up, c: c})
	}
	for _, d := range p.deeds(k) {
		if d.do != "edit" {
			turns = append(turns, turn{at: d.at, up: d.do == "start"})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
	_, up := p.before[k]
	for i := range turns {
		turns[i].was = up
		up = turns[i].up
	}
	return turns
}

// keys are all executions of the system.
func (p *playing) keys() []dominosim.Key {
	var keys []dominosim.Key
	for _, kind := range []string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob} {
		for _, o := range p.sim.Objects(kind) {
			keys = append(keys, o.Key)
		}
	}
	for k := range p.before {
		if k.Kind == dominosim.KindBuild {
			keys = append(keys, k)
		}
	}
	return append(keys, p.jobs...)
}

// judge holds the ledger against what was promised, once all is over.
func (p *playing) judge() {
	last, err := window.Look(p.t.Context(), p.store)
	if p.forgot && p.badEnd && errors.As(err, new(*window.DamagedError)) {
		return // nothing goes on in it, and restore has said so
	}
	if err != nil {
		p.wrongf("the journal cannot be read: %v", err)
		return
	}
	var journal []window.Line
	if last != nil {
		journal = last.Lines
	}
	named, guessed := p.reported(last)
	running := p.running()
	args, want := p.exact(running), p.exact(p.before)
	for _, runs := range []map[dominosim.Key]dominosim.Run{args, want} {
		for k, r := range runs {
			if r.Bundle != "" && !p.knows("/api/apps/beta/apps/"+k.ID) {
				r.Bundle = "" // a classic app: no route of Domino tells its bundle (api.md §8b)
				runs[k] = r
			}
		}
	}
	shown := p.site.shown()
	for _, k := range p.keys() {
		if len(p.wrong) > 5 {
			return
		}
		turns := p.turns(k)
		_, ran := p.before[k]
		_, runs := running[k]
		_, isNamed := named[k]
		complain := func(format string, args ...any) {
			p.wrongf("%s\n%s", fmt.Sprintf(format, args...), p.story(k, turns, journal))
		}

		// A store that has forgotten some of it either way: the end is not 0.
		// What was started after the snapshot only the lost entries knew (docs/guarantees.md, "What a store can lose").
		lenient := p.forgot && (p.badEnd || !p.recorded[k])

		// Nobody but dmm touched it: it is as it was, or somebody was told.
		if !lenient && !p.wasTouched(k) {
			switch {
			case ran && !runs && !isNamed:
				complain("%v ran before, does not run now, and no report says why", k)
			case !ran && runs:
				complain("%v did not run before and runs now", k)
			case ran && runs && !guessed[k] && cmp.Diff(want[k], args[k], cmpopts.EquateEmpty()) != "":
				complain("%v runs otherwise than before (-before +now):\n%s", k, cmp.Diff(want[k], args[k], cmpopts.EquateEmpty()))
			}
			if was, is := paused(p.shown[k.ID], false), paused(shown[k.ID], false); k.Kind == dominosim.KindScheduledJob && !isNamed && cmp.Diff(was, is) != "" {
				complain("the definition of %v (-before +now):\n%s", k, cmp.Diff(was, is))
			}
		}
		if k.Kind == dominosim.KindScheduledJob {
			p.judgeEdits(k, shown[k.ID], complain)
		}

		// What dmm brought down is up again, as it was, or somebody was told.
		if i := slices.IndexFunc(turns, func(u turn) bool { return !u.up }); i >= 0 && !runs && !isNamed && !lenient {
			down := turns[len(turns)-1]
			for _, u := range slices.Backward(turns) {
				if !u.up && u.was {
					down = u
					break
				}
			}
			if down.dmm {
				complain("%v was stopped by dmm at %s, does not run, and no report says why", k, clock(down.at))
			}
		}

		// What came back came back as it was when it was stopped, not as it was in the snapshot.
		if n := len(turns); n > 1 && turns[n-1].dmm && turns[n-1].up && turns[n-2].dmm && turns[n-2].was && runs && !guessed[k] &&
			k.Kind != dominosim.KindScheduledJob {
			was, ok := p.before[k]
			for _, r := range p.sim.Ledger().Entry(k.Kind, k.ID).Started {
				if !r.At.After(turns[n-2].at) {
					was, ok = r, true
				}
			}
			want := p.exact(map[dominosim.Key]dominosim.Run{k: was})[k]
			if !p.knows("/api/apps/beta/apps/" + k.ID) {
				want.Bundle = "" // as above
			}
			if diff := cmp.Diff(want, args[k], cmpopts.EquateEmpty()); ok && diff != "" {
				complain("%v runs otherwise than when it was stopped (-then +now):\n%s", k, diff)
			}
		}

		// Each start undoes a stop, of dmm's own, and never an owner's.
		stops, starts := 0, 0
		for i, u := range turns {
			switch {
			case !u.dmm && !u.up && u.was:
				judged.count("owners' stops")
				if k.Kind == dominosim.KindJob && onItsWay(p.writes(k), u.at) {
					stops++ // dmm takes it for its own, and owes it
				}
			case !u.dmm:
			case !u.up && u.was, !u.up && k.Kind == dominosim.KindJob:
				stops++ // a job that its owner runs again is two, and both are stopped
			case k.Kind == dominosim.KindJob && u.up && u.was && starts < stops:
				starts++
			case u.up && u.was:
				if k.Kind != dominosim.KindScheduledJob && !p.crossed(k, u, turns[:i]) {
					complain("%v was started at %s while it ran", k, clock(u.at))
				}
			case u.up:
				down, ok := broughtDown(turns[:i])
				switch {
				case !ok:
					complain("%v was started at %s and had never been up", k, clock(u.at))
				case down.dmm:
					starts++
					judged.count("starts after dmm's own stop")
				case !p.undecidable(k, down, u, turns, journal):
					complain("%v was started at %s, though its owner had stopped it at %s", k, clock(u.at), clock(down.at))
				}
			}
		}
		if starts > stops {
			complain("%v was started %d times and stopped %d times by dmm", k, starts, stops)
		}
	}
	if last != nil && !last.Closed() {
		p.judgeOpen(last, named)
	}
}

// knows reports whether Domino has something at a path.
func (p *playing) knows(path string) bool {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://domino.example.com"+path, nil)
	if err != nil {
		return false
	}
	r.Header.Set("X-Domino-Api-Key", dominosim.DefaultAPIKey)
	res, err := p.sim.RoundTripper().RoundTrip(r)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode == http.StatusOK
}

// reported are the executions that the last restore said it did not bring back, with its reasons, and those of
// which it said that it had to guess how they ran. If it did not live to say so, status does.
func (p *playing) reported(last *window.Window) (named map[dominosim.Key]string, guessed map[dominosim.Key]bool) {
	named, guessed = map[dominosim.Key]string{}, map[dominosim.Key]bool{}
	res := p.restored
	if res == nil && last != nil {
		var err error
		if res, err = p.site.run("status"); err != nil && !(p.forgot && p.badEnd) {
			p.wrongf("dmm status: %v", err)
		}
	}
	if res == nil {
		return named, guessed
	}
	for _, x := range res.Executions {
		k := p.known(string(x.Kind), x.ID)
		guessed[k] = len(x.Guesses) > 0
		if x.Outcome == "done" || x.Outcome == "not-ours" {
			continue
		}
		if x.Reason == "" && x.Outcome != "remaining" {
			p.wrongf("%s %s is %s without a reason", x.Kind, x.ID, x.Outcome)
		}
		named[k] = x.Reason
	}
	return named, guessed
}

// known is how the ledger knows an execution: a job by the first of its re-runs.
func (p *playing) known(kind, id string) dominosim.Key {
	for _, o := range p.sim.Objects(dominosim.KindJob) {
		if o.ID == id && o.Root != "" {
			id = o.Root
			break
		}
	}
	return dominosim.Key{Kind: kind, ID: id}
}

// judgeOpen: a window that stays open has a rest, and names it.
func (p *playing) judgeOpen(last *window.Window, named map[dominosim.Key]string) {
	owed := window.Remaining(nil, last.Lines).Outstanding()
	if len(owed) == 0 {
		p.wrongf("window %s is open, and nothing is left to do in it", last.Name())
	}
	for _, it := range owed {
		if _, ok := named[p.known(string(it.Kind), it.ID)]; !ok {
			p.wrongf("window %s is open for %s, which the last report does not name", last.Name(), it.Key())
		}
	}
}

// judgeEdits: an owner's edit is not written over, unless it fell between dmm's reading and its writing.
func (p *playing) judgeEdits(k dominosim.Key, shown map[string]any, complain func(string, ...any)) {
	title := ""
	for _, d := range p.deeds(k) {
		if d.do != "edit" {
			continue
		}
		title = d.title
		for _, w := range p.writes(k) {
			if !d.at.Before(w.from) && !d.at.After(w.to) {
				return
			}
		}
	}
	if title != "" && shown["title"] != title {
		complain("%v: its owner's last edit made the title %q, and it is %q", k, title, shown["title"])
	}
}

// broughtDown is the turn that took an execution down.
func broughtDown(turns []turn) (turn, bool) {
	for _, u := range slices.Backward(turns) {
		if !u.up && u.was {
			return u, true
		}
	}
	return turn{}, false
}

// stopTime is how long a stop takes.
const stopTime = 15 * time.Second

// lag and slack are how late lists are, and how long a start may look like something else.
const lag, slack = 40 * time.Second, 6 * time.Second

// judgeQuiet: when shutdown says that all is done, nothing runs but what came up after its last scan, less
// the lag of the lists that it read.
func (p *playing) judgeQuiet(res *report.Result) {
	for k := range p.running() {
		if k.Kind == dominosim.KindJob && p.RunningJobs == "ignore" {
			continue
		}
		turns := p.turns(k)
		var up turn
		for _, u := range turns {
			if u.up && !u.was {
				up = u
			}
		}
		scanned := p.listed(k, res.LastQuiet)
		if !up.at.IsZero() && up.at.Add(lag+slack).After(scanned) {
			continue
		}
		p.wrongf("shutdown ended with 0 at %s, its last scan read this kind's list at %s, and %v has run since %s\n%s",
			clock(time.Now()), clock(scanned), k, clock(up.at), p.story(k, turns, nil))
	}
}

// listed is when the last list was read that shows k, of those that were answered before a moment.
func (p *playing) listed(k dominosim.Key, until time.Time) time.Time {
	var at time.Time
	for _, r := range p.sim.Ledger().Requests() {
		list := false
		switch k.Kind {
		case dominosim.KindApp:
			list = r.Path == "/v4/modelProducts"
		case dominosim.KindModelAPI:
			list = strings.HasSuffix(r.Path, "/versions")
		case dominosim.KindWorkspace:
			list = strings.HasSuffix(r.Path, "adminDashboardRowData") || strings.HasSuffix(r.Path, "/workspace") || strings.HasSuffix(r.Path, "/workspaces")
		case dominosim.KindScheduledJob:
			list = strings.HasSuffix(r.Path, "/scheduledjobs")
		case dominosim.KindJob:
			list = r.Path == "/v4/jobs"
		case dominosim.KindBuild:
			list = r.Path == "/v4/environments/self"
		}
		if list && r.Status == http.StatusOK && !r.Ended.After(until) {
			at = r.Arrived
		}
	}
	return at
}

// A span is a write of dmm's on its way: from its last look at the execution before it, on which it
// decided, until the write had taken effect or was answered.
type span struct {
	from, sent, to time.Time
	lost           bool // dmm got no answer
}

// writes are dmm's calls that would change k, whether or not they did.
func (p *playing) writes(k dominosim.Key) []span {
	calls := p.sim.Ledger().Entry(k.Kind, k.ID).Calls
	var spans []span
	var reads []dominosim.Request
	for _, r := range p.sim.Ledger().Requests() {
		if !slices.Contains(strings.Split(r.Path, "/"), k.ID) && r.Object != k.ID {
			continue
		}
		if !r.Write {
			if isLook(r) {
				reads = append(reads, r)
			}
			continue
		}
		w := span{from: r.Arrived, sent: r.Arrived, to: r.Ended, lost: r.Status == 0 || r.Status == 408 || r.Status >= 500}
		since := 0
		for _, g := range reads {
			if !g.Ended.After(r.Arrived) {
				w.from = p.showed(g.Arrived)
				if len(spans) > 0 && g.Arrived.After(spans[len(spans)-1].sent) && g.Status == http.StatusOK {
					since++ // a read without an answer was repeated
				}
			}
		}
		// A definition that is put a second time, since the first did not do, was read before the first.
		if k.Kind == dominosim.KindScheduledJob && len(spans) > 0 && since == 1 {
			w.from = spans[len(spans)-1].from
		}
		for _, c := range calls {
			if c.Sent.Equal(r.Arrived) && c.At.After(w.to) {
				w.to = c.At
			}
		}
		spans = append(spans, w)
	}
	return spans
}

// showed is since when what a read of one object shows at a moment may have been otherwise.
func (p *playing) showed(at time.Time) time.Time {
	if p.LagReads {
		return at.Add(-lag)
	}
	return at
}

// crossed: its owner started it while dmm's start was on its way.
func (p *playing) crossed(k dominosim.Key, start turn, earlier []turn) bool {
	for _, w := range p.writes(k) {
		if !w.sent.Equal(start.c.Sent) {
			continue
		}
		for _, u := range earlier {
			if !u.dmm && u.up && !u.at.Before(p.seenFrom(k, w.from)) {
				return true
			}
		}
	}
	return false
}

// seenFrom is since when dmm could know of a start by its owner, on which it decided at a moment: that of a job is seen in a list only.
func (p *playing) seenFrom(k dominosim.Key, decided time.Time) time.Time {
	if k.Kind == dominosim.KindJob && !p.LagReads { // else a look lags as much already
		return decided.Add(-lag)
	}
	return decided
}

// onItsWay reports whether a moment lies between a look that dmm decided on and the effect of what it decided.
func onItsWay(writes []span, at time.Time) bool {
	return slices.ContainsFunc(writes, func(w span) bool { return !at.Before(w.from) && !at.After(w.to) })
}

// undecidable reports whether dmm, which started an execution, could not know that its owner had stopped it.
// Everything that is excused is excused here. Each case is one in which all that dmm can see, in Domino and
// in its journal, is the same as if the stop had been its own.
func (p *playing) undecidable(k dominosim.Key, stop, start turn, turns []turn, journal []window.Line) bool {
	excuse := p.excuse(k, stop, start, turns, journal)
	judged.count(excuse)
	return excuse != ""
}

// judged counts what the judgement of owners' stops came to, so that a reader of the log sees whether the
// excuses swallow the test.
var judged = tally{n: map[string]int{}}

type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[what]++
}

func (p *playing) excuse(k dominosim.Key, stop, start turn, turns []turn, journal []window.Line) string {
	writes := p.writes(k)

	// A call of dmm's was on its way: after the look that it decided on, and before its effect. Domino
	// accepts the stop of what is stopping already, and a start that is late meets whatever there is.
	if onItsWay(writes, stop.at) {
		return "on its way"
	}

	// A re-run by its owner that the list of later jobs did not show yet, and its owner's stop of that.
	if k.Kind == dominosim.KindJob {
		for _, w := range writes {
			if w.sent.Equal(start.c.Sent) && slices.ContainsFunc(turns, func(u turn) bool {
				return !u.dmm && u.up && !u.at.Before(p.seenFrom(k, w.from)) && !u.at.After(w.to)
			}) {
				return "hidden by the lag"
			}
		}
	}

	// Its owner ran it again while dmm was stopping it, and stopped that run, which is a job of its own: dmm owes the one
	// that it has stopped.
	if k.Kind == dominosim.KindJob {
		for _, u := range turns {
			if u.dmm || !u.up || !u.at.Before(stop.at) {
				continue
			}
			for _, d := range turns {
				if d.dmm && !d.up && !u.at.Before(d.at) && u.at.Before(d.at.Add(stopTime)) {
					return "another run, begun before it had ended"
				}
			}
		}
	}

	// A stop was on record that this process never saw the outcome of: it died, or its answer was lost, or
	// it gave up. Whether that call or the owner brought it down cannot be told.
	if p.doubtful(k, window.Stop, stop.at, writes, journal) {
		return "in doubt: stop"
	}

	// The same of a start, where nothing shows that it took effect: apps and workspaces get a new instance
	// with every start, the others do not.
	hasInstance := k.Kind == dominosim.KindApp || k.Kind == dominosim.KindWorkspace || k.Kind == dominosim.KindJob
	if !hasInstance && p.doubtful(k, window.Start, stop.at, writes, journal) {
		return "in doubt: start"
	}

	// Its owner stopped it so soon after dmm had started it that no look showed the start, where looks lag and no new
	// instance shows it either: the start came to nothing, for all that can be seen.
	if p.LagReads && !hasInstance {
		for _, u := range turns {
			if u.dmm && u.up && !stop.at.Before(u.at) && stop.at.Before(u.at.Add(lag)) {
				return "a start that no look showed"
			}
		}
	}

	// Its owner started it and stopped it again while it was down for the maintenance, and dmm saw neither, and
	// there is no new instance that shows it.
	for _, u := range slices.Backward(turns) {
		if hasInstance || u.dmm || !u.up || u.was || !u.at.Before(stop.at) {
			continue
		}
		seen := slices.ContainsFunc(journal, func(l window.Line) bool {
			return l.Execution != nil && l.Execution.ID == k.ID && l.At.After(u.at) && l.At.Before(stop.at)
		})
		if !seen {
			return "started and stopped meanwhile"
		}
		break
	}

	// A version whose stop has begun says "Running" and pending for a while, as one does that is being
	// replaced, and Domino accepts another stop. Both dmm's look before the intent and the one right before the
	// call may fall into that while.
	if k.Kind == dominosim.KindModelAPI {
		for _, l := range journal {
			if l.Event != window.Intent || l.Goal != window.Stop || l.Key.ID != k.ID {
				continue
			}
			for _, look := range p.looks(k) {
				if look.Before(l.At.Add(time.Second)) && look.After(stop.at) && p.showed(look).Before(stop.at.Add(stopTime/2)) {
					return "running and pending"
				}
			}
		}
	}
	return ""
}

// doubtful: at that moment the journal held an intent for k without its outcome, and the run of that intent
// did not come to know its outcome either.
func (p *playing) doubtful(k dominosim.Key, g window.Goal, at time.Time, writes []span, journal []window.Line) bool {
	about := func(l window.Line) bool {
		return l.Key != nil && l.Goal == g && l.Key.ID == k.ID || g == window.Stop && l.Event == window.Supplement && l.Execution.ID == k.ID
	}
	for i, l := range journal {
		if l.Event != window.Intent || !about(l) {
			continue
		}
		from := l.At
		for _, look := range p.looks(k) {
			if look.Before(l.At) {
				from = p.showed(look)
			}
		}
		if at.Before(from) {
			continue
		}
		var outcome *window.Line
		if n := slices.IndexFunc(journal[i+1:], func(m window.Line) bool { return about(m) && m.Event != window.Intent }); n >= 0 {
			outcome = &journal[i+1+n]
		}
		switch {
		case outcome == nil || outcome.Run != l.Run:
			return true // its run ended without a word about it
		case outcome.Event == window.Failed && outcome.At.Before(at):
			return true // it was given up, and may have landed since
		case outcome.At.Before(at):
			continue // settled
		}
		for _, w := range writes {
			if w.lost && !w.sent.Before(l.At) && !w.sent.After(at) {
				return true
			}
		}
	}
	return false
}

// looks are when the reads of k arrived, in order.
func (p *playing) looks(k dominosim.Key) []time.Time {
	var at []time.Time
	for _, r := range p.sim.Ledger().Requests() {
		if isLook(r) && slices.Contains(strings.Split(r.Path, "/"), k.ID) {
			at = append(at, r.Arrived)
		}
	}
	return at
}

// isLook reports whether a request has told the state of an execution; the beta API tells how an app is configured.
func isLook(r dominosim.Request) bool {
	return !r.Write && r.Status == http.StatusOK && !strings.HasPrefix(r.Path, "/api/apps/beta/") && !strings.HasSuffix(r.Path, "/runtimeExecutionDetails")
}

// paused is a definition as if it were, or were not, paused.
func paused(definition map[string]any, is bool) map[string]any {
	d := maps.Clone(definition)
	if d != nil {
		d["isPaused"] = is
	}
	return d
}

// story is all that happened to one execution, for whoever must understand a failure.
func (p *playing) story(k dominosim.Key, turns []turn, journal []window.Line) string {
	type event struct {
		at   time.Time
		what string
	}
	var events []event
	for _, u := range turns {
		events = append(events, event{u.at, u.String()})
	}
	for _, r := range p.sim.Ledger().Requests() {
		if slices.Contains(strings.Split(r.Path, "/"), k.ID) || r.Object == k.ID {
			events = append(events, event{r.Arrived, fmt.Sprintf("%s %s: %d %s %s until %s", r.Method, r.Route, r.Status, r.Fault, r.Err, clock(r.Ended))})
		}
	}
	for _, l := range journal {
		switch {
		case l.Key != nil && l.Key.ID == k.ID:
			events = append(events, event{l.At, fmt.Sprintf("journal: %s %s %s %s (run %.4s)", l.Event, l.Goal, l.Instance, l.Reason, l.Run)})
		case l.Execution != nil && l.Execution.ID == k.ID:
			events = append(events, event{l.At, fmt.Sprintf("journal: %s %s %s (run %.4s)", l.Event, l.Execution.State, l.Execution.Instance, l.Run)})
		case l.Event == window.Begin || l.Event == window.End || l.Event == window.Closed || l.Event == window.Quiet:
			events = append(events, event{l.At, fmt.Sprintf("journal: %s (run %.4s)", l.Event, l.Run)})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "    %s %s\n", clock(e.at), e.what)
	}
	return b.String()
}
