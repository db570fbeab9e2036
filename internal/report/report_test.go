package report_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

var update = flag.Bool("update", false, "write the golden files anew")

var began = time.Date(2026, 9, 22, 19, 2, 27, 0, time.UTC)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update if it is meant):\n%s", path, diff)
	}
}

func text(t *testing.T, r *report.Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func result(mode string) *report.Result {
	return &report.Result{
		Schema: report.Schema, Mode: mode, Domino: "https://domino.example.com 6.1.0", As: "integration.admin",
		Snapshot: "20260922-190227-k3f9", Began: began, Took: 41 * time.Second,
	}
}

// executions are what a window is about, two projects of them.
func executions() []execution.Execution {
	churn := execution.Project{ID: "p1", Owner: "a.okafor", Name: "churn-forecast"}
	risk := execution.Project{ID: "p2", Owner: "b.keller", Name: "credit-risk"}
	of := func(k execution.Kind, id, name string, p execution.Project, owner string, s execution.State) execution.Execution {
		return execution.Execution{Kind: k, ID: id, Name: name, Project: p, Owner: owner, State: s, Instance: "i-" + id}
	}
	return []execution.Execution{
		of(execution.App, "a1", "dashboard", churn, "a.okafor", execution.Running),
		of(execution.App, "a2", "explorer", risk, "b.keller", execution.Running),
		of(execution.App, "a3", "monitor", risk, "", execution.Running),
		of(execution.App, "a4", "old", risk, "b.keller", execution.Stopped),
		of(execution.ModelAPI, "m1", "scorer v5", churn, "a.okafor", execution.Running),
		of(execution.Workspace, "w1", "Notebook", churn, "c.rossi", execution.Starting),
		of(execution.ScheduledJob, "s1", "Nightly refresh", risk, "b.keller", execution.Running),
	}
}

func key(kind execution.Kind, id string) execution.Key { return execution.Key{Kind: kind, ID: id} }

// stopped is the journal of a shutdown in which one app was stopped by its owner, one
// does not stop, and one is not done yet.
func stopped() []window.Line {
	var lines []window.Line
	line := func(l window.Line) { l.At = began; lines = append(lines, l) }
	line(window.Line{Event: window.Begin, Holder: &window.Holder{Mode: window.ModeShutdown}})
	for _, e := range executions() {
		if e.State.Up() && e.ID != "a2" && e.ID != "m1" {
			line(window.IntentOf(window.Stop, e, 1))
		}
	}
	line(window.OutcomeOf(window.Done, window.Stop, key(execution.App, "a1"), "", "", 1))
	line(window.OutcomeOf(window.NotOurs, window.Stop, key(execution.App, "a2"), "", "it was stopped before dmm stopped it (Domino says Stopped)", 0))
	line(window.OutcomeOf(window.Failed, window.Stop, key(execution.App, "a3"), "", "it was not at the goal within 10m0s: Domino says Stopping", 1))
	line(window.OutcomeOf(window.Done, window.Stop, key(execution.Workspace, "w1"), "", "", 1))
	line(window.OutcomeOf(window.Done, window.Stop, key(execution.ScheduledJob, "s1"), "", "its definition differs from the one before in title, please check it", 1))
	return lines
}

func TestAPartialShutdown(t *testing.T) {
	r := result("shutdown")
	r.Code, r.Window = 3, "000017"
	r.Stopping(window.Remaining(executions(), stopped()), execution.Filter{})
	r.Note("2 apps published by others will run as integration.admin after the restore, with that user's rights")
	r.Message, r.Next = "Shutdown is partial: 4 of 6 executions are down, 1 failed, 1 remain.", "dmm shutdown"

	want := []report.KindCount{
		{Kind: execution.App, Total: 3, Done: 1, Failed: 1, NotOurs: 1},
		{Kind: execution.ModelAPI, Total: 1, Remaining: 1},
		{Kind: execution.Workspace, Total: 1, Done: 1},
		{Kind: execution.ScheduledJob, Total: 1, Done: 1},
	}
	if diff := cmp.Diff(want, r.Kinds); diff != "" {
		t.Errorf("Kinds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(report.KindCount{Total: 6, Done: 3, Failed: 1, NotOurs: 1, Remaining: 1}, r.Sum()); diff != "" {
		t.Errorf("Sum (-want +got):\n%s", diff)
	}
	golden(t, "shutdown-partial.txt", text(t, r))
}

// A shutdown counts what its filter lets it touch, and no more.
func TestAShutdownWithAFilter(t *testing.T) {
	r := result("shutdown")
	r.Stopping(window.Remaining(executions(), stopped()), execution.Filter{Owners: []string{"c.rossi"}})
	if diff := cmp.Diff([]report.KindCount{{Kind: execution.Workspace, Total: 1, Done: 1}}, r.Kinds); diff != "" {
		t.Errorf("Kinds (-want +got):\n%s", diff)
	}
	if len(r.Executions) != 1 || r.Executions[0].ID != "w1" {
		t.Errorf("Executions = %+v, want the workspace alone", r.Executions)
	}
}

// restored is the journal of a whole maintenance: one comes back with something to know,
// one is left to its owner, and what its owner had stopped stays down.
func restored() []window.Line {
	lines := stopped()
	line := func(l window.Line) { l.At = began.Add(time.Hour); lines = append(lines, l) }
	line(window.Line{Event: window.Quiet})
	code := 0
	line(window.Line{Event: window.End, Code: &code})
	line(window.Line{Event: window.Begin, Holder: &window.Holder{Mode: window.ModeRestore}})
	for _, e := range executions() {
		if e.State.Up() && e.ID != "a2" && e.ID != "m1" {
			line(window.IntentOf(window.Start, e, 1))
		}
	}
	line(window.OutcomeOf(window.Done, window.Start, key(execution.App, "a1"), "i2", "", 1))
	line(window.OutcomeOf(window.Done, window.Start, key(execution.App, "a3"), "i-a3", "it had never gone down", 0))
	line(window.OutcomeOf(window.Left, window.Start, key(execution.Workspace, "w1"), "", "only its owner can start it: 403 forbidden", 1))
	line(window.OutcomeOf(window.Done, window.Start, key(execution.ScheduledJob, "s1"), "", "", 1))
	line(window.Line{Event: window.Closed})
	return lines
}

func TestARestoreThatIsDone(t *testing.T) {
	r := result("restore")
	r.Window = "000017"
	r.Starting(window.Remaining(executions(), restored()), execution.Filter{})
	r.Message = "Restore is done: 3 of 4 executions are back, 1 are left as listed; window 000017 is closed."
	if diff := cmp.Diff(report.KindCount{Total: 4, Done: 3, Left: 1}, r.Sum()); diff != "" {
		t.Errorf("Sum (-want +got):\n%s", diff)
	}
	golden(t, "restore-done.txt", text(t, r))
}

// What an owner stopped is no business of a restore, but the shutdown that found it so says it.
func TestWhatIsNotOursIsReportedByTheShutdown(t *testing.T) {
	b := window.Remaining(executions(), restored())
	r := result("shutdown")
	r.Stopping(b, execution.Filter{})
	if sum := r.Sum(); sum.NotOurs != 1 {
		t.Errorf("the shutdown counts %d not ours, want 1", sum.NotOurs)
	}
	r.Starting(b, execution.Filter{})
	for _, e := range r.Executions {
		if e.ID == "a2" || e.ID == "a4" {
			t.Errorf("the restore is about %s, which is not ours", e.Name)
		}
	}
}

func TestASnapshot(t *testing.T) {
	r := result("snapshot")
	r.Kinds = []report.KindCount{
		{Kind: execution.App, Running: 12, NotRunning: 3},
		{Kind: execution.ModelAPI},
		{Kind: execution.Workspace, Running: 101, NotRunning: 1840},
		{Kind: execution.ScheduledJob, Running: 7},
	}
	faulty := executions()[2]
	faulty.State = execution.Unknown
	r.Executions = []report.Execution{report.ExecutionOf(faulty, "unknown", "Domino says Faulty")}
	r.Note(`2 running executions of kind "Batch": dmm does not handle these, and an upgrade would end them`)
	r.Note(`2 running executions of kind "Batch": dmm does not handle these, and an upgrade would end them`) // said once
	r.Message, r.Next = "Snapshot 20260922-190227-k3f9 is written: 120 executions running.", "dmm shutdown"
	golden(t, "snapshot.txt", text(t, r))
}

func TestADryRun(t *testing.T) {
	r := result("shutdown")
	r.DryRun = true
	e := executions()
	e[0].Guesses = []string{"Domino does not tell its mounts: all local external volumes of its project will be mounted", "another guess"}
	r.Executions = []report.Execution{
		report.ExecutionOf(e[6], "planned", "it runs"),
		report.ExecutionOf(e[0], "planned", "it runs; not before 2026-09-22T19:03:47Z"),
		report.ExecutionOf(e[1], "left", "excluded by the filter"),
	}
	r.Message, r.Next = "Dry run, nothing was touched: shutdown would stop 2 executions.", "dmm shutdown"
	golden(t, "dry-run.txt", text(t, r))
}

func TestAResultOfOneLine(t *testing.T) {
	r := &report.Result{Mode: "version", Message: "dmm 1.0.0"}
	if got, want := text(t, r), "dmm 1.0.0\n"; got != want {
		t.Errorf("WriteText = %q, want %q", got, want)
	}
}

// Programs rely on these names.
func TestJSON(t *testing.T) {
	r := result("restore")
	r.Code, r.DryRun, r.Window = 3, true, "000017"
	r.Starting(window.Remaining(executions(), restored()), execution.Filter{})
	r.Kinds = append(r.Kinds, report.KindCount{
		Kind: "Endpoint", Running: 1, NotRunning: 2, Total: 3, Done: 4, Failed: 5, Left: 6, NotOurs: 7, Remaining: 8,
	})
	r.Executions[0].Guesses = []string{"a <guess> & more"}
	r.Note("a note")
	r.Message, r.Next = "Restore is partial.", "dmm restore"
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "\n"); got != 1 || !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("the result has %d lines, want one", got)
	}
	if !strings.Contains(b.String(), "a <guess> & more") {
		t.Error("the guess is escaped for a web page that nobody shows it on")
	}
	golden(t, "result.json", indented(t, b.String()))

	var back report.Result
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &back); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

