package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's own files
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

//go:embed page/report.html
var pageHTML string

//go:embed page/report.css
var pageCSS string

//go:embed page/report.js
var pageJS string

var pageTemplate = template.Must(template.New("report").Parse(pageHTML))

// policy lets the page use its own style and script, by their checksums, and nothing else:
// whatever a name smuggles in is neither run nor fetched.
var policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", sum(pageCSS), sum(pageJS))

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(h[:])
}

// What is shown at most before the page points to its table, which has everything.
const (
	maxCards  = 50
	maxOwners = 200
	maxApart  = 200
	maxHit    = 200 // executions that a finding hits
	perOwner  = 12
)

// page is what the template shows. Names come from users: none of them is put into it
// other than as text, which the template escapes for its place.
type page struct {
	*Maintenance
	Policy, Summary                   string
	Style                             template.CSS
	Script                            template.JS
	Mood, Host, When, Quiet, TimeLead string
	Figures                           []figure
	Troubles                          []card
	Guessed                           []Entry
	Found                             []foundCard
	FoundBefore                       string
	MoreTroubles, MoreOwners          int
	MoreGuessed                       int
	Marks, Ticks                      []label
	Bands                             []band
	Chart                             chart
	Lanes                             []lane
	Owners                            []person
	Apart                             []apart
	Runs                              []runRow
	Data                              data
}

type figure struct{ Value, Label, Mood string }

type card struct {
	Entry
	Rank    int
	Meaning string
}

// foundCard is a finding. Mood is its severity's.
type foundCard struct {
	Found
	Mood, By string
	Hits     string // how many executions, in words
	More     int    // of those, not shown
}

// Places on the time axis are in per cent of its width.
type label struct {
	X, Text, Anchor, Class string
}

type band struct{ X, W string }

type chart struct {
	Top   int
	Words string
	Areas []shape
}

type shape struct {
	Rank  int
	Class string
	Path  string
}

// lane is a kind's row of the timeline: one bar an execution.
type lane struct {
	Kind                        execution.Kind
	Name, Under, Typical, Words string
	Rank, Height, Rows          int
	Bars                        []shape
}

type person struct {
	Name  string
	First []Entry
	More  int
}

type apart struct {
	Title   string
	Count   int
	Entries []Entry
	More    int
}

type runRow struct{ Mode, Began, Took, End, Where, Tool string }

// data is what the page's script reads: the rows, with words that come again and again kept once.
type data struct {
	Kinds        []Tally       `json:"kinds"`
	Projects     []Tally       `json:"projects"`
	Owners       []Tally       `json:"owners"`
	Outcomes     []outcomeName `json:"outcomes"`
	Columns      []string      `json:"columns"`
	KindNames    []string      `json:"kindNames"`
	ProjectNames []string      `json:"projectNames"`
	OwnerNames   []string      `json:"ownerNames"`
	Reasons      []string      `json:"reasons"`
	Rows         [][]any       `json:"rows"`
}

type outcomeName struct {
	Name  string `json:"name"`
	Mood  string `json:"mood"`
	Count int    `json:"count"`
}

// unbroken keeps a number and its unit on one line.
var unbroken = strings.NewReplacer(" h ", "\u00a0h\u00a0", " min", "\u00a0min", " s;", "\u00a0s;", " s.", "\u00a0s.")

// WriteHTML writes the report as one page that needs nothing else: no other file, no network.
func (m *Maintenance) WriteHTML(w io.Writer) error {
	p := &page{
		Maintenance: m, Policy: policy, Style: template.CSS(pageCSS), Script: template.JS(pageJS), // #nosec G203: the page's own files
		Summary: unbroken.Replace(m.Summary),
		Mood:    map[Verdict]string{VerdictDone: "good", VerdictAttention: "bad", VerdictUnderWay: "open"}[m.Verdict],
		Host:    strings.TrimPrefix(strings.TrimPrefix(m.Domino, "https://"), "http://"),
		When:    m.Opened.UTC().Format("2 January 2006, 15:04") + " to " + m.Until.UTC().Format("15:04 UTC"),
	}
	if m.Until.Sub(m.Opened) > 12*time.Hour {
		p.When = m.Opened.UTC().Format("2 January 2006, 15:04") + " to " + m.Until.UTC().Format("2 January 2006, 15:04 UTC")
	}
	if !m.Quiet.IsZero() {
		quiet := m.StillRuns.Quiet(m.Quiet.UTC().Format(day))
		p.Quiet = strings.ToUpper(quiet[:1]) + quiet[1:] + "."
	}
	p.figures()
	p.lists()
	p.time()
	p.table()
	return pageTemplate.Execute(w, p)
}

