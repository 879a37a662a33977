package node

import (
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// packetPort is a port of a node without links, to put messages into.
func packetPort(t *testing.T) (*Node, *PacketPort) {
	t.Helper()
	n, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	q, err := n.OpenPacketPort(9)
	if err != nil {
		t.Fatal(err)
	}
	return n, q
}

func arrive(n *Node, size int) reason.Reason {
	return n.deliver(&session.Delivery{From: wire.ID{7}, DstPort: 9, Kind: wire.PlainDatagram, Data: make([]byte, size)})
}

// What a reader has taken out and not read yet counts as waiting.
func TestPacketQueueIsBoundedWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, q := packetPort(t)
		const size, room = 1000 - recordHeader, 20
		q.SetQueue(1000 * room)
		waiting := 0
		fill := func() {
			for arrive(n, size) == reason.None {
				waiting++
			}
		}
		for fill(); waiting > 0; {
			if waiting > room {
				t.Fatalf("got %d waiting messages, want at most %d", waiting, room)
			}
			if _, _, err := q.Read(nil, nil); err != nil {
				t.Fatal(err)
			}
			if waiting--; waiting == room/2 && q.p.drops.Get(reason.PortFull) < 3 {
				fill() // half is free: it takes again
				if waiting != room {
					t.Errorf("with half of the queue free: got %d waiting, want %d", waiting, room)
				}
			}
		}
		if got := q.p.drops.Get(reason.PortFull); got != 3 {
			t.Errorf("got %d drops counted, want 3", got)
		}
	})
}

// Who delivers and waits for room goes on as soon as half of the queue was read.
func TestReadingWakesWhoDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, q := packetPort(t)
		q.SetQueue(10_000)
		for range 10 {
			arrive(n, 1000-recordHeader)
		}
		var wg sync.WaitGroup
		begin := time.Now()
		for range 3 {
			wg.Go(func() {
				if why := arrive(n, 1000-recordHeader); why != reason.None {
					t.Errorf("got %v", why)
				}
			})
		}
		synctest.Wait()
		for range 5 {
			if _, _, err := q.Read(nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		if d := time.Since(begin); d > 0 {
			t.Errorf("got %v of waiting, want none", d)
		}
	})
}

// Several readers that wait are woken one by one, each by what is there for it.
func TestOneBatchWakesAllReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, q := packetPort(t)
		const readers = 5
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				if size, from, err := q.Read(nil, nil); size != 3 || from.ID[0] != 7 || err != nil {
					t.Errorf("got %d bytes from %v, %v", size, from, err)
				}
			})
		}
		synctest.Wait()
		w := newWalker(n)
		for range readers { // as a link's reader does with a batch
			n.deliver(&session.Delivery{From: wire.ID{7}, DstPort: 9, Kind: wire.PlainDatagram, Data: make([]byte, 3), Context: w})
		}
		w.signal()
		wg.Wait()
		if got := q.p.idle.Load(); got != 0 {
			t.Errorf("got %d readers counted as waiting, want none", got)
		}
	})
}

func TestPacketQueueSize(t *testing.T) {
	_, q := packetPort(t)
	for _, size := range []struct{ set, want int }{
		{math.MaxInt, limits.PortQueueMax}, {7 << 20, 7 << 20}, {0, 0}, {-1, 0},
	} {
		if q.SetQueue(size.set); q.p.limit.Load() != int64(size.want) {
			t.Errorf("SetQueue(%d): got %d, want %d", size.set, q.p.limit.Load(), size.want)
		}
	}
}

func TestReadCancelled(t *testing.T) {
	n, q := packetPort(t)
	cancel := make(chan struct{})
	close(cancel)
	if _, _, err := q.Read(nil, cancel); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want ErrTimeout", err)
	}
	arrive(n, 0)
	if size, _, err := q.Read(nil, cancel); size != 0 || err != nil {
		t.Errorf("with a message there: got %d, %v", size, err)
	}
	n.Close()
	if _, _, err := q.Read(nil, cancel); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
