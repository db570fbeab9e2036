package dominosim

import (
	"sort"
	"time"
)

// A history is a value over time. Points lie in ascending order and may lie in the future: an accepted
// stop writes at once every step that it will go through, and a later call cuts off the steps that
// have not been reached. The past is never rewritten, so that a list may show any earlier moment.
type history[T any] struct {
	points []point[T]
}

type point[T any] struct {
	at    time.Time
	value T
}

// set appends a point. A point before the last one is moved up to it, which keeps the order.
func (h *history[T]) set(at time.Time, v T) {
	if n := len(h.points); n > 0 && at.Before(h.points[n-1].at) {
		at = h.points[n-1].at
	}
	h.points = append(h.points, point[T]{at, v})
}

// cut forgets what lies after t.
func (h *history[T]) cut(t time.Time) {
	n := len(h.points)
	for n > 0 && h.points[n-1].at.After(t) {
		n--
	}
	h.points = h.points[:n]
}

// change is cut and set: from t on the value is v and nothing else is planned.
func (h *history[T]) change(t time.Time, v T) {
	h.cut(t)
	h.set(t, v)
}

// at is the value at t; the zero value before the first point.
func (h *history[T]) at(t time.Time) T {
	v, _ := h.find(t)
	return v
}

// since is the time of the point that at(t) comes from.
func (h *history[T]) since(t time.Time) time.Time {
	_, i := h.find(t)
	if i < 0 {
		return time.Time{}
	}
	return h.points[i].at
}

func (h *history[T]) find(t time.Time) (T, int) {
	// Most questions are about the present, and the last point is in most cases past.
	n := len(h.points)
	if n > 0 && !h.points[n-1].at.After(t) {
		return h.points[n-1].value, n - 1
	}
	i := sort.Search(n, func(i int) bool { return h.points[i].at.After(t) }) - 1
	if i < 0 {
		var zero T
		return zero, -1
	}
	return h.points[i].value, i
}
