package modes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/modes"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Ids of the executions that these tests know by name.
const (
	appOfOkafor    = "65c000000000000000000001" // in okafor's project forecast
	sessionOfRossi = "65c000000000000000000002" // in the same
	appOfKeller    = "65c000000000000000000003" // in keller's project triage
	jobOfOkafor    = "65c000000000000000000004" // in the same
	modelOfThree   = "65c000000000000000000005" // there too, of keller, nair and demir
	oneOfHaddad    = "65c000000000000000000006" // a version that haddad has made, of the same model
	scheduleOfNair = "65c000000000000000000007" // in okafor's project
	endpointOfTwo  = "65c000000000000000000008/1"
	deployedByTwo  = "65c00000-0509-4cae-89af-000000000009"
	pausedOfSantos = "65c00000000000000000000a" // a schedule that is paused
	buildOfRossi   = "65c00000000000000000000b"
)

// ownedByMany is a deployment in which what runs in a project is not all its owner's. Its empty projects are
// a.okafor/churn-forecast and b.keller/claims-triage, and of its users g.lindqvist and others own nothing.
func ownedByMany(profile string) dominosim.Config {
	in := func(project, owner, name string, t dominosim.Thing) dominosim.Thing {
		t.ProjectID, t.ProjectOwner, t.ProjectName = project, owner, name
		return t
	}
	forecast := func(t dominosim.Thing) dominosim.Thing {
		return in("65c0000000000000000000a1", "a.okafor", "forecast", t)
	}
	triage := func(t dominosim.Thing) dominosim.Thing {
		return in("65c0000000000000000000a2", "b.keller", "triage", t)
	}
	const model, genAI, environment = "65c0000000000000000000b1", "65c000000000000000000008", "65c0000000000000000000c1"
	return dominosim.Config{
		Profile: profile, Seed: 3, Plain: true, Projects: 2,
		Latency: 10 * time.Millisecond, StartTime: 2 * time.Second, StopTime: 2 * time.Second,
		Things: []dominosim.Thing{
			forecast(dominosim.Thing{Kind: dominosim.KindApp, ID: appOfOkafor, Name: "dashboard", Owner: "a.okafor", Running: true}),
			forecast(dominosim.Thing{
				Kind: dominosim.KindWorkspace, ID: sessionOfRossi, Name: "notebook", Owner: "c.rossi", Running: true,
			}),
			triage(dominosim.Thing{Kind: dominosim.KindApp, ID: appOfKeller, Name: "explorer", Owner: "b.keller", Running: true}),
			triage(dominosim.Thing{
				Kind: dominosim.KindJob, ID: jobOfOkafor, Name: "#1 train", Number: 1, Command: "train.py",
				Owner: "a.okafor", Running: true,
			}),
			triage(dominosim.Thing{
				Kind: dominosim.KindModelAPI, ID: modelOfThree, Name: "scorer v1", Model: model, Active: true, Running: true,
				Owner: "b.keller", Owners: []string{"d.nair", "e.demir"},
			}),
			triage(dominosim.Thing{
				Kind: dominosim.KindModelAPI, ID: oneOfHaddad, Name: "scorer v2", Model: model, Owner: "f.haddad", Running: true,
			}),
			forecast(dominosim.Thing{
				Kind: dominosim.KindScheduledJob, ID: scheduleOfNair, Name: "nightly", Owner: "d.nair", Running: true,
			}),
			triage(dominosim.Thing{
				Kind: dominosim.KindEndpoint, ID: endpointOfTwo, Name: "assistant v1", Model: genAI, Running: true,
				Owner: "h.tanaka", Owners: []string{"i.moreau"},
			}),
			triage(dominosim.Thing{
				Kind: dominosim.KindDeployment, ID: deployedByTwo, Name: "external", Running: true,
				Owner: "j.weber", Owners: []string{"k.adeyemi"},
			}),
			forecast(dominosim.Thing{Kind: dominosim.KindScheduledJob, ID: pausedOfSantos, Name: "weekly", Owner: "l.santos"}),
			{
				Kind: dominosim.KindBuild, ID: buildOfRossi, Name: "R, revision 2", Environment: environment,
				Owner: "c.rossi", Running: true,
			},
		},
	}
}

