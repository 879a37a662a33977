//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pipe that nobody writes to keeps nobody from ending the program.
func TestConfigFileThatIsAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for sig, code := range map[os.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGTERM: exitOK} {
		p := start(t, "config", "check", pipe)
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits until the program has it open
		if err != nil {
			t.Fatal(err)
		}
		p.stop(t, sig).wantCode(t, code)
		w.Close()
	}
	p := start(t, "config", "check", pipe)
	if err := os.WriteFile(pipe, []byte("prot = 1\n"), 0); err != nil {
		t.Fatal(err)
	}
	p.wait(t, time.Now()).wantCode(t, exitUsage, pipe+":1: unknown key")
}
