package execution_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// The default deployment of the simulator has every awkward row that it knows: rows
// repeated across pages, a workspace in an archived project, launchers among the apps,
// versions that run and are not active, rows without optional fields.
func TestTheInventoryIsWhatRuns(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, StoppedFraction: 0.3, Workspaces: 120, Apps: 12, Models: 8, Schedules: 12, Projects: 6, Endpoints: 4, Deployments: 30})
		listed := s.list()
		wantComplete(t, listed)

		var all []string
		for _, k := range execution.Kinds() {
			for _, o := range s.sim.Objects(string(k)) {
				all = append(all, o.Kind+"/"+o.ID)
			}
		}
		slices.Sort(all)
		wantEqual(t, "listed", all, ids(listed, nil)) // each once, stopped ones too

		s.drivers.Detail(t.Context(), &listed)
		wantComplete(t, listed)
		wantEqual(t, "what runs", s.truth(execution.Kinds()...), ids(listed, up))

		if n := s.writes(); n != 0 {
			t.Errorf("%d writes for an inventory, want 0", n)
		}
	})
}

// What people and filters know an execution by.
func TestTheInventoryNamesThings(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, Projects: 3, Apps: 3, Models: 3, Workspaces: 3, Schedules: 3, Endpoints: 3, Deployments: 2})
		type names struct{ Kind, ID, Name, Project, ProjectID string }
		var want, got []names
		for _, k := range execution.Kinds() {
			for _, o := range s.sim.Objects(string(k)) {
				if k == execution.ModelAPI {
					o.Name = fmt.Sprintf("%s v%d", o.Name, o.Number)
				}
				want = append(want, names{o.Kind, o.ID, o.Name, o.Project, o.ProjectID})
			}
		}
		for _, e := range s.inventory().Executions {
			got = append(got, names{string(e.Kind), e.ID, e.Name, e.Project.String(), e.Project.ID})
		}
		for _, list := range [][]names{want, got} {
			slices.SortFunc(list, func(a, b names) int { return strings.Compare(a.Kind+a.ID, b.Kind+b.ID) })
		}
		wantEqual(t, "names", want, got)
	})
}

// routesOf are the lists on which the inventory of each kind rests.
func routesOf(s *site) map[execution.Kind]dominosim.Fault {
	projectOf := func(kind string) string { return s.running(kind, nil).ProjectID }
	return map[execution.Kind]dominosim.Fault{
		execution.App:                {Path: "/v4/modelProducts"},
		execution.ModelAPI:           {Path: "/v4/modelManager/ui/models"},
		execution.Endpoint:           {Path: "/api/gen-ai/beta/endpoints"},
		execution.ExternalDeployment: {Path: "/api/modelServing/v1/modelDeployments"},
		execution.Workspace:          {Path: "/v4/workspace/adminDashboardRowData"},
		execution.ScheduledJob:       {Path: "/v4/projects/{projectId}/scheduledjobs", Object: projectOf(dominosim.KindScheduledJob)},
		execution.Job:                {Path: "/v4/jobs"}, // every project's: which one is in the query
		execution.Build:              {Path: "/v4/environments/self"},
	}
}

func TestAKindThatCannotBeListedTakesNothingFromTheOthers(t *testing.T) {
	for _, kind := range execution.Kinds() {
		inTime(t, string(kind), func(t *testing.T) {
			s := newSite(t, dominosim.Config{Profile: "6.2", Projects: 3, Apps: 3, Models: 3, Workspaces: 3, Schedules: 3, Endpoints: 3, Deployments: 2})
			before := s.list()
			fault := routesOf(s)[kind]
			fault.Kind, fault.Status, fault.Times = dominosim.FaultStatus, 503, -1
			s.sim.AddFault(fault)

			after := s.list()
			s.faultsFired()
			about := "list"
			if kind == execution.ScheduledJob { // one project's
				about = s.running(dominosim.KindScheduledJob, nil).Project
			}
			if kind == execution.Job {
				// Its list names the project in the query, so that the fault strikes them all.
				if len(after.Problems) < 3 || slices.ContainsFunc(after.Problems, func(p execution.Problem) bool { return p.Incomplete && p.Kind != kind }) {
					t.Errorf("problems = %v, want one for each project", after.Problems)
				}
			} else {
				wantProblem(t, after, kind, about)
			}
			if got := after.Problems[len(after.Problems)-1].Message; !strings.Contains(got, "503") {
				t.Errorf("problem = %q, want Domino's answer in it", got)
			}
			others := func(e execution.Execution) bool { return e.Kind != kind }
			wantEqual(t, "the other kinds", ids(before, others), ids(after, others))
		})
	}
}

