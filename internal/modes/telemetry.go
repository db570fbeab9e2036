package modes

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/push"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// telling is how long a run may spend in the end on what others are told of it; toldToStop if it was told to stop.
const (
	telling    = 30 * time.Second
	toldToStop = 8 * time.Second
)

// Keys that others rely on.
const metricsKey = "metrics/dmm.prom"

var extension = map[string]string{"text": "txt", "json": "json", "html": "html"}

// traces is what a run leaves for those who watch it, gathered while it works. Nothing that dmm does
// relies on any of it: what cannot be written or sent is a warning, and changes no exit code.
type traces struct {
	store  store.Store
	client *domino.Client
	run    *window.Run
	snap   *snapshot.Snapshot // nil if it is damaged
}

// working notes the window that a run has entered, and tells the webhook.
func (e *Env) working(ctx context.Context, at *scene, run *window.Run, snap *snapshot.Snapshot, what string) {
	e.traces.run, e.traces.snap = run, snap
	if snap != nil {
		run.Keep(func(ctx context.Context) ([]string, error) {
			keys, err := snap.Keep(ctx, at.store)
			if errors.As(err, new(*snapshot.DamagedError)) {
				err = &window.LostError{Window: run.Name(), Keys: []string{"snapshot " + snap.ID}, Err: err}
			}
			return keys, err
		})
	}
	at.res.Window = run.Name()
	e.notify(ctx, notice{Event: "start", Mode: at.res.Mode, Domino: run.Pinned().Domino, Window: run.Name(), Message: what})
}

