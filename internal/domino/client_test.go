package domino

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefuses(t *testing.T) {
	for _, raw := range []string{"", "domino.example.com", "ftp://domino.example.com", "https://", "https://u:pa55word@domino.example.com",
		"https://domino.example.com/?a=b", "https://domino.example.com/#a", "https://exa mple.com:pa55word"} {
		_, err := New(Options{BaseURL: raw, Credential: APIKey(secret)})
		if err == nil {
			t.Errorf("New with URL %q gave no error", raw)
		} else if strings.Contains(err.Error(), "pa55word") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := New(Options{BaseURL: "https://domino.example.com"}); err == nil {
		t.Error("New without a credential gave no error")
	}
}

func TestBaseURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"https://domino.example.com":            "https://domino.example.com/v4/modelProducts/a",
		" https://domino.example.com// ":        "https://domino.example.com/v4/modelProducts/a",
		"http://nucleus.domino-platform:80/sub": "http://nucleus.domino-platform:80/sub/v4/modelProducts/a",
	} {
		var got string
		o := options(t, raw)
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return nil, io.EOF
		})
		_ = newClient(t, o).StopApp(t.Context(), "a", false)
		if got != want+"/stop" {
			t.Errorf("%q: called %q, want %q", raw, got, want+"/stop")
		}
	}
}

// sent is a request as the server saw it.
type sent struct {
	Method, Path, Body string
	Query              url.Values
}

