package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
)

// attacker is a peer that has proved an identity of its own and then does what
// it likes.
type attacker struct {
	t      *testing.T
	id     wire.ID
	conn   transport.Conn
	remote *link.Remote
}

func (m *mesh) attack(name string, role wire.Role) *attacker {
	m.t.Helper()
	u, _ := url.Parse("mem://" + name)
	conn, err := m.net.Dialer("attacker").Dial(m.t.Context(), u)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	id, _ := identity.New(rand.Reader)
	static, _ := identity.NewStatic(rand.Reader)
	now := time.Now()
	cert := id.Certify(static.Public, now)
	contact := id.Sign(wire.RecordContact, identity.NextSequence(0, now), limits.ContactTTL, wire.AppendContact(nil, &wire.Contact{Role: role}))
	local := &link.Local{ID: id.ID(), Static: static, Rand: rand.Reader, Hello: wire.Hello{
		Version: link.Version, Cert: wire.AppendCert(nil, &cert), Instance: wire.Instance{1}, Contact: contact,
	}}
	remote, err := link.Dial(conn, local, wire.ID{}, 1, now)
	if err != nil {
		m.t.Fatal(err)
	}
	return &attacker{m.t, id.ID(), conn, remote}
}

// send sends one record of raw frames.
func (a *attacker) send(frames ...[]byte) {
	a.t.Helper()
	var batch []byte
	for _, f := range frames {
		batch = wire.AppendToBatch(batch, f)
	}
	a.sendRaw(batch)
}

func (a *attacker) sendRaw(batch []byte) {
	a.t.Helper()
	err := a.conn.Send(a.remote.Send.Seal(nil, batch, nil))
	if err == nil {
		err = a.conn.Flush()
	}
	if err != nil && !errors.Is(err, transport.ErrClosed) {
		a.t.Logf("the attacker's link: %v", err)
	}
}

// frame is a mesh frame from the attacker to a node.
func (a *attacker) frame(typ wire.Type, dst wire.ID, body []byte) []byte {
	return wire.AppendFrame(nil, &wire.Frame{Type: typ, HopLimit: 64, Dst: dst, Src: a.id, Body: body})
}

// answer reads records and answers pings, until the link ends.
func (a *attacker) answer() {
	for {
		msg, err := a.conn.Receive(func() []byte { return make([]byte, limits.MaxRecord+1) })
		if err != nil {
			return
		}
		batch, err := a.remote.Recv.Open(nil, msg, nil)
		if err != nil {
			return
		}
		for len(batch) > 0 {
			frame, rest, err := wire.NextInBatch(batch)
			if err != nil {
				return
			}
			if n, err := wire.ParsePing(frame); err == nil {
				a.send(wire.AppendPong(nil, n))
			}
			batch = rest
		}
	}
}

// undisturbed checks that two others still talk through the relay.
func undisturbed(t *testing.T, a, c *Node) {
	t.Helper()
	if err := a.Send(within(t, 5*time.Second), c.ID(), []byte("still here")); err != nil {
		t.Errorf("two others are disturbed: %v", err)
	}
}

func TestHostileFramesAreCountedAndDisturbNobody(t *testing.T) {
	body := bytes.Repeat([]byte{7}, 60)
	for _, c := range []struct {
		name string
		send func(x *attacker, b *Node)
		drop reason.Reason
	}{
		{"no type", func(x *attacker, b *Node) { x.send(make([]byte, 50)) }, reason.Malformed},
		{"too short", func(x *attacker, b *Node) { x.send([]byte{1, 3, 64}) }, reason.Malformed},
		{"a mark where none may be", func(x *attacker, b *Node) {
			f := x.frame(wire.TypeData, wire.ID(b.ID()), body)
			f[1] |= byte(wire.FlagMarked)
			x.send(f)
		}, reason.Malformed},
		{"unknown session", func(x *attacker, b *Node) { x.send(x.frame(wire.TypeData, wire.ID(b.ID()), body)) }, reason.UnknownSession},
		{"nonsense handshake", func(x *attacker, b *Node) { x.send(x.frame(wire.TypeHandshake, wire.ID(b.ID()), body)) }, reason.Malformed},
		{"hint that nobody asked for", func(x *attacker, b *Node) {
			h := wire.AppendHint(nil, &wire.Hint{Reason: uint8(reason.NoRoute), Type: wire.TypeData, Dst: wire.ID{5}})
			x.send(x.frame(wire.TypeHint, wire.ID(b.ID()), h))
		}, reason.Unsolicited},
		{"pong that nobody asked for", func(x *attacker, b *Node) { x.send(wire.AppendPong(nil, [8]byte{9})) }, reason.Unsolicited},
		{"a link frame of the future", func(x *attacker, b *Node) { x.send([]byte{0xF0, 1, 2, 3}) }, reason.Unsupported},
		{"nowhere to go", func(x *attacker, b *Node) { x.send(x.frame(wire.TypeData, wire.ID{9, 9}, body)) }, reason.NoRoute},
		{"out of hops", func(x *attacker, b *Node) {
			f := x.frame(wire.TypeData, wire.ID{9, 9}, body)
			wire.SetFrameHopLimit(f, 0)
			x.send(f)
		}, reason.HopLimit},
		{"more control frames than the link may send", func(x *attacker, b *Node) {
			f := x.frame(wire.TypeHandshake, wire.ID(b.ID()), body)
			for range 2 * limits.ControlBurst {
				x.send(f)
			}
		}, reason.RateLimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mesh{t: t}
				a, b, far := relayed(t, m, Config{})
				far.Handle(newInbox())
				x := m.attack("b", wire.RoleRelay)
				go x.answer()
				synctest.Wait()
				c.send(x, b.Node)
				synctest.Wait()
				got := uint64(0) // at whoever the frame came to
				for _, n := range []*Node{a, b.Node, far} {
					got += n.Status().Drops[c.drop.String()]
				}
				if c.drop == reason.NoRoute && forwarded(b.Node, x) {
					got++ // the attacker is the relay closest to nowhere
				}
				if got == 0 {
					t.Errorf("drops: got %v, want one %v", b.Status().Drops, c.drop)
				}
				undisturbed(t, a, far)
				x.conn.Close()
			})
		})
	}
}

