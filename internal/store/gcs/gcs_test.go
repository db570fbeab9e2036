package gcs

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

var quick = remote.Patience{Still: remote.Usual.Still, Pause: 1}

// isolate keeps the settings of whoever runs the tests out of them.
func isolate(t *testing.T) {
	t.Helper()
	t.Setenv(emulatorVariable, "")
	t.Setenv("HOME", t.TempDir()) // gcloud's own login
	t.Setenv("CLOUDSDK_CONFIG", "")
	t.Setenv("GCE_METADATA_HOST", "")
}

// tokens is a token service: "" refuses.
func tokens(t *testing.T, token string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if token == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}`)
			return
		}
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, token)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

var privateKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// keyFile is what a service account's key looks like.
func keyFile(t *testing.T, tokenURL string) {
	t.Helper()
	isolate(t)
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "id", "private_key": privateKey(),
		"client_email": "dmm@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": tokenURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
}

func TestOpen(t *testing.T) {
	keyFile(t, "http://127.0.0.1:1")
	for _, test := range []struct {
		name, emulator, credentials string
		o                           Options
		want                        string // in the error; "" for none
	}{
		{"fine", "", "-", Options{Bucket: "b"}, ""},
		{"endpoint", "", "-", Options{Bucket: "b", Endpoint: "https://storage.example.com/"}, ""},
		{"no bucket", "", "-", Options{}, "bucket"},
		{"emulator", "localhost:9000", "-", Options{Bucket: "b"}, "STORAGE_EMULATOR_HOST is set"},
		{"emulator and endpoint", "localhost:9000", "-", Options{Bucket: "b", Endpoint: "http://localhost:9000"}, "STORAGE_EMULATOR_HOST is set"},
		{"endpoint with a password", "", "-", Options{Bucket: "b", Endpoint: "https://u:hidden@storage"}, "endpoint"},
		{"no such key file", "", "/nowhere/key.json", Options{Bucket: "b"}, "find Google credentials"},
		{"no credentials at all", "", "", Options{Bucket: "b"}, "find Google credentials"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(emulatorVariable, test.emulator)
			if test.credentials != "-" {
				t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", test.credentials)
			}
			_, err := Open(t.Context(), test.o)
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) || (err != nil && strings.Contains(err.Error(), "hidden")) {
				t.Errorf("Open = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestTokenIsRefused has a key that Google does not know: nothing reaches the bucket.
func TestTokenIsRefused(t *testing.T) {
	keyFile(t, tokens(t, ""))
	p := storetest.NewProxy(t, "http://127.0.0.1:1")
	s, err := open(t.Context(), Options{Bucket: "b", Endpoint: p.URL}, quick)
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "find Google credentials") || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s = %v, want ErrDenied and that it is about credentials", op, err)
		}
	}
	if asked := p.Asked(); len(asked) > 0 {
		t.Errorf("asked %q all the same", asked)
	}
}

// TestIdentities finds who the pod is where workload identity has it: at the metadata server, which is asked for a token, too; and
// in a federation file, whose token service takes the token of a service account.
func TestIdentities(t *testing.T) {
	if child := "DMM_TEST_CHILD"; os.Getenv(child) == "" { // Google's library looks once in a process whether there is a metadata server
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestIdentities$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestIdentities/federation") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	giver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		switch {
		case strings.HasSuffix(r.URL.Path, "/email"):
			fmt.Fprint(w, "dmm@p.iam.gserviceaccount.com")
		case strings.HasSuffix(r.URL.Path, "/token"), r.FormValue("subject_token") == "the-token":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}`)
		default:
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	t.Cleanup(giver.Close)
	dir := t.TempDir()
	federation := filepath.Join(dir, "federation.json")
	for path, text := range map[string]string{
		filepath.Join(dir, "token"): "the-token",
		federation: fmt.Sprintf(`{"type": "external_account", "audience": "//iam.googleapis.com/pool", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
			"token_url": %q, "credential_source": {"file": %q}}`, giver.URL+"/v1/sts", filepath.Join(dir, "token")),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, metadata, file, who string }{
		{"metadata server", strings.TrimPrefix(giver.URL, "http://"), "", "service account dmm@p.iam.gserviceaccount.com"},
		{"federation", "", federation, "workload identity of //iam.googleapis.com/pool"},
	} {
		t.Run(test.name, func(t *testing.T) {
			isolate(t)
			t.Setenv("GCE_METADATA_HOST", test.metadata)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", test.file)
			f := &wire{answer: func(_ http.ResponseWriter, r *http.Request, _ int, _ string) bool {
				if got := r.Header.Get("Authorization"); got != "Bearer a-token" {
					t.Errorf("%s: Authorization = %q", r.Method, got)
				}
				return false
			}}
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			s, err := open(t.Context(), Options{Bucket: "b", Endpoint: server.URL}, quick)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), "k", []byte("x"), store.PutOptions{}); err != nil {
				t.Error(err)
			}
			f.wantCalls(t, "POST")
			if who, err := s.(store.Describer).Who(t.Context()); err != nil || who != test.who {
				t.Errorf("Who = %q, %v", who, err)
			}
		})
	}
}

