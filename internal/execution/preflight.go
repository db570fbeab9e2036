package execution

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Severity says what a finding means for the executions that it names.
type Severity string

// The severities. The words are on record in snapshots and results.
const (
	Error   Severity = "error"   // as things stand, they will not come back, or not as they were
	Warning Severity = "warning" // they may not
	Info    Severity = "info"    // they will, and somebody should know how
)

// Codes of findings. Others rely on them: they are in snapshots, results and metrics.
const (
	TierGone            = "tier-gone"
	TierArchived        = "tier-archived"
	EnvironmentGone     = "environment-gone"
	EnvironmentArchived = "environment-archived"
	EnvironmentUnbuilt  = "environment-unbuilt" // its active revision has no image
	RevisionGone        = "revision-gone"       // the one that an execution is pinned to, or it was never built
	RevisionDiffers     = "revision-differs"
	VolumeUnregistered  = "volume-unregistered"
	VolumeUnreadable    = "volume-unreadable"
	ProjectGone         = "project-gone"
	ProjectArchived     = "project-archived"
	OwnerDeactivated    = "owner-deactivated"
	AppLimit            = "app-limit"
	Quota               = "quota"
	DataPlaneUnhealthy  = "data-plane-unhealthy"
	DataPlaneGone       = "data-plane-gone"
	DataPlaneOutdated   = "data-plane-outdated"
	OutsideDomino       = "outside-domino"
	TokenExpires        = "token-expires"
	RunsAs              = "runs-as"
)

// Finding is something that keeps executions from coming back as they were, found while there is time to mend it.
type Finding struct {
	Severity   Severity `json:"severity"`
	Code       string   `json:"code"`
	Message    string   `json:"message"`              // what was found
	Remedy     string   `json:"remedy,omitempty"`     // what to do
	Executions []Ref    `json:"executions,omitempty"` // those that it hits; none: all
	Starts     bool     `json:"starts,omitempty"`     // they start all the same, but not as they were
}

func (f Finding) String() string {
	s := f.Message
	if n := len(f.Executions); n == 1 {
		s += ", which hits " + f.Executions[0].String()
	} else if n > 1 {
		s += fmt.Sprintf(", which hits %d executions", n)
	}
	if f.Remedy != "" {
		s += ": " + f.Remedy
	}
	return s
}

// Ref names an execution in a finding.
type Ref struct {
	Key

	Name    string `json:"name"`
	Project string `json:"project"`
	Owner   string `json:"owner,omitempty"`
}

func (r Ref) String() string { return fmt.Sprintf("%s %s %q (%s)", r.Kind, r.Project, r.Name, r.ID) }

func refs(executions []Execution) []Ref {
	out := make([]Ref, len(executions))
	for i, e := range executions {
		out[i] = RefOf(e)
	}
	return out
}

// RefOf names an execution.
func RefOf(e Execution) Ref {
	return Ref{Key: e.Key(), Name: e.Name, Project: e.Project.String(), Owner: e.Owner}
}

// Outlook is what a preflight has to know beside the executions.
type Outlook struct {
	Caller domino.Principal
	// Steps are those for which the caller's rights are looked at.
	Steps []string
	// Until is when the step at hand may end at the latest.
	Until time.Time
	// Pods are those of the compute namespace, if they can be seen.
	Pods []Pod
	// OnlyGET: nothing else may be sent, not even a question that Domino takes by POST.
	OnlyGET bool
	// Workspaces: they are started too, and not left to their owners.
	Workspaces bool
	// Jobs: those that were stopped are run again.
	Jobs bool
}

// farSighted is how long a credential should last for a whole maintenance, upgrade included.
const farSighted = 24 * time.Hour

