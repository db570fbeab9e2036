package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// The exit codes are an API: the chart's pod failure policy and people's scripts rely on
// them. Whoever changes this file changes that API.
func TestTheExitCodesAreAsPromised(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/exit.golden")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	got.WriteString("code | meaning | retry of the same Job\n")
	for _, e := range exits {
		fmt.Fprintf(&got, "%d | %s | %s\n", e.code, e.meaning, e.retry)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("testdata/exit.golden (-want +got):\n%s", diff)
	}
}

// Every kind of end has its code, and what has none of its own is 1, which is tried again.
func TestEachKindOfErrorHasItsCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitDone},
		{errors.New("the disk is full"), exitFailed},
		{&modes.UsageError{Reason: "two answers"}, exitUsage},
		{&modes.Refusal{Reason: "too old"}, exitRefused},
		{fmt.Errorf("while looking: %w", modes.ErrDeadline), exitDeadline},
		{fmt.Errorf("while looking: %w", modes.ErrInterrupted), exitInterrupted},
		// A run that is told to stop because of a guard has met the guard by chance.
		{errors.Join(modes.ErrInterrupted, &modes.Refusal{Reason: "too old"}), exitInterrupted},
	} {
		if got := exitCode(nil, c.err); got != c.want {
			t.Errorf("exit code of %v is %d, want %d", c.err, got, c.want)
		}
	}
}
