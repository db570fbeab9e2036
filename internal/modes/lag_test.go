package modes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// hundred is a deployment in which 100 executions run.
func hundred() dominosim.Config {
	return dominosim.Config{
		Plain: true, Profile: "6.1", Seed: 3,
		Latency: 30 * time.Millisecond, StartTime: 20 * time.Second, StopTime: 15 * time.Second,
		Projects: 4, Apps: 30, Models: 25, Workspaces: 25, Schedules: 20,
	}
}

func asIs(c dominosim.Config) dominosim.Config { return c }

// The second look costs nothing where reads do not lag, and at most a lag for each wait of a step where they do: for
// what goes down first, for what serves production, and for the scan after that. docs/guarantees.md says these figures.
func TestWhatTheLagCosts(t *testing.T) {
	for name, c := range map[string]struct {
		lagged   func(dominosim.Config) dominosim.Config
		down, up time.Duration // at most
	}{
		"nothing lags":      {asIs, 45 * time.Second, 45 * time.Second},
		"lists lag":         {dominosim.Lagged, 110 * time.Second, 145 * time.Second},
		"reads lag as well": {dominosim.LaggedReads, 200 * time.Second, 145 * time.Second},
	} {
		for _, between := range []time.Duration{0, 10 * time.Minute} {
			t.Run(fmt.Sprintf("%s, %s between the steps", name, between), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, c.lagged(hundred()), "DMM_RESTORE_WORKSPACES=true")
					before := s.running()
					s.must(0, "snapshot")
					time.Sleep(between)
					down := s.timed("shutdown")
					if left := s.running(); len(left) > 0 {
						t.Errorf("%d executions run after the shutdown", len(left))
					}
					time.Sleep(between)
					up := s.timed("restore")
					t.Logf("%d executions: shutdown %.1f s, restore %.1f s", len(before), down.Seconds(), up.Seconds())
					if down > c.down || up > c.up {
						t.Errorf("shutdown took %s, restore %s; want at most %s and %s", down, up, c.down, c.up)
					}
					s.wantSame(before)
					for k := range before {
						if stops, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); stops != 1 || starts != 1 {
							t.Errorf("%s %s was stopped %d times and started %d times", k.Kind, k.ID, stops, starts)
						}
					}
				})
			})
		}
	}
}

// timed runs a step that must end well, and tells how long it took.
func (s *site) timed(mode string) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.must(0, mode)
	return time.Since(began)
}

// What its owner has stopped is looked at a second time while others are at work, and holds none of them up.
func TestWhatWaitsForASecondLookHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, hundred())
		s.must(0, "snapshot")
		model, schedule := s.anyRunning(dominosim.KindModelAPI), s.anyRunning(dominosim.KindScheduledJob)
		if err := s.sim.OwnerStopModelVersion(model.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.sim.OwnerPauseSchedule(schedule.ID, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // it has come to rest
		began := time.Now()
		res := s.must(0, "shutdown")
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("it took %s, want no longer than without an owner's stops", took)
		}
		for _, k := range []dominosim.Key{model, schedule} {
			if got := outcomeOf(res, k.ID); got != "not-ours" {
				t.Errorf("%s is %s, want not-ours", k.Kind, got)
			}
			if calls := s.sim.Ledger().Entry(k.Kind, k.ID).Calls; len(calls) > 0 {
				t.Errorf("%s was called: %+v", k.Kind, calls)
			}
		}
		s.must(0, "restore")
		for _, k := range []dominosim.Key{model, schedule} {
			if _, runs := s.running()[k]; runs {
				t.Errorf("%s runs, though its owner had stopped it", k.Kind)
			}
		}
	})
}

// An outcome that follows no call is on record no sooner than two looks that lie a lag apart.
func TestNothingIsOnRecordAfterOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "snapshot")
		model := s.anyRunning(dominosim.KindModelAPI)
		if err := s.sim.OwnerStopModelVersion(model.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		from := len(s.sim.Ledger().Requests())
		s.must(0, "shutdown")
		var looks []time.Time
		for _, r := range s.sim.Ledger().Requests()[from:] {
			if isLook(r) && strings.Contains(r.Path, model.ID) {
				looks = append(looks, r.Arrived)
			}
		}
		if n := len(looks); n < 2 || looks[n-1].Sub(looks[0]) < lag {
			t.Errorf("it was looked at %v, want at least twice, and %s apart", looks, lag)
		}
	})
}

// What runs again after dmm has stopped it is stopped again, once a look cannot be older than that stop.
func TestWhatItsOwnerStartsDuringTheShutdownIsFoundOnceItCannotBeOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		before := s.running()
		s.must(0, "snapshot")
		model, app := s.anyRunning(dominosim.KindModelAPI), s.anyRunning(dominosim.KindApp)
		time.AfterFunc(35*time.Second+time.Millisecond, func() { // both are down
			if err := errors.Join(s.sim.OwnerStartModelVersion(model.ID), s.sim.OwnerStartApp(app.ID)); err != nil {
				t.Error(err)
			}
		})
		s.must(0, "shutdown")
		if left := s.running(); len(left) > 0 {
			t.Errorf("%d executions run after the shutdown", len(left))
		}
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true")
		for k := range before {
			if _, runs := s.running()[k]; !runs {
				t.Errorf("%s %s ran before, and does not now", k.Kind, k.ID)
			}
		}
	})
}
