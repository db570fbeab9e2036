package modes_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
)

// The deployment and the settings of BenchmarkMaintenance.
const (
	benchLatency          = 30 * time.Millisecond
	benchMove             = 5 * time.Second // of a stop, and of a start
	benchConcurrency      = 16              // the default of DMM_CONCURRENCY
	benchStartConcurrency = 200
	// Half of it is what a shutdown takes for the lag of lists, and waits for since its snapshot began. There is no lag
	// here, and the 40 s of the default would hide every other figure.
	benchSettle = 2 * time.Second
)

func benchDeployment() dominosim.Config {
	return dominosim.Config{
		Plain: true, Profile: "6.1", Seed: 3, Latency: benchLatency, StartTime: benchMove, StopTime: benchMove,
		Projects: 20, Apps: 300, Models: 250, Workspaces: 250, Schedules: 200,
	}
}

// BenchmarkMaintenance takes 1,000 executions down and up again, over HTTP and by the clock on the wall, and sets the
// time against the least that any program could need which keeps the same promises (leastShutdown, leastRestore). It
// fails if what runs afterwards is not what ran before, never for being slow: the machine may be busy.
func BenchmarkMaintenance(b *testing.B) {
	for b.Loop() {
		c := benchDeployment()
		sim := dominosim.New(c)
		server := httptest.NewServer(sim.Handler())
		b.Cleanup(server.Close)
		s := &benchSite{b: b, url: server.URL, dir: b.TempDir()}
		before := benchArguments(sim.Ledger().Snapshot())

		s.run("snapshot")
		down := s.run("shutdown")
		if left := sim.Ledger().Snapshot(); len(left) > 0 {
			b.Fatalf("%d executions run after the shutdown", len(left))
		}
		up := s.run("restore")
		if diff := cmp.Diff(before, benchArguments(sim.Ledger().Snapshot()), cmpopts.EquateEmpty()); diff != "" {
			b.Fatalf("what runs after the maintenance (-want +got):\n%s", diff)
		}

		b.Logf("%d executions, latency %s, stop and start %s, %d requests and %d starts at once, workspaces restored too; the lag of Domino's lists is OFF, and DMM_SETTLE is %s: with lag, a shutdown that follows its snapshot at once takes 40 s at least",
			len(before), benchLatency, benchMove, benchConcurrency, benchStartConcurrency, benchSettle)
		b.ReportMetric(0, "ns/op") // of both together, and so of neither
		for _, m := range []struct {
			name        string
			took, least time.Duration
		}{{"shutdown", down, leastShutdown(c)}, {"restore", up, leastRestore(c)}} {
			b.Logf("%s took %s; the least possible is %s", m.name, m.took.Round(10*time.Millisecond), m.least.Round(10*time.Millisecond))
			b.ReportMetric(m.took.Seconds(), m.name+"-s")
			b.ReportMetric(m.least.Seconds(), m.name+"-least-s")
			b.ReportMetric(m.took.Seconds()/m.least.Seconds(), m.name+"-ratio")
		}
	}
}

// leastShutdown is the least time in which the executions of c can be brought down. With C requests at once, each of
// which takes the latency L, n calls take n*L/C. All of these stand one behind the other:
//
//	scan*L/C     what runs now, to compare it with the snapshot
//	2*others*L/C each is looked at and then stopped; schedules are read and put
//	StopTime     of the last one; the reads that confirm the earlier ones fit into it
//	L            the read that confirms the last one
//	2*models*L/C likewise for model APIs, which serve production and wait for all others
//	StopTime + L
//	scan*L/C     whether anything was started meanwhile
func leastShutdown(c dominosim.Config) time.Duration {
	calls := 2*scanCalls(c) + 2*(c.Apps+c.Workspaces+c.Schedules) + 2*c.Models
	return calling(calls) + 2*(c.StopTime+c.Latency)
}

// leastRestore is the least time in which they can be started again. No more than benchStartConcurrency may be starting
// at once, so that those which take time to start go in waves, and each place in a wave takes
//
//	L + L + StartTime + L   a look, the start, and the read that confirms it
//
// All other calls fit in between, unless there are so many that they alone take longer.
func leastRestore(c dominosim.Config) time.Duration {
	starting := c.Apps + c.Workspaces + c.Models // a schedule is back when its PUT is answered
	waves := (starting + benchStartConcurrency - 1) / benchStartConcurrency
	return max(time.Duration(waves)*(c.StartTime+3*c.Latency), calling(3*(starting+c.Schedules)))
}

// scanCalls is how many calls it takes to list everything: nothing tells the versions of all models in one, nor the schedules,
// jobs and classic workspaces of all projects.
func scanCalls(c dominosim.Config) int {
	pages := func(n, size int) int { return (n + size - 1) / size }
	projects := 1 + pages(c.Projects, 50)
	return projects + 1 /* apps */ + pages(c.Models, 100) + c.Models + pages(c.Workspaces, 50) + 3*c.Projects + 1 /* environments */ + 1 /* executions */
}

