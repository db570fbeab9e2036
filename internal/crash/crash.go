// Package crash makes an error of a panic, so that a run which crashes still ends on record and says so.
//
// Go knows no recover for a whole process: a panic in a goroutine that has none ends all of it at once, whatever the
// others have in hand. So dmm starts its goroutines here and nowhere else, which a test sees to. A [Group] hands what
// one of its functions panicked with to whoever waits for them, until it meets a [Catch]; [Go] is for a goroutine
// that nobody waits for.
//
// Goroutines of libraries, and what Go calls a fatal error, such as the end of memory, are beyond this. They end the
// process, by a signal and not with an exit code that means something else: package process sees to that.
package crash

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Error is a panic. It is no other error, whatever the value was.
type Error struct {
	Value any
	Stack []byte // of the goroutine that panicked, as Go prints it
}

// Error is the first line of what the panic says.
func (e *Error) Error() string {
	said := fmt.Sprintf("%T", e.Value) // its fields may be anything, a key too
	switch v := e.Value.(type) {
	case error:
		said = v.Error()
	case string:
		said = v
	}
	said, _, _ = strings.Cut(said, "\n") // singleflight adds a stack
	return "crashed: " + said
}

// Catch calls f. If f panics, that is its error: an [*Error].
func Catch(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = of(v)
		}
	}()
	return f()
}

// of is the panic with value v, which may have come from another goroutine through a [Group].
func of(v any) *Error {
	if e, ok := v.(*Error); ok {
		return e
	}
	return &Error{Value: v, Stack: debug.Stack()}
}

// Group runs functions in goroutines of their own and waits for them.
type Group struct {
	functions *errgroup.Group
	crashed   atomic.Pointer[Error]
}

// NewGroup returns a group of which at most limit functions run at once, or all if limit is 0.
func NewGroup(limit int) *Group { return newGroup(new(errgroup.Group), limit) }

// NewGroupIn is NewGroup, and a context that ends with the first function that fails, or when Wait returns.
func NewGroupIn(ctx context.Context, limit int) (*Group, context.Context) {
	functions, ctx := errgroup.WithContext(ctx)
	return newGroup(functions, limit), ctx
}

func newGroup(functions *errgroup.Group, limit int) *Group {
	if limit > 0 {
		functions.SetLimit(limit)
	}
	return &Group{functions: functions}
}

// Go calls f in a goroutine, once the group's limit allows it.
func (g *Group) Go(f func() error) {
	g.functions.Go(func() error {
		err := Catch(f)
		if crashed, ok := err.(*Error); ok { //nolint:errorlint // what Catch made, and not what f returned
			g.crashed.CompareAndSwap(nil, crashed)
		}
		return err
	})
}

// Wait waits for all functions and returns the first error. If one panicked, Wait panics: what the others have
// gathered is short, and nobody may take it for the whole.
func (g *Group) Wait() error {
	err := g.functions.Wait()
	if crashed := g.crashed.Load(); crashed != nil {
		panic(crashed)
	}
	return err
}

// told is who is told of a panic in a goroutine that nobody waits for.
var told atomic.Pointer[func(*Error)]

// Tell names who is told of a panic in a goroutine that nobody waits for, in that goroutine. Until then such a panic
// ends the process.
func Tell(f func(*Error)) { told.Store(&f) }

// Go calls f in a goroutine that nobody waits for. Whoever [Tell] names is told if f panics.
func Go(f func()) {
	go func() {
		err := Catch(func() error { f(); return nil })
		crashed, ok := err.(*Error) //nolint:errorlint // what Catch made
		switch tell := told.Load(); {
		case !ok:
		case tell == nil:
			fmt.Fprintf(os.Stderr, "%s\n", crashed.Stack)
			panic(crashed)
		default:
			(*tell)(crashed)
		}
	}()
}
