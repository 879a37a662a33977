package link

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// runs says whether the link has a writer goroutine.
func (l *Link) runs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writer.alive
}

// A busy link has one writer all the time, an idle one none, and what is sent
// later still goes out.
func TestWriterLivesWhileThereIsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.run()
		b.run()
		tickFor(time.Minute, a, b) // with pings
		if a.runs() || b.runs() {
			t.Error("idle link: got a writer, want none")
		}
		for round := range 3 {
			for i := range 100 { // closer together than limits.IdleTick
				a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 20, i), 1)
				a.Rouse()
				tickFor(limits.IdleTick/2, a, b)
				if !a.runs() {
					t.Fatal("busy link: got no writer, want one")
				}
			}
			if got, want := b.frames(), 100*(round+1); got != want {
				t.Fatalf("frames: got %d, want %d", got, want)
			}
			tickFor(3*limits.IdleTick, a, b)
			if a.runs() {
				t.Error("link that has become idle: got a writer, want none")
			}
		}
		a.stop()
		b.stop()
	})
}

// What is given to a link before it runs is written once it does.
func TestRunWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 20, 0), 1)
		a.run()
		b.run()
		synctest.Wait()
		if got := b.frames(); got != 1 {
			t.Errorf("frames: got %d, want 1", got)
		}
		a.stop()
		b.stop()
	})
}

// Whoever writes what waits seals the datagrams in it first: a writer that was
// about to end as well as who writes a link frame on a link that has none. No
// datagram stays behind.
func TestEveryWriterSealsDrafts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to, _ := threeParties(t, false)
		a, b := pair()
		a.run()
		b.run()
		wait := func(data string) { // as if somebody else were about to write it
			a.mu.Lock()
			defer a.mu.Unlock()
			if got := a.appendDatagram(from.opening(to, 7), []byte(data)); got != Queued {
				t.Fatalf("%s: got %d, want %d", data, got, Queued)
			}
		}
		tickFor(time.Minute, a, b)
		wait("by a ping")
		if a.runs() {
			t.Error("idle link: got a writer, want none")
		}
		tickFor(2*limits.PingIdleRelay, a, b)

		a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, 20, 0), 1)
		a.Rouse()
		for range 3 {
			a.Tick(time.Now(), [8]byte{})
			time.Sleep(limits.IdleTick)
			if !a.runs() {
				t.Fatal("busy link: got no writer, want one")
			}
			wait("by a writer that is to end")
			a.Tick(time.Now(), [8]byte{})
			synctest.Wait()
		}
		tickFor(3*limits.IdleTick, a, b)
		if a.runs() {
			t.Error("link that has become idle: got a writer, want none")
		}
		for _, frame := range b.got {
			if wire.FrameFlags(frame).Class() == wire.ClassBulk && *wire.FrameDst(frame) == to.id {
				to.take(frame)
			}
		}
		if got, want := len(to.got), 4; got != want || a.Stats().Queued != 0 {
			t.Errorf("got %d datagrams (%q) and %d bytes that wait, want %d and none", got, to.got, a.Stats().Queued, want)
		}
		a.stop()
		b.stop()
	})
}