func TestRequests(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		version string
		call    func(*Client) error
		want    sent
	}{
		{"start with all that 6.2 takes", "6.2.0", func(c *Client) error {
			_, err := c.StartApp(ctx, "a", AppStart{HardwareTierID: "h", EnvironmentID: "e", CommitID: "c", BundleID: "b",
				MainRepoGitRef: &GitRef{Type: "head"}, ExternalVolumeMountIDs: []string{"v"}, NetAppVolumeIDs: []string{"n"}})
			return err
		}, sent{Method: "POST", Path: "/v4/modelProducts/a/start",
			Body: `{"hardwareTierId":"h","environmentId":"e","commitId":"c","bundleId":"b","mainRepoGitRef":{"type":"head"},"externalVolumeMountIds":["v"],"netAppVolumeIds":["n"]}`}},
		{"start on 6.1 without a bundle", "6.1.0", func(c *Client) error {
			_, err := c.StartApp(ctx, "a", AppStart{HardwareTierID: "h", BundleID: "b", CommitID: "c"})
			return err
		}, sent{Method: "POST", Path: "/v4/modelProducts/a/start", Body: `{"hardwareTierId":"h","commitId":"c","externalVolumeMountIds":[]}`}},
		{"start on 6.0 with an environment", "6.0.0", func(c *Client) error {
			_, err := c.StartApp(ctx, "a", AppStart{HardwareTierID: "h", EnvironmentID: "e", CommitID: "c", NetAppVolumeIDs: []string{"n"}, MainRepoGitRef: &GitRef{Type: "head"}})
			return err
		}, sent{Method: "POST", Path: "/v4/modelProducts/a/start", Body: `{"hardwareTierId":"h","environmentId":"e","externalVolumeMountIds":[]}`}},
		{"start on 5.5 with the tier alone", "5.5.2", func(c *Client) error {
			_, err := c.StartApp(ctx, "a", AppStart{HardwareTierID: "h", EnvironmentID: "e", ExternalVolumeMountIDs: []string{"v"}})
			return err
		}, sent{Method: "POST", Path: "/v4/modelProducts/a/start", Body: `{"hardwareTierId":"h","externalVolumeMountIds":["v"]}`}},
		{"start of a release not asked for", "", func(c *Client) error {
			_, err := c.StartApp(ctx, "a", AppStart{EnvironmentID: "e", BundleID: "b"})
			return err
		}, sent{Method: "POST", Path: "/v4/modelProducts/a/start", Body: `{"environmentId":"e","bundleId":"b","externalVolumeMountIds":[]}`}},
		{"stop", "6.1.0", func(c *Client) error { return c.StopApp(ctx, "a", false) },
			sent{Method: "POST", Path: "/v4/modelProducts/a/stop"}},
		{"stop by force", "6.1.0", func(c *Client) error { return c.StopApp(ctx, "a", true) },
			sent{Method: "POST", Path: "/v4/modelProducts/a/stop", Query: url.Values{"force": {"true"}}}},
		{"start a version", "6.1.0", func(c *Client) error { return c.StartModelVersion(ctx, "m", "v") },
			sent{Method: "POST", Path: "/v4/models/m/v/startModelDeployment"}},
		{"stop a version", "6.1.0", func(c *Client) error { return c.StopModelVersion(ctx, "m", "v") },
			sent{Method: "POST", Path: "/v4/models/m/v/stopModelDeployment"}},
		{"stop a workspace", "6.1.0", func(c *Client) error { return c.StopWorkspace(ctx, "p", "w") },
			sent{Method: "POST", Path: "/v4/workspace/project/p/workspace/w/stop"}},
		{"start a session without volumes", "6.1.0", func(c *Client) error {
			_, err := c.StartWorkspaceSession(ctx, "p", "w", nil, nil)
			return err
		}, sent{Method: "POST", Path: "/v4/workspace/project/p/workspace/w/sessions", Query: url.Values{"externalVolumeMounts": {""}}}},
		{"start a session with volumes", "6.1.0", func(c *Client) error {
			_, err := c.StartWorkspaceSession(ctx, "p", "w", []string{"a", "b"}, []string{"n"})
			return err
		}, sent{Method: "POST", Path: "/v4/workspace/project/p/workspace/w/sessions", Query: url.Values{"externalVolumeMounts": {"a", "b"}, "netAppVolumeIds": {"n"}}}},
		{"start a session on a release without NetApp", "5.11.1", func(c *Client) error {
			_, err := c.StartWorkspaceSession(ctx, "p", "w", []string{"a"}, []string{"n"})
			return err
		}, sent{Method: "POST", Path: "/v4/workspace/project/p/workspace/w/sessions", Query: url.Values{"externalVolumeMounts": {"a"}}}},
		{"put a schedule", "6.1.0", func(c *Client) error { return c.PutScheduledJob(ctx, "p", "k", []byte(`{"title":"<t>"}`)) },
			sent{Method: "PUT", Path: "/v4/projects/p/scheduledjobs/k", Body: `{"title":"<t>"}`}},
		{"an id that needs escaping", "6.1.0", func(c *Client) error { return c.StopModelVersion(ctx, "a/b?c", "{}") },
			sent{Method: "POST", Path: "/v4/models/a%2Fb%3Fc/%7B%7D/stopModelDeployment"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got sent
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = sent{Method: r.Method, Path: r.URL.EscapedPath(), Body: string(body)}
				if len(r.URL.Query()) > 0 {
					got.Query = r.URL.Query()
				}
				for name, want := range map[string]string{"Content-Type": "application/json", "X-Domino-Api-Key": secret, "User-Agent": "dmm"} {
					if v := r.Header.Get(name); v != want {
						t.Errorf("header %s = %q, want %q", name, v, want)
					}
				}
			})
			if tt.version != "" {
				speaking(t, c, tt.version)
			}
			// An empty 200 is an answer to each of them (api.md §2).
			if err := tt.call(c); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// writes is every call that changes something.
var writes = map[string]func(context.Context, *Client) error{
	"StartApp": func(ctx context.Context, c *Client) error { _, err := c.StartApp(ctx, "a", AppStart{}); return err },
	"StopApp":  func(ctx context.Context, c *Client) error { return c.StopApp(ctx, "a", true) },
	"StartModelVersion": func(ctx context.Context, c *Client) error {
		return c.StartModelVersion(ctx, "m", "v")
	},
	"StopModelVersion": func(ctx context.Context, c *Client) error { return c.StopModelVersion(ctx, "m", "v") },
	"StopWorkspace":    func(ctx context.Context, c *Client) error { return c.StopWorkspace(ctx, "p", "w") },
	"StartWorkspaceSession": func(ctx context.Context, c *Client) error {
		_, err := c.StartWorkspaceSession(ctx, "p", "w", nil, nil)
		return err
	},
	"PutScheduledJob": func(ctx context.Context, c *Client) error { return c.PutScheduledJob(ctx, "p", "k", []byte(`{"a":1}`)) },
}

func TestWritesAreSentOnce(t *testing.T) {
	for name, write := range writes {
		for _, status := range []int{400, 403, 404, 408, 409, 429, 500, 502, 503, 504} {
			var calls atomic.Int32
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.WriteHeader(status)
			})
			e := asError(t, write(t.Context(), c))
			if calls.Load() != 1 || e.Status != status {
				t.Errorf("%s, %d: %d calls, error %v; want one call", name, status, calls.Load(), e)
			}
		}
	}
}

