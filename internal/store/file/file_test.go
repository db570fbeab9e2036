package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/storetest"
	"github.com/domino-maintenance-mode/dmm/test/draw"
)

var ifAbsent = store.PutOptions{IfAbsent: true}

func mustOpen(t *testing.T, root string) *dir {
	t.Helper()
	d, err := open(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func list(t *testing.T, s store.Store, prefix string) (found []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		found = append(found, info.Key)
	}
	return found
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return mustOpen(t, t.TempDir()) })
}

// withoutLinks is a store on a file system such as SMB.
func withoutLinks(t *testing.T, errno error) *dir {
	t.Helper()
	d := mustOpen(t, t.TempDir())
	if in, err := d.enter(); err != nil {
		t.Fatal(err)
	} else if err := d.renameNew(in, "from", "to"); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there is no renameat2 here")
	}
	d.link = func(_ *os.Root, from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: errno}
	}
	return d
}

func TestConformanceWithoutLinks(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return withoutLinks(t, syscall.EOPNOTSUPP) })
}

func TestLinksNotPermitted(t *testing.T) { // which is what Linux says of FAT
	d := withoutLinks(t, syscall.EPERM)
	for _, want := range []error{nil, store.ErrExists} {
		if err := d.Put(t.Context(), "a/b", []byte("x"), ifAbsent); !errors.Is(err, want) {
			t.Errorf("create = %v, want %v", err, want)
		}
	}
}

func TestNoAtomicCreate(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	d.link = func(_ *os.Root, from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM}
	}
	d.renameNew = func(_ *os.Root, _, _ string) error { return syscall.EINVAL }
	err := d.Put(t.Context(), "a", []byte("x"), ifAbsent)
	if err == nil || errors.Is(err, store.ErrExists) || !strings.Contains(err.Error(), "neither by link nor by renameat2") {
		t.Errorf("create = %v, want a refusal that says why", err)
	}
	if got := files(t, d.root); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	if err := d.Put(t.Context(), "a", []byte("x"), store.PutOptions{}); err != nil {
		t.Errorf("overwrite: %v", err)
	}
}

// files lists every file under root, whatever it is.
func files(t *testing.T, root string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLinkAnsweredTwice(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	d.link = func(in *os.Root, from, to string) error { // as NFS does when the answer was lost and it asks again
		if err := in.Link(from, to); err != nil {
			return err
		}
		return in.Link(from, to)
	}
	if err := d.Put(t.Context(), "a", []byte("x"), ifAbsent); err != nil {
		t.Errorf("create = %v, want nil: the file that is there is ours", err)
	}
	if err := d.Put(t.Context(), "a", []byte("x"), ifAbsent); !errors.Is(err, store.ErrExists) {
		t.Errorf("second create = %v, want ErrExists", err)
	}
}

// TestUnderWay looks at the folder at the last moment before a create.
func TestUnderWay(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	d.link = func(in *os.Root, from, to string) error {
		if got := len(files(t, d.root)); got != 1 {
			t.Errorf("%d files, want the temporary one", got)
		}
		if got := list(t, d, ""); len(got) != 0 {
			t.Errorf("List = %q, want nothing yet", got)
		}
		return in.Link(from, to)
	}
	if err := d.Put(t.Context(), "a/b", []byte("x"), ifAbsent); err != nil {
		t.Fatal(err)
	}
	if got := files(t, d.root); len(got) != 1 {
		t.Errorf("%q, want the object alone", got)
	}
}

// ending is a context that ends once it was looked at a few times.
type ending struct {
	context.Context
	looks int
}

func (e *ending) Err() error {
	if e.looks--; e.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancelledAtTheEnd(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	for _, o := range []store.PutOptions{{}, ifAbsent} {
		if err := d.Put(&ending{t.Context(), 1}, "a/b", []byte("x"), o); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want context.Canceled", err)
		}
		if got := files(t, d.root); len(got) != 0 {
			t.Errorf("left behind: %q", got)
		}
	}
}

func TestOpen(t *testing.T) {
	base := t.TempDir()
	if _, err := Open(filepath.Join(base, "new")); err != nil {
		t.Errorf("Open of a new folder: %v", err)
	}
	if _, err := Open(filepath.Join(base, "new")); err != nil {
		t.Errorf("Open of a folder that is there: %v", err)
	}
	_, err := Open(filepath.Join(base, "missing", "new"))
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(base, "missing")) {
		t.Errorf("Open below a missing folder = %v, want an error that names it", err)
	}
	plain := filepath.Join(base, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain); err == nil {
		t.Error("Open of a plain file returned no error")
	}
	if _, err := Open(""); err == nil {
		t.Error("Open of an empty path returned no error")
	}
}

