package window_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// BenchmarkRecordsOf20000 writes the journal of a window that stops 20,000 executions, sixteen to an entry, and reads it
// back: with its chain, and under a key. What the sums take of that is told apart, and so are the codes.
func BenchmarkRecordsOf20000(b *testing.B) {
	key, err := seal.NewKey([]byte("a secret of 32 bytes, for a test"))
	if err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]func() store.Store{
		"chain":         func() store.Store { return mem.New() },
		"chain and key": func() store.Store { return seal.Store{Store: mem.New(), Key: key} },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				in := s()
				journalOf20000(b, in)
				if _, err := window.Look(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("the sums alone", func(b *testing.B) {
		in := mem.New()
		journalOf20000(b, in)
		var entries [][]byte
		size := 0
		for info, err := range in.List(b.Context(), "windows/") {
			if err != nil {
				b.Fatal(err)
			}
			body, err := store.ReadAll(b.Context(), in, info.Key, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			entries, size = append(entries, body), size+len(body)
		}
		b.ReportMetric(float64(len(entries)), "entries")
		b.SetBytes(int64(size))
		for b.Loop() {
			for _, e := range entries {
				_ = sha256.Sum256(e)
			}
		}
	})
}

func journalOf20000(b *testing.B, s store.Store) {
	r, err := window.OpenNext(b.Context(), s, nil, pinned(), who(window.ModeShutdown))
	if err != nil {
		b.Fatal(err)
	}
	lines := make([]window.Line, 16)
	for first := 0; first < 20_000; first += len(lines) {
		for _, done := range []bool{false, true} {
			for i := range lines {
				x := execution.Execution{Kind: execution.App, ID: fmt.Sprintf("65a0000000000000000%05d", first+i), Instance: "65b000000000000000000001"}
				lines[i] = window.IntentOf(window.Stop, x, 1)
				if done {
					lines[i] = window.OutcomeOf(window.Done, window.Stop, x.Key(), x.Instance, "", 1)
				}
			}
			if err := r.Append(b.Context(), lines...); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := r.End(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
}
