package gcs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
