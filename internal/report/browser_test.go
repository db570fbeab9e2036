package report_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// These tests open the HTML report in a real browser. scripts/test-browser names it, and
// axe-core, which looks for what keeps people out.
const (
	browserVariable = "DMM_TEST_BROWSER"
	axeVariable     = "DMM_TEST_AXE"
	imagesVariable  = "DMM_TEST_IMAGES" // a folder to keep pictures of the report in
)

// tab is a page opened in a browser, with what went wrong in it and what it asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	errors   []string
	requests []string
}

// open writes a report to a file and opens it at a width and height, light unless told otherwise.
func open(t *testing.T, m *report.Maintenance, width, height int64, media emulation.SetEmulatedMediaParams) *tab {
	t.Helper()
	browser := os.Getenv(browserVariable)
	if browser == "" {
		t.Skip("no browser: make test-browser runs these")
	}
	var b strings.Builder
	if err := m.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	tb := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, tb.listen); err != nil {
		t.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path}).String()
	call(tb, network.Enable, network.EnableParams{})
	call(tb, log.Enable, cdp.Empty{})
	call(tb, runtime.Enable, cdp.Empty{})
	call(tb, emulation.SetEmulatedMedia, media)
	call(tb, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kolkata"})
	tb.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(address), chromedp.WaitReady("#table thead button"))
	t.Cleanup(func() {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		for _, e := range tb.errors {
			t.Errorf("the browser's console says %s", e)
		}
		for _, r := range tb.requests {
			if r != address && r != "data:," {
				t.Errorf("the page asked for %s", r)
			}
		}
		if !slices.Contains(tb.requests, address) {
			t.Errorf("the page itself is not among the requests %q: nobody listened", tb.requests)
		}
	})
	return tb
}

func (tb *tab) listen(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tb.requests = append(tb.requests, e.Request.URL)
	case *log.EventEntryAdded:
		tb.errors = append(tb.errors, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		tb.errors = append(tb.errors, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		tb.errors = append(tb.errors, fmt.Sprintf("%s %v", e.Type, e.Args))
	}
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, actions...); err != nil {
		tb.t.Fatal(err)
	}
}

// eval gives what a script gives, as JSON has it.
func eval[T any](tb *tab, script string) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatal(err)
	}
	return v
}

// column is the text of one cell of each row that the table shows: its own, without what stands below it.
func (tb *tab) column(class string) []string {
	tb.t.Helper()
	return eval[[]string](tb, fmt.Sprintf(`[...document.querySelectorAll("#table tbody .%s")].map(c => c.firstChild.textContent)`, class))
}

// settle waits until the page has been drawn.
func (tb *tab) settle() {
	tb.t.Helper()
	eval[bool](tb, `new Promise(r => requestAnimationFrame(() => setTimeout(() => r(true), 20)))`)
}

func call[P, R any](tb *tab, c cdp.Command[P, R], params P) R {
	tb.t.Helper()
	r, err := chromedp.Call(tb.ctx, c, params)
	if err != nil {
		tb.t.Fatal(err)
	}
	return r
}

func (tb *tab) count() string {
	tb.t.Helper()
	return eval[string](tb, `document.getElementById("count").textContent`)
}

var (
	still = &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"} // a click must hit what it aims at
	light = emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{still, {Name: "prefers-color-scheme", Value: "light"}}}
	dark  = emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{still, {Name: "prefers-color-scheme", Value: "dark"}}}
	paper = emulation.SetEmulatedMediaParams{Media: "print"}
)

