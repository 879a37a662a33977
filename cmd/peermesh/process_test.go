package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests: far more than anything takes, so
// that only a fault runs into it.
const patience = 15 * time.Second

// atOnce bounds what a process takes to its end when nothing is waited for, on a
// busy machine too: the least that one waits in vain for, such as an answer to an
// offer, is longer.
const atOnce = 8 * time.Second

// buildDir holds the binary; TestMain removes it.
var buildDir string

// binary builds the program once, with the race detector if this test has it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "peermesh-e2e")
	if err != nil {
		return "", err
	}
	buildDir = dir
	file := filepath.Join(dir, "peermesh")
	args := []string{"build", "-o", file}
	if raceDetected() {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return file, nil
})

// quickRaceExit keeps the race detector from sleeping for a second at the end
// of each process.
const quickRaceExit = "GORACE=atexit_sleep_ms=0"

func raceDetected() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// program returns a command of the built binary with none of our settings in
// its environment.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	cmd := exec.Command(file, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "PORT=") || strings.HasPrefix(e, "PEERMESH_")
	})
	dir := runtimeDir(t)
	// No node and no config file of who runs the tests.
	cmd.Env = append(cmd.Env, quickRaceExit, "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir, "XDG_CONFIG_HOME="+t.TempDir())
	return cmd
}

// runtimeDir is where the processes of one test and its subtests find each
// other; TestMain removes it.
func runtimeDir(t *testing.T) string {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	dir := filepath.Join(buildDir, "run", test)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// result is what a process left behind.
type result struct {
	out, err string
	code     int
	took     time.Duration
}

// runOnce runs the program to its end.
func runOnce(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := program(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &talk
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer overdue.Stop()
	_ = cmd.Wait() // the code tells
	return result{out.String(), talk.String(), cmd.ProcessState.ExitCode(), time.Since(began)}
}

// wantCode checks how a process ended, and what its talk holds.
func (r result) wantCode(t *testing.T, code int, talk ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code: got %d, want %d; it said:\n%s%s", r.code, code, r.out, r.err)
	}
	for _, want := range talk {
		if !strings.Contains(r.err, want) {
			t.Errorf("standard error: got\n%swant %q in it", r.err, want)
		}
	}
}

// process is a running program whose output is read line by line.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of standard output; closed at its end
	ended chan struct{}

	mu   sync.Mutex
	talk []byte
}

// start starts the program; it is killed at the end of the test at the latest.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, program(t, args...))
}

// startCommand starts a command that is the program, or becomes it.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, lines: make(chan string, 1024), ended: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args[1:], p.said())
		}
	})
	return p
}

func (p *process) read(out io.Reader) {
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.lines <- s.Text()
	}
	close(p.lines)
	_ = p.cmd.Wait() // the code tells
	close(p.ended)
}

// Write takes what the process says on standard error.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.talk = append(p.talk, b...)
	return len(b), nil
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.talk)
}

// line returns the next line of standard output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			t.Fatalf("standard output: got its end, want a line; it said:\n%s", p.said())
		}
		return line
	case <-time.After(patience):
		t.Fatalf("standard output: got nothing for %v, want a line; it said:\n%s", patience, p.said())
	}
	return ""
}

// object is a line of JSON.
type object map[string]any

// next returns the next line as JSON.
func (p *process) next(t *testing.T) object {
	t.Helper()
	line := p.line(t)
	var o object
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	if o["v"] != 1.0 {
		t.Errorf("line %q: got version %v, want 1", line, o["v"])
	}
	return o
}

// event returns the next line that is that event.
func (p *process) event(t *testing.T, kind string) object {
	t.Helper()
	for {
		if o := p.next(t); o["event"] == kind {
			return o
		}
	}
}

// kill ends the process without a goodbye and drops what it printed.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines {
	}
	<-p.ended
}

// stop sends a signal and returns how the process ended.
func (p *process) stop(t *testing.T, sig os.Signal) result {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return p.wait(t, began)
}

// wait waits for the end of a process that is about to end.
func (p *process) wait(t *testing.T, began time.Time) result {
	t.Helper()
	var out strings.Builder
	overdue := time.AfterFunc(patience, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
	defer overdue.Stop()
	for line := range p.lines {
		out.WriteString(line + "\n")
	}
	<-p.ended
	return result{out.String(), p.said(), p.cmd.ProcessState.ExitCode(), time.Since(began)}
}
