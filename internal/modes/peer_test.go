package modes_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// peerKinds are those that the Python tool knows; the others go on running beside it.
var peerKinds = []string{dominosim.KindApp, dominosim.KindModelAPI, dominosim.KindWorkspace, dominosim.KindScheduledJob}

type peerFile map[string][]peerRow

type peerRow struct {
	ID    map[string]any `json:"_id"`
	Name  string         `json:"name"`
	Owner string         `json:"owner"`
}

// peerRules lists what runs by the Python tool's own rules (api.md §0, DMM), from Domino's answers and from nothing of dmm:
// every product that is not in an end state, every model version that runs or is on its way, every workspace
// that is not stopped, every schedule that is not paused.
func (s *site) peerRules() peerFile {
	file := peerFile{"App": {}, "Model API Version": {}, "Workspace": {}, "Scheduled Job": {}}
	add := func(kind, name, owner string, id map[string]any) {
		file[kind] = append(file[kind], peerRow{id, name, owner})
	}
	var projects []struct{ ID, Name, OwnerUsername string }
	s.get("/v4/projects", &projects)
	var apps []struct {
		ID, Name, Status, HardwareTierID, ProjectID string
		Publisher                                   struct{ UserName string }
	}
	s.get("/v4/modelProducts", &apps)
	for _, a := range apps {
		if !slices.Contains([]string{"Stopped", "Succeeded", "Failed", "Error", "Never Started"}, a.Status) {
			add("App", a.Name, a.Publisher.UserName, map[string]any{"_id": a.ID, "hardwareTierId": a.HardwareTierID, "projectId": a.ProjectID})
		}
	}
	byName := map[string]string{}
	for _, p := range projects {
		byName[p.OwnerUsername+"/"+p.Name] = p.ID
		var models []struct{ ID, Name, ActiveModelVersionID string }
		s.get("/v4/modelManager/getModels?projectId="+p.ID, &models)
		for _, m := range models {
			for page := 1; ; page++ {
				var versions struct {
					Results []struct {
						ID               string
						Number           int
						Creator          struct{ Name string }
						DeploymentStatus struct {
							Name      string
							IsPending bool
						}
					}
				}
				s.get(fmt.Sprintf("/models/%s/versions/json?pageNumber=%d&pageSize=10", m.ID, page), &versions)
				if len(versions.Results) == 0 {
					break
				}
				for _, v := range versions.Results {
					up := slices.Contains([]string{"Preparing to build", "Building", "Starting", "Running", "Stalled"}, v.DeploymentStatus.Name)
					if up || v.DeploymentStatus.IsPending {
						add("Model API Version", fmt.Sprintf("%s #%d", m.Name, v.Number), v.Creator.Name,
							map[string]any{"_id": v.ID, "modelId": m.ID, "isActive": v.ID == m.ActiveModelVersionID})
					}
				}
			}
		}
		var schedules []struct {
			ID, ProjectID, Title, ScheduledByUserName string
			IsPaused                                  bool
		}
		s.get("/v4/projects/"+p.ID+"/scheduledjobs", &schedules)
		for _, j := range schedules {
			if !j.IsPaused {
				add("Scheduled Job", j.Title, j.ScheduledByUserName, map[string]any{"key": j.ID, "projectId": j.ProjectID})
			}
		}
	}
	seen := map[string]bool{}
	for offset := 0; ; offset += 50 {
		var page struct {
			TotalEntries int
			TableRows    []struct{ WorkspaceID, ProjectName, ProjectOwnerName, Name, OwnerUsername, WorkspaceState string }
		}
		s.get(fmt.Sprintf("/v4/workspace/adminDashboardRowData?limit=50&offset=%d", offset), &page)
		for _, w := range page.TableRows {
			up := slices.Contains([]string{"Created", "Initializing", "Starting", "Started"}, w.WorkspaceState)
			if up && !seen[w.WorkspaceID] {
				add("Workspace", w.ProjectName+"/"+w.Name, w.OwnerUsername,
					map[string]any{"_id": w.WorkspaceID, "projectId": byName[w.ProjectOwnerName+"/"+w.ProjectName]})
			}
			seen[w.WorkspaceID] = true
		}
		if len(seen) >= page.TotalEntries || len(page.TableRows) == 0 {
			break
		}
	}
	return file.sorted()
}

