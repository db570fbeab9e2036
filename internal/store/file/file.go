// Package file is a store in a folder: a volume mounted into the pod, a share, or a laptop's disk.
//
// Each object is a file, and its path under the folder is its key (escaped where a path would mean
// something else, see store.EscapeKey). Writing one goes: temporary file in the same folder, fsync,
// link (create) or rename (overwrite), fsync of the folder. link(2) is what makes a create atomic, on
// local file systems and on NFS alike, since it fails when the name is taken; where a file system has no
// links (SMB, some FUSE), renameat2 with RENAME_NOREPLACE does the same; where neither is to be had, a
// create is refused, since anything else would let two writers win.
//
// What it cannot promise: an NFS client caches folders, so that a file made on one machine may be
// missing from a listing on another for as long as the mount's acdirmax says (60 s by default). Creating
// the same key is refused at once all the same. Mount with noac or a small actimeo if runs on two
// machines are to see each other sooner.
//
// Folders that have become empty stay.
package file

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// tempPrefix begins the names of files that are being written. store.EscapeKey never makes such a name
// ("%t" is none of its escapes), so no key can be mistaken for one, nor a dead process's leftover for an
// object.
const tempPrefix = ".%tmp-"

type dir struct {
	root string // absolute

	// durable holds the folders whose names were fsynced into their parents by this process. Objects
	// are only safe when the folders above them are, and a folder made by another process may not be yet.
	durable sync.Map

	link, renameNew func(from, to string) error // replaced in tests of file systems that lack them
}

// ErrNoFolder says that a folder is not there: most likely a volume is not mounted.
var ErrNoFolder = errors.New("does not exist (is the volume mounted?)")

// Open opens the store in the folder root. The folder is made if it is missing, but not its parent: a
// missing parent is a volume that is not mounted, or a typing error.
func Open(root string) (store.Store, error) {
	d, err := open(root)
	if err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	return d, nil
}

func open(root string) (*dir, error) {
	if root == "" {
		return nil, errors.New("the path of the folder is empty")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	d := &dir{root: abs, link: os.Link, renameNew: renameNoReplace}
	switch err := os.Mkdir(abs, 0o770); {
	case err == nil:
		if err := syncFolder(filepath.Dir(abs)); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the folder %s can not be made, since %s %w", abs, filepath.Dir(abs), ErrNoFolder)
	case !errors.Is(err, fs.ErrExist):
		// A read-only parent is no reason to complain about a folder that is there.
		if info, statErr := os.Stat(abs); statErr != nil || !info.IsDir() {
			return nil, classify(err)
		}
	}
	if err := d.checkRoot(); err != nil {
		return nil, err
	}
	return d, nil
}

// checkRoot tells "the key is absent" from "there is nothing to look in".
func (d *dir) checkRoot() error {
	info, err := os.Stat(d.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s does not exist", d.root)
	case err != nil:
		return classify(err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", d.root)
	}
	return nil
}

// Who tells as whom files are opened.
func (d *dir) Who(context.Context) (string, error) {
	groups, err := os.Getgroups()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("user id %d, group ids %v", os.Geteuid(), append([]int{os.Getegid()}, groups...)), nil
}

// Right names the permission on the folder and what is in it.
func (d *dir) Right(op string) string {
	switch op {
	case "put", "create", "delete":
		return "to write in " + d.root
	}
	return "to read in " + d.root
}

// begin is the first step of every method that names one key: all refuse a bad key and an ended context
// alike.
func (d *dir) begin(ctx context.Context, key string) (path string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := store.CheckKey(key); err != nil {
		return "", err
	}
	return filepath.Join(d.root, filepath.FromSlash(store.EscapeKey(key))), nil
}

// absent gives the error for a path at which there is no object.
func (d *dir) absent() error {
	if err := d.checkRoot(); err != nil {
		return err
	}
	return store.ErrNotFound
}

// isAbsent tells the errors of a path at which there is none: ENOTDIR is a key whose folder is an object.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// classify marks what the permissions or a read-only mount do not allow.
func classify(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: %w", store.ErrDenied, err)
	}
	return err
}

// Get opens an object. What is read is the object as it was then, whatever is written meanwhile.
func (d *dir) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	f, info, err := d.get(ctx, key)
	if err != nil {
		return nil, store.Info{}, &store.Error{Op: "get", Key: key, Err: err}
	}
	return &reader{ctx: ctx, file: f, left: info.Size}, info, nil
}