func TestWritesNeedAGate(t *testing.T) {
	refusal := errors.New("the lease is too old")
	for name, write := range writes {
		var calls atomic.Int32
		c := inMemory(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1) })
		for _, tt := range []struct {
			what   string
			client *Client
			cause  error
		}{
			{"no gate", &Client{core: c.core}, ErrReadOnly},
			{"closed gate", c.WithGate(func(context.Context) error { return refusal }, 0), refusal},
		} {
			e := asError(t, write(t.Context(), tt.client))
			if !errors.Is(e, tt.cause) || e.Kind != KindHeld || !e.NotSent() || e.Lost() {
				t.Errorf("%s, %s: got %v (NotSent %v, Lost %v), want %v, not sent", name, tt.what, e, e.NotSent(), e.Lost(), tt.cause)
			}
		}
		if calls.Load() != 0 {
			t.Errorf("%s: %d calls were sent", name, calls.Load())
		}
		if n := c.limiter.inFlight; n != 0 {
			t.Errorf("%s: %d calls still count as under way", name, n)
		}
	}
}

// The gate stands between the limiter and the socket: a call may queue for long.
func TestGateRunsAfterTheLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		o := options(t, "https://domino.example.com")
		o.Concurrency = 1
		o.Transport = handled{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			order = append(order, "call "+r.Method)
			if r.Method == "GET" {
				time.Sleep(30 * time.Second)
				fmt.Fprint(w, `{"id":"a"}`)
			}
		})}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var passed time.Time
		begin := time.Now()
		writer := c.WithGate(func(context.Context) error {
			order = append(order, "gate")
			passed = time.Now()
			return nil
		}, time.Second)
		go func() { _, _ = c.App(t.Context(), "a") }()
		synctest.Wait()
		if err := writer.StopApp(t.Context(), "a", false); err != nil {
			t.Errorf("the time in the queue counted as the call's: %v", err)
		}
		if got, want := passed.Sub(begin), 30*time.Second; got != want {
			t.Errorf("the gate ran after %v, want %v", got, want)
		}
		if diff := cmp.Diff([]string{"call GET", "gate", "call POST"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestWritesTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, "https://domino.example.com")
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ given, want time.Duration }{{0, 20 * time.Second}, {7 * time.Second, 7 * time.Second}} {
			begin := time.Now()
			e := asError(t, c.WithGate(open(t), tt.given).StopApp(t.Context(), "a", false))
			if got := time.Since(begin); got != tt.want || !e.Lost() {
				t.Errorf("WithGate(%v): gave up after %v (Lost %v), want %v, lost", tt.given, got, e.Lost(), tt.want)
			}
		}
		if c.limiter.limit != 4 {
			t.Errorf("limit = %v, want it halved twice", c.limiter.limit)
		}
	})
}

func TestCanceledBeforeSending(t *testing.T) {
	c := inMemory(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was sent") })
	cause := errors.New("SIGTERM")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for name, write := range writes {
		e := asError(t, write(ctx, c))
		if !e.NotSent() || !errors.Is(e, context.Canceled) || !errors.Is(e, cause) {
			t.Errorf("%s: got %v (NotSent %v), want not sent, canceled by the cause", name, e, e.NotSent())
		}
	}
	_, _, err := c.Apps(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("read: got %v, want canceled", err)
	}
}

// An empty id would make another route of the path.
func TestEmptyIDsAreNotSent(t *testing.T) {
	ctx := t.Context()
	c := inMemory(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.URL) })
	calls := map[string]func(id string) error{
		"App":               func(id string) error { _, err := c.App(ctx, id); return err },
		"AppInstance":       func(id string) error { _, err := c.AppInstance(ctx, id); return err },
		"BetaApp":           func(id string) error { _, err := c.BetaApp(ctx, id); return err },
		"StopApp":           func(id string) error { return c.StopApp(ctx, id, false) },
		"ModelVersions":     func(id string) error { _, _, err := c.ModelVersions(ctx, id); return err },
		"ModelVersion":      func(id string) error { _, err := c.ModelVersion(ctx, "m", id); return err },
		"StopModelVersion":  func(id string) error { return c.StopModelVersion(ctx, "m", id) },
		"ProjectWorkspaces": func(id string) error { _, _, err := c.ProjectWorkspaces(ctx, id); return err },
		"ScheduledJob":      func(id string) error { _, err := c.ScheduledJob(ctx, "p", id); return err },
		"ProjectVolumes":    func(id string) error { _, _, err := c.ProjectVolumes(ctx, id); return err },
	}
	for name, call := range calls {
		for _, id := range []string{"", ".", ".."} {
			if e := asError(t, call(id)); e.Kind != KindHeld || !e.NotSent() {
				t.Errorf("%s(%q): got %v, want it held", name, id, e)
			}
		}
	}
	if _, _, err := c.ProjectModels(ctx, ""); KindOf(err) != KindHeld {
		t.Errorf("ProjectModels of no project: got %v, want it held", err)
	}
	for _, definition := range []string{"", "null", "[]", "{}", `"x"`, `{"title":"t","dataConfig":{}}`} {
		if err := c.PutScheduledJob(ctx, "p", "k", []byte(definition)); KindOf(err) != KindHeld {
			t.Errorf("PutScheduledJob of %s: got %v, want it held", definition, err)
		}
	}
}

