package dominosim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// listed is an app's status in the list, read is what its own page says.
func (c *client) listed(id string) string {
	for _, a := range get[[]struct{ ID, Status string }](c, "/v4/modelProducts") {
		if a.ID == id {
			return a.Status
		}
	}
	return ""
}

func (c *client) read(id string) string {
	return get[struct{ Status string }](c, "/v4/modelProducts/"+id).Status
}

func TestListsLagAndSingleReadsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{ListLag: 40 * time.Second})
		o, _ := c.stoppedApp()
		if w := c.read(o.ID); w != "Stopped" {
			t.Errorf("single read = %s, want Stopped at once", w)
		}
		if w := c.listed(o.ID); w != "Running" {
			t.Errorf("list = %s, want Running still", w)
		}
		shown := time.Duration(0)
		for start := time.Now(); ; time.Sleep(time.Second) {
			w := c.listed(o.ID)
			switch {
			case w == "Stopped" && shown == 0:
				shown = time.Since(start)
			case w == "Running" && shown != 0:
				t.Fatal("the list went back in time")
			}
			if time.Since(start) > 40*time.Second {
				break
			}
		}
		if shown == 0 || c.listed(o.ID) != "Stopped" {
			t.Error("the list shows no stop after 40 s")
		}
	})
}

func TestExecutionsLagBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{ListLag: 40 * time.Second})
		total := func() int {
			return get[struct{ TotalCount int }](c, "/v4/admin/executions").TotalCount
		}
		before := total()
		o, _ := c.stoppedApp()
		if n := total(); n != before {
			t.Errorf("total right after the stop = %d, want %d still", n, before)
		}
		counts := map[int]bool{}
		for range 39 {
			time.Sleep(time.Second)
			counts[total()] = true
		}
		if len(counts) != 2 || !counts[before] || !counts[before-1] {
			t.Errorf("totals within the lag = %v, want both %d and %d", counts, before, before-1)
		}
		if time.Sleep(time.Second); total() != before-1 {
			t.Errorf("total after the lag = %d, want %d", total(), before-1)
		}
		if err := c.sim.OwnerStartApp(o.ID); err != nil {
			t.Fatal(err)
		}
		if n := total(); n != before-1 {
			t.Errorf("total right after the start = %d, want %d still", n, before-1)
		}
		time.Sleep(40 * time.Second)
		if n := total(); n != before {
			t.Errorf("total = %d, want %d", n, before)
		}
	})
}

func TestListsGoBackOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{ListLag: 40 * time.Second, LagGoesBack: true})
		o, _ := c.stoppedApp()
		back, seen := false, false
		for range 40 {
			time.Sleep(time.Second)
			w := c.listed(o.ID)
			seen = seen || w == "Stopped"
			back = back || seen && w == "Running"
		}
		if !back {
			t.Error("the list never went back in time")
		}
		time.Sleep(time.Second)
		if w := c.listed(o.ID); w != "Stopped" {
			t.Errorf("list after the longest lag = %s, want Stopped", w)
		}
	})
}

func TestNewThingsAppearLateInLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{ListLag: 40 * time.Second})
		time.Sleep(time.Minute)
		id := c.sim.CreateApp(AppSpec{Running: true})
		if w := c.read(id); w != "Running" {
			t.Errorf("single read = %s, want Running", w)
		}
		if w := c.listed(id); w != "" {
			t.Errorf("list = %s, want nothing yet", w)
		}
		time.Sleep(40 * time.Second)
		if w := c.listed(id); w != "Running" {
			t.Errorf("list = %s, want Running", w)
		}
	})
}

func TestAbandonedWriteLandsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		landed, never := 0, 0
		for seed := range uint64(30) {
			c := newClient(t, Config{Seed: seed, Latency: 10 * time.Second, LateLanding: 15 * time.Second})
			o := c.running(KindApp)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, err := c.try(ctx, "POST", "/v4/modelProducts/"+o.ID+"/stop", nil)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error = %v, want the context's", err)
			}
			if n := len(c.sim.Ledger().Entry(KindApp, o.ID).Calls); n > 0 {
				t.Fatalf("seed %d: it landed at once", seed)
			}
			time.Sleep(15 * time.Second)
			e := c.sim.Ledger().Entry(KindApp, o.ID)
			switch len(e.Calls) {
			case 0:
				never++
			case 1:
				landed++
				if call := e.Calls[0]; call.Answered || !call.Effect || call.At.Sub(call.Sent) > 17*time.Second {
					t.Errorf("seed %d: call = %+v, want it effective, unanswered and no later than 15 s", seed, call)
				}
			}
		}
		if landed == 0 || never == 0 {
			t.Errorf("%d landed, %d did not; want both to happen", landed, never)
		}
	})
}

func TestLateLandingMeetsTheStateOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Faults: []Fault{{Path: "/v4/modelProducts/{id}/start", Kind: FaultLost, Delay: 10 * time.Second}}})
		o, _ := c.stoppedApp()
		if _, err := c.try(t.Context(), "POST", "/v4/modelProducts/"+o.ID+"/start", obj{}); err == nil {
			t.Fatal("no error from a lost answer")
		}
		if w := c.read(o.ID); w != "Stopped" {
			t.Fatalf("state = %s, want Stopped until it lands", w)
		}
		time.Sleep(5 * time.Second)
		if err := c.sim.OwnerStartApp(o.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		e := c.sim.Ledger().Entry(KindApp, o.ID)
		if len(e.Started) != 1 || len(e.Calls) != 2 || e.Calls[1].Effect || e.Calls[1].Status != http.StatusBadRequest {
			t.Errorf("entry = %+v, want the late start refused because the owner was first", e)
		}
	})
}

func TestClientGivesUpAfterTheEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Latency: 10 * time.Second})
		o := c.running(KindApp)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		if _, err := c.try(ctx, "POST", "/v4/modelProducts/"+o.ID+"/stop", nil); err == nil {
			t.Fatal("no error")
		}
		if e := c.sim.Ledger().Entry(KindApp, o.ID); e.Effects("stop") != 1 || e.Calls[0].Answered {
			t.Errorf("calls = %+v, want one effective and unanswered", e.Calls)
		}
	})
}

func TestFaultsFireAndAreCounted(t *testing.T) {
	c := newClient(t, Config{Faults: []Fault{
		{Name: "gateway", Method: "GET", Path: "/v4/projects", Nth: 2, Times: 2, Kind: FaultStatus, Status: 502, Body: "<html>502</html>"},
		{Name: "throttled", Path: "^/v4/users", Kind: FaultStatus, Status: 429, Header: map[string]string{"Retry-After": "3"}},
		{Name: "login", Path: "/v4/hardwareTier", Kind: FaultHTML},
		{Name: "never", Path: "/v4/dataplanes/dataplanes", Kind: FaultDrop},
	}})
	for i, want := range []int{200, 502, 502, 200} {
		if r := c.do("GET", "/v4/projects", nil); r.status != want {
			t.Errorf("request %d: status = %d, want %d", i+1, r.status, want)
		}
	}
	c.wantStatus("GET", "/v4/users/self", nil, 429)
	if r := c.wantStatus("GET", "/v4/hardwareTier", nil, 200); r.kind != "text/html; charset=utf-8" {
		t.Errorf("login page: content type = %q", r.kind)
	}
	left := c.sim.UnfiredFaults()
	if len(left) != 1 || left[0].Name != "never" {
		t.Errorf("unfired = %+v, want never", left)
	}
	if n := len(c.sim.Faults()); n != 4 {
		t.Errorf("faults = %d, want 4", n)
	}
}

func TestFaultsOnOneObject(t *testing.T) {
	c := newClient(t, Config{})
	o := c.running(KindModelAPI)
	path := "/v4/models/" + o.ModelID + "/" + o.ID
	c.sim.AddFault(Fault{Object: o.ID, Path: "/v4/models/{m}/{v}/stopModelDeployment", Kind: FaultStopFails})
	c.sim.AddFault(Fault{Object: o.ID, Method: "POST", Kind: FaultLost, Status: 504, Nth: 2})
	for _, other := range c.sim.Objects(KindModelAPI) {
		if other.ID != o.ID {
			post[any](c, "/v4/models/"+other.ModelID+"/"+other.ID+"/stopModelDeployment", nil)
		}
	}
	post[any](c, path+"/stopModelDeployment", nil)
	if w := c.sim.Ledger().State(KindModelAPI, o.ID); w != "Running" {
		t.Errorf("state = %s, want Running after a stop that failed", w)
	}
	c.wantStatus("POST", path+"/stopModelDeployment", nil, 504)
	if w := c.sim.Ledger().State(KindModelAPI, o.ID); w != "Stopped" {
		t.Errorf("state = %s, want Stopped: only the answer was lost", w)
	}
	c.sim.AddFault(Fault{Kind: FaultStartFails, State: "Failed", Object: o.ID})
	post[any](c, path+"/startModelDeployment", nil)
	if w := c.sim.Ledger().State(KindModelAPI, o.ID); w != "Failed" {
		t.Errorf("state = %s, want Failed", w)
	}
	if left := c.sim.UnfiredFaults(); len(left) != 0 {
		t.Errorf("unfired = %+v", left)
	}
}