func calling(calls int) time.Duration { return time.Duration(calls) * benchLatency / benchConcurrency }

// benchSite is a deployment that is reached over HTTP, as by the command, with its store in a folder.
type benchSite struct {
	b   *testing.B
	url string
	dir string
}

// run runs a mode to the end, which must be a good one, and returns how long it took.
func (s *benchSite) run(mode string) time.Duration {
	s.b.Helper()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(flags)
	cfg, _, err := config.Load(append(s.environ(),
		"DMM_START_CONCURRENCY="+strconv.Itoa(benchStartConcurrency), "DMM_SETTLE="+benchSettle.String(), "DMM_RESTORE_WORKSPACES=true"), flags)
	if err != nil {
		s.b.Fatal(err)
	}
	store, err := file.Open(s.dir)
	if err != nil {
		s.b.Fatal(err)
	}
	e := &modes.Env{
		Config: cfg, Out: io.Discard, Log: slog.New(slog.DiscardHandler), Version: "bench", Store: store,
		ExitCode: func(res *report.Result, err error) int {
			if err != nil {
				return 1
			}
			return res.Code
		},
	}
	for _, m := range modes.All() {
		if m.Name != mode {
			continue
		}
		began := time.Now()
		res, err := m.Run(s.b.Context(), e)
		took := time.Since(began)
		if err != nil || res.Code != 0 {
			s.b.Fatalf("dmm %s: %v, %+v", mode, err, res)
		}
		return took
	}
	s.b.Fatalf("no mode %q", mode)
	return 0
}

func (s *benchSite) environ() []string {
	return []string{"DOMINO_HOSTNAME=" + s.url, "DOMINO_API_KEY=" + dominosim.DefaultAPIKey, "DMM_STORE=file://" + s.dir}
}

// benchArguments is what runs, each with what it was started with, as far as a restart can have it.
func benchArguments(runs map[dominosim.Key]dominosim.Run) map[dominosim.Key]dominosim.Run {
	out := map[dominosim.Key]dominosim.Run{}
	for k, r := range runs {
		r = r.Arguments()
		r.GitRef = nil     // a commit that a branch named comes back by its own name
		r.Definition = nil // how it is kept may change, how Domino shows it may not: the tests compare that
		out[k] = r
	}
	return out
}

// BenchmarkSnapshotMemory measures how much memory the process of dmm snapshot takes at most for 20,000 executions.
func BenchmarkSnapshotMemory(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("the unit of Maxrss is known for Linux only")
	}
	dmm := filepath.Join(b.TempDir(), "dmm")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dmm, "../../cmd/dmm")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build dmm: %v\n%s", err, out)
	}
	// Three versions of each third model, so that there are twice as many versions as models.
	sim := dominosim.New(dominosim.Config{
		Plain: true, Profile: "6.1", Seed: 3, Projects: 300, Apps: 6000, Models: 3000, Workspaces: 5000, Schedules: 3000,
	})
	executions := 0
	for _, kind := range []string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob} {
		executions += len(sim.Objects(kind))
	}
	server := httptest.NewServer(sim.Handler())
	b.Cleanup(server.Close)
	for b.Loop() {
		s := &benchSite{b: b, url: server.URL, dir: b.TempDir()}
		measured := exec.Command(os.Args[0], "-test.run", "^TestMeasuredProcess$")
		measured.Env = append(s.environ(), "DMM_LOG_LEVEL=error", "GO_TEST_MEASURE="+dmm+" snapshot")
		out, err := measured.CombinedOutput()
		if err != nil {
			b.Fatalf("dmm snapshot: %v\n%s", err, out)
		}
		_, after, _ := strings.Cut(string(out), "peak KiB: ")
		peak, err := strconv.Atoi(strings.Fields(after + " -")[0])
		if err != nil || !strings.Contains(string(out), "is written") {
			b.Fatalf("dmm snapshot: %s", out)
		}
		b.Logf("dmm snapshot of %d executions, %d of them running: %d MiB at most", executions, len(sim.Ledger().Snapshot()), peak>>10)
		b.ReportMetric(float64(peak)/1024, "peak-MiB")
	}
}

// TestMeasuredProcess is no test: BenchmarkSnapshotMemory runs it in a process of its own, to start from there the process
// that is measured. Linux counts the memory of the parent into a child's Maxrss, since they share it until the child
// executes its program (vfork), and the parent must therefore not be the one that holds the simulator.
func TestMeasuredProcess(t *testing.T) {
	command := strings.Fields(os.Getenv("GO_TEST_MEASURE"))
	if len(command) == 0 {
		t.Skip("for BenchmarkSnapshotMemory only")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("peak KiB: %d\n", cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