func TestIdentify(t *testing.T) {
	deployment := func(version, principal http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/version":
				version(w, r)
			case "/v4/auth/principal":
				principal(w, r)
			default:
				http.NotFound(w, r)
			}
		}
	}
	version := answerJSON(string(fixture(t, "version.json")))
	principal := answerJSON(string(fixture(t, "principal.json")))

	c := serve(t, deployment(version, principal))
	d, err := c.Identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Deployment{
		URL: c.base, Version: Version{Raw: "6.1.2-rel+41", Major: 6, Minor: 1, Patch: 2}, Dialect: dialects[slices.IndexFunc(dialects, func(d Dialect) bool { return d.Name == "6.1" })],
		Principal: Principal{ID: "5f00000000000000000000a1", Name: "keeper", Admin: true,
			Operations: []string{"ListAllProjects", "ViewAdminDashboard", "StopRuns", "ActAsProjectAdmin", "ManageBuilds"}},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("deployment (-want +got):\n%s", diff)
	}
	if got := (&Client{core: c.core}).Dialect(); got != d.Dialect {
		t.Errorf("a client that shares with it speaks %v, want %v", got, d.Dialect)
	}

	for name, tt := range map[string]struct {
		version, principal http.HandlerFunc
		kind               Kind
	}{
		"anonymous":        {version, answerJSON(string(fixture(t, "principal_anonymous.json"))), KindCredentials},
		"nobody":           {version, answerJSON(`{}`), KindCredentials},
		"403":              {version, answer(403, "application/json", `{"required":["X"],"missing":["X"]}`), KindCredentials},
		"JWT as a key":     {version, answer(403, "text/plain", "No current user in request"), KindCredentials},
		"login page":       {answer(200, "text/html", "<html>"), principal, KindCredentials},
		"no version":       {answerJSON(`{"version":null}`), principal, KindBadAnswer},
		"version of words": {answerJSON(`{"version":"develop"}`), principal, KindBadAnswer},
		"not a Domino":     {answer(404, "text/html", "<html>"), principal, KindNoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inMemory(t, deployment(tt.version, tt.principal)).Identify(t.Context())
			if e := asError(t, err); e.Kind != tt.kind {
				t.Errorf("got %v, want %v", e, tt.kind)
			}
		})
	}
	// Another release may come up behind the same URL: what was absent is asked for anew.
	c.absent[routeModelServing] = true
	if _, err := c.Identify(t.Context()); err != nil || c.isAbsent(routeModelServing) {
		t.Errorf("after Identify (%v) a route is still taken to be absent", err)
	}
}

func TestReadsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			status int
			body   string
			want   int
		}{
			{400, `{"message":"no"}`, 1}, {401, "", 3}, {403, "", 1}, {404, "", 1}, {409, "", 1}, {302, "", 1},
			{408, "", 5}, {429, "", 5}, {502, "", 5}, {503, "", 5}, {504, "", 5},
			{500, "<html>", 5}, {500, "", 5}, {500, `{"message":"in Domino's words"}`, 3},
			{200, "not JSON", 1}, {200, "<html>", 1}, {200, `{"id":`, 5}, {200, "", 1}, {200, "[]", 1}, {200, "{}", 1}, {200, `{"id":"a"} x`, 1},
		} {
			calls := 0
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			_, err := c.App(t.Context(), "a")
			e := asError(t, err)
			if calls != tt.want {
				t.Errorf("%d %s: %d tries, want %d", tt.status, tt.body, calls, tt.want)
			}
			if e.Path != "/v4/modelProducts/a" || e.Method != "GET" {
				t.Errorf("error of %s %s, want GET /v4/modelProducts/a", e.Method, e.Path)
			}
		}
		// A fault of the network, and then an answer.
		calls := 0
		o := options(t, "https://domino.example.com")
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if calls++; calls < 4 {
				return nil, io.EOF
			}
			return handled{answerJSON(`{"id":"a"}`)}.RoundTrip(r)
		})
		if a, err := newClient(t, o).App(t.Context(), "a"); err != nil || a.ID != "a" || calls != 4 {
			t.Errorf("got %v, %v after %d tries, want app a after 4", a, err, calls)
		}
	})
}

