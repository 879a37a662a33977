package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// isKind reports whether a frame is a Handshake of the given kind.
func isKind(frame []byte, kind uint8) bool {
	return wire.FrameType(frame) == wire.TypeHandshake && frameKind(frame) == kind
}

func TestHandshakeFrameSizes(t *testing.T) {
	for name, psk := range map[string][]byte{"open": nil, "network key": bytes.Repeat([]byte{7}, 32)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := w.add(func(n *testNode, c *Config) { n.psk = psk; c.NetworkKey = psk }), w.add(func(n *testNode, c *Config) { n.psk = psk; c.NetworkKey = psk })
			a.homes = []wire.ID{{1}, {2}, {3}, {4}}
			b.homes = a.homes
			sizes := map[uint8]int{}
			w.tap = func(from *testNode, frame []byte) {
				f, _ := wire.ParseFrame(frame)
				if f.Type != wire.TypeHandshake {
					return
				}
				if f.Detour == nil || f.Class != wire.ClassControl || !bytes.Equal(f.Return, from.homes[0][:]) {
					t.Errorf("frame %d: got detour %v, class %v, return %x", f.Body[0], f.Detour, f.Class, f.Return)
				}
				sizes[f.Body[0]] = wire.HeaderLen + len(f.Body)
			}
			w.connect(a, b)
			if got := sizes[1]; got != wire.FirstFrameLen {
				t.Errorf("message 1: got %d bytes without options, want %d", got, wire.FirstFrameLen)
			}
			if got := sizes[2]; got > wire.SecondFrameMax {
				t.Errorf("message 2: got %d bytes, want at most %d", got, wire.SecondFrameMax)
			}
		})
	}
}

func TestHandshakeRetransmission(t *testing.T) {
	for _, kind := range []uint8{wire.HandshakeFirst, wire.HandshakeSecond, wire.HandshakeThird} {
		t.Run("message "+string('0'+rune(kind)), func(t *testing.T) {
			w, a, b := pair(t, 20)
			lost := 0
			w.tamper = func(_ *testNode, frame []byte) bool {
				if isKind(frame, kind) && lost < 2 {
					lost++
					return false
				}
				return true
			}
			o := a.send(b, "x")
			w.until(5*time.Second, func() bool { return o.calls == 1 })
			o.want(t, nil, Delivered)
			b.once("x")
			if took := o.at.Sub(a.born); took < 750*time.Millisecond || took > 1500*time.Millisecond {
				t.Errorf("took %v, want 250 + 500 ms and a bit", took)
			}
			w.run(10 * time.Second)
			if got := a.emitted[kind] + b.emitted[kind]; got > 4 {
				t.Errorf("copies: got %d, want at most 4", got)
			}
		})
	}
}

func TestHandshakeByOtherHops(t *testing.T) {
	w, a, b := pair(t, 21)
	w.dead = func(from *testNode, hop int) bool { return from == a && hop < 3 }
	o := a.send(b, "x")
	w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
}

func TestDatagramsExpire(t *testing.T) {
	w, a, b := pair(t, 22)
	w.cut = func(from, to *testNode) bool { return true }
	for range 3 {
		if err := a.datagram(b, "x"); err != nil {
			t.Fatal(err)
		}
	}
	w.run(4900 * time.Millisecond)
	if got := a.drops.Get(reason.Expired); got != 0 {
		t.Errorf("expired before their time: got %d", got)
	}
	w.run(200 * time.Millisecond)
	if got := a.drops.Get(reason.Expired); got != 3 {
		t.Errorf("expired: got %d, want 3", got)
	}
	sent := a.emitted[wire.HandshakeFirst]
	w.run(time.Minute)
	if got := a.emitted[wire.HandshakeFirst]; got != sent {
		t.Errorf("handshake that nobody waits for: got %d more copies", got-sent)
	}
}

