package modes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const shutdownLong = `Stops what the snapshot shows running, schedules first and model APIs last, and scans again
until nothing new is found. Everything it tries is on record in a window before it is tried:
killed at any moment, the same command goes on where it was. Jobs and builds are waited for,
alongside, unless DMM_RUNNING_JOBS and DMM_RUNNING_BUILDS say otherwise.

An execution that its owner had stopped before dmm did is not touched, and restore will not
start it.

Each maintenance begins with a snapshot of its own: the shutdown of one that is over is refused.`

// listLag is how far behind Domino's lists, and its reads of one object, are taken to be at most: half of the settle
// time, of which it is a part (40 of 80 s). What runs when a snapshot begins is in every
// list after that; a shutdown that follows at once must look once more then.
func (e *Env) listLag() time.Duration { return e.Config.Settle / 2 }

// known is the moment before which all that is on record for a run was seen, by a clock that may be behind that of the
// runs before as it may be ahead.
func (e *Env) known(run *window.Run, snap *snapshot.Snapshot) time.Time {
	at := snap.To
	for _, l := range run.Record().Lines {
		if l.Run != run.ID() && l.At.After(at) {
			at = l.At
		}
	}
	if at = at.Add(aheadOfUs); snap.To.IsZero() || at.After(time.Now()) {
		return time.Now()
	}
	return at
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// scans is how often shutdown looks again for what was started meanwhile.
const scans = 5

// aheadOfUs is how far in the future a snapshot may lie before clocks are called wrong.
const aheadOfUs = 5 * time.Minute

// Shutdown stops what the snapshot shows running.
func Shutdown(ctx context.Context, e *Env) (*report.Result, error) {
	at, err := e.begin(ctx, "shutdown")
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(e.keyed(at), e.another(at)); err != nil {
		return nil, err
	}
	if has, err := e.hasBeen(at); has || err != nil {
		return at.res, err
	}
	snap, err := e.snapshotFor(ctx, at)
	if err != nil {
		return nil, err
	}
	at.res.Snapshot = snap.ID
	if !at.open() { // else its filters were checked when it was
		if err := e.fits(ctx, at, e.fitShutdown(at.client, snap.ID, snap.Executions)); err != nil {
			return nil, err
		}
	}
	at.olderOwners()
	if e.Config.DryRun {
		return e.previewShutdown(ctx, at, snap)
	}
	if err := e.knowsHowToStop(at.domino); err != nil {
		return nil, err
	}
	if err := e.foresee(ctx, at, e.toCome(snap.Executions)); err != nil {
		return nil, err
	}
	run, err := e.enterShutdown(ctx, at, snap)
	if err != nil {
		return nil, err
	}
	if err := restoring(run.Name(), run.Account(snap.Executions)); err != nil { // begun while this run waited for its turn
		return nil, e.finish(ctx, run, nil, err)
	}
	e.working(ctx, at, run, snap, fmt.Sprintf("Shutdown begins in window %s: %s of snapshot %s ran.", run.Name(), plural(snap.Running(), "execution"), snap.ID))
	ctx, done := run.Guard(ctx)
	defer done()
	if err = putOnRecord(ctx, run, at.res.Findings); err == nil {
		err = e.bringDown(ctx, at, run, snap)
	}
	return at.res, e.finish(ctx, run, at.res, err)
}

// hasBeen reports whether the maintenance that the settings mean has been made. One that was called off is refused: to let
// it pass would let the upgrade begin with everything running, to stop again would be what nobody has asked for.
func (e *Env) hasBeen(at *scene) (bool, error) {
	intent := e.Config.Intent
	if intent == "" || at.last == nil || at.open() {
		return false, nil
	}
	last, done := at.last.Intent()
	switch {
	case last != intent:
		return false, nil
	case !done:
		return false, &Refusal{
			Reason: fmt.Sprintf("the last maintenance for %q was called off: what was stopped was brought back by hand or by a rollback, and not by the restore that follows its upgrade", intent),
			Next:   fmt.Sprintf("give DMM_INTENT another word, such as %s-b, for another try, or none if the upgrade has been made", intent),
		}
	}
	at.res.Message = fmt.Sprintf("Nothing was stopped: a maintenance for %q has been, and the last window, %s, is closed.", intent, at.last.Name())
	at.res.Next = "set DMM_INTENT to what the next maintenance is for, if one is meant"
	return true, nil
}

// snapshotFor returns the snapshot to work from: the one that an open window has pinned,
// or the one that the settings name, if it may open a window.
func (e *Env) snapshotFor(ctx context.Context, at *scene) (*snapshot.Snapshot, error) {
	if !at.open() {
		snap, err := snapshot.Load(ctx, at.store, e.Config.Snapshot)
		if errors.As(err, new(*snapshot.DamagedError)) {
			return nil, &Refusal{Reason: err.Error(), Next: "dmm snapshot, which takes another; nothing was touched"}
		}
		if err != nil {
			return nil, err
		}
		if err := at.unused(ctx, snap); err != nil {
			return nil, err
		}
		return snap, e.mayOpen(snap, at.domino)
	}
	last := at.last
	if err := restoring(last.Name(), window.Remaining(nil, last.Lines)); err != nil {
		return nil, err
	}
	if want := e.Config.Snapshot; want != "latest" && want != "" && want != last.Pinned.Snapshot {
		return nil, &UsageError{
			Reason: fmt.Sprintf("DMM_SNAPSHOT is %s, but window %s is open and keeps to %s", want, last.Name(), last.Pinned.Snapshot),
			Next:   "leave DMM_SNAPSHOT out to go on with the window",
		}
	}
	if f := e.filter(); !f.Same(last.Pinned.Filter) {
		return nil, &UsageError{
			Reason: fmt.Sprintf("the filters say %q, but window %s was opened with %q", f, last.Name(), last.Pinned.Filter),
			Next:   "go on with the filters that the window was opened with" + orNone(last.Pinned.Flags()),
		}
	}
	if h := e.handling(); h != last.Pinned.Handling && last.Pinned.Handling != (execution.Handling{}) {
		return nil, &UsageError{
			Reason: fmt.Sprintf("jobs, builds and external deployments are handled by %s, but window %s was opened with %s", h, last.Name(), last.Pinned.Handling),
			Next:   "go on with the settings that the window was opened with" + orNone(last.Pinned.Flags()),
		}
	}
	if err := sameDeployment("window "+last.Name(), last.Pinned.Domino, at.domino.URL); err != nil {
		return nil, err
	}
	return pinnedSnapshot(ctx, at.store, last.Pinned)
}

// orNone ends a sentence about flags.
func orNone(flags string) string {
	if flags == "" {
		return ": without any flag for them"
	}
	return ":" + flags
}

// handling is what the settings say about jobs, builds and external deployments.
func (e *Env) handling() execution.Handling {
	h := execution.Handling{Jobs: execution.Policy(e.Config.RunningJobs), Builds: execution.Policy(e.Config.RunningBuilds)}
	if e.Config.External == string(execution.PolicyStop) {
		h.External = execution.PolicyStop
	}
	return h
}

// able is a handling as far as this Domino is able to follow it.
func (s *scene) able(h execution.Handling) execution.Handling {
	if h.Builds == execution.PolicyCancel && !s.domino.Dialect.CancelBuild {
		h.Builds = execution.PolicyWait
		s.res.Note("Domino " + s.domino.Dialect.Name + " has no call that cancels a build: builds are waited for")
	}
	return h
}

// knowsHowToStop refuses a release whose like dmm has never seen: it might stop what it cannot start again. A restore
// does not ask, since an upgrade to such a release may have come after the shutdown.
func (e *Env) knowsHowToStop(dep domino.Deployment) error {
	if !dep.UnknownMajor || e.Config.AllowUnknown {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("dmm knows no Domino %d, and this is %s: what a restore there needs may differ from what dmm records", dep.Version.Major, dep.Version),
		Next:   "use a dmm that knows it, or set DMM_ALLOW_UNKNOWN_VERSION=true to treat it as Domino " + dep.Dialect.Name,
	}
}

// unused refuses a snapshot whose maintenance is over: whoever runs its shutdown again without another snapshot need not
// be a person who means it. It may be a Job that is made anew, by helm rollback or by an upgrade of the release that kept
// its mode, or the next try of one whose maintenance was called off meanwhile.
func (s *scene) unused(ctx context.Context, snap *snapshot.Snapshot) error {
	begun := snap.From.Add(-aheadOfUs) // by a clock that may be ahead of those of the windows
	for w := s.last; w != nil && !w.LastAt().Before(begun); {
		if w.Pinned.Snapshot == snap.ID {
			return &Refusal{
				Reason: fmt.Sprintf(
					"snapshot %s has had its maintenance, window %s, which was closed at %s: another one begins with a snapshot of its own",
					snap.ID, w.Name(), w.LastAt().UTC().Format(time.RFC3339)),
				Next: "dmm snapshot, if another maintenance is meant; nothing was touched",
			}
		}
		var err error
		if w, err = window.Read(ctx, s.store, w.Number-1); err != nil {
			return err
		}
	}
	return nil
}

// mayOpen guards a new window against a snapshot that does not show what runs now.
func (e *Env) mayOpen(snap *snapshot.Snapshot, dep domino.Deployment) error {
	age := time.Since(snap.To)
	switch {
	case age < -aheadOfUs:
		return &Refusal{
			Reason: fmt.Sprintf("snapshot %s is from %s, which is in the future here: one of the two clocks is wrong", snap.ID, snap.To.Format(time.RFC3339)),
			Next:   "set the clocks, then dmm snapshot, and dmm shutdown --snapshot with its id: until its time has come, this one is the latest",
		}
	case age > e.Config.SnapshotMaxAge:
		return &Refusal{
			Reason: fmt.Sprintf("snapshot %s is %s old, and DMM_SNAPSHOT_MAX_AGE allows %s", snap.ID, age.Round(time.Second), e.Config.SnapshotMaxAge),
			Next:   "dmm snapshot",
		}
	case !snap.Complete && !e.Config.AllowIncomplete:
		return &Refusal{
			Reason: fmt.Sprintf("snapshot %s is not complete: %s", snap.ID, firstProblem(snap.Problems)),
			Next:   "mend that and run dmm snapshot again, or --allow-incomplete if what is missing may be lost",
		}
	}
	return sameDeployment("snapshot "+snap.ID, snap.Domino.URL, dep.URL)
}

func firstProblem(problems []execution.Problem) string {
	for _, p := range problems {
		if p.Incomplete {
			return p.String()
		}
	}
	return "it does not say why"
}

// enterShutdown opens the next window, or goes on in the open one.
func (e *Env) enterShutdown(ctx context.Context, at *scene, snap *snapshot.Snapshot) (*window.Run, error) {
	if at.open() {
		return e.enter(ctx, at, window.ModeShutdown)
	}
	return e.openNext(ctx, at, window.Pinned{
		Snapshot: snap.ID, SHA256: snap.Data.SHA256, Manifest: snap.ManifestSHA256(), Domino: snap.Domino.URL, Filter: e.filter(),
		Handling: e.handling(), Lease: e.Config.Lease, Intent: e.Config.Intent,
	}, window.ModeShutdown)
}

// bringDown scans and stops until a scan finds nothing new.
func (e *Env) bringDown(ctx context.Context, at *scene, run *window.Run, snap *snapshot.Snapshot) (err error) {
	res := at.res
	start := time.Now()
	settled := start.Add(e.Config.Settle)
	filter, handling := run.Pinned().Filter, at.able(run.Pinned().Handling)
	balance := run.Account(snap.Executions)
	defer func() { concludeShutdown(res, run, balance, filter, err) }()
	engine := e.engine(ctx, at.client, run, balance, stopping)
	drivers := execution.NewDrivers(at.client)
	for _, x := range snap.Executions {
		if x.State == execution.Unknown {
			e.Log.Warn("in a state that dmm does not know, will not be touched", "execution", x.String(), "domino", x.DominoState)
		}
	}
	if err := e.notices(at, run, balance).shutdown(ctx); err != nil {
		return err
	}
	began := time.Now() // of the last thing that was sent
	known := e.known(run, snap)
	for scan := 0; ; scan++ {
		settledBy := began.Add(e.listLag())
		found := scanFor(ctx, drivers, balance, filter, handling, settledBy)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if p := sight(at.domino.Principal); p != nil {
			found.problems = append(found.problems, *p)
		}
		if len(found.problems) > 0 {
			// A Domino that is lost, or that does not take the credentials any more, is no one
			// list's problem.
			if _, err := at.client.Identify(ctx); err != nil {
				return fmt.Errorf("scan: %w", err)
			}
		}
		for _, p := range found.problems {
			e.Log.Warn("scan", "problem", p.String())
		}
		if scan > 0 && len(found.running) == 0 && len(found.doubtful) > 0 {
			doubt := max(0, time.Until(settledBy)) // it may have passed while that was read
			e.Log.Info("what was seen down is shown running, which may be from before", "executions", len(found.doubtful),
				"first", found.doubtful[0].String(), "looking again in", doubt.Round(time.Second).String())
			if err := pause(ctx, doubt); err != nil {
				return err
			}
			scan--
			continue
		}
		if scan > 0 && len(found.running) == 0 && len(found.moving) > 0 && time.Since(began) < e.Config.GracePeriod {
			e.Log.Info("waiting for what is on its way down by itself", "executions", len(found.moving), "first", found.moving[0].String())
			if err := e.untilStill(ctx, drivers, found.moving, began.Add(e.Config.GracePeriod)); err != nil {
				return err
			}
			scan--
			continue
		}
		if scan > 0 && len(found.running) == 0 {
			from := snap.From.Add(aheadOfUs) // by a clock that may be behind ours as it may be ahead
			if from.After(start) {
				from = start // it was there by then
			}
			if hidden := time.Until(from.Add(e.listLag())); hidden > 0 {
				e.Log.Info("all is down; lists may still hide what was started right before the snapshot", "looking again in", hidden.Round(time.Second).String())
				if err := pause(ctx, min(hidden, e.listLag())); err != nil {
					return err
				}
				scan--
				continue
			}
			balance.StillRuns = e.stillRuns(ctx, drivers, balance, found, filter, handling)
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return e.concludeScan(ctx, run, found, balance.ToStop(filter), res)
		}
		var supplements []window.Line
		for _, x := range found.running {
			e.Log.Info("found running after the snapshot", "execution", x.String())
			supplements = append(supplements, window.SupplementOf(x))
		}
		if err := run.Append(ctx, supplements...); err != nil {
			return err
		}
		if scan > scans {
			res.Code = 3
			balance.StillRuns = e.stillRuns(ctx, drivers, balance, found, filter, handling)
			res.Note(fmt.Sprintf("after %d scans something new still comes up: stop users from starting executions, and run dmm shutdown again", scan))
			return nil
		}
		plan := converge.PlanStop(balance, filter, handling, run.ID(), settled)
		plan.Known = known
		if err := engine.Execute(ctx, plan); err != nil {
			return err
		}
		began, known = time.Now(), time.Time{} // from here on scans add to what is known
	}
}

// concludeScan puts on record that nothing runs that should not, if that could be seen.
func (e *Env) concludeScan(ctx context.Context, run *window.Run, found scanned, up []*window.Item, res *report.Result) error {
	for _, x := range found.unknown {
		res.Code = 3
		res.Note(fmt.Sprintf("%s is in a state that dmm does not know (Domino says %s) and was not touched", x, x.DominoState))
	}
	for _, x := range found.moving {
		res.Code = 3
		res.Note(fmt.Sprintf("%s has been on its way for longer than %s (Domino says %s); dmm did not stop it", x, e.Config.GracePeriod, x.DominoState))
	}
	complete := true
	for _, p := range found.problems {
		res.Note(p.String())
		complete = complete && !p.Incomplete
	}
	if !complete {
		if !e.Config.AllowIncomplete {
			res.Code = 3
		}
		res.Note("the last scan could not see everything, so that nobody knows whether something new was started")
		return nil
	}
	if len(up)+len(found.moving)+len(found.unknown) > 0 {
		return nil // what failed to stop still runs
	}
	return run.Append(ctx, window.Line{Event: window.Quiet})
}

// untilStill waits until none of the executions is on its way any more, or until a time.
func (e *Env) untilStill(ctx context.Context, drivers *execution.Drivers, moving []execution.Execution, until time.Time) error {
	for time.Now().Before(until) {
		if err := pause(ctx, min(5*time.Second, e.listLag())); err != nil {
			return err
		}
		moving = slices.DeleteFunc(moving, func(x execution.Execution) bool {
			now, err := drivers.Of(x.Kind).Read(ctx, x)
			return errors.Is(err, execution.ErrGone) || err == nil && now.State != execution.Stopping
		})
		if len(moving) == 0 {
			break
		}
	}
	return nil
}

// scanned is what a scan has found beside what the window is already about.
type scanned struct {
	running  []execution.Execution // with all that a restart needs
	doubtful []execution.Execution // which the window has seen down: what shows them running may be older
	moving   []execution.Execution // on their way down, or up and down as a pending model version, not by dmm
	unknown  []execution.Execution
	problems []execution.Problem
	seen     []execution.Execution // what the window is about, as it was read, or listed where nothing more is to be learnt
	outside  []execution.Execution // which the filters leave out, as it was listed
	kinds    []execution.Kind
}

// stillRuns counts what runs of all kinds, of which a scan has listed some.
func (e *Env) stillRuns(
	ctx context.Context, drivers *execution.Drivers, b *window.Balance, found scanned, f execution.Filter, h execution.Handling,
) *window.StillRuns {
	others := slices.DeleteFunc(execution.Kinds(), func(k execution.Kind) bool { return slices.Contains(found.kinds, k) })
	var l execution.Listing
	if len(others) > 0 {
		l = drivers.List(ctx, others)
	}
	problems, seen := l.Problems, found.seen
	var doubtful []execution.Execution
	for _, x := range append(l.Executions, found.outside...) {
		if x.State == execution.Running || x.State.Down() {
			seen = append(seen, x)
		} else {
			doubtful = append(doubtful, x) // a list may show what never ran as about to start
		}
	}
	var mu sync.Mutex
	reads := crash.NewGroup(64) // the client's limiter sets the pace
	for _, x := range doubtful {
		reads.Go(func() error {
			now, err := drivers.Of(x.Kind).Detail(ctx, x)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, execution.ErrGone):
			case err != nil:
				problems = append(problems, unread(x, err))
			default:
				seen = append(seen, now)
			}
			return nil
		})
	}
	_ = reads.Wait() // errors are problems
	for _, p := range problems {
		e.Log.Warn("count what still runs", "problem", p.String())
	}
	s := b.StillRunning(seen, f, h)
	for _, p := range slices.Concat(problems, found.problems) { // the latter have been said
		if p.Incomplete && !slices.Contains(s.Unseen, p.Kind) {
			s.Unseen = append(s.Unseen, p.Kind)
		}
	}
	return s
}

