package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func certificate(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// good is an environment in which nothing is wrong, whatever a mode needs.
var good = []string{"DOMINO_HOSTNAME=https://domino.example.com", "DOMINO_API_KEY=k3y", "DMM_STORE=s3://bucket/prefix"}

func TestValidate(t *testing.T) {
	domino, records, both := Needs{Domino: true}, Needs{Store: true}, Needs{Domino: true, Store: true}
	dir := t.TempDir()
	key, ca := write(t, "key", "\tk3y\n"), write(t, "ca.pem", "# ours\n"+certificate(t))
	empty, missing := write(t, "empty", " \n"), filepath.Join(dir, "missing")

	type want struct {
		variable string
		words    string // what the one line has in it: what was found, and what to type
	}
	for _, test := range []struct {
		name  string
		env   string // lines that are put before good; NAME= unsets
		needs Needs
		want  []want
	}{
		{"good", "", both, nil},
		{"nothing set, nothing needed", "DOMINO_HOSTNAME=\nDOMINO_API_KEY=\nDMM_STORE=", Needs{}, nil},
		{"wrong where not needed", "DOMINO_HOSTNAME=x\nDOMINO_TOKEN=a b\nDOMINO_CA_FILE=/no\nDMM_STORE=x\nDMM_S3_ENDPOINT=x", Needs{}, nil},
		{"wrong store where only Domino is needed", "DMM_STORE=x\nDMM_S3_ENDPOINT=x\nDMM_LEASE=1s", domino, nil},
		{"wrong Domino where only the store is needed", "DOMINO_HOSTNAME=x\nDOMINO_TOKEN=a b", records, nil},
		{"nothing set, all needed", "DOMINO_HOSTNAME=\nDOMINO_API_KEY=\nDMM_STORE=", both, []want{
			{"DOMINO_HOSTNAME", "https://domino.example.com"}, {"DOMINO_API_KEY", "set one of DOMINO_API_KEY, DOMINO_API_KEY_FILE, DOMINO_TOKEN and DOMINO_TOKEN_FILE"}, {"DMM_STORE", "s3://bucket/prefix, azblob://container/prefix"}}},

		{"no scheme", "DOMINO_HOSTNAME=domino.example.com", domino, []want{{"DOMINO_HOSTNAME", "set it to https://domino.example.com, or http://"}}},
		{"no scheme but a port", "DOMINO_HOSTNAME=domino.example.com:8443", domino, []want{{"DOMINO_HOSTNAME", "set it to https://domino.example.com:8443, or http://"}}},
		{"half a scheme", "DOMINO_HOSTNAME=https:/domino.example.com", domino, []want{{"DOMINO_HOSTNAME", "no scheme; set it to the URL that people"}}},
		{"other scheme", "DOMINO_HOSTNAME=ftp://domino.example.com", domino, []want{{"DOMINO_HOSTNAME", `"ftp"`}}},
		{"user info", "DOMINO_HOSTNAME=https://a:b@domino.example.com", domino, []want{{"DOMINO_HOSTNAME", `"https://[secret]@domino.example.com"`}}},
		{"no host", "DOMINO_HOSTNAME=https:///", domino, []want{{"DOMINO_HOSTNAME", "scheme"}}},
		{"only a port", "DOMINO_HOSTNAME=https://:443", domino, []want{{"DOMINO_HOSTNAME", "names no host"}}},
		{"query", "DOMINO_HOSTNAME=https://domino.example.com/?a", domino, []want{{"DOMINO_HOSTNAME", "query"}}},
		{"fragment", "DOMINO_HOSTNAME=https://domino.example.com/#a", domino, []want{{"DOMINO_HOSTNAME", "query"}}},
		{"no URL", "DOMINO_HOSTNAME=https://domino example", domino, []want{{"DOMINO_HOSTNAME", "is not a URL"}}},
		{"plain, with port and path", "DOMINO_HOSTNAME=http://nucleus-frontend.domino-platform:80/x/", domino, nil},

		{"key and key file", "DOMINO_API_KEY_FILE=" + key, domino, []want{{"DOMINO_API_KEY", "DOMINO_API_KEY and DOMINO_API_KEY_FILE are set together"}}},
		{"key and token", "DOMINO_TOKEN=t", domino, []want{{"DOMINO_API_KEY", "DOMINO_API_KEY and DOMINO_TOKEN are set together"}}},
		{"key and token file", "DOMINO_TOKEN_FILE=" + key, domino, []want{{"DOMINO_API_KEY", "DOMINO_API_KEY and DOMINO_TOKEN_FILE are set together"}}},
		{"token and token file", "DOMINO_API_KEY=\nDOMINO_TOKEN=t\nDOMINO_TOKEN_FILE=" + key, domino, []want{{"DOMINO_TOKEN", "DOMINO_TOKEN and DOMINO_TOKEN_FILE are set together"}}},
		{"both files", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=" + key + "\nDOMINO_TOKEN_FILE=" + key, domino, []want{{"DOMINO_API_KEY_FILE", "DOMINO_API_KEY_FILE and DOMINO_TOKEN_FILE are set together"}}},
		{"token", "DOMINO_API_KEY=\nDOMINO_TOKEN=t", domino, nil},
		{"key file", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=" + key, domino, nil},
		{"token file", "DOMINO_API_KEY=\nDOMINO_TOKEN_FILE=" + key, domino, nil},
		{"Bearer", "DOMINO_API_KEY=\nDOMINO_TOKEN=Bearer t", domino, []want{{"DOMINO_TOKEN", "the word Bearer"}}},
		{"white space", "DOMINO_API_KEY=a b", domino, []want{{"DOMINO_API_KEY", "white space"}}},
		{"missing key file", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=" + missing, domino, []want{{"DOMINO_API_KEY_FILE", `"` + missing + `" cannot be read: no such file`}}},
		{"key in place of its file", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=0123456789abcdef", domino, []want{{"DOMINO_API_KEY_FILE", "not shown, in case it is the secret) cannot be read: no such file"}}},
		{"folder for a key file", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=" + dir, domino, []want{{"DOMINO_API_KEY_FILE", "not a regular file"}}},
		{"empty key file", "DOMINO_API_KEY=\nDOMINO_API_KEY_FILE=" + empty, domino, []want{{"DOMINO_API_KEY_FILE", `"` + empty + `" is empty`}}},
		{"empty token file", "DOMINO_API_KEY=\nDOMINO_TOKEN_FILE=" + empty, domino, []want{{"DOMINO_TOKEN_FILE", `"` + empty + `" is empty`}}},
		{"certificates for a token file", "DOMINO_API_KEY=\nDOMINO_TOKEN_FILE=" + ca, domino, []want{{"DOMINO_TOKEN_FILE", "white space"}}},
		{"missing CA file", "DOMINO_CA_FILE=" + missing, both, []want{{"DOMINO_CA_FILE", `"` + missing + `" cannot be read: no such file`}}},
		{"CA file for the store alone", "DOMINO_CA_FILE=" + missing, records, []want{{"DOMINO_CA_FILE", "cannot be read"}}},
		{"CA file without a certificate", "DOMINO_CA_FILE=" + key, domino, []want{{"DOMINO_CA_FILE", "holds no certificate; give the path of a file of PEM"}}},
		{"CA file", "DOMINO_CA_FILE=" + ca, both, nil},

		{"unknown store", "DMM_STORE=ftp://x", records, []want{{"DMM_STORE", `"ftp"`}}},
		{"store of another tool", "DMM_STORE=abfs://x\nDMM_LEASE=1s\nDMM_S3_ENDPOINT=x", records, []want{{"DMM_STORE", "which other tools have"}}},
		{"a lease too short for any service", "DMM_STORE=gs://bucket\nDMM_LEASE=1s\nDMM_SETTLE=1s", records, []want{{"DMM_LEASE", "less than 30s with DMM_STORE=gs:..."}, {"DMM_SETTLE", "less than 80s"}}},
		{"a lease too short for what is not known yet", "DMM_STORE=domino\nDMM_LEASE=1s", records, []want{{"DMM_LEASE", "less than 30s with DMM_STORE=domino"}}},
		{"Azure settings", "DMM_STORE=azblob://container\nDMM_AZURE_ACCOUNT=acct\nDMM_AZURE_ENDPOINT=core.usgovcloudapi.net", records, nil},
		{"Azure endpoint as URL", "DMM_STORE=azblob://container\nDMM_AZURE_ENDPOINT=https://acct.blob.core.windows.net", records, nil},
		{"Azure endpoint that is neither", "DMM_STORE=azblob://container\nDMM_AZURE_ENDPOINT=a/b", records, []want{{"DMM_AZURE_ENDPOINT", "is neither"}}},
		{"Azure endpoint with a port alone", "DMM_STORE=azblob://container\nDMM_AZURE_ENDPOINT=azurite:10000", records, []want{{"DMM_AZURE_ENDPOINT", "set it to https://azurite:10000"}}},
		{"Azure key for an account", "DMM_STORE=azblob://container\nDMM_AZURE_ACCOUNT=Eby8vdM02xNO/==", records, []want{{"DMM_AZURE_ACCOUNT", "AZURE_STORAGE_KEY"}}},
		{"GCS settings", "DMM_STORE=gs://bucket\nDMM_GCS_ENDPOINT=https://storage.example.com", records, nil},
		{"settings of the other services", "DMM_STORE=gs://bucket\nDMM_S3_REGION=eu\nDMM_AZURE_ACCOUNT=acct\nDMM_DOMINO_FILE=validate_test.go", records, []want{
			{"DMM_S3_REGION", "set DMM_STORE to s3://bucket/prefix"}, {"DMM_AZURE_ACCOUNT", "set DMM_STORE to azblob://container/prefix"}, {"DMM_DOMINO_FILE", "set DMM_STORE to domino"}}},
		{"any setting with domino", "DMM_STORE=domino\nDMM_S3_REGION=eu\nDMM_AZURE_ACCOUNT=acct\nDMM_GCS_ENDPOINT=https://x\nDMM_DOMINO_FILE=validate_test.go", records, nil},
		{"domino from no file", "DMM_STORE=domino\nDMM_DOMINO_FILE=/no/such/file", records, []want{{"DMM_DOMINO_FILE", "cannot be read"}}},
		{"S3 settings", "DMM_S3_ENDPOINT=http://minio:9000\nDMM_S3_REGION=eu\nDMM_S3_PATH_STYLE=TRUE\nDMM_S3_KMS_KEY_ID=k", records, nil},
		{"S3 settings without S3", "DMM_STORE=file:///a\nDMM_S3_ENDPOINT=http://minio:9000\nDMM_S3_REGION=eu\nDMM_S3_PATH_STYLE=true\nDMM_S3_KMS_KEY_ID=k", records, []want{
			{"DMM_S3_ENDPOINT", "not supported with DMM_STORE=file:"}, {"DMM_S3_REGION", "not supported with DMM_STORE=file:"}, {"DMM_S3_PATH_STYLE", "not supported with DMM_STORE=file:"}, {"DMM_S3_KMS_KEY_ID", "not supported with DMM_STORE=file:"}}},
		{"S3 setting with mem", "DMM_STORE=mem:\nDMM_S3_REGION=eu", records, []want{{"DMM_S3_REGION", "not supported with DMM_STORE=mem:"}}},
		{"S3 endpoint without scheme", "DMM_S3_ENDPOINT=minio:9000", records, []want{{"DMM_S3_ENDPOINT", "set it to https://minio:9000"}}},
		{"path style", "DMM_S3_PATH_STYLE=maybe", Needs{}, []want{{"DMM_S3_PATH_STYLE", `"maybe"`}}},
		{"short lease and settle time", "DMM_LEASE=29.9s\nDMM_SETTLE=79.9s", records, []want{{"DMM_LEASE", "set it to 30s or more"}, {"DMM_SETTLE", "set it to 80s or more"}}},
		{"least lease and settle time", "DMM_LEASE=30s\nDMM_SETTLE=80s", records, nil},
		{"short lease and settle time in a file store", "DMM_STORE=file:///a\nDMM_LEASE=1s\nDMM_SETTLE=0", records, nil},
		{"short lease and settle time in memory", "DMM_STORE=mem:\nDMM_LEASE=1s\nDMM_SETTLE=0", records, nil},

		{"no lease", "DMM_LEASE=0", both, []want{{"DMM_LEASE", "with 0 any other run"}}},
		{"less than no time", "DMM_DEADLINE=-1s\nDMM_SNAPSHOT_MAX_AGE=-1s\nDMM_GRACE_PERIOD=-1s\nDMM_WAIT_READY=-1s\nDMM_LEASE=-1s\nDMM_LOCK_WAIT=-1s\nDMM_SETTLE=-1s", both, []want{
			{"DMM_DEADLINE", "0 or more"}, {"DMM_SNAPSHOT_MAX_AGE", "1h"}, {"DMM_GRACE_PERIOD", "-1s"}, {"DMM_WAIT_READY", "-1s"}, {"DMM_LEASE", "60s"}, {"DMM_LOCK_WAIT", "-1s"}, {"DMM_SETTLE", "-1s"}}},
		{"no time", "DMM_DEADLINE=0\nDMM_GRACE_PERIOD=0\nDMM_WAIT_READY=0\nDMM_LOCK_WAIT=0", both, nil},
		{"no age", "DMM_SNAPSHOT_MAX_AGE=0", both, []want{{"DMM_SNAPSHOT_MAX_AGE", "every snapshot would be too old"}}},
		{"none at once", "DMM_CONCURRENCY=0\nDMM_START_CONCURRENCY=-3\nDMM_MAX_FAILURES=0", both, []want{{"DMM_CONCURRENCY", "default is 16"}, {"DMM_START_CONCURRENCY", "-3"}, {"DMM_MAX_FAILURES", "1 or more"}}},
		{"one at once", "DMM_CONCURRENCY=1\nDMM_START_CONCURRENCY=1\nDMM_MAX_FAILURES=1", both, nil},

		{"words", "DMM_OUTPUT=yaml\nDMM_LOG_FORMAT=xml\nDMM_LOG_LEVEL=loud\nDMM_PROFILE=7.0", Needs{}, []want{
			{"DMM_OUTPUT", `"yaml" is not among the values it can have; give text or json`}, {"DMM_LOG_FORMAT", "auto, text or json"}, {"DMM_LOG_LEVEL", "debug, info, warn or error"}, {"DMM_PROFILE", "6.1, 6.2 or 6.3"}}},
		{"kinds", "DMM_KINDS=App,Launcher,scheduledjob,Build,Cluster", Needs{}, []want{{"DMM_KINDS", `"Launcher"`}, {"DMM_KINDS", `"Cluster"`}}},
		{"policies", "DMM_RUNNING_JOBS=kill\nDMM_RUNNING_BUILDS=stop", Needs{}, []want{{"DMM_RUNNING_JOBS", `"kill"`}, {"DMM_RUNNING_BUILDS", `"stop"`}}},
		{"snapshot", "DMM_SNAPSHOT=20260922-190227-k3f9", Needs{}, nil},
		{"snapshot in words", "DMM_SNAPSHOT=yesterday", Needs{}, []want{{"DMM_SNAPSHOT", `"yesterday"`}}},
		{"snapshot by its path", "DMM_SNAPSHOT=2026/09/20260922-190227-k3f9", Needs{}, []want{{"DMM_SNAPSHOT", "20260922-190227-k3f9"}}},
		{"snapshot of no time", "DMM_SNAPSHOT=20261322-190227-k3f9", Needs{}, []want{{"DMM_SNAPSHOT", "a time that does not exist"}}},
		{"projects", "DMM_PROJECTS=jane/a b,churn,/x,jane/,a/b/c\nDMM_EXCLUDE_PROJECTS=fraud", Needs{}, []want{
			{"DMM_PROJECTS", `"churn"`}, {"DMM_PROJECTS", `"/x"`}, {"DMM_PROJECTS", `"jane/"`}, {"DMM_PROJECTS", `"a/b/c"`}, {"DMM_EXCLUDE_PROJECTS", `"fraud"`}}},
		{"owners", "DMM_OWNERS=jane@example.com,jane/churn\nDMM_EXCLUDE_OWNERS=joe/fraud", Needs{}, []want{{"DMM_OWNERS", "DMM_PROJECTS"}, {"DMM_EXCLUDE_OWNERS", "DMM_EXCLUDE_PROJECTS"}}},
		{"listen", "DMM_LISTEN=:0", Needs{}, nil},
		{"listen on six", "DMM_LISTEN=[::1]:80", Needs{}, nil},
		{"cluster by another word", "DMM_KUBERNETES=yes", Needs{}, []want{{"DMM_KUBERNETES", `"yes"`}}},
		{"namespaces that cannot be", "DMM_COMPUTE_NAMESPACES=domino-compute,Compute\nDMM_OPERATOR_NAMESPACE=a/b", Needs{}, []want{{"DMM_COMPUTE_NAMESPACES", `"Compute"`}, {"DMM_OPERATOR_NAMESPACE", `"a/b"`}}},
		{"listen without port", "DMM_LISTEN=127.0.0.1", Needs{}, []want{{"DMM_LISTEN", "127.0.0.1:8080"}}},
		{"listen on too much", "DMM_LISTEN=:70000", Needs{}, []want{{"DMM_LISTEN", `":70000"`}}},

		{"all at once, in order", "DMM_STORE=x\nDMM_LISTEN=x\nDMM_DEADLINE=-1s\nDOMINO_CA_FILE=/no\nDOMINO_HOSTNAME=x\nDMM_KINDS=x\nDOMINO_TOKEN=x", both, []want{
			{"DMM_DEADLINE", ""}, {"DOMINO_HOSTNAME", ""}, {"DOMINO_API_KEY", ""}, {"DOMINO_CA_FILE", ""}, {"DMM_STORE", ""}, {"DMM_KINDS", ""}, {"DMM_LISTEN", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, err := Load(slices.Concat(strings.Split(test.env, "\n"), good), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := faults(t, c.Validate(test.needs))
			var names []string
			for _, w := range test.want {
				names = append(names, w.variable)
			}
			if diff := cmp.Diff(names, variables(got)); diff != "" {
				t.Fatalf("faults (-want +got):\n%s\n%v", diff, got)
			}
			for i, w := range test.want {
				if !strings.Contains(got[i].Error(), w.words) {
					t.Errorf("got %s\nwant it to have %s", got[i], w.words)
				}
			}
		})
	}
}

func TestMemoryWarns(t *testing.T) {
	_, got, _ := Load([]string{"DMM_STORE=mem:"}, nil)
	if len(got) != 1 || got[0].Variable != "DMM_STORE" || !strings.Contains(got[0].String(), "DMM_STORE (--store): nothing of a store in memory survives") {
		t.Errorf("warnings = %v, want one on DMM_STORE", got)
	}
}

func TestRootCAs(t *testing.T) {
	c := &Config{}
	if pool, err := c.RootCAs(); pool != nil || err != nil {
		t.Errorf("without a file: %v, %v, want neither", pool, err)
	}
	text := certificate(t)
	c.CAFile = write(t, "ca.pem", text)
	pool, err := c.RootCAs()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(text))
	want, err := x509.SystemCertPool()
	if err != nil {
		want = x509.NewCertPool()
	}
	if want.Equal(pool) {
		t.Error("the certificate was not added")
	}
	ours, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	want.AddCert(ours)
	if !want.Equal(pool) {
		t.Error("the pool is not the system's with the certificate added")
	}
}
