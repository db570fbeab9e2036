package dominosim

import "time"

// A seat is one execution's place on a hardware tier. NOT EVIDENCED: Domino has quotas and clusters
// scale up, so that some starts wait as Queued, but what exactly waits for what is not known.
type seat struct {
	tier     string
	begin    func(at time.Time) (ready time.Time) // writes the steps of the start
	starting bool
	holding  bool
	gone     bool
}

type tierLoad struct {
	starting, holding int
	waiting           []*seat
}

// take seats an execution that wants to start, now or when there is room.
func (s *Sim) take(at time.Time, st *seat) {
	l := s.load(st.tier)
	if !s.room(l) {
		l.waiting = append(l.waiting, st)
		return
	}
	s.admit(at, l, st)
}

// occupy seats an execution that ran before the simulation began.
func (s *Sim) occupy(st *seat) {
	st.holding = true
	s.load(st.tier).holding++
}

func (s *Sim) room(l *tierLoad) bool {
	return (s.cfg.StartCapacity == 0 || l.starting < s.cfg.StartCapacity) &&
		(s.cfg.TierCapacity == 0 || l.holding < s.cfg.TierCapacity)
}

func (s *Sim) admit(at time.Time, l *tierLoad, st *seat) {
	st.starting, st.holding = true, true
	l.starting++
	l.holding++
	ready := st.begin(at)
	if s.cfg.StartCapacity > 0 {
		s.agenda.add(ready, func(at time.Time) { s.arrived(at, st) })
	}
}

// arrived ends the start, not the execution.
func (s *Sim) arrived(at time.Time, st *seat) {
	if !st.starting {
		return
	}
	st.starting = false
	l := s.load(st.tier)
	l.starting--
	s.fill(at, l)
}

// vacateAt ends the execution: its start, if it had not got further, at once, and its seat at the time given.
func (s *Sim) vacateAt(now, end time.Time, st *seat) {
	if st == nil {
		return
	}
	st.gone = true
	s.arrived(now, st)
	if !st.holding {
		return
	}
	st.holding = false
	if s.cfg.TierCapacity == 0 {
		s.load(st.tier).holding--
		return
	}
	s.agenda.add(end, func(at time.Time) {
		l := s.load(st.tier)
		l.holding--
		s.fill(at, l)
	})
}

func (s *Sim) fill(at time.Time, l *tierLoad) {
	for len(l.waiting) > 0 && s.room(l) {
		next := l.waiting[0]
		l.waiting = l.waiting[1:]
		if !next.gone {
			s.admit(at, l, next)
		}
	}
}

func (s *Sim) load(tier string) *tierLoad {
	l := s.loads[tier]
	if l == nil {
		l = &tierLoad{}
		s.loads[tier] = l
	}
	return l
}
