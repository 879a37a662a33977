package admin

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// ownDirs points the runtime files of the test to directories of its own.
func ownDirs(t *testing.T) (session, temp string) {
	t.Helper()
	session, temp = t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", session)
	t.Setenv("TMPDIR", temp)
	service := serviceRuntimeDir
	serviceRuntimeDir = filepath.Join(temp, "service")
	t.Cleanup(func() { serviceRuntimeDir = service })
	return filepath.Join(session, "peermesh"), filepath.Join(temp, "peermesh"+userSuffix())
}

func register(t *testing.T, id routing.ID, url string) (remove func() error) {
	t.Helper()
	remove, err := Register(id, url)
	if err != nil {
		t.Fatal(err)
	}
	return remove
}

func TestTwoNodesAreFoundAndGo(t *testing.T) {
	dir, _ := ownDirs(t)
	a, b := routing.ID{1}, routing.ID{2}
	removeA, removeB := register(t, a, "http://127.0.0.1:1/"), register(t, b, "http://127.0.0.1:2/")
	got := Running()
	if len(got) != 2 || got[0].ID != a || got[1].ID != b || got[1].URL != "http://127.0.0.1:2/" || got[0].PID != os.Getpid() {
		t.Errorf("got %+v, want both, the older first", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %d files, %v, want 2 and nothing half-written", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, %v, want 0600", e.Name(), info.Mode(), err)
		}
	}
	for _, remove := range []func() error{removeA, removeB} {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	if got := Running(); len(got) != 0 {
		t.Errorf("after the end: got %+v, want none", got)
	}
}

// deadPID is the number of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.Pid()
}

func TestFilesOfTheDeadAreSwept(t *testing.T) {
	dir, _ := ownDirs(t)
	remove := register(t, routing.ID{1}, "http://127.0.0.1:1/")
	defer remove()
	text, err := json.Marshal(Runtime{V: Version, PID: deadPID(t), ID: routing.ID{2}, URL: "http://127.0.0.1:2/", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "1-02000000.json")
	if err := os.WriteFile(stale, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Running(); len(got) != 1 || got[0].ID != (routing.ID{1}) {
		t.Errorf("got %+v, want the living alone", got)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the dead's file: got %v, want that it is gone", err)
	}
}

// The number of a process that was killed may be another's by now.
func TestFilesOfTheDeadAreSweptThoughTheirNumbersAreTaken(t *testing.T) {
	dir, _ := ownDirs(t)
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	if all := Running(); len(all) != 1 || !all[0].Locked {
		t.Skipf("got %+v: no locks here", all)
	}
	text, err := json.Marshal(Runtime{V: Version, PID: os.Getpid(), ID: routing.ID{2}, URL: "http://127.0.0.1:2/", Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	stale, half := filepath.Join(dir, "2-02000000.json"), filepath.Join(dir, "2-02000000.json.tmp-1")
	for _, name := range []string{stale, half} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := Running(); len(got) != 1 || got[0].ID != (routing.ID{1}) {
		t.Errorf("got %+v, want the living alone", got)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the dead's file: got %v, want that it is gone", err)
	}
	if _, err := os.Stat(half); err != nil {
		t.Errorf("a file that is being written: got %v, want it left alone", err)
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir, _ := ownDirs(t)
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	for name, text := range map[string]string{
		"notes.json": "mine", "later.json": `{"v":2,"pid":1}`, "none.json": `{"v":1,"pid":-1}`, "long.json": string(make([]byte, 2*limits.RuntimeFile)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := Running(); len(got) != 1 {
		t.Errorf("got %+v, want the node alone", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 5 {
		t.Errorf("got %d files, want the 5 that were there", len(entries))
	}
}

func TestWhereRuntimeFilesGo(t *testing.T) {
	session, temp := ownDirs(t)
	if err := os.WriteFile(session, nil, 0o600); err != nil { // where the directory should be
		t.Fatal(err)
	}
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	if entries, err := os.ReadDir(temp); err != nil || len(entries) != 1 {
		t.Errorf("temporary files: got %d, %v, want the file", len(entries), err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	if got := Running(); len(got) != 1 {
		t.Errorf("got %+v, want the node", got)
	}
}

func TestRuntimeFilesAreBounded(t *testing.T) {
	dir, _ := ownDirs(t)
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	for i := range limits.RuntimeFiles + 5 {
		text, _ := json.Marshal(Runtime{V: Version, PID: os.Getpid(), ID: routing.ID{2, byte(i), byte(i >> 8)}, URL: "http://127.0.0.1:2/"})
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", i)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(Running()); got != limits.RuntimeFiles {
		t.Errorf("got %d nodes, want at most %d", got, limits.RuntimeFiles)
	}
}

// The service's node has a user of its own, whose directory systemd reaches by a
// link.
func TestRootFindsTheService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may look at a service's runtime file: run the test as root")
	}
	private := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", private)
	defer register(t, routing.ID{1}, "http://127.0.0.1:1/")()
	const serviceUser = 61_000
	dir := filepath.Join(private, "peermesh")
	if err := os.Chown(dir, serviceUser, serviceUser); err != nil {
		t.Fatal(err)
	}
	ownDirs(t)
	serviceRuntimeDir = filepath.Join(t.TempDir(), "peermesh")
	if got := Running(); len(got) != 0 {
		t.Errorf("before the service runs: got %+v, want none", got)
	}
	if err := os.Symlink(dir, serviceRuntimeDir); err != nil {
		t.Fatal(err)
	}
	if got := Running(); len(got) != 1 || got[0].ID != (routing.ID{1}) {
		t.Errorf("got %+v, want the service's node", got)
	}
}

// A directory that others may write to could lead a command anywhere.
func TestForeignDirectoriesAreRefused(t *testing.T) {
	session, temp := ownDirs(t)
	for _, dir := range []string{session, temp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if remove, err := Register(routing.ID{1}, "http://127.0.0.1:1/"); err == nil {
		remove()
		t.Error("Register: got a file, want an error")
	}
	text, _ := json.Marshal(Runtime{V: Version, PID: os.Getpid(), ID: routing.ID{2}, URL: "http://127.0.0.1:2/"})
	if err := os.WriteFile(filepath.Join(session, "x.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Running(); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
}
