package modes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const snapshotLong = `Records every execution in Domino, with all that is needed to start it again, and changes
nothing. Filters do not narrow a snapshot: they narrow what shutdown does with it.

Ends with 3 if something could not be listed: the snapshot is written, marked incomplete,
and shutdown refuses it. While a maintenance is open it takes none and ends with 0, so that
an upgrade whose first try failed can be run again.`

// errMaintenance: a window was opened while the snapshot was being taken, which shows a
// half-stopped system then.
var errMaintenance = errors.New("a maintenance took place while the executions were being listed")

func number(w *window.Window) int {
	if w == nil {
		return 0
	}
	return w.Number
}

// Snapshot records what runs.
func Snapshot(ctx context.Context, e *Env) (*report.Result, error) {
	at, err := e.begin(ctx, "snapshot")
	if err != nil {
		return nil, err
	}
	if at.open() {
		return keptBy(at.res, at.last), nil
	}
	res, s := at.res, at.store
	m, executions, err := e.inventory(ctx, at)
	if err != nil {
		return nil, err
	}
	if e.Config.DryRun {
		return describe(res, m, executions), nil
	}
	var meanwhile *window.Window
	m, err = snapshot.Write(ctx, s, m, executions, func(ctx context.Context) error {
		var err error
		if meanwhile, err = window.Look(ctx, s); err != nil {
			return err
		}
		if number(meanwhile) != number(at.last) {
			return errMaintenance
		}
		return nil
	})
	if errors.Is(err, errMaintenance) && !meanwhile.Closed() {
		return keptBy(res, meanwhile), nil
	}
	if err != nil {
		return nil, err
	}
	return describe(res, m, executions), nil
}

// inventory looks at everything that runs, and at what would keep it from coming back: all that a snapshot records.
func (e *Env) inventory(ctx context.Context, at *scene) (snapshot.Manifest, []execution.Execution, error) {
	client, dep := at.client, at.domino
	drivers := execution.NewDrivers(client)
	m := snapshot.Manifest{
		ID: snapshot.NewID(at.res.Began), From: at.res.Began, TakenBy: dep.Principal.Name, Tool: e.Version,
		Domino: snapshot.Domino{URL: dep.URL, Version: dep.Version.Raw},
	}
	unsighted := sight(dep.Principal)
	if unsighted != nil {
		e.Log.Warn(unsighted.String())
	}
	listing := drivers.List(ctx, execution.Kinds())
	drivers.Detail(ctx, &listing)
	if err := ctx.Err(); err != nil {
		return m, nil, context.Cause(ctx)
	}
	if unsighted != nil {
		listing.Problems = append(listing.Problems, *unsighted)
	}
	pods, err := e.witness(ctx, client, drivers, &m, &listing)
	if err != nil {
		return m, nil, err
	}
	snapshot.Sort(listing.Executions)
	var problems []execution.Problem
	if m.Findings, problems, err = e.preflight(ctx, at, drivers, pods, e.toReturn(listing.Executions)); err != nil {
		return m, nil, err
	}
	m.Problems = append(append(m.Problems, listing.Problems...), problems...)
	m.Complete = listing.Complete()
	m.Counts = snapshot.Count(listing.Executions)
	m.To = time.Now().UTC()
	return m, listing.Executions, nil
}

// sight is the problem of a caller who may not see everything (api.md §3, "visibility by caller").
func sight(p domino.Principal) *execution.Problem {
	if execution.Sighted(p) {
		return nil
	}
	return &execution.Problem{
		Subject: "rights", Incomplete: true,
		Message: fmt.Sprintf("%s is no administrator and may not list all projects: what it cannot see is not in this snapshot", p.Name),
	}
}