func TestARowThatDoesNotParseCostsThatRow(t *testing.T) {
	for _, tt := range []struct {
		kind        execution.Kind
		path, field string
		complete    bool // something else tells of the row
	}{
		{execution.App, "^/v4/modelProducts$", "name", false},
		{execution.ModelAPI, "/versions$", "number", false},
		{execution.ScheduledJob, "/scheduledjobs$", "title", false},
		// The project's own list shows the workspace, too.
		{execution.Workspace, "/adminDashboardRowData$", "workspaceState", true},
	} {
		inTime(t, string(tt.kind), func(t *testing.T) {
			var bad string
			s := newSite(t, dominosim.Config{}, changeAnswers(tt.path, func(v any) { spoil(v, bad, tt.field) }))
			before := s.list(tt.kind)
			bad = s.running(string(tt.kind), nil).ID

			after := s.list(tt.kind)
			if tt.complete {
				wantComplete(t, after)
				running := func(e execution.Execution) bool { return e.State == execution.Running }
				wantEqual(t, "what runs", ids(before, running), ids(after, running))
				return
			}
			wantProblem(t, after, tt.kind, bad)
			wantEqual(t, "the other rows", ids(before, func(e execution.Execution) bool { return e.ID != bad }), ids(after, nil))
		})
	}
}

// A list that is broken off looks like a short one. It is not.
func TestAListInAContextThatHasEndedIsNotComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.2"})
		s.list() // projects are known by now
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, k := range execution.Kinds() {
			if l := s.drivers.Of(k).List(ctx); l.Complete() {
				t.Errorf("%s: Complete() = true with %d executions, want false", k, len(l.Executions))
			}
		}
	})
}

func TestProjectsAreKnownFromEitherList(t *testing.T) {
	const everybody, admins = "/v4/projects", "/v4/admin/dashboardEntries"
	for _, tt := range []struct {
		name     string
		refused  []string
		complete bool
	}{
		{"the list in no specification is refused: the admin's stands in", []string{everybody}, true},
		{"the admin's is refused: what it alone knows may be missing", []string{admins}, false},
		{"both are refused", []string{everybody, admins}, false},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			s := newSite(t, dominosim.Config{})
			want := ids(s.list(), nil)
			for _, path := range tt.refused {
				s.sim.AddFault(dominosim.Fault{Path: path, Kind: dominosim.FaultStatus, Status: 403, Times: -1})
			}
			s.drivers = execution.NewDrivers(s.client) // nothing is known from before

			got := s.list()
			s.faultsFired()
			if got.Complete() != tt.complete {
				t.Errorf("Complete() = %t, want %t; problems: %v", got.Complete(), tt.complete, got.Problems)
			}
			if len(got.Problems) == 0 || got.Problems[0].Subject != "projects" {
				t.Errorf("problems = %v, want the first about projects", got.Problems)
			}
			if tt.complete {
				wantEqual(t, "listed", want, ids(got, nil))
			}
		})
	}
}

// Projects that were known stay known when they cannot be listed anew.
func TestProjectsThatWereKnownStayKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		want := ids(s.list(execution.ScheduledJob), nil)
		s.sim.AddFault(dominosim.Fault{Path: "^/v4/(projects|admin/dashboardEntries)$", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		got := s.list(execution.ScheduledJob)
		wantEqual(t, "listed", want, ids(got, nil))
		wantProblem(t, got, "", "projects")
	})
}

