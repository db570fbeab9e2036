package modes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const auditLong = `Tells whether the next maintenance would work, and changes nothing in Domino. It lists what runs,
makes the plans of shutdown and restore with the same code as these, asks Domino for everything that
would keep an execution from coming back, tries the store, reads the newest snapshot to its end, says
what has changed since the last snapshot and the last audit, and how long a maintenance would take.

Its first line is how many executions would not come back by themselves. It ends with 7 if there is
anything to be mended. What it finds is kept in the store.`

// Codes of what an audit finds beside what a preflight does. Others rely on them.
const (
	codeIncomplete  = "inventory-incomplete"
	codeUnaccounted = "unaccounted"
	codeUnhandled   = "unhandled"
	codeUnknown     = "unknown-state"
	codeFailed      = "failed-before"
	codeGrace       = "grace-too-short"
	codeDeadline    = "deadline-too-short"
	codeCredentials = "credentials-expire"
	codeVersion     = "version"
	codeTLS         = "tls-not-verified"
	codeStore       = "store"
	codeClock       = "clock"
	codeOpen        = "window-open"
	codeJournal     = "journal-damaged"
	codeSnapshot    = "snapshot-damaged"
	codeFilters     = "filters"
)

// Audit tells whether the next maintenance would work.
func Audit(ctx context.Context, e *Env) (*report.Result, error) {
	client, dep, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	r, err := e.records(ctx)
	if err != nil {
		return nil, err
	}
	at := &scene{res: e.result("audit"), client: client, domino: dep, store: r.store}
	at.res.Domino, at.res.As = dep.URL+" "+dep.Version.Raw, dep.Principal.Name
	a := &audit{Env: e, scene: at, records: r, id: snapshot.NewID(at.res.Began), lost: map[string]map[execution.Key]bool{}, altered: map[execution.Key]string{}}
	a.records.find(a)
	if open := a.openWindow(); open != nil {
		return a.whileOpen(open), nil
	}
	if err := a.inventory(ctx); err != nil {
		return nil, err
	}
	a.plan()
	if err := a.past(ctx); err != nil {
		return nil, err
	}
	if err := a.compare(ctx); err != nil {
		return nil, err
	}
	if err := a.filters(ctx); err != nil {
		return nil, err
	}
	a.settings()
	usable := a.checkStore(ctx)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	a.conclude()
	if !usable || e.Config.DryRun {
		return a.res, nil
	}
	return a.res, a.write(ctx)
}

// audit is one audit at work.
type audit struct {
	*Env
	*scene
	*records

	id         string
	manifest   snapshot.Manifest
	executions []execution.Execution
	up         []execution.Execution // those that run and that the filters let through
	stop       converge.Plan
	start      converge.Plan
	estimate   report.Estimate
	since      []report.Comparison
	findings   []execution.Finding
	// lost are the executions that would not come back by themselves, by reason.
	lost    map[string]map[execution.Key]bool
	foreign map[string]int           // what runs and dmm cannot name, by reason
	altered map[execution.Key]string // what would start without something that it has, and why
}

func (a *audit) found(s execution.Severity, code string, hit []execution.Execution, remedy, format string, args ...any) {
	f := execution.Finding{Severity: s, Code: code, Message: fmt.Sprintf(format, args...), Remedy: remedy}
	for _, x := range hit {
		f.Executions = append(f.Executions, execution.RefOf(x))
	}
	a.findings = append(a.findings, f)
}

func (a *audit) lose(reason string, k execution.Key) {
	for _, keys := range a.lost {
		if keys[k] {
			return // one reason is enough
		}
	}
	if a.lost[reason] == nil {
		a.lost[reason] = map[execution.Key]bool{}
	}
	a.lost[reason][k] = true
}

// find names what is damaged in the store and would end the next maintenance before it began.
func (r *records) find(a *audit) {
	const remedy = "put the object back from the bucket's own versions or backups; dmm verify tells more"
	for _, w := range r.windows {
		if w.Err != nil {
			a.found(execution.Error, codeJournal, nil, remedy, "%v", w.Err)
		}
	}
}

func (a *audit) openWindow() *window.Summary {
	if n := len(a.windows); n > 0 && a.windows[n-1].Err == nil && !a.windows[n-1].Closed {
		return &a.windows[n-1]
	}
	return nil
}