func (p *page) figures() {
	g := p.Total
	done, of := p.standing.Start, "running again"
	if stopping := p.Phase == window.PhaseOpen || p.Phase == window.PhaseStopping || p.Phase == window.PhaseStopped; stopping {
		done, of = p.standing.Stop, "down"
	}
	back := figure{fmt.Sprintf("%d / %d", done.Done, done.Of), of, ""}
	if done.Done == done.Of {
		back.Mood = "good"
	}
	failed := figure{fmt.Sprint(g.Failed), map[bool]string{true: "needs attention", false: "need attention"}[g.Failed == 1], ""}
	if g.Failed > 0 {
		failed.Mood = "bad"
	}
	p.Figures = []figure{back, failed}
	if of == "down" && p.StillRuns != nil && p.StillRuns.Total > 0 {
		p.Figures = append(p.Figures, figure{fmt.Sprint(p.StillRuns.Total), map[bool]string{true: "still runs", false: "still run"}[p.StillRuns.Total == 1], "bad"})
	}
	if g.Down > 0 {
		p.Figures = append(p.Figures, figure{fmt.Sprint(g.Down), "not done yet", ""})
	}
	p.Figures = append(p.Figures,
		figure{fmt.Sprint(g.Left), "left to their owners", ""},
		figure{lasting(g.Median), "typical downtime", ""},
		figure{lasting(g.Longest), "longest downtime", ""},
		figure{Spoken(p.Until.Sub(p.Opened)), "window", ""})
}

func (p *page) lists() {
	others := map[Outcome]*apart{}
	for _, e := range p.Entries {
		if len(e.Guesses) > 0 && len(p.Guessed) < maxCards {
			p.Guessed = append(p.Guessed, e)
		} else if len(e.Guesses) > 0 {
			p.MoreGuessed++
		}
		switch {
		case e.Outcome.Trouble() && len(p.Troubles) < maxCards:
			p.Troubles = append(p.Troubles, card{e, colour(e.Kind), strings.SplitN(meanings[e.Outcome], ":", 2)[0]})
		case e.Outcome.Trouble():
			p.MoreTroubles++
		case e.Outcome == NotOurs, e.Outcome == Excluded, e.Outcome == LeftAlone && e.Kind != execution.Workspace:
			a := others[e.Outcome]
			if a == nil {
				a = &apart{Title: meanings[e.Outcome]}
				others[e.Outcome] = a
			}
			if a.Count++; a.Count <= maxApart {
				a.Entries = append(a.Entries, e)
			} else {
				a.More++
			}
		}
	}
	for _, o := range order {
		if a := others[o]; a != nil {
			p.Apart = append(p.Apart, *a)
		}
	}
	for _, o := range p.LeftTo() {
		if len(p.Owners) == maxOwners {
			p.MoreOwners++
			continue
		}
		n := min(len(o.Entries), perOwner)
		p.Owners = append(p.Owners, person{o.Name, o.Entries[:n], len(o.Entries) - n})
	}
	p.FoundBefore = foundBefore
	for _, f := range p.Findings {
		c := foundCard{Found: f, Mood: map[execution.Severity]string{execution.Error: "bad", execution.Warning: "open"}[f.Severity], By: p.foundBy(f)}
		if n := len(f.Executions); n > 0 {
			c.Hits = fmt.Sprintf("%d executions", n)
			if n == 1 {
				c.Hits = "1 execution"
			}
			c.More = max(0, n-maxHit)
			c.Executions = f.Executions[:n-c.More]
		}
		p.Found = append(p.Found, c)
	}
	for _, r := range p.Maintenance.Runs {
		p.Runs = append(p.Runs, runRow{r.Mode, r.Began.UTC().Format("2 Jan 15:04:05"), Spoken(r.Until.Sub(r.Began)), r.end(), r.Where, r.Tool})
	}
}

// colour is a kind's place in the page's palette of eight.
func colour(k execution.Kind) int { return min(rank(k), 7) }

// x is a time's place on the axis, from 0 to 1.
func (p *page) x(t time.Time) float64 {
	width := p.Until.Sub(p.Opened).Seconds()
	if width <= 0 {
		return 0
	}
	return min(max(t.Sub(p.Opened).Seconds()/width, 0), 1)
}

