package modes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const rehearseLong = `Loads a snapshot into the simulator and plays its maintenance there with the code of the real one:
snapshot, shutdown, restore. It says how long these would take and what would fail, and touches
neither Domino nor the store. What the snapshot's findings say will not come back does not come back.

Executions stop and start in the time that they took in the last maintenance on record, or in one that
is assumed. When a job or build comes to its end nobody knows: those that shutdown waits for go on for
longer than it does, unless --config says otherwise. --config names a file with other times and with faults
(as for dmm simulate), --speed plays faster than life, and --fault-rate lets so many of a hundred
executions meet a fault.`

// Rehearse plays the maintenance of a snapshot in the simulator.
func Rehearse(ctx context.Context, e *Env) (*report.Result, error) {
	st, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := snapshot.Load(ctx, st, e.Config.Snapshot)
	if err != nil {
		return nil, err
	}
	res := e.result("rehearse")
	res.Snapshot, res.Domino = snap.ID, "simulated, as "+snap.Domino.URL+" "+snap.Domino.Version
	if err := e.fits(ctx, &scene{res: res}, e.fitShutdown(nil, snap.ID, snap.Executions)); err != nil {
		return nil, err
	}
	stage, err := e.stage(ctx, st, snap, res)
	if err != nil {
		return nil, err
	}
	sim := dominosim.New(stage)
	if e.Staged != nil {
		e.Staged(sim)
	}
	player := e.player(sim)
	speed := time.Duration(e.Config.Speed)
	r := &report.Estimate{Basis: fmt.Sprintf("rehearsed at %d times the speed of life", speed)}
	res.Rehearsal = r

	taken, err := Snapshot(ctx, player)
	if err != nil {
		return nil, fmt.Errorf("rehearse: snapshot: %w", err)
	}
	want := map[execution.Kind]int{}
	for _, x := range playable(stage, snap.Executions) {
		want[x.Kind]++
	}
	for _, c := range taken.Kinds {
		if c.Running != want[c.Kind] && !endsByItself(c.Kind) {
			return nil, fmt.Errorf("rehearse: the simulator shows %s running, of the %d in snapshot %s", c.Kind.Plural(c.Running), want[c.Kind], snap.ID)
		}
	}
	e.Log.Info("rehearsing", "step", "shutdown", "speed", int(speed))
	began := time.Now()
	down, err := Shutdown(ctx, player)
	if err != nil {
		return nil, fmt.Errorf("rehearse: shutdown: %w", err)
	}
	r.Down, r.Stop = time.Since(began)*speed, down.Sum().Total
	e.Log.Info("rehearsing", "step", "restore", "speed", int(speed))
	began = time.Now()
	up, err := Restore(ctx, player)
	if err != nil {
		return nil, fmt.Errorf("rehearse: restore: %w", err)
	}
	r.Up, r.Start = time.Since(began)*speed, up.Sum().Total-up.Sum().Left
	res.Kinds = up.Kinds
	for _, x := range down.Executions {
		if x.Outcome == string(window.Failed) {
			x.Reason = "did not stop: " + x.Reason
			res.Executions = append(res.Executions, x)
		}
	}
	res.Executions = append(res.Executions, slices.DeleteFunc(up.Executions, report.Execution.Quiet)...)
	for _, f := range sim.Faults() {
		if f.Fired > 0 && f.Times >= 0 {
			res.Note(fmt.Sprintf("met and survived, or listed above: %s", f.Name))
		}
	}
	sum := up.Sum()
	failed := sum.Failed + sum.Remaining + down.Sum().Failed
	res.Message = fmt.Sprintf("Rehearsed with snapshot %s: %s of %s would be back, %d left to their owners, %d would fail.",
		snap.ID, fmt.Sprint(sum.Done), plural(sum.Total, "execution"), sum.Left, failed)
	if failed > 0 {
		res.Code = 3
		res.Next = "see above; dmm audit says of the deployment as it is now what will not come back"
	}
	return res, nil
}

// player is the environment of a mode that is played on a simulator, faster than life.
func (e *Env) player(sim *dominosim.Sim) *Env {
	player, c := *e, *e.Config
	d := time.Duration(c.Speed)
	c.Hostname, c.CAFile, c.SSLNoVerify = "http://simulated.invalid", "", false
	c.APIKey, c.APIKeyFile, c.Token, c.TokenFile = config.NewSecret(dominosim.DefaultAPIKey), "", config.Secret{}, ""
	c.Snapshot, c.RestoreFrom, c.DryRun, c.Deadline, c.WaitReady = "", "", false, 0, 0
	c.GracePeriod, c.Settle, c.Lease, c.NotifyLead = c.GracePeriod/d, c.Settle/d, max(c.Lease/d, time.Second), c.NotifyLead/d
	c.Kubernetes = "false"
	player.Config, player.speed = &c, c.Speed
	player.Transport, player.Store, player.Cluster = sim.RoundTripper(), mem.New(), nil
	player.Pods = nil
	return &player
}

