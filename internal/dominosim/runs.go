package dominosim

import (
	"slices"
	"time"
)

// A run is one execution on the compute grid: an app instance, a workspace session, a batch job.
type run struct {
	Run
	project *project
	by      *user
	title   string
	started time.Time
	status  history[string] // RunStatus, api.md §21
	seat    *seat
	seeded  bool // it ran before the simulation began
	stuck   bool // accepted a stop that will not end
	cluster bool // it has a compute cluster of its own, which is no execution
}

var (
	terminal   = []string{"Stopped", "Succeeded", "Failed", "Error"}
	completing = []string{"StopRequested", "StopAndDiscardRequested", "Stopping", "Finishing"}
	loading    = []string{"Queued", "Scheduled", "Pending", "Preparing", "Building", "Pulling"}
)

func over(status string) bool        { return slices.Contains(terminal, status) }
func ending(status string) bool      { return slices.Contains(completing, status) }
func comingUp(status string) bool    { return slices.Contains(loading, status) }
func up(status string) bool          { return status == "Running" || status == "Serving" }
func goesOn(status string) bool      { return comingUp(status) || up(status) }
func (r *run) is(t time.Time) string { return r.status.at(t) }

// startupSteps are what a start goes through before it runs; the order is from the product's documentation, how
// long each takes is not known (api.md §21).
var startupSteps = []string{"Scheduled", "Pending", "Preparing", "Pulling"}

// launch starts a run: Queued until there is room on its tier, then through the steps to Running, or to what
// fails it. onReady is told beforehand when it will be up.
func (s *Sim) launch(r *run, at time.Time, failure string, onReady func(begun, ready time.Time)) {
	r.started = at
	r.status.set(at, "Queued")
	r.seat = &seat{tier: r.HardwareTier, begin: func(begun time.Time) time.Time {
		steps := time.Duration(len(startupSteps))
		for i, step := range startupSteps {
			r.status.set(begun.Add(s.cfg.StartTime*time.Duration(i)/steps), step)
		}
		ready := begun.Add(s.cfg.StartTime)
		if failure != "" {
			r.status.set(ready, failure)
			s.agenda.add(ready, func(at time.Time) { s.vacateAt(at, at, r.seat) })
		} else {
			r.status.set(ready, "Running")
		}
		if onReady != nil {
			onReady(begun, ready)
		}
		return ready
	}}
	s.take(at, r.seat)
	s.live = append(s.live, r)
	s.record(r, at)
}

// record enters the start in the ledger.
func (s *Sim) record(r *run, at time.Time) {
	r.Run.At, r.Run.By = at, r.by.name
	s.started(r.Run)
}

// halt stops a run that has not ended: StopRequested, Stopping, Stopped. With sticks it stays at Stopping.
func (s *Sim) halt(r *run, at time.Time, sticks bool) (end time.Time) {
	return s.haltAs(r, "StopRequested", at, sticks)
}

// haltAs is halt with another first word.
func (s *Sim) haltAs(r *run, first string, at time.Time, sticks bool) (end time.Time) {
	end = at.Add(s.cfg.StopTime)
	r.status.change(at, first)
	r.status.set(at.Add(s.cfg.StopTime/4), "Stopping")
	if r.stuck = sticks; sticks {
		return end
	}
	r.status.set(at.Add(s.cfg.StopTime/2), "Finishing") // files are being synced
	r.status.set(end, "Stopped")
	s.vacateAt(at, end, r.seat)
	return end
}

// force ends a run that is stuck or stopping.
func (s *Sim) force(r *run, at time.Time) {
	r.stuck = false
	r.status.change(at, "Stopped")
	s.vacateAt(at, at, r.seat)
}

// die ends a run without anybody's stop, in a word of the caller's.
func (s *Sim) die(r *run, at time.Time, word string) {
	r.status.change(at, word)
	s.vacateAt(at, at, r.seat)
}

// lives are the runs that an answer about t may have to show. Those that ended before any list can show are dropped.
func (s *Sim) lives(now time.Time) []*run {
	horizon := now.Add(-s.cfg.ListLag)
	s.live = slices.DeleteFunc(s.live, func(r *run) bool {
		return over(r.status.at(now)) && !r.status.since(now).After(horizon)
	})
	return s.live
}