// num prints a place shortly.
func num(f float64) string {
	s := fmt.Sprintf("%.2f", f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func anchor(x float64) string {
	switch {
	case x < 0.03:
		return "start"
	case x > 0.97:
		return "end"
	}
	return "middle"
}

// time draws the axis, the chart and the lanes.
func (p *page) time() {
	var down, up *Run // the last shutdown, the first restore
	for i, r := range p.Maintenance.Runs {
		p.Bands = append(p.Bands, band{num(100 * p.x(r.Began)), num(max(100*(p.x(r.Until)-p.x(r.Began)), 0.2))})
		switch r.Mode {
		case window.ModeShutdown:
			if down == nil {
				p.Marks = append(p.Marks, label{X: num(100 * p.x(r.Began)), Text: "shutdown", Anchor: "start"})
			}
			down = &p.Maintenance.Runs[i]
		case window.ModeRestore:
			if up == nil {
				up = &p.Maintenance.Runs[i]
			}
		}
	}
	p.TimeLead = "Each bar is one execution, from when dmm asked for its stop until it ran again."
	if up != nil {
		x := p.x(up.Began)
		switch {
		case x > 0.88:
			p.Marks = append(p.Marks, label{X: "100", Text: "restore", Anchor: "end"})
		case x > 0.1 || down == nil:
			p.Marks = append(p.Marks, label{X: num(100 * x), Text: "restore", Anchor: "start"})
		}
		if down != nil && x-p.x(down.Until) > 0.12 && x < 0.9 && p.x(down.Until) > 0.02 {
			p.Marks = append(p.Marks, label{X: num(50 * (x + p.x(down.Until))), Text: "upgrade", Anchor: "middle"})
		}
		p.TimeLead += " Restore began at " + up.Began.UTC().Format("15:04") + "."
	}
	p.ticks()
	p.chart()
	p.lanes()
}

func (p *page) ticks() {
	length := p.Until.Sub(p.Opened)
	steps := []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if length <= 8*s {
			step = s
			break
		}
	}
	for length > 8*step {
		step *= 2 // a window of weeks
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "2 Jan"
	}
	odd := false
	for t := p.Opened.UTC().Truncate(step); !t.After(p.Until); t = t.Add(step) {
		if t.Before(p.Opened.Truncate(time.Second)) {
			continue
		}
		x := p.x(t)
		p.Ticks = append(p.Ticks, label{X: num(100 * x), Text: t.Format(layout), Anchor: anchor(x), Class: map[bool]string{true: "tick-odd"}[odd]})
		odd = !odd
	}
}

// chart stacks how many of each kind ran. It is drawn a thousand columns wide.
func (p *page) chart() {
	var columns []Point
	last := -1
	lowest := math.MaxInt
	for _, pt := range p.Running {
		p.Chart.Top, lowest = max(p.Chart.Top, pt.Total), min(lowest, pt.Total)
		if c := int(1000 * p.x(pt.At)); c == last {
			columns[len(columns)-1] = pt
		} else {
			columns, last = append(columns, pt), c
		}
	}
	if p.Chart.Top == 0 || len(columns) == 0 {
		p.Chart.Words = "Nothing ran in this window."
		return
	}
	p.Chart.Words = fmt.Sprintf("How many executions ran over time: %d at most, %d at least, %d in the end.", p.Chart.Top, lowest, columns[len(columns)-1].Total)
	base := make([]int, len(columns))
	for _, g := range p.Maintenance.Kinds {
		k := execution.Kind(g.Name)
		var forth, back []string
		for i, c := range columns {
			x, until := num(1000*p.x(c.At)), "1000"
			if i+1 < len(columns) {
				until = num(1000 * p.x(columns[i+1].At))
			}
			low := num(100 - 100*float64(base[i])/float64(p.Chart.Top))
			base[i] += c.Kinds[k]
			high := num(100 - 100*float64(base[i])/float64(p.Chart.Top))
			forth = append(forth, x+" "+high+"H"+until)
			back = append(back, until+" "+low+"H"+x)
		}
		slices.Reverse(back)
		p.Chart.Areas = append(p.Chart.Areas, shape{Rank: colour(k), Path: "M" + strings.Join(forth, "L") + "L" + strings.Join(back, "L") + "z"})
	}
}

// away are the entries of a kind that were down, in the order in which they went: first
// those that are back, then those that were left, then the others.
func (p *page) away(k execution.Kind) []*Entry {
	var list []*Entry
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Kind == k && e.Downtime > 0 {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.shade(), b.shade()), a.Outages[0].Asked.Compare(b.Outages[0].Asked))
	})
	return list
}