func TestBackoffGrows(t *testing.T) {
	for try := 1; try < 70; try++ {
		full := min(maxBackoff, firstBackoff<<min(try-1, 10))
		for range 20 {
			if d := backoff(try); d < full/2 || d > full {
				t.Fatalf("backoff(%d) = %v, want between %v and %v", try, d, full/2, full)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for value, want := range map[string]time.Duration{
			"": 0, "0": 0, "-5": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "soon": 0, "99999999999999": 0,
			now.Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
		} {
			if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
				t.Errorf("Retry-After %q = %v, want %v", value, got, want)
			}
		}
		for _, tt := range []struct {
			status int
			header string
			want   time.Duration
			calls  int
		}{
			{429, "40", 40 * time.Second, 2},
			{502, "40", 40 * time.Second, 2},
			{503, "a date", 2 * time.Minute, 2},
			{429, "301", 0, 1}, // longer than dmm waits: given up at once
		} {
			begin, calls := time.Now(), 0
			if tt.header == "a date" {
				tt.header = begin.Add(tt.want).UTC().Format(http.TimeFormat)
			}
			c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls == 1 {
					w.Header().Set("Retry-After", tt.header)
					w.WriteHeader(tt.status)
					return
				}
				fmt.Fprint(w, `{"id":"a"}`)
			})
			_, err := c.App(t.Context(), "a")
			note(err)
			took := time.Since(begin)
			if calls != tt.calls || took != tt.want || (err == nil) != (tt.calls == 2) {
				t.Errorf("Retry-After %s: %d calls in %v, error %v; want %d in %v", tt.header, calls, took, err, tt.calls, tt.want)
			}
		}
	})
}

// A Retry-After that one call was given holds for all calls.
func TestRetryAfterHoldsOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if first {
				first = false
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(503)
			}
		})
		note(c.StopApp(t.Context(), "a", false))
		begin := time.Now()
		if err := c.StopApp(t.Context(), "b", false); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(begin); got != 30*time.Second {
			t.Errorf("the next call went out after %v, want 30s", got)
		}
		// Who cannot wait so long is told, and nothing is sent.
		first = true
		note(c.StopApp(t.Context(), "a", false))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e := asError(t, c.StopApp(ctx, "b", false)); !e.NotSent() || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("got %v, want it not sent", e)
		}
	})
}

func TestReadsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, answer(503, "", ""))
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := c.App(ctx, "a")
		e := asError(t, err)
		if got := time.Since(begin); got != 600*time.Millisecond || !errors.Is(e, context.DeadlineExceeded) || e.Status != 503 {
			t.Errorf("got %v after %v, want the 503 and the deadline after 600ms", e, got)
		}
	})
}

func TestReadTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, "https://domino.example.com")
		var limits []time.Duration
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			deadline, _ := r.Context().Deadline()
			limits = append(limits, time.Until(deadline))
			return handled{answer(400, "", "")}.RoundTrip(r)
		})
		c := newClient(t, o)
		_, err := c.App(t.Context(), "a")
		note(err)
		_, _, err = c.Projects(t.Context())
		note(err)
		_, _, err = c.WorkspaceRows(t.Context())
		note(err)
		if diff := cmp.Diff([]time.Duration{time.Minute, 5 * time.Minute, time.Minute}, limits); diff != "" {
			t.Errorf("timeouts (-want +got):\n%s", diff)
		}
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begin := time.Now()
		_, err = newClient(t, o).App(t.Context(), "a")
		if e := asError(t, err); e.Kind != KindNetwork || time.Since(begin) < 5*time.Minute {
			t.Errorf("got %v after %v, want five tries of a minute", e, time.Since(begin))
		}
	})
}