// newFilterSite is such a deployment with a snapshot of it, whose jobs and builds are stopped as all else is.
func newFilterSite(t *testing.T, profile string, env ...string) *site {
	t.Helper()
	s := newSite(t, ownedByMany(profile), append([]string{
		"DMM_RESTORE_WORKSPACES=true", "DMM_RUNNING_JOBS=stop", "DMM_RUNNING_BUILDS=cancel", "DMM_EXTERNAL_DEPLOYMENTS=stop",
	}, env...)...)
	s.must(0, "snapshot")
	return s
}

// refused runs a mode, in earnest and as a dry run, whose filters must be refused before anything is touched. It
// returns the lines of the reason, and the next step.
func (s *site) refused(mode string, env ...string) (faults []string, next string) {
	s.t.Helper()
	writes, keys := len(s.sim.Ledger().Writes()), slices.Concat(s.keys("snapshots/"), s.keys("windows/"))
	for _, dry := range []string{"true", "false"} {
		_, err := s.run(mode, append(env, "DMM_DRY_RUN="+dry)...)
		if modes.Classify(err) != modes.FaultUsage {
			s.t.Fatalf("dmm %s with %q, dry run %s: %v, want a fault of the settings", mode, env, dry, err)
		}
		faults, next = strings.Split(err.Error(), "\n"), modes.NextStep(mode, err)
	}
	if got := len(s.sim.Ledger().Writes()) - writes; got > 0 {
		s.t.Errorf("dmm %s with %q was refused and has sent %d calls", mode, env, got)
	}
	if diff := cmp.Diff(keys, slices.Concat(s.keys("snapshots/"), s.keys("windows/"))); diff != "" {
		s.t.Errorf("dmm %s with %q was refused, and has written to the store (-before +after):\n%s", mode, env, diff)
	}
	return faults, next
}

// mistyped is the fault of an entry that names nothing, with what it may have been meant to be.
func mistyped(variable, entry, near string) string {
	none := "is no project in Domino"
	switch {
	case strings.HasSuffix(variable, "_OWNERS"):
		none = "is no user in Domino"
	case variable == "DMM_EXCLUDE":
		none = "is the id of no execution, nor of what one is a version of"
	}
	flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "DMM_"), "_", "-"))
	return fmt.Sprintf("%s (%s): %q %s; did you mean %s?", variable, flag, entry, none, near)
}

// left are the ids of what runs.
func (s *site) left() []string {
	var ids []string
	for k := range s.running() {
		ids = append(ids, k.ID)
	}
	slices.Sort(ids)
	return ids
}

// A shutdown that touches nothing tells people to upgrade over everything that runs.
func TestAShutdownWhoseFiltersSelectNothingIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ setting, want string }{
		"a project in which nothing runs": {"DMM_PROJECTS=b.keller/claims-triage", "selects nothing that runs"},
		"a user of whom nothing runs":     {"DMM_OWNERS=l.santos", "selects nothing that runs"},
		"a kind of which nothing runs":    {"DMM_KINDS=Build", "selects nothing that runs"},
		"everything that is selected is left": {
			"DMM_KINDS=ExternalDeployment", "selects only what is left alone (1 execution), as DMM_RUNNING_JOBS=stop",
		},
		"everybody is spared": {
			"DMM_EXCLUDE_OWNERS=a.okafor,b.keller,c.rossi,d.nair,f.haddad,h.tanaka,j.weber", "selects nothing that runs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFilterSite(t, "6.2", "DMM_EXTERNAL_DEPLOYMENTS=ignore", "DMM_RUNNING_JOBS=stop")
				if strings.HasSuffix(tt.setting, "Build") {
					s = newSite(t, small())
					s.must(0, "snapshot")
				}
				faults, next := s.refused("shutdown", tt.setting)
				if len(faults) != 1 || !strings.Contains(faults[0], tt.want) {
					t.Errorf("the reason is %q, want %q in it", faults, tt.want)
				}
				if !strings.HasPrefix(next, "dmm show 2") {
					t.Errorf("the next step is %q", next)
				}
			})
		})
	}
	t.Run("without a filter it is no fault that nothing runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, dominosim.Config{Plain: true, Projects: 1, Apps: 2, StoppedFraction: 1})
			s.must(0, "snapshot")
			s.must(0, "shutdown", "DMM_DRY_RUN=true")
			s.must(0, "shutdown")
		})
	})
	t.Run("what was started since the snapshot is selected too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newFilterSite(t, "6.1")
			before := s.left()
			if err := s.sim.OwnerPauseSchedule(pausedOfSantos, false); err != nil {
				t.Fatal(err)
			}
			s.must(0, "shutdown", "DMM_OWNERS=l.santos")
			if diff := cmp.Diff(before, s.left()); diff != "" {
				t.Errorf("what runs but for what was started (-want +got):\n%s", diff)
			}
		})
	})
}

