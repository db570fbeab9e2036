package storetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// Server is a real server of one provider.
type Server struct {
	Endpoint string
	Bucket   string // that is there, in the server's own word a container
	// Open opens a store somewhere.
	Open func(ctx context.Context, at At) (store.Store, error)

	prefix string // of all that this test run writes: the bucket may be one that is kept

	// The rest is for the tests of what can happen on the way to it.

	// Breaks the credentials of stores that are opened from now on, until the test ends; nil if this server takes any.
	Break func(t *testing.T)

	// How the service says these things: an emulator does not say all of them.
	Denied, BadCredentials, Throttled Answer
	More                              []Told
}

// At is where to open a store, and how patient it is.
type At struct {
	Endpoint, Bucket, Prefix string
	RootCAs                  *x509.CertPool
	Patience                 remote.Patience
}

// RealServer finds the server that scripts/test-servers has started, by the variables that name it, and skips the test where
// there is none.
func RealServer(t *testing.T, endpoint, bucket string) Server {
	t.Helper()
	s := Server{Endpoint: os.Getenv(endpoint), Bucket: os.Getenv(bucket), prefix: "dmm-test/" + rand.Text() + "/"}
	if s.Endpoint == "" || s.Bucket == "" {
		t.Skipf("needs a server: run make test-servers, or set %s, %s and the provider's own variables for credentials", endpoint, bucket)
	}
	return s
}

// At opens a store with a prefix of the test's own. An empty endpoint or bucket is the server's.
func (s Server) At(t *testing.T, at At) store.Store {
	t.Helper()
	at.Endpoint, at.Bucket, at.Prefix = cmp.Or(at.Endpoint, s.Endpoint), cmp.Or(at.Bucket, s.Bucket), s.prefix+t.Name()
	st, err := s.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Conformance runs the suite on the server, and cleans up.
func (s Server) Conformance(t *testing.T) {
	Run(t, func(t *testing.T) store.Store {
		st := s.At(t, At{Patience: remote.Usual})
		t.Cleanup(func() { clearStore(t, st) })
		return st
	})
}

// Told is an answer of the service and what it means.
type Told struct {
	Name   string
	Answer Answer
	Want   error  // one of the store's, nil for none of them
	Text   string // that must be in the error of every method
}

var none Told // an error of no kind

// Calls gives the error of each method, by its name in a store.Error.
func Calls(ctx context.Context, s store.Store, key string) map[string]error {
	var list error
	for _, err := range s.List(ctx, key) {
		list = err
	}
	r, _, get := s.Get(ctx, key)
	if get == nil {
		_, get = io.Copy(io.Discard, r)
		get = errors.Join(get, r.Close())
	}
	_, stat := s.Stat(ctx, key)
	return map[string]error{
		"list": list, "get": get, "stat": stat,
		"put":    s.Put(ctx, key, []byte("x"), store.PutOptions{}),
		"create": s.Put(ctx, key, []byte("x"), store.PutOptions{IfAbsent: true}),
		"delete": s.Delete(ctx, key),
	}
}

// clearStore deletes what a test left behind: the bucket may be one that is kept.
func clearStore(t *testing.T, s store.Store) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	ctx := context.Background() // the test's own has ended
	for info, err := range s.List(ctx, "") {
		g.Go(func() error {
			if err != nil {
				return err
			}
			return s.Delete(ctx, info.Key)
		})
	}
	if err := g.Wait(); err != nil {
		t.Errorf("clear: %v", err)
	}
}

func wantTold(t *testing.T, s store.Store, want Told) {
	t.Helper()
	for op, err := range Calls(t.Context(), s, "told/apart") {
		if err == nil {
			t.Errorf("%s: no error", op)
			continue
		}
		for _, kind := range []error{store.ErrNotFound, store.ErrExists, store.ErrDenied} {
			if errors.Is(err, kind) != errors.Is(want.Want, kind) {
				t.Errorf("%s = %v, is it %q: %v", op, err, kind, errors.Is(err, kind))
			}
		}
		if !strings.Contains(err.Error(), want.Text) {
			t.Errorf("%s = %v, want %q in it", op, err, want.Text)
		}
		if d, ok := s.(store.Describer); errors.Is(err, store.ErrDenied) && (!ok || !strings.Contains(err.Error(), d.Right(op))) {
			t.Errorf("%s = %v, want the permission in it", op, err)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s has more than one line: %q", op, err)
		}
	}
}