// witness compares the inventory with GET /v4/admin/executions, and with the pods where a cluster is in reach. That one of
// them cannot be asked is a warning: the inventory stands by itself.
func (e *Env) witness(ctx context.Context, client *domino.Client, drivers *execution.Drivers, m *snapshot.Manifest, l *execution.Listing) ([]execution.Pod, error) {
	seen, problems, err := execution.Witness(ctx, client)
	if domino.KindOf(err) == domino.KindCredentials {
		return nil, err
	}
	if err != nil {
		problems = append(problems, execution.Problem{Subject: "second look", Message: "the list of all executions could not be had: " + err.Error()})
	}
	pods, noPods := e.pods(ctx)
	if noPods != nil && !errors.Is(noPods, kube.ErrNoCluster) {
		problems = append(problems, execution.Problem{Subject: "third look", Message: "the pods of executions could not be listed: " + noPods.Error()})
	}
	missing, without, podless := drivers.Account(l.Executions, seen, err == nil, pods, noPods == nil)
	m.Unaccounted, m.WithoutDriver = missing, without
	l.Problems = slices.Concat(l.Problems, problems, podless)
	return pods, nil
}

func keptBy(res *report.Result, w *window.Window) *report.Result {
	res.Window, res.Snapshot = w.Name(), w.Pinned.Snapshot
	b := window.Remaining(nil, w.Lines)
	res.Phase, res.Next = b.Phase, b.Next(w.Pinned)
	res.Message = fmt.Sprintf("No snapshot was taken: window %s is open and keeps to snapshot %s. A new one would record a half-stopped system.", w.Name(), w.Pinned.Snapshot)
	return res
}

func describe(res *report.Result, m snapshot.Manifest, executions []execution.Execution) *report.Result {
	res.Snapshot = m.ID
	contents(res, m, executions)
	what := "Snapshot " + m.ID + " is written"
	if res.DryRun {
		what, res.Snapshot = "Dry run, nothing is written", ""
	}
	res.Message = fmt.Sprintf("%s: %s running.", what, plural(m.Running(), "execution"))
	if !m.Complete {
		res.Code = 3
		res.Message = fmt.Sprintf("%s, but NOT complete: %s running, and some could not be listed.", what, plural(m.Running(), "execution"))
		res.Next = "mend what is said above and run dmm snapshot again; shutdown refuses this one"
		return res
	}
	if m.Running() == 0 && len(executions) > 0 {
		res.Note("nothing runs: if a maintenance has stopped it, its records are in another store, and from this snapshot nothing would be brought back")
	}
	res.Next = shutdownNext(res)
	if res.DryRun {
		res.Next = "dmm snapshot"
	}
	return res
}

func unaccounted(u execution.Sighting) string {
	what := fmt.Sprintf("Domino's list of executions shows %s %s of %s (%s)", u.Workload, u.Title, u.Project, u.ID)
	if u.Pod != "" {
		what = strings.TrimSpace(fmt.Sprintf("pod %s runs (%s %s)", u.Pod, u.Workload, u.ID))
	}
	what += ", which the inventory does not show running"
	if u.Why != "" {
		what += ": " + u.Why
	}
	return what
}

// contents fills in what a snapshot saw, and what it could not.
func contents(res *report.Result, m snapshot.Manifest, executions []execution.Execution) {
	res.Findings = m.Findings
	for _, k := range execution.Kinds() {
		c := report.KindCount{Kind: k}
		for state, n := range m.Counts[k] {
			if state.Up() {
				c.Running += n
			} else {
				c.NotRunning += n
			}
		}
		res.Kinds = append(res.Kinds, c)
	}
	guessed := 0
	for _, x := range executions {
		if x.State == execution.Unknown {
			res.Executions = append(res.Executions, report.ExecutionOf(x, "unknown", "Domino says "+x.DominoState))
		}
		if len(x.Guesses) > 0 {
			guessed++
		}
	}
	for _, p := range m.Problems {
		res.Note(p.String())
	}
	if guessed > 0 {
		res.Note(fmt.Sprintf("for %s Domino does not tell all that a restart needs; dmm shutdown --dry-run lists what is assumed", plural(guessed, "execution")))
	}
	for _, u := range m.Unaccounted {
		res.Note(unaccounted(u))
	}
	for _, w := range slices.Sorted(maps.Keys(m.WithoutDriver)) {
		res.Note(fmt.Sprintf("%s of kind %q: dmm does not handle these, and an upgrade would end them", plural(m.WithoutDriver[w], "running execution"), w))
	}
}
