// Package seal authenticates records under a key that whoever may write to the store does not have. A record that
// was sealed carries a code: an HMAC-SHA256 (RFC 2104) over what kind of record it is, its place, and its bytes.
//
// A checksum is against accidents, a code is against people. Writer and reader are one, so that a shared key does and
// no signature is needed. It does not show that a record is gone: for that there are the chain of a journal and its anchor.
package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// MinKey is the least number of bytes that a key must have.
const MinKey = 32

// Key seals records. A nil Key seals nothing.
type Key struct{ secret []byte }

// NewKey makes a key of a secret, whose surrounding white space does not count.
func NewKey(secret []byte) (*Key, error) {
	secret = bytes.TrimSpace(secret)
	if len(secret) < MinKey {
		return nil, fmt.Errorf("it holds %d bytes, and a key has at least %d", len(secret), MinKey)
	}
	return &Key{bytes.Clone(secret)}, nil
}

// String and GoString keep the secret out of logs.
func (k *Key) String() string { return "(hidden)" }

// GoString keeps the key out of what %#v prints.
func (k *Key) GoString() string { return "(hidden)" }

// Kind is a kind of record. Each has a key of its own, derived by HKDF (RFC 5869), so that one is never taken for another.
type Kind string

// The kinds. The words are on record in each code.
const (
	JournalEntry Kind = "dmm journal entry v1"
	Manifest     Kind = "dmm snapshot manifest v1"
)

func (k *Key) code(kind Kind, place string, body []byte) string {
	derived, err := hkdf.Key(sha256.New, k.secret, nil, string(kind), sha256.Size)
	if err != nil {
		panic(err) // only for a length that is too great
	}
	mac := hmac.New(sha256.New, derived)
	_ = binary.Write(mac, binary.BigEndian, uint64(len(place))) // so that place and body cannot change lengths
	mac.Write([]byte(place))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Blank is what a record carries in the place of its code while that is being made.
var Blank = string(bytes.Repeat([]byte{'0'}, hex.EncodedLen(sha256.Size)))

// Seal replaces the blank that body carries right behind prefix by the code of the record at a place.
func (k *Key) Seal(kind Kind, place, prefix string, body []byte) {
	at := len(prefix)
	if !bytes.HasPrefix(body, []byte(prefix+Blank)) {
		panic("seal: the record has no place for its code")
	}
	copy(body[at:], k.code(kind, place, body))
}

// Errors of Check.
var (
	ErrUnsealed = errors.New("it carries no code, and DMM_JOURNAL_KEY_FILE is set: whoever wrote it did not have the key")
	ErrForged   = errors.New("its code does not fit: it was changed, or written under another key")
)

// Check reports whether a record that begins with prefix and a code was sealed under the key.
func (k *Key) Check(kind Kind, place, prefix string, body []byte) error {
	at, end := len(prefix), len(prefix)+len(Blank)
	if !bytes.HasPrefix(body, []byte(prefix)) || len(body) < end {
		return ErrUnsealed
	}
	blank := bytes.Clone(body)
	copy(blank[at:end], Blank)
	if !hmac.Equal([]byte(k.code(kind, place, blank)), body[at:end]) {
		return ErrForged
	}
	return nil
}

// Store is a store whose records are sealed.
type Store struct {
	store.Store
	Key *Key // nil: none is at hand
	// AllowUnsealed takes records without a valid code: those from before there was a key, and all if the key is lost.
	// What is begun is sealed all the same.
	AllowUnsealed bool
}

// Of is how a store's records are sealed: not at all, unless it is a [Store].
func Of(s store.Store) Store {
	if sealed, ok := s.(Store); ok {
		return sealed
	}
	return Store{Store: s}
}
