package session

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

var errTime = errors.New("time is up")

// nowhere lets relays answer all that a sends: they know no way.
func (w *world) nowhere(a *testNode) {
	w.noRoute = func(from *testNode, _ int) bool { return from == a }
}

// silent lets all that a sends get lost.
func (w *world) silent(a *testNode) {
	w.cut = func(from, _ *testNode) bool { return from == a }
}

func (w *world) heal() { w.noRoute, w.cut, w.dead = nil, nil, nil }

// Who is known to be there is tried on with until the sender gives up: no answer of
// a relay ends a message, whichever of them answer.
func TestSendLastsWhereThePeerIsKnown(t *testing.T) {
	const gone = 20 * time.Second
	for how, fault := range map[string]func(w *world, a *testNode){
		"all say no-route": (*world).nowhere,
		"all are silent":   (*world).silent,
		"some say no-route": func(w *world, a *testNode) {
			w.noRoute = func(from *testNode, hop int) bool { return from == a && hop%2 == 0 }
			w.dead = func(from *testNode, hop int) bool { return from == a && hop%2 == 1 }
		},
		"all say detached": func(w *world, a *testNode) {
			w.nowhere(a)
			w.why = reason.Detached
		},
	} {
		for who, prepare := range map[string]func(w *world, a, b *testNode){
			"in a session": func(w *world, a, b *testNode) { w.connect(a, b) },
			"without its session": func(w *world, a, b *testNode) {
				w.connect(a, b)
				a.forget(b)
			},
			"dropped when idle": func(w *world, a, b *testNode) {
				w.connect(a, b)
				w.run(limits.ReachedLife - time.Minute)
				if a.t.Len() != 0 {
					t.Error("got an entry, want none after so long")
				}
			},
			"linked a while ago": func(w *world, a, b *testNode) {
				a.t.Linked(w.now, b.self)
				w.run(20 * time.Minute)
				a.t.Parted(w.now, b.self)
			},
		} {
			t.Run(how+", "+who, func(t *testing.T) {
				w, a, b := pair(t, 500)
				w.hops = 6
				prepare(w, a, b)
				fault(w, a)
				o := a.send(b, "x")
				w.run(gone)
				if o.calls != 0 {
					t.Fatalf("ended with %v after %v, want it tried on", o.Err, o.at.Sub(w.now.Add(-gone)))
				}
				w.heal()
				w.run(5*limits.AwayPauseMax/4 + time.Second)
				if how == "all are silent" && o.calls == 0 {
					w.run(gone) // a timeout that has doubled as long as nothing was heard
				}
				o.want(t, nil, Delivered)
				b.once("x")
			})
		}
	}
}

// gone is a sender with many messages for a peer that nobody knows a way to.
func goneWithMany(t *testing.T, many int) (w *world, a, b *testNode, all []*outcome) {
	w, a, b = pair(t, 502)
	w.hops = 8
	w.connect(a, b)
	w.nowhere(a)
	for i := range many {
		all = append(all, a.send(b, text(i)))
	}
	return w, a, b, all
}

// While a peer is gone a probe now and then is all that relays see of what waits.
func TestAPeerThatIsGoneCausesNoFlood(t *testing.T) {
	const many = 200
	for name, answered := range map[string]bool{"told": true, "told at first": false} {
		t.Run(name, func(t *testing.T) {
			w, a, b, all := goneWithMany(t, many)
			w.run(time.Second)
			if !answered { // relays answer no more
				w.silent(a)
			}
			for minute := range 3 {
				before := a.emitted[0] + a.emitted[wire.HandshakeFirst]
				w.run(time.Minute)
				if got := a.emitted[0] + a.emitted[wire.HandshakeFirst] - before; got > 80 || got < 12 {
					t.Errorf("minute %d: got %d frames for %d messages, want a few", minute+1, got, many)
				}
			}
			w.heal()
			w.run(5*limits.AwayPauseMax/4 + time.Second)
			for _, o := range all {
				o.want(t, nil, Delivered)
			}
			if len(b.got) != many {
				t.Errorf("got %d deliveries, want %d", len(b.got), many)
			}
		})
	}
}

// Nobody waits any more: nothing leaves any more, and the entry goes like any other.
func TestNothingIsSentForNobody(t *testing.T) {
	w, a, _, all := goneWithMany(t, 3)
	w.run(10 * time.Second)
	for _, o := range all {
		o.p.Cancel(w.now, errTime)
	}
	w.run(limits.HandshakeAnswerKept)
	before := a.emitted[0]
	w.run(limits.SessionIdle + time.Second)
	if got := a.emitted[0] - before; got != 0 || a.t.Len() != 0 {
		t.Errorf("got %d frames and %d entries, want none", got, a.t.Len())
	}
}

