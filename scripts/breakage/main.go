// Command breakage breaks each safety of dmm on purpose, one at a time, and shows which
// tests notice. A proof that cannot fail proves nothing.
//
// A breakage replaces one piece of source text by another in a build overlay: nothing on
// disk changes, and the product holds no switch that could disable a safety. It is an
// error if the text is not there any more, so that this table cannot go stale unseen.
//
// The first tests of a package that fail are enough, so that the list behind a safety is not the whole of it.
//
//	go run ./scripts/breakage [-part 1/3] [name ...]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type breakage struct {
	name     string // what is left out
	file     string
	old, new string
}

var breakages = []breakage{
	{"the intent before a call", "internal/converge/engine.go",
		"lines = append(lines, window.IntentOf(x.goal, t.seen, t.calls))", "_ = window.IntentOf"},
	{"the fence", "internal/window/run.go",
		"err == nil && !bytes.Equal(there, body)", "err == nil && !bytes.Equal(there, body) && false"},
	{"the age of an append counted from before it was sent", "internal/window/run.go",
		"r.sent = sent\n", "r.sent = time.Now()\n"},
	{"the check at the socket", "internal/window/run.go",
		"r.age() < r.lease*2/3", "true"},
	{"the lease before a takeover", "internal/window/window.go",
		"h = l.Holder\n", "h = nil\n"},
	{"the settle time after a lost answer", "internal/converge/engine.go",
		"t.notBefore = time.Now().Add(x.Limits.Settle)", "t.notBefore = time.Now()"},
	{"the settle time of what shutdown finds in doubt", "internal/modes/shutdown.go",
		"settled := start.Add(e.Config.Settle)", "settled := start"},
	{"the settle time of what restore finds in doubt", "internal/modes/restore.go",
		"settled := began.Add(e.Config.Settle)", "settled := began"},
	{"the chain of a journal", "internal/window/chain.go",
		"case first.Prev != w.head():", "case false:"},
	{"the chain from a window to the next", "internal/window/chain.go",
		"first.Prev == last:", "true:"},
	{"the anchor of a journal's end", "internal/window/chain.go",
		"json.Unmarshal(body, &a) != nil || a.Journal.Entries == 0 {", "json.Unmarshal(body, &a) != nil || true {"},
	{"the look of a run for its own journal", "internal/window/run.go",
		"if peopleActOn(lines) {", "if false {"},
	{"the other object in the place of an entry", "internal/window/chain.go",
		"case ok && size != w.sizes[n]:", "case ok && size != w.sizes[n] && false:"},
	{"the count of what filters leave running", "internal/window/standing.go",
		"case !f.Match(x):\n			s.Filtered++", "case !f.Match(x):\n			continue"},
	{"the count of what a setting leaves alone", "internal/window/standing.go",
		"case h.Ignores(x.Kind):\n			s.Ignored++", "case h.Ignores(x.Kind):\n			continue"},
	{"what lists show running and does not run", "internal/modes/shutdown.go",
		"if x.State == execution.Running || x.State.Down() {", "if true {"},
	{"bars that count failures as done", "internal/converge/engine.go",
		"case t.outcome == window.Failed:\n			c.Failed++", "case t.outcome == window.Failed:\n			c.Done++"},
	{"the second look before all of a snapshot is said to run", "internal/modes/unexplained.go",
		"if err == nil && len(down) == 0 && !e.Config.DryRun {", "if false {"},
	{"the report that tells of a journal", "internal/window/window.go",
		"entries[number] = append(entries[number], nil...)", "_ = number"},
	{"what is on its way down and unexplained", "internal/modes/unexplained.go",
		"case !now.State.Up():\n			lines = append", "case now.State.Down():\n			lines = append"},
	{"the next look at what is doubtful", "internal/modes/shutdown.go",
		"len(found.running) == 0 && len(found.doubtful) > 0 {", "len(found.running) == 0 && len(found.doubtful) > 0 && time.Until(settledBy) > 0 {"},
	{"the look of a run for its snapshot", "internal/modes/telemetry.go",
		"keys, err := snap.Keep(ctx, at.store)", "keys, err := []string(nil), error(nil)"},
	{"what is down and unexplained", "internal/modes/unexplained.go",
		"items := b.Unexplained(run.Pinned().Filter)", "items := b.Unexplained(run.Pinned().Filter)[:0]"},
	{"the snapshot that is newer than any window", "internal/modes/restore.go",
		"if snap != nil {", "if false {"},
	{"a failed attempt as a doubt", "internal/window/balance.go",
		"a.Open = a.Open && l.Event == Failed", "a.Open = false"},
	{"the instance that shows a start has taken effect", "internal/converge/task.go",
		`case now.Instance != "" && t.before != "":`, `case false:`},
	{"the refused stop that makes it not ours", "internal/converge/engine.go",
		"t.already, t.freshFrom = true, ", "t.landed, t.freshFrom = true, "},
	{"the second look where no call was", "internal/converge/engine.go",
		"case r.verdict == settle && (r.sure || agrees):", "case r.verdict == settle && (r.sure || agrees || true):"},
	{"the lag between two looks that agree", "internal/converge/task.go",
		"return !l.asked.Before(t.shown.at.Add(t.lag))", "return l.asked.After(t.shown.at.Add(-t.lag))"},
	{"the look that is not older than the call", "internal/converge/task.go",
		"t.answered && (t.fresh(l) || t.moving && t.isNew(l))", "t.answered"},
	{"the look that may be from before the call had begun", "internal/converge/task.go",
		"return !t.changed.IsZero() && !l.asked.Before(t.changed.Add(t.lag))", "return !t.changed.IsZero()"},
	{"the instance that may be from before", "internal/converge/task.go",
		"return t.judgeNewInstance(l, started).given(t.isNew(l))", "return t.judgeNewInstance(l, started).given(true)"},
	{"the line that may be from before", "internal/converge/task.go",
		"case t.other(now) && (t.fresh(l) || t.item.Lacks()):", "case t.other(now):"},
	{"the stop on record that makes it ours", "internal/converge/task.go",
		"case now.State.Down() && (t.landed || t.answered):", "case now.State.Down() && t.answered:"},
	{"the scan that may show what was before the stop", "internal/modes/shutdown.go",
		"case now.State.Up() && older:", "case now.State.Up() && older && false:"},
	{"the read back that may be from before the PUT", "internal/execution/schedules.go",
		"if err != nil || now.Paused != paused {", "if err != nil {"},
	{"the look that makes it not ours", "internal/converge/task.go",
		`return outcome(window.NotOurs, "it was stopped before`, `return outcome(window.Done, "it was stopped before`},
	{"the comparison before the stop", "internal/converge/task.go",
		"case t.other(now):", "case false:"},
	{"the scan for what was started meanwhile", "internal/modes/shutdown.go",
		"if scan > 0 && len(found.running) == 0 {", "if scan > 0 {"},
	{"the scan that waits until nothing can be hidden", "internal/modes/shutdown.go",
		"hidden > 0 {", "hidden > time.Hour {"},
	{"the second look before the manifest", "internal/modes/snapshot.go",
		"if number(meanwhile) != number(at.last) {", "if false {"},
	{"the probe of the store", "internal/window/run.go",
		"if second == nil {", "if false {"},
	{"the bytes that tell whose create it was, after a lost answer", "internal/store/remote/remote.go",
		"inDoubt = inDoubt || v.Landed", ""},
	{"the word of a first answer that a key is taken", "internal/store/remote/remote.go",
		"case taken && !inDoubt:", "case taken && false:"},
	{"the look that failed and leaves a create open", "internal/store/remote/remote.go",
		"case !isNotFound(readErr):", "case false:"},
	{"the try that is one request, of a read of Google's", "internal/store/gcs/gcs.go",
		"if a.sent {", "if false {"},
	{"the try that is one request, of all else of Google's", "internal/store/gcs/gcs.go",
		"storage.WithPolicy(storage.RetryNever)", "storage.WithPolicy(storage.RetryAlways)"},
	{"the write in one request at Google", "internal/store/gcs/gcs.go",
		"w.ChunkSize = 0 ", "w.ChunkSize = 256 << 10 "},
	{"the condition of a create at Google", "internal/store/gcs/gcs.go",
		"storage.Conditions{DoesNotExist: true}", "storage.Conditions{GenerationNotMatch: 7}"},
	{"the condition of a create on Azure", "internal/store/azure/azure.go",
		"IfNoneMatch: to.Ptr(azcore.ETagAny)", ""},
	{"the condition of a create on S3", "internal/store/s3/s3.go",
		`in.IfNoneMatch = aws.String("*")`, "_ = in.IfNoneMatch"},
	{"the link that no two writers can both make", "internal/store/file/file.go",
		"err := d.link(in, temp, name)\n", "err := in.Rename(temp, name)\n"},
	{"the rename that replaces nothing", "internal/store/file/rename_linux.go",
		"unix.RENAME_NOREPLACE)", "0)"},
	{"the refusal of a file system that has neither", "internal/store/file/file.go",
		"if unsupported(renameErr) {", "if unsupported(renameErr) {\n\t\t\treturn in.Rename(temp, name)"},
	{"the link that is there and ours", "internal/store/file/file.go",
		"os.SameFile(ours, there)", "os.SameFile(ours, there) && false"},
	{"the link that is there and not ours", "internal/store/file/file.go",
		"os.SameFile(ours, there)", "(os.SameFile(ours, there) || true)"},
	{"the link to a folder that is not followed", "internal/store/file/file.go",
		"case !fi.IsDir():\n", "case !fi.IsDir() && fi.Mode()&fs.ModeSymlink == 0:\n"},
	{"the end on record of a run that crashed", "internal/modes/modes.go",
		"return nil, e.finish(ctx, e.run, nil, crashed)", "return nil, crashed"},
	{"the read that confirms what a list says", "internal/modes/shutdown.go",
		"case now.State.Up():\n", "default:\n"},
	{"the manifest that is deleted first", "internal/snapshot/folder.go",
		"if err := s.Delete(ctx, key); err != nil {\n\t\t\treturn fail(err)\n\t\t}\n\t\tuse, err", "use, err"},
	{"the look for a new window while a snapshot is deleted", "internal/snapshot/folder.go",
		"if err != nil || use {", "if err != nil || use && false {"},
	{"the journal that is deleted from its last entry down", "internal/window/index.go",
		"return strings.Compare(b, a)", "return strings.Compare(a, b)"},
	{"the reading of what prune keeps", "internal/modes/prune.go",
		"_, damage = snapshot.Load(ctx, r.store, f.ID)", ""},
	{"the arguments that an imported snapshot lacks", "internal/modes/restore.go",
		"if len(lacking) == 0 {", "if true {"},
	{"the doubt of what was imported", "internal/modes/import.go",
		`Subject: "import", Incomplete: true,`, `Subject: "import",`},
	{"the look for a re-run before it is sent", "internal/execution/jobs.go",
		"there != nil || err != nil {", "false && there == nil && err == nil {"},
	{"the re-run that belongs to another job", "internal/execution/jobs.go",
		"case known, before, ", "case before, "},
	{"the end of a job before its re-run", "internal/execution/jobs.go",
		"j.Submitted.Before(first.Ended)", "false"},
	{"the whole list of later jobs", "internal/domino/jobs.go",
		"info.total > len(seen)", "false"},
	{"the jobs of a flow that are never stopped", "internal/execution/handling.go",
		"case PolicyStop:\n\t\tif e.Flow == \"\" {", "case PolicyStop:\n\t\tif true {"},
	{"the wait that sends nothing", "internal/converge/task.go",
		"case t.waits && now.State != execution.Unknown:", "case false:"},
	{"the job that came to its own end", "internal/converge/task.go",
		"case now.State.Down() && now.Finished():", "case false:"},
	{"the policies that a window has pinned", "internal/modes/shutdown.go",
		"h != last.Pinned.Handling && ", "false && "},
	{"the read that confirms what a list of a preflight lacks", "internal/execution/preflight.go",
		"switch t, err := p.client.HardwareTier(ctx, id); {", "switch t, err := tiers[id], error(&domino.Error{Kind: domino.KindNotFound}); {"},
	{"the pod that a start needs", "internal/execution/pods.go",
		"if d.pods.lacks(ctx, subject) {", "if false && d.pods.lacks(ctx, subject) {"},
	{"the stop by its owner of what was given up", "internal/converge/task.go",
		"case now.State == execution.Stopped && t.late:", "case false:"},
	{"the clock of the snapshot that nobody relies on", "internal/modes/shutdown.go",
		"from := snap.From.Add(aheadOfUs)", "from := snap.From"},
	{"the look for the snapshot of a window that has been opened", "internal/modes/modes.go",
		"snapshot.ReadManifest(ctx, at.store, p.Snapshot); err != nil {", "snapshot.ReadManifest(ctx, at.store, p.Snapshot); err != nil && false {"},
	{"the wait of what serves production", "internal/converge/engine.go",
		"return x.goal == window.Stop && slices.ContainsFunc(x.tasks, others)",
		"return false && slices.ContainsFunc(x.tasks, others)"},
	{"the look for a notice before it is sent again", "internal/modes/notify.go",
		"if known.Title != \"\" {", "if false {"},
	{"the place that a stuck start gives to the next", "internal/converge/engine.go",
		"t.taken.Before(long)", "t.taken.Before(long) && false"},
	{"the refusal to restore what is somebody else's", "internal/modes/modes.go",
		`if intent == "" || !at.open() || at.last.Pinned.Intent == intent {`, `if intent == "" || intent != "" {`},
	{"the report of whoever ended last", "internal/modes/telemetry.go",
		"if !slices.ContainsFunc(since,", "if true || !slices.ContainsFunc(since,"},
	{"what runs outside of the cluster", "internal/execution/handling.go",
		"if h.External == PolicyStop {", "if true {"},
	{"the refusal of what was called off", "internal/modes/shutdown.go",
		"case !done:", "case !done && false:"},
	{"the refusal of a shutdown that has been made and is over", "internal/modes/shutdown.go",
		"if w.Pinned.Snapshot == snap.ID {", "if false {"},
	{"the maintenance before the last, that may have used the snapshot", "internal/modes/shutdown.go",
		"if w, err = window.Read(ctx, s.store, w.Number-1); err != nil {", "if w = nil; err != nil {"},
	{"the refusal of filters that select nothing", "internal/modes/filters.go",
		`nothing := n.nothing != "" && `, "nothing := false && "},
	{"the refusal of a filter that names nothing", "internal/modes/filters.go",
		`if names.Unseen != "" {`, "if true {"},
	{"the list that could not be seen whole, of what a filter names", "internal/modes/filters.go",
		`if names.Unseen != "" {`, "if false {"},
	{"whose an execution is, whatever its project", "internal/execution/filter.go",
		"if f.OfProjects {", "if true {"},
	{"the comparison of what a start sends with Domino's word", "internal/converge/engine.go",
		"case x.goal == window.Start && !t.compared:", "case false:"},
	{"the refusal of what Domino tells otherwise", "internal/converge/engine.go",
		"case len(c.Differs) > 0 && !x.changed:", "case false:"},
	{"the difference that may be older than the record", "internal/converge/engine.go",
		"case len(c.Differs) > 0 && !x.changed && !t.isNew(l):", "case false:"},
	{"what is said of a start that Domino tells otherwise", "internal/converge/engine.go",
		"why = also(why, Unlike(t.unlike))", "_ = Unlike(t.unlike)"},
	{"the instance that tells what an app ran with", "internal/execution/verify.go",
		"says(now.HardwareTier), w.tier(ctx, s.HardwareTierID),", "says(now.HardwareTier),"},
	{"what an app ran with that never ran", "internal/execution/verify.go",
		"return told{known: true}, nil\n\t\t}\n\t\tin, err := w.of(ctx)", "return told{}, nil\n\t\t}\n\t\tin, err := w.of(ctx)"},
	{"the namesake of an environment", "internal/execution/verify.go",
		`w.row.Environment != "" || v != nil`, "v != nil"},
	{"the answer about an instance that is away", "internal/execution/verify.go",
		"if err != nil && !answered(err) {\n\t\treturn nil, fmt.Errorf(\"read its latest", "if false {\n\t\treturn nil, fmt.Errorf(\"read its latest"},
	{"the volumes of the project that an app had not mounted", "internal/execution/verify.go",
		"if !untold && (w.row", "if !untold && false && (w.row"},
	{"the id of the version that is started", "internal/execution/verify.go",
		`c.same("versionId", r.VersionID, e.ID)`, `c.same("versionId", e.ID, e.ID)`},
	{"the id of the job that is run again", "internal/execution/verify.go",
		`c.same("jobId", r.JobID, now.ID)`, `c.same("jobId", now.ID, now.ID)`},
	{"the comparison behind the witness of pods", "internal/execution/verify.go",
		"return Verify(ctx, d.Driver, e, now, older)", "return Comparison{}, nil"},
	{"whom Domino knows, in a dry run", "internal/modes/arguments.go",
		`if told != "" && told != *shown {`, "if false {"},
	{"the refusals that a dry run shows", "internal/modes/arguments.go",
		"case len(c.Differs) > 0 && !plan.AllowChanged:", "case false:"},
	{"what owners meant when the window was opened", "internal/execution/filter.go",
		"f.OfProjects = f.namesOwners() && r.OwnersOf != ownersOf", "f.OfProjects = false"},
}

