package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// session is a command run at a real pseudo-terminal, with all that it wrote there.
type session struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{}
}

func atTerminal(t *testing.T, columns uint16, environ []string, args ...string) *session {
	t.Helper()
	s := &session{cmd: exec.CommandContext(t.Context(), os.Args[0], args...), done: make(chan struct{})}
	s.cmd.Env = append(slices.Clone(environ), actAsDmm+"=true", "TERM=xterm-256color")
	f, err := pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_, _ = io.Copy(&s.output, f) // ends with an error when the other side is closed
		_ = f.Close()
	}()
	return s
}

// wait returns what was written, and the exit code.
func (s *session) wait() (string, int) {
	<-s.done
	_ = s.cmd.Wait() // the exit code says it
	return s.output.String(), s.cmd.ProcessState.ExitCode()
}

var control = regexp.MustCompile(`\x1b\[(\d*)([A-Z])`)

// screen is what a terminal shows, and has scrolled by, after it was sent a text: it knows what dmm may
// use, line ends, cursor up and clear to the end, and fails on anything else.
func screen(t *testing.T, text string) []string {
	t.Helper()
	lines, row, column := []string{""}, 0, 0
	for len(text) > 0 {
		switch m := control.FindStringSubmatch(text); {
		case m != nil && strings.HasPrefix(text, m[0]):
			text = text[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				row -= n
				if row < 0 {
					t.Fatalf("the cursor is moved above the first line, by %d", n)
				}
			case "J":
				lines = append(lines[:row:row], string([]rune(lines[row])[:column]))
			default:
				t.Fatalf("the terminal is sent %q", m[0])
			}
			continue
		case text[0] == '\x1b':
			t.Fatalf("the terminal is sent %q", text[:min(len(text), 10)])
		}
		r := []rune(text[:min(len(text), 4)])[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			column = 0
		case '\n':
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
		default:
			line := []rune(lines[row])
			lines[row] = string(append(line[:column:column], r))
			column++
		}
	}
	return lines
}

var bar = regexp.MustCompile(`^  (apps|model API versions|workspaces|schedules) +█*░* +(\d+) %  (\d+) of (\d+)`)

// frames are the bars of each time that they were drawn.
func frames(output string) []string {
	return regexp.MustCompile(`\r\x1b\[\d+A\x1b\[J`).Split(output, -1)
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Apps, c.Workspaces, c.Models, c.Schedules, c.Capacity, c.Latency = 20, 20, 10, 6, 4, 50*time.Millisecond
	c.StopTime = time.Second
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitDone)
	// Another terminal watches, and reads the journal only: it is not told where Domino is.
	watcher := atTerminal(t, 100, []string{"DMM_STORE=file://" + s.folder, "DMM_WATCH=true"}, "status")
	if out, code := watcher.wait(); code != exitDone || !strings.Contains(out, "No maintenance is open") {
		t.Fatalf("a watch with nothing open ends with %d:\n%s", code, out)
	}
	at := atTerminal(t, 100, s.env, "shutdown")
	for deadline := time.Now().Add(30 * time.Second); len(s.journal()) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no journal")
		}
	}
	watcher = atTerminal(t, 100, []string{"DMM_STORE=file://" + s.folder, "DMM_WATCH=true"}, "status")
	out, code := at.wait()
	if code != exitDone {
		t.Fatalf("shutdown at a terminal ends with %d:\n%s", code, out)
	}
	drawn := frames(out)
	if len(drawn) < 4 {
		t.Fatalf("the bars were drawn %d times:\n%q", len(drawn), out)
	}
	last := -1
	var rates int
	for _, f := range drawn {
		for line := range strings.Lines(strings.ReplaceAll(f, "\r", "")) {
			if m := bar.FindStringSubmatch(line); m != nil && m[1] == "workspaces" {
				percent, _ := strconv.Atoi(m[2])
				if percent < last {
					t.Errorf("workspaces go back from %d %% to %d %%", last, percent)
				}
				last = percent
			}
			if strings.HasPrefix(line, "stopping: ") && strings.Contains(line, "/s, about ") && strings.Contains(line, " left") {
				rates++
			}
		}
	}
	if last != 100 || rates == 0 {
		t.Errorf("workspaces came to %d %%, and rate and time left were shown %d times:\n%q", last, rates, out)
	}
	lines := screen(t, out)
	for _, l := range lines {
		if strings.ContainsAny(l, "█░") {
			t.Errorf("a bar was left on the screen: %q", l)
		}
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "msg=connected") || !strings.HasPrefix(lastLine(text), "Shutdown is done: ") || !strings.Contains(text, "kind  total") {
		t.Errorf("the screen in the end, want the log, the table and the last line:\n%s", text)
	}

	// The watcher has seen it come down, and goes on until the window is closed.
	calls := len(s.sim.Ledger().Requests())
	restore := s.dmm("restore")
	restore.want(t, exitDone)
	if calls == len(s.sim.Ledger().Requests()) {
		t.Error("restore called nobody")
	}
	out, code = watcher.wait()
	if code != exitDone || !strings.Contains(out, "stopping: ") || !strings.Contains(out, "window 000001 is closed") || !strings.Contains(out, "No maintenance is open. The last was window 000001: ") {
		t.Errorf("the watch ends with %d:\n%s", code, out)
	}
	screen(t, out)
}

func TestAWatchEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	at := atTerminal(t, 80, []string{"DMM_STORE=file://" + s.folder}, "status", "--watch")
	time.AfterFunc(time.Second, func() { _ = at.cmd.Process.Signal(os.Interrupt) })
	out, code := at.wait()
	if code != exitDone || !strings.Contains(out, "Window 000001 is down") {
		t.Errorf("a watch that is interrupted ends with %d:\n%s", code, out)
	}
}

// On a narrow terminal no line wraps, since a line that wraps could not be taken back.
func TestProgressOnANarrowTerminal(t *testing.T) {
	t.Parallel()
	c := quick()
	c.StopTime = time.Second
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitDone)
	out, code := atTerminal(t, 38, s.env, "shutdown").wait()
	if code != exitDone {
		t.Fatalf("ends with %d:\n%s", code, out)
	}
	for _, f := range frames(out) {
		for line := range strings.Lines(strings.ReplaceAll(f, "\r", "")) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); (strings.HasPrefix(line, "stopping: ") || bar.MatchString(line)) && n >= 38 {
				t.Errorf("a line of %d columns: %q", n, line)
			}
		}
	}
	screen(t, out)
}

// Without a terminal there is a line at each tenth, and no bar.
func TestProgressWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, dominosim.Config{Profile: "6.1", Seed: 3, Projects: 2, Apps: 30, Capacity: 2, Latency: 60 * time.Millisecond})
	s.dmm("snapshot").want(t, exitDone)
	o := s.dmm("shutdown")
	o.want(t, exitDone, `"msg":"stopping","done":`)
	if n := strings.Count(o.stderr, `"msg":"stopping"`); n < 2 || n > 12 {
		t.Errorf("%d lines of progress, want one at each tenth:\n%s", n, o.stderr)
	}
	if strings.ContainsAny(o.stderr, "█\x1b") {
		t.Errorf("a bar where there is no terminal:\n%s", o.stderr)
	}
}

// journal are the entries of the first window.
func (s *site) journal() []string {
	return slices.DeleteFunc(s.objects(), func(key string) bool { return !strings.HasPrefix(key, "windows/000001/journal/") })
}
