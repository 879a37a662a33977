//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package wholefile

import (
	"errors"
	"os"
)

// tryLock does nothing: on some systems a locked file cannot be renamed or read.
func tryLock(*os.File, bool) (bool, error) { return false, errors.ErrUnsupported }
