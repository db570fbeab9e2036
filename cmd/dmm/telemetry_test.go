package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// receiver is a webhook or a Pushgateway: a server that remembers what it was sent.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []received
	answers []int // given in turn; 200 after them
}

type received struct {
	method, path string
	body         []byte
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{req.Method, req.URL.Path, body})
		if len(r.answers) > 0 {
			w.WriteHeader(r.answers[0])
			r.answers = r.answers[1:]
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// took is what has been sent since the last time.
func (r *receiver) took() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (s *site) read(key string) string {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join(s.folder, key))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// Every run that works in a window leaves its report beside the journal, and dmm report says the same.
func TestEachRunLeavesAReport(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("report").want(t, exitNotFound, "the store answers and holds none", "Next: check DMM_STORE and its prefix; dmm list shows the windows")
	s.dmm("snapshot").want(t, exitDone)
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"shutdown"}, "Domino is down for maintenance: "},
		{[]string{"restore"}, " are running again after "},
	} {
		s.dmm(step.args...).want(t, exitDone, "windows/000001/report.html")
		text := s.read("windows/000001/report.txt")
		if !strings.Contains(lastLine(text), step.want) {
			t.Errorf("after %s the report ends with %q", step.args[0], lastLine(text))
		}
		for _, arg := range []string{"1", "000001", "latest"} {
			if o := s.dmm("report", arg); o.code != exitDone || o.stdout != text {
				t.Errorf("dmm report %s ends with %d and says\n%s, want what is in the store:\n%s", arg, o.code, o.stdout, text)
			}
		}
		if o := s.dmm("report", "--format", "html"); o.stdout != s.read("windows/000001/report.html") || !strings.HasPrefix(o.stdout, "<!doctype html>") {
			t.Errorf("dmm report --format html is not what is in the store")
		}
	}
	schema, err := jsonschema.NewCompiler().Compile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []outcome{s.dmm("report", "--format", "json"), s.dmm("report", "--output", "json"), {stdout: s.read("windows/000001/report.json")}} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(o.stdout))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("the JSON report: %v\n%s", err, o.stdout)
		}
	}
	if page := s.read("windows/000001/report.html"); strings.Contains(page, dominosim.DefaultAPIKey) {
		t.Error("the report has the key in it")
	}
	s.dmm("report", "17").want(t, exitNotFound, "read window 17: not found", "dmm list shows the windows")
	s.dmm("report", "seventeen").want(t, exitUsage, `"seventeen" is not the number of a window`)
	s.dmm("report", "--format", "dmm-json").want(t, exitUsage, "which is a format of snapshots")
	s.dmm("export", "--format", "html").want(t, exitUsage, "an export is dmm-json")
}