// The pause ends as soon as something changes.
func TestAPauseEndsWithAChange(t *testing.T) {
	for name, change := range map[string]func(w *world, a, b *testNode){
		"a link comes up":        func(w *world, a, b *testNode) { a.t.Linked(w.now, wire.ID{7}) },
		"a link works again":     func(w *world, a, b *testNode) { a.t.Changed(w.now) },
		"a record of it arrives": func(w *world, a, b *testNode) { a.t.Located(w.now, b.self) },
		"a message of it": func(w *world, a, b *testNode) {
			if err := b.datagram(a, "I am here"); err != nil {
				t.Fatal(err)
			}
		},
		"a session of it": func(w *world, a, b *testNode) {
			b.restart()
			b.send(a, "I am here")
		},
		"one more message for it": func(w *world, a, b *testNode) {
			for _, o := range a.w.sent {
				o.p.Cancel(w.now, errTime)
			}
			a.send(b, "fresh")
		},
	} {
		for _, session := range []bool{true, false} {
			if !session && (name == "a message of it" || name == "one more message for it") {
				continue
			}
			t.Run(name, func(t *testing.T) {
				w, a, b := pair(t, 503)
				w.hops = 8
				w.connect(a, b)
				if !session {
					a.forget(b)
				}
				w.nowhere(a)
				left := a.send(b, "left")
				w.run(45 * time.Second)
				o := a.send(b, "waits")
				w.sent = []*outcome{left, o}
				w.run(limits.AwayGap) // what is sent at once for a message more is over
				before := a.emitted[0] + a.emitted[wire.HandshakeFirst]
				w.until(5*time.Second, func() bool { return a.emitted[0]+a.emitted[wire.HandshakeFirst] != before })
				w.run(limits.AwayGap) // and the next is not due for 2 s
				for p := a.peerOf(b); session && (p.init != nil || p.away.next-a.t.at(w.now) < 2*time.Second); {
					w.run(100 * time.Millisecond)
				}
				w.heal()
				change(w, a, b)
				w.run(time.Second)
				if name == "one more message for it" {
					b.once("fresh")
					return
				}
				o.want(t, nil, Delivered)
			})
		}
	}
}

// Changes that come all the time make a probe leave now and then, not with each.
func TestManyChangesCauseNoFlood(t *testing.T) {
	w, a, b, _ := goneWithMany(t, 50)
	w.run(time.Minute)
	looks := map[time.Duration]bool{}
	for range 1000 {
		a.t.Changed(w.now)
		w.run(time.Millisecond)
		looks[a.t.changed] = true
	}
	if most := int(time.Second/limits.ChangeGap) + 2; len(looks) > most {
		t.Errorf("got %d looks at all peers in a second of changes, want at most %d", len(looks), most)
	}
	before := a.emitted[0] + a.emitted[wire.HandshakeFirst]
	for range 6_000 {
		a.t.Linked(w.now, wire.ID{7})
		a.t.Located(w.now, b.self)
		if err := b.datagram(a, "x"); err != nil {
			t.Fatal(err)
		}
		w.run(10 * time.Millisecond)
	}
	most := int(time.Minute/limits.AwayGap) + 80
	if got := a.emitted[0] + a.emitted[wire.HandshakeFirst] - before; got > most {
		t.Errorf("got %d frames in a minute of changes, want at most %d", got, most)
	}
}

// What a change makes leave for many peers is spread.
func TestAChangeIsSpreadOverPeers(t *testing.T) {
	w := newWorld(t, 504)
	a := w.add(nil)
	const many = 60
	var all []*testNode
	for range many {
		b := w.add(nil)
		w.connect(a, b)
		all = append(all, b)
	}
	w.nowhere(a)
	for _, b := range all {
		a.send(b, "x")
	}
	w.run(time.Minute)
	w.run(limits.AwayGap)
	at := map[time.Time]int{}
	w.tap = func(from *testNode, frame []byte) {
		if from == a {
			at[w.now]++
		}
	}
	a.t.Changed(w.now)
	w.run(many * limits.ChangeSpread)
	sum, most := 0, 0
	for _, n := range at {
		sum += n
		most = max(most, n)
	}
	if sum < many || most > 4 {
		t.Errorf("got %d frames, %d at one moment, want one for each of %d peers, one after another", sum, most, many)
	}
}

