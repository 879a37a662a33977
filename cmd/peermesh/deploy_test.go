package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the files for running a node elsewhere say has to be what the program is.

func readRoot(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantCommandLine checks that the program takes a line, without running it.
func wantCommandLine(t *testing.T, where string, words []string) {
	t.Helper()
	if len(words) == 0 || filepath.Base(words[0]) != "peermesh" {
		t.Errorf("%s: got the command %q, want peermesh", where, words)
		return
	}
	if _, err := arrange(testApp(), words); err != nil {
		t.Errorf("%s: got %v of %q, want a line that peermesh takes", where, err, words)
	}
}

// wantSettings checks that variables are read by some flag.
func wantSettings(t *testing.T, where, text string) {
	t.Helper()
	var known []string
	for _, f := range nodeFlags() {
		known = append(known, envOf(f.Names()[0]))
	}
	for _, name := range regexp.MustCompile(`PEERMESH_[A-Z_]+`).FindAllString(text, -1) {
		if name != "PEERMESH_" && !slices.Contains(known, name) {
			t.Errorf("%s names %s: got a variable that nothing reads", where, name)
		}
	}
}

// unitOf reads the settings of a unit, section by section.
func unitOf(text string) map[string][]string {
	unit, section := make(map[string][]string), ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		} else if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			unit[section+name] = append(unit[section+name], value)
		}
	}
	return unit
}

func TestSystemdUnit(t *testing.T) {
	text := readRoot(t, "deploy/peermesh.service")
	unit := unitOf(text)
	for name, want := range map[string]string{
		"Type": "exec", "DynamicUser": "yes", "StateDirectory": "peermesh", "NoNewPrivileges": "yes",
		"ProtectSystem": "strict", "Restart": "on-failure", "RestartPreventExitStatus": "2", "CapabilityBoundingSet": "",
	} {
		if got := unit["[Service]"+name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"[Unit]After": "time-sync.target", "[Unit]Wants": "time-sync.target", "[Service]ExecReload": "kill -HUP $MAINPID"} {
		if got := unit[name]; len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: got %q, want %s", name, got, want)
		}
	}
	starts := unit["[Service]ExecStart"]
	if len(starts) != 1 {
		t.Fatalf("ExecStart: got %q, want one", starts)
	}
	wantCommandLine(t, "ExecStart", strings.Fields(starts[0]))
	if !strings.Contains(starts[0], "--state %S/peermesh") {
		t.Errorf("ExecStart: got %q, want the state in the unit's StateDirectory", starts[0])
	}
	wantSettings(t, "the unit", text)
	for _, m := range regexp.MustCompile(`(?m)^#   (peermesh [^>#\n]*)`).FindAllStringSubmatch(text, -1) {
		wantCommandLine(t, "the unit's comment", strings.Fields(m[1]))
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here; install systemd to have the unit verified")
	}
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "peermesh.service")
	text := strings.Replace(readRoot(t, "deploy/peermesh.service"), "ExecStart=/usr/local/bin/peermesh", "ExecStart="+file, 1)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(verify, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), filepath.Base(unit)) {
		t.Errorf("systemd-analyze verify: got %v\n%s", err, out)
	}
}

func TestDockerfile(t *testing.T) {
	text := readRoot(t, "Dockerfile")
	wantSettings(t, "the Dockerfile", text)
	stages := regexp.MustCompile(`(?m)^FROM `).FindAllStringIndex(text, -1)
	if len(stages) != 2 {
		t.Fatalf("got %d stages, want 2", len(stages))
	}
	last := text[stages[1][0]:]
	lines := make(map[string]string) // of the last stage, the last of each instruction
	for line := range strings.Lines(last) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[name] = rest
	}
	if user := lines["USER"]; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("user: got %q, want one that is not root", user)
	}
	if lines["EXPOSE"] != "8080" || !strings.Contains(lines["ENV"], "PORT=8080") || strings.Contains(lines["ENV"], "PEERMESH_PORT") {
		t.Errorf("port: got EXPOSE %q, ENV %q, want 8080, which PORT changes", lines["EXPOSE"], lines["ENV"])
	}
	wantCommandLine(t, "ENTRYPOINT", execForm(t, lines["ENTRYPOINT"]))
	_, health, _ := strings.Cut(lines["HEALTHCHECK"], "CMD ")
	wantCommandLine(t, "HEALTHCHECK", execForm(t, health))

	mod := readRoot(t, "go.mod")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(mod)[1]
	if !strings.Contains(text, "FROM golang:"+version+" AS build") {
		t.Errorf("builder: want the Go of go.mod, %s", version)
	}
}

// execForm reads ["a", "b"]: an image without a shell takes no other form.
func execForm(t *testing.T, text string) []string {
	t.Helper()
	var words []string
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Errorf("got %q, want the form without a shell: %v", text, err)
	}
	return words
}

func TestProcfile(t *testing.T) {
	name, line, ok := strings.Cut(strings.TrimSpace(readRoot(t, "Procfile")), ": ")
	if !ok || name != "web" {
		t.Errorf("got the process %q, want web, which gets PORT", name)
	}
	wantCommandLine(t, "Procfile", strings.Fields(line))
}
