package azure

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// answerError is an answer of the service on one line: the SDK prints all of it.
type answerError struct {
	*azcore.ResponseError
	text string
}

func (e *answerError) Error() string { return e.text }

func (e *answerError) Unwrap() error { return e.ResponseError }

func describe(answer *azcore.ResponseError) error {
	var said struct{ Message, AuthenticationErrorDetail string }
	if answer.RawResponse != nil {
		if body, err := runtime.Payload(answer.RawResponse); err == nil {
			_ = xml.Unmarshal(body, &said) // a proxy answers in other ways
		}
	}
	return remote.Brief(&answerError{answer, fmt.Sprintf("HTTP %d %s %s %s", answer.StatusCode, answer.ErrorCode, said.Message, said.AuthenticationErrorDetail)})
}

// Judge tells what an error means.
func (c *bucket) Judge(err error) remote.Verdict {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return remote.Verdict{Err: c.withoutAnswer(err), Again: remote.MayPass(0, err), Landed: remote.MayHaveLanded(0, err)}
	}
	return remote.Verdict{
		Err:    c.explain(answer),
		Again:  remote.MayPass(answer.StatusCode, err) || bloberror.HasCode(err, bloberror.ContainerBeingDeleted),
		Landed: remote.MayHaveLanded(answer.StatusCode, err),
	}
}

// withoutAnswer marks the credentials that the login service refused.
func (c *bucket) withoutAnswer(err error) error {
	var login *azidentity.AuthenticationFailedError
	if errors.As(err, &login) && login.RawResponse != nil && login.RawResponse.StatusCode >= 400 && login.RawResponse.StatusCode < 500 {
		return fmt.Errorf("%w: %w", store.ErrDenied, err)
	}
	return err
}

// tooFar is the difference of clocks at which the service refuses a signature.
const tooFar = 15 * time.Minute

// explain says in our words what the administrator has to look at, keeping the SDK's error beneath.
func (c *bucket) explain(answer *azcore.ResponseError) error {
	err := describe(answer)
	where := fmt.Sprintf("container %q at %s", c.Container, c.place)
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted:
		return fmt.Errorf("the %s does not exist: %w", where, err)
	case bloberror.BlobImmutableDueToPolicy:
		return fmt.Errorf("an immutability policy on the %s forbids it: %w", where, err)
	case bloberror.AuthenticationFailed:
		if answer.RawResponse == nil {
			break
		}
		if there, parseErr := http.ParseTime(answer.RawResponse.Header.Get("Date")); parseErr == nil && time.Since(there).Abs() > tooFar {
			return fmt.Errorf("the clocks of this machine and of the %s are %v apart: %w", where, time.Since(there).Abs().Round(time.Second), err)
		}
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %s: %w", store.ErrDenied, where, err)
	}
	return err
}
