package link

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// end is one end of a link under test: it answers what a node would answer and
// remembers the mesh frames it took.
type end struct {
	*Link
	conn *mem.Conn
	mu   sync.Mutex
	got  [][]byte
	hold chan struct{} // not nil: frames are not taken until it is closed
	mute bool          // link frames are ignored
	ran  sync.WaitGroup
}

func (e *end) HandleBatch(l *Link, batch []byte) reason.Reason {
	if e.hold != nil {
		<-e.hold
	}
	frames, kept := 0, 0
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		batch = rest
		if wire.IsLink(frame) {
			if wire.LinkType(frame[0]) == wire.LinkBye {
				return reason.Leaving // and nothing behind it is looked at
			}
			if !e.mute {
				e.linkFrame(l, frame)
			}
			continue
		}
		frames++
		if wire.FrameFlags(frame).Class() < wire.ClassBulk {
			kept++
		}
		e.mu.Lock()
		e.got = append(e.got, append([]byte(nil), frame...))
		e.mu.Unlock()
	}
	l.Took(frames, kept)
	return reason.None
}

func (e *end) linkFrame(l *Link, frame []byte) {
	switch wire.LinkType(frame[0]) {
	case wire.LinkPing:
		n, _ := wire.ParsePing(frame)
		l.OnPing(n)
	case wire.LinkPong:
		n, _ := wire.ParsePong(frame)
		l.OnPong(time.Now(), n)
	case wire.LinkAck:
		n, _ := wire.ParseLinkAck(frame)
		l.OnAck(time.Now(), n)
	}
}

func (e *end) frames() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.got)
}

func (e *end) run() { e.ran.Go(func() { e.Link.Run(e) }) }

func (e *end) stop() {
	e.Link.Close(reason.Closed)
	e.ran.Wait()
}

// pair returns two ends that do not run yet.
func pair() (a, b *end) {
	ca, cb := mem.Pipe()
	mk := func(c *mem.Conn) *end {
		return &end{Link: New(Config{Number: 1, Carrier: c}, time.Now()), conn: c}
	}
	return mk(ca), mk(cb)
}

func numbered(class wire.Class, n, i int) []byte {
	f := testFrame(class, n, 0)
	binary.BigEndian.PutUint32(f[4:], uint32(i))
	return f
}

func TestFramesArriveWholeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		const count = 20_000
		for i := range count {
			f := numbered(wire.ClassBulk, 20+i%900, i)
			for a.give(Self, wire.ClassBulk, f, 1) == Full {
				a.Wait(Self, len(f), nil)
			}
			if i%7 == 0 {
				if !a.Kick(i % 5) {
					a.Rouse()
				}
			}
		}
		a.Rouse()
		synctest.Wait()
		if got := b.frames(); got != count {
			t.Fatalf("frames: got %d, want %d", got, count)
		}
		for i, f := range b.got {
			if got := binary.BigEndian.Uint32(f[2:]); got != uint32(i) {
				t.Fatalf("frame %d: got number %d", i, got)
			}
		}
		a.stop()
		b.stop()
	})
}

func TestManySendersWaitAndAllGetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		const senders, each = 8, 500
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for i := range each {
					f := numbered(wire.ClassBulk, 5000, i)
					for a.AppendOwn(wire.ClassBulk, f[wire.BatchHeader:]) == Full {
						if !a.Wait(Self, len(f), time.After(time.Minute)) {
							t.Error("waited a minute in vain")
							return
						}
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if got := b.frames(); got != senders*each {
			t.Errorf("frames: got %d, want %d", got, senders*each)
		}
		a.stop()
		b.stop()
	})
}

func TestWaitIsBoundedAndStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		b.hold = make(chan struct{})
		a.run()
		b.run()
		f := numbered(wire.ClassBulk, 10_000, 0)
		for a.give(7, wire.ClassBulk, f, 1) == Queued {
			a.Rouse()
			synctest.Wait()
		}
		begin := time.Now()
		if a.Wait(7, len(f), time.After(limits.TransitWait)) {
			t.Fatal("there is room while the peer does not read")
		}
		if got := time.Since(begin); got != limits.TransitWait {
			t.Errorf("waited %v, want %v", got, limits.TransitWait)
		}
		a.MarkStalled(7)
		if got := a.give(7, wire.ClassBulk, f, 1); got != Stalled {
			t.Errorf("append when stalled: got %d, want %d", got, Stalled)
		}
		if got := a.give(8, wire.ClassBulk, f, 1); got != Queued {
			t.Errorf("append of another source: got %d, want %d", got, Queued)
		}
		close(b.hold)
		synctest.Wait()
		if got := a.give(7, wire.ClassBulk, f, 1); got != Queued {
			t.Errorf("append when the peer reads again: got %d, want %d", got, Queued)
		}
		a.stop()
		b.stop()
	})
}

