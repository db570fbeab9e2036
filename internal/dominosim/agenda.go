package dominosim

import (
	"container/heap"
	"time"
)

// The agenda holds what happens later and cannot be written into a history beforehand, because it
// depends on the state it will meet: calls that land late, and room that becomes free.
// It is worked off, in order of time, before anything else is looked at.
type agenda struct {
	items []item
	seq   int
}

type item struct {
	at  time.Time
	seq int // first in, first out among equals
	do  func(at time.Time)
}

func (a *agenda) Len() int { return len(a.items) }
func (a *agenda) Less(i, j int) bool {
	if !a.items[i].at.Equal(a.items[j].at) {
		return a.items[i].at.Before(a.items[j].at)
	}
	return a.items[i].seq < a.items[j].seq
}
func (a *agenda) Swap(i, j int) { a.items[i], a.items[j] = a.items[j], a.items[i] }
func (a *agenda) Push(x any)    { a.items = append(a.items, x.(item)) }
func (a *agenda) Pop() any {
	last := a.items[len(a.items)-1]
	a.items = a.items[:len(a.items)-1]
	return last
}

func (a *agenda) add(at time.Time, do func(at time.Time)) {
	a.seq++
	heap.Push(a, item{at, a.seq, do})
}

// catchUp carries out everything that is due at now. It may add to the agenda while it runs.
func (a *agenda) catchUp(now time.Time) {
	for len(a.items) > 0 && !a.items[0].at.After(now) {
		next := heap.Pop(a).(item)
		next.do(next.at)
	}
}
