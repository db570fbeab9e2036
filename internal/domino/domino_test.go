package domino

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// secret is the credential of every client in these tests. TestMain looks for it in all that they printed.
const secret = "c0ffee5ec4e7c0ffee5ec4e7c0ffee5ec4e7c0ffee5ec4e7c0ffee5ec4e7c0ff"

// printed is every log line of every client in these tests, and every error that went through note.
var printed struct {
	sync.Mutex
	bytes.Buffer
}

type printer struct{}

func (printer) Write(p []byte) (int, error) {
	printed.Lock()
	defer printed.Unlock()
	return printed.Buffer.Write(p)
}

// note keeps what err prints, so that TestMain can look for the credential in it.
func note(err error) {
	if err != nil {
		fmt.Fprintf(printer{}, "%v\n%+v\n%#v\n", err, err, err)
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if code == 0 && strings.Contains(printed.String(), secret) {
			for line := range strings.Lines(printed.String()) {
				if strings.Contains(line, secret) {
					fmt.Fprintf(os.Stderr, "an error or log line shows the credential:\n%s", line)
				}
			}
			code = 1
		}
		if code == 0 && printed.Len() == 0 && flag.Lookup("test.run").Value.String() == "" {
			fmt.Fprintln(os.Stderr, "no error or log line was looked through for the credential")
			code = 1
		}
		os.Exit(code)
	}))
}

// handled is a transport that calls a handler in memory.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// options are those of a test's client; a test changes what it is about.
func options(t *testing.T, url string) Options {
	t.Helper()
	return Options{
		BaseURL: url, Credential: APIKey(secret),
		Logger: slog.New(slog.NewTextHandler(printer{}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func open(*testing.T) func(context.Context) error { return func(context.Context) error { return nil } }

// newClient is a client with an open gate.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c.WithGate(open(t), 0)
}

// inMemory is a client whose calls h answers without a socket.
func inMemory(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	o := options(t, "https://domino.example.com")
	o.Transport = handled{h}
	return newClient(t, o)
}

// serve is a client of a real server with handler h.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, options(t, s.URL))
}

// speaking makes c believe that the deployment is of that release.
func speaking(t *testing.T, c *Client, version string) *Client {
	t.Helper()
	v, err := ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	c.dialect, _ = dialectOf(v)
	return c
}

// fixture is a file of testdata.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is a handler that answers everything with status and body.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func answerJSON(body string) http.HandlerFunc { return answer(200, "application/json", body) }