func TestSecondMessageIsIdempotent(t *testing.T) {
	w, a, b := pair(t, 23)
	var seconds [][]byte
	w.tap = func(from *testNode, frame []byte) {
		if isKind(frame, wire.HandshakeSecond) {
			f, _ := wire.ParseFrame(frame)
			seconds = append(seconds, bytes.Clone(f.Body))
		}
	}
	w.tamper = func(_ *testNode, frame []byte) bool { return !isKind(frame, wire.HandshakeSecond) }
	a.send(b, "x")
	w.run(2 * time.Second)
	if len(seconds) < 3 {
		t.Fatalf("copies of message 2: got %d, want at least 3", len(seconds))
	}
	for _, s := range seconds[1:] {
		if !bytes.Equal(s, seconds[0]) {
			t.Error("copies of message 1 got different answers")
		}
	}
	if got := b.t.answers.underWay; got != 1 {
		t.Errorf("answers under way: got %d, want 1", got)
	}
	w.run(limits.HandshakeAnswerKept)
	a.t.Close(w.now)
	w.run(limits.HandshakeAnswerKept)
	if got := len(b.t.answers.m) + len(b.t.answers.order) + b.t.answers.underWay; got != 0 {
		t.Errorf("answers kept: got %d, want none", got)
	}
	if b.t.index.used != 0 {
		t.Errorf("indices in use: got %d, want 0", b.t.index.used)
	}
}

func TestHeldFramesOvertakeThird(t *testing.T) {
	w, a, b := pair(t, 24)
	w.tamper = func(_ *testNode, frame []byte) bool { return !isKind(frame, wire.HandshakeThird) }
	for i := range limits.HeldFrames + 3 {
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(200 * time.Millisecond)
	b.once()
	if got := b.drops.Get(reason.SessionLimit); got != 3 {
		t.Errorf("not held: got %d, want 3", got)
	}
	w.tamper = nil
	w.run(time.Second)
	b.once(texts(limits.HeldFrames)...)
}

func TestHeldBytesAreBounded(t *testing.T) {
	var a answer
	big := make([]byte, 40_000)
	if why := a.hold(big, 1); why != reason.None {
		t.Errorf("first: got %v", why)
	}
	if why := a.hold(big, 1); why != reason.SessionLimit {
		t.Errorf("beyond %d bytes: got %v, want %v", limits.WaitingBytes, why, reason.SessionLimit)
	}
	a.release()
	if why := a.hold(big, 1); why != reason.UnknownSession {
		t.Errorf("after the end: got %v, want %v", why, reason.UnknownSession)
	}
}

func TestGlare(t *testing.T) {
	for name, gap := range map[string]time.Duration{
		"at once": 0, "the lower a bit earlier": 4 * time.Millisecond, "the higher a bit earlier": -4 * time.Millisecond,
		"the lower by a way": 14 * time.Millisecond, "the higher by a way": -14 * time.Millisecond,
		"the lower by two ways": 24 * time.Millisecond, "the higher by two ways": -24 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			w, lo, hi := pair(t, 25)
			first, second := lo, hi
			if gap < 0 {
				first, second, gap = hi, lo, -gap
			}
			x := first.send(second, "x")
			w.run(gap)
			y := second.send(first, "y")
			w.run(5 * time.Second)
			x.want(t, nil, Delivered)
			y.want(t, nil, Delivered)
			lo.once(map[bool]string{true: "y", false: "x"}[first == lo])
			p, q := lo.peerOf(hi), hi.peerOf(lo)
			s, r := p.current.Load(), q.current.Load()
			if s.remote != r.local || r.remote != s.local {
				t.Fatal("the ends send on different sessions")
			}
			if gap <= 10*time.Millisecond && !s.initiator {
				t.Error("crossing handshakes: got the one of the higher ID, want that of the lower")
			}
			w.run(limits.HandshakeAnswerKept)
			if lo.t.index.used != 1 || hi.t.index.used != 1 {
				t.Errorf("indices in use: got %d and %d, want 1 each", lo.t.index.used, hi.t.index.used)
			}
		})
	}
}

