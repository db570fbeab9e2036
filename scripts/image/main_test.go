package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// compile builds hello for an architecture.
func compile(t *testing.T, arch string, env ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "hello-"+arch)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./testdata/hello")
	cmd.Env = append(os.Environ(), append([]string{"GOFLAGS=", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}, env...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// Built twice, in other folders and from files of other times, the archive is the same to the last bit.
func TestTheSameBinariesGiveTheSameArchive(t *testing.T) {
	amd, arm := compile(t, "amd64"), compile(t, "arm64")
	var archives [2][]byte
	var digests [2]v1.Hash
	for i := range archives {
		dir := t.TempDir()
		binaries := []string{}
		for arch, path := range map[string]string{"amd64": amd, "arm64": arm} {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			mine := filepath.Join(dir, arch)
			if err := os.WriteFile(mine, body, 0o600); err != nil {
				t.Fatal(err)
			}
			binaries = append(binaries, "linux/"+arch+"="+mine)
		}
		if strings.Contains(binaries[0], "arm64") {
			binaries[0], binaries[1] = binaries[1], binaries[0]
		}
		out := filepath.Join(dir, "dmm.tar")
		digest, err := build("1.2.3", "example.test/dmm:1.2.3", out, binaries)
		if err != nil {
			t.Fatal(err)
		}
		digests[i] = digest
		if archives[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if digests[0] != digests[1] || !bytes.Equal(archives[0], archives[1]) {
		t.Errorf("the digests are %s and %s, the archives have %d and %d bytes", digests[0], digests[1], len(archives[0]), len(archives[1]))
	}
}

func TestWhatIsInTheImage(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "dmm.tar")
	if _, err := build("1.2.3", "example.test/dmm:1.2.3", out, []string{"linux/amd64=" + compile(t, "amd64"), "linux/arm64=" + compile(t, "arm64")}); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-xf", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	top, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := top.Manifests[0].Annotations; got["io.containerd.image.name"] != "example.test/dmm:1.2.3" || got["org.opencontainers.image.ref.name"] != "1.2.3" {
		t.Errorf("the index is annotated with %v", got)
	}
	index, err := outer.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range manifest.Manifests {
		platforms = append(platforms, d.Platform.String())
		image, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != "65532:65532" || strings.Join(config.Config.Entrypoint, " ") != "/dmm" || config.Architecture != d.Platform.Architecture || !config.Created.IsZero() {
			t.Errorf("%s: the configuration is %+v", d.Platform, config)
		}
		files := extract(t, image)
		var sbom struct {
			SpecVersion string
			Metadata    struct{ Component component }
			Components  []component
		}
		if err := json.Unmarshal(files["usr/share/doc/dmm/sbom.cdx.json"], &sbom); err != nil {
			t.Fatal(err)
		}
		if len(files["dmm"]) == 0 || len(files) != 2 || sbom.Metadata.Component.Version != "1.2.3" || len(sbom.Components) == 0 || sbom.Components[0].Name != "stdlib" {
			t.Errorf("%s: %d files, the bill of materials is %+v", d.Platform, len(files), sbom)
		}
		beside, err := os.ReadFile(filepath.Join(dir, "dmm."+d.Platform.Architecture+".cdx.json"))
		if err != nil || !bytes.Equal(beside, files["usr/share/doc/dmm/sbom.cdx.json"]) {
			t.Errorf("%s: the bill of materials beside the archive is another: %v", d.Platform, err)
		}
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("platforms are %s", got)
	}
}

func extract(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	r := mutate.Extract(image)
	defer r.Close()
	reader := tar.NewReader(r)
	for {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.FileInfo().Mode().Perm()&0o005 == 0 && h.FileInfo().IsDir() || h.FileInfo().Mode().Perm()&0o004 == 0 {
			t.Errorf("%s has mode %v and belongs to %d:%d: not every user could read it, or one could change it", h.Name, h.FileInfo().Mode(), h.Uid, h.Gid)
		}
		if !h.FileInfo().IsDir() {
			if files[h.Name], err = io.ReadAll(reader); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An image that would not start is not made.
func TestBinariesThatWillNotRun(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ binary, want string }{
		"of another machine": {"linux/arm64=" + compile(t, "amd64"), "built for linux/amd64"},
		"no program":         {"linux/amd64=" + text, "unrecognized file format"},
		"missing":            {"linux/amd64=/missing", "no such file"},
		"no platform":        {compile(t, "amd64"), "not of the form"},
	} {
		_, err := build("1.2.3", "", filepath.Join(t.TempDir(), "dmm.tar"), []string{c.binary})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: build gives %v", name, err)
		}
	}
}
