package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Held is a file that says something of this process. It is locked for as long as the
// process lives, however that ends, so that others can tell what a dead one left.
type Held struct {
	path string
	info os.FileInfo
	lock *os.File // nil: there are no locks
}

// WriteHeld is Write for what is of this process alone.
func WriteHeld(path string, b []byte) (*Held, error) {
	dir := filepath.Dir(path)
	temp, err := Temp(dir, filepath.Base(path), b)
	if err != nil {
		return nil, err
	}
	h := &Held{path: path}
	if f, err := os.Open(temp); err == nil {
		if held, err := tryLock(f, true); err == nil && held {
			h.lock = f // of the file, whatever its name
		} else {
			_ = f.Close()
		}
	}
	if h.info, err = os.Stat(temp); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(temp), h.unlock())
	}
	return h, SyncDir(dir)
}

// Locked says whether others can tell that this process lives.
func (h *Held) Locked() bool { return h.lock != nil }

func (h *Held) unlock() error {
	if h.lock == nil {
		return nil
	}
	return h.lock.Close()
}

// Remove removes the file, unless another has taken its place.
func (h *Held) Remove() error {
	info, err := os.Stat(h.path)
	if err == nil && os.SameFile(info, h.info) {
		err = os.Remove(h.path)
	}
	return errors.Join(err, h.unlock())
}

// IsHeld says whether the process that wrote a file by WriteHeld lives. What cannot be
// found out is an error. The flags are added to those that open the file.
func IsHeld(path string, flags int) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|flags, 0)
	if err != nil {
		return false, err
	}
	defer f.Close() // and with it the lock
	free, err := tryLock(f, false)
	return err == nil && !free, err
}
