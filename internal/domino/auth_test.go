package domino

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCredentialHeaders(t *testing.T) {
	for _, tt := range []struct {
		name       string
		credential Credential
		key, token string
	}{
		{"key", APIKey(" k1\n"), "k1", ""},
		{"token", Token("t1\n"), "", "Bearer t1"},
		{"token with prefix", Token("Bearer t1"), "", "Bearer t1"},
		{"token with prefix of another case", Token("bearer  t1 "), "", "Bearer t1"},
		{"key that looks like a prefix", APIKey("Bearer1"), "Bearer1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &authenticator{credential: tt.credential}
			r, _ := http.NewRequest("GET", "https://domino.example.com", nil)
			if err := a.set(r); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("X-Domino-Api-Key"); got != tt.key {
				t.Errorf("X-Domino-Api-Key = %q, want %q", got, tt.key)
			}
			if got := r.Header.Get("Authorization"); got != tt.token {
				t.Errorf("Authorization = %q, want %q", got, tt.token)
			}
		})
	}
}

func TestCredentialFilesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(s string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	a := &authenticator{credential: TokenFile(path)}
	want := func(token string) {
		t.Helper()
		_, got, err := a.header()
		if err != nil || got != "Bearer "+token {
			t.Errorf("got %q, %v, want Bearer %s", got, err, token)
		}
	}
	if _, _, err := a.header(); err == nil {
		t.Error("no error while the file is missing")
	}
	then := time.Unix(1_700_000_000, 0)
	write("one-token\n", then)
	want("one-token")
	write("two-token\n", then.Add(time.Second)) // the same size
	want("two-token")
	write("three-token\n", then.Add(time.Second)) // the same time
	want("three-token")
	// As Kubernetes does it: another file in its place, here of the same size and time.
	other := path + ".new"
	if err := os.WriteFile(other, []byte("other-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, then.Add(time.Second), then.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	want("other-token")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.header(); err == nil {
		t.Error("no error once the file is gone")
	}
	if got := a.redact("one-token two-token three-token other-token"); strings.Contains(got, "token") {
		t.Errorf("redact = %q, want every token that was sent to be gone", got)
	}
}

func TestCredentialsThatCannotBeSent(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Credential{APIKey(""), APIKey(" "), Token("Bearer "), APIKey("two words " + secret), Token("é" + secret), APIKeyFile(empty)} {
		a := &authenticator{credential: c}
		_, _, err := a.header()
		if err == nil {
			t.Errorf("%v: no error", c)
			continue
		}
		note(err)
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows the credential: %v", err)
		}
	}
	o := options(t, "https://domino.example.com")
	o.Credential = TokenFile(filepath.Join(t.TempDir(), "none"))
	o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a call without a credential was sent")
		return nil, http.ErrAbortHandler
	})
	c := newClient(t, o)
	if e := asError(t, c.StopApp(t.Context(), "a", false)); e.Kind != KindHeld || !e.NotSent() {
		t.Errorf("got %v, want it held", e)
	}
	_, err := c.App(t.Context(), "a")
	if e := asError(t, err); e.Kind != KindHeld {
		t.Errorf("got %v, want it held", e)
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	for _, c := range []Credential{APIKey(secret), Token(secret)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, c); strings.Contains(got, secret[:8]) || strings.Contains(got, fmt.Sprintf("%x", secret[:8])) {
				t.Errorf("%s prints %s", verb, got)
			}
			if got := fmt.Sprintf(verb, Options{Credential: c}); strings.Contains(got, secret[:8]) {
				t.Errorf("%s of options prints %s", verb, got)
			}
		}
		if b, err := json.Marshal(struct{ Credential Credential }{c}); err != nil || strings.Contains(string(b), secret[:8]) {
			t.Errorf("JSON is %s, %v", b, err)
		}
	}
	if got := Token(secret).String(); got != "token" {
		t.Errorf("String = %q, want token", got)
	}
}

func TestRedactTakesPasswordsOutOfURLs(t *testing.T) {
	a := &authenticator{}
	if got, want := a.redact("proxyconnect http://user:pa55@proxy:3128: refused"), "proxyconnect http://[secret]@proxy:3128: refused"; got != want {
		t.Errorf("redact = %q, want %q", got, want)
	}
}
