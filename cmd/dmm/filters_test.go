package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// paste runs the command that the last line names as the next step, as a person does.
func (s *site) paste(o outcome) outcome {
	s.t.Helper()
	_, next, found := strings.Cut(strings.TrimSpace(o.stdout+o.stderr), "Next: dmm ")
	if !found {
		s.t.Fatalf("no next step\nstdout: %s\nstderr: %s", o.stdout, o.stderr)
	}
	next, _, _ = strings.Cut(next, "\n")
	next, _, _ = strings.Cut(next, ", which") // what follows is for people
	return s.dmm(strings.Fields(next)...)
}

// A mistyped filter is named on a line of its own and ends with 2, as any other fault of the settings; and the next
// step works as it stands.
func TestAMistypedFilterIsAFaultOfTheSettings(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Plain = true // nothing to see to first
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitDone)
	const project = `"a.okafor/churn-forecst" is no project in Domino; did you mean a.okafor/churn-forecast?`
	const owner = `"b.keler" is no user in Domino; did you mean b.keller?`
	const nothing = `the filters say "projects a.okafor/churn-forecst; without owners b.keler", which selects nothing that runs`
	for _, dry := range []string{"--dry-run=false", "--dry-run"} {
		o := dmm(t, s.with("DMM_EXCLUDE_OWNERS=b.keler"), "shutdown", "--projects", "a.okafor/churn-forecst", dry)
		want := "dmm shutdown: DMM_PROJECTS (--projects): " + project + "\n" +
			"dmm shutdown: DMM_EXCLUDE_OWNERS (--exclude-owners): " + owner + "\n" +
			"dmm shutdown: " + nothing + ". " +
			"Next: dmm shutdown --dry-run --projects a.okafor/churn-forecast --exclude-owners b.keller\n"
		if o.want(t, exitUsage); !strings.HasSuffix(o.stderr, want) || o.stdout != "" {
			t.Errorf("with %s standard output has %q, and standard error ends with\n%s\nwant\n%s", dry, o.stdout, o.stderr, want)
		}
	}
	o := s.dmm("shutdown", "--projects", "a.okafor/churn-forecst", "--output", "json")
	var res struct {
		Code          int
		Message, Next string
	}
	err := json.Unmarshal([]byte(o.stdout), &res)
	if err != nil || res.Code != exitUsage ||
		!strings.HasPrefix(res.Message, "DMM_PROJECTS (--projects): "+project+"; the filters say") ||
		res.Next != "dmm shutdown --output json --dry-run --projects a.okafor/churn-forecast" {
		t.Errorf("as JSON it is %v %s", err, o.stdout)
	}
	s.wantNothingTouched()

	looked := s.paste(s.dmm("shutdown", "--projects", "a.okafor/churn-forecst"))
	looked.want(t, exitDone, "Dry run, nothing was touched: shutdown would stop")
	s.wantNothingTouched()
	s.paste(looked).want(t, exitDone, "Shutdown is done")
	for _, o := range s.sim.Objects(dominosim.KindApp) {
		if e := s.sim.Ledger().Entry(o.Kind, o.ID); len(e.Calls) > 0 && !strings.HasPrefix(o.Project, "a.okafor/") {
			t.Errorf("app %s of project %s was called: %+v", o.ID, o.Project, e.Calls)
		}
	}

	writes := len(s.sim.Ledger().Writes())
	o = s.dmm("restore", "--exclude-projects", "b.keller/claims-triag")
	o.want(t, exitUsage, "DMM_EXCLUDE_PROJECTS (--exclude-projects): ",
		`"b.keller/claims-triag" is no project in Domino; did you mean b.keller/claims-triage?`)
	if got := len(s.sim.Ledger().Writes()); got != writes {
		t.Errorf("the restore was refused and has sent %d calls", got-writes)
	}
	looked = s.paste(o)
	looked.want(t, exitDone, "Dry run, nothing was touched: restore has")
	s.paste(looked).want(t, exitDone, "Restore is done")
}

// What exists and does not run is no project to shut down; and a project without its owner may be several.
func TestAFilterThatSelectsNothingIsAFaultOfTheSettings(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	o := s.dmm("shutdown", "--owners", "l.santos")
	o.want(t, exitUsage, `the filters say "owners l.santos", which selects nothing that runs. Next: dmm show 2`)
	s.paste(o).want(t, exitDone, "a.okafor/churn-forecast")
	s.dmm("shutdown", "--exclude-owners", "q.qqqqqqq").want(t, exitUsage,
		`"q.qqqqqqq" is no user in Domino; give user names as Domino shows them`, "Next: dmm show 2")
	s.dmm("shutdown", "--projects", "churn-forecast").want(t, exitUsage,
		`DMM_PROJECTS (--projects): "churn-forecast" is not of the form owner/name`, "such as jane/churn")
	s.dmm("shutdown", "--kinds", "Workspce").want(t, exitUsage,
		`DMM_KINDS (--kinds): "Workspce" is not among the values it can have; did you mean Workspace?`)
	s.wantNothingTouched()
}
