package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

//go:generate go test . -run ^TestReference$ -update

var update = flag.Bool("update", false, "write docs/reference.md instead of comparing with it")

const referenceFile = "../../docs/reference.md"

// TestReference keeps docs/reference.md true: it is made from the settings, the kinds, the modes and the exit codes
// that are compiled into dmm, and from nothing else.
func TestReference(t *testing.T) {
	want := config.Reference(filtersSection(), modesSection(), exitsSection())
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/reference.md is not what the code says; run go test ./cmd/dmm -run TestReference -update (-code +file):\n%s", diff)
	}
}

func modesSection() string {
	var b strings.Builder
	b.WriteString("## Modes\n\nWhat `dmm MODE` and `DMM_MODE=MODE` can be. `dmm help MODE` says more.\n\n")
	b.WriteString("| mode | what it does | calls Domino | needs a store |\n| --- | --- | --- | --- |\n")
	for _, m := range modes.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, cell(m.Short), yes(m.Needs.Domino), yes(m.Needs.Store))
	}
	return b.String()
}

func filtersSection() string {
	var b strings.Builder
	b.WriteString(`## Filters

A shutdown and a restore hold their filters against what there is before they open a window, in a dry run too. They end
with 2, and nothing has been touched, where the filters select nothing that runs (of a restore: nothing that it has to
bring back), and where an entry names nothing that exists. That others are right does not make up for it: a mistyped
exclusion would stop what was to be spared. All such entries are named at once, each with the nearest name that there
is. What exists, and of which nothing runs, is a note, and so is what could not be looked up. The filters that a window
was opened with are not held against anything again. An audit finds what a shutdown would refuse. Snapshots are not
filtered.

Names compare without regard to case. These exist:

- projects: those that Domino lists, archived ones too;
- users: those in Domino's list of users, where organisations are too, and all owners of executions and projects;
- ids: those of executions in the snapshot or in Domino's lists, whether they run or not, and of the model, endpoint or
  environment that one is a version or a build of.

` + "`DMM_OWNERS` and `DMM_EXCLUDE_OWNERS`" + ` say whose an execution is. Whose project it runs in makes no difference:

| kind | whose it is |
| --- | --- |
`)
	for _, k := range modes.Kinds() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k, cell(k.BelongsTo()))
	}
	b.WriteString(`
One of which Domino names nobody is nobody's: no filter by owner selects or spares it, and a note says so. A window that
was opened by a version of dmm to which what runs in a user's project was the user's too goes on so, and says it.
`)
	return b.String()
}

func exitsSection() string {
	var b strings.Builder
	b.WriteString("## Exit codes\n\nThey are an API: the last column is what a Job's pod failure policy may rely on.\n\n")
	b.WriteString("| code | meaning | try the same command again |\n| --- | --- | --- |\n")
	for _, e := range exits {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", e.code, cell(e.meaning), cell(e.retry))
	}
	b.WriteString(`
A process that is ended from outside has 128 and the number of the signal, as everywhere: 137 where the system ends it,
for its memory or after a time that was given it. 134 is a crash that dmm could not catch, such as the end of memory. Both
are tried again, and go on where they were. No crash ends with 2, which the pod failure policy takes for a mistake in the
settings.
`)
	return b.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// cell is text in a cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
