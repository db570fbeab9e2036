package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// module is a module with one package for each file, in a folder of its own.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.test/dmm\n\ngo 1.26.0\n")
	for pkg, body := range files {
		write(pkg+"/x_test.go", "package x\nimport (\"os\"; \"strings\"; \"testing\")\nvar _, _, _ = os.Exit, strings.Repeat, testing.Short\n"+body)
	}
}

// What go test does is told so that nobody has to look for what matters among what does not.
func TestRun(t *testing.T) {
	const passes = "func TestPasses(t *testing.T) { t.Log(`nobody wants to know`) }\n"
	for name, c := range map[string]struct {
		files    map[string]string
		args     []string
		want     []string // expressions
		wantNot  string
		wantFail string
	}{
		"all pass": {
			files: map[string]string{
				"a": passes + "func TestDraws(t *testing.T) { t.Attr(`sampled`, `3 of 30 draws (make draws: all)`) }",
				"b": passes + "func TestB(t *testing.T) { t.Run(`b`, func(t *testing.T) { t.Log(1); t.Skip(`no browser: make test-browser`) }) }\nfunc TestC(t *testing.T) { t.Skip(`no browser: make test-browser`) }",
			},
			want: []string{
				`(?m)^pass +\d+\.\ds  a$`, `(?m)^pass +\d+\.\ds  b$`, `(?m)^sampled: 3 of 30 draws \(make draws: all\)$`,
				`(?m)^skipped: b\.TestB/b and 1 more: no browser: make test-browser$`, `(?m)^4 passed, 0 failed, 2 skipped in 2 packages; took \d+`,
			},
			wantNot: "nobody wants",
		},
		"fail, each in its own way": {
			files: map[string]string{
				"a": passes + "func TestFails(t *testing.T) { t.Run(`part`, func(t *testing.T) { t.Error(strings.Repeat(`x`, 1<<17) + `y`) }) }",
				"b": passes,
				"c": "func TestPanics(t *testing.T) { panic(`at the disco`) }",
				"d": passes + "func TestMain(m *testing.M) { m.Run(); println(`a goroutine is left`); os.Exit(1) }",
				"e": "func TestA(t *testing.T) { nothing() }",
			},
			args: []string{"-p", "1"}, // in their order
			want: []string{
				`undefined: nothing`, `xy\n`, `(?m)^fail .* a$`, `(?m)^pass .* b$`, `panic: at the disco`, `a goroutine is left`,
				`(?m)^failed:  a\.TestFails/part\nfailed:  c\.TestPanics\nfailed:  d\nfailed:  e\n3 passed, 4 failed, 0 skipped in 5 packages`,
			},
			wantNot: "nobody wants", wantFail: "tests failed",
		},
		"nothing to run": {
			files: map[string]string{"a": passes}, args: []string{"-run", "Nothing"},
			want: []string{`0 passed, 0 failed`}, wantFail: "no test ran",
		},
	} {
		t.Run(name, func(t *testing.T) {
			module(t, c.files)
			var b strings.Builder
			err := run(append(c.args, "./..."), &b)
			said := b.String()
			for _, expression := range c.want {
				if !regexp.MustCompile(expression).MatchString(said) {
					t.Errorf("no %s in\n%.4000s", expression, said)
				}
			}
			if c.wantNot != "" && strings.Contains(said, c.wantNot) {
				t.Errorf("%q is in\n%s", c.wantNot, said)
			}
			if (err == nil) != (c.wantFail == "") || err != nil && !strings.Contains(err.Error(), c.wantFail) {
				t.Errorf("it ends with %v, want %q\n%s", err, c.wantFail, said)
			}
		})
	}
}

// Whoever asks for -v gets what the tests say as they say it, and once.
func TestVerbose(t *testing.T) {
	y := newTally(true)
	said := ""
	for _, line := range []string{
		`{"Action":"start","Package":"example.test/dmm/a"}`, `{"Action":"output","Package":"example.test/dmm/a","Test":"TestA","Output":"    a_test.go:3: so\n"}`,
		`{"Action":"fail","Package":"example.test/dmm/a","Test":"TestA"}`, `{"Action":"fail","Package":"example.test/dmm/a","Elapsed":1.5}`,
	} {
		said += y.event([]byte(line))
	}
	if want := "    a_test.go:3: so\nfail     1.5s  a\n"; said != want {
		t.Errorf("it says %q, want %q", said, want)
	}
}

// While nothing ends, it is said what runs.
func TestProgress(t *testing.T) {
	y := newTally(false)
	if got := y.message([]byte("go: downloading example.test/x v1.0.0\n")) + y.message([]byte("go: warning\n")); got != "go: warning\n" {
		t.Errorf("of a download and a warning it says %q", got)
	}
	if got, want := y.progress(90*time.Second), "... 1m30s: compiling; 1 modules were downloaded\n"; got != want {
		t.Errorf("while it compiles it says %q, want %q", got, want)
	}
	for _, line := range []string{
		`{"Action":"start","Package":"example.test/dmm/internal/a"}`, `{"Action":"start","Package":"example.test/dmm/b"}`, `{"Action":"start","Package":"example.test/dmm/c"}`,
		`{"Action":"pass","Package":"example.test/dmm/c","Test":"TestC"}`, `{"Action":"pass","Package":"example.test/dmm/c"}`,
	} {
		y.event([]byte(line))
	}
	if got, want := y.progress(100*time.Second), "... 1m40s: in internal/a and b; 1 packages and 1 tests are done\n"; got != want {
		t.Errorf("while tests run it says %q, want %q", got, want)
	}
}
