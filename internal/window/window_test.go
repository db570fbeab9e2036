package window_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/mem"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lease = time.Minute

func pinned() window.Pinned {
	return window.Pinned{Snapshot: "20260922-190227-k3f9", SHA256: "aa", Domino: "https://domino.example.com", Lease: lease}
}

func who(mode string) window.Holder { return window.NewHolder(mode, "", "host", 1, "test") }

func open(t *testing.T, s store.Store) *window.Run {
	t.Helper()
	last, err := window.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := window.OpenNext(t.Context(), s, last, pinned(), who(window.ModeShutdown))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func end(t *testing.T, r *window.Run, code int) {
	t.Helper()
	if err := r.End(t.Context(), code); err != nil {
		t.Fatal(err)
	}
}

// kill stops a run's heartbeats without a word, as the death of its process would.
func kill(r *window.Run) { r.Kill() }

func look(t *testing.T, s store.Store) *window.Window {
	t.Helper()
	w, err := window.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTwoThatOpenTheSameWindowOneWins(t *testing.T) {
	s := mem.New()
	var mu sync.Mutex
	var won []*window.Run
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			r, err := window.OpenNext(t.Context(), s, nil, pinned(), who(window.ModeShutdown))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, r)
			} else if !errors.Is(err, window.ErrBusy) {
				t.Errorf("OpenNext: %v, want ErrBusy", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d runs opened window 1, want 1", len(won))
	}
	end(t, won[0], 0)
}

func TestAWindowOpensOnlyWhenTheOneBeforeIsClosed(t *testing.T) {
	s := mem.New()
	r := open(t, s)
	end(t, r, 0)
	_, err := window.OpenNext(t.Context(), s, look(t, s), pinned(), who(window.ModeShutdown))
	if !errors.Is(err, window.ErrBusy) {
		t.Errorf("OpenNext over an open window: %v, want ErrBusy", err)
	}
}

func TestOpeningProvesThatTheStoreRefusesASecondCreation(t *testing.T) {
	s := overwriting{mem.New()}
	_, err := window.OpenNext(t.Context(), s, nil, pinned(), who(window.ModeShutdown))
	if !errors.Is(err, window.ErrUnsafe) {
		t.Errorf("OpenNext on a store that overwrites: %v, want ErrUnsafe", err)
	}
	if w := look(t, s); w != nil {
		t.Errorf("window %s was opened on a store that is no lock", w.Name())
	}
}

// overwriting is a store that does not know conditional creation, as some S3 servers do not.
type overwriting struct{ store.Store }

func (o overwriting) Put(ctx context.Context, key string, body []byte, _ store.PutOptions) error {
	return o.Store.Put(ctx, key, body, store.PutOptions{})
}

func TestAnEndFreesTheWindowAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		end(t, open(t, s), 75)
		began := time.Now()
		r, err := window.Enter(t.Context(), s, 1, who(window.ModeShutdown), 0)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s after an end, want none", waited)
		}
		end(t, r, 0)
	})
}

func TestADeadRunIsTakenOverAfterOneLeaseOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		kill(open(t, s))
		began := time.Now()
		r, err := window.Enter(t.Context(), s, 1, who(window.ModeRestore), 0)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < lease || waited > lease+lease/10 {
			t.Errorf("took over after %s, want one lease (%s)", waited, lease)
		}
		end(t, r, 0)
	})
}

func TestARunAtWorkIsWaitedForAndThenRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		r := open(t, s)
		defer end(t, r, 0)
		began := time.Now()
		_, err := window.Enter(t.Context(), s, 1, who(window.ModeShutdown), 2*time.Minute)
		var refused *window.RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, window.ErrBusy) {
			t.Fatalf("Enter beside a run at work: %v, want ErrBusy", err)
		}
		if refused.Holder == nil || refused.Holder.Run != r.ID() {
			t.Errorf("refused because of %v, want run %s", refused.Holder, r.ID())
		}
		if waited := time.Since(began); waited < 2*time.Minute {
			t.Errorf("waited %s, want at least 2m", waited)
		}
	})
}

func TestARunThatEndsWhileWaitedForIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		r := open(t, s)
		time.AfterFunc(30*time.Second, func() { end(t, r, 0) })
		next, err := window.Enter(t.Context(), s, 1, who(window.ModeRestore), 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		end(t, next, 0)
	})
}

func TestASupersededRunStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		frozen := open(t, s)
		kill(frozen) // it freezes, and wakes below
		next, err := window.Enter(t.Context(), s, 1, who(window.ModeShutdown), 0)
		if err != nil {
			t.Fatal(err)
		}
		guarded, done := frozen.Guard(t.Context())
		defer done()
		if err := frozen.Gate(t.Context()); !errors.Is(err, window.ErrSuperseded) {
			t.Errorf("Gate of a superseded run: %v, want ErrSuperseded", err)
		}
		if !errors.Is(context.Cause(guarded), window.ErrSuperseded) {
			t.Errorf("its context ended with %v, want ErrSuperseded", context.Cause(guarded))
		}
		if err := frozen.Append(t.Context(), window.Line{Event: window.Quiet}); !errors.Is(err, window.ErrSuperseded) {
			t.Errorf("Append of a superseded run: %v, want ErrSuperseded", err)
		}
		end(t, next, 0)
	})
}

func TestTheGateOpensOnlyWithinTwoThirdsOfTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{Store: mem.New()}
		r := open(t, s)
		kill(r) // no heartbeats: the gate must append one itself
		puts := s.puts
		time.Sleep(lease*2/3 - time.Second)
		if err := r.Gate(t.Context()); err != nil || s.puts != puts {
			t.Errorf("Gate within two thirds: error %v and %d appends, want none", err, s.puts-puts)
		}
		time.Sleep(time.Second)
		if err := r.Gate(t.Context()); err != nil || s.puts != puts+1 {
			t.Errorf("Gate after two thirds: error %v and %d appends, want one heartbeat", err, s.puts-puts)
		}
	})
}

func TestTheAgeOfAnAppendCountsFromBeforeItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{Store: mem.New()}
		r := open(t, s)
		kill(r)
		s.delay = lease * 2 / 3 // an append that landed, and froze its writer for that long
		err := r.Append(t.Context(), window.Line{Event: window.Quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Gate(t.Context()); err == nil {
			t.Error("Gate opened on an append that was sent two thirds of a lease ago")
		}
	})
}

func TestAnIdleRunBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		r := open(t, s)
		time.Sleep(10 * lease)
		end(t, r, 0)
		beats := 0
		for _, l := range look(t, s).Lines {
			if l.Event == window.Heartbeat {
				beats++
			}
		}
		if beats < 25 || beats > 31 {
			t.Errorf("%d heartbeats in ten leases, want about 30", beats)
		}
	})
}

func TestAnUnansweredAppendIsSettledBeforeTheNext(t *testing.T) {
	for _, landed := range []bool{true, false} {
		t.Run(fmt.Sprintf("landed=%t", landed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &counting{Store: mem.New()}
				r := open(t, s)
				kill(r)
				s.fail, s.land = errors.New("connection reset"), landed
				key := execution.Key{Kind: execution.App, ID: "a"}
				if err := r.Append(t.Context(), window.OutcomeOf(window.Done, window.Stop, key, "", "", 1)); err == nil {
					t.Fatal("Append without an answer returned nil")
				}
				s.fail = nil
				end(t, r, 0)
				var got []window.Event
				for _, l := range look(t, s).Lines {
					got = append(got, l.Event)
				}
				want := []window.Event{window.Open, window.Begin, window.Done, window.End}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("journal (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAnUnansweredAppendIsKeptFromItsCallersHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counting{Store: mem.New()}
		r := open(t, s)
		kill(r)
		s.fail = errors.New("503")
		lines := []window.Line{window.OutcomeOf(window.Done, window.Stop, execution.Key{Kind: execution.App, ID: "a"}, "", "", 1)}
		if err := r.Append(t.Context(), lines...); err == nil {
			t.Fatal("Append without an answer returned nil")
		}
		lines[0] = window.Line{} // the caller goes on using its slice
		s.fail = nil
		end(t, r, 0)
		look(t, s)
	})
}

// counting is a store that counts writes, and can be slow, or fail with or without effect.
type counting struct {
	store.Store
	puts  int
	delay time.Duration
	fail  error
	land  bool
}

func (c *counting) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	c.puts++
	var err error
	if c.fail == nil || c.land {
		err = c.Store.Put(ctx, key, body, o)
	}
	time.Sleep(c.delay)
	if c.fail != nil {
		return c.fail
	}
	return err
}

func TestDamageIsNamed(t *testing.T) {
	const dir = "windows/000001/journal/"
	line := func(s string) func(*testing.T, store.Store) {
		return func(t *testing.T, st store.Store) { put(t, st, dir+"00000003.jsonl", s) }
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, store.Store)
		want   string
	}{
		"a missing entry":     {func(t *testing.T, s store.Store) { put(t, s, dir+"00000004.jsonl", "") }, "00000003.jsonl: is missing"},
		"a torn entry":        {line(`{"schema":"dmm.journal/v1","run":"x","event":"heart`), "torn"},
		"an empty entry":      {line(""), "torn"},
		"a foreign object":    {func(t *testing.T, s store.Store) { put(t, s, dir+"3.jsonl", "") }, "3.jsonl: is not a journal entry"},
		"a foreign window":    {func(t *testing.T, s store.Store) { put(t, s, "windows/1/journal/00000001.jsonl", "") }, "is not a window"},
		"an unknown event":    {line(`{"schema":"dmm.journal/v1","run":"x","event":"frobnicate"}` + "\n"), `event "frobnicate" is not known`},
		"an unknown schema":   {line(`{"schema":"dmm.journal/v9","run":"x","event":"heartbeat"}` + "\n"), `schema "dmm.journal/v9" is not known`},
		"a line of no run":    {line(`{"schema":"dmm.journal/v1","event":"heartbeat"}` + "\n"), "names no run"},
		"two runs in one":     {line(`{"schema":"dmm.journal/v1","run":"x","event":"heartbeat"}` + "\n" + `{"schema":"dmm.journal/v1","run":"y","event":"heartbeat"}` + "\n"), "another run"},
		"an intent of none":   {line(`{"schema":"dmm.journal/v1","run":"x","event":"intent","goal":"stop"}` + "\n"), "names no execution"},
		"a window too few":    {func(t *testing.T, s store.Store) { put(t, s, "windows/000003/journal/00000001.jsonl", "") }, "windows/000002: is missing"},
		"an opening too many": {line(`{"schema":"dmm.journal/v1","run":"x","event":"open","window":{"lease":1}}` + "\n"), "opens a window that is open"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			end(t, open(t, s), 0)
			c.damage(t, s)
			_, err := window.Look(t.Context(), s)
			var damaged *window.DamagedError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Look: %v, want damage that says %q", err, c.want)
			}
		})
	}
}

