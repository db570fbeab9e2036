package domino

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// asError is err as the *Error that every call must return.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	note(err)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want an *Error", err, err)
	}
	return e
}

// The shapes of api.md §2, each as a fixture of that form. The LIVE ones are marked so.
func TestAnswersAreToldApart(t *testing.T) {
	const (
		jsonType = "application/json"
		textType = "text/plain; charset=utf-8"
		htmlType = "text/html; charset=utf-8"
	)
	tests := []struct {
		name        string
		status      int
		contentType string
		fixture     string // or
		body        string
		kind        Kind
		message     string
		lost        bool // of a write
		notSent     bool
	}{
		{name: "§2 LIVE 403 of an anonymous principal", status: 403, contentType: jsonType, fixture: "anonymous_403.json", kind: KindCredentials,
			message: "Your role does not authorize you to perform this action; AnonymousPrincipal is not authorized to perform this action. Required: [ListAllProjects], but missing [ListAllProjects]"},
		{name: "403 of a known caller", status: 403, contentType: jsonType, fixture: "role_403.json", kind: KindForbidden,
			message: "Your role does not authorize you to perform this action; mira.ottens is not authorized to perform this action. Required: [StopRuns], but missing [StopRuns]"},
		{name: "§2 LIVE 404 with message", status: 404, contentType: jsonType, fixture: "message_404.json", kind: KindNotFound, message: "Schedule nightly does not exist"},
		{name: "§2, §8, §16 LIVE 403 with required and missing", status: 403, contentType: jsonType, fixture: "missing_right_403.json", kind: KindForbidden, message: "missing right: AccessApp"},
		{name: "§2, §6 LIVE 404 with errors", status: 404, contentType: jsonType, fixture: "errors_404.json", kind: KindNotFound, message: "Project with id 5f0000000000000000000b09 could not be found"},
		{name: "§2 LIVE unknown public route", status: 404, contentType: jsonType, fixture: "public_route_404.json", kind: KindNoRoute, message: "Public api endpoint '/api/apps/beta/apps/5f0000000000000000000d01' not found"},
		{name: "§2 LIVE missing parameter, JSON", status: 400, contentType: jsonType, fixture: "missing_parameter_400.json", kind: KindRefused, message: "Missing parameter: prefix"},
		{name: "§2, §10 LIVE missing parameter, text", status: 400, contentType: textType, fixture: "missing_parameter_400.txt", kind: KindRefused, message: "Missing parameter: externalVolumeMounts"},
		{name: "§2, §10 LIVE validation", status: 400, contentType: jsonType, fixture: "json_validation_400.json", kind: KindRefused, message: `Json validation error; {"obj.netAppVolumeMounts":[{"args":[],"msg":["error.path.missing"]}]}`},
		{name: "§2 LIVE malformed id", status: 400, contentType: jsonType, fixture: "invalid_id_400.json", kind: KindRefused, message: "5f00 is not a valid ID"},
		{name: "§2 LIVE business failure", status: 500, contentType: jsonType, fixture: "business_500.json", kind: KindRefused, message: "Project churn cannot be archived. It contains 2 workspace(s)"},
		{name: "§2 500 in plain words", status: 500, contentType: textType, fixture: "words_500.txt", kind: KindRefused, message: "NoSuchElementException: key not found: 5f0000000000000000000b09"},
		{name: "§2 unknown v4 route", status: 404, contentType: htmlType, fixture: "play_404.html", kind: KindNoRoute, message: "Action not found"},
		{name: "§2 500 page", status: 500, contentType: htmlType, fixture: "play_500.html", kind: KindUnavailable, message: "Oops, an error occurred", lost: true},
		{name: "500 page that claims to be JSON", status: 500, contentType: jsonType, fixture: "play_500.html", kind: KindUnavailable, message: "Oops, an error occurred", lost: true},
		{name: "500 without a word", status: 500, kind: KindUnavailable, lost: true},
		{name: "§1 LIVE login page", status: 200, contentType: htmlType, fixture: "login.html", kind: KindCredentials, message: "an HTML page in place of an answer: Sign in to Domino", lost: true},
		{name: "login page of another 2xx", status: 202, fixture: "login.html", kind: KindCredentials, message: "an HTML page in place of an answer: Sign in to Domino", lost: true},
		{name: "§1 LIVE JWT as API key", status: 403, contentType: jsonType, body: `{"message":"No current user in request"}`, kind: KindCredentials, message: "No current user in request"},
		{name: "401", status: 401, contentType: jsonType, body: `{"error":"unauthorized_client"}`, kind: KindCredentials, message: "unauthorized_client"},
		{name: "403 page", status: 403, contentType: htmlType, body: "<html><title>403 Forbidden</title></html>", kind: KindForbidden, message: "403 Forbidden"},
		{name: "404 without a word", status: 404, kind: KindNotFound},
		{name: "§1 409", status: 409, contentType: jsonType, body: `{"message":"Temporary credentials expired"}`, kind: KindRefused, message: "Temporary credentials expired"},
		{name: "429", status: 429, kind: KindThrottled, notSent: true},
		{name: "408", status: 408, kind: KindUnavailable, lost: true},
		{name: "502", status: 502, contentType: htmlType, body: "<html><title>502 Bad Gateway</title></html>", kind: KindUnavailable, message: "502 Bad Gateway", lost: true},
		{name: "503", status: 503, contentType: jsonType, body: `{"message":"starting"}`, kind: KindUnavailable, message: "starting", lost: true},
		{name: "504", status: 504, kind: KindUnavailable, lost: true},
		{name: "a proxy's own 5xx", status: 522, kind: KindUnavailable, lost: true},
		{name: "list of objects", status: 400, contentType: jsonType, body: `[{"message":"a"},{"message":"b"}]`, kind: KindRefused, message: "a; b"},
		{name: "a page without a title", status: 500, contentType: htmlType, body: "<p>?", kind: KindUnavailable, message: "an HTML page without a title", lost: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := []byte(tt.body)
			if tt.fixture != "" {
				body = fixture(t, "errors/"+tt.fixture)
			}
			for _, write := range []bool{false, true} {
				h := http.Header{}
				if tt.contentType != "" {
					h.Set("Content-Type", tt.contentType)
				}
				var e *Error
				if tt.status < 300 {
					// Whether it is a page is call's to find out.
					c := inMemory(t, answer(tt.status, tt.contentType, string(body)))
					if write {
						_, err := c.StartApp(t.Context(), "a", AppStart{})
						e = asError(t, err)
					} else {
						_, err := c.App(t.Context(), "a")
						e = asError(t, err)
					}
				} else {
					e = answerError(write, "/v4/x", tt.status, h, body)
				}
				if e.Kind != tt.kind || e.Status != tt.status {
					t.Errorf("write %v: kind = %v, status = %d, want %v, %d", write, e.Kind, e.Status, tt.kind, tt.status)
				}
				if e.Message != tt.message {
					t.Errorf("message = %q, want %q", e.Message, tt.message)
				}
				if got, want := e.Lost(), tt.lost && write; got != want {
					t.Errorf("write %v: Lost = %v, want %v", write, got, want)
				}
				if e.NotSent() != tt.notSent {
					t.Errorf("NotSent = %v, want %v", e.NotSent(), tt.notSent)
				}
			}
		})
	}
}

