package hostile_test

import (
	"errors"
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// A client that keeps the rules is a peer as any other: it shows that what the
// scenarios do wrong is all that is wrong with them.
func TestAClientThatKeepsTheRules(t *testing.T) {
	for _, role := range []wire.Role{wire.RoleRelay, wire.RoleLeaf} {
		t.Run(role.String(), func(t *testing.T) {
			n := relay(t)
			box := newInbox()
			n.Handle(box)
			self := hostile.NewSelf(role)
			l := dial(t, n, self, hostile.Habits{})
			if l.Peer != wire.ID(n.ID()) {
				t.Errorf("the node's ID: got %x, want %s", l.Peer, n.ID())
			}
			if err := l.Ping(within(t, amply), [8]byte{1}); err != nil {
				t.Fatalf("ping: %v", err)
			}
			s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Message(within(t, amply), 0, []byte("hello")); err != nil {
				t.Fatalf("message: %v", err)
			}
			if err := s.Datagram(0, []byte("again")); err != nil {
				t.Fatal(err)
			}
			got := box.wait(t, 2)
			if string(got[0].Data) != "hello" || wire.ID(got[0].From.ID) != self.ID() || string(got[1].Data) != "again" {
				t.Errorf("got %+v", got)
			}
			if err := s.Message(within(t, amply), 77, nil); !errors.Is(err, hostile.ErrRefused) {
				t.Errorf("a message to a port that is closed: got %v, want ErrRefused", err)
			}
		})
	}
}

// It answers a session too, as who is sent something.
func TestAClientThatIsSentTo(t *testing.T) {
	n := relay(t)
	self := hostile.NewSelf(wire.RoleRelay)
	l := dial(t, n, self, hostile.Habits{})
	until(t, "the link is up", func() bool { return peers(n, self.ID()) })
	sent := make(chan error, 1)
	go func() { sent <- n.Send(within(t, amply), routing.ID(self.ID()), []byte("for you")) }()
	first, err := l.Await(within(t, amply), hostile.IsMesh(wire.TypeHandshake))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Answer(within(t, amply), first, hostile.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		h, body, err := s.Next(within(t, amply))
		if err != nil {
			t.Fatal(err)
		}
		if h.Kind != wire.PlainMessage {
			continue
		}
		m, err := wire.ParseMessageBody(body)
		if err != nil || string(m.Data) != "for you" {
			t.Fatalf("got %q, %v", m.Data, err)
		}
		plain := wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainAck})
		if err := s.Send(wire.ClassAck, wire.AppendAckBody(plain, &wire.AckBody{Newest: wire.NoCounter, Ranges: []wire.AckRange{{First: m.ID, Count: 1}}})); err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := <-sent; err != nil {
		t.Errorf("send: %v", err)
	}
}

// It is dialled as any other relay is.
func TestAClientThatIsDialled(t *testing.T) {
	self := hostile.NewSelf(wire.RoleRelay)
	links := make(chan *hostile.Link, 8)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		if l, err := hostile.Take(p, self); err == nil {
			links <- l.Run(hostile.Habits{})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		srv.Close()
		for len(links) > 0 {
			(<-links).Close()
		}
	}()
	n := start(t, node.Config{Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	until(t, "the link is up", func() bool { return peers(n, self.ID()) })
	l := <-links
	if l.Peer != wire.ID(n.ID()) {
		t.Errorf("the dialler: got %x, want %s", l.Peer, n.ID())
	}
	links <- l
}

// What it grinds lies where it was asked to.
func TestGround(t *testing.T) {
	target := wire.Key{0xAA, 0x55}
	id := hostile.As(hostile.Grind(seeded(1), hostile.Near(target, 9)), wire.RoleRelay)
	key := id.Key()
	if got := hostile.Shared(&target, &key); got < 9 {
		t.Errorf("shared bits: got %d, want 9 or more", got)
	}
	nearer := hostile.As(hostile.Grind(seeded(2), hostile.Nearer(target, key)), wire.RoleRelay).Key()
	if !routing.Closer(nearer, key, target) {
		t.Errorf("%x is farther from %x than %x", nearer, target, key)
	}
}
