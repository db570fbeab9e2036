package execution_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// busy is a deployment with jobs that run for ever and builds, and without awkward rows.
func busy(profile string) dominosim.Config {
	return dominosim.Config{Profile: profile, Plain: true, Projects: 3, Apps: 2, Workspaces: 2, Jobs: 7, FlowJobs: 1, Builds: 2, Classics: 1}
}

func TestJobsAndBuildsThatRunAreListed(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, busy(profile))
		over := s.running(dominosim.KindJob, nil).ID
		if err := s.sim.EndJob(over, "Succeeded"); err != nil {
			t.Fatal(err)
		}
		l := s.inventory(execution.Job, execution.Build)
		wantComplete(t, l)
		wantEqual(t, "what runs", s.truth(execution.Job, execution.Build), ids(l, up))
		flows := 0
		for _, e := range l.Executions {
			if e.Kind == execution.Job && (e.Project.Name == "" || e.Owner == "" || !strings.Contains(e.Name, "train.py") || e.HardwareTier == "" || e.RunID != e.ID) {
				t.Errorf("a job is listed as %+v", e)
			}
			if e.Flow == "nightly-flow" {
				flows++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[slices.Contains([]string{"4.4", "5.5", "5.7", "5.9", "5.10"}, profile)]; flows != want {
			t.Errorf("%d jobs of a flow, want %d: Domino tells them from 5.11 on", flows, want)
		}
		if n := s.writes(); n != 0 {
			t.Errorf("%d writes for an inventory, want 0", n)
		}
	})
}

// More jobs than a page holds, in a project whose server sends no more than a hundred.
func TestJobsOfManyPagesAreListed(t *testing.T) {
	c := busy("6.1")
	c.Projects, c.Jobs = 1, 250
	s := newSite(t, c)
	l := s.list(execution.Job)
	wantComplete(t, l)
	wantEqual(t, "what runs", s.truth(execution.Job), ids(l, up))
}

// A project that no list of projects shows still has its jobs nominated.
func TestAJobOfAProjectThatIsNotAskedIsNominatedByTheListOfExecutions(t *testing.T) {
	s := newSite(t, busy("6.1"))
	job := s.running(dominosim.KindJob, nil)
	s.sim.ArchiveProject(job.ProjectID)
	l := s.inventory(execution.Job)
	wantComplete(t, l)
	if !slices.Contains(ids(l, up), "Job/"+job.ID) {
		t.Errorf("listed = %v, want %s among them", ids(l, up), job.ID)
	}
	if e := s.find(execution.Job, job.ID); e.Project.String() != job.Project || len(e.Restart) == 0 {
		t.Errorf("it is listed as %+v", e)
	}
}

// A compute cluster comes and goes with its job. It is counted once, in the inventory and by the witness.
func TestAComputeClusterIsPartOfItsJob(t *testing.T) {
	s := newSite(t, busy("6.1"))
	l := s.inventory(execution.Kinds()...)
	seen := s.witness()
	missing, without := execution.Unaccounted(l.Executions, seen)
	if len(missing) > 0 || len(without) > 0 {
		t.Errorf("unaccounted = %+v and %v, want none", missing, without)
	}
	clusters := 0
	list, _, err := s.client.Executions(t.Context())
	must(t, err)
	for _, x := range list {
		clusters += len(slices.DeleteFunc(x.Pods, func(p string) bool { return !strings.HasPrefix(p, "ray-") }))
	}
	if clusters == 0 {
		t.Error("no job has a cluster")
	}
	if jobs := len(ids(l, func(e execution.Execution) bool { return e.Kind == execution.Job })); jobs != 8 {
		t.Errorf("%d jobs, want 8", jobs)
	}
}

func TestAJobIsStoppedWithItsProjectNamed(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		for _, discard := range []bool{false, true} {
			s := newSite(t, busy(profile))
			if discard {
				s.drivers.Handle(execution.Handling{Jobs: execution.PolicyDiscard})
			}
			e := s.find(execution.Job, s.running(dominosim.KindJob, nil).ID)
			s.stop(e)
			call := s.lastCall(dominosim.KindJob, e.ID, "stop")
			wantEqual(t, "stop", map[string]any{"jobId": e.ID, "projectId": e.Project.ID, "commitResults": !discard}, call.Args)
			if now := s.read(e); now.State != execution.Stopped {
				t.Errorf("State = %s, want stopped", now.State)
			}
			if _, err := s.drivers.Of(execution.Job).Stop(t.Context(), e, false); !errors.Is(err, execution.ErrAlready) {
				t.Errorf("a second stop: %v, want ErrAlready", err)
			}
		}
	})
}

