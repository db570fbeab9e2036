package gcs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

// realServer tells where to find the server that scripts/test-servers starts. The emulator takes any credentials:
// those of the tests come from a token service of their own, unless the surroundings name some.
func realServer(t *testing.T) (endpoint, bucket string) {
	t.Helper()
	endpoint, bucket = os.Getenv("DMM_TEST_GCS_ENDPOINT"), os.Getenv("DMM_TEST_GCS_BUCKET")
	if endpoint == "" || bucket == "" {
		t.Skip("needs a GCS server: run make test-servers, or set DMM_TEST_GCS_ENDPOINT, DMM_TEST_GCS_BUCKET and GOOGLE_APPLICATION_CREDENTIALS")
	}
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") == "" {
		keyFile(t, tokens(t, "a-token"))
	}
	return endpoint, bucket
}

func at(t *testing.T, run string, where storetest.At) store.Store {
	t.Helper()
	s, err := open(t.Context(), Options{Bucket: where.Bucket, Prefix: run + "/" + t.Name(), Endpoint: where.Endpoint, RootCAs: where.RootCAs}, where.Patience)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Run(t, func(t *testing.T) store.Store {
		s := at(t, run, storetest.At{Endpoint: endpoint, Bucket: name, Patience: remote.Usual})
		t.Cleanup(func() { storetest.Clear(t, s) })
		return s
	})
}

func jsonAnswer(status int, reason string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/json"},
		Body: fmt.Sprintf("{\"error\": {\"code\": %d, \"message\": \"as the test\\nwants it\",\n\"errors\": [{\"reason\": %q, \"domain\": \"global\", \"message\": \"as the test wants it\"}]}}", status, reason),
	}
}

func TestToldApart(t *testing.T) {
	endpoint, name := realServer(t)
	run := "dmm-test/" + rand.Text()
	storetest.Remote(t, storetest.Server{
		Endpoint: endpoint, Bucket: name,
		Open:           func(t *testing.T, where storetest.At) store.Store { return at(t, run, where) },
		BadCredentials: jsonAnswer(401, "authError"), // the emulator takes any
		Denied:         jsonAnswer(403, "forbidden"),
		Throttled:      jsonAnswer(429, "rateLimitExceeded"),
		More: []storetest.Told{
			{Name: "ThrottledWith403", Answer: jsonAnswer(403, "userRateLimitExceeded"), Text: "gave up after 5 tries"},
			{Name: "Retention", Answer: jsonAnswer(403, "retentionPolicyNotMet"), Text: "a retention policy"},
			{Name: "NoSuchBucketInGooglesWords", Answer: jsonAnswer(404, "notFound"), Text: "does not exist"},
		},
	})
}

// TestSigned looks at what goes out: never a request without a token.
func TestSigned(t *testing.T) {
	endpoint, name := realServer(t)
	p := storetest.NewProxy(t, endpoint)
	p.Set(func(w http.ResponseWriter, r *http.Request, _ int, forward http.Handler) {
		if r.Header.Get("Authorization") != "Bearer a-token" {
			t.Errorf("%s %s: Authorization = %q, want the token", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		forward.ServeHTTP(w, r)
	})
	s := at(t, "dmm-test/"+rand.Text(), storetest.At{Endpoint: p.URL, Bucket: name, Patience: remote.Usual})
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if len(p.Asked()) < 6 {
		t.Errorf("only %q arrived", p.Asked())
	}
}
