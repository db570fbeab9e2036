package kill

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// longLease is a lease that no test waits for: a run that ends in much less has not.
const longLease = "DMM_LEASE=60s"

// termAt runs a mode and sends it one SIGTERM at a point.
func (s *site) termAt(points []point, mode string, env ...string) *process {
	s.t.Helper()
	return s.signalAt(points, []os.Signal{syscall.SIGTERM}, mode, env...)
}

// signalAt runs a mode and sends it signals at a point.
func (s *site) signalAt(points []point, signals []os.Signal, mode string, env ...string) *process {
	s.t.Helper()
	running := make(chan *process, 1)
	s.at(points, func(m moment) {
		p := <-running
		for _, sig := range signals {
			if err := p.signal(sig); err != nil {
				s.t.Errorf("send %s to dmm %s: %v", sig, mode, err)
			}
		}
		// Signing in and scanning are given up at once, which shows that the signal is heeded.
		// What belongs to one execution is waited for, and so gets its answer.
		if slices.Contains([]string{signIn, listProjects, listApps}, m.request) {
			<-m.gone
		}
	})
	p := s.start(mode, env...)
	running <- p
	return p
}

// What one SIGTERM is to do in every phase: end with 75, write down the end where there is
// a journal, and leave nothing for the next run to wait for.
func TestOneSIGTERMEndsARunResumably(t *testing.T) {
	for name, c := range map[string]struct {
		mode string
		at   []point
	}{
		"shutdown that signs in":            {"shutdown", after(signIn, 1)},
		"shutdown that scans":               {"shutdown", after(listApps, 1)},
		"shutdown that looks":               {"shutdown", before(readSchedule, 1)},
		"shutdown with a call under way":    {"shutdown", before(putSchedule, 2)},
		"shutdown that waits":               {"shutdown", then(after(stopApp, 1), before(readWorkspace, 1))},
		"shutdown that stops model APIs":    {"shutdown", before(stopModel, 1)},
		"shutdown in its second scan":       {"shutdown", before(listProjects, 3)},
		"restore that signs in":             {"restore", after(signIn, 1)},
		"restore with a call under way":     {"restore", before(startApp, 1)},
		"restore that waits":                {"restore", then(after(putSchedule, 1), before(readApp, 1))},
		"restore that gives schedules back": {"restore", after(putSchedule, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, lagging(), longLease)
			was := s.state()
			s.must(0, "snapshot")
			if c.mode == "restore" {
				s.must(0, "shutdown")
			}

			s.termAt(c.at, c.mode).wantCode(75)
			s.on(nil)
			if lines := s.journal(); len(lines) > 0 {
				want := 75
				if c.mode == "restore" && c.at[0].request == signIn {
					want = 0 // it had not begun: the last word is that of the shutdown before
				}
				last := lines[len(lines)-1]
				if last.Event != "end" || last.Code == nil || *last.Code != want {
					t.Errorf("the journal ends with %+v, want an end with code %d", last, want)
				}
			}

			again := time.Now()
			s.must(0, c.mode)
			if took := time.Since(again); took > 45*time.Second {
				t.Errorf("the next run took %s: it has waited for the lease of a run that had ended", took)
			}
			if c.mode == "shutdown" {
				s.wantNothingRunning()
				s.must(0, "restore")
			}
			s.wantBroughtBack(was)
		})
	}
}

// The first SIGTERM lets calls under way finish, the second does not wait for them.
func TestASecondSIGTERMEndsARunAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, lagging(), "DMM_LEASE=30s") // calls may take 10 s
	s.must(0, "snapshot")
	hanging := make(chan struct{})
	s.at(before(putSchedule, 1), func(m moment) {
		close(hanging)
		<-m.gone // no answer ever
	})
	p := s.start("shutdown")
	<-hanging
	ended := make(chan struct{})
	go func() {
		// Two signals that come before the first is heeded are one to the kernel, so there is
		// no telling which is the second: it is sent until it has been.
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			_ = p.signal(syscall.SIGTERM)
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	told := time.Now()
	p.wantCode(75)
	close(ended)
	if took := time.Since(told); took > 3*time.Second {
		t.Errorf("it ended %s after it was told twice, want at once", took)
	}
	s.on(nil)

	// It had no time to write down its end, so the next run is to find out by itself.
	lines := s.journal()
	if last := lines[len(lines)-1]; last.Event == "end" {
		t.Errorf("the journal ends with %+v, though the run had no time for that", last)
	}
}