func TestAJobOfAFlowIsNotStopped(t *testing.T) {
	s := newSite(t, busy("6.2"))
	for _, e := range s.inventory(execution.Job).Executions {
		if e.Flow == "" {
			continue
		}
		if _, err := s.drivers.Of(execution.Job).Stop(t.Context(), e, false); err == nil {
			t.Error("a job of a flow was stopped")
		}
	}
	if n := s.writes(); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
}

func TestAJobIsRunAgain(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, busy(profile))
		e := s.find(execution.Job, s.running(dominosim.KindJob, nil).ID)
		if _, err := s.drivers.Of(execution.Job).Start(t.Context(), e); !errors.Is(err, execution.ErrAlready) {
			t.Errorf("start of one that runs: %v, want ErrAlready", err)
		}
		s.stop(e)
		a := s.start(e)
		if a.Seen == nil || a.Seen.State != execution.Running || a.Seen.Instance == "" || a.Seen.Instance == e.ID {
			t.Fatalf("seen = %+v, want its re-run", a.Seen)
		}
		wantEqual(t, "restart", map[string]any{"jobId": e.ID, "projectId": e.Project.ID, "shouldUseOriginalInputCommit": true}, s.lastCall(dominosim.KindJob, e.ID, "start").Args)
		again := s.start(e) // the same question, the same answer, and nothing sent
		if again.Seen == nil || again.Seen.Instance != a.Seen.Instance || len(s.calls(dominosim.KindJob, e.ID, "start")) != 1 {
			t.Errorf("a second start: %+v after %d calls", again.Seen, len(s.calls(dominosim.KindJob, e.ID, "start")))
		}
		// Nor does another process that knows nothing of the answer.
		other := execution.NewDrivers(s.client)
		b, err := other.Of(execution.Job).Start(t.Context(), e)
		if err != nil || b.Seen == nil || b.Seen.Instance != a.Seen.Instance || len(s.calls(dominosim.KindJob, e.ID, "start")) != 1 {
			t.Errorf("another process: %+v, %v after %d calls", b.Seen, err, len(s.calls(dominosim.KindJob, e.ID, "start")))
		}
	})
}

// Two jobs that are the same, each with a call that another process sent: each takes one re-run and none is made again. If only
// one call was sent, the other is run again.
func TestJobsThatAreAlikeTakeOneReRunEach(t *testing.T) {
	for sent := range 3 {
		for _, recalled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d sent, recalled %t", sent, recalled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, busy("6.1"))
					var alike []execution.Execution
					for _, e := range s.inventory(execution.Job).Executions {
						if strings.HasSuffix(e.Name, "--fold 1") {
							alike = append(alike, e)
						}
					}
					if len(alike) != 2 {
						t.Fatalf("%d jobs are alike, want 2", len(alike))
					}
					for _, e := range alike {
						s.stop(e)
					}
					time.Sleep(time.Second)
					now := execution.NewDrivers(s.client)
					for _, e := range alike[:sent] {
						a := s.start(e)
						if recalled {
							now.Recall(e, a.Seen.Instance)
						}
					}
					made := map[string]bool{}
					for _, e := range alike {
						a, err := now.Of(execution.Job).Start(t.Context(), e)
						if err != nil {
							t.Fatal(err)
						}
						made[a.Seen.Instance] = true
					}
					total := 0
					for _, e := range alike {
						total += s.sim.Ledger().Entry(dominosim.KindJob, e.ID).Effects("start")
					}
					if len(made) != 2 || total != 2 {
						t.Errorf("%d re-runs were made and %d taken, want 2 each", total, len(made))
					}
				})
			})
		}
	}
}

