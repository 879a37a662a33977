package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

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
		body := wire.HandshakeBody{Kind: wire.HandshakeFirst, Sender: 7, Cookie: c, Noise: bytes.Repeat([]byte{1}, wire.FirstFrameLen)}
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
		j, why := b.t.HandleHandshake(w.now, frame(n, c), Ingress{Link: ingress})
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
