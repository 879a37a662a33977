package main

import (
	"net"
	"strings"
	"testing"
)

// A server that helps nobody, and one in a wrong form, are told, without the password.
func TestDoctorAsksICEServers(t *testing.T) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	stun := startSTUN(t)
	dead := "turns:1796099645%3Aalice:secret@" + l.Addr().String()
	all := findings(t, exitError, "--ice", dead, "--ice", stun)
	wantFinding(t, found(t, all, "ice", stun), verdictOK, "works")
	for _, f := range all {
		if f.Check == "ice" && f.Subject != stun {
			wantFinding(t, f, verdictFail, "connection refused")
		}
	}
	for wrong, says := range map[string]string{
		"turn://me:secret@127.0.0.1":                 "turn: has no // behind it",
		"turn:1796099645:alice:secret@127.0.0.1":     "%3A",
		"turn:me:secret@127.0.0.1:70000":             "port",
		"turns:me:secret@127.0.0.1?transport=udp":    "over TLS alone",
		"turn:me:secret%@127.0.0.1":                  "%25",
		"ws://127.0.0.1":                             "no kind of ICE server",
		"turn:me:secret@127.0.0.1?transport=quic#no": "?transport=tcp",
	} {
		r := runOnce(t, "", "config", "check", "--config=", "--ice", wrong)
		r.wantCode(t, exitUsage, says)
		if strings.Contains(r.err, "secret") {
			t.Errorf("%s: got the password in\n%s", wrong, r.err)
		}
	}
}

// A node's status tells of a server that does not help.
func TestStatusTellsOfICEServers(t *testing.T) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p, _, _ := startNode(t, "--ice", "turn:me:secret@"+l.Addr().String()+"?transport=tcp")
	if e := p.event(t, "warning"); e["part"] != "ice" || strings.Contains(e["error"].(string), "secret") {
		t.Errorf("got %v, want the server without its password", e)
	}
	r := runOnce(t, "", "status")
	r.wantCode(t, exitOK)
	if !strings.Contains(r.out, "warn  the ICE server turn:me:***@") || !strings.Contains(r.out, "connection refused") {
		t.Errorf("status: got\n%s", r.out)
	}
}

// startSTUN starts a node that answers STUN.
func startSTUN(t *testing.T) string {
	t.Helper()
	udp, err := net.ListenPacket("udp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(udp.LocalAddr().String())
	udp.Close()
	startNode(t, "--webrtc-port", port)
	return "stun:" + net.JoinHostPort(loopback, port)
}
