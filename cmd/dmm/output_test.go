package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// With --output json a mode that ran writes one JSON object, however it ended, and nothing else.
func TestJSONOutputIsOneObject(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		next    bool // there is something to type next
	}{
		{"version", nil, []string{"version"}, exitDone, false},
		{"nothing found", s.env, []string{"restore"}, exitNotFound, true},
		{"a usage error of the mode", s.env, []string{"close"}, exitUsage, true},
		{"wrong key", s.with("DOMINO_API_KEY=" + userKey), []string{"snapshot"}, exitCredentials, true},
		{"snapshot", s.env, []string{"snapshot"}, exitDone, true},
		{"a plan", s.env, []string{"shutdown", "--dry-run"}, exitDone, true},
		{"refused", s.with("DMM_SNAPSHOT_MAX_AGE=1ns"), []string{"shutdown"}, exitRefused, true},
		{"shutdown", s.env, []string{"shutdown"}, exitDone, true},
		{"status", s.env, []string{"status"}, exitDone, true},
		{"restore", s.env, []string{"restore"}, exitDone, false},
	} {
		o := dmm(t, c.environ, append(c.args, "--output", "json")...)
		if o.code != c.code {
			t.Fatalf("%s: exit code %d, want %d\n%s", c.name, o.code, c.code, o.stderr)
		}
		var result struct {
			Schema, Mode, Message, Next string
			Code                        int
		}
		d := json.NewDecoder(strings.NewReader(o.stdout))
		if err := d.Decode(&result); err != nil {
			t.Errorf("%s: standard output %q: %v", c.name, o.stdout, err)
			continue
		}
		if d.More() || strings.Count(o.stdout, "\n") != 1 {
			t.Errorf("%s: standard output has more than one line with one object:\n%s", c.name, o.stdout)
		}
		if result.Schema != "dmm.result/v1" || result.Mode != c.args[0] || result.Code != c.code || result.Message == "" || (result.Next != "") != c.next {
			t.Errorf("%s: the result is %+v, want schema dmm.result/v1, mode %s, code %d, a message, and a next step: %t", c.name, result, c.args[0], c.code, c.next)
		}
	}
}

// In text, results go to standard output, logs and the reasons of failures to standard error.
func TestTextOutputKeepsResultAndLogApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	o := s.dmm("snapshot")
	o.want(t, exitDone)
	for _, want := range []string{"snapshot  " + s.snapshotID(), "kind", "App", "ModelAPI", "Workspace", "ScheduledJob"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("standard output lacks %q:\n%s", want, o.stdout)
		}
	}
	if last := lastLine(o.stdout); !strings.HasPrefix(last, "Snapshot ") || !strings.HasSuffix(last, "Next: see to the 2 errors above, then dmm snapshot again; or, if they may stay, dmm shutdown") {
		t.Errorf("the last line is %q, want what happened and what to type", last)
	}
	for line := range strings.Lines(o.stderr) {
		if !json.Valid([]byte(line)) {
			t.Errorf("standard error is no terminal and has %q, want JSON logs only", line)
		}
	}
	if !strings.Contains(o.stderr, `"msg":"connected"`) || strings.Contains(o.stdout, "connected") {
		t.Errorf("the log is not on standard error alone\nstdout: %s\nstderr: %s", o.stdout, o.stderr)
	}
	if o := s.dmm("snapshot", "--log-format", "text", "--log-level", "warn"); strings.Contains(o.stderr, "connected") {
		t.Errorf("a log of warnings has %q", o.stderr)
	}

	refused := dmm(t, s.with("DMM_SNAPSHOT_MAX_AGE=1ns"), "shutdown")
	refused.want(t, exitRefused)
	if refused.stdout != "" {
		t.Errorf("a refusal writes %q to standard output", refused.stdout)
	}
	if last := lastLine(refused.stderr); !strings.HasPrefix(last, "dmm shutdown: refused: ") || !strings.HasSuffix(last, "Next: dmm snapshot") {
		t.Errorf("the last line is %q, want the reason and what to type", last)
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// A message and the next step are two sentences.
func TestTheNextStepIsASentenceOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	o := s.dmm("status")
	o.want(t, exitNotFound)
	if before, _, _ := strings.Cut(lastLine(o.stderr), " Next: "); !strings.HasSuffix(before, ".") {
		t.Errorf("%q runs into its next step", lastLine(o.stderr))
	}
}

func TestAnUnknownVariableIsAWarning(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	o := dmm(t, s.with("DMM_KIND=App", "DMM_PORT=tcp://10.0.0.7:80"), "snapshot")
	o.want(t, exitDone, "did you mean DMM_KINDS?")
	if strings.Contains(o.stderr, "DMM_PORT") {
		t.Errorf("what Kubernetes says of a Service is warned of:\n%s", o.stderr)
	}
}

