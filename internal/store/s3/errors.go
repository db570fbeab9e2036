package s3

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// status is the HTTP status of an answer, 0 if there was none.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
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

// readError is explain for a GET of an object, the one call whose NoSuchKey says that the object is absent
// from a bucket that answered. A 404 in other words may come from a proxy or be the bucket's.
func (b *bucket) readError(err error) error {
	if code(err) == "NoSuchKey" {
		return store.ErrNotFound
	}
	return b.explain(err)
}

// explain says in our words what the administrator has to look at, keeping the SDK's error beneath.
func (b *bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Errorf("the bucket %q does not exist%s: %w", b.Bucket, b.where(), err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return b.wrongRegion(err)
	case "RequestTimeTooSkewed", "InvalidObjectState": // 403, but not about rights
		return err
	}
	switch status(err) {
	case http.StatusMovedPermanently:
		return b.wrongRegion(err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: bucket %q%s: %w", store.ErrDenied, b.Bucket, b.where(), err)
	}
	return err
}

func (b *bucket) wrongRegion(err error) error {
	asked := b.client.Options().Region
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if is := answer.Response.Header.Get("X-Amz-Bucket-Region"); is != "" && is != asked {
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

// hopeless is what the SDK would retry though it stays as it is.
func hopeless(err error) aws.Ternary {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// mayBeDone tells whether a failed write may have been carried out, or may be yet.
func mayBeDone(err error) bool {
	if s := status(err); s != 0 {
		return s >= 500 || s == http.StatusRequestTimeout
	}
	var op *net.OpError
	var name *net.DNSError
	notSent := (errors.As(err, &op) && op.Op == "dial") || errors.As(err, &name)
	return !notSent
}
