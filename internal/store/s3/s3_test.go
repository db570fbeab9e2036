package s3

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

var ifAbsent = store.PutOptions{IfAbsent: true}

// call is what a server in these tests got to hear.
type call struct {
	*http.Request
	body []byte
	n    int // 1 is the first
}

// server answers as the test says and writes down what was asked: "PUT", "GET bytes=3-", ...
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serve(t *testing.T, answer func(http.ResponseWriter, call)) *server {
	t.Helper()
	isolate(t)
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client gave up
		}
		s.mu.Lock()
		s.asked = append(s.asked, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
		n := len(s.asked)
		s.mu.Unlock()
		answer(w, call{r, body, n})
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// isolate keeps the settings of whoever runs the tests out of them.
func isolate(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_CA_BUNDLE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"AWS_ROLE_ARN": "", "AWS_USE_FIPS_ENDPOINT": "", "AWS_USE_DUALSTACK_ENDPOINT": "", "AWS_ENDPOINT_URL_STS": "",
	} {
		t.Setenv(name, value)
	}
}

// opened is a store that retries without waiting.
func opened(t *testing.T, o Options) store.Store {
	t.Helper()
	return patiently(t, o, 10*time.Second)
}

func patiently(t *testing.T, o Options, still time.Duration) store.Store {
	t.Helper()
	s, err := open(t.Context(), o, remote.Patience{Still: still, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) store(t *testing.T) store.Store {
	t.Helper()
	return opened(t, Options{Bucket: "backups", Prefix: "dmm", Endpoint: s.URL})
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>as the test wants it</Message></Error>", code)
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func object(w http.ResponseWriter, body string) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = io.WriteString(w, body) // the client may have gone
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		code   string
		want   error  // one of the store's, nil for none of them
		text   string // that must be in it
	}{
		{"no key", 404, "NoSuchKey", store.ErrNotFound, ""},
		{"no bucket", 404, "NoSuchBucket", nil, `the bucket "backups" does not exist at http://127.0.0.1`},
		{"some other 404", 404, "NotFound", nil, ""},
		{"denied", 403, "AccessDenied", store.ErrDenied, `bucket "backups"`},
		{"unknown key id", 403, "InvalidAccessKeyId", store.ErrDenied, "InvalidAccessKeyId"},
		{"a session that is over", 400, "ExpiredToken", store.ErrDenied, "ExpiredToken"},
		{"unauthorized", 401, "Unauthorized", store.ErrDenied, ""},
		{"clock", 403, "RequestTimeTooSkewed", nil, "RequestTimeTooSkewed"},
		{"wrong region", 301, "PermanentRedirect", nil, "is in region eu-west-1, not in us-east-1 (set DMM_S3_REGION)"},
		{"wrong region, signature", 400, "AuthorizationHeaderMalformed", nil, "is in region eu-west-1, not in us-east-1"},
		{"server fault", 500, "InternalError", nil, "InternalError"},
		{"overload", 503, "SlowDown", nil, "SlowDown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ call) {
				w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
				fail(w, test.status, test.code)
			})
			for op, err := range storetest.Calls(t.Context(), s.store(t), "k") {
				if test.code == "NoSuchKey" {
					switch op {
					case "delete":
						if err != nil {
							t.Errorf("delete = %v, want nil", err)
						}
						continue
					case "list", "put", "create": // never answered so by a server in its right mind
						if err == nil || errors.Is(err, store.ErrNotFound) {
							t.Errorf("%s = %v, want an error, but not ErrNotFound", op, err)
						}
						continue
					}
				}
				if err == nil {
					t.Errorf("%s: no error", op)
					continue
				}
				for _, kind := range []error{store.ErrNotFound, store.ErrExists, store.ErrDenied} {
					if errors.Is(err, kind) != errors.Is(test.want, kind) {
						t.Errorf("%s = %v, is it %q: %v", op, err, kind, errors.Is(err, kind))
					}
				}
				if !strings.Contains(err.Error(), test.text) && (op != "stat" || test.status < 500) { // HEAD has no words for its 5xx
					t.Errorf("%s = %v, want %q in it", op, err, test.text)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("%s tells the secret: %v", op, err)
				}
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ call) { fail(w, 500, "InternalError") })
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	for op, err := range storetest.Calls(t.Context(), s.store(t), "k") {
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "find AWS credentials") {
			t.Errorf("%s = %v, want an error about credentials", op, err)
		}
	}
	s.wantCalls(t)
}

