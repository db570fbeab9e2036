// Package snapshot keeps the immutable record of what ran in a Domino deployment.
//
// A snapshot is two objects in one folder of the store:
//
//	snapshots/2026/09/20260922-190227-k3f9/executions.jsonl.zst   one execution a line
//	snapshots/2026/09/20260922-190227-k3f9/manifest.json          written last
//
// The manifest is the commit: it names the data object with its size and SHA-256,
// and a snapshot exists when its manifest does. Both are created only if absent and
// never changed. Readers check everything the manifest says and refuse what does not
// match, with the reason.
package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Schema names the format of the manifest and of the lines. Others rely on it.
const Schema = "dmm.snapshot/v1"

// Names of the objects in a snapshot's folder, and the folder of all snapshots.
const (
	manifestName = "manifest.json"
	dataName     = "executions.jsonl.zst"
	root         = "snapshots/"
	codePrefix   = "{\n  \"mac\": \"" // how a manifest begins that carries a code
)

// Bounds on what a reader takes into memory, far above any deployment.
const (
	maxManifest = 64 << 20
	maxData     = 1 << 30
	maxLines    = 4 << 30 // uncompressed
)

// Manifest describes a snapshot. Its JSON is a format others rely on; readers keep
// to the fields they know.
type Manifest struct {
	// MAC is the manifest's code, if it was written under a key (see package seal). It comes first.
	MAC string `json:"mac,omitempty"`

	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	From    time.Time `json:"from"` // when looking began, UTC
	To      time.Time `json:"to"`   // when it ended
	Domino  Domino    `json:"domino"`
	TakenBy string    `json:"takenBy"` // the principal whose key was used
	Tool    string    `json:"tool"`    // version of dmm

	Counts map[execution.Kind]map[execution.State]int `json:"counts"`

	// Complete: every list was read to its end by somebody who may see all.
	Complete    bool                 `json:"complete"`
	Problems    []execution.Problem  `json:"problems,omitempty"`
	Unaccounted []execution.Sighting `json:"unaccounted,omitempty"`
	// WithoutDriver counts by workload what runs in Domino and dmm does not handle.
	WithoutDriver map[string]int `json:"withoutDriver,omitempty"`
	// Findings are what would keep executions from coming back as they were, at that time.
	Findings []execution.Finding `json:"findings,omitempty"`

	Data Data `json:"data"`
}

// Domino names the deployment a snapshot was taken of.
type Domino struct {
	URL     string `json:"url"`
	Version string `json:"version"`
}

// Data describes the data object.
type Data struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes, compressed
	SHA256 string `json:"sha256"`
	Lines  int    `json:"lines"`
}

// Running is how many executions count as running.
func (m Manifest) Running() int {
	n := 0
	for _, states := range m.Counts {
		n += states[execution.Starting] + states[execution.Running]
	}
	return n
}

// Snapshot is a manifest with its executions.
type Snapshot struct {
	Manifest
	Executions []execution.Execution

	manifest, data []byte // its objects, as they were read
}

// ManifestSHA256 is the SHA-256 of the manifest object, in hex.
func (s *Snapshot) ManifestSHA256() string {
	sum := sha256.Sum256(s.manifest)
	return hex.EncodeToString(sum[:])
}

// Keep looks for the objects of a snapshot that was loaded, and puts back those that the store has lost since. It returns
// their keys. The error is a *DamagedError if other objects are in their place.
func (s *Snapshot) Keep(ctx context.Context, in store.Store) (putBack []string, err error) {
	there := map[string]int64{}
	for info, err := range in.List(ctx, folder(s.ID)) {
		if err != nil {
			return nil, fmt.Errorf("look for snapshot %s: %w", s.ID, err)
		}
		if !info.Foreign {
			there[info.Key] = info.Size
		}
	}
	for _, o := range []struct {
		name string
		body []byte
	}{{dataName, s.data}, {manifestName, s.manifest}} {
		key := folder(s.ID) + o.name
		switch size, ok := there[key]; {
		case !ok:
			err := in.Put(ctx, key, o.body, store.PutOptions{IfAbsent: true})
			if err == nil {
				putBack = append(putBack, key)
				continue
			}
			if there, readErr := store.ReadAll(ctx, in, key, maxData); readErr != nil || !bytes.Equal(there, o.body) { // else the list lags
				return putBack, fmt.Errorf("put back snapshot %s, which the store has lost: %w", s.ID, err)
			}
		case size != int64(len(o.body)):
			return putBack, damaged(s.ID, "%s is another one than when this run began", o.name)
		}
	}
	return putBack, nil
}

// ErrNotFound: the store answered, and holds no snapshot of that name, or none at all.
var ErrNotFound = errors.New("not found")

