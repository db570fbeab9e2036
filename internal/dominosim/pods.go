package dominosim

import (
	"slices"
	"time"
)

// A Pod is what Kubernetes shows of an execution on the local data plane (docs-facts §1.2).
type Pod struct {
	Name   string
	Labels map[string]string
	Claims []string
}

// Pods are the pods that have not ended: of runs that are neither queued nor over, and of model versions that serve.
func (s *Sim) Pods() []Pod {
	var out []Pod
	s.locked(func(now time.Time) {
		for _, r := range s.lives(now) {
			word := r.is(now)
			if over(word) || word == "Queued" || word == "Scheduled" || s.lost[r.Execution] {
				continue
			}
			p := Pod{Name: "run-" + r.Execution + "-5d9c7-x7k2p", Labels: map[string]string{"dominodatalab.com/workload-type": r.workload()}}
			for _, id := range r.Volumes {
				if v := s.volumeOf(id); v != nil {
					p.Claims = append(p.Claims, v.claim())
				}
			}
			out = append(out, p)
		}
		for _, v := range s.versions.order {
			if v.state.at(now).serves() && !s.lost[v.id] {
				out = append(out, Pod{Name: "model-" + v.id + "-5d9c7-x7k2p", Claims: nil})
			}
		}
		out = append(out, s.strays...)
	})
	return out
}

// LosePod lets an execution lose its pod, while Domino goes on to call it what it was: an app by its instance, a
// workspace by its session's execution, a model version by its id.
func (s *Sim) LosePod(id string) {
	s.locked(func(time.Time) {
		if s.lost == nil {
			s.lost = map[string]bool{}
		}
		s.lost[id] = true
	})
}

// FindPod gives it back.
func (s *Sim) FindPod(id string) { s.locked(func(time.Time) { delete(s.lost, id) }) }

// LeavePod leaves a pod behind that no list of Domino's knows.
func (s *Sim) LeavePod(p Pod) {
	s.locked(func(time.Time) { s.strays = append(slices.Clip(s.strays), p) })
}