// unread is the problem of a scan which cannot tell of an execution whether it runs.
func unread(x execution.Execution, err error) execution.Problem {
	return execution.Problem{Kind: x.Kind, Subject: x.Name + " (" + x.ID + ")", Message: err.Error(), Incomplete: true}
}

// scanFor looks for what runs and is not among what the window still has to stop. A list
// only nominates: it may be older than what dmm has done itself. So may a read be that was asked for before settledBy.
func scanFor(
	ctx context.Context, drivers *execution.Drivers, b *window.Balance, f execution.Filter, h execution.Handling, settledBy time.Time,
) scanned {
	kinds := slices.Clone(f.Kinds)
	if len(kinds) == 0 {
		kinds = execution.Kinds()
	}
	kinds = slices.DeleteFunc(kinds, h.Ignores)
	l := drivers.List(ctx, kinds)
	found := scanned{problems: l.Problems, kinds: kinds}
	var mu sync.Mutex
	reads := crash.NewGroup(64)
	for _, x := range l.Executions {
		it := b.Item(x.Key())
		handled := it != nil && it.Wanted() && !it.Stop.Settled()
		switch {
		case x.State.Down():
			continue
		case !f.Match(x):
			found.outside = append(found.outside, x)
			continue
		case handled:
			mu.Lock()
			found.seen = append(found.seen, x)
			mu.Unlock()
			continue
		}
		reads.Go(func() error {
			older := it != nil && it.SeenDown() && time.Now().Before(settledBy)
			now, err := drivers.Of(x.Kind).Detail(ctx, x)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, execution.ErrGone):
				return nil
			case err != nil:
				found.problems = append(found.problems, unread(x, err))
				return nil
			}
			found.seen = append(found.seen, now)
			switch {
			case now.State == execution.Stopping:
				found.moving = append(found.moving, now)
			case now.State == execution.Unknown:
				found.unknown = append(found.unknown, now)
			case now.State.Up() && older:
				found.doubtful = append(found.doubtful, now)
			case now.State.Up():
				found.running = append(found.running, now)
			}
			return nil
		})
	}
	_ = reads.Wait() // errors are problems of the scan
	snapshot.Sort(found.running)
	return found
}