// What looks like a re-run and may be another's is never sent for again: a person is told to look.
func TestAJobThatWasPerhapsRunAgainIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, s *site, o dominosim.Object)
		left bool
	}{
		"nobody":                               {func(*testing.T, *site, dominosim.Object) {}, false},
		"its owner, by the re-run of the page": {func(t *testing.T, s *site, o dominosim.Object) { must(t, s.sim.OwnerRerunJob(o.ID)) }, true},
		"its owner, by hand":                   {func(_ *testing.T, s *site, o dominosim.Object) { s.sim.CreateJob(o.ProjectID, o.Name) }, true},
		"its owner, another command":           {func(_ *testing.T, s *site, o dominosim.Object) { s.sim.CreateJob(o.ProjectID, "other.py") }, false},
		"in another project":                   {func(_ *testing.T, s *site, o dominosim.Object) { s.sim.CreateJob(s.otherProject(o), o.Name) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, busy("6.1"))
				o := s.running(dominosim.KindJob, nil)
				e := s.find(execution.Job, o.ID)
				s.sim.CreateJob(o.ProjectID, o.Name) // begun before the stop: no re-run of it
				time.Sleep(time.Second)
				s.stop(e)
				time.Sleep(time.Second)
				c.do(t, s, o)
				_, err := s.drivers.Of(execution.Job).Start(t.Context(), e)
				var leave *execution.LeaveError
				if left := errors.As(err, &leave); left != c.left || !left && err != nil {
					t.Fatalf("Start: %v, want it left: %t", err, c.left)
				}
				if c.left && (!strings.Contains(leave.Reason, "look at job #") || s.writes() != 1) {
					t.Errorf("reason = %q after %d writes, want the advice to look and no write but the stop", leave.Reason, s.writes())
				}
			})
		})
	}
}

func (s *site) otherProject(o dominosim.Object) string {
	for _, other := range s.sim.Objects(dominosim.KindWorkspace) {
		if other.ProjectID != o.ProjectID {
			return other.ProjectID
		}
	}
	s.Fatal("all is in one project")
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A list of later jobs that cannot be had whole is no evidence that there is no re-run.
func TestNothingIsRunAgainOnAListThatIsNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		fault  dominosim.Fault
		change func(v any)
	}{
		"it fails":             {fault: dominosim.Fault{Method: http.MethodGet, Path: "/v4/jobs", Kind: dominosim.FaultStatus, Status: 500, Times: -1}},
		"a row does not parse": {change: func(v any) { rowsOf(v)[0]["jobRunCommand"] = 7 }},
		"pages are cut": {change: func(v any) {
			o := v.(map[string]any)
			o["jobs"] = o["jobs"].([]any)[:1]
		}},
	} {
		inTime(t, name, func(t *testing.T) {
			active := true
			s := newSite(t, busy("6.1"), changeAnswers("^/v4/jobs$", func(v any) {
				if c.change != nil && !active && len(rowsOf(v)) > 0 {
					c.change(v)
				}
			}))
			e := s.find(execution.Job, s.running(dominosim.KindJob, nil).ID)
			s.stop(e)
			active = false
			if c.fault.Kind != "" {
				s.sim.AddFault(c.fault)
			}
			_, err := s.drivers.Of(execution.Job).Start(t.Context(), e)
			if f := execution.FaultOf(err); err == nil || f != execution.Unsent && f != execution.Refused {
				t.Errorf("Start: %v, want it not sent", err)
			}
			if n := s.writes(); n != 1 {
				t.Errorf("%d writes, want the stop alone", n)
			}
		})
	}
}

func rowsOf(v any) []map[string]any {
	var rows []map[string]any
	list, _ := v.(map[string]any)["jobs"].([]any)
	for _, r := range list {
		rows = append(rows, r.(map[string]any))
	}
	return rows
}

func TestAJobThatEndedByItselfIsNotRunAgain(t *testing.T) {
	s := newSite(t, busy("6.1"))
	e := s.find(execution.Job, s.running(dominosim.KindJob, nil).ID)
	must(t, s.sim.EndJob(e.ID, "Succeeded"))
	_, err := s.drivers.Of(execution.Job).Start(t.Context(), e)
	if !errors.As(err, new(*execution.LeaveError)) || s.writes() != 0 {
		t.Errorf("Start: %v after %d writes, want it left", err, s.writes())
	}
}