// playable are the running executions of which the played version of Domino has the kind.
func playable(stage dominosim.Config, executions []execution.Execution) []execution.Execution {
	return slices.DeleteFunc(running(executions), func(x execution.Execution) bool { return !dominosim.Knows(stage.Profile, string(x.Kind)) })
}

func endsByItself(k execution.Kind) bool { return k == execution.Job || k == execution.Build }

// stage is a simulated deployment as the snapshot shows the real one.
func (e *Env) stage(ctx context.Context, st store.Store, snap *snapshot.Snapshot, res *report.Result) (dominosim.Config, error) {
	c := dominosim.Lagged(dominosim.Config{Latency: 200 * time.Millisecond, StartTime: assumedStart, StopTime: assumedStop})
	stop, start, err := e.lastTimes(ctx, st)
	if err != nil {
		return c, err
	}
	if stop > 0 {
		c.StopTime = stop
	}
	if start > 0 {
		c.StartTime = start
	}
	if path := e.Config.SimConfig; path != "" {
		if c, err = dominosim.LoadConfig(path); err != nil {
			return c, &UsageError{Reason: err.Error(), Next: "mend the file, or leave --config out"}
		}
	}
	c.Projects, c.Apps, c.Models, c.Workspaces, c.Schedules, c.Jobs, c.FlowJobs, c.Builds, c.Classics, c.Endpoints, c.Deployments = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	c.Plain, c.APIKey, c.Token, c.StoppedFraction, c.UnreachableModels = true, dominosim.DefaultAPIKey, "", 0, 0
	c.InvisibleProject, c.MissingOptionalFields = nil, nil
	if c.Profile == "" {
		c.Profile = profileOf(snap.Domino.Version)
	}
	d := time.Duration(e.Config.Speed)
	for _, t := range []*time.Duration{&c.Latency, &c.StartTime, &c.StopTime, &c.ListLag, &c.LateLanding, &c.JobTime, &c.BuildTime} {
		*t /= d
	}
	for i := range c.Faults {
		c.Faults[i].Delay /= d
	}
	h, filter := e.handling(), e.filter()
	waited := map[execution.Kind]int{}
	for _, x := range snap.Executions {
		if course, _ := h.Of(x); x.State.Up() && course == execution.CourseWait && filter.Match(x) {
			waited[x.Kind]++
		}
		t := dominosim.Thing{
			Kind: string(x.Kind), ID: x.ID, Name: x.Name, ProjectID: x.Project.ID, ProjectOwner: x.Project.Owner, ProjectName: x.Project.Name,
			Owner: x.Owner, Owners: x.Owners, Running: x.State.Up(), HardwareTier: x.HardwareTier, Environment: x.Environment,
			Model: x.Parent, Active: execution.ActiveVersion(x), Classic: execution.Classic(x), Flow: x.Flow,
		}
		t.Number, t.Command, t.Commit = execution.JobFacts(x)
		for _, m := range x.Volumes {
			if m.ID != "" {
				t.Volumes = append(t.Volumes, m.ID)
			}
		}
		c.Things = append(c.Things, t)
	}
	plays := playable(c, snap.Executions)
	others := len(running(snap.Executions)) - len(plays)
	for _, n := range snap.WithoutDriver {
		others += n
	}
	if others > 0 {
		res.Note(fmt.Sprintf("%s of kinds that dmm or Domino %s does not know are left out", plural(others, "running execution"), c.Profile))
	}
	if n := waited[execution.Job]; n > 0 && c.JobTime == 0 {
		res.Note(fmt.Sprintf("nobody knows when %s will end: shutdown waits for these in vain here, unless --config has a jobTime", execution.Job.Plural(n)))
	}
	if n := waited[execution.Build]; n > 0 && c.BuildTime == 0 {
		res.Note(fmt.Sprintf("nobody knows when %s will end: shutdown waits for these in vain here, unless --config has a buildTime", execution.Build.Plural(n)))
	}
	c.Faults = append(c.Faults, foreseen(snap)...)
	c.Faults = append(c.Faults, drawn(snap, plays, e.Config.FaultRate)...)
	return c, nil
}

// lastTimes are how long executions took to stop and to start in the last maintenance that tells, 0 where none does.
func (e *Env) lastTimes(ctx context.Context, st store.Store) (stop, start time.Duration, err error) {
	windows, err := window.Summaries(ctx, st)
	for i, w := range slices.Backward(windows) {
		if w.Err != nil || len(windows)-i > pastWindows {
			continue
		}
		past, err := window.Read(ctx, st, w.Number)
		if err != nil || past == nil {
			return 0, 0, err
		}
		if t, ok := window.TimingOf(past.Lines, window.ModeShutdown, window.Stop); ok && stop == 0 {
			stop = t.One
		}
		if t, ok := window.TimingOf(past.Lines, window.ModeRestore, window.Start); ok && start == 0 {
			start = t.One
		}
	}
	return stop, start, err
}

