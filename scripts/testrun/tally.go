package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An event is a line of go test -json (go doc test2json, go help buildjson).
type event struct {
	Action, Package, Test, Output, Key, Value string
	Elapsed                                   float64 // seconds
}

// A tally folds what go test says. Its methods return what is to be said of it, in whole lines, or nothing.
type tally struct {
	verbose bool

	downloads int
	running   []string                       // packages
	output    map[string]map[string][]string // lines of tests that have not ended, by package and test; the package's own have no test
	packages  int                            // that have ended
	passed    int                            // tests and subtests
	failed    []string                       // tests and packages
	sampled   []string
	skipped   map[string][]string // names of tests, by reason
}

func newTally(verbose bool) *tally {
	return &tally{verbose: verbose, output: map[string]map[string][]string{}, skipped: map[string][]string{}}
}

// message takes a line of go test's standard error. What a first run downloads is counted, and nothing to worry about.
func (t *tally) message(line []byte) string {
	if strings.HasPrefix(string(line), "go: downloading ") {
		t.downloads++
		return ""
	}
	return string(line)
}

// event takes a line of go test's standard output.
func (t *tally) event(line []byte) string {
	var e event
	if json.Unmarshal(line, &e) != nil {
		return string(line)
	}
	if e.Package != "" && t.output[e.Package] == nil {
		t.output[e.Package] = map[string][]string{}
	}
	switch e.Action {
	case "build-output":
		return e.Output
	case "start":
		t.running = append(t.running, e.Package)
	case "attr":
		if e.Key == "sampled" {
			t.sampled = append(t.sampled, e.Value)
		}
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") { // RUN, PAUSE, CONT, NAME, ATTR
			t.output[e.Package][e.Test] = append(t.output[e.Package][e.Test], e.Output)
		}
		if t.verbose {
			return e.Output
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			return t.packageEnded(e)
		}
		return t.testEnded(e)
	}
	return ""
}

func (t *tally) testEnded(e event) string {
	output := t.output[e.Package][e.Test]
	delete(t.output[e.Package], e.Test)
	name := short(e.Package) + "." + e.Test
	switch e.Action {
	case "pass":
		t.passed++
	case "skip":
		why := reason(output)
		t.skipped[why] = append(t.skipped[why], name)
	case "fail":
		t.fail(name, name+"/")
		return t.unsaid(output)
	}
	return ""
}

func (t *tally) packageEnded(e event) string {
	t.running = slices.DeleteFunc(t.running, func(p string) bool { return p == e.Package })
	said := ""
	for _, name := range slices.Sorted(maps.Keys(t.output[e.Package])) { // what no test has taken along, such as a panic
		if e.Action == "fail" {
			said += t.unsaid(t.output[e.Package][name])
		}
	}
	delete(t.output, e.Package)
	if e.Action == "skip" { // it has no tests
		return ""
	}
	t.packages++
	if e.Action == "fail" {
		t.fail(short(e.Package), short(e.Package)+".")
	}
	return said + fmt.Sprintf("%s  %6.1fs  %s\n", e.Action, e.Elapsed, short(e.Package))
}

// fail notes what failed, unless a part of it has, whose name begins like that.
func (t *tally) fail(name, part string) {
	if !slices.ContainsFunc(t.failed, func(f string) bool { return strings.HasPrefix(f, part) }) {
		t.failed = append(t.failed, name)
	}
}

// unsaid is output, unless it was passed on as it came.
func (t *tally) unsaid(output []string) string {
	if t.verbose {
		return ""
	}
	return strings.Join(output, "")
}

// progress says what is under way, for a person who wonders.
func (t *tally) progress(since time.Duration) string {
	doing := "compiling"
	if t.downloads > 0 {
		doing = fmt.Sprintf("compiling; %d modules were downloaded", t.downloads)
	}
	if len(t.running) > 0 {
		names := make([]string, len(t.running))
		for i, p := range t.running {
			names[i] = short(p)
		}
		doing = fmt.Sprintf("in %s; %d packages and %d tests are done", strings.Join(names, " and "), t.packages, t.passed)
	}
	return fmt.Sprintf("... %s: %s\n", since.Round(time.Second), doing)
}

// summary is the last word.
func (t *tally) summary(took time.Duration) string {
	var b strings.Builder
	b.WriteString("\n")
	for _, what := range slices.Sorted(slices.Values(t.sampled)) {
		fmt.Fprintf(&b, "sampled: %s\n", what)
	}
	for _, why := range slices.Sorted(maps.Keys(t.skipped)) {
		names := t.skipped[why]
		more := ""
		if len(names) > 1 {
			more = fmt.Sprintf(" and %d more", len(names)-1)
		}
		fmt.Fprintf(&b, "skipped: %s%s: %s\n", names[0], more, why)
	}
	for _, name := range t.failed {
		fmt.Fprintf(&b, "failed:  %s\n", name)
	}
	skipped := 0
	for _, names := range t.skipped {
		skipped += len(names)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d skipped in %d packages; took %s\n", t.passed, len(t.failed), skipped, t.packages, took.Round(time.Second))
	return b.String()
}

// place is where a test has logged a line: "    file_test.go:53: ".
var place = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

// reason is what a test said last before it left off.
func reason(output []string) string {
	why := "no reason given"
	for _, line := range output {
		if at := place.FindStringIndex(line); at != nil {
			why = strings.TrimSpace(line[at[1]:])
		}
	}
	return why
}

// short is a package's path within the module.
func short(pkg string) string {
	_, inside, ok := strings.Cut(pkg, "/dmm/")
	if !ok {
		return pkg
	}
	return inside
}
