package dominosim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const maxBody = 16 << 20

// RoundTripper serves requests in memory, in the goroutine of the caller: no sockets, nothing in the background,
// no other blocking than on timers and channels made by the call itself. Host and scheme are not looked at.
// It honours the request's context: a client that gives up gets the context's error, and what it asked for may
// still happen (Config.LateLanding).
func (s *Sim) RoundTripper() http.RoundTripper { return roundTripper{s} }

type roundTripper struct{ s *Sim }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		r.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		if len(body) > maxBody {
			return nil, fmt.Errorf("read request body: larger than %d bytes", maxBody)
		}
	}
	// The router notes path values in the request, and a RoundTripper must not change its caller's.
	a, err := t.s.exchange(r.Context(), r.Clone(r.Context()), body)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	a.writeHeader(h)
	return &http.Response{
		Status:     strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        h,
		Body:          io.NopCloser(bytes.NewReader(a.encoded)),
		ContentLength: int64(len(a.encoded)),
		Request:       r,
	}, nil
}

// Handler serves requests over sockets. Where a fault breaks the connection, it aborts it.
func (s *Sim) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		a, err := s.exchange(r.Context(), r, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		a.writeHeader(w.Header())
		w.WriteHeader(a.status)
		_, _ = w.Write(a.encoded) // a client that is gone does not read it
	})
}
