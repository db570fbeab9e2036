package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What stands behind the mode is the setting of the same name, for a Job that has no arguments.
func TestAModesArgument(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	first := s.snapshotID()
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // ids sort by whole seconds
	s.dmm("snapshot").want(t, exitDone)
	for _, o := range []outcome{
		s.dmm("show", first), s.dmm("show", "--snapshot", first), dmm(t, s.with("DMM_SNAPSHOT="+first), "show"), dmm(t, s.with("DMM_MODE=show", "DMM_SNAPSHOT="+first)),
		dmm(t, s.with("DMM_SNAPSHOT=20000101-000000-zzzz"), "show", first), s.dmm("show", "--snapshot", first, first),
	} {
		o.want(t, exitDone, "Snapshot "+first+" was taken at")
	}
	if o := s.dmm("show"); o.code != exitDone || strings.Contains(o.stdout, first) {
		t.Errorf("dmm show shows %s, want the newest", o.stdout)
	}
	s.dmm("show", first, "another").want(t, exitUsage, "dmm show takes one SNAPSHOT")
	s.dmm("show", first, "--snapshot", "latest").want(t, exitUsage, "dmm show takes one SNAPSHOT")
	s.dmm("show", "yesterday").want(t, exitUsage, `DMM_SNAPSHOT (--snapshot): "yesterday" is not the id of a snapshot`)
	s.dmm("show", "--help").want(t, exitDone, "dmm show [SNAPSHOT] [flags]")
}

func TestTheModesOfRecordsEndWithTheirCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("list").want(t, exitDone, "The store holds 0 snapshots and 0 windows. Next: check DMM_STORE and its prefix; if this is a new store, dmm snapshot")
	s.dmm("show").want(t, exitNotFound, "holds none", "Next: check DMM_STORE")
	s.dmm("snapshot").want(t, exitDone)
	id := s.snapshotID()
	s.dmm("list").want(t, exitDone, id, "integration.admin", "complete")
	s.dmm("verify").want(t, exitDone, "Nothing is damaged: 1 snapshot and the journals of 0 windows were read to the end.")
	s.dmm("verify", "20000101-000000-zzzz").want(t, exitNotFound, "holds 1 other.", "Next: dmm list")
	s.dmm("prune", "--keep", "0").want(t, exitUsage, "DMM_KEEP (--keep)")
	s.dmm("prune", "--keep", "1", "--keep-within", "90d").want(t, exitDone, "Nothing to delete: 1 snapshot, 0 windows and 0 audits stay")

	data := s.snapshotFile("executions.jsonl.zst")
	if err := os.Chmod(data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(data, 10); err != nil {
		t.Fatal(err)
	}
	s.dmm("verify").want(t, exitRefused, "Snapshot "+id+" is damaged", "has 10 bytes, its manifest says", "Next: put the objects back")
	s.dmm("show").want(t, exitRefused, "has 10 bytes")
	s.wantNothingTouched()
}

// What is exported is all that standard output has, so that it can be sent to a file.
func TestExportWritesTheFileAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("export").want(t, exitNotFound, "holds none")
	s.dmm("snapshot").want(t, exitDone)
	for _, args := range [][]string{{"export", "--format", "dmm-json"}, {"export", s.snapshotID()}, {"export", "--output", "json"}} {
		o := s.dmm(args...)
		var file map[string][]struct{ Name string }
		if err := json.Unmarshal([]byte(o.stdout), &file); err != nil || o.code != exitDone || len(file) != 4 || len(file["App"]) == 0 {
			t.Errorf("dmm %q: code %d, %v, %s", args, o.code, err, o.stdout)
		}
		if last := lastLine(o.stderr); !strings.HasPrefix(last, "dmm export: Exported ") {
			t.Errorf("dmm %q says %q", args, last)
		}
	}
	s.dmm("export", "--format", "csv").want(t, exitUsage, "DMM_FORMAT (--format)", "give auto, text, json, html or dmm-json")

	path := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(path, []byte(s.dmm("export").stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	s.dmm("import").want(t, exitUsage, "DMM_FILE (--file) is empty", "Next: dmm import old.json")
	s.dmm("import", path, "--dry-run").want(t, exitDone, "Dry run, nothing is written")
	s.snapshotID() // still the only one
	s.dmm("import", path).want(t, exitDone, "is made of old.json", "Next: dmm restore --from-snapshot 20")
	s.wantNothingTouched()
}

func TestARehearsalEndsWithItsCode(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("rehearse").want(t, exitNotFound, "holds none")
	s.dmm("snapshot").want(t, exitDone)
	times := filepath.Join(t.TempDir(), "sim.yaml")
	if err := os.WriteFile(times, []byte("{latency: 100ms, startTime: 1s, stopTime: 1s}"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := s.dmm("rehearse", s.snapshotID(), "--speed", "50", "--config", times)
	if o.code != exitDone && o.code != exitPartial { // the deployment has a volume that cannot be mounted again
		t.Errorf("code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	o.want(t, o.code, "A maintenance would take about", "Rehearsed with snapshot "+s.snapshotID())
	s.dmm("rehearse", "--speed", "0").want(t, exitUsage, "DMM_SPEED (--speed)")
	s.dmm("rehearse", "--fault-rate", "101").want(t, exitUsage, "DMM_FAULT_RATE (--fault-rate)")
	s.dmm("rehearse", "--config", "/absent.yaml").want(t, exitUsage, "mend the file")
	s.wantNothingTouched()
}

func TestAnAuditEndsWithItsCode(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	o := s.dmm("audit")
	o.want(t, exitFindings, "Next: do what stands beside each finding")
	if first, _, _ := strings.Cut(o.stdout, "\n"); !strings.HasPrefix(first, "If the upgrade began now, ") {
		t.Errorf("the first line is %q", first)
	}
	dmm(t, s.with("DOMINO_API_KEY="+userKey), "audit").want(t, exitCredentials)
	s.wantNothingTouched()
}
