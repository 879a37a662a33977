package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettingsThatContradictEachOther(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		want []string // the fields told to have no effect
	}{
		{"nothing", Config{}, nil},
		{"no WebRTC", Config{WebRTC: WebRTCOff}, nil},
		{"no WebRTC, and all of it", Config{WebRTC: WebRTCOff, MaxWebRTC: 3, WebRTCListen: ":0", ICEServers: []string{"stun:a:1"}},
			[]string{"MaxWebRTC", "WebRTCListen", "ICEServers"}},
		{"leaf", Config{Leaf: true}, nil},
		{"leaf with a port", Config{Leaf: true, Listen: ":0"}, nil},
		{"leaf with leaves", Config{Leaf: true, MaxLeaves: 10}, []string{"MaxLeaves"}},
		{"both", Config{Leaf: true, MaxLeaves: 10, WebRTC: WebRTCOff, MaxWebRTC: 3}, []string{"MaxWebRTC", "MaxLeaves"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := ""
			if err := test.cfg.Check(); err != nil {
				text = err.Error()
			}
			for _, field := range test.want {
				if !strings.Contains(text, "config: "+field+" has no effect with ") {
					t.Errorf("got %q, want %s in it", text, field)
				}
			}
			if got := strings.Count(text, "has no effect"); got != len(test.want) {
				t.Errorf("got %d contradictions, want %d:\n%s", got, len(test.want), text)
			}
		})
	}
}

func TestCheckLooksAtTheState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Config{StateDir: filepath.Join(file, "state")}).Check(); err == nil || !strings.Contains(err.Error(), "config: StateDir: key file") {
		t.Errorf("a state below a file: got %v, want a mistake of StateDir", err)
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	if err := (Config{StateDir: fresh}).Check(); err != nil {
		t.Errorf("a state that is not there yet: got %v, want none", err)
	}
}