// What has nothing to say is left out; what programs decide on is always there.
func TestJSONOfLittle(t *testing.T) {
	var b strings.Builder
	r := &report.Result{Schema: report.Schema, Mode: "version", Message: "dmm 1.0.0"}
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":"dmm.result/v1","mode":"version","code":0,"began":"0001-01-01T00:00:00Z","took":0,"message":"dmm 1.0.0"}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("WriteJSON (-want +got):\n%s", diff)
	}
}

func indented(t *testing.T, line string) string {
	t.Helper()
	var v json.RawMessage = []byte(line)
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// MarshalIndent escapes for web pages, which the line itself does not.
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(out)) + "\n"
}

func TestLastLine(t *testing.T) {
	for _, tt := range []struct{ message, next, want string }{
		{"Restore is done.", "", "Restore is done."},
		{"Shutdown is done.", "dmm restore", "Shutdown is done. Next: dmm restore"},
	} {
		r := &report.Result{Message: tt.message, Next: tt.next}
		if got := r.LastLine(); got != tt.want {
			t.Errorf("LastLine() = %q, want %q", got, tt.want)
		}
		if lines := strings.Split(strings.TrimRight(text(t, r), "\n"), "\n"); lines[len(lines)-1] != tt.want {
			t.Errorf("the last line is %q, want %q", lines[len(lines)-1], tt.want)
		}
	}
}

