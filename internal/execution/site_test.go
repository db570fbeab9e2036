package execution_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim/spectest"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a simulated deployment with the drivers over it.
type site struct {
	*testing.T
	sim     *dominosim.Sim
	client  *domino.Client
	drivers *execution.Drivers
}

// via stands between client and simulator, for what only a real server would do.
type via func(next http.RoundTripper) http.RoundTripper

// newSite makes a deployment of a version whose calls take effect at once, and has its
// dialect identified.
func newSite(t *testing.T, c dominosim.Config, between ...via) *site {
	t.Helper()
	if c.Seed == 0 {
		c.Seed = 7
	}
	if c.OnExchange == nil {
		c.OnExchange = spectest.Watch(t)
	}
	sim := dominosim.New(c)
	transport := sim.RoundTripper()
	for _, v := range between {
		transport = v(transport)
	}
	client, err := domino.New(domino.Options{
		BaseURL: "https://domino.example.com", Credential: domino.APIKey(dominosim.DefaultAPIKey), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, sim: sim, client: client.WithGate(func(context.Context) error { return nil }, 20*time.Second)}
	s.drivers = execution.NewDrivers(s.client)
	s.identify()
	return s
}

func (s *site) identify() {
	s.Helper()
	if _, err := s.client.Identify(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// upgrade takes the deployment to another version, which the client then asks for.
func (s *site) upgrade(profile string) {
	s.Helper()
	s.sim.SetVersion(profile)
	s.identify()
}

// eachProfile runs a test for every version that the simulator knows, in virtual time.
func eachProfile(t *testing.T, f func(t *testing.T, profile string)) {
	for _, p := range dominosim.Profiles() {
		t.Run(p, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, p) })
		})
	}
}

