package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
)

// warned waits for a warning, or its end, about a part of the node.
func (p *process) warned(t *testing.T, kind, part string) object {
	t.Helper()
	for {
		if o := p.event(t, kind); o["part"] == part {
			return o
		}
	}
}

// wantStatus checks that the status of the node, in words, has a text in it or not.
func wantStatus(t *testing.T, admin, text string, want bool) {
	t.Helper()
	got := runOnce(t, "", "status", "--admin", admin)
	if strings.Contains(got.out, text) != want || got.code != 0 {
		t.Errorf("status: got %d\n%swant %q in it: %v", got.code, got.out, text, want)
	}
}

// Without a place for its runtime file a node runs, says so, and is found by its URL.
func TestNoRuntimeFileIsAWarning(t *testing.T) {
	none := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "--port", "0", "--host", "127.0.0.1", "--json")
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+none, "TMPDIR="+none)
	p := startCommand(t, cmd)
	admin, _ := p.event(t, "ready")["admin"].(string)
	p.warned(t, "warning", "runtime-file")
	wantStatus(t, admin, "find this node by --admin", true)
	if said := p.said(); !strings.Contains(said, "status, peers and top find this node") || !strings.Contains(said, "hint: ") {
		t.Errorf("standard error: got\n%swant the warning with a hint", said)
	}
}

// An admin page that cannot be had at all is a warning.
func TestNoAdminPageIsAWarning(t *testing.T) {
	defer func(was func(string, admin.Config) (*admin.Server, error)) { listenAdmin = was }(listenAdmin)
	listenAdmin = func(string, admin.Config) (*admin.Server, error) { return nil, syscall.EADDRNOTAVAIL }
	n, err := node.New(node.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	set := flag.NewFlagSet("", flag.ContinueOnError)
	for _, f := range nodeFlags() {
		if err := f.Apply(set); err != nil {
			t.Fatal(err)
		}
	}
	c := cli.NewContext(nil, set, nil)
	if page := openAdmin(c, n, nil); page.url() != "" {
		t.Errorf("got the page %q, want none", page.url())
	}
	if all := n.Status().Warnings; len(all) != 1 || !strings.Contains(all[0].Text, "without an admin page") || all[0].Hint == "" {
		t.Errorf("got warnings %v, want one", all)
	}
}

// A command that acts says on standard error what is wrong with its state directory.
func TestACommandTellsOfItsState(t *testing.T) {
	relay := start(t, "--port", "0", "--host", "127.0.0.1", "--json").event(t, "ready")
	url := relay["urls"].([]any)[0].(string)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "peers"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runOnce(t, "", "ping", "--state", dir, "--count", "1", "-b", url, relay["id"].(string))
	got.wantCode(t, exitOK, "warning: the known peers in ", "hint: ")
}
