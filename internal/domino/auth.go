package domino

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Credential is how the client makes itself known. The zero value is none, which [New] refuses. It never prints what
// it holds.
type Credential struct {
	kind  credentialKind
	value string // of a file credential the path
}

type credentialKind int

const (
	noCredential credentialKind = iota
	keyCredential
	keyFileCredential
	tokenCredential
	tokenFileCredential
)

// APIKey is a user's API key, sent as X-Domino-Api-Key (api.md §1).
func APIKey(key string) Credential { return Credential{keyCredential, key} }

// APIKeyFile is an API key in a file, which is read again when it changes.
func APIKeyFile(path string) Credential { return Credential{keyFileCredential, path} }

// Token is a service-account token, a personal access token or a JWT, sent as Authorization: Bearer. The prefix "Bearer "
// may be part of it, as Domino's own token sidecar writes it (api.md §1).
func Token(token string) Credential { return Credential{tokenCredential, token} }

// TokenFile is a token in a file, which is read again when it changes.
func TokenFile(path string) Credential { return Credential{tokenFileCredential, path} }

func (c Credential) isFile() bool {
	return c.kind == keyFileCredential || c.kind == tokenFileCredential
}

func (c Credential) isToken() bool { return c.kind == tokenCredential || c.kind == tokenFileCredential }

// String names the kind of credential, and the path of one in a file, but no value.
func (c Credential) String() string {
	switch c.kind {
	case keyCredential:
		return "API key"
	case keyFileCredential:
		return "API key of " + c.value
	case tokenCredential:
		return "token"
	case tokenFileCredential:
		return "token of " + c.value
	}
	return "no credential"
}

// GoString is String, so that %#v does not print the value either.
func (c Credential) GoString() string { return "domino.Credential(" + c.String() + ")" }

// Format keeps the value out of every other verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// authenticator puts the credential on requests, and takes it out of texts.
type authenticator struct {
	credential Credential

	mu      sync.Mutex
	info    os.FileInfo // of the file as last read
	value   string
	secrets []string // every value that was ever sent, the latest first
}

// header is the name and value to send. It reads a file credential again when its file is another, or has another size
// or time, since Kubernetes and token sidecars replace it while dmm runs.
func (a *authenticator) header() (name, value string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	raw := a.credential.value
	if a.credential.isFile() {
		if raw, err = a.file(); err != nil {
			return "", "", err
		}
	}
	secret := strings.TrimSpace(raw)
	if a.credential.isToken() {
		if scheme, rest, _ := strings.Cut(secret, " "); strings.EqualFold(scheme, "Bearer") {
			secret = strings.TrimSpace(rest)
		}
	}
	switch {
	case secret == "":
		return "", "", fmt.Errorf("read %v: it is empty", a.credential)
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", "", fmt.Errorf("read %v: it holds a character that no header may hold", a.credential)
	}
	if !slices.Contains(a.secrets, secret) {
		a.secrets = append([]string{secret}, a.secrets[:min(len(a.secrets), 8)]...)
	}
	if a.credential.isToken() {
		return "Authorization", "Bearer " + secret, nil
	}
	return "X-Domino-Api-Key", secret, nil
}

// file is the content of the credential's file, from memory if the file is as it was.
func (a *authenticator) file() (string, error) {
	path := a.credential.value
	info, err := os.Stat(path)
	if err != nil {
		a.info = nil // another file may come, and look the same
		return "", fmt.Errorf("read %v: %w", a.credential, err)
	}
	if a.info != nil && os.SameFile(info, a.info) && info.ModTime().Equal(a.info.ModTime()) && info.Size() == a.info.Size() {
		return a.value, nil
	}
	const most = 64 << 10
	if info.Size() > most {
		return "", fmt.Errorf("read %v: %d bytes are no credential", a.credential, info.Size())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %v: %w", a.credential, err)
	}
	a.info, a.value = info, string(raw)
	return a.value, nil
}

// set authenticates r.
func (a *authenticator) set(r *http.Request) error {
	name, value, err := a.header()
	if err != nil {
		return err
	}
	r.Header.Set(name, value)
	return nil
}

// userinfo is a name and password in a URL, as a proxy's may have.
var userinfo = regexp.MustCompile(`//[^/@\s"]+@`)

// redact takes every credential that was sent out of s, and the name and password of any URL.
func (a *authenticator) redact(s string) string {
	a.mu.Lock()
	secrets := a.secrets
	a.mu.Unlock()
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			s = strings.ReplaceAll(s, form, "[secret]")
		}
	}
	return userinfo.ReplaceAllString(s, "//[secret]@")
}

// redactError is err with the same chain and a text without credentials, and not longer than a message may be.
func (a *authenticator) redactError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if safe := cut(a.redact(text), maxMessage); safe != text {
		return &redacted{text: safe, err: err}
	}
	return err
}

var errNoCredential = errors.New("no credential: an API key or a token is needed")

// Expires is when the credential ends, by its own word: the exp of a JWT, which is not verified. The zero time if it is
// an API key, which has none, or another token. renewed says that it is read from a file, which somebody may renew.
func (c *Client) Expires() (at time.Time, renewed bool) {
	if !c.auth.credential.isToken() {
		return time.Time{}, false
	}
	_, value, err := c.auth.header()
	parts := strings.Split(strings.TrimPrefix(value, "Bearer "), ".")
	if err != nil || len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0).UTC(), c.auth.credential.isFile()
}
