package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// MaintenanceSchema names the format of a maintenance's JSON, which docs/report.schema.json
// describes. Others rely on it.
const MaintenanceSchema = "dmm.report/v1"

// Maintenance is the report of one window. It is made of a snapshot and a journal alone, so
// that it is the same whichever process asks, and whatever became of those that did the work.
//
// All times are those of the journal: by the clock of the machine that wrote the line. Where
// two machines disagree, time stands still rather than going back.
type Maintenance struct {
	Schema   string        `json:"schema"`
	Window   string        `json:"window"`
	Snapshot string        `json:"snapshot"`
	Domino   string        `json:"domino"`            // URL
	Version  string        `json:"version,omitempty"` // of Domino, when the snapshot was taken
	Tool     string        `json:"tool,omitempty"`    // version of dmm that wrote the journal's newest run
	Phase    window.Phase  `json:"phase"`
	Reason   string        `json:"reason,omitempty"` // why it was closed before all was back
	Opened   time.Time     `json:"opened"`
	Until    time.Time     `json:"until"` // the newest entry of the journal: nothing is known of later
	Journal  window.Anchor `json:"journal,omitzero"`
	Quiet    time.Time     `json:"quiet,omitzero"`
	// StillRuns is what the last scan of the shutdown saw running, and why; nothing if none is on record.
	StillRuns *window.StillRuns `json:"stillRuns,omitempty"`
	Verdict   Verdict           `json:"verdict"`
	Summary   string            `json:"summary"`
	Next      string            `json:"next,omitempty"`
	Total     Tally             `json:"total"`
	Kinds     []Tally           `json:"kinds"`
	Projects  []Tally           `json:"projects"`
	Owners    []Tally           `json:"owners"`
	Runs      []Run             `json:"runs"`
	Running   []Point           `json:"running"`
	Findings  []Found           `json:"findings,omitempty"` // what keeps executions from coming back as they were, errors first
	Notes     []string          `json:"notes,omitempty"`
	Entries   []Entry           `json:"executions"`
	Beside    map[string]int    `json:"beside,omitempty"` // outcome → how many that are none of the maintenance's business

	standing window.Standing
}

// Verdict is a maintenance in a word.
type Verdict string

// The verdicts.
const (
	VerdictUnderWay  Verdict = "under way"
	VerdictAttention Verdict = "needs attention"
	VerdictDone      Verdict = "done"
)

// Outcome is what became of one execution.
type Outcome string

// The outcomes. They are in the order in which people should read them.
const (
	Fail      Outcome = "failed"    // it did not stop, or did not start
	GivenUp   Outcome = "given-up"  // it failed, or was not back, and somebody closed the window all the same
	Untouched Outcome = "untouched" // it ran, and shutdown never got to it
	Unsure    Outcome = "unknown"   // in a state that dmm does not know
	Waiting   Outcome = "waiting"   // to be stopped
	Down      Outcome = "down"      // stopped, to be brought back
	LeftAlone Outcome = "left"      // its owner must start it, or has stopped it since
	NotOurs   Outcome = "not-ours"  // its owner had stopped it before dmm did, or it ended by itself
	Excluded  Outcome = "excluded"  // it ran, and the maintenance was not about it: a filter left it out, or it runs outside of the cluster
	Back      Outcome = "back"
)

// troubles are the outcomes that somebody has to see to, once nothing is under way.
var troubles = []Outcome{Fail, GivenUp, Untouched, Unsure}

// Trouble reports whether somebody has to see to an execution.
func (o Outcome) Trouble() bool { return slices.Contains(troubles, o) }

// Entry is one execution that ran, or was found running.
type Entry struct {
	Kind    execution.Kind `json:"kind"`
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Project string         `json:"project"`
	Owner   string         `json:"owner"` // whom it ran as, else the owner of its project
	Outcome Outcome        `json:"outcome"`
	Reason  string         `json:"reason,omitempty"`
	Next    string         `json:"next,omitempty"`
	Tries   int            `json:"tries,omitempty"` // calls to start it
	Late    bool           `json:"late,omitempty"`  // found running after the snapshot
	// Guesses say what Domino did not tell of how it ran, or would not do again, of what dmm has brought back.
	Guesses  []string `json:"guesses,omitempty"`
	Outages  []Outage `json:"outages,omitempty"`
	Downtime float64  `json:"downtimeSeconds,omitempty"` // see Outage.Downtime; up to now, if it is not back
}

// Outage is one time that an execution was away.
type Outage struct {
	Asked   time.Time `json:"asked"` // its stop was about to be sent
	Down    time.Time `json:"down,omitzero"`
	Started time.Time `json:"started,omitzero"` // its start was about to be sent
	Up      time.Time `json:"up,omitzero"`
}