func concludeShutdown(res *report.Result, run *window.Run, b *window.Balance, f execution.Filter, err error) {
	res.Window = run.Name()
	res.Stopping(b, f)
	drained := 0
	for _, it := range b.Items() {
		if it.Flow != "" && it.Wanted() && f.Match(it.Execution) {
			drained++
		}
	}
	if drained > 0 {
		res.Note(fmt.Sprintf("%s of flows: dmm waits for these and stops none, since a flow ends as a whole with any of its jobs", execution.Job.Plural(drained)))
	}
	standing := b.Standing(f)
	switch {
	case standing.Stop.Failed > 0 || res.Code == 3:
		res.Code = 3
		res.Message = fmt.Sprintf("Shutdown is partial: %s.", standing.Down())
		res.Next = "see above, then dmm shutdown again, or dmm restore to call it off"
	case standing.Stop.Remaining > 0:
		res.Message = fmt.Sprintf("Shutdown was stopped: %s.", standing.Down())
		res.Next = "dmm shutdown"
	case err != nil:
		res.Message = fmt.Sprintf("Shutdown was stopped: %s; the last look for what was started meanwhile was cut short.", standing.Down())
		res.Next = "dmm shutdown"
	default:
		res.Phase = window.PhaseStopped // once the end is on record
		res.Message = fmt.Sprintf("Shutdown is done: %s.", standing.Down())
		res.Next = "upgrade Domino, then dmm restore" + run.Pinned().RestoreFlags()
		if first := errorsFirst(res); first != "" {
			res.Next = first + ", " + res.Next
		}
	}
}

