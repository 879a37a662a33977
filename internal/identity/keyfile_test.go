package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// stateEnv makes this test binary a process that only loads or creates the
// identity of the directory it names.
const stateEnv = "IDENTITY_TEST_STATE"

func TestMain(m *testing.M) {
	dir := os.Getenv(stateEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	id, created, err := LoadOrCreate(dir, rand.Reader)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(id, created)
}

// load1 is LoadOrCreate that must succeed.
func load1(t *testing.T, dir string) (*Identity, bool) {
	t.Helper()
	id, created, err := LoadOrCreate(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id, created
}

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, created := load1(t, dir)
	if !created {
		t.Error("first time: got an old identity, want a new one")
	}
	again, created := load1(t, dir)
	if created || again.ID() != first.ID() || again.Public() != first.Public() {
		t.Errorf("second time: got %v (created %v), want %v", again, created, first)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != KeyFileName {
		t.Errorf("left behind: got %v, %v, want only %s", names, err, KeyFileName)
	}
	if runtime.GOOS == "windows" {
		return
	}
	checkMode(t, filepath.Join(dir, KeyFileName), 0o600)
	checkMode(t, dir, 0o700)
}

func checkMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s: got mode %04o, want %04o", path, got, want)
	}
}

// refused checks that the key file in dir is refused and left as it is.
func refused(t *testing.T, dir, problem string) *KeyFileError {
	t.Helper()
	path := filepath.Join(dir, KeyFileName)
	before, _ := os.ReadFile(path)
	id, created, err := LoadOrCreate(dir, rand.Reader)
	var typed *KeyFileError
	if !errors.As(err, &typed) || id != nil || created {
		t.Fatalf("got %v, %v, %v, want a KeyFileError alone", id, created, err)
	}
	if typed.Path != path || typed.Hint == "" || !strings.Contains(typed.Problem, problem) {
		t.Errorf("got %+v, want the path %s, a hint, and a problem with %q", typed, path, problem)
	}
	if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, typed.Hint) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want path and hint on one line", text)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("got the file changed from %q to %q", before, after)
	}
	return typed
}

func TestWiderModeIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system keeps no file modes; run it on a Unix")
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			load1(t, dir)
			if err := os.Chmod(filepath.Join(dir, KeyFileName), mode); err != nil {
				t.Fatal(err)
			}
			if e := refused(t, dir, fmt.Sprintf("%04o", mode)); !strings.Contains(e.Hint, "chmod 600") {
				t.Errorf("got hint %q, want one that names chmod 600", e.Hint)
			}
		})
	}
	for _, mode := range []fs.FileMode{0o400, 0o700} {
		dir := t.TempDir()
		first, _ := load1(t, dir)
		if err := os.Chmod(filepath.Join(dir, KeyFileName), mode); err != nil {
			t.Fatal(err)
		}
		if again, _ := load1(t, dir); again.ID() != first.ID() {
			t.Errorf("mode %04o: got %v, want %v", mode, again, first)
		}
	}
}

func TestWhatIsNotAFileIsRefused(t *testing.T) {
	elsewhere := t.TempDir()
	load1(t, elsewhere)
	tests := []struct {
		name, problem string
		put           func(path string) error
	}{
		{"symbolic link", "symbolic link", func(p string) error { return os.Symlink(filepath.Join(elsewhere, KeyFileName), p) }},
		{"dangling link", "symbolic link", func(p string) error { return os.Symlink(filepath.Join(elsewhere, "none"), p) }},
		{"directory", "not a regular file", func(p string) error { return os.Mkdir(p, 0o700) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.put(filepath.Join(dir, KeyFileName)); err != nil {
				t.Skipf("this system cannot make such a file (run it on a Unix): %v", err)
			}
			refused(t, dir, test.problem)
		})
	}
}

func TestGarbageIsRefused(t *testing.T) {
	good := string(formatKeyFile(seeded(1)))
	lines := strings.SplitAfter(good, "\n")
	tests := []struct{ name, text, problem string }{
		{"empty", "", "empty"},
		{"blank", " \n\n", "empty"},
		{"something else", "-----BEGIN PRIVATE KEY-----\n", "not a peermesh key file"},
		{"zeros", strings.Repeat("\x00", 200), "not a peermesh key file"},
		{"huge", good + strings.Repeat("\n", maxKeyFile), "not a peermesh key file"},
		{"version 2", strings.Replace(good, "identity 1", "identity 2", 1), "another version"},
		{"version 10", strings.Replace(good, "identity 1", "identity 10", 1), "another version"},
		{"first line alone", lines[0], "three lines"},
		{"a line more", good + "more\n", "three lines"},
		{"lines exchanged", lines[0] + lines[2] + lines[1], "second line"},
		{"seed cut", good[:len(good)-3], "third line"},
		{"seed that is not hex", strings.Replace(good, "seed 01", "seed xx", 1), "third line"},
		{"seed damaged", strings.Replace(good, "seed 01", "seed 02", 1), "does not belong"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, KeyFileName), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			e := refused(t, dir, test.problem)
			if strings.Contains(e.Error(), "0101010101") {
				t.Errorf("got %q, which shows the seed", e)
			}
		})
	}
}