// TestCreate goes through what a create can meet. Steps are the server's answers to PUTs, in order.
func TestCreate(t *testing.T) {
	type step struct {
		status int // 0 ends the connection
		code   string
		write  bool // carried out, whatever the answer
	}
	taken := step{status: 412, code: "PreconditionFailed"}
	conflict := step{status: 409, code: "ConditionalRequestConflict"}
	lost := step{status: 500, code: "InternalError"}
	done := step{status: 200, write: true}
	const ours, theirs = "our bytes", "theirs"
	for _, test := range []struct {
		name  string
		there string // before
		steps []step
		want  error
		calls []string
	}{
		{"at once", "", []step{done}, nil, []string{"PUT"}},
		{"taken", theirs, []step{taken}, store.ErrExists, []string{"PUT"}},
		{"taken by the same bytes", ours, []step{taken}, store.ErrExists, []string{"PUT"}},
		{"conflict, then done", "", []step{conflict, done}, nil, []string{"PUT", "PUT"}},
		{"conflict, then taken by the same bytes", ours, []step{conflict, taken}, store.ErrExists, []string{"PUT", "PUT"}},
		{"throttled, then taken by the same bytes", ours, []step{{status: 429, code: "TooManyRequests"}, taken}, store.ErrExists, []string{"PUT", "PUT"}},
		{"answer lost, done all the same", "", []step{{status: 500, code: "InternalError", write: true}, taken}, nil, []string{"PUT", "PUT", "GET"}},
		{"gateway timeout, done all the same", "", []step{{status: 504, code: "GatewayTimeout", write: true}, taken}, nil, []string{"PUT", "PUT", "GET"}},
		{"connection lost, done all the same", "", []step{{write: true}, taken}, nil, []string{"PUT", "PUT", "GET"}},
		{"answer lost, then a conflict, done all the same", "", []step{{status: 503, code: "SlowDown", write: true}, conflict, taken}, nil, []string{"PUT", "PUT", "PUT", "GET"}},
		{"answer lost, somebody else was first", theirs, []step{lost, taken}, store.ErrExists, []string{"PUT", "PUT", "GET"}},
		{"answer lost, then absent again", "", []step{lost, taken, done}, nil, []string{"PUT", "PUT", "GET", "PUT"}},
		{"answer lost, not done", "", []step{lost, done}, nil, []string{"PUT", "PUT"}},
		{"server stays broken", "", []step{lost, lost, lost, lost, lost}, errAny, []string{"PUT", "PUT", "PUT", "PUT", "PUT"}},
		{"conflicts for ever", "", []step{conflict, conflict, conflict, conflict, conflict}, errAny, []string{"PUT", "PUT", "PUT", "PUT", "PUT"}},
		{"denied", "", []step{{status: 403, code: "AccessDenied"}}, store.ErrDenied, []string{"PUT"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			there, puts := test.there, 0
			s := serve(t, func(w http.ResponseWriter, c call) {
				mu.Lock()
				defer mu.Unlock()
				if c.Method == http.MethodGet {
					if there == "" {
						fail(w, 404, "NoSuchKey")
						return
					}
					object(w, there)
					return
				}
				if got := c.Header.Get("If-None-Match"); got != "*" {
					t.Errorf("If-None-Match = %q, want *", got)
				}
				step := test.steps[puts]
				puts++
				if step.write {
					there = string(c.body)
				}
				switch step.status {
				case 0:
					hangUp(w)
				case 200:
				default:
					fail(w, step.status, step.code)
				}
			})
			err := s.store(t).Put(t.Context(), "journal/1", []byte(ours), ifAbsent)
			if errors.Is(test.want, errAny) {
				if err == nil || errors.Is(err, store.ErrExists) {
					t.Errorf("create = %v, want an error other than ErrExists", err)
				}
			} else if !errors.Is(err, test.want) {
				t.Errorf("create = %v, want %v", err, test.want)
			}
			s.wantCalls(t, test.calls...)
		})
	}
}

