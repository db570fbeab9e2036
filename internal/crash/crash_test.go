package crash

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/singleflight"
)

// key stands for a value that must not be printed.
type key struct{ secret string }

func TestCatch(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if err := Catch(func() error { return broken }); err != broken { //nolint:errorlint // the very same
		t.Errorf("Catch = %v, want what f returned", err)
	}
	var none map[string]int
	var one singleflight.Group
	for want, f := range map[string]func(){
		"crashed: a string":                       func() { panic("a string\nand more") },
		"crashed: broken":                         func() { panic(broken) },
		"crashed: crash.key":                      func() { panic(key{"hunter2"}) },
		"crashed: assignment to entry in nil map": func() { none["x"]++ },
		"crashed: one asks for all, and it breaks": func() {
			_, _, _ = one.Do("", func() (any, error) { panic("one asks for all, and it breaks") })
		},
	} {
		err := Catch(func() error { f(); return nil })
		crashed, ok := err.(*Error) //nolint:errorlint // the very type
		if !ok || err.Error() != want || errors.Is(err, broken) {
			t.Errorf("Catch = %#v, want %q and no other error", err, want)
		} else if !strings.Contains(string(crashed.Stack), "TestCatch") {
			t.Errorf("%s: its stack does not say where it comes from:\n%s", want, crashed.Stack)
		}
	}
}

// What one function panicked with comes to whoever waits, with its own stack, and the others end before that.
func TestGroupPanicsInWait(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]error{"alone": nil, "after another has failed": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, ctx := NewGroupIn(t.Context(), 3)
			failed, ended := make(chan struct{}), false
			g.Go(func() error { defer close(failed); return broken })
			g.Go(func() error { <-failed; return deep() })
			g.Go(func() error { <-ctx.Done(); ended = true; return nil })
			var err error
			crashed, ok := Catch(func() error { err = g.Wait(); return nil }).(*Error) //nolint:errorlint // the very type
			if !ok || crashed.Value != "deep down" || !strings.Contains(string(crashed.Stack), "crash.deep") {
				t.Errorf("Wait = %v (%+v), want the panic", err, crashed)
			}
			if !ended {
				t.Error("Wait did not wait")
			}
		})
	}
}

func deep() error { panic("deep down") }

func TestGroup(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	g := NewGroup(0)
	g.Go(func() error { return broken })
	g.Go(func() error { return nil })
	if err := g.Wait(); !errors.Is(err, broken) {
		t.Errorf("Wait = %v, want %v", err, broken)
	}
	limited := NewGroup(1)
	n := 0
	for range 100 {
		limited.Go(func() error { n++; return nil }) // one at a time, or the race detector speaks
	}
	if err := limited.Wait(); err != nil || n != 100 {
		t.Errorf("Wait = %v after %d functions, want 100", err, n)
	}
	_, ctx := NewGroupIn(context.Background(), 0)
	if ctx.Err() != nil {
		t.Error("the context ends before anything has failed")
	}
}

func TestGoTells(t *testing.T) {
	crashes := make(chan *Error, 1)
	Tell(func(e *Error) { crashes <- e })
	t.Cleanup(func() { told.Store(nil) })
	Go(func() { _ = deep() })
	if e := <-crashes; e.Value != "deep down" || !strings.Contains(string(e.Stack), "crash.deep") {
		t.Errorf("told of %+v", e)
	}
}

// elsewhere are the goroutines that are not started by this package, each with the reason.
var elsewhere = map[string]string{
	"internal/crash/crash.go: go":                         "this is where they are started",
	"internal/crash/crash.go: golang.org/x/sync/errgroup": "and waited for",
	"cmd/dmm/process/process.go: go":                      "it waits for another process",
	"internal/converge/engine.go: context.AfterFunc":      "it starts a timer",
	"internal/converge/engine.go: time.AfterFunc":         "it ends a context",
	"internal/domino/limiter.go: time.AfterFunc":          "it closes channels, under a lock that a panic would leave locked",
	"internal/store/remote/patience.go: time.AfterFunc":   "it ends a context",
}

// TestGoroutines lets no goroutine be started that ends the process when it panics.
func TestGoroutines(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for _, root := range []string{"cmd", "internal"} {
		err := fs.WalkDir(os.DirFS("../.."), root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return err
			case strings.HasSuffix(filepath.Dir(path), "test"): // storetest and spectest run in tests alone
				return nil
			}
			source, err := os.ReadFile(filepath.Join("../..", path))
			if err != nil {
				return err
			}
			for _, what := range starts(t, path, source) {
				found[path+": "+what]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for what := range found {
		if elsewhere[what] == "" {
			t.Errorf("%s starts a goroutine: a panic in it would end the process at once; use crash.Group or crash.Go", what)
		}
	}
	for what := range elsewhere {
		if found[what] == 0 {
			t.Errorf("%s is not there any more", what)
		}
	}
}

// starts tells by what a file starts goroutines.
func starts(t *testing.T, path string, source []byte) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		if p := strings.Trim(i.Path.Value, `"`); p == "golang.org/x/sync/errgroup" {
			found = append(found, p)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "go")
		case *ast.SelectorExpr:
			x, _ := n.X.(*ast.Ident)
			name := n.Sel.Name
			switch {
			case name == "DoChan" || name == "Pull" || name == "Pull2":
				found = append(found, name)
			case x != nil && name == "AfterFunc" || x != nil && x.Name == "sync" && name == "WaitGroup":
				found = append(found, fmt.Sprintf("%s.%s", x.Name, name))
			}
		}
		return true
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// What starts a goroutine is seen whatever it is.
func TestStarts(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`func f() { go f() }`:                            "[go]",
		`import "golang.org/x/sync/errgroup"`:            "[golang.org/x/sync/errgroup]",
		`type t struct { beats sync.WaitGroup }`:         "[sync.WaitGroup]",
		`func f() { time.AfterFunc(1, f) }`:              "[time.AfterFunc]",
		`func f() { context.AfterFunc(nil, f) }`:         "[context.AfterFunc]",
		`func f() { s.one.DoChan("", nil) }`:             "[DoChan]",
		`func f() { next, stop := iter.Pull(nil) }`:      "[Pull]",
		`func f() { g := crash.NewGroup(0); g.Go(nil) }`: "[]",
		`func f() { crash.Go(f) }`:                       "[]",
	} {
		if got := fmt.Sprint(starts(t, "x.go", []byte("package x\n"+source))); got != want {
			t.Errorf("%s starts %s, want %s", source, got, want)
		}
	}
}