func TestDetailOfWhatCannotBeReadKeepsTheRowAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		l := s.list(execution.App)
		id := s.running(dominosim.KindApp, nil).ID
		s.sim.AddFault(dominosim.Fault{Path: "/v4/modelProducts/{id}", Object: id, Kind: dominosim.FaultStatus, Status: 502, Times: -1})
		want := ids(l, nil)

		s.drivers.Detail(t.Context(), &l)
		s.faultsFired()
		wantEqual(t, "kept", want, ids(l, nil))
		wantProblem(t, l, execution.App, id)
		for _, e := range l.Executions {
			if got, want := len(e.Restart) > 0, e.State.Up() && e.ID != id; got != want {
				t.Errorf("%s: has restart arguments: %t, want %t", e, got, want)
			}
		}
	})
}

// What is deleted between the list and the look at it does not run, and is no problem.
func TestDetailDropsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		l := s.list(execution.App)
		want := ids(l, nil)
		phantom := execution.Execution{Kind: execution.App, ID: "0123456789abcdef01234567", State: execution.Running}
		l.Executions = slices.Insert(l.Executions, 1, phantom)

		s.drivers.Detail(t.Context(), &l)
		wantComplete(t, l)
		wantEqual(t, "kept", want, ids(l, nil))
	})
}

func TestReadOfWhatIsGone(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		for _, e := range []execution.Execution{s.app(), s.workspace(), s.schedule()} {
			e.ID = "0123456789abcdef01234567"
			d := s.drivers.Of(e.Kind)
			if _, err := d.Read(t.Context(), e); !isGone(err) {
				t.Errorf("%s: Read = %v, want ErrGone", e.Kind, err)
			}
			if _, err := d.Detail(t.Context(), e); !isGone(err) {
				t.Errorf("%s: Detail = %v, want ErrGone", e.Kind, err)
			}
			if _, err := d.Stop(t.Context(), e, false); !isGone(err) {
				t.Errorf("%s: Stop = %v, want ErrGone", e.Kind, err)
			}
			if _, err := d.Start(t.Context(), e); !isGone(err) {
				t.Errorf("%s: Start = %v, want ErrGone", e.Kind, err)
			}
		}
	})
}

// Not being able to look is not to be gone.
func TestReadThatFailsIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		all := []execution.Execution{s.app(), s.version(), s.workspace(), s.schedule()}
		for _, fault := range []dominosim.Fault{
			{Kind: dominosim.FaultStatus, Status: 403},
			{Kind: dominosim.FaultStatus, Status: 503},
			{Kind: dominosim.FaultHTML, Status: 404}, // an ingress without a Domino behind it
			{Kind: dominosim.FaultRefuse},
		} {
			fault.Method, fault.Times = "GET", -1
			s.sim.AddFault(fault)
			for _, e := range all {
				now, err := s.drivers.Of(e.Kind).Read(t.Context(), e)
				if err == nil || isGone(err) {
					t.Errorf("%s, fault %s %d: Read = %v, want an error that is not ErrGone", e.Kind, fault.Kind, fault.Status, err)
				}
				if diff := cmp.Diff(e.Key(), now.Key()); diff != "" {
					t.Errorf("%s: Read returns another execution with its error:\n%s", e.Kind, diff)
				}
			}
			s.sim.ClearFaults()
		}
	})
}

// A call that may have landed is told as what it is: the driver sends nothing after it.
func TestALostAnswerIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		for _, e := range []execution.Execution{s.app(), s.version(), s.workspace(), s.schedule()} {
			s.sim.AddFault(dominosim.Fault{Path: "^.*", Object: e.ID, Method: method(e.Kind), Kind: dominosim.FaultLost, Status: 502})
			before := s.writes()
			_, err := s.drivers.Of(e.Kind).Stop(t.Context(), e, false)
			if lost, ok := asDomino(err); !ok || !lost.Lost() {
				t.Errorf("%s: Stop = %v, want an answer that was lost", e.Kind, err)
			}
			if sent := s.writes() - before; sent != 1 {
				t.Errorf("%s: %d calls were sent, want 1", e.Kind, sent)
			}
		}
		s.faultsFired()
	})
}

func method(k execution.Kind) string {
	if k == execution.ScheduledJob {
		return "PUT"
	}
	return "POST"
}

// Nothing starts an execution of which nobody knows how it ran.
func TestStartWithoutRestartArgumentsSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{})
		for _, e := range []execution.Execution{s.app(), s.version(), s.workspace()} {
			for _, args := range []string{"", "{", "[]"} {
				e.Restart = json.RawMessage(args)
				if _, err := s.drivers.Of(e.Kind).Start(t.Context(), e); err == nil || !strings.Contains(err.Error(), e.ID) {
					t.Errorf("Start with restart arguments %q = %v, want an error that names %s", args, err, e.ID)
				}
			}
		}
		if n := s.writes(); n != 0 {
			t.Errorf("%d calls were sent, want 0", n)
		}
	})
}

func TestStartOfWhatRunsIsErrAlready(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile})
		for _, e := range []execution.Execution{s.app(), s.workspace(), s.schedule()} {
			if _, err := s.drivers.Of(e.Kind).Start(t.Context(), e); !isAlready(err) {
				t.Errorf("%s: Start = %v, want ErrAlready", e.Kind, err)
			}
		}
	})
}

// A list may repeat a row, and two lists may show the same thing while it moves.
func TestARowThatIsRepeatedIsListedOnce(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, dominosim.Config{}, changeAnswers("^/v4/modelProducts$", func(v any) { rows := v.([]any); rows[1] = rows[0] }))
		got := ids(s.list(execution.App), nil)
		if n := len(slices.Compact(slices.Clone(got))); n != len(got) {
			t.Errorf("%d apps are listed, %d of them different", len(got), n)
		}
	})
}

func TestOf(t *testing.T) {
	d := execution.NewDrivers(nil)
	for _, k := range execution.Kinds() {
		if d.Of(k) == nil {
			t.Errorf("Of(%s) = nil, want a driver", k)
		}
	}
	if got := d.Of("Spaceship"); got != nil {
		t.Errorf("Of(Spaceship) = %v, want none", got)
	}
}

// Poll is what a round of looking costs: one answer for many, to be confirmed by Read.
func TestPoll(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, StoppedFraction: 0.3})
		for _, e := range s.list(execution.App, execution.Workspace).Executions {
			states, err := s.drivers.Of(e.Kind).Poll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := states[e.ID]; got != e.State {
				t.Errorf("%s: Poll says %s, List %s", e, got, e.State)
			}
		}
		states, err := s.drivers.Of(execution.ModelAPI).Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range s.sim.Objects(dominosim.KindModelAPI) {
			got, told := states[o.ID]
			want := execution.ModelState(s.sim.Ledger().State(dominosim.KindModelAPI, o.ID), false)
			if told != o.Active || told && got != want {
				t.Errorf("%s v%d, active %t: Poll says %q, want %s for active ones and nothing for others", o.Name, o.Number, o.Active, got, want)
			}
		}
		if states, err := s.drivers.Of(execution.ScheduledJob).Poll(t.Context()); err != nil || states != nil {
			t.Errorf("Poll of schedules = %v, %v, want nothing", states, err)
		}
	})
}

func TestPollThatFails(t *testing.T) {
	for _, kind := range []execution.Kind{execution.App, execution.ModelAPI, execution.Workspace} {
		inTime(t, string(kind), func(t *testing.T) {
			s := newSite(t, dominosim.Config{})
			fault := routesOf(s)[kind]
			fault.Kind, fault.Status, fault.Times = dominosim.FaultStatus, 503, -1
			s.sim.AddFault(fault)
			if states, err := s.drivers.Of(kind).Poll(t.Context()); err == nil {
				t.Errorf("Poll = %v, want an error", states)
			}
			s.faultsFired()
		})
	}
}

func asDomino(err error) (*domino.Error, bool) { return asType[*domino.Error](err) }
