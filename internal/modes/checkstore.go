package modes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

const checkStoreLong = `Tells as whom the store is asked, and tries on one object, below probes/, everything that a
maintenance does to its store: create it, be refused to create it again, overwrite, read, list and
delete it. Each is named with the permission that it takes, and how long it took. It needs no right
that a maintenance does not need, and Domino is not called.`

// CheckStore tries the store.
func CheckStore(ctx context.Context, e *Env) (*report.Result, error) {
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	res := e.result("check-store")
	res.Store, err = e.tryStore(ctx, s, e.holder("check-store").Run)
	if skew := res.Store.Skew; skew.Abs() > tolerableSkew {
		res.Note(fmt.Sprintf("the storage's clock and this machine's are %v apart: mend the one that is wrong, snapshots from the future are refused", skew.Abs().Round(time.Second)))
	}
	switch {
	case err == nil:
		res.Message = "The store does all that a maintenance needs."
	case ctx.Err() != nil:
		return nil, err
	case errors.Is(err, store.ErrDenied):
		res.Code, res.Message = e.ExitCode(nil, err), "The store does not do all that a maintenance needs: rights are missing."
		res.Next = "give them to the credentials that are used here (docs/storage.md has them for each provider), then dmm check-store"
	default: // not as an error: what did work is to be seen
		res.Code, res.Message, res.Next = e.ExitCode(nil, err), err.Error(), NextStep("check-store", err)
	}
	return res, nil
}

// tolerableSkew is well within the 5 minutes by which a snapshot may be from the future, and the 15 within which AWS and
// Azure take a signature.
const tolerableSkew = time.Minute

// tryStore tries everything that a maintenance does to its store on the object probes/ID, as opening a window does
// (window.Probe). What it could try is in the result, error or not; the error is that of the first thing that failed.
func (e *Env) tryStore(ctx context.Context, s store.Store, id string) (*report.Store, error) {
	about, _ := seal.Of(s).Store.(store.Describer)
	check := &report.Store{Store: e.place}
	if about != nil {
		who, cancel := context.WithTimeout(ctx, 15*time.Second)
		as, err := about.Who(who)
		cancel()
		if check.As = as; err != nil {
			check.As = fmt.Sprintf("could not tell: %v", err)
		}
	}
	key, first, last := window.ProbeKey(id), []byte("first\n"), []byte("last\n")
	var failed error
	try := func(name, op string, do func() error) bool {
		right := report.StoreRight{Try: name}
		if about != nil {
			right.Right = about.Right(op)
		}
		began := time.Now()
		err := do()
		if right.Took = time.Since(began); err != nil {
			right.Reason = err.Error()
			failed = cmp.Or(failed, fmt.Errorf("%s: %w", name, err))
		}
		right.OK = err == nil
		check.Rights = append(check.Rights, right)
		return right.OK
	}
	skip := func(names ...string) {
		for _, n := range names {
			check.Rights = append(check.Rights, report.StoreRight{Try: n, Reason: "not tried: there is no object to try it on"})
		}
	}
	list := func(want bool) error {
		for info, err := range s.List(ctx, key) {
			if err != nil {
				return err
			}
			if info.Key == key {
				want = !want
			}
		}
		if want {
			return errors.New("the listing does not show the object that was written")
		}
		return nil
	}

	if try("create", "create", func() error { return s.Put(ctx, key, first, store.PutOptions{IfAbsent: true}) }) {
		try("create again", "create", func() error {
			switch err := s.Put(ctx, key, []byte("second\n"), store.PutOptions{IfAbsent: true}); {
			case err == nil:
				return window.ErrUnsafe
			case !errors.Is(err, store.ErrExists):
				return err
			}
			return nil
		})
		before := time.Now()
		overwritten := try("overwrite", "put", func() error { return s.Put(ctx, key, last, store.PutOptions{}) })
		after := time.Now()
		try("read", "get", func() error {
			got, err := store.ReadAll(ctx, s, key, 1<<10)
			if err == nil && overwritten && string(got) != string(last) {
				err = fmt.Errorf("read %q after %q was written", got, last)
			}
			return err
		})
		try("list", "list", func() error { return list(true) })
		if info, err := s.Stat(ctx, key); err == nil && overwritten {
			check.Skew = skew(info.Modified, before, after)
		}
		if !try("delete", "delete", func() error { return s.Delete(ctx, key) }) {
			skip("read what is absent")
		} else if denied := error(nil); try("read what is absent", "get", func() error {
			_, err := s.Stat(ctx, key)
			switch {
			case err == nil:
				return errors.New("the object is still there")
			case errors.Is(err, store.ErrDenied):
				denied = err
			case !errors.Is(err, store.ErrNotFound):
				return err
			}
			return nil
		}) && errors.Is(denied, store.ErrDenied) {
			check.Rights[len(check.Rights)-1].Reason = "an absent object looks like a forbidden one here, as on S3 where the right to list is limited to a prefix; a maintenance does without, and finds out by listing"
		}
	} else {
		skip("create again", "overwrite", "read")
		try("list", "list", func() error { return list(false) })
		skip("delete", "read what is absent")
	}
	if ctx.Err() != nil {
		return check, context.Cause(ctx)
	}
	if errors.Is(failed, window.ErrUnsafe) {
		failed = &window.RefusedError{Err: window.ErrUnsafe}
	}
	return check, failed
}

// skew is how far a time that the storage took lies outside of the time in which it must have done so. Some keep whole
// seconds only.
func skew(taken, before, after time.Time) time.Duration {
	switch {
	case taken.After(after):
		return taken.Sub(after)
	case taken.Add(time.Second).Before(before):
		return taken.Sub(before)
	}
	return 0
}