// Each entry that names nothing is named, with the variable, the flag and what it may have been meant to be; and
// none of the others makes up for it.
func TestAnEntryThatNamesNothingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.2")
		for _, tt := range []struct {
			name   string
			env    []string
			faults []string
			next   string
		}{
			{
				"a project, and nothing is selected", []string{"DMM_PROJECTS=a.okafor/forcast"},
				[]string{
					mistyped("DMM_PROJECTS", "a.okafor/forcast", "a.okafor/forecast"),
					`the filters say "projects a.okafor/forcast", which selects nothing that runs`,
				},
				"dmm shutdown --dry-run --projects a.okafor/forecast",
			},
			{
				"a project beside one that is there", []string{"DMM_PROJECTS=b.keller/triage,a.okafor/forcast"},
				[]string{mistyped("DMM_PROJECTS", "a.okafor/forcast", "a.okafor/forecast")},
				"dmm shutdown --dry-run --projects b.keller/triage,a.okafor/forecast",
			},
			{
				"a project of another owner", []string{"DMM_PROJECTS=b.keller/triage,i.moreau/forecast"},
				[]string{mistyped("DMM_PROJECTS", "i.moreau/forecast", "a.okafor/forecast")},
				"dmm shutdown --dry-run --projects b.keller/triage,a.okafor/forecast",
			},
			{
				"an empty project", []string{"DMM_PROJECTS=b.keller/triage,a.okafor/churn-forcast"},
				[]string{mistyped("DMM_PROJECTS", "a.okafor/churn-forcast", "a.okafor/churn-forecast")},
				"dmm shutdown --dry-run --projects b.keller/triage,a.okafor/churn-forecast",
			},
			{
				"what was to be spared",
				[]string{
					"DMM_EXCLUDE_PROJECTS=b.keller/triag", "DMM_EXCLUDE_OWNERS=c.rosi,l.santo",
					"DMM_EXCLUDE=" + appOfOkafor[:23] + "f",
				},
				[]string{
					mistyped("DMM_EXCLUDE_PROJECTS", "b.keller/triag", "b.keller/triage"),
					mistyped("DMM_EXCLUDE_OWNERS", "c.rosi", "c.rossi"),
					mistyped("DMM_EXCLUDE_OWNERS", "l.santo", "l.santos"),
					mistyped("DMM_EXCLUDE", appOfOkafor[:23]+"f", appOfOkafor),
				},
				"dmm shutdown --dry-run --exclude-projects b.keller/triage --exclude-owners c.rossi,l.santos" +
					" --exclude " + appOfOkafor,
			},
			{
				"a user by another name, and an execution by its name",
				[]string{"DMM_OWNERS=Ada Okafor,g.lindqvist@example.com", "DMM_EXCLUDE=dashboard"},
				[]string{
					mistyped("DMM_OWNERS", "Ada Okafor", "a.okafor"),
					mistyped("DMM_OWNERS", "g.lindqvist@example.com", "g.lindqvist"),
					mistyped("DMM_EXCLUDE", "dashboard", appOfOkafor),
					`the filters say "owners Ada Okafor, g.lindqvist@example.com; without ids dashboard", ` +
						`which selects nothing that runs`,
				},
				"dmm shutdown --dry-run --owners a.okafor,g.lindqvist --exclude " + appOfOkafor,
			},
			{
				"nothing that is near", []string{"DMM_EXCLUDE_OWNERS=z.zzzzzz,c.rosi", "DMM_EXCLUDE=65c0000000000000000ffff1"},
				[]string{
					`DMM_EXCLUDE_OWNERS (--exclude-owners): "z.zzzzzz" is no user in Domino; give user names as Domino shows them`,
					mistyped("DMM_EXCLUDE_OWNERS", "c.rosi", "c.rossi"),
					`DMM_EXCLUDE (--exclude): "65c0000000000000000ffff1" ` +
						`is the id of no execution, nor of what one is a version of; give ids as dmm show lists them`,
				},
				"dmm show ",
			},
		} {
			faults, next := s.refused("shutdown", tt.env...)
			if diff := cmp.Diff(tt.faults, faults); diff != "" {
				t.Errorf("%s: the faults (-want +got):\n%s", tt.name, diff)
			}
			if next != tt.next && !(strings.HasSuffix(tt.next, " ") && strings.HasPrefix(next, tt.next)) {
				t.Errorf("%s: the next step is %q, want %q", tt.name, next, tt.next)
			}
		}
	})
}

