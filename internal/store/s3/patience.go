package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// timeouts bound one try of a call. The SDK has none: a server that takes a request and never answers,
// or stops in the middle of a body, would hold a maintenance up for as long as its connection lives.
type timeouts struct {
	answer time.Duration // until the headers are there, after a body sent at slowest
	stall  time.Duration // between two pieces of a body
}

// slowest is the rate in bytes per second at which a body is expected to go out at least.
const slowest = 128 << 10

// patientClient gives up a try that makes no progress, with an error that the retryer takes for a fault of
// the network.
type patientClient struct {
	aws.HTTPClient
	timeouts
}

// stalledError is the cause that net/http reports for a request we cancelled. It is not the context's error:
// whoever called has not given up.
type stalledError struct{ after time.Duration }

func (e *stalledError) Error() string { return fmt.Sprintf("no answer for %v", e.after) }

// Timeout marks the error for the SDK's retryer.
func (e *stalledError) Timeout() bool { return true }

func (c *patientClient) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	patience := c.answer + time.Duration(max(r.ContentLength, 0)/slowest)*time.Second
	timer := time.AfterFunc(patience, func() { cancel(&stalledError{patience}) })
	resp, err := c.HTTPClient.Do(r.WithContext(ctx))
	timer.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &patientBody{ReadCloser: resp.Body, cancel: cancel, stall: c.stall}
	return resp, nil
}

type patientBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
	stall  time.Duration
}

func (b *patientBody) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.stall, func() { b.cancel(&stalledError{b.stall}) })
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	return n, err
}

func (b *patientBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}
