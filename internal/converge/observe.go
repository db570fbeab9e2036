package converge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// sighting is a look at one execution, or why it failed.
type sighting struct {
	look

	task *task
	err  error
}

// see reads one execution.
func see(ctx context.Context, t *task) sighting {
	s := sighting{task: t, look: look{asked: time.Now()}}
	s.Execution, s.err = t.driver.Read(ctx, t.item.Execution)
	if s.gone = errors.Is(s.err, execution.ErrGone); s.gone {
		s.err = nil
	}
	return s
}

// observe starts a round if one is due: lists nominate, single reads decide, so that a
// round costs pages and a read per execution that has arrived.
func (x *step) observe(ctx context.Context, now time.Time) {
	if x.observing || now.Before(x.nextRound) {
		return
	}
	byKind := map[execution.Kind][]*task{}
	for _, t := range x.tasks {
		if t.phase == waiting {
			byKind[t.item.Kind] = append(byKind[t.item.Kind], t)
		}
	}
	if len(byKind) == 0 {
		return
	}
	x.observing, x.progressed = true, false
	x.beside(func() func() {
		seen := x.round(ctx, byKind)
		return func() { x.observed(ctx, seen) }
	}, func() { x.observing = false })
}

// round reads those of the waiting tasks that may have arrived.
func (x *step) round(ctx context.Context, byKind map[execution.Kind][]*task) []sighting {
	var mu sync.Mutex
	var seen []sighting
	kinds := crash.NewGroup(0)
	for _, tasks := range byKind {
		kinds.Go(func() error {
			reads := crash.NewGroup(64) // the client's limiter sets the pace
			for _, t := range x.nominate(ctx, tasks) {
				reads.Go(func() error {
					s := see(ctx, t)
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, s)
					return nil
				})
			}
			return reads.Wait()
		})
	}
	_ = kinds.Wait() // errors are in the sightings
	return seen
}

// nominate returns the tasks of one kind that are worth a read.
func (x *step) nominate(ctx context.Context, tasks []*task) []*task {
	if len(tasks) <= direct {
		return tasks
	}
	states, err := tasks[0].driver.Poll(ctx)
	if err != nil {
		x.Log.Debug("bulk state not to be had, reading one by one", "kind", tasks[0].item.Kind, "error", err)
		return tasks
	}
	var worth []*task
	for _, t := range tasks {
		s, listed := states[t.item.ID]
		switch {
		case !listed, s == execution.Unknown, t.unseen():
		case x.goal == window.Stop && s.Down():
		case x.goal == window.Start && (s == execution.Running || s == execution.Failed):
		default:
			continue
		}
		worth = append(worth, t)
	}
	return worth
}

func (x *step) observed(ctx context.Context, seen []sighting) {
	for _, s := range seen {
		if s.task.phase != waiting {
			continue // it went on while the round was under way
		}
		if s.err != nil {
			if !x.endsAll(s.err) {
				x.Log.Debug("could not look", "execution", s.task.item.String(), "error", s.err)
			}
			continue // the next round looks again
		}
		x.rule(ctx, s.task, s.look)
	}
	if x.progressed {
		x.roundDelay = x.Limits.paced(firstRound)
	} else {
		x.roundDelay = min(x.roundDelay*3/2, x.Limits.paced(slowestRound))
	}
	x.nextRound = time.Now().Add(x.roundDelay)
}

// sooner lets the next round come soon: something has been sent.
func (x *step) sooner() {
	x.roundDelay = x.Limits.paced(firstRound)
	if at := time.Now().Add(x.Limits.paced(firstRound)); at.Before(x.nextRound) {
		x.nextRound = at
	}
}
