package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// status is the HTTP status of an answer, 0 if there was none.
func status(err error) int {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// because tells whether an answer gives one of the reasons: a status stands for several things here.
func because(err error, reasons ...string) bool {
	var answer *googleapi.Error
	if !errors.As(err, &answer) {
		return false
	}
	var said struct {
		Error struct{ Errors []googleapi.ErrorItem }
	}
	_ = json.Unmarshal([]byte(answer.Body), &said) // after a download the SDK has not looked
	return slices.ContainsFunc(append(said.Error.Errors, answer.Errors...), func(e googleapi.ErrorItem) bool { return slices.Contains(reasons, e.Reason) })
}

// throttled is said with 403 too.
func throttled(err error) bool { return because(err, "rateLimitExceeded", "userRateLimitExceeded") }

// Judge tells what an error means.
func (b *bucket) Judge(err error) remote.Verdict {
	s := status(err)
	return remote.Verdict{Err: b.explain(err), Again: remote.MayPass(s, err) || throttled(err), Landed: remote.MayHaveLanded(s, err)}
}

// explain says in our words what the administrator has to look at, keeping the SDK's error beneath.
func (b *bucket) explain(err error) error {
	where := fmt.Sprintf("bucket %q", b.Bucket)
	if b.Endpoint != "" {
		where += " at " + b.Endpoint
	}
	var token *auth.Error
	if errors.As(err, &token) {
		if token.Response != nil && token.Response.StatusCode >= 400 && token.Response.StatusCode < 500 {
			return fmt.Errorf("%w: %w", store.ErrDenied, err)
		}
		return err
	}
	switch {
	case throttled(err):
	case because(err, "retentionPolicyNotMet", "objectUnderActiveHold"):
		return fmt.Errorf("a retention policy or a hold on the %s forbids it: %w", where, remote.Brief(err))
	case status(err) == http.StatusNotFound:
		return fmt.Errorf("the %s does not exist: %w", where, remote.Brief(err))
	case status(err) == http.StatusUnauthorized, status(err) == http.StatusForbidden:
		return fmt.Errorf("%w: %s: %w", store.ErrDenied, where, remote.Brief(err))
	}
	return remote.Brief(err)
}
