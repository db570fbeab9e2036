package kill

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// asFirst lets a command be the first process of its namespace, as in a container.
func asFirst(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
}

// heedsHangup lets what is started from here not inherit that SIGHUP is ignored, as it is below nohup: one that is caught
// is not handed down.
func heedsHangup(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
}

// needsNamespaces skips a test where a process may not have a namespace of its own.
func needsNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "true")
	asFirst(cmd)
	if err := cmd.Run(); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("SKIPPED: needs a process namespace, which takes root or a system that lets users have one: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// In a container a signal goes to the first process. It comes to the one that works, once.
func TestTheFirstProcessOfAContainerPassesSignalsOn(t *testing.T) {
	t.Parallel()
	needsNamespaces(t)
	s := newSite(t, lagging(), longLease)
	s.how = asFirst
	was := s.state()
	s.must(0, "snapshot")
	s.must(5, "show", "DMM_SNAPSHOT=20260922-190227-k3f9")
	s.must(2, "show", "DMM_OUTPUT=loud")

	// One signal is passed on once: twice, and the run would have no time for its end.
	s.termAt(before(putSchedule, 2), "shutdown").wantCode(75)
	s.on(nil)
	lines := s.journal()
	if last := lines[len(lines)-1]; last.Event != "end" || last.Code == nil || *last.Code != 75 {
		t.Errorf("the journal ends with %+v, want an end with code 75", last)
	}
	s.must(0, "shutdown")
	s.wantNothingRunning()

	// Who kills the first process kills the one that works.
	s.killAt(after(startApp, 1), "restore")
	s.must(0, "restore", "DMM_LOCK_WAIT=90s")
	s.wantBroughtBack(was)
}

// SIGQUIT is the way to see where a process is. Go ends it then, with 2 if it is let.
func TestADumpIsNoConfigurationError(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(*exec.Cmd){"by hand": nil, "in a container": asFirst} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if how != nil {
				needsNamespaces(t)
			}
			s := newSite(t, lagging())
			s.how = how
			was := s.state()
			s.must(0, "snapshot")
			p := s.signalAt(before(putSchedule, 2), []os.Signal{syscall.SIGQUIT}, "shutdown")
			code, by := p.wait()
			s.on(nil)
			if how == nil && by != syscall.SIGABRT || how != nil && code != 128+int(syscall.SIGABRT) {
				t.Errorf("dmm ends with code %d (signal %d), want SIGABRT", code, by)
			}
			if log := p.log.String(); !strings.Contains(log, "SIGQUIT: quit") || !strings.Contains(log, "goroutine ") {
				t.Errorf("there is no dump:\n%s", log)
			}
			s.must(0, "shutdown")
			s.wantNothingRunning()
			s.must(0, "restore")
			s.wantBroughtBack(was)
		})
	}
}

var coreLimit = regexp.MustCompile(`(?m)^Max core file size +0 `)

// A signal that comes while the packages of all SDKs are being initialised, long before main, ends a run as any other
// does.
func TestASignalInTheFirstMoments(t *testing.T) {
	heedsHangup(t)
	s := newSite(t, lagging())
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &was); err != nil {
		t.Fatal(err)
	}
	if was.Max == 0 {
		t.Skip("SKIPPED: needs a hard limit of core dumps that is not 0")
	}
	inherited := syscall.Rlimit{Cur: was.Max, Max: was.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &inherited); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &was) })
	n := draw.Sample(t, 30, 300, "signals in the first moments of a process", "kills")
	for i := range n {
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}[i%3]
		p := s.start("snapshot")
		// It limits its core dumps to 0 right after it has begun to catch signals.
		proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
		for limits := []byte(nil); !coreLimit.Match(limits); {
			limits, _ = os.ReadFile(proc + "limits")
			if status, err := os.ReadFile(proc + "status"); err != nil || strings.Contains(string(status), "(zombie)") {
				t.Fatal("the process has ended before it limited its core dumps")
			}
		}
		if err := p.signal(sig); err != nil {
			t.Fatal(err)
		}
		p.wantCode(75)
	}
	// Before that moment it is the kernel's business, and nothing has begun.
	for range n {
		p := s.start("snapshot")
		if err := p.signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code, by := p.wait(); code != 75 && by != syscall.SIGTERM {
			t.Fatalf("dmm ends with code %d (signal %d), want 75 or SIGTERM:\n%s", code, by, p.log.String())
		}
	}
	if requests := len(s.sim.Ledger().Writes()); requests > 0 {
		t.Errorf("%d calls were sent", requests)
	}
}

// A terminal that goes away says so with SIGHUP, more than once perhaps, and insists on nothing.
func TestSIGHUPEndsARunResumably(t *testing.T) {
	heedsHangup(t)
	t.Parallel()
	s := newSite(t, lagging(), longLease)
	was := s.state()
	s.must(0, "snapshot")
	for _, mode := range []string{"shutdown", "restore"} {
		s.signalAt(before(putSchedule, 2), []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP}, mode).wantCode(75)
		s.on(nil)
		lines := s.journal()
		if last := lines[len(lines)-1]; last.Event != "end" || last.Code == nil || *last.Code != 75 {
			t.Errorf("the journal ends with %+v, want an end with code 75", last)
		}
		again := time.Now()
		s.must(0, mode)
		if took := time.Since(again); took > 45*time.Second {
			t.Errorf("the next run took %s: it has waited for the lease of a run that had ended", took)
		}
	}
	s.wantBroughtBack(was)
}

// What nohup starts goes on when its terminal goes away.
func TestSIGHUPThatIsIgnoredEndsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, lagging())
	s.how = func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" HUP INT; exec "$0" "$@"`}, cmd.Args...)
	}
	s.must(0, "snapshot")
	s.signalAt(before(putSchedule, 2), []os.Signal{syscall.SIGHUP, syscall.SIGINT}, "shutdown").wantCode(0)
	s.wantNothingRunning()
}

// closed is a pipe of which nobody reads.
func closed(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// Whoever reads what dmm says may go away: dmm shutdown 2>&1 | head. The maintenance goes on, and ends as it would
// have.
func TestNobodyReadsWhatItSays(t *testing.T) {
	t.Parallel()
	s := newSite(t, lagging())
	was := s.state()
	unread := func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = closed(t), closed(t) }
	s.how = unread
	s.must(0, "snapshot")
	s.must(0, "shutdown", "DMM_OUTPUT=json")
	s.wantNothingRunning()
	s.must(0, "restore")
	s.wantBroughtBack(was)
	lines := s.journal()
	if last := lines[len(lines)-1]; last.Event != "closed" {
		t.Errorf("the journal ends with %+v, want it closed", last)
	}
	s.must(0, "report", "DMM_FORMAT=html")
	s.must(0, "export")
	s.must(5, "show", "DMM_SNAPSHOT=20260922-190227-k3f9")
	s.must(2, "show", "DMM_OUTPUT=loud")

	// A reader that goes after the first line is gone as well.
	s.how = func(cmd *exec.Cmd) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		cmd.Stderr = w
		go func() {
			_, _ = io.ReadFull(r, make([]byte, 1))
			_ = r.Close()
		}()
	}
	s.must(0, "snapshot")
	s.must(0, "shutdown")
	s.wantNothingRunning()

	// A watch is for whoever reads it, and nothing else ends this one.
	s.how = unread
	s.must(0, "status", "DMM_WATCH=true")
}
