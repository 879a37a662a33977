package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// KeyFileName is the name of the key file in the state directory.
const KeyFileName = "identity.key"

// keyFileMode lets nobody but the owner at the key.
const keyFileMode fs.FileMode = 0o600

// KeyFileError says why a key file cannot be used and what to do about it. A
// key is never replaced or repaired without being told to: its loss is the loss
// of the ID.
type KeyFileError struct {
	Path    string // of the key file
	Problem string // what is wrong, a clause
	Hint    string // what to do, an imperative sentence; may be empty
	Err     error  // what the system said; may be nil
}

// Error returns path, problem and hint on one line.
func (e *KeyFileError) Error() string {
	s := fmt.Sprintf("key file %s: %s", e.Path, e.Problem)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns Err.
func (e *KeyFileError) Unwrap() error { return e.Err }

// LoadOrCreate returns the identity kept in the file KeyFileName of dir. When
// there is none it makes one from rand, along with dir (mode 0700), and created
// is true. Processes that do so at once all get the key of one of them.
//
// The file is three lines of text:
//
//	peermesh identity 1
//	id <40 hex digits>
//	seed <64 hex digits>
//
// It has mode 0600. A directory that anybody may write to is refused, unless it has the
// sticky bit. A file that others may read, that is not a regular file (a
// symbolic link is not followed), or that does not read as above is refused
// with a *KeyFileError. On systems without such modes (Windows) the mode is not
// looked at.
func LoadOrCreate(dir string, rand io.Reader) (id *Identity, created bool, err error) {
	path := filepath.Join(dir, KeyFileName)
	if err := checkDir(dir, path); err != nil {
		return nil, false, err
	}
	if id, err = load(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return id, false, err
	}
	if id, err = New(rand); err != nil {
		return nil, false, err
	}
	if err = create(path, id, os.Link); err == nil {
		return id, true, nil
	}
	if errors.Is(err, fs.ErrExist) { // another process was first
		id, err = load(path)
		return id, false, err
	}
	return nil, false, err
}

// KeyFile is the path of the key file in a state directory.
func KeyFile(dir string) string { return filepath.Join(dir, KeyFileName) }

// Load returns the identity that a state directory holds. The error wraps
// fs.ErrNotExist if there is none; it makes nothing.
func Load(dir string) (*Identity, error) { return load(KeyFile(dir)) }

// checkDir refuses a directory in which anybody can put another key file in the place
// of the one at path.
func checkDir(dir, path string) error {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || runtime.GOOS == "windows" {
		return nil // who reads or makes the file says what is wrong
	}
	if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return &KeyFileError{
			Path: path, Problem: fmt.Sprintf("mode %04o of its directory lets anybody replace it", mode.Perm()),
			Hint: "run: chmod 700 " + dir,
		}
	}
	return nil
}

// load reads the key file at path.
func load(path string) (*Identity, error) {
	b, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	id, problem := parseKeyFile(b)
	if problem != "" {
		return nil, &KeyFileError{
			Path: path, Problem: problem,
			Hint: "restore it from a copy, or move it away to get a new identity with another ID",
		}
	}
	return id, nil
}

// readKeyFile returns the bytes of the regular, private file at path.
func readKeyFile(path string) ([]byte, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if err := checkKeyFile(path, named); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !os.SameFile(named, opened) {
		return nil, &KeyFileError{Path: path, Problem: "it was replaced while it was being read", Hint: "start again"}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return b, nil
}

func unreadable(path string, err error) error {
	return &KeyFileError{
		Path: path, Problem: "cannot be read", Err: err,
		Hint: advice(err, "make it readable for the user that runs this, or choose another state directory"),
	}
}

// checkKeyFile refuses what is not a regular file, or not private.
func checkKeyFile(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return &KeyFileError{
			Path: path, Problem: "is a symbolic link",
			Hint: "put the file itself there, or name its directory as the state directory",
		}
	case !mode.IsRegular():
		return &KeyFileError{Path: path, Problem: "is not a regular file", Hint: "move it away, or choose another state directory"}
	case mode.Perm()&^0o700 != 0 && runtime.GOOS != "windows":
		return &KeyFileError{
			Path: path, Problem: fmt.Sprintf("mode %04o lets others at the secret key", mode.Perm()),
			Hint: fmt.Sprintf("run: chmod 600 %s (and think about a new identity, if others may have read it)", path),
		}
	}
	return nil
}