// whileOpen ends an audit in the middle of a maintenance, when what runs is not what usually does.
func (a *audit) whileOpen(w *window.Summary) *report.Result {
	a.found(execution.Error, codeOpen, nil, "dmm restore, to finish it, or dmm close --reason '...'",
		"window %s is open since %s: what runs now is not what runs between maintenances, and nothing else was audited", w.Name(), w.Opened.Format(time.RFC3339))
	a.res.Window, a.res.Snapshot, a.res.Code, a.res.Findings = w.Name(), w.Pinned.Snapshot, 7, a.findings
	a.res.Message = fmt.Sprintf("A maintenance is under way: window %s is open.", w.Name())
	a.res.Next = "dmm status"
	return a.res
}

// inventory lists what runs, and takes over what a snapshot would warn of.
func (a *audit) inventory(ctx context.Context) error {
	var err error
	if a.manifest, a.executions, err = a.Env.inventory(ctx, a.scene); err != nil {
		return err
	}
	m := a.manifest
	contents(a.res, m, a.executions)
	a.up = a.toCome(a.executions)
	var unseen []string
	for _, p := range m.Problems {
		if p.Incomplete {
			unseen = append(unseen, p.String())
		}
	}
	if len(unseen) > 0 {
		a.found(execution.Error, codeIncomplete, nil, "mend that: shutdown refuses a snapshot that could not see everything", "%s", join(unseen))
	}
	if n := len(m.Unaccounted); n > 0 {
		a.foreign = map[string]int{"the inventory does not show them, and so dmm would not touch them": n}
		a.found(execution.Warning, codeUnaccounted, nil, "use a key that may see all projects, or stop them by hand before the upgrade",
			"the inventory lacks %s, which Domino's own list of executions shows", plural(n, "running execution"))
	}
	for _, kind := range slices.Sorted(maps.Keys(m.WithoutDriver)) {
		n := m.WithoutDriver[kind]
		if a.foreign == nil {
			a.foreign = map[string]int{}
		}
		a.foreign["dmm does not handle those of kind "+kind] = n
		a.found(execution.Warning, codeUnhandled, nil, "let them end, or tell their owners, before the upgrade", "%s of kind %s, which dmm does not handle", plural(n, "running execution"), kind)
	}
	var unknown []execution.Execution
	filter := a.filter()
	for _, x := range a.executions {
		if x.State == execution.Unknown && filter.Match(x) {
			unknown = append(unknown, x)
			a.lose("their state is not known to dmm, which will not touch them", x.Key())
		}
	}
	if len(unknown) > 0 {
		a.found(execution.Error, codeUnknown, unknown, "look at them in Domino, and stop or restart them by hand",
			"%s in a state that dmm does not know, such as %q", plural(len(unknown), "execution"), unknown[0].DominoState)
	}
	return nil
}

// plan makes the plans of a shutdown and of the restore after it, if all of it went well.
func (a *audit) plan() {
	balance := window.Remaining(a.executions, nil)
	a.stop = converge.PlanStop(balance, a.filter(), a.able(a.handling()), "", time.Time{})
	settled := map[execution.Key]bool{}
	for _, l := range a.stop.Left {
		if l.Item.Kind != execution.ExternalDeployment { // which no upgrade ends
			a.lose(l.Reason, l.Item.Key())
		}
	}
	for _, s := range a.stop.Steps {
		if s.Wait { // it comes to its end by itself, and there is nothing to bring back
			settled[s.Item.Key()] = true
			continue
		}
		balance.Apply(window.IntentOf(window.Stop, s.Item.Execution, 1), window.OutcomeOf(window.Done, window.Stop, s.Item.Key(), "", "", 1))
	}
	policy := a.policy(a.scene, &snapshot.Snapshot{Manifest: a.manifest}, "")
	a.start = converge.PlanStart(balance, policy, "", time.Time{})
	back := map[execution.Key]bool{} // by restore, or by its owner, who meets the same obstacles
	for _, l := range a.start.Left {
		a.lose(l.Reason, l.Item.Key())
		back[l.Item.Key()] = true
	}
	for _, s := range a.start.Steps {
		back[s.Item.Key()] = true
		settled[s.Item.Key()] = true
	}
	for _, f := range a.manifest.Findings {
		if hit := slices.DeleteFunc(slices.Clone(f.Executions), func(r execution.Ref) bool { return !back[r.Key] }); len(hit) > 0 || len(f.Executions) == 0 {
			all := len(f.Executions) == 0
			f.Executions = hit
			a.findings = append(a.findings, f)
			if f.Severity != execution.Error {
				continue
			}
			if f.Starts {
				for _, r := range hit {
					a.altered[r.Key] = f.Message
				}
				continue
			}
			if all {
				hit = nil
				for _, s := range a.start.Steps {
					hit = append(hit, execution.RefOf(s.Item.Execution))
				}
			}
			for _, r := range hit {
				a.lose(f.Message, r.Key)
			}
		}
	}
	for _, x := range a.up {
		if !settled[x.Key()] {
			a.lose("dmm does not start them again", x.Key())
		}
	}
}