// Preflight asks Domino whether the executions, which run or ran, could be started again as they are. It changes nothing.
// A problem says which check was not made and why; none of them means that something is missing from an inventory.
//
// Lists nominate here as everywhere: what a list lacks, or shows archived, is read by itself before it is said.
func (d *Drivers) Preflight(ctx context.Context, o Outlook, executions []Execution) ([]Finding, []Problem) {
	lacking := Rights(o.Caller, executions, o.Steps...)
	executions = slices.DeleteFunc(slices.Clone(executions), func(e Execution) bool {
		return e.Kind == Build || e.Kind == Job && !o.Jobs // a build needs nothing of what is checked, and no job is started again
	})
	p := &preflight{Drivers: d, Outlook: o, executions: executions}
	checks := crash.NewGroup(0)
	for _, check := range []func(context.Context){
		p.tiersAndPlanes, p.environments, p.volumes, p.claims, p.homes, p.owners, p.limits, p.token, p.outside,
	} {
		checks.Go(func() error { check(ctx); return nil })
	}
	_ = checks.Wait() // errors are problems
	p.findings = slices.Concat(p.findings, lacking, Identity(o.Caller.Name, executions, o.Workspaces))
	slices.SortFunc(p.findings, func(a, b Finding) int {
		rank := map[Severity]int{Error: 0, Warning: 1, Info: 2}
		return cmp.Or(rank[a.Severity]-rank[b.Severity], strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	slices.SortFunc(p.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.Message, b.Message))
	})
	return p.findings, p.problems
}

type preflight struct {
	*Drivers
	Outlook

	executions []Execution

	mu       sync.Mutex
	findings []Finding
	problems []Problem
}

func (p *preflight) found(s Severity, code string, hit []Execution, remedy, format string, args ...any) {
	p.add(Finding{Severity: s, Code: code, Message: fmt.Sprintf(format, args...), Remedy: remedy, Executions: refs(hit)})
}

func (p *preflight) add(f Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.findings = append(p.findings, f)
}

// unchecked puts on record that a check was not made, or not for one thing.
func (p *preflight) unchecked(what string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	message := err.Error()
	if domino.KindOf(err) == domino.KindNoRoute {
		message = "this release of Domino does not tell: " + message
	}
	p.problems = append(p.problems, Problem{Subject: "preflight", Message: what + " was not checked: " + message})
}

func (p *preflight) uncheckedRows(what string, rows []domino.RowError) {
	for _, r := range rows {
		p.unchecked(what, r)
	}
}

// group sorts executions by what each needs one of, and leaves out those that need none.
func (p *preflight) group(need func(Execution) string) map[string][]Execution {
	by := map[string][]Execution{}
	for _, e := range p.executions {
		if n := need(e); n != "" {
			by[n] = append(by[n], e)
		}
	}
	return by
}

// each calls f for every group, several at once.
func each(ctx context.Context, groups map[string][]Execution, f func(id string, hit []Execution)) {
	ids := slices.Sorted(maps.Keys(groups))
	eachParallel(ctx, len(ids), func(i int) { f(ids[i], groups[ids[i]]) })
}

// index makes a map of what a list shows. A list that cannot be had is a problem, and no map.
func index[T any](p *preflight, what string, id func(T) string, list []T, rows []domino.RowError, err error) map[string]T {
	if err != nil {
		p.unchecked(what, err)
		return nil
	}
	p.uncheckedRows(what, rows)
	by := make(map[string]T, len(list))
	for _, v := range list {
		by[id(v)] = v
	}
	return by
}

