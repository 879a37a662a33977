package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// crowd is a world of one hub and of strangers that begin sessions with it, each
// by an ingress link of the test's choice.
type crowd struct {
	w    *world
	hub  *testNode
	from map[wire.ID]Ingress

	suite func(*testNode, *Config) // of the strangers

	flooded int // entries made without a handshake
}

func nullSuite(_ *testNode, c *Config) { c.Null, c.Credentials = true, nil }

func newCrowd(t *testing.T, seed uint64) *crowd {
	c := &crowd{w: newWorld(t, seed), from: map[wire.ID]Ingress{}, suite: nullSuite}
	c.w.ingress = func(from wire.ID) Ingress { return c.from[from] }
	c.hub = c.w.add(nullSuite)
	c.hub.quiet = true
	return c
}

// begin lets n strangers begin a session, the i-th by link(i), a few at a time.
func (c *crowd) begin(n int, link func(i int) uint64) []*testNode {
	return c.beginFrom(n, func(i int) Ingress { return Ingress{Link: link(i)} })
}

// beginFrom is begin by links of address groups.
func (c *crowd) beginFrom(n int, from func(i int) Ingress) []*testNode {
	c.w.t.Helper()
	all := make([]*testNode, n)
	for i := range all {
		x := c.w.add(c.suite)
		x.quiet = true
		c.from[x.self] = from(i)
		if err := x.datagram(c.hub, "x"); err != nil {
			c.w.t.Fatal(err)
		}
		all[i] = x
		if i%40 == 39 || i == n-1 {
			c.w.run(300 * time.Millisecond)
		}
	}
	return all
}

// kept counts those with whom the hub still has a session.
func (c *crowd) kept(all []*testNode) (n int) {
	for _, x := range all {
		if p, ok := c.hub.t.Peer(x.self); ok && p.Session {
			n++
		}
	}
	return n
}

// A link that begins more sessions than there is room for displaces its own. What
// it holds beyond its share goes to whoever else comes.
func TestALinkDisplacesItsOwnSessions(t *testing.T) {
	withoutRaceDetector(t)
	c := newCrowd(t, 81)
	flooding := func(int) uint64 { return 1 }
	honest := c.begin(100, func(i int) uint64 { return uint64(2 + i%25) })
	flood := c.begin(5_000, flooding)
	if got := c.kept(honest); got != len(honest) {
		t.Errorf("honest sessions after the flood: got %d of %d", got, len(honest))
	}
	if got, want := c.kept(flood), limits.Sessions-len(honest); got != want {
		t.Errorf("sessions of the flood while nobody else wants the room: got %d, want %d", got, want)
	}
	honest = append(honest, c.begin(limits.Sessions-limits.SessionsPerLink-len(honest), func(i int) uint64 { return uint64(2 + i%50) })...)
	flood = append(flood, c.begin(500, flooding)...)
	if got := c.kept(honest); got != len(honest) {
		t.Errorf("honest sessions at the end: got %d of %d", got, len(honest))
	}
	if got := c.kept(flood); got > limits.SessionsPerLink || got == 0 {
		t.Errorf("sessions of the flood at the end: got %d, want at most %d", got, limits.SessionsPerLink)
	}
	if got := c.hub.t.Len(); got != limits.Sessions {
		t.Errorf("entries: got %d, want %d", got, limits.Sessions)
	}
	c.w.run(2 * limits.SessionIdle)
	if got := len(c.hub.t.shares); got != 0 || c.hub.t.Len() != 0 {
		t.Errorf("in the end: got %d entries and %d shares, want none", c.hub.t.Len(), got)
	}
}

// A leaf has all its sessions by one link or three: while there is room, no link
// has too many.
func TestSharesCountInAFullTableAlone(t *testing.T) {
	c := newCrowd(t, 82)
	all := c.begin(limits.SessionsPerLink+200, func(int) uint64 { return 1 })
	if got := c.kept(all); got != len(all) {
		t.Errorf("sessions by one link: got %d, want %d", got, len(all))
	}
}

