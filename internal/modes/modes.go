// Package modes holds what dmm can be asked to do: one file per mode, each a short
// script over the packages below, to be read from top to bottom.
package modes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Result is what a mode has to say when it ends.
type Result = report.Result

// Mode is one thing the image does and then exits.
type Mode struct {
	Name  string
	Short string // one line for the list of modes
	Long  string
	Needs config.Needs
	Run   func(ctx context.Context, e *Env) (*report.Result, error)
}

// All returns the modes in the order in which people meet them.
func All() []Mode {
	both := config.Needs{Domino: true, Store: true}
	all := []Mode{
		{"check", "check that dmm could work here", checkLong, both, ending(Check)},
		{"snapshot", "record what runs", snapshotLong, both, ending(traced("snapshot", Snapshot))},
		{"shutdown", "stop what the snapshot shows running", shutdownLong, both, ending(traced("shutdown", bounded(Shutdown)))},
		{"restore", "start again what shutdown stopped", restoreLong, both, ending(traced("restore", bounded(Restore)))},
		{"status", "tell how far the open maintenance is", statusLong, config.Needs{Store: true}, ending(Status)},
		{"close", "end a maintenance and give up what is not back", closeLong, config.Needs{Store: true}, ending(traced("close", Close))},
		{"report", "write the report of a maintenance", reportLong, config.Needs{Store: true, Argument: "DMM_WINDOW"}, ending(Report)},
		{"audit", "tell whether the next maintenance would work", auditLong, both, ending(traced("audit", Audit))},
		{"list", "list the snapshots and windows in the store", listLong, config.Needs{Store: true}, ending(List)},
		{"show", "show what a snapshot holds", showLong, config.Needs{Store: true, Argument: "DMM_SNAPSHOT"}, ending(Show)},
		{"verify", "check that snapshots and journals can be relied on", verifyLong, config.Needs{Store: true, Argument: "DMM_SNAPSHOT"}, ending(Verify)},
		{"check-store", "try all that a maintenance does to its store", checkStoreLong, config.Needs{Store: true}, ending(CheckStore)},
		{"prune", "delete old snapshots and windows", pruneLong, config.Needs{Store: true}, ending(Prune)},
		{"import", "make a snapshot of the Python tool's file", importLong, config.Needs{Store: true, Argument: "DMM_FILE"}, ending(Import)},
		{"export", "write a snapshot in the Python tool's format", exportLong, config.Needs{Store: true, Argument: "DMM_SNAPSHOT"}, ending(Export)},
		{"rehearse", "play a maintenance of a snapshot in the simulator", rehearseLong, config.Needs{Store: true, Argument: "DMM_SNAPSHOT"}, ending(Rehearse)},
		{"simulate", "serve a simulated Domino to rehearse with", simulateLong, config.Needs{}, Simulate},
		{"demo", "play a whole maintenance against a simulated Domino", demoLong, config.Needs{}, Demo},
		{"version", "print the version", "Prints the version of dmm.", config.Needs{}, Version},
	}
	for i, m := range all {
		switch m.Name {
		case "status", "close", "report", "list", "show", "verify", "export", "rehearse", "restore":
			all[i].Run = reading(m.Run)
		}
	}
	for i, m := range all {
		if m.Needs != (config.Needs{}) {
			all[i].Run = observed(m.Name, m.Run)
		}
	}
	return all
}

