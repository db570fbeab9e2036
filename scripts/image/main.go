// Command image assembles the container image from static binaries, without a daemon or a registry: an OCI archive with
// one image for each platform, and a bill of materials (CycloneDX) inside each and beside the archive.
//
//	go run ./scripts/image -version 1.2.3 -ref example.test/dmm:1.2.3 -o dmm.tar linux/amd64=bin/amd64 linux/arm64=bin/arm64
//
// The same binaries give the same bytes, wherever and whenever it runs: there is no time and no file mode of the machine in
// it. It prints the digest of the index. The Dockerfile makes an image that holds the same.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	user = "65532:65532" // a number: Kubernetes refuses runAsNonRoot for a user that is only a name
	// largest bounds the compressed size of an image in bytes: nodes pull it while a maintenance waits.
	largest = 30_000_000
	source  = "https://github.com/domino-maintenance-mode/dmm"
)

func main() {
	version := flag.String("version", "unknown", "version of dmm")
	ref := flag.String("ref", "", "reference that whoever loads the archive gives the image")
	out := flag.String("o", "dmm.tar", "archive to write")
	flag.Parse()
	digest, err := build(*version, *ref, *out, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Println(digest)
}

func build(version, ref, out string, binaries []string) (v1.Hash, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		name, path, _ := strings.Cut(b, "=")
		platform, err := v1.ParsePlatform(name)
		if err != nil || path == "" {
			return v1.Hash{}, fmt.Errorf("%q is not of the form os/architecture=path", b)
		}
		binary, err := os.ReadFile(path)
		if err != nil {
			return v1.Hash{}, err
		}
		sbom, err := billOfMaterials(version, *platform, binary)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s.%s.cdx.json", strings.TrimSuffix(out, ".tar"), platform.Architecture), sbom, 0o644); err != nil {
			return v1.Hash{}, err
		}
		image, err := imageOf(version, *platform, binary, sbom)
		if err != nil {
			return v1.Hash{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	if err := write(index, ref, out); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// imageOf puts the binary and its bill of materials into an image.
func imageOf(version string, p v1.Platform, binary, sbom []byte) (v1.Image, error) {
	contents, err := layer([]file{
		{"dmm", 0o755, binary},
		{"usr/share/doc/dmm/sbom.cdx.json", 0o644, sbom},
	})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(contents)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
	if err != nil {
		return nil, err
	}
	size, err := l.Size()
	if err != nil {
		return nil, err
	}
	if size > largest {
		return nil, fmt.Errorf("the image for %s has %d bytes compressed, and %d is the most that it should have", p.String(), size, largest)
	}
	if image, err = mutate.Append(image, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "scripts/image", Created: v1.Time{}}}); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture = p.OS, p.Architecture
	config.Config = v1.Config{
		User: user, Entrypoint: []string{"/dmm"},
		Labels: map[string]string{"org.opencontainers.image.title": "dmm", "org.opencontainers.image.version": version, "org.opencontainers.image.source": source},
	}
	return mutate.ConfigFile(image, config)
}

type file struct {
	name string
	mode fs.FileMode
	body []byte
}

// layer is a tar archive of files and of the folders that they lie in. All belongs to root and is of no time.
func layer(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	folders := map[string]bool{}
	for _, f := range files {
		for i, c := range f.name {
			if folder := f.name[:i]; c == '/' && !folders[folder] {
				folders[folder] = true
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
					return nil, err
				}
			}
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: int64(len(f.body)), ModTime: time.Unix(0, 0)}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	err := w.Close() // before Bytes: it writes the end
	return b.Bytes(), err
}

// write writes an OCI layout of the index as an archive, sorted by name. Whoever loads it finds the index under ref.
func write(index v1.ImageIndex, ref, out string) error {
	dir, err := os.MkdirTemp("", "dmm-image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	annotations := map[string]string{}
	if ref != "" {
		// containerd and docker read the first, podman and skopeo the second.
		tag := ref[strings.LastIndex(ref, ":")+1:]
		annotations = map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": tag}
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(annotations)); err != nil {
		return err
	}
	var files []file
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		files = append(files, file{filepath.ToSlash(rel), 0o644, body})
		return err
	}); err != nil {
		return err
	}
	archive, err := layer(files)
	if err != nil {
		return err
	}
	return os.WriteFile(out, archive, 0o644)
}

// component is one of CycloneDX 1.6, as far as a Go binary tells.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

// billOfMaterials lists what Go has linked into a binary, as the binary itself says ("go version -m").
func billOfMaterials(version string, p v1.Platform, binary []byte) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != p.OS || settings["GOARCH"] != p.Architecture || settings["CGO_ENABLED"] != "0" {
		return nil, fmt.Errorf("it is built for %s/%s with CGO_ENABLED=%s, and a static one for %s is needed", settings["GOOS"], settings["GOARCH"], settings["CGO_ENABLED"], p.String())
	}
	sum := sha256.Sum256(binary)
	components := []component{{Type: "library", Name: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/stdlib@" + strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
		// Go's h1: is a SHA-256 over the names and hashes of a module's files.
		if h, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(h) == sha256.Size {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(h)}}
		}
		components = append(components, c)
	}
	return json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata": map[string]any{"component": component{
			Type: "application", Name: "dmm", Version: version, PURL: "pkg:golang/" + info.Main.Path + "@" + version,
			Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		}},
		"components": components,
	}, "", " ")
}