// tiersAndPlanes: an archived tier cannot be un-archived (docs-facts §1.14), so that what ran on it needs another.
func (p *preflight) tiersAndPlanes(ctx context.Context) {
	onPlane := p.group(func(e Execution) string { return e.DataPlane })
	users := p.group(func(e Execution) string { return e.HardwareTier })
	if len(users) > 0 {
		list, rows, err := p.client.HardwareTiers(ctx)
		tiers := index(p, "the state of hardware tiers", func(t domino.HardwareTier) string { return t.ID }, list, rows, err)
		if tiers != nil {
			each(ctx, users, func(id string, hit []Execution) { p.tier(ctx, id, tiers, hit) })
		}
		for id, hit := range users {
			for _, e := range hit {
				if plane := tiers[id].DataPlaneID; plane != "" && e.DataPlane == "" {
					onPlane[plane] = append(onPlane[plane], e)
				}
			}
		}
	}
	if len(onPlane) == 0 {
		return
	}
	list, rows, err := p.client.DataPlanes(ctx)
	planes := index(p, "the health of data planes", func(d domino.DataPlane) string { return d.ID }, list, rows, err)
	if planes == nil {
		return
	}
	const remedy = "mend it before restore, or restore the others first and run restore again"
	for id, hit := range onPlane {
		at := slices.IndexFunc(list, func(d domino.DataPlane) bool { return d.ID == id || d.Name == id })
		switch {
		case at < 0 && len(rows) == 0:
			p.found(Warning, DataPlaneGone, hit, remedy, "data plane %s is not among those that Domino lists", id)
		case at >= 0 && list[at].Archived:
			p.found(Error, DataPlaneGone, hit, "move them to another data plane", "data plane %s is archived", list[at].Name)
		case at >= 0 && !list[at].Healthy:
			why := list[at].State
			if list[at].Message != "" {
				why += ", " + list[at].Message
			}
			p.found(Error, DataPlaneUnhealthy, hit, remedy, "data plane %s is not healthy (%s)", list[at].Name, why)
		case at >= 0 && list[at].Outdated:
			// Releases that differ by more than a patch start nothing new there (docs-facts §3.10); by how much, it does not say.
			p.found(Warning, DataPlaneOutdated, hit, "upgrade it before restore, or restore the others first and run restore again",
				"data plane %s requires an upgrade, before which Domino may start nothing on it", list[at].Name)
		}
	}
}

func (p *preflight) tier(ctx context.Context, id string, tiers map[string]domino.HardwareTier, hit []Execution) {
	if t, ok := tiers[id]; ok && !t.Archived {
		return
	}
	const remedy = "give them another hardware tier in Domino before shutdown; a restart asks for the one that they ran on"
	switch t, err := p.client.HardwareTier(ctx, id); {
	case isNotFound(err):
		p.found(Error, TierGone, hit, remedy, "hardware tier %s does not exist", id)
	case err != nil:
		p.unchecked("hardware tier "+id, err)
	case t.Archived:
		p.found(Error, TierArchived, hit, remedy, "hardware tier %s (%s) is archived", id, t.Name)
	}
}

func isNotFound(err error) bool { return domino.KindOf(err) == domino.KindNotFound }

func (p *preflight) environments(ctx context.Context) {
	users := p.group(func(e Execution) string { return e.Environment })
	if len(users) == 0 {
		return
	}
	list, rows, err := p.client.Environments(ctx)
	environments := index(p, "the state of environments", func(e domino.Environment) string { return e.ID }, list, rows, err)
	if environments == nil {
		return
	}
	each(ctx, users, func(id string, hit []Execution) {
		env, ok := environments[id]
		if !ok || env.Archived || env.Active == nil {
			var err error
			if env, err = p.client.Environment(ctx, id); isNotFound(err) {
				p.found(Error, EnvironmentGone, hit, "give them another environment in Domino before shutdown", "environment %s does not exist", id)
				return
			} else if err != nil {
				p.unchecked("environment "+id, err)
				return
			}
		}
		p.environment(ctx, env, hit)
	})
}

