package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// openPTY returns the two ends of a terminal of 60 by 20.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here; mount devpts: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	var n int
	err = withFd(master, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	if err != nil {
		t.Skipf("no pseudo-terminals here; mount devpts: %v", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here; mount devpts: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	resize(t, slave, 60, 20)
	return master, slave
}

func resize(t *testing.T, slave *os.File, columns, rows uint16) {
	t.Helper()
	err := withFd(slave, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// terminal keeps what was written to a master's other end.
type terminal struct {
	master *os.File

	mu   sync.Mutex
	text []byte
}

func (s *terminal) read(master *os.File) {
	var b [4096]byte
	for {
		n, err := master.Read(b[:])
		s.mu.Lock()
		s.text = append(s.text, b[:n]...)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// press types keys.
func (s *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

func (s *terminal) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		text := bytes.Clone(s.text)
		s.mu.Unlock()
		if bytes.Contains(text, []byte(want)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("terminal: got at last %q, want %q", text[max(0, len(text)-1000):], want)
		}
	}
}

// waitLast waits until what stands between the last two of a separator is right.
func (s *terminal) waitLast(t *testing.T, separator string, right func(string) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		parts := strings.Split(string(s.text), separator)
		s.mu.Unlock()
		if n := len(parts); n > 2 && right(parts[n-2]) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("terminal: got at last %q", parts[max(0, len(parts)-2)])
		}
	}
}

// runsOn starts a command on a terminal. The function that it returns types keys
// and waits for the end.
func runsOn(t *testing.T, args ...string) (*os.File, *terminal, func(keys string) int) {
	t.Helper()
	return runsOnTerm(t, "xterm", args...)
}

// runsOnTerm is runsOn with a TERM.
func runsOnTerm(t *testing.T, term string, args ...string) (*os.File, *terminal, func(keys string) int) {
	t.Helper()
	master, slave := openPTY(t)
	cmd := program(t, args...)
	cmd.Env = append(cmd.Env, "TERM="+term)
	s := runOn(t, cmd, master, slave)
	return slave, s, func(keys string) int {
		overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer overdue.Stop()
		s.press(t, keys)
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}

func TestTopOnATerminal(t *testing.T) {
	adminOf(t)
	slave, s, quit := runsOn(t, "top", "--interval", "20ms")
	s.wait(t, toOther)
	s.wait(t, "drops/s   0.0"+clearLine+"\r\n")
	s.wait(t, "by traffic; ? tells the keys"+clearLine)
	s.press(t, "s\x1b[Ar") // with an arrow between, which is no key
	s.wait(t, "by rx, reversed;")
	s.press(t, "?")
	s.wait(t, "keys: s sorts")
	if code := quit("xq"); code != exitOK { // x is none either
		t.Errorf("exit code after q: got %d, want 0", code)
	}
	s.wait(t, fromOther)
	after, err := termios(slave)
	if err != nil || after.Lflag&unix.ECHO == 0 || after.Lflag&unix.ICANON == 0 {
		t.Errorf("terminal afterwards: got flags %x, %v, want echo and lines as before", after.Lflag, err)
	}
}

func termios(f *os.File) (t unix.Termios, err error) {
	err = withFd(f, func(fd int) error {
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			t = *got
		}
		return err
	})
	return t, err
}

// On a terminal the table has columns, and a watch begins at the top.
func TestPeersOnATerminal(t *testing.T) {
	adminOf(t)
	_, s, quit := runsOn(t, "peers", "--watch", "20ms")
	s.wait(t, "PEER  VIA  DIR  ROLE  CPL")
	s.wait(t, "\x1b[H\x1b[2JPEER  VIA")
	if code := quit("q"); code != exitOK {
		t.Errorf("exit code after q: got %d, want 0", code)
	}
	slave, s, quit := runsOn(t, "status", "--watch", "20ms")
	s.wait(t, "log level")
	resize(t, slave, 60, 6)
	s.wait(t, "more lines; --watch shows as many as fit")
	s.waitLast(t, clearAll, func(shown string) bool {
		lines := strings.Split(strings.TrimSuffix(shown, "\r\n"), "\r\n")
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 60 {
				return false
			}
		}
		return len(lines) == 5 && strings.Contains(lines[0], "relay, peer")
	})
	if code := quit("\x1b"); code != exitOK {
		t.Errorf("exit code after Esc: got %d, want 0", code)
	}
}

func TestTopOnATerminalThatCannot(t *testing.T) {
	adminOf(t)
	_, s, _ := runsOnTerm(t, "dumb", "top", "--interval", "20ms")
	s.wait(t, "this terminal cannot be drawn on (TERM=dumb")
	s.wait(t, "drops/s   0.0\r\n")
}

// runOn starts a program on a terminal, which ends with the test.
func runOn(t *testing.T, cmd *exec.Cmd, master, slave *os.File) *terminal {
	t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &terminal{master: master}
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.read(master)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // the test may have done so
		slave.Close()
		master.Close()
		<-read
	})
	return s
}
