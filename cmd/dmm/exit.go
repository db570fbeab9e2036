package main

import (
	"strings"

	"github.com/domino-maintenance-mode/dmm/cmd/dmm/process"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// The exit codes are an API: the chart's pod failure policy and people's scripts rely on
// them. This table is their only place.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitRefused     = 4
	exitNotFound    = 5
	exitCredentials = 6
	exitFindings    = 7
	exitDeadline    = 74
	exitInterrupted = process.Interrupted
)

var exits = []struct {
	code    int
	meaning string
	retry   string // whether the same Job should be tried again
}{
	{exitDone, "done", ""},
	{exitFailed, "failed, a crash of dmm included, and nothing is known to be wrong with the input", "yes"},
	{exitUsage, "usage or configuration; a certificate that is not trusted is one", "no"},
	{exitPartial, "partial: done but for the executions that the result names", "yes, it tries those again"},
	{exitRefused, "refused: a guard said no (snapshot stale, incomplete, damaged or of another deployment; another run at work; superseded)", "no"},
	{exitNotFound, "not found: no snapshot or window of the name that was given, or none at all; never \"could not look\"", "no"},
	{exitCredentials, "Domino refused the credentials or the rights", "no"},
	{exitFindings, "audit has findings", "no"},
	{exitDeadline, "stopped at DMM_DEADLINE, resumable: run it again, with more time", "no"},
	{exitInterrupted, "stopped by a signal (SIGTERM, SIGINT or SIGHUP), resumable: run it again", "yes"},
}

// exitCode maps what a mode returned to its exit code.
func exitCode(res *modes.Result, err error) int {
	if err == nil {
		if res == nil {
			return exitDone
		}
		return res.Code
	}
	switch modes.Classify(err) {
	case modes.FaultUsage:
		return exitUsage
	case modes.FaultRefused:
		return exitRefused
	case modes.FaultNotFound:
		return exitNotFound
	case modes.FaultCredentials:
		return exitCredentials
	case modes.FaultDeadline:
		return exitDeadline
	case modes.FaultInterrupted:
		return exitInterrupted
	}
	return exitFailed
}

// conclude makes one result of what a mode returned: what it found, and why it ended.
func conclude(mode string, res *modes.Result, err error) *modes.Result {
	if res == nil {
		res = modes.NewResult(mode)
	}
	res.Code = exitCode(res, err)
	if err != nil {
		message := err.Error()
		if res.Message != "" {
			message += ". " + res.Message
		}
		res.Message = message
		if next := modes.NextStep(mode, err); next != "" {
			res.Next = next
		}
	}
	return res
}

// faultLines is a line for each fault, as faults of the settings have, and the next step on the last.
func faultLines(res *modes.Result) []string {
	faults := strings.Split(strings.TrimSpace(res.Message), "\n")
	lines := make([]string, len(faults))
	for i, fault := range faults {
		one := modes.Result{Message: fault}
		if i == len(faults)-1 {
			one.Next = res.Next
		}
		lines[i] = one.LastLine()
	}
	return lines
}
