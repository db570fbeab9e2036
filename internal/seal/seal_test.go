package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/seal"
)

const prefix = `{"mac":"`

func key(t *testing.T, secret string) *seal.Key {
	t.Helper()
	k, err := seal.NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestACodeHoldsForOneRecordInOnePlaceUnderOneKey(t *testing.T) {
	k := key(t, strings.Repeat("k", 32))
	record := []byte(prefix + seal.Blank + `","event":"done"}` + "\n")
	k.Seal(seal.JournalEntry, "place", prefix, record)
	if bytes.Contains(record, []byte(seal.Blank)) {
		t.Fatal("the record still has its blank")
	}
	if err := k.Check(seal.JournalEntry, "place", prefix, record); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(record, []byte("done"), []byte("left"), 1)
	coded := bytes.Replace(record, record[len(prefix):len(prefix)+2], []byte("zz"), 1)
	for name, c := range map[string]struct {
		key    *seal.Key
		kind   seal.Kind
		place  string
		record []byte
		want   error
	}{
		"it was changed":      {k, seal.JournalEntry, "place", changed, seal.ErrForged},
		"its code was":        {k, seal.JournalEntry, "place", coded, seal.ErrForged},
		"it stands elsewhere": {k, seal.JournalEntry, "other", record, seal.ErrForged},
		"as another kind":     {k, seal.Manifest, "place", record, seal.ErrForged},
		"under another key":   {key(t, strings.Repeat("x", 32)), seal.JournalEntry, "place", record, seal.ErrForged},
		"without a code":      {k, seal.JournalEntry, "place", []byte(`{"event":"done"}`), seal.ErrUnsealed},
		"with half a code":    {k, seal.JournalEntry, "place", record[:20], seal.ErrUnsealed},
		"with the blank":      {k, seal.JournalEntry, "place", []byte(prefix + seal.Blank + `"}`), seal.ErrForged},
	} {
		if err := c.key.Check(c.kind, c.place, prefix, c.record); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAKeyIsLongEnoughAndNeverPrinted(t *testing.T) {
	for _, short := range []string{"", "   \n", strings.Repeat("k", 31), strings.Repeat("k", 31) + "\n\n"} {
		if _, err := seal.NewKey([]byte(short)); err == nil || strings.Contains(err.Error(), "kkk") {
			t.Errorf("a key of %d bytes: %v, want an error that does not show it", len(short), err)
		}
	}
	secret := strings.Repeat("s3cr3t", 6)
	k := key(t, " "+secret+"\n")
	if printed := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(printed, "s3cr3t") {
		t.Errorf("the key is printed: %s", printed)
	}
	record := []byte(prefix + seal.Blank + `"}`)
	k.Seal(seal.Manifest, "p", prefix, record)
	if err := key(t, secret).Check(seal.Manifest, "p", prefix, record); err != nil {
		t.Errorf("white space around a key counts: %v", err)
	}
}