// Downtime counts from when its stop was about to be sent until it was seen running again:
// the most that it can have been. What has not come back is away until a time.
func (o Outage) Downtime(until time.Time) time.Duration {
	switch {
	case o.Down.IsZero() && o.Started.IsZero():
		return 0 // nobody has seen it down
	case o.Up.IsZero():
		return until.Sub(o.Asked)
	}
	return o.Up.Sub(o.Asked)
}

// Tally counts the executions of a kind, project or owner by what became of them.
type Tally struct {
	Name   string `json:"name,omitempty"`
	Total  int    `json:"total"`
	Back   int    `json:"back"`
	Down   int    `json:"down"` // waiting to be stopped or brought back
	Failed int    `json:"failed"`
	Left   int    `json:"left"`
	// NotOurs is what its owner had stopped, or what ended by itself.
	NotOurs int     `json:"notOurs"`
	Median  float64 `json:"medianDowntimeSeconds"`
	Longest float64 `json:"longestDowntimeSeconds"`

	downtimes []float64
}

// Run is one process that worked in the window.
type Run struct {
	Mode  string    `json:"mode"`
	Where string    `json:"where"` // pod or host
	Tool  string    `json:"tool,omitempty"`
	Began time.Time `json:"began"`
	Until time.Time `json:"until"`          // its last entry
	Code  *int      `json:"code,omitempty"` // absent: it has not ended of itself
}

// Found is what preflights of the maintenance's runs have found. Executions are all that it hit at any of them; none: it hit all.
type Found struct {
	execution.Finding

	Runs []int `json:"runs"` // which of Maintenance.Runs found it, from 0
}

// Point is how many of the maintenance's executions ran from a time on.
type Point struct {
	At    time.Time              `json:"at"`
	Total int                    `json:"total"`
	Kinds map[execution.Kind]int `json:"kinds"`
}

