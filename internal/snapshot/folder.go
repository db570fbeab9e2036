package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// Folder is what the store holds of one snapshot, as its list shows it.
type Folder struct {
	ID string
	// Unfinished: it has no manifest, so that it does not exist. It is being written, or its writer died.
	Unfinished bool
	Keys       []string
	Size       int64 // bytes of all objects
	// Err is that something stands where it, or one of its objects, should be and is none, a *DamagedError; nil if
	// nothing does.
	Err error
}

// At is the time in the snapshot's id: when it was begun, UTC.
func (f Folder) At() time.Time {
	at, _ := time.Parse("20060102-150405", f.ID[:len("20060102-150405")]) // the zero time for an id that is no time: the oldest
	return at
}

// Folders lists all snapshots, unfinished ones too, oldest first.
func Folders(ctx context.Context, s store.Store) ([]Folder, error) {
	return foldersIn(ctx, s, root, manifestName)
}

// foldersIn lists what is kept below a root by year, month and id, and is whole once it has the object called last.
func foldersIn(ctx context.Context, s store.Store, root, last string) ([]Folder, error) {
	var folders []Folder
	for info, err := range s.List(ctx, root) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", strings.TrimSuffix(root, "/"), err)
		}
		parts := strings.Split(strings.TrimPrefix(info.Key, root), "/")
		if info.Foreign {
			f, err := foreignIn(root, last, info.Key, parts)
			if err != nil {
				return nil, err
			}
			if f == nil {
				continue // nothing of ours
			}
			if n := len(folders); n == 0 || folders[n-1].ID != f.ID {
				folders = append(folders, *f)
				continue
			}
			there := &folders[len(folders)-1]
			there.Err, there.Unfinished = f.Err, there.Unfinished && f.Unfinished
			continue
		}
		if len(parts) < 4 || !idPattern.MatchString(parts[2]) || !strings.HasPrefix(info.Key, folderIn(root, parts[2])) {
			continue // nothing of ours
		}
		if n := len(folders); n == 0 || folders[n-1].ID != parts[2] {
			folders = append(folders, Folder{ID: parts[2], Unfinished: true})
		}
		f := &folders[len(folders)-1]
		f.Keys, f.Size = append(f.Keys, info.Key), f.Size+info.Size
		f.Unfinished = f.Unfinished && path.Base(info.Key) != last
	}
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(a.ID, b.ID) })
	return folders, nil
}

var yearOrMonth = regexp.MustCompile(`^\d{4}(/\d{2})?$`)

// foreignIn is the folder that something damages which is no object; nil if it is in nobody's way. It is an error if it
// hides folders of which nobody knows.
func foreignIn(root, last, key string, parts []string) (*Folder, error) {
	switch n := len(parts); {
	case yearOrMonth.MatchString(strings.Join(parts, "/")):
		return nil, &store.Error{Op: "list", Key: key, Err: fmt.Errorf("%w, and no folder", store.ErrForeign)}
	case n < 3 || !idPattern.MatchString(parts[2]) || !strings.HasPrefix(key+"/", folderIn(root, parts[2])):
		return nil, nil
	case n == 3:
		return &Folder{ID: parts[2], Err: damaged(parts[2], "%v, and no folder", store.ErrForeign)}, nil
	case n == 4 && (parts[3] == last || parts[3] == dataName):
		err := damaged(parts[2], "%s is %v", parts[3], store.ErrForeign)
		return &Folder{ID: parts[2], Unfinished: parts[3] != last, Err: err}, nil
	}
	return nil, nil
}

// Choose returns the folder of the snapshot with the id, or of the newest if id is "latest" or
// empty. ErrNotFound if there is none, or if it is unfinished.
func Choose(folders []Folder, id string) (Folder, error) {
	whole, unfinished := 0, false
	var chosen *Folder
	for i, f := range folders {
		if f.Unfinished {
			unfinished = unfinished || f.ID == id
			continue
		}
		whole++
		if f.ID == id || id == "" || id == "latest" {
			chosen = &folders[i]
		}
	}
	switch {
	case chosen != nil:
		return *chosen, nil
	case unfinished:
		return Folder{}, fmt.Errorf("read snapshot %s: %w: it is unfinished, without its manifest: whoever wrote it did not get to the end", id, ErrNotFound)
	case id == "" || id == "latest":
		return Folder{}, fmt.Errorf("read the latest snapshot: %w: the store answers and holds none", ErrNone)
	}
	switch whole {
	case 0:
		return Folder{}, fmt.Errorf("read snapshot %s: %w: the store answers and holds none", id, ErrNone)
	case 1:
		return Folder{}, fmt.Errorf("read snapshot %s: %w: the store answers and holds 1 other", id, ErrNotFound)
	}
	return Folder{}, fmt.Errorf("read snapshot %s: %w: the store answers and holds %d others", id, ErrNotFound, whole)
}

// ErrNeeded: a window has been opened with the snapshot while it was being deleted.
var ErrNeeded = errors.New("it is needed")

// Delete deletes a snapshot, its manifest first: what is left if it ends early is unfinished,
// and nobody takes it for whole. needed is asked once the manifest is gone, when nobody can
// begin to use the snapshot any more; if it says yes the manifest is put back, and the error is ErrNeeded.
func Delete(ctx context.Context, s store.Store, f Folder, needed func(context.Context) (bool, error)) error {
	fail := func(err error) error { return fmt.Errorf("delete snapshot %s: %w", f.ID, err) }
	if !f.Unfinished {
		key := folder(f.ID) + manifestName
		manifest, err := store.ReadAll(ctx, s, key, maxManifest)
		if err != nil {
			return fail(err)
		}
		if err := s.Delete(ctx, key); err != nil {
			return fail(err)
		}
		use, err := needed(ctx)
		if err != nil || use {
			back := s.Put(context.WithoutCancel(ctx), key, manifest, store.PutOptions{IfAbsent: true})
			if err == nil {
				err = ErrNeeded
			}
			return fail(errors.Join(err, back))
		}
	}
	for _, key := range f.Keys {
		if err := s.Delete(ctx, key); err != nil {
			return fail(err)
		}
	}
	return nil
}
