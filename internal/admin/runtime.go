package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wholefile"
	"github.com/peermesh/peermesh/routing"
)

// Runtime says where the admin listener of one running node is.
type Runtime struct {
	V       int        `json:"v"`
	PID     int        `json:"pid"`
	ID      routing.ID `json:"id"`
	URL     string     `json:"url"`
	Started time.Time  `json:"started"`
	// Locked says that the node holds the file: where nobody does, the process has
	// ended, whoever has its number now.
	Locked bool `json:"locked,omitempty"`
}

const runtimeSuffix = ".json"

// serviceRuntimeDir has the runtime file of the node that systemd runs for the
// machine (deploy/peermesh.service). It belongs to a user made for the node, so
// only root looks into it.
var serviceRuntimeDir = "/run/peermesh"

// runtimeDirs are where runtime files may be, the first that can be used is
// where they are written: $XDG_RUNTIME_DIR/peermesh, which ends with the
// user's session, else a directory of this user among the temporary files. Who
// looks reads both, since a node that a service manager started may not have
// had the variable.
func runtimeDirs() []string {
	var dirs []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		dirs = append(dirs, filepath.Join(dir, "peermesh"))
	}
	return append(dirs, filepath.Join(os.TempDir(), "peermesh"+userSuffix()))
}

// Register writes the runtime file of a node of this process, readable by this
// user alone, and returns what removes it.
func Register(id routing.ID, url string) (remove func() error, err error) {
	r := Runtime{V: Version, PID: os.Getpid(), ID: id, URL: url, Started: time.Now().UTC(), Locked: true}
	var mistakes []error
	for _, dir := range runtimeDirs() {
		held, err := writeRuntime(dir, fmt.Sprintf("%d-%s%s", os.Getpid(), id.Short(), runtimeSuffix), r)
		if err == nil {
			return held.Remove, nil
		}
		mistakes = append(mistakes, err)
	}
	return nil, fmt.Errorf("runtime file: %w", errors.Join(mistakes...))
}

// writeRuntime puts a whole file in its place at once: who reads it sees all of
// it or nothing. Where there are no locks it says so.
func writeRuntime(dir, name string, r Runtime) (*wholefile.Held, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkOwned(dir); err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	held, err := wholefile.WriteHeld(filepath.Join(dir, name), text)
	if err != nil || held.Locked() || !r.Locked {
		return held, err
	}
	r.Locked = false
	return writeRuntime(dir, name, r)
}

// checkOwned refuses a directory that another user made or may write: what is
// in it could lead anywhere.
func checkOwned(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	case !ownedByUser(info):
		return fmt.Errorf("%s belongs to another user, or others may write to it", dir)
	}
	return nil
}

// Running returns the nodes of this user that run, in the order of their start,
// and for root that of the machine's service too. Files of processes that are
// gone are removed.
func Running() []Runtime {
	dirs := slices.DeleteFunc(runtimeDirs(), func(dir string) bool { return checkOwned(dir) != nil })
	if os.Geteuid() == 0 && !slices.Contains(dirs, serviceRuntimeDir) {
		dirs = append(dirs, serviceRuntimeDir)
	}
	var all []Runtime
	for _, dir := range dirs {
		all = append(all, readRuntimes(dir)...)
	}
	slices.SortFunc(all, func(a, b Runtime) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return all
}

func readRuntimes(dir string) []Runtime {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []Runtime
	for _, e := range entries[:min(len(entries), limits.RuntimeFiles)] {
		if !e.Type().IsRegular() {
			continue
		}
		if r, ok := readRuntime(filepath.Join(dir, e.Name())); ok {
			all = append(all, r)
		}
	}
	return all
}

// openRegular opens a regular file to read it, and nothing else: the directory may
// be another user's (serviceRuntimeDir), and who opens a FIFO waits for ever.
func openRegular(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readRuntime reads one file; false: it says nothing, or its process is gone,
// and then it is removed. What is no runtime file is left alone.
func readRuntime(file string) (Runtime, bool) {
	var r Runtime
	f, err := openRegular(file)
	if err != nil {
		return r, false
	}
	text, err := io.ReadAll(io.LimitReader(f, limits.RuntimeFile))
	if errors.Join(err, f.Close()) != nil || json.Unmarshal(text, &r) != nil || r.V != Version || r.PID <= 0 {
		return r, false
	}
	inPlace := strings.HasSuffix(file, runtimeSuffix)
	if !lives(r, file, inPlace) {
		_ = os.Remove(file)
		return r, false
	}
	return r, inPlace
}

// lives says whether the process that wrote a file is there. Its number alone may be
// another's by now.
func lives(r Runtime, file string, inPlace bool) bool {
	if r.Locked && inPlace { // else it may be about to be locked
		if held, err := wholefile.IsHeld(file, openFlags); err == nil {
			return held
		}
	}
	return isAlive(r.PID)
}
