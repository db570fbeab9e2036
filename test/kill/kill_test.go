package kill

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// Requests by which the tests tell how far a process is.
const (
	signIn       = "GET /v4/auth/principal" // the last thing before the store is looked at
	listProjects = "GET /v4/projects"       // a shutdown's preflight begins with it, and then each of its scans
	listApps     = "GET /v4/modelProducts"

	readSchedule  = "GET /v4/projects/{id}/scheduledjobs/{id}"
	putSchedule   = "PUT /v4/projects/{id}/scheduledjobs/{id}"
	readWorkspace = "GET /v4/workspace/project/{id}/workspace/{id}"
	stopWorkspace = "POST /v4/workspace/project/{id}/workspace/{id}/stop"
	startSession  = "POST /v4/workspace/project/{id}/workspace/{id}/sessions"
	readApp       = "GET /v4/modelProducts/{id}"
	stopApp       = "POST /v4/modelProducts/{id}/stop"
	startApp      = "POST /v4/modelProducts/{id}/start"
	readModel     = "GET /api/modelServing/v1/modelApis/{id}/versions/{id}"
	stopModel     = "POST /v4/models/{id}/{id}/stopModelDeployment"
	startModel    = "POST /v4/models/{id}/{id}/startModelDeployment"
)

// point is a moment in the life of a process: the n-th request of a kind, before anything
// comes of it or after it has taken effect, counted from when the point before was passed.
type point struct {
	request string
	nth     int
	after   bool
}

func before(request string, nth int) []point { return []point{{request, nth, false}} }
func after(request string, nth int) []point  { return []point{{request, nth, true}} }

// then is one point and, from there on, another.
func then(first, second []point) []point { return append(first, second...) }

// at has f called once, with the request that makes the last of the points.
func (s *site) at(points []point, f func(moment)) {
	var mu sync.Mutex
	seen := 0
	passed := func(m moment) bool {
		mu.Lock()
		defer mu.Unlock()
		if len(points) == 0 || m.request != points[0].request || m.answered != points[0].after {
			return false
		}
		if seen++; seen < points[0].nth {
			return false
		}
		points, seen = points[1:], 0
		return len(points) == 0
	}
	s.on(func(m moment) {
		if passed(m) {
			f(m)
		}
	})
}

// killAt runs a mode and kills it with SIGKILL at a point. It returns when the process is
// dead and proves that the signal was what it died of.
func (s *site) killAt(points []point, mode string) {
	s.t.Helper()
	running := make(chan *process, 1)
	s.at(points, func(m moment) {
		p := <-running
		if err := p.signal(syscall.SIGKILL); err != nil {
			s.t.Errorf("kill dmm %s: %v", mode, err)
		}
		<-m.gone // the kernel has closed the connection: nobody will read the answer
	})
	p := s.start(mode)
	running <- p
	code, by := p.wait()
	s.on(nil)
	if by != syscall.SIGKILL {
		s.t.Fatalf("dmm %s ended by itself with code %d before it could be killed:\n%s", mode, code, p.log.String())
	}
}

// A shutdown is killed, and the same command, typed again, finishes the job.
func TestShutdownGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	points := drawn(t, 11, "points at which a shutdown is killed", map[string][]point{
		"before the first journal write":                 after(signIn, 1),
		"while it looks before it leaps":                 before(listProjects, 1),
		"after the first journal write":                  before(listProjects, 2),
		"during the first scan":                          after(listApps, 1),
		"before the first intent":                        before(readSchedule, 1),
		"between the first intent and its call":          before(putSchedule, 1),
		"after the first effect, before its answer":      after(putSchedule, 1),
		"between the third workspace's intent and call":  before(stopWorkspace, 3),
		"with calls to apps under way":                   after(stopApp, 2),
		"while it waits for what it has stopped":         then(after(stopApp, 1), before(readWorkspace, 1)),
		"before the first model API is called":           before(stopModel, 1),
		"after a model API was stopped, before answered": after(stopModel, 2),
		"when the second scan begins":                    before(listProjects, 3),
		"near the end of the second scan":                then(before(listProjects, 3), after(listApps, 1)),
		"before the second schedule is written":          before(putSchedule, 2),
		"after the second schedule was written":          after(putSchedule, 2),
		"before the first workspace is stopped":          before(stopWorkspace, 1),
		"after the second workspace was stopped":         after(stopWorkspace, 2),
		"before the first app is stopped":                before(stopApp, 1),
		"after the first app was stopped":                after(stopApp, 1),
		"while the model APIs are watched":               then(after(stopModel, 1), before(readModel, 1)),
	})
	var kills atomic.Int32
	t.Run("killed", func(t *testing.T) {
		for name, at := range points {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, lagging())
				was := s.state()
				s.must(0, "snapshot")

				s.killAt(at, "shutdown")
				kills.Add(1)
				s.must(0, "status") // the journal can be read
				s.must(0, "shutdown")
				s.wantNothingRunning()

				s.must(0, "restore")
				s.wantBroughtBack(was)
			})
		}
	})
	if got, want := int(kills.Load()), len(points); got != want || draw.All() && want < 20 {
		t.Errorf("%d processes were killed, want all %d, and twenty at least of all", got, want)
	}
}

