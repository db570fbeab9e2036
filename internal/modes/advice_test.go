package modes_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// What only advises must not decide. Here it fails in ways of its own.

// A preflight whose routes hang costs a restore a minute and a half, and not the maintenance.
func TestAPreflightThatHangsDoesNotKeepARestoreUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Apps: 2, Models: 2, Schedules: 1})
		s.must(0, "snapshot")
		s.must(0, "shutdown")
		next, began := s.transport, time.Now()
		var first atomic.Int64 // a duration: until something is started
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/v4/dataplanes/dataplanes" || r.URL.Path == "/v4/hardwareTier" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			if r.Method != http.MethodGet {
				first.CompareAndSwap(0, int64(time.Since(began)))
			}
			return next.RoundTrip(r)
		})
		res := s.must(0, "restore")
		if took := time.Duration(first.Load()); took == 0 || took > 3*time.Minute {
			t.Errorf("the first start was sent after %s", took)
		}
		if notes := strings.Join(res.Notes, "\n"); !strings.Contains(notes, "hardware tier") {
			t.Errorf("it is not said that tiers were not checked:\n%s", notes)
		}
	})
}

// What a job runs in is for people to read. Without it the job is one all the same.
func TestAJobWithoutRuntimeDetailsIsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Jobs: 2})
		next := s.transport
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err == nil && strings.HasSuffix(r.URL.Path, "/runtimeExecutionDetails") {
				_ = res.Body.Close()
				res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(nil)), 0
			}
			return res, err
		})
		res := s.must(0, "snapshot")
		for _, k := range res.Kinds {
			if k.Kind == execution.Job && k.Running != 2 {
				t.Errorf("%d jobs run, want 2", k.Running)
			}
		}
	})
}

// One HTML 404, as an ingress gives it, does not make classic workspaces unheard of.
func TestOneStrayAnswerDoesNotHideClassicWorkspaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 30, Classics: 20})
		var strayed atomic.Bool
		next := s.transport
		s.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/runningClassicWorkspaces") && !strayed.Swap(true) {
				return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"text/html"}},
					Body: io.NopCloser(strings.NewReader("<html><title>404</title></html>")), Request: r}, nil
			}
			return next.RoundTrip(r)
		})
		for _, k := range s.must(0, "snapshot").Kinds {
			if k.Kind == execution.Workspace && k.Running != 20 {
				t.Errorf("%d workspaces run, want 20", k.Running)
			}
		}
	})
}

// A shutdown that says what it is for keeps its hands off a window that is for something else, and so does a restore.
func TestAnIntentKeepsOutOfAnotherMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 11, Plain: true, Projects: 2, Apps: 2})
		s.must(0, "snapshot")
		s.must(0, "shutdown", "DMM_INTENT=6.2.0")
		s.must(0, "restore", "DMM_INTENT=6.2.0")
		s.must(0, "shutdown", "DMM_INTENT=6.2.0") // has been
		s.must(0, "snapshot")
		s.must(0, "shutdown") // by hand
		before := len(s.sim.Ledger().Writes())
		for _, mode := range []string{"shutdown", "restore"} {
			if _, err := s.run(mode, "DMM_INTENT=6.2.0"); err == nil || !strings.Contains(err.Error(), "was opened by hand") {
				t.Errorf("a %s for 6.2.0 in a window that is by hand: %v", mode, err)
			}
		}
		if n := len(s.sim.Ledger().Writes()); n != before {
			t.Errorf("%d calls changed Domino", n-before)
		}
		s.must(0, "restore")
		s.must(0, "shutdown", "DMM_INTENT=6.2.0") // has still been
		if n := s.must(0, "status"); n.Window != "000002" {
			t.Errorf("the newest window is %s, want 000002", n.Window)
		}
	})
}

// What was called off has not been: the next shutdown for it neither lets the upgrade pass with everything running nor
// stops what nobody has asked it to.
func TestAnIntentThatWasCalledOffIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_RESTORE_WORKSPACES=true")
		s.must(0, "snapshot")
		s.interrupted(2*time.Second, "shutdown", "DMM_INTENT=6.2.0")
		if res := s.must(0, "restore"); !strings.Contains(strings.Join(res.Notes, "\n"), `calls off the maintenance for "6.2.0"`) {
			t.Errorf("it is not said that the maintenance is called off: %q", res.Notes)
		}
		refused := func(when string) {
			t.Helper()
			before := len(s.sim.Ledger().Writes())
			if _, err := s.run("shutdown", "DMM_INTENT=6.2.0"); err == nil || !strings.Contains(err.Error(), "was called off") {
				t.Errorf("a shutdown for 6.2.0 %s: %v", when, err)
			}
			if n := len(s.sim.Ledger().Writes()); n != before {
				t.Errorf("%d calls changed Domino", n-before)
			}
		}
		refused("after it was called off")
		s.must(0, "snapshot")
		s.must(0, "shutdown") // by hand
		s.must(0, "restore")
		refused("after it was called off, and another by hand")

		app := s.anyRunning(dominosim.KindApp)
		// The next try has a word of its own. Its restore is partial, and what finishes it by hand need not say what it is for.
		s.must(0, "snapshot")
		if res := s.must(0, "shutdown", "DMM_INTENT=6.2.0 b"); res.Next != "upgrade Domino, then dmm restore --intent '6.2.0 b'" {
			t.Errorf("next step %q", res.Next)
		}
		s.sim.AddFault(dominosim.Fault{Path: startApp, Object: app.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		s.must(3, "restore", "DMM_INTENT=6.2.0 b")
		s.sim.ClearFaults()
		if res := s.must(0, "restore"); strings.Contains(strings.Join(res.Notes, "\n"), "calls off") {
			t.Errorf("what finishes a restore is said to call it off: %q", res.Notes)
		}
		if res := s.must(0, "shutdown", "DMM_INTENT=6.2.0 b"); !strings.Contains(res.Message, "has been") {
			t.Errorf("a second shutdown for it says %q", res.Message)
		}
	})
}
