package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
)

const bucketUser, bucketPassword = "e2e-user", "e2e-password-0123456789"

// bucket starts MinIO on this machine, makes the bucket "maintenance", and sets where it is and with which keys.
func (s *site) bucket() {
	s.t.Helper()
	minio := os.Getenv("E2E_MINIO")
	if minio == "" {
		s.t.Skip("E2E_MINIO does not name MinIO's program (scripts/test-servers builds it): nothing is kept in a bucket")
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	s.must(err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.must(l.Close())
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, minio, "server", "--quiet", "--address", ":"+port, s.t.TempDir())
	server.Env = append(os.Environ(), "MINIO_ROOT_USER="+bucketUser, "MINIO_ROOT_PASSWORD="+bucketPassword)
	s.must(server.Start())
	s.t.Cleanup(func() { cancel(); _ = server.Wait() })
	bucket := exec.CommandContext(s.t.Context(), "go", "run", "../../scripts/makebucket", "s3", "http://127.0.0.1:"+port, "maintenance")
	bucket.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+bucketUser, "AWS_SECRET_ACCESS_KEY="+bucketPassword, "AWS_REGION=us-east-1")
	if out, err := bucket.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	s.kubectl("create", "secret", "generic", "storage", "--from-literal=AWS_ACCESS_KEY_ID="+bucketUser, "--from-literal=AWS_SECRET_ACCESS_KEY="+bucketPassword)
	s.values = append(s.values, "store.credentialsSecret=storage", "settings.s3Endpoint=http://"+host+":"+port, "settings.lease=30s", "settings.settle=80s")
}

// wantNothingBeside is that of the bucket's keys nothing shows, and that no volume was made beside it.
func (s *site) wantNothingBeside() {
	s.t.Helper()
	s.wantNoSecret(dominosim.DefaultAPIKey)
	s.wantNoSecret(bucketPassword)
	if claims := s.kubectl("get", "pvc", "-o", "name"); strings.TrimSpace(claims) != "" {
		s.t.Errorf("a volume was made besides: %s", claims)
	}
}

// Records in a bucket, with keys from a Secret, hooks, and the times of a real maintenance: a lease of 30 s and all the settling
// that storage shared by machines asks for.
func TestABucket(t *testing.T) {
	t.Parallel()
	s := newSite(t, brisk())
	s.bucket()
	s.values = append(s.values, "hooks.enabled=true", "store.url=s3://maintenance/e2e", "settings.s3Region=us-east-1")
	before := s.truth()
	s.install()
	s.upgrade("--timeout", "5m")
	s.wantWhole(before, 1)
	s.wantNothingBeside()
}

// Records beside Domino's own backups, wherever its resource says that these are. The chart's rights are enough to read it.
func besideTheBackups(t *testing.T, dominos dynamic.NamespaceableResourceInterface) {
	s := newSite(t, brisk())
	s.bucket()
	_, err := dominos.Namespace(s.compute).Create(t.Context(), aDomino(map[string]any{
		"type": "s3", "s3": map[string]any{"bucket": "maintenance", "region": "us-east-1"},
	}), metav1.CreateOptions{})
	s.must(err)
	s.values = append(s.values, "hooks.enabled=true", "store.url=domino", "kubernetes.operatorNamespace="+s.compute)
	before := s.truth()
	s.install()
	s.upgrade("--timeout", "5m")
	s.wantLog("dmm-pre-upgrade-snapshot", "s3://maintenance/domino-maintenance-mode")
	s.wantWhole(before, 1)
	s.wantNothingBeside()
}