func (f peerFile) sorted() peerFile {
	for _, rows := range f {
		slices.SortFunc(rows, func(a, b peerRow) int { return cmp.Compare(fmt.Sprint(a.ID), fmt.Sprint(b.ID)) })
	}
	return f
}

// write puts the file where it can be imported.
func (f peerFile) write(t *testing.T) string {
	t.Helper()
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "old.json", string(data))
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil { // by the test's clock, which may not be the system's
		t.Fatal(err)
	}
	return path
}

func exported(t *testing.T, res *report.Result) peerFile {
	t.Helper()
	var f peerFile
	if err := json.Unmarshal(res.Document, &f); err != nil {
		t.Fatalf("the export is %q: %v", res.Document, err)
	}
	return f.sorted()
}

// On a healthy deployment the exported file is the one that the Python tool would have written.
func TestTheExportIsThePythonToolsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dominosim.Config{
			Profile: "5.9", Seed: 5, Plain: true, Projects: 7, Apps: 25, Models: 15, Workspaces: 70, Schedules: 20, StoppedFraction: 0.3,
		})
		want := s.peerRules()
		for kind, rows := range want {
			if len(rows) < 5 {
				t.Fatalf("%d of kind %s run: too few to compare", len(rows), kind)
			}
		}
		id := s.must(0, "snapshot").Snapshot
		res := s.must(0, "export", "DMM_SNAPSHOT="+id)
		if diff := gocmp.Diff(want, exported(t, res)); diff != "" {
			t.Errorf("the exported file (-the Python tool's +dmm's):\n%s", diff)
		}
		if order := strings.Index(string(res.Document), `"App": [`); order != 1 {
			t.Errorf("the file begins %.60q", res.Document)
		}

		// And what was exported is imported whole.
		again := s.must(0, "import", "DMM_FILE="+writeFile(t, "exported.json", string(res.Document)))
		if diff := gocmp.Diff(want, exported(t, s.must(0, "export", "DMM_SNAPSHOT="+again.Snapshot))); diff != "" {
			t.Errorf("the file after import and export (-want +got):\n%s", diff)
		}
	})
}