// A restore is killed, and the same command, typed again, finishes the job.
func TestRestoreGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	points := drawn(t, 10, "points at which a restore is killed", map[string][]point{
		"before its first journal write":                   after(signIn, 1),
		"after its begin, before the first intent":         before(readModel, 1),
		"between the first intent and its call":            before(startModel, 1),
		"after the first effect, before its answer":        after(startModel, 1),
		"between an app's intent and its call":             before(startApp, 1),
		"after an app was started, before answered":        after(startApp, 3),
		"between a workspace's intent and its call":        before(startSession, 2),
		"after a session was started, before answered":     after(startSession, 1),
		"while it waits for what it has started":           then(after(putSchedule, 1), before(readApp, 1)),
		"between a schedule's intent and its call":         before(putSchedule, 1),
		"after a schedule was resumed, before answered":    after(putSchedule, 2),
		"before what it has put into a schedule was read":  then(after(putSchedule, 3), before(readSchedule, 1)),
		"near the end, when the last starts are confirmed": then(after(putSchedule, 3), after(readApp, 2)),
		"before the second model API is started":           before(startModel, 2),
		"after the second model API was started":           after(startModel, 2),
		"before the second app is started":                 before(startApp, 2),
		"after the first app was started":                  after(startApp, 1),
		"before the first session is started":              before(startSession, 1),
		"after the second session was started":             after(startSession, 2),
		"before the second schedule is resumed":            before(putSchedule, 2),
	})
	var kills atomic.Int32
	t.Run("killed", func(t *testing.T) {
		for name, at := range points {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, lagging())
				was := s.state()
				s.must(0, "snapshot")
				s.must(0, "shutdown")
				s.wantNothingRunning()

				s.killAt(at, "restore")
				kills.Add(1)
				s.must(0, "status")
				s.must(0, "restore")
				s.wantBroughtBack(was)
				s.must(0, "restore") // nothing is open any more, and nothing is done
				s.wantBroughtBack(was)
			})
		}
	})
	if got, want := int(kills.Load()), len(points); got != want || draw.All() && want < 20 {
		t.Errorf("%d processes were killed, want all %d, and twenty at least of all", got, want)
	}
}

// The run that goes on after a kill is as mortal as the first.
func TestEveryRunOfAMaintenanceIsKilledOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, lagging())
	was := s.state()
	s.killAt(after(listApps, 1), "snapshot")
	if folders, _ := filepath.Glob(filepath.Join(s.store, "snapshots/*/*/*/manifest.json")); len(folders) > 0 {
		t.Fatalf("a killed snapshot is there all the same: %v", folders)
	}
	s.must(0, "snapshot")
	s.killAt(after(stopWorkspace, 1), "shutdown")
	s.killAt(before(stopApp, 1), "shutdown")
	s.killAt(before(stopModel, 2), "shutdown")
	s.must(0, "shutdown")
	s.wantNothingRunning()
	s.killAt(after(startModel, 2), "restore")
	s.killAt(before(startApp, 2), "restore")
	s.killAt(after(putSchedule, 1), "restore")
	s.must(0, "restore")
	s.wantBroughtBack(was)
}

// A kill before the journal's first entry leaves no window, and one after it does.
func TestAWindowIsThereOnceItsFirstEntryIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   []point
		want bool
	}{
		"before the first journal write": {after(signIn, 1), false},
		"after it":                       {before(listProjects, 2), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, lagging())
			s.must(0, "snapshot")
			s.killAt(c.at, "shutdown")
			_, err := os.Stat(filepath.Join(s.store, "windows"))
			if got := err == nil; got != c.want {
				t.Errorf("there is a window: %t, want %t", got, c.want)
			}
			if n := len(s.sim.Ledger().Writes()); n > 0 {
				t.Errorf("%d calls that change Domino were sent", n)
			}
		})
	}
}
