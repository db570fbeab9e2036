package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Attempts is how often a call is tried, and how often a body is continued without progress.
const Attempts = 5

// Patience bounds how long a store waits for its server. The SDKs have no such bound: a server that takes a
// request and never answers, or stops in the middle of a body, would hold a maintenance up for as long as its
// connection lives.
type Patience struct {
	Still time.Duration // a try in which nothing moves for this long, neither request nor answer, is given up
	Pause time.Duration // the longest pause between two tries
}

// Usual is the patience with servers of this world.
var Usual = Patience{Still: 30 * time.Second, Pause: 20 * time.Second}

// Transport is the SDKs' default but for its roots: nil means the system's.
func Transport(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	t.MaxIdleConnsPerHost = 32 // callers are as many as DMM_CONCURRENCY
	return t
}

// Over gives up requests of t that make no progress.
func (p Patience) Over(t http.RoundTripper) http.RoundTripper { return patient{t, p.Still} }

// patient is also the HTTP client of the SDKs that ask for an interface: it follows no redirect, since that
// would drop the signature, and its errors show no URL, since that may hold one.
type patient struct {
	http.RoundTripper
	still time.Duration
}

// Do is RoundTrip, by the name that SDKs have for it.
func (p patient) Do(r *http.Request) (*http.Response, error) { return p.RoundTrip(r) }

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{still: p.still, timer: time.AfterFunc(p.still, func() { cancel(&StillError{p.still}) }), armed: true}
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &outgoing{r.Body, w}
	}
	resp, err := p.RoundTripper.RoundTrip(r)
	w.disarm()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &incoming{resp.Body, w, cancel}
	return resp, nil
}

// StillError is the cause that net/http reports for a request we gave up. It is not the context's error:
// whoever called has not given up.
type StillError struct{ After time.Duration }

func (e *StillError) Error() string { return fmt.Sprintf("no answer for %v", e.After) }

// Timeout marks the error for the SDKs.
func (e *StillError) Timeout() bool { return true }

// watch runs off when nothing moves. A request's body may still be read after the answer has begun, so that
// what moves must not start a watch that was called off.
type watch struct {
	still time.Duration
	mu    sync.Mutex
	timer *time.Timer
	armed bool
}

func (w *watch) arm() { w.set(true) }

func (w *watch) disarm() { w.set(false) }

func (w *watch) set(armed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed = armed; armed {
		w.timer.Reset(w.still)
	} else {
		w.timer.Stop()
	}
}

func (w *watch) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		w.timer.Reset(w.still)
	}
}

type outgoing struct {
	io.ReadCloser
	watch *watch
}

func (o *outgoing) Read(p []byte) (int, error) {
	o.watch.moved()
	return o.ReadCloser.Read(p)
}

type incoming struct {
	io.ReadCloser
	watch  *watch
	cancel context.CancelCauseFunc
}

func (i *incoming) Read(p []byte) (int, error) {
	i.watch.arm()
	defer i.watch.disarm()
	return i.ReadCloser.Read(p)
}

func (i *incoming) Close() error {
	defer i.cancel(nil)
	return i.ReadCloser.Close()
}

// pause waits before the try that follows the given one: at random, longer each time, so that many who were
// turned away together do not come back together.
func (p Patience) pause(ctx context.Context, attempt int) error {
	longest := min(p.Pause, time.Second<<attempt)
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(longest) + 1))) //nolint:gosec // no secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
