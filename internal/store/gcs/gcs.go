// Package gcs is a store in a bucket of Google Cloud Storage, over its JSON API.
//
// Creates are conditional inserts (ifGenerationMatch=0), overwrites plain ones; nothing is written in parts, and
// each write carries a checksum that the service compares. Credentials come from the SDK's default chain (a key
// file, workload identity, the metadata server) and from nowhere else: without any, the store does not open.
// Only objects are touched, never the bucket's settings.
package gcs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// Options say where the bucket is.
type Options struct {
	Bucket   string         // required
	Prefix   string         // what the keys of this store begin with in the bucket; slashes around it do not count
	Endpoint string         // URL of a server other than Google's, or of a private endpoint; without a path
	RootCAs  *x509.CertPool // all the roots to trust; nil: the system's
}

type bucket struct {
	Options
	client      *storage.Client
	objects     *storage.BucketHandle
	credentials *auth.Credentials
}

// Open prepares the store; it asks the bucket nothing.
func Open(ctx context.Context, o Options) (store.Store, error) {
	s, err := open(ctx, o, remote.Usual)
	if err != nil {
		return nil, fmt.Errorf("open GCS store: %w", err)
	}
	return s, nil
}

const (
	emulatorVariable = "STORAGE_EMULATOR_HOST"
	apiPath          = "/storage/v1"
	pageSize         = 1000
	// scope is the least that reads, writes and deletes objects.
	scope = "https://www.googleapis.com/auth/devstorage.read_write"
)

func open(ctx context.Context, o Options, p remote.Patience) (store.Store, error) {
	if o.Bucket == "" {
		return nil, errors.New("the name of the bucket is empty")
	}
	if os.Getenv(emulatorVariable) != "" {
		// The SDK would go there, and leave the credentials at home.
		return nil, fmt.Errorf("%s is set, and would make every request anonymous: unset it, and set DMM_GCS_ENDPOINT if that server is meant", emulatorVariable)
	}
	o.Endpoint = strings.TrimSuffix(strings.TrimSuffix(o.Endpoint, "/"), apiPath)
	if o.Endpoint != "" {
		if err := remote.CheckEndpoint(o.Endpoint); err != nil {
			return nil, err
		}
	}
	found, err := credentials.DetectDefault(&credentials.DetectOptions{
		Scopes: []string{scope},
		Client: &http.Client{Transport: p.Over(remote.Transport(o.RootCAs))},
	})
	if err != nil {
		return nil, &remote.CredentialError{Of: "Google", Err: err}
	}
	b := &bucket{Options: o, credentials: found}
	client := &http.Client{Transport: onceOnly{p.Over(remote.Transport(o.RootCAs))}}
	named := auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: provider{found}})
	if err := httptransport.AddAuthorizationMiddleware(client, named); err != nil {
		return nil, err
	}
	options := []option.ClientOption{option.WithHTTPClient(client), option.WithAuthCredentials(named), storage.WithJSONReads()}
	if o.Endpoint != "" {
		options = append(options, option.WithEndpoint(o.Endpoint+apiPath+"/"))
	}
	if b.client, err = storage.NewClient(ctx, options...); err != nil {
		return nil, err
	}
	b.client.SetRetry(storage.WithPolicy(storage.RetryNever)) // package remote knows better
	b.objects = b.client.Bucket(o.Bucket)
	return remote.New(b, o.Prefix, p), nil
}

// provider gives a failure to get a token its name.
type provider struct{ *auth.Credentials }

func (p provider) Token(ctx context.Context) (*auth.Token, error) {
	token, err := p.Credentials.Token(ctx)
	if err != nil {
		return nil, &remote.CredentialError{Of: "Google", Err: err}
	}
	if token.Value == "" {
		return nil, &remote.CredentialError{Of: "Google", Err: errors.New("the default chain gave an empty token")}
	}
	return token, nil
}

// attempt is the one request of a Get. The SDK's reader opens a body that broke off again by itself, without a
// pause and without end if each breaks at once. Here the second request gets the first one's error instead, and
// package remote goes on in its own time.
type attempt struct {
	sent  bool
	broke error
}

type attemptKey struct{}

type onceOnly struct{ http.RoundTripper }

func (o onceOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return o.RoundTripper.RoundTrip(r)
	}
	if a.sent {
		return nil, a.broke
	}
	a.sent, a.broke = true, io.ErrUnexpectedEOF
	resp, err := o.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &watchedBody{resp.Body, a}
	}
	return resp, err
}