func TestLongListsAreCut(t *testing.T) {
	for _, tt := range []struct {
		n, lines int
		cut      string
	}{
		{100, 100, ""},
		{101, 100, "  ... and 1 more; --output json lists all\n"},
		{1234, 100, "  ... and 1134 more; --output json lists all\n"},
	} {
		r := &report.Result{Message: "end"}
		for i := range tt.n {
			r.Executions = append(r.Executions, report.Execution{Kind: execution.App, ID: fmt.Sprint(i), Outcome: "failed", Reason: "no"})
		}
		r.Executions = append(r.Executions, report.Execution{Kind: execution.App, ID: "other", Outcome: "left", Reason: "no"})
		got := text(t, r)
		if n := strings.Count(got, "  App ") - 1; n != tt.lines {
			t.Errorf("of %d that failed %d are listed, want %d", tt.n, n, tt.lines)
		}
		if !strings.Contains(got, tt.cut) || strings.Contains(got, "more;") != (tt.cut != "") {
			t.Errorf("of %d that failed the report says:\n%s\nwant %q in it", tt.n, got[max(0, len(got)-300):], tt.cut)
		}
		if !strings.Contains(got, "(other)") {
			t.Error("a list that is cut takes the one after it away")
		}
		if len(r.Executions) != tt.n+1 {
			t.Errorf("the result has %d executions after it was printed, want %d", len(r.Executions), tt.n+1)
		}
	}
}

// What went well and has nothing to be known is counted, not listed.
func TestQuiet(t *testing.T) {
	for _, tt := range []struct {
		outcome, reason string
		want            bool
	}{
		{"done", "", true},
		{"done", "it had never gone down", false},
		{"failed", "", false},
		{"left", "", false},
		{"remaining", "", false},
	} {
		if got := (report.Execution{Outcome: tt.outcome, Reason: tt.reason}).Quiet(); got != tt.want {
			t.Errorf("Quiet() of %s %q = %t, want %t", tt.outcome, tt.reason, got, tt.want)
		}
	}
}