func (p *preflight) environment(ctx context.Context, env domino.Environment, hit []Execution) {
	if env.Archived {
		p.found(Error, EnvironmentArchived, hit, "restore the environment in Domino, or give them another, before shutdown", "environment %q (%s) is archived", env.Name, env.ID)
		return
	}
	if env.Active == nil || strings.EqualFold(env.Active.Status, "failed") || strings.EqualFold(env.Active.Status, "killed") {
		p.found(Error, EnvironmentUnbuilt, hit, "build it, or make another revision the active one, before restore",
			"environment %q (%s) has no active revision that was built", env.Name, env.ID)
	}
	pinned := map[string][]Execution{}
	var differs []Execution
	for _, e := range hit {
		switch {
		case e.Revision == "" || env.Active != nil && e.Revision == env.Active.ID:
		case e.Kind == App: // no version's start takes a revision (api.md §8, nucleus.StartParams)
			differs = append(differs, e)
		default:
			pinned[e.Revision] = append(pinned[e.Revision], e)
		}
	}
	if len(differs) > 0 && env.Active != nil {
		p.found(Warning, RevisionDiffers, differs, "make the revision that they run on the active one, if that matters",
			"they run on an older revision of environment %q and will come back on the active one, number %d", env.Name, env.Active.Number)
	}
	each(ctx, pinned, func(id string, hit []Execution) {
		const remedy = "choose another revision for them, or build this one"
		switch built, err := p.client.RevisionBuilt(ctx, id); {
		case isNotFound(err):
			p.found(Error, RevisionGone, hit, remedy, "revision %s of environment %q does not exist", id, env.Name)
		case err != nil:
			p.unchecked(fmt.Sprintf("revision %s of environment %q", id, env.Name), err)
		case !built:
			p.found(Error, RevisionGone, hit, remedy, "revision %s of environment %q has no image", id, env.Name)
		}
	})
}

// unregistered splits those that have mounted such a volume by what their start will ask for. Where Domino gives the mount no
// id any more (INF, api.md §8), or did not tell it, the start leaves the volume out and they come back without it. A start
// that asks for the id is refused or fails (peer's README, docs-facts; its answer is NOT EVIDENCED).
func (p *preflight) unregistered(hit []Execution, id, format string, args ...any) {
	const remedy = "register the volume again, then take another snapshot, and do not unregister any while the maintenance lasts"
	var without, asks []Execution
	for _, e := range hit {
		if (e.Kind == App || e.Kind == Workspace) && len(e.Restart) > 0 && (id == "" || !bytes.Contains(e.Restart, []byte(strconv.Quote(id)))) {
			without = append(without, e)
		} else {
			asks = append(asks, e)
		}
	}
	if len(asks) > 0 {
		p.found(Error, VolumeUnregistered, asks, remedy, format, args...)
	}
	if len(without) > 0 {
		p.add(Finding{Severity: Error, Code: VolumeUnregistered, Message: fmt.Sprintf(format, args...) + ": what has it starts again without it",
			Remedy: remedy + "; or exclude them (DMM_EXCLUDE), if they must not run without it", Executions: refs(without), Starts: true})
	}
}

