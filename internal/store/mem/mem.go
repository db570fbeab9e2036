// Package mem is a store in memory, for tests and for trying dmm out. It is gone with its process.
package mem

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

type object struct {
	body     []byte // never changed once it is in the map
	modified time.Time
}

// Store is an empty store until something is put into it. The zero value is ready for use.
type Store struct {
	mu      sync.Mutex
	objects map[string]object
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store { return &Store{} }

// find looks a key up. Every method that names one key begins with it or with check, so that all of
// them refuse a bad key or an ended context alike.
func (s *Store) find(ctx context.Context, op, key string) (object, error) {
	if err := check(ctx, op, key); err != nil {
		return object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return object{}, &store.Error{Op: op, Key: key, Err: store.ErrNotFound}
	}
	return o, nil
}

func check(ctx context.Context, op, key string) error {
	err := store.CheckKey(key)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return &store.Error{Op: op, Key: key, Err: err}
	}
	return nil
}

// Get opens an object.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	o, err := s.find(ctx, "get", key)
	if err != nil {
		return nil, store.Info{}, err
	}
	return io.NopCloser(bytes.NewReader(o.body)), o.info(key), nil
}

// Stat tells an object's size and time.
func (s *Store) Stat(ctx context.Context, key string) (store.Info, error) {
	o, err := s.find(ctx, "stat", key)
	if err != nil {
		return store.Info{}, err
	}
	return o.info(key), nil
}

// Put keeps a copy of body.
func (s *Store) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	op := "put"
	if o.IfAbsent {
		op = "create"
	}
	if err := check(ctx, op, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.objects[key]; taken && o.IfAbsent {
		return &store.Error{Op: op, Key: key, Err: store.ErrExists}
	}
	if s.objects == nil {
		s.objects = make(map[string]object)
	}
	s.objects[key] = object{body: bytes.Clone(body), modified: time.Now().UTC()}
	return nil
}

// List yields the objects that were there when it began.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		s.mu.Lock()
		var found []store.Info
		for key, o := range s.objects {
			if strings.HasPrefix(key, prefix) {
				found = append(found, o.info(key))
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, func(a, b store.Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range found {
			if ctx.Err() != nil {
				break
			}
			if !yield(info, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(store.Info{}, &store.Error{Op: "list", Key: prefix, Err: err})
		}
	}
}

// Delete forgets an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, "delete", key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (o object) info(key string) store.Info {
	return store.Info{Key: key, Size: int64(len(o.body)), Modified: o.modified}
}