// Of makes the report of a window. snap is nil if the window's snapshot cannot be read: the
// journal alone still names what was stopped, by id.
func Of(snap *snapshot.Snapshot, w *window.Window) *Maintenance {
	m := &Maintenance{
		Schema: MaintenanceSchema, Window: w.Name(), Snapshot: w.Pinned.Snapshot, Domino: w.Pinned.Domino, Journal: w.Anchor(),
		Beside: map[string]int{}, Runs: []Run{}, Running: []Point{}, Entries: []Entry{},
	}
	var lines []execution.Execution
	if snap != nil {
		lines, m.Version = snap.Executions, snap.Domino.Version
	} else {
		m.Notes = append(m.Notes, "The snapshot cannot be read: what is listed here comes from the journal alone, and most of it is named by id.")
	}
	b := window.Remaining(lines, w.Lines)
	m.Phase, m.Reason, m.Quiet, m.StillRuns = b.Phase, b.GivenUp, b.LastQuiet, b.StillRuns
	m.standing = b.Standing(w.Pinned.Filter)
	outages := m.replay(lines, w)
	for _, it := range b.Items() {
		m.enter(it, outages[it.Key()], w)
	}
	slices.SortStableFunc(m.Entries, func(a, b Entry) int {
		return cmp.Or(slices.Index(order, a.Outcome)-slices.Index(order, b.Outcome), rank(a.Kind)-rank(b.Kind),
			strings.Compare(a.Project, b.Project), strings.Compare(a.Name, b.Name))
	})
	severities := []execution.Severity{execution.Error, execution.Warning, execution.Info}
	slices.SortStableFunc(m.Findings, func(a, b Found) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	m.group()
	m.conclude(b, w.Pinned)
	return m
}

var order = []Outcome{Fail, GivenUp, Untouched, Unsure, Waiting, Down, LeftAlone, NotOurs, Excluded, Back}

// rank is a kind's place in the order in which people read them; those of newer versions come last.
func rank(k execution.Kind) int {
	if i := slices.Index(execution.Kinds(), k); i >= 0 {
		return i
	}
	return len(execution.Kinds())
}

// replay goes through the journal once: its runs, when each execution was away, and how many ran.
func (m *Maintenance) replay(lines []execution.Execution, w *window.Window) map[execution.Key][]Outage {
	outages := map[execution.Key][]Outage{}
	up := map[execution.Key]bool{}
	running := map[execution.Kind]int{}
	set := func(k execution.Key, now bool) {
		if up[k] != now {
			up[k] = now
			running[k.Kind] += map[bool]int{true: 1, false: -1}[now]
		}
	}
	if !w.Pinned.FromSnapshot {
		for _, e := range lines {
			set(e.Key(), e.State.Up() && w.Pinned.Filter.Match(e))
		}
	}
	current := func(k execution.Key, at time.Time) *Outage {
		list := outages[k]
		if len(list) == 0 || !list[len(list)-1].Up.IsZero() {
			list = append(list, Outage{Asked: at})
			outages[k] = list
		}
		return &list[len(list)-1]
	}
	m.Opened, m.Until = w.OpenedAt(), w.OpenedAt()
	point := func() {
		p := Point{At: m.Until, Kinds: maps.Clone(running)}
		for _, n := range running {
			p.Total += n
		}
		switch n := len(m.Running); {
		case n > 0 && m.Running[n-1].At.Equal(p.At):
			m.Running[n-1] = p
		case n == 0 || !maps.Equal(m.Running[n-1].Kinds, p.Kinds):
			m.Running = append(m.Running, p)
		}
	}
	point()
	for _, l := range w.Lines {
		if l.At.After(m.Until) {
			m.Until = l.At
		}
		at := m.Until
		if n := len(m.Runs); n > 0 && l.Event != window.Begin {
			m.Runs[n-1].Until = at
		}
		switch l.Event {
		case window.Begin:
			where := l.Holder.Host
			if l.Holder.Pod != "" {
				where = l.Holder.Pod
			}
			m.Runs, m.Tool = append(m.Runs, Run{Mode: l.Holder.Mode, Where: where, Tool: l.Holder.Tool, Began: at, Until: at}), l.Holder.Tool
		case window.Heartbeat:
			m.found(l.Findings)
		case window.End:
			if n := len(m.Runs); n > 0 {
				m.Runs[n-1].Code = l.Code
			}
		case window.Closed:
			if n := len(m.Runs); n > 0 {
				m.Runs[n-1].Code = new(int)
			}
		case window.Supplement:
			k := l.Execution.Key()
			if list := outages[k]; len(list) > 0 && list[len(list)-1].Up.IsZero() {
				list[len(list)-1].Up = at // somebody has started it
			}
			if !w.Pinned.FromSnapshot { // there it is one that does not run yet
				set(k, true)
			}
		case window.Intent:
			o := current(*l.Key, at)
			if l.Goal == window.Start && o.Started.IsZero() {
				o.Started = at
			}
		case window.Done:
			switch o := current(*l.Key, at); {
			case l.Goal == window.Start:
				o.Up = at
				set(*l.Key, true)
			case o.Down.IsZero():
				o.Down = at
				set(*l.Key, false)
			}
		case window.NotOurs:
			set(*l.Key, false)
			if list := outages[*l.Key]; l.Goal == window.Stop && len(list) > 0 && list[len(list)-1].Up.IsZero() {
				outages[*l.Key] = slices.Clip(list[:len(list)-1]) // an owner's outage, not the maintenance's
			}
		}
		point()
	}
	return outages
}

// found adds what the newest run has found. The same by an earlier run is one with it.
func (m *Maintenance) found(findings []execution.Finding) {
	run := len(m.Runs) - 1
	for _, f := range findings {
		if run < 0 {
			return
		}
		i := slices.IndexFunc(m.Findings, func(o Found) bool { return o.Severity == f.Severity && o.Code == f.Code && o.Message == f.Message })
		if i < 0 {
			f.Executions = slices.Clone(f.Executions)
			m.Findings = append(m.Findings, Found{f, []int{run}})
			continue
		}
		same := &m.Findings[i]
		if !slices.Contains(same.Runs, run) {
			same.Runs = append(same.Runs, run)
		}
		known := map[execution.Key]bool{}
		for _, r := range same.Executions {
			known[r.Key] = true
		}
		for _, r := range f.Executions {
			if !known[r.Key] {
				same.Executions = append(same.Executions, r)
			}
		}
	}
}

// foundBy names the runs that have found something, for people.
func (m *Maintenance) foundBy(f Found) string {
	var runs []string
	for _, i := range f.Runs {
		if i >= 0 && i < len(m.Runs) {
			runs = append(runs, fmt.Sprintf("%s at %s", m.Runs[i].Mode, m.Runs[i].Began.UTC().Format("2 Jan 15:04:05")))
		}
	}
	return strings.Join(runs, ", ")
}

// enter adds an execution, if it ran.
func (m *Maintenance) enter(it *window.Item, outages []Outage, w *window.Window) {
	e := Entry{
		Kind: it.Kind, ID: it.ID, Name: cmp.Or(it.Name, it.ID), Project: it.Project.String(), Owner: cmp.Or(it.Owner, it.Project.Owner),
		Late: it.Supplement, Outages: outages, Tries: it.Start.Intents,
	}
	e.Outcome, e.Reason = m.outcome(it, w)
	if e.Outcome == "" {
		m.Beside["not running"]++
		return
	}
	if e.Outcome == Excluded {
		m.Beside[string(Excluded)]++
	}
	e.Next = m.next(e, it)
	if e.Outcome == Back && it.Start.Intents > 0 { // what others started is as they wanted it
		e.Guesses = it.Guesses
	}
	if w.Pinned.FromSnapshot {
		e.Outages = nil // nobody knows since when they had been away
	}
	for _, o := range e.Outages {
		e.Downtime += seconds(o.Downtime(m.Until))
	}
	m.Entries = append(m.Entries, e)
}

func (m *Maintenance) outcome(it *window.Item, w *window.Window) (Outcome, string) {
	start, stop := it.Start, it.Stop
	switch {
	case it.Ours() && start.Outcome == window.Done:
		return Back, start.Reason
	case it.Ours() && it.GivenUp():
		return GivenUp, strings.TrimPrefix(start.Reason, window.GivenUpPrefix)
	case it.Ours() && start.Outcome == window.Left:
		return LeftAlone, start.Reason
	case it.Ours() && start.Outcome == window.Failed:
		return Fail, start.Reason
	case it.Ours() && stop.Outcome == window.Failed:
		return Fail, stop.Reason
	case it.Ours() && stop.Outcome == window.Left:
		return LeftAlone, stop.Reason
	case it.Ours() && (stop.Outcome == window.Done || it.Claimed):
		return Down, stop.Reason
	case !it.Ours() && start.Outcome == window.Failed: // what the journal says nothing of
		return Fail, start.Reason
	case it.GivenUp():
		return GivenUp, strings.TrimPrefix(start.Reason, window.GivenUpPrefix)
	case !it.Ours() && start.Outcome == window.Left:
		return LeftAlone, start.Reason
	case !it.Ours() && start.Outcome == window.Done:
		return Back, start.Reason
	case it.Ours():
		return Waiting, "its stop was sent, or about to be; nobody has seen it down yet"
	case stop.Outcome == window.NotOurs:
		return NotOurs, stop.Reason
	case it.State == execution.Unknown:
		return Unsure, "Domino said " + it.DominoState
	case !it.Wanted() || w.Pinned.FromSnapshot:
		return "", ""
	case !w.Pinned.Filter.Match(it.Execution):
		return Excluded, ""
	case stop.Outcome == window.Failed:
		return Fail, stop.Reason
	case stop.Outcome == window.Left && w.Pinned.Handling.Ignores(it.Kind):
		return Excluded, stop.Reason
	case stop.Outcome == window.Left:
		return LeftAlone, stop.Reason
	case m.Phase == window.PhaseOpen || m.Phase == window.PhaseStopping:
		return Waiting, ""
	}
	return Untouched, "shutdown did not get to it"
}

// next says what is to be done about an execution, if anything.
func (m *Maintenance) next(e Entry, it *window.Item) string {
	closed := m.Phase == window.PhaseClosed
	switch {
	case e.Outcome == Fail && !it.Ours() && !closed:
		return "Start it in Domino if it should run. dmm restore looks again; dmm restore --give-up goes on without it."
	case e.Outcome == Fail && it.Start.Outcome == window.Failed && !closed:
		return "See in Domino why it does not start. dmm restore tries it again; dmm restore --give-up goes on without it."
	case e.Outcome == Fail && !closed:
		return "See in Domino why it does not stop. dmm shutdown tries it again."
	case e.Outcome == GivenUp, e.Outcome == Fail:
		return "Start it by hand in Domino."
	case e.Outcome == Untouched:
		return "See in Domino whether it survived the upgrade, and start it if not."
	case e.Outcome == Unsure:
		return "See in Domino what it is doing. dmm does not touch it."
	case e.Outcome == LeftAlone && e.Kind == execution.Workspace:
		return "Its owner starts it in Domino."
	}
	return ""
}

// seconds are rounded to tenths, so that the JSON is for people as well.
func seconds(d time.Duration) float64 { return math.Round(max(d, 0).Seconds()*10) / 10 }

func (m *Maintenance) group() {
	kinds, projects, owners := map[string]*Tally{}, map[string]*Tally{}, map[string]*Tally{}
	for _, e := range m.Entries {
		if e.Outcome == Excluded {
			continue
		}
		for _, g := range []*Tally{&m.Total, in(kinds, string(e.Kind)), in(projects, cmp.Or(e.Project, "(no project)")), in(owners, cmp.Or(e.Owner, "(no owner)"))} {
			g.count(e)
		}
	}
	m.Total.finish()
	m.Kinds, m.Projects, m.Owners = sorted(kinds), sorted(projects), sorted(owners)
	slices.SortStableFunc(m.Kinds, func(a, b Tally) int { return rank(execution.Kind(a.Name)) - rank(execution.Kind(b.Name)) })
}

func in(groups map[string]*Tally, name string) *Tally {
	if groups[name] == nil {
		groups[name] = &Tally{Name: name}
	}
	return groups[name]
}

func sorted(groups map[string]*Tally) []Tally {
	list := []Tally{}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		groups[name].finish()
		list = append(list, *groups[name])
	}
	return list
}