func (p *preflight) volumes(ctx context.Context) {
	byID, byName := map[string][]Execution{}, map[string][]Execution{}
	for _, e := range p.executions {
		for _, m := range e.Volumes {
			if m.ID != "" {
				byID[m.ID] = append(byID[m.ID], e)
			} else {
				byName[m.Name] = append(byName[m.Name], e)
			}
		}
	}
	if !p.client.Dialect().AppMounts {
		if apps := slices.DeleteFunc(slices.Clone(p.executions), func(e Execution) bool { return e.Kind != App }); len(apps) > 0 && len(p.Pods) == 0 {
			p.unchecked("the volumes of apps", errors.New("before 6.1 Domino does not tell which they have mounted, and no pods can be seen"))
		}
	}
	if p.client.Dialect().SessionMountIDs { // before 5.9 every mount is without an id (api.md §10)
		for name, hit := range byName {
			p.unregistered(hit, "", "external volume %q is mounted and not registered any more", name)
		}
	}
	if len(byID) == 0 {
		return
	}
	list, rows, err := p.client.Volumes(ctx)
	if err != nil && !answered(err) {
		p.unchecked("the registration of external volumes", err)
		return
	}
	// A caller who may not list them can still read each (api.md §16).
	volumes := map[string]domino.Volume{}
	for _, v := range list {
		volumes[v.ID] = v
	}
	p.uncheckedRows("the registration of external volumes", rows)
	each(ctx, byID, func(id string, hit []Execution) {
		v, ok := volumes[id]
		if !ok || !v.Registered {
			var err error
			if v, err = p.client.Volume(ctx, id); isNotFound(err) {
				p.unregistered(hit, id, "external volume %s is mounted and not registered any more", id)
				return
			} else if domino.KindOf(err) == domino.KindForbidden {
				p.found(Warning, VolumeUnreadable, hit, "give this key's user access to the volume", "external volume %s cannot be read with this key, which will have to mount it", id)
				return
			} else if err != nil {
				p.unchecked("external volume "+id, err)
				return
			}
		}
		mine := slices.DeleteFunc(slices.Clone(hit), func(e Execution) bool { return e.Kind != App })
		switch {
		case !v.Registered:
			p.unregistered(hit, id, "external volume %q (%s) is mounted and not registered any more", v.Name, id)
		case len(mine) > 0 && !v.Public && len(v.Users) > 0 && !slices.Contains(v.Users, p.Caller.ID):
			// Users may hold an organisation that the caller is in, which this does not see.
			p.found(Warning, VolumeUnreadable, mine, "give this user access to the volume",
				"external volume %q is not for everybody, and %s, as whom apps restart, is not among its users", v.Name, p.Caller.Name)
		}
	})
}

// claims looks at what the pods really have mounted: all that can be had before 6.1.
func (p *preflight) claims(ctx context.Context) {
	byRun := p.group(func(e Execution) string { return e.RunID })
	mounting := map[string][]Execution{}
	for _, pod := range p.Pods {
		for _, e := range byRun[pod.Run()] {
			for _, claim := range pod.Claims {
				if !slices.ContainsFunc(mounting[claim], func(o Execution) bool { return o.Key() == e.Key() }) {
					mounting[claim] = append(mounting[claim], e)
				}
			}
		}
	}
	if len(mounting) == 0 {
		return
	}
	if p.OnlyGET {
		if !p.client.Dialect().AppMounts { // from 6.1 on, Domino tells what apps have mounted
			p.unchecked("whether the volume claims of pods are registered", errors.New("it takes a POST, which an audit does not send; dmm snapshot asks"))
		}
		return
	}
	list, rows, err := p.client.VolumesByClaim(ctx, slices.Sorted(maps.Keys(mounting)))
	if err != nil {
		p.unchecked("the volume claims of pods", err)
		return
	}
	p.uncheckedRows("the volume claims of pods", rows)
	for _, v := range list {
		if hit := mounting[v.PVC]; !v.Registered && len(hit) > 0 {
			p.unregistered(hit, v.ID, "their pods have mounted claim %s of external volume %q, which is not registered any more", v.PVC, v.Name)
		}
	}
}

// homes looks at the projects. Domino stops what runs in a project when it is archived (docs: Archive a project).
func (p *preflight) homes(ctx context.Context) {
	byProject := p.group(func(e Execution) string { return e.Project.ID })
	if len(byProject) == 0 {
		return
	}
	for _, problem := range p.projects.ensure(ctx) {
		p.unchecked("whether projects are archived", fmt.Errorf("%s", problem.Message))
	}
	each(ctx, byProject, func(id string, hit []Execution) {
		name := hit[0].Project.String()
		switch one, known := p.projects.entry(id); {
		case known && one.Archived:
			p.found(Error, ProjectArchived, hit, "unarchive the project before restore, or leave them out with DMM_EXCLUDE_PROJECTS", "project %s is archived", name)
		case !known:
			if _, err := p.client.Project(ctx, id); isNotFound(err) {
				p.found(Error, ProjectGone, hit, "nothing of it can be restored: leave them out with DMM_EXCLUDE_PROJECTS", "project %s does not exist", name)
			} else if err != nil {
				p.unchecked("project "+name, err)
			}
		}
	})
}