// suites are the packages whose tests must notice. The sampled matrix is among them. What is wrong with a store is noticed by its
// own tests: all others would run again for each, and see nothing.
var (
	suites = []string{"./internal/window", "./internal/converge", "./internal/execution", "./internal/snapshot", "./internal/modes"}
	stores = []string{"./internal/store/..."}
)

func (b breakage) suites() []string {
	switch {
	case b.old == "": // nothing is broken
		return append(stores, suites...)
	case strings.HasPrefix(b.file, "internal/store/"):
		return stores
	}
	return suites
}

// part is which of so many equal parts of the table to go through; its change from run to run makes up for the rest.
var part = flag.String("part", "1/1", "go through one part of so many, such as 2/3")

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "breakage:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	dir, err := os.MkdirTemp("", "breakage-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// What fails unbroken proves nothing.
	if failed, err := (breakage{name: "nothing", file: breakages[0].file}).test(dir); err != nil || len(failed) > 0 {
		return fmt.Errorf("the tests fail before anything is broken: %v %w", failed, err)
	}
	var which, parts int
	if _, err := fmt.Sscanf(*part, "%d/%d", &which, &parts); err != nil || which < 1 || which > parts {
		return fmt.Errorf("-part %s is no part such as 2/3", *part)
	}
	tried, unnoticed, unknown := 0, 0, 0
	defer func() {
		fmt.Printf("%d of %d breakages tried, %d not noticed, %d without a verdict\n", tried, len(breakages), unnoticed, unknown)
	}()
	for i, b := range breakages {
		if i%parts != which-1 {
			continue
		}
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(b.name, n) }) {
			continue
		}
		tried++
		began := time.Now()
		failed, err := b.test(dir)
		if errors.Is(err, errNoVerdict) {
			unknown++
			fmt.Printf("NO VERDICT   without %s: %v\n", b.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if len(failed) == 0 {
			unnoticed++
			fmt.Printf("NOT NOTICED  without %s\n", b.name)
			continue
		}
		fmt.Printf("noticed      without %s (%s)\n", b.name, time.Since(began).Round(time.Second))
		for i, f := range failed {
			if i == 5 {
				fmt.Printf("               and %d more\n", len(failed)-i)
				break
			}
			fmt.Printf("               %s\n", f)
		}
	}
	if unknown > 0 {
		return fmt.Errorf("%d runs of the tests failed of themselves, and %d safeties can be left out without any test noticing", unknown, unnoticed)
	}
	if unnoticed > 0 {
		return fmt.Errorf("%d safeties can be left out without any test noticing", unnoticed)
	}
	return nil
}

