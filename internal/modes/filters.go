package modes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/config"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// A filter that is mistyped must not pass for one that is meant: a shutdown would touch nothing and tell people to
// upgrade, or stop what was to be spared. So each step holds its filters against what there is, before it opens a
// window.

// Kind is a kind of execution.
type Kind = execution.Kind

// Kinds are all kinds, in the order in which people read them.
func Kinds() []Kind { return execution.Kinds() }

const (
	noProject, asProjects = "is no project in Domino", "give the names of projects as Domino shows them"
	noUser, asUsers       = "is no user in Domino", "give user names as Domino shows them"
	noID, asIDs           = "is the id of no execution, nor of what one is a version of", "give ids as dmm show lists them"
)

// filterSettings are the settings that the clauses of a filter come from, and what to say of an entry that names
// nothing.
var filterSettings = map[execution.Clause]struct{ variable, none, hint string }{
	execution.ClauseKinds:           {variable: "DMM_KINDS"},
	execution.ClauseProjects:        {"DMM_PROJECTS", noProject, asProjects},
	execution.ClauseOwners:          {"DMM_OWNERS", noUser, asUsers},
	execution.ClauseExcludeProjects: {"DMM_EXCLUDE_PROJECTS", noProject, asProjects},
	execution.ClauseExcludeOwners:   {"DMM_EXCLUDE_OWNERS", noUser, asUsers},
	execution.ClauseExclude:         {"DMM_EXCLUDE", noID, asIDs},
}

// fit is what the filters of a step are held against.
type fit struct {
	known []execution.Execution // what exists, or did when the snapshot was taken, running or not
	step  []execution.Execution // what the step is about, but for its filters
	// started picks what belongs to the step as well out of what Domino shows now; nil: nothing does.
	started func([]execution.Execution) []execution.Execution
	checked execution.Filter // its entries were held against what there was when the window was opened
	client  *domino.Client   // is asked about what is not known; nil: no Domino is in reach
	nothing string           // what is said of filters that leave nothing of the step; empty: that is no fault
	doing   string           // what executions do that are the step's
	next    string           // the next step after filters that leave nothing
	show    string           // the id of the snapshot that shows what there is
	mode    string           // what to run with names that were mended
}

// fits refuses filters that leave nothing of a step, or that name what does not exist, with all faults at once. What
// exists and makes no difference is a note, and so is what could not be looked up.
func (e *Env) fits(ctx context.Context, at *scene, n fit) error {
	f := e.filter()
	if f.All() || e.speed > 0 { // what a rehearsal plays was held against its snapshot
		return nil
	}
	var there execution.Existing
	there.Add(n.known...)
	lacking := func() []execution.Entry { return slices.DeleteFunc(there.Lacks(f), n.checked.Has) }
	step := n.step
	switch {
	case n.client == nil:
		unsee(&there, "no Domino was asked")
	case len(lacking()) > 0 || n.started != nil && !slices.ContainsFunc(step, f.Match):
		now := execution.NewDrivers(n.client).Survey(ctx, &there)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if n.started != nil {
			step = slices.Concat(step, n.started(now))
		}
		if who := at.domino.Principal; !execution.Sighted(who) {
			unsee(&there, who.Name+" is no administrator and may not list all projects")
		}
	}
	var faults []error
	var unsure []string
	mended, hopeless := map[execution.Entry]string{}, false
	for _, x := range lacking() {
		names, s := there.Of(x.Clause), filterSettings[x.Clause]
		if names.Unseen != "" {
			unsure = append(unsure,
				fmt.Sprintf("%s: whether %q exists could not be looked up: %s", s.variable, x.Name, names.Unseen))
			continue
		}
		hint := s.hint
		if near := nearest(x, *names); near != "" {
			mended[x], hint = near, "did you mean "+near+"?"
		} else {
			hopeless = true
		}
		faults = append(faults, config.NewFault(s.variable, hint, fmt.Sprintf("%q %s", x.Name, s.none)))
	}
	if nothing := n.nothing != "" && !slices.ContainsFunc(step, f.Match); nothing {
		reason := fmt.Sprintf("the filters say %q, which %s", f, n.nothing)
		faults = append(faults, errors.New(strings.Join(append([]string{reason}, unsure...), "; ")))
	}
	if len(faults) == 0 {
		for _, u := range unsure {
			at.res.Note(u)
		}
		idle(at, f, step, n.doing)
		return nil
	}
	refused := &UsageError{Reason: errors.Join(faults...).Error(), Next: n.next}
	switch {
	case hopeless && n.show != "":
		refused.Next = "dmm show " + n.show + ", which lists projects, owners and ids"
	case len(mended) > 0: // looked at first, since the nearest name is a guess
		refused.Next = "dmm " + n.mode + " --dry-run" + window.Pinned{Filter: f.Replace(mended)}.Flags()
	}
	return refused
}

// unsee says of all names that there may be more.
func unsee(there *execution.Existing, why string) {
	for _, names := range []*execution.Names{&there.Projects, &there.Users, &there.IDs} {
		if names.Unseen == "" {
			names.Unseen = why
		}
	}
}

