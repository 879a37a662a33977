package hostile_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// victim is an ID whose key the thief does not hold.
type victim struct {
	id   wire.ID
	node *node.Node // nil: nobody holds the key
	box  *inbox
	said []byte // an attachment record that it signed
}

// aStranger is an ID that no node has.
func aStranger(*testing.T, *node.Node) victim {
	self := hostile.NewSelf(wire.RoleLeaf)
	return victim{id: self.ID(), said: attachment(self, self.ID(), wire.ID{1})}
}

// aLeaf is the ID of a leaf that is attached, and takes messages.
func aLeaf(t *testing.T, home *node.Node) victim {
	n, box := leaf(t, url(home)), newInbox()
	n.Handle(box)
	other := hostile.NewSelf(wire.RoleLeaf) // what it signed is seen by its homes alone: any record will do
	return victim{id: wire.ID(n.ID()), node: n, box: box, said: attachment(other, wire.ID(n.ID()), wire.ID(home.ID()))}
}

func attachment(signer *hostile.Self, of, home wire.ID) []byte {
	return signer.Sign(wire.RecordAttachment, limits.AttachmentTTL, wire.AppendAttachment(nil, &wire.Attachment{Leaf: of, Homes: []wire.ID{home}}))
}

// tagged is one field of a handshake payload.
func tagged(tag byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{tag}, uint16(len(value))), value...)
}

// lies are what a thief may put beside its own certificate to pass for somebody else.
var lies = []struct {
	name  string
	field func(thief *hostile.Self, v victim) []byte
}{
	{"nothing", func(*hostile.Self, victim) []byte { return nil }},
	{"a record that the thief signed", func(thief *hostile.Self, v victim) []byte {
		return tagged(6, attachment(thief, v.id, thief.ID()))
	}},
	{"a record that another signed", func(_ *hostile.Self, v victim) []byte { return tagged(6, v.said) }},
}

// as is the claim to be the victim, with answers to come by the thief's own ID.
func as(thief *hostile.Self, v victim, extra []byte) hostile.Claim {
	home := thief.ID()
	return hostile.Claim{Src: v.id, Extra: extra, Frame: func(f *wire.Frame) {
		if f.Type == wire.TypeHandshake {
			f.Return = home[:]
		}
	}}
}

// A session speaks for the key that signed its certificate and for nobody else,
// whichever end began it, and wherever the thief is linked.
func TestNobodySpeaksForAnothersKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		behind bool // the thief is linked to another relay
		victim func(*testing.T, *node.Node) victim
	}{
		{"an ID that nobody holds, linked", false, aStranger},
		{"an ID that nobody holds, through a relay", true, aStranger},
		{"an attached leaf, linked", false, aLeaf},
		{"an attached leaf, through a relay", true, aLeaf},
	} {
		for _, lie := range lies {
			t.Run(c.name+"/"+lie.name, func(t *testing.T) {
				n := relay(t)
				box := newInbox()
				n.Handle(box)
				doors := n
				if c.behind {
					doors = relay(t, url(n))
				}
				v := c.victim(t, n)
				thief := hostile.NewSelf(wire.RoleRelay)
				claim := as(thief, v, lie.field(thief, v))
				l := dial(t, doors, thief, hostile.Habits{})
				until(t, "the thief is linked", func() bool { return peers(doors, thief.ID()) })

				listen(t, l, n, v, claim, speak(t, l, n, claim))
				for _, m := range box.all() {
					t.Errorf("delivered %q as from %s, whose key the sender does not hold", m.Data, m.From.ID.Short())
				}
			})
		}
	}
}

// speak opens a session as the victim, sends on it at once, and returns it.
func speak(t *testing.T, l *hostile.Link, n *node.Node, claim hostile.Claim) *hostile.Session {
	t.Helper()
	refused := func() uint64 {
		drops := n.Status().Drops
		return drops[reason.WrongID.String()] + drops[reason.BadCertificate.String()]
	}
	s, err := l.Session(within(t, amply), wire.ID(n.ID()), claim)
	if err != nil {
		t.Fatal(err) // message 2 comes: nothing has been claimed yet
	}
	if err := s.Datagram(0, []byte("stolen datagram")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t, amply))
	taken := make(chan error, 1)
	go func() { taken <- s.Message(ctx, 0, []byte("stolen message")) }()
	until(t, "message 3 is refused, or the message acked", func() bool { return refused() > 0 || len(taken) > 0 })
	cancel()
	if err := <-taken; err == nil {
		t.Error("a message of a thief was acked, want no session")
	}
	return s
}

// listen takes what the node sends to the victim, as far as it comes to the
// thief: on the session that the thief began, and on those that it answers.
func listen(t *testing.T, l *hostile.Link, n *node.Node, v victim, claim hostile.Claim, begun *hostile.Session) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t, amply))
	var thief sync.WaitGroup
	thief.Go(func() { steal(ctx, t, begun) })
	thief.Go(func() {
		for {
			first, err := l.Await(ctx, func(f []byte) bool {
				frame, err := wire.ParseFrame(f)
				return err == nil && frame.Type == wire.TypeHandshake && frame.Dst == v.id
			})
			if err != nil {
				return
			}
			thief.Go(func() {
				if s, err := l.Answer(ctx, first, claim); err == nil {
					steal(ctx, t, s)
				}
			})
		}
	})
	wait := time.Second
	if v.node != nil {
		wait = amply
	}
	err := n.Send(within(t, wait), routing.ID(v.id), []byte("for the victim"))
	cancel()
	thief.Wait()
	switch {
	case v.node == nil && err == nil:
		t.Error("a message to an ID that nobody holds was sent, want an error")
	case v.node != nil && err != nil:
		t.Errorf("a message to the leaf: %v", err)
	case v.node != nil:
		if got := v.box.wait(t, 1); string(got[0].Data) != "for the victim" {
			t.Errorf("the leaf got %q", got[0].Data)
		}
	}
}

// steal reads and acks the messages of a session.
func steal(ctx context.Context, t *testing.T, s *hostile.Session) {
	for h, body, err := s.Next(ctx); err == nil; h, body, err = s.Next(ctx) {
		m, bad := wire.ParseMessageBody(body)
		if h.Kind != wire.PlainMessage || bad != nil {
			continue
		}
		t.Errorf("the thief reads %q, sent to another", m.Data)
		plain := wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainAck})
		_ = s.Send(wire.ClassAck, wire.AppendAckBody(plain, &wire.AckBody{Newest: wire.NoCounter, Ranges: []wire.AckRange{{First: m.ID, Count: 1}}}))
	}
}
