package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/heaptest"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// alone returns the hub's Table, and lets go of all else.
func (c *crowd) alone() *Table {
	c.w.nodes, c.w.events, c.from, c.hub.events = nil, nil, nil, nil
	return c.hub.t
}

// What strangers can fill a Table with costs what is said of it in docs/security.md.
func TestHeapOfFullTables(t *testing.T) {
	const some = limits.Sessions / 8
	heaptest.Run(t, []heaptest.Row{
		{Limit: "Sessions", Entries: some, Each: 8 << 10, Fill: func(t *testing.T) any {
			c := realCrowd(t, 95)
			c.begin(some, func(i int) uint64 { return uint64(1 + i%64) })
			return c.alone()
		}},
		{Limit: "WindowFree", Entries: some, Each: 8<<10 + 2*limits.WindowFree, Fill: func(t *testing.T) any {
			c := realCrowd(t, 96)
			for _, x := range c.begin(some, func(i int) uint64 { return uint64(1 + i%64) }) {
				p := c.hub.peerOf(x)
				if p.in.advance(1 << 20); !p.affordsWindow(p.in.reach(1<<20+8*limits.WindowFree-1, false)) {
					t.Fatal("no room")
				}
				p.in.decide(1<<20+8*limits.WindowFree-1, reason.None)
			}
			return c.alone()
		}},
		{Limit: "WindowPart", Entries: limits.Sessions, Each: 4<<10 + limits.MemoryWaiting/limits.WindowPart/limits.Sessions, Fill: func(t *testing.T) any {
			c := newCrowd(t, 97)
			fill(c.hub, 0, func(p *peer) { // each with as much as it gets
				p.in = &inbox{}
				p.decide(limits.MessageWindow-1, reason.NoHandler)
			})
			return c.alone()
		}},
		{Limit: "MessageMemory", Entries: limits.MessageWindow, Each: limits.MessageMemory, Fill: func(t *testing.T) any {
			w, a, b := pair(t, 98)
			w.connect(a, b)
			w.cut = func(_, _ *testNode) bool { return true }
			for range limits.MessageWindow {
				if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainResponse, RequestID: 1}, func(Result) {}); err != nil {
					t.Fatal(err)
				}
			}
			w.run(20 * time.Second) // by many first hops
			w.nodes, w.events = nil, nil
			return a.t
		}},
		{Limit: "WaitingMessages", Entries: some * (limits.WaitingMessages - 1), Each: 256, Fill: func(t *testing.T) any {
			c := newCrowd(t, 99)
			c.w.cut = func(_, _ *testNode) bool { return true }
			for i := range some {
				for range limits.WaitingMessages - 1 {
					if err := c.hub.t.Datagram(c.w.now, wire.ID{1, byte(i), byte(i >> 8)}, 1, 1, wire.ClassBulk, []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			return c.alone()
		}},
		{Limit: "ReachedPeers", Entries: limits.ReachedPeers + limits.ReachedLinks, Each: 96, Fill: func(t *testing.T) any {
			c := newCrowd(t, 101)
			for i := range 2 * limits.ReachedPeers {
				id := wire.ID{1, byte(i), byte(i >> 8), byte(i >> 16)}
				p := newPeer(c.hub.t, id, nil, 0)
				p.heard.Store(int64(time.Hour))
				p.speak(time.Hour)
				c.hub.t.keep(p)
				c.hub.t.Parted(c.w.now, id)
			}
			return c.alone()
		}},
		{Limit: "HandshakesInFlight", Entries: limits.HandshakesInFlight, Each: 8 << 10, Fill: func(t *testing.T) any {
			c := realCrowd(t, 100)
			c.w.tamper = func(to *testNode, frame []byte) bool { // no message 2 arrives
				f, err := wire.ParseFrame(frame)
				return to == c.hub || err == nil && f.Body[0] != wire.HandshakeSecond
			}
			for i := range limits.HandshakesInFlight {
				x := c.w.add(nil)
				c.from[x.self] = Ingress{Link: uint64(1 + i)}
				if err := x.datagram(c.hub, "x"); err != nil {
					t.Fatal(err)
				}
			}
			c.w.run(2 * time.Second)
			if got := c.hub.t.answers.underWay; got != limits.HandshakesInFlight {
				t.Errorf("under way: got %d, want %d", got, limits.HandshakesInFlight)
			}
			return c.alone()
		}},
	})
}

// realCrowd is a crowd that has keys.
func realCrowd(t *testing.T, seed uint64) *crowd {
	c := newCrowd(t, seed)
	c.hub = c.w.add(nil)
	c.hub.quiet = true
	c.suite = nil
	return c
}