// previewShutdown prints the plan that a real run would execute.
func (e *Env) previewShutdown(ctx context.Context, at *scene, snap *snapshot.Snapshot) (*report.Result, error) {
	var journal []window.Line
	res, filter, handling := at.res, e.filter(), e.handling()
	if at.open() {
		journal, filter, handling = at.last.Lines, at.last.Pinned.Filter, at.last.Pinned.Handling
	}
	handling = at.able(handling)
	balance := window.Remaining(snap.Executions, journal)
	found := scanFor(ctx, execution.NewDrivers(at.client), balance, filter, handling, time.Time{})
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	for _, p := range found.problems {
		res.Note(p.String())
	}
	for _, x := range found.running {
		balance.Apply(window.SupplementOf(x))
	}
	plan := converge.PlanStop(balance, filter, handling, "", time.Now().Add(e.Config.Settle))
	preview(res, balance, plan)
	for _, l := range plan.Left {
		balance.Apply(window.OutcomeOf(window.Left, window.Stop, l.Item.Key(), "", l.Reason, 0))
	}
	ours := map[execution.Key]bool{}
	for _, it := range balance.Items() { // what dmm has asked to stop already is on its way down
		ours[it.Key()] = it.Stop.Intents > 0
	}
	for _, step := range plan.Steps {
		ours[step.Item.Key()] = true
	}
	found.seen = slices.DeleteFunc(found.seen, func(x execution.Execution) bool { return ours[x.Key()] })
	still := e.stillRuns(ctx, execution.NewDrivers(at.client), balance, found, filter, handling)
	res.StillRuns = still
	if err := e.foresee(ctx, at, planned(plan)); err != nil {
		return nil, err
	}
	waits := 0
	for _, s := range plan.Steps {
		if s.Wait {
			waits++
		}
	}
	res.Message = fmt.Sprintf("Dry run, nothing was touched: shutdown would stop %s", plural(len(plan.Steps)-waits, "execution"))
	if waits > 0 {
		res.Message += fmt.Sprintf(" and wait for %d", waits)
	}
	if still.Total > 0 {
		res.Message += fmt.Sprintf("; %d would still run: %s", still.Total, still.Why())
	}
	res.Message += "."
	res.Next = shutdownNext(res)
	if at.open() { // which keeps to its snapshot
		res.Next = "dmm shutdown"
		if first := errorsFirst(res); first != "" {
			res.Next = first + ", then dmm shutdown"
		}
	}
	return res, nil
}

// preview lists a plan instead of executing it.
func preview(res *report.Result, b *window.Balance, p converge.Plan) {
	res.Phase = b.Phase
	for _, step := range p.Steps {
		why := step.Why
		if !step.NotBefore.IsZero() {
			why += "; not before " + step.NotBefore.UTC().Format(time.RFC3339)
		}
		res.Executions = append(res.Executions, report.ExecutionOf(step.Item.Execution, "planned", why))
	}
	for _, l := range p.Left {
		res.Executions = append(res.Executions, report.ExecutionOf(l.Item.Execution, "left", l.Reason))
	}
}

// restoring refuses to shut down in a window from which executions are being brought back.
func restoring(name string, b *window.Balance) error {
	if b.Phase != window.PhaseRestoring {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("window %s is being restored", name),
		Next:   "dmm restore, to finish it, or dmm close --reason '...', to give up what is not back",
	}
}
