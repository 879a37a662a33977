// Package wholefile writes files such that a reader, or a crash, meets the old
// content or the new one and nothing between. What it makes is readable by this
// user alone (mode 0600) and is on the disk when it returns, where the system can
// do that.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Write puts b in the place of the file at path, or makes it. On an error the old
// file stays as it was.
func Write(path string, b []byte) error {
	dir := filepath.Dir(path)
	temp, err := Temp(dir, filepath.Base(path), b)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(dir)
}

// Temp writes b to a new file in dir, whose name begins with name, for who gives it
// another name himself; SyncDir has to follow that.
func Temp(dir, name string, b []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, name+".tmp-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// SyncDir puts new names in dir on the disk.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
