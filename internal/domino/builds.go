package domino

import (
	"context"
	"encoding/json"
)

// Revision reads one revision (op getEnvironmentRevisionOverview), where the release has the route ([Dialect.ReadRevision]).
func (c *Client) Revision(ctx context.Context, environmentID, revisionID string) (Revision, error) {
	return one(ctx, c, newRequest("/v4/environments/{}/environmentRevision/{}", environmentID, revisionID), func(w revisionWire) (Revision, error) {
		if r := w.value(); r != nil {
			return *r, nil
		}
		return Revision{}, needID("")
	})
}

// CancelBuild ends the build of a revision, whose status becomes Killed (op killRevisionBuild; [Dialect.CancelBuild]).
func (c *Client) CancelBuild(ctx context.Context, environmentID, revisionID string) error {
	return c.post(ctx, newRequest("/v4/environments/{}/environmentRevision/{}/cancel", environmentID, revisionID))
}

// RebuildRevision queues the build of a revision again (op rebuildEnvironmentRevision; [Dialect.Rebuild]).
func (c *Client) RebuildRevision(ctx context.Context, revisionID string) error {
	body, err := json.Marshal(map[string]string{"revisionId": revisionID})
	if err != nil {
		return err
	}
	r := newRequest("/v4/environments/rebuildrevision")
	r.method, r.body, r.needed = "POST", body, []string{revisionID}
	_, err = c.write(ctx, r)
	return err
}