func TestHooksNumberRequestsAndBreakThem(t *testing.T) {
	boom := errors.New("boom")
	for _, at := range []string{"before", "after"} {
		var sim *Sim
		config := Config{
			OnRequest: func(n int, _ *http.Request) error {
				if n == 2 && at == "before" {
					return boom
				}
				return nil
			},
			OnAnswer: func(n int, _ *http.Request, _ int) error {
				if n == 2 && at == "after" {
					return boom
				}
				return nil
			},
		}
		c := newClient(t, config)
		sim = c.sim
		o := c.running(KindApp)
		get[any](c, "/version")
		_, err := c.try(t.Context(), "POST", "/v4/modelProducts/"+o.ID+"/stop", nil)
		if !errors.Is(err, boom) {
			t.Errorf("%s: error = %v, want the hook's", at, err)
		}
		wantEffects := map[string]int{"before": 0, "after": 1}[at]
		if got := sim.Ledger().Entry(KindApp, o.ID).Effects("stop"); got != wantEffects {
			t.Errorf("%s: %d effects, want %d", at, got, wantEffects)
		}
		if w := sim.Ledger().Writes(); len(w) != 1 || w[0].N != 2 || w[0].Err == "" || w[0].Status != 0 {
			t.Errorf("%s: writes = %+v", at, w)
		}
	}
}

func TestCapacityQueuesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Latency: time.Second, Capacity: 2})
		start := time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { c.do("GET", "/version", nil) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		synctest.Wait()
		if _, err := c.try(ctx, "GET", "/version", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 500*time.Millisecond {
			t.Errorf("in the queue: %v after %v, want the context's error after 500ms", err, time.Since(start))
		}
		wg.Wait()
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("6 requests, 2 at once, took %v, want 3s", d)
		}
	})
}

func TestStartCapacityKeepsTheRestQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Plain: true, Projects: 1, Apps: 9, StoppedFraction: 1, StartTime: time.Minute, StartCapacity: 2})
		for _, o := range c.sim.Objects(KindApp) {
			post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{"hardwareTierId": "small-k8s"})
		}
		count := func() (up, queued int) {
			for _, o := range c.sim.Objects(KindApp) {
				switch c.sim.Ledger().State(KindApp, o.ID) {
				case "Running":
					up++
				case "Queued":
					queued++
				}
			}
			return
		}
		for _, want := range [][2]int{{0, 7}, {2, 5}, {4, 3}, {6, 1}, {8, 0}, {9, 0}} {
			if up, queued := count(); up != want[0] || queued != want[1] {
				t.Errorf("%d up and %d queued, want %v", up, queued, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestTierCapacityWaitsForAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{Plain: true, Projects: 1, Apps: 2, StoppedFraction: 1, StopTime: time.Minute, TierCapacity: 1})
		apps := c.sim.Objects(KindApp)
		for _, o := range apps {
			post[string](c, "/v4/modelProducts/"+o.ID+"/start", obj{"hardwareTierId": "small-k8s"})
		}
		if w := c.sim.Ledger().State(KindApp, apps[1].ID); w != "Queued" {
			t.Fatalf("second app = %s, want Queued", w)
		}
		post[string](c, "/v4/modelProducts/"+apps[0].ID+"/stop", nil)
		time.Sleep(59 * time.Second)
		if w := c.sim.Ledger().State(KindApp, apps[1].ID); w != "Queued" {
			t.Errorf("second app = %s, want Queued until the first has stopped", w)
		}
		time.Sleep(time.Second)
		if w := c.sim.Ledger().State(KindApp, apps[1].ID); w != "Running" {
			t.Errorf("second app = %s, want Running", w)
		}
	})
}

