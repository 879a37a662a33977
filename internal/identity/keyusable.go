package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Usable says whether LoadOrCreate would find or make an identity in dir, as far
// as can be told without making anything: a *KeyFileError if not.
func Usable(dir string) error {
	path := filepath.Join(dir, KeyFileName)
	if err := checkDir(dir, path); err != nil {
		return err
	}
	if _, err := load(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for {
		info, err := os.Stat(dir)
		parent := filepath.Dir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && parent != dir:
			dir = parent // it would be made, if its parent can hold it
			continue
		case err == nil && !info.IsDir():
			err = &fs.PathError{Op: "stat", Path: dir, Err: syscall.ENOTDIR}
		case err == nil:
			err = writable(dir)
		}
		if err != nil {
			return uncreatable(path, err)
		}
		return nil
	}
}

// Writable says why nothing can be written to a directory, as far as can be told
// without doing so; nil: it can.
func Writable(dir string) error { return writable(dir) }

// advice is what to do about an error of the system: usual, unless another user's
// rights would not help.
func advice(err error, usual string) string {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of that path is a file, no directory: choose another state directory"
	case errors.Is(err, syscall.ENOSPC):
		return "that file system is full: make room there, or choose another state directory"
	case errors.Is(err, syscall.EROFS):
		return "that file system is read-only: choose another state directory"
	}
	return usual
}
