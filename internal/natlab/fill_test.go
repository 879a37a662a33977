//go:build linux

package natlab

import (
	"encoding/json"
	"testing"
	"time"
)

// TestFill: two nodes of the built program, without a URL and told nothing of
// each other, take each other into their tables.
func TestFill(t *testing.T) {
	for _, p := range []pairing{
		{portRestricted, portRestricted, apart},
		{portRestricted, portRestricted, samePrefix},
		{portRestricted, portRestricted, together},
	} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, p)
			var relay [2]*member // that forward for others, though none can dial them
			for i, h := range m.host {
				relay[i] = h.runs(t, "--bootstrap", m.url[i])
			}
			began := time.Now()
			for i := range 2 {
				l := m.awaitLink(t, i, relay[i], relay[1-i])
				checkAddress(t, p, l.Address)
				t.Logf("%s, %v after the second was ready", l.Path, time.Since(began))
			}
		})
	}
}

// awaitLink waits for a link over WebRTC of a node at a host.
func (m *mesh) awaitLink(t *testing.T, host int, of, with *member) *link {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		l := m.look(t, host, of, with)
		if l != nil && l.Transport == "webrtc" {
			return l
		}
		if time.Now().After(end) {
			t.Fatalf("link after %v: got %+v, want one over WebRTC", patience, l)
		}
	}
}

// look returns a link as the command peers shows it, nil if there is none.
func (m *mesh) look(t *testing.T, host int, of, with *member) *link {
	t.Helper()
	out, err := m.at(host, "peers", "--json", "--admin", of.admin)
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Peers []struct {
			ID string
			link
		}
	}
	if err := json.Unmarshal([]byte(out), &line); err != nil {
		t.Fatalf("peers: %v: %s", err, out)
	}
	for _, p := range line.Peers {
		if p.ID == with.id {
			return &p.link
		}
	}
	return nil
}