// What exists and makes no difference is said, and no fault: settings may be the same for every maintenance.
func TestAnEntryOfWhichNothingRunsIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1")
		filters := []string{
			"DMM_KINDS=App,Workspace,Job,Endpoint", "DMM_PROJECTS=a.okafor/forecast,B.Keller/Claims-Triage",
			"DMM_EXCLUDE_OWNERS=l.santos,g.lindqvist", "DMM_EXCLUDE_PROJECTS=a.okafor/churn-forecast",
			"DMM_EXCLUDE=" + pausedOfSantos,
		}
		want := []string{
			"DMM_KINDS: nothing of Endpoint runs",
			"DMM_PROJECTS: nothing of B.Keller/Claims-Triage runs",
			"DMM_EXCLUDE_PROJECTS: nothing of a.okafor/churn-forecast runs",
			"DMM_EXCLUDE_OWNERS: nothing of l.santos, g.lindqvist runs",
			"DMM_EXCLUDE: nothing of " + pausedOfSantos + " runs",
		}
		for _, dry := range []string{"true", "false"} {
			res := s.must(0, "shutdown", append(filters, "DMM_DRY_RUN="+dry)...)
			for _, note := range want {
				if !slices.Contains(res.Notes, note) {
					t.Errorf("dry run %s: %q is not among the notes %q", dry, note, res.Notes)
				}
			}
		}
		for id, want := range map[string]bool{appOfOkafor: false, sessionOfRossi: false, appOfKeller: true} {
			if got := slices.Contains(s.left(), id); got != want {
				t.Errorf("after it %s runs: %t, want %t", id, got, want)
			}
		}
	})
}

