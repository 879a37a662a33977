//go:build linux

package natlab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// prefix begins the name of every namespace and directory of the lab; the number
// of the process follows.
const prefix = "peermesh-natlab-"

// run runs a program to its end and returns what it printed.
func run(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(tool(name), args...)
	var out, talk bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &talk
	cmd.SysProcAttr = withTest()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s%s", name, args, err, stdin, talk.String())
	}
	return out.String(), nil
}

// withTest makes the kernel end a process when the test's own dies.
func withTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// tool returns the path of a program. The directories of administrators are
// searched too: a PATH may lack them also for root.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return name
}

// unable returns why this machine has no namespaces for the lab, nil if it has.
var unable = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root: run it as root, or in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN")
	}
	name := fmt.Sprintf("%s%d-trial", prefix, os.Getpid())
	if _, err := run("", "ip", "netns", "add", name); err != nil {
		return fmt.Errorf("this root may not make network namespaces (a container needs CAP_SYS_ADMIN): %w", err)
	}
	_, err := run("", "ip", "netns", "del", name)
	return err
})

// toolsVariable, when set in the environment, makes a missing program a failure.
const toolsVariable = "REQUIRE_LAB_TOOLS"

// missing returns which program this machine lacks for the lab, nil if none.
var missing = sync.OnceValue(func() error {
	for program, of := range map[string]string{"ip": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(tool(program)); err != nil {
			return fmt.Errorf("there is no program %s: install %s", program, of)
		}
	}
	return nil
})

var swept, why sync.Once

// needLab skips the test where there can be no lab, and fails it where there
// has to be one.
func needLab(t *testing.T) {
	t.Helper()
	err := missing()
	if err != nil && os.Geteuid() == 0 && os.Getenv(toolsVariable) != "" {
		t.Fatal(err)
	}
	if err == nil {
		err = unable()
	}
	if err != nil {
		why.Do(func() { fmt.Println("no lab here:", err) }) // go test shows skips only when asked
		t.Skip(err)
	}
	swept.Do(func() { sweep(t) })
}

// sweep removes what runs left whose process is gone.
func sweep(t *testing.T) {
	t.Helper()
	for _, name := range namespaces(t) {
		if !left(name) {
			continue
		}
		t.Logf("removing %s, left by a run that is gone", name)
		if err := remove(name); err != nil {
			t.Log(err) // another run may sweep too
		}
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if left(filepath.Base(dir)) {
			_ = os.RemoveAll(dir)
		}
	}
}

// left reports whether a name holds the number of a process that is gone.
func left(name string) bool {
	number, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
	pid, err := strconv.Atoi(number)
	return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// namespaces returns those of all labs on this machine.
func namespaces(t *testing.T) []string {
	t.Helper()
	out, err := run("", "ip", "netns", "list")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(out) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, prefix) {
			all = append(all, name)
		}
	}
	return all
}

// remove ends what still runs in a namespace, process by process, and deletes
// it. Its links go with it.
func remove(name string) error {
	out, err := run("", "ip", "netns", "pids", name)
	for word := range strings.FieldsSeq(out) {
		if pid, err := strconv.Atoi(word); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_, gone := run("", "ip", "netns", "del", name)
	return errors.Join(err, gone, os.RemoveAll(filesOf(name)))
}

// filesOf is the directory of the files that programs in a namespace see in /etc.
func filesOf(name string) string { return filepath.Join("/etc/netns", name) }

// hosts is what the programs of a namespace resolve a name to, in this order.
func (s space) hosts(t *testing.T, name string, addrs ...string) {
	t.Helper()
	var text strings.Builder
	for _, addr := range addrs {
		fmt.Fprintf(&text, "%s %s\n", addr, name)
	}
	if err := os.MkdirAll(filesOf(string(s)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filesOf(string(s)), "hosts"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// space is a network namespace.
type space string

var spaces atomic.Int64

// newSpace makes a namespace, which lasts as long as the test.
func newSpace(t *testing.T, role string) space {
	t.Helper()
	name := fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), spaces.Add(1), role)
	if _, err := run("", "ip", "netns", "add", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(name); err != nil {
			t.Error(err)
		}
	})
	s := space(name)
	s.ip(t, "link set lo up")
	return s
}

// ip runs lines of ip's commands in the namespace.
func (s space) ip(t *testing.T, lines ...string) {
	t.Helper()
	if _, err := run(strings.Join(lines, "\n")+"\n", "ip", "-n", string(s), "-batch", "-"); err != nil {
		t.Fatal(err)
	}
}

// exec runs a program in the namespace to its end.
func (s space) exec(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	if _, err := run(stdin, "ip", append([]string{"netns", "exec", string(s), tool(name)}, args...)...); err != nil {
		t.Fatal(err)
	}
}
