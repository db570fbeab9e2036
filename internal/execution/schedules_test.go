package execution_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// schedule is a schedule that is not paused.
func (s *site) schedule() execution.Execution {
	s.Helper()
	return s.find(execution.ScheduledJob, s.running(dominosim.KindScheduledJob, nil).ID)
}

// shownBy is a schedule as Domino's GET shows it, without whether it is paused.
func (s *site) shownBy(e execution.Execution) map[string]any {
	s.Helper()
	j, err := s.client.ScheduledJob(s.Context(), e.Project.ID, e.ID)
	if err != nil {
		s.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(j.Definition, &m); err != nil {
		s.Fatal(err)
	}
	delete(m, "isPaused")
	return m
}

// said is a definition without what says no more than its absence would: GET shows false
// and empty lists for what was never set.
func said(definition map[string]any) map[string]any {
	maps.DeleteFunc(definition, func(_ string, v any) bool {
		list, ok := v.([]any)
		return v == false || ok && len(list) == 0
	})
	return definition
}

func (s *site) puts(e execution.Execution) int {
	return len(s.calls(dominosim.KindScheduledJob, e.ID, "put"))
}

// A pause is a PUT of the whole definition, and a PUT reads some fields from another
// place than GET shows them (api.md §12). Nothing may be lost by it: not mounts, not
// flags, not what a later version has added.
func TestPauseAndResumeKeepTheDefinition(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 4, Schedules: 12})
		for _, e := range s.list(execution.ScheduledJob).Executions {
			before, defined := s.shownBy(e), said(s.sim.Definition(e.ID))

			a := s.stop(e)
			if a.Seen == nil || a.Seen.State != execution.Stopped || a.Seen.DominoState != "paused" || a.Seen.Key() != e.Key() {
				t.Errorf("%s: the pause answers %+v, want the schedule as seen, paused", e, a.Seen)
			}
			wantEqual(t, "definition of "+e.String()+" as shown while it is paused", before, s.shownBy(e))

			a = s.start(e)
			if a.Seen == nil || a.Seen.State != execution.Running || a.Seen.DominoState != "active" {
				t.Errorf("%s: the resume answers %+v, want the schedule as seen, active", e, a.Seen)
			}
			wantEqual(t, "definition of "+e.String()+" as shown afterwards", before, s.shownBy(e))
			wantEqual(t, "definition of "+e.String()+" as Domino has it", defined, said(s.sim.Definition(e.ID)))
			if n := s.puts(e); n != 2 {
				t.Errorf("%s: %d PUTs, want one to pause and one to resume", e, n)
			}
		}
	})
}

// Paused schedules are listed without their definitions: nothing will start them.
func TestAPausedScheduleIsListedWithoutRestart(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{Projects: 3, Schedules: 12, StoppedFraction: 0.5})
		paused := 0
		for _, e := range s.list(execution.ScheduledJob).Executions {
			if got := len(e.Restart) > 0; got != (e.State == execution.Running) {
				t.Errorf("%s is %s and has restart arguments: %t", e, e.State, got)
			}
			if e.State == execution.Stopped {
				paused++
			}
		}
		if paused == 0 {
			t.Error("none is paused: the test proves nothing")
		}
	})
}

// Domino stops what runs in a project when it is archived, so that its schedules are no business of ours.
func TestSchedulesOfArchivedProjectsAreNotListed(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.schedule()
		s.sim.ArchiveProject(e.Project.ID)
		if got := ids(s.list(execution.ScheduledJob), nil); slices.Contains(got, "ScheduledJob/"+e.ID) {
			t.Errorf("%s is listed, and its project is archived", e)
		}
	})
}

// What an owner changes during the maintenance is theirs: the definition of the snapshot
// is never written over it.
func TestAnOwnersEditSurvivesTheResume(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		e := s.schedule()
		s.stop(e)
		if err := s.sim.EditSchedule(e.ID, func(d map[string]any) {
			d["command"] = "edited.sh"
			d["externalVolumeMounts"] = []any{}
		}); err != nil {
			t.Fatal(err)
		}
		edited := s.shownBy(e)
		s.start(e)
		wantEqual(t, "definition after the resume", edited, s.shownBy(e))
		if now := s.read(e); now.State != execution.Running {
			t.Errorf("it is %s, want running", now.State)
		}
	})
}

func TestAScheduleThatIsThereAlreadyIsNotPut(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.schedule()
		if _, err := s.drivers.Of(e.Kind).Start(t.Context(), e); !isAlready(err) {
			t.Errorf("Start of an active schedule = %v, want ErrAlready", err)
		}
		if err := s.sim.OwnerPauseSchedule(e.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false); !isAlready(err) {
			t.Errorf("Stop of a paused schedule = %v, want ErrAlready", err)
		}
		if n := s.puts(e); n != 0 {
			t.Errorf("%d PUTs, want none", n)
		}
	})
}

