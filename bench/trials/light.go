package trials

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
)

const (
	lightRate = 500      // messages per second of the light flow
	lightSize = 64       // bytes of each
	floodSize = 1024     // bytes of each message of the flood
	linkRate  = 20000000 // bytes per second of the link behind the relay
	// linger is how long late messages are waited for.
	linger = 500 * time.Millisecond
)

// Light is what a light flow gets that shares a relay's outgoing link with a
// flood from another link.
type Light struct {
	Sent      int     `json:"sent"`
	Delivered float64 `json:"delivered"` // share, 0 to 1
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Flood     float64 `json:"flood_bytes_per_s"` // that arrived beside it
}

// light is one run.
type light struct {
	mesh
	begin   time.Time
	light   *node.Port
	flood   *node.Port
	to      [2]node.Addr // light, flood
	probe   chan struct{}
	mu      sync.Mutex
	delays  []time.Duration
	flooded uint64
}

// MeasureLight runs the two flows for some time.
func MeasureLight(ctx context.Context, run time.Duration) (_ Light, err error) {
	l := &light{begin: time.Now(), probe: make(chan struct{}, 1)}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.open(ctx); err != nil {
		return Light{}, err
	}
	flooding, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { flood(flooding, l.flood, l.to[1], floodSize) })
	sleep(ctx, run/10) // the queues fill
	l.mu.Lock()
	before := l.flooded
	l.mu.Unlock()
	sent, err := l.send(ctx, run)
	l.mu.Lock()
	after := l.flooded
	l.mu.Unlock()
	sleep(ctx, linger)
	return l.result(sent, float64(after-before)/run.Seconds()), errors.Join(err, ctx.Err())
}

func (l *light) open(ctx context.Context) error {
	if err := l.mesh.open(); err != nil {
		return err
	}
	sink, err := l.leaf(linkRate)
	if err != nil {
		return err
	}
	ports := [2]**node.Port{&l.light, &l.flood}
	for i, take := range []func(context.Context, *node.Message){l.arrived, l.drowned} {
		to, err := sink.OpenPort(uint16(i+1), node.HandlerFunc(take))
		if err != nil {
			return err
		}
		l.to[i] = to.Addr()
		source, err := l.leaf(0)
		if err != nil {
			return err
		}
		if *ports[i], err = source.OpenPort(1, ignore); err != nil {
			return err
		}
		first := make([]byte, i+1) // too short to be counted
		if err := probe(ctx, func() error { return (*ports[i]).SendDatagram(l.to[i], first) }, l.probe); err != nil {
			return err
		}
	}
	return nil
}

func (l *light) arrived(_ context.Context, m *node.Message) {
	if len(m.Data) != lightSize {
		poke(l.probe)
		return
	}
	delay := time.Since(l.begin) - time.Duration(binary.BigEndian.Uint64(m.Data))
	l.mu.Lock()
	l.delays = append(l.delays, delay)
	l.mu.Unlock()
}

func (l *light) drowned(_ context.Context, m *node.Message) {
	if len(m.Data) != floodSize {
		poke(l.probe)
		return
	}
	l.mu.Lock()
	l.flooded += floodSize
	l.mu.Unlock()
}

// send is the light flow: what a late wake-up missed is sent at once.
func (l *light) send(ctx context.Context, run time.Duration) (sent int, err error) {
	msg := make([]byte, lightSize)
	start := time.Now()
	for ; time.Since(start) < run && ctx.Err() == nil; sent++ {
		sleep(ctx, time.Until(start.Add(time.Duration(sent)*time.Second/lightRate)))
		binary.BigEndian.PutUint64(msg, uint64(time.Since(l.begin)))
		if err := l.light.SendDatagram(l.to[0], msg); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (l *light) result(sent int, flood float64) Light {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.delays)
	n := len(l.delays)
	if n == 0 || sent == 0 {
		return Light{Sent: sent, Flood: flood}
	}
	at := func(p int) float64 { return float64(l.delays[(n-1)*p/100].Microseconds()) / 1e3 }
	return Light{Sent: sent, Delivered: float64(n) / float64(sent), P50: at(50), P99: at(99), Flood: flood}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