// Remote checks that what can happen on the way to a server is told apart, and survived where it can be.
func Remote(t *testing.T, s Server) {
	quick := remote.Patience{Still: 10 * time.Second, Pause: time.Millisecond}
	open := func(t *testing.T, endpoint string) store.Store {
		return s.At(t, At{Endpoint: endpoint, Patience: quick})
	}
	behind := func(t *testing.T) (store.Store, *Proxy) {
		p := NewProxy(t, s.Endpoint)
		return open(t, p.URL), p
	}

	t.Run("NoSuchKey", func(t *testing.T) {
		absentKey(t, open(t, s.Endpoint))
	})
	t.Run("NoSuchBucket", func(t *testing.T) {
		wantTold(t, s.At(t, At{Bucket: "dmm-no-such-bucket", Patience: quick}), Told{Text: `"dmm-no-such-bucket"`})
	})
	t.Run("WrongCredentials", func(t *testing.T) {
		if s.Break == nil {
			st, p := behind(t)
			p.Set(Always(s.BadCredentials))
			wantTold(t, st, Told{Want: store.ErrDenied})
			return
		}
		s.Break(t)
		wantTold(t, open(t, s.Endpoint), Told{Want: store.ErrDenied})
	})
	for _, told := range append([]Told{
		{"Denied", s.Denied, store.ErrDenied, s.Bucket},
		{"Throttled", s.Throttled, nil, "gave up after 5 tries"},
		{"ServerFault", Answer{Status: 500}, nil, "gave up after 5 tries"},
		{"GatewayTimeout", Answer{Status: 504, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html>the gateway's own\nwords</html>"}, nil, "gave up after 5 tries"},
		{"PageOfAProxy", Answer{Status: 404, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html><body><h1>404</h1></body></html>"}, nil, ""},
	}, s.More...) {
		t.Run(told.Name, func(t *testing.T) {
			st, p := behind(t)
			p.Set(Always(told.Answer))
			wantTold(t, st, told)
		})
	}
	t.Run("NoSuchHost", func(t *testing.T) {
		st := open(t, "http://storage.invalid")
		wantTold(t, st, none)
		var name *net.DNSError
		if _, err := st.Stat(t.Context(), "k"); !errors.As(err, &name) {
			t.Errorf("Stat = %v, want the resolver's error", err)
		}
	})
	t.Run("NobodyListens", func(t *testing.T) {
		wantTold(t, open(t, closedPort(t)), Told{Text: "connection refused"})
	})
	t.Run("UntrustedCertificate", func(t *testing.T) {
		p := NewTLSProxy(t, s.Endpoint)
		st := open(t, p.URL)
		wantTold(t, st, none)
		var untrusted x509.UnknownAuthorityError
		if _, err := st.Stat(t.Context(), "k"); !errors.As(err, &untrusted) || strings.Contains(err.Error(), "tries") {
			t.Errorf("Stat = %v, want x509.UnknownAuthorityError at once", err)
		}
		if asked := p.Asked(); len(asked) > 0 {
			t.Errorf("asked %q all the same", asked)
		}
		trusting := s.At(t, At{Endpoint: p.URL, RootCAs: p.Roots(), Patience: quick})
		put(t, trusting, "k", "x")
		wantBody(t, trusting, "k", "x")
	})

	t.Run("ThrottledForAWhile", func(t *testing.T) {
		st, p := behind(t)
		for _, key := range []string{"a", "b"} {
			p.Set(First(3, s.Throttled))
			if err := st.Put(t.Context(), key, []byte("x"), store.PutOptions{IfAbsent: key == "a"}); err != nil {
				t.Errorf("Put: %v", err)
			}
			p.Set(First(3, s.Throttled))
			wantBody(t, st, key, "x")
		}
		p.Set(First(3, s.Throttled))
		wantKeys(t, st, "", "a", "b")
	})
	t.Run("SilentServer", func(t *testing.T) {
		p := NewProxy(t, s.Endpoint)
		st := s.At(t, At{Endpoint: p.URL, Patience: remote.Patience{Still: 500 * time.Millisecond, Pause: time.Millisecond}})
		silent := func(_ http.ResponseWriter, r *http.Request, _ int, _ http.Handler) {
			_, _ = io.Copy(io.Discard, r.Body) // the client may have gone
			<-r.Context().Done()
		}
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			if n == 1 {
				silent(w, r, n, forward)
				return
			}
			forward.ServeHTTP(w, r)
		})
		if err := st.Put(t.Context(), "k", []byte("x"), ifAbsent); err != nil {
			t.Errorf("create after a silent try: %v", err)
		}
		p.Set(silent)
		_, err := st.Stat(t.Context(), "k")
		var still *remote.StillError
		if !errors.As(err, &still) || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Stat = %v, want to hear that the server is silent", err)
		}
	})
	t.Run("SlowServer", func(t *testing.T) { // a piece at a time is no silence, however long the whole takes
		p := NewProxy(t, s.Endpoint)
		st := s.At(t, At{Endpoint: p.URL, Patience: remote.Patience{Still: time.Second, Pause: time.Millisecond}})
		body := strings.Repeat("0123456789", 2<<20) // more than the sockets on the way hold, which would be silence
		p.Set(func(w http.ResponseWriter, r *http.Request, _ int, forward http.Handler) {
			r.Body = &slowBody{r.Body}
			forward.ServeHTTP(&slowWriter{w}, r)
		})
		if err := st.Put(t.Context(), "k", []byte(body), ifAbsent); err != nil {
			t.Errorf("create: %v", err)
		}
		wantBody(t, st, "k", body)
		if asked := p.Asked(); len(asked) != 2 {
			t.Errorf("asked %q, want a PUT and a GET", asked)
		}
	})
	t.Run("BodyBreaks", func(t *testing.T) {
		st, p := behind(t)
		body := strings.Repeat("0123456789abcdef", 1<<16)
		put(t, st, "k", body)
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			if n <= 3 {
				w = &cutBody{w, 300_000}
			}
			forward.ServeHTTP(w, r)
		})
		wantBody(t, st, "k", body)
		if asked := p.Asked(); len(asked) != 4 || !strings.Contains(asked[1], "bytes=") {
			t.Errorf("asked %q, want the rest three times", asked)
		}
		// Without any progress it ends, and names the place.
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			left := 0
			if n == 1 {
				left = 300_000
			}
			forward.ServeHTTP(&cutBody{w, left}, r)
		})
		if _, err := store.ReadAll(t.Context(), st, "k", 1<<30); err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "of 1048576") {
			t.Errorf("ReadAll = %v, want an error that tells where it broke", err)
		}
	})
	t.Run("BodyBreaksAndTheObjectIsAnother", func(t *testing.T) {
		direct := open(t, s.Endpoint)
		for _, replace := range []bool{true, false} {
			st, p := behind(t)
			put(t, st, "k", strings.Repeat("old", 300_000))
			p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
				switch {
				case n == 1:
					w = &cutBody{w, 300_000}
				case n > 2 || rangeOf(r) == "": // what asks whether it is there
				case replace:
					put(t, direct, "k", strings.Repeat("new", 300_000))
				default:
					if err := direct.Delete(t.Context(), "k"); err != nil {
						t.Error(err)
					}
				}
				forward.ServeHTTP(w, r)
			})
			if _, err := store.ReadAll(t.Context(), st, "k", 1<<30); err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "replaced or deleted") {
				t.Errorf("ReadAll = %v, want to hear that the object is another one", err)
			}
		}
	})
	t.Run("AnswerOfACreateIsLost", func(t *testing.T) {
		st, p := behind(t)
		direct := open(t, s.Endpoint)
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			if n == 1 {
				lost(r, forward)
			}
			forward.ServeHTTP(w, r)
		})
		if err := st.Put(t.Context(), "ours", []byte("our bytes"), ifAbsent); err != nil {
			t.Errorf("create = %v, want nil: it took effect", err)
		}
		wantBody(t, st, "ours", "our bytes")
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			if n == 1 {
				put(t, direct, "theirs", "their bytes")
				hangUp()
			}
			forward.ServeHTTP(w, r)
		})
		if err := st.Put(t.Context(), "theirs", []byte("our bytes"), ifAbsent); !errors.Is(err, store.ErrExists) {
			t.Errorf("create = %v, want ErrExists: somebody else was first", err)
		}
		wantBody(t, st, "theirs", "their bytes")
	})
	t.Run("UploadBreaks", func(t *testing.T) { // in the middle, on its way to the server
		st, p := behind(t)
		direct := open(t, s.Endpoint)
		body := strings.Repeat("0123456789abcdef", 1<<17)
		p.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
			if n == 1 {
				r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 1<<20), failing{}))
				lost(r, forward)
			}
			if found := keys(t, direct, "half"); n == 2 && len(found) > 0 {
				t.Errorf("the half of an upload is seen as %q", found)
			}
			forward.ServeHTTP(w, r)
		})
		if err := st.Put(t.Context(), "half", []byte(body), ifAbsent); err != nil {
			t.Errorf("create: %v", err)
		}
		wantBody(t, st, "half", body)
		if !slices.ContainsFunc(p.Asked()[1:], func(what string) bool { return !strings.HasPrefix(what, "GET") }) {
			t.Errorf("asked %q, want the upload to be sent again", p.Asked())
		}
	})
}

// closedPort is a URL at which nobody listens. Its port is taken until the test ends, so that no other server gets it.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type slowBody struct{ io.ReadCloser }

func (s *slowBody) Read(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.ReadCloser.Read(p)
}

type slowWriter struct{ http.ResponseWriter }

func (s *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	n, err := s.ResponseWriter.Write(p)
	s.ResponseWriter.(http.Flusher).Flush()
	return n, err
}
