package kill

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// wantRefusal asserts that a process was refused because of another, which it names.
func wantRefusal(t *testing.T, refused, holder *process, code int) {
	t.Helper()
	if code != 4 {
		t.Errorf("the second ends with %d, want 4:\n%s", code, refused.log.String())
	}
	lines := strings.Split(strings.TrimSpace(refused.log.String()), "\n")
	last := lines[len(lines)-1]
	for _, want := range []string{"another run is at work", fmt.Sprintf("pid %d", holder.cmd.Process.Pid), "Next: dmm status"} {
		if !strings.Contains(last, want) {
			t.Errorf("its last line says %q, want %q in it", last, want)
		}
	}
}

// wantEachStoppedOnce asserts that two runs have done no more than one would have.
func (s *site) wantEachStoppedOnce(was state) {
	s.t.Helper()
	for k := range was.runs {
		if stops, _ := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); stops != 1 {
			s.t.Errorf("%s %s was stopped %d times, want once", k.Kind, k.ID, stops)
		}
	}
}

// slow is a deployment whose executions take their time to stop, so that a second run
// meets the first at work.
func slow() dominosim.Config {
	c := lagging()
	c.StopTime = 1500 * time.Millisecond
	return c
}

// newBusySite is a deployment whose executions take so long to stop that whoever comes meanwhile finds the first run at work,
// however busy this machine is, and with a lease that outlasts that.
func newBusySite(t *testing.T) *site {
	c := lagging()
	c.StopTime = 15 * time.Second
	return newSite(t, c, "DMM_LEASE=6s", "DMM_GRACE_PERIOD=60s")
}

func TestASecondShutdownIsRefusedWhileTheFirstIsAtWork(t *testing.T) {
	t.Parallel()
	s := newBusySite(t)
	was := s.state()
	s.must(0, "snapshot")
	working := make(chan struct{})
	s.at(after(putSchedule, 1), func(moment) { close(working) })
	first := s.start("shutdown")
	<-working
	s.on(nil)

	for _, mode := range []string{"shutdown", "restore"} {
		second := s.start(mode, "DMM_LOCK_WAIT=100ms")
		code, _ := second.wait()
		wantRefusal(t, second, first, code)
	}
	first.wantCode(0)
	s.wantNothingRunning()
	s.wantEachStoppedOnce(was)
	runs := map[string]bool{}
	for _, l := range s.journal() {
		runs[l.Run] = true
	}
	if len(runs) != 1 {
		t.Errorf("%d runs have written to the journal, want the first alone", len(runs))
	}
	s.must(0, "restore")
	s.wantBroughtBack(was)
}

// One who may wait takes over as soon as the first has ended, and finds nothing to do.
func TestASecondShutdownWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	s := newBusySite(t)
	was := s.state()
	s.must(0, "snapshot")
	working := make(chan struct{})
	s.at(after(putSchedule, 1), func(moment) { close(working) })
	first := s.start("shutdown")
	<-working
	s.on(nil)
	second := s.start("shutdown", "DMM_LOCK_WAIT=90s")
	first.wantCode(0)
	second.wantCode(0)
	s.wantEachStoppedOnce(was)
	s.must(0, "restore")
	s.wantBroughtBack(was)
}

// Two that begin at the same moment both find no window. One opens it.
func TestOfTwoShutdownsAtOnceOneOpensTheWindow(t *testing.T) {
	t.Parallel()
	s := newBusySite(t)
	was := s.state()
	s.must(0, "snapshot")
	var both sync.WaitGroup // signed in, and about to look at the store
	both.Add(2)
	s.on(func(m moment) {
		if m.request == signIn && m.answered {
			both.Done()
			both.Wait()
		}
	})
	one, two := s.start("shutdown", "DMM_LOCK_WAIT=100ms"), s.start("shutdown", "DMM_LOCK_WAIT=100ms")
	both.Wait()
	s.on(nil)
	codeOne, _ := one.wait()
	codeTwo, _ := two.wait()
	switch {
	case codeOne == 0:
		wantRefusal(t, two, one, codeTwo)
	case codeTwo == 0:
		wantRefusal(t, one, two, codeOne)
	default:
		t.Fatalf("they end with %d and %d, want 0 once:\n%s\n%s", codeOne, codeTwo, one.log.String(), two.log.String())
	}
	s.wantNothingRunning()
	s.wantEachStoppedOnce(was)
	s.must(0, "restore")
	s.wantBroughtBack(was)
}
