package s3

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

func realServer(t *testing.T) storetest.Server {
	t.Helper()
	s := storetest.RealServer(t, "DMM_TEST_S3_ENDPOINT", "DMM_TEST_S3_BUCKET")
	s.Open = func(ctx context.Context, at storetest.At) (store.Store, error) {
		return open(ctx, Options{Bucket: at.Bucket, Prefix: at.Prefix, Endpoint: at.Endpoint, RootCAs: at.RootCAs}, at.Patience)
	}
	return s
}

func TestConformance(t *testing.T) { realServer(t).Conformance(t) }

func xmlAnswer(status int, code string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/xml", "X-Amz-Bucket-Region": "eu-west-1"},
		Body: "<Error><Code>" + code + "</Code><Message>as the test wants it</Message></Error>",
	}
}

func TestToldApart(t *testing.T) {
	s := realServer(t)
	s.Break = func(t *testing.T) { t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") }
	s.Denied, s.Throttled = xmlAnswer(403, "AccessDenied"), xmlAnswer(503, "SlowDown")
	s.More = []storetest.Told{
		{Name: "UnknownKeyID", Answer: xmlAnswer(403, "InvalidAccessKeyId"), Want: store.ErrDenied},
		{Name: "Clock", Answer: xmlAnswer(403, "RequestTimeTooSkewed")},
		{Name: "WrongRegion", Answer: xmlAnswer(301, "PermanentRedirect"), Text: "is in region eu-west-1, not in us-east-1 (set DMM_S3_REGION)"},
		{Name: "WrongRegionBySignature", Answer: xmlAnswer(400, "AuthorizationHeaderMalformed"), Text: "is in region eu-west-1, not in us-east-1"},
		{Name: "SomeOther404", Answer: xmlAnswer(404, "NotFound")},
	}
	storetest.Remote(t, s)
}

// TestDocumentedPolicy works with the rights that docs/storage.md lists and no others, on a server that can cut a session's rights
// down to a policy.
func TestDocumentedPolicy(t *testing.T) {
	server := realServer(t)
	docs, err := os.ReadFile("../../../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(docs), "## Amazon S3\n")
	text, _, _ := strings.Cut(section, "\n    }\n")
	var document struct {
		Version   string
		Statement []struct {
			Effect   string
			Action   any
			Resource string
		}
	}
	if err := json.Unmarshal([]byte(strings.NewReplacer("prod-backups/domino-maintenance-mode", server.Bucket+"/dmm-test", "prod-backups", server.Bucket).Replace(text)+"}"), &document); err != nil {
		t.Fatalf("docs/storage.md has no policy: %v in %s", err, text)
	}
	document.Statement = document.Statement[:2] // the last one is for a KMS key
	made, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	policy := string(made)
	b, err := newBucket(t.Context(), Options{Bucket: server.Bucket, Endpoint: server.Endpoint}, remote.Usual)
	if err != nil {
		t.Fatal(err)
	}
	role, name := "arn:aws:iam::123456789012:role/dmm", "dmm"
	session, err := b.login.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name, Policy: &policy},
		func(o *sts.Options) { o.BaseEndpoint = &server.Endpoint })
	if status(err) == http.StatusMethodNotAllowed {
		t.Skip("this server gives no sessions")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *session.Credentials.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *session.Credentials.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", *session.Credentials.SessionToken)
	s := server.At(t, storetest.At{Patience: remote.Usual})
	want := map[string]error{"get": store.ErrNotFound, "stat": store.ErrNotFound, "create": store.ErrExists}
	for op, err := range storetest.Calls(t.Context(), s, "k") { // on what is absent, and then on what is there
		if !errors.Is(err, want[op]) {
			t.Errorf("%s = %v, want %v", op, err, want[op])
		}
	}
	if err := s.Put(t.Context(), "k", []byte("x"), ifAbsent); err != nil {
		t.Error(err)
	}
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if err != nil && (op != "create" || !errors.Is(err, store.ErrExists)) {
			t.Errorf("%s = %v", op, err)
		}
	}
	elsewhere, err := server.Open(t.Context(), storetest.At{Endpoint: server.Endpoint, Bucket: server.Bucket, Prefix: "elsewhere", Patience: remote.Usual})
	if err != nil {
		t.Fatal(err)
	}
	if err := elsewhere.Put(t.Context(), "k", nil, store.PutOptions{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("a write below another prefix = %v, want ErrDenied: the policy has no effect, and this proves nothing", err)
	}
}

// TestStrictFront has a server of an older make before the real one: what the SDK adds of its own accord is refused, and
// each thing that may pass happens.
func TestStrictFront(t *testing.T) {
	server := realServer(t)
	quick := remote.Patience{Still: 10 * time.Second, Pause: time.Millisecond}
	strict := func(forward http.Handler, w http.ResponseWriter, r *http.Request) {
		for header, values := range r.Header {
			if strings.HasPrefix(header, "X-Amz-Checksum-") || header == "X-Amz-Trailer" || header == "X-Amz-Sdk-Checksum-Algorithm" ||
				strings.Contains(strings.Join(values, ","), "aws-chunked") || strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING") {
				t.Errorf("%s has %s: %q", r.Method, header, values)
				http.Error(w, "<Error><Code>NotImplemented</Code></Error>", http.StatusNotImplemented)
				return
			}
		}
		forward.ServeHTTP(w, r)
	}
	elsewhere := storetest.NewProxy(t, server.Endpoint)
	elsewhere.Set(func(w http.ResponseWriter, r *http.Request, _ int, forward http.Handler) {
		if !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/s3/aws4_request") {
			t.Errorf("%s: Authorization = %.80q, want a new signature for the region that the redirect named", r.Method, r.Header.Get("Authorization"))
		}
		strict(forward, w, r)
	})
	front := storetest.NewProxy(t, server.Endpoint)
	for _, test := range []struct {
		name  string
		times int
		ill   storetest.Answer
	}{
		{"nothing but strict", 0, storetest.Answer{}},
		{"409", 1, xmlAnswer(409, "ConditionalRequestConflict")},
		{"503", 3, xmlAnswer(503, "SlowDown")},
		{"307", 1 << 30, storetest.Answer{Status: 307, Header: map[string]string{"Location": elsewhere.URL + "/" + server.Bucket, "X-Amz-Bucket-Region": "us-east-1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Bucket: server.Bucket, Prefix: "dmm-test/" + rand.Text(), Endpoint: front.URL}
			if test.times > 9 {
				o.Region = "eu-west-1" // where the bucket is not
			}
			for op, call := range map[string]func(store.Store) error{
				"create": func(s store.Store) error { return s.Put(t.Context(), "new", []byte("body"), ifAbsent) },
				"put":    func(s store.Store) error { return s.Put(t.Context(), "old", []byte("body"), store.PutOptions{}) },
				"delete": func(s store.Store) error { return s.Delete(t.Context(), "gone") },
				"list": func(s store.Store) (failed error) {
					for _, err := range s.List(t.Context(), "") {
						failed = err
					}
					return failed
				},
				"get": func(s store.Store) error {
					if _, err := store.ReadAll(t.Context(), s, "absent", 9); !errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("%v, want ErrNotFound", err) //nolint:errorlint // it is another
					}
					return nil
				},
				"stat": func(s store.Store) error {
					if _, err := s.Stat(t.Context(), "absent"); !errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("%v, want ErrNotFound", err) //nolint:errorlint // it is another
					}
					return nil
				},
			} {
				s, err := open(t.Context(), o, quick)
				if err != nil {
					t.Fatal(err)
				}
				front.Set(func(w http.ResponseWriter, r *http.Request, n int, forward http.Handler) {
					storetest.First(test.times, test.ill)(w, r, n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { strict(forward, w, r) }))
				})
				if err := call(s); err != nil {
					t.Errorf("%s: %v", op, err)
				}
				if test.times > 0 && len(front.Asked()) == 0 {
					t.Errorf("%s: nothing arrived", op)
				}
			}
		})
	}
}
