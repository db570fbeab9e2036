// Package remote makes a store of a service that is reached over HTTP: S3, Azure Blob Storage, Google Cloud
// Storage. A service does one request when it is told to; everything that the package comment of store
// promises beyond that is here, once: what is tried again and when, the rule for a create whose answer got
// lost, the reader that goes on after a break, keys and their paths, and the names of errors.
//
// The SDKs' own retries are off. They hide what decides a create (see put), one of them reopens a broken body
// for ever without a pause, and three schedules of three makers would be three things to reason about.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// What a service's Get returns when it was asked for the rest of an object.
var (
	ErrChanged   = errors.New("the object is another one now")
	ErrOtherPart = errors.New("asked for the rest of an object and got another part")
)

// Service is a bucket or container. A method sends its request once and is not bothered with retries. It returns
// store.ErrNotFound, store.ErrExists and ErrChanged where the answer says so beyond doubt, and any other error
// as the SDK gave it. Paths are whole: prefix and escapes are in them.
type Service interface {
	// Get opens an object from a byte on. A tag other than "" asks for the version that had it.
	Get(ctx context.Context, path string, from int64, tag string) (io.ReadCloser, Object, error)
	Stat(ctx context.Context, path string) (Object, error)
	// Put writes an object in one request; ifAbsent makes it store.ErrExists if the path is taken.
	Put(ctx context.Context, path string, body []byte, ifAbsent bool) error
	Delete(ctx context.Context, path string) error
	// List gives a page of the objects whose path has a prefix, in ascending order: the first, or the one that
	// a token asks for.
	List(ctx context.Context, prefix, token string) (Page, error)
	// Judge tells what an error of the methods above means.
	Judge(err error) Verdict
	// Right names the permission that a method of store takes, by its name in an Error.
	Right(op string) string
	// Who tells as whom the service is asked.
	Who(ctx context.Context) (string, error)
}

// Object is what an answer tells of an object. Get owes its size only for a whole one.
type Object struct {
	Size     int64
	Modified time.Time
	Tag      string // names this version of it; "" if the service has no name for it, and a body is not continued
}

// Page is a part of a listing, with paths for keys.
type Page struct {
	Objects []store.Info
	More    bool   // there are others
	Next    string // the token that asks for them
}

// Verdict is what an error means.
type Verdict struct {
	Err    error // in our words, with store.ErrDenied where that is so, and the SDK's error beneath
	Again  bool  // another try may do better
	Landed bool  // a write may have been carried out all the same, or may be yet
}

type bucket struct {
	service  Service
	prefix   string
	patience Patience
}

// New makes a store of what is below prefix; slashes around the prefix do not count.
func New(s Service, prefix string, p Patience) store.Store {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &bucket{s, prefix, p}
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// settled tells the answers that are none of a fault.
func settled(err error) bool {
	return err == nil || isNotFound(err) || errors.Is(err, store.ErrExists) || errors.Is(err, ErrChanged) || errors.Is(err, ErrOtherPart)
}

// try carries a call out that may be repeated without harm.
func (b *bucket) try(ctx context.Context, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		if settled(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := b.next(ctx, attempt, b.service.Judge(err)); err != nil {
			return err
		}
	}
}

// next pauses before another try, or says why there is none.
func (b *bucket) next(ctx context.Context, attempt int, v Verdict) error {
	switch {
	case !v.Again:
		return v.Err
	case attempt == Attempts:
		return fmt.Errorf("gave up after %d tries: %w", attempt, v.Err)
	}
	return b.patience.pause(ctx, attempt)
}

// on begins every method that names one key, and ends it.
func (b *bucket) on(op, key string, do func(path string) error) error {
	err := store.CheckKey(key)
	if err == nil {
		err = do(b.prefix + store.EscapeKey(key))
	}
	return b.failure(op, key, err)
}

// failure names what was tried, and the permission it takes if that is what lacks.
func (b *bucket) failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrDenied) {
		err = fmt.Errorf("%w (it takes %s)", err, b.service.Right(op))
	}
	return &store.Error{Op: op, Key: key, Err: err}
}

// Right names the permission that a method takes; see store.Describer.
func (b *bucket) Right(op string) string { return b.service.Right(op) }

// Who tells as whom the service is asked; see store.Describer.
func (b *bucket) Who(ctx context.Context) (string, error) { return b.service.Who(ctx) }

