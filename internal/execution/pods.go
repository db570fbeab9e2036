package execution

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Pod is a pod of the compute namespace, as far as it bears witness: what it is named says what it belongs to (docs-facts
// §1.2: "run-<id>-...", "model-<id>-...", "domino-build-<id>"). Pods that end, or have ended, are no witnesses and must be
// left out.
type Pod struct {
	Name, Namespace string
	Phase           string // Pending, Running or Unknown
	Labels          map[string]string
	Claims          []string // names of the volume claims that it mounts
}

// Run is the id of the run that the pod belongs to, empty if it belongs to none: an app's instance, a workspace's
// session, a job.
func (p Pod) Run() string { return p.id("run-") }

// Model is the id that a pod of a model API carries. Whether it is the model's or the version's is not documented.
func (p Pod) Model() string { return p.id("model-") }

// Build is the id that a pod of an image build carries.
func (p Pod) Build() string { return p.id("domino-build-") }

func (p Pod) id(prefix string) string {
	rest, ok := strings.CutPrefix(p.Name, prefix)
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "-")
	return id
}

// workloadLabel names the kind of a run- pod; those of model APIs have none (docs-facts §1.2).
const workloadLabel = "dominodatalab.com/workload-type"

func (p Pod) workload() string {
	switch {
	case p.Model() != "":
		return "ModelAPI"
	case p.Build() != "":
		return "Build"
	}
	return p.Labels[workloadLabel]
}

// tag is what the pod and its execution have in common: the prefix of the pod's name and the id after it.
func (p Pod) tag() string {
	switch {
	case p.Run() != "":
		return "run-" + p.Run()
	case p.Model() != "":
		return "model-" + p.Model()
	case p.Build() != "":
		return "domino-build-" + p.Build()
	}
	return ""
}

// tags are those that a pod of e may carry.
func (e Execution) tags() []string {
	var tags []string
	add := func(prefix string, ids ...string) {
		for _, id := range ids {
			if id != "" {
				tags = append(tags, prefix+id)
			}
		}
	}
	switch e.Kind {
	case ModelAPI:
		add("model-", e.ID, e.Parent)
	case Build:
		add("domino-build-", e.ID, e.RunID, e.Instance)
	default:
		add("run-", e.RunID, e.Instance)
	}
	return tags
}

// tagged is the set of the pods' tags.
func tagged(pods []Pod) map[string]bool {
	set := make(map[string]bool, len(pods))
	for _, p := range pods {
		set[p.tag()] = true
	}
	return set
}

func (e Execution) hasPod(tagged map[string]bool) bool {
	return slices.ContainsFunc(e.tags(), func(t string) bool { return tagged[t] })
}

// localDataPlane is the id of Domino's own cluster, whose pods can be listed (api.md §3).
const localDataPlane = "000000000000000000000000"

// podful reports whether e must have a pod among those of the local data plane while it runs. One of which Domino does not
// tell where it runs may be elsewhere.
func (e Execution) podful() bool {
	named := e.Kind == ModelAPI || e.RunID != ""
	return named && (e.Kind == App || e.Kind == Workspace || e.Kind == ModelAPI) && (e.DataPlane == localDataPlane || e.DataPlane == "Local")
}

// Account compares an inventory with what the two other witnesses show: Domino's own list of executions, and pods. asked
// and listed tell which of them could be had. What they show and the inventory lacks is returned with an explanation;
// what the inventory shows running and has no pod is a problem on record, since there Domino's word stands. Which of the
// inventory have one is put down there.
func (d *Drivers) Account(inventory []Execution, seen []Sighting, asked bool, pods []Pod, listed bool) (missing []Sighting, without map[string]int, problems []Problem) {
	missing, without = Unaccounted(inventory, seen)
	for i, s := range missing {
		missing[i].Why = "it came up or went down while the lists were read, or Domino's lists differ"
		if _, known := d.projects.entry(s.Project.ID); s.Project.ID != "" && !known {
			missing[i].Why = "its project is not among those that this key can see"
		}
	}
	if !listed {
		return missing, without, nil
	}
	shown := map[string]bool{"": true} // pods of nothing of Domino's
	for _, s := range seen {
		shown["run-"+s.ID] = true
	}
	down := map[string]Execution{}
	for _, e := range inventory {
		for _, tag := range e.tags() {
			if e.State.Down() {
				down[tag] = e
			} else {
				shown[tag] = true
			}
		}
	}
	for _, p := range pods {
		tag, kind := p.tag(), p.workload()
		if shown[tag] {
			continue
		}
		shown[tag] = true // once for all pods of an execution
		if _, known := workloadKind(kind); !asked && !known && kind != string(ModelAPI) && kind != string(Build) {
			without[kind]++
			continue
		}
		s := Sighting{ID: p.Run() + p.Model() + p.Build(), Workload: kind, State: p.Phase, Pod: p.Namespace + "/" + p.Name, Title: p.Name}
		s.Why = "no list of Domino's shows it: its project may not be visible to this key, or its pod was left behind"
		if e, ok := down[tag]; ok {
			s.Project, s.Title = e.Project, e.Name
			s.Why = fmt.Sprintf("Domino says that it is %s: its pod has not ended yet, or was left behind", e.DominoState)
		}
		missing = append(missing, s)
	}
	tags := tagged(pods)
	for i, e := range inventory {
		inventory[i].Pod = e.hasPod(tags) && !e.State.Down()
		if e.State == Running && e.podful() && !e.hasPod(tags) {
			problems = append(problems, Problem{Kind: e.Kind, Subject: e.Name + " (" + e.ID + ")",
				Message: fmt.Sprintf("Domino says that it is %s, and it has no pod: it counts as running, and may have to be started by hand", e.DominoState)})
		}
	}
	return missing, without, problems
}