var errAny = errors.New("any error")

func TestCreateCannotLook(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, c call) {
		switch {
		case c.n == 1:
			hangUp(w)
		case c.Method == http.MethodPut:
			fail(w, 412, "PreconditionFailed")
		default:
			fail(w, 403, "AccessDenied")
		}
	})
	err := s.store(t).Put(t.Context(), "k", []byte("x"), ifAbsent)
	if err == nil || errors.Is(err, store.ErrExists) {
		t.Errorf("create = %v, want an error that leaves it open", err)
	}
	s.wantCalls(t, "PUT", "PUT", "GET")
}

func TestPutIsRetried(t *testing.T) {
	var mu sync.Mutex
	var last []byte
	s := serve(t, func(w http.ResponseWriter, c call) {
		mu.Lock()
		defer mu.Unlock()
		last = c.body
		switch c.n {
		case 1:
			hangUp(w)
		case 2:
			fail(w, 503, "SlowDown")
		}
	})
	if err := s.store(t).Put(t.Context(), "k", []byte("body"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if string(last) != "body" {
		t.Errorf("last body = %q, want body", last)
	}
	s.wantCalls(t, "PUT", "PUT", "PUT")
}

// TestRequests looks at what goes out to a server that is not AWS's.
func TestRequests(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	s := serve(t, func(w http.ResponseWriter, c call) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, c.Method+" "+c.URL.EscapedPath())
		if !strings.Contains(c.Header.Get("Authorization"), "/us-east-1/s3/aws4_request") {
			t.Errorf("%s: Authorization = %.60q, want a signature for us-east-1", c.Method, c.Header.Get("Authorization"))
		}
		for name := range c.Header {
			if strings.Contains(strings.ToLower(name), "checksum") || strings.EqualFold(name, "X-Amz-Trailer") {
				t.Errorf("%s: sent %s, which other servers refuse", c.Method, name)
			}
		}
		if c.Method == http.MethodPut {
			if _, err := hex.DecodeString(c.Header.Get("X-Amz-Content-Sha256")); err != nil {
				t.Errorf("X-Amz-Content-Sha256 = %q, want a hash of the body", c.Header.Get("X-Amz-Content-Sha256"))
			}
			if string(c.body) != "x" {
				t.Errorf("body = %q, want it as it is", c.body)
			}
			if got := c.Header.Get("X-Amz-Server-Side-Encryption") + " " + c.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); got != "aws:kms arn:aws:kms:key" {
				t.Errorf("encryption = %q, want the KMS key", got)
			}
		}
		if c.URL.Query().Has("list-type") {
			if got := c.URL.Query().Get("prefix"); got != "dmm/k" {
				t.Errorf("prefix = %q, want dmm/k", got)
			}
			_, _ = io.WriteString(w, "<ListBucketResult/>")
			return
		}
		if c.Method != http.MethodPut && c.Method != http.MethodDelete {
			object(w, "x")
		}
	})
	for _, byEnvironment := range []bool{false, true} {
		o := Options{Bucket: "backups", Prefix: "/dmm/", Endpoint: s.URL, KMSKeyID: "arn:aws:kms:key"}
		if byEnvironment {
			o.Endpoint = ""
			t.Setenv("AWS_ENDPOINT_URL", s.URL)
		}
		for op, err := range storetest.Calls(t.Context(), opened(t, o), "k") {
			if err != nil {
				t.Errorf("%s: %v", op, err)
			}
		}
	}
	for _, p := range paths {
		if path := strings.Fields(p)[1]; path != "/backups/dmm/k" && path != "/backups" && path != "/backups/" {
			t.Errorf("%s: want the bucket in the path", p)
		}
	}
}

