package kill

import (
	"syscall"
	"testing"
)

// A run that is frozen past its lease, and thawed when another has taken its place, writes
// nothing more and sends nothing more. What its machine had put on the wire before is not
// in its hands: docs/guarantees.md.
func TestAFrozenRunThatWakesDoesNothingMore(t *testing.T) {
	t.Parallel()
	for name, at := range map[string][]point{
		"in shutdown, while workspaces are stopped": after(stopWorkspace, 1),
		"in shutdown, while it waits":               then(after(stopApp, 1), before(readWorkspace, 1)),
		"in shutdown, before the model APIs":        before(stopModel, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, slow())
			was := s.state()
			s.must(0, "snapshot")

			frozen := make(chan struct{})
			running := make(chan *process, 1)
			s.at(at, func(moment) {
				p := <-running
				if err := p.signal(syscall.SIGSTOP); err != nil {
					t.Errorf("freeze dmm: %v", err)
				}
				close(frozen)
			})
			p := s.start("shutdown")
			running <- p
			<-frozen
			s.on(nil)

			s.must(0, "shutdown") // waits for one lease, takes over, finishes
			s.wantNothingRunning()
			s.must(0, "restore")
			entries, writes := len(s.journal()), len(s.sim.Ledger().Writes())
			if err := p.signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			code, _ := p.wait()
			if code != 4 {
				t.Errorf("the thawed run ends with %d, want 4:\n%s", code, p.log.String())
			}
			if n := len(s.journal()) - entries; n != 0 {
				t.Errorf("it has written %d more journal lines", n)
			}
			if n := len(s.sim.Ledger().Writes()) - writes; n != 0 {
				t.Errorf("it has sent %d more calls that change Domino", n)
			}
			s.wantBroughtBack(was)
		})
	}
}
