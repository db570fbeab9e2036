package modes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const restoreLong = `Starts again what shutdown has stopped, and nothing else: model APIs first, then apps,
workspaces if asked to, schedules, and last, if asked to, builds and jobs. What its owner had
stopped stays stopped. Killed at any moment, the same command goes on where it was; run
again, it tries what failed.

It also calls off a shutdown that is half done. --give-up settles what fails, so that the
window closes. --from-snapshot ID --yes restores a snapshot without its maintenance, as after
a deployment was rebuilt.`

// Restore starts again what the open window has stopped.
func Restore(ctx context.Context, e *Env) (*report.Result, error) {
	at, err := e.begin(ctx, "restore")
	if err != nil {
		return nil, err
	}
	if err := e.keyed(at); err != nil {
		return nil, err
	}
	if from := e.Config.RestoreFrom; from != "" {
		return e.restoreFrom(ctx, at, from)
	}
	if !at.open() {
		return e.nothingToRestore(ctx, at)
	}
	if err := e.another(at); err != nil {
		return nil, err
	}
	last := at.last
	if !last.Pinned.FromSnapshot { // a deployment that was rebuilt may have moved
		if err := sameDeployment("window "+last.Name(), last.Pinned.Domino, at.domino.URL); err != nil {
			return nil, err
		}
	}
	snap, err := pinnedSnapshot(ctx, at.store, last.Pinned)
	if err != nil {
		return nil, err
	}
	if err := e.heed(ctx, at, snap, last.Lines); err != nil {
		return nil, err
	}
	if e.Config.DryRun {
		return e.previewRestore(ctx, at, snap, last.Lines)
	}
	run, err := e.enter(ctx, at, window.ModeRestore)
	if errors.Is(err, window.ErrClosed) { // while this run waited for its turn
		at.res.Phase = window.PhaseClosed
		at.res.Message = fmt.Sprintf("Nothing is left to restore: another run has closed window %s meanwhile.", last.Name())
		at.res.Next = "dmm report"
		return at.res, nil
	}
	if err != nil {
		return nil, err
	}
	return e.bringBack(ctx, at, run, snap)
}

// heed refuses filters that name what does not exist, or leave nothing of what is owed: a restore that ends well and
// brings nothing back would be taken for one that did, and the window would be in restore from then on.
func (e *Env) heed(ctx context.Context, at *scene, snap *snapshot.Snapshot, journal []window.Line) error {
	against, err := e.fitRestore(ctx, at, snap, journal)
	if err != nil {
		return err
	}
	return e.fits(ctx, at, against)
}

// nothingToRestore says what the last window left down, since nothing will bring it back by itself.
func (e *Env) nothingToRestore(ctx context.Context, at *scene) (*report.Result, error) {
	res, err := at.nothingOpen(ctx, "Nothing to restore: no maintenance is open.")
	if err != nil {
		return nil, err
	}
	snap, err := at.unmatched(ctx)
	if err != nil {
		return nil, err
	}
	if snap != nil {
		if err := e.missed(ctx, at, snap); err != nil {
			return nil, err
		}
	}
	if at.last != nil {
		err = e.sayLeftDown(ctx, at)
	}
	return res, err
}

// sayLeftDown says what the last window has left down, and how it can still be brought back.
func (e *Env) sayLeftDown(ctx context.Context, at *scene) error {
	var lines []execution.Execution
	switch snap, err := pinnedSnapshot(ctx, at.store, at.last.Pinned); {
	case errors.As(err, new(*snapshot.DamagedError)): // nobody needs it any more, and the journal names what was stopped
		at.res.Note(err.Error())
	case err != nil:
		return err
	default:
		lines = snap.Executions
	}
	b := window.Remaining(lines, at.last.Lines)
	left, leave := b.LeftDown(), e.leaves()
	if len(left) == 0 {
		return nil
	}
	t := b.Tally()
	at.res.Message += fmt.Sprintf(" Window %s brought back %d of %s and left %d down.", at.last.Name(), t.Back, plural(t.Of, "execution"), len(left))
	if at.res.Code != 0 {
		return nil // what is down and unexplained comes first
	}
	asked := slices.DeleteFunc(slices.Clone(left), func(it *window.Item) bool { return !it.Start.Policy || leave[it.Kind] != "" })
	switch {
	case len(givenUp(b)) > 0:
		offerBack(at.res, at.last.Pinned, givenUp(b))
	case len(asked) > 0:
		offerBack(at.res, at.last.Pinned, asked)
	default:
		at.res.Next = "dmm report " + at.last.Name()
	}
	return nil
}