// Half of a share does not have to be free for one run more at the end of a wait.
func TestWaitLooksAgainAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.writing = true // by somebody who does not come to an end
		f := numbered(wire.ClassBulk, 10_000, 0)
		for a.give(7, wire.ClassBulk, f, 1) == Queued {
		}
		begin := time.Now()
		time.AfterFunc(limits.TransitWait/2, func() { // a part is written
			a.Link.mu.Lock()
			a.queue.inlet(7).bytes -= 2 * len(f)
			a.Link.mu.Unlock()
		})
		if !a.Wait(7, len(f), time.After(limits.TransitWait)) || time.Since(begin) != limits.TransitWait {
			t.Errorf("got no room after %v, want it seen at the end of %v", time.Since(begin), limits.TransitWait)
		}
		if got := a.give(7, wire.ClassBulk, f, 1); got != Queued {
			t.Errorf("append: got %d, want %d", got, Queued)
		}
		a.Carrier.Close()
		b.Carrier.Close()
	})
}

// Who was told of room and does not want it any more passes the word on: else the
// next would wait for an append that never comes.
func TestDeclinedRoomIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		f := numbered(wire.ClassBulk, 10_000, 0)
		for a.give(7, wire.ClassBulk, f, 1) == Queued {
		}
		const waiters = 10
		told := make(chan bool, waiters)
		for range waiters {
			go func() { told <- a.WaitOr(7, len(f), nil, nil) }()
		}
		synctest.Wait()
		a.Link.mu.Lock() // all is written: nothing will be taken from the queue any more
		for a.queue.bytes > 0 {
			a.queue.take(&chunks{})
		}
		a.Link.mu.Unlock()
		synctest.Wait()
		if n := len(told); n == 0 || n == waiters {
			t.Fatalf("told of room: got %d of %d who wait, want some", n, waiters)
		}
		for range waiters {
			a.Decline(7)
			synctest.Wait()
		}
		if n := len(told); n != waiters {
			t.Errorf("told of room once it was declined: got %d, want %d", n, waiters)
		}
		a.Link.Close(reason.Closed)
		b.Link.Close(reason.Closed)
	})
}

// tickFor ticks both ends as a node does.
func tickFor(d time.Duration, ends ...*end) (last []Health) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(limits.LinkTick) {
		last = last[:0]
		for _, e := range ends {
			h := e.Tick(time.Now(), [8]byte{1})
			if h.Dead != reason.None {
				e.Link.Close(h.Dead)
			}
			last = append(last, h)
		}
		synctest.Wait()
	}
	return last
}

func TestIdleLinksLiveAndAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		tickFor(10*time.Minute, a, b)
		if a.Cause() != reason.None || b.Cause() != reason.None {
			t.Fatalf("an idle link ended: %v, %v", a.Cause(), b.Cause())
		}
		// A ping and its pong each 5 s from either end at most, nothing else.
		if got, most := a.Stats().RxBytes, uint64(2*11*10*60/5); got == 0 || got > most {
			t.Errorf("bytes received in 10 idle minutes: got %d, want 1 to %d", got, most)
		}
		a.stop()
		b.stop()
	})
}

func TestSilentPeerIsDeadInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		b.mute = true
		a.run()
		b.run()
		begin := time.Now()
		go tickFor(30*time.Second, a)
		<-a.Done()
		if got := time.Since(begin); got > limits.PingIdleRelay+limits.PingAnswer+limits.IdleTick {
			t.Errorf("dead after %v, want at most 16s", got)
		}
		if a.Cause() != reason.Idle {
			t.Errorf("cause: got %v, want %v", a.Cause(), reason.Idle)
		}
		a.stop()
		b.stop()
		time.Sleep(30 * time.Second) // the ticking goroutine
	})
}

func TestAcksEmptyTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		for i := range 10 {
			a.AppendOwn(wire.ClassInteractive, numbered(wire.ClassInteractive, 100, i)[wire.BatchHeader:])
		}
		synctest.Wait()
		if a.ring.empty() {
			t.Fatal("nothing is kept")
		}
		tickFor(2*limits.AckDelay, a, b)
		if got := len(a.ring.entries) - a.ring.first; got != 0 {
			t.Errorf("records kept after the ack: got %d, want 0", got)
		}
		if before := a.Stats().RxBytes; true {
			tickFor(time.Second, a, b)
			if after := a.Stats().RxBytes; after != before {
				t.Errorf("acks are acknowledged: %d bytes became %d", before, after)
			}
		}
		a.stop()
		b.stop()
	})
}

func TestLateAckMakesSuspectAndGivesFramesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		b.mute = true
		b.hold = make(chan struct{})
		a.run()
		b.run()
		a.give(Self, wire.ClassAck, numbered(wire.ClassAck, 100, 1), 1)
		a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 100, 2), 1)
		a.Kick(2)
		h := tickFor(limits.LinkRTOMax+2*limits.LinkTick, a)
		if !h[0].Suspect {
			t.Fatal("not suspect past the RTO")
		}
		batch := a.TakeRing()
		if f, _, _ := wire.NextInBatch(batch); len(batch) != 100 || wire.FrameFlags(f).Class() != wire.ClassAck {
			t.Errorf("given back: got %d bytes, want the one frame of class 1", len(batch))
		}
		b.mute = false
		close(b.hold)
		h = tickFor(time.Second, a, b)
		if h[0].Suspect {
			t.Error("still suspect after an answer")
		}
		a.stop()
		b.stop()
	})
}

func TestLeftoverOfAnEndedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		b.hold = make(chan struct{})
		a.run()
		b.run()
		for i := 0; a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 9000, i), 1) == Queued; i++ {
			a.Rouse()
			synctest.Wait()
		}
		a.give(9, wire.ClassControl, numbered(wire.ClassControl, 100, 1), 1)
		a.Link.Close(reason.Idle)
		batch, lost := a.Leftover()
		if len(batch) != 100 || lost == 0 {
			t.Errorf("got %d bytes and %d lost, want 100 and some", len(batch), lost)
		}
		if got := a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 100, 1), 1); got != Ended {
			t.Errorf("append to an ended link: got %d, want %d", got, Ended)
		}
		close(b.hold)
		a.stop()
		b.stop()
	})
}

func TestFinishWritesWhatWaitsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		for i := range 100 {
			a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 1000, i), 1)
		}
		a.Finish(wire.AppendBye(nil, &wire.Bye{Reason: uint8(reason.Leaving)}), reason.Leaving)
		<-a.Done()
		<-b.Done()
		if got := b.frames(); got != 100 {
			t.Errorf("frames before the end: got %d, want 100", got)
		}
		if a.Cause() != reason.Leaving || b.Cause() != reason.Leaving {
			t.Errorf("causes: got %v and %v, want leaving of both", a.Cause(), b.Cause())
		}
		a.stop()
		b.stop()
	})
}

// A peer that never reads is cut in time, though it keeps pinging and asking.
func TestPeerThatNeverReadsIsCut(t *testing.T) {
	for name, says := range map[string][]byte{
		"it is silent":           nil,
		"it pings":               wire.AppendPing(nil, [8]byte{7}),
		"it asks for neighbours": wire.AppendFindNode(nil, &wire.FindNode{}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair() // b never runs
				a.run()
				begin := time.Now()
				for a.Cause() == reason.None && time.Since(begin) < time.Minute {
					a.AppendOwn(wire.ClassBulk, numbered(wire.ClassBulk, 60_000, 0)[wire.BatchHeader:])
					if says != nil {
						b.AppendControl(says)
					}
					time.Sleep(10 * time.Millisecond)
				}
				if got := time.Since(begin); a.Cause() != reason.Stalled || got > limits.WriteStall+time.Second {
					t.Errorf("ended with %v after %v, want %v after %v", a.Cause(), got, reason.Stalled, limits.WriteStall)
				}
				if says != nil && a.rx.bytes.Load() == 0 {
					t.Error("nothing of what it says has come")
				}
				a.stop()
				b.Carrier.Close()
			})
		})
	}
}

func TestControlQueueIsBounded(t *testing.T) {
	a, b := pair()
	a.writing = true // by somebody who does not come to an end
	for range limits.ControlFrames {
		a.AppendControl(wire.AppendPing(nil, [8]byte{}))
	}
	if a.Cause() != reason.None {
		t.Fatalf("ended at the limit: %v", a.Cause())
	}
	a.AppendControl(wire.AppendPing(nil, [8]byte{}))
	if a.Cause() != reason.Stalled {
		t.Errorf("cause: got %v, want %v", a.Cause(), reason.Stalled)
	}
	b.Carrier.Close()
}

func TestOnePongIsOwedAtMost(t *testing.T) {
	a, b := pair()
	a.writing = true // by somebody who does not come to an end
	for range 1000 {
		a.OnPing([8]byte{1})
	}
	if got := a.control.frames; got != 1 {
		t.Errorf("pongs that wait: got %d, want 1", got)
	}
	a.Link.Close(reason.Closed)
	b.Carrier.Close()
}

func TestForgedAnswersAreRefused(t *testing.T) {
	a, b := pair()
	if asked, _ := a.OnPong(time.Now(), [8]byte{1}); asked {
		t.Error("a pong that nobody asked for was taken")
	}
	if ok, _ := a.OnAck(time.Now(), wire.Taken{Count: 1}); ok {
		t.Error("an ack of frames never sent was taken")
	}
	if ok, _ := a.OnAck(time.Now(), wire.Taken{Bytes: 1}); ok {
		t.Error("an ack of bytes never sent was taken")
	}
	a.Link.Close(reason.Closed)
	b.Carrier.Close()
}

func TestGarbageEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		b.run()
		if err := a.Carrier.Send(bytes.Repeat([]byte{0xFF}, 100)); err != nil {
			t.Fatal(err)
		}
		if err := a.Carrier.Flush(); err != nil {
			t.Fatal(err)
		}
		<-b.Done()
		if b.Cause() != reason.ProtocolError {
			t.Errorf("cause: got %v, want %v", b.Cause(), reason.ProtocolError)
		}
		a.Link.Close(reason.Closed)
		b.stop()
	})
}