// pastWindows is how many windows back are looked at for one that tells how long a step takes.
const pastWindows = 5

// Where there is no past window, a step takes about so long. The one recorded stop of a model took 39.7 s (api.md §9); the
// rest is assumed.
const (
	assumedStop  = 40 * time.Second
	assumedStart = 2 * time.Minute
	assumedCall  = time.Second // of looking at one execution and calling it
)

// past reads what earlier maintenances tell: how long they took, and what failed in the last.
func (a *audit) past(ctx context.Context) error {
	c := a.Config
	e := report.Estimate{Stop: len(a.stop.Steps), Start: len(a.start.Steps), Basis: "assumed, since the store has no maintenance to go by"}
	e.Down = assumedCall*time.Duration(e.Stop/c.Concurrency) + 2*assumedStop // model APIs wait for the others
	e.Up = assumedCall*time.Duration(e.Start/c.Concurrency) + assumedStart*time.Duration((e.Start+c.StartConcurrency-1)/c.StartConcurrency)
	var down, up, both bool
	var upgrade time.Duration
	for i, w := range slices.Backward(a.windows) {
		if w.Err != nil || w.Pinned.FromSnapshot || len(a.windows)-i > pastWindows || both {
			continue
		}
		past, err := window.Read(ctx, a.store(), w.Number)
		if isDamaged(err) {
			a.found(execution.Error, codeJournal, nil, "put the object back from the bucket's own versions or backups; dmm verify tells more", "%v", err)
			continue
		}
		if err != nil {
			return err
		}
		if i == len(a.windows)-1 {
			if err := a.failedIn(ctx, past); err != nil {
				return err
			}
		}
		if t, ok := window.TimingOf(past.Lines, window.ModeShutdown, window.Stop); ok && !down {
			down, e.Down = true, t.For(e.Stop, 0)
			if t.One > c.GracePeriod {
				a.found(execution.Warning, codeGrace, nil, "raise DMM_GRACE_PERIOD", "in window %s it took %s until half of the executions had stopped, and DMM_GRACE_PERIOD is %s", w.Name(), t.One.Round(time.Second), c.GracePeriod)
			}
			e.Basis = "by window " + w.Name()
			upgrade = between(past.Lines)
		}
		if t, ok := window.TimingOf(past.Lines, window.ModeRestore, window.Start); ok && !up {
			up, e.Up = true, t.For(e.Start, c.StartConcurrency)
			e.Basis = "by window " + w.Name()
		}
		both = down && up
	}
	a.estimate = e
	for _, step := range []struct {
		name string
		took time.Duration
	}{{"shutdown", e.Down}, {"restore", e.Up}} {
		if c.Deadline > 0 && step.took > c.Deadline {
			a.found(execution.Warning, codeDeadline, nil, "raise DMM_DEADLINE, and the Job's activeDeadlineSeconds above it; or count on running it again",
				"%s is estimated to take %s, and DMM_DEADLINE stops it after %s", step.name, step.took.Round(time.Second), c.Deadline)
		}
	}
	// An API key does not expire, and neither does a file that is written anew in time.
	if at, renewed := a.client.Expires(); !at.IsZero() && !renewed {
		if end := time.Now().Add(e.Down + upgrade + e.Up); at.Before(end) {
			a.found(execution.Error, codeCredentials, nil, "use an API key, or a token in a file that is renewed",
				"the token expires at %s, and a maintenance that began now would end at %s or later", at.Format(time.RFC3339), end.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// between is how long it was from the end of the shutdown to the beginning of the restore.
func between(journal []window.Line) time.Duration {
	var down, up time.Time
	mode := ""
	for _, l := range journal {
		switch {
		case l.Event == window.Begin:
			if mode = l.Holder.Mode; mode == window.ModeRestore && up.IsZero() {
				up = l.At
			}
		case l.Event == window.End && mode == window.ModeShutdown:
			down = l.At
		}
	}
	if down.IsZero() || up.Before(down) {
		return 0
	}
	return up.Sub(down)
}

// failedIn finds what failed in the last maintenance and runs again: it may fail once more.
func (a *audit) failedIn(ctx context.Context, w *window.Window) error {
	snap, err := snapshot.Load(ctx, a.store(), w.Pinned.Snapshot)
	if isDamaged(err) || errors.Is(err, snapshot.ErrNotFound) {
		return nil // a damaged one that matters is found otherwise
	}
	if err != nil {
		return err
	}
	balance := window.Remaining(snap.Executions, w.Lines)
	var again []execution.Execution
	for _, x := range a.up {
		if it := balance.Item(x.Key()); it != nil && (it.Stop.Outcome == window.Failed || it.StartFailed() || it.GivenUp()) {
			again = append(again, x)
		}
	}
	if len(again) > 0 {
		a.found(execution.Warning, codeFailed, again, fmt.Sprintf("look at why they failed in the report of window %s", w.Name()),
			"%s failed to stop or to start in the last maintenance, window %s", plural(len(again), "execution"), w.Name())
	}
	return nil
}

// compare says what has changed since the newest complete snapshot and the last audit. It reads the newest snapshot,
// complete or not, to its end.
func (a *audit) compare(ctx context.Context) error {
	newest := true
	for i, f := range slices.Backward(a.folders) {
		if f.Unfinished || !newest && !a.manifests[i].Complete {
			continue
		}
		snap, err := snapshot.Load(ctx, a.store(), f.ID)
		if err != nil && !isDamaged(err) {
			return err
		}
		if err != nil && newest {
			a.found(execution.Error, codeSnapshot, nil, "put the object back from the bucket's own versions or backups, or take another snapshot", "%v", err)
		}
		newest = false
		if err == nil && snap.Complete {
			a.since = append(a.since, report.Comparison{With: "snapshot " + f.ID, Changes: snapshot.Compare(snap.Executions, a.executions)})
			break
		}
	}
	audits, err := snapshot.Audits(ctx, a.store())
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(audits) {
		if f.Unfinished {
			continue
		}
		_, before, err := snapshot.LoadAudit(ctx, a.store(), f.ID)
		if isDamaged(err) {
			a.res.Note(fmt.Sprintf("the last audit, %s, is damaged and was not compared with: %v", f.ID, err))
		} else if err != nil {
			return err
		} else {
			a.since = append(a.since, report.Comparison{With: "audit " + f.ID, Changes: snapshot.Compare(before, a.executions)})
		}
		break
	}
	return nil
}

// filters finds what a shutdown with these filters would be refused for.
func (a *audit) filters(ctx context.Context) error {
	err := a.fits(ctx, a.scene, a.fitShutdown(a.client, "", a.executions))
	var refused *UsageError
	if !errors.As(err, &refused) {
		return err
	}
	for fault := range strings.SplitSeq(refused.Reason, "\n") {
		a.found(execution.Error, codeFilters, nil, "mend the setting: shutdown refuses it", "%s", fault)
	}
	return nil
}

// settings finds what is uncertain about how Domino is spoken to.
func (a *audit) settings() {
	for _, w := range a.domino.Warnings {
		a.found(execution.Warning, codeVersion, nil, "rehearse with dmm snapshot and dmm shutdown --dry-run, or use a version of dmm that knows it", "%s", w)
	}
	if a.Config.SSLNoVerify {
		a.found(execution.Warning, codeTLS, nil, "name the CA's certificate in DOMINO_CA_FILE", "DOMINO_SSL_NO_VERIFY is set: whoever stands between can read the key")
	}
}

// checkStore proves that the store can hold the lock of a window, and reports whether it can be written to at all.
func (a *audit) checkStore(ctx context.Context) bool {
	check, err := a.tryStore(ctx, a.store(), a.id)
	if a.res.Store = check; check.Skew.Abs() > tolerableSkew {
		a.found(execution.Warning, codeClock, nil, "mend the clock that is wrong: a snapshot from the future is refused",
			"the clocks of the storage and of this machine are %v apart", check.Skew.Abs().Round(time.Second))
	}
	if err == nil {
		return true
	}
	remedy := "mend that: no window can be opened without it"
	if errors.Is(err, store.ErrDenied) {
		remedy = "give the store's credentials the rights to create, read, list and delete below the prefix; docs/storage.md has them for each provider"
	}
	a.found(execution.Error, codeStore, nil, remedy, "%v", err)
	return errors.Is(err, window.ErrUnsafe)
}

// conclude puts together what was found.
func (a *audit) conclude() {
	res := a.res
	slices.SortStableFunc(a.findings, func(x, y execution.Finding) int {
		rank := map[execution.Severity]int{execution.Error: 0, execution.Warning: 1, execution.Info: 2}
		return rank[x.Severity] - rank[y.Severity]
	})
	res.Findings = a.findings
	res.Audit = &report.Audit{ID: a.id, Estimate: a.estimate, Since: a.since, Running: len(a.up)}
	up := make(map[execution.Key]bool, len(a.up))
	for _, x := range a.up {
		up[x.Key()] = true
	}
	for reason, keys := range a.lost {
		res.Audit.Reasons = append(res.Audit.Reasons, report.Reason{Text: reason, Executions: len(keys)})
		for k := range keys {
			if !up[k] {
				res.Audit.Running++ // in a state nobody knows
			}
		}
	}
	for reason, n := range a.foreign {
		res.Audit.Reasons = append(res.Audit.Reasons, report.Reason{Text: reason, Executions: n})
		res.Audit.Running += n
	}
	slices.SortFunc(res.Audit.Reasons, func(x, y report.Reason) int {
		if x.Executions != y.Executions {
			return y.Executions - x.Executions
		}
		return strings.Compare(x.Text, y.Text)
	})
	var because []string
	for _, r := range res.Audit.Reasons {
		res.Audit.Lost += r.Executions
		because = append(because, fmt.Sprintf("%s (%d)", r.Text, r.Executions))
	}
	res.Audit.Headline = fmt.Sprintf("If the upgrade began now, all %d executions that run would come back by themselves.", res.Audit.Running)
	if res.Audit.Lost > 0 {
		res.Audit.Headline = fmt.Sprintf("If the upgrade began now, %d of %d executions would not come back by themselves, because %s.",
			res.Audit.Lost, res.Audit.Running, strings.Join(because, "; "))
	}
	for _, keys := range a.lost {
		maps.DeleteFunc(a.altered, func(k execution.Key, _ string) bool { return keys[k] })
	}
	if n := len(a.altered); n > 0 {
		res.Audit.Headline += fmt.Sprintf(" %d would come back without what they had, because %s.", n, strings.Join(slices.Compact(slices.Sorted(maps.Values(a.altered))), "; "))
	}
	if !a.manifest.Complete {
		res.Audit.Headline += " What could not be listed is not counted."
	}
	count := map[execution.Severity]int{}
	for _, f := range res.Findings {
		count[f.Severity]++
	}
	res.Message = fmt.Sprintf("Audit %s found nothing to mend.", a.id)
	if n, w := count[execution.Error], count[execution.Warning]; n+w > 0 {
		res.Code = 7
		res.Message = fmt.Sprintf("Audit %s found %s and %s.", a.id, plural(n, "error"), plural(w, "warning"))
		res.Next = "do what stands beside each finding, then dmm audit again"
	}
	res.Took = time.Since(res.Began)
}

// write keeps the audit in the store.
func (a *audit) write(ctx context.Context) error {
	var text bytes.Buffer
	if err := a.res.WriteText(&text); err != nil {
		return err
	}
	result, err := json.Marshal(a.res)
	if err != nil {
		return err
	}
	return snapshot.WriteAudit(ctx, a.store(), a.id, result, text.Bytes(), a.executions)
}

func (a *audit) store() store.Store { return a.scene.store }