// Env is what a mode runs in.
type Env struct {
	Config  *config.Config
	Out     io.Writer // for modes that say more than their result
	Log     *slog.Logger
	Bars    *report.Bars // where progress is drawn; nil: it is logged
	Version string       // of dmm
	// ExitCode maps what a mode returned to its exit code, which the journal records.
	ExitCode func(*report.Result, error) int

	reads bool // the mode needs records that are there: it makes no folder for a store
	speed int  // of a rehearsal: how many times faster than life

	// Transport and Store, if set, take the place of those that Config names.
	Transport http.RoundTripper
	Store     store.Store
	// Cluster is where Domino runs, nil if that is not in reach: whatever looks at it does without then, and says so.
	Cluster *kube.Client
	// Pods, if set, takes the place of what Cluster lists: the pods of the compute namespaces that have not ended.
	Pods func(context.Context) ([]execution.Pod, error)
	// Staged, if set, is told of the simulator on which a rehearsal is about to play.
	Staged func(*dominosim.Sim)

	traces traces
	run    *window.Run // that the mode is in or was in
	place  string      // URL of the store that was opened
}

// NewBars draws progress on a terminal, which everything else must be written to through them.
func NewBars(terminal io.Writer, width func() int) *report.Bars {
	return report.NewBars(terminal, width)
}

// Causes for which a run ends early and resumably.
var (
	ErrInterrupted = errors.New("stopped by a signal")
	ErrDeadline    = errors.New("stopped at DMM_DEADLINE")
)

// Refusal: a guard said no. Nothing was touched.
type Refusal struct {
	Reason string
	Next   string // what to type, or do
}

func (e *Refusal) Error() string { return "refused: " + e.Reason }

// UsageError: the settings contradict what is on record.
type UsageError struct{ Reason, Next string }

func (e *UsageError) Error() string { return e.Reason }

// Version prints the version.
func Version(_ context.Context, e *Env) (*report.Result, error) {
	res := e.result("version")
	res.Message = "dmm " + e.Version
	return res, nil
}

// scene is what a mode finds when it begins.
type scene struct {
	res    *report.Result
	client *domino.Client // may only read
	domino domino.Deployment
	store  store.Store
	last   *window.Window // the newest window, nil if there is none
}

// open reports whether a maintenance is under way.
func (s *scene) open() bool { return s.last != nil && !s.last.Closed() }

// begin connects to Domino first, so that a wrong key touches nothing, then opens the
// store and looks at its newest window.
func (e *Env) begin(ctx context.Context, mode string) (*scene, error) {
	client, dep, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.beginOffline(ctx, mode)
	if err != nil {
		return nil, err
	}
	s.client, s.domino = client, dep
	s.res.Domino, s.res.As = dep.URL+" "+dep.Version.Raw, dep.Principal.Name
	return s, nil
}

// beginOffline is begin for modes that do not call Domino.
func (e *Env) beginOffline(ctx context.Context, mode string) (*scene, error) {
	st, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	last, err := window.Look(ctx, st)
	if err != nil {
		return nil, err
	}
	e.traces.store = st
	s := &scene{res: e.result(mode), store: st, last: last}
	if last != nil && last.Sealed() && seal.Of(st).Key == nil {
		s.res.Note("the records are under a key, and DMM_JOURNAL_KEY_FILE names none: what they say could not be checked")
	}
	if s.open() {
		s.res.Window, s.res.Snapshot = last.Name(), last.Pinned.Snapshot
	}
	return s, nil
}

// nothingOpen ends a mode that has an open window to work on and finds none. It tells a
// store without an open window from one without any records, which is more likely a
// mistyped prefix than a deployment that never had a snapshot.
func (s *scene) nothingOpen(ctx context.Context, message string) (*report.Result, error) {
	if s.last == nil {
		ids, err := snapshot.List(ctx, s.store)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("look for a maintenance: %w: the store answers and holds neither windows nor snapshots", snapshot.ErrNone)
		}
	} else {
		s.res.Window, s.res.Phase = s.last.Name(), window.PhaseClosed
	}
	s.res.Message = message
	return s.res, nil
}

// NewResult is an empty result of a mode that begins now.
func NewResult(mode string) *Result {
	return &Result{Schema: report.Schema, Mode: mode, Began: time.Now().UTC()}
}

func (e *Env) result(mode string) *Result {
	r := NewResult(mode)
	r.DryRun = e.Config.DryRun
	return r
}