// The window of a newer version may hold kinds that this one does not know.
func TestAKindOfANewerVersionIsCounted(t *testing.T) {
	r := result("shutdown")
	e := []execution.Execution{{Kind: "Pipeline", ID: "e1", Name: "chat", State: execution.Running}}
	r.Stopping(window.Remaining(e, nil), execution.Filter{})
	if diff := cmp.Diff([]report.KindCount{{Kind: "Pipeline", Total: 1, Remaining: 1}}, r.Kinds); diff != "" {
		t.Errorf("Kinds (-want +got):\n%s", diff)
	}
}

func TestKindsOfANewerVersionHaveAnOrder(t *testing.T) {
	e := []execution.Execution{
		{Kind: "Balloon", ID: "1", State: execution.Running}, {Kind: "Comet", ID: "1", State: execution.Running},
		{Kind: "Rocket", ID: "1", State: execution.Running}, {Kind: "Kite", ID: "1", State: execution.Running},
	}
	for range 20 {
		r := result("shutdown")
		r.Stopping(window.Remaining(e, nil), execution.Filter{})
		var got []execution.Kind
		for _, c := range r.Kinds {
			got = append(got, c.Kind)
		}
		if diff := cmp.Diff([]execution.Kind{"Balloon", "Comet", "Kite", "Rocket"}, got); diff != "" {
			t.Fatalf("Kinds (-want +got):\n%s", diff)
		}
	}
}

// hostile is what somebody may call a thing in Domino: it ends the line, forges another,
// clears the screen and paints it.
const hostile = "x\nFailed, still to be dealt with:\r\x1b[2J\x1b[31m\a\b\x7f"

func TestNamesAndReasonsBreakNeitherLinesNorTheTerminal(t *testing.T) {
	for _, outcome := range []string{"failed", "unknown", "remaining", "planned", "left", "not-ours", "done"} {
		r := &report.Result{Message: "end", Executions: []report.Execution{
			{Kind: execution.App, ID: "a1", Name: hostile, Project: "o/p", Outcome: outcome, Reason: hostile},
		}}
		wantPlain(t, outcome, text(t, r), 4)
	}
}

// Names come from users, notes from Domino's own words: none of them may forge a line.
func TestNothingThatSomebodyElseWroteBreaksAReport(t *testing.T) {
	one := func(e report.Execution) *report.Result {
		e.Outcome = "planned"
		return &report.Result{Message: "end", Executions: []report.Execution{e}}
	}
	for _, tt := range []struct {
		what   string
		result *report.Result
		lines  int
	}{
		{"project", one(report.Execution{Project: hostile}), 4},
		{"owner", one(report.Execution{Owner: hostile}), 4},
		{"id", one(report.Execution{ID: hostile}), 4},
		{"kind", one(report.Execution{Kind: execution.Kind(hostile)}), 4},
		{"guess", one(report.Execution{Guesses: []string{hostile}}), 5},
		{"note", &report.Result{Message: "end", Notes: []string{hostile}}, 4},
		{"whose key it is", &report.Result{Message: "end", As: hostile}, 3},
		{"Domino's version", &report.Result{Message: "end", Domino: hostile}, 3},
		{"message", &report.Result{Message: hostile}, 1},
		{"C1 controls in a reason, which some terminals obey as well", one(report.Execution{Reason: "\u009b2J\u0085"}), 4},
		{"a line separator in a reason", one(report.Execution{Reason: "x\u2028y"}), 4},
		{"a reason that is read backwards", one(report.Execution{Reason: "x\u202ey"}), 4},
	} {
		got := text(t, tt.result)
		wantPlain(t, tt.what, got, tt.lines)
		if strings.ContainsAny(got, "\u2028\u202e") {
			t.Errorf("%s: the report has characters in it that move others:\n%q", tt.what, got)
		}
	}
}

// wantPlain fails unless a report is of so many lines and has nothing in it that a terminal obeys.
func wantPlain(t *testing.T, what, got string, lines int) {
	t.Helper()
	if n := strings.Count(got, "\n"); n != lines {
		t.Errorf("%s: the report has %d lines, want %d:\n%q", what, n, lines, got)
	}
	if strings.ContainsFunc(got, func(c rune) bool { return c != '\n' && c != '\t' && (c < ' ' || c >= 0x7f && c < 0xa0) }) {
		t.Errorf("%s: the report has control characters in it:\n%q", what, got)
	}
}

// brokenPipe is where a report cannot be written to.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestAReportThatCannotBeWrittenIsAnError(t *testing.T) {
	r := result("status")
	if err := r.WriteText(brokenPipe{}); err == nil {
		t.Error("WriteText = nil, want an error")
	}
	if err := r.WriteJSON(brokenPipe{}); err == nil {
		t.Error("WriteJSON = nil, want an error")
	}
}