// A message 1 in the name of a lower ID must not stop ours.
func TestGlareForged(t *testing.T) {
	w, lo, hi := pair(t, 26)
	forger := w.add(func(n *testNode, c *Config) { c.Self = lo.self })
	var forged []byte
	w.tap = func(from *testNode, frame []byte) {
		if from == forger && isKind(frame, wire.HandshakeFirst) {
			forged = bytes.Clone(frame)
		}
	}
	w.cut = func(from, to *testNode) bool { return from == forger }
	forger.send(hi, "x")
	w.run(time.Millisecond)
	o := hi.send(lo, "y")
	for range 20 {
		hi.arrive(bytes.Clone(forged))
		w.run(time.Millisecond)
	}
	w.until(3*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
}

func TestForgedParties(t *testing.T) {
	other := func(t *testing.T, w *world) *identity.Identity {
		id, err := identity.New(seeded(99))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for name, test := range map[string]struct {
		change func(*testing.T, *world, *testNode, *Config)
		why    reason.Reason
	}{
		"claims another ID": {func(t *testing.T, w *world, n *testNode, c *Config) {
			n.id = other(t, w)
		}, reason.WrongID},
		"certificate of another static key": {func(t *testing.T, w *world, n *testNode, c *Config) {
			n.forge = func([]byte) []byte {
				cert := n.id.Certify([32]byte{1, 2, 3}, w.now)
				return wire.AppendCert(nil, &cert)
			}
		}, reason.BadCertificate},
		"altered signature": {func(t *testing.T, w *world, n *testNode, c *Config) {
			n.forge = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}, reason.BadCertificate},
		"expired": {func(t *testing.T, w *world, n *testNode, c *Config) {
			n.forge = func([]byte) []byte {
				cert := n.id.Certify(n.static.Public, w.now.Add(-25*time.Hour))
				return wire.AppendCert(nil, &cert)
			}
		}, reason.BadCertificate},
		"no certificate": {func(t *testing.T, w *world, n *testNode, c *Config) {
			n.forge = func([]byte) []byte { return nil }
		}, reason.Malformed},
		"other network key": {func(t *testing.T, w *world, n *testNode, c *Config) {
			c.NetworkKey = bytes.Repeat([]byte{9}, 32)
		}, reason.HandshakeFailed},
		"null suite": {func(t *testing.T, w *world, n *testNode, c *Config) {
			c.Null = true
		}, reason.HandshakeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 27)
			good := w.add(nil)
			bad := w.add(nil)
			bad.start(func(n *testNode, c *Config) { test.change(t, w, n, c) })
			x, y := good.send(bad, "to the forger"), bad.send(good, "from the forger")
			w.run(10 * time.Second)
			if len(good.got)+len(bad.got) > 0 || x.calls+y.calls > 0 {
				t.Errorf("delivered %v and %v, want nothing", good.got, bad.got)
			}
			if good.drops.Get(test.why) == 0 && bad.drops.Get(test.why) == 0 {
				t.Errorf("reasons: got %v and %v, want %v", good.drops.Map(), bad.drops.Map(), test.why)
			}
			for _, p := range good.t.Peers() {
				if p.Session {
					t.Error("a session stands with the forger")
				}
			}
			x.p.Cancel(w.now, reason.Expired)
			x.want(t, reason.Expired, Undelivered)
			// The one that was forged must still be able to talk.
			bad.forge = nil
			bad.start(nil)
			ok := good.send(bad, "to the genuine one")
			w.run(10 * time.Second)
			if name != "claims another ID" {
				ok.want(t, nil, Delivered)
			}
		})
	}
}

