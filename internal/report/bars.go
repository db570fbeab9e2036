package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
)

// Progress is how far the executions of one kind are on the way to a goal.
type Progress struct {
	Name        string
	Done, Total int
	// Failed and Left need no more waiting, and are not at the goal.
	Failed, Left int
}

func (p Progress) settled() int { return p.Done + p.Failed + p.Left }

// others says what is settled and not done.
func (p Progress) others() string {
	text := ""
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.Failed)
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", %d left", p.Left)
	}
	return text
}

// Bars draws progress at the bottom of a terminal: a line for the whole and a bar for each kind, with rate and
// time left. What else is written to that terminal goes through Write, and scrolls by above it.
type Bars struct {
	out   io.Writer
	width func() int // of the terminal, in columns

	mu      sync.Mutex
	goal    string
	kinds   []Progress
	began   time.Time
	samples []sample // of the last while, the oldest first
	drawn   int      // lines on the screen that are ours
	stop    chan struct{}
	stopped chan struct{}
}

type sample struct {
	at      time.Time
	settled []int // of each kind, then of all
}

// recently is over how long a rate is taken: long enough that a poll of Domino's lists does not show as a jump.
const recently = 20 * time.Second

// NewBars draws on a terminal.
func NewBars(out io.Writer, width func() int) *Bars { return &Bars{out: out, width: width} }

// Write writes text above the bars.
func (b *Bars) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var buf bytes.Buffer
	b.erase(&buf)
	buf.Write(p)
	if bytes.HasSuffix(p, []byte("\n")) {
		b.draw(&buf, time.Now())
	}
	if _, err := b.out.Write(buf.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Show takes how far a step is, and draws it until Close.
func (b *Bars) Show(goal string, kinds []Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if goal != b.goal || len(kinds) != len(b.kinds) {
		b.goal, b.began, b.samples = goal, now, nil
	}
	b.kinds = slices.Clone(kinds)
	b.samples = append(b.samples, sample{now, b.counts()})
	for len(b.samples) > 2 && now.Sub(b.samples[1].at) > recently {
		b.samples = b.samples[1:]
	}
	b.redraw(now)
	if b.stop == nil {
		stop, stopped := make(chan struct{}), make(chan struct{})
		b.stop, b.stopped = stop, stopped
		crash.Go(func() {
			defer close(stopped)
			b.tick(stop)
		})
	}
}

// tick redraws each second, so that a step which waits does not look like one that hangs.
func (b *Bars) tick(stop chan struct{}) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			b.again(now)
		}
	}
}

func (b *Bars) again(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.redraw(now)
}

// Close takes the bars off the screen.
func (b *Bars) Close() {
	b.mu.Lock()
	if b.stop != nil {
		close(b.stop)
		b.stop = nil
	}
	var buf bytes.Buffer
	b.erase(&buf)
	_, _ = b.out.Write(buf.Bytes()) // a terminal that is gone needs no tidying
	b.goal, b.kinds = "", nil
	stopped := b.stopped
	b.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (b *Bars) redraw(now time.Time) {
	var buf bytes.Buffer
	b.erase(&buf)
	b.draw(&buf, now)
	_, _ = b.out.Write(buf.Bytes()) // in one go, so that nothing flickers; progress that nobody sees is no error
}

// erase takes away what was drawn: up to its first line, and clear to the end of the screen.
func (b *Bars) erase(buf *bytes.Buffer) {
	if b.drawn > 0 {
		fmt.Fprintf(buf, "\r\x1b[%dA\x1b[J", b.drawn)
	}
	b.drawn = 0
}

func (b *Bars) draw(buf *bytes.Buffer, now time.Time) {
	if len(b.kinds) == 0 {
		return
	}
	width := max(b.width(), 20)
	var all Progress
	name := 0
	for _, k := range b.kinds {
		all.Done, all.Failed, all.Left, all.Total = all.Done+k.Done, all.Failed+k.Failed, all.Left+k.Left, all.Total+k.Total
		name = max(name, utf8.RuneCountInString(k.Name))
	}
	head := fmt.Sprintf("%s: %d of %d%s after %s%s", b.goal, all.Done, all.Total, all.others(), Spoken(now.Sub(b.began).Truncate(time.Second)), b.left(len(b.kinds), all, now))
	lines := []string{head}
	for i, k := range b.kinds {
		tail := fmt.Sprintf(" %3d %%  %d of %d%s", 100*k.Done/max(k.Total, 1), k.Done, k.Total, k.others()+b.left(i, k, now))
		line := fmt.Sprintf("  %-*s ", name, k.Name)
		if room := min(width-len(line)-utf8.RuneCountInString(tail)-1, 40); room >= 8 {
			filled := room * k.Done / max(k.Total, 1)
			line += strings.Repeat("█", filled) + strings.Repeat("░", room-filled)
		}
		lines = append(lines, line+tail)
	}
	for _, l := range lines {
		if r := []rune(l); len(r) >= width { // a line that wraps could not be erased
			l = string(r[:width-1])
		}
		buf.WriteString(l + "\n")
	}
	b.drawn = len(lines)
}

func (b *Bars) counts() []int {
	var counts []int
	sum := 0
	for _, k := range b.kinds {
		counts = append(counts, k.settled())
		sum += k.settled()
	}
	return append(counts, sum)
}

// left is the rate of late, and how long the rest would take at it.
func (b *Bars) left(i int, p Progress, now time.Time) string {
	first := b.samples[0]
	took := now.Sub(first.at).Seconds()
	done := p.settled() - first.settled[i]
	if p.settled() >= p.Total || done <= 0 || took < 1 {
		return ""
	}
	rate := float64(done) / took
	unit, shown := "/s", rate
	if rate < 1 {
		unit, shown = "/min", rate*60
	}
	return fmt.Sprintf(", %.1f%s, about %s left", shown, unit, Spoken(max(time.Duration(float64(p.Total-p.settled())/rate*float64(time.Second)), time.Second).Round(time.Second)))
}