// TestTheNextRunIsSomebodyElse has the umask of a container and a volume that a group may write to, as fsGroup makes it: whoever
// may write to the volume may write to what dmm makes in it.
func TestTheNextRunIsSomebodyElse(t *testing.T) {
	old := syscall.Umask(0o022)
	t.Cleanup(func() { syscall.Umask(old) })
	for _, mode := range []fs.FileMode{0o770 | fs.ModeSetgid, 0o777, 0o700} {
		d := mustOpen(t, t.TempDir())
		if err := os.Chmod(d.root, mode); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(t.Context(), "a/b/c", []byte("x"), ifAbsent); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"a", "a/b"} {
			fi, err := os.Stat(filepath.Join(d.root, folder))
			if err != nil {
				t.Fatal(err)
			}
			if got := fi.Mode() &^ fs.ModeDir; got != mode {
				t.Errorf("below a folder of mode %v, %s has %v", mode, folder, got)
			}
		}
	}
}

func TestRootIsGone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "volume")
	d := mustOpen(t, root)
	if err := d.Put(t.Context(), "a/b", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	_, _, get := d.Get(t.Context(), "a/b")
	_, stat := d.Stat(t.Context(), "a/b")
	var list error
	for _, err := range d.List(t.Context(), "") {
		list = err
	}
	for op, err := range map[string]error{
		"get": get, "stat": stat, "list": list,
		"put":    d.Put(t.Context(), "a/b", nil, store.PutOptions{}),
		"create": d.Put(t.Context(), "a/b", nil, ifAbsent),
		"delete": d.Delete(t.Context(), "a/b"),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "the folder "+root) {
			t.Errorf("%s = %v, want an error that names the folder", op, err)
		}
	}
	if _, err := os.Stat(root); err == nil {
		t.Error("the folder was made again")
	}
}