// ErrNone is the ErrNotFound of a store that holds no snapshot at all: it may be the wrong one.
var ErrNone = fmt.Errorf("%w", ErrNotFound)

// DamagedError: a snapshot that is there and cannot be trusted.
type DamagedError struct {
	ID     string
	Reason string
	Err    error // what package seal says, if that is the reason
}

func (e *DamagedError) Unwrap() error { return e.Err }

func (e *DamagedError) Error() string { return "read snapshot " + e.ID + ": " + e.Reason }

func damaged(id, format string, args ...any) error {
	return &DamagedError{ID: id, Reason: fmt.Sprintf(format, args...)}
}

// NewID returns an id for a snapshot begun at t: its time in UTC to the second, and
// four random letters, so that ids sort by time.
func NewID(t time.Time) string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(b))[:4]
	return t.UTC().Format("20060102-150405") + "-" + suffix
}

var idPattern = regexp.MustCompile(`^\d{8}-\d{6}-[a-z0-9]{4}$`)

// folder is the key prefix of a snapshot: by year and month, as Domino's own backup
// bundles have it.
func folder(id string) string { return folderIn(root, id) }

func folderIn(root, id string) string { return root + id[:4] + "/" + id[4:6] + "/" + id + "/" }

// Write writes a snapshot. Counts and Data of the manifest are filled in. commit is
// asked right before the manifest is written; its error leaves a snapshot that does
// not exist.
func Write(ctx context.Context, s store.Store, m Manifest, executions []execution.Execution, commit func(context.Context) error) (Manifest, error) {
	fail := func(err error) (Manifest, error) {
		return m, fmt.Errorf("write snapshot %s: %w", m.ID, err)
	}
	if !idPattern.MatchString(m.ID) {
		return fail(errors.New("malformed id"))
	}
	data, err := encode(executions)
	if err != nil {
		return fail(err)
	}
	m.Schema, m.Counts, m.Data = Schema, Count(executions), dataOf(data, executions)
	key := folder(m.ID) + manifestName
	sealed := seal.Of(s)
	if sealed.Key != nil {
		m.MAC = seal.Blank
	}
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fail(err)
	}
	body = append(body, '\n')
	if sealed.Key != nil {
		sealed.Key.Seal(seal.Manifest, key, codePrefix, body)
		m.MAC = string(body[len(codePrefix):][:len(seal.Blank)])
	}
	if err := s.Put(ctx, folder(m.ID)+dataName, data, store.PutOptions{IfAbsent: true}); err != nil {
		return fail(err)
	}
	if commit != nil {
		if err := commit(ctx); err != nil {
			return fail(err)
		}
	}
	if err := s.Put(ctx, key, body, store.PutOptions{IfAbsent: true}); err != nil {
		return fail(err)
	}
	return m, nil
}

func dataOf(data []byte, executions []execution.Execution) Data {
	sum := sha256.Sum256(data)
	return Data{Name: dataName, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Lines: len(executions)}
}

// Count counts executions by kind and state.
func Count(executions []execution.Execution) map[execution.Kind]map[execution.State]int {
	counts := map[execution.Kind]map[execution.State]int{}
	for _, e := range executions {
		if counts[e.Kind] == nil {
			counts[e.Kind] = map[execution.State]int{}
		}
		counts[e.Kind][e.State]++
	}
	return counts
}

