package identity

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// lockedEnv names, to a child of the test, the directory that it is to lock.
const lockedEnv = "PEERMESH_TEST_LOCK"

// TestLockHolder is the child of TestLockEndsWithItsProcess: it holds a lock
// until it is killed, and has a child that outlives it.
func TestLockHolder(t *testing.T) {
	dir := os.Getenv(lockedEnv)
	if dir == "" {
		return
	}
	if _, err := LockDir(dir); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "30")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("child " + strconv.Itoa(child.Process.Pid) + "\n")
	select {}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the child is sleep, which Windows has not: run it on a Unix")
	}
	dir := t.TempDir()
	if err := lockOf(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockHolder$")
	cmd.Env = append(os.Environ(), lockedEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, ok := strings.CutPrefix(strings.TrimSpace(line), "child ")
	if !ok {
		_ = cmd.Wait()
		t.Fatalf("got %q, %v, want the number of its child", line, err)
	}
	defer exec.Command("kill", pid).Run()

	var used *DirInUseError
	if _, err := LockDir(dir); !errors.As(err, &used) || used.PID != cmd.Process.Pid || used.Dir != dir || !strings.Contains(err.Error(), "in use by process "+strconv.Itoa(used.PID)) {
		t.Errorf("while it runs: got %v, want one that names process %d", err, cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatalf("once it is killed, its child alive: got %v, want the lock", err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockIsOneHoldersAlone(t *testing.T) {
	dir := t.TempDir()
	first := lockOf(t, dir)
	if _, err := LockDir(dir); !errors.As(err, new(*DirInUseError)) {
		t.Errorf("a second: got %v, want that it is in use", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lockOf(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func lockOf(t *testing.T, dir string) io.Closer {
	t.Helper()
	l, err := LockDir(dir)
	if errors.Is(err, ErrNoLocks) {
		t.Skipf("the temporary directory has no locks, set TMPDIR to one on a disk: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLockFollowsNoLink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, LockFileName)); err != nil {
		t.Skipf("this user may not make symbolic links, run it as one who may: %v", err)
	}
	if _, err := LockDir(dir); err == nil {
		t.Error("got a lock, want an error")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "kept" {
		t.Errorf("what the link leads to: got %q, %v, want it as it was", text, err)
	}
}
