package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// reader reads an object's body and goes on where a connection broke off: a listing of a snapshot takes
// longer to work through than load balancers keep a connection whose reader is busy.
type reader struct {
	ctx    context.Context
	bucket *bucket
	path   *string
	etag   *string
	size   int64

	body   io.ReadCloser // nil between a break and the next try
	offset int64         // bytes handed out
	fails  int           // breaks since the last byte
	end    error         // what every further Read returns
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.end == nil {
		n, err := r.read(p)
		r.offset += int64(n)
		if n > 0 {
			r.fails = 0
		}
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, io.EOF) && r.offset == r.size:
			r.end = io.EOF
		default:
			r.end = r.afterBreak(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.end
}

// read reads from the body at hand, or asks for the rest.
func (r *reader) read(p []byte) (int, error) {
	if r.body == nil {
		out, err := r.bucket.client.GetObject(r.ctx, &s3.GetObjectInput{
			Bucket: &r.bucket.Bucket, Key: r.path, IfMatch: r.etag, Range: aws.String(fmt.Sprintf("bytes=%d-", r.offset)),
		})
		if err != nil {
			// The SDK has retried what can pass. That the object is gone is no ErrNotFound: it was there.
			if status(err) == http.StatusPreconditionFailed || code(err) == "NoSuchKey" {
				return 0, final{fmt.Errorf("the object was replaced or deleted after %d of its %d bytes were read", r.offset, r.size)}
			}
			return 0, final{r.bucket.explain(err)}
		}
		r.body = out.Body
		if !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", r.offset)) {
			return 0, final{fmt.Errorf("asked for the rest from byte %d and got another part", r.offset)}
		}
	}
	return r.body.Read(p)
}

// final is an error after which another try makes no sense.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// afterBreak decides what follows a break: nil is another try, after a pause.
func (r *reader) afterBreak(err error) error {
	if r.body != nil {
		_ = r.body.Close() // it has failed already
		r.body = nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var f final
	switch {
	case errors.As(err, &f):
		return f.error
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case r.etag == nil || r.offset >= r.size: // the SDK found its checksum wrong at the end, say
		return err
	}
	if r.fails++; r.fails >= maxAttempts {
		return fmt.Errorf("the body broke off %d times at byte %d of %d: %w", r.fails, r.offset, r.size, err)
	}
	return r.bucket.pause(r.ctx, r.fails, err)
}

// Close may be called before the end.
func (r *reader) Close() error {
	if r.end == nil {
		r.end = errors.New("read of a closed object")
	}
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}
