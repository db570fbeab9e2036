// Package process is how dmm's process meets signals and its own end. The package does its work when it is
// initialised, and imports little, so that this comes before the packages of all SDKs are: they take most of the time
// that passes before main.
//
//   - Signals that ask dmm to stop are caught, see [Signals].
//   - A reader of standard output or error that goes away ends nothing: writing to it is an error, and no signal.
//   - What Go cannot go on after (a panic that nobody catches, the end of memory, a map that is written to twice at
//     once) ends the process by SIGABRT. Left to itself it would be exit code 2, which means something else.
//   - No memory is written to disk then, since a credential is in it.
//   - The first process of a container is beyond SIGABRT, since the kernel shields it from each signal that it does
//     not catch. There dmm starts itself once more and waits, see [attend].
package process

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Signals takes the signals that ask dmm to stop: SIGTERM, SIGINT and SIGHUP, but for those that it was started to
// ignore, as nohup does with the last.
var Signals = make(chan os.Signal, 8)

func init() {
	signal.Notify(Signals, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(Signals, s)
		}
	}
	// It is not ignored, since programs that credentials are asked of would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	debug.SetTraceback("crash")
	keepMemory()
	if os.Getpid() == 1 {
		if code, err := attend(); err == nil {
			os.Exit(code)
		} else {
			fmt.Fprintf(os.Stderr, "dmm: %v; it goes on as process 1, where a crash ends with 2\n", err)
		}
	}
}

// attend is what the first process of a container does: it starts dmm once more, passes on the signals that are sent
// to a container, and ends as dmm does, with 128 and the number of the signal if that is what dmm died of.
func attend() (code int, err error) {
	// Those that Go would end this process for, with 2, are passed on too.
	signal.Notify(Signals, syscall.SIGQUIT, syscall.SIGABRT)
	defer signal.Reset(syscall.SIGQUIT, syscall.SIGABRT)
	dmm, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // a signal of the terminal comes to this process, which passes it on once
	})
	if err != nil {
		return 0, fmt.Errorf("start dmm as a process that can be ended: %w", err)
	}
	var asked os.Signal // to stop, the first time
	ended := make(chan syscall.WaitStatus)
	go func() {
		state, err := dmm.Wait()
		if err != nil { // nobody else waits for it
			panic(err)
		}
		ended <- state.Sys().(syscall.WaitStatus)
	}()
	for {
		select {
		case s := <-Signals:
			if asked == nil && s != syscall.SIGQUIT && s != syscall.SIGABRT {
				asked = s
			}
			_ = dmm.Signal(s) // it has ended, or it hears
		case status := <-ended:
			switch {
			case !status.Signaled():
				return status.ExitStatus(), nil
			case status.Signal() == asked: // it had not come so far as to catch it: nothing has begun
				return Interrupted, nil
			}
			by := status.Signal()
			fmt.Fprintf(os.Stderr, "dmm: ended by signal %d (%s): run it again, and it goes on where it was\n", by, by)
			return 128 + int(by), nil
		}
	}
}

// Interrupted is the exit code of a run that was asked to stop.
const Interrupted = 75

// keepMemory keeps the process's memory, in which there is a credential, out of files and of whatever takes the
// node's core dumps.
func keepMemory() {
	// Both can only forbid what they are about. Where they fail, the node's settings decide, as they would without them.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err == nil {
		limit.Cur = 0 // bytes
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
	_ = undumpable()
}