func TestTheReportInABrowser(t *testing.T) {
	for _, n := range []int{200, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			snap, w := sample(n, nil)
			m := report.Of(snap, closed(w, snap))
			began := time.Now()
			tb := open(t, m, 1280, 900, light)
			t.Logf("open after %s", time.Since(began).Round(time.Millisecond))

			if got := eval[string](tb, "document.querySelector('h1').textContent"); strings.ReplaceAll(got, "\u00a0", " ") != m.Summary {
				t.Errorf("the page is headed %q, want %q", got, m.Summary)
			}
			if got, want := tb.count(), fmt.Sprintf("%d executions", len(m.Entries)); got != want {
				t.Errorf("the table says %q, want %q", got, want)
			}
			if got := tb.column("c-outcome")[0]; got != "given up" {
				t.Errorf("the table begins with %q, want what needs attention first", got)
			}

			// Sorting, by click.
			tb.do(chromedp.Click(`#table th[data-key=name] button`))
			if got := eval[string](tb, `document.querySelector("#table th[data-key=name]").ariaSort`); got != "ascending" {
				t.Errorf("after a click on Name it is sorted %q", got)
			}
			first := tb.column("c-name")[0]
			tb.do(chromedp.Click(`#table th[data-key=name] button`))
			last := tb.column("c-name")[0]
			if !strings.HasPrefix(first, "anomaly") || !strings.HasPrefix(last, "what-if") && !strings.HasPrefix(last, "weekly") {
				t.Errorf("sorted by name the first is %q, and the other way round %q", first, last)
			}
			// By keyboard: to the button, and Enter.
			tb.do(chromedp.Focus(`#table th[data-key=downtime] button`), chromedp.KeyEvent(kb.Enter))
			if got := eval[string](tb, `document.querySelector("#table th[data-key=downtime]").ariaSort + document.activeElement.textContent`); got != "descendingDowntime" {
				t.Errorf("after Enter on Downtime: %q, want it sorted, and the focus kept", got)
			}

			// Filtering: "/" goes to the field, typing narrows, Escape clears.
			tb.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
			call(tb, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Text: "/"})
			if got := eval[string](tb, `document.activeElement.id + document.activeElement.value`); got != "find" {
				t.Errorf("after / the focus is on %q, want the empty field", got)
			}
			tb.do(chromedp.KeyEvent("explorer"))
			began = time.Now()
			for _, name := range tb.column("c-name") {
				if !strings.HasPrefix(name, "explorer") {
					t.Fatalf("filtered by explorer there is %q", name)
				}
			}
			t.Logf("filtered after %s", time.Since(began).Round(time.Millisecond))
			want := 0
			for _, e := range m.Entries {
				if strings.Contains(e.Name, "explorer") {
					want++
				}
			}
			if got := tb.count(); got != fmt.Sprintf("%d of %d executions", want, len(m.Entries)) {
				t.Errorf("filtered by explorer the table says %q, want %d", got, want)
			}
			tb.do(chromedp.KeyEvent(kb.Escape))
			if got, want := tb.count(), fmt.Sprintf("%d executions", len(m.Entries)); got != want {
				t.Errorf("after Escape the table says %q, want %q", got, want)
			}

			// By outcome and kind, and by a click on a group.
			tb.do(chromedp.Focus("#by-outcome"), chromedp.KeyEvent("l"))
			for _, o := range tb.column("c-outcome") {
				if o != "left" {
					t.Fatalf("among those left there is one %s", o)
				}
			}
			tb.do(chromedp.Click("#clear"), chromedp.Click(`[data-group=owners]`), chromedp.Click(`#group-table tbody tr:first-child button`))
			for _, o := range tb.column("c-owner") {
				if o != "a.okafor" {
					t.Fatalf("among those of a.okafor there is one of %s", o)
				}
			}
			tb.do(chromedp.Focus("#group-find"), chromedp.KeyEvent("keller"))
			if got := eval[[]string](tb, `[...document.querySelectorAll("#group-table tbody th")].map(c => c.textContent)`); !slices.Equal(got, []string{"b.keller"}) {
				t.Errorf("groups filtered by keller: %q", got)
			}

			// All rows can be reached: those further down come as they come into sight.
			tb.do(chromedp.Click("#clear"))
			if got := len(tb.column("c-name")); n > 1000 && got > 1000 {
				t.Errorf("%d rows are drawn at once, want them as they come into sight", got)
			}
			for range n/200 + 1 {
				eval[bool](tb, `new Promise(done => {
					const body = document.querySelector("#table tbody"), more = document.getElementById("more"), had = body.rows.length;
					more.scrollIntoView({behavior: "instant"});
					(function wait(left) { more.hidden || body.rows.length > had || !left ? done(true) : setTimeout(wait, 10, left - 1) })(200);
				})`)
			}
			if got := len(tb.column("c-name")); got != len(m.Entries) {
				t.Errorf("after scrolling to the end there are %d rows, want %d", got, len(m.Entries))
			}

			// The timeline: one bar for each that was away, and what it stands for under the pointer.
			bars := eval[int](tb, `[...document.querySelectorAll(".gantt path")].reduce((n, p) => n + p.getAttribute("d").split("M").length - 1, 0)`)
			away := 0
			for _, e := range m.Entries {
				for _, o := range e.Outages {
					if o.Downtime(m.Until) > 0 {
						away++
					}
				}
			}
			if bars != away || away < n/2 {
				t.Errorf("the timeline has %d bars, want %d", bars, away)
			}
			tb.do(chromedp.ScrollIntoView(`.gantt`))
			at := eval[[]float64](tb, `(b => [b.x + b.width / 2, b.y + 2])(document.querySelector(".gantt").getBoundingClientRect())`)
			tb.do(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
			if got := eval[string](tb, `document.getElementById("tip").textContent`); !strings.Contains(got, ": down 19:") || !strings.Contains(got, "back 2") {
				t.Errorf("under the pointer it says %q, want when it went down, in UTC, and came back", got)
			}
		})
	}
}

