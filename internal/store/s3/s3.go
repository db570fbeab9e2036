// Package s3 is a store in an S3 bucket, of AWS or of a server that speaks its protocol.
//
// Creates are conditional puts (If-None-Match: *), overwrites plain ones; nothing is written in parts.
// Credentials come from the SDK's default chain and from nowhere else: without any, every call fails;
// none is ever sent unsigned. Only objects are touched, never a bucket's settings: s3:GetObject,
// s3:PutObject, s3:DeleteObject and s3:ListBucket are all the rights it needs.
//
// Calls are retried here, a create by its own rule (see create), the rest by the SDK's standard retryer.
package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"github.com/domino-maintenance-mode/dmm/internal/store"
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

// maxAttempts is how often a call is tried, and how often a body is continued without progress.
const maxAttempts = 5

type bucket struct {
	Options
	client  *s3.Client
	retryer aws.Retryer
}

// Open prepares the store; it asks the bucket nothing.
func Open(ctx context.Context, o Options) (store.Store, error) {
	b, err := open(ctx, o, timeouts{answer: 30 * time.Second, stall: 30 * time.Second}, 20*time.Second)
	if err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	return b, nil
}

func open(ctx context.Context, o Options, t timeouts, maxBackoff time.Duration) (*bucket, error) {
	if o.Bucket == "" {
		return nil, errors.New("the name of the bucket is empty")
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			return nil, errors.New("the endpoint must be a URL such as https://s3.example.com, without credentials in it")
		}
	}
	if !slices.Contains([]string{"", "auto", "true", "false"}, o.PathStyle) {
		return nil, fmt.Errorf("path style %q is none of auto, true, false", o.PathStyle)
	}
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
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

	b := &bucket{Options: o}
	b.retryer = retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = maxAttempts
		r.MaxBackoff = maxBackoff
		// The SDK's quota gives up early when many calls fail at once, which is when retrying matters.
		r.RateLimiter = ratelimit.None
		r.Retryables = append([]retry.IsErrorRetryable{
			retry.IsErrorRetryableFunc(hopeless),
			retry.RetryableErrorCode{Codes: map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}}},
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusRequestTimeout: {}, http.StatusTooManyRequests: {}}}, // of proxies
		}, r.Retryables...)
	})
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
		so.Retryer = b.retryer
		so.HTTPClient = &patientClient{HTTPClient: so.HTTPClient, timeouts: t}
		so.Credentials = credentials{so.Credentials}
	})
	if b.client.Options().Region == "" {
		return nil, errors.New("the region of the bucket is not known: set DMM_S3_REGION or AWS_REGION")
	}
	return b, nil
}

// credentials gives a failure to find any its name: the SDK calls it an error of "identity".
type credentials struct{ aws.CredentialsProvider }

func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	found, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return found, fmt.Errorf("find AWS credentials: %w", err)
	}
	if found.AccessKeyID == "" || found.SecretAccessKey == "" {
		return found, errors.New("find AWS credentials: the default chain gave an empty key")
	}
	return found, nil
}

func (b *bucket) path(key string) *string { return aws.String(b.Prefix + store.EscapeKey(key)) }

// Get opens an object. A body that breaks off is continued where it broke off, if the object is still
// the same one.
func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	r, info, err := b.get(ctx, key)
	if err != nil {
		return nil, store.Info{}, &store.Error{Op: "get", Key: key, Err: err}
	}
	return r, info, nil
}

func (b *bucket) get(ctx context.Context, key string) (*reader, store.Info, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, store.Info{}, err
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Bucket, Key: b.path(key)})
	if err != nil {
		return nil, store.Info{}, b.readError(err)
	}
	if out.ContentLength == nil || *out.ContentLength < 0 {
		_ = out.Body.Close() // nothing of it is used
		return nil, store.Info{}, errors.New("the answer does not tell the size of the object")
	}
	info := store.Info{Key: key, Size: *out.ContentLength, Modified: aws.ToTime(out.LastModified).UTC()}
	return &reader{ctx: ctx, bucket: b, path: b.path(key), etag: out.ETag, size: info.Size, body: out.Body}, info, nil
}

// Stat tells an object's size and time.
func (b *bucket) Stat(ctx context.Context, key string) (store.Info, error) {
	info, err := b.stat(ctx, key)
	if err != nil {
		return store.Info{}, &store.Error{Op: "stat", Key: key, Err: err}
	}
	return info, nil
}

func (b *bucket) stat(ctx context.Context, key string) (store.Info, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Info{}, err
	}
	for again := false; ; again = true {
		out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Bucket, Key: b.path(key)})
		if err == nil {
			if out.ContentLength == nil || *out.ContentLength < 0 {
				return store.Info{}, errors.New("the answer does not tell the size of the object")
			}
			return store.Info{Key: key, Size: *out.ContentLength, Modified: aws.ToTime(out.LastModified).UTC()}, nil
		}
		// An answer to HEAD has no body: 404 is a missing key or a missing bucket, 403 no rights or a wrong
		// clock. A GET tells.
		if s := status(err); again || s < 300 || s >= 500 {
			return store.Info{}, b.explain(err)
		}
		get, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Bucket, Key: b.path(key), Range: aws.String("bytes=0-0")})
		switch {
		case err == nil: // it came into being in between
			_ = get.Body.Close() // nothing of it is used
		case status(err) == http.StatusRequestedRangeNotSatisfiable: // likewise, and is empty
		default:
			return store.Info{}, b.readError(err)
		}
	}
}