func (p *preflight) owners(ctx context.Context) {
	byOwner := p.group(func(e Execution) string { return e.Owner })
	list, rows, err := p.client.Accounts(ctx)
	accounts := index(p, "whether owners are deactivated", func(a domino.Account) string { return a.Name }, list, rows, err)
	for name, a := range accounts {
		if hit := byOwner[name]; !a.Active && len(hit) > 0 {
			p.found(Warning, OwnerDeactivated, hit, "activate the user for the maintenance, or give what is theirs another owner",
				"%s is deactivated: what only its owner may start stays down, and schedules fail", name)
		}
	}
	// By the table of roles, an administrator may stop everything and start next to nothing (docs-facts §1.13).
	starts := slices.DeleteFunc(slices.Clone(p.executions), func(e Execution) bool {
		return e.Kind != App && e.Kind != Job && (e.Kind != Workspace || !p.Workspaces)
	})
	me := accounts[p.Caller.Name]
	practises := slices.ContainsFunc(me.Roles, func(r string) bool { return strings.EqualFold(r, "Practitioner") })
	if len(me.Roles) > 0 && !practises && len(starts) > 0 {
		p.found(Warning, RightsMissing, starts, "give it the role Practitioner as well, or use the key of a user that has both",
			"%s has no role Practitioner (only %s), without which Domino may refuse to start apps, workspaces and jobs", p.Caller.Name, strings.Join(me.Roles, ", "))
	}
}

// outside: what is deployed outside of Domino does not run in its cluster, and no upgrade ends it. Its stop deletes the endpoint of
// SageMaker, and its start makes another (docs-facts §1.7).
func (p *preflight) outside(context.Context) {
	deployed := slices.DeleteFunc(slices.Clone(p.executions), func(e Execution) bool { return e.Kind != ExternalDeployment })
	if len(deployed) > 0 && slices.Contains(p.Steps, StepShutdown) {
		p.found(Warning, OutsideDomino, deployed, "leave DMM_EXTERNAL_DEPLOYMENTS at ignore, unless they must go down",
			"%s would be stopped, which Domino does by deleting the endpoint where it is (of SageMaker, for one); a start makes another",
			ExternalDeployment.Plural(len(deployed)))
	}
}

// Names of settings, and what holds where they are not set (docs-facts §1.4, §1.14).
const (
	maxAppRuns, defaultMaxAppRuns = "maxactiveapprunsperproject", 4
	userQuota, defaultUserQuota   = "maximumexecutionsperuser", 25
	userQueue, defaultUserQueue   = "userexecutionqueuelimit", 100
)

