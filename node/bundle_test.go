package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
)

// filler is what the datagrams under test are cut from.
var filler = bytes.Repeat([]byte("0123456789abcdef"), 256)

// sorter is a handler that checks what arrives: from each port the numbers 0, 1,
// 2, … and behind each so many bytes of filler as it came with.
type sorter struct {
	t    *testing.T
	mu   sync.Mutex
	next map[Addr]uint32
}

func (s *sorter) HandleMessage(_ context.Context, m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, want := binary.BigEndian.Uint32(m.Data), s.next[m.From]; got != want {
		s.t.Errorf("from %v: got number %d, want %d", m.From, got, want)
	}
	if body := m.Data[4:]; !bytes.Equal(body, filler[:len(body)]) {
		s.t.Errorf("from %v: number %d has other bytes than were sent", m.From, s.next[m.From])
	}
	s.next[m.From]++
}

func (s *sorter) count() (n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.next {
		n += v
	}
	return n
}

// sendMix sends datagrams of all sizes, most of them small, to peers in any
// order, each peer's own numbered from 0.
func sendMix(t *testing.T, from *Port, seed uint64, count int, to ...Addr) {
	r := rand.New(rand.NewPCG(seed, 1))
	next := make([]uint32, len(to))
	buf := make([]byte, 4+len(filler))
	copy(buf[4:], filler)
	k := 0
	for range count {
		if r.IntN(4) == 0 {
			k = r.IntN(len(to))
		}
		size := r.IntN(100)
		switch r.IntN(20) {
		case 0:
			size = r.IntN(len(filler))
		case 1, 2:
			size = r.IntN(limits.SmallDatagram + 10)
		}
		binary.BigEndian.PutUint32(buf, next[k])
		next[k]++
		if err := from.SendDatagramWithin(to[k], buf[:4+size], time.Minute); err != nil {
			t.Errorf("datagram %d: %v", next[k], err)
			return
		}
	}
}

// Several goroutines send to several nodes over a relay, by all of which they go
// in few frames: what one sends to another arrives whole and in order.
func TestDatagramsOfAllSizesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, _, c := relayed(t, m, Config{})
		d := m.start("d", Config{Bootstrap: []string{"mem://b"}})
		ready(t, d)
		var sorters []*sorter
		var to []Addr
		for _, n := range []*Node{c, d} {
			s := &sorter{t: t, next: map[Addr]uint32{}}
			p, err := n.OpenPort(7, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Send(within(t, time.Second), n.ID(), nil); err == nil {
				t.Fatal("port 0 is open") // but now there is a session
			}
			sorters, to = append(sorters, s), append(to, p.Addr())
		}
		frames := a.Peers()[0].TxFrames
		const senders, each = 3, 2000
		var wg sync.WaitGroup
		for i := range senders {
			p, err := a.OpenPort(0, newInbox())
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { sendMix(t, p, uint64(i), each, to...) })
		}
		wg.Wait()
		synctest.Wait()
		if got := sorters[0].count() + sorters[1].count(); got != senders*each {
			t.Errorf("got %d datagrams, want %d; drops %v", got, senders*each, c.Status().Drops)
		}
		if got := a.Peers()[0].TxFrames - frames; got >= senders*each {
			t.Errorf("got %d frames for %d datagrams, want fewer", got, senders*each)
		}
	})
}

// Where a port's queue is full, each datagram that finds no room in it is counted,
// not each frame.
func TestEveryDatagramOfABundleIsAccounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		c := m.listen("c", Config{})
		a := m.start("a", Config{Bootstrap: []string{"mem://c"}})
		ready(t, a)
		release := make(chan struct{})
		var delivered atomic.Uint64
		p, err := c.OpenPort(7, HandlerFunc(func(context.Context, *Message) {
			<-release
			delivered.Add(1)
		}))
		if err != nil {
			t.Fatal(err)
		}
		from, err := a.OpenPort(7, newInbox())
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Send(within(t, time.Second), p.Addr(), nil); err != nil {
			t.Fatal(err)
		}
		const sent = 20_000
		refused := uint64(0)
		for i := range sent {
			if from.SendDatagram(p.Addr(), filler[:64]) != nil {
				refused++
			}
			if i%256 == 0 {
				synctest.Wait() // else a busy machine lets the link's writer have no turn, and all are refused
			}
		}
		time.Sleep(time.Minute) // what waits for room has given up
		close(release)
		synctest.Wait()
		dropped, counted := c.drops.Get(reason.PortFull), a.drops.Get(reason.QueueFull)
		if got := delivered.Load() - 1; got+dropped+refused != sent || dropped == 0 || counted != refused {
			t.Errorf("got %d delivered, %d dropped, %d refused and %d of these counted; want %d in all", got, dropped, refused, counted, sent)
		}
	})
}

// held keeps the links of a node from being read while it is closed.
type held struct {
	w    *walker
	gate *sync.RWMutex // locked: closed
}

// HandleBatch implements [link.Handler].
func (h held) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	h.gate.RLock()
	defer h.gate.RUnlock()
	return h.w.HandleBatch(l, batch)
}

// Only small datagrams share frames. Large ones are sealed by who sends them.
func TestLargeDatagramsHaveFramesOfTheirOwn(t *testing.T) {
	for size, shared := range map[int]bool{limits.SmallDatagram: true, limits.SmallDatagram + 1: false} {
		synctest.Test(t, func(t *testing.T) {
			var gate sync.RWMutex
			m := &mesh{t: t}
			c := m.start("c", Config{MaxLeaves: 4})
			c.between = func(w *walker) link.Handler { return held{w, &gate} }
			m.open("c", c)
			a := m.start("a", Config{Bootstrap: []string{"mem://c"}})
			ready(t, a)
			box := newInbox()
			c.Handle(box)
			if err := a.Send(within(t, time.Second), c.ID(), nil); err != nil {
				t.Fatal(err)
			}
			frames, sent := a.Peers()[0].TxFrames, 0
			gate.Lock()
			for a.SendDatagram(c.ID(), filler[:size]) == nil {
				sent++
			}
			gate.Unlock()
			synctest.Wait()
			frames = a.Peers()[0].TxFrames - frames
			if got := box.len() - 1; got != sent || sent == 0 {
				t.Errorf("%d bytes: got %d datagrams of %d", size, got, sent)
			}
			if shared && frames > uint64(sent)/2 || !shared && frames != uint64(sent) {
				t.Errorf("%d bytes: got %d frames for %d datagrams", size, frames, sent)
			}
		})
	}
}