func (d *dir) get(ctx context.Context, key string) (*os.File, store.Info, error) {
	path, err := d.begin(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	f, err := os.Open(path)
	if isAbsent(err) {
		return nil, store.Info{}, d.absent()
	}
	if err != nil {
		return nil, store.Info{}, classify(err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = store.ErrNotFound
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, store.Info{}, err
	}
	return f, info(key, fi), nil
}

// Stat tells an object's size and time.
func (d *dir) Stat(ctx context.Context, key string) (store.Info, error) {
	i, err := d.stat(ctx, key)
	if err != nil {
		return store.Info{}, &store.Error{Op: "stat", Key: key, Err: err}
	}
	return i, nil
}

func (d *dir) stat(ctx context.Context, key string) (store.Info, error) {
	path, err := d.begin(ctx, key)
	if err != nil {
		return store.Info{}, err
	}
	fi, err := os.Stat(path)
	switch {
	case isAbsent(err):
		return store.Info{}, d.absent()
	case err != nil:
		return store.Info{}, classify(err)
	case !fi.Mode().IsRegular():
		return store.Info{}, store.ErrNotFound
	}
	return info(key, fi), nil
}

func info(key string, fi fs.FileInfo) store.Info {
	return store.Info{Key: key, Size: fi.Size(), Modified: fi.ModTime().UTC()}
}

// Put writes an object. When it returns nil, the object survives a loss of power.
func (d *dir) Put(ctx context.Context, key string, body []byte, o store.PutOptions) error {
	op := "put"
	if o.IfAbsent {
		op = "create"
	}
	if err := d.put(ctx, key, body, o); err != nil {
		return &store.Error{Op: op, Key: key, Err: err}
	}
	return nil
}

func (d *dir) put(ctx context.Context, key string, body []byte, o store.PutOptions) (err error) {
	path, err := d.begin(ctx, key)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	temp := filepath.Join(folder, tempPrefix+rand.Text())
	defer func() {
		// After a rename it is gone, and after a link it is a second name of the object.
		if e := os.Remove(temp); e != nil && !isAbsent(e) && err == nil {
			err = fmt.Errorf("remove temporary file: %w", e)
		}
	}()
	if err := d.writeTemp(temp, body); err != nil {
		return classify(err)
	}
	if err := ctx.Err(); err != nil { // the last moment at which it can be called off
		return err
	}
	if o.IfAbsent {
		err = d.create(temp, path)
	} else {
		err = os.Rename(temp, path)
	}
	switch {
	case errors.Is(err, store.ErrExists):
		return err
	case err != nil:
		return classify(err)
	}
	return syncFolder(folder)
}

// create gives the file temp the name path, atomically, unless that is taken.
func (d *dir) create(temp, path string) error {
	err := d.link(temp, path)
	if unsupported(err) || errors.Is(err, fs.ErrPermission) { // EPERM is how Linux says "no links here"
		renameErr := d.renameNew(temp, path)
		if unsupported(renameErr) {
			return fmt.Errorf("the file system of %s can create a file atomically neither by link nor by renameat2, and without that it can not hold dmm's records: %w",
				d.root, errors.Join(err, renameErr))
		}
		err = renameErr
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, statErr := os.Stat(path)
	if statErr != nil {
		return fmt.Errorf("%s is taken, but can not be looked at: %w", path, statErr)
	}
	if there.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	// An NFS client that sends a link again, because the answer was lost, gets to hear of its own.
	if ours, statErr := os.Stat(temp); statErr == nil && os.SameFile(ours, there) {
		return nil
	}
	return store.ErrExists
}

// unsupported tells the errors by which file systems say that they lack an operation.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EMLINK)
}

// writeTemp writes the temporary file, and makes its folder first where need be.
func (d *dir) writeTemp(temp string, body []byte) error {
	for again := false; ; again = true {
		err := d.makeFolder(filepath.Dir(temp))
		if err == nil {
			err = writeFile(temp, body)
		}
		switch {
		case !isAbsent(err):
			return err
		case again: // the root is never made here: that would hide that a volume is not mounted
			return cmp.Or(d.checkRoot(), err)
		}
		d.durable.Clear() // somebody removed a folder that we know
	}
}

func writeFile(path string, body []byte) error {
	// For the group too, as far as the umask lets it; what decides who may replace a file is its folder.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	return cmp.Or(err, f.Close())
}

// makeFolder makes a folder below the root, and those above it, and sees to it that they last.
func (d *dir) makeFolder(folder string) error {
	if folder == d.root {
		return nil
	}
	if _, ok := d.durable.Load(folder); ok {
		return nil
	}
	parent := filepath.Dir(folder)
	if err := d.makeFolder(parent); err != nil {
		return err
	}
	switch err := os.Mkdir(folder, 0o770); {
	case err == nil:
		// Whoever may write to the folder above may write here too: the next run may have another user id (OpenShift), and a
		// container's umask leaves a group nothing. Where that cannot be set, what the file system does by itself must do.
		if above, err := os.Stat(parent); err == nil {
			_ = os.Chmod(folder, above.Mode()|0o700)
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := syncFolder(parent); err != nil {
		return err
	}
	d.durable.Store(folder, nil)
	return nil
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return classify(err)
	}
	err = f.Sync()
	if unsupported(err) { // SMB and some FUSE: the server keeps names as it sees fit
		err = nil
	}
	return cmp.Or(err, f.Close())
}

// Delete removes an object. What is a folder is no object.
func (d *dir) Delete(ctx context.Context, key string) error {
	if err := d.delete(ctx, key); err != nil {
		return &store.Error{Op: "delete", Key: key, Err: err}
	}
	return nil
}

func (d *dir) delete(ctx context.Context, key string) error {
	path, err := d.begin(ctx, key)
	if err != nil {
		return err
	}
	fi, err := os.Stat(path)
	if err == nil && fi.IsDir() {
		return nil
	}
	if err := os.Remove(path); isAbsent(err) {
		return d.checkRoot()
	} else if err != nil {
		return classify(err)
	}
	return syncFolder(filepath.Dir(path))
}

// List yields the objects in order, reading one folder after the other.
func (d *dir) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		err := d.checkRoot()
		if err == nil {
			_, err = d.walk(ctx, "", prefix, func(i store.Info) bool { return yield(i, nil) })
		}
		if err != nil {
			yield(store.Info{}, &store.Error{Op: "list", Key: prefix, Err: err})
		}
	}
}

// walk yields the objects below folder, a path under the root that is "" or ends in a slash, whose key
// has the prefix. It is false when yield was: then the listing is over.
func (d *dir) walk(ctx context.Context, folder, prefix string, yield func(store.Info) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := d.read(folder)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.folder {
			// Either the prefix leads through the folder, or all that is in it has the prefix.
			if !strings.HasPrefix(e.key, prefix) && !strings.HasPrefix(prefix, e.key) {
				continue
			}
			if more, err := d.walk(ctx, e.path, prefix, yield); !more || err != nil {
				return false, err
			}
			continue
		}
		if !strings.HasPrefix(e.key, prefix) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		fi, err := os.Stat(filepath.Join(d.root, filepath.FromSlash(e.path)))
		if errors.Is(err, fs.ErrNotExist) { // deleted since the folder was read
			continue
		}
		if err != nil {
			return false, classify(err)
		}
		if !yield(info(e.key, fi)) {
			return false, nil
		}
	}
	return true, nil
}