// A list that cannot be had says nothing about what exists.
func TestAnEntryThatCannotBeLookedUpIsNoted(t *testing.T) {
	const allProjects = "/v4/admin/dashboardEntries"
	for name, tt := range map[string]struct {
		path, body       string // of a fault: without a body it is a 403
		setting, refused string
	}{
		"users":      {"/v4/users", "", "DMM_OWNERS=a.okafor,z.zzz", "DMM_OWNERS=z.zzz"},
		"no users":   {"/v4/users", "[]", "DMM_OWNERS=a.okafor,z.zzz", "DMM_OWNERS=z.zzz"},
		"a bad user": {"/v4/users", `[{"userName":"a.okafor"},{}]`, "DMM_OWNERS=a.okafor,z.zzz", "DMM_OWNERS=z.zzz"},
		"projects":   {allProjects, "", "DMM_PROJECTS=a.okafor/forecast,a.okafor/none", "DMM_PROJECTS=a.okafor/none"},
		"executions": {"/v4/modelProducts", "", "DMM_EXCLUDE=" + appOfOkafor + ",none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFilterSite(t, "6.1")
				status := http.StatusForbidden
				if tt.body != "" {
					status = http.StatusOK
				}
				s.sim.AddFault(dominosim.Fault{
					Method: "GET", Path: tt.path, Kind: dominosim.FaultStatus, Status: status, Body: tt.body, Times: -1,
				})
				res := s.must(0, "shutdown", "DMM_DRY_RUN=true", tt.setting)
				if !noted(res, "exists could not be looked up: ") {
					t.Errorf("notes %q do not say what could not be looked up", res.Notes)
				}
				if tt.refused == "" {
					return
				}
				faults, _ := s.refused("shutdown", tt.refused)
				for _, want := range []string{"selects nothing that runs; ", "could not be looked up: "} {
					if len(faults) != 1 || !strings.Contains(faults[0], want) {
						t.Errorf("the reason is %q, want %q in it", faults, want)
					}
				}
			})
		})
	}
	t.Run("a key that does not see all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newFilterSite(t, "6.1")
			const key = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"
			if err := s.sim.AddKey(key, "a.okafor"); err != nil {
				t.Fatal(err)
			}
			res := s.must(0, "shutdown", "DOMINO_API_KEY="+key, "DMM_DRY_RUN=true",
				"DMM_EXCLUDE_PROJECTS=b.keller/secret", "DMM_EXCLUDE_OWNERS=z.zzz")
			for _, variable := range []string{"DMM_EXCLUDE_PROJECTS", "DMM_EXCLUDE_OWNERS"} {
				if !noted(res, variable+": whether ") {
					t.Errorf("notes %q do not say that %s could not be checked", res.Notes, variable)
				}
			}
		})
	})
}

// Whose an execution is says Domino, kind by kind: the owner of its project has no say in it.
func TestOwnersAreThoseOfExecutions(t *testing.T) {
	all := map[string][]string{
		"a.okafor": {appOfOkafor, jobOfOkafor}, "b.keller": {appOfKeller, modelOfThree, oneOfHaddad},
		"c.rossi": {sessionOfRossi, buildOfRossi}, "d.nair": {scheduleOfNair, modelOfThree, oneOfHaddad},
		"e.demir": {modelOfThree, oneOfHaddad}, "f.haddad": {oneOfHaddad},
		"h.tanaka": {endpointOfTwo}, "i.moreau": {endpointOfTwo}, "j.weber": {deployedByTwo}, "K.Adeyemi": {deployedByTwo},
	}
	for owner, ids := range all {
		t.Run(owner, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slices.Sort(ids)
				s := newFilterSite(t, "6.2")
				ran := s.left()
				others := slices.DeleteFunc(slices.Clone(ran), func(id string) bool { return slices.Contains(ids, id) })
				s.must(0, "shutdown", "DMM_OWNERS="+owner)
				if diff := cmp.Diff(others, s.left()); diff != "" {
					t.Errorf("what runs after a shutdown of what is %s's (-want +got):\n%s", owner, diff)
				}
				s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
				s = newFilterSite(t, "6.2")
				s.must(0, "shutdown", "DMM_EXCLUDE_OWNERS="+owner)
				if diff := cmp.Diff(ids, s.left()); diff != "" {
					t.Errorf("what runs after a shutdown without what is %s's (-want +got):\n%s", owner, diff)
				}
			})
		})
	}
}

// The maker of a version is known by id or by name, as the release has it; the owners of a model likewise.
func TestOwnersOfAModelAreKnownInEveryVersion(t *testing.T) {
	for _, profile := range dominosim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFilterSite(t, profile)
				s.must(0, "shutdown", "DMM_KINDS=ModelAPI", "DMM_OWNERS=f.haddad")
				if left := s.left(); slices.Contains(left, oneOfHaddad) || !slices.Contains(left, modelOfThree) {
					t.Errorf("after a shutdown of what f.haddad has made %q run", left)
				}
				s.must(0, "restore")
				s.must(0, "snapshot")
				s.must(0, "shutdown", "DMM_OWNERS=e.demir")
				if left := s.left(); slices.Contains(left, oneOfHaddad) || slices.Contains(left, modelOfThree) {
					t.Errorf("after a shutdown of the model that e.demir owns with others %q run", left)
				}
			})
		})
	}
}

