package domino

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxTries = 5
	// maxRefusedTries is for a 500 in Domino's own words: mostly a business failure, which trying again does not mend. And for a
	// 401: several Keycloaks of Domino 6.1.0 refuse a token now and then (docs-facts §2.4), and whoever renews a token in a file may be
	// a moment late. A key that is not valid gets none (api.md §1).
	maxRefusedTries = 3
	firstBackoff    = 500 * time.Millisecond
	maxBackoff      = 15 * time.Second
	// maxRetryAfter: a read whose answer asks for more is not tried again. The next request waits up to this long.
	maxRetryAfter = 5 * time.Minute
)

// read sends r until it has an answer that consume could read, or trying again makes no sense. consume is called once
// for each try that gets a 2xx, and begins anew each time.
func (c *Client) read(ctx context.Context, r request, consume func(io.Reader) error) error {
	timeout := c.readTimeout
	if r.whole {
		timeout *= wholeListFactor
	}
	for try := 1; ; try++ {
		e := c.try(ctx, r, timeout, consume)
		if e == nil {
			return nil
		}
		_ = c.fail(r.method, r.path, e) // e itself is completed by it
		e.Tries = try
		if ctx.Err() != nil || try >= e.tries() || e.retryAfter > maxRetryAfter {
			return e
		}
		wait := max(backoff(try), e.retryAfter)
		c.retries.Add(1)
		c.log.LogAttrs(ctx, slog.LevelDebug, "try again", slog.String("method", e.Method), slog.String("path", e.Path),
			slog.String("error", e.Error()), slog.Int("try", try), slog.Duration("wait", wait))
		if err := sleep(ctx, wait); err != nil {
			if e.Err != nil {
				err = fmt.Errorf("%w, and then %w", e.Err, err)
			}
			e.Err = err
			return e
		}
	}
}

// try sends r once.
func (c *Client) try(ctx context.Context, r request, timeout time.Duration, consume func(io.Reader) error) *Error {
	req, err := c.prepare(r)
	if err != nil {
		return heldError(err)
	}
	t, err := c.limiter.acquire(ctx)
	if err != nil {
		return heldError(err)
	}
	return c.call(ctx, req, false, t, timeout, func(_ http.Header, body *bufio.Reader) error { return consume(body) })
}

// tries is how often a read is sent that fails so.
func (e *Error) tries() int {
	switch {
	case e.Kind == KindThrottled, e.Kind == KindUnavailable, e.Kind == KindNetwork:
		return maxTries
	case e.Kind == KindRefused && e.Status == http.StatusInternalServerError, e.Status == http.StatusUnauthorized:
		return maxRefusedTries
	}
	return 1
}

// backoff is how long to wait after that many tries: doubling, with half of it left to chance so that clients part.
func backoff(try int) time.Duration {
	d := firstBackoff << (try - 1)
	if d > maxBackoff || d <= 0 {
		d = maxBackoff
	}
	return d/2 + rand.N(d/2)
}

// sleep waits for d. It returns why ctx ended if that comes first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ending(ctx)
	}
}

// retryAfter reads a Retry-After header, in seconds or as a date; 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
