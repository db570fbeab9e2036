package dominosim

import (
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	t0 := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	var h history[string]
	h.set(at(10), "a")
	h.set(at(20), "b")
	h.set(at(20), "c") // the later of two at one moment counts
	h.set(at(30), "d")
	for s, want := range map[int]string{0: "", 9: "", 10: "a", 19: "a", 20: "c", 29: "c", 30: "d", 99: "d"} {
		if got := h.at(at(s)); got != want {
			t.Errorf("at(%d) = %q, want %q", s, got, want)
		}
	}
	h.change(at(25), "e") // the planned d is cut off, the past is not
	for s, want := range map[int]string{15: "a", 22: "c", 25: "e", 99: "e"} {
		if got := h.at(at(s)); got != want {
			t.Errorf("after the change at(%d) = %q, want %q", s, got, want)
		}
	}
	if got := h.since(at(24)); !got.Equal(at(20)) {
		t.Errorf("since = %v, want %v", got, at(20))
	}
}
