// Command testrun runs go test and says how it goes, as make test shows it: each package as it ends, what still runs when
// nothing has ended for a while, and at the end what failed, what was sampled, what was skipped and why, and how long it took.
//
//	go run ./scripts/testrun [flags of go test] [packages]
//
// A test says that it draws a sample with t.Attr("sampled", ...), and that it leaves something out with t.Skip.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/test/draw"
)

// silence is how long nothing is said before progress is.
const silence = 15 * time.Second

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append([]string{"test", "-json"}, args...)...)
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}

	var mu sync.Mutex // of what follows
	began := time.Now()
	last := began // when something was said
	t := newTally(slices.Contains(args, "-v"))
	say := func(text string) {
		if text != "" {
			_, _ = io.WriteString(stdout, text)
			last = time.Now()
		}
	}

	var readers sync.WaitGroup
	read := func(from io.Reader, fold func(line []byte) string) {
		readers.Go(func() {
			lines := bufio.NewReader(from) // without a limit to a line's length: a test may log much
			for {
				line, err := lines.ReadBytes('\n')
				mu.Lock()
				say(fold(line))
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	read(events, t.event)
	read(messages, t.message)
	stop := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() {
		for tick := time.Tick(time.Second); ; {
			select {
			case <-stop:
				return
			case <-tick:
				mu.Lock()
				if time.Since(last) >= silence {
					say(t.progress(time.Since(began)))
				}
				mu.Unlock()
			}
		}
	})
	readers.Wait()
	close(stop)
	clock.Wait()
	ended := cmd.Wait()
	say(t.summary(time.Since(began)))
	switch {
	case len(t.failed) > 0:
		return errors.New("tests failed")
	case ended != nil:
		return fmt.Errorf("go test: %w", ended)
	case t.passed == 0:
		return errors.New("no test ran")
	case draw.All() && len(t.sampled) > 0:
		return errors.New("all was to be drawn, and was not")
	}
	return nil
}
