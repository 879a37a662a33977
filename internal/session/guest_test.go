package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestGuest(t *testing.T) {
	w := newWorld(t, 32)
	gateway, err := identity.New(seeded(5))
	if err != nil {
		t.Fatal(err)
	}
	guest := wire.ID{0xAB, 1, 2, 3}
	record := func() []byte {
		body := wire.AppendAttachment(nil, &wire.Attachment{Leaf: guest, Homes: []wire.ID{gateway.ID()}})
		return gateway.Sign(wire.RecordAttachment, uint64(w.now.UnixMilli()), limits.AttachmentTTL, body)
	}
	asGuest := func(n *testNode, c *Config) {
		n.id = gateway
		n.self = guest
		c.Self, c.Guest = guest, record
		w.nodes[guest] = n
	}
	g := w.add(asGuest)
	believer := w.add(func(n *testNode, c *Config) { c.AcceptGuests = true })
	sceptic := w.add(nil)

	var via wire.ID
	note := func(d *Delivery) reason.Reason { via = d.Via; return reason.None }
	believer.deliver, sceptic.deliver = note, note
	// A guest may always speak, and Via tells who speaks for it.
	for _, n := range []*testNode{believer, sceptic} {
		via = wire.ID{}
		o := g.send(n, "from a guest")
		w.run(time.Second)
		o.want(t, nil, Delivered)
		if via != gateway.ID() {
			t.Errorf("via: got %x, want the gateway", via[:4])
		}
	}
	// An answer for a guest is taken only by who asked for that.
	believer.restart()
	believer.start(func(n *testNode, c *Config) { c.AcceptGuests = true })
	sceptic.restart()
	ok, no := believer.send(g, "x"), sceptic.send(g, "y")
	w.run(5 * time.Second)
	ok.want(t, nil, Delivered)
	if no.calls != 0 || sceptic.drops.Get(reason.WrongID) == 0 {
		t.Errorf("a node that does not accept guests: got %+v, %v", no.Result, sceptic.drops.Map())
	}
}

func TestGuestMayNotClaimNative(t *testing.T) {
	w := newWorld(t, 33)
	native, b := w.add(nil), w.add(nil)
	w.connect(native, b)
	gateway, err := identity.New(seeded(5))
	if err != nil {
		t.Fatal(err)
	}
	thief := w.add(func(n *testNode, c *Config) {
		n.id, n.self = gateway, native.self
		c.Self = native.self
		c.Guest = func() []byte {
			body := wire.AppendAttachment(nil, &wire.Attachment{Leaf: native.self, Homes: []wire.ID{gateway.ID()}})
			return gateway.Sign(wire.RecordAttachment, uint64(w.now.UnixMilli()), limits.AttachmentTTL, body)
		}
	})
	w.nodes[native.self] = thief // answers come to the thief now
	o := thief.send(b, "stolen")
	w.run(5 * time.Second)
	if o.calls != 0 || len(b.got) != 0 || b.drops.Get(reason.WrongID) == 0 {
		t.Errorf("got %+v, delivered %v, reasons %v", o.Result, b.got, b.drops.Map())
	}
}