func TestEditorsDoNoHarm(t *testing.T) {
	text := strings.ReplaceAll(string(formatKeyFile(seeded(1))), "\n", " \r\n") + "\r\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, KeyFileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, created := load1(t, dir); created || id.ID() != seeded(1).ID() {
		t.Errorf("got %v, created %v, want %v", id, created, seeded(1))
	}
}

func TestStateIsNotADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, filepath.Join(dir, "below")} {
		if e := refused(t, dir, "cannot be read"); strings.Contains(e.Hint, "readable") {
			t.Errorf("hint: got %q, which is no way out", e.Hint)
		}
	}
}

func TestUsable(t *testing.T) {
	dir := t.TempDir()
	file, state := filepath.Join(dir, "file"), filepath.Join(dir, "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	load1(t, state)
	wide := filepath.Join(dir, "wide")
	load1(t, wide)
	if err := os.Chmod(filepath.Join(wide, KeyFileName), 0o644); err != nil {
		t.Fatal(err)
	}
	for state, usable := range map[string]bool{
		state: true, filepath.Join(dir, "a", "b"): true, "": true, file: false, filepath.Join(file, "below"): false, wide: runtime.GOOS == "windows",
	} {
		err := Usable(state)
		var typed *KeyFileError
		if (err == nil) != usable || err != nil && !errors.As(err, &typed) {
			t.Errorf("Usable(%s): got %v, want a KeyFileError: %v", state, err, !usable)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got a directory made, want nothing: %v", err)
	}
}

func TestRandomnessEndsBeforeAFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadOrCreate(dir, strings.NewReader("short")); err == nil {
		t.Error("got no error, want one")
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("left behind: got %v, want nothing", names)
	}
}

// TestGoroutinesAgree and TestProcessesAgree: however many create at once, one
// key is the result, and exactly one of them made it.
func TestGoroutinesAgree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const many = 16
	told := make([]string, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			id, created, err := LoadOrCreate(dir, rand.Reader)
			told[i] = fmt.Sprint(id, created, err)
		})
	}
	all.Wait()
	id, _ := load1(t, dir)
	agree(t, told, fmt.Sprint(id, true, nil), fmt.Sprint(id, false, nil))
}

func TestProcessesAgree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const many = 6
	told := make([]string, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), stateEnv+"="+dir)
			out, err := cmd.CombinedOutput()
			told[i] = strings.TrimSpace(string(out))
			if err != nil {
				told[i] += " " + err.Error()
			}
		})
	}
	all.Wait()
	id, _ := load1(t, dir)
	agree(t, told, fmt.Sprint(id, " ", true), fmt.Sprint(id, " ", false))
}

// agree checks that one line is made and all others are loaded.
func agree(t *testing.T, lines []string, made, loaded string) {
	t.Helper()
	makers := 0
	for _, line := range lines {
		switch line {
		case made:
			makers++
		case loaded:
		default:
			t.Errorf("got %q, want %q or %q", line, made, loaded)
		}
	}
	if makers != 1 {
		t.Errorf("got %d that made the key, want 1", makers)
	}
}

// noLinks is os.Link on a file system that has none.
func noLinks(from, to string) error {
	return &os.LinkError{Op: "link", Old: from, New: to, Err: errors.ErrUnsupported}
}

func TestWithoutHardLinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), KeyFileName)
	if err := create(path, seeded(1), noLinks); err != nil {
		t.Fatal(err)
	}
	if err := create(path, seeded(2), noLinks); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second: got %v, want %v", err, fs.ErrExist)
	}
	if id, err := load(path); err != nil || id.ID() != seeded(1).ID() {
		t.Errorf("got %v, %v, want the first", id, err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: got %v, want only the key", names)
	}
}

func TestWithoutHardLinksWhileAnotherCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), KeyFileName)
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var typed *KeyFileError
	err := create(path, seeded(1), noLinks)
	if !errors.As(err, &typed) || !strings.Contains(typed.Hint, path+".lock") || errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want a KeyFileError that names the lock", err)
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	if os.Getuid() <= 0 {
		t.Skip("file modes do not bind root; run it as another user")
	}
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "cannot be created")
	if err := Usable(filepath.Join(dir, "below")); err == nil {
		t.Error("got a directory below that is usable, want an error")
	}
}
