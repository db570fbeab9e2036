package domino

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how to reach a deployment. BaseURL and Credential are required.
type Options struct {
	BaseURL            string // https://domino.example.com; a path is kept as prefix
	Credential         Credential
	RootCAs            *x509.CertPool // nil: the system's; see [RootCAs]
	InsecureSkipVerify bool
	Concurrency        int           // most calls under way at once; default 16
	CallTimeout        time.Duration // of a write; default 20 s; WithGate sets it too
	ReadTimeout        time.Duration // of one try of a read; default 60 s, and five times as long for lists that Domino sends whole
	Transport          http.RoundTripper
	Logger             *slog.Logger // nil: none
	UserAgent          string       // default "dmm"
}

const (
	defaultConcurrency = 16
	defaultCallTimeout = 20 * time.Second
	defaultReadTimeout = 60 * time.Second
	// wholeListFactor: an unpaged list of a large deployment is tens of megabytes and slow to come (api.md §6).
	wholeListFactor = 5
)

// Client calls one deployment. It is safe for concurrent use.
type Client struct {
	*core
	gate        func(context.Context) error // nil: read only
	callTimeout time.Duration
}

// core is what a client and the clients made from it share.
type core struct {
	base          string // without a trailing slash
	auth          *authenticator
	transport     http.RoundTripper
	ownTransport  *http.Transport // nil when the transport was given
	limiter       *limiter
	log           *slog.Logger
	userAgent     string
	readTimeout   time.Duration
	mu            sync.Mutex
	dialect       Dialect
	caller        Principal
	absent        map[route]bool // routes that this release was seen not to have
	writeDeadline time.Duration

	requests, retries atomic.Int64
}

// Sent tells how many requests have been sent so far, by this client and those made from it, and how
// many of them were reads tried again.
func (c *Client) Sent() (requests, retries int64) { return c.requests.Load(), c.retries.Load() }

// route is a group of URLs that a release has or has not.
type route int

const (
	routeModelServing     route = iota // /api/modelServing/v1/modelApis/{id}/versions
	routeModelPages                    // /models/{id}/versions/json
	routeModelList                     // /v4/modelManager/ui/models
	routeEndpoints                     // /api/gen-ai/beta
	routeModelDeployments              // /api/modelServing/v1/modelDeployments
	routeClassics                      // /v4/workspace/project/{id}/runningClassicWorkspaces
)

// New makes a client that may read. It sends nothing.
func New(o Options) (*Client, error) {
	base, err := baseURL(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("use Domino's URL: %w", err)
	}
	if o.Credential.kind == noCredential {
		return nil, errNoCredential
	}
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = defaultCallTimeout
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = defaultReadTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.UserAgent == "" {
		o.UserAgent = "dmm"
	}
	c := &core{
		base:          base,
		auth:          &authenticator{credential: o.Credential},
		transport:     o.Transport,
		limiter:       newLimiter(o.Concurrency),
		log:           o.Logger,
		userAgent:     o.UserAgent,
		readTimeout:   o.ReadTimeout,
		writeDeadline: o.CallTimeout,
		absent:        map[route]bool{},
	}
	if c.transport == nil {
		c.ownTransport = newTransport(o)
		c.transport = c.ownTransport
	}
	return &Client{core: c}, nil
}

// baseURL checks the deployment's URL. Its faults never repeat the URL's user and password.
func baseURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return "", errors.New("it is not a URL")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("it must begin with https:// or http://")
	case u.Host == "":
		return "", errors.New("it names no host")
	case u.User != nil:
		return "", errors.New("it must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it must not hold a query or fragment")
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// newTransport is HTTP/1.1 on purpose: with HTTP/2 all calls share one connection, and one that dies unnoticed would take
// every call under way with it, each of which a write would have to count as lost.
func newTransport(o Options) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs, InsecureSkipVerify: o.InsecureSkipVerify},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConns:        o.Concurrency,
		MaxIdleConnsPerHost: o.Concurrency,
		// Well below the 60 s after which common load balancers drop an idle connection: a write that meets the dropped
		// one is lost.
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// RootCAs is the system's certificate authorities and those of pem. It is an error if pem holds none.
func RootCAs(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read certificate authorities: no PEM certificate found")
	}
	return pool, nil
}