func TestOpen(t *testing.T) {
	isolate(t)
	for _, test := range []struct {
		name string
		o    Options
		env  map[string]string
		want string // in the error; "" for none
	}{
		{"no bucket", Options{Region: "us-east-1"}, nil, "bucket"},
		{"no region", Options{Bucket: "b"}, nil, "AWS_REGION"},
		{"region", Options{Bucket: "b", Region: "eu-west-1"}, nil, ""},
		{"region of the environment", Options{Bucket: "b"}, map[string]string{"AWS_REGION": "eu-west-1"}, ""},
		{"endpoint without region", Options{Bucket: "b", Endpoint: "https://s3.example.com"}, nil, ""},
		{"endpoint without scheme", Options{Bucket: "b", Endpoint: "minio:9000"}, nil, "endpoint"},
		{"endpoint with a password", Options{Bucket: "b", Endpoint: "https://u:hidden@minio"}, nil, "endpoint"},
		{"path style", Options{Bucket: "b", Region: "r", PathStyle: "yes"}, nil, "path style"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			_, err := Open(t.Context(), test.o)
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) || (err != nil && strings.Contains(err.Error(), "hidden")) {
				t.Errorf("Open = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestRights has the permissions that docs/storage.md lists, each with what needs it.
func TestRights(t *testing.T) {
	for _, test := range []struct{ key, op, want string }{
		{"", "put", "s3:PutObject"}, {"", "get", "s3:GetObject, and s3:ListBucket if the object is absent"}, {"", "list", "s3:ListBucket"}, {"", "delete", "s3:DeleteObject"},
		{"arn", "create", "s3:PutObject, and kms:GenerateDataKey on the key"}, {"arn", "get", "s3:GetObject, and kms:Decrypt on the key, and s3:ListBucket if the object is absent"},
	} {
		if got := (&bucket{Options: Options{KMSKeyID: test.key}}).Right(test.op); got != test.want {
			t.Errorf("Right(%s) with the key %q = %q, want %q", test.op, test.key, got, test.want)
		}
	}
}

// TestVariants has the SDK's own variables for FIPS and dual stack, which are for every service that is asked.
func TestVariants(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	t.Setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
	b, err := newBucket(t.Context(), Options{Bucket: "b", Region: "us-gov-west-1"}, remote.Usual)
	if err != nil {
		t.Fatal(err)
	}
	if o := b.client.Options().EndpointOptions; o.UseFIPSEndpoint != aws.FIPSEndpointStateEnabled || o.UseDualStackEndpoint != aws.DualStackEndpointStateEnabled {
		t.Errorf("S3 is asked with %+v", o)
	}
	if o := b.login.Options().EndpointOptions; o.UseFIPSEndpoint != aws.FIPSEndpointStateEnabled || o.UseDualStackEndpoint != aws.DualStackEndpointStateEnabled {
		t.Errorf("STS is asked with %+v", o)
	}
}

func TestPathStyle(t *testing.T) {
	isolate(t)
	for _, test := range []struct {
		style, endpoint string
		want            bool
	}{
		{"", "", false}, {"auto", "", false}, {"true", "", true}, {"false", "", false},
		{"", "http://minio", true}, {"auto", "http://minio", true}, {"true", "http://minio", true}, {"false", "http://minio", false},
	} {
		b, err := newBucket(t.Context(), Options{Bucket: "b", Region: "us-west-2", Endpoint: test.endpoint, PathStyle: test.style}, remote.Usual)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.client.Options().UsePathStyle; got != test.want {
			t.Errorf("style %q, endpoint %q: UsePathStyle = %v, want %v", test.style, test.endpoint, got, test.want)
		}
	}
}

// breaking serves a body but ends the connection after at most part bytes.
func breaking(body string, part int) func(http.ResponseWriter, call) {
	return func(w http.ResponseWriter, c call) {
		from := 0
		if r := c.Header.Get("Range"); r != "" {
			if c.Header.Get("If-Match") != `"1"` {
				fail(w, 400, "NoIfMatch")
				return
			}
			if _, err := fmt.Sscanf(r, "bytes=%d-", &from); err != nil {
				fail(w, 400, "InvalidRange")
				return
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		rest := body[from:]
		if len(rest) <= part {
			_, _ = io.WriteString(w, rest) // the client may have gone
			return
		}
		_, _ = io.WriteString(w, rest[:part]) // likewise
		w.(http.Flusher).Flush()
		hangUp(w)
	}
}

func TestBodyIsContinued(t *testing.T) {
	body := strings.Repeat("0123456789", 100)
	s := serve(t, breaking(body, 300))
	got, err := store.ReadAll(t.Context(), s.store(t), "k", 1<<20)
	if err != nil || string(got) != body {
		t.Errorf("ReadAll = %d bytes, %v, want %d", len(got), err, len(body))
	}
	s.wantCalls(t, "GET", "GET bytes=300-", "GET bytes=600-", "GET bytes=900-")
}

func TestBodyWithoutProgress(t *testing.T) {
	body := strings.Repeat("0123456789", 100)
	first := breaking(body, 300)
	s := serve(t, func(w http.ResponseWriter, c call) {
		if c.n == 1 {
			first(w, c)
			return
		}
		breaking(body, 0)(w, c)
	})
	_, err := store.ReadAll(t.Context(), s.store(t), "k", 1<<20)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "byte 300 of 1000") {
		t.Errorf("ReadAll = %v, want an error that tells where it broke", err)
	}
	s.wantCalls(t, "GET", "GET bytes=300-", "GET bytes=300-", "GET bytes=300-", "GET bytes=300-")
}

func TestBodyChanged(t *testing.T) {
	body := strings.Repeat("0123456789", 100)
	first := breaking(body, 300)
	for _, test := range []struct {
		status int
		code   string
		text   string
	}{
		{412, "PreconditionFailed", "replaced or deleted after 300"},
		{404, "NoSuchKey", "replaced or deleted after 300"},
		{403, "AccessDenied", "denied"},
		{200, "", "another part"}, // a server that knows no ranges
	} {
		s := serve(t, func(w http.ResponseWriter, c call) {
			switch {
			case c.n == 1:
				first(w, c)
			case test.status == 200:
				object(w, body)
			default:
				fail(w, test.status, test.code)
			}
		})
		_, err := store.ReadAll(t.Context(), s.store(t), "k", 1<<20)
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%d: ReadAll = %v, want %q, and never ErrNotFound", test.status, err, test.text)
		}
		s.wantCalls(t, "GET", "GET bytes=300-")
	}
}

func TestSilentServer(t *testing.T) {
	isolate(t)
	gone := make(chan struct{})
	body := strings.Repeat("0123456789", 100)
	s := serve(t, func(w http.ResponseWriter, c call) {
		switch {
		case c.Method == http.MethodPut || c.n == 1: // never answers
		case c.n == 2: // stops in the middle
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = io.WriteString(w, body[:500]) // the client may have gone
			w.(http.Flusher).Flush()
		default:
			breaking(body, 1000)(w, c)
			return
		}
		select {
		case <-c.Context().Done():
		case <-gone:
		}
	})
	defer close(gone)
	b := patiently(t, Options{Bucket: "backups", Endpoint: s.URL}, 50*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := store.ReadAll(ctx, b, "k", 1<<20)
	if err != nil || string(got) != body {
		t.Errorf("ReadAll = %d bytes, %v, want %d", len(got), err, len(body))
	}
	s.wantCalls(t, "GET", "GET", "GET bytes=500-")
	err = b.Put(ctx, "k", []byte("x"), ifAbsent)
	var silent *remote.StillError
	if !errors.As(err, &silent) || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "gave up after 5 tries") {
		t.Errorf("create = %v, want to hear that the server is silent", err)
	}
}

func TestSilentBodies(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, c call) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", "10")
		w.Header().Set("Content-Range", "bytes 0-9/10")
		w.(http.Flusher).Flush()
		select {
		case <-c.Context().Done():
		case <-gone:
		}
	})
	defer close(gone)
	b := patiently(t, Options{Bucket: "backups", Endpoint: s.URL}, 20*time.Millisecond)
	_, err := store.ReadAll(t.Context(), b, "k", 1<<20)
	var silent *remote.StillError
	if !errors.As(err, &silent) || errors.Is(err, context.Canceled) {
		t.Errorf("ReadAll = %v, want to hear that the server is silent", err)
	}
}

func TestListings(t *testing.T) {
	page := func(token string, keys ...string) string {
		var b strings.Builder
		b.WriteString("<ListBucketResult>")
		for _, k := range keys {
			fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>3</Size><LastModified>2026-09-22T19:02:27.000Z</LastModified></Contents>", k)
		}
		if token != "" {
			fmt.Fprintf(&b, "<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>", token)
		}
		return b.String() + "</ListBucketResult>"
	}
	for _, test := range []struct {
		name  string
		pages []string
		want  []string
		err   bool
	}{
		{"pages", []string{page("t1", "dmm/a", "dmm/b"), page("", "dmm/c")}, []string{"a", "b", "c"}, false},
		{"an empty page in the middle", []string{page("t1", "dmm/a"), page("t2"), page("", "dmm/c")}, []string{"a", "c"}, false},
		{"what others put there", []string{page("", "dmm/", "dmm/a", "dmm/folder/", "dmm/x//y")}, []string{"a"}, false},
		{"cut short", []string{"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>dmm/a</Key></Contents></ListBucketResult>"}, []string{"a"}, true},
		{"the same page again", []string{page("t1", "dmm/a"), page("t1", "dmm/b"), page("t1", "dmm/c")}, []string{"a", "b"}, true},
		{"out of order", []string{page("", "dmm/b", "dmm/a")}, []string{"b"}, true},
		{"error on a later page", []string{page("t1", "dmm/a")}, []string{"a"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, c call) {
				if c.n > len(test.pages) {
					fail(w, 403, "AccessDenied")
					return
				}
				_, _ = io.WriteString(w, test.pages[c.n-1]) // the client may have gone
			})
			var got []string
			var failed error
			for info, err := range s.store(t).List(t.Context(), "") {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, info.Key)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || (failed != nil) != test.err {
				t.Errorf("List: error %v, want one: %v; keys (-want +got):\n%s", failed, test.err, diff)
			}
		})
	}
}

