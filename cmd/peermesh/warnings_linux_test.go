package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// apart has a command run in namespaces of its own, and skips the test where that
// cannot be.
func apart(t *testing.T, cmd *exec.Cmd, flags uintptr) *exec.Cmd {
	t.Helper()
	trial := exec.Command("/bin/true")
	trial.SysProcAttr = &syscall.SysProcAttr{Unshareflags: flags}
	if err := trial.Run(); errors.Is(err, syscall.EPERM) {
		t.Skip("namespaces need root: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = trial.SysProcAttr
	return cmd
}

// A disk that is full or read-only.
func TestStateOnADiskOfItsOwn(t *testing.T) {
	t.Parallel()
	url := start(t, "--port", "0", "--host", "127.0.0.1", "--json").event(t, "ready")["urls"].([]any)[0].(string)
	dir := t.TempDir()
	p := startOnDisk(t, dir, "128k", "--state", dir, "-b", url, "--port", "0", "--host", "127.0.0.1", "--json")
	within := func(script string) {
		t.Helper()
		if out, err := exec.Command("nsenter", "-t", strconv.Itoa(p.cmd.Process.Pid), "-m", "sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	admin, _ := p.event(t, "ready")["admin"].(string)
	peers := filepath.Join(dir, "peers")

	fill := "head -c 200000 /dev/zero >> " + dir + "/fill"
	within("until [ -e " + peers + " ]; do sleep 0.1; done; " + fill + "; rm " + peers + "; " + fill + "; true")
	if w := p.warned(t, "warning", "known-peers"); !strings.Contains(w["error"].(string), "no space left") || !strings.Contains(w["hint"].(string), "free some space") {
		t.Errorf("a full disk: got %v", w)
	}
	wantStatus(t, admin, "no space left", true)
	within("rm " + dir + "/fill")
	p.warned(t, "resolved", "known-peers")

	within("mount --bind " + dir + " " + dir + " && mount -o remount,bind,ro " + dir) // over it: its lock keeps it from a plain remount
	if w := p.warned(t, "warning", "state"); !strings.Contains(w["error"].(string), "read-only") {
		t.Errorf("a disk that is read-only: got %v", w)
	}
	wantStatus(t, admin, "read-only", true)
	within("umount " + dir)
	p.warned(t, "resolved", "state")
	wantStatus(t, admin, "read-only", false)
	if said := p.said(); strings.Count(said, "warning: ") != 2 {
		t.Errorf("standard error: got\n%swant two warnings", said)
	}
}

// startOnDisk starts the program with a file system of its own at dir.
func startOnDisk(t *testing.T, dir, size string, args ...string) *process {
	t.Helper()
	cmd := program(t, args...)
	script := `mount -t tmpfs -o mode=700,size=` + size + ` none "$0" && exec "$@"`
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", script, dir}, cmd.Args...)
	return startCommand(t, apart(t, cmd, syscall.CLONE_NEWNS))
}