// WatchPods lets pods bear witness to every start from now on: what Domino calls running and has no pod, though the pods
// of the local data plane can be listed, counts as starting. After a node swap, or a database that was restored, Domino
// may be wrong about it. list tells the pods, or an error, which is no evidence.
func (d *Drivers) WatchPods(list func(context.Context) ([]Pod, error)) {
	d.pods = &podWatch{list: list}
}

// podWatch keeps the pods for a moment: a round of observation asks once for each execution.
type podWatch struct {
	list func(context.Context) ([]Pod, error)
	one  singleflight.Group // no lock is held while the cluster is asked

	mu   sync.Mutex
	at   time.Time
	tags map[string]bool // nil: the pods could not be listed
}

const podsKeep = 3 * time.Second

// lacks reports whether e has no pod, as far as can be seen.
func (w *podWatch) lacks(ctx context.Context, e Execution) bool {
	if !e.podful() {
		return false
	}
	tags := w.look(ctx)
	return tags != nil && !e.hasPod(tags)
}

func (w *podWatch) look(ctx context.Context) map[string]bool {
	w.mu.Lock()
	tags, fresh := w.tags, !w.at.IsZero() && time.Since(w.at) < podsKeep
	w.mu.Unlock()
	if fresh {
		return tags
	}
	v, _, _ := w.one.Do("", func() (any, error) {
		var tags map[string]bool
		if pods, err := w.list(ctx); err == nil {
			tags = tagged(pods)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tags, w.at = tags, time.Now()
		return tags, nil
	})
	return v.(map[string]bool)
}

// witnessed is a driver whose reads are checked against pods.
type witnessed struct {
	Driver

	pods *podWatch
}

func (d *witnessed) Read(ctx context.Context, e Execution) (Execution, error) {
	now, err := d.Driver.Read(ctx, e)
	now.Pod = e.Pod
	if err != nil || now.State != Running || !e.Pod {
		return now, err
	}
	subject := now
	if subject.DataPlane == "" {
		subject.DataPlane = e.DataPlane // a row may not tell, and a restart does not move it
	}
	if d.pods.lacks(ctx, subject) {
		now.State, now.DominoState = Starting, now.DominoState+" (and has no pod)"
	}
	return now, nil
}

type witnessedComparer struct {
	*witnessed
	Comparer
}

// tiers knows on which data plane a hardware tier is. Where that cannot be had, nothing is known.
type tiers struct {
	client *domino.Client
	one    singleflight.Group // no lock is held while Domino is asked

	mu     sync.Mutex
	planes map[string]string // by tier; nil: not asked yet
}

func (t *tiers) plane(ctx context.Context, tier string) string {
	t.mu.Lock()
	planes := t.planes
	t.mu.Unlock()
	if planes == nil {
		v, _, _ := t.one.Do("", func() (any, error) {
			planes := map[string]string{}
			list, _, err := t.client.HardwareTiers(ctx)
			if err == nil || ctx.Err() == nil {
				for _, one := range list {
					planes[one.ID] = one.DataPlaneID
				}
				t.mu.Lock()
				defer t.mu.Unlock()
				t.planes = planes
			}
			return planes, nil
		})
		planes = v.(map[string]string)
	}
	return planes[tier]
}
