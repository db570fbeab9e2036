package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// reader reads an object's body and goes on where a connection broke off: a listing of a snapshot takes
// longer to work through than load balancers keep a connection whose reader is busy.
type reader struct {
	ctx    context.Context
	bucket *bucket
	path   string
	tag    string
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
		case r.offset > r.size:
			r.end = fmt.Errorf("the body is longer than the %d bytes that the answer told", r.size)
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
		err := r.bucket.try(r.ctx, func() (err error) {
			r.body, _, err = r.bucket.service.Get(r.ctx, r.path, r.offset, r.tag)
			return err
		})
		if errors.Is(err, ErrChanged) || isNotFound(err) { // no ErrNotFound: it was there
			return 0, final{fmt.Errorf("the object was replaced or deleted after %d of its %d bytes were read", r.offset, r.size)}
		}
		if err != nil {
			return 0, final{err}
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
	case r.tag == "" || r.offset >= r.size: // the SDK found its checksum wrong at the end, say
		return err
	}
	if r.fails++; r.fails >= Attempts {
		return fmt.Errorf("the body broke off %d times at byte %d of %d: %w", r.fails, r.offset, r.size, err)
	}
	return r.bucket.patience.pause(r.ctx, r.fails)
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