// An attacker on the way answers first, with a key of its own: the genuine
// answer must still be taken.
func TestForgedAnswerBeforeGenuine(t *testing.T) {
	w := newWorld(t, 28)
	a, b := w.add(nil), w.add(nil)
	attacker := w.add(func(n *testNode, c *Config) { c.Self = b.self })
	w.tamper = func(to *testNode, frame []byte) bool {
		if to == b && isKind(frame, wire.HandshakeFirst) {
			j, _ := attacker.t.HandleHandshake(w.now, bytes.Clone(frame), 1)
			attacker.jobs(j)
		}
		return true
	}
	o := a.send(b, "x")
	w.until(5*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	b.once("x")
	if got := a.drops.Get(reason.WrongID); got == 0 {
		t.Error("the attacker's answer was not looked at: the test proves nothing")
	}
}

func TestCookieUnderLoad(t *testing.T) {
	w := newWorld(t, 29)
	b := w.add(nil)
	// A flood from one ingress link: 5 at once are answered, the rest gets cookies.
	var flood []*testNode
	for range 40 {
		n := w.add(nil)
		n.send(b, "x")
		flood = append(flood, n)
	}
	w.tamper = func(to *testNode, frame []byte) bool { return to == b }
	w.run(15 * time.Millisecond)
	if got := b.emitted[wire.HandshakeSecond]; got != limits.HandshakeBurst {
		t.Errorf("answered at once: got %d, want %d", got, limits.HandshakeBurst)
	}
	if got := b.emitted[wire.HandshakeCookie]; got != len(flood)-limits.HandshakeBurst {
		t.Errorf("cookies: got %d, want %d", got, len(flood)-limits.HandshakeBurst)
	}
	// Those that get their cookie come through with it.
	w.tamper = nil
	w.run(10 * time.Second)
	for _, n := range flood {
		if got := n.t.Peers(); len(got) != 1 || !got[0].Session {
			t.Errorf("no session after the cookie: %+v", got)
		}
	}
	if len(b.got) != len(flood) {
		t.Errorf("delivered: got %d, want %d", len(b.got), len(flood))
	}
}

func TestCookieBudgets(t *testing.T) {
	w := newWorld(t, 30)
	b := w.add(nil)
	home := wire.ID{42}
	frame := func(n *testNode, c cookie) []byte {
		body := wire.HandshakeBody{Kind: wire.HandshakeFirst, Sender: 7, Cookie: c, Noise: bytes.Repeat([]byte{1}, 200)}
		f := wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: b.self, Src: n.self, Return: home[:], Body: wire.AppendHandshakeBody(nil, &body)}
		return wire.AppendFrame(nil, &f)
	}
	var got cookie
	w.tap = func(from *testNode, f []byte) {
		if isKind(f, wire.HandshakeCookie) {
			p, _ := wire.ParseFrame(f)
			body, _ := wire.ParseHandshakeBody(p.Body)
			got = body.Cookie
			if !bytes.Equal(p.Waypoints, home[:]) {
				t.Errorf("cookie: got waypoints %x, want the return home", p.Waypoints)
			}
			if len(f) >= wire.FirstFrameLen {
				t.Errorf("cookie: got %d bytes, more than the question", len(f))
			}
		}
	}
	arrive := func(n *testNode, c cookie, ingress uint64) reason.Reason {
		j, why := b.t.HandleHandshake(w.now, frame(n, c), ingress)
		if j != nil {
			b.t.Finish(w.now, j) // not run: no answer is sent
		}
		return why
	}
	for i := range limits.HandshakeBurst {
		if why := arrive(w.add(nil), cookie{}, 1); why != reason.None {
			t.Fatalf("message 1 number %d of the link: got %v", i, why)
		}
	}
	if why := arrive(w.add(nil), cookie{}, 1); why != reason.RateLimited {
		t.Errorf("one more of the link: got %v, want %v", why, reason.RateLimited)
	}
	if why := arrive(w.add(nil), cookie{}, 2); why != reason.None {
		t.Errorf("one of another link: got %v", why)
	}
	// With their cookies, those behind one home have a budget in common.
	passed := 0
	for range 2 * limits.HandshakeBurst {
		n := w.add(nil)
		arrive(n, cookie{}, 1)
		if arrive(n, got, 1) == reason.None {
			passed++
		}
	}
	if passed != limits.HandshakeBurst {
		t.Errorf("with cookies of one home: got %d, want %d", passed, limits.HandshakeBurst)
	}
	// A cookie is for one source and one message, and lives for so long.
	w.run(time.Second)
	n, other := w.add(nil), w.add(nil)
	for range limits.HandshakeBurst {
		arrive(w.add(nil), cookie{}, 3) // use up the link
	}
	arrive(n, cookie{}, 3)
	if why := arrive(other, got, 3); why != reason.RateLimited {
		t.Errorf("cookie of another source: got %v, want %v", why, reason.RateLimited)
	}
	arrive(n, cookie{}, 3)
	mine := got
	w.run(2*limits.CookieLife + time.Second)
	for range limits.HandshakeBurst {
		arrive(w.add(nil), cookie{}, 3)
	}
	if why := arrive(n, mine, 3); why != reason.RateLimited {
		t.Errorf("old cookie: got %v, want %v", why, reason.RateLimited)
	}
}

