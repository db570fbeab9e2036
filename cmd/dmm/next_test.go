package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is printed as the next step is typed at night: it must not mean more than what was asked for.
func TestTheNextStepKeepsTheFlagsThatWereGiven(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Plain = true // nothing to see to first
	s := newSite(t, c)
	s.dmm("snapshot").want(t, exitDone, "Next: dmm shutdown\n")
	store, said := "--store="+"file://"+s.folder, "--store "+"file://"+s.folder
	if strings.Contains(s.folder, " ") {
		said = "--store='file://" + s.folder + "'"
	}
	s.dmm("snapshot", store).want(t, exitDone, "Next: dmm shutdown "+said+"\n")
	s.dmm("shutdown", "--dry-run", "--kinds", "App,ScheduledJob").want(t, exitDone, "Next: dmm shutdown --kinds App,ScheduledJob\n")
	dmm(t, s.with("DOMINO_API_KEY=wrong"), "shutdown", "--dry-run", "--exclude-projects", "a b/c").
		want(t, exitCredentials, "dmm shutdown --dry-run --exclude-projects='a b/c'")
	s.dmm("shutdown", "--kinds", "App,ScheduledJob").want(t, exitDone, "Next: upgrade Domino, then dmm restore\n")
	s.dmm("restore", "--dry-run", "--restore-workspaces", store).
		want(t, exitDone, "Next: dmm restore "+said+" --restore-workspaces\n")
	s.dmm("show", "20200101-000000-abcd").want(t, exitNotFound, "Next: dmm list")
	// A fault in the settings names no command: one without the flags would be no dry run any more.
	s.dmm("restore", "--dry-run", "--lease", "5").want(t, exitUsage, "dmm: Next: mend that, then the same command again")
	// The same command would be refused again, and a shutdown as well, once a restore has begun.
	s.dmm("restore", "--from-snapshot", "latest", store).
		want(t, exitRefused, "Next: dmm restore "+said+", without --from-snapshot, to finish it")
	s.dmm("restore", "--kinds", "Workspace").want(t, exitUsage, "leaves out everything", "Next: dmm restore, without filters; with --dry-run it lists them first")
	s.dmm("restore", "--kinds", "ScheduledJob").want(t, exitDone, "Next: dmm restore, without filters, for the rest")
	s.dmm("snapshot").want(t, exitDone, "Next: dmm restore")
	s.dmm("restore").want(t, exitDone)
}

// Whoever asked for JSON reads nothing else, also when the mode never began.
func TestAnErrorBeforeTheModeIsJSONToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	for _, args := range [][]string{
		{"nonsense"}, {}, {"shutdown", "--wait-redy", "3m"}, {"snapshot", "extra"}, {"restore", "--concurrency", "many"}, {"report", "x"},
	} {
		o := s.dmm(append(args, "--output", "json")...)
		var res struct {
			Code          int
			Message, Next string
		}
		if err := json.Unmarshal([]byte(o.stdout), &res); err != nil || res.Code != exitUsage || res.Message == "" || res.Next == "" {
			t.Errorf("dmm %s: %v\n%s", strings.Join(args, " "), err, o.stdout)
		}
	}
	s.dmm("shutdown", "--wait-redy", "3m").want(t, exitUsage, "--wait-ready")
	s.dmm("shutdown", "--nope").want(t, exitUsage, "unknown flag: --nope; dmm flags lists all")
}

// A volume that is not mounted is not an empty store, and looking does not make one of it.
func TestWhoOnlyReadsMakesNoStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	nowhere := filepath.Join(t.TempDir(), "not mounted")
	for _, mode := range []string{"status", "list", "show", "verify", "report", "export", "restore", "close"} {
		dmm(t, s.with("DMM_STORE=file://"+nowhere, "DMM_REASON=enough"), mode).want(t, exitFailed, "does not exist (is the volume mounted?)")
	}
	if _, err := os.Stat(nowhere); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}
