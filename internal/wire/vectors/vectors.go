package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// dir is where the file lies, seen from the root of the module.
var dir = filepath.Join("internal", "wire", "testdata")

const fileName = "vectors.json"

// Section compares got, made anew by the calling test, with the section of that
// name in the file, and reports a difference. With update it writes got there
// instead: sections are sorted by name, those of other tests stay as they are.
// got may be anything that encoding/json takes; 64-bit numbers should be
// strings, because JavaScript cannot hold them as numbers.
//
// Tests of several packages must not update at once: the later one fails and
// says so. To update all: go test -p 1 ./internal/wire ./internal/identity -update
func Section(t TB, name string, update bool, got any) {
	t.Helper()
	path, err := find()
	if err == nil && update {
		err = write(path, name, got)
	}
	if err == nil {
		err = compare(path, name, got)
	}
	if err != nil {
		t.Errorf("vectors: section %q: %v", name, err)
	}
}

// Load reads the section of that name into the value that into points to, and
// fails the test when there is none.
func Load(t TB, name string, into any) {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Fatalf("vectors: %v", err)
		return
	}
	raw, err := section(path, name)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("vectors: section %q: %v", name, err)
	}
}

// find returns the path of the file: the tests of a package run in its folder,
// somewhere below the root of the module.
func find() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(filepath.Join(at, dir))
		if err == nil && info.IsDir() {
			return filepath.Join(at, dir, fileName), nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", fmt.Errorf("no folder %s here or above: %w", dir, fs.ErrNotExist)
		}
		at = up
	}
}

// read returns all sections; a missing file has none.
func read(path string) (map[string]json.RawMessage, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return all, nil
}

func section(path, name string) (json.RawMessage, error) {
	all, err := read(path)
	if err != nil {
		return nil, err
	}
	raw, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("not in %s: run the test with -update", path)
	}
	return raw, nil
}

// compare says where the section differs from got.
func compare(path, name string, got any) error {
	raw, err := section(path, name)
	if err != nil {
		return err
	}
	fresh, err := json.Marshal(got)
	if err != nil {
		return err
	}
	var want bytes.Buffer
	if err := json.Compact(&want, raw); err != nil {
		return err
	}
	return difference(fresh, want.Bytes())
}

// difference quotes the surroundings of the first byte that differs.
func difference(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("got …%s…, want …%s… (run the test with -update if the protocol changed)", around(got, at), around(want, at))
}

func around(b []byte, at int) []byte { return b[max(0, at-60):min(len(b), at+60)] }

// write puts got into the file as the section of that name.
func write(path, name string, got any) error {
	unlock, err := lock(path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	all, err := read(path)
	if err != nil {
		return err
	}
	if all[name], err = json.Marshal(got); err != nil {
		return err
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append(b, '\n'))
}

// replace puts b in the place of the file at path in one step.
func replace(path string, b []byte) error {
	temp := path + ".tmp"
	if err := os.WriteFile(temp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// lock keeps other processes from updating until unlock is called.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("another test updates the file: use go test -p 1, or delete %s", path)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		f.Close()
		os.Remove(path)
	}, nil
}