func TestForgedCookiesDoNotFlood(t *testing.T) {
	w, a, b := pair(t, 31)
	w.tamper = func(to *testNode, frame []byte) bool { return to == a }
	o := a.send(b, "x")
	w.run(5 * time.Millisecond)
	in := a.peerOf(b).init
	for i := range 50 {
		body := wire.HandshakeBody{Kind: wire.HandshakeCookie, Receiver: in.local, Cookie: cookie{byte(i + 1)}}
		f := wire.Frame{Type: wire.TypeHandshake, HopLimit: 60, Dst: a.self, Src: b.self, Body: wire.AppendHandshakeBody(nil, &body)}
		a.arrive(wire.AppendFrame(nil, &f))
	}
	if got := a.emitted[wire.HandshakeFirst]; got > 2 {
		t.Errorf("copies of message 1: got %d, want at most 2", got)
	}
	w.tamper = nil
	w.until(3*time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
}

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

func TestNullSuite(t *testing.T) {
	w := newWorld(t, 34)
	null := func(n *testNode, c *Config) { c.Null, c.Credentials = true, nil }
	a, b := w.add(null), w.add(null)
	w.loss = 0.2
	var all []*outcome
	for i := range 50 {
		all = append(all, a.send(b, text(i)))
		w.run(10 * time.Millisecond)
	}
	w.run(20 * time.Second)
	for _, o := range all {
		o.want(t, nil, Delivered)
	}
	b.once(texts(50)...)
}

// Both ends got as far as message 3: the handshake of the lower ID counts, at
// both ends.
func TestGlareCrossingThirds(t *testing.T) {
	w, lo, hi := pair(t, 35)
	var held []flying
	w.hold = func(to *testNode, frame []byte) { held = append(held, flying{to, bytes.Clone(frame)}) }
	pass := func(to *testNode, kind uint8) {
		t.Helper()
		for i, x := range held {
			if x.to == to && isKind(x.frame, kind) {
				held = append(held[:i], held[i+1:]...)
				to.arrive(x.frame)
				return
			}
		}
		t.Fatalf("no message %d is on its way", kind)
	}
	y := hi.send(lo, "y")
	w.run(time.Millisecond)
	pass(lo, 1) // lo answers
	x := lo.send(hi, "x")
	w.run(time.Millisecond)
	pass(hi, 1) // hi answers the lower ID
	pass(lo, 2)
	pass(hi, 2)
	pass(lo, 3) // refused
	pass(hi, 3)
	s, r := lo.peerOf(hi).current.Load(), hi.peerOf(lo).current.Load()
	if !s.initiator || s.remote != r.local || s.local != r.remote {
		t.Error("the ends send on different sessions, or on that of the higher ID")
	}
	w.hold = nil
	for _, f := range held {
		f.to.arrive(f.frame)
	}
	w.run(5 * time.Second)
	x.want(t, nil, Delivered)
	y.want(t, nil, Delivered)
	hi.once("x")
	lo.once("y")
}

func TestThirdStopsWhenNobodyWaits(t *testing.T) {
	w, a, b := pair(t, 36)
	w.tamper = func(_ *testNode, frame []byte) bool { return !isKind(frame, wire.HandshakeThird) }
	if err := a.datagram(b, "x"); err != nil {
		t.Fatal(err)
	}
	w.run(limits.DatagramPatience + time.Second)
	sent := a.emitted[wire.HandshakeThird]
	if sent < 4 {
		t.Errorf("copies of message 3 while the datagram was young: got %d", sent)
	}
	w.run(limits.HandshakeAnswerKept)
	if got := a.emitted[wire.HandshakeThird]; got != sent {
		t.Errorf("copies that nobody waits for: got %d", got-sent)
	}
	if p, _ := a.t.Peer(b.self); p.Session || a.t.index.used != 0 {
		t.Errorf("a session that was never confirmed still stands: %+v", p)
	}
	if got := a.events[len(a.events)-1].Kind; got != SessionDown {
		t.Errorf("last event: got %v, want SessionDown", got)
	}
}

// A message 3 under another source must not end the handshake.
func TestThirdFromElsewhere(t *testing.T) {
	w, a, b := pair(t, 37)
	other := w.add(nil)
	w.tamper = func(to *testNode, frame []byte) bool {
		if isKind(frame, wire.HandshakeThird) {
			f := bytes.Clone(frame)
			*wire.FrameSrc(f) = other.self
			j, why := b.t.HandleHandshake(w.now, f, 1)
			if b.jobs(j); why != reason.Unsolicited {
				t.Errorf("other source: got %v, want %v", why, reason.Unsolicited)
			}
		}
		return true
	}
	o := a.send(b, "x")
	w.run(100 * time.Millisecond)
	o.want(t, nil, Delivered)
}
