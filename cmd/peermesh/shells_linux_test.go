package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// shell finds a shell, or skips: with REQUIRE_SHELLS, which make test sets, it
// has to be there.
func shell(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("REQUIRE_SHELLS") != "" {
			t.Fatalf("no %s here: make shells installs it", name)
		}
		t.Skipf("no %s here: make shells installs it", name)
	}
	return path
}

// inShell starts a shell on a terminal, in a directory with a file and a directory and
// with the program on its path, and has it read what it is to know.
func inShell(t *testing.T, name string, args []string, begin string) *terminal {
	t.Helper()
	master, slave := openPTY(t)
	resize(t, slave, 200, 50)
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "onlyfile.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "onlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shell(t, name), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Dir(file) + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "PS1=$ ", "LC_ALL=C.UTF-8", quickRaceExit}
	cmd.SysProcAttr = ownTerminal()
	s := runOn(t, cmd, master, slave)
	s.press(t, begin+"; echo re''ady\n")
	s.wait(t, "ready\r\n")
	return s
}

// completed types a line and a tab, has the shell print what the line then is, and
// waits for it.
func completed(t *testing.T, s *terminal, line, want string) {
	t.Helper()
	s.press(t, line+"\t")
	s.wait(t, strings.TrimSuffix(want, " "))
	s.press(t, "\x15") // clears the line
	s.mu.Lock()
	s.text = nil
	s.mu.Unlock()
}

// completions are lines and what they become, in every shell.
var completedLines = map[string]string{
	"peermesh --log-level d":            "peermesh --log-level debug",
	"peermesh --log-level=d":            "peermesh --log-level=debug",
	"peermesh testnet --transport mi":   "peermesh testnet --transport mixed",
	"peermesh peers --sort by":          "peermesh peers --sort bytes",
	"peermesh --cert onlyf":             "peermesh --cert onlyfile.pem",
	"peermesh send --state only":        "peermesh send --state onlydir/",
	"peermesh --state 'a b' --log-lev":  "--log-level",
	"peermesh config check onlyf":       "peermesh config check onlyfile.pem",
	"peermesh help trac":                "peermesh help trace",
	"peermesh send -b ws://a:1 --timeo": "peermesh send -b ws://a:1 --timeout",
}

func TestCompletionInBash(t *testing.T) {
	s := inShell(t, "bash", []string{"--norc", "--noprofile", "-i"}, "bind 'set enable-bracketed-paste off'; source <(peermesh completion bash)")
	for line, want := range completedLines {
		completed(t, s, line, want)
	}
}

func TestCompletionInZsh(t *testing.T) {
	s := inShell(t, "zsh", []string{"-f", "-i"}, "PS1='$ '; unsetopt zle_bracketed_paste 2>/dev/null; autoload -Uz compinit && compinit -u && source <(peermesh completion zsh)")
	for line, want := range completedLines {
		completed(t, s, line, want)
	}
}

// fish tells its completions without a terminal.
func TestCompletionInFish(t *testing.T) {
	path := shell(t, "fish")
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for line, want := range completedLines {
		words := strings.Split(want, " ")
		last := words[len(words)-1]
		script := "source (peermesh completion fish | psub); touch onlyfile.pem; mkdir -p onlydir; complete -C " + fishWord(line)
		cmd := exec.Command(path, "--no-config", "-c", script)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + filepath.Dir(file) + ":" + os.Getenv("PATH"), "HOME=" + dir, quickRaceExit}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		found := false
		for answer := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(answer), "\t")
			found = found || word == last
			if strings.HasPrefix(word, ":") {
				t.Errorf("%s: got %q, want no word of the protocol", line, word)
			}
		}
		if !found {
			t.Errorf("%s: got %q, want %q among them", line, out, last)
		}
	}
	cmd := exec.Command(path, "--no-config", "-c", "source (peermesh completion fish | psub); complete -C 'peermesh '")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Dir(file) + ":" + os.Getenv("PATH"), "HOME=" + dir, quickRaceExit}
	if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "only") || !strings.Contains(string(out), "listen") {
		t.Errorf("commands: got %q, want no files among them", out)
	}
}

func fishWord(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// ownTerminal makes standard input the terminal of a session of its own, as shells
// want it.
func ownTerminal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: true}
}
