//go:build linux && !nowebrtc

package browsertest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// required, when set in the environment, makes a missing browser a failure.
const required = "REQUIRE_CHROMIUM"

// Flags of Chromium: without a window, without requests of its own, and with
// everything about WebRTC as users have it.
var flags = []string{
	"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync",
}

// chromium is a browser with a profile of its own, and its helpers: a group of
// processes.
type chromium struct {
	dir   string // holds all that it writes
	group int
	ended chan struct{}
}

// startChromium opens url. Without Chromium the test is skipped, or fails if one
// is required. The processes and their files are gone when the test has ended.
func startChromium(t *testing.T, url string) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		missing := t.Skipf
		if os.Getenv(required) != "" {
			missing = t.Fatalf
		}
		missing("no Chromium: install it with: apt-get install chromium (%v)", err)
	}
	// Not t.TempDir, whose name is too long for the sockets that are made in it.
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	c := &chromium{dir: dir, ended: make(chan struct{})}
	t.Cleanup(func() { c.remove(t) })
	if err := c.start(program, url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.end(t) })
	return c
}

func (c *chromium) start(program, url string) error {
	talk, err := os.Create(c.talk())
	if err != nil {
		return err
	}
	defer talk.Close()
	cmd := exec.Command(program, append(flags[:len(flags):len(flags)], "--user-data-dir="+filepath.Join(c.dir, "p"), url)...)
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "TMPDIR="+c.dir, "XDG_CONFIG_HOME="+c.dir, "XDG_CACHE_HOME="+c.dir)
	cmd.Stdout, cmd.Stderr = talk, talk
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		defer close(c.ended)
		// Pdeathsig is about the thread that started the process, which so has
		// to live as long as that.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			c.group = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
	}()
	return <-started
}

func (c *chromium) talk() string { return filepath.Join(c.dir, "talk") }

// signal is for all of the browser's processes.
func (c *chromium) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-c.group, s); err != nil {
		t.Fatalf("signal %v to Chromium: %v", s, err)
	}
}

// end kills the browser and waits until none of its processes is left.
func (c *chromium) end(t *testing.T) {
	_ = syscall.Kill(-c.group, syscall.SIGKILL)
	<-c.ended
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := c.processes(t)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("processes %v of Chromium live on", left)
			break
		}
		for _, pid := range left { // helpers that left the group
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if talk, err := os.ReadFile(c.talk()); err == nil && t.Failed() {
		t.Logf("Chromium said:\n%s", talk[max(0, len(talk)-4<<10):])
	}
}

func (c *chromium) remove(t *testing.T) {
	if err := os.RemoveAll(c.dir); err != nil {
		t.Error(err)
	}
}

// processes returns those that are alive and of the group, or were started with
// something of the own directory.
func (c *chromium) processes(t *testing.T) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		state, group := parseStat(string(stat))
		ours := group == c.group || bytes.Contains(line, []byte(c.dir+"/"))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && ours && state != "Z" && state != "X" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parseStat reads "pid (name) state parent group ...".
func parseStat(stat string) (state string, group int) {
	var parent int
	_, _ = fmt.Sscan(stat[strings.LastIndexByte(stat, ')')+1:], &state, &parent, &group)
	return state, group
}