// forwarded says whether b sent mesh frames to the attacker, who may be closest
// to an ID that nobody has.
func forwarded(b *Node, x *attacker) bool {
	for _, p := range b.Peers() {
		if wire.ID(p.ID) == x.id {
			return p.TxFrames > 0
		}
	}
	return false
}

func TestHostileLinksAreEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(x *attacker)
		want reason.Reason
	}{
		{"a batch that does not parse", func(x *attacker) { x.sendRaw([]byte{0xFF, 0xFF, 1}) }, reason.ProtocolError},
		{"an ack of frames never sent", func(x *attacker) { x.send(wire.AppendLinkAck(nil, wire.Taken{Count: 1 << 40})) }, reason.ProtocolError},
		{"an ack of bytes never sent", func(x *attacker) { x.send(wire.AppendLinkAck(nil, wire.Taken{Bytes: 1 << 40})) }, reason.ProtocolError},
		{"a link frame that is cut short", func(x *attacker) { x.send([]byte{byte(wire.LinkPing), 1}) }, reason.ProtocolError},
		{"a record that does not open", func(x *attacker) { x.conn.Send(make([]byte, 100)); x.conn.Flush() }, reason.BadSeal},
		{"a record sent twice", func(x *attacker) {
			sealed := x.remote.Send.Seal(nil, wire.AppendToBatch(nil, wire.AppendPing(nil, [8]byte{})), nil)
			x.conn.Send(sealed)
			x.conn.Send(sealed)
			x.conn.Flush()
		}, reason.BadSeal},
		{"a goodbye", func(x *attacker) { x.send(wire.AppendBye(nil, &wire.Bye{Reason: uint8(reason.Leaving)})) }, reason.Leaving},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mesh{t: t}
				a, b, far := relayed(t, m, Config{})
				far.Handle(newInbox())
				events := watch(t, b.Node)
				x := m.attack("b", wire.RoleRelay)
				go x.answer()
				synctest.Wait()
				c.send(x)
				ev := awaitEvent(t, events, PeerDown, func(e Event) bool { return wire.ID(e.Peer) == x.id })
				if ev.Reason != c.want.String() {
					t.Errorf("reason: got %q, want %q", ev.Reason, c.want)
				}
				undisturbed(t, a, far)
			})
		})
	}
}

func TestForgedSourceOfALeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, far := relayed(t, m, Config{})
		far.Handle(newInbox())
		x := m.attack("b", wire.RoleLeaf)
		go x.answer()
		synctest.Wait()
		f := x.frame(wire.TypeData, wire.ID(far.ID()), make([]byte, 60))
		copy(wire.FrameSrc(f)[:], a.id[:])
		x.send(f)
		synctest.Wait()
		if got := b.Status().Drops["forged-source"]; got != 1 {
			t.Errorf("drops: got %v, want one forged-source", b.Status().Drops)
		}
		undisturbed(t, a, far)
		x.conn.Close()
	})
}

