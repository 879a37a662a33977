package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// refusedPort is a port that refuses all that comes.
const refusedPort = 9

// refuser is a hub that refuses what comes to refusedPort.
func refuser(t *testing.T, seed uint64, most int) *crowd {
	c := newCrowd(t, seed)
	c.hub = c.w.add(func(n *testNode, cfg *Config) {
		nullSuite(n, cfg)
		cfg.Budget = budget.New(most)
	})
	c.hub.quiet = true
	c.hub.deliver = func(d *Delivery) reason.Reason {
		if d.DstPort == refusedPort {
			return reason.NoHandler
		}
		return reason.None
	}
	return c
}

// sendFar lets x send a message with the last id that the hub's window takes.
func (c *crowd) sendFar(x *testNode) *Pending {
	p := x.peerOf(c.hub)
	p.mu.Lock()
	p.out.next = p.out.lowest + limits.MessageWindow - 1
	p.mu.Unlock()
	m, err := x.t.Send(c.w.now, Message{To: c.hub.self, Kind: wire.PlainMessage, DstPort: refusedPort}, func(Result) {})
	if err != nil {
		c.w.t.Fatal(err)
	}
	return m
}

// Peers that make a node remember as much as they can, with one frame each, take
// their part of the room that windows have, and no window of whoever else comes.
func TestWindowsHaveABudget(t *testing.T) {
	const most = 16 << 20
	c := refuser(t, 91, most)
	flood := c.begin(400, func(i int) uint64 { return uint64(100 + i%20) })
	var far []*Pending
	for _, x := range flood {
		far = append(far, c.sendFar(x))
	}
	c.w.run(time.Second)
	used, all := c.hub.t.windows.Used(), c.hub.t.cfg.Budget.Used()
	if used > most/limits.WindowPart || used == 0 || all < used {
		t.Errorf("windows: got %d bytes charged, %d in all, want at most %d and no less in all", used, all, most/limits.WindowPart)
	}
	if c.hub.drops.Get(reason.MemoryLimit) == 0 {
		t.Error("no refusal found the room taken")
	}
	honest := c.begin(5, func(i int) uint64 { return uint64(2 + i) })
	for _, x := range honest {
		var sends []*outcome
		for range 1_000 {
			sends = append(sends, x.send(c.hub, "x"))
		}
		c.w.run(3 * time.Second)
		for i, s := range sends {
			if s.calls != 1 || s.Err != nil {
				t.Fatalf("message %d: got %+v", i, s.Result)
			}
		}
	}
	for _, m := range far {
		m.Cancel(c.w.now, reason.Closed)
	}
	c.w.run(2 * limits.SessionIdle)
	if used, all := c.hub.t.windows.Used(), c.hub.t.cfg.Budget.Used(); used != 0 || all != 0 {
		t.Errorf("in the end: got %d bytes charged for windows, %d in all, want none", used, all)
	}
}

// What a window has grown to is given up once the peer has all its acks.
func TestEmptyWindowsAreSmall(t *testing.T) {
	c := refuser(t, 92, limits.MemoryWaiting)
	x := c.begin(1, func(int) uint64 { return 1 })[0]
	c.sendFar(x)
	c.w.run(time.Second)
	in := c.hub.peerOf(x).in
	if got, want := in.held(), limits.MessageWindow/8+limits.MessageWindow; got != want {
		t.Fatalf("after a refusal as far as can be: got %d bytes, want %d", got, want)
	}
	p := x.peerOf(c.hub)
	p.mu.Lock()
	p.out.lowest = p.out.next
	p.mu.Unlock()
	sent := x.send(c.hub, "x")
	c.w.run(time.Second)
	if sent.Err != nil || in.held() > 8*windowKept || c.hub.t.windows.Used() != 0 {
		t.Errorf("after the next message (%v): got %d bytes, %d charged, want at most %d and none", sent.Err, in.held(), c.hub.t.windows.Used(), 8*windowKept)
	}
}

// A refusal that there is no room to remember is none: the sender tries again, and
// the message is delivered once the port takes it.
func TestRefusalWithoutRoomIsNone(t *testing.T) {
	c := refuser(t, 93, 64<<10) // 8 KiB for windows
	x := c.begin(1, func(int) uint64 { return 1 })[0]
	c.sendFar(x)
	c.w.run(100 * time.Millisecond)
	if got := c.hub.drops.Get(reason.MemoryLimit); got == 0 || c.hub.t.windows.Used() > 8<<10 {
		t.Fatalf("got %d drops for want of memory and %d bytes charged", got, c.hub.t.windows.Used())
	}
	if p := x.peerOf(c.hub); p.awaited.Load() != 1 {
		t.Errorf("at the sender: got %d messages that wait, want 1", p.awaited.Load())
	}
}
