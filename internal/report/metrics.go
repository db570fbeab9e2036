package report

import (
	"cmp"
	"io"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Metrics is what Prometheus is told when a run ends. All but the last fields come from the store's
// records, so that it is as true after a crash as before it.
type Metrics struct {
	Domino   string             // URL
	Window   *Maintenance       // the newest; nil if there is none
	Before   *Maintenance       // the one before it, for what the newest has not seen succeed yet
	Snapshot *snapshot.Manifest // the newest that verifies
	Tool     string             // version of dmm

	Mode              string // of this run
	Code              int
	Took              time.Duration
	Requests, Retries int64
}

// Instance names the deployment: the host of its URL.
func (m *Metrics) Instance() string {
	if u, err := url.Parse(m.Domino); err == nil && u.Host != "" {
		return u.Host
	}
	return cmp.Or(m.Domino, "unknown")
}

// Registry holds the metrics. Their names and labels are a format that others rely on: docs/metrics.md lists them.
func (m *Metrics) Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "dmm_" + name, Help: help}, labels)
		r.MustRegister(g)
		return g
	}
	gauge("build_info", "The version of dmm that wrote these metrics.", "version").WithLabelValues(m.Tool).Set(1)

	code := gauge("run_exit_code", "Exit code of the last run of a mode.", "mode")
	took := gauge("run_duration_seconds", "How long the last run of a mode took.", "mode")
	success := gauge("last_success_timestamp_seconds", "When a mode last ended with 0.", "mode")
	for _, w := range []*Maintenance{m.Before, m.Window} { // the newest wins
		if w == nil {
			continue
		}
		for _, run := range w.Runs {
			took.WithLabelValues(run.Mode).Set(seconds(run.Until.Sub(run.Began)))
			if run.Code == nil {
				continue
			}
			code.WithLabelValues(run.Mode).Set(float64(*run.Code))
			if *run.Code == 0 {
				success.WithLabelValues(run.Mode).Set(unix(run.Until))
			}
		}
	}
	code.WithLabelValues(m.Mode).Set(float64(m.Code))
	took.WithLabelValues(m.Mode).Set(seconds(m.Took))
	gauge("requests", "Requests to Domino of the run that wrote these metrics.").WithLabelValues().Set(float64(m.Requests))
	gauge("retries", "Reads that it had to try again.").WithLabelValues().Set(float64(m.Retries))
	if s := m.Snapshot; s != nil {
		gauge("snapshot_verified_timestamp_seconds", "When the newest snapshot that verifies was taken.").WithLabelValues().Set(unix(s.To))
		gauge("snapshot_complete", "Whether that snapshot could see everything.").WithLabelValues().Set(truth(s.Complete))
		running := gauge("snapshot_running", "How many executions it shows running.", "kind")
		for kind, states := range s.Counts {
			n := 0
			for state, count := range states {
				if state.Up() {
					n += count
				}
			}
			running.WithLabelValues(string(kind)).Set(float64(n))
		}
		if s.Complete {
			success.WithLabelValues("snapshot").Set(unix(s.To))
		}
	}
	open := gauge("window_open", "Whether a maintenance is open.").WithLabelValues()
	w := m.Window
	if w == nil {
		return r
	}
	open.Set(truth(w.Phase != window.PhaseClosed))
	gauge("window_opened_timestamp_seconds", "When the newest maintenance was opened.").WithLabelValues().Set(unix(w.Opened))
	gauge("window_duration_seconds", "How long the newest maintenance has taken, up to the newest entry of its journal.").WithLabelValues().Set(seconds(w.Until.Sub(w.Opened)))
	phase := gauge("window_phase", "The phase of the newest maintenance is the one with 1.", "phase")
	for _, p := range []window.Phase{window.PhaseOpen, window.PhaseStopping, window.PhaseStopped, window.PhaseRestoring, window.PhaseClosed} {
		phase.WithLabelValues(string(p)).Set(truth(p == w.Phase))
	}
	of := gauge("executions", "Executions of the newest maintenance by what became of them.", "kind", "outcome")
	for _, k := range w.Kinds {
		for _, o := range order {
			of.WithLabelValues(k.Name, string(o)).Set(0)
		}
	}
	for _, e := range w.Entries {
		of.WithLabelValues(string(e.Kind), string(e.Outcome)).Inc()
	}
	median := gauge("downtime_median_seconds", "Typical downtime of the executions that are back.", "kind")
	longest := gauge("downtime_longest_seconds", "Longest downtime of the executions that are back.", "kind")
	for _, k := range w.Kinds {
		median.WithLabelValues(k.Name).Set(k.Median)
		longest.WithLabelValues(k.Name).Set(k.Longest)
	}
	return r
}

// WriteText writes the metrics in Prometheus' text format.
func (m *Metrics) WriteText(w io.Writer) error {
	families, err := m.Registry().Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