// stopAll stops what a file lists as the Python tool does, which leaves nothing on record.
func (s *site) stopAll(f peerFile) {
	s.t.Helper()
	text := func(v any) string { return fmt.Sprint(v) }
	for _, a := range f["App"] {
		s.post("/v4/modelProducts/"+text(a.ID["_id"])+"/stop", "")
	}
	for _, v := range f["Model API Version"] {
		s.post("/v4/models/"+text(v.ID["modelId"])+"/"+text(v.ID["_id"])+"/stopModelDeployment", "")
	}
	for _, w := range f["Workspace"] {
		s.post("/v4/workspace/project/"+text(w.ID["projectId"])+"/workspace/"+text(w.ID["_id"])+"/stop", "")
	}
	for _, j := range f["Scheduled Job"] {
		if err := s.sim.OwnerPauseSchedule(text(j.ID["key"]), true); err != nil {
			s.t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Minute)
	for k := range s.running() {
		if slices.Contains(peerKinds, k.Kind) {
			s.t.Fatalf("%v still runs", k)
		}
	}
}

// A team changes over in mid-maintenance: the Python tool has stopped everything, dmm brings it back with what it ran
// with, as far as its Domino can tell.
func TestChangingOverInMidMaintenance(t *testing.T) {
	for _, profile := range []string{"5.9", "6.1", "6.2"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lagging(profile)
				c.Plain = true // what the Python tool would not see is stopAll's trouble, not dmm's
				c.Seed = 12    // a classic app with a bundle, which Domino shows nowhere, is stopped
				s := newSite(t, c)
				before := s.running()
				file := s.peerRules()
				s.stopAll(file)
				// The tool had begun to restore, and somebody has started a workspace.
				early := fmt.Sprint(file["App"][0].ID["_id"])
				if err := s.sim.OwnerStartApp(early); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if profile == "6.1" {
					s.sim.SetVersion("6.2")
				}
				schedules := s.shown() // paused, and in the form of the version that is there now
				for _, j := range file["Scheduled Job"] {
					schedules[fmt.Sprint(j.ID["key"])]["isPaused"] = false
				}

				imported := s.must(0, "import", "DMM_FILE="+file.write(t), "DOMINO_HOSTNAME=")
				total := len(file["App"]) + len(file["Model API Version"]) + len(file["Workspace"]) + len(file["Scheduled Job"])
				if got := imported.Sum().Running; got != total || len(imported.Executions) != total {
					t.Errorf("import counts %d running, want %d", got, total)
				}
				from := []string{"DMM_RESTORE_FROM=" + imported.Snapshot, "DMM_RESTORE_WORKSPACES=true"}
				writes := len(s.sim.Ledger().Writes())
				plan := s.must(0, "restore", append(from, "DMM_DRY_RUN=true")...)
				for _, x := range plan.Executions {
					if x.Project == "" || !strings.Contains(x.Project, "/") {
						t.Errorf("the plan does not name the project of %+v", x)
					}
					if (x.Kind == "App" || x.Kind == "Workspace") && len(x.Guesses) == 0 {
						t.Errorf("the plan does not say that the arguments of %s %q are guesses", x.Kind, x.Name)
					}
				}
				s.must(4, "restore", from...)
				if got := len(s.sim.Ledger().Writes()); got != writes {
					t.Fatalf("%d calls were sent before --yes", got-writes)
				}
				res := s.must(0, "restore", append(from, "DMM_YES=true")...)
				if res.Phase != "closed" {
					t.Errorf("the window is %s, want closed", res.Phase)
				}
				s.wantSame(before)
				if diff := gocmp.Diff(schedules, s.shown()); diff != "" {
					t.Errorf("schedules (-want +got):\n%s", diff)
				}
				for k := range before {
					want := 1
					if k.ID == early || !slices.Contains(peerKinds, k.Kind) {
						want = 0
					}
					if _, starts := effects(s.sim.Ledger().Entry(k.Kind, k.ID)); starts != want {
						t.Errorf("%v was started %d times by dmm, want %d", k, starts, want)
					}
				}
			})
		})
	}
}

// A restore from the file that is killed in the middle goes on with the arguments that it had put on record.
func TestAChangeOverThatIsInterruptedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging("6.1")
		c.Plain = true
		s := newSite(t, c)
		before := s.running()
		file := s.peerRules()
		s.stopAll(file)
		id := s.must(0, "import", "DMM_FILE="+file.write(t)).Snapshot
		from := []string{"DMM_RESTORE_FROM=" + id, "DMM_RESTORE_WORKSPACES=true", "DMM_YES=true"}
		s.interrupted(3*time.Second, "restore", from...)
		s.must(0, "restore", "DMM_RESTORE_WORKSPACES=true") // the window is open: nothing else is to be named
		s.wantSame(before)
		s.wantAtMostOnce()
	})
}

// What the tool took for an app and is none is left alone, and what is gone is said to be gone.
func TestAChangeOverLeavesAloneWhatIsNoApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Plain = false
		s := newSite(t, c)
		launcher := s.sim.Objects(dominosim.KindLauncher)[0]
		file := writeFile(t, "old.json", fmt.Sprintf(`{"App": [
			{"_id": {"_id": %q, "hardwareTierId": "small-k8s", "projectId": %q}, "name": "batch", "owner": "x"},
			{"_id": {"_id": "65a000000000000000000fff", "hardwareTierId": "small-k8s", "projectId": %q}, "name": "deleted since", "owner": "x"}
		]}`, launcher.ID, launcher.ProjectID, launcher.ProjectID))
		id := s.must(0, "import", "DMM_FILE="+file).Snapshot
		res := s.must(3, "restore", "DMM_RESTORE_FROM="+id, "DMM_YES=true")
		if got := outcomeOf(res, launcher.ID); got != "left" {
			t.Errorf("the launcher is %q, want left", got)
		}
		if got := outcomeOf(res, "65a000000000000000000fff"); got != "failed" {
			t.Errorf("what is gone is %q, want failed", got)
		}
		if n := len(s.sim.Ledger().Writes()); n > 0 {
			t.Errorf("%d calls were sent", n)
		}
	})
}