func TestEvictionOrder(t *testing.T) {
	_, a, _ := pair(t, 54)
	now := 10 * limits.SessionHeld
	entry := func(id byte, by *share, used int64, change func(*peer)) *peer {
		p := newPeer(a.t, wire.ID{id}, by, 1)
		p.used.Store(used)
		if change != nil {
			change(p)
		}
		return p
	}
	many, few := &share{peers: 300}, &share{peers: 20}
	want := []*peer{
		entry(9, many, 50, nil), entry(1, many, 60, nil), entry(2, many, 60, nil),
		entry(3, many, 1, func(p *peer) { p.awaited.Store(1) }),
		entry(4, many, 2, func(p *peer) { p.ours.Store(true) }), // renewed by us, begun by the stranger
		entry(5, few, 1, nil),
		entry(6, nil, 1, nil),
		entry(7, many, 1, func(p *peer) { p.asked.Store(1) }),
		entry(8, nil, 1, func(p *peer) { p.ours.Store(true) }),
	}
	want[4].awaited.Store(1)
	for i := range want[1:] {
		if !want[i].yields(want[i+1], now) || want[i+1].yields(want[i], now) {
			t.Errorf("entry %d does not go before entry %d", i, i+1)
		}
	}
}

// fill fills the Table of n with entries that count for a link.
func fill(n *testNode, link uint64, change func(*peer)) {
	var fx effects
	for i := n.t.Len(); i < limits.Sessions; i++ {
		p, _ := n.t.ensure(wire.ID{0xEE, byte(i), byte(i >> 8), byte(link)}, Ingress{Link: link}, n.t.at(n.w.now), &fx)
		change(p)
	}
}

// Nobody who is held goes for a stranger: where all are, it has to stay out. We
// still find room for whom we send to.
func TestStrangersDisplaceNobodyHeld(t *testing.T) {
	for name, hold := range map[string]func(*peer){
		"begun by us": func(p *peer) { p.ours.Store(true) },
		"owes an ack": func(p *peer) { p.asked.Store(1) },
		"spoken with": func(p *peer) { p.speak(p.table.at(time.Unix(1_700_000_000, 0))) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, 83)
			link := uint64(1)
			if name == "begun by us" {
				link = 0
			}
			fill(c.hub, link, hold)
			all := c.begin(3, func(i int) uint64 { return uint64(1 + i) })
			if got := c.kept(all); got != 0 {
				t.Errorf("strangers let in: got %d, want none", got)
			}
			if got := c.hub.drops.Get(reason.SessionLimit); got < 3 {
				t.Errorf("counted as %v: got %d, want 3 at least", reason.SessionLimit, got)
			}
			other := c.w.add(nullSuite)
			if name != "owes an ack" { // nobody's message ends for another one
				c.w.connect(c.hub, other)
			} else if _, err := c.hub.t.Send(c.w.now, Message{To: other.self, Kind: wire.PlainMessage}, nil); err != reason.SessionLimit {
				t.Errorf("a message to one more: got %v, want %v", err, reason.SessionLimit)
			}
			if got := c.hub.t.Len(); got != limits.Sessions {
				t.Errorf("entries: got %d, want %d", got, limits.Sessions)
			}
		})
	}
}

// What a stranger can make a node send holds no place for it; what the node sends
// of its own accord does, for a minute.
func TestWhatHoldsAPlace(t *testing.T) {
	c := newCrowd(t, 84)
	n := c.begin(1, func(int) uint64 { return 1 })[0]
	held := func() bool { return c.hub.peerOf(n).held(c.hub.t.at(c.w.now)) }
	c.w.cut = func(_, to *testNode) bool { return to == n }
	answer := c.hub.sendMessage(Message{To: n.self, Kind: wire.PlainResponse, RequestID: 1})
	c.hub.t.HomesChanged(c.w.now)
	c.w.run(time.Second)
	if answer.calls != 0 || held() {
		t.Error("a response and homes that it does not ack hold its place")
	}
	c.w.cut = nil
	c.w.run(5 * time.Second)
	if err := c.hub.datagram(n, "x"); err != nil || !held() {
		t.Errorf("a datagram of ours (%v) does not hold the place", err)
	}
	c.w.run(limits.SessionHeld)
	if held() {
		t.Error("still held a minute after it")
	}
	c.w.cut = func(_, to *testNode) bool { return to == n }
	c.hub.send(n, "x")
	c.w.run(2 * limits.SessionHeld)
	if !held() {
		t.Error("an unacked message of ours does not hold the place")
	}
}
