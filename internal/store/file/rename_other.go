//go:build !linux

package file

import (
	"errors"
	"os"
)

// renameNoReplace is Linux's alone; elsewhere link has to do.
func renameNoReplace(_ *os.Root, _, _ string) error { return errors.ErrUnsupported }
