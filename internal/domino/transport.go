package domino

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxObject = 32 << 20 // of an answer that is one object
	maxList   = 1 << 30  // of a list, which is read as a stream
	maxError  = 64 << 10 // of an error's body
	maxAnswer = 1 << 20  // of the answer to a write
)

// request is one call, not yet bound to a deployment.
type request struct {
	method string
	path   string // escaped
	query  url.Values
	body   []byte
	needed []string // values of the query that must not be empty
	whole  bool     // the answer is a whole list, and may take long
	err    error    // why it must not be sent
}

// newRequest is a GET of pattern with each {} replaced by one segment. An empty segment would make it another route, so
// that request is never sent.
func newRequest(pattern string, segments ...string) request {
	r := request{method: http.MethodGet}
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			r.err = fmt.Errorf("%q is no id", s)
		}
		pattern = strings.Replace(pattern, "{}", strings.ReplaceAll(url.PathEscape(s), "{}", "%7B%7D"), 1)
	}
	r.path = pattern
	return r
}

// check is why r must not be sent.
func (r request) check() error {
	for _, v := range r.needed {
		if v == "" {
			return errors.New("an id is empty")
		}
	}
	return r.err
}

// prepare makes the HTTP request, credential included.
func (c *core) prepare(r request) (*http.Request, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequest(r.method, target, body)
	if err != nil {
		return nil, errors.New("its URL cannot be built")
	}
	req.Header.Set("Accept", "application/json")
	// On every request, bodies or not, as the clients do that are known to work (api.md §1).
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	return req, c.auth.set(req)
}

// fail completes e: where it happened, and no secret in it.
func (c *core) fail(method, path string, e *Error) *Error {
	e.Method, e.Path = method, c.auth.redact(path)
	e.Message = cut(c.auth.redact(e.Message), maxMessage)
	e.Err = c.auth.redactError(e.Err)
	return e
}

// call sends req once and gives a 2xx that is not a page to consume. It never follows a redirect: none of Domino's
// routes redirects but to the login page, and credentials are for no other host.
func (c *core) call(ctx context.Context, req *http.Request, write bool, t ticket, timeout time.Duration, consume func(http.Header, *bufio.Reader) error) *Error {
	tryCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	var connected atomic.Bool
	if c.ownTransport != nil {
		tryCtx = httptrace.WithClientTrace(tryCtx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		})
	} else {
		connected.Store(true) // what another transport does is unknown
	}
	fault := func(err error) *Error {
		if ctx.Err() == nil && tryCtx.Err() != nil && ended(err) {
			err = fmt.Errorf("no answer within %v: %w", timeout, err)
		}
		e := callError(write, connected.Load(), err)
		t.done(e.verdict())
		return e
	}
	c.requests.Add(1)
	resp, err := c.transport.RoundTrip(req.WithContext(tryCtx))
	if err != nil {
		return fault(err)
	}
	defer resp.Body.Close()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // a cut body still has its status
		e := answerError(write, req.URL.EscapedPath(), resp.StatusCode, resp.Header, body)
		e.retryAfter = retryAfter(resp.Header, time.Now())
		if e.retryAfter > 0 && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable) {
			c.limiter.pause(min(e.retryAfter, maxRetryAfter))
		}
		t.done(e.verdict())
		return e
	}
	body := &body{r: resp.Body}
	buffered := bufio.NewReaderSize(body, 4096)
	start, _ := buffered.Peek(512) // a fault shows up again when it is read
	if htmlBody(resp.Header, start) {
		page, _ := io.ReadAll(io.LimitReader(buffered, maxError))
		t.done(good)
		return loginPage(write, resp.StatusCode, page)
	}
	if err := consume(resp.Header, buffered); err != nil {
		if body.err != nil {
			return fault(fmt.Errorf("read answer: %w", body.err))
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			// Cut short on its way, with the connection closed in order.
			return fault(fmt.Errorf("read answer: %w", err))
		}
		t.done(good)
		return &Error{Status: resp.StatusCode, Kind: KindBadAnswer, Err: err}
	}
	t.done(good)
	return nil
}

// verdict is what e says about Domino's load.
func (e *Error) verdict() verdict {
	switch e.Status {
	case 0:
		if errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, syscall.ECONNRESET) || errors.Is(e.Err, syscall.EPIPE) ||
			errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) || isTimeout(e.Err) {
			return overloaded
		}
		return neutral
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return overloaded
	}
	if e.Status > http.StatusInternalServerError {
		return neutral
	}
	return good
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// body remembers why reading it failed, so that a fault of the network is not taken for one of the content.
type body struct {
	r   io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

var errTooLarge = errors.New("the answer is larger than any that was expected")

// bounded is r, and errTooLarge after n bytes.
type bounded struct {
	r io.Reader
	n int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n <= 0 {
		if n, err := io.ReadFull(b.r, make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.n)])
	b.n -= int64(n)
	return n, err
}

// get reads one object into v.
func (c *Client) get(ctx context.Context, r request, v any) error {
	return c.read(ctx, r, func(body io.Reader) error {
		raw, err := io.ReadAll(&bounded{body, maxObject})
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			return errors.New("it is empty")
		}
		return unmarshal(raw, v)
	})
}

// unmarshal decodes the one value of raw. JSON that was cut short is io.ErrUnexpectedEOF.
func unmarshal(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after it")
	}
	return nil
}

// one reads one object.
func one[W, T any](ctx context.Context, c *Client, r request, value func(W) (T, error)) (T, error) {
	var zero, v T
	err := c.read(ctx, r, func(body io.Reader) error {
		raw, err := io.ReadAll(&bounded{body, maxObject})
		if err != nil {
			return err
		}
		var w W
		switch raw := bytes.TrimSpace(raw); {
		case len(raw) == 0:
			return errors.New("it is empty")
		case raw[0] != '{':
			return errors.New("it is not an object")
		}
		if err := unmarshal(raw, &w); err != nil {
			return err
		}
		v, err = value(w)
		return err
	})
	if err != nil {
		return zero, err
	}
	return v, nil
}

// write sends a call that changes something, once, and returns the body of a 2xx, which may be empty.
func (c *Client) write(ctx context.Context, r request) ([]byte, error) {
	held := func(err error) error { return c.fail(r.method, r.path, heldError(err)) }
	if c.gate == nil {
		return nil, held(ErrReadOnly)
	}
	req, err := c.prepare(r)
	if err != nil {
		return nil, held(err)
	}
	t, err := c.limiter.acquire(ctx)
	if err != nil {
		return nil, held(err)
	}
	if err := c.gate(ctx); err != nil {
		t.done(neutral)
		return nil, held(err)
	}
	if ctx.Err() != nil {
		t.done(neutral)
		return nil, held(ending(ctx))
	}
	var answer []byte
	e := c.call(ctx, req, true, t, c.callTimeout, func(_ http.Header, body *bufio.Reader) error {
		// The status has said it all: a body that is cut, missing or too long does not make it less true.
		answer, _ = io.ReadAll(io.LimitReader(body, maxAnswer))
		return nil
	})
	if e != nil {
		return nil, c.fail(r.method, r.path, e)
	}
	return bytes.TrimSpace(answer), nil
}

// post sends r as a POST without a body, which the stop and start routes accept (api.md §1), and ignores what it answers.
func (c *Client) post(ctx context.Context, r request) error {
	r.method = http.MethodPost
	_, err := c.write(ctx, r)
	return err
}