// nearest is the name that an entry was most likely meant to be, empty if none is near.
func nearest(x execution.Entry, names execution.Names) string {
	if called := names.Called(x.Name); called != "" {
		return called // a user by the full name, or an execution by its name instead of its id
	}
	all, limit := names.All(), len(x.Name)/3
	switch x.Clause {
	case execution.ClauseProjects, execution.ClauseExcludeProjects:
		_, name, _ := strings.Cut(x.Name, "/")
		same := slices.DeleteFunc(slices.Clone(all), func(p string) bool {
			_, its, _ := strings.Cut(p, "/")
			return !strings.EqualFold(its, name)
		})
		if len(same) > 0 { // the project of another owner, however that is called
			all, limit = same, len(x.Name)+len(slices.MaxFunc(same, func(a, b string) int { return len(a) - len(b) }))
		}
	case execution.ClauseExclude:
		limit = 2 // ids that were made one after the other have most of their digits in common
	}
	return config.Nearest(x.Name, all, limit)
}

// idle notes entries that make no difference, and what filters by owner cannot tell.
func idle(at *scene, f execution.Filter, step []execution.Execution, doing string) {
	var variables []string
	without := map[string][]string{}
	for _, x := range f.Entries() {
		if slices.ContainsFunc(step, x.Names) {
			continue
		}
		variable := filterSettings[x.Clause].variable
		if without[variable] == nil {
			variables = append(variables, variable)
		}
		without[variable] = append(without[variable], x.Name)
	}
	for _, v := range variables {
		at.res.Note(fmt.Sprintf("%s: nothing of %s %s", v, strings.Join(without[v], ", "), doing))
	}
	if len(f.Owners)+len(f.ExcludeOwners) == 0 {
		return
	}
	f.Owners, f.ExcludeOwners = nil, nil
	nobodys := slices.DeleteFunc(slices.Clone(step), func(x execution.Execution) bool {
		return !f.Match(x) || len(x.AllOwners()) > 0
	})
	if len(nobodys) > 0 {
		at.res.Note(fmt.Sprintf("Domino names no owner of %s, and no filter by owner selects or spares it: the first is %s",
			plural(len(nobodys), "execution"), nobodys[0]))
	}
}

// fitShutdown is what the filters of a shutdown are held against that would open a window: the executions of its
// snapshot, and what has been started since.
func (e *Env) fitShutdown(client *domino.Client, id string, known []execution.Execution) fit {
	h, f := e.handling(), e.filter()
	come := func(x execution.Execution) bool {
		course, _ := h.Of(x)
		return course != execution.CourseLeave
	}
	n := fit{
		known: known, client: client, mode: window.ModeShutdown, doing: "runs", show: id,
		nothing: "selects nothing that runs",
		next:    "dmm show " + id + ", which counts what ran by project and owner",
		started: func(now []execution.Execution) []execution.Execution {
			return slices.DeleteFunc(now, func(x execution.Execution) bool { return x.State.Down() || !come(x) })
		},
	}
	left := 0
	for _, x := range running(known) {
		switch {
		case come(x):
			n.step = append(n.step, x)
		case f.Match(x):
			left++
		}
	}
	if left > 0 {
		n.nothing = fmt.Sprintf("selects only what is left alone (%s), as %s say", plural(left, "execution"), h)
	}
	return n
}

// fitRestore is what the filters of a restore are held against: what a journal and its snapshot owe.
func (e *Env) fitRestore(ctx context.Context, at *scene, snap *snapshot.Snapshot, journal []window.Line) (fit, error) {
	b, p := window.Remaining(snap.Executions, journal), journal[0].Window
	n := fit{
		client: at.client, checked: p.Filter, mode: window.ModeRestore, doing: "is to be brought back", show: snap.ID,
		next: "dmm restore, without filters; with --dry-run it lists them first",
	}
	owing := "window " + at.res.Window
	if !at.open() {
		owing, n.next = "snapshot "+snap.ID, "dmm show "+snap.ID+", which counts what ran by project and owner"
	}
	for _, it := range b.Items() {
		n.known = append(n.known, it.Execution)
	}
	for _, it := range b.ToStart() {
		n.step = append(n.step, it.Execution)
	}
	var err error
	if p.FromSnapshot {
		n.step, err = e.placed(ctx, at, n.step)
	}
	if len(n.step) > 0 { // else there is nothing that filters could leave out
		n.nothing = fmt.Sprintf("leaves out everything that %s has to bring back (%s)",
			owing, plural(len(n.step), "execution"))
	}
	return n, err
}

// placed names the projects of what lacks them, as the lines of an imported snapshot do, where filters name projects.
func (e *Env) placed(ctx context.Context, at *scene, all []execution.Execution) ([]execution.Execution, error) {
	lacks := func(x execution.Execution) bool {
		return x.Project.Owner == "" && x.Kind != execution.Build // which is in none
	}
	if len(e.Config.Projects)+len(e.Config.ExcludeProjects) == 0 || !slices.ContainsFunc(all, lacks) {
		return all, nil
	}
	filled, _ := execution.NewDrivers(at.client).Fill(ctx, all) // what is wrong with one is said when it is started
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out := make([]execution.Execution, len(filled))
	for i, f := range filled {
		out[i] = f.Execution
	}
	return out, nil
}

// olderOwners says that a window was opened when the owner of a project owned what runs in it too.
func (s *scene) olderOwners() {
	if s.open() && s.last.Pinned.Filter.OfProjects {
		s.res.Note(fmt.Sprintf("window %s was opened by a version of dmm to which what runs in a user's project "+
			"was the user's too: its filters by owner go on meaning that", s.last.Name()))
	}
}
