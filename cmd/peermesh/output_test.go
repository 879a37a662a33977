package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

var testID = routing.ID{0x3f, 0x9a, 0x07, 0xc1, 19: 0x1b}

const testHex = "3f9a07c10000000000000000000000000000001b"

func TestJSONLines(t *testing.T) {
	for _, test := range []struct {
		name string
		line any
		want string
	}{
		{
			"a node is ready", readyLine{V: 1, Event: "ready", ID: testID, URLs: []string{"ws://127.0.0.1:8080"}},
			`{"v":1,"event":"ready","id":"` + testHex + `","urls":["ws://127.0.0.1:8080"]}`,
		},
		{
			"a node is ready that can be looked at", readyLine{V: 1, Event: "ready", ID: testID, URLs: []string{}, Admin: "http://127.0.0.1:9090/"},
			`{"v":1,"event":"ready","id":"` + testHex + `","urls":[],"admin":"http://127.0.0.1:9090/"}`,
		},
		{
			"peers", peersLine{V: 1, ID: testID, Peers: []node.PeerInfo{}, Bootstraps: []node.BootstrapInfo{}},
			`{"v":1,"id":"` + testHex + `","peers":[],"bootstraps":[]}`,
		},
		{
			"top", topLine{V: 1, ID: testID, Seconds: 1, Links: 1, Forwarded: 2.5, Drops: map[string]float64{"no-route": 1}, Peers: []topPeer{{testID, 1, 2, 0.5}}},
			`{"v":1,"id":"` + testHex + `","seconds":1,"links":1,"forwardedPerSecond":2.5,"deliveredPerSecond":0,"rxBytesPerSecond":0,"txBytesPerSecond":0,` +
				`"dropsPerSecond":{"no-route":1},"peers":[{"id":"` + testHex + `","rxBytesPerSecond":1,"txBytesPerSecond":2,"queueFill":0.5}]}`,
		},
		{
			"a listener is ready", idLine{V: 1, Event: "ready", ID: testID},
			`{"v":1,"event":"ready","id":"` + testHex + `"}`,
		},
		{
			"a message of text", messageLine{V: 1, Event: "message", From: testID, Hops: 2, payload: newPayload([]byte("<hi>"))},
			`{"v":1,"event":"message","from":"` + testHex + `","hops":2,"data":"PGhpPg==","text":"<hi>"}`,
		},
		{
			"a message that is no text", messageLine{V: 1, Event: "message", From: testID, Hops: 1, Request: true, payload: newPayload([]byte{0xff})},
			`{"v":1,"event":"message","from":"` + testHex + `","hops":1,"request":true,"data":"/w=="}`,
		},
		{
			"an empty answer", answerLine{V: 1, Event: "answer", From: testID, payload: newPayload(nil)},
			`{"v":1,"event":"answer","from":"` + testHex + `","data":"","text":""}`,
		},
		{
			"an answer to a ping", pongLine{V: 1, Seq: 3, RTTMs: millis(1234567 * time.Nanosecond), Hops: 2, Via: testID},
			`{"v":1,"seq":3,"rttMs":1.234,"hops":2,"via":"` + testHex + `","direct":false}`,
		},
		{
			"an event", eventLine{V: 1, Event: node.Event{Kind: node.PeerUp, Time: time.Unix(0, 0).UTC(), Peer: testID, Transport: "ws"}},
			`{"v":1,"event":"peer-up","time":"1970-01-01T00:00:00Z","peer":"` + testHex + `","transport":"ws"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			if err := printJSON(&b, test.line); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != test.want+"\n" {
				t.Errorf("got  %swant %s", got, test.want)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"text", "größe 1", "größe 1"},
		{"empty", "", ""},
		{"two lines", "a\nb", `"a\nb"`},
		{"what a terminal acts on", "\x1b[2J", `"\x1b[2J"`},
		{"no text", "\xff\x00", `"\xff\x00"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := oneLine([]byte(test.data)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestEventText(t *testing.T) {
	for _, test := range []struct {
		want string
		e    node.Event
	}{
		{"peer up 3f9a07c1 ws in leaf", node.Event{Kind: node.PeerUp, Peer: testID, Transport: "ws", Leaf: true}},
		{"peer down 3f9a07c1 ws out idle", node.Event{Kind: node.PeerDown, Peer: testID, Transport: "ws", Outbound: true, Reason: "idle"}},
		{"retry ws://a connection refused (again in 2s)", node.Event{Kind: node.Retry, URL: "ws://a", Err: "connection refused", After: 2 * time.Second}},
		{"retry ws://h:1 96 times with 23 others connection refused (again in 2s)", node.Event{Kind: node.Retry, URL: "ws://h:1", Count: 96, Sources: 24, Err: "connection refused", After: 2 * time.Second}},
		{"refused wrong-network once", node.Event{Kind: node.Refused, Reason: "wrong-network", Count: 1, Sources: 1}},
		{"warning state /s is gone (put it back)", node.Event{Kind: node.Warned, Part: "state", Err: "/s is gone", Hint: "put it back"}},
		{"resolved state", node.Event{Kind: node.Resolved, Part: "state"}},
		{"dropped no-route 7 times", node.Event{Kind: node.Dropped, Reason: "no-route", Count: 7}},
		{"clock doubted 3f9a07c1 expired (the mesh says that this machine's clock is wrong; until it is set nobody finds this node)",
			node.Event{Kind: node.ClockDoubted, Peer: testID, Reason: "expired"}},
		{"undeclared proxy ws in at 10.0.0.1", node.Event{Kind: node.UndeclaredProxy, Transport: "ws", Err: "at 10.0.0.1"}},
	} {
		if got := eventText(test.e); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"ws://127.0.0.1:8080", "ws://127.0.0.1:8080"},
		{"ws://[::1]:8080/a?b", "'ws://[::1]:8080/a?b'"},
		{"a b", "'a b'"},
		{"it's", `'it'\''s'`},
		{"", "''"},
	} {
		if got := shellWord(test.word); got != test.want {
			t.Errorf("shellWord(%q): got %s, want %s", test.word, got, test.want)
		}
	}
}

func TestNextPort(t *testing.T) {
	for _, test := range []struct{ listen, want string }{
		{":8080", "8081"}, {"127.0.0.1:0", "0"}, {"[::1]:65535", "0"}, {"", "0"},
	} {
		if got := nextPort(test.listen); got != test.want {
			t.Errorf("nextPort(%q): got %s, want %s", test.listen, got, test.want)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for _, test := range []struct {
		host string
		port int
		want string
	}{
		{"", -1, ""}, {"", 0, ":0"}, {"127.0.0.1", 80, "127.0.0.1:80"}, {"::1", 80, "[::1]:80"}, {"127.0.0.1", -1, ""},
	} {
		got := listenAddress(test.host, test.port)
		if got != test.want {
			t.Errorf("listenAddress(%q, %d): got %q, want %q", test.host, test.port, got, test.want)
		}
		if _, _, err := net.SplitHostPort(got); got != "" && err != nil {
			t.Errorf("listenAddress(%q, %d): got %q: %v", test.host, test.port, got, err)
		}
	}
}

func TestProgramName(t *testing.T) {
	for _, test := range []struct{ arg0, want string }{
		{"peermesh", "peermesh"},
		{"./bin/peermesh", "./bin/peermesh"},
		{"/tmp/go-build123/b001/exe/peermesh", "go run ./cmd/peermesh"},
		{"/home/a/.cache/go-build/80/808fd9-d/peermesh", "go run ./cmd/peermesh"},
	} {
		if got := programName(test.arg0); got != test.want {
			t.Errorf("programName(%q): got %q, want %q", test.arg0, got, test.want)
		}
	}
}