// A relay that replays, reflects and alters what it forwards delivers nothing
// twice and nothing changed.
func TestReplayedFramesAreNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, _, c := relayed(t, m, Config{})
		box := newInbox()
		c.Handle(box)
		port, err := a.OpenPort(5, newInbox())
		if err != nil {
			t.Fatal(err)
		}
		if err := port.Send(within(t, time.Second), Addr{ID: c.ID()}, []byte("once")); err != nil {
			t.Fatal(err)
		}
		frame, ok := a.sessions.AppendDatagram(nil, time.Now(), wire.ID(c.ID()), 0, 5, wire.ClassBulk, []byte("twice?"))
		if !ok {
			t.Fatal("no session")
		}
		x := m.attack("b", wire.RoleRelay)
		go x.answer()
		synctest.Wait()
		altered := bytes.Clone(frame)
		altered[len(altered)-1] ^= 1
		reflected := bytes.Clone(frame)
		copy(reflected[3:23], frame[23:43])
		copy(reflected[23:43], frame[3:23])
		for range 50 {
			x.send(altered, bytes.Clone(frame), bytes.Clone(frame), reflected)
		}
		synctest.Wait()
		got := box.wait(t, 2)
		if len(got) != 2 || string(got[1].Data) != "twice?" {
			t.Errorf("delivered: got %d messages, want 2", len(got))
		}
		drops := c.Status().Drops
		// The altered copy comes first: once it does not open, then its counter is known.
		if drops["replayed"] != 49+99 || drops["bad-seal"] != 1 {
			t.Errorf("drops at the receiver: got %v, want 148 replayed and 1 bad-seal", drops)
		}
		undisturbed(t, a, c)
		x.conn.Close()
	})
}

func TestSilentStrangersAreCutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		u, _ := url.Parse("mem://b")
		var conns []transport.Conn
		for range limits.PreAuthLinks {
			conn, err := m.net.Dialer("silent").Dial(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		one, err := m.net.Dialer("silent").Dial(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := conns[0].Receive(func() []byte { return make([]byte, 10) }); err == nil {
			t.Error("the oldest of more unproven links than may be is kept")
		}
		conns = append(conns[1:], one)
		if got := b.Status().Drops["link-limit"]; got != 1 {
			t.Errorf("drops: got %v, want one link-limit", b.Status().Drops)
		}
		events := watch(t, b.Node)
		begin := time.Now()
		for _, conn := range conns {
			if _, err := conn.Receive(func() []byte { return make([]byte, 1000) }); err == nil {
				t.Error("a silent stranger got a message")
			}
		}
		if got := time.Since(begin); got > limits.HandshakeTimeout {
			t.Errorf("cut after %v, want at most %v", got, limits.HandshakeTimeout)
		}
		synctest.Wait()
		if got := b.Status().Drops["auth-timeout"]; got != limits.PreAuthLinks {
			t.Errorf("drops: got %v, want %d auth-timeout", b.Status().Drops, limits.PreAuthLinks)
		}
		refused := 0
		for len(events) > 0 {
			if ev := <-events; ev.Kind == Refused {
				refused++
			}
		}
		if refused != 2 {
			t.Errorf("events: got %d, want 2, of the one that made room and of %d refusals", refused, limits.PreAuthLinks)
		}
		n := m.start("a", Config{Bootstrap: []string{"mem://b"}})
		ready(t, n)
	})
}

// Frames for what lies behind a peer that answers pings and acks nothing are given
// another way, Send says what is known, and the peer is cut.
func TestPeerThatOnlyAnswersPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, c := relayed(t, m, Config{})
		c.Handle(newInbox())
		x := m.attack("b", wire.RoleRelay)
		go x.answer()
		synctest.Wait()
		err := a.Send(within(t, 10*time.Second), routingID(x.id), []byte("?"))
		var se *SendError
		if !errors.As(err, &se) || se.Outcome != Undelivered || !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrNoRoute) {
			t.Errorf("got %v, want a timeout or no route, undelivered", err)
		}
		time.Sleep(time.Minute)
		if linkedTo(b.Node, routingID(x.id)) {
			t.Error("the link is there though nothing was acked")
		}
		undisturbed(t, a, c)
		x.conn.Close()
	})
}

// A peer that never reads is cut, and what is for others goes on meanwhile.
func TestPeerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, c := relayed(t, m, Config{})
		c.Handle(newInbox())
		events := watch(t, b.Node)
		x := m.attack("b", wire.RoleLeaf) // reads nothing from now on
		synctest.Wait()
		undisturbed(t, a, c)
		flood, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			f := wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: 64, Dst: x.id, Src: wire.ID(a.ID()), Body: make([]byte, 1000)})
			for flood.Err() == nil {
				a.emit(f, session.Choice{})
				time.Sleep(time.Millisecond)
			}
		}()
		ev := awaitEvent(t, events, PeerDown, func(e Event) bool { return wire.ID(e.Peer) == x.id })
		if ev.Reason != reason.Stalled.String() && ev.Reason != reason.Idle.String() {
			t.Errorf("reason: got %q, want stalled or idle", ev.Reason)
		}
		stop()
		<-done
		undisturbed(t, a, c)
	})
}
