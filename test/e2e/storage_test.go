package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

// Records in a bucket, with keys from a Secret, hooks, and the times of a real maintenance: a lease of 30 s and all the settling
// that storage shared by machines asks for. MinIO runs on this machine.
func TestABucket(t *testing.T) {
	t.Parallel()
	minio := os.Getenv("E2E_MINIO")
	if minio == "" {
		t.Skip("E2E_MINIO does not name MinIO's program (scripts/test-servers builds it): nothing is kept in a bucket")
	}
	s := newSite(t, brisk())
	l, err := net.Listen("tcp", "0.0.0.0:0")
	s.must(err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.must(l.Close())
	const user, password = "e2e-user", "e2e-password-0123456789"
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, minio, "server", "--quiet", "--address", ":"+port, t.TempDir())
	server.Env = append(os.Environ(), "MINIO_ROOT_USER="+user, "MINIO_ROOT_PASSWORD="+password)
	s.must(server.Start())
	t.Cleanup(func() { cancel(); _ = server.Wait() })
	bucket := exec.CommandContext(t.Context(), "go", "run", "../../scripts/makebucket", "s3", "http://127.0.0.1:"+port, "maintenance")
	bucket.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+user, "AWS_SECRET_ACCESS_KEY="+password, "AWS_REGION=us-east-1")
	if out, err := bucket.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.kubectl("create", "secret", "generic", "storage", "--from-literal=AWS_ACCESS_KEY_ID="+user, "--from-literal=AWS_SECRET_ACCESS_KEY="+password)
	s.values = append(s.values, "hooks.enabled=true", "store.url=s3://maintenance/e2e", "store.credentialsSecret=storage",
		"settings.s3Endpoint=http://"+host+":"+port, "settings.s3Region=us-east-1", "settings.lease=30s", "settings.settle=80s")
	before := s.truth()
	s.install()
	s.upgrade("--timeout", "5m")
	s.wantWhole(before, 1)
	s.wantNoSecret(dominosim.DefaultAPIKey)
	s.wantNoSecret(password)
	if claims := s.kubectl("get", "pvc", "-o", "name"); strings.TrimSpace(claims) != "" {
		t.Errorf("a volume was made besides: %s", claims)
	}
}
