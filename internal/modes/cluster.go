package modes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/kube"
)

// observed connects a mode to the cluster, as far as DMM_KUBERNETES wants and allows it, and tells the Job that it runs in
// what becomes of it, as Events: who looks at the Job weeks later finds the log gone with its pod.
func observed(name string, mode run) run {
	return func(ctx context.Context, e *Env) (*Result, error) {
		if e.Cluster == nil {
			cluster, err := e.reachCluster()
			if err != nil {
				return nil, err
			}
			e.Cluster = cluster
		}
		tell := e.teller(name)
		tell("Started", name+" begins, by dmm "+e.Version, false)
		res, err := mode(ctx, e)
		code, line := e.conclusion(name, res, err)
		tell(eventReason(code), fmt.Sprintf("%s ends with %d: %s", name, code, line), code != 0)
		return res, err
	}
}

// reachCluster returns a client of the cluster, or nil if there is none to be looked at.
func (e *Env) reachCluster() (*kube.Client, error) {
	if e.Config.Kubernetes == "false" {
		return nil, nil
	}
	cluster, err := kube.InCluster("dmm/" + e.Version)
	if errors.Is(err, kube.ErrNoCluster) && e.Config.Kubernetes == "true" {
		cluster, err = kube.FromKubeconfig("dmm/" + e.Version)
	}
	switch {
	case err == nil:
		return cluster, nil
	case e.Config.Kubernetes == "true":
		return nil, &UsageError{Reason: "DMM_KUBERNETES is true: " + err.Error(), Next: "set KUBECONFIG, let the pod mount its service account's token, or leave DMM_KUBERNETES out"}
	case !errors.Is(err, kube.ErrNoCluster):
		e.Log.Warn("the cluster is not looked at", "error", err)
	}
	return nil, nil
}

// pods lists the pods of executions on the local data plane that have not ended, or kube.ErrNoCluster where no cluster is
// in reach.
func (e *Env) pods(ctx context.Context) ([]execution.Pod, error) {
	if e.Pods != nil {
		return e.Pods(ctx)
	}
	if e.Cluster == nil {
		return nil, kube.ErrNoCluster
	}
	var all []execution.Pod
	for _, namespace := range e.Config.ComputeNamespaces {
		pods, err := e.Cluster.Pods(ctx, namespace)
		if err != nil {
			return nil, err
		}
		for _, p := range pods {
			if !p.Gone() {
				all = append(all, execution.Pod{Name: p.Name, Namespace: p.Namespace, Phase: p.Phase, Labels: p.Labels, Claims: p.Claims})
			}
		}
	}
	return all, nil
}

// teller returns what writes Events on the Job of this pod. They are for people: one that cannot be written is a warning,
// and costs a run no more than a few seconds.
func (e *Env) teller(mode string) func(reason, message string, warning bool) {
	job := kube.Job{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("JOB_NAME"), UID: os.Getenv("JOB_UID")}
	if e.Cluster == nil || job.Namespace == "" || job.Name == "" {
		return func(string, string, bool) {}
	}
	return func(reason, message string, warning bool) {
		// Not under the mode's context: a run that was stopped says so.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := e.Cluster.Event(ctx, job, reason, message, warning); err != nil {
			e.Log.Warn("the Job has no Event of this", "mode", mode, "reason", reason, "error", err)
		}
	}
}

// eventReason is the reason of the Event that a mode ends with. People filter by it.
func eventReason(code int) string {
	switch code {
	case 0:
		return "Done"
	case 3:
		return "Partial"
	case 4:
		return "Refused"
	case 5:
		return "NotFound"
	case 6:
		return "AccessDenied"
	case 7:
		return "Findings"
	case 74, 75:
		return "Interrupted"
	}
	return "Failed"
}
