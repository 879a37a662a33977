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
				a.Append(Self, wire.ClassBulk, numbered(wire.ClassBulk, 20, i), 1)
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
		a.Append(Self, wire.ClassBulk, numbered(wire.ClassBulk, 20, 0), 1)
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
