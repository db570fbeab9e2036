// Package store keeps dmm's records in blob storage: a handful of small objects under one prefix,
// written by one process and read by another, perhaps on another machine and a month later.
//
// The window journal above it is the only lock dmm has, so the guarantees below are not
// conveniences. Whoever implements Store promises each of these sentences, and package storetest
// checks them:
//
//   - Read after write: a Get or Stat that starts after a Put returned nil sees that object or a newer
//     one, from any process.
//   - List after write: so does a List. After a Delete returned nil, none of the three sees the object.
//   - All or nothing: an object is seen with the whole body of one Put or not at all. A Put that was
//     cancelled, or whose process died, leaves the old object or the new one, never a part.
//   - IfAbsent is atomic: of any number of Puts of one key with IfAbsent, from any number of processes,
//     at most one returns nil; the others return ErrExists and change nothing. ErrExists is returned
//     for a key that holds the very same bytes, too. There is one exception: a store whose own retry
//     followed an ambiguous answer (the request may have taken effect, its answer got lost) and which
//     then finds exactly its own bytes under the key returns nil. A caller that must tell its own
//     writes from those of others therefore puts something of its own, such as a run id, in the body.
//   - Nothing else is a lock: a Put without IfAbsent replaces whatever is there.
//   - List yields keys in ascending order of their bytes, each once, and the prefix is a plain string
//     prefix, also in the middle of a segment: "a/b" matches "a/b", "a/bc" and "a/b/c".
//   - A key is UTF-8 without control characters, not empty, not too long and without a slash at its end
//     (see CheckKey). It names the same object on every store: "..", a leading "/", "//", spaces and "%"
//     have no meaning of their own. No key is another one's folder: a store may refuse to write "a/b" while there is an "a", and
//     the other way round.
//   - "Could not look" is never "not there": ErrNotFound means that the storage answered, that the
//     bucket or folder exists, and that it holds no such key. A missing bucket, a wrong region, a name
//     that does not resolve or rights that do not suffice are other errors, from every method.
//   - A Delete of an absent key is nil.
//   - All methods may be called from many goroutines at once, and stop when their context ends.
//   - What can pass is retried inside the store; an error that comes back is final for the caller. A Put
//     that returns any other error than ErrExists may still have been carried out, or be on its way.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// The errors that a caller decides on, matched with errors.Is. What a store returns is an *Error around
// one of them or around any other cause; any other means that the storage gave no answer that counts.
var (
	// ErrNotFound says that the key is absent from a bucket or folder that answered.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a Put with IfAbsent found the key taken.
	ErrExists = errors.New("exists already")
	// ErrDenied says that the credentials or the file permissions do not allow it. The object may exist.
	ErrDenied = errors.New("access denied")
	// ErrForeign says that something stands where an object should be, or its folder, which is neither: a link, a
	// pipe, a device. It was neither followed nor opened, changed nor deleted.
	ErrForeign = errors.New("no object of dmm's")
)

// Info is what is known of an object without its body.
type Info struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // by the storage's clock, UTC; S3 and some file systems keep whole seconds only
	// Foreign, in a listing: what stands under the key is no object. Get, Stat, Delete and a create of it are ErrForeign.
	Foreign bool
}

// PutOptions change how Put writes.
type PutOptions struct {
	// IfAbsent creates the object only if its key is absent, atomically, and is ErrExists otherwise.
	IfAbsent bool
}

// Store is a bucket, or a part of one. The package comment says what it must guarantee.
type Store interface {
	// Get opens an object. The reader ends with an error, never early with io.EOF, when the body cannot
	// be read to its end. The caller closes it. The Info is that of the body being read.
	Get(ctx context.Context, key string) (io.ReadCloser, Info, error)

	// Put writes an object whole.
	Put(ctx context.Context, key string, body []byte, o PutOptions) error

	// List yields the objects whose key begins with prefix, "" being all of them, in ascending order of
	// key. An error is yielded once, with a zero Info, and is the last thing yielded: a list that ends
	// without one is complete, but for objects written or deleted while it ran.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes an object; nil if there is none.
	Delete(ctx context.Context, key string) error

	// Stat tells what Get would, without the body.
	Stat(ctx context.Context, key string) (Info, error)
}

// Describer is what a store can tell of itself beyond keeping bytes. Whoever checks a store asks for it; nothing
// else depends on it.
type Describer interface {
	// Who tells as whom the storage is asked: an ARN, a client id, a service account, a user id.
	Who(ctx context.Context) (string, error)

	// Right names the permission that an operation takes, by its name in Error.Op: "s3:PutObject".
	Right(op string) string
}

// Error is a store's error: what was tried, on which key, and why it did not work.
type Error struct {
	Op  string // "get", "put", "create" (a Put with IfAbsent), "list", "delete", "stat"
	Key string // the key, or the prefix of a list; without the store's own prefix
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %q: %v", e.Op, e.Key, e.Err) }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// ReadAll reads a whole object of at most limit bytes into memory. A larger one is an error: what dmm
// reads this way is small, so a large one is not what it seems.
func ReadAll(ctx context.Context, s Store, key string, limit int64) ([]byte, error) {
	body, info, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if info.Size > limit {
		return nil, &Error{Op: "get", Key: key, Err: fmt.Errorf("object of %d bytes is larger than the limit of %d", info.Size, limit)}
	}
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, &Error{Op: "get", Key: key, Err: err}
	case int64(len(b)) > limit:
		return nil, &Error{Op: "get", Key: key, Err: fmt.Errorf("object is larger than the limit of %d bytes", limit)}
	case int64(len(b)) != info.Size:
		return nil, &Error{Op: "get", Key: key, Err: fmt.Errorf("read %d bytes of an object of %d: %w", len(b), info.Size, io.ErrUnexpectedEOF)}
	}
	return b, nil
}
