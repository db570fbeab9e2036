// Package s3 is a store in an S3 bucket, of AWS or of a server that speaks its protocol.
//
// Creates are conditional puts (If-None-Match: *), overwrites plain ones; nothing is written in parts.
// Credentials come from the SDK's default chain and from nowhere else: without any, every call fails;
// none is ever sent unsigned. Only objects are touched, never a bucket's settings: s3:GetObject,
// s3:PutObject, s3:DeleteObject and s3:ListBucket are all the rights it needs.
package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// Options say where the bucket is. What they leave out is taken from the SDK's environment variables
// and files (AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE and so on).
type Options struct {
	Bucket    string         // required
	Prefix    string         // what the keys of this store begin with in the bucket; slashes around it do not count
	Endpoint  string         // URL of a server other than AWS
	Region    string         // "" with an endpoint: us-east-1, which such servers take for any
	PathStyle string         // "auto" or "": with an endpoint; "true"; "false"
	KMSKeyID  string         // encrypt by this key (SSE-KMS) instead of the bucket's default
	RootCAs   *x509.CertPool // all the roots to trust; nil: the system's
}

type bucket struct {
	Options
	client    *s3.Client
	login     *sts.Client // tells who we are
	retryable retry.IsErrorRetryables
	detour    atomic.Pointer[func(*s3.Options)] // where a 307 sent us
}

// Open prepares the store; it asks the bucket nothing.
func Open(ctx context.Context, o Options) (store.Store, error) {
	s, err := open(ctx, o, remote.Usual)
	if err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, o Options, p remote.Patience) (store.Store, error) {
	b, err := newBucket(ctx, o, p)
	if err != nil {
		return nil, err
	}
	return remote.New(b, o.Prefix, p), nil
}

func newBucket(ctx context.Context, o Options, p remote.Patience) (*bucket, error) {
	if o.Bucket == "" {
		return nil, errors.New("the name of the bucket is empty")
	}
	if o.Endpoint != "" {
		if err := remote.CheckEndpoint(o.Endpoint); err != nil {
			return nil, err
		}
	}
	if !slices.Contains([]string{"", "auto", "true", "false"}, o.PathStyle) {
		return nil, fmt.Errorf("path style %q is none of auto, true, false", o.PathStyle)
	}

	client := awshttp.NewBuildableClient()
	if o.RootCAs != nil {
		client = client.WithTransportOptions(func(t *http.Transport) {
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			t.TLSClientConfig.RootCAs = o.RootCAs.Clone() // AWS_CA_BUNDLE is added to it
		})
	}
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil || aws.IsCredentialsProvider(cfg.Credentials, (*aws.AnonymousCredentials)(nil)) {
		return nil, errors.New("find AWS credentials: the default chain has none")
	}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok { // now with AWS_CA_BUNDLE
		client = built
	}

	b := &bucket{Options: o}
	b.retryable = append(retry.IsErrorRetryables{
		retry.RetryableErrorCode{Codes: map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}}},
	}, retry.DefaultRetryables...)
	b.client = s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		custom := so.BaseEndpoint != nil // also by AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3
		if custom {
			// Other servers, and older ones of the same make, refuse the checksum headers and trailers
			// that the SDK adds of its own accord. The signature covers the body all the same.
			so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
			if so.Region == "" {
				so.Region = "us-east-1"
			}
		}
		so.UsePathStyle = o.PathStyle == "true" || (o.PathStyle != "false" && custom)
		so.DisableLogOutputChecksumValidationSkipped = true
		so.Retryer = aws.NopRetryer{} // package remote knows better
		// The SDK's client follows redirects, to another host without the signature: it would ask as nobody.
		so.HTTPClient = p.Over(client.GetTransport()).(s3.HTTPClient)
		so.Credentials = credentials{so.Credentials}
	})
	used := b.client.Options()
	if used.Region == "" {
		return nil, errors.New("the region of the bucket is not known: set DMM_S3_REGION or AWS_REGION")
	}
	b.login = sts.NewFromConfig(cfg, func(so *sts.Options) {
		so.Credentials, so.HTTPClient, so.Retryer = used.Credentials, used.HTTPClient, aws.NopRetryer{}
	})
	return b, nil
}

// credentials gives a failure to find any its name: the SDK calls it an error of "identity".
type credentials struct{ aws.CredentialsProvider }

func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err == nil && (found.AccessKeyID == "" || found.SecretAccessKey == "") {
		err = errors.New("the default chain gave an empty key")
	}
	if err != nil {
		return found, &remote.CredentialError{Of: "AWS", Err: err}
	}
	return found, nil
}

// at sends a call where the last 307 said.
func (b *bucket) at(o *s3.Options) {
	if detour := b.detour.Load(); detour != nil {
		(*detour)(o)
	}
}

