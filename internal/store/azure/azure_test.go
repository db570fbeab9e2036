package azure

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/remote"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

var quick = remote.Patience{Still: remote.Usual.Still, Pause: 1}

// isolate keeps the settings of whoever runs the tests out of them.
func isolate(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "IDENTITY_") || strings.HasPrefix(name, "MSI_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential") // do not look for a metadata server or for az
}

var someKey = base64.StdEncoding.EncodeToString([]byte("hidden key"))

func TestOpen(t *testing.T) {
	isolate(t)
	const sas = "sv=2022-11-02&sp=rcwdl&se=2030-01-01T00:00:00Z&sig=hidden%3D"
	for _, test := range []struct {
		name  string
		o     Options
		env   string // NAME=value
		who   string
		place string
		want  string // in the error; "" for none
	}{
		{"key", Options{Container: "c", Account: "acct"}, keyVariable + "=" + someKey, "the key of account acct", "https://acct.blob.core.windows.net", ""},
		{"key of Domino", Options{Container: "c", Account: "acct", Key: someKey}, "X=", "the key of account acct", "https://acct.blob.core.windows.net", ""},
		{"sovereign cloud", Options{Container: "c", Account: "acct", Endpoint: "core.usgovcloudapi.net", Key: someKey}, "X=", "the key of account acct", "https://acct.blob.core.usgovcloudapi.net", ""},
		{"URL", Options{Container: "c", Account: "acct", Endpoint: "https://blob.example.com/acct/", Key: someKey}, "X=", "the key of account acct", "https://blob.example.com/acct", ""},
		{"signature", Options{Container: "c", Account: "acct"}, sasVariable + "=?" + sas, `a shared access signature with the permissions "rcwdl", until 2030-01-01T00:00:00Z`, "https://acct.blob.core.windows.net", ""},
		{"the surroundings come first", Options{Container: "c", Account: "acct", Key: someKey}, sasVariable + "=" + sas, `a shared access signature with the permissions "rcwdl", until 2030-01-01T00:00:00Z`, "https://acct.blob.core.windows.net", ""},
		{"connection string", Options{Container: "c"}, connectionVariable + "=DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" + someKey + ";EndpointSuffix=core.chinacloudapi.cn", "the key of account acct", "https://acct.blob.core.chinacloudapi.cn", ""},
		{"connection string with a signature", Options{Container: "c"}, connectionVariable + "=BlobEndpoint=https://acct.blob.core.windows.net;SharedAccessSignature=" + sas, `a shared access signature with the permissions "rcwdl", until 2030-01-01T00:00:00Z`, "https://acct.blob.core.windows.net", ""},
		{"connection string of another account", Options{Container: "c", Account: "mine"}, connectionVariable + "=AccountName=acct;AccountKey=" + someKey, "", "", "another account than mine"},
		{"connection string and endpoint", Options{Container: "c", Endpoint: "https://x"}, connectionVariable + "=AccountName=acct;AccountKey=" + someKey, "", "", "DMM_AZURE_ENDPOINT"},
		{"half a connection string", Options{Container: "c"}, connectionVariable + "=AccountName=hidden", "", "", "connection string needs"},
		{"connection string with an empty signature", Options{Container: "c"}, connectionVariable + "=BlobEndpoint=https://acct.blob.core.windows.net;SharedAccessSignature=sv=1", "", "", "no signature"},
		{"signature without signature", Options{Container: "c", Account: "acct"}, sasVariable + "=sv=2022-11-02&sp=rcwdl", "", "", "no signature"},
		{"no container", Options{Account: "acct", Key: someKey}, "X=", "", "", "container"},
		{"no account", Options{Container: "c", Key: someKey}, "X=", "", "", "DMM_AZURE_ACCOUNT"},
		{"no account with a URL", Options{Container: "c", Key: someKey, Endpoint: "https://x"}, "X=", "", "", "DMM_AZURE_ACCOUNT"},
		{"key is no base64", Options{Container: "c", Account: "acct", Key: "hidden!"}, "X=", "", "", "not base64"},
		{"token without TLS", Options{Container: "c", Endpoint: "http://blob.example.com/acct"}, "X=", "", "", "over TLS only"},
		{"password", Options{Container: "c", Account: "acct", Key: someKey, Endpoint: "https://u:hidden@x"}, "X=", "", "", "endpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name, text, _ := strings.Cut(test.env, "=")
			t.Setenv(name, text)
			b := &bucket{Options: test.o}
			_, err := Open(test.o)
			if err == nil {
				err = b.connect(quick)
			}
			if test.want != "" || err != nil {
				if err == nil || test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hidden") {
					t.Errorf("Open = %v, want an error with %q", err, test.want)
				}
				return
			}
			if who, err := b.Who(t.Context()); err != nil || who != test.who || b.place != test.place {
				t.Errorf("Who = %q, %v at %s, want %q at %s", who, err, b.place, test.who, test.place)
			}
		})
	}
}

