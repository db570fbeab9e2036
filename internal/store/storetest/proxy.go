package storetest

import (
	"cmp"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Proxy stands in front of a real server and misbehaves as it is told. Requests reach the server as they were sent,
// signed host and all.
type Proxy struct {
	*httptest.Server
	forward *httputil.ReverseProxy

	mu    sync.Mutex
	fault Fault
	asked []string
}

// Fault answers in the server's place: forward passes the request on. n counts the requests since the fault was set;
// 1 is the first.
type Fault func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler)

// NewProxy serves until the test ends.
func NewProxy(t *testing.T, server string) *Proxy {
	return newProxy(t, server, (*httptest.Server).Start)
}

// NewTLSProxy speaks TLS with a certificate that nobody trusts.
func NewTLSProxy(t *testing.T, server string) *Proxy {
	return newProxy(t, server, (*httptest.Server).StartTLS)
}

func newProxy(t *testing.T, server string, start func(*httptest.Server)) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0) // broken connections are what it is for
	p := &Proxy{forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{DisableCompression: true},
		ErrorLog:  quiet,
	}}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = quiet
	start(p.Server)
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
		p.forward.Transport.(*http.Transport).CloseIdleConnections()
	})
	p.URL += strings.TrimSuffix(target.Path, "/")
	return p
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, strings.TrimSpace(r.Method+" "+rangeOf(r)))
	fault, n := p.fault, len(p.asked)
	p.mu.Unlock()
	if fault == nil {
		p.forward.ServeHTTP(w, r)
		return
	}
	fault(w, r, n, p.forward)
}

func rangeOf(r *http.Request) string {
	return cmp.Or(r.Header.Get("Range"), r.Header.Get("X-Ms-Range"))
}

// Set changes what it does from now on; nil is nothing.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.asked = f, nil
}

// Asked is what has arrived since Set: "PUT", "GET bytes=3-".
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// Roots trust the certificate of a TLS proxy.
func (p *Proxy) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Certificate())
	return pool
}

// Answer is what a service says.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

// Always answers so, whatever is asked.
func Always(a Answer) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ int, _ http.Handler) { a.write(w) }
}

// First answers so the first few times, and then leaves it to the server.
func First(times int, a Answer) Fault {
	return func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
		if n <= times {
			a.write(w)
			return
		}
		forward.ServeHTTP(w, r)
	}
}

func (a Answer) write(w http.ResponseWriter) {
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // the client may have gone
}

// hangUp ends the connection without an answer.
func hangUp() { panic(http.ErrAbortHandler) }

// lost carries the request out and ends the connection.
func lost(r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	hangUp()
}

// cutBody passes on an answer's first bytes and ends the connection.
type cutBody struct {
	http.ResponseWriter
	left int
}

func (c *cutBody) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left]) // the client may have gone
	c.ResponseWriter.(http.Flusher).Flush()
	hangUp()
	return 0, nil
}
