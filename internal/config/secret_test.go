package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const password = "s3cr3t-v4lue"

func TestSecretsDoNotPrint(t *testing.T) {
	c, _, err := Load([]string{"DOMINO_API_KEY=" + password, "DOMINO_TOKEN=" + password}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.APIKey
	if s.Reveal() != password {
		t.Fatalf("Reveal = %q", s.Reveal())
	}
	within := struct{ hidden Secret }{s} // fmt calls no methods on what lies in unexported fields
	var prints bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%10s", "%U", "%w", "%!"} {
		for _, v := range []any{s, &s, *c, c, []Secret{s}, map[string]Secret{"k": s}, map[Secret]int{s: 1}, within, &within} {
			fmt.Fprintf(&prints, verb+"\n", v)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&prints, nil), slog.NewJSONHandler(&prints, nil)} {
		slog.New(handler).Info("loaded", "secret", s, "pointer", &s, "config", c, "value", *c, "within", within)
	}
	for _, v := range []any{s, &s, c, map[string]Secret{"k": s}, within} {
		if err := json.NewEncoder(&prints).Encode(v); err != nil {
			t.Error(err)
		}
	}
	if err := xml.NewEncoder(&prints).Encode(s); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(&prints, s.String(), s.GoString(), s.LogValue())
	got := prints.String()
	for _, leak := range []string{password, fmt.Sprintf("%x", password), fmt.Sprintf("%X", password)} {
		if i := strings.Index(got, leak); i >= 0 {
			t.Errorf("a secret is printed: ...%s", got[max(0, i-80):i])
		}
	}
	if !strings.Contains(got, hidden) {
		t.Errorf("nothing says that there is a secret: %s", got)
	}
}

func TestEmptySecret(t *testing.T) {
	var s Secret
	if !s.IsZero() || s.Reveal() != "" || s.String() != "" || s != NewSecret("") || !s.Equal(NewSecret("")) || s.Equal(NewSecret("x")) {
		t.Errorf("the zero value is not the empty secret")
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `""` {
		t.Errorf("JSON = %s, %v", got, err)
	}
}

// Whatever is wrong with a secret, and wherever else it was put by mistake, the message does not repeat it.
func TestFaultsDoNotPrintSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte("Bearer "+password), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{
		{"DOMINO_API_KEY=" + password + " and more"},
		{"DOMINO_TOKEN=Bearer " + password},
		{"DOMINO_TOKEN=" + password + "\n" + password},
		{"DOMINO_API_KEY=" + password + "é"},
		{"DOMINO_API_KEY=" + password, "DOMINO_TOKEN=" + password},
		{"DOMINO_API_KEY_FILE=" + password},
		{"DOMINO_TOKEN_FILE=/" + password},
		{"DOMINO_TOKEN_FILE=" + password + "/" + password},
		{"DOMINO_TOKEN_FILE=" + file},
		{"DOMINO_HOSTNAME=https://admin:" + password + "@domino.example.com"},
		{"DOMINO_HOSTNAME=https://" + password + "@domino.example.com"},
		{"DOMINO_HOSTNAME=https://admin:@/" + password + "@domino.example.com:port"},
		{"DOMINO_HOSTNAME=admin:" + password + "@domino.example.com"},
		{"DOMINO_HOSTNAME=https://domino.example.com?key=" + password},
		{"DMM_STORE=s3://KEY:" + password + "@bucket/prefix"},
		{"DMM_STORE=s3://KEY:" + password + "/bucket"},
		{"DMM_STORE=s3:KEY:" + password + "@bucket/prefix"},
		{"DMM_STORE=s3://bucket/prefix?X-Amz-Signature=" + password},
		{"DMM_STORE=azblob://container?sig=" + password},
		{"DMM_STORE=https://KEY:" + password + "@bucket/prefix"},
		{"DMM_STORE=ftp://KEY:" + password + "@bucket/prefix"},
		{"DMM_STORE=//KEY:" + password + "@bucket/prefix"},
		{"DMM_STORE=mem:x:" + password + "@bucket/prefix"},
		{"DMM_STORE=file://x:" + password + "@bucket/prefix"},
		{"DMM_STORE=s3://bucket", "DMM_S3_ENDPOINT=https://KEY:" + password + "@minio:9000"},
		{"DMM_STORE=s3://bucket", "DMM_S3_ENDPOINT=KEY:" + password + "@minio:9000"},
		{"DMM_PASSWORD=" + password},
		{"DOMINO_APIKEY=" + password},
	} {
		c, warnings, err := Load(env, nil)
		got := fmt.Sprint(warnings, err, c.Validate(Needs{Domino: true, Store: true}))
		if strings.Contains(got, password) {
			t.Errorf("%s: the message has it:\n%s", env, got)
		}
		name, _, _ := strings.Cut(env[len(env)-1], "=")
		if !strings.Contains(got, name) {
			t.Errorf("%s: no message names %s:\n%s", env, name, got)
		}
	}
}