func TestABuildIsCancelledAndQueuedAgain(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, busy(profile))
		d := s.drivers.Of(execution.Build)
		e := s.inventory(execution.Build).Executions[0]
		if !s.client.Dialect().CancelBuild {
			if _, err := d.Stop(t.Context(), e, false); execution.FaultOf(err) != execution.Refused || s.read(e).State.Down() {
				t.Errorf("Stop: %v, want it refused: the release has no call for it", err)
			}
			return
		}
		s.stop(e)
		if now := s.read(e); now.State != execution.Stopped || now.DominoState != "Killed" || now.Finished() {
			t.Errorf("after the cancellation: %+v", now)
		}
		if _, err := d.Stop(t.Context(), e, false); !errors.Is(err, execution.ErrAlready) {
			t.Errorf("a second cancellation: %v, want ErrAlready", err)
		}
		if !s.client.Dialect().Rebuild {
			if _, err := d.Start(t.Context(), e); !errors.As(err, new(*execution.LeaveError)) {
				t.Errorf("Start: %v, want it left: the release has no call for it", err)
			}
			return
		}
		if a := s.start(e); a.Seen == nil || a.Seen.State != execution.Running {
			t.Errorf("seen = %+v, want it running", a.Seen)
		}
		if _, err := d.Start(t.Context(), e); !errors.Is(err, execution.ErrAlready) {
			t.Errorf("a second start: %v, want ErrAlready", err)
		}
	})
}

// A build is one revision's, also when that is the latest no more.
func TestABuildOfAnOlderRevisionIsStillSeen(t *testing.T) {
	for profile, want := range map[string]execution.State{"5.9": execution.Unknown, "6.1": execution.Running} {
		t.Run(profile, func(t *testing.T) {
			s := newSite(t, busy(profile))
			e := s.inventory(execution.Build).Executions[0]
			if environment, _ := s.sim.CreateBuild(); environment != e.Parent {
				t.Fatalf("a new revision of %s, want of %s", environment, e.Parent)
			}
			if now := s.read(e); now.State != want {
				t.Errorf("State = %s, want %s", now.State, want)
			}
		})
	}
}

func TestHandling(t *testing.T) {
	job, flow := execution.Execution{Kind: execution.Job}, execution.Execution{Kind: execution.Job, Flow: "f"}
	build, app, deployment := execution.Execution{Kind: execution.Build}, execution.Execution{Kind: execution.App}, execution.Execution{Kind: execution.ExternalDeployment}
	for _, c := range []struct {
		h    execution.Handling
		e    execution.Execution
		want execution.Course
	}{
		{execution.Handling{}, app, execution.CourseStop},
		{execution.Handling{}, job, execution.CourseLeave}, // a window of a version that knew no jobs
		{execution.Handling{Jobs: "wait"}, job, execution.CourseWait},
		{execution.Handling{Jobs: "stop"}, job, execution.CourseStop},
		{execution.Handling{Jobs: "discard"}, job, execution.CourseStop},
		{execution.Handling{Jobs: "ignore"}, job, execution.CourseLeave},
		{execution.Handling{Jobs: "wait"}, flow, execution.CourseWait},
		{execution.Handling{Jobs: "stop"}, flow, execution.CourseWait},
		{execution.Handling{Jobs: "discard"}, flow, execution.CourseWait},
		{execution.Handling{Jobs: "ignore"}, flow, execution.CourseLeave},
		{execution.Handling{Builds: "wait"}, build, execution.CourseWait},
		{execution.Handling{Builds: "cancel"}, build, execution.CourseStop},
		{execution.Handling{Builds: "ignore"}, build, execution.CourseLeave},
		{execution.Handling{}, deployment, execution.CourseLeave},
		{execution.Handling{External: "stop"}, deployment, execution.CourseStop},
	} {
		got, why := c.h.Of(c.e)
		if got != c.want || (c.e.Kind != execution.App && why == "") || c.e.Flow != "" && !strings.Contains(why, "flow") {
			t.Errorf("%+v of %s in flow %q: %d, %q; want %d and a reason", c.h, c.e.Kind, c.e.Flow, got, why, c.want)
		}
	}
}

// A re-run waits for its turn no longer than its process lives.
func TestAReRunThatWaitsForItsTurnEndsWithItsContext(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		c := busy("6.1")
		s := newSite(t, c)
		var jobs []execution.Execution
		for _, e := range s.inventory(execution.Job).Executions {
			if e.Flow == "" {
				s.stop(e)
				jobs = append(jobs, e)
			}
		}
		s.sim.AddFault(dominosim.Fault{Method: http.MethodPost, Path: "/v4/jobs/restart", Kind: dominosim.FaultHang})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		for _, e := range jobs[:2] {
			go func() {
				_, err := s.drivers.Of(execution.Job).Start(ctx, e)
				done <- err
			}()
		}
		time.Sleep(5 * time.Second)
		cancel()
		faults := []execution.Fault{execution.FaultOf(<-done), execution.FaultOf(<-done)}
		slices.Sort(faults)
		wantEqual(t, "faults", []execution.Fault{execution.Unsent, execution.Lost}, faults)
	})
}
