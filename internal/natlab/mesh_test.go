//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/node"
)

const relayPort = 8080

// mesh is two relays of the built program, and at each of two hosts a listener
// of it and a node of a program of its own. Each host knows another relay.
type mesh struct {
	*cell
	host     [2]place
	url      [2]string // of the host's relay
	node     [2]*member
	listener [2]*member
}

// member is a running node.
type member struct {
	*process
	id, admin string
}

func newMesh(t *testing.T, p pairing) *mesh {
	t.Helper()
	m := &mesh{}
	m.cell, m.host[0], m.host[1] = p.build(t)
	for i, r := range m.relay {
		m.url[i] = "ws://" + r.at(relayPort)
		args := []string{"--port", fmt.Sprint(relayPort), "--webrtc-port", fmt.Sprint(relayPort)}
		if i > 0 {
			args = append(args, "--bootstrap", m.url[0])
		}
		r.runs(t, args...)
	}
	for i, h := range m.host {
		m.listener[i] = h.runs(t, "listen", "--bootstrap", m.url[i])
		m.node[i] = ready(t, h.play(t, "node", m.url[i]))
	}
	return m
}

// runs starts the built program in a place and waits until it is ready.
func (p place) runs(t *testing.T, args ...string) *member {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, p.start(t, []string{"XDG_RUNTIME_DIR=" + t.TempDir()}, file, append(args, "--json")...))
}

// ready takes the first line of a node, which tells its ID.
func ready(t *testing.T, p *process) *member {
	t.Helper()
	var line told
	if text := p.next(t); json.Unmarshal([]byte(text), &line) != nil || line.ID == "" {
		t.Fatalf("%s: got %s, want a line with the ID", p.name, text)
	}
	return &member{p, line.ID, line.Admin}
}

// does makes a node act on another and returns what it says.
func (m *member) does(t *testing.T, verb string, to *member) told {
	t.Helper()
	m.tell(t, "%s %s", verb, to.id)
	return m.answer(t)
}

func (m *member) answer(t *testing.T) told {
	t.Helper()
	var answer told
	if text := m.next(t); json.Unmarshal([]byte(text), &answer) != nil {
		t.Fatalf("%s: got %s, want the answer", m.name, text)
	}
	return answer
}

// communicate sends from each host to the other and returns how many messages
// arrived: a ping and a message of commands, which are new processes that know
// the other's ID and a relay, and a message from node to node.
func (m *mesh) communicate(t *testing.T) (sent, arrived int) {
	t.Helper()
	for i := range 2 {
		to, text := 1-i, fmt.Sprintf("from %d after %d", i, sent)
		var failed [3]error
		failed[0] = m.command(i, "ping", m.node[to].id, "-c", "3", "-i", "50ms")
		failed[1] = m.command(i, "send", m.listener[to].id, text)
		if failed[1] == nil {
			if line := m.listener[to].next(t); !strings.Contains(line, text) {
				t.Errorf("listener: got %s, want %q", line, text)
			}
		}
		if a := m.node[i].does(t, "send", m.node[to]); a.Cause != "" {
			failed[2] = fmt.Errorf("send: %s", a.Cause)
		}
		for _, err := range failed {
			sent++
			if err != nil {
				t.Error(err)
				continue
			}
			arrived++
		}
	}
	return sent, arrived
}

// command runs a command of the built program at a host, with the URL that the
// host knows.
func (m *mesh) command(host int, args ...string) error {
	_, err := m.at(host, append(args, "--bootstrap", m.url[host])...)
	return err
}

// at runs the built program at a host to its end and returns what it printed.
func (m *mesh) at(host int, args ...string) (string, error) {
	file, err := program()
	if err != nil {
		return "", err
	}
	inside := []string{"netns", "exec", string(m.host[host].space), file}
	return run("", "ip", append(inside, args...)...)
}

// TestMesh: in every cell all messages arrive, before and after an attempt at a
// direct link; and there is one where there can be one.
func TestMesh(t *testing.T) {
	needLab(t)
	show(t, eachPairing(t, func(t *testing.T, p pairing) outcome {
		m := newMesh(t, p)
		sent, arrived := m.communicate(t)
		made := m.node[0].does(t, "connect", m.node[1])
		o := outcome{link: made.Cause == "", took: made.Took}
		if o.link != p.direct() || !o.link && made.Stage != node.ConnectICE {
			t.Errorf("direct link: got %v (%s: %s), want %v, or an end at stage %s", o.link, made.Stage, made.Cause, p.direct(), node.ConnectICE)
		}
		if o.link {
			o.path = made.Link.Path
			checkAddress(t, p, made.Link.Address)
		}
		again, anew := m.communicate(t)
		o.sent, o.arrived = sent+again, arrived+anew
		return o
	}))
}

// checkAddress: behind one translator the private address is taken, and apart
// never, whatever addresses the private nets have.
func checkAddress(t *testing.T, p pairing, text string) {
	t.Helper()
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := addr.Addr().IsPrivate(), p.layout == together; got != want {
		t.Errorf("peer's address %v: got private: %v, want %v", addr, got, want)
	}
}

// TestBothConnect: two that link at once have one link in the end.
func TestBothConnect(t *testing.T) {
	t.Parallel()
	m := newMesh(t, pairing{portRestricted, portRestricted, apart})
	a, b := m.node[0], m.node[1]
	a.tell(t, "connect %s", b.id)
	b.tell(t, "connect %s", a.id)
	for _, n := range m.node {
		if made := n.answer(t); made.Cause != "" || made.Link == nil {
			t.Errorf("connect: got %+v, want a link", made)
		}
	}
	for i, n := range m.node {
		if l := n.does(t, "send", m.node[1-i]).Link; l == nil || l.Transport != "webrtc" || l.Count != 1 {
			t.Errorf("links: got %+v, want one over WebRTC", l)
		}
	}
}