// follow heeds a 307: a bucket that was made or moved lately answers so for hours, until its name leads to its
// region by itself. The next call is signed anew, for that host and region. It is false for a redirect that makes
// no sense or would leave TLS.
func (b *bucket) follow(err error) bool {
	a := answer(err)
	if a == nil {
		return false
	}
	to, parseErr := url.Parse(a.Header.Get("Location"))
	if parseErr != nil || to.Host == "" || a.Request == nil || (to.Scheme != "https" && to.Scheme != a.Request.URL.Scheme) {
		return false
	}
	region := a.Header.Get("X-Amz-Bucket-Region")
	host := strings.TrimPrefix(to.Host, b.Bucket+".") // the SDK puts it there again
	detour := func(o *s3.Options) {
		o.BaseEndpoint = aws.String(to.Scheme + "://" + host)
		if region != "" {
			o.Region = region
		}
	}
	b.detour.Store(&detour)
	return true
}

// Get opens an object. NoSuchKey is the one word for an absent one in a bucket that answered: a 404 in other
// words may come from a proxy or be the bucket's.
func (b *bucket) Get(ctx context.Context, path string, from int64, tag string) (io.ReadCloser, remote.Object, error) {
	in := &s3.GetObjectInput{Bucket: &b.Bucket, Key: &path}
	if from > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
	}
	if tag != "" {
		in.IfMatch = &tag
	}
	out, err := b.client.GetObject(ctx, in, b.at)
	switch {
	case code(err) == "NoSuchKey":
		return nil, remote.Object{}, store.ErrNotFound
	case tag != "" && status(err) == http.StatusPreconditionFailed:
		return nil, remote.Object{}, remote.ErrChanged
	case err != nil:
		return nil, remote.Object{}, err
	}
	if from > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", from)) {
		_ = out.Body.Close() // nothing of it is used
		return nil, remote.Object{}, remote.ErrOtherPart
	}
	return out.Body, known(out.ContentLength, out.LastModified, out.ETag), nil
}

func known(size *int64, modified *time.Time, tag *string) remote.Object {
	o := remote.Object{Size: -1, Modified: aws.ToTime(modified), Tag: aws.ToString(tag)}
	if size != nil {
		o.Size = *size
	}
	return o
}

// Stat tells an object's size and time. An answer to HEAD has no body: 404 is a missing key or a missing
// bucket, 403 no rights or a wrong clock. A GET tells.
func (b *bucket) Stat(ctx context.Context, path string) (remote.Object, error) {
	for again := false; ; again = true {
		out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Bucket, Key: &path}, b.at)
		if err == nil {
			return known(out.ContentLength, out.LastModified, out.ETag), nil
		}
		if s := status(err); again || s < 400 || s >= 500 {
			return remote.Object{}, err
		}
		get, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Bucket, Key: &path, Range: aws.String("bytes=0-0")}, b.at)
		switch {
		case err == nil: // it came into being in between
			_ = get.Body.Close() // nothing of it is used
		case status(err) == http.StatusRequestedRangeNotSatisfiable: // likewise, and is empty
		case code(err) == "NoSuchKey":
			return remote.Object{}, store.ErrNotFound
		default:
			return remote.Object{}, err
		}
	}
}

// Put writes an object in one request.
func (b *bucket) Put(ctx context.Context, path string, body []byte, ifAbsent bool) error {
	in := &s3.PutObjectInput{Bucket: &b.Bucket, Key: &path, Body: bytes.NewReader(body)}
	if b.KMSKeyID != "" {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		in.SSEKMSKeyId = &b.KMSKeyID
	}
	if ifAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := b.client.PutObject(ctx, in, b.at)
	if ifAbsent && status(err) == http.StatusPreconditionFailed {
		return store.ErrExists
	}
	return err
}

// List gives up to a thousand objects.
func (b *bucket) List(ctx context.Context, prefix, token string) (remote.Page, error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.Bucket, Prefix: &prefix}
	if token != "" {
		in.ContinuationToken = &token
	}
	out, err := b.client.ListObjectsV2(ctx, in, b.at)
	if err != nil {
		return remote.Page{}, err
	}
	page := remote.Page{More: aws.ToBool(out.IsTruncated), Next: aws.ToString(out.NextContinuationToken)}
	for _, o := range out.Contents {
		page.Objects = append(page.Objects, store.Info{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
	}
	return page, nil
}

// Delete removes an object.
func (b *bucket) Delete(ctx context.Context, path string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Bucket, Key: &path}, b.at)
	if code(err) == "NoSuchKey" { // AWS says 204, others do not
		return store.ErrNotFound
	}
	return err
}
