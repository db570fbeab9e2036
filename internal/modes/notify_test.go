package modes_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

func quietSite(t *testing.T, env ...string) *site {
	return newSite(t, dominosim.Config{
		Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Apps: 2, Models: 1, Workspaces: 2, Schedules: 1,
		StartTime: 20 * time.Second, StopTime: 15 * time.Second, Latency: 30 * time.Millisecond,
	}, append(env, "DMM_RESTORE_WORKSPACES=true", "DMM_NOTIFY=true")...)
}

// told is what users were shown, with what is still shown marked.
func (s *site) told() []string {
	var out []string
	for _, n := range s.sim.Notifications() {
		word, _, _ := strings.Cut(n.Title, " at ")
		word, _, _ = strings.Cut(word, " since ")
		if !n.Expired {
			word += " (shown)"
		}
		out = append(out, word)
	}
	return out
}

func (s *site) wantTold(what string, want ...string) {
	s.t.Helper()
	if got := s.told(); fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: users were told %q, want %q", what, got, want)
	}
}

const (
	toldBefore = "Domino goes into maintenance"
	toldDuring = "Domino is in maintenance"
	toldAfter  = "The maintenance of Domino is over"
	shown      = " (shown)"
)

// TestUsersAreTold: before, when it begins and when it is over, once each however often a step is run, and what is past is
// withdrawn. Nothing is stopped before the time that users were told.
func TestUsersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietSite(t, "DMM_NOTIFY_LEAD=30m", "DMM_NOTIFY_AFTER=The maintenance of Domino is over. It was number {{.Window}}.")
		ran := s.running()
		s.must(0, "snapshot")
		began := time.Now()
		s.must(0, "shutdown", "DMM_DRY_RUN=true")
		s.wantTold("a dry run")
		s.must(0, "shutdown")
		s.wantTold("shutdown", toldBefore, toldDuring+shown)
		for k := range ran {
			for _, c := range s.sim.Ledger().Entry(k.Kind, k.ID).Calls {
				if c.At.Sub(began) < 30*time.Minute {
					t.Errorf("%v was called %s after shutdown began, want 30m at least", k, c.At.Sub(began))
				}
			}
		}
		s.must(0, "shutdown")
		s.wantTold("shutdown again", toldBefore, toldDuring+shown)
		s.must(0, "restore")
		s.wantTold("restore", toldBefore, toldDuring, toldAfter+shown)
		s.must(0, "restore")
		s.wantTold("restore again", toldBefore, toldDuring, toldAfter+shown)
		s.wantSame(ran)
		last := s.sim.Notifications()[2]
		if last.Message != "It was number 000001." || last.End == "" || last.Priority != "Default" {
			t.Errorf("the last = %+v, want its text filled in, and an end", last)
		}
	})
}

// TestNobodyIsToldUnasked: without the setting no route of notifications is called.
func TestNobodyIsToldUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietSite(t, "DMM_NOTIFY_LEAD=30m")
		s.must(0, "snapshot")
		s.must(0, "shutdown", "DMM_NOTIFY=false")
		s.must(0, "restore", "DMM_NOTIFY=false")
		s.wantTold("without DMM_NOTIFY")
		for _, r := range s.sim.Ledger().Requests() {
			if strings.Contains(r.Path, "notifications") {
				t.Errorf("%s %s was sent", r.Method, r.Path)
			}
		}
	})
}

// TestThatUsersCannotBeToldStopsNothing: it is a note, and the maintenance goes on.
func TestThatUsersCannotBeToldStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietSite(t)
		ran := s.running()
		s.sim.AddFault(dominosim.Fault{Path: "/v4/admin/notifications", Kind: dominosim.FaultStatus, Status: 500, Times: -1})
		s.must(0, "snapshot")
		if res := s.must(0, "shutdown"); !noted(res, "could not tell users") {
			t.Errorf("notes = %q, want one that users could not be told", res.Notes)
		}
		s.must(0, "restore")
		s.wantTold("with a Domino that refuses")
		s.wantSame(ran)
	})
}

// TestNoticesOutliveTheirProcess takes a process through its end, or the loss of an answer, at every operation around those
// that tell users, and runs the step again. The maintenance is whole, users are told at least once of each step and, but where
// a lost answer cannot be told from a lost call, at most once; nothing but the last stays shown.
func TestNoticesOutliveTheirProcess(t *testing.T) {
	cases := 0
	for _, mode := range []string{"shutdown", "restore"} {
		for _, m := range []moment{before, after, lost, late} {
			near := operationsNear(t, mode, "notifications")
			for _, at := range near {
				t.Run(fmt.Sprintf("%s %s operation %d", mode, m, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := quietSite(t)
						ran := s.running()
						s.must(0, "snapshot")
						if mode == "restore" {
							s.must(0, "shutdown")
						}
						ctx, kill := context.WithCancelCause(t.Context())
						w := newWorld(at, m, kill)
						victim := *s
						victim.store, victim.transport = records{w, s.store}, domain{w, s.sim.RoundTripper()}
						_, _ = victim.runContext(ctx, mode)
						w.death()
						s.must(0, mode)
						if mode == "shutdown" {
							s.must(0, "restore")
						}
						time.Sleep(time.Minute)
						s.wantSame(ran)
						count := map[string]int{}
						for _, told := range s.told() {
							count[told]++
						}
						most := 1
						if m == late || m == lost {
							most = 2
						}
						if during, after := count[toldDuring], count[toldAfter+shown]; during < 1 && m != lost && m != late || during > most || after < 1 && m != lost && m != late || after > most || len(s.told()) != during+after {
							t.Errorf("%s at %s: users were told %q", m, w.what, s.told())
						}
					})
				})
				cases++
			}
		}
	}
	if cases < 40 {
		t.Errorf("%d cases, want at least 40", cases)
	}
}

// operationsNear are the numbers of the operations of a mode whose name holds a word, and of those right before and after.
func operationsNear(t *testing.T, mode, word string) []int {
	var near []int
	synctest.Test(t, func(t *testing.T) {
		s := quietSite(t)
		s.must(0, "snapshot")
		if mode == "restore" {
			s.must(0, "shutdown")
		}
		w := newWorld(0, before, func(error) {})
		w.names = []string{""}
		watched := *s
		watched.store, watched.transport = records{w, s.store}, domain{w, s.sim.RoundTripper()}
		watched.must(0, mode)
		taken := map[int]bool{}
		for i, name := range w.names {
			for n := i - 1; strings.Contains(name, word) && n <= i+1; n++ {
				if !taken[n] && n > 0 {
					taken[n] = true
					near = append(near, n)
				}
			}
		}
	})
	if len(near) == 0 {
		t.Fatalf("no operation of %s is about %s", mode, word)
	}
	return near
}
