package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// The smallest terminal that there is has 24 rows of 80 columns, and its last row is the prompt's.
func TestTheHelpFitsAScreen(t *testing.T) {
	t.Parallel()
	help := dmm(t, nil, "help").stdout
	if rows := strings.Count(help, "\n"); rows > 23 {
		t.Errorf("the help has %d rows, want 23 at most:\n%s", rows, help)
	}
	for line := range strings.Lines(help) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("a row has %d columns: %q", n, line)
		}
	}
	for _, m := range modes.All() {
		if !regexp.MustCompile(`[ ,]` + m.Name + `\b`).MatchString(help) {
			t.Errorf("the help does not name %s", m.Name)
		}
	}
}

// Whatever the exit code, the last line tells what to type, or do, next.
func TestEachExitCodeTellsWhatIsNext(t *testing.T) {
	t.Parallel()
	fresh := func(env ...string) *site {
		s := newSite(t, quick(), env...)
		s.dmm("snapshot").want(t, exitDone)
		return s
	}
	next := regexp.MustCompile(`Next: .*\bdmm [a-z]+`)
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(modes.ErrInterrupted)
	cases := map[int][]func() outcome{
		exitDone: {
			func() outcome { return newSite(t, quick()).dmm("snapshot") },
			func() outcome { return fresh().dmm("shutdown") },
		},
		exitFailed: {func() outcome {
			return dmm(t, fresh().with("DOMINO_HOSTNAME="+closedPort(t)), "shutdown")
		}},
		exitUsage: {
			func() outcome { return dmm(t, fresh().without("DMM_STORE"), "shutdown") },
			func() outcome { return dmm(t, nil, "shutdwn") },
			func() outcome { return dmm(t, nil, "shutdown", "--stroe", "x") },
			func() outcome { return fresh().dmm("close") },
			func() outcome { return fresh().dmm("report", "one", "two") },
		},
		exitPartial: {func() outcome {
			s := fresh()
			for _, o := range s.sim.Objects(dominosim.KindApp) {
				s.sim.AddFault(dominosim.Fault{Name: "apps do not stop", Method: "POST", Path: "/v4/modelProducts/{id}/stop", Object: o.ID, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
			}
			return dmm(t, s.with("DMM_MAX_FAILURES=1"), "shutdown")
		}},
		exitRefused: {
			func() outcome { return dmm(t, fresh().with("DMM_SNAPSHOT_MAX_AGE=1ns"), "shutdown") },
			func() outcome {
				s := fresh()
				s.dmm("shutdown").want(t, exitDone)
				return s.dmm("status", "--refuse-open")
			},
		},
		exitNotFound: {
			func() outcome { return newSite(t, quick()).dmm("restore") },
			func() outcome { return fresh().dmm("report", "7") },
		},
		exitCredentials: {func() outcome { return dmm(t, fresh().with("DOMINO_API_KEY="+userKey), "snapshot") }},
		exitFindings:    {func() outcome { return fresh().dmm("audit") }},
		exitDeadline:    {func() outcome { return dmm(t, fresh().with("DMM_DEADLINE=1ns"), "shutdown") }},
		exitInterrupted: {func() outcome { return dmmContext(interrupted, t, fresh().env, "shutdown") }},
	}
	for _, e := range exits {
		if len(cases[e.code]) == 0 {
			t.Errorf("no case for code %d", e.code)
		}
		for _, run := range cases[e.code] {
			o := run()
			o.want(t, e.code)
			last := lastLine(o.stdout)
			if o.stdout == "" {
				last = lastLine(o.stderr)
			}
			if !next.MatchString(last) {
				t.Errorf("code %d ends with %q, want the next command in it", e.code, last)
			}
		}
	}
}

// With --output json every mode writes one JSON value to standard output, and nothing beside it.
func TestEveryModeHasJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick(), "DMM_YES=true", "DMM_REASON=enough", "DMM_LISTEN=127.0.0.1:0")
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	s.dmm("restore").want(t, exitDone)
	old := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(old, []byte(s.dmm("export").stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := map[string]string{"import": old}
	for _, m := range modes.All() {
		t.Run(m.Name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if m.Name == "simulate" {
				defer time.AfterFunc(time.Second, func() { cancel(modes.ErrInterrupted) }).Stop()
			}
			args := []string{m.Name, "--output", "json"}
			if a := arguments[m.Name]; a != "" {
				args = append(args, a)
			}
			var stdout, stderr bytes.Buffer // not by dmmContext: simulate tells its key
			code := run(ctx, args, s.env, &stdout, &stderr)
			o := outcome{code, stdout.String(), stderr.String()}
			d := json.NewDecoder(strings.NewReader(o.stdout))
			var v map[string]any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("code %d, %v:\n%s\n%s", o.code, err, o.stdout, o.stderr)
			}
			if err := d.Decode(&v); err != io.EOF {
				t.Errorf("there is more than one value:\n%s", o.stdout)
			}
			if schema, _ := v["schema"].(string); !slices.Contains([]string{"dmm.result/v1", "dmm.report/v1"}, schema) && m.Name != "export" {
				t.Errorf("the schema is %q", schema)
			}
		})
	}
}
