package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace renames a file in a folder unless the new name is taken.
func renameNoReplace(in *os.Root, from, to string) error {
	folder, err := in.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // whoever renames syncs it
	fd := int(folder.Fd())
	return unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
}
