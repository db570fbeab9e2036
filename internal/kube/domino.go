package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// DominoResource returns the Domino resource of a namespace as JSON, all of it: its spec.config is what Domino was
// installed with (docs-facts.md §4.1: custom resource `Domino` in namespace domino-operator). It may hold keys and
// passwords, so that it must not be logged.
//
// The group and version of the resource are documented nowhere; they are found by its kind. A cluster that knows no such
// kind, and a namespace that holds none, are [ErrNotFound]; more than one is an error.
func (c *Client) DominoResource(ctx context.Context, namespace string) ([]byte, error) {
	gvr, err := c.findKind("Domino")
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	list, err := client.Resource(gvr).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, &Error{"list", gvr.GroupResource().String(), namespace, err}
	}
	switch len(list.Items) {
	case 0:
		return nil, &Error{"list", gvr.GroupResource().String(), namespace, apierrors.NewNotFound(gvr.GroupResource(), "(any)")}
	case 1:
		return json.Marshal(list.Items[0].Object)
	}
	return nil, &Error{"list", gvr.GroupResource().String(), namespace, fmt.Errorf("there are %d, and which of them is meant is not known", len(list.Items))}
}

// findKind asks every group for a namespaced kind, in the version that the group prefers. A group whose server does not
// answer matters only if the kind is in no other: an aggregated API that is down is common, and none of Domino's.
func (c *Client) findKind(kind string) (schema.GroupVersionResource, error) {
	client, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	lists, err := client.ServerPreferredNamespacedResources()
	for _, l := range lists {
		gv, parseErr := schema.ParseGroupVersion(l.GroupVersion)
		if parseErr != nil {
			continue
		}
		for _, r := range l.APIResources {
			if r.Kind == kind {
				return gv.WithResource(r.Name), nil
			}
		}
	}
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("find the kind %s: %w", kind, err)
	}
	return schema.GroupVersionResource{}, fmt.Errorf("find the kind %s: the cluster does not know it: %w", kind, ErrNotFound)
}