// test runs the suites over a build without the safety, and returns the tests that fail.
func (b breakage) test(dir string) ([]string, error) {
	source, err := os.ReadFile(b.file)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(b.old)); n != 1 && b.old != "" {
		return nil, fmt.Errorf("%s holds %q %d times, want once: this table is out of date", b.file, b.old, n)
	}
	broken := filepath.Join(dir, "broken.go")
	if b.old != "" {
		source = bytes.Replace(source, []byte(b.old), []byte(b.new), 1)
	}
	if err := os.WriteFile(broken, source, 0o600); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(b.file)
	if err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: broken}})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlayFile, "./...")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("it does not compile any more: %s", out)
	}
	cmd := exec.Command("go", append([]string{"test", "-overlay", overlayFile, "-vet=off", "-failfast", "-json", "-timeout", "10m"}, b.suites()...)...)
	cmd.Env = append(os.Environ(), "DMM_TEST_DRAW=5") // what is rare must be noticed, too
	return verdict(cmd.Output())
}

// errNoVerdict is what a run of the tests comes to that fails without a test that does.
var errNoVerdict = errors.New("no test failed, and the run did")

// verdict returns the tests that failed in what go test -json said. That it fails is what is wanted, but by a test: a run that
// does not build, that its timeout ends or that somebody kills tells nothing about the safety, and is [errNoVerdict].
func verdict(out []byte, ended error) ([]string, error) {
	var failed, why []string
	for line := range bytes.Lines(out) { // of any length, since a test may log much
		var e struct{ Action, Package, Test, Output, FailedBuild string }
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch output := strings.TrimSpace(e.Output); {
		case e.Action == "fail" && e.Test != "":
			failed = append(failed, filepath.Base(e.Package)+"."+e.Test)
		case e.Action == "fail" && e.FailedBuild != "":
			why = append(why, filepath.Base(e.Package)+" does not build")
		case e.Action == "fail":
			why = append(why, filepath.Base(e.Package)+" failed")
		case strings.HasPrefix(output, "panic: ") || strings.HasPrefix(output, "signal: "): // of a timeout, for one
			why = append(why, output)
		}
	}
	if ended != nil && len(failed) == 0 {
		return nil, fmt.Errorf("%w: %s (%w)", errNoVerdict, strings.Join(why, ", "), ended)
	}
	// A parent fails with its subtests: name the subtests alone.
	failed = slices.DeleteFunc(failed, func(f string) bool {
		return slices.ContainsFunc(failed, func(g string) bool { return strings.HasPrefix(g, f+"/") })
	})
	return failed, nil
}