// What a name may try on whoever reads the report.
var attacks = []string{
	`<script>window.hacked=1</script>`,
	`</script><script>window.hacked=1</script>`,
	`"><img src=x onerror="window.hacked=1">`,
	`' onmouseover='window.hacked=1`,
	`<svg/onload=window.hacked=1>`,
	`</title></style></textarea><iframe srcdoc="<script>parent.hacked=1</script>">`,
	`<!--<script>`, `]]>`, `{{.Snapshot}}`, `${window.hacked=1}`, `\u003cscript\u003e`,
	`<link rel=stylesheet href=http://127.0.0.1:9/x.css>`, `<base href="http://127.0.0.1:9/">`,
	"\u202etxt.exe", "a\x00b", `javascript:window.hacked=1`,
}

func TestNamesDoNothingInABrowser(t *testing.T) {
	snap, w := sample(200, func(i int) string { return attacks[i%len(attacks)] })
	for i := range snap.Executions {
		e := &snap.Executions[i]
		e.Project.Name, e.Owner, e.ID = attacks[(i+1)%len(attacks)], attacks[(i+2)%len(attacks)], e.ID+attacks[(i+3)%len(attacks)]
	}
	for i := range w.Lines {
		l := &w.Lines[i]
		if l.Key != nil {
			for _, e := range snap.Executions {
				if strings.HasPrefix(e.ID, l.Key.ID) {
					l.Key.ID = e.ID
				}
			}
		}
		if l.Reason != "" {
			l.Reason += attacks[i%len(attacks)]
		}
	}
	c := closed(w, snap)
	c.Lines[len(c.Lines)-1].Reason = attacks[0]
	c.Pinned.Domino = "https://example.com/" + attacks[2]
	tb := open(t, report.Of(snap, c), 1280, 900, light)
	tb.do(chromedp.Click(`[data-group=projects]`), chromedp.Click(`[data-group=owners]`), chromedp.Click(`#group-table tbody tr:nth-child(3) button`), chromedp.Click("#clear"),
		chromedp.ScrollIntoView(".gantt"), chromedp.MouseEvent("mouseMoved", 700, 400))
	if eval[bool](tb, `"hacked" in window`) {
		t.Error("a name has run a script")
	}
	if n := eval[int](tb, `document.querySelectorAll("body img, iframe, link[rel=stylesheet], base, body svg[onload], [onmouseover], [onerror]").length`); n != 0 {
		t.Errorf("names have made %d elements", n)
	}
	if n := eval[int](tb, `document.scripts.length`); n != 2 {
		t.Errorf("the page has %d scripts, want its data and its own", n)
	}
	names := tb.column("c-name")
	for _, a := range attacks {
		if strings.Contains(a, "\x00") {
			continue // shown as the replacement character
		}
		if !slices.Contains(names, a) {
			t.Errorf("%q is not shown as it is written", a)
		}
	}
}

