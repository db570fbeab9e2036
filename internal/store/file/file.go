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
//
// Whoever may write to a shared folder may put anything there, so no name below it is followed out of it ([os.Root]),
// and none is followed inside it either: what is neither a plain file nor a folder (a link, a pipe, a device) is no
// object, and store.ErrForeign where an object or its folder should be. The folder itself may be named by a link, as
// mount points often are.
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
	"path"
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

	link, renameNew func(in *os.Root, from, to string) error // replaced in tests of file systems that lack them
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
	d := &dir{root: abs, link: (*os.Root).Link, renameNew: renameNoReplace}
	switch err := os.Mkdir(abs, 0o770); {
	case err == nil:
		parent, err := os.OpenRoot(filepath.Dir(abs))
		if err != nil {
			return nil, classify(err)
		}
		defer func() { _ = parent.Close() }() // what was written is synced
		if err := syncFolder(parent); err != nil {
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
// alike. The path is that of a folder below the root, "." being the root, and a name in it.
func (d *dir) begin(ctx context.Context, key string) (folder, name string, err error) {
	if err := ctx.Err(); err != nil {
		return "", "", err
	}
	if err := store.CheckKey(key); err != nil {
		return "", "", err
	}
	full := store.EscapeKey(key)
	return path.Dir(full), path.Base(full), nil
}

// enter opens the root. It is opened anew each time, so that a volume which is gone, or another, is noticed.
func (d *dir) enter() (*os.Root, error) {
	in, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, cmp.Or(d.checkRoot(), classify(err))
	}
	return in, nil
}

// find opens the folder in which a key has its name. The error is store.ErrNotFound if there is no such folder.
func (d *dir) find(ctx context.Context, key string) (in *os.Root, name string, err error) {
	folder, name, err := d.begin(ctx, key)
	if err != nil {
		return nil, "", err
	}
	in, err = d.descend(folder, nil)
	switch {
	case isAbsent(err):
		return nil, "", store.ErrNotFound
	case err != nil:
		return nil, "", classify(err)
	}
	return in, name, nil
}

// descend opens a folder below the root, one name after the other, since no link may lead there. before, if set, is
// called before each is opened, with the folder that it is in, its name and its path.
func (d *dir) descend(folder string, before func(in *os.Root, name, path string) error) (*os.Root, error) {
	in, err := d.enter()
	if err != nil || folder == "." {
		return in, err
	}
	at := ""
	for name := range strings.SplitSeq(folder, "/") {
		at = path.Join(at, name)
		var next *os.Root
		if before != nil {
			err = before(in, name, at)
		}
		if err == nil {
			next, err = openFolder(in, name)
		}
		_ = in.Close() // it was only read
		if err != nil {
			return nil, err
		}
		in = next
	}
	return in, nil
}

// openFolder opens a folder in a folder.
func openFolder(in *os.Root, name string) (*os.Root, error) {
	fi, err := in.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case fi.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	case !fi.IsDir():
		return nil, foreign(fi)
	}
	return in.OpenRoot(name)
}

// look tells what is known of the object of a name. The error is store.ErrNotFound where there is none.
func look(in *os.Root, name string) (fs.FileInfo, error) {
	fi, err := in.Lstat(name)
	switch {
	case isAbsent(err):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, classify(err)
	case fi.IsDir():
		return nil, store.ErrNotFound
	case !fi.Mode().IsRegular():
		return nil, foreign(fi)
	}
	return fi, nil
}