// connect makes a client that may only read, and asks Domino who we are, before
// anything else is touched. With DMM_WAIT_READY it waits for Domino to answer.
func (e *Env) connect(ctx context.Context) (*domino.Client, domino.Deployment, error) {
	c := e.Config
	var cred domino.Credential
	switch {
	case !c.APIKey.IsZero():
		cred = domino.APIKey(c.APIKey.Reveal())
	case c.APIKeyFile != "":
		cred = domino.APIKeyFile(c.APIKeyFile)
	case !c.Token.IsZero():
		cred = domino.Token(c.Token.Reveal())
	default:
		cred = domino.TokenFile(c.TokenFile)
	}
	roots, err := c.RootCAs()
	if err != nil {
		return nil, domino.Deployment{}, err
	}
	if c.SSLNoVerify {
		e.Log.Warn("DOMINO_SSL_NO_VERIFY is set: whoever stands between can read the key; DOMINO_CA_FILE is the better way")
	}
	client, err := domino.New(domino.Options{
		BaseURL: c.Hostname, Credential: cred, RootCAs: roots, InsecureSkipVerify: c.SSLNoVerify,
		Concurrency: c.Concurrency, Transport: e.Transport, Logger: e.Log, UserAgent: "dmm/" + e.Version,
	})
	if err != nil {
		return nil, domino.Deployment{}, err
	}
	e.traces.client = client
	dep, err := client.Identify(ctx)
	for end := time.Now().Add(c.WaitReady); err != nil && notYetReady(err) && time.Now().Before(end); {
		e.Log.Info("Domino does not answer yet", "error", err, "waiting until", end.UTC().Format(time.RFC3339))
		if err := pause(ctx, 5*time.Second); err != nil {
			return nil, dep, err
		}
		dep, err = client.Identify(ctx)
	}
	if err != nil {
		return nil, dep, fmt.Errorf("reach Domino: %w", err)
	}
	for _, w := range dep.Warnings {
		e.Log.Warn(w)
	}
	e.Log.Info("connected", "domino", dep.URL, "version", dep.Version.Raw, "as", dep.Principal.Name)
	return client, dep, nil
}

// notYetReady reports whether an error is one that a Domino which is coming up may give.
// /version asks for no credentials, so that a page in its place is the ingress's own.
func notYetReady(err error) bool {
	var e *domino.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case domino.KindNetwork, domino.KindUnavailable, domino.KindThrottled, domino.KindNoRoute:
		return true
	}
	return e.Kind == domino.KindCredentials && strings.HasSuffix(e.Path, "/version")
}

func (e *Env) filter() execution.Filter {
	c := e.Config
	f := execution.Filter{
		Projects: c.Projects, Owners: c.Owners,
		ExcludeProjects: c.ExcludeProjects, ExcludeOwners: c.ExcludeOwners, Exclude: c.Exclude,
	}
	for _, k := range c.Kinds {
		f.Kinds = append(f.Kinds, execution.Kind(k))
	}
	return f
}

func (e *Env) holder(mode string) window.Holder {
	host, _ := os.Hostname() // for people only
	h := window.NewHolder(mode, os.Getenv("POD_NAME"), host, os.Getpid(), e.Version)
	if mode == window.ModeRestore {
		h.Intent, h.Also = e.Config.Intent, e.asked()
	}
	return h
}

// another refuses to work in a window that is open for something else than the settings say.
func (e *Env) another(at *scene) error {
	intent := e.Config.Intent
	if intent == "" || !at.open() || at.last.Pinned.Intent == intent {
		return nil
	}
	opened := "by hand, for nothing in particular"
	if of := at.last.Pinned.Intent; of != "" {
		opened = fmt.Sprintf("for %q", of)
	}
	return &Refusal{
		Reason: fmt.Sprintf("DMM_INTENT is %q, and window %s was opened %s", intent, at.last.Name(), opened),
		Next:   "let whoever opened it finish it: dmm restore without DMM_INTENT",
	}
}

