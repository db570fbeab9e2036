package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// sample is a whole maintenance of n executions, the same each time: a shutdown that finds
// two more, is killed and run again, an upgrade of two hours, a restore in which a few fail,
// another that brings back most of those, and a close.
func sample(n int, names func(i int) string) (*snapshot.Snapshot, *window.Window) {
	rng := rand.New(rand.NewPCG(7, 7))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	kinds := []execution.Kind{
		execution.App, execution.App, execution.App, execution.ModelAPI, execution.ModelAPI,
		execution.Workspace, execution.Workspace, execution.Workspace, execution.Workspace, execution.ScheduledJob,
	}
	words := map[execution.Kind][]string{
		execution.App:          {"dashboard", "explorer", "what-if", "monitor", "label-tool"},
		execution.ModelAPI:     {"scorer", "ranker", "pricing", "anomaly", "embedder"},
		execution.Workspace:    {"Jupyter", "RStudio", "VS Code", "notebook"},
		execution.ScheduledJob: {"nightly refresh", "weekly retrain", "hourly sync", "monthly report"},
	}
	var all []execution.Execution
	for i := range n + n/8 {
		owner := pick("a.okafor", "b.keller", "c.rossi", "d.nguyen", "e.haddad", "f.larsen", "g.moreau", "h.tanaka", "i.silva")
		k := kinds[rng.IntN(len(kinds))]
		e := execution.Execution{
			Kind: k, ID: fmt.Sprintf("%08x%016x", 0x66f00000+i, rng.Uint64()), Instance: fmt.Sprintf("%024x", i), Owner: owner,
			Name:    pick(words[k]...) + pick("", "", " v2", " v5", "-emea", "-apac", " (test)"),
			Project: execution.Project{ID: fmt.Sprint(i % 12), Owner: owner, Name: pick("churn-forecast", "credit-risk", "claims-triage", "demand-plan", "fraud-ring", "trial-design")},
			State:   execution.Running, DominoState: "Running",
		}
		if names != nil {
			e.Name = names(i)
		}
		if i >= n {
			e.State, e.DominoState, e.Instance = execution.Stopped, "Stopped", ""
		}
		all = append(all, e)
	}
	late := []execution.Execution{all[1], all[4]} // started by others while shutdown was at work
	late[0].ID, late[0].Name, late[1].ID, late[1].Name = "66ff00000000000000000001", "late workspace", "66ff00000000000000000002", "late dashboard"
	snapshot.Sort(all)
	snap := &snapshot.Snapshot{Executions: all, Manifest: snapshot.Manifest{
		ID: "20260922-190227-k3f9", From: began, To: began.Add(9 * time.Second), Domino: snapshot.Domino{URL: "https://domino.example.com", Version: "6.1.0"},
	}}
	w := &window.Window{Number: 17, Pinned: window.Pinned{Snapshot: snap.ID, Domino: snap.Domino.URL, Lease: time.Minute}}
	run := ""
	add := func(at time.Duration, l window.Line) {
		l.Schema, l.Run, l.At = window.Schema, run, began.Add(at)
		w.Lines = append(w.Lines, l)
	}
	begin := func(at time.Duration, mode, pod string) {
		run = pod
		add(at, window.Line{Event: window.Begin, Holder: &window.Holder{Run: pod, Mode: mode, Pod: pod, Host: "node-3", PID: 1, Tool: "1.0.0"}})
	}
	end := func(at time.Duration, code int) { add(at, window.Line{Event: window.End, Code: &code}) }

	type event struct {
		at time.Duration
		l  window.Line
	}
	var events []event
	flush := func() {
		slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
		for _, e := range events {
			add(e.at, e.l)
		}
		events = nil
	}
	at := func(t time.Duration, l window.Line) { events = append(events, event{t.Truncate(time.Second), l}) }
	outcome := func(t time.Duration, event window.Event, g window.Goal, e execution.Execution, reason string) {
		at(t, window.OutcomeOf(event, g, e.Key(), e.Instance, reason, 1))
	}

	up := slices.DeleteFunc(slices.Clone(all), func(e execution.Execution) bool { return !e.State.Up() })
	stopOrder := []execution.Kind{execution.ScheduledJob, execution.Workspace, execution.App, execution.ModelAPI}
	slices.SortStableFunc(up, func(a, b execution.Execution) int {
		return slices.Index(stopOrder, a.Kind) - slices.Index(stopOrder, b.Kind)
	})
	pace := 12 * time.Minute / time.Duration(len(up))
	add(time.Minute, window.Line{Event: window.Open, Window: &w.Pinned})
	begin(time.Minute, window.ModeShutdown, "dmm-shutdown-1-x7k2p")
	add(time.Minute, window.FoundBy(found(up)))
	var ours []execution.Execution
	for i, e := range up {
		t := time.Minute + time.Duration(i)*pace
		if i >= len(up)/2 {
			t += 3 * time.Minute // the first run was killed, and its lease had to pass
		}
		if i%41 == 7 {
			outcome(t, window.NotOurs, window.Stop, e, "it was stopped before dmm stopped it (Domino says Stopped)")
			continue
		}
		at(t, window.IntentOf(window.Stop, e, 1))
		if i == 23 {
			outcome(t+11*time.Minute, window.Failed, window.Stop, e, "it was not at the goal within 10m0s: Domino says Stopping")
		} else {
			outcome(t+time.Duration(5+rng.IntN(40))*time.Second, window.Done, window.Stop, e, "")
		}
		ours = append(ours, e)
	}
	for _, e := range late {
		at(20*time.Minute, window.SupplementOf(e))
		at(20*time.Minute, window.IntentOf(window.Stop, e, 1))
		outcome(20*time.Minute+15*time.Second, window.Done, window.Stop, e, "")
		ours = append(ours, e)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	half := slices.IndexFunc(events, func(e event) bool { return e.at >= 8*time.Minute })
	rest := slices.Clone(events[half:])
	events = events[:half]
	flush()
	begin(max(10*time.Minute, w.Lines[len(w.Lines)-1].At.Sub(began)), window.ModeShutdown, "dmm-shutdown-1-m4q9z")
	add(w.Lines[len(w.Lines)-1].At.Sub(began), window.FoundBy(found(up)[:1]))
	events = rest
	flush()
	add(27*time.Minute, window.Line{Event: window.Quiet})
	end(27*time.Minute, 3)

	const restore = 2*time.Hour + 20*time.Minute
	startOrder := []execution.Kind{execution.ModelAPI, execution.App, execution.Workspace, execution.ScheduledJob}
	slices.SortStableFunc(ours, func(a, b execution.Execution) int {
		return slices.Index(startOrder, a.Kind) - slices.Index(startOrder, b.Kind)
	})
	begin(restore, window.ModeRestore, "dmm-restore-1-8fwtd")
	add(restore, window.FoundBy(found(up)[1:]))
	var failed []execution.Execution
	for i, e := range ours {
		t := restore + time.Duration(i)*2*pace
		if e.Kind == execution.Workspace && i%3 > 0 {
			at(restore, window.OutcomeOf(window.Left, window.Start, e.Key(), "", "workspaces are started by their owners, unless DMM_RESTORE_WORKSPACES is true", 0))
			continue
		}
		at(t, window.IntentOf(window.Start, e, 1))
		if i%29 == 11 {
			outcome(t+2*time.Minute, window.Failed, window.Start, e, "start it: POST /v4/modelProducts/{id}/start: 500: hardware tier gpu-large has no capacity left (5 tries)")
			failed = append(failed, e)
			continue
		}
		outcome(t+time.Duration(20+rng.IntN(100))*time.Second, window.Done, window.Start, e, "")
	}
	flush()
	last := w.Lines[len(w.Lines)-1].At.Sub(began)
	end(last+time.Second, 3)
	begin(last+10*time.Minute, window.ModeRestore, "dmm-restore-2-c9x4n")
	for i, e := range failed {
		at(last+10*time.Minute, window.IntentOf(window.Start, e, 1))
		if i%2 == 0 {
			outcome(last+11*time.Minute+time.Duration(i)*time.Second, window.Done, window.Start, e, "")
		} else {
			outcome(last+11*time.Minute, window.Failed, window.Start, e, "start it: POST /v4/modelProducts/{id}/start: 500: hardware tier gpu-large has no capacity left (5 tries)")
		}
	}
	flush()
	end(last+20*time.Minute, 3)
	return snap, w
}

// found is what a preflight says of what runs.
func found(up []execution.Execution) []execution.Finding {
	var apps, large []execution.Ref
	for i, e := range up {
		r := execution.Ref{Key: e.Key(), Name: e.Name, Project: e.Project.String(), Owner: e.Owner}
		if e.Kind == execution.App {
			apps = append(apps, r)
		}
		if i%29 == 11 {
			large = append(large, r)
		}
	}
	return []execution.Finding{
		{Severity: execution.Error, Code: execution.TierArchived, Message: "hardware tier gpu-large is archived", Remedy: "let the owners choose another tier before the maintenance", Executions: large},
		{Severity: execution.Info, Code: execution.RunsAs, Message: fmt.Sprintf("%d apps of others will run as integration.admin", len(apps)), Executions: apps},
		{Severity: execution.Warning, Code: execution.TokenExpires, Message: "the token ends at 2026-09-22 21:00 UTC", Remedy: "use one that lasts as long as the maintenance, or an API key"},
	}
}

// closed is the sample after somebody has closed its window.
func closed(w *window.Window, snap *snapshot.Snapshot) *window.Window {
	c := *w
	c.Lines = slices.Clone(w.Lines)
	at := c.Lines[len(c.Lines)-1].At.Add(5 * time.Minute)
	add := func(l window.Line) {
		l.Schema, l.Run, l.At = window.Schema, "dmm-close", at
		c.Lines = append(c.Lines, l)
	}
	add(window.Line{Event: window.Begin, Holder: &window.Holder{Run: "dmm-close", Mode: window.ModeClose, Host: "laptop", PID: 7, Tool: "1.0.0"}})
	for _, it := range window.Remaining(snap.Executions, w.Lines).ToStart() {
		add(window.OutcomeOf(window.Left, window.Start, it.Key(), "", window.GivenUpPrefix+"the gpu-large tier was retired; before that: "+it.Start.Reason, 0))
	}
	add(window.Line{Event: window.Closed, Reason: "the gpu-large tier was retired"})
	return &c
}

// empty is a window in which nothing has happened yet.
func empty(w *window.Window) *window.Window {
	e := *w
	e.Lines = slices.Clone(w.Lines[:2])
	return &e
}