// profileOf is the simulated version nearest to a release of Domino from below, or the oldest.
func profileOf(version string) string {
	var major, minor int
	_, _ = fmt.Sscanf(strings.TrimSpace(version), "%d.%d", &major, &minor) // 0.0 where it is none, as in an import
	profiles := dominosim.Profiles()
	best := profiles[0]
	if major == 0 {
		return profiles[len(profiles)-1]
	}
	for _, p := range profiles {
		var a, b int
		if _, err := fmt.Sscanf(p, "%d.%d", &a, &b); err == nil && (a < major || a == major && b <= minor) {
			best = p
		}
	}
	return best
}

// strikes is a fault of the calls that drive an execution to a goal.
func strikes(f dominosim.Fault, x execution.Key, classic bool, g window.Goal) dominosim.Fault {
	paths := map[execution.Kind][2]string{ // stop, start
		execution.App:                {"/v4/modelProducts/{id}/stop", "/v4/modelProducts/{id}/start"},
		execution.ModelAPI:           {"/v4/models/{id}/{id}/stopModelDeployment", "/v4/models/{id}/{id}/startModelDeployment"},
		execution.Workspace:          {"/v4/workspace/project/{id}/workspace/{id}/stop", "/v4/workspace/project/{id}/workspace/{id}/sessions"},
		execution.ScheduledJob:       {"/v4/projects/{id}/scheduledjobs/{id}", "/v4/projects/{id}/scheduledjobs/{id}"},
		execution.Job:                {"/v4/jobs/stop", "/v4/jobs/restart"},
		execution.Build:              {"/v4/environments/{id}/environmentRevision/{id}/cancel", "/v4/environments/rebuildrevision"},
		execution.ExternalDeployment: {"/api/modelServing/v1/modelDeployments/{id}/stop", "/api/modelServing/v1/modelDeployments/{id}/start"},
	}[x.Kind]
	f.Method, f.Object, f.Path = "POST", x.ID, paths[0]
	if g == window.Start {
		f.Path = paths[1]
	}
	switch {
	case x.Kind == execution.ScheduledJob:
		f.Method = "PUT"
	case x.Kind == execution.Endpoint: // an id is the endpoint's and the version's number
		f.Object, f.Path = "", fmt.Sprintf("/api/gen-ai/beta/endpoints/%s/%s", strings.Replace(x.ID, "/", "/versions/", 1), g)
	case classic && g == window.Stop:
		f.Path = "/v4/workspace/stop/save"
	}
	return f
}

// foreseen are the starts that will fail by what the snapshot's preflight found.
func foreseen(snap *snapshot.Snapshot) []dominosim.Fault {
	var faults []dominosim.Fault
	seen := map[execution.Key]bool{}
	for _, f := range snap.Findings {
		for _, r := range f.Executions {
			if f.Severity != execution.Error || f.Starts || seen[r.Key] || r.Kind == execution.ScheduledJob {
				continue // a schedule goes on whatever its next job will meet
			}
			seen[r.Key] = true
			faults = append(faults, strikes(dominosim.Fault{
				Name: f.Message, Kind: dominosim.FaultStatus, Status: 400, Times: -1, Body: fmt.Sprintf(`{"message":%q,"success":false}`, f.Message),
			}, r.Key, false, window.Start))
		}
	}
	return faults
}

// drawn lets so many of a hundred running executions meet a fault, drawn from the snapshot's id so that the same
// rehearsal meets the same faults.
func drawn(snap *snapshot.Snapshot, plays []execution.Execution, rate int) []dominosim.Fault {
	var faults []dominosim.Fault
	var seed uint64
	for _, c := range snap.ID {
		seed = seed*31 + uint64(c)
	}
	rng := rand.New(rand.NewPCG(seed, uint64(rate)))
	for _, x := range plays {
		if rng.IntN(100) >= rate {
			continue
		}
		f, goal := dominosim.Fault{Kind: dominosim.FaultStatus, Status: 500}, window.Stop
		switch rng.IntN(4) {
		case 0:
			f.Name = "the first stop is refused with a 500"
		case 1:
			f.Name, f.Kind, f.Status, f.Late = "the answer to the stop is lost", dominosim.FaultLost, 0, true
		case 2:
			f.Name, goal, f.Status, f.Header = "Domino is overloaded when it is started", window.Start, 503, map[string]string{"Retry-After": "1"}
		case 3:
			f.Name, goal, f.Kind, f.Status = "its start is accepted and ends as failed", window.Start, dominosim.FaultStartFails, 0
			if x.Kind == execution.ScheduledJob {
				f.Kind, f.Status = dominosim.FaultStatus, 500
			}
		}
		f.Name = x.String() + ": " + f.Name
		faults = append(faults, strikes(f, x.Key(), execution.Classic(x), goal))
	}
	return faults
}