func givenUp(b *window.Balance) []*window.Item {
	return slices.DeleteFunc(b.LeftDown(), func(it *window.Item) bool { return !it.GivenUp() })
}

// offerBack names the command that still brings back what a window has given up, or left. Its snapshot knows nothing of what
// was started after it.
func offerBack(res *report.Result, p window.Pinned, items []*window.Item) {
	late := 0
	var kinds []execution.Kind
	for _, it := range items {
		kinds = append(kinds, it.Kind)
		if it.Supplement {
			late++
		}
	}
	res.Next = "dmm restore --from-snapshot " + p.Snapshot + " --yes" + window.Asking(kinds...)
	if late > 0 {
		res.Message += fmt.Sprintf(" The snapshot knows nothing of %d of these, started after it: dmm report names them.", late)
	}
	if late == len(items) {
		res.Next = "dmm report"
	}
}

// bringBack starts what the window owes, and closes it when nothing is owed any more.
func (e *Env) bringBack(ctx context.Context, at *scene, run *window.Run, snap *snapshot.Snapshot) (*report.Result, error) {
	began := time.Now()
	settled := began.Add(e.Config.Settle)
	balance := run.Account(snap.Executions)
	e.working(ctx, at, run, snap, fmt.Sprintf("Restore begins in window %s: %s to bring back.", run.Name(), plural(len(balance.ToStart()), "execution")))
	ctx, done := run.Guard(ctx)
	defer done()
	if run.Pinned().Intent != "" && e.Config.Intent == "" {
		if of, done := at.last.Intent(); !done {
			at.res.Note(fmt.Sprintf("This calls off the maintenance for %q: a shutdown for it is refused from now on. If what it was for has been done, dmm restore --intent says so.", of))
		}
	}
	if run.Pinned().FromSnapshot {
		lines, err := e.fill(ctx, at, balance)
		if err == nil {
			err = run.Append(ctx, lines...)
		}
		if err != nil {
			return nil, e.finish(ctx, run, nil, err)
		}
	}
	plan := converge.PlanStart(balance, e.policy(at, snap, run.ID()), run.ID(), settled)
	plan.Known = e.known(run, snap)
	err := e.foresee(ctx, at, planned(plan))
	if err == nil {
		err = putOnRecord(ctx, run, at.res.Findings)
	}
	if err != nil {
		return nil, e.finish(ctx, run, nil, err)
	}
	err = e.engine(ctx, at.client, run, balance, starting).Execute(ctx, plan)
	if err == nil && slices.ContainsFunc(balance.ToStart(), (*window.Item).StartFailed) {
		// A Domino that is lost is not the fault of what could not be started.
		if _, lost := at.client.Identify(ctx); lost != nil {
			err = fmt.Errorf("after the last start: %w", lost)
		}
	}
	if err == nil {
		for _, p := range execution.NewDrivers(at.client).Rerouted(ctx, back(balance)) {
			at.res.Note(p.String())
		}
	}
	if err == nil {
		err = e.explain(ctx, at, run, balance, began)
	}
	var givenUp []window.Line
	if err == nil && e.Config.GiveUp {
		tried := func(it *window.Item) bool { return it.StartFailed() && e.filter().Match(it.Execution) }
		givenUp = giveUp(balance, tried, "restore --give-up")
	}
	back := len(balance.Outstanding()) == len(givenUp)
	if err == nil && back {
		err = e.notices(at, run, balance).restored(ctx)
	}
	if err == nil && back {
		if err = run.Close(ctx, "", givenUp...); err == nil {
			e.concludeRestore(at.res, balance, run.Pinned().Filter)
			e.sealed(run, at.res, nil)
			return at.res, nil
		}
	} else if err == nil {
		err = run.Append(ctx, givenUp...)
	}
	e.concludeRestore(at.res, balance, run.Pinned().Filter)
	return at.res, e.finish(ctx, run, at.res, err)
}

