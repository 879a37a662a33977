package session

import (
	"net/netip"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// group is the n-th address group.
func group(n int) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n)}), 16) }

// talk lets each of them say something, as who uses a session does.
func (c *crowd) talk(all []*testNode) {
	c.w.t.Helper()
	for i, x := range all {
		if err := x.datagram(c.hub, "x"); err != nil {
			c.w.t.Fatal(err)
		}
		if i%200 == 199 {
			c.w.run(20 * time.Millisecond)
		}
	}
	c.w.run(time.Second)
}

// flood lets n strangers come to have an entry, the i-th by from(i), without the
// handshake that leads there. It returns those who got one, for now.
func (c *crowd) flood(n int, from func(i int) Ingress) (all []*peer) {
	var fx effects
	for i := range n {
		c.flooded++
		id := wire.ID{0xEE, byte(c.flooded), byte(c.flooded >> 8), byte(c.flooded >> 16)}
		if p, _ := c.hub.t.ensure(id, from(i), c.hub.t.at(c.w.now), &fx); p != nil {
			all = append(all, p)
		}
	}
	fx.run(c.hub.t)
	return all
}

// there counts those whose entry is still there.
func (c *crowd) there(all []*peer) (n int) {
	for _, p := range all {
		if _, ok := c.hub.t.Peer(p.id); ok {
			n++
		}
	}
	return n
}

// Whoever brings sessions by many links, or by a new link each time, displaces none
// that has been in use before.
func TestSessionsInUseSurviveManyLinks(t *testing.T) {
	withoutRaceDetector(t)
	for name, from := range map[string]func(i int) Ingress{
		"20 links of one group":      func(i int) Ingress { return Ingress{uint64(100 + i%20), group(99)} },
		"20 links of 20 groups":      func(i int) Ingress { return Ingress{uint64(100 + i%20), group(100 + i%20)} },
		"20 links without addresses": func(i int) Ingress { return Ingress{Link: uint64(100 + i%20)} },
		"reconnects":                 func(i int) Ingress { return Ingress{uint64(100 + i/300), group(99)} },
		"the link of the honest":     func(int) Ingress { return Ingress{2, group(1)} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, 85)
			honest := c.beginFrom(700, func(i int) Ingress { return Ingress{uint64(2 + i%2), group(1)} }) // more than a link's share each
			c.w.run(limits.SessionHeld)
			c.talk(honest)
			for range 4 {
				c.flood(1_500, from)
				c.talk(honest)
			}
			if got := c.kept(honest); got != len(honest) {
				t.Errorf("honest sessions in use: got %d of %d", got, len(honest))
			}
			if got := c.hub.t.Len(); got != limits.Sessions {
				t.Errorf("entries: got %d, want %d", got, limits.Sessions)
			}
		})
	}
}

// New links of one address group are no new shares: its sessions go before those
// that other groups brought, in use or not.
func TestReconnectsCountForOneGroup(t *testing.T) {
	withoutRaceDetector(t)
	c := newCrowd(t, 86)
	honest := c.beginFrom(400, func(i int) Ingress { return Ingress{uint64(2 + i%2), group(i % 2)} })
	flood := c.flood(6_000, func(i int) Ingress { return Ingress{uint64(100 + i/100), group(99)} })
	if got := c.kept(honest); got != len(honest) {
		t.Errorf("honest sessions that nobody uses: got %d of %d", got, len(honest))
	}
	c.flood(limits.Sessions-limits.SessionsPerLink-len(honest), func(i int) Ingress { return Ingress{uint64(200 + i%50), group(i % 25)} })
	c.flood(500, func(i int) Ingress { return Ingress{uint64(300 + i), group(99)} })
	if got := c.there(flood); got > limits.SessionsPerLink {
		t.Errorf("sessions of the group that flooded: got %d, want at most %d", got, limits.SessionsPerLink)
	}
}

// Who keeps as many sessions in use as there are places does not lock others out:
// the youngest of them yield.
func TestNewcomersFindRoomWhereAllAreInUse(t *testing.T) {
	withoutRaceDetector(t)
	c := newCrowd(t, 87)
	flood := c.flood(limits.Sessions, func(i int) Ingress { return Ingress{uint64(100 + i%20), group(i % 20)} })
	c.w.run(limits.SessionHeld)
	for _, p := range flood {
		p.heard.Store(int64(c.hub.t.at(c.w.now)))
	}
	c.w.run(time.Second)
	younger := c.flood(2, func(i int) Ingress { return Ingress{uint64(100 + i), group(i)} })
	if got := c.there(younger); got != len(younger) {
		t.Errorf("one more of each of two links: got %d let in, want 2", got)
	}
	honest := c.beginFrom(limits.Sessions-limits.SessionsInUse, func(i int) Ingress { return Ingress{uint64(2 + i%8), group(30 + i%8)} })
	if got := c.kept(honest); got != len(honest) {
		t.Errorf("newcomers: got %d let in of %d", got, len(honest))
	}
	if got := c.there(flood); got != limits.SessionsInUse {
		t.Errorf("of those in use: got %d left, want %d", got, limits.SessionsInUse)
	}
}

// withoutRaceDetector skips what fills thousands of sessions on one goroutine: there is
// nothing to race, and make budgets runs it.
func withoutRaceDetector(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("make budgets runs this, without the race detector")
	}
}