// foreign is the error of what is neither a plain file nor a folder.
func foreign(fi fs.FileInfo) error {
	what := "a device"
	switch mode := fi.Mode(); {
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fmt.Errorf("%w: %s is %s", store.ErrForeign, fi.Name(), what)
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
	in, name, err := d.find(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	defer func() { _ = in.Close() }() // it is only read
	if _, err := look(in, name); err != nil {
		return nil, store.Info{}, err
	}
	// Should it have become something else since, it is neither followed nor waited for.
	f, err := in.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if isAbsent(err) {
		return nil, store.Info{}, store.ErrNotFound
	}
	if err != nil {
		return nil, store.Info{}, classify(err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = foreign(fi)
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
	in, name, err := d.find(ctx, key)
	if err != nil {
		return store.Info{}, err
	}
	defer func() { _ = in.Close() }() // it is only read
	fi, err := look(in, name)
	if err != nil {
		return store.Info{}, err
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
	folder, name, err := d.begin(ctx, key)
	if err != nil {
		return err
	}
	temp := tempPrefix + rand.Text()
	in, err := d.writeTemp(folder, temp, body)
	if err != nil {
		return classify(err)
	}
	defer func() {
		// After a rename it is gone, and after a link it is a second name of the object.
		if e := in.Remove(temp); e != nil && !isAbsent(e) && err == nil {
			err = fmt.Errorf("remove temporary file: %w", e)
		}
		_ = in.Close() // what was written is synced
	}()
	if err := ctx.Err(); err != nil { // the last moment at which it can be called off
		return err
	}
	if o.IfAbsent {
		err = d.create(in, temp, name)
	} else {
		err = in.Rename(temp, name)
	}
	switch {
	case errors.Is(err, store.ErrExists):
		return err
	case err != nil:
		return classify(err)
	}
	return syncFolder(in)
}

// create gives the file temp another name, atomically, unless that is taken.
func (d *dir) create(in *os.Root, temp, name string) error {
	err := d.link(in, temp, name)
	if unsupported(err) || errors.Is(err, fs.ErrPermission) { // EPERM is how Linux says "no links here"
		renameErr := d.renameNew(in, temp, name)
		if unsupported(renameErr) {
			return fmt.Errorf("the file system of %s can create a file atomically neither by link nor by renameat2, and without that it can not hold dmm's records: %w",
				d.root, errors.Join(err, renameErr))
		}
		err = renameErr
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, statErr := in.Lstat(name)
	switch {
	case statErr != nil:
		return fmt.Errorf("%s is taken, but can not be looked at: %w", name, statErr)
	case there.IsDir():
		return fmt.Errorf("%s is a folder", name)
	case !there.Mode().IsRegular():
		return foreign(there)
	}
	// An NFS client that sends a link again, because the answer was lost, gets to hear of its own.
	if ours, statErr := in.Lstat(temp); statErr == nil && os.SameFile(ours, there) {
		return nil
	}
	return store.ErrExists
}

// unsupported tells the errors by which file systems say that they lack an operation.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EMLINK)
}

// writeTemp writes the temporary file into a folder, which it makes first where need be, and returns the folder.
func (d *dir) writeTemp(folder, temp string, body []byte) (*os.Root, error) {
	for again := false; ; again = true {
		in, err := d.descend(folder, d.makeFolder)
		if err == nil {
			if err = writeFile(in, temp, body); err == nil {
				return in, nil
			}
			_ = in.Remove(temp) // a part of it may be there
			_ = in.Close()
		}
		switch {
		case !isAbsent(err):
			return nil, err
		case again: // the root is never made here: that would hide that a volume is not mounted
			return nil, cmp.Or(d.checkRoot(), err)
		}
		d.durable.Clear() // somebody removed a folder that we know
	}
}

func writeFile(in *os.Root, name string, body []byte) error {
	// For the group too, as far as the umask lets it; what decides who may replace a file is its folder.
	f, err := in.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	return cmp.Or(err, f.Close())
}

// makeFolder makes a folder in a folder, unless it is there, and sees to it that it lasts.
func (d *dir) makeFolder(in *os.Root, name, path string) error {
	if _, ok := d.durable.Load(path); ok {
		return nil
	}
	switch err := in.Mkdir(name, 0o770); {
	case err == nil:
		// Whoever may write to the folder above may write here too: the next run may have another user id (OpenShift), and a
		// container's umask leaves a group nothing. Where that cannot be set, what the file system does by itself must do.
		if above, err := in.Stat("."); err == nil {
			_ = in.Chmod(name, above.Mode()|0o700)
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := syncFolder(in); err != nil {
		return err
	}
	d.durable.Store(path, nil)
	return nil
}

func syncFolder(in *os.Root) error {
	f, err := in.Open(".")
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
	in, name, err := d.find(ctx, key)
	if err == nil {
		defer func() { _ = in.Close() }() // what was changed is synced
		_, err = look(in, name)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := in.Remove(name); err != nil && !isAbsent(err) {
		return classify(err)
	}
	return syncFolder(in)
}

// List yields the objects in order, reading one folder after the other. What is no object is yielded as such.
func (d *dir) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		in, err := d.enter()
		if err == nil {
			defer func() { _ = in.Close() }() // it is only read
			_, err = walk(ctx, in, "", prefix, func(i store.Info) bool { return yield(i, nil) })
		}
		if err != nil {
			yield(store.Info{}, &store.Error{Op: "list", Key: prefix, Err: err})
		}
	}
}

// walk yields the objects in a folder and below whose key has the prefix. folder is its path under the root, which is
// "" or ends in a slash. It is false when yield was: then the listing is over.
func walk(ctx context.Context, in *os.Root, folder, prefix string, yield func(store.Info) bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	entries, err := read(in, folder)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		// The prefix may lead through what should be a folder, or all that is in it has the prefix.
		through := e.within != "" && strings.HasPrefix(prefix, e.within)
		switch {
		case e.folder && (through || strings.HasPrefix(e.within, prefix)):
			more, err := walkFolder(ctx, in, e.name, folder, prefix, yield)
			if !more || err != nil {
				return false, err
			}
			continue
		case e.folder || !through && (e.key == "" || !strings.HasPrefix(e.key, prefix)):
			continue
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		fi, err := in.Lstat(e.name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted since the folder was read
			continue
		case err != nil:
			return false, classify(err)
		case !fi.Mode().IsRegular() && through: // what it hides would be missing from the listing
			return false, foreign(fi)
		case through:
			continue
		}
		i := info(e.key, fi)
		if i.Foreign = !fi.Mode().IsRegular(); i.Foreign {
			i.Size = 0
		}
		if !yield(i) {
			return false, nil
		}
	}
	return true, nil
}

// walkFolder is walk in a folder of a folder.
func walkFolder(
	ctx context.Context, in *os.Root, name, folder, prefix string, yield func(store.Info) bool,
) (bool, error) {
	next, err := openFolder(in, name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed since its parent was read
		return true, nil
	case errors.Is(err, fs.ErrPermission) && folder == "" && name == "lost+found":
		return true, nil // made by mkfs at the root of a volume, for the administrator's eyes only
	case err != nil:
		return false, classify(err)
	}
	defer func() { _ = next.Close() }() // it is only read
	return walk(ctx, next, folder+name+"/", prefix, yield)
}

// entry is a name in a folder.
type entry struct {
	name   string
	folder bool
	key    string // that it stands for, if it is no folder
	within string // what the keys begin with that it would hold if it were one; "" if there are none
}

// place is where an entry is among others.
func (e entry) place() string {
	if e.folder {
		return e.within
	}
	return e.key
}

// read gives what is in a folder, in the order of the keys that the entries stand for.
func read(in *os.Root, folder string) ([]entry, error) {
	f, err := in.Open(".")
	if err != nil {
		return nil, classify(err)
	}
	files, err := f.ReadDir(-1)
	if err := cmp.Or(err, f.Close()); err != nil {
		return nil, classify(err)
	}
	var found []entry
	for _, file := range files {
		e := entry{name: file.Name(), folder: file.IsDir()}
		// "x" stands for what is in the folder: a folder alone may be no key ("" at the root).
		if within, ok := store.UnescapeKey(folder + e.name + "/x"); ok {
			e.within = strings.TrimSuffix(within, "x")
		}
		if key, ok := store.UnescapeKey(folder + e.name); ok && !e.folder {
			e.key = key
		}
		if e.place() != "" { // else a temporary file, or none of ours
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.place(), b.place()) })
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
