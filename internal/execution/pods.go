package execution

import "strings"

// Pod is a pod of the compute namespace, as far as it bears witness: what it is named says what it belongs to (docs-facts
// §1.2: "run-<id>-...", "model-<id>-...", "domino-build-<id>").
type Pod struct {
	Name, Namespace string
	Phase           string // Pending, Running, Succeeded, Failed, Unknown
	Labels          map[string]string
	Claims          []string // names of the volume claims that it mounts
}

// Run is the id of the run that the pod belongs to, empty if it belongs to none: an app's instance, a workspace's
// session, a job.
func (p Pod) Run() string { return p.id("run-") }

// Model is the id that a pod of a model API carries. Whether it is the model's or the version's is not documented.
func (p Pod) Model() string { return p.id("model-") }

func (p Pod) id(prefix string) string {
	rest, ok := strings.CutPrefix(p.Name, prefix)
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "-")
	return id
}
