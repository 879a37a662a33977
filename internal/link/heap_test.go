package link

import (
	"crypto/rand"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/heaptest"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

// What strangers can have under way, and what waits for a peer that does not read,
// costs what is said of it in docs/security.md.
func TestHeapOfFullLinks(t *testing.T) {
	local := newLocal(t, nil)
	var ends []io.Closer // of the strangers, to be closed at the end
	var waiting sync.WaitGroup
	defer func() {
		for _, c := range ends {
			c.Close()
		}
		waiting.Wait()
	}()
	heaptest.Run(t, []heaptest.Row{
		{Limit: "PreAuthLinks", Entries: limits.PreAuthLinks, Each: 24 << 10, Fill: func(t *testing.T) any {
			for range limits.PreAuthLinks { // each says its first message, and then nothing
				c, ours := mem.Pipe()
				ends = append(ends, c, ours)
				waiting.Go(func() {
					if _, err := Accept(ours, local, time.Now()); err == nil {
						t.Error("a handshake of one message has ended well")
					}
				})
				static, err := identity.NewStatic(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				hs, err := session.NewHandshake(true, prologue, static, nil, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				if err := write(c, hs, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := read(c, hs, errHungUp); err != nil {
					t.Fatal(err)
				}
			}
			return nil
		}},
		{Limit: "LinkQueue", Entries: 100, Each: limits.LinkQueue + 72<<10, Fill: func(t *testing.T) any {
			all := make([]*Link, 100)
			for i := range all {
				all[i] = New(Config{Number: 1, Carrier: newModelCarrier(leavesAll)}, time.Now())
				for all[i].give(1, wire.ClassBulk, testFrame(wire.ClassBulk, 200, 0), 1) == Queued {
				}
			}
			return all
		}},
		{Limit: "LinkFlows", Entries: 20, Each: 1792 << 10, Fill: func(t *testing.T) any {
			all, memory, before := make([]*slowLink, 20), budget.New(1<<30), heaptest.InUse()
			for i := range all {
				all[i] = fullOfFlows(t, memory.Open())
			}
			if took := heaptest.InUse() - before; took > memory.Used() || took < memory.Used()/2 {
				t.Errorf("got %d bytes charged, want the %d that they take, or a little more", memory.Used(), took)
			}
			return all
		}},
		{Limit: "PieceBytes", Entries: 50, Each: 256 << 10, Fill: func(t *testing.T) any {
			all, memory, before := make([]*drivenEnd, 50), budget.New(1<<30), heaptest.InUse()
			part := make([]byte, 2_049) // of a length of which memory is rounded up most
			part[0] = byte(wire.TypeData)
			for i := range all {
				all[i] = newDriven(drivenStart)
				all[i].link.account = memory.Open()
				for n := range limits.PieceBytes / len(part) {
					if why := all[i].link.Handle(all[i], pieceMessage(n%limits.PieceSlots, false, part)); why != reason.None {
						t.Fatalf("piece %d: %v", n, why)
					}
				}
			}
			if took := heaptest.InUse() - before; memory.Used() < took*9/10 || memory.Used() > took {
				t.Errorf("got %d bytes charged, want nearly the %d that they take", memory.Used(), took)
			}
			return all
		}},
		{Limit: "ControlBytes", Entries: 100, Each: 2 * limits.ControlBytes, Fill: func(t *testing.T) any {
			all := make([]*Link, 100)
			frame := make([]byte, limits.ControlBytes/limits.ControlFrames-wire.BatchHeader)
			frame[0] = byte(wire.LinkPing)
			for i := range all {
				all[i] = New(Config{Number: 1, Carrier: newModelCarrier(leavesAll)}, time.Now())
				all[i].writing = true // somebody who does not come back
				for range limits.ControlFrames {
					if all[i].AppendControl(frame) != Queued {
						t.Fatal("a link frame is not taken")
					}
				}
			}
			return all
		}},
	})
}

// fullOfFlows is a slow link on which the shortest frames wait that there are, each
// from somebody else, by several links.
func fullOfFlows(t testing.TB, a budget.Account) *slowLink {
	l := newSlow(t, 8*mbit)
	l.account = a
	for src := uint64(1); src <= 8; src++ {
		for i := 0; l.give1(src, wire.ClassInteractive, i, i, wire.HeaderLen) == Queued; i++ {
		}
	}
	if got := l.queue.flows.count; got < limits.LinkFlows {
		t.Fatalf("got %d flows, want %d", got, limits.LinkFlows)
	}
	return l
}
