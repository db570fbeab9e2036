package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

// realServer has the emulator, which takes any credentials: those of the tests come from a token service of their own, unless
// the surroundings name some.
func realServer(t *testing.T) storetest.Server {
	t.Helper()
	s := storetest.RealServer(t, "DMM_TEST_GCS_ENDPOINT", "DMM_TEST_GCS_BUCKET")
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") == "" {
		keyFile(t, tokens(t, "a-token"))
	}
	s.Open = func(ctx context.Context, at storetest.At) (store.Store, error) {
		return open(ctx, Options{Bucket: at.Bucket, Prefix: at.Prefix, Endpoint: at.Endpoint, RootCAs: at.RootCAs}, at.Patience)
	}
	return s
}

func TestConformance(t *testing.T) { realServer(t).Conformance(t) }

func jsonAnswer(status int, reason string) storetest.Answer {
	return storetest.Answer{
		Status: status, Header: map[string]string{"Content-Type": "application/json"},
		Body: fmt.Sprintf("{\"error\": {\"code\": %d, \"message\": \"as the test\\nwants it\",\n\"errors\": [{\"reason\": %q, \"domain\": \"global\", \"message\": \"as the test wants it\"}]}}", status, reason),
	}
}

func TestToldApart(t *testing.T) {
	s := realServer(t)
	s.BadCredentials = jsonAnswer(401, "authError") // the emulator takes any
	s.Denied, s.Throttled = jsonAnswer(403, "forbidden"), jsonAnswer(429, "rateLimitExceeded")
	s.More = []storetest.Told{
		{Name: "ThrottledWith403", Answer: jsonAnswer(403, "userRateLimitExceeded"), Text: "gave up after 5 tries"},
		{Name: "Retention", Answer: jsonAnswer(403, "retentionPolicyNotMet"), Text: "a retention policy"},
		{Name: "NoSuchBucketInGooglesWords", Answer: jsonAnswer(404, "notFound"), Text: "does not exist"},
	}
	storetest.Remote(t, s)
}

// TestSigned looks at what goes out: never a request without a token.
func TestSigned(t *testing.T) {
	server := realServer(t)
	p := storetest.NewProxy(t, server.Endpoint)
	p.Set(func(w http.ResponseWriter, r *http.Request, _ int, forward http.Handler) {
		if r.Header.Get("Authorization") != "Bearer a-token" {
			t.Errorf("%s %s: Authorization = %q, want the token", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		forward.ServeHTTP(w, r)
	})
	s := server.At(t, storetest.At{Endpoint: p.URL, Patience: remote.Usual})
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if len(p.Asked()) < 6 {
		t.Errorf("only %q arrived", p.Asked())
	}
}
