//go:build !linux

package file

import "errors"

// renameNoReplace is Linux's alone; elsewhere link has to do.
func renameNoReplace(_, _ string) error { return errors.ErrUnsupported }
