package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/peermesh/peermesh/internal/wholefile"
)

// create writes the key file of id at path, whole or not at all. When there is
// one already the error is fs.ErrExist. link is os.Link.
func create(path string, id *Identity, link func(from, to string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return uncreatable(path, err)
	}
	temp, err := wholefile.Temp(dir, KeyFileName, formatKeyFile(id))
	if err != nil {
		return uncreatable(path, err)
	}
	defer os.Remove(temp)
	if err := publish(temp, path, link); err != nil {
		return err
	}
	if err := wholefile.SyncDir(dir); err != nil {
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