// TestSignatureIsNotShown has a server that is not there: net/http's errors show URLs.
func TestSignatureIsNotShown(t *testing.T) {
	isolate(t)
	t.Setenv(sasVariable, "sv=2022-11-02&sp=rcwdl&sig=hidden")
	s, err := open(Options{Container: "c", Endpoint: "http://127.0.0.1:1/acct"}, quick)
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "sig=") {
			t.Errorf("%s = %v", op, err)
		}
	}
}

// TestNoCredentials has none anywhere: nothing is asked.
func TestNoCredentials(t *testing.T) {
	isolate(t)
	p := storetest.NewTLSProxy(t, "http://127.0.0.1:1")
	s, err := open(Options{Container: "c", Endpoint: p.URL, RootCAs: p.Roots()}, quick)
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range storetest.Calls(t.Context(), s, "k") {
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "find Azure credentials") {
			t.Errorf("%s = %v, want an error about credentials", op, err)
		}
	}
	if asked := p.Asked(); len(asked) > 0 {
		t.Errorf("asked %q all the same", asked)
	}
}

// login is a service that gives tokens to whoever knows the secret.
func login(t *testing.T, secret string) *httptest.Server {
	t.Helper()
	claims, err := json.Marshal(map[string]string{"appid": "the-client", "oid": "the-object", "tid": "the-tenant"})
	if err != nil {
		t.Fatal(err)
	}
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(r.URL.Path, "openid-configuration"):
			fmt.Fprintf(w, `{"issuer": "%s/the-tenant/v2.0", "authorization_endpoint": "%s/the-tenant/authorize", "token_endpoint": "%s/the-tenant/token"}`, s.URL, s.URL, s.URL)
		case r.FormValue("client_secret") == secret, r.FormValue("client_assertion") == secret, r.Header.Get("X-Identity-Header") == secret:
			fmt.Fprintf(w, `{"token_type": "Bearer", "expires_in": 3600, "expires_on": "4070908800", "access_token": %q}`, token)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "{\"error\": \"invalid_client\",\n\"error_description\": \"AADSTS7000215: Invalid client secret provided.\"}")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCreate has what the service says to a conditional write. A lost answer leads to one more and a look.
func TestCreate(t *testing.T) {
	isolate(t)
	for _, test := range []struct {
		name  string
		lost  bool
		taken string // the code of the refusal, "" if there is none
		there string
		want  error
		calls string
	}{
		{"at once", false, "", "", nil, "PUT"},
		{"taken by the same bytes", false, "BlobAlreadyExists", "ours", store.ErrExists, "PUT"},
		{"taken, in other words", false, "ConditionNotMet", "ours", store.ErrExists, "PUT"},
		{"answer lost, done all the same", true, "BlobAlreadyExists", "ours", nil, "PUT PUT GET"},
		{"answer lost, somebody else was first", true, "BlobAlreadyExists", "theirs", store.ErrExists, "PUT PUT GET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, r.Method)
				switch {
				case r.Method == http.MethodGet:
					w.Header().Set("ETag", `"1"`)
					_, _ = io.WriteString(w, test.there) // the client may have gone
				case r.Header.Get("If-None-Match") != "*":
					t.Errorf("If-None-Match = %q, want *", r.Header.Get("If-None-Match"))
					w.WriteHeader(http.StatusCreated)
				case test.lost && len(asked) == 1:
					panic(http.ErrAbortHandler)
				case test.taken != "":
					w.Header().Set("X-Ms-Error-Code", test.taken)
					w.WriteHeader(map[bool]int{true: http.StatusConflict, false: http.StatusPreconditionFailed}[test.taken == "BlobAlreadyExists"])
				default:
					w.WriteHeader(http.StatusCreated)
				}
			}))
			t.Cleanup(s.Close)
			st, err := open(Options{Container: "c", Account: "acct", Endpoint: s.URL + "/acct", Key: someKey}, quick)
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Put(t.Context(), "k", []byte("ours"), store.PutOptions{IfAbsent: true}); !errors.Is(err, test.want) {
				t.Errorf("create = %v, want %v", err, test.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(asked, " "); got != test.calls {
				t.Errorf("asked %q, want %q", got, test.calls)
			}
		})
	}
}