func TestHints(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"No current user in request"}`: "give it as a token",
	} {
		if e := answerError(false, "/v4/x", 403, nil, []byte(body)); !strings.Contains(e.Hint, want) {
			t.Errorf("hint for %s = %q, want it to say %q", body, e.Hint, want)
		}
	}
	if e := answerError(true, "/v4/x", 409, nil, nil); !strings.Contains(e.Hint, "signing in") {
		t.Errorf("hint for 409 = %q, want it to say that signing in helps", e.Hint)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	tests := []struct {
		name, location string
		status         int
		kind           Kind
		message        string
	}{
		{"to the login page", "/login?redirectPath=%2F&state=" + secret, 303, KindCredentials, "redirected to /login"},
		{"to another host", "https://sso.example.com/auth/realms/x?code=1", 302, KindCredentials, "redirected to https://sso.example.com/auth/realms/x"},
		{"nowhere", "", 302, KindCredentials, "redirected to an unknown place"},
		{"to the same path elsewhere", "https://data.example.com/v4/modelProducts/a/start", 301, KindRefused, "redirected to https://data.example.com/v4/modelProducts/a/start"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int32
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if tt.location != "" {
					w.Header().Set("Location", tt.location)
				}
				w.WriteHeader(tt.status)
			})
			_, err := c.StartApp(t.Context(), "a", AppStart{})
			e := asError(t, err)
			if e.Kind != tt.kind || e.Message != tt.message {
				t.Errorf("error = %v %q, want %v %q", e.Kind, e.Message, tt.kind, tt.message)
			}
			if e.Lost() || e.NotSent() {
				t.Errorf("Lost = %v, NotSent = %v, want neither: a redirect is an answer", e.Lost(), e.NotSent())
			}
			if calls.Load() != 1 {
				t.Errorf("%d calls, want 1", calls.Load())
			}
		})
	}
}

func TestMessagesAreCutAndOfOneLine(t *testing.T) {
	c := inMemory(t, answer(400, "text/plain", "a\x00b\r\nc "+strings.Repeat("é", 600)))
	_, err := c.App(t.Context(), "a")
	e := asError(t, err)
	if n := utf8.RuneCountInString(e.Message); n != 500 {
		t.Errorf("message has %d runes, want 500", n)
	}
	if !strings.HasPrefix(e.Message, "a b c é") || !strings.HasSuffix(e.Message, "é…") {
		t.Errorf("message = %q", e.Message)
	}
}

// A server that echoes what it was sent must not make dmm print it.
func TestEchoedCredentialsAreRedacted(t *testing.T) {
	for name, credential := range map[string]Credential{
		"key": APIKey(secret), "token": Token(secret), "token with prefix": Token("Bearer " + secret),
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 302, 400, 401, 403, 404, 500, 503} {
				for _, contentType := range []string{"text/html", "application/json", "text/plain"} {
					o := options(t, "https://domino.example.com")
					o.Credential = credential
					o.Transport = handled{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						echo := r.Header.Get("X-Domino-Api-Key") + r.Header.Get("Authorization")
						w.Header().Set("Content-Type", contentType)
						w.Header().Set("Location", "/login/"+secret+"?k="+secret)
						w.WriteHeader(status)
						switch contentType {
						case "text/html":
							fmt.Fprintf(w, "<title>who is %s?</title>", echo)
						case "text/plain":
							fmt.Fprintf(w, "who is %s%s?", strings.Repeat("x", 470), echo)
						default:
							fmt.Fprintf(w, `{"message":"who is %s?","id":{"%s":1},"other":"%s"}`, echo, echo, echo)
						}
					})}
					c := newClient(t, o)
					err := c.StopApp(t.Context(), "a", false)
					note(err)
					if err != nil && strings.Contains(err.Error(), secret[:12]) {
						t.Errorf("%d %s: %v", status, contentType, err)
					}
				}
			}
		})
	}
}

func TestRowErrorsAreRedacted(t *testing.T) {
	c := inMemory(t, answerJSON(fmt.Sprintf(`[{"id":%q,"name":5},{"name":%q}]`, secret, secret)))
	_, bad, err := c.Projects(t.Context())
	if err != nil || len(bad) != 2 {
		t.Fatalf("got %v, %v, want two bad rows", bad, err)
	}
	for _, b := range bad {
		note(b)
		if strings.Contains(b.Error(), secret) {
			t.Errorf("row error shows the credential: %v", b)
		}
	}
}

// Faults of the network, over real sockets.
func TestNetworkFaults(t *testing.T) {
	hijack := func(then func(net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			then(conn)
		}
	}
	t.Run("connection refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // nobody listens there now
		c := newClient(t, options(t, "http://"+l.Addr().String()))
		e := asError(t, c.StopApp(t.Context(), "a", false))
		if e.Kind != KindNetwork || !e.NotSent() || e.Lost() || !errors.Is(e, syscall.ECONNREFUSED) {
			t.Errorf("got %v (NotSent %v, Lost %v), want network, not sent", e, e.NotSent(), e.Lost())
		}
	})
	t.Run("closed without an answer", func(t *testing.T) {
		var calls atomic.Int32
		c := serve(t, hijack(func(conn net.Conn) { calls.Add(1); conn.Close() }))
		e := asError(t, c.StopApp(t.Context(), "a", false))
		if e.Kind != KindNetwork || e.NotSent() || !e.Lost() {
			t.Errorf("got %v (NotSent %v, Lost %v), want network, lost", e, e.NotSent(), e.Lost())
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls, want 1", calls.Load())
		}
	})
	t.Run("reset", func(t *testing.T) {
		c := serve(t, hijack(func(conn net.Conn) {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}))
		e := asError(t, c.StopApp(t.Context(), "a", false))
		if e.Kind != KindNetwork || !e.Lost() || e.verdict() != overloaded {
			t.Errorf("got %v (Lost %v, verdict %v), want network, lost, overloaded", e, e.Lost(), e.verdict())
		}
	})
	t.Run("no answer in time", func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done() // the client gives up
		})
		e := asError(t, c.WithGate(open(t), 30*time.Millisecond).StopApp(t.Context(), "a", false))
		if e.Kind != KindNetwork || !e.Lost() || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("got %v (Lost %v), want network, lost, deadline exceeded", e, e.Lost())
		}
		if !strings.Contains(e.Error(), "no answer within 30ms") {
			t.Errorf("error = %v, want it to say how long was waited", e)
		}
	})
	t.Run("2xx whose body is cut", func(t *testing.T) {
		c := serve(t, hijack(func(conn net.Conn) {
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n\"5f")
			conn.Close()
		}))
		if id, err := c.StartApp(t.Context(), "a", AppStart{}); id != "" || err != nil {
			t.Errorf("got %q, %v, want an accepted start without an id", id, err)
		}
	})
	t.Run("name that does not resolve", func(t *testing.T) {
		e := callError(true, true, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "domino.invalid", IsNotFound: true}})
		if e.Kind != KindNetwork || !e.NotSent() || e.Lost() || IsCertificate(e) {
			t.Errorf("got %v (NotSent %v, Lost %v), want network, not sent", e, e.NotSent(), e.Lost())
		}
	})
	t.Run("no connection in time", func(t *testing.T) {
		// It takes the connection and never answers the handshake: nothing of the call has left.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := newClient(t, options(t, "https://"+l.Addr().String()))
		e := asError(t, c.WithGate(open(t), 30*time.Millisecond).StopApp(t.Context(), "a", false))
		if e.Kind != KindNetwork || !e.NotSent() || e.Lost() {
			t.Errorf("got %v (NotSent %v, Lost %v), want network, not sent", e, e.NotSent(), e.Lost())
		}
	})
	t.Run("caller gave up after sending", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		e := asError(t, c.StopApp(ctx, "a", false))
		if !e.Lost() || !errors.Is(e, context.Canceled) {
			t.Errorf("got %v (Lost %v), want lost, canceled", e, e.Lost())
		}
	})
	t.Run("unknown transport", func(t *testing.T) {
		o := options(t, "https://domino.example.com")
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
		e := asError(t, newClient(t, o).StopApp(t.Context(), "a", false))
		if !e.Lost() {
			t.Errorf("Lost = false, want true: whether it was sent is not known")
		}
	})
}

func TestCertificates(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		fmt.Fprint(w, "{}")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)

	e := asError(t, newClient(t, options(t, s.URL)).StopApp(t.Context(), "a", false))
	if e.Kind != KindCertificate || !IsCertificate(e) || !e.NotSent() || e.Lost() {
		t.Errorf("got %v (NotSent %v, Lost %v), want certificate, not sent", e, e.NotSent(), e.Lost())
	}
	_, err := newClient(t, options(t, s.URL)).App(t.Context(), "a")
	if e := asError(t, err); e.Kind != KindCertificate {
		t.Errorf("read: got %v, want certificate", e)
	}

	roots, err := RootCAs(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, s.URL)
	o.RootCAs = roots
	if err := newClient(t, o).StopApp(t.Context(), "a", false); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	o.BaseURL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	if e := asError(t, newClient(t, o).StopApp(t.Context(), "a", false)); !IsCertificate(e) {
		t.Errorf("another name: got %v, want certificate", e)
	}
	o = options(t, s.URL)
	o.InsecureSkipVerify = true
	if err := newClient(t, o).StopApp(t.Context(), "a", false); err != nil {
		t.Errorf("without verification: %v", err)
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls reached the server, want 2", calls.Load())
	}
	if _, err := RootCAs([]byte("no pem")); err == nil {
		t.Error("RootCAs of no PEM gave no error")
	}
	if !IsCertificate(fmt.Errorf("x: %w", x509.UnknownAuthorityError{})) || IsCertificate(io.EOF) {
		t.Error("IsCertificate does not tell certificates from other faults")
	}
}

func TestKindOf(t *testing.T) {
	if got := KindOf(fmt.Errorf("list: %w", &Error{Kind: KindNoRoute})); got != KindNoRoute {
		t.Errorf("KindOf = %v, want %v", got, KindNoRoute)
	}
	if got := KindOf(io.EOF); got != 0 {
		t.Errorf("KindOf another error = %v, want 0", got)
	}
	seen := map[string]bool{}
	for k := KindCredentials; k <= KindHeld; k++ {
		if s := k.String(); seen[s] || strings.HasPrefix(s, "kind ") {
			t.Errorf("String of kind %d = %q, want a name of its own", int(k), s)
		} else {
			seen[s] = true
		}
	}
}