func TestAModeComesFromTheEnvironmentToo(t *testing.T) {
	t.Parallel()
	byName, byVariable := dmm(t, nil, "version"), dmm(t, []string{"DMM_MODE=version"})
	if byName != byVariable || byName.code != exitDone || byName.stdout != "dmm dev\n" {
		t.Errorf("dmm version gives %+v and DMM_MODE=version %+v, want code 0 and dmm dev", byName, byVariable)
	}
	if o := dmm(t, []string{"DMM_MODE=snapshot"}, "version"); o != byName {
		t.Errorf("with an argument and DMM_MODE the result is %+v, want the argument's", o)
	}
	if o := dmm(t, []string{"DMM_MODE="}); o.code != exitUsage {
		t.Errorf("an empty DMM_MODE gives %d, want 2: no mode", o.code)
	}
}

func TestFlagsWinOverVariables(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	env := s.with("DMM_STORE=mem:", "DOMINO_HOSTNAME=http://wrong.invalid")
	dmm(t, env, "snapshot", "--store", "file://"+s.folder, "--domino-hostname", s.url).want(t, exitDone)
	if len(s.objects()) != 3 {
		t.Errorf("the store of the flag holds %q, want a snapshot and the metrics", s.objects())
	}
}

// Help costs no settings and goes to standard output.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"help"}, []string{"dmm MODE [flags]", "snapshot   record what runs", "shutdown ", "restore ", "status ", "close ", "simulate", "demo", "version", "DMM_MODE"}},
		{[]string{"--help"}, []string{"dmm MODE [flags]"}},
		{[]string{"snapshot", "--help"}, []string{"dmm snapshot [flags]", "Records every execution in Domino", "marked incomplete"}},
		{[]string{"help", "restore"}, []string{"dmm restore [flags]"}},
		{[]string{"flags"}, []string{"--store", "--domino-hostname", "--lease"}},
	} {
		o := dmm(t, nil, c.args...)
		if o.code != exitDone || o.stderr != "" {
			t.Errorf("dmm %q ends with %d and says %q on standard error, want 0 and nothing", c.args, o.code, o.stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(o.stdout, want) {
				t.Errorf("dmm %q does not say %q:\n%s", c.args, want, o.stdout)
			}
		}
		for _, secret := range []string{"--domino-api-key ", "--domino-token "} {
			if strings.Contains(o.stdout, secret) {
				t.Errorf("dmm %q has a flag %s, which would show in ps", c.args, secret)
			}
		}
	}
}

// The help names a command that lists the flags. It does.
func TestTheHelpKeepsItsPromise(t *testing.T) {
	t.Parallel()
	promise := regexp.MustCompile(`"dmm ([a-z ]+)" lists`).FindStringSubmatch(dmm(t, nil, "help").stdout)
	if promise == nil {
		t.Fatal("the help does not say where the flags are listed")
	}
	dmm(t, nil, strings.Fields(promise[1])...).want(t, exitDone, "--store", "--domino-hostname", "--lease")
}

// A run that was told to stop ends with 75, also when it is the store that notices.
func TestAnInterruptedRunEndsWith75(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(modes.ErrInterrupted)
	for _, args := range [][]string{{"snapshot"}, {"shutdown"}, {"restore"}, {"status"}, {"close", "--reason", "none"}} {
		t.Run(args[0], func(t *testing.T) {
			dmmContext(ctx, t, s.env, args...).want(t, exitInterrupted, "stopped by a signal", "Next: dmm "+args[0])
		})
	}
	s.wantNothingTouched()
}

// The process itself: arguments and environment in, streams and exit code out.
func TestTheProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, c := range []struct {
		environ []string
		args    []string
		code    int
		stdout  string
		stderr  string
	}{
		{nil, []string{"version"}, exitDone, "dmm dev\n", ""},
		{[]string{"DMM_MODE=version"}, nil, exitDone, "dmm dev\n", ""},
		{nil, []string{"shutdwn"}, exitUsage, "", "dmm: unknown mode \"shutdwn\": did you mean shutdown?\n"},
		{s.with("DOMINO_API_KEY=" + userKey), []string{"snapshot"}, exitCredentials, "", "dmm snapshot: "},
		{s.env, []string{"restore"}, exitNotFound, "", "dmm restore: "},
		{s.env, []string{"snapshot"}, exitDone, "Snapshot ", `"msg":"connected"`},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], c.args...)
		cmd.Env = append(slices.Clone(c.environ), actAsDmm+"=true")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // the exit code says it
		if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("dmm %q: code %d, stdout %q, stderr %q; want %d, %q and %q", c.args, got, stdout.String(), stderr.String(), c.code, c.stdout, c.stderr)
		}
		if c.stdout == "" && stdout.Len() > 0 {
			t.Errorf("dmm %q writes %q to standard output, want nothing", c.args, stdout.String())
		}
	}
}