func encode(executions []execution.Execution) ([]byte, error) {
	var buf bytes.Buffer
	// One encoder of modest window: a snapshot of 20,000 executions must stay small in memory.
	z, err := zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	for _, e := range executions {
		if err := enc.Encode(e); err != nil {
			return nil, fmt.Errorf("encode %s: %w", e, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// List returns the ids of the snapshots in the store, oldest first.
func List(ctx context.Context, s store.Store) ([]string, error) {
	folders, err := Folders(ctx, s)
	var ids []string
	for _, f := range folders {
		if !f.Unfinished {
			ids = append(ids, f.ID)
		}
	}
	return ids, err
}

// Load reads and checks the snapshot with the id, or the newest if id is "latest" or
// empty. Errors: ErrNotFound, *DamagedError, or the store's.
func Load(ctx context.Context, s store.Store, id string) (*Snapshot, error) {
	folders, err := Folders(ctx, s)
	if err != nil {
		return nil, err
	}
	f, err := Choose(folders, id)
	if err != nil {
		return nil, err
	}
	if f.Err != nil {
		return nil, f.Err
	}
	id = f.ID
	m, manifest, err := readManifest(ctx, s, id)
	if err != nil {
		return nil, err
	}
	data, err := store.ReadAll(ctx, s, folder(id)+dataName, maxData)
	if errors.Is(err, store.ErrNotFound) {
		return nil, damaged(id, "%s is missing", dataName)
	}
	if errors.Is(err, store.ErrForeign) {
		return nil, damaged(id, "%v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", id, err)
	}
	executions, err := parseData(m, data)
	if err != nil {
		return nil, err
	}
	return &Snapshot{Manifest: m, Executions: executions, manifest: manifest, data: data}, nil
}

// ReadManifest reads what a snapshot says about itself, without its executions.
func ReadManifest(ctx context.Context, s store.Store, id string) (Manifest, error) {
	m, _, err := readManifest(ctx, s, id)
	return m, err
}

func readManifest(ctx context.Context, s store.Store, id string) (Manifest, []byte, error) {
	body, err := store.ReadAll(ctx, s, folder(id)+manifestName, maxManifest)
	if errors.Is(err, store.ErrNotFound) {
		return Manifest{}, nil, fmt.Errorf("read snapshot %s: %w: %w", id, ErrNotFound, err)
	}
	if errors.Is(err, store.ErrForeign) {
		return Manifest{}, nil, damaged(id, "%v", err)
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("read snapshot %s: %w", id, err)
	}
	if sealed := seal.Of(s); sealed.Key != nil && !sealed.AllowUnsealed {
		if err := sealed.Key.Check(seal.Manifest, folder(id)+manifestName, codePrefix, body); err != nil {
			return Manifest{}, nil, &DamagedError{ID: id, Reason: manifestName + ": " + err.Error(), Err: err}
		}
	}
	m, err := parseManifest(id, body)
	return m, body, err
}

func parseManifest(id string, body []byte) (Manifest, error) {
	var m Manifest
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return m, damaged(id, "%s is not JSON: %v", manifestName, err)
	}
	if head.Schema != Schema {
		return m, damaged(id, "schema %q is not known to this version of dmm, which reads %q: use the version that wrote it or a newer one", head.Schema, Schema)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, damaged(id, "%s: %v", manifestName, err)
	}
	if m.ID != id {
		return m, damaged(id, "%s names another snapshot, %q", manifestName, m.ID)
	}
	if m.Data.Name != dataName {
		return m, damaged(id, "%s names an unknown data object %q", manifestName, m.Data.Name)
	}
	return m, nil
}

func parseData(m Manifest, data []byte) ([]execution.Execution, error) {
	executions, err := parseLines(m.ID, m.Data, data)
	if err != nil {
		return nil, err
	}
	counts := Count(executions)
	for _, side := range []map[execution.Kind]map[execution.State]int{counts, m.Counts} {
		for kind, states := range side {
			for state := range states {
				if n, said := counts[kind][state], m.Counts[kind][state]; n != said {
					return nil, damaged(m.ID, "%d %s are %s, its manifest says %d", n, kind, state, said)
				}
			}
		}
	}
	return executions, nil
}

// parseLines decodes a data object and checks it against what was written down of it.
func parseLines(id string, d Data, data []byte) ([]execution.Execution, error) {
	if int64(len(data)) != d.Size {
		return nil, damaged(id, "%s has %d bytes, its manifest says %d", dataName, len(data), d.Size)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.SHA256 {
		return nil, damaged(id, "%s: sha256 mismatch", dataName)
	}
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxData))
	if err != nil {
		return nil, damaged(id, "%s: %v", dataName, err)
	}
	defer z.Close()
	var executions []execution.Execution
	seen := map[execution.Key]bool{}
	dec := json.NewDecoder(io.LimitReader(z, maxLines))
	for {
		var e execution.Execution
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged(id, "%s: line %d: %v", dataName, len(executions)+1, err)
		}
		if e.Kind == "" || e.ID == "" || seen[e.Key()] {
			return nil, damaged(id, "%s: line %d: no kind or id, or one that came before", dataName, len(executions)+1)
		}
		seen[e.Key()] = true
		executions = append(executions, e)
	}
	if len(executions) != d.Lines {
		return nil, damaged(id, "%s has %d lines, its manifest says %d", dataName, len(executions), d.Lines)
	}
	return executions, nil
}

// Sort puts executions in the order in which snapshots keep them: by kind, project, name, id.
func Sort(executions []execution.Execution) {
	order := map[execution.Kind]int{}
	for i, k := range execution.Kinds() {
		order[k] = i
	}
	slices.SortFunc(executions, func(a, b execution.Execution) int {
		return cmp.Or(
			cmp.Compare(order[a.Kind], order[b.Kind]),
			strings.Compare(a.Project.String(), b.Project.String()),
			strings.Compare(a.Name, b.Name),
			strings.Compare(a.ID, b.ID),
		)
	})
}