type watchedBody struct {
	io.ReadCloser
	attempt *attempt
}

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.attempt.broke = err
	}
	return n, err
}

// Get opens an object.
func (b *bucket) Get(ctx context.Context, path string, from int64, tag string) (io.ReadCloser, remote.Object, error) {
	object := b.objects.Object(path)
	if tag != "" {
		generation, err := strconv.ParseInt(tag, 10, 64)
		if err != nil {
			return nil, remote.Object{}, err
		}
		object = object.Generation(generation)
	}
	r, err := object.NewRangeReader(context.WithValue(ctx, attemptKey{}, &attempt{}), from, -1)
	switch {
	case tag != "" && errors.Is(err, storage.ErrObjectNotExist):
		return nil, remote.Object{}, remote.ErrChanged
	case err != nil:
		return nil, remote.Object{}, b.orAbsent(ctx, path, err)
	case r.Attrs.StartOffset != from:
		_ = r.Close() // nothing of it is used
		return nil, remote.Object{}, remote.ErrOtherPart
	}
	known := remote.Object{Size: r.Attrs.Size, Modified: r.Attrs.LastModified}
	if r.Attrs.Generation > 0 {
		known.Tag = strconv.FormatInt(r.Attrs.Generation, 10)
	}
	return r, known, nil
}

// orAbsent is store.ErrNotFound if err says so and the bucket answers. The service has the same words for an
// absent object and an absent bucket, and a proxy has its own; a listing, which dmm must be allowed anyway, tells.
func (b *bucket) orAbsent(ctx context.Context, path string, err error) error {
	if !errors.Is(err, storage.ErrObjectNotExist) {
		return err
	}
	var page []*storage.ObjectAttrs
	if _, err := iterator.NewPager(b.objects.Objects(ctx, query(path)), 1, "").NextPage(&page); err != nil {
		return err
	}
	return store.ErrNotFound
}

func query(prefix string) *storage.Query {
	q := &storage.Query{Prefix: prefix, Projection: storage.ProjectionNoACL}
	if err := q.SetAttrSelection([]string{"Name", "Size", "Updated"}); err != nil {
		panic(err) // names of ours, not of a caller
	}
	return q
}

// Stat tells an object's size and time.
func (b *bucket) Stat(ctx context.Context, path string) (remote.Object, error) {
	a, err := b.objects.Object(path).Attrs(ctx)
	if err != nil {
		return remote.Object{}, b.orAbsent(ctx, path, err)
	}
	return remote.Object{Size: a.Size, Modified: a.Updated}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put writes an object in one request.
func (b *bucket) Put(ctx context.Context, path string, body []byte, ifAbsent bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // after a failed write this, and not Close, is what ends the request: Close would complete it
	object := b.objects.Object(path)
	if ifAbsent {
		object = object.If(storage.Conditions{DoesNotExist: true})
	}
	w := object.NewWriter(ctx)
	w.ChunkSize = 0 // one request
	w.ContentType = "application/octet-stream"
	w.CRC32C, w.SendCRC32C = crc32.Checksum(body, castagnoli), true
	_, err := w.Write(body)
	if err == nil {
		err = w.Close()
	}
	if ifAbsent && status(err) == http.StatusPreconditionFailed {
		return store.ErrExists
	}
	return err
}

// List gives up to a thousand objects.
func (b *bucket) List(ctx context.Context, prefix, token string) (remote.Page, error) {
	var found []*storage.ObjectAttrs
	next, err := iterator.NewPager(b.objects.Objects(ctx, query(prefix)), pageSize, token).NextPage(&found)
	if err != nil {
		return remote.Page{}, err
	}
	page := remote.Page{More: next != "", Next: next}
	for _, a := range found {
		page.Objects = append(page.Objects, store.Info{Key: a.Name, Size: a.Size, Modified: a.Updated})
	}
	return page, nil
}

// Delete removes an object.
func (b *bucket) Delete(ctx context.Context, path string) error {
	if err := b.objects.Object(path).Delete(ctx); err != nil {
		return b.orAbsent(ctx, path, err)
	}
	return nil
}

// Right names the permission. An overwrite takes the right to delete too.
func (b *bucket) Right(op string) string {
	switch op {
	case "put":
		return "storage.objects.create and storage.objects.delete"
	case "create", "delete", "list":
		return "storage.objects." + op
	}
	return "storage.objects.get"
}
