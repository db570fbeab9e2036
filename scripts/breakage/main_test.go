package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A run of the tests that fails without a failing test is told from one that notices nothing.
func TestVerdict(t *testing.T) {
	const head = "package x\nimport (\"os\"; \"strings\"; \"testing\"; \"time\")\nvar _, _, _ = os.Exit, strings.Repeat, time.Sleep\n"
	for name, c := range map[string]struct{ body, failed, why string }{
		"passes":       {"func TestA(t *testing.T) {}", "", ""},
		"fails":        {"func TestA(t *testing.T) { t.Log(strings.Repeat(`x`, 1<<17)); t.Run(`b`, func(t *testing.T) { t.Fail() }) }", "x.TestA/b", ""},
		"hangs":        {"func TestA(t *testing.T) { time.Sleep(time.Hour) }", "", "panic: test timed out after 1s"},
		"is not built": {"func TestA(t *testing.T) { nothing() }", "", "x does not build"},
		"exits":        {"func TestMain(m *testing.M) { m.Run(); os.Exit(1) }\nfunc TestA(t *testing.T) {}", "", "x failed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"go.mod": "module x\n", "x_test.go": head + c.body} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			timeout := "1m" // a machine that is busy does not look like a test that hangs
			if name == "hangs" {
				timeout = "1s"
			}
			cmd := exec.Command("go", "test", "-vet=off", "-json", "-timeout", timeout, ".")
			cmd.Dir = dir
			failed, err := verdict(cmd.Output())
			if got := strings.Join(slices.Sorted(slices.Values(failed)), " "); got != c.failed {
				t.Errorf("failed: %q, want %q", got, c.failed)
			}
			switch {
			case c.why == "" && err != nil:
				t.Error(err)
			case c.why != "" && (!errors.Is(err, errNoVerdict) || !strings.Contains(err.Error(), c.why)):
				t.Errorf("%v, want no verdict for %q", err, c.why)
			}
		})
	}
}