// A list whose body breaks off is read again from its start, and no row of the first try stays.
func TestBrokenListsAreReadAgain(t *testing.T) {
	whole := `[{"id":"1","name":"a"},{"id":"2","name":"b"},{"name":"no id"}]`
	for name, cut := range map[string]func(http.ResponseWriter){
		"connection lost": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(whole[:30]))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"closed in order": func(w http.ResponseWriter) { _, _ = w.Write([]byte(whole[:30])) },
		"between rows":    func(w http.ResponseWriter) { _, _ = w.Write([]byte(whole[:23])) },
		"after a row":     func(w http.ResponseWriter) { _, _ = w.Write([]byte(whole[:22])) },
		"at its start":    func(w http.ResponseWriter) { _, _ = w.Write([]byte(whole[:1])) },
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls == 1 {
					cut(w)
					return
				}
				_, _ = w.Write([]byte(whole))
			})
			list, bad, err := c.Projects(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Project{{ID: "1", Name: "a"}, {ID: "2", Name: "b"}}, list); diff != "" {
				t.Errorf("projects (-want +got):\n%s", diff)
			}
			if len(bad) != 1 || bad[0].What != "project row 3" {
				t.Errorf("bad rows = %v, want row 3", bad)
			}
			if calls != 2 {
				t.Errorf("%d calls, want 2", calls)
			}
		})
	}
}

// A connection that dies while the body comes is a fault of the network, not of what Domino said.
func TestBodiesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		o := options(t, "https://domino.example.com")
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			body := io.MultiReader(strings.NewReader(`{"id":`), iotest.ErrReader(syscall.ECONNRESET))
			return &http.Response{StatusCode: 200, Body: io.NopCloser(body), Request: r}, nil
		})
		c := newClient(t, o)
		_, err := c.App(t.Context(), "a")
		if e := asError(t, err); e.Kind != KindNetwork || !errors.Is(e, syscall.ECONNRESET) || calls != maxTries {
			t.Errorf("got %v after %d tries, want a reset after %d", e, calls, maxTries)
		}
		if c.limiter.limit >= 16 {
			t.Errorf("limit = %v, want it lower after resets", c.limiter.limit)
		}
	})
}

func TestRetriesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		printed.Lock()
		before := printed.Len()
		printed.Unlock()
		_, err := inMemory(t, answer(503, "", "warming up")).App(t.Context(), "some-app")
		note(err)
		printed.Lock()
		log := printed.String()[before:]
		printed.Unlock()
		if got := strings.Count(log, `msg="try again" method=GET path=/v4/modelProducts/some-app`); got != 4 {
			t.Errorf("%d retries logged, want 4:\n%s", got, log)
		}
	})
}

func TestNeverMoreThanConcurrencyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		o := options(t, "https://domino.example.com")
		o.Concurrency = 3
		o.Transport = handled{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			fmt.Fprint(w, `{"id":"a"}`)
		})}
		c := newClient(t, o)
		var all sync.WaitGroup
		begin := time.Now()
		for i := range 30 {
			all.Go(func() {
				if i%2 == 0 {
					_ = c.StopApp(t.Context(), "a", false)
					return
				}
				_, _ = c.App(t.Context(), "a")
			})
		}
		all.Wait()
		if most.Load() != 3 || time.Since(begin) != 10*time.Second {
			t.Errorf("%d at once for %v, want 3 for 10s", most.Load(), time.Since(begin))
		}
	})
}

func TestBodiesAreBounded(t *testing.T) {
	read := func(n int64) (int, error) {
		b, err := io.ReadAll(&bounded{bytes.NewReader(make([]byte, 10)), n})
		return len(b), err
	}
	for n, want := range map[int64]error{9: errTooLarge, 10: nil, 11: nil} {
		if _, err := read(n); !errors.Is(err, want) {
			t.Errorf("10 bytes with a bound of %d: %v, want %v", n, err, want)
		}
	}
}

// A token in a file is renewed by somebody else, who may be a moment late: the next try reads the file again.
func TestAReadOutlivesTheTokenInItsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(token string) {
			if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("old")
		o := options(t, "https://domino.example.com")
		o.Credential = TokenFile(path)
		calls := 0
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			if r.Header.Get("Authorization") == "Bearer renewed" {
				return handled{answerJSON(`{"id":"a"}`)}.RoundTrip(r)
			}
			write("renewed")
			return handled{answer(401, "application/json", `{"error":"invalid_token"}`)}.RoundTrip(r)
		})
		if a, err := newClient(t, o).App(t.Context(), "a"); err != nil || a.ID != "a" || calls != 2 {
			t.Errorf("got %v, %v after %d tries, want app a after 2", a, err, calls)
		}
	})
}
