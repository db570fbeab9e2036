// Package azure is a store in a container of Azure Blob Storage.
//
// Creates are conditional puts (If-None-Match: *), overwrites plain ones, each a single Put Blob; nothing is
// written in blocks. Credentials are, in this order: AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY,
// AZURE_STORAGE_SAS_TOKEN, the key in Options, and the SDK's default chain (a client secret, workload identity,
// managed identity, az login). Without any, every call fails; none is ever sent without. Only blobs are touched,
// never the container's settings.
package azure

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
)

// Options say where the container is.
type Options struct {
	Container string // required
	Prefix    string // what the keys of this store begin with in the container; slashes around it do not count
	Account   string // storage account; "": AZURE_STORAGE_ACCOUNT, or the connection string's
	// Endpoint is "" for the public cloud, the suffix of another one ("core.usgovcloudapi.net"), or the URL of the
	// account's blob service, such as https://account.blob.core.windows.net.
	Endpoint string
	Key      string         // the account's key, if the surroundings have no credentials of their own
	RootCAs  *x509.CertPool // all the roots to trust; nil: the system's
}

type bucket struct {
	Options
	client *container.Client
	place  string // the service's URL without what may be secret in it
	who    func(context.Context) (string, error)
}

// Open prepares the store; it asks the container nothing.
func Open(o Options) (store.Store, error) {
	s, err := open(o, remote.Usual)
	if err != nil {
		return nil, fmt.Errorf("open Azure store: %w", err)
	}
	return s, nil
}

func open(o Options, p remote.Patience) (store.Store, error) {
	if o.Container == "" {
		return nil, errors.New("the name of the container is empty")
	}
	b := &bucket{Options: o}
	if err := b.connect(p); err != nil {
		return nil, err
	}
	return remote.New(b, o.Prefix, p), nil
}

// The SDKs' variables for credentials, and what they are for people.
const (
	connectionVariable = "AZURE_STORAGE_CONNECTION_STRING"
	accountVariable    = "AZURE_STORAGE_ACCOUNT"
	keyVariable        = "AZURE_STORAGE_KEY"
	sasVariable        = "AZURE_STORAGE_SAS_TOKEN"
)

// connect makes the client with the first credentials there are.
func (c *bucket) connect(p remote.Patience) (err error) {
	over := p.Over(remote.Transport(c.RootCAs)).(policy.Transporter)
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: over,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // package remote knows better
	}}
	if text := os.Getenv(connectionVariable); text != "" {
		return c.byConnectionString(text, options)
	}
	service, account, err := c.service()
	if err != nil {
		return err
	}
	c.place = service
	at := service + "/" + url.PathEscape(c.Container)
	key, sas := os.Getenv(keyVariable), strings.TrimPrefix(os.Getenv(sasVariable), "?")
	if key == "" && sas == "" {
		key = c.Key
	}
	switch {
	case key != "":
		if account == "" {
			return fmt.Errorf("an account's key signs for an account: set DMM_AZURE_ACCOUNT or %s", accountVariable)
		}
		shared, keyErr := container.NewSharedKeyCredential(account, key)
		if keyErr != nil { // it would show how the key begins
			return errors.New("the account's key is not base64")
		}
		c.who = func(context.Context) (string, error) { return "the key of account " + account, nil }
		c.client, err = container.NewClientWithSharedKeyCredential(at, shared, options)
	case sas != "":
		if c.who, err = sharedAccess(sas); err == nil {
			c.client, err = container.NewClientWithNoCredential(at+"?"+sas, options)
		}
	case strings.HasPrefix(at, "http://"):
		return errors.New("a token is sent over TLS only: give DMM_AZURE_ENDPOINT an https URL, or an account's key")
	default:
		chain, chainErr := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: over, Cloud: c.cloud(), Retry: policy.RetryOptions{MaxRetryDelay: p.Pause}},
		})
		if chainErr != nil {
			return &remote.CredentialError{Of: "Azure", Err: chainErr}
		}
		login := credential{chain}
		c.who = login.who
		c.client, err = container.NewClient(at, login, options)
	}
	return err
}

// byConnectionString leaves account, endpoint and credentials to the connection string.
func (c *bucket) byConnectionString(text string, options *container.ClientOptions) error {
	if c.Endpoint != "" {
		return fmt.Errorf("DMM_AZURE_ENDPOINT and %s are set together, and each says where the account is: unset one", connectionVariable)
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(field, "=")
		fields[name] = value
	}
	account := fields["AccountName"]
	if c.Account != "" && account != "" && c.Account != account {
		return fmt.Errorf("%s is for another account than %s: unset it, or DMM_AZURE_ACCOUNT", connectionVariable, c.Account)
	}
	client, err := container.NewClientFromConnectionString(text, c.Container, options)
	if err != nil {
		return fmt.Errorf("%s: %w", connectionVariable, err)
	}
	c.who = func(context.Context) (string, error) { return "the key of account " + account, nil }
	if fields["AccountKey"] == "" {
		if c.who, err = sharedAccess(fields["SharedAccessSignature"]); err != nil {
			return err
		}
	}
	u, err := url.Parse(client.URL())
	if err != nil { // it would show the signature
		return fmt.Errorf("%s holds no usable endpoint", connectionVariable)
	}
	c.client, c.place = client, u.Scheme+"://"+u.Host
	return nil
}