func TestStatRace(t *testing.T) { // the object comes into being between the HEAD and the GET
	for _, body := range []string{"", "abc"} {
		s := serve(t, func(w http.ResponseWriter, c call) {
			switch {
			case c.n == 1:
				w.WriteHeader(http.StatusNotFound)
			case c.Method == http.MethodGet && body == "":
				fail(w, 416, "InvalidRange")
			default:
				object(w, body)
			}
		})
		info, err := s.store(t).Stat(t.Context(), "k")
		if err != nil || info.Size != int64(len(body)) {
			t.Errorf("Stat = %+v, %v, want size %d", info, err, len(body))
		}
		s.wantCalls(t, "HEAD", "GET bytes=0-0", "HEAD")
	}
}

func TestRootCAs(t *testing.T) {
	isolate(t)
	var n int
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { n++; object(w, "x") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is to hear of bad handshakes
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if _, err := store.ReadAll(t.Context(), opened(t, Options{Bucket: "b", Endpoint: s.URL, RootCAs: pool}), "k", 9); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
	_, err := store.ReadAll(t.Context(), opened(t, Options{Bucket: "b", Endpoint: s.URL}), "k", 9)
	var untrusted x509.UnknownAuthorityError
	if !errors.As(err, &untrusted) || strings.Contains(err.Error(), "exceeded maximum number of attempts") {
		t.Errorf("without = %v, want x509.UnknownAuthorityError at once", err)
	}
	if n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

func TestReaderAfterClose(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ call) { object(w, "body") })
	r, _, err := s.store(t).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(bytes.NewBuffer(make([]byte, 4)).Bytes()); err == nil {
		t.Errorf("Read after Close = %d, nil, want an error", n)
	}
	s.wantCalls(t, "GET")
}
