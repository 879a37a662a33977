//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

const relayPort = 8080

// hasWebRTC tells whether the built program makes direct links.
var hasWebRTC = sync.OnceValues(func() (bool, error) {
	file, err := program()
	if err != nil {
		return false, err
	}
	help, err := run("", file, "--help")
	return strings.Contains(help, "--webrtc-port"), err
})

// member is a running node of a mesh.
type member struct {
	*process
	place
	id, admin string
	bootstrap string    // that it joined by
	ready     time.Time // when it said so
}

// join starts the program in a place and waits until it is ready.
func (p place) join(t *testing.T, bootstrap string, args ...string) *member {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "--json")
	if bootstrap != "" {
		args = append(args, "--bootstrap", bootstrap)
	}
	m := &member{process: p.start(t, []string{"XDG_RUNTIME_DIR=" + t.TempDir()}, file, args...), place: p, bootstrap: bootstrap}
	var line struct{ Event, ID, Admin string }
	if text := m.next(t); json.Unmarshal([]byte(text), &line) != nil || line.Event != "ready" {
		t.Fatalf("%s: got %s, want the ready line", m.name, text)
	}
	m.id, m.admin, m.ready = line.ID, line.Admin, time.Now()
	return m
}

// command runs a command of the program in the place of m to its end.
func (m *member) command(args ...string) (string, error) {
	file, err := program()
	if err != nil {
		return "", err
	}
	return run("", "ip", append([]string{"netns", "exec", string(m.space), file}, args...)...)
}

// mesh is two relays, and a node and a listener at each of two hosts.
type mesh struct {
	node, listener [2]*member
}

func newMesh(t *testing.T, p pairing) *mesh {
	t.Helper()
	c, a, b := p.build(t)
	relay := []string{"--port", fmt.Sprint(relayPort)}
	if direct, err := hasWebRTC(); err != nil {
		t.Fatal(err)
	} else if direct {
		relay = append(relay, "--webrtc-port", fmt.Sprint(relayPort))
	}
	url := [2]string{"ws://" + c.relay[0].at(relayPort), "ws://" + c.relay[1].at(relayPort)}
	c.relay[0].join(t, "", relay...)
	c.relay[1].join(t, url[0], relay...)
	m := &mesh{}
	for i, at := range [2]place{a, b} {
		m.listener[i] = at.join(t, url[i], "listen")
		m.node[i] = at.join(t, url[i])
	}
	return m
}

// communicate sends from each host to the other and returns how many messages
// arrived. Each is a new process, which knows the other's ID and a relay.
func (m *mesh) communicate(t *testing.T) (sent, arrived int) {
	t.Helper()
	for i := range 2 {
		from, to := m.node[i], 1-i
		for _, try := range [][]string{
			{"ping", m.node[to].id, "-c", "3", "-i", "50ms"},
			{"send", m.listener[to].id, fmt.Sprint("from ", i)},
		} {
			sent++
			if _, err := from.command(append(try, "--bootstrap", from.bootstrap)...); err != nil {
				t.Error(err)
				continue
			}
			arrived++
		}
		if line := m.listener[to].next(t); !strings.Contains(line, fmt.Sprint("from ", i)) {
			t.Errorf("listener: got %s, want the message", line)
		}
	}
	return sent, arrived
}

// link is the part of a line of peers that counts here.
type link struct {
	ID, Transport   string
	Since           time.Time
	LocalCandidate  string
	RemoteCandidate string
}

// direct returns the link of m to a peer over WebRTC, nil if there is none.
func (m *member) direct(t *testing.T, id string) *link {
	t.Helper()
	out, err := m.command("peers", "--json", "--admin", m.admin)
	if err != nil {
		t.Fatal(err)
	}
	var line struct{ Peers []link }
	if err := json.Unmarshal([]byte(out), &line); err != nil {
		t.Fatalf("peers: %v: %s", err, out)
	}
	for _, l := range line.Peers {
		if l.ID == id && l.Transport == "webrtc" {
			return &l
		}
	}
	return nil
}

// giveUp is when a direct link will not come any more: the time of an attempt,
// and as much again for a busy machine.
const giveUp = 15 * time.Second

// await polls the first node until it has a direct link with the second, or
// time is up.
func (m *mesh) await(t *testing.T) *link {
	t.Helper()
	for end := time.Now().Add(giveUp); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if l := m.node[0].direct(t, m.node[1].id); l != nil {
			return l
		}
	}
	return nil
}

// TestMesh: in every cell all messages arrive, and there is a direct link
// where there can be one.
func TestMesh(t *testing.T) {
	needLab(t)
	able, err := hasWebRTC()
	if err != nil {
		t.Fatal(err)
	}
	show(t, "Nodes", eachPairing(t, func(t *testing.T, p pairing) outcome {
		m := newMesh(t, p)
		o := outcome{cause: "this build has no direct links"}
		o.sent, o.arrived = m.communicate(t)
		if !able {
			return o
		}
		o.cause = ""
		if l := m.await(t); l != nil {
			later := m.node[0].ready
			if m.node[1].ready.After(later) {
				later = m.node[1].ready
			}
			o.link, o.local, o.remote, o.took = true, l.LocalCandidate, l.RemoteCandidate, max(0, l.Since.Sub(later))
		}
		if o.link != p.direct() {
			t.Errorf("direct link: got %v, want %v", o.link, p.direct())
		}
		again, arrived := m.communicate(t)
		o.sent, o.arrived = o.sent+again, o.arrived+arrived
		return o
	}))
}