// TestSilentLogin has a login service that takes requests and never answers: what waits for a token must not wait for ever.
func TestSilentLogin(t *testing.T) {
	isolate(t)
	authority := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(authority.Close)
	t.Setenv("AZURE_AUTHORITY_HOST", authority.URL)
	t.Setenv("AZURE_TENANT_ID", "adfs")
	t.Setenv("AZURE_CLIENT_ID", "the-client")
	t.Setenv("AZURE_CLIENT_SECRET", "secret")
	pool := (&storetest.Proxy{Server: authority}).Roots()
	s, err := open(Options{Container: "c", Account: "acct", Endpoint: "https://127.0.0.1:1", RootCAs: pool}, remote.Patience{Still: 50 * time.Millisecond, Pause: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var still *remote.StillError
	if _, err := s.Stat(ctx, "k"); !errors.As(err, &still) && (err == nil || !strings.Contains(err.Error(), "no answer for 50ms")) || ctx.Err() != nil {
		t.Errorf("Stat = %v, want to hear that the service is silent", err)
	}
}

// TestAuthority has clouds with a login service of their own.
func TestAuthority(t *testing.T) {
	isolate(t)
	for place, want := range map[string]string{
		"https://acct.blob.core.usgovcloudapi.net": "https://login.microsoftonline.us/",
		"https://acct.blob.core.chinacloudapi.cn":  "https://login.chinacloudapi.cn/",
		"https://acct.blob.core.windows.net":       "", // the SDK's own
		"https://storage.example.com":              "",
	} {
		for _, named := range []string{"", "https://login.example.com"} {
			t.Setenv("AZURE_AUTHORITY_HOST", named)
			if named != "" {
				want = "" // what the surroundings name comes first
			}
			if got := (&bucket{place: place}).cloud().ActiveDirectoryAuthorityHost; got != want {
				t.Errorf("for %s and AZURE_AUTHORITY_HOST=%q the login service is %q, want %q", place, named, got, want)
			}
		}
	}
}

// TestIdentities logs in without a secret: as workload identity with the token of a service account, and as managed identity.
func TestIdentities(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("the-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, env := range map[string]map[string]string{
		"WorkloadIdentityCredential": {"AZURE_FEDERATED_TOKEN_FILE": token, "AZURE_CLIENT_ID": "the-client", "AZURE_TENANT_ID": "adfs"},
		"ManagedIdentityCredential":  {"AZURE_CLIENT_ID": "the-client", "IDENTITY_HEADER": "the-token"},
	} {
		t.Run(kind, func(t *testing.T) {
			isolate(t)
			authority := login(t, "the-token")
			t.Setenv("AZURE_TOKEN_CREDENTIALS", kind)
			t.Setenv("AZURE_AUTHORITY_HOST", authority.URL)
			t.Setenv("IDENTITY_ENDPOINT", authority.URL) // instead of the node's metadata service, whose address is fixed
			for name, value := range env {
				t.Setenv(name, value)
			}
			pool := (&storetest.Proxy{Server: authority}).Roots()
			s, err := open(Options{Container: "c", Account: "acct", Endpoint: "https://127.0.0.1:1", RootCAs: pool}, quick)
			if err != nil {
				t.Fatal(err)
			}
			if who, err := s.(store.Describer).Who(t.Context()); err != nil || who != "client id the-client, object id the-object, tenant the-tenant" {
				t.Errorf("Who = %q, %v", who, err)
			}
		})
	}
}

// TestChain logs in as a service principal.
func TestChain(t *testing.T) {
	for _, secret := range []string{"right", "wrong"} {
		t.Run(secret, func(t *testing.T) {
			isolate(t)
			authority := login(t, "right")
			t.Setenv("AZURE_AUTHORITY_HOST", authority.URL)
			t.Setenv("AZURE_TENANT_ID", "adfs") // an authority that is asked for nothing but a token
			t.Setenv("AZURE_CLIENT_ID", "the-client")
			t.Setenv("AZURE_CLIENT_SECRET", secret)
			pool := (&storetest.Proxy{Server: authority}).Roots()
			s, err := open(Options{Container: "c", Account: "acct", Endpoint: "https://127.0.0.1:1", RootCAs: pool}, quick)
			if err != nil {
				t.Fatal(err)
			}
			who, err := s.(store.Describer).Who(t.Context())
			if secret == "right" {
				if err != nil || who != "client id the-client, object id the-object, tenant the-tenant" {
					t.Errorf("Who = %q, %v", who, err)
				}
				return
			}
			if err == nil {
				t.Errorf("Who = %q with a wrong secret", who)
			}
			for op, err := range storetest.Calls(t.Context(), s, "k") {
				if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "find Azure credentials") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s = %v, want ErrDenied and that it is about credentials, on one line", op, err)
				}
			}
		})
	}
}