// Get opens an object. A body that breaks off is continued where it broke off, if the object is still the
// same one.
func (b *bucket) Get(ctx context.Context, key string) (body io.ReadCloser, info store.Info, err error) {
	err = b.on("get", key, func(path string) error {
		r, o, err := b.open(ctx, path)
		if err == nil {
			body, info = r, store.Info{Key: key, Size: o.Size, Modified: o.Modified.UTC()}
		}
		return err
	})
	return body, info, err
}

func (b *bucket) open(ctx context.Context, path string) (*reader, Object, error) {
	r := &reader{ctx: ctx, bucket: b, path: path}
	var o Object
	err := b.try(ctx, func() (err error) {
		r.body, o, err = b.service.Get(ctx, path, 0, "")
		return err
	})
	if err != nil {
		return nil, Object{}, err
	}
	if o.Size < 0 {
		_ = r.Close() // nothing of it is used
		return nil, Object{}, errNoSize
	}
	r.size, r.tag = o.Size, o.Tag
	return r, o, nil
}

var errNoSize = errors.New("the answer does not tell the size of the object")

// Stat tells an object's size and time.
func (b *bucket) Stat(ctx context.Context, key string) (info store.Info, err error) {
	err = b.on("stat", key, func(path string) error {
		return b.try(ctx, func() error {
			o, err := b.service.Stat(ctx, path)
			if err == nil && o.Size < 0 {
				err = errNoSize
			}
			if err == nil {
				info = store.Info{Key: key, Size: o.Size, Modified: o.Modified.UTC()}
			}
			return err
		})
	})
	return info, err
}

// Put writes an object in one request.
func (b *bucket) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	if o.IfAbsent {
		return b.on("create", key, func(path string) error { return b.create(ctx, path, body) })
	}
	return b.on("put", key, func(path string) error {
		return b.try(ctx, func() error { return b.service.Put(ctx, path, body, false) })
	})
}

// create writes an object if its path is not taken.
//
// "Taken" in answer to our first try says that somebody else has it. After a try whose answer was lost it
// may be our own object that is in the way, and only then the bytes are compared. What was turned away before
// anything was written (throttled, another write of the same path under way) leaves nothing in doubt.
func (b *bucket) create(ctx context.Context, path string, body []byte) error {
	inDoubt := false
	for attempt := 1; ; attempt++ {
		err := b.service.Put(ctx, path, body, true)
		taken := errors.Is(err, store.ErrExists)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case taken && !inDoubt:
			return store.ErrExists
		case taken:
			switch ours, readErr := b.holds(ctx, path, body); {
			case ours:
				return nil
			case readErr == nil:
				return store.ErrExists
			case !isNotFound(readErr):
				return fmt.Errorf("look whether the object is ours, after an answer was lost: %w", readErr)
			}
			// Deleted in between: create it again.
			err = errors.New("the key is taken, and then absent")
		}
		v := Verdict{Err: err, Again: true}
		if !taken {
			v = b.service.Judge(err)
		}
		inDoubt = inDoubt || v.Landed
		if err := b.next(ctx, attempt, v); err != nil {
			return err
		}
	}
}

// holds tells whether an object has the given body.
func (b *bucket) holds(ctx context.Context, path string, body []byte) (bool, error) {
	r, o, err := b.open(ctx, path)
	if err != nil {
		return false, err
	}
	defer r.Close()
	if o.Size != int64(len(body)) {
		return false, nil
	}
	there, err := io.ReadAll(r)
	return err == nil && bytes.Equal(there, body), err
}

// List yields the objects, a request for each page.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for info, err := range store.FromPaths(b.paths(ctx, b.prefix+store.EscapePrefix(prefix)), prefix) {
			if !yield(info, b.failure("list", prefix, err)) {
				return
			}
		}
	}
}

func (b *bucket) paths(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for token := ""; ; {
			var page Page
			err := b.try(ctx, func() (err error) {
				page, err = b.service.List(ctx, prefix, token)
				return err
			})
			if err != nil {
				yield(store.Info{}, err)
				return
			}
			for _, i := range page.Objects {
				i.Key, i.Modified = strings.TrimPrefix(i.Key, b.prefix), i.Modified.UTC()
				if !yield(i, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			if page.Next == "" || page.Next == token { // the SDKs' pagers would take it for the end
				yield(store.Info{}, errors.New("the listing is cut short, and does not say where it goes on"))
				return
			}
			token = page.Next
		}
	}
}

// Delete removes an object.
func (b *bucket) Delete(ctx context.Context, key string) error {
	return b.on("delete", key, func(path string) error {
		err := b.try(ctx, func() error { return b.service.Delete(ctx, path) })
		if isNotFound(err) {
			return nil
		}
		return err
	})
}
