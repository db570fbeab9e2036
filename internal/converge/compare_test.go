package converge

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// stale is a driver of an app whose arguments agree with the record as soon as what Domino shows is not older than
// that.
type stale struct {
	execution.Driver
	fresh  time.Time
	starts int
}

func (d *stale) Of(execution.Kind) execution.Driver { return d }

func (d *stale) Read(context.Context, execution.Execution) (execution.Execution, error) {
	if d.starts > 0 {
		return app(running, "2"), nil
	}
	return app(stopped, "1"), nil
}

func (d *stale) Poll(context.Context) (map[string]execution.State, error) { return nil, nil }

func (d *stale) Verify(context.Context, execution.Execution, execution.Execution, bool) (execution.Comparison, error) {
	if d.fresh.IsZero() || time.Now().Before(d.fresh) {
		return execution.Comparison{Differs: []execution.Difference{{Field: "environmentId", Record: "a", Domino: "b"}}}, nil
	}
	return execution.Comparison{}, nil
}

func (d *stale) Start(context.Context, execution.Execution) (execution.Answer, error) {
	d.starts++
	return execution.Answer{Instance: "2"}, nil
}

// lines is a journal in memory.
type lines []window.Line

func (l *lines) Append(_ context.Context, more ...window.Line) error {
	*l = append(*l, more...)
	return nil
}

// A start is refused for what cannot be older than the record, and nothing is sent or put on record before.
func TestAStartIsRefusedByWhatIsNotOlderThanTheRecord(t *testing.T) {
	for name, c := range map[string]struct {
		fresh   time.Duration // when Domino's word agrees; 0: never
		allowed bool
		want    window.Event
		says    string
		starts  int
	}{
		"it agrees once it is not older": {lag, false, window.Done, "", 1},
		"it never agrees":                {0, false, window.Failed, "environmentId (record a, Domino b)", 0},
		"it is allowed":                  {0, true, window.Done, "environmentId (record a, Domino b)", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, journal := &stale{}, &lines{}
				began := time.Now()
				if c.fresh > 0 {
					d.fresh = began.Add(c.fresh)
				}
				e := &Engine{Drivers: d, Journal: journal, Log: slog.New(slog.DiscardHandler), Limits: Limits{
					Concurrency: 4, StartConcurrency: 4, MaxFailures: 2, Grace: 10 * time.Minute, Settle: 2 * lag,
				}}
				item := &window.Item{Execution: app(running, "1")}
				item.Stop = window.Attempt{Intents: 1, Outcome: window.Done, Before: "1", Instance: "1"}
				plan := Plan{Goal: window.Start, AllowChanged: c.allowed, Steps: []Step{{Item: item}}}
				if err := e.Execute(t.Context(), plan); err != nil {
					t.Fatal(err)
				}
				last := (*journal)[len(*journal)-1]
				says := strings.Contains(last.Reason, c.says) && (c.says != "" || last.Reason == "")
				if last.Event != c.want || !says || d.starts != c.starts {
					t.Errorf("%s (%s) after %d starts, want %s (%s)", last.Event, last.Reason, d.starts, c.want, c.says)
				}
				if c.want == window.Failed && (len(*journal) != 1 || time.Since(began) < lag) {
					t.Errorf("the journal has %d lines after %s, want the outcome alone, not before %s",
						len(*journal), time.Since(began), lag)
				}
			})
		})
	}
}