// While a peer is away a message that has no id, because none may be given, does not
// leave as a probe.
func TestProbeWithAFullWindow(t *testing.T) {
	w, a, b := pair(t, 507)
	w.connect(a, b)
	w.silent(a)
	for range limits.MessageWindow {
		if _, err := a.t.Send(w.now, Message{To: b.self, Kind: wire.PlainMessage, DstPort: 7}, func(Result) {}); err != nil {
			t.Fatal(err)
		}
	}
	w.run(2 * time.Second)
	w.cut = nil
	w.nowhere(a)
	w.run(10 * time.Second)
	if p := a.peerOf(b); !p.away.on.Load() || p.out.next-p.out.lowest > limits.MessageWindow {
		t.Errorf("got away %v and %d ids, want it away and no more than %d", p.away.on.Load(), p.out.next-p.out.lowest, limits.MessageWindow)
	}
	w.heal()
	w.run(20 * time.Second)
	if len(b.got) != limits.MessageWindow {
		t.Errorf("got %d delivered, want %d", len(b.got), limits.MessageWindow)
	}
}

// Timeouts that have doubled for as long as nothing was heard end with a change, too.
func TestAChangeEndsLongTimeouts(t *testing.T) {
	w, a, b := pair(t, 510)
	w.hops = 2
	w.connect(a, b)
	w.silent(a)
	var all []*outcome
	for i := range 100 {
		all = append(all, a.send(b, text(i)))
		w.run(10 * time.Millisecond)
	}
	w.run(40 * time.Second)
	w.heal()
	a.t.Changed(w.now)
	w.run(time.Second)
	for _, o := range all {
		o.want(t, nil, Delivered)
	}
}

// The pauses between probes grow as the table of docs/protocol.md says, and differ
// from node to node.
func TestPausesBetweenProbes(t *testing.T) {
	w, a, b := pair(t, 512)
	w.connect(a, b)
	w.nowhere(a)
	a.send(b, "x")
	w.until(time.Second, func() bool { return a.peerOf(b).away.on.Load() })
	last, k, odd := w.now, 0, 0
	w.tap = func(from *testNode, frame []byte) {
		if from != a || !isMessage(frame) {
			return
		}
		want := limits.AwayPauseMax
		if k < limits.FirstHopsTried {
			want = min(limits.AwayPause<<k, limits.FirstHopsPause)
		}
		if got := w.now.Sub(last); got < want*3/4-w.delay || got > want*5/4+w.delay {
			t.Errorf("pause %d: got %v, want %v, a quarter more or less", k, got, want)
		} else if (got - want).Abs() > want/50 {
			odd++
		}
		last, k = w.now, k+1
	}
	w.run(time.Minute)
	if k < 20 || odd < k/2 {
		t.Errorf("got %d probes, %d of them not at the even time, want 20 and most", k, odd)
	}
}

// After a change the pauses of a search grow anew.
func TestAChangeShortensTheNextPauses(t *testing.T) {
	w, a, b := pair(t, 514)
	w.silent(a)
	a.send(b, "x")
	w.run(2 * limits.FirstCopies * limits.FirstCopiesPause)
	before := a.emitted[wire.HandshakeFirst]
	a.t.Changed(w.now)
	w.run(3 * time.Second)
	if got := a.emitted[wire.HandshakeFirst] - before; got < 4 || got > 6 {
		t.Errorf("got %d copies in 3 s, want those after 0, 0.25, 0.75, 1.75 and 2.75 s", got)
	}
}

// Message 3 goes again at once, too; and whose message 2 was read is known, even if
// nothing else came.
func TestAChangeAndMessage3(t *testing.T) {
	for _, later := range []time.Duration{20 * time.Second, limits.HandshakeAnswerKept + time.Second} {
		w, a, b := pair(t, 515)
		w.tamper = func(to *testNode, frame []byte) bool { return to != b || isKind(frame, wire.HandshakeFirst) }
		o := a.send(b, "x")
		w.run(later)
		if later > limits.HandshakeAnswerKept { // the session is over
			w.nowhere(a)
			a.forget(b)
			o = a.send(b, "y")
			w.run(10 * time.Second)
			if o.calls != 0 {
				t.Errorf("got %v about who was there, want it tried on", o.Err)
			}
			continue
		}
		before := a.emitted[wire.HandshakeThird]
		w.until(5*time.Second, func() bool { return a.emitted[wire.HandshakeThird] != before })
		w.run(limits.AwayGap)
		w.tamper = nil
		a.t.Changed(w.now)
		w.run(200 * time.Millisecond)
		o.want(t, nil, Delivered)
	}
}