// inTime runs a test in virtual time, for reads that are tried again after a while.
func inTime(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// list lists the kinds, all of them if none is named.
func (s *site) list(kinds ...execution.Kind) execution.Listing {
	if len(kinds) == 0 {
		kinds = execution.Kinds()
	}
	return s.drivers.List(s.Context(), kinds)
}

// inventory is a list with the details of what runs, as a snapshot takes it.
func (s *site) inventory(kinds ...execution.Kind) execution.Listing {
	l := s.list(kinds...)
	s.drivers.Detail(s.Context(), &l)
	return l
}

// find is the execution of the inventory with an id.
func (s *site) find(kind execution.Kind, id string) execution.Execution {
	s.Helper()
	l := s.inventory(kind)
	for _, e := range l.Executions {
		if e.ID == id {
			return e
		}
	}
	s.Fatalf("%s %s is not in the inventory; problems: %v", kind, id, l.Problems)
	return execution.Execution{}
}

// running is a running object of a kind that satisfies want, nil being any.
func (s *site) running(kind string, want func(dominosim.Object, dominosim.Run) bool) dominosim.Object {
	s.Helper()
	up := s.sim.Ledger().Running(kind)
	for _, o := range s.sim.Objects(kind) {
		if r, ok := up[o.ID]; ok && !o.Archived && (want == nil || want(o, r)) {
			return o
		}
	}
	s.Fatalf("no such running %s", kind)
	return dominosim.Object{}
}

// app is a running app that has an owner, a tier and an environment on its row.
func (s *site) app() execution.Execution {
	s.Helper()
	return s.find(execution.App, s.running(dominosim.KindApp, nil).ID)
}

// stop stops an execution and fails unless Domino accepts.
func (s *site) stop(e execution.Execution) execution.Answer {
	s.Helper()
	a, err := s.drivers.Of(e.Kind).Stop(s.Context(), e, false)
	if err != nil {
		s.Fatalf("Stop(%s): %v", e, err)
	}
	return a
}

// start starts an execution and fails unless Domino accepts.
func (s *site) start(e execution.Execution) execution.Answer {
	s.Helper()
	a, err := s.drivers.Of(e.Kind).Start(s.Context(), e)
	if err != nil {
		s.Fatalf("Start(%s): %v", e, err)
	}
	return a
}

func (s *site) read(e execution.Execution) execution.Execution {
	s.Helper()
	now, err := s.drivers.Of(e.Kind).Read(s.Context(), e)
	if err != nil {
		s.Fatalf("Read(%s): %v", e, err)
	}
	return now
}

// calls are the calls that reached the model for an execution, of one operation.
func (s *site) calls(kind, id, op string) []dominosim.Call {
	return slices.DeleteFunc(s.sim.Ledger().Entry(kind, id).Calls, func(c dominosim.Call) bool { return c.Op != op })
}

// lastCall is the last of them.
func (s *site) lastCall(kind, id, op string) dominosim.Call {
	s.Helper()
	all := s.calls(kind, id, op)
	if len(all) == 0 {
		s.Fatalf("no %s of %s %s reached Domino", op, kind, id)
	}
	return all[len(all)-1]
}

// writes is how many requests that may change something were sent.
func (s *site) writes() int { return len(s.sim.Ledger().Writes()) }

// faultsFired fails if a planned fault did not strike.
func (s *site) faultsFired() {
	s.Helper()
	for _, f := range s.sim.UnfiredFaults() {
		s.Errorf("planned fault did not strike: %+v", f)
	}
}

// ids are the ids of the executions of a listing, sorted.
func ids(l execution.Listing, keep func(execution.Execution) bool) []string {
	var out []string
	for _, e := range l.Executions {
		if keep == nil || keep(e) {
			out = append(out, string(e.Kind)+"/"+e.ID)
		}
	}
	slices.Sort(out)
	return out
}

func up(e execution.Execution) bool { return e.State.Up() }

// truth is what the simulator knows to run, of some kinds.
func (s *site) truth(kinds ...execution.Kind) []string {
	var out []string
	for k := range s.sim.Ledger().Snapshot() {
		if slices.Contains(kinds, execution.Kind(k.Kind)) {
			out = append(out, k.Kind+"/"+k.ID)
		}
	}
	slices.Sort(out)
	return out
}

func wantComplete(t *testing.T, l execution.Listing) {
	t.Helper()
	if !l.Complete() {
		t.Errorf("Complete() = false, want true; problems: %v", l.Problems)
	}
}

// wantProblem fails unless exactly one problem makes the listing incomplete, and it
// names subject.
func wantProblem(t *testing.T, l execution.Listing, kind execution.Kind, subject string) {
	t.Helper()
	incomplete := slices.DeleteFunc(slices.Clone(l.Problems), func(p execution.Problem) bool { return !p.Incomplete })
	if len(incomplete) != 1 || incomplete[0].Kind != kind || !strings.Contains(incomplete[0].Subject, subject) {
		t.Errorf("problems that make the listing incomplete = %v, want one of %q about %q", incomplete, kind, subject)
	}
}

func wantEqual(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// argsOf decodes restart arguments.
func argsOf(t *testing.T, e execution.Execution) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(e.Restart, &m); err != nil {
		t.Fatalf("restart arguments of %s: %v: %q", e, err, e.Restart)
	}
	return m
}

// jsonList is values as they come out of JSON.
func jsonList(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// changeAnswers edits the JSON of the answers to GETs of a path.
func changeAnswers(path string, edit func(v any)) via {
	pattern := regexp.MustCompile(path)
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet || !pattern.MatchString(r.URL.Path) || res.StatusCode != http.StatusOK {
				return res, err
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return nil, err
			}
			res.Body.Close()
			res.Body = io.NopCloser(bytes.NewReader(edited(body, edit)))
			return res, nil
		})
	}
}

// changePuts edits the bodies of PUTs, as long as edit says that it did.
func changePuts(edit func(definition map[string]any)) via {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				body = edited(body, func(v any) { edit(v.(map[string]any)) })
				r = r.Clone(r.Context())
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			}
			return next.RoundTrip(r)
		})
	}
}

func edited(body []byte, edit func(any)) []byte {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return body
	}
	edit(v)
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// spoil makes a field of the row with an id one that does not parse, wherever in v it is.
func spoil(v any, id, field string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			spoil(e, id, field)
		}
	case map[string]any:
		if v["id"] == id || v["workspaceId"] == id {
			v[field] = map[string]any{"not": "a string"}
			return
		}
		for e := range maps.Values(v) {
			spoil(e, id, field)
		}
	}
}

// emptyArray makes the answers to GETs of a path an empty array.
func emptyArray(path string) via {
	pattern := regexp.MustCompile(path)
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err == nil && r.Method == http.MethodGet && pattern.MatchString(r.URL.Path) {
				res.Body.Close()
				res.Body = io.NopCloser(strings.NewReader("[]"))
			}
			return res, err
		})
	}
}