func TestOwnersAct(t *testing.T) {
	c := newClient(t, Config{})
	sim := c.sim
	app, version, work, job := c.running(KindApp), c.running(KindModelAPI), c.running(KindWorkspace), c.running(KindScheduledJob)
	before := sim.Ledger().Snapshot()
	steps := []error{
		sim.OwnerStopApp(app.ID), sim.OwnerStopModelVersion(version.ID), sim.OwnerStopWorkspace(work.ID), sim.OwnerPauseSchedule(job.ID, true),
	}
	if n := len(sim.Ledger().Snapshot()); n != len(before)-4 {
		t.Errorf("%d run after the owners' stops, want %d", n, len(before)-4)
	}
	steps = append(steps,
		sim.OwnerStartApp(app.ID), sim.OwnerStartModelVersion(version.ID), sim.OwnerStartWorkspace(work.ID), sim.OwnerPauseSchedule(job.ID, false),
	)
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	after := sim.Ledger().Snapshot()
	for k, r := range before {
		if got := after[k]; fmt.Sprint(got.Arguments()) != fmt.Sprint(r.Arguments()) {
			t.Errorf("%v: %+v, want %+v", k, got.Arguments(), r.Arguments())
		}
	}
	if e := sim.Ledger().Entry(KindApp, app.ID); len(e.Owner) != 2 || len(e.Calls) != 0 || len(e.Started) != 1 || e.Started[0].By != app.Owner {
		t.Errorf("entry = %+v, want two owner's actions and one start by %s", e, app.Owner)
	}
	if err := sim.OwnerStartApp(app.ID); err == nil {
		t.Error("start of a running app: no error")
	}
	if err := sim.OwnerStopApp("nothing"); err == nil {
		t.Error("stop of nothing: no error")
	}
}

func TestSeedDecidesTheSystem(t *testing.T) {
	a, b, other := New(Config{Seed: 1}), New(Config{Seed: 1}), New(Config{Seed: 2})
	first := func(s *Sim) string { return s.Objects(KindApp)[0].ID }
	if first(a) != first(b) || first(a) == first(other) {
		t.Errorf("ids = %s, %s, %s; want the first two alike", first(a), first(b), first(other))
	}
}

func TestPlainSystemsHaveExactlyWhatWasAskedFor(t *testing.T) {
	sim := New(Config{Plain: true, Projects: 3, Apps: 11, Models: 4, Workspaces: 7, Schedules: 5})
	for kind, want := range map[string]int{KindApp: 11, KindModelAPI: 4, KindWorkspace: 7, KindScheduledJob: 5} {
		if got := len(sim.Ledger().Running(kind)); got != want {
			t.Errorf("%d running of kind %s, want %d", got, kind, want)
		}
	}
}

func TestHandlerOverASocket(t *testing.T) {
	sim := New(Config{Faults: []Fault{{Path: "/health", Kind: FaultDrop}}})
	srv := httptest.NewServer(sim.Handler())
	defer srv.Close()
	defer srv.Client().CloseIdleConnections()
	res, err := srv.Client().Get(srv.URL + "/version")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answer = %v %v", res.Status, res.Header)
	}
	// POST: the transport itself repeats a GET on a fresh connection.
	if res, err := srv.Client().Post(srv.URL+"/health", "", nil); err == nil {
		res.Body.Close()
		t.Errorf("dropped request: %v, want an error", res.Status)
	}
}

