// Package kube looks at the cluster that Domino runs in: the pods of its executions, the resource that its installer
// keeps, and dmm's own Job, to which it writes Events. It changes nothing else.
//
// Nothing of the cluster is needed to run dmm. Whoever calls must be able to do without an answer: an [Error] tells
// apart what was denied, what is not there and what could not be reached, and none of them means "no pods".
package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/pager"
)

// What an [Error] may match by errors.Is. An error that matches none of them says that the cluster could not be asked.
var (
	ErrDenied   = errors.New("the service account may not do this")
	ErrNotFound = errors.New("not there")
	// ErrNoCluster: this process is in no cluster, and nothing names one.
	ErrNoCluster = errors.New("no cluster: neither a service account's token in a pod nor a kubeconfig")
)

// Error says what was asked of the cluster, where, and why that failed.
type Error struct {
	Op        string // list, get or create
	Resource  string // in the plural, as RBAC has it
	Namespace string
	Err       error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s in namespace %s: %v", e.Op, e.Resource, e.Namespace, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Is matches [ErrDenied] and [ErrNotFound] by what the API server said.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrDenied:
		return apierrors.IsForbidden(e.Err) || apierrors.IsUnauthorized(e.Err)
	case ErrNotFound:
		return apierrors.IsNotFound(e.Err)
	}
	return false
}

// Client asks one cluster. It is safe for concurrent use.
type Client struct {
	config *rest.Config
	core   *rest.RESTClient
}

// callTimeout bounds one call. A page of pods takes a second or two where there are many.
const callTimeout = 30 * time.Second

// InCluster connects as the service account of this pod, or returns [ErrNoCluster] if there is none. Nothing is called.
func InCluster(userAgent string) (*Client, error) {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoCluster // the latter: a pod that mounts no token
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of this pod: %w", err)
	}
	return New(config, userAgent)
}

// FromKubeconfig connects to the cluster that KUBECONFIG or ~/.kube/config names, or returns [ErrNoCluster] if neither is
// there. Nothing is called.
func FromKubeconfig(userAgent string) (*Client, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, ErrNoCluster
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return New(config, userAgent)
}

// New connects as a configuration says. Nothing is called.
func New(config *rest.Config, userAgent string) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = userAgent
	config.Timeout = callTimeout
	// The whole of client-go's clientset knows every kind that Kubernetes has; two are all that is needed.
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	core := rest.CopyConfig(config)
	core.APIPath = "/api"
	core.GroupVersion = &corev1.SchemeGroupVersion
	core.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	core.ContentType = runtime.ContentTypeProtobuf
	core.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := rest.RESTClientFor(core)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &Client{config: config, core: client}, nil
}

// Host is the API server's URL, for people.
func (c *Client) Host() string { return c.config.Host }

// Pod is a pod of an execution, as far as dmm cares.
type Pod struct {
	Name      string
	Namespace string
	Labels    map[string]string
	Phase     string // Pending, Running, Succeeded, Failed or Unknown
	Ready     bool   // all its containers are
	Deleting  bool   // it was told to end
	Created   time.Time
	Claims    []string // names of the PersistentVolumeClaims that it mounts, sorted, each once
}

// Gone reports whether the pod runs no more, or is about to.
func (p Pod) Gone() bool {
	return p.Deleting || p.Phase == string(corev1.PodSucceeded) || p.Phase == string(corev1.PodFailed)
}

// pageSize keeps one answer small where there are thousands of pods.
const pageSize = 500

// Pods lists the pods of a namespace, sorted by name. A namespace that does not exist is [ErrNotFound], although the API
// server lists no pods in it: a name that is mistyped must not look like a Domino without executions.
func (c *Client) Pods(ctx context.Context, namespace string) ([]Pod, error) {
	p := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		list := new(corev1.PodList)
		err := c.core.Get().Namespace(namespace).Resource("pods").VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Into(list)
		return list, err
	})
	p.PageSize = pageSize
	all, _, err := p.ListWithAlloc(ctx, metav1.ListOptions{}) // begins again in one piece if its pages expire
	if err != nil {
		return nil, &Error{"list", "pods", namespace, err}
	}
	var pods []Pod
	if err := meta.EachListItem(all, func(o runtime.Object) error {
		pods = append(pods, podOf(o.(*corev1.Pod)))
		return nil
	}); err != nil {
		return nil, &Error{"list", "pods", namespace, err}
	}
	if len(pods) == 0 {
		// A Role in the namespace is enough for this: the request counts as one within it.
		if err := c.core.Get().Resource("namespaces").Name(namespace).Do(ctx).Error(); err != nil {
			return nil, &Error{"get", "namespaces", namespace, err}
		}
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}

func podOf(p *corev1.Pod) Pod {
	pod := Pod{
		Name: p.Name, Namespace: p.Namespace, Labels: p.Labels, Phase: string(p.Status.Phase),
		Deleting: p.DeletionTimestamp != nil, Created: p.CreationTimestamp.Time,
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			pod.Ready = c.Status == corev1.ConditionTrue
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			pod.Claims = append(pod.Claims, v.PersistentVolumeClaim.ClaimName)
		}
	}
	slices.Sort(pod.Claims)
	pod.Claims = slices.Compact(pod.Claims)
	return pod
}

// Job is dmm's own Job, by what its pod knows of itself. The zero value is a process that belongs to none.
type Job struct {
	Namespace string
	Name      string
	UID       string
}

// Event writes an Event of type v1 Event on a Job: reason is one word in CamelCase, message a sentence without secrets,
// of which 1024 bytes are kept. A warning stands out in what kubectl shows.
func (c *Client) Event(ctx context.Context, on Job, reason, message string, warning bool) error {
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	const most = 1024 // the API server refuses longer ones
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most-3], "") + "..."
	}
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: on.Name + ".", Namespace: on.Namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "batch/v1", Kind: "Job", Namespace: on.Namespace, Name: on.Name, UID: types.UID(on.UID),
		},
		Reason: reason, Message: message, Type: kind, Count: 1,
		FirstTimestamp: now, LastTimestamp: now,
		Source:              corev1.EventSource{Component: "dmm"},
		ReportingController: "dmm",
	}
	err := c.core.Post().Namespace(on.Namespace).Resource("events").Body(event).Do(ctx).Error()
	if err != nil {
		return &Error{"create", "events", on.Namespace, err}
	}
	return nil
}
