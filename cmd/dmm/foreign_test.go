package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// theirs is a folder of somebody else's, whom it hurts to lose what is in it.
func theirs(t *testing.T) (folder string, want func()) {
	t.Helper()
	folder = t.TempDir()
	files := []string{filepath.Join(folder, "a.txt"), filepath.Join(folder, "docs", "deep", "b.txt")}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("dear"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, func() {
		t.Helper()
		for _, file := range files {
			if body, err := os.ReadFile(file); err != nil || string(body) != "dear" {
				t.Errorf("%s: %q, %v, want it as it was", file, body, err)
			}
		}
	}
}

const pruneAll = "--yes --keep=1 --keep-within=0s"

// Whoever may write to a shared folder cannot have dmm delete what is elsewhere.
func TestPruneFollowsNoLink(t *testing.T) {
	t.Parallel()
	for at, code := range map[string]int{
		"snapshots/2025/01/20250101-000000-zzzz":                      exitDone, // is left alone
		"snapshots/2025/01/20250101-000000-zzzz/docs":                 exitDone,
		"snapshots/2025/01/20250101-000000-zzzz/executions.jsonl.zst": exitDone,
		"snapshots/2025/01":                        exitRefused, // who knows what it hides
		"snapshots/2025":                           exitRefused,
		"audits/2025/01/20250101-000000-zzzz":      exitDone,
		"audits/2025/01/20250101-000000-zzzz/docs": exitDone,
		"windows/000001/docs":                      exitDone,
		"elsewhere":                                exitDone,
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			folder, wantAsItWas := theirs(t)
			s := newSite(t, quick())
			for range 2 {
				s.dmm("snapshot").want(t, exitDone)
				s.dmm("shutdown").want(t, exitDone)
				s.dmm("restore").want(t, exitDone)
			}
			link := filepath.Join(s.folder, at)
			if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(folder, link); err != nil {
				t.Fatal(err)
			}
			o := s.dmm(append([]string{"prune"}, strings.Fields(pruneAll)...)...)
			o.want(t, code)
			wantAsItWas()
			if to, err := os.Readlink(link); err != nil || to != folder {
				t.Errorf("the link is %q, %v", to, err)
			}
			if code == exitDone && !strings.Contains(o.stdout, "Deleted 1 snapshot, 1 window") {
				t.Errorf("prune did not do its work:\n%s", o.stdout)
			}
			if code != exitDone {
				o.want(t, code, at)
			}
		})
	}
}

// What should be a record and is no plain file is damage, whose key is named. Nothing waits for it, and nothing is
// read through it.
func TestWhatIsNoFileIsDamage(t *testing.T) {
	t.Parallel()
	makers := map[string]func(path string, whole string) error{
		"a named pipe":              func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"a device":                  func(path, _ string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) }, // /dev/zero
		"a link to the very record": func(path, whole string) error { return os.Symlink(whole, path) },
		"a link to itself":          func(path, _ string) error { return os.Symlink(filepath.Base(path), path) },
	}
	for what, make := range makers {
		for _, record := range []string{
			"snapshots/*/*/*/executions.jsonl.zst", "snapshots/*/*/*/manifest.json", "snapshots/*/*/*", "snapshots/*/*",
			"windows/000001/journal/00000001.jsonl", "windows/000001/journal/00000002.jsonl", "windows/000001/journal", "windows/000001", "windows",
		} {
			t.Run(what+" "+strings.ReplaceAll(record, "/", " "), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, quick())
				s.dmm("snapshot").want(t, exitDone)
				s.dmm("shutdown").want(t, exitDone)
				found, err := filepath.Glob(filepath.Join(s.folder, record))
				if err != nil || len(found) != 1 {
					t.Fatalf("%s: %q, %v", record, found, err)
				}
				whole := filepath.Join(t.TempDir(), "whole")
				if err := os.Rename(found[0], whole); err != nil {
					t.Fatal(err)
				}
				if err := make(found[0], whole); err != nil {
					if os.Getuid() != 0 {
						t.Skipf("SKIPPED: needs to make %s, which takes root: %v", what, err)
					}
					t.Fatal(err)
				}
				name := filepath.Base(found[0])
				s.dmm("verify").want(t, exitRefused, name)
				writes := len(s.sim.Ledger().Writes())
				s.dmm("restore").want(t, exitRefused, name)
				if n := len(s.sim.Ledger().Writes()) - writes; n > 0 {
					t.Errorf("restore has sent %d calls", n)
				}

				// Where the record is put back all goes on.
				if err := os.Remove(found[0]); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(whole, found[0]); err != nil {
					t.Fatal(err)
				}
				s.dmm("verify").want(t, exitDone)
				s.dmm("restore").want(t, exitDone)
			})
		}
	}
}

// The lock of an editor, a link to nothing, is in nobody's way.
func TestLinksBesideRecordsAreInNobodysWay(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	s.dmm("snapshot").want(t, exitDone)
	s.dmm("shutdown").want(t, exitDone)
	for _, folder := range []string{"windows", "windows/000001", "windows/000001/journal", "snapshots", filepath.Dir(strings.TrimPrefix(s.snapshotFile("manifest.json"), s.folder+"/"))} {
		if err := os.Symlink("a.okafor@laptop.4711", filepath.Join(s.folder, folder, ".#00000001.jsonl")); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"verify", "list", "status", "show", "restore", "report"} {
		s.dmm(mode).want(t, exitDone)
	}
}
