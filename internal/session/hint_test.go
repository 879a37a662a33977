package session

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func TestNoRoute(t *testing.T) {
	for name, test := range map[string]struct {
		hops  int
		deads func(hop int) bool
		first int // copies of message 1 until the end; 0: it does not end
	}{
		"all of many":      {8, func(int) bool { return true }, limits.NoRouteCopies},
		"the only one":     {1, func(int) bool { return true }, limits.NoRouteCopies},
		"both of two":      {2, func(int) bool { return true }, limits.NoRouteCopies},
		"one stays silent": {3, func(hop int) bool { return hop != 1 }, limits.FirstCopiesSoon},
		"only one speaks":  {3, func(hop int) bool { return hop == 1 }, limits.NoRouteCopies},
		"all are silent":   {3, func(hop int) bool { return false }, 0},
	} {
		w, a, b := pair(t, 67)
		w.hops = test.hops
		w.noRoute = func(from *testNode, hop int) bool { return from == a && test.deads(hop) }
		w.dead = func(from *testNode, hop int) bool { return from == a && !test.deads(hop) }
		o := a.send(b, "x")
		d := a.t.Datagram(w.now, b.self, 1, 1, wire.ClassBulk, []byte("datagram"))
		w.run(10 * time.Second)
		if d != nil {
			t.Fatal(d)
		}
		if test.first == 0 {
			if o.calls != 0 {
				t.Errorf("%s: ended with %v", name, o.Err)
			}
			continue
		}
		o.want(t, reason.NoRoute, Undelivered)
		if took := o.at.Sub(a.born); took > limits.NoRouteAfter {
			t.Errorf("%s: took %v", name, took)
		}
		if got := a.emitted[wire.HandshakeFirst]; got != test.first {
			t.Errorf("%s: got %d copies of message 1, want %d", name, got, test.first)
		}
		if o.Sent != 0 || o.Last != reason.NoRoute || a.drops.Get(reason.NoRoute) != 1 {
			t.Errorf("%s: got %+v, reasons %v", name, o.Result, a.drops.Map())
		}
		dead := 0
		for hop := range test.hops {
			if test.deads(hop) {
				dead++
			}
		}
		if o.Told != dead || o.Tried != test.hops {
			t.Errorf("%s: got %d of %d first hops that said so, want %d of %d", name, o.Told, o.Tried, dead, test.hops)
		}
	}
}

// One dead end, told many times over, is one dead end.
func TestForgedNoRoute(t *testing.T) {
	for _, session := range []bool{false, true} {
		w, a, b := pair(t, 70)
		if session {
			w.connect(a, b)
		}
		var copies [][]byte
		w.tap = func(from *testNode, frame []byte) {
			if from == a && (isMessage(frame) || isKind(frame, wire.HandshakeFirst)) {
				copies = append(copies, append([]byte(nil), frame...))
			}
		}
		w.tamper = func(*testNode, []byte) bool { return false }
		o := a.send(b, "x")
		w.run(10 * time.Millisecond)
		for range 20 {
			a.hinted(copies[0], reason.NoRoute)
		}
		want := 2
		if !session {
			want = 4
		}
		if len(copies) != want {
			t.Errorf("session %v: got %d copies after one dead end, want %d", session, len(copies), want)
		}
		// What the forger knows of one copy says nothing of another.
		f, _ := wire.ParseFrame(copies[0])
		g, _ := wire.ParseFrame(copies[1])
		e := wire.Echo(f.Body)
		if session {
			copy(e[4:12], g.Body[4:12]) // the counter can be guessed
		}
		if why := a.t.HandleHint(w.now, wire.Hint{Reason: uint8(reason.NoRoute), Type: f.Type, Dst: b.self, Echo: e}); len(copies) != want {
			t.Errorf("session %v: forged echo: got %v and %d copies", session, why, len(copies))
		}
		w.tamper = nil
		w.until(5*time.Second, func() bool { return o.calls == 1 })
		o.want(t, nil, Delivered)
	}
}

func TestUnknownSessionHint(t *testing.T) {
	w, a, b := pair(t, 49)
	w.connect(a, b)
	b.restart()
	start := w.now
	if err := a.datagram(b, "lost"); err != nil {
		t.Fatal(err)
	}
	w.until(time.Second, func() bool { return len(a.events) == 2 })
	if took := w.now.Sub(start); took > 50*time.Millisecond {
		t.Errorf("took %v, want two round trips of 20ms", took)
	}
	if err := a.datagram(b, "x"); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	b.once("x")
}

func TestForgedUnknownSessionHints(t *testing.T) {
	w, a, b := pair(t, 50)
	w.connect(a, b)
	p := a.peerOf(b)
	first := p.current.Load()
	remote := first.remote
	echo := func(index uint32, counter uint64) (e [16]byte) {
		wire.AppendDataHeader(e[:0], index, counter)
		return e
	}
	hint := func(e [16]byte) reason.Reason {
		return a.t.HandleHint(w.now, wire.Hint{Reason: uint8(reason.UnknownSession), Type: wire.TypeData, Dst: b.self, Echo: e})
	}
	before := a.emitted[wire.HandshakeFirst]
	for name, e := range map[string][16]byte{
		"wrong index":       echo(remote+1, 0),
		"counter not sent":  echo(remote, first.sent.Load()),
		"counter far ahead": echo(remote, 1<<60),
	} {
		if why := hint(e); why != reason.Unsolicited {
			t.Errorf("%s: got %v, want %v", name, why, reason.Unsolicited)
		}
	}
	w.run(10 * time.Millisecond)
	if got := a.emitted[wire.HandshakeFirst]; got != before {
		t.Errorf("handshakes because of them: got %d", got-before)
	}
	// A well-forged one costs a handshake per second and nothing else: what is
	// sent meanwhile arrives.
	w.tamper = func(to *testNode, frame []byte) bool { return wire.FrameType(frame) != wire.TypeHandshake }
	for i := range 100 {
		if why := hint(echo(remote, 0)); why != reason.None {
			t.Fatalf("well-forged hint: got %v", why)
		}
		if err := a.datagram(b, text(i)); err != nil {
			t.Fatal(err)
		}
		w.run(10 * time.Millisecond)
	}
	if p.current.Load() != first {
		t.Error("the session was given up for a hint")
	}
	w.run(time.Second)
	b.once(texts(100)...)
	w.tamper = nil
	w.run(10 * time.Second)
	before = a.emitted[wire.HandshakeFirst]
	for range 1000 {
		if err := a.datagram(b, "x"); err != nil {
			t.Fatal(err)
		}
		hint(echo(p.current.Load().remote, 0))
		w.run(10 * time.Millisecond)
	}
	if got := a.emitted[wire.HandshakeFirst] - before; got > 11 {
		t.Errorf("handshakes in 10 s of forged hints: got %d, want at most one per second", got)
	}
}

// Without any hint a sender notices by itself that the peer has forgotten it.
func TestRestartWithoutHints(t *testing.T) {
	w, a, b := pair(t, 51)
	w.connect(a, b)
	w.noHints = true
	b.restart()
	o := a.send(b, "x")
	w.until(30*time.Second, func() bool { return o.calls == 1 })
	o.want(t, reason.PeerRestarted, Unknown)
	o = a.send(b, "y")
	w.run(time.Second)
	o.want(t, nil, Delivered)
	b.once("y")
}
