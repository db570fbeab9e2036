package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// answer is the HTTP answer beneath an error, nil if there was none. The SDK has read and closed its body.
func answer(err error) *smithyhttp.Response {
	var a *smithyhttp.ResponseError
	if errors.As(err, &a) && a.Response != nil && a.Response.Response != nil {
		return a.Response
	}
	return nil
}

// status is the HTTP status of an answer, 0 if there was none.
func status(err error) int {
	if a := answer(err); a != nil {
		return a.StatusCode
	}
	return 0
}

// code is S3's own word for an error, "" if there is none. Answers without a body get one from the SDK,
// made of the HTTP status.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Judge tells what an error means. The SDK's own list of what may pass has codes of S3 that come with any status.
func (b *bucket) Judge(err error) remote.Verdict {
	s := status(err)
	v := remote.Verdict{Err: b.explain(err), Again: remote.MayPass(s, err), Landed: remote.MayHaveLanded(s, err)}
	if known := b.retryable.IsErrorRetryable(err) == aws.TrueTernary; s != 0 {
		v.Again = v.Again || known
	} else {
		v.Again = v.Again && known
	}
	if s == http.StatusTemporaryRedirect {
		v.Again = b.follow(err)
	}
	return v
}

// explain says in our words what the administrator has to look at, keeping the SDK's error beneath.
func (b *bucket) explain(err error) error {
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Errorf("the bucket %q does not exist%s: %w", b.Bucket, b.where(), err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return b.wrongRegion(err)
	case "RequestTimeTooSkewed", "InvalidObjectState": // 403, but not about rights
		return err
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired": // 400, but about credentials
		return b.denied(err)
	}
	switch status(err) {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return b.wrongRegion(err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return b.denied(err)
	}
	return err
}

func (b *bucket) denied(err error) error {
	return fmt.Errorf("%w: bucket %q%s: %w", store.ErrDenied, b.Bucket, b.where(), err)
}

func (b *bucket) wrongRegion(err error) error {
	asked := b.client.Options().Region
	if a := answer(err); a != nil {
		if is := a.Header.Get("X-Amz-Bucket-Region"); is != "" && is != asked {
			return fmt.Errorf("the bucket %q is in region %s, not in %s (set DMM_S3_REGION): %w", b.Bucket, is, asked, err)
		}
	}
	return fmt.Errorf("the bucket %q is not to be reached%s in region %s: %w", b.Bucket, b.where(), asked, err)
}

func (b *bucket) where() string {
	if e := b.client.Options().BaseEndpoint; e != nil {
		return " at " + *e
	}
	return ""
}
