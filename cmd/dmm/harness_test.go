package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/domino-maintenance-mode/dmm/internal/dominosim"
	"github.com/domino-maintenance-mode/dmm/internal/dominosim/spectest"
)

// actAsDmm in the environment makes the test binary the command itself.
const actAsDmm = "DMM_TEST_ACT_AS_DMM"

func TestMain(m *testing.M) {
	if how := os.Getenv(actAsDmm); how != "" {
		_ = os.Unsetenv(actAsDmm)
		misbehave(how)
		main()
	}
	signal.Reset() // package process has caught them, for dmm
	debug.SetTraceback("all")
	// What the AWS SDK and Kubernetes' client look for in the environment is not that of whoever runs this, and no real key.
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		for _, prefix := range []string{"AWS_", "KUBE", "POD_", "JOB_"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": s3Secret, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value)
	}
	flag.Parse()
	// Most of these tests wait for retries or for executions to move, not for this machine's cores.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("16")
	}
	goleak.VerifyTestMain(m)
}

// secrets are never to be printed, whatever goes wrong. Every run of these tests is searched for them.
var secrets = []string{dominosim.DefaultAPIKey, userKey, token, s3Secret, webhookSecret}

const (
	userKey       = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"
	token         = "eyJhbGciOiJub25lIn0.c2VydmljZS1hY2NvdW50.signature"
	s3Secret      = "wJalrXUtnFEMI-a-secret-of-these-tests"
	webhookSecret = "hook-T0000-B0000-a-secret-of-these-tests"
)

// outcome is what a command leaves behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// dmm runs the command in-process, as main would, with this environment and no other.
func dmm(t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	return dmmContext(t.Context(), t, environ, args...)
}

func dmmContext(ctx context.Context, t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, environ, &stdout, &stderr)
	o := outcome{code, stdout.String(), stderr.String()}
	for _, secret := range secrets {
		if strings.Contains(o.stdout+o.stderr, secret) {
			t.Errorf("dmm %q shows a secret:\n%s%s", args, o.stdout, o.stderr)
		}
	}
	return o
}

// want asserts the exit code, and that each text is in the last lines a person sees: the
// result on standard output, or the reason on standard error.
func (o outcome) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", o.code, code, o.stdout, o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("%q is not in what it says\nstdout: %s\nstderr: %s", text, o.stdout, o.stderr)
		}
	}
}

// site is a simulated deployment with a store in a folder.
type site struct {
	t      *testing.T
	sim    *dominosim.Sim
	url    string
	folder string
	env    []string
}

// quick is a deployment that answers and changes state at once.
func quick() dominosim.Config {
	return dominosim.Config{Profile: "6.1", Seed: 2, Projects: 2, Apps: 3, Models: 2, Workspaces: 2, Schedules: 2, StoppedFraction: 0.2}
}

func newSite(t *testing.T, c dominosim.Config, env ...string) *site {
	c.OnExchange = spectest.Watch(t)
	sim := dominosim.New(c)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	s := &site{t: t, sim: sim, url: server.URL, folder: t.TempDir()}
	s.env = append([]string{
		"DOMINO_HOSTNAME=" + s.url, "DOMINO_API_KEY=" + dominosim.DefaultAPIKey, "DMM_STORE=file://" + s.folder,
		"DMM_RESTORE_WORKSPACES=true", "DMM_LEASE=1s", "DMM_SETTLE=100ms",
	}, env...)
	return s
}

// with is the site's environment with settings in place of, or beside, its own.
func (s *site) with(env ...string) []string {
	var names []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	return append(s.without(names...), env...)
}

// without is the site's environment but for some variables.
func (s *site) without(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(s.env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(names, name)
	})
}

func (s *site) dmm(args ...string) outcome {
	s.t.Helper()
	return dmm(s.t, s.env, args...)
}

// objects are the keys in the store.
func (s *site) objects() []string {
	s.t.Helper()
	var keys []string
	err := filepath.WalkDir(s.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			keys = append(keys, strings.TrimPrefix(path, s.folder+"/"))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// wantNothingTouched asserts that Domino was sent nothing that may change something, and
// that no window was opened.
func (s *site) wantNothingTouched() {
	s.t.Helper()
	for _, r := range s.sim.Ledger().Writes() {
		s.t.Errorf("Domino was sent %s %s", r.Method, r.Path)
	}
	for _, key := range s.objects() {
		if strings.HasPrefix(key, "windows/") {
			s.t.Errorf("there is a window: %s", key)
		}
	}
}

// snapshotFile is the path of one of the two objects of the only snapshot.
func (s *site) snapshotFile(name string) string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.folder, "snapshots/*/*/*", name))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("files %s: %v, %v; want one", name, files, err)
	}
	return files[0]
}

func (s *site) snapshotID() string {
	s.t.Helper()
	return filepath.Base(filepath.Dir(s.snapshotFile("manifest.json")))
}

// closedPort is a URL at which nobody listens. Its port is taken until the test ends, so that no other server gets it.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}
