package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The names and defaults are an API. If this test fails, charts and scripts of other people will too.
func TestSettingsGolden(t *testing.T) {
	var b strings.Builder
	for _, s := range Settings() {
		fmt.Fprintf(&b, "%-24s %-26s %-10s %s\n", s.Variable, or(s.Flag, "-"), s.Type, or(s.Default, "-"))
	}
	got := strings.ReplaceAll(b.String(), " \n", "\n")
	const file = "testdata/settings.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("settings differ from %s (-want +got), go test -update rewrites it:\n%s", file, diff)
	}
}

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

// Each tag that the code relies on is there, since a missing one shows nowhere else.
func TestSettingsAreComplete(t *testing.T) {
	known := map[string]bool{}
	for _, g := range groups {
		known[g.key] = true
	}
	seen := map[string]bool{}
	for _, s := range Settings() {
		if !strings.HasPrefix(s.Variable, "DMM_") && !strings.HasPrefix(s.Variable, "DOMINO_") {
			t.Errorf("%q begins with neither DMM_ nor DOMINO_", s.Variable)
		}
		if s.Variable != strings.ToUpper(s.Variable) {
			t.Errorf("%s is not in upper case", s.Variable)
		}
		if isServiceLink(s.Variable, "tcp://10.0.0.1:80") {
			t.Errorf("%s could come from a Service", s.Variable)
		}
		if !known[s.Group] {
			t.Errorf("%s: group %q has no heading", s.Variable, s.Group)
		}
		if s.Modes == "" || !strings.HasSuffix(s.Doc, ".") || strings.ContainsAny(s.Doc, "`\n") {
			t.Errorf("%s: modes %q, doc %q", s.Variable, s.Modes, s.Doc)
		}
		if s.Type == "secret" && s.Flag != "" {
			t.Errorf("%s has the flag %s, which shows in ps", s.Variable, s.Flag)
		}
		for _, name := range []string{s.Variable, s.Flag} {
			if name != "" && seen[name] {
				t.Errorf("%s exists twice", name)
			}
			seen[name] = true
		}
	}
}

func TestDefaultsAreValid(t *testing.T) {
	c, warnings, err := Load(nil, nil)
	if err != nil || warnings != nil {
		t.Fatalf("Load = %v, %v; want neither", warnings, err)
	}
	if err := c.Validate(Needs{}); err != nil {
		t.Errorf("Validate = %v", err)
	}
}

func TestReferenceNamesEverySetting(t *testing.T) {
	got := Reference("## Exit codes\n\nA table.\n")
	for _, s := range Settings() {
		if !strings.Contains(got, "\n| `"+s.Variable+"` | ") {
			t.Errorf("%s has no row", s.Variable)
		}
	}
	if !strings.HasSuffix(got, " |\n\n## Exit codes\n\nA table.\n") {
		t.Errorf("the appended section is not at the end: %q", got[len(got)-80:])
	}
	if strings.Contains(got, "``") {
		t.Error("code within code")
	}
}

func TestMarkdown(t *testing.T) {
	const doc = "The lag of Domino's lists: 'a|b', ('c'). See DMM_STORE=mem and AWS_REGION. Owners' 'd'"
	const want = "The lag of Domino's lists: `a\\|b`, (`c`). See `DMM_STORE=mem` and `AWS_REGION`. Owners' `d`"
	if got := markdown(doc); got != want {
		t.Errorf("markdown = %s\nwant       %s", got, want)
	}
}

// faults takes apart what Load or Validate returned.
func faults(t *testing.T, err error) []*Fault {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T %v is not joined", err, err)
	}
	var out []*Fault
	for _, e := range joined.Unwrap() {
		var f *Fault
		if !errors.As(e, &f) {
			t.Fatalf("%T %v is no Fault", e, e)
		}
		if strings.ContainsAny(f.Error(), "\n\r") || f.Reason == "" || f.Hint == "" {
			t.Errorf("fault is not one whole line: %q", f.Error())
		}
		if !strings.HasPrefix(f.Error(), f.Variable) || f.Flag != settingOf(f.Variable).Flag || !strings.Contains(f.Error(), f.Flag) {
			t.Errorf("fault does not name its variable and flag: %q", f.Error())
		}
		out = append(out, f)
	}
	return out
}

func variables(faults []*Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Variable)
	}
	return out
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("dmm", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("parse %q: %v", args, err)
	}
	return fs
}
