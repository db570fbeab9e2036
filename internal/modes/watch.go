package modes

import (
	"context"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/converge"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// watchEvery is how often a watch looks at the journal: a list of a few keys, and what is new.
const watchEvery = 2 * time.Second

// watch shows how far the open window is until it is closed or ctx ends. It reads the journal and
// nothing else.
func (e *Env) watch(ctx context.Context) error {
	at, err := e.beginOffline(ctx, "status")
	if err != nil || !at.open() {
		return err
	}
	w := at.last
	snap, err := pinnedSnapshot(ctx, at.store, w.Pinned)
	if err != nil {
		return err
	}
	b := window.Remaining(snap.Executions, w.Lines)
	var phase window.Phase
	var show func([]converge.Count)
	for {
		if b.Phase != phase {
			phase = b.Phase
			e.Log.Info("window "+w.Name()+" is "+string(phase), "last entry", w.LastAt().Format(time.RFC3339))
			show = e.progress(string(phase))
		}
		show(counts(b, w.Pinned.Filter))
		if w.Closed() || pause(ctx, watchEvery) != nil {
			return nil
		}
		lines, err := w.Refresh(ctx, at.store)
		if err != nil && ctx.Err() == nil {
			e.Log.Warn("the journal could not be read; trying again", "error", err)
		}
		b.Apply(lines...)
	}
}

// counts is how far a window is, by kind.
func counts(b *window.Balance, f execution.Filter) []converge.Count {
	goal := window.Stop
	if b.Phase == window.PhaseRestoring || b.Phase == window.PhaseClosed {
		goal = window.Start
	}
	var all []converge.Count
	for _, k := range execution.Kinds() {
		c := converge.Count{Kind: k}
		for _, it := range b.Items() {
			mine := it.InScope(f)
			if goal == window.Start {
				mine = it.Ours()
			}
			if it.Kind != k || !mine {
				continue
			}
			c.Total++
			switch it.Attempt(goal).Outcome {
			case window.Done, window.NotOurs:
				c.Done++
			case window.Failed:
				c.Failed++
			case window.Left:
				c.Left++
			}
		}
		if c.Total > 0 {
			all = append(all, c)
		}
	}
	return all
}
