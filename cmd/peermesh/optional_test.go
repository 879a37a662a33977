package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wantSaid waits until a process has said all that.
func (p *process) wantSaid(t *testing.T, all ...string) {
	t.Helper()
	for _, want := range all {
		for deadline := time.Now().Add(patience); !strings.Contains(p.said(), want); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("standard error: got %q, want %q in it", p.said(), want)
			}
		}
	}
}

// What a node can do without keeps it from nothing: it says so, and runs.
func TestOptionalPartsDoNotKeepANodeFromStarting(t *testing.T) {
	t.Run("the admin page", func(t *testing.T) {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		p := start(t, "--host", loopback, "--port", "0", "--json", "--admin", l.Addr().String())
		ready := p.event(t, "ready")
		page, _ := ready["admin"].(string)
		if page == "" || strings.Contains(page, l.Addr().String()) {
			t.Errorf("admin page: got %q, want one at another port", page)
		}
		p.wantSaid(t, "address already in use", "the admin page is at "+page+" instead")
		runOnce(t, "", "status", "--admin", page).wantCode(t, exitOK)
	})
	t.Run("the UDP port", func(t *testing.T) {
		udp, err := net.ListenPacket("udp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		_, port, _ := net.SplitHostPort(udp.LocalAddr().String())
		p, _, _ := startNode(t, "--webrtc-port", port)
		if e := p.event(t, "warning"); e["part"] != "webrtc-port" {
			t.Errorf("got %v, want the UDP port", e)
		}
	})
	t.Run("a config file that nobody asked for", func(t *testing.T) {
		dir := t.TempDir()
		link := filepath.Join(dir, "peermesh") // leads to itself: root cannot read it either
		if err := os.Symlink(link, link); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(link, "config.toml")
		cmd := program(t, "config", "check", "--port", "0")
		cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "warning: config file "+file+": ") || !strings.Contains(string(out), "it goes on without") {
			t.Errorf("got %v and\n%s, want a warning", err, out)
		}
		runOnce(t, "", "--port", "0", "--config", file).wantCode(t, exitUsage, "peermesh: config file "+file+": ")
	})
}