// openNext opens the next window and begins to work in it.
func (e *Env) openNext(ctx context.Context, at *scene, p window.Pinned, mode string) (*window.Run, error) {
	run, err := window.OpenNext(ctx, at.store, at.last, p, e.holder(mode))
	if err != nil {
		return nil, err
	}
	e.run = run
	// A prune that had looked for windows before this one was there has deleted the snapshot since it was read, its manifest first.
	if _, err := snapshot.ReadManifest(ctx, at.store, p.Snapshot); err != nil {
		return nil, e.finish(ctx, run, nil, needed(p, err))
	}
	return run, nil
}

// enter begins to work in the open window, after watching whether a run that holds it lives.
func (e *Env) enter(ctx context.Context, at *scene, mode string) (*window.Run, error) {
	if h := at.last.Holder(); h != nil {
		e.Log.Info("the window is held; watching whether its run still lives", "holder", h.String(), "lease", at.last.Pinned.Lease.String())
	}
	run, err := window.Enter(ctx, at.store, at.last.Number, e.holder(mode), e.Config.LockWait)
	e.run = run
	return run, err
}

// Goals of an engine, as its progress names them.
const (
	stopping = "stopping"
	starting = "starting"
)

// engine drives executions through a client that asks the run before every call.
func (e *Env) engine(ctx context.Context, client *domino.Client, run *window.Run, b *window.Balance, goal string) *converge.Engine {
	c := e.Config
	drivers := execution.NewDrivers(client.WithGate(run.Gate, run.CallTimeout()))
	drivers.Handle(run.Pinned().Handling)
	if goal == starting {
		if _, err := e.pods(ctx); err == nil {
			drivers.WatchPods(e.pods)
		} else if !errors.Is(err, kube.ErrNoCluster) {
			e.Log.Warn("pods cannot be listed, so that Domino alone says what runs", "error", err)
		}
	}
	for _, it := range b.Items() {
		if it.Start.Outcome == window.Done {
			drivers.Recall(it.Execution, it.Start.Instance)
		}
	}
	return &converge.Engine{
		Drivers: drivers,
		Journal: run,
		Log:     e.Log,
		Limits: converge.Limits{
			Concurrency: c.Concurrency, StartConcurrency: c.StartConcurrency, MaxFailures: c.MaxFailures,
			Grace: c.GracePeriod, Settle: c.Settle, Speed: e.speed,
		},
		Progress: e.progress(goal),
	}
}

// progress draws bars on a terminal. Elsewhere it logs a line every 30 seconds and at each tenth.
func (e *Env) progress(goal string) func([]converge.Count) {
	if e.Bars != nil {
		return func(kinds []converge.Count) {
			var bars []report.Progress
			for _, k := range kinds {
				_, name, _ := strings.Cut(k.Kind.Plural(2), " ")
				bars = append(bars, report.Progress{Name: name, Done: k.Done, Failed: k.Failed, Left: k.Left, Total: k.Total})
			}
			e.Bars.Show(goal, bars)
		}
	}
	var last time.Time
	tenth := 0
	return func(kinds []converge.Count) {
		var all converge.Count
		for _, k := range kinds {
			all.Done, all.Failed, all.Left, all.Total = all.Done+k.Done, all.Failed+k.Failed, all.Left+k.Left, all.Total+k.Total
		}
		settled := all.Done + all.Failed + all.Left
		if all.Total == 0 || settled*10/all.Total == tenth && time.Since(last) < 30*time.Second {
			return
		}
		last, tenth = time.Now(), settled*10/all.Total
		e.Log.Info(goal, "done", all.Done, "failed", all.Failed, "left", all.Left, "of", all.Total)
	}
}

type run func(context.Context, *Env) (*Result, error)