func put(t *testing.T, s store.Store, key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(body), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestLookWithoutAWindow(t *testing.T) {
	if w := look(t, mem.New()); w != nil {
		t.Errorf("Look at an empty store: window %s, want none", w.Name())
	}
}

func TestAStoreThatCannotBeReadIsNotAnEmptyOne(t *testing.T) {
	denied := &listDenied{mem.New()}
	if _, err := window.Look(t.Context(), denied); !errors.Is(err, store.ErrDenied) {
		t.Errorf("Look without rights: %v, want ErrDenied", err)
	}
}

type listDenied struct{ store.Store }

func (listDenied) List(context.Context, string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) { yield(store.Info{}, store.ErrDenied) }
}

func FuzzJournalEntry(f *testing.F) {
	f.Add([]byte(`{"schema":"dmm.journal/v1","run":"x","event":"heartbeat"}` + "\n"))
	f.Add([]byte(`{"schema":"dmm.journal/v1","run":"x","event":"intent","goal":"stop","key":{"kind":"App","id":"a"}}` + "\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		lines, err := window.ParseEntry("key", body)
		if err == nil && len(lines) == 0 {
			t.Error("no error and no lines")
		}
		window.Remaining(nil, lines) // must not panic on what the parser lets pass
	})
}

// What status prints is typed at night: the flags go on in the window that was opened with them.
func TestFlagsOfAWindow(t *testing.T) {
	for want, p := range map[string]window.Pinned{
		"": {Handling: execution.Handling{Jobs: execution.PolicyWait, Builds: execution.PolicyWait}},
		" --kinds App,ModelAPI --exclude-projects 'a/b c' --running-jobs stop": {
			Filter:   execution.Filter{Kinds: []execution.Kind{execution.App, execution.ModelAPI}, ExcludeProjects: []string{"a/b c"}},
			Handling: execution.Handling{Jobs: execution.PolicyStop, Builds: execution.PolicyWait},
		},
	} {
		if got := p.Flags(); got != want {
			t.Errorf("flags %q, want %q", got, want)
		}
	}
}

// A version that does not know what a later one adds to a line reads all the rest: only new events and schemas are refused.
func TestFieldsOfLaterVersionsAreIgnored(t *testing.T) {
	s := mem.New()
	end(t, open(t, s), 0)
	line := `{"schema":"dmm.journal/v1","prev":"` + look(t, s).Anchor().Head + `","run":"x","at":"2026-09-22T19:02:27Z","event":"heartbeat","findings":[{"severity":"error","code":"c","message":"m"}],"later":{"a":[1]}}` + "\n"
	put(t, s, "windows/000001/journal/00000003.jsonl", line)
	w, err := window.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	last := len(w.Lines) - 1
	if l := w.Lines[last]; l.Event != window.Heartbeat || len(l.Findings) != 1 {
		t.Errorf("line = %+v, want a heartbeat with its finding", l)
	}
	if with, without := window.Remaining(nil, w.Lines), window.Remaining(nil, w.Lines[:last]); with.Phase != without.Phase {
		t.Errorf("phase %s with the findings, %s without: they decide nothing", with.Phase, without.Phase)
	}
}
