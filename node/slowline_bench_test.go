package node

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/routing"
)

// The line of BenchmarkLightBesideFlood: 1 Mbit/s in packets, of which it holds 50.
const (
	linePacket = 1_500
	linePause  = 12 * time.Millisecond // a packet of 1,500 bytes at 1 Mbit/s
	lineHolds  = 50
)

// BenchmarkLightBesideFlood sends a light flow, 20 datagrams of 500 bytes a second,
// beside a flood of datagrams of 8,000 bytes, from two leaves over a relay to a third.
// The third has a proxy before the relay that lets 1 Mbit/s through and takes what its
// sockets take: the relay's kernel sees a fast line. Told are the share of the light
// flow that arrives, and how long it takes.
func BenchmarkLightBesideFlood(b *testing.B) {
	start := func(cfg Config) *Node {
		cfg.WebRTC = WebRTCOff
		n, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { n.Close() })
		return n
	}
	relay := start(Config{MaxLeaves: 8})
	server := httptest.NewServer(relay)
	b.Cleanup(server.Close)
	at := strings.TrimPrefix(server.URL, "http://")
	leaf := func(at string) *Node {
		n := start(Config{Leaf: true, Bootstrap: []string{"ws://" + at}})
		if err := n.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		return n
	}
	flood, light, receiver := leaf(at), leaf(at), leaf(throttled(b, at))
	var mu sync.Mutex
	var took []time.Duration
	receiver.Handle(HandlerFunc(func(_ context.Context, m *Message) {
		if len(m.Data) != 500 {
			return
		}
		var sent time.Time
		if sent.UnmarshalBinary(m.Data[:15]) == nil {
			mu.Lock()
			took = append(took, time.Since(sent))
			mu.Unlock()
		}
	}))
	to := routing.ID(receiver.ID())
	for _, n := range []*Node{flood, light} {
		if err := n.Send(b.Context(), to, []byte("hello")); err != nil {
			b.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for each := time.NewTicker(20 * time.Millisecond); ; <-each.C { // three times the line
			select {
			case <-stop:
				return
			default:
				_ = flood.SendDatagram(to, make([]byte, 8_000))
			}
		}
	})
	time.Sleep(3 * time.Second)
	b.ResetTimer()
	sent := 0
	for b.Loop() {
		data, _ := time.Now().MarshalBinary()
		if light.SendDatagram(to, append(data, make([]byte, 500-len(data))...)) == nil {
			sent++
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(time.Second)
	close(stop)
	flooding.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(took) == 0 {
		b.Fatal("nothing of the light flow has arrived")
	}
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/float64(sent), "arrived")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "p99-ms")
	for _, p := range relay.Peers() {
		if p.Slow {
			b.ReportMetric(float64(p.LineRate)/1000, "line-kB/s")
			b.ReportMetric(float64(p.LineLimit)/1000, "limit-kB")
		}
	}
}

// throttled is the address of a proxy before another one. What comes from there goes
// on at the rate of the line.
func throttled(b *testing.B, to string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			go func() { _, _ = io.Copy(up, c); up.Close() }()
			go crossLine(c, up)
		}
	}()
	return l.Addr().String()
}

func crossLine(to, from net.Conn) {
	packets := make(chan []byte, lineHolds)
	go func() {
		defer close(packets)
		for {
			p := make([]byte, linePacket)
			n, err := from.Read(p)
			if err != nil {
				return
			}
			packets <- p[:n]
		}
	}()
	free := time.Now()
	for p := range packets {
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(linePause * time.Duration(len(p)) / linePacket)
		time.Sleep(time.Until(free))
		if _, err := to.Write(p); err != nil {
			from.Close()
		}
	}
	to.Close()
}