// WithGate is a client that may write. It shares connections, limiter and dialect with c.
//
// gate runs for each write after the limiter let it through and immediately before it goes out; while gate returns an
// error, nothing goes out, and that error is in the chain of the call's. callTimeout bounds each write from then on; 0 is
// the default of the client.
func (c *Client) WithGate(gate func(context.Context) error, callTimeout time.Duration) *Client {
	if callTimeout <= 0 {
		callTimeout = c.writeDeadline
	}
	return &Client{core: c.core, gate: gate, callTimeout: callTimeout}
}

// CloseIdleConnections closes connections that no call uses.
func (c *Client) CloseIdleConnections() {
	if c.ownTransport != nil {
		c.ownTransport.CloseIdleConnections()
	}
}

// Dialect is what the deployment's release understands. It is the zero Dialect before [Client.Identify].
func (c *Client) Dialect() Dialect {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialect
}

// Deployment is what Identify found.
type Deployment struct {
	URL     string
	Version Version
	Dialect Dialect
	// UnknownMajor: dmm knows no release of this major version, so that Dialect is no more than a guess.
	UnknownMajor bool
	Principal    Principal
	Warnings     []string // for people: what is uncertain about this deployment
}

// Principal is who the credential belongs to (api.md §5, op getPrincipal).
type Principal struct {
	ID, Name   string
	Admin      bool
	Operations []string // allowedSystemOperations, such as ListAllProjects
	Anonymous  bool
}

// User is a person in an answer.
type User struct {
	ID, Name string // Name is the user name
}

// Identify asks for the version and for who the caller is, and remembers the dialect for this client and all that
// share with it. A caller that Domino does not know is an error of KindCredentials: Domino itself answers 200 to it.
// What was found by then is returned beside the error.
func (c *Client) Identify(ctx context.Context) (Deployment, error) {
	d := Deployment{URL: c.base}
	var v struct {
		Version string `json:"version"`
	}
	if err := c.get(ctx, newRequest("/version"), &v); err != nil {
		return d, err
	}
	version, err := ParseVersion(v.Version)
	if err != nil {
		return d, c.fail("GET", "/version", &Error{Status: http.StatusOK, Kind: KindBadAnswer, Err: err})
	}
	d.Version = version
	dialect, warning := dialectOf(version)
	d.Dialect, d.UnknownMajor = dialect, !knownMajor(version)
	if warning != "" {
		d.Warnings = append(d.Warnings, warning)
	}
	c.mu.Lock()
	c.dialect = dialect
	clear(c.absent)
	c.mu.Unlock()

	if d.Principal, err = c.principal(ctx); err == nil {
		c.mu.Lock()
		c.caller = d.Principal
		c.mu.Unlock()
	}
	return d, err
}

// Caller is whom the credential belongs to. It is the zero Principal before [Client.Identify].
func (c *Client) Caller() Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller
}

// principal asks who the caller is (api.md §5).
func (c *Client) principal(ctx context.Context) (Principal, error) {
	const path = "/v4/auth/principal"
	var w struct {
		Anonymous  *bool    `json:"isAnonymous"`
		Admin      bool     `json:"isAdmin"`
		ID         id       `json:"canonicalId"`
		Name       string   `json:"canonicalName"`
		Operations []string `json:"allowedSystemOperations"`
	}
	if err := c.get(ctx, newRequest(path), &w); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Kind == KindForbidden {
			// This route answers anybody: a 403 is about the credential, not about a right.
			e.Kind = KindCredentials
		}
		return Principal{}, err
	}
	p := Principal{ID: string(w.ID), Name: w.Name, Admin: w.Admin, Operations: w.Operations}
	p.Anonymous = w.Anonymous != nil && *w.Anonymous || w.Anonymous == nil && p.ID == ""
	if p.Anonymous {
		e := &Error{Status: http.StatusOK, Kind: KindCredentials, Message: "Domino does not know this caller (anonymous)"}
		if !c.auth.credential.isToken() {
			e.Hint = "is the key still valid? A token given as an API key is refused: give it as a token"
		} else if at, _ := c.Expires(); !at.IsZero() && at.Before(time.Now()) {
			e.Hint = "the token expired at " + at.Format(time.RFC3339)
		}
		return p, c.fail("GET", path, e)
	}
	return p, nil
}
