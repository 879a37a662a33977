//go:build !nowebrtc

package node

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/turn/v5"
)

// turnServer is a TURN server on loopback that knows me and secret.
func turnServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: "test",
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, a.Realm, "secret"), a.Username == "me"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return conn.LocalAddr().String()
}

// A server that does not help is told once, in status too, until it does; links do not
// wait for one that relays nothing.
func TestICEServersAreLookedAt(t *testing.T) {
	at := turnServer(t)
	good, bad, dead := "turn:me:secret@"+at, "turn:me:hush@"+at, "turn:me:secret@"+closedTCP(t)+"?transport=tcp"
	n := startPage(t, Config{})
	said := toldOfFiles(t, n)
	n.cfg.ICEServers = []string{good, bad, dead}
	for range 2 {
		if n.checkICEServers() {
			t.Error("got that all servers help, want that two do not")
		}
	}
	wantTold(t, "after two looks", said(), "warning ice", "warning ice")
	for _, w := range n.Status().Warnings {
		if w.Part != "ice" || w.Hint == "" || strings.Contains(w.Text, "hush") || strings.Contains(w.Text, "secret") {
			t.Errorf("got %+v, want a hint and no password", w)
		}
	}
	if got := n.iceServers(); len(got) != 1 || got[0] != good {
		t.Errorf("servers in use: got %d, want the one that relays", len(got))
	}
	n.cfg.ICEServers = []string{good, bad}
	if err := n.checkOneICEServer(bad); err == nil || !strings.Contains(ICEServerHint(err), "password") {
		t.Errorf("a wrong password: got %v with the hint %q", err, ICEServerHint(err))
	}
	n.setWarning("ice "+good, Warning{Part: "ice", Text: "was dead"})
	said()
	if err := n.checkOneICEServer(good); err != nil {
		t.Fatal(err)
	}
	wantTold(t, "once it helps again", said(), "resolved ice")
}

func closedTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
