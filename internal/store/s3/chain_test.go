package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
)

// TestChain finds credentials in each place that docs/storage.md names, and signs with them.
func TestChain(t *testing.T) {
	// What AWS gives whoever shows the token of a service account, and the agent of EKS to whoever shows that of a pod.
	giver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/credentials" && r.Header.Get("Authorization") == "the-token":
			fmt.Fprint(w, `{"AccessKeyId": "FROMPOD", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}`)
		case r.FormValue("Action") == "AssumeRoleWithWebIdentity" && r.FormValue("WebIdentityToken") == "the-token" && r.FormValue("RoleArn") == "arn:aws:iam::1:role/dmm":
			w.Header().Set("Content-Type", "text/xml")
			fmt.Fprint(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>FROMIRSA</AccessKeyId>`+
				`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`)
		default:
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	t.Cleanup(giver.Close)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := write("token", "the-token")
	profile := write("credentials", "[maintenance]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n")
	for _, test := range []struct {
		name, key string
		env       map[string]string
	}{
		{"static", "FROMENV", map[string]string{"AWS_ACCESS_KEY_ID": "FROMENV", "AWS_SECRET_ACCESS_KEY": "s"}},
		{"profile", "FROMPROFILE", map[string]string{"AWS_PROFILE": "maintenance", "AWS_SHARED_CREDENTIALS_FILE": profile}},
		{"IRSA", "FROMIRSA", map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::1:role/dmm", "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ENDPOINT_URL_STS": giver.URL, "AWS_REGION": "eu-west-1"}},
		{"EKS pod identity", "FROMPOD", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": giver.URL + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, c call) {
				if !strings.Contains(c.Header.Get("Authorization"), "Credential="+test.key+"/") {
					t.Errorf("%s: Authorization = %.80q, want the key %s", c.Method, c.Header.Get("Authorization"), test.key)
				}
				switch {
				case c.URL.Query().Has("list-type"):
					_, _ = io.WriteString(w, "<ListBucketResult/>") // the client may have gone
				case c.Method == http.MethodGet || c.Method == http.MethodHead:
					object(w, "x")
				}
			})
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			st := s.store(t)
			for op, err := range storetest.Calls(t.Context(), st, "k") {
				if err != nil {
					t.Errorf("%s: %v", op, err)
				}
			}
			if who, err := st.(store.Describer).Who(t.Context()); err != nil || !strings.HasPrefix(who, "access key "+test.key) {
				t.Errorf("Who = %q, %v", who, err)
			}
		})
	}
}