// service gives the URL of the account's blob service, without a slash at its end, and the account's name, which
// an endpoint that is a URL does not need.
func (c *bucket) service() (at, account string, err error) {
	account = c.Account
	if account == "" {
		account = os.Getenv(accountVariable)
	}
	if strings.Contains(c.Endpoint, "://") {
		return strings.TrimSuffix(c.Endpoint, "/"), account, remote.CheckEndpoint(c.Endpoint)
	}
	if account == "" {
		return "", "", fmt.Errorf("the storage account is not known: set DMM_AZURE_ACCOUNT or %s", accountVariable)
	}
	suffix := strings.TrimPrefix(c.Endpoint, "blob.")
	if suffix == "" {
		suffix = "core.windows.net"
	}
	at = "https://" + account + ".blob." + suffix
	return at, account, remote.CheckEndpoint(at)
}

// cloud names the login service of a cloud that has one of its own, unless the surroundings do, as workload identity does.
func (c *bucket) cloud() cloud.Configuration {
	switch named := os.Getenv("AZURE_AUTHORITY_HOST") != ""; {
	case !named && strings.HasSuffix(c.place, ".core.usgovcloudapi.net"):
		return cloud.AzureGovernment
	case !named && strings.HasSuffix(c.place, ".core.chinacloudapi.cn"):
		return cloud.AzureChina
	}
	return cloud.Configuration{}
}

// Get opens a blob. BlobNotFound is the one word for an absent one in a container that answered.
func (c *bucket) Get(ctx context.Context, path string, from int64, tag string) (io.ReadCloser, remote.Object, error) {
	o := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: from}}
	if tag != "" {
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(tag))}}
	}
	out, err := c.client.NewBlobClient(path).DownloadStream(ctx, o)
	switch {
	case bloberror.HasCode(err, bloberror.BlobNotFound):
		return nil, remote.Object{}, store.ErrNotFound
	case tag != "" && bloberror.HasCode(err, bloberror.ConditionNotMet):
		return nil, remote.Object{}, remote.ErrChanged
	case err != nil:
		return nil, remote.Object{}, err
	}
	if from > 0 && !strings.HasPrefix(value(out.ContentRange, ""), fmt.Sprintf("bytes %d-", from)) {
		_ = out.Body.Close() // nothing of it is used
		return nil, remote.Object{}, remote.ErrOtherPart
	}
	known := remote.Object{Size: value(out.ContentLength, -1), Tag: string(value(out.ETag, ""))}
	if out.LastModified != nil {
		known.Modified = *out.LastModified
	}
	return out.Body, known, nil
}

func value[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// Stat tells a blob's size and time. Answers to HEAD have their word in a header.
func (c *bucket) Stat(ctx context.Context, path string) (remote.Object, error) {
	out, err := c.client.NewBlobClient(path).GetProperties(ctx, nil)
	switch {
	case bloberror.HasCode(err, bloberror.BlobNotFound):
		return remote.Object{}, store.ErrNotFound
	case err != nil:
		return remote.Object{}, err
	}
	known := remote.Object{Size: value(out.ContentLength, -1)}
	if out.LastModified != nil {
		known.Modified = *out.LastModified
	}
	return known, nil
}

// Put writes a blob in one request.
func (c *bucket) Put(ctx context.Context, path string, body []byte, ifAbsent bool) error {
	var o blockblob.UploadOptions
	if ifAbsent {
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
	}
	_, err := c.client.NewBlockBlobClient(path).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), &o)
	if ifAbsent && bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet) {
		return store.ErrExists
	}
	return err
}

// List gives up to five thousand blobs. In an account with a hierarchical namespace folders are listed too: they
// are none of ours.
func (c *bucket) List(ctx context.Context, prefix, token string) (remote.Page, error) {
	o := &container.ListBlobsFlatOptions{Prefix: &prefix}
	if token != "" {
		o.Marker = &token
	}
	out, err := c.client.NewListBlobsFlatPager(o).NextPage(ctx)
	if err != nil {
		return remote.Page{}, err
	}
	if out.Segment == nil {
		return remote.Page{}, errors.New("the answer is no listing")
	}
	page := remote.Page{Next: value(out.NextMarker, "")}
	page.More = page.Next != ""
	for _, item := range out.Segment.BlobItems {
		if item.Name == nil || item.Properties == nil || item.Properties.ContentLength == nil || item.Properties.LastModified == nil {
			return remote.Page{}, errors.New("the listing lacks a name, a size or a time")
		}
		if strings.EqualFold(value(item.Properties.ResourceType, ""), "directory") {
			continue
		}
		page.Objects = append(page.Objects, store.Info{Key: *item.Name, Size: *item.Properties.ContentLength, Modified: *item.Properties.LastModified})
	}
	return page, nil
}

// Delete removes a blob.
func (c *bucket) Delete(ctx context.Context, path string) error {
	_, err := c.client.NewBlobClient(path).Delete(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return store.ErrNotFound
	}
	return err
}

// Right names the data action, which a role such as Storage Blob Data Contributor has.
func (c *bucket) Right(op string) string {
	const of = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
	switch op {
	case "put", "create":
		return of + "write"
	case "delete":
		return of + "delete"
	}
	return of + "read"
}

// Who tells whose credentials are used.
func (c *bucket) Who(ctx context.Context) (string, error) { return c.who(ctx) }
