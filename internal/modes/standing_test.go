package modes_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
)

// TestTheNumberSaidToRunIsTheNumberThatRuns makes up systems, filters, policies and stops that fail, and holds what a
// shutdown says in each of its places against what runs in truth.
func TestTheNumberSaidToRunIsTheNumberThatRuns(t *testing.T) {
	t.Parallel()
	n := map[string]int{}
	defer func() {
		t.Logf("judged: %v", n)
		if n["with filters"] == 0 || n["partial"] == 0 || n["nothing runs"] == 0 || n["ignored"] == 0 {
			t.Error("cases of one sort were never drawn")
		}
	}()
	rapid.Check(t, func(r *rapid.T) {
		c := dominosim.Config{
			Profile: rapid.SampledFrom(dominosim.Profiles()).Draw(r, "profile"), Seed: rapid.Uint64Range(1, 99).Draw(r, "seed"),
			Plain: rapid.Bool().Draw(r, "plain"), Latency: 10 * time.Millisecond, StartTime: 2 * time.Second, StopTime: 2 * time.Second,
			Projects: 3, Apps: 3, Models: 2, Workspaces: 3, Schedules: 2, Jobs: 2, Builds: 1, Deployments: 1, StoppedFraction: 0.2,
		}
		env := []string{
			"DMM_RUNNING_JOBS=" + rapid.SampledFrom([]string{"ignore", "stop"}).Draw(r, "jobs"),
			"DMM_RUNNING_BUILDS=" + rapid.SampledFrom([]string{"ignore", "cancel"}).Draw(r, "builds"),
			"DMM_EXTERNAL_DEPLOYMENTS=" + rapid.SampledFrom([]string{"ignore", "stop"}).Draw(r, "external"),
			"DMM_MAX_FAILURES=1",
		}
		filter := rapid.SampledFrom([]string{
			"", "", "DMM_PROJECTS", "DMM_EXCLUDE_PROJECTS", "DMM_OWNERS", "DMM_EXCLUDE_OWNERS", "DMM_KINDS", "DMM_EXCLUDE",
		}).Draw(r, "filter")
		if rapid.IntRange(0, 3).Draw(r, "all is stopped") == 0 {
			filter, env = "", []string{"DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel", "DMM_EXTERNAL_DEPLOYMENTS=stop"}
		}
		pick, fails := rapid.IntRange(0, 99).Draw(r, "pick"), rapid.IntRange(0, 2).Draw(r, "stops that fail")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, c, env...)
			s.quiet = true
			s.must(0, "snapshot")
			if filter != "" {
				s.env = append(s.env, filter+"="+s.someValue(filter, pick))
				n["with filters"]++
			}
			for range fails {
				s.sim.AddFault(dominosim.Fault{Path: stopApp, Kind: dominosim.FaultStatus, Status: 400})
			}
			wrong = s.judgeStillRuns(n)
		})
		if len(wrong) > 0 {
			r.Fatalf("%s %q: %s", filter, env, strings.Join(wrong, "\n"))
		}
	})
}

// someValue is a value of a filter that names something.
func (s *site) someValue(filter string, pick int) string {
	projects, owners, ids := map[string]bool{}, map[string]bool{}, []string{}
	snap, err := snapshot.Load(s.t.Context(), s.store, "latest")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range snap.Executions {
		if x.State.Up() {
			projects[x.Project.String()], owners[x.Owner] = x.Project.Name != "", true
			ids = append(ids, x.ID)
		}
	}
	var names []string
	switch filter {
	case "DMM_KINDS":
		names = []string{"App", "ModelAPI,Workspace", "Workspace,ScheduledJob,App"}
	case "DMM_EXCLUDE":
		names = ids
	case "DMM_OWNERS", "DMM_EXCLUDE_OWNERS":
		for owner := range owners {
			names = append(names, owner)
		}
	default:
		for project, named := range projects {
			if named {
				names = append(names, project)
			}
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	slices.Sort(names)
	return names[pick%len(names)]
}

var saidToRun = regexp.MustCompile(`(\d+) still runs?: `)

// said is how many executions a sentence says still run.
func said(sentence string) int {
	m := saidToRun.FindStringSubmatch(sentence)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// judgeStillRuns shuts down, and returns which places say another number than that of what runs.
func (s *site) judgeStillRuns(n map[string]int) (wrong []string) {
	res, err := s.run("shutdown")
	if modes.Classify(err) == modes.FaultUsage { // the filter selects nothing that runs
		return nil
	}
	if err != nil || res.Code != 0 && res.Code != 3 {
		return []string{fmt.Sprintf("shutdown: %v, %+v", err, res)}
	}
	runs := len(s.running())
	if res.Code == 3 {
		n["partial"]++
	}
	if runs == 0 {
		n["nothing runs"]++
	}
	if res.StillRuns != nil && res.StillRuns.Ignored > 0 {
		n["ignored"]++
	}
	check := func(where string, got int) {
		if got != runs {
			wrong = append(wrong, fmt.Sprintf("%s: %d are said to run, and %d do", where, got, runs))
		}
	}
	if res.StillRuns == nil {
		return []string{"shutdown counted nothing"}
	}
	check("the result's numbers", res.StillRuns.Total)
	check("the last line", said(res.LastLine()))
	status := s.must(0, "status")
	check("status", said(status.LastLine()))
	check("status, its numbers", status.StillRuns.Total)
	var m report.Maintenance
	if err := json.Unmarshal(s.body("windows/000001/report.json"), &m); err != nil {
		return append(wrong, err.Error())
	}
	check("the report's JSON", m.StillRuns.Total)
	check("the report's sentence", said(m.Summary))
	check("the report as text", said(string(s.body("windows/000001/report.txt"))))
	check("the report as HTML", said(string(s.body("windows/000001/report.html"))))
	if whole := strings.HasPrefix(m.Summary, "Domino is down for maintenance"); whole != (runs == 0) {
		wrong = append(wrong, fmt.Sprintf("%d run, and the report is headed %q", runs, m.Summary))
	}
	var text strings.Builder
	if err := status.WriteText(&text); err != nil || runs > 0 && strings.Contains(text.String(), "found nothing running at") {
		wrong = append(wrong, fmt.Sprintf("%d run, and status says %v %q", runs, err, text.String()))
	}
	return wrong
}

// The log of a run tells how far it is, as bars do on a terminal: what has failed is not done.
func TestProgressCountsNoFailureAsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small(), "DMM_MAX_FAILURES=1")
		var log strings.Builder
		s.log = &log
		s.must(0, "snapshot")
		s.sim.AddFault(dominosim.Fault{Path: stopApp, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		res := s.must(3, "shutdown")
		failed := res.Sum().Failed
		want := fmt.Sprintf("done=%d failed=%d left=0 of=%d", res.Sum().Done, failed, res.Sum().Total)
		if failed == 0 || !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	})
}