// Each read of one object, with what it shows of the object's state, lags on request. What answers a write does not.
func TestSingleReadsLagOnRequest(t *testing.T) {
	const lag = 40 * time.Second
	for name, c := range map[string]struct {
		kind   string
		path   func(Object) string
		stop   func(*Sim, Object) error
		before string // what is shown while the stop cannot be seen yet
	}{
		"app": {KindApp, func(o Object) string { return "/v4/modelProducts/" + o.ID },
			func(s *Sim, o Object) error { return s.OwnerStopApp(o.ID) }, `"status":"Running"`},
		"model version": {KindModelAPI, func(o Object) string {
			return "/models/" + o.ModelID + "/versions/" + o.ID + "/json"
		}, func(s *Sim, o Object) error { return s.OwnerStopModelVersion(o.ID) }, `"name":"Running"`},
		"model version of the public API": {KindModelAPI, func(o Object) string {
			return "/api/modelServing/v1/modelApis/" + o.ModelID + "/versions/" + o.ID
		}, func(s *Sim, o Object) error { return s.OwnerStopModelVersion(o.ID) }, `"status":"Running"`},
		"workspace": {KindWorkspace, func(o Object) string {
			return "/v4/workspace/project/" + o.ProjectID + "/workspace/" + o.ID
		}, func(s *Sim, o Object) error { return s.OwnerStopWorkspace(o.ID) }, `"state":"Started"`},
		"schedule": {KindScheduledJob, func(o Object) string {
			return "/v4/projects/" + o.ProjectID + "/scheduledjobs/" + o.ID
		}, func(s *Sim, o Object) error { return s.OwnerPauseSchedule(o.ID, true) }, `"isPaused":false`},
		"job": {KindJob, func(o Object) string { return "/v4/jobs/" + o.ID },
			func(s *Sim, o Object) error { return s.OwnerStopJob(o.ID) }, `"executionStatus":"Running"`},
		"endpoint version": {KindEndpoint, func(o Object) string {
			id, number, _ := strings.Cut(o.ID, "/")
			return "/api/gen-ai/beta/endpoints/" + id + "/versions/" + number
		}, func(s *Sim, o Object) error { return s.OwnerStopServed(KindEndpoint, o.ID) }, `"status":"Running"`},
		"external deployment": {KindDeployment, func(o Object) string {
			return "/api/modelServing/v1/modelDeployments/" + o.ID
		}, func(s *Sim, o Object) error { return s.OwnerStopServed(KindDeployment, o.ID) }, `"state":"RUNNING"`},
	} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, going back %t", name, back), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client := newClient(t, Config{
						Profile: "6.2", Plain: true, ReadLag: lag, LagGoesBack: back,
						Projects: 1, Apps: 1, Models: 1, Workspaces: 1, Schedules: 1, Jobs: 1, Endpoints: 2, Deployments: 1,
					})
					o := client.running(c.kind)
					if err := c.stop(client.sim, o); err != nil {
						t.Fatal(err)
					}
					old, turns := 0, 0
					was := true
					for range 200 {
						is := strings.Contains(string(client.wantStatus("GET", c.path(o), nil, 200).body), c.before)
						if is {
							old++
						}
						if is && !was {
							turns++
						}
						was = is
						time.Sleep(lag / 200)
					}
					if old == 0 || old == 200 {
						t.Errorf("%d of 200 reads within the lag show what was before, want some", old)
					}
					if back != (turns > 0) {
						t.Errorf("reads went back %d times", turns)
					}
					if body := client.wantStatus("GET", c.path(o), nil, 200).body; strings.Contains(string(body), c.before) {
						t.Errorf("after the lag a read shows %s", body)
					}
				})
			})
		}
	}
}

func TestNewThingsAppearLateInSingleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{ReadLag: 40 * time.Second})
		time.Sleep(time.Minute)
		app := c.sim.CreateApp(AppSpec{Running: true})
		job := c.sim.CreateJob("", "late.py")
		for _, path := range []string{"/v4/modelProducts/" + app, "/v4/jobs/" + job} {
			c.wantStatus("GET", path, nil, http.StatusNotFound)
		}
		time.Sleep(40 * time.Second)
		for _, path := range []string{"/v4/modelProducts/" + app, "/v4/jobs/" + job} {
			c.wantStatus("GET", path, nil, http.StatusOK)
		}
	})
}

// The lag of reads draws nothing where there is none, so that what a seed makes stays what it was.
func TestReadsThatDoNotLagDrawNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{ListLag: time.Minute, Seed: 5}
		with, without := newClient(t, c), newClient(t, c)
		o := with.running(KindApp)
		for range 20 {
			with.read(o.ID)
			time.Sleep(time.Second)
		}
		if a, b := with.sim.rng.Uint64(), without.sim.rng.Uint64(); a != b {
			t.Errorf("draws %d and %d, want the same", a, b)
		}
	})
}
