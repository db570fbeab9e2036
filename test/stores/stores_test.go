// Package stores runs the built binary on the real storage servers that scripts/test-servers starts.
package stores

import (
	"crypto/rand"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// TestRealStores tries each store, takes a snapshot into it, reads it to its end, and prunes.
func TestRealStores(t *testing.T) {
	endpoints := map[string]string{"s3": os.Getenv("DMM_TEST_S3_ENDPOINT"), "azure": os.Getenv("DMM_TEST_AZURE_ENDPOINT")}
	if endpoints["s3"] == "" && endpoints["azure"] == "" {
		t.Skip("needs storage servers: run make test-servers")
	}
	folder := t.TempDir()
	binary := filepath.Join(folder, "dmm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../../cmd/dmm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	resource := filepath.Join(folder, "domino.yml")
	if err := os.WriteFile(resource, []byte("blob_storage: {backups: {type: s3, s3: {bucket: "+os.Getenv("DMM_TEST_S3_BUCKET")+"}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := "/dmm-test/" + rand.Text()
	for _, test := range []struct {
		name, server, as string
		env              []string
	}{
		{"s3", "s3", "access key ", []string{"DMM_STORE=s3://" + os.Getenv("DMM_TEST_S3_BUCKET") + run, "DMM_S3_ENDPOINT=" + endpoints["s3"]}},
		{"azure", "azure", "the key of account ", []string{"DMM_STORE=azblob://" + os.Getenv("DMM_TEST_AZURE_CONTAINER") + run, "DMM_AZURE_ENDPOINT=" + endpoints["azure"]}},
		{"domino", "s3", "domino-maintenance-mode", []string{"DMM_STORE=domino", "DMM_DOMINO_FILE=" + resource, "DMM_S3_ENDPOINT=" + endpoints["s3"]}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if endpoints[test.server] == "" {
				t.Skip("needs its server: run make test-servers")
			}
			sim := httptest.NewServer(dominosim.New(dominosim.Config{Profile: "6.1", Seed: 2, Projects: 2, Apps: 3, Models: 2, Workspaces: 2, Schedules: 2}).Handler())
			t.Cleanup(sim.Close)
			dmm := func(want string, args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), binary, args...)
				cmd.Env = append(append(os.Environ(), "DOMINO_HOSTNAME="+sim.URL, "DOMINO_API_KEY="+dominosim.DefaultAPIKey), test.env...)
				if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
					t.Errorf("dmm %v: %v, want %q in\n%s", args, err, want, out)
				}
			}
			dmm(test.as, "check-store")
			dmm("The store does all that a maintenance needs.", "check-store")
			dmm("", "snapshot")
			dmm("were read to the end", "verify")
			dmm("", "prune", "--keep", "1")
		})
	}
}