// Where users cannot be listed, who made a version is known by id alone, and that is said.
func TestOwnersThatCannotBeNamedAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, ownedByMany("6.2"))
		s.sim.AddFault(dominosim.Fault{Method: "GET", Path: "/v4/users", Kind: dominosim.FaultStatus, Status: 403, Times: -1})
		res := s.must(0, "snapshot")
		for _, kind := range []string{"ModelAPI", "Endpoint", "ExternalDeployment"} {
			if !noted(res, kind+": owners: some are known by an id or a full name alone") {
				t.Errorf("notes %q do not say it of kind %s", res.Notes, kind)
			}
		}
	})
}

// A window keeps to its filters, which were checked when it was opened, whatever has vanished since.
func TestAShutdownThatGoesOnDoesNotAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1")
		filters := []string{"DMM_OWNERS=a.okafor", "DMM_EXCLUDE_OWNERS=g.lindqvist"}
		s.interrupted(time.Second, "shutdown", filters...)
		s.sim.AddFault(dominosim.Fault{
			Name: "users of whom only one is left", Method: "GET", Path: "/v4/users", Kind: dominosim.FaultStatus, Status: 200,
			Body: `[{"id":"65c0000000000000000000d1","userName":"somebody.else"}]`, Times: -1,
		})
		s.must(0, "shutdown", append(filters, "DMM_DRY_RUN=true")...)
		s.must(0, "shutdown", filters...)
		s.must(0, "restore", append(filters, "DMM_DRY_RUN=true")...) // which does not ask either: the window has them
		s.must(0, "restore", filters...)
		s.must(0, "snapshot")
		faults, _ := s.refused("shutdown", filters[1]) // the next window is another matter
		if len(faults) != 1 || !strings.Contains(faults[0], `"g.lindqvist" is no user in Domino`) {
			t.Errorf("the reason is %q", faults)
		}
	})
}

// older writes a window as versions of dmm did that did not say whose owners a filter has, and tells when it is there.
type older struct {
	store.Store
	opened func()
}

func (o older) Put(ctx context.Context, key string, body []byte, opts store.PutOptions) error {
	marked := newer.ReplaceAll(body, nil)
	if err := o.Store.Put(ctx, key, marked, opts); err != nil {
		return err
	}
	if bytes.Contains(body, []byte(`"event":"open"`)) {
		o.opened()
	}
	return nil
}

// newer is what an older dmm does not write.
var newer = regexp.MustCompile(`,"ownersOf":"executions"|,"manifest":"[0-9a-f]{64}"|"prev":"[0-9a-f]{64}",|,"journal":\{[^}]*\}`)

// A window that an older dmm has opened goes on in the meaning that its filters had: what it was to spare stays up.
func TestAWindowOfAnOlderVersionKeepsItsOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1")
		ran, present := s.running(), s.store
		const spared = "DMM_EXCLUDE_OWNERS=a.okafor"
		ctx, end := context.WithCancelCause(t.Context())
		s.store = older{present, func() { end(modes.ErrInterrupted) }} // before anything is sent
		if _, err := s.runContext(ctx, "shutdown", spared); !errors.Is(err, modes.ErrInterrupted) {
			t.Fatalf("the shutdown that opens the window: %v", err)
		}
		if writes := s.sim.Ledger().Writes(); len(writes) > 0 {
			t.Fatalf("%d calls were sent before the newer version takes over: the test proves nothing", len(writes))
		}
		s.store = present
		for _, dry := range []string{"true", "false"} {
			res := s.must(0, "shutdown", spared, "DMM_DRY_RUN="+dry)
			if !noted(res, "to which what runs in a user's project was the user's too: its filters by owner go on") {
				t.Errorf("dry run %s: notes %q do not say what owners are there", dry, res.Notes)
			}
		}
		// All in okafor's project, whoever has it, and what is okafor's elsewhere.
		want := []string{appOfOkafor, sessionOfRossi, jobOfOkafor, scheduleOfNair}
		slices.Sort(want)
		if diff := cmp.Diff(want, s.left()); diff != "" {
			t.Errorf("what runs (-want +got):\n%s", diff)
		}
		s.must(0, "restore", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
		if got, want := len(s.running()), len(ran); got != want {
			t.Errorf("after it %d executions run, want %d", got, want)
		}
	})
}

