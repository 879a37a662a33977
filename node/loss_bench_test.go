package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

const (
	offered     = 100_000 // acknowledged messages per second
	messageSize = 64      // bytes
	senders     = 4_096   // goroutines in Send: what may be under way, 41 ms of the offer
	paceStep    = time.Millisecond
)

// BenchmarkAcknowledgedUnderLoss offers one pair of leaves, joined by one relay
// over WebSocket on loopback, 100,000 acknowledged messages of 64 bytes per
// second, while the relay loses a share of the Data frames of both directions:
// messages, copies and acks. It fails when a message comes twice, is lost, or
// ends in an error. Told are also, for each 1,000 messages, the copies beyond the
// first that left (resent), those of them that the receiver had already
// (needless), the frames lost, and the time from when a message was due to be
// offered to its ack.
func BenchmarkAcknowledgedUnderLoss(b *testing.B) {
	for _, share := range []uint32{0, 100} {
		b.Run(fmt.Sprintf("loss=%d%%", share/100), func(b *testing.B) {
			p := newLossyPair(b)
			p.send(b, offer{0, time.Now()}) // the session stands before anything is lost
			p.loss.share.Store(share)
			p.run(b)
		})
	}
}

// lossyPair is two leaves and what the second got of the first.
type lossyPair struct {
	a, c *Node
	loss lossy

	mu   sync.Mutex // the handler is one goroutine, the benchmark another
	seen []bool     // by number of the message
	got  int
	dup  int
}

// offer is one message that is to be sent.
type offer struct {
	number uint64
	due    time.Time
}

func newLossyPair(b *testing.B) *lossyPair {
	b.Helper()
	p := &lossyPair{}
	start := func(cfg Config) *Node {
		n, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { n.Close() })
		return n
	}
	relay := start(Config{MaxLeaves: 8})
	p.loss.on(relay)
	server := httptest.NewServer(relay)
	b.Cleanup(server.Close)
	leaf := Config{Leaf: true, WebRTC: WebRTCOff, Bootstrap: []string{"ws" + strings.TrimPrefix(server.URL, "http")}}
	p.a, p.c = start(leaf), start(leaf)
	p.c.Handle(HandlerFunc(p.take))
	for _, n := range []*Node{p.a, p.c} {
		if err := n.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return p
}

func (p *lossyPair) take(_ context.Context, m *Message) {
	number := binary.BigEndian.Uint64(m.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	for uint64(len(p.seen)) <= number {
		p.seen = append(p.seen, false)
	}
	if p.seen[number] {
		p.dup++
	}
	p.seen[number] = true
	p.got++
}

// send sends one message and returns how many copies of it left.
func (p *lossyPair) send(b *testing.B, o offer) (copies int) {
	var data [messageSize]byte
	binary.BigEndian.PutUint64(data[:], o.number)
	r, err := p.a.send(b.Context(), 0, Addr{ID: routing.ID(p.c.ID())}, message{kind: wire.PlainMessage, data: data[:]})
	if err != nil {
		b.Errorf("message %d: %v", o.number, err)
	}
	return r.Sent
}

// run offers messages until the time is up and waits for the last one's end.
func (p *lossyPair) run(b *testing.B) {
	offers := make(chan offer, senders)
	took := make([][]time.Duration, senders)
	var copies atomic.Int64
	var wg sync.WaitGroup
	for i := range took {
		wg.Go(func() {
			for o := range offers {
				copies.Add(int64(p.send(b, o)))
				took[i] = append(took[i], time.Since(o.due))
			}
		})
	}
	begin := time.Now()
	n := uint64(0)
	const perStep = offered * uint64(paceStep) / uint64(time.Second)
	for b.Loop() {
		due := begin.Add(time.Duration(n/perStep) * paceStep)
		if n%perStep == 0 {
			time.Sleep(time.Until(due))
		}
		n++
		offers <- offer{n, due}
	}
	close(offers)
	wg.Wait()
	p.report(b, n, int(copies.Load()), time.Since(begin), slices.Concat(took...))
}

func (p *lossyPair) report(b *testing.B, n uint64, copies int, elapsed time.Duration, took []time.Duration) {
	b.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dup > 0 || p.got != int(n)+1 {
		b.Fatalf("delivered: got %d messages, %d of them twice; want %d, none twice", p.got, p.dup, n+1)
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 1e6 }
	b.ReportMetric(float64(n)/elapsed.Seconds(), "acked/s")
	b.ReportMetric(float64(p.dup), "duplicates")
	perThousand := func(k uint64, what string) { b.ReportMetric(1000*float64(k)/float64(n), what+"/1000") }
	perThousand(uint64(copies)-n, "resent")
	perThousand(p.c.drops.Get(reason.Duplicate), "needless")
	perThousand(p.loss.lost.Load(), "lost")
	b.ReportMetric(at(.5), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}