type entry struct {
	path, key string // under the root; both end in a slash if it is a folder
	folder    bool
}

// read gives what is in a folder, in the order of the keys that the entries stand for.
func (d *dir) read(folder string) ([]entry, error) {
	full := filepath.Join(d.root, filepath.FromSlash(folder))
	files, err := os.ReadDir(full)
	switch {
	case errors.Is(err, fs.ErrNotExist) && folder != "": // removed since its parent was read
		return nil, nil
	case errors.Is(err, fs.ErrPermission) && folder == "lost+found/":
		return nil, nil // made by mkfs at the root of a volume, for the administrator's eyes only
	case err != nil:
		return nil, classify(err)
	}
	var found []entry
	for _, f := range files {
		mode := f.Type()
		if mode&fs.ModeSymlink != 0 { // followed, as Get does
			fi, err := os.Stat(filepath.Join(full, f.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, classify(err)
			}
			mode = fi.Mode().Type()
		}
		if !mode.IsDir() && !mode.IsRegular() {
			continue
		}
		key, ok := store.UnescapeKey(folder + f.Name())
		if !ok && !mode.IsDir() {
			continue // a temporary file, or none of ours
		}
		if mode.IsDir() {
			// "x" stands for what is in the folder: a folder alone may be no key ("" at the root).
			key, ok = store.UnescapeKey(folder + f.Name() + "/x")
			if !ok {
				continue
			}
			found = append(found, entry{path: folder + f.Name() + "/", key: strings.TrimSuffix(key, "x"), folder: true})
			continue
		}
		found = append(found, entry{path: folder + f.Name(), key: key})
	}
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return found, nil
}

// reader reads an open file until its context ends, and takes a file that got shorter for an error.
type reader struct {
	ctx  context.Context
	file *os.File
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }
