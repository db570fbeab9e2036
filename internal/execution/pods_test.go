package execution_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// pods are the simulated deployment's, as a cluster would list them.
func (s *site) pods() []execution.Pod {
	var out []execution.Pod
	for _, p := range s.sim.Pods() {
		out = append(out, execution.Pod{Name: p.Name, Namespace: "domino-compute", Phase: "Running", Labels: p.Labels, Claims: p.Claims})
	}
	return out
}

// TestThreeWitnessesAgree: on a deployment where nothing is wrong, lists and pods show the same.
func TestThreeWitnessesAgree(t *testing.T) {
	eachProfile(t, func(t *testing.T, profile string) {
		s := newSite(t, dominosim.Config{Profile: profile, Jobs: 3})
		l := s.inventory()
		seen, _, err := execution.Witness(t.Context(), s.client) // 4.4 has no such list
		missing, _, problems := s.drivers.Account(l.Executions, seen, err == nil, s.pods(), true)
		if len(missing) > 0 || len(problems) > 0 {
			t.Errorf("unaccounted = %+v, problems = %v, want neither", missing, problems)
		}
	})
}

// TestWitnessesDiffer: each difference is found and explained.
func TestWitnessesDiffer(t *testing.T) {
	inTime(t, "6.1", func(t *testing.T) {
		s := newSite(t, plain("6.1"))
		app := s.app()
		workspace := s.workspace()
		version := s.find(execution.ModelAPI, s.running(dominosim.KindModelAPI, nil).ID)
		down := app
		down.ID, down.RunID, down.Instance, down.State, down.DominoState = "d", "5f0000000000000000000dd1", "5f0000000000000000000dd1", execution.Stopped, "Stopped"
		s.sim.LosePod(app.RunID)
		s.sim.LosePod(version.ID)
		s.sim.LeavePod(dominosim.Pod{Name: "run-5f0000000000000000000bad-1-2", Labels: map[string]string{"dominodatalab.com/workload-type": "Workspace"}})
		s.sim.LeavePod(dominosim.Pod{Name: "run-5f0000000000000000000bad-worker-0"}) // of the same execution
		s.sim.LeavePod(dominosim.Pod{Name: "run-" + down.RunID + "-1-2", Labels: map[string]string{"dominodatalab.com/workload-type": "App"}})
		s.sim.LeavePod(dominosim.Pod{Name: "model-5f0000000000000000000bbb-1"})
		s.sim.LeavePod(dominosim.Pod{Name: "image-cache-agent-x7k2p"}) // none of an execution
		l := slices.Concat(s.inventory().Executions, []execution.Execution{down})
		seen := slices.Concat(s.witness(), []execution.Sighting{{ID: "5f00000000000000000000aa", Workload: "App", State: "Running", Project: execution.Project{ID: "5f00000000000000000000ff", Name: "hidden"}}})

		missing, _, problems := s.drivers.Account(l, seen, true, s.pods(), true)
		got := map[string]string{}
		for _, m := range missing {
			got[m.ID] = m.Workload + ": " + m.Why
		}
		want := map[string]string{
			"5f00000000000000000000aa": "App: its project is not among those that this key can see",
			"5f0000000000000000000bad": "Workspace: no list of Domino's shows it: its project may not be visible to this key, or its pod was left behind",
			"5f0000000000000000000dd1": "App: Domino says that it is Stopped: its pod has not ended yet, or was left behind",
			"5f0000000000000000000bbb": "ModelAPI: no list of Domino's shows it: its project may not be visible to this key, or its pod was left behind",
		}
		wantEqual(t, "unaccounted", want, got)
		var podless []string
		for _, p := range problems {
			if p.Incomplete || !strings.Contains(p.Message, "has no pod") {
				t.Errorf("problem = %+v, want a warning about its pod", p)
			}
			podless = append(podless, p.Subject)
		}
		slices.Sort(podless)
		wantEqual(t, "running without a pod", slices.Sorted(slices.Values([]string{app.Name + " (" + app.ID + ")", version.Name + " (" + version.ID + ")"})), podless)

		// What is on another data plane, or who knows where, has no pod here.
		for i := range l {
			l[i].DataPlane = "64aa00000000000000000001"
		}
		if _, _, problems := s.drivers.Account(l, seen, true, s.pods(), true); len(problems) > 0 {
			t.Errorf("problems = %v, but pods of other data planes are no evidence", problems)
		}
		if _, _, problems := s.drivers.Account(slices.Concat(s.inventory().Executions, []execution.Execution{workspace}), seen, true, nil, false); len(problems) > 0 {
			t.Errorf("problems = %v, but no pods could be listed", problems)
		}
	})
}

// TestAStartNeedsItsPod: Domino alone does not say that something runs, where its pods could be seen.
func TestAStartNeedsItsPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, plain("6.1"))
		app := s.app()
		version := s.find(execution.ModelAPI, s.running(dominosim.KindModelAPI, nil).ID)
		down := false
		s.drivers.WatchPods(func(context.Context) ([]execution.Pod, error) {
			if down {
				return nil, errors.New("the API server is away")
			}
			return s.pods(), nil
		})
		all := []execution.Execution{app, version}
		s.drivers.Account(all, nil, true, s.pods(), true)
		for _, e := range all {
			id := e.RunID
			if id == "" {
				id = e.ID
			}
			want := func(what string, want execution.State) {
				t.Helper()
				time.Sleep(5 * time.Second) // longer than pods are kept
				if now := s.read(e); now.State != want {
					t.Errorf("%s of which %s: %s (%s), want %s", e, what, now.State, now.DominoState, want)
				}
			}
			want("the pod runs", execution.Running)
			s.sim.LosePod(id)
			want("the pod is gone", execution.Starting)
			unseen := e
			unseen.Pod = false // perhaps pods are not named as they are taken to be
			if now := s.read(unseen); now.State != execution.Running {
				t.Errorf("%s, which was never seen in a pod: %s, want running", e, now.State)
			}
			down = true
			want("the pod cannot be seen", execution.Running)
			down = false
			elsewhere := e
			elsewhere.DataPlane = "64aa00000000000000000001"
			if e.Kind == execution.App { // its row does not tell where it is
				if now := s.read(elsewhere); now.State != execution.Running {
					t.Errorf("%s on another data plane: %s, want running", e, now.State)
				}
			}
			s.sim.FindPod(id)
			want("the pod is back", execution.Running)
		}
		if _, ok := s.drivers.Of(execution.ScheduledJob).(execution.Comparer); !ok {
			t.Error("the driver of schedules does not compare definitions any more")
		}
	})
}