// leaves says why the kinds that a restore starts only if asked to are left to their owners, empty for one that it is asked to start.
func (e *Env) leaves() map[execution.Kind]string {
	leave := map[execution.Kind]string{execution.Workspace: "", execution.Job: "", execution.Build: ""}
	if !e.Config.RestoreWorkspaces {
		leave[execution.Workspace] = "workspaces are started by their owners, unless restore is asked to (DMM_RESTORE_WORKSPACES)"
	}
	if !e.Config.RerunJobs {
		leave[execution.Job] = "jobs are run again by their owners, unless restore is asked to (DMM_RERUN_JOBS)"
	}
	if !e.Config.Rebuild {
		leave[execution.Build] = "builds are started again by their owners, unless restore is asked to (DMM_REBUILD)"
	}
	return leave
}

// asked are the kinds that a restore starts only if asked to, and is asked to start.
func (e *Env) asked() []execution.Kind {
	var kinds []execution.Kind
	for k, why := range e.leaves() {
		if why == "" {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// policy is what the settings say about what is owed. What is left for good says which run has left it.
func (e *Env) policy(at *scene, snap *snapshot.Snapshot, run string) converge.Policy {
	leave := e.leaves()
	for k, why := range leave {
		if why != "" && run != "" {
			leave[k] = fmt.Sprintf("%s; restore run %s was not asked to start it", why, run)
		}
	}
	return converge.Policy{
		Filter: e.filter(), Leave: leave,
		AppsRenamed:  !execution.SameInstances(snap.Domino.Version, at.domino.Version.Raw),
		AllowChanged: e.Config.AllowChanged,
	}
}

// back are the executions that were brought back in the window.
func back(b *window.Balance) []execution.Execution {
	var all []execution.Execution
	for _, it := range b.Items() {
		if it.Ours() && it.Start.Outcome == window.Done {
			all = append(all, it.Execution)
		}
	}
	return all
}

// giveUp settles what is outstanding and meets a condition.
func giveUp(b *window.Balance, which func(*window.Item) bool, why string) []window.Line {
	var lines []window.Line
	for _, it := range b.Outstanding() {
		if which(it) {
			reason := window.GivenUpPrefix + why
			if it.Start.Reason != "" {
				reason += "; before that: " + it.Start.Reason
			}
			lines = append(lines, window.OutcomeOf(window.Left, window.Start, it.Key(), it.Start.Instance, reason, 0))
		}
	}
	return lines
}

// restoreFrom restores a snapshot without its window, in a window of its own.
func (e *Env) restoreFrom(ctx context.Context, at *scene, id string) (*report.Result, error) {
	snap, err := snapshot.Load(ctx, at.store, id)
	if err != nil {
		return nil, err
	}
	if at.open() && !(at.last.Pinned.FromSnapshot && at.last.Pinned.Snapshot == snap.ID) {
		return nil, &Refusal{
			Reason: fmt.Sprintf("window %s is open and keeps to snapshot %s", at.last.Name(), at.last.Pinned.Snapshot),
			Next:   "dmm restore, without --from-snapshot, to finish it, or dmm close --reason '...', to give up what is not back; then this again",
		}
	}
	at.res.Snapshot = snap.ID
	if snap.Domino.URL == "" {
		at.res.Note("the snapshot does not say of which deployment it is: it was imported")
		snap.Domino.URL = at.domino.URL
	} else if sameDeployment("", snap.Domino.URL, at.domino.URL) != nil {
		at.res.Note(fmt.Sprintf("the snapshot was taken of %s, and this is %s", snap.Domino.URL, at.domino.URL))
	}
	if at.open() {
		if snap, err = pinnedSnapshot(ctx, at.store, at.last.Pinned); err != nil {
			return nil, err
		}
		if err := e.heed(ctx, at, snap, at.last.Lines); err != nil {
			return nil, err
		}
		if e.Config.DryRun {
			return e.previewRestore(ctx, at, snap, at.last.Lines)
		}
		run, err := e.enter(ctx, at, window.ModeRestore)
		if err != nil {
			return nil, err
		}
		return e.bringBack(ctx, at, run, snap)
	}
	pinned := window.Pinned{
		Snapshot: snap.ID, SHA256: snap.Data.SHA256, Manifest: snap.ManifestSHA256(), Domino: snap.Domino.URL,
		Lease: e.Config.Lease, FromSnapshot: true,
	}
	if err := e.heed(ctx, at, snap, []window.Line{{Event: window.Open, Window: &pinned}}); err != nil {
		return nil, err
	}
	if e.Config.DryRun || !e.Config.Yes {
		res, err := e.previewRestore(ctx, at, snap, []window.Line{{Event: window.Open, Window: &pinned}})
		if err != nil {
			return nil, err
		}
		n, refused := 0, 0
		for _, x := range res.Executions {
			switch x.Outcome {
			case "planned":
				n++
			case "refused":
				refused++
			}
		}
		res.Next = ""
		if n > 0 {
			res.Next = fmt.Sprintf("dmm restore --from-snapshot %s --yes", snap.ID)
		}
		switch {
		case e.Config.DryRun:
		case n == 0 && refused > 0:
			res.Code = 4
			res.Message = fmt.Sprintf("Refused: what would be sent to start the %s above differs from what Domino says.", plural(refused, "execution"))
			res.Next = fmt.Sprintf("see in Domino whether what is on record is right; then dmm restore --from-snapshot %s --yes --allow-changed-arguments", snap.ID)
		case n == 0:
			res.Message = "Nothing to start: none of what ran in the snapshot and these settings would start is down now."
		default:
			res.Code = 4
			res.Message = fmt.Sprintf("Refused without --yes: the %s above ran in the snapshot and would be started, though their owners may have stopped them.", plural(n, "execution"))
		}
		return res, nil
	}
	run, err := e.openNext(ctx, at, pinned, window.ModeRestore)
	if err != nil {
		return nil, err
	}
	at.res.Window = run.Name()
	return e.bringBack(ctx, at, run, snap)
}

// fill reads from Domino what the lines of a snapshot lack for a restart, and returns what is to be put on
// record before anything is started.
func (e *Env) fill(ctx context.Context, at *scene, balance *window.Balance) ([]window.Line, error) {
	drivers := execution.NewDrivers(at.client)
	var lacking []execution.Execution
	for _, it := range balance.ToStart() {
		if drivers.Lacking(it.Execution) {
			lacking = append(lacking, it.Execution)
		}
	}
	if len(lacking) == 0 {
		return nil, nil
	}
	filled, problems := drivers.Fill(ctx, lacking)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	for _, p := range problems {
		at.res.Note(p.String())
	}
	var lines []window.Line
	for _, f := range filled {
		switch {
		case execution.NoCredentials(f.Err):
			return nil, fmt.Errorf("read what a restart needs: %w", f.Err)
		case errors.Is(f.Err, execution.ErrNotHandled):
			lines = append(lines, window.OutcomeOf(window.Left, window.Start, f.Key(), "", f.Err.Error(), 0))
			continue
		case f.Err != nil && !errors.Is(f.Err, execution.ErrGone): // which its start will find out
			at.res.Note(fmt.Sprintf("%s: read what its restart needs: %v", f.Execution, f.Err))
		}
		lines = append(lines, window.SupplementOf(f.Execution))
	}
	return lines, nil
}

// previewRestore prints the plan that a real run would execute.
func (e *Env) previewRestore(ctx context.Context, at *scene, snap *snapshot.Snapshot, journal []window.Line) (*report.Result, error) {
	balance := window.Remaining(snap.Executions, journal)
	if journal[0].Window.FromSnapshot {
		e.passOver(ctx, at, balance)
		lines, err := e.fill(ctx, at, balance)
		if err != nil {
			return nil, err
		}
		balance.Apply(lines...)
	}
	plan := converge.PlanStart(balance, e.policy(at, snap, ""), "", time.Now().Add(e.Config.Settle))
	preview(at.res, balance, plan)
	if err := e.foresee(ctx, at, planned(plan)); err != nil {
		return nil, err
	}
	refused, err := e.previewArguments(ctx, at, plan)
	if err != nil {
		return nil, err
	}
	unexplained, err := e.previewExplain(ctx, at, balance.Unexplained(journal[0].Window.Filter))
	if err != nil {
		return nil, err
	}
	at.res.Message = fmt.Sprintf("Dry run, nothing was touched: restore has %s to bring back and would leave %d alone.", plural(len(plan.Steps), "execution"), len(plan.Left))
	if unexplained > 0 {
		at.res.Message += fmt.Sprintf(" %d more do not run, and nothing on record says who stopped them: it would end with 3.", unexplained)
	}
	if refused > 0 {
		at.res.Message += fmt.Sprintf(" It would refuse %d of these, whose arguments differ from what Domino says.", refused)
	}
	at.res.Next = "dmm restore"
	return at.res, nil
}

// passOver settles in a preview what runs already, as the real run would once it has looked at each.
func (e *Env) passOver(ctx context.Context, at *scene, balance *window.Balance) {
	drivers := execution.NewDrivers(at.client)
	reads := crash.NewGroup(64) // the client's limiter sets the pace
	var mu sync.Mutex
	var running []window.Line
	for _, it := range balance.ToStart() {
		d := drivers.Of(it.Kind)
		if d == nil {
			continue
		}
		reads.Go(func() error {
			now, err := d.Read(ctx, it.Execution)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && now.State.Up():
				running = append(running, window.OutcomeOf(window.Done, window.Start, it.Key(), now.Instance, "", 0))
			case err != nil && !errors.Is(err, execution.ErrGone):
				at.res.Note(fmt.Sprintf("%s: whether it runs could not be read: %v", it.Execution, err))
			}
			return nil
		})
	}
	_ = reads.Wait() // errors are notes
	balance.Apply(running...)
}

func (e *Env) concludeRestore(res *report.Result, b *window.Balance, f execution.Filter) {
	res.Starting(b, f)
	standing := b.Standing(f)
	leftOut, rest := 0, ""
	for _, it := range b.ToStart() {
		if !e.filter().Match(it.Execution) {
			leftOut++
		}
	}
	if leftOut > 0 {
		rest = fmt.Sprintf(" The filters of this run leave out %d of these.", leftOut)
	}
	defer func() {
		if n := res.Guessed(); n > 0 {
			res.Message += fmt.Sprintf(" %d came back perhaps not as before, as listed.", n)
		}
	}()
	changed := slices.ContainsFunc(b.ToStart(), func(it *window.Item) bool { return converge.RefusedAsChanged(it.Start.Reason) })
	switch {
	case standing.Unexplained > 0:
		res.Code = 3
		res.Message = fmt.Sprintf("Restore is partial: %s.", standing.Back()) + rest
		res.Next = "start in Domino what should run, then dmm restore again; or dmm restore --give-up, or dmm close --reason '...', to give up the rest"
	case b.Phase == window.PhaseClosed:
		res.Message = fmt.Sprintf("Restore is done: %s; window %s is closed.", standing.Back(), res.Window)
	case standing.Start.Failed > 0:
		res.Code = 3
		res.Message = fmt.Sprintf("Restore is partial: %s.", standing.Back()) + rest
		res.Next = "mend what is said above, then dmm restore again, or dmm close --reason '...' to give up the rest"
		if changed {
			res.Next = "see in Domino whether the arguments on record are right; then dmm restore --allow-changed-arguments" + window.Asking(e.asked()...) +
				", or dmm close --reason '...' to give up the rest"
		}
	default:
		res.Message = fmt.Sprintf("Restore is not finished: %s.", standing.Back()) + rest
		res.Next = "dmm restore"
		if leftOut > 0 {
			res.Next = "dmm restore, without filters, for the rest, or dmm close --reason '...' to give it up"
		}
	}
}