// Put writes an object in one request.
func (b *bucket) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	op, put := "put", b.put
	if o.IfAbsent {
		op, put = "create", b.create
	}
	err := store.CheckKey(key)
	if err == nil {
		err = put(ctx, key, body)
	}
	if err != nil {
		return &store.Error{Op: op, Key: key, Err: err}
	}
	return nil
}

func (b *bucket) object(key string, body []byte) *s3.PutObjectInput {
	in := &s3.PutObjectInput{Bucket: &b.Bucket, Key: b.path(key), Body: bytes.NewReader(body)}
	if b.KMSKeyID != "" {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		in.SSEKMSKeyId = &b.KMSKeyID
	}
	return in
}

func (b *bucket) put(ctx context.Context, key string, body []byte) error {
	if _, err := b.client.PutObject(ctx, b.object(key, body)); err != nil {
		return b.explain(err)
	}
	return nil
}

// create writes an object if its key is absent.
//
// The SDK's retryer is off for it, since it hides what decides: a 412 in answer to our first try says that
// somebody else has the key. After a try whose answer was lost, it may be our own object that is in the
// way, and only then the bytes are compared. A 409 (another write of the key was under way) and a 429 say
// that nothing was written, so they leave nothing in doubt.
func (b *bucket) create(ctx context.Context, key string, body []byte) error {
	inDoubt := false
	for attempt := 1; ; attempt++ {
		in := b.object(key, body)
		in.IfNoneMatch = aws.String("*")
		_, err := b.client.PutObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case status(err) == http.StatusPreconditionFailed && !inDoubt:
			return store.ErrExists
		case status(err) == http.StatusPreconditionFailed:
			switch ours, readErr := b.holds(ctx, key, body); {
			case ours:
				return nil
			case readErr == nil:
				return store.ErrExists
			case !errors.Is(readErr, store.ErrNotFound):
				return fmt.Errorf("look whether the object is ours, after an answer was lost: %w", readErr)
			}
			// Deleted in between: create it again.
		case !b.retryer.IsErrorRetryable(err):
			return b.explain(err)
		default:
			inDoubt = inDoubt || mayBeDone(err)
		}
		if attempt == maxAttempts {
			return fmt.Errorf("gave up after %d tries: %w", attempt, b.explain(err))
		}
		if err := b.pause(ctx, attempt, err); err != nil {
			return err
		}
	}
}

// holds tells whether an object has the given body.
func (b *bucket) holds(ctx context.Context, key string, body []byte) (bool, error) {
	r, info, err := b.get(ctx, key)
	if err != nil {
		return false, err
	}
	defer r.Close()
	if info.Size != int64(len(body)) {
		return false, nil
	}
	there, err := io.ReadAll(r)
	return err == nil && bytes.Equal(there, body), err
}

// pause waits before another try.
func (b *bucket) pause(ctx context.Context, attempt int, cause error) error {
	delay, err := b.retryer.RetryDelay(attempt, cause)
	if err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// List yields the objects, a request for each thousand.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for info, err := range store.FromPaths(b.paths(ctx, store.EscapePrefix(prefix)), prefix) {
			if err != nil {
				err = &store.Error{Op: "list", Key: prefix, Err: err}
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (b *bucket) paths(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.Bucket, Prefix: aws.String(b.Prefix + prefix)}
		for {
			page, err := b.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(store.Info{}, b.explain(err))
				return
			}
			for _, o := range page.Contents {
				i := store.Info{
					Key:      strings.TrimPrefix(aws.ToString(o.Key), b.Prefix),
					Size:     aws.ToInt64(o.Size),
					Modified: aws.ToTime(o.LastModified).UTC(),
				}
				if !yield(i, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			// The SDK's paginator would take a missing token for the end.
			next := aws.ToString(page.NextContinuationToken)
			if next == "" || next == aws.ToString(in.ContinuationToken) {
				yield(store.Info{}, errors.New("the listing is cut short, and does not say where it goes on"))
				return
			}
			in.ContinuationToken = &next
		}
	}
}

// Delete removes an object.
func (b *bucket) Delete(ctx context.Context, key string) error {
	err := store.CheckKey(key)
	if err == nil {
		_, err = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Bucket, Key: b.path(key)})
		if code(err) == "NoSuchKey" { // AWS says 204, others do not
			return nil
		}
		err = b.explain(err)
	}
	if err != nil {
		return &store.Error{Op: "delete", Key: key, Err: err}
	}
	return nil
}
