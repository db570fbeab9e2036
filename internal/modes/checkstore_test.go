package modes_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// ill is a store of which one method is as a test wants it.
type ill struct {
	store.Store
	ahead time.Duration
	list  error
	del   error
	hides bool // what is absent, as S3 does where one may not list all
	deaf  bool // its listings lack what was written
}

func (s ill) Stat(ctx context.Context, key string) (store.Info, error) {
	i, err := s.Store.Stat(ctx, key)
	if s.hides && errors.Is(err, store.ErrNotFound) {
		err = store.ErrDenied
	}
	i.Modified = i.Modified.Add(s.ahead)
	return i, err
}

func (s ill) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	switch {
	case s.list != nil:
		return func(yield func(store.Info, error) bool) { yield(store.Info{}, s.list) }
	case s.deaf:
		return func(func(store.Info, error) bool) {}
	}
	return s.Store.List(ctx, prefix)
}

func (s ill) Delete(ctx context.Context, key string) error {
	if s.del != nil {
		return s.del
	}
	return s.Store.Delete(ctx, key)
}

func (ill) Who(context.Context) (string, error) { return "", errors.New("nobody knows") }

func (ill) Right(op string) string { return "the right to " + op }

func TestCheckStoreFindsWhatIsWrong(t *testing.T) {
	denied := &store.Error{Op: "list", Key: "probes/", Err: store.ErrDenied}
	for _, test := range []struct {
		name string
		make func(store.Store) store.Store
		bad  string // what does not work
		none string // what is not tried
		code int
		text string // in the message or the notes
	}{
		{"all is well", func(s store.Store) store.Store { return s }, "", "", 0, "does all that"},
		{"no lock", func(s store.Store) store.Store { return lockless{s} }, "create again", "", 1, "second creation"},
		{"may not write", func(s store.Store) store.Store { return readOnly{s} }, "create", "create again, overwrite, read, delete, read what is absent", 1, "rights are missing"},
		{"may not list", func(s store.Store) store.Store { return ill{Store: s, list: denied} }, "list", "", 1, "rights are missing"},
		{"may not delete", func(s store.Store) store.Store { return ill{Store: s, del: denied} }, "delete", "read what is absent", 1, "rights are missing"},
		{"lists what it likes", func(s store.Store) store.Store { return ill{Store: s, deaf: true} }, "list", "", 1, "does not show the object"},
		{"hides what is absent", func(s store.Store) store.Store { return ill{Store: s, hides: true} }, "", "", 0, "does all that"},
		{"clock ahead", func(s store.Store) store.Store { return ill{Store: s, ahead: 10 * time.Minute} }, "", "", 0, "10m0s apart"},
		{"clock behind", func(s store.Store) store.Store { return ill{Store: s, ahead: -10 * time.Minute} }, "", "", 0, "apart: mend"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, lagging("6.1"))
			whole := s.store
			s.store = test.make(whole)
			res, err := s.run("check-store")
			var bad, none []string
			for _, r := range res.Store.Rights {
				switch {
				case !r.OK && r.Took == 0:
					none = append(none, r.Try)
				case !r.OK:
					bad = append(bad, r.Try)
				}
			}
			if got := strings.Join(bad, ", "); got != test.bad {
				t.Errorf("%q do not work, want %q", got, test.bad)
			}
			if got := strings.Join(none, ", "); got != test.none {
				t.Errorf("%q are not tried, want %q", got, test.none)
			}
			if err != nil || res.Code != test.code {
				t.Errorf("code %d and error %v, want %d", res.Code, err, test.code)
			}
			if said := res.Message + strings.Join(res.Notes, " "); !strings.Contains(said, test.text) {
				t.Errorf("it says %q, want %q", said, test.text)
			}
			if _, isIll := s.store.(ill); isIll && res.Store.As != "could not tell: nobody knows" {
				t.Errorf("as = %q", res.Store.As)
			}
			if s.store = whole; test.bad != "delete" && len(s.keys("")) > 0 {
				t.Errorf("it leaves %q behind", s.keys(""))
			}
		})
	}
}
