package modes_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// hundred is a deployment in which 100 executions run.
func hundred() dominosim.Config {
	return dominosim.Config{
		Plain: true, Profile: "6.1", Seed: 3, Latency: 30 * time.Millisecond, StartTime: 20 * time.Second, StopTime: 15 * time.Second,
		Projects: 4, Apps: 30, Models: 25, Workspaces: 25, Schedules: 20,
	}
}

func TestWhatTheLagCosts(t *testing.T) {
	for name, c := range map[string]struct {
		lagged func(dominosim.Config) dominosim.Config
		wait   time.Duration
	}{
		"nothing lags, at once":                       {func(c dominosim.Config) dominosim.Config { return c }, 0},
		"nothing lags, ten minutes between the steps": {func(c dominosim.Config) dominosim.Config { return c }, 10 * time.Minute},
		"lists lag, at once":                          {dominosim.Lagged, 0},
		"lists lag, ten minutes between the steps":    {dominosim.Lagged, 10 * time.Minute},
		"reads lag, at once":                          {dominosim.LaggedReads, 0},
		"reads lag, ten minutes between the steps":    {dominosim.LaggedReads, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, c.lagged(hundred()), "DMM_RESTORE_WORKSPACES=true")
				before := s.running()
				s.must(0, "snapshot")
				time.Sleep(c.wait)
				began := time.Now()
				s.must(0, "shutdown")
				down := time.Since(began)
				time.Sleep(c.wait)
				began = time.Now()
				s.must(0, "restore")
				up := time.Since(began)
				t.Logf("COST %s: %d executions: shutdown %.1f s, restore %.1f s, %d requests", name, len(before), down.Seconds(), up.Seconds(), len(s.sim.Ledger().Requests()))
				time.Sleep(time.Minute)
				s.wantSame(before)
			})
		})
	}
}