// limits: restarted apps count for the caller, who is one user (docs-facts §1.14, inferred).
func (p *preflight) limits(ctx context.Context) {
	apps := p.group(func(e Execution) string {
		if e.Kind != App {
			return ""
		}
		return e.Project.String()
	})
	if len(apps) == 0 {
		return
	}
	set, err := p.client.Settings(ctx, maxAppRuns, userQuota, userQueue)
	if err != nil {
		p.unchecked("how many apps may run in a project and for one user", err)
		return
	}
	limit := func(name string, otherwise int) (n int, said string) {
		if n, err := strconv.Atoi(strings.TrimSpace(set[name])); err == nil {
			return n, ""
		}
		return otherwise, ", Domino's default"
	}
	var mine []Execution
	most, said := limit(maxAppRuns, defaultMaxAppRuns)
	for project, hit := range apps {
		mine = append(mine, hit...)
		if most > 0 && len(hit) > most {
			p.found(Warning, AppLimit, hit, "raise com.cerebro.domino.apps.maxActiveAppRunsPerProject in Domino's central configuration before restore",
				"%d apps of project %s ran, and Domino lets %d run in one project%s", len(hit), project, most, said)
		}
	}
	for _, e := range p.executions {
		if e.Kind == Workspace && (p.Workspaces || e.Owner == p.Caller.Name) || e.Kind == Job {
			mine = append(mine, e)
		}
	}
	quota, said := limit(userQuota, defaultUserQuota)
	queue, _ := limit(userQueue, defaultUserQueue)
	const remedy = "raise com.cerebro.domino.computegrid.userExecutionsQuota.maximumExecutionsPerUser before restore, or restore in parts with DMM_PROJECTS"
	switch n := len(mine); {
	case quota <= 0 || n <= quota:
	case n > quota+queue:
		p.found(Error, Quota, mine, remedy, "%d executions will restart as %s, who may run %d at once%s, and more than %d in the queue fail", n, p.Caller.Name, quota, said, queue)
	default:
		p.found(Warning, Quota, mine, remedy, "%d executions will restart as %s, who may run %d at once%s: the rest waits in Domino's queue", n, p.Caller.Name, quota, said)
	}
}

func (p *preflight) token(context.Context) {
	at, renewed := p.client.Expires()
	if at.IsZero() {
		return // an API key does not expire, and an opaque token does not tell
	}
	severity, remedy := Warning, "use an API key, or have a new token ready for restore"
	if renewed {
		remedy = "see to it that whatever writes the file renews it until restore has ended"
	}
	switch now := time.Now(); {
	case at.Before(p.Until) && !renewed:
		severity = Error
	case at.After(now.Add(farSighted)), renewed && at.After(p.Until):
		return
	}
	p.found(severity, TokenExpires, nil, remedy, "the token expires at %s, and this step may last until %s", at.Format(time.RFC3339), p.Until.UTC().Format(time.RFC3339))
}

// Identity says which of the executions will run as somebody else when they are started again. An app restarts as the
// caller (api.md §8, inferred from the publisher's meaning), and so does the re-run of a job (inferred from what startedBy is called), a schedule keeps the user that it runs as (api.md §12), and a
// model API runs as nobody. As whom the session of another's workspace runs is not known.
func Identity(caller string, executions []Execution, workspaces bool) []Finding {
	var apps, sessions, jobs []Execution
	for _, e := range executions {
		switch {
		case e.Owner == "" || e.Owner == caller:
		case e.Kind == App:
			apps = append(apps, e)
		case e.Kind == Workspace && workspaces:
			sessions = append(sessions, e)
		case e.Kind == Job:
			jobs = append(jobs, e)
		}
	}
	var found []Finding
	if len(apps) > 0 {
		found = append(found, Finding{
			Severity: Info, Code: RunsAs, Executions: refs(apps),
			Message: fmt.Sprintf("%s published by others will run as %s after the restore, with that user's rights", App.Plural(len(apps)), caller),
			Remedy:  "ask the publishers named to publish again, where that matters",
		})
	}
	if len(jobs) > 0 {
		found = append(found, Finding{
			Severity: Info, Code: RunsAs, Executions: refs(jobs),
			Message: fmt.Sprintf("%s of others will be run again as %s, with that user's rights", Job.Plural(len(jobs)), caller),
			Remedy:  "leave DMM_RERUN_JOBS false, and their owners run them again",
		})
	}
	if len(sessions) > 0 {
		found = append(found, Finding{
			Severity: Info, Code: RunsAs, Executions: refs(sessions),
			Message: fmt.Sprintf("%s of others will be started by %s; whether Domino allows that, and as whom they then run, is not known", Workspace.Plural(len(sessions)), caller),
			Remedy:  "leave DMM_RESTORE_WORKSPACES false, and their owners start them",
		})
	}
	return found
}