// shade is how a bar is drawn: as its kind, as left, or as trouble.
func (e *Entry) shade() int {
	switch {
	case e.Outcome.Trouble():
		return 2
	case e.Outcome == LeftAlone:
		return 1
	}
	return 0
}

func shades(rank int) []string { return []string{fmt.Sprintf("b%d", rank), "bar-left", "bar-fail"} }

func (p *page) lanes() {
	for _, g := range p.Maintenance.Kinds {
		k := execution.Kind(g.Name)
		list := p.away(k)
		n := len(list)
		if n == 0 {
			continue
		}
		l := lane{Kind: k, Name: k.Plural(2)[2:], Rank: colour(k), Rows: n, Height: min(max(n*9, 16), 132), Under: fmt.Sprintf("%d away", n)}
		l.Words = fmt.Sprintf("When %s were away. The table of all executions has the times of each.", k.Plural(n))
		if g.Median > 0 {
			l.Typical = "typically " + lasting(g.Median)
		}
		thick := 1.0
		if n <= 60 {
			thick = 0.72
		}
		paths := map[string]*strings.Builder{}
		for y, e := range list {
			class := shades(l.Rank)[e.shade()]
			if paths[class] == nil {
				paths[class] = &strings.Builder{}
			}
			for _, o := range e.Outages {
				if o.Downtime(p.Until) <= 0 {
					continue
				}
				from, to := 1000*p.x(o.Asked), 1000.0
				if !o.Up.IsZero() {
					to = 1000 * p.x(o.Up)
				}
				fmt.Fprintf(paths[class], "M%s %sh%sv%sh-%sz", num(from), num(float64(y)), num(max(to-from, 0.5)), num(thick), num(max(to-from, 0.5)))
			}
		}
		for _, class := range shades(l.Rank) {
			if paths[class] != nil {
				l.Bars = append(l.Bars, shape{Class: class, Path: paths[class].String()})
			}
		}
		p.Lanes = append(p.Lanes, l)
	}
}

// table fills what the script reads.
func (p *page) table() {
	d := &p.Data
	m := p.Maintenance
	d.Kinds, d.Projects, d.Owners = m.Kinds, m.Projects, m.Owners
	for _, o := range order {
		name := outcomeName{Name: strings.ReplaceAll(string(o), "-", " "), Mood: "open"}
		switch {
		case o == Back:
			name.Mood = "good"
		case o.Trouble():
			name.Mood = "bad"
		case o == LeftAlone || o == NotOurs || o == Excluded:
			name.Mood = ""
		}
		for _, e := range m.Entries {
			if e.Outcome == o {
				name.Count++
			}
		}
		d.Outcomes = append(d.Outcomes, name)
	}
	lanes := map[execution.Key]int{}
	for _, g := range m.Kinds {
		for y, e := range p.away(execution.Kind(g.Name)) {
			lanes[execution.Key{Kind: e.Kind, ID: e.ID}] = y + 1
		}
	}
	kinds, projects, owners, reasons := words(&d.KindNames), words(&d.ProjectNames), words(&d.OwnerNames), words(&d.Reasons)
	d.Columns = []string{"name", "id", "kind", "project", "owner", "outcome", "reason", "asked", "up", "downtime", "lane"}
	d.Rows = [][]any{}
	for _, e := range m.Entries {
		var asked, up int64
		if n := len(e.Outages); n > 0 {
			asked = e.Outages[0].Asked.Unix()
			if t := e.Outages[n-1].Up; !t.IsZero() {
				up = t.Unix()
			}
		}
		downtime := e.Downtime
		if up == 0 {
			downtime = 0 // still away, or nobody has seen it back
		}
		d.Rows = append(d.Rows, []any{
			e.Name, e.ID, kinds(string(e.Kind)), projects(cmp.Or(e.Project, "(no project)")), owners(cmp.Or(e.Owner, "(no owner)")),
			slices.Index(order, e.Outcome), reasons(strings.Join(append(reason(e), e.Guesses...), "; ")), asked, up, downtime, lanes[execution.Key{Kind: e.Kind, ID: e.ID}] - 1,
		})
	}
}

func reason(e Entry) []string {
	if e.Reason == "" {
		return nil
	}
	return []string{e.Reason}
}

// words keeps each word once, and gives its number.
func words(list *[]string) func(string) int {
	numbers := map[string]int{}
	*list = []string{}
	return func(w string) int {
		n, ok := numbers[w]
		if !ok {
			n = len(*list)
			numbers[w], *list = n, append(*list, w)
		}
		return n
	}
}