// bounded ends a mode resumably at DMM_DEADLINE.
func bounded(mode run) run {
	return func(ctx context.Context, e *Env) (*Result, error) {
		if e.Config.Deadline <= 0 {
			return mode(ctx, e)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, e.Config.Deadline, ErrDeadline)
		defer cancel()
		res, err := mode(ctx, e)
		return res, because(ctx, err)
	}
}

// reading runs a mode that has nothing to do in a store that is not there yet.
func reading(mode run) run {
	return func(ctx context.Context, e *Env) (*Result, error) {
		e.reads = true
		return mode(ctx, e)
	}
}

// ending tells why a mode ended that was told to.
func ending(mode run) run {
	return func(ctx context.Context, e *Env) (*Result, error) {
		res, err := e.guarded(ctx, mode)
		return res, because(ctx, err)
	}
}

// guarded runs a mode whose panic is its error. The run that it was in then ends on record, so that the next one has
// nobody to wait for.
func (e *Env) guarded(ctx context.Context, mode run) (res *Result, err error) {
	crashed := crash.Catch(func() error {
		res, err = mode(ctx, e)
		return nil
	})
	switch {
	case crashed == nil:
		return res, err
	case e.run != nil:
		return nil, e.finish(ctx, e.run, nil, crashed)
	}
	return nil, crashed
}

// because adds to an error that only tells of a context's end why it ended: a store says
// "context canceled" where a signal, the deadline or a lost place is what counts.
func because(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// finish ends a run on record, whatever became of it, and frees the window. A run that
// lost its place has nothing more to say; one that cannot write says so.
func (e *Env) finish(ctx context.Context, run *window.Run, res *report.Result, err error) error {
	err = because(ctx, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	endErr := run.End(ctx, e.ExitCode(res, err))
	if errors.Is(err, window.ErrSuperseded) {
		return err
	}
	if errors.As(endErr, new(*window.LostError)) {
		endErr = errors.Join(endErr, run.End(ctx, e.ExitCode(nil, endErr)))
	}
	e.sealed(run, res, endErr)
	return errors.Join(err, endErr)
}

// sealed puts the end of the journal into a result, once it is on record. What the result says of the step is not true
// any more where that could not be done.
func (e *Env) sealed(run *window.Run, res *report.Result, err error) {
	switch {
	case res == nil:
	case err != nil:
		res.Message, res.Next, res.Phase = "", "", ""
	default:
		res.Seal(run.Record(), run.PutBack())
	}
}

// pinnedSnapshot reads the snapshot that a window keeps to.
func pinnedSnapshot(ctx context.Context, s store.Store, p window.Pinned) (*snapshot.Snapshot, error) {
	snap, err := snapshot.Load(ctx, s, p.Snapshot)
	if err != nil {
		return nil, needed(p, err)
	}
	if !pins(p, snap) {
		return nil, &snapshot.DamagedError{ID: p.Snapshot, Reason: "is not the one that the window was opened with"}
	}
	return snap, nil
}

// pins reports whether a snapshot is, to the byte, the one that a window keeps to. Older versions of dmm pinned no manifest.
func pins(p window.Pinned, snap *snapshot.Snapshot) bool {
	return snap.Data.SHA256 == p.SHA256 && (p.Manifest == "" || snap.ManifestSHA256() == p.Manifest)
}

// needed is the error of reading the snapshot that a window keeps to: that it is not found is damage.
func needed(p window.Pinned, err error) error {
	if errors.Is(err, snapshot.ErrNotFound) {
		return &snapshot.DamagedError{ID: p.Snapshot, Reason: "is gone, and a window keeps to it"}
	}
	return err
}

// sameDeployment refuses records of another deployment.
func sameDeployment(what, recorded, now string) error {
	if strings.EqualFold(strings.TrimSuffix(recorded, "/"), strings.TrimSuffix(now, "/")) {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("%s belongs to %s, and DOMINO_HOSTNAME is %s", what, recorded, now),
		Next:   "set DOMINO_HOSTNAME to the URL that the snapshot was taken with, or DMM_STORE to this deployment's store",
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