// wire is a bucket of one object that answers as a test says and writes down what was asked.
type wire struct {
	mu    sync.Mutex
	asked []string
	body  string // of the object; "" is absent
	// answer may see to a request; n counts from 1. It is false if the bucket is to answer.
	answer func(w http.ResponseWriter, r *http.Request, n int, body string) bool
}

func (f *wire) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
	if f.answer != nil && f.answer(w, r, len(f.asked), string(sent)) {
		return
	}
	switch {
	case r.Method == http.MethodPost && f.body != "" && r.URL.Query().Get("ifGenerationMatch") == "0":
		w.WriteHeader(http.StatusPreconditionFailed)
		fmt.Fprint(w, `{"error": {"code": 412, "errors": [{"reason": "conditionNotMet"}]}}`)
	case r.Method == http.MethodPost:
		f.body = string(sent)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"name": "k", "generation": "1"}`)
	default:
		w.Header().Set("X-Goog-Generation", "1")
		w.Header().Set("Content-Length", strconv.Itoa(len(f.body)))
		_, _ = io.WriteString(w, f.body) // the client may have gone
	}
}

func (f *wire) store(t *testing.T) store.Store {
	t.Helper()
	keyFile(t, tokens(t, "a-token"))
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := open(t.Context(), Options{Bucket: "b", Endpoint: server.URL}, quick)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *wire) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	f.asked = nil
}

// payload is what is stored of a body that the SDK sends, which has the object's bytes between boundaries.
func payload(sent string) string {
	_, rest, _ := strings.Cut(sent, "application/octet-stream\r\n\r\n")
	body, _, _ := strings.Cut(rest, "\r\n--")
	return body
}

// TestCreate counts: a write is one request, and a lost answer leads to one more and a look.
func TestCreate(t *testing.T) {
	lost := func(f *wire, theirs string) func(http.ResponseWriter, *http.Request, int, string) bool {
		return func(_ http.ResponseWriter, r *http.Request, n int, sent string) bool {
			if n == 1 {
				f.body = theirs
				if f.body == "" {
					f.body = payload(sent)
				}
				panic(http.ErrAbortHandler)
			}
			return false
		}
	}
	large := strings.Repeat("0123456789abcdef", 20<<20/16)
	for _, test := range []struct {
		name, there, body string
		lost              bool
		theirs            string
		want              error
		calls             []string
	}{
		{"at once", "", "ours", false, "", nil, []string{"POST"}},
		{"20 MiB", "", large, false, "", nil, []string{"POST"}},
		{"taken by the same bytes", "ours", "ours", false, "", store.ErrExists, []string{"POST"}},
		{"answer lost, done all the same", "", "ours", true, "", nil, []string{"POST", "POST", "GET"}},
		{"answer lost, somebody else was first", "", "ours", true, "theirs", store.ErrExists, []string{"POST", "POST", "GET"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &wire{body: test.there}
			if test.lost {
				f.answer = lost(f, test.theirs)
			}
			if err := f.store(t).Put(t.Context(), "k", []byte(test.body), store.PutOptions{IfAbsent: true}); !errors.Is(err, test.want) {
				t.Errorf("create = %v, want %v", err, test.want)
			}
			f.wantCalls(t, test.calls...)
		})
	}
}

// TestTries counts what is sent when nothing works: the SDK would go on for as long as it is let.
func TestTries(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	down := &wire{answer: func(w http.ResponseWriter, _ *http.Request, _ int, _ string) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}
	s := down.store(t)
	for verb, call := range map[string]func() error{
		"GET":    func() error { _, err := s.Stat(ctx, "k"); return err },
		"DELETE": func() error { return s.Delete(ctx, "k") },
		"POST":   func() error { return s.Put(ctx, "k", []byte("x"), store.PutOptions{}) },
	} {
		if err := call(); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "gave up after 5 tries") {
			t.Errorf("%s: %v", verb, err)
		}
		down.wantCalls(t, slices.Repeat([]string{verb}, remote.Attempts)...)
	}

	const half, whole = 5, "0123456789"
	breaks := &wire{body: whole, answer: func(w http.ResponseWriter, r *http.Request, n int, _ string) bool {
		w.Header().Set("X-Goog-Generation", "1")
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		if n > 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)-half))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", half, len(whole)-1, len(whole)))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			_, _ = io.WriteString(w, whole[:half]) // the client may have gone
		}
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}}
	if _, err := store.ReadAll(ctx, breaks.store(t), "k", 1<<20); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "broke off 5 times at byte 5 of 10") {
		t.Errorf("ReadAll = %v", err)
	}
	breaks.wantCalls(t, append([]string{"GET"}, slices.Repeat([]string{"GET bytes=5-"}, remote.Attempts-1)...)...)
}

func TestWho(t *testing.T) {
	keyFile(t, "http://127.0.0.1:1")
	s, err := Open(t.Context(), Options{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := s.(store.Describer).Who(t.Context()); err != nil || who != "service account dmm@p.iam.gserviceaccount.com" {
		t.Errorf("Who = %q, %v", who, err)
	}
}
