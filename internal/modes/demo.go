package modes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
)

const demoLong = `Starts a simulated Domino with about sixty executions, takes it through a whole maintenance
with the same code that a real one runs, upgrades it from 6.1 to 6.2 in the middle, and shows
that every execution which ran before runs again. Needs nothing and touches nothing.`

// demoSystem is the deployment of the demo: four kinds in five projects, some stopped.
// Lag is off, so that the demo is short; the tests have it on.
func demoSystem() dominosim.Config {
	return dominosim.Config{
		Profile: "6.1", Seed: 7, Latency: 5 * time.Millisecond, StartTime: 2 * time.Second, StopTime: 2 * time.Second,
		Projects: 5, Apps: 14, Models: 10, Workspaces: 14, Schedules: 12, StoppedFraction: 0.2,
	}
}

// Demo plays a whole maintenance against a simulated Domino.
func Demo(ctx context.Context, e *Env) (*report.Result, error) {
	dir, err := os.MkdirTemp("", "dmm-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the demo's records: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder: the system cleans up what stays
	sim := dominosim.New(demoSystem())
	server, url, err := serve(ctx, sim, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close() }() // nobody is connected any more
	d := &demo{env: e, sim: sim, url: url, dir: dir, began: time.Now()}
	before := sim.Ledger().Snapshot()
	stuck := d.oneFailsToStop(before)

	d.say("A simulated Domino %s with %d executions, %d of them running, serves at %s.\n"+
		"Lag is off here, to be quick: lists show at once what was accepted. In the tests they are up to 40 s late.\n"+
		"The first attempt to stop the app %q will be refused.\n", sim.Profile(), d.total(), len(before), url, stuck)
	for _, step := range []struct {
		command string
		run     func(context.Context, *Env) (*report.Result, error)
	}{
		{"snapshot", Snapshot}, {"shutdown", Shutdown}, {"", d.upgrade}, {"status", Status}, {"restore", Restore},
	} {
		if err := d.step(ctx, step.command, step.run); err != nil {
			return nil, err
		}
	}
	return d.conclude(before)
}

type demo struct {
	env   *Env
	sim   *dominosim.Sim
	url   string
	dir   string
	began time.Time
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.env.Out, format+"\n", args...) }

func (d *demo) total() int {
	n := 0
	for _, kind := range []string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob} {
		n += len(d.sim.Objects(kind))
	}
	return n
}

// oneFailsToStop plans that the first stop of one running app is refused.
func (d *demo) oneFailsToStop(running map[dominosim.Key]dominosim.Run) string {
	for _, o := range d.sim.Objects(dominosim.KindApp) {
		if _, ok := running[o.Key]; ok {
			d.sim.AddFault(dominosim.Fault{
				Name: "first stop is refused", Method: "POST", Path: "/v4/modelProducts/{id}/stop", Object: o.ID,
				Kind: dominosim.FaultStatus, Status: 500,
			})
			return o.Name
		}
	}
	return ""
}

// step runs one mode as its command would, and prints what it prints.
func (d *demo) step(ctx context.Context, command string, run func(context.Context, *Env) (*report.Result, error)) error {
	env := *d.env
	c := *d.env.Config
	c.Hostname, c.APIKey, c.RestoreWorkspaces = d.url, config.NewSecret(dominosim.DefaultAPIKey), true
	c.Settle = 2 * time.Second // without lag nothing hides for long
	env.Config = &c
	var err error
	if env.Store, err = file.Open(d.dir); err != nil {
		return err
	}
	if command == "" {
		_, err := run(ctx, &env)
		return err
	}
	shown := command
	if command == "restore" {
		shown += " --restore-workspaces"
	}
	d.say("\n$ dmm %s", shown)
	res, err := run(ctx, &env)
	if err != nil {
		return fmt.Errorf("demo: dmm %s: %w", command, err)
	}
	return res.WriteText(d.env.Out)
}

func (d *demo) upgrade(context.Context, *Env) (*report.Result, error) {
	if running := d.sim.Ledger().Snapshot(); len(running) > 0 {
		return nil, fmt.Errorf("demo: %d executions run although shutdown is done", len(running))
	}
	d.sim.SetVersion("6.2")
	d.say("\nNothing runs any more. Domino is upgraded from 6.1 to %s.", d.sim.Profile())
	return nil, nil
}

// conclude compares what runs now with what ran before, from the simulator's own ledger.
func (d *demo) conclude(before map[dominosim.Key]dominosim.Run) (*report.Result, error) {
	after := d.sim.Ledger().Snapshot()
	names := map[dominosim.Key]dominosim.Object{}
	for _, kind := range []string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob} {
		for _, o := range d.sim.Objects(kind) {
			names[o.Key] = o
		}
	}
	var keys []dominosim.Key
	for k := range before {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b dominosim.Key) int {
		return strings.Compare(a.Kind+names[a].Project+names[a].Name+a.ID, b.Kind+names[b].Project+names[b].Name+b.ID)
	})
	d.say("\nWhat ran before, as the simulated Domino itself saw it:\n")
	t := tabwriter.NewWriter(d.env.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "kind\tproject\tname\tstopped\tstarted\tnow\t")
	back := 0
	for _, k := range keys {
		entry := d.sim.Ledger().Entry(k.Kind, k.ID)
		stops, starts := entry.Effects("stop"), entry.Effects("start")
		if k.Kind == dominosim.KindScheduledJob {
			stops, starts = entry.Effects("put")/2, entry.Effects("put")/2 // pause and resume are puts
		}
		now := "NOT RUNNING"
		if _, ok := after[k]; ok {
			now = "running"
			back++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d x\t%d x\t%s\t\n", k.Kind, names[k].Project, names[k].Name, stops, starts, now)
	}
	if err := t.Flush(); err != nil {
		return nil, err
	}
	for k := range after {
		if _, ok := before[k]; !ok {
			return nil, fmt.Errorf("demo: %s %s runs and did not run before", k.Kind, k.ID)
		}
	}
	if back != len(before) {
		return nil, fmt.Errorf("demo: %d of %d executions run again", back, len(before))
	}
	if unfired := d.sim.UnfiredFaults(); len(unfired) > 0 {
		return nil, errors.New("demo: the planned fault did not fire")
	}
	d.say("")
	res := d.env.result("demo")
	res.Message = fmt.Sprintf("All %d executions that ran before run again, and nothing else does. It took %s.", back, time.Since(d.began).Round(time.Second))
	return res, nil
}