func TestAxeFindsNothing(t *testing.T) {
	axe := os.Getenv(axeVariable)
	if axe == "" {
		t.Skip("no axe-core: make test-browser runs this")
	}
	source, err := os.ReadFile(axe)
	if err != nil {
		t.Fatal(err)
	}
	snap, w := sample(200, nil)
	for name, c := range map[string]struct {
		m     *report.Maintenance
		width int64
		media emulation.SetEmulatedMediaParams
	}{
		"light":     {report.Of(snap, closed(w, snap)), 1280, light},
		"dark":      {report.Of(snap, closed(w, snap)), 1280, dark},
		"phone":     {report.Of(snap, closed(w, snap)), 390, light},
		"under way": {report.Of(snap, w), 1280, light},
		"nothing":   {report.Of(nil, empty(w)), 1280, light},
	} {
		t.Run(name, func(t *testing.T) {
			tb := open(t, c.m, c.width, 900, c.media)
			tb.do(chromedp.Evaluate[chromedp.Void](string(source)))
			type violation struct {
				ID, Impact, Help string
				Nodes            []struct{ HTML string }
			}
			found := eval[struct {
				Violations []violation
				Passes     []struct{ ID string }
			}](tb, `axe.run(document).then(r => ({violations: r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({html: n.html}))})), passes: r.passes.map(p => ({id: p.id}))}))`)
			for _, v := range found.Violations {
				t.Errorf("%s, %s: %s, %d times, such as %s", v.Impact, v.ID, v.Help, len(v.Nodes), v.Nodes[0].HTML)
			}
			if len(found.Passes) < 20 {
				t.Errorf("axe has found only %d things to be right: it did not look", len(found.Passes))
			}
		})
	}
}

// TestPictures takes the pictures in docs/images, from a window that is the same each time.
func TestPictures(t *testing.T) {
	folder := os.Getenv(imagesVariable)
	if folder == "" {
		t.Skip("make pictures takes them")
	}
	snap, w := sample(200, nil)
	m := report.Of(snap, closed(w, snap))
	for _, p := range []struct {
		name          string
		width, height int64
		media         emulation.SetEmulatedMediaParams
		scroll        string
	}{
		{"report-light", 1200, 1560, light, ""},
		{"report-dark", 1200, 1560, dark, ""},
		{"report-table", 1200, 900, light, "#executions"},
		{"report-phone", 390, 1200, light, ""},
		{"report-print", 794, 1123, paper, ""},
	} {
		tb := open(t, m, p.width, p.height, p.media)
		if p.scroll != "" {
			tb.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q).scrollIntoView({behavior: "instant"})`, p.scroll)))
		}
		tb.settle()
		png, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		keep(t, filepath.Join(folder, p.name+".png"), png)
	}
}

// What goes to paper is all that the reader has chosen, and not what happens to be drawn.
func TestPaperHasEveryRow(t *testing.T) {
	snap, w := sample(600, nil)
	m := report.Of(snap, closed(w, snap))
	tb := open(t, m, 794, 1123, light)
	pdf, err := chromedp.Run(tb.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err != nil {
		t.Fatal(err)
	}
	if rows := len(tb.column("c-name")); rows != len(m.Entries) || len(pdf) < 100_000 {
		t.Errorf("on paper there are %d rows in %d bytes, want %d rows", rows, len(pdf), len(m.Entries))
	}
	if path := os.Getenv("DMM_TEST_PDF"); path != "" {
		keep(t, path, pdf)
	}
}

func keep(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes", path, len(body))
}
