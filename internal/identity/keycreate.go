package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// create writes the key file of id at path, whole or not at all. When there is
// one already the error is fs.ErrExist. link is os.Link.
func create(path string, id *Identity, link func(from, to string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return uncreatable(path, err)
	}
	temp, err := writeTemp(dir, formatKeyFile(id))
	if err != nil {
		return uncreatable(path, err)
	}
	defer os.Remove(temp)
	if err := publish(temp, path, link); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return uncreatable(path, err)
	}
	return nil
}

func uncreatable(path string, err error) error {
	return &KeyFileError{
		Path: path, Problem: "cannot be created", Err: err,
		Hint: advice(err, "make the directory writable for the user that runs this, or choose another state directory"),
	}
}

// writeTemp writes b to a new file in dir, of mode 0600, and to the disk.
func writeTemp(dir string, b []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, KeyFileName+".tmp-*") // creates with keyFileMode
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(keyFileMode), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// publish gives the file temp the name path unless that name is taken. A hard
// link does it in one step; a file system without them needs a lock file.
func publish(temp, path string, link func(from, to string) error) error {
	err := link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	lock := path + ".lock"
	f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL|os.O_WRONLY, keyFileMode)
	if errors.Is(err, fs.ErrExist) {
		return &KeyFileError{
			Path: path, Problem: "another process is creating it",
			Hint: fmt.Sprintf("start again; if no other process does, delete %s", lock),
		}
	}
	if err != nil {
		return uncreatable(path, err)
	}
	defer os.Remove(lock)
	defer f.Close()
	return renameNew(temp, path)
}

// renameNew renames temp to path, which nobody else creates meanwhile.
func renameNew(temp, path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fs.ErrExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return uncreatable(path, err)
	}
	return nil
}

// syncDir puts the new name in dir on the disk, where the system can do that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