// A report that cannot be written is a warning: the maintenance is what counts.
func TestAReportThatCannotBeWrittenIsAWarning(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	// A folder in the way of each.
	for _, key := range []string{"windows/000001/report.txt/x", "metrics/dmm.prom/x"} {
		_ = os.RemoveAll(filepath.Dir(filepath.Join(s.folder, key)))
		if err := os.MkdirAll(filepath.Join(s.folder, key), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.dmm("shutdown").want(t, exitDone, "the report is not written; dmm report makes it from the journal at any time", "the metrics are not written")
	s.dmm("restore").want(t, exitDone)
}

// Whoever is refused, or looks only, leaves no report.
func TestWhoDoesNotWorkLeavesNoReport(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown", "--dry-run").want(t, exitDone)
	dmm(t, s.with("DMM_SNAPSHOT_MAX_AGE=1ns"), "shutdown").want(t, exitRefused)
	s.dmm("restore").want(t, exitDone)
	for _, key := range s.objects() {
		if strings.HasPrefix(key, "windows/") {
			t.Errorf("there is %s", key)
		}
	}
}

// families parses metrics as Prometheus does, and refuses what it would.
func families(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	f, err := p.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return f
}

// value is a metric's value, by its labels' values; -1 if it is not there.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	f := families[name]
	if f == nil {
		return -1
	}
next:
	for _, m := range f.Metric {
		var have []string
		for _, l := range m.Label {
			have = append(have, l.GetValue())
		}
		for _, l := range labels {
			if !strings.Contains("\x00"+strings.Join(have, "\x00")+"\x00", "\x00"+l+"\x00") {
				continue next
			}
		}
		return m.GetGauge().GetValue()
	}
	return -1
}

func TestTheMetrics(t *testing.T) {
	t.Parallel()
	gateway := newReceiver(t)
	s := newSite(t, quick(), "DMM_PUSHGATEWAY="+gateway.URL)
	began := float64(time.Now().Unix())
	s.dmm("snapshot").want(t, exitDone)
	ran := float64(len(s.sim.Ledger().Snapshot()))

	f := families(t, []byte(s.read("metrics/dmm.prom")))
	taken := value(f, "dmm_snapshot_verified_timestamp_seconds")
	if taken < began || taken > began+60 || value(f, "dmm_snapshot_complete") != 1 || value(f, "dmm_window_open") != 0 || value(f, "dmm_last_success_timestamp_seconds", "snapshot") != taken {
		t.Errorf("after the snapshot:\n%s", s.read("metrics/dmm.prom"))
	}
	if n := value(f, "dmm_requests"); n != float64(len(s.sim.Ledger().Requests())) {
		t.Errorf("the run says that it sent %v requests, and Domino got %d", n, len(s.sim.Ledger().Requests()))
	}

	s.dmm("shutdown").want(t, exitDone)
	f = families(t, []byte(s.read("metrics/dmm.prom")))
	if value(f, "dmm_window_open") != 1 || value(f, "dmm_window_phase", "stopped") != 1 || value(f, "dmm_executions", "App", "down") < 1 || value(f, "dmm_last_success_timestamp_seconds", "shutdown") < taken {
		t.Errorf("after the shutdown:\n%s", s.read("metrics/dmm.prom"))
	}
	s.dmm("restore").want(t, exitDone)
	f = families(t, []byte(s.read("metrics/dmm.prom")))
	back := 0.0
	for _, m := range f["dmm_executions"].Metric {
		for _, l := range m.Label {
			if l.GetValue() == "back" {
				back += m.GetGauge().GetValue()
			}
		}
	}
	if value(f, "dmm_window_open") != 0 || back != ran || value(f, "dmm_run_exit_code", "restore") != 0 || value(f, "dmm_run_exit_code", "shutdown") != 0 || value(f, "dmm_downtime_longest_seconds", "App") <= 0 {
		t.Errorf("after the restore, with %v that ran before:\n%s", ran, s.read("metrics/dmm.prom"))
	}

	pushed := gateway.took()
	if len(pushed) != 3 {
		t.Fatalf("%d pushes, want one for each run", len(pushed))
	}
	for _, p := range pushed {
		if want := "/metrics/job/dmm/instance/" + strings.TrimPrefix(s.url, "http://"); p.path != want || p.method != http.MethodPut {
			t.Errorf("pushed with %s to %s, want PUT to %s", p.method, p.path, want)
		}
	}

	// The next maintenance has not succeeded yet: what the last one did still stands.
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	if f = families(t, []byte(s.read("metrics/dmm.prom"))); value(f, "dmm_last_success_timestamp_seconds", "restore") < began {
		t.Errorf("the restore of the window before is forgotten:\n%s", s.read("metrics/dmm.prom"))
	}
	// A gateway that is gone is a warning.
	gateway.Close()
	s.dmm("restore").want(t, exitDone, "the metrics are not pushed")
}

// docs/metrics.md lists every metric that there is, and no other.
func TestTheMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, mode := range []string{"snapshot", "shutdown", "restore"} {
		s.dmm(mode).want(t, exitDone)
	}
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	f := families(t, []byte(s.read("metrics/dmm.prom")))
	documented := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `dmm_") {
			name, _, _ = strings.Cut(name, "{")
			documented[name] = true
			if f[name] == nil {
				t.Errorf("docs/metrics.md has %s, which is not there", name)
			}
		}
	}
	for name := range f {
		if !documented[name] {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
}

func events(t *testing.T, all []received) []string {
	t.Helper()
	var list []string
	for _, r := range all {
		var n notice
		if err := json.Unmarshal(r.body, &n); err != nil {
			t.Fatal(err)
		}
		if n.Message == "" || n.At.IsZero() || n.Domino == "" || (n.Code == nil) != (n.Event == "start") {
			t.Errorf("the webhook is told %s", r.body)
		}
		list = append(list, n.Mode+" "+n.Event)
	}
	return list
}

// notice is what receivers rely on.
type notice struct {
	Event, Mode, Domino, Window, Message string
	Code                                 *int
	At                                   time.Time
}

func TestTheWebhookIsTold(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t)
	s := newSite(t, quick(), "DMM_WEBHOOK_URL="+hook.URL+"/"+webhookSecret, "DMM_WEBHOOK_FORMAT=json")
	for _, step := range []struct {
		environ []string
		args    []string
		code    int
		want    string
	}{
		{s.env, []string{"snapshot"}, exitDone, ""},
		{s.env, []string{"shutdown", "--dry-run"}, exitDone, ""},
		{s.with("DMM_SNAPSHOT_MAX_AGE=1ns"), []string{"shutdown"}, exitRefused, "shutdown refused"},
		{s.env, []string{"shutdown"}, exitDone, "shutdown start, shutdown done"},
		{s.env, []string{"status"}, exitDone, ""},
		{s.with("DMM_DEADLINE=1ns"), []string{"restore"}, exitDeadline, "restore interrupted"},
		{s.env, []string{"restore"}, exitDone, "restore start, restore done"},
	} {
		dmm(t, step.environ, step.args...).want(t, step.code)
		if got := strings.Join(events(t, hook.took()), ", "); got != step.want {
			t.Errorf("dmm %q tells the webhook %q, want %q", step.args, got, step.want)
		}
	}
	var app string
	for _, o := range s.sim.Objects(dominosim.KindApp) {
		if s.sim.Ledger().State(o.Kind, o.ID) == "Running" {
			app = o.ID
		}
	}
	s.sim.AddFault(dominosim.Fault{Name: "one app cannot start", Method: "POST", Path: "/v4/modelProducts/{id}/start", Object: app, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	hook.took()
	dmm(t, s.with("DMM_MAX_FAILURES=1"), "restore").want(t, exitPartial)
	got := hook.took()
	if e := strings.Join(events(t, got), ", "); e != "restore start, restore partial" || !strings.Contains(string(got[1].body), "1 failed") {
		t.Errorf("a partial restore tells %s %s", e, got[1].body)
	}
	s.dmm("close", "--yes", "--reason", "enough").want(t, exitDone)
	if e := strings.Join(events(t, hook.took()), ", "); e != "close start, close done" {
		t.Errorf("close tells %s", e)
	}
}

// A chat that does not answer holds nothing up, and its URL is not shown (dmm looks for all secrets).
func TestAWebhookThatFailsIsAWarning(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	gone := closedPort(t)
	dmm(t, s.with("DMM_WEBHOOK_URL="+gone+"/"+webhookSecret), "shutdown").want(t, exitDone, "the webhook was not told", "connection refused")

	busy := newReceiver(t, http.StatusServiceUnavailable) // once
	denied := newReceiver(t, http.StatusForbidden, http.StatusForbidden)
	dmm(t, s.with("DMM_WEBHOOK_URL="+denied.URL+"/"+webhookSecret), "shutdown").want(t, exitDone, "it answered 403")
	if n := len(denied.took()); n != 2 {
		t.Errorf("a webhook that refuses was asked %d times, want once for the start and once for the end", n)
	}
	o := dmm(t, s.with("DMM_WEBHOOK_URL="+busy.URL+"/"+webhookSecret), "restore")
	o.want(t, exitDone)
	got := busy.took()
	if len(got) != 3 || strings.Contains(o.stderr, "the webhook was not told") {
		t.Fatalf("a webhook that was busy once was sent %d times, want the start twice and the end\n%s", len(got), o.stderr)
	}
	var message map[string]string
	if err := json.Unmarshal(got[2].body, &message); err != nil || len(message) != 1 || !strings.HasPrefix(message["text"], "dmm restore, done: Restore is done: ") {
		t.Errorf("Slack is sent %s", got[2].body)
	}
	if o := dmm(t, s.with("DMM_WEBHOOK_URL=ftp://"+webhookSecret), "shutdown"); o.code != exitUsage || !strings.Contains(o.stderr, "DMM_WEBHOOK_URL") {
		t.Errorf("a URL that is none: %+v", o)
	}
}
