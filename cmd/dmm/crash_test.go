package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
)

// misbehaviours are what the test binary does, as dmm, when something is written to its standard input.
var misbehaviours = map[string]func(){
	"panics":           func() { go panic("nobody catches this") },
	"ends its stack":   func() { debug.SetMaxStack(1 << 20); go overflow(1) },
	"panics and tells": func() { crash.Go(func() { panic("a defect, on purpose") }) },
}

func overflow(n int) int {
	if n == 0 { // for linters, which see a recursion without an end
		return 0
	}
	return overflow(n+1) + 1
}

func misbehave(how string) {
	if f := misbehaviours[how]; f != nil {
		go func() {
			if _, err := os.Stdin.Read(make([]byte, 1)); err == nil {
				f()
			}
		}()
	}
}

// acting is the test binary as dmm, by a shell that lets it write a core dump into an empty folder.
func acting(t *testing.T, how string, environ []string, args ...string) (*exec.Cmd, io.Writer, *bytes.Buffer) {
	t.Helper()
	const script = `ulimit -S -c unlimited 2>/dev/null; exec "$0" "$@"`
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, os.Args[0]}, args...)...)
	cmd.Env = append(slices.Clone(environ), actAsDmm+"="+how)
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	return cmd, in, &log
}

// What Go cannot go on after must not look like a mistake in the settings, which a Job is not tried again for; and
// what is in memory must not get to the disk.
func TestWhatGoCannotGoOnAfterIsNotTwo(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"panics", "ends its stack"} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, as process 1: %t", how, first), func(t *testing.T) {
				t.Parallel()
				cmd, in, log := acting(t, how, nil, "simulate", "--listen", "127.0.0.1:0")
				if first {
					asFirst(t, cmd)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
					t.Fatalf("it does not serve: %q, %v", line, err)
				}
				if _, err := in.Write([]byte("now")); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				status := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if !first && status.Signal() != syscall.SIGABRT || first && status.ExitStatus() != 128+int(syscall.SIGABRT) {
					t.Errorf("it ends with %v, want SIGABRT or its code:\n%s", cmd.ProcessState, log)
				}
				said := map[string]string{"panics": "nobody catches this", "ends its stack": "stack overflow"}[how]
				if !strings.Contains(log.String(), said) {
					t.Errorf("it does not say %q:\n%s", said, log)
				}
				cores, err := filepath.Glob(filepath.Join(cmd.Dir, "*"))
				if status.CoreDump() || err != nil || len(cores) > 0 {
					t.Errorf("it leaves %q (%v): a credential is in its memory", cores, err)
				}
			})
		}
	}
}

// asFirst lets a command be the first process of its namespace, as in a container.
func asFirst(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	try := exec.CommandContext(t.Context(), "true")
	try.SysProcAttr = attr
	if err := try.Run(); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("SKIPPED: needs a process namespace, which takes root or a system that lets users have one: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = attr
}

// A goroutine that nobody waits for panics in mid-maintenance: the run ends on record, with 1, and the same command
// goes on.
func TestACrashInMidMaintenance(t *testing.T) {
	t.Parallel()
	c := quick()
	c.StopTime = 2 * time.Second
	working := make(chan struct{})
	var once sync.Once
	c.OnRequest = func(_ int, r *http.Request) error {
		if r.Method != http.MethodGet {
			once.Do(func() { close(working) })
		}
		return nil
	}
	s := newSite(t, c, "DMM_LEASE=60s", "DMM_SETTLE=1s", "DMM_LOCK_WAIT=1ms") // nobody waits for a run that has not ended
	before := s.sim.Ledger().Snapshot()
	s.dmm("snapshot").want(t, exitDone)
	cmd, in, log := acting(t, "panics and tells", s.env, "shutdown")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-working
	if _, err := in.Write([]byte("now")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	said := out.String() + log.String()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("it ends with %d, want %d:\n%s", code, exitFailed, said)
	}
	for _, want := range []string{"crashed: a defect, on purpose", "crash_test.go", "Next: dmm shutdown"} {
		if n := strings.Count(said, want); n == 0 {
			t.Errorf("%q is not in what it says:\n%s", want, said)
		}
	}
	entries := s.journal()
	last, err := os.ReadFile(filepath.Join(s.folder, entries[len(entries)-1]))
	if err != nil || !bytes.Contains(last, []byte(`"event":"end"`)) || !bytes.Contains(last, []byte(`"code":1`)) {
		t.Errorf("the journal ends with %s (%v), want an end with code 1", last, err)
	}
	s.dmm("shutdown").want(t, exitDone)
	if n := len(s.sim.Ledger().Snapshot()); n > 0 {
		t.Errorf("%d executions run after the shutdown", n)
	}
	s.dmm("restore").want(t, exitDone)
	if after := s.sim.Ledger().Snapshot(); len(after) != len(before) {
		t.Errorf("%d executions run after the restore, want %d", len(after), len(before))
	}
}
