package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/modes"
)

// keyOfAccount is what Domino's resource has for the storage account of these tests.
var keyOfAccount = base64.StdEncoding.EncodeToString([]byte("the key of a storage account"))

// withoutCloud keeps the credentials of whoever runs the tests out of them.
func withoutCloud(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "GOOGLE_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
}

// dominoFile is what DMM_STORE=domino reads, with this below blob_storage.backups.
func dominoFile(t *testing.T, backups string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "domino.yml")
	if err := os.WriteFile(path, []byte("kind: Domino\nspec: {config: {blob_storage: {backups: "+backups+"}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "DMM_DOMINO_FILE=" + path
}

// TestStoreOfDomino reads where the deployment keeps its backups, and asks a server there that lets nobody in.
func TestStoreOfDomino(t *testing.T) {
	withoutCloud(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ms-Error-Code", "AuthorizationPermissionMismatch")
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	for _, test := range []struct {
		name, backups string
		env           []string
		code          int
		want          []string
	}{
		{"s3", "{type: s3, s3: {bucket: prod-backups, region: eu-west-1}}", []string{"DMM_S3_ENDPOINT=" + server.URL}, exitFailed,
			[]string{"s3://prod-backups/domino-maintenance-mode", "access key test", "FAILED  create", "s3:PutObject", "-       create again", "FAILED  list", "s3:ListBucket", "rights are missing"}},
		{"azure", "{type: azure, azure: {account_name: acct, container: backups, account_key: '" + keyOfAccount + "'}}", []string{"DMM_AZURE_ENDPOINT=" + server.URL + "/acct"}, exitFailed,
			[]string{"azblob://backups/domino-maintenance-mode", "the key of account acct", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", "AuthorizationPermissionMismatch"}},
		{"azure with another account", "{type: azure, azure: {account_name: acct, container: backups, account_key: '" + keyOfAccount + "'}}",
			[]string{"DMM_AZURE_ACCOUNT=other", "DMM_AZURE_ENDPOINT=https://127.0.0.1:1/other"}, exitFailed, []string{"azblob://backups/domino-maintenance-mode", "could not tell: find Azure credentials"}},
		{"gcs", "{type: gcs, gcs: {bucket: prod-backups}}", []string{"DMM_GCS_ENDPOINT=" + server.URL}, exitFailed, []string{"open GCS store: find Google credentials"}},
		{"shared that is not mounted", "{type: shared}", nil, exitUsage, []string{"not mounted here", "mount Domino's shared volume so that its backups are in /opt/shared/backups"}},
		{"shared and azure", "{type: shared, azure: {account_name: acct, container: backups}}", nil, exitUsage, []string{"has the type shared and also names azure.container", "set DMM_STORE to the storage itself"}},
		{"none", "{}", nil, exitUsage, []string{"spec.config.blob_storage.backups.type is not set"}},
		{"a bucket that is none", "{type: s3, s3: {bucket: 'a b'}}", nil, exitUsage, []string{"what the Domino resource names can be no store"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential") // do not look for a metadata server
			t.Setenv("GCE_METADATA_HOST", "")
			o := dmm(t, append([]string{"DMM_STORE=domino", dominoFile(t, test.backups)}, test.env...), "check-store")
			o.want(t, test.code, test.want...)
			if strings.Contains(o.stdout+o.stderr, keyOfAccount) {
				t.Errorf("it shows the account's key:\n%s%s", o.stdout, o.stderr)
			}
		})
	}
	dmm(t, []string{"DMM_STORE=domino"}, "check-store").want(t, exitUsage, "no cluster is looked at", "DMM_DOMINO_FILE")
}

// TestStoreOfDominoInTheCluster reads the same from the cluster that KUBECONFIG names.
func TestStoreOfDominoInTheCluster(t *testing.T) {
	withoutCloud(t)
	const group = `"groupVersion": "apps.example.com/v1", "version": "v1"`
	pages := map[string]string{
		"/api":                      `{"kind": "APIVersions", "versions": []}`,
		"/apis":                     `{"kind": "APIGroupList", "groups": [{"name": "apps.example.com", "versions": [{` + group + `}], "preferredVersion": {` + group + `}}]}`,
		"/apis/apps.example.com/v1": `{"kind": "APIResourceList", "groupVersion": "apps.example.com/v1", "resources": [{"name": "dominos", "kind": "Domino", "namespaced": true, "verbs": ["list"]}]}`,
	}
	const dominos = "/apis/apps.example.com/v1/namespaces/operator/dominos"
	listing := func(items string) string {
		return `{"kind": "DominoList", "apiVersion": "apps.example.com/v1", "items": [` + items + `]}`
	}
	const domino = `{"kind": "Domino", "apiVersion": "apps.example.com/v1", "metadata": {"name": "d"}, "spec": {"config": {"blob_storage": {"backups": {"type": "s3", "s3": {"bucket": "prod-backups"}}}}}}`
	for _, test := range []struct {
		name    string
		dominos string // "" is a refusal
		code    int
		want    []string
	}{
		{"there", listing(domino), exitFailed, []string{"s3://prod-backups/domino-maintenance-mode", "rights are missing"}},
		{"none", listing(""), exitUsage, []string{"list dominos.apps.example.com in namespace operator", "set DMM_OPERATOR_NAMESPACE"}},
		{"two", listing(domino + "," + domino), exitFailed, []string{"there are 2"}},
		{"denied", "", exitUsage, []string{"list dominos.apps.example.com in namespace operator", "allow dmm's service account to list it"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text := pages[r.URL.Path]
				if r.URL.Path == dominos {
					text = test.dominos
				}
				w.Header().Set("Content-Type", "application/json")
				if text == "" { // to the bucket, too
					w.WriteHeader(http.StatusForbidden)
					text = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}`
				}
				_, _ = io.WriteString(w, text) // the client may have gone
			}))
			t.Cleanup(server.Close)
			path := filepath.Join(t.TempDir(), "kubeconfig")
			text := "{kind: Config, apiVersion: v1, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u}], clusters: [{name: c, cluster: {server: '" + server.URL + "'}}]}"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("KUBECONFIG", path)
			dmm(t, []string{"DMM_STORE=domino", "DMM_KUBERNETES=true", "DMM_OPERATOR_NAMESPACE=operator", "DMM_S3_ENDPOINT=" + server.URL}, "check-store").want(t, test.code, test.want...)
		})
	}
}

func TestCheckStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick())
	o := s.dmm("check-store")
	o.want(t, exitDone, "file://"+s.folder, "user id ", "ok  create again", "ok  read what is absent", "to write in "+s.folder, "The store does all that a maintenance needs.")
	if keys := s.objects(); len(keys) > 0 {
		t.Errorf("it leaves %q behind", keys)
	}
	var res modes.Result
	if err := json.Unmarshal([]byte(s.dmm("check-store", "--output", "json").stdout), &res); err != nil {
		t.Fatal(err)
	}
	if res.Store == nil || len(res.Store.Rights) != 7 || res.Store.Skew != 0 {
		t.Fatalf("store = %+v, want seven things tried", res.Store)
	}
	for _, r := range res.Store.Rights {
		if !r.OK || r.Took <= 0 || r.Right == "" {
			t.Errorf("%+v, want it to work, with a time and a permission", r)
		}
	}
	if n := len(s.sim.Ledger().Requests()); n > 0 {
		t.Errorf("Domino was called %d times", n)
	}
}