// A snapshot that was imported is not one to shut down from.
func TestAnImportedSnapshotIsNotComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, small())
		s.must(0, "import", "DMM_FILE="+s.peerRules().write(t))
		_, err := s.run("shutdown", "DMM_SNAPSHOT_MAX_AGE=1000000h")
		if modes.Classify(err) != modes.FaultRefused || !strings.Contains(err.Error(), "it was imported from old.json") {
			t.Errorf("shutdown: %v, want it refused as incomplete", err)
		}
	})
}

func TestFilesOfThePythonToolWithQuirks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			file string
			code int
			want []string // kind id name
			note string
		}{
			"a row twice, and fields without a value": {`{"App": [
				{"_id": {"_id": "a1", "hardwareTierId": null, "projectId": "p1"}, "name": null, "owner": null},
				{"_id": {"_id": "a1", "hardwareTierId": "t", "projectId": "p1"}, "name": "dash", "owner": "x"}], "Workspace": null}`, 0, []string{"App a1 "}, ""},
			"a version without isActive, and # in a name": {`{"Model API Version": [
				{"_id": {"_id": "v1", "modelId": "m1"}, "name": "the #1 scorer #12", "owner": "x"}]}`, 0, []string{"ModelAPI v1 the #1 scorer v12"}, ""},
			"an id that is a text": {`{"App": [{"_id": "a1", "name": "dash", "owner": "x"}], "Workspace": [{"_id": "w1", "name": "p/w", "owner": "x"}]}`, 3,
				[]string{"App a1 dash"}, `"p/w" lacks the id of its project`},
			"a slash in the name of a workspace": {`{"Workspace": [{"_id": {"_id": "w1", "projectId": "p1"}, "name": "proj/R/Studio", "owner": "x"}]}`, 0, []string{"Workspace w1 R/Studio"}, ""},
			"kinds of a later version":           {`{"App": [], "Job": [{"_id": "j1"}], "ImageBuild": []}`, 3, nil, "Job: executions of this kind are not imported"},
			"an entry that is none":              {`{"Scheduled Job": [7, {"_id": {"key": "s1", "projectId": "p1"}, "name": "n", "owner": "x", "more": 1}]}`, 3, []string{"ScheduledJob s1 n"}, "ScheduledJob: entry 1"},
		} {
			s := newSite(t, small())
			res := s.must(c.code, "import", "DMM_FILE="+writeFile(t, "old.json", c.file))
			var got []string
			for _, x := range res.Executions {
				got = append(got, fmt.Sprintf("%s %s %s", x.Kind, x.ID, x.Name))
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if !strings.Contains(strings.Join(res.Notes, "\n"), c.note) {
				t.Errorf("%s: notes %q, want %q", name, res.Notes, c.note)
			}
		}
		s := newSite(t, small())
		for name, c := range map[string]struct{ file, want string }{
			"a torn file":    {`{"App": [{"_id"`, "not the JSON of a snapshot"},
			"a list":         {`[]`, "not the JSON of a snapshot"},
			"something else": {`{"apps": []}`, "none of the kinds"},
			"its failures":   {`{"modify": [], "timeout": null}`, "failed to stop or start"},
			"no list":        {`{"App": {"_id": 1}}`, "App is not a list"},
			"nothing":        {"", "not the JSON of a snapshot"},
		} {
			if _, err := s.run("import", "DMM_FILE="+writeFile(t, "old.json", c.file)); modes.Classify(err) != modes.FaultUsage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want usage: %s", name, err, c.want)
			}
		}
		for _, path := range []string{"", t.TempDir(), "/absent/old.json"} {
			if _, err := s.run("import", "DMM_FILE="+path); modes.Classify(err) != modes.FaultUsage {
				t.Errorf("import of %q: %v, want usage", path, err)
			}
		}
		if keys := s.keys(""); len(keys) > 0 {
			t.Errorf("the store holds %q", keys)
		}
	})
}