// A server that changes more than it was asked to gets the definition once more.
func TestADefinitionThatIsChangedByThePutIsMended(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		left := 1
		s := newSite(t, dominosim.Config{Profile: profile}, changePuts(func(d map[string]any) {
			if left--; left >= 0 {
				d["command"] = "tampered.sh"
			}
		}))
		e := s.schedule()
		before := s.shownBy(e)
		if a := s.stop(e); a.Seen == nil || a.Seen.State != execution.Stopped {
			t.Errorf("Stop answers %+v, want the schedule as seen, paused", a.Seen)
		}
		wantEqual(t, "definition", before, s.shownBy(e))
		if n := s.puts(e); n != 2 {
			t.Errorf("%d PUTs, want 2", n)
		}
	})
}

// If that does not help either, it is left as it is, for a person to mend.
func TestADefinitionThatIsChangedByEveryPutIsReported(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tamper func(d map[string]any)
		want   []string
	}{
		{"a field is changed", func(d map[string]any) { d["command"] = "tampered.sh" }, []string{"command"}},
		{"mounts are lost", func(d map[string]any) { delete(d, "externalVolumeMounts") }, []string{"externalVolumeMounts"}},
		{"several fields, one inside of another", func(d map[string]any) {
			d["schedule"].(map[string]any)["cronString"] = "0 0 3 * * ?"
			d["title"] = "tampered"
		}, []string{"schedule.cronString", "title"}},
		{"isPaused is not taken", func(d map[string]any) { d["isPaused"] = false }, nil},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			s := newSite(t, dominosim.Config{}, changePuts(tt.tamper))
			e := s.find(execution.ScheduledJob, s.running(dominosim.KindScheduledJob, func(_ dominosim.Object, r dominosim.Run) bool {
				return len(r.Volumes) > 0
			}).ID)
			_, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false)
			changed, ok := asType[*execution.ChangedError](err)
			if !ok {
				t.Fatalf("Stop = %v, want a ChangedError", err)
			}
			wantEqual(t, "fields named", tt.want, changed.Fields)
			if n := s.puts(e); n != 2 {
				t.Errorf("%d PUTs, want exactly 2", n)
			}
		})
	}
}

// A reading that is repeated comes late: what it shows paused may have been paused by its owner since.
func TestAStartThatIsReadBackPausedIsNotSentAgain(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile}, changePuts(func(d map[string]any) {
			if d["isPaused"] == false {
				d["isPaused"], d["command"] = true, "tampered.sh"
			}
		}))
		e := s.schedule()
		s.stop(e)
		puts := s.puts(e)
		if a := s.start(e); a.Seen != nil { // else whoever called would not compare
			t.Errorf("Start answers %+v, want nothing seen", a.Seen)
		}
		if n := s.puts(e) - puts; n != 1 {
			t.Errorf("%d PUTs, want 1", n)
		}
	})
}

// The PUT was accepted and cannot be looked at: that is no failure of the PUT. The
// answer has nothing seen in it, so that the caller looks for itself.
func TestAPutThatCannotBeReadBackWasAccepted(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.schedule()
		s.sim.AddFault(dominosim.Fault{
			Method: "GET", Path: "/v4/projects/{projectId}/scheduledjobs/{key}", Object: e.ID, Nth: 2, Times: -1,
			Kind: dominosim.FaultStatus, Status: 503,
		})
		if a := s.stop(e); a.Seen != nil {
			t.Errorf("Stop answers %+v, want nothing seen", a.Seen)
		}
		s.faultsFired()
		if n := s.puts(e); n != 1 {
			t.Errorf("%d PUTs, want 1", n)
		}
	})
}

func TestAPutThatIsRefused(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		e := s.schedule()
		s.sim.AddFault(dominosim.Fault{Method: "PUT", Kind: dominosim.FaultStatus, Status: 400})
		_, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false)
		if refusal, ok := asDomino(err); !ok || refusal.Status != 400 {
			t.Errorf("Stop = %v, want Domino's 400", err)
		}
		if _, ok := asType[*execution.UnsentError](err); ok {
			t.Errorf("Stop = %v, want no UnsentError: the call was sent", err)
		}
		s.faultsFired()
	})
}

func TestDifferencesBetweenSchedules(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		c, ok := s.drivers.Of(execution.ScheduledJob).(execution.Comparer)
		if !ok {
			t.Fatal("the driver of schedules is no Comparer")
		}
		before := s.schedule()
		s.stop(before)
		if got := c.Differences(before, s.read(before)); len(got) > 0 {
			t.Errorf("Differences after a pause = %q, want none: whether it is paused does not count", got)
		}
		if err := s.sim.EditSchedule(before.ID, func(d map[string]any) { d["command"] = "edited.sh" }); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "Differences after an edit", []string{"command"}, c.Differences(before, s.read(before)))
		without := before
		without.Restart = nil
		if got := c.Differences(without, s.read(before)); got != nil {
			t.Errorf("Differences from nothing = %q, want none", got)
		}
	})
}
