//go:build linux

package natlab

import (
	"testing"
	"time"
)

// cut drops all UDP that a translator would pass, as one does that forgets, or
// a firewall whose rules have changed.
const cut = `
table ip cut {
	chain through { type filter hook forward priority -1; policy accept;
		meta l4proto udp drop
	}
}
`

const (
	fallback = 3 * time.Second  // until what was sent over a dead link goes by relays
	death    = 10 * time.Second // until it is known to be dead
	slack    = 2 * time.Second  // of a busy machine
)

// TestCut: the way under a direct link dies without a word while much is sent
// over it. Every message is acknowledged all the same, and the link is ended.
func TestCut(t *testing.T) {
	t.Parallel()
	p := pairing{portRestricted, portRestricted, apart}
	m := newMesh(t, p)
	a, b := m.node[0], m.node[1]
	if made := a.does(t, "connect", b); made.Cause != "" || made.Link.Transport != "webrtc" {
		t.Fatalf("connect: got %+v, want a link over WebRTC", made)
	}
	if begun := a.does(t, "stream", b); begun.Cause != "" {
		t.Fatalf("first message: %s", begun.Cause)
	}
	m.nat[0].exec(t, cut, "nft", "-f", "-")
	began := time.Now()
	all := a.answer(t)
	if all.Cause != "" || all.Slowest > fallback+slack {
		t.Errorf("%d messages while the way died: slowest took %v, failed: %q, want all acknowledged in %v", all.Sent, all.Slowest, all.Cause, fallback)
	}
	for a.does(t, "look", b).Link != nil {
		if gone := time.Since(began); gone > death+slack {
			t.Fatalf("the dead link is there after %v, want it ended after %v", gone, death)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d messages, the slowest took %v; the link was ended after %v", all.Sent, all.Slowest, time.Since(began))
}

// TestMuchTraffic: two that talk much through relays get a direct link without
// asking for it, and every message is acknowledged meanwhile.
func TestMuchTraffic(t *testing.T) {
	t.Parallel()
	m := newMesh(t, pairing{portRestricted, portRestricted, apart})
	a, b := m.node[0], m.node[1]
	for began := time.Now(); a.does(t, "look", b).Link == nil; {
		if time.Since(began) > patience {
			t.Fatalf("no direct link after %v of much traffic", patience)
		}
		a.does(t, "stream", b)
		if all := a.answer(t); all.Cause != "" {
			t.Fatalf("%d messages: %s", all.Sent, all.Cause)
		}
	}
	if l := a.does(t, "look", b).Link; l.Transport != "webrtc" {
		t.Errorf("link: got %+v, want one over WebRTC", l)
	}
}
