//go:build linux

package natlab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait: far more than anything takes on a busy machine,
// so that only a fault runs into it.
const patience = 30 * time.Second

// process is a program that runs in a namespace. Its standard output is read
// line by line.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // closed at the end of the output

	mu   sync.Mutex
	talk []byte
}

// start starts a program in the namespace. It is killed at the end of the test
// at the latest, and by the kernel if the test's own process dies.
func (s space) start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{
		name:  fmt.Sprint(s, " ", args),
		cmd:   exec.Command(tool("ip"), append([]string{"netns", "exec", string(s), name}, args...)...),
		lines: make(chan string, 4096),
	}
	p.cmd.Env = append(cleanEnvironment(), env...)
	p.cmd.SysProcAttr = withTest()
	p.cmd.Stderr = p
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.said())
		}
	})
	return p
}

// cleanEnvironment is the test's own without settings of the program.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "PORT=") || strings.HasPrefix(e, "PEERMESH_")
	})
}

// play starts the test's own program in one of the roles.
func (s space) play(t *testing.T, role string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return s.start(t, []string{roleVariable + "=" + role}, self, args...)
}

func (p *process) read(out io.Reader) {
	defer close(p.lines)
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.lines <- s.Text()
	}
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

// kill ends the process and drops what it printed.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines {
	}
	_ = p.cmd.Wait() // it was killed
}

// tell writes a line to the standard input.
func (p *process) tell(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		t.Fatalf("%s: %v; it said:\n%s", p.name, err, p.said())
	}
}

// tellJSON writes a line of JSON to the standard input.
func (p *process) tellJSON(t *testing.T, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	p.tell(t, "%s", text)
}

// next returns the next line of standard output.
func (p *process) next(t *testing.T) string {
	t.Helper()
	return p.nextWithin(t, patience)
}

// nextWithin is next for what may take longer.
func (p *process) nextWithin(t *testing.T, longest time.Duration) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			t.Fatalf("%s: got the end of its output, want a line; it said:\n%s", p.name, p.said())
		}
		return line
	case <-time.After(longest):
		t.Fatalf("%s: got nothing for %v, want a line; it said:\n%s", p.name, longest, p.said())
	}
	return ""
}
