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
			least, most := limits.SearchPaceMax, 2*limits.SearchPaceMax
			if kind == wire.HandshakeThird {
				least, most = 3*limits.HandshakeRetry, 6*limits.HandshakeRetry
			}
			if took := o.at.Sub(a.born); took < least || took > most {
				t.Errorf("took %v, want %v and a bit", took, least)
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
			seconds = append(seconds, bytes.Clone(f.Body[wire.HandshakeHeaderLen:]))
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
		if i == limits.WaitingMessages { // the others need not wait
			w.run(100 * time.Millisecond)
		}
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(100 * time.Millisecond)
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
			j, _ := attacker.t.HandleHandshake(w.now, bytes.Clone(frame), Ingress{Link: 1})
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
			j, why := b.t.HandleHandshake(w.now, f, Ingress{Link: 1})
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

// A handshake that finds nobody for long begins anew, with a young certificate.
func TestOldInitiationBeginsAnew(t *testing.T) {
	w, a, b := pair(t, 38)
	var first, last []byte
	w.tap = func(from *testNode, frame []byte) {
		if from == a && isKind(frame, wire.HandshakeFirst) {
			f, _ := wire.ParseFrame(frame)
			last = bytes.Clone(f.Body[wire.HandshakeHeaderLen:])
			if first == nil {
				first = last
			}
		}
	}
	w.cut = func(from, to *testNode) bool { return true }
	o := a.send(b, "x")
	w.run(limits.RekeyAfter - 10*time.Second)
	if !bytes.Equal(first, last) {
		t.Error("message 1 changed while it was young")
	}
	w.run(20 * time.Second)
	if bytes.Equal(first, last) {
		t.Error("message 1 is still the same")
	}
	w.run(24 * time.Hour)
	w.cut = nil
	w.run(10 * time.Second)
	o.want(t, nil, Delivered)
	b.once("x")
}