// A restore with a mistyped filter would pass for one that did its work, or start what was to be left.
func TestARestoreWhoseFiltersNameNothingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
		ran := s.running()
		s.must(0, "shutdown")
		faults, next := s.refused("restore", "DMM_PROJECTS=a.okafor/forecast,b.keller/triag", "DMM_EXCLUDE=explorer")
		if diff := cmp.Diff([]string{
			mistyped("DMM_PROJECTS", "b.keller/triag", "b.keller/triage"),
			mistyped("DMM_EXCLUDE", "explorer", appOfKeller),
		}, faults); diff != "" {
			t.Errorf("the faults (-want +got):\n%s", diff)
		}
		if want := "dmm restore --dry-run --projects a.okafor/forecast,b.keller/triage --exclude " + appOfKeller; next != want {
			t.Errorf("the next step is %q, want %q", next, want)
		}
		faults, next = s.refused("restore", "DMM_OWNERS=l.santos")
		if len(faults) != 1 || !strings.Contains(faults[0], "leaves out everything that window 000001 has to bring back (") ||
			!strings.HasPrefix(next, "dmm restore, without filters") {
			t.Errorf("the reason is %q, and the next step %q", faults, next)
		}
		res := s.must(0, "restore", "DMM_DRY_RUN=true", "DMM_OWNERS=l.santos,a.okafor")
		if !noted(res, "DMM_OWNERS: nothing of l.santos is to be brought back") {
			t.Errorf("notes %q", res.Notes)
		}
		s.must(0, "restore")
		s.wantSame(ran)
	})
}

func TestARestoreFromASnapshotWhoseFiltersSelectNothingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1", "DMM_RERUN_JOBS=true", "DMM_REBUILD=true")
		s.must(0, "shutdown")
		s.must(0, "close", "DMM_REASON=the deployment is rebuilt", "DMM_YES=true")
		for _, yes := range []string{"DMM_YES=false", "DMM_YES=true"} {
			from := []string{"DMM_RESTORE_FROM=latest", yes}
			faults, next := s.refused("restore", append(from, "DMM_OWNERS=l.santos")...)
			if len(faults) != 1 || !strings.Contains(faults[0], "leaves out everything that snapshot 2") ||
				!strings.HasPrefix(next, "dmm show 2") {
				t.Errorf("%s: the reason is %q, and the next step %q", yes, faults, next)
			}
			faults, next = s.refused("restore", append(from, "DMM_EXCLUDE_PROJECTS=a.okafor/forcast")...)
			if !slices.Equal(faults, []string{mistyped("DMM_EXCLUDE_PROJECTS", "a.okafor/forcast", "a.okafor/forecast")}) ||
				next != "dmm restore --dry-run --exclude-projects a.okafor/forecast" {
				t.Errorf("%s: the reason is %q, and the next step %q", yes, faults, next)
			}
		}
		s.sim.AddFault(dominosim.Fault{Path: startApp, Kind: dominosim.FaultStatus, Status: 400, Times: -1})
		from := []string{"DMM_RESTORE_FROM=latest", "DMM_YES=true", "DMM_MAX_FAILURES=1"}
		s.must(3, "restore", append(from, "DMM_PROJECTS=a.okafor/forecast")...)
		// And in the window that this has opened.
		faults, _ := s.refused("restore", append(from, "DMM_PROJECTS=a.okafor/forcast")...)
		if len(faults) != 2 || !strings.Contains(faults[1], "leaves out everything that window 000002 has to bring back") {
			t.Errorf("the reason is %q", faults)
		}
	})
}