// traced writes the report of the window that a mode has worked in and the metrics, and tells the
// webhook how it ended.
func traced(name string, mode run) run {
	return func(ctx context.Context, e *Env) (*Result, error) {
		began := time.Now()
		res, err := e.guarded(ctx, mode)
		if e.Config.DryRun {
			return res, err
		}
		limit := telling
		if ctx.Err() != nil {
			limit = toldToStop
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		if e.traces.run != nil {
			e.keepReport(ctx)
		}
		if e.traces.store != nil && !errors.Is(err, window.ErrSuperseded) {
			e.keepMetrics(ctx, name, e.ExitCode(res, err), time.Since(began))
		}
		if slices.Contains([]string{window.ModeShutdown, window.ModeRestore, window.ModeClose}, name) {
			e.notify(ctx, e.ended(name, res, err))
		}
		return res, err
	}
}

// keepReport writes the report of the window beside its journal. It needs no lease, since nothing
// relies on it; a run that has lost its place leaves it to the one that has it.
//
// By then the window is free, and a later run may end and write its report before a slow write of this one lands on it, which no
// store can be asked to refuse. So whoever has written looks at the journal afterwards, and writes again if another run has
// ended since: of all writes the last to land is then of one who saw every end before it. One that is still at work writes later.
func (e *Env) keepReport(ctx context.Context) {
	w := e.traces.run.Record()
	if w == nil {
		return
	}
	if e.traces.snap == nil && e.reported(ctx, e.traces.store, w.Name()) {
		e.Log.Warn("the report in the store is left as it is: it has the names, which a new one would lack without the snapshot", "report", window.ReportKey(w.Name(), "txt"))
		return
	}
	for {
		if err := e.writeReport(ctx, w); err != nil {
			e.Log.Warn("the report is not written; dmm report makes it from the journal at any time", "error", err)
			return
		}
		since, err := w.Refresh(ctx, e.traces.store)
		if err != nil {
			e.Log.Warn("the report is written; whether another run has ended since could not be seen", "error", err)
			return
		}
		if !slices.ContainsFunc(since, func(l window.Line) bool { return l.Event == window.End || l.Event == window.Closed }) {
			break
		}
	}
	e.Log.Info("the report is written", "report", window.ReportKey(w.Name(), "html"))
}

func (e *Env) writeReport(ctx context.Context, w *window.Window) error {
	m := report.Of(e.traces.snap, w)
	for _, format := range report.Formats {
		var b bytes.Buffer
		if err := m.Write(&b, format); err != nil {
			return err
		}
		if err := e.traces.store.Put(ctx, window.ReportKey(w.Name(), extension[format]), b.Bytes(), store.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// reported reports whether the store holds a report of the window, or may hold one.
func (e *Env) reported(ctx context.Context, s store.Store, name string) bool {
	r, _, err := s.Get(ctx, window.ReportKey(name, "txt"))
	if err == nil {
		_ = r.Close()
	}
	return !errors.Is(err, store.ErrNotFound)
}

// keepMetrics writes the metrics into the store, and pushes them if there is somewhere to.
func (e *Env) keepMetrics(ctx context.Context, mode string, code int, took time.Duration) {
	m := report.Metrics{Tool: e.Version, Mode: mode, Code: code, Took: took}
	if c := e.traces.client; c != nil {
		m.Requests, m.Retries = c.Sent()
	}
	err := e.measure(ctx, &m)
	var body bytes.Buffer
	if err == nil {
		err = m.WriteText(&body)
	}
	if err == nil {
		err = e.traces.store.Put(ctx, metricsKey, body.Bytes(), store.PutOptions{})
	}
	if err != nil {
		e.Log.Warn("the metrics are not written", "error", err)
	}
	if e.Config.Pushgateway == "" {
		return
	}
	// The same group each time, whichever pod pushes and whatever the mode, so that what is told of one deployment is
	// never there twice; and the whole of it, so that nothing stays that is true no more.
	client, closeIdle, err := e.outward()
	if err == nil {
		defer closeIdle()
		err = push.New(e.Config.Pushgateway, "dmm").Grouping("instance", m.Instance()).Gatherer(m.Registry()).Client(client).PushContext(ctx)
	}
	if err != nil {
		e.Log.Warn("the metrics are not pushed", "error", err)
	}
}

// measure reads what the metrics tell of: the newest window, the last one that went well, and the newest
// snapshot that can be relied on.
func (e *Env) measure(ctx context.Context, m *report.Metrics) error {
	s := e.traces.store
	last, err := window.Look(ctx, s)
	if err != nil {
		return err
	}
	if last != nil {
		m.Window = report.Of(e.snapshotOf(ctx, last), last)
		if before, err := window.Read(ctx, s, last.Number-1); err == nil && before != nil {
			m.Before = report.Of(nil, before)
		}
	}
	ids, err := snapshot.List(ctx, s)
	if err != nil {
		return err
	}
	for i := len(ids) - 1; i >= max(0, len(ids)-3); i-- {
		snap, err := snapshot.Load(ctx, s, ids[i])
		if err == nil {
			m.Snapshot = &snap.Manifest
			break
		}
		e.Log.Warn("a snapshot does not verify", "error", err)
	}
	m.Domino = e.Config.Hostname
	if m.Window != nil {
		m.Domino = m.Window.Domino
	} else if m.Snapshot != nil {
		m.Domino = m.Snapshot.Domino.URL
	}
	return nil
}

// snapshotOf is the snapshot that a window keeps to, nil if it cannot be read.
func (e *Env) snapshotOf(ctx context.Context, w *window.Window) *snapshot.Snapshot {
	if s := e.traces.snap; s != nil && s.ID == w.Pinned.Snapshot {
		return s
	}
	snap, err := pinnedSnapshot(ctx, e.traces.store, w.Pinned)
	if err != nil {
		e.Log.Warn("the window's snapshot cannot be read", "error", err)
		return nil
	}
	return snap
}

// outward is a client for what is neither Domino nor the store. It follows no redirect: a secret may be in the URL.
func (e *Env) outward() (*http.Client, func(), error) {
	roots, err := e.Config.RootCAs()
	if err != nil {
		return nil, nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if roots != nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return &http.Client{
		Transport: t, Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t.CloseIdleConnections, nil
}

// conclusion is the exit code and the last line of a mode.
func (e *Env) conclusion(name string, res *Result, err error) (code int, line string) {
	last := &report.Result{}
	if res != nil {
		last.Message, last.Next = res.Message, res.Next
	}
	if err != nil {
		last.Message, last.Next = err.Error(), NextStep(name, err)
	}
	return e.ExitCode(res, err), last.LastLine()
}

func (e *Env) ended(name string, res *Result, err error) notice {
	code, line := e.conclusion(name, res, err)
	n := notice{Event: strings.ToLower(eventReason(code)), Mode: name, Code: &code, Message: line, Domino: e.Config.Hostname}
	if res != nil {
		n.Window = res.Window
	}
	if r := e.traces.run; r != nil {
		n.Window, n.Domino = r.Name(), r.Pinned().Domino
	}
	return n
}