func (g *Tally) count(e Entry) {
	g.Total++
	switch {
	case e.Outcome == Back:
		g.Back++
	case e.Outcome.Trouble():
		g.Failed++
	case e.Outcome == LeftAlone:
		g.Left++
	case e.Outcome == NotOurs:
		g.NotOurs++
	default:
		g.Down++
	}
	if e.Downtime > 0 && e.Outcome == Back {
		g.downtimes = append(g.downtimes, e.Downtime)
	}
}

func (g *Tally) finish() {
	if n := len(g.downtimes); n > 0 {
		slices.Sort(g.downtimes)
		g.Median, g.Longest = g.downtimes[n/2], g.downtimes[n-1]
	}
}

// conclude says in one sentence how the maintenance went.
func (m *Maintenance) conclude(b *window.Balance, p window.Pinned) {
	g, standing := m.Total, m.standing
	took := Spoken(m.Until.Sub(m.Opened))
	stopping := false
	m.Verdict, m.Next = VerdictDone, b.Next(p)
	switch m.Phase {
	case window.PhaseOpen, window.PhaseStopping:
		m.Verdict = VerdictUnderWay
		stopping, m.Summary = true, "Domino is being shut down: "+standing.Down()
	case window.PhaseStopped:
		m.Verdict = VerdictUnderWay
		stopping, m.Summary = true, fmt.Sprintf("Domino is %s for maintenance: %s", standing.HowDown(), standing.Down())
	case window.PhaseRestoring:
		m.Verdict = VerdictUnderWay
		m.Summary = fmt.Sprintf("Domino is being brought back: %d of %s are running again", standing.Start.Done, executions(standing.Start.Of))
	default:
		m.Summary = fmt.Sprintf("%d of %s are running again after %s", standing.Start.Done, executions(standing.Start.Of), took)
		if standing.Start.Done == standing.Start.Of {
			m.Summary = fmt.Sprintf("All %s are running again after %s", executions(standing.Start.Of), took)
		}
		if standing.Start.Of == 0 {
			m.Summary = fmt.Sprintf("The journal tells of nothing that was stopped, within %s", took)
		}
	}
	if standing.Start.Of == 1 {
		m.Summary = strings.Replace(m.Summary, "All 1 execution are", "The one execution is", 1)
	}
	var but []string
	if g.Failed > 0 {
		m.Verdict = VerdictAttention
		but = append(but, fmt.Sprintf("%d need%s attention", g.Failed, ending(g.Failed)))
	}
	if n := standing.Start.Left; n > 0 && !stopping {
		but = append(but, map[bool]string{true: "1 is left to its owner", false: fmt.Sprintf("%d are left to their owners", n)}[n == 1])
	}
	if n := m.guessed(); n > 0 {
		but = append(but, fmt.Sprintf("%d came back perhaps not as before", n))
	}
	if len(but) > 0 {
		m.Summary += "; " + strings.Join(but, ", ")
	}
	m.Summary += "."
	if m.Reason != "" {
		m.Notes = append(m.Notes, "It was closed before all was back: "+m.Reason)
	}
	if n := m.Beside[string(Excluded)]; n > 0 {
		m.Notes = append(m.Notes, executions(n)+" ran and were left out of this maintenance, as listed.")
	}
}

// guessed is how many came back, but perhaps not as they were.
func (m *Maintenance) guessed() int {
	n := 0
	for _, e := range m.Entries {
		if len(e.Guesses) > 0 {
			n++
		}
	}
	return n
}

// ending of a verb for n of something.
func ending(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

func executions(n int) string {
	if n == 1 {
		return "1 execution"
	}
	return fmt.Sprintf("%d executions", n)
}

// Spoken is a duration as people say it: 41 s, 12 min, 2 h 41 min, 3 d 4 h.
func Spoken(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second && d%time.Second != 0:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