// The lines of an imported snapshot have ids of projects and no names: filters by project hold for them all the same.
func TestARestoreFromAnImportKnowsItsProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "5.9")
		file := s.peerRules()
		id := s.must(0, "import", "DMM_FILE="+file.write(t)).Snapshot
		s.stopAll(file)
		time.Sleep(time.Minute)
		from := []string{"DMM_RESTORE_FROM=" + id, "DMM_YES=true"}
		faults, _ := s.refused("restore", append(from, "DMM_PROJECTS=b.keller/claims-triage")...)
		if len(faults) != 1 || !strings.Contains(faults[0], "leaves out everything that snapshot "+id) {
			t.Errorf("the reason is %q", faults)
		}
		want := append(s.left(), appOfOkafor)
		slices.Sort(want)
		s.must(0, "restore", append(from, "DMM_PROJECTS=a.okafor/forecast", "DMM_KINDS=App")...)
		if diff := cmp.Diff(want, s.left()); diff != "" {
			t.Errorf("what runs (-want +got):\n%s", diff)
		}
	})
}

// An audit tells what a shutdown with these settings would be refused for, beside all else.
func TestAnAuditFindsFiltersThatAShutdownRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFilterSite(t, "6.1")
		res := s.must(7, "audit", "DMM_PROJECTS=a.okafor/forcast", "DMM_EXCLUDE_OWNERS=c.rosi")
		var found []string
		for _, f := range res.Findings {
			if f.Code == "filters" {
				found = append(found, f.Message)
			}
		}
		if diff := cmp.Diff([]string{
			mistyped("DMM_PROJECTS", "a.okafor/forcast", "a.okafor/forecast"),
			mistyped("DMM_EXCLUDE_OWNERS", "c.rosi", "c.rossi"),
			`the filters say "projects a.okafor/forcast; without owners c.rosi", which selects nothing that runs`,
		}, found); diff != "" {
			t.Errorf("what the audit found (-want +got):\n%s", diff)
		}
	})
}

// A rehearsal asks no Domino: it knows what its snapshot shows, and says what it could not look up.
func TestARehearsalHoldsItsFiltersAgainstTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, ownedByMany("6.1"))
		s.must(0, "snapshot")
		_, err := s.run("rehearse", "DMM_OWNERS=l.santos")
		if modes.Classify(err) != modes.FaultUsage || !strings.Contains(err.Error(), "selects nothing that runs") {
			t.Errorf("a rehearsal of nothing: %v", err)
		}
		res := s.must(0, "rehearse", "DMM_OWNERS=e.demir,f.haddad,g.lindqvist", "DMM_SPEED=100")
		if !noted(res, `DMM_OWNERS: whether "g.lindqvist" exists could not be looked up: no Domino was asked`) {
			t.Errorf("notes %q", res.Notes)
		}
		if sum := res.Sum(); sum.Total != 2 {
			t.Errorf("%d executions were played, want the two versions of the model", sum.Total)
		}
	})
}

// Snapshots and shutdowns ask for the list of users where it tells something, and once.
func TestUsersAreListedOnlyWhereThatTellsSomething(t *testing.T) {
	for profile, want := range map[string]int{"5.9": 0, "6.1": 1} { // where the makers of versions are known by their ids
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, ownedByMany(profile))
			asked := &counting{next: s.transport, path: "/v4/users"}
			s.transport = asked
			s.must(0, "snapshot")
			if asked.n != want {
				t.Errorf("%s: a snapshot listed the users %d times, want %d", profile, asked.n, want)
			}
		})
	}
}

// counting counts the requests to a path, one after the other.
type counting struct {
	next http.RoundTripper
	path string
	n    int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == c.path {
		c.n++
	}
	return c.next.RoundTrip(r)
}
