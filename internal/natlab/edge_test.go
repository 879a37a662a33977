//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ask writes a line and returns the answer.
func (p *process) ask(t *testing.T, line string) string {
	t.Helper()
	p.tell(t, "%s", line)
	return p.next(t)
}

// number is an answer that is one.
func (p *process) number(t *testing.T) int {
	t.Helper()
	answer := p.ask(t, "")
	n, err := strconv.Atoi(answer)
	if err != nil {
		t.Fatalf("%s: got %q, want a number", p.name, answer)
	}
	return n
}

// expect takes the next line, which has to be that.
func (p *process) expect(t *testing.T, want string) *process {
	t.Helper()
	if got := p.next(t); got != want {
		t.Fatalf("%s: got %q, want %q", p.name, got, want)
	}
	return p
}

// state is what counts here of a node's status.
type state struct {
	UndeclaredProxy string
	Dials           struct{ Failed int }
}

// state asks the node's page, in its own namespace.
func (p place) state(t *testing.T, m *member) (s state) {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run("", "ip", "netns", "exec", string(p.space), file, "status", "--json", "--admin", m.admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("status: %v: %s", err, out)
	}
	return s
}

const (
	proxyPort = 8081
	local     = "127.0.0.1"
)

// TestWhoseWordOpensLoopback: a page of another site, and a client of a proxy that
// nobody declared, tell a node of URLs on its own machine. It asks for none of them,
// wherever they come from; a program of the machine has it ask without the query.
func TestWhoseWordOpensLoopback(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	at, away := c.relay[0], c.relay[1]
	at.play(t, "proxy", at.at(proxyPort), "http://"+local+":"+fmt.Sprint(relayPort)).expect(t, "ready")
	prey := at.play(t, "prey")
	target := prey.next(t)
	page, proxied := "Origin: https://evil.example", "http://"+at.at(proxyPort)
	for _, test := range []struct {
		name    string
		from    place
		url     string
		header  []string
		proxied bool
		allowed bool
	}{
		{"page on another host", away, "ws://" + at.at(relayPort), []string{page}, false, false},
		{"page on this host", at, "ws://" + local + ":" + fmt.Sprint(relayPort), []string{page}, false, false},
		{"page on this host that has no origin", at, "ws://" + local + ":" + fmt.Sprint(relayPort), []string{"Origin: null"}, false, false},
		{"program on another host", away, "ws://" + at.at(relayPort), nil, false, false},
		{"by the proxy, from another host", away, strings.Replace(proxied, "http", "ws", 1), nil, true, false},
		{"by the proxy, from this host", at, strings.Replace(proxied, "http", "ws", 1), nil, true, false},
		{"program on this host", at, "ws://" + local + ":" + fmt.Sprint(relayPort), nil, false, true},
	} {
		n := at.runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off")
		lure := test.from.play(t, "lure", append([]string{test.url, target}, test.header...)...).expect(t, "told")
		for end := time.Now().Add(patience); at.state(t, n).Dials.Failed < 2; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the node has not tried what it was told of", test.name)
			}
		}
		proxy := at.state(t, n).UndeclaredProxy
		lure.kill()
		n.kill()
		if test.proxied != (proxy == local) {
			t.Errorf("%s: the proxy that is told of: got %q, want it told %t", test.name, proxy, test.proxied)
		}
		switch got := prey.ask(t, ""); {
		case !test.allowed && got != "0":
			t.Errorf("%s: got connects and requests %q of a local program, want none", test.name, got)
		case test.allowed && (got == "0" || strings.Contains(got, "?")):
			t.Errorf("%s: got %q, want requests without the query", test.name, got)
		}
	}
}

// TestClientsOfAProxyAreOneAddress: relays that come by a proxy that nobody declared,
// from two hosts, share what one group of addresses gets where places are scarce, and
// one of another group finds a place.
func TestClientsOfAProxyAreOneAddress(t *testing.T) {
	t.Parallel()
	const share, places = 8, 12 // the last four are for those in need
	c := newCell(t)
	at := c.relay[0]
	at.runs(t, "--port", fmt.Sprint(relayPort), "--max-peers", fmt.Sprint(places), "--webrtc", "off")
	at.play(t, "proxy", at.at(proxyPort), "http://"+local+":"+fmt.Sprint(relayPort)).expect(t, "ready")
	var proxied []*process
	for _, from := range []place{c.relay[1], c.onWAN(t, "r3", outer(3))} {
		proxied = append(proxied, from.play(t, "links", "relay", fmt.Sprint(2*share), "ws://"+at.at(proxyPort)).expect(t, "done"))
	}
	if links := proxied[0].number(t) + proxied[1].number(t); links == 0 || links > share {
		t.Errorf("links of two hosts by one proxy: got %d, want 1 to %d", links, share)
	}
	other := c.onWAN(t, "r4", outer(4)).play(t, "links", "relay", "1", "ws://"+at.at(relayPort)).expect(t, "done")
	if got := other.number(t); got != 1 {
		t.Errorf("links of another group: got %d, want 1", got)
	}
}

// TestLeavesOfOneHostLeavePlaces: leaves of one host that keep the rules take all
// places of a relay while nobody else wants them, and give up half of them to those
// of another host.
func TestLeavesOfOneHostLeavePlaces(t *testing.T) {
	t.Parallel()
	const places = 8
	c := newCell(t)
	at := c.relay[0]
	at.runs(t, "--port", fmt.Sprint(relayPort), "--max-leaves", fmt.Sprint(places), "--webrtc", "off")
	url := "ws://" + at.at(relayPort)
	many := c.relay[1].play(t, "links", "leaf", fmt.Sprint(4*places), url).expect(t, "done")
	if got := many.number(t); got != places {
		t.Errorf("links of one host: got %d, want all %d places", got, places)
	}
	few := c.onWAN(t, "r3", outer(3)).play(t, "links", "leaf", fmt.Sprint(places/2), url).expect(t, "done")
	if got := few.number(t); got != places/2 {
		t.Errorf("links of another host: got %d, want %d", got, places/2)
	}
	if got := many.number(t); got != places/2 {
		t.Errorf("links of the first host: got %d, want the other half", got)
	}
}