func TestFolderIsGone(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	for range 2 {
		if err := d.Put(t.Context(), "a/b/c", []byte("x"), ifAbsent); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(d.root, "a")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyBelowObject(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if err := d.Put(t.Context(), "a", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "b/c", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/x", "b"} {
		for _, o := range []store.PutOptions{{}, ifAbsent} {
			if err := d.Put(t.Context(), key, []byte("x"), o); err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("Put(%q, %+v) = %v, want another error", key, o, err)
			}
		}
	}
	if got := list(t, d, ""); fmt.Sprint(got) != "[a b/c]" {
		t.Errorf("List = %q", got)
	}
}

func TestDenied(t *testing.T) {
	if os.Getuid() == 0 {
		// Root may read anything: run this test as somebody else, in a copy of the test binary.
		asNobody(t)
		return
	}
	d := mustOpen(t, t.TempDir())
	if err := d.Put(t.Context(), "a/b", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(filepath.Join(d.root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod("a", 0)
	t.Cleanup(func() { chmod("a", 0o700) })
	_, _, get := d.Get(t.Context(), "a/b")
	_, stat := d.Stat(t.Context(), "a/absent")
	var listed error
	for _, err := range d.List(t.Context(), "a/") {
		listed = err
	}
	for op, err := range map[string]error{
		"get": get, "stat": stat, "list": listed,
		"put":    d.Put(t.Context(), "a/b", nil, store.PutOptions{}),
		"create": d.Put(t.Context(), "a/c", nil, ifAbsent),
		"delete": d.Delete(t.Context(), "a/b"),
	} {
		if !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s = %v, want ErrDenied", op, err)
		}
	}
	if got := list(t, d, "b"); len(got) != 0 { // a folder that does not matter is not looked into
		t.Errorf("List(b) = %q", got)
	}
	chmod("a", 0o700)
	if err := os.Mkdir(filepath.Join(d.root, "lost+found"), 0); err != nil {
		t.Fatal(err)
	}
	if got := list(t, d, ""); len(got) != 1 {
		t.Errorf("List beside lost+found = %q, want a/b", got)
	}
}

func asNobody(t *testing.T) {
	t.Helper()
	base, err := os.MkdirTemp("", "dmm-denied-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o777); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(base, "test")
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(binary, 0o755); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestDenied$", "-test.v")
	cmd.Dir, cmd.Env = base, append(os.Environ(), "TMPDIR="+base, "HOME="+base)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) { // the latter where nobody may enter TMPDIR
		t.Skipf("nobody may not run a process here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDenied") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// TestProcesses has several stores on one folder, as several processes have: each with caches of its own.
func TestProcesses(t *testing.T) {
	root := t.TempDir()
	const writers, entries = 8, 50
	var mu sync.Mutex
	wins := make(map[string]int)
	var wg sync.WaitGroup
	for w := range writers {
		d := mustOpen(t, root)
		wg.Go(func() {
			for i := range entries {
				key := fmt.Sprintf("windows/%06d/journal/%08d.jsonl", i/10, i)
				switch err := d.Put(t.Context(), key, fmt.Append(nil, w), ifAbsent); {
				case err == nil:
					mu.Lock()
					wins[key]++
					mu.Unlock()
				case !errors.Is(err, store.ErrExists):
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	if len(wins) != entries {
		t.Errorf("%d of %d entries were created", len(wins), entries)
	}
	for key, n := range wins {
		if n != 1 {
			t.Errorf("%s was created %d times", key, n)
		}
	}
}

// TestKilledWriter kills a process that writes, again and again. Each object it leaves is whole, what it said to be done
// is there, and what it was writing is never seen, by a reader who looks all the time either.
func TestKilledWriter(t *testing.T) {
	const size = 128 << 10
	if root := os.Getenv("DMM_TEST_WRITE_TO"); root != "" {
		d := mustOpen(t, root)
		for i := 0; ; i++ {
			body := []byte(strings.Repeat(string(rune('a'+i%26)), size))
			if err := d.Put(t.Context(), "over", body, store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf("new/%d/%d", os.Getpid(), i)
			if err := d.Put(t.Context(), key, body, ifAbsent); err != nil {
				t.Fatal(err)
			}
			fmt.Println(key)
		}
	}
	d := mustOpen(t, t.TempDir())
	var reads int
	look := func(keys []string) {
		for _, key := range keys {
			body, err := store.ReadAll(t.Context(), d, key, size)
			if err != nil || len(body) != size || bytes.Count(body, body[:1]) != size {
				t.Errorf("%s: %d bytes (%v), want %d of one kind", key, len(body), err, size)
			}
			reads++
		}
	}
	writes, rounds := draw.Sample(t, 100, 1000, "writes of killed writers", "kills"), 0
	var done []string
	for ; len(done)*2 < writes; rounds++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), "DMM_TEST_WRITE_TO="+d.root)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 5 + rounds%17 {
			var key string
			if _, err := fmt.Fscanln(out, &key); err != nil {
				t.Fatalf("the writer ended: %v", err)
			}
			done = append(done, key)
			listed := list(t, d, "")
			look([]string{key, "over", listed[len(listed)-1]})
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
	}
	look(done)
	look(list(t, d, ""))
	left := len(files(t, d.root)) - len(list(t, d, ""))
	t.Logf("%d writes and more, %d kills, %d reads; %d unfinished files of dead processes that List does not show", 2*len(done), rounds, reads, left)
}

// smallDisk mounts a file system of so many bytes, where one may.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	at := t.TempDir()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("SKIPPED: needs to mount a tmpfs, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	return at
}

func TestConformanceOnTmpfs(t *testing.T) {
	at := smallDisk(t, 256<<20)
	storetest.Run(t, func(t *testing.T) store.Store {
		root, err := os.MkdirTemp(at, "")
		if err != nil {
			t.Fatal(err)
		}
		return mustOpen(t, root)
	})
}

func TestFullDisk(t *testing.T) {
	d := mustOpen(t, smallDisk(t, 1<<20))
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	var full error
	var kept []string
	for i := 0; full == nil; i++ {
		key := fmt.Sprintf("journal/%d", i)
		if full = d.Put(t.Context(), key, body, ifAbsent); full == nil {
			kept = append(kept, key)
		}
		if i > 100 {
			t.Fatal("the disk does not fill")
		}
	}
	check := func(op string, err error) {
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s = %v, want to hear that no space is left", op, err)
		}
	}
	check("create", full)
	check("put over what is there", d.Put(t.Context(), kept[0], append(body, body...), store.PutOptions{}))
	if got := list(t, d, ""); !slices.Equal(got, kept) {
		t.Errorf("List = %q, want %q", got, kept)
	}
	for _, key := range kept {
		if got, err := store.ReadAll(t.Context(), d, key, 1<<20); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes, %v, want it intact", key, len(got), err)
		}
	}
	if got := files(t, d.root); len(got) != len(kept) {
		t.Errorf("files %q are left behind", got)
	}
	if err := d.Delete(t.Context(), kept[0]); err != nil {
		t.Errorf("Delete on a full disk: %v", err)
	}
	if err := d.Put(t.Context(), "journal/again", body, ifAbsent); err != nil {
		t.Errorf("create with space again: %v", err)
	}
}

func TestLeftoversAreNotListed(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if err := d.Put(t.Context(), "a/b", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/" + tempPrefix + "ABC", tempPrefix + "DEF", "a/%2f", "not\xffutf8"} {
		if err := os.WriteFile(filepath.Join(d.root, name), []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, d, ""); fmt.Sprint(got) != "[a/b]" {
		t.Errorf("List = %q, want a/b alone", got)
	}
	if got := list(t, d, "a/."); len(got) != 0 {
		t.Errorf("List(a/.) = %q, want nothing", got)
	}
}

// foreigners are what may stand where an object should be, or a folder of objects, without being one.
var foreigners = map[string]func(t *testing.T, path string) error{
	"a symbolic link to a file":   func(t *testing.T, path string) error { return os.Symlink(outside(t)+"/file", path) },
	"a symbolic link to a folder": func(t *testing.T, path string) error { return os.Symlink(outside(t), path) },
	"a symbolic link to nothing":  func(_ *testing.T, path string) error { return os.Symlink("nothing", path) },
	"a symbolic link to itself":   func(_ *testing.T, path string) error { return os.Symlink(filepath.Base(path), path) },
	"a symbolic link to what is beside": func(_ *testing.T, path string) error {
		beside := filepath.Join(filepath.Dir(path), "beside")
		if err := os.MkdirAll(beside, 0o700); err != nil {
			return err
		}
		return errors.Join(os.WriteFile(beside+"/below", []byte("of another"), 0o600), os.Symlink("beside", path))
	},
	"a named pipe": func(_ *testing.T, path string) error { return syscall.Mkfifo(path, 0o600) },
	"a socket": func(t *testing.T, path string) error {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = syscall.Close(fd) })
		return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	},
	"a device": func(t *testing.T, path string) error {
		err := syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) // /dev/zero
		if errors.Is(err, syscall.EPERM) {
			t.Skip("SKIPPED: needs to make a device, which takes root")
		}
		return err
	},
}

// outside is a folder that is no store's, with something in it.
func outside(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"file", "below"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("somebody else's"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// storeIn is a store in a folder of a short path, since that of a socket may have 108 bytes.
func storeIn(t *testing.T) *dir {
	t.Helper()
	root, err := os.MkdirTemp("", "dmm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	return mustOpen(t, root)
}

// wantForeign asserts that all operations on a key refuse it, and name what is there.
func wantForeign(t *testing.T, d *dir, key, what string) {
	t.Helper()
	_, _, get := d.Get(t.Context(), key)
	_, stat := d.Stat(t.Context(), key)
	for op, err := range map[string]error{
		"get": get, "stat": stat,
		"create": d.Put(t.Context(), key, []byte("x"), ifAbsent),
		"delete": d.Delete(t.Context(), key),
	} {
		if !errors.Is(err, store.ErrForeign) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s of %s = %v, want ErrForeign, the key and %q", op, key, err, what)
		}
		for _, other := range []error{store.ErrNotFound, store.ErrExists, store.ErrDenied} {
			if errors.Is(err, other) {
				t.Errorf("%s of %s = %v, want no %q", op, key, err, other)
			}
		}
	}
}

// What is no plain file is no object: it is neither followed nor waited for, and it hides nothing.
func TestForeigners(t *testing.T) {
	for name, make := range foreigners {
		what, _, _ := strings.Cut(name, " to ")
		t.Run(name+" for an object", func(t *testing.T) {
			d := storeIn(t)
			for _, key := range []string{"f/a", "f/z"} {
				if err := d.Put(t.Context(), key, []byte("x"), ifAbsent); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(d.root, "f/foreign")
			if err := make(t, path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			wantForeign(t, d, "f/foreign", what)
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it is not there any more: %v", err)
			}
			var listed []string
			for info, err := range d.List(t.Context(), "f/") {
				if err != nil {
					t.Fatal(err)
				}
				if info.Key != "f/beside/below" {
					listed = append(listed, fmt.Sprintf("%s %t", info.Key, info.Foreign))
				}
			}
			if got := fmt.Sprint(listed); got != "[f/a false f/foreign true f/z false]" {
				t.Errorf("List = %s", got)
			}
			// An overwrite takes its place and goes nowhere else.
			if err := d.Put(t.Context(), "f/foreign", []byte("x"), store.PutOptions{}); err != nil {
				t.Errorf("overwrite: %v", err)
			}
			if body, err := store.ReadAll(t.Context(), d, "f/foreign", 9); err != nil || string(body) != "x" {
				t.Errorf("ReadAll = %q, %v", body, err)
			}
		})
		t.Run(name+" for a folder", func(t *testing.T) {
			d := storeIn(t)
			path := filepath.Join(d.root, "folder")
			if err := make(t, path); err != nil {
				t.Fatal(err)
			}
			wantForeign(t, d, "folder/below", what)
			if err := d.Put(t.Context(), "folder/below", []byte("x"), store.PutOptions{}); !errors.Is(err, store.ErrForeign) {
				t.Errorf("Put = %v, want ErrForeign", err)
			}
			for _, prefix := range []string{"folder/", "folder/below"} {
				var listed error
				for _, err := range d.List(t.Context(), prefix) {
					listed = err
				}
				if !errors.Is(listed, store.ErrForeign) {
					t.Errorf("List(%q) = %v, want ErrForeign: what it hides nobody knows", prefix, listed)
				}
			}
			if got := list(t, d, "folders"); len(got) != 0 {
				t.Errorf("List of what has nothing to do with it = %q", got)
			}
			if body, err := os.ReadFile(filepath.Join(path, "below")); err == nil && string(body) == "x" {
				t.Error("it was written through")
			}
		})
	}
}

// The folder itself may be named by a link: mount points often are.
func TestTheRootIsALink(t *testing.T) {
	to := t.TempDir()
	root := filepath.Join(t.TempDir(), "mount")
	if err := os.Symlink(to, root); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, root)
	if err := d.Put(t.Context(), "a/b", []byte("x"), ifAbsent); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(list(t, mustOpen(t, to), "")); got != "[a/b]" {
		t.Errorf("List = %s, want [a/b]", got)
	}
}

// Somebody swaps a folder and a link to another place, over and over. Nothing is written, read or deleted there,
// however the two meet.
func TestAFolderThatIsSwapped(t *testing.T) {
	d := storeIn(t)
	if err := d.Put(t.Context(), "f/below", []byte("x"), ifAbsent); err != nil {
		t.Fatal(err)
	}
	elsewhere := outside(t)
	folder, link := filepath.Join(d.root, "f"), filepath.Join(d.root, "link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	})
	n := draw.Sample(t, 1_000, 100_000, "operations in a folder that is swapped", "kills")
	for i := range n {
		if body, err := store.ReadAll(t.Context(), d, "f/below", 100); err == nil && string(body) != "x" {
			t.Errorf("it reads %q", body)
			break
		}
		_ = d.Delete(t.Context(), "f/file") // which is there alone
		if i%20 == 0 {
			_ = d.Put(t.Context(), fmt.Sprintf("f/new%d", i), []byte("x"), ifAbsent)
		}
	}
	close(stop)
	swapping.Wait()
	if got, err := filepath.Glob(filepath.Join(elsewhere, "*")); err != nil || len(got) != 2 {
		t.Errorf("elsewhere there is %q (%v), want what was there", got, err)
	}
}
