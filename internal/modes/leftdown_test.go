package modes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// forgottenAfterEntry1 is a site whose shutdown has stopped all there is, and whose store knows no more than that it began.
func forgottenAfterEntry1(t *testing.T, c dominosim.Config) (s *site, down int) {
	s = newSite(t, c, "DMM_RESTORE_WORKSPACES=true")
	ran := s.running()
	s.must(0, "snapshot")
	s.must(0, "shutdown")
	for _, key := range append(s.keys("windows/000001/report."), s.keys("windows/000001/journal/")[1:]...) {
		s.remove(key)
	}
	return s, len(s.lost(ran))
}

// What is on its way down is not up: a restore that closes over it would say that all is well.
func TestWhatIsOnItsWayDownIsUnexplainedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StopTime = 3 * time.Minute
		s, _ := forgottenAfterEntry1(t, c)
		app := s.sim.Objects(dominosim.KindApp)[0]
		if err := s.sim.OwnerStartApp(app.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.sim.OwnerStopApp(app.ID); err != nil {
			t.Fatal(err)
		}
		res := s.must(3, "restore")
		if got := outcomeOf(res, app.ID); got != "unexplained" {
			t.Errorf("restore says %q of what is on its way down: %s", got, res.Message)
		}
	})
}

// A dry run counts what is down and unexplained, as the real run would.
func TestADryRunCountsWhatIsUnexplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, down := forgottenAfterEntry1(t, small())
		want := fmt.Sprintf("%d more do not run, and nothing on record says who stopped them: it would end with 3", down)
		if res := s.must(0, "restore", "DMM_DRY_RUN=true"); !strings.Contains(res.Message, want) {
			t.Errorf("the dry run says %q, want %q in it", res.Message, want)
		}
	})
}

// What was given up stays in every sentence, also if dmm had not stopped it, and also after another snapshot.
func TestWhatWasGivenUpIsNamedEverAfter(t *testing.T) {
	for name, giveUp := range map[string]func(s *site){
		"restore --give-up": func(s *site) { s.must(0, "restore", "DMM_GIVE_UP=true") },
		"close":             func(s *site) { s.must(0, "close", "DMM_REASON=x", "DMM_YES=true") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, down := forgottenAfterEntry1(t, small())
				s.must(3, "restore")
				giveUp(s)
				for _, since := range []string{"", "after another snapshot"} {
					if since != "" {
						time.Sleep(time.Minute)
						s.must(0, "snapshot")
					}
					if res := s.must(0, "status"); !strings.Contains(res.Message, fmt.Sprintf("%d given up", down)) ||
						!strings.Contains(res.Next, "--from-snapshot") {
						t.Errorf("%s status says %q, next %q", since, res.Message, res.Next)
					}
					if res := s.must(0, "restore"); !strings.Contains(res.Message, fmt.Sprintf("left %d down", down)) ||
						!strings.Contains(res.Next, "--from-snapshot") {
						t.Errorf("%s restore says %q, next %q", since, res.Message, res.Next)
					}
				}
			})
		})
	}
}

// The command that brings back what was given up has the flags of its kinds, and what it cannot bring back is said.
func TestWhatBringsBackWhatWasGivenUpIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		ran := s.running()
		s.must(0, "snapshot")
		late := s.sim.CreateApp(dominosim.AppSpec{Name: "late"})
		if err := s.sim.OwnerStartApp(late); err != nil {
			t.Fatal(err)
		}
		s.must(0, "shutdown")
		res := s.must(0, "close", "DMM_REASON=x", "DMM_YES=true")
		if !strings.Contains(res.Next, "--restore-workspaces") || !strings.Contains(res.Message, "knows nothing of 1 of these") {
			t.Errorf("close says %q, next %q", res.Message, res.Next)
		}
		from := res.Next[strings.Index(res.Next, "--from-snapshot ")+len("--from-snapshot "):]
		from, _, _ = strings.Cut(from, " ")
		s.must(0, "restore", "DMM_RESTORE_FROM="+from, "DMM_YES=true", "DMM_RESTORE_WORKSPACES=true")
		s.wantSame(ran)
	})
}

// A window whose journal is gone is not passed over, nor opened anew beside what is left of it.
func TestAReportWithoutItsJournalIsDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		for range 2 {
			s.must(0, "snapshot")
			s.must(0, "shutdown")
			s.must(0, "restore")
			time.Sleep(time.Minute)
		}
		s.must(0, "snapshot")
		for _, key := range s.keys("windows/000002/journal/") {
			s.remove(key)
		}
		ran := s.running()
		for _, mode := range []string{"status", "restore", "shutdown", "snapshot"} {
			if _, err := s.run(mode); modes.Classify(err) != modes.FaultRefused || !strings.Contains(err.Error(), entryOf(2, 1)) {
				t.Errorf("%s: %v, want it refused, and the entry named", mode, err)
			}
		}
		if res, err := s.run("verify"); err == nil && res.Code == 0 {
			t.Errorf("verify says %q", res.Message)
		}
		s.wantSame(ran)
	})
}

// Whoever writes nonsense into the store is told so, and crashes nothing.
func TestForgeriesThatMakeNoSenseAreDamage(t *testing.T) {
	for name, forge := range map[string]func(s *site){
		"a report with less than no entries": func(s *site) {
			s.put("windows/000001/report.json", []byte(`{"journal":{"entries":-1,"head":"x"}}`))
		},
		"an entry that opens the window again": func(s *site) {
			key := s.keys("windows/000001/journal/")[1]
			line := slices.Collect(strings.Lines(string(s.body(key))))[0]
			var l window.Line
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				s.t.Fatal(err)
			}
			again, err := json.Marshal(window.Line{Schema: l.Schema, Run: l.Run, At: l.At, Event: window.Open})
			if err != nil {
				s.t.Fatal(err)
			}
			s.put(key, append(s.body(key), append(again, '\n')...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				forge(s)
				for _, mode := range []string{"status", "restore"} {
					if _, err := s.run(mode); modes.Classify(err) != modes.FaultRefused {
						t.Errorf("%s: %v, want it refused", mode, err)
					}
				}
			})
		})
	}
}

// A dry run in an open window does not call what dmm itself is stopping somebody else's.
func TestADryRunCountsNothingOfItsOwnAsStillRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.StopTime = time.Minute
		s := newSite(t, c)
		s.must(0, "snapshot")
		s.interrupted(5*time.Second, "shutdown")
		res := s.must(0, "shutdown", "DMM_DRY_RUN=true")
		if res.StillRuns == nil || res.StillRuns.Total != 0 || strings.Contains(res.Message, "still run") {
			t.Errorf("the dry run says %q, and counts %+v", res.Message, res.StillRuns)
		}
	})
}

// A snapshot that could not be read is not one that names nothing.
func TestWhatIsLeftDownIsNotPassedOverWhereItCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		s.must(0, "close", "DMM_REASON=x", "DMM_YES=true")
		present := s.store
		s.store = unreachable{present, "snapshots/"}
		if res, err := s.run("restore"); !errors.Is(err, errUnreachable) || modes.Classify(err) != modes.FaultOther {
			t.Errorf("restore, whose snapshot cannot be read: %v, %+v; want an error that is worth a retry", err, res)
		}
		s.store = present
		s.must(0, "restore")
	})
}

// What could not be seen at the end of a shutdown is said beside what is down, and why in the log.
func TestAKindThatCouldNotBeCountedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_KINDS=App")
		var log strings.Builder
		s.log = &log
		s.must(0, "snapshot")
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/jobs", Kind: dominosim.FaultStatus, Status: 500, Times: -1})
		res := s.must(0, "shutdown")
		if res.StillRuns == nil || !slices.Contains(res.StillRuns.Unseen, execution.Job) ||
			!strings.Contains(res.Message, "whether more run could not be seen (Job)") {
			t.Errorf("shutdown says %q, and counts %+v", res.Message, res.StillRuns)
		}
		if !strings.Contains(log.String(), "count what still runs") {
			t.Errorf("the log does not say why:\n%s", log.String())
		}
		if res := s.must(0, "status"); !strings.Contains(res.Message, "Window 000001 is partly down: ") {
			t.Errorf("status says %q, and nobody knows that", res.Message)
		}
	})
}
