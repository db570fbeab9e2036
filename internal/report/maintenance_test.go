package report_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// maintenance is the window of a journal of this package's tests.
func maintenance(lines []window.Line) (*snapshot.Snapshot, *window.Window) {
	snap := &snapshot.Snapshot{Executions: executions(), Manifest: snapshot.Manifest{
		ID: "20260922-190227-k3f9", Domino: snapshot.Domino{URL: "https://domino.example.com", Version: "6.1.0"},
	}}
	p := window.Pinned{Snapshot: snap.ID, Domino: snap.Domino.URL, Lease: time.Minute}
	w := &window.Window{Number: 17, Pinned: p}
	w.Lines = append(w.Lines, window.Line{At: began, Event: window.Open, Window: &p})
	w.Lines = append(w.Lines, lines...)
	return snap, w
}

func maintenanceText(t *testing.T, m *report.Maintenance) string {
	t.Helper()
	var b strings.Builder
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func maintenanceJSON(t *testing.T, m *report.Maintenance) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheReportOfAMaintenance(t *testing.T) {
	for name, lines := range map[string][]window.Line{"maintenance-stopping": stopped(), "maintenance-done": restored()} {
		m := report.Of(maintenance(lines))
		golden(t, name+".txt", maintenanceText(t, m))
		golden(t, name+".json", indented(t, string(maintenanceJSON(t, m))))
	}
}

// The schema in docs/ is what programs rely on: all that is ever printed keeps to it.
func TestTheReportKeepsToItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	big, bigWindow := sample(300, nil)
	hostileSnap, hostileWindow := sample(50, func(i int) string { return attacks[i%len(attacks)] })
	from, fromWindow := maintenance(restored()[7:])
	fromWindow.Pinned.FromSnapshot = true
	guesses, guessesWindow := maintenance(restored())
	for i := range guesses.Executions {
		guesses.Executions[i].Guesses = []string{"its commit is not known"}
	}
	for name, m := range map[string]*report.Maintenance{
		"nothing yet":         report.Of(maintenance(nil)),
		"stopping":            report.Of(maintenance(stopped())),
		"done":                report.Of(maintenance(restored())),
		"a large one":         report.Of(big, bigWindow),
		"a large one, closed": report.Of(big, closed(bigWindow, big)),
		"hostile names":       report.Of(hostileSnap, hostileWindow),
		"no snapshot":         report.Of(nil, bigWindow),
		"from a snapshot":     report.Of(from, fromWindow),
		"guesses":             report.Of(guesses, guessesWindow),
	} {
		body := maintenanceJSON(t, m)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var back report.Maintenance
		if err := json.Unmarshal(body, &back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// It can refuse.
	broken, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"schema":"dmm.report/v1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(broken) == nil {
		t.Error("the schema takes a report with nothing in it")
	}
}

func entry(t *testing.T, m *report.Maintenance, id string) report.Entry {
	t.Helper()
	i := slices.IndexFunc(m.Entries, func(e report.Entry) bool { return e.ID == id })
	if i < 0 {
		t.Fatalf("the report does not have %s", id)
	}
	return m.Entries[i]
}

// What dmm started without knowing all of how it ran is named in every format, and what others started is not.
func TestWhatCameBackPerhapsNotAsItWas(t *testing.T) {
	snap, w := maintenance(restored())
	for i := range snap.Executions {
		if e := &snap.Executions[i]; e.ID == "a1" || e.State.Down() {
			e.Guesses = []string{"its external volume \"<lake>\" is not registered"}
		}
	}
	m := report.Of(snap, w)
	if m.Verdict != report.VerdictDone && m.Total.Failed == 0 || !strings.Contains(m.Summary, "1 came back perhaps not as before") {
		t.Errorf("verdict %s: %s", m.Verdict, m.Summary)
	}
	if text := maintenanceText(t, m); !strings.Contains(text, "Back, but perhaps not as it was:\n  App a.okafor/churn-forecast \"dashboard\"") ||
		strings.Count(text, "is not registered") != 1 {
		t.Errorf("the text does not name it once:\n%s", text)
	}
	if got := strings.Count(string(maintenanceJSON(t, m)), `"guesses":["its external volume`); got != 1 {
		t.Errorf("the JSON has guesses of %d executions, want 1", got)
	}
	var page strings.Builder
	if err := m.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(page.String(), "h-guessed")
	if !strings.Contains(section, "<b>dashboard</b>") || !strings.Contains(section, "&lt;lake&gt;") {
		t.Error("the page has no section of what came back perhaps not as it was")
	}
}

// What preflights found is told in every form: errors first, once whichever runs found it, with all that it hit at any of them.
func TestWhatWasFoundBeforeIsTold(t *testing.T) {
	ref := func(i int) execution.Ref {
		e := executions()[i]
		return execution.Ref{Key: e.Key(), Name: attacks[i], Project: e.Project.String(), Owner: "<i>o'hara</i>"}
	}
	warning := execution.Finding{Severity: execution.Warning, Code: "token-expires", Message: "the token ends soon", Remedy: "use another"}
	tier := func(hit ...execution.Ref) execution.Finding {
		return execution.Finding{Severity: execution.Error, Code: "tier-archived", Message: "tier <script>x</script> is archived", Remedy: "ask <b>her</b>", Executions: hit}
	}
	lines := []window.Line{
		{At: began, Event: window.Begin, Holder: &window.Holder{Mode: "shutdown", Host: "h"}},
		{At: began, Event: window.Heartbeat, Findings: []execution.Finding{warning, tier(ref(0))}},
		{At: began.Add(time.Hour), Event: window.Begin, Holder: &window.Holder{Mode: "restore", Host: "h"}},
		{At: began.Add(time.Hour), Event: window.Heartbeat, Findings: []execution.Finding{tier(ref(0), ref(1))}},
	}
	m := report.Of(maintenance(lines))
	want := []report.Found{{Finding: tier(ref(0), ref(1)), Runs: []int{0, 1}}, {Finding: warning, Runs: []int{0}}}
	if diff := cmp.Diff(want, m.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if text := maintenanceText(t, m); !strings.Contains(text, `
Found before anything was touched:
  error   tier <script>x</script> is archived
          to do: ask <b>her</b>
          found by shutdown at 22 Sep 19:02:27, restore at 22 Sep 20:02:27
          - `) || !strings.Contains(text, "  warning the token ends soon\n          to do: use another\n          found by shutdown at 22 Sep 19:02:27\n") {
		t.Errorf("the text does not tell of both:\n%s", text)
	}
	var page strings.Builder
	if err := m.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(page.String(), `id="found"`)
	section, _, _ = strings.Cut(section, "</section>")
	for _, want := range []string{"tier &lt;script&gt;x&lt;/script&gt; is archived", "ask &lt;b&gt;her&lt;/b&gt;", "2 executions", "&lt;i&gt;o&#39;hara&lt;/i&gt;", "found by shutdown at"} {
		if !strings.Contains(section, want) {
			t.Errorf("the page's section does not have %q:\n%s", want, section)
		}
	}
	if strings.Contains(section, "<script") || strings.Contains(section, "<i>") {
		t.Errorf("names of users are not escaped:\n%s", section)
	}
	if m.Findings = nil; strings.Contains(maintenanceText(t, m), "Found before") {
		t.Error("a heading without anything below it")
	}
}

func TestThePageShowsNoDowntimeOfWhatIsNotBack(t *testing.T) {
	var page strings.Builder
	if err := report.Of(sample(300, nil)).WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(page.String(), `id="data">`)
	body, _, _ := strings.Cut(rest, "</script>")
	var data struct {
		Columns []string
		Rows    [][]any
	}
	if err := json.Unmarshal([]byte(body), &data); err != nil {
		t.Fatal(err)
	}
	up, downtime, away := slices.Index(data.Columns, "up"), slices.Index(data.Columns, "downtime"), 0
	for _, r := range data.Rows {
		if r[up] == 0.0 {
			if away++; r[downtime] != 0.0 {
				t.Errorf("%v is not back and has a downtime of %v", r[0], r[downtime])
			}
		}
	}
	if away == 0 {
		t.Error("everything is back in the sample")
	}
}

// Each line of the journal has its place in the times of its execution.
func TestWhenAnExecutionWasAway(t *testing.T) {
	at := func(minutes int, l window.Line) window.Line {
		l.At = began.Add(time.Duration(minutes) * time.Minute)
		return l
	}
	minute := func(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }
	e := executions()[0]
	again := e
	again.Instance = "i2"
	done := func(minutes int, g window.Goal) window.Line {
		return at(minutes, window.OutcomeOf(window.Done, g, e.Key(), "", "", 1))
	}
	stop, start := at(1, window.IntentOf(window.Stop, e, 1)), at(60, window.IntentOf(window.Start, e, 1))
	begin := func(minutes int, mode string) window.Line {
		return at(minutes, window.Line{Event: window.Begin, Holder: &window.Holder{Mode: mode, Host: "h"}})
	}
	for name, c := range map[string]struct {
		lines   []window.Line
		outcome report.Outcome
		outages []report.Outage
		seconds float64
	}{
		"down and back": {
			[]window.Line{begin(0, "shutdown"), stop, done(2, window.Stop), begin(59, "restore"), start, done(62, window.Start)},
			report.Back, []report.Outage{{Asked: minute(1), Down: minute(2), Started: minute(60), Up: minute(62)}}, 61 * 60,
		},
		"asked twice to stop": {
			[]window.Line{begin(0, "shutdown"), stop, at(5, window.IntentOf(window.Stop, e, 2)), done(7, window.Stop)},
			report.Down, []report.Outage{{Asked: minute(1), Down: minute(7)}}, 6 * 60,
		},
		"started by its owner while shutdown was at work, and stopped again": {
			[]window.Line{
				begin(0, "shutdown"), stop, done(2, window.Stop), at(10, window.SupplementOf(again)), at(11, window.IntentOf(window.Stop, again, 1)), done(12, window.Stop),
				begin(59, "restore"), start, done(62, window.Start),
			},
			report.Back, []report.Outage{{Asked: minute(1), Down: minute(2), Up: minute(10)}, {Asked: minute(11), Down: minute(12), Started: minute(60), Up: minute(62)}}, (9 + 51) * 60,
		},
		"it had never gone down": {
			[]window.Line{begin(0, "shutdown"), stop, at(12, window.OutcomeOf(window.Failed, window.Stop, e.Key(), "", "it was not at the goal", 1)), begin(59, "restore"), at(60, window.OutcomeOf(window.Done, window.Start, e.Key(), "", "it had never gone down", 0))},
			report.Back, []report.Outage{{Asked: minute(1), Up: minute(60)}}, 0,
		},
		"its stop failed, and it went down all the same": {
			[]window.Line{begin(0, "shutdown"), stop, at(12, window.OutcomeOf(window.Failed, window.Stop, e.Key(), "", "it was not at the goal", 1)), begin(59, "restore"), start, done(62, window.Start)},
			report.Back, []report.Outage{{Asked: minute(1), Started: minute(60), Up: minute(62)}}, 61 * 60,
		},
		"its owner had stopped it": {
			[]window.Line{begin(0, "shutdown"), stop, at(2, window.OutcomeOf(window.NotOurs, window.Stop, e.Key(), "", "it was stopped before dmm stopped it", 0))},
			report.NotOurs, nil, 0,
		},
		"clocks that disagree": {
			[]window.Line{begin(0, "shutdown"), stop, done(30, window.Stop), begin(20, "restore"), at(21, window.IntentOf(window.Start, e, 1)), done(22, window.Start)},
			report.Back, []report.Outage{{Asked: minute(1), Down: minute(30), Started: minute(30), Up: minute(30)}}, 29 * 60,
		},
		"given up": {
			[]window.Line{begin(0, "shutdown"), stop, done(2, window.Stop), begin(59, "close"), at(60, window.OutcomeOf(window.Left, window.Start, e.Key(), "", window.GivenUpPrefix+"why not", 0)), at(60, window.Line{Event: window.Closed, Reason: "why not"})},
			report.GivenUp, []report.Outage{{Asked: minute(1), Down: minute(2)}}, 59 * 60,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := entry(t, report.Of(maintenance(c.lines)), e.ID)
			if got.Outcome != c.outcome || got.Downtime != c.seconds {
				t.Errorf("it is %s after %v s, want %s after %v s", got.Outcome, got.Downtime, c.outcome, c.seconds)
			}
			if diff := cmp.Diff(c.outages, got.Outages, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Outages (-want +got):\n%s", diff)
			}
		})
	}
}

// How many ran follows the same lines, and ends where the outcomes say.
func TestHowManyRanOverTime(t *testing.T) {
	snap, w := sample(200, nil)
	m := report.Of(snap, closed(w, snap))
	first, last := m.Running[0], m.Running[len(m.Running)-1]
	if first.Total != 200 || !first.At.Equal(m.Opened) {
		t.Errorf("at first %d ran, at %s; want 200 at %s", first.Total, first.At, m.Opened)
	}
	back := 0
	for _, e := range m.Entries {
		if e.Outcome == report.Back {
			back++
		}
	}
	still := 0 // what failed to stop was left by a policy, and nobody has seen it down
	for _, e := range m.Entries {
		if e.Outcome != report.Back && len(e.Outages) > 0 && e.Downtime == 0 {
			still++
		}
	}
	if last.Total != back+still || back < 100 {
		t.Errorf("in the end %d run, want the %d that are back and %d that nobody saw down", last.Total, back, still)
	}
	lowest := slices.MinFunc(m.Running, func(a, b report.Point) int { return a.Total - b.Total })
	if lowest.Total != 1 {
		t.Errorf("at least %d ran, want 1, the one that did not stop", lowest.Total)
	}
	for i, p := range m.Running[1:] {
		if p.At.Before(m.Running[i].At) {
			t.Fatalf("time goes back at %s", p.At)
		}
	}
}

// Every execution that ran is in exactly one group of each sort, and in one outcome.
func TestTheGroupsAddUp(t *testing.T) {
	snap, w := sample(500, nil)
	w.Pinned.Filter = execution.Filter{ExcludeOwners: []string{"i.silva"}}
	m := report.Of(snap, closed(w, snap))
	for name, groups := range map[string][]report.Tally{"kinds": m.Kinds, "projects": m.Projects, "owners": m.Owners} {
		var sum report.Tally
		for _, g := range groups {
			sum.Total += g.Total
			sum.Back += g.Back
			sum.Down += g.Down
			sum.Failed += g.Failed
			sum.Left += g.Left
			sum.NotOurs += g.NotOurs
			if g.Total != g.Back+g.Down+g.Failed+g.Left+g.NotOurs {
				t.Errorf("%s %s: %+v does not add up", name, g.Name, g)
			}
		}
		if sum.Total != m.Total.Total || sum.Back != m.Total.Back || sum.Failed != m.Total.Failed {
			t.Errorf("%s add up to %+v, want %+v", name, sum, m.Total)
		}
	}
	if n := m.Beside[string(report.Excluded)]; m.Total.Total+n != len(m.Entries) || m.Beside["not running"] != 500/8 {
		t.Errorf("beside it %v, in it %d of %d", m.Beside, m.Total.Total, len(m.Entries))
	}
}

// A report is made of the record alone: asked twice, or of a journal read again, it is the same.
func TestTheReportIsAFunctionOfTheRecord(t *testing.T) {
	snap, w := sample(80, nil)
	first := maintenanceJSON(t, report.Of(snap, w))
	var again window.Window
	body, err := json.Marshal(w)
	if err == nil {
		err = json.Unmarshal(body, &again)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(maintenanceJSON(t, report.Of(snap, &again)))); diff != "" {
		t.Errorf("read again (-first +then):\n%s", diff)
	}
}

// A window whose snapshot is damaged has a report all the same, and names what it can.
func TestTheReportWithoutItsSnapshot(t *testing.T) {
	_, w := maintenance(restored())
	m := report.Of(nil, w)
	if m.Total.Back != 3 || entry(t, m, "a1").Outcome != report.Back {
		t.Errorf("%+v, want the three that are back", m.Total)
	}
	if got := maintenanceText(t, m); !strings.Contains(got, "The snapshot cannot be read") {
		t.Errorf("the report does not say what it lacks:\n%s", got)
	}
}

func TestNothingThatSomebodyElseWroteBreaksTheReport(t *testing.T) {
	snap, w := maintenance(stopped())
	for i := range snap.Executions {
		e := &snap.Executions[i]
		e.Name, e.Owner, e.Project.Name = hostile, hostile, hostile
	}
	for i := range w.Lines {
		if w.Lines[i].Reason != "" {
			w.Lines[i].Reason = hostile
		}
	}
	w.Pinned.Domino = hostile
	plain := strings.Count(maintenanceText(t, report.Of(maintenance(stopped()))), "\n")
	got := maintenanceText(t, report.Of(snap, w))
	wantPlain(t, "the report", got, plain)
}

func TestTheSummary(t *testing.T) {
	for _, c := range []struct {
		name    string
		lines   []window.Line
		verdict report.Verdict
		want    string
	}{
		{"opened", nil, report.VerdictUnderWay, "Domino is being shut down: 0 of 6 executions are down, 6 remain."},
		{"in trouble", stopped(), report.VerdictAttention, "Domino is being shut down: 4 of 6 executions are down, 1 failed, 1 remains; 1 needs attention."},
		{"done", restored(), report.VerdictAttention, "3 of 4 executions are running again after 1 h 00 min; 1 needs attention, 1 is left to its owner."},
	} {
		m := report.Of(maintenance(c.lines))
		if m.Summary != c.want || m.Verdict != c.verdict {
			t.Errorf("%s: %s: %q, want %s: %q", c.name, m.Verdict, m.Summary, c.verdict, c.want)
		}
	}
}

func TestSpoken(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 3 * time.Second: "3 s", 5400 * time.Millisecond: "5.4 s", 41 * time.Second: "41 s", 99 * time.Second: "99 s", 12 * time.Minute: "12 min",
		time.Hour: "1 h 00 min", 2*time.Hour + 41*time.Minute: "2 h 41 min", 50 * time.Hour: "2 d 2 h", -time.Second: "0 s",
	} {
		if got := report.Spoken(d); got != want {
			t.Errorf("Spoken(%s) = %q, want %q", d, got, want)
		}
	}
}
