package trials

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/peermesh/peermesh/node"
)

// readyLimit bounds the time until a node is reachable.
const readyLimit = 10 * time.Second

// mesh is one relay with leaves. The zero value is ready; a failed one has to be
// closed too.
type mesh struct {
	relay     *node.Node
	nodes     []*node.Node // the relay first
	throttles []*throttle
}

func (m *mesh) open() (err error) {
	m.relay, err = m.start(node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff})
	return err
}

func (m *mesh) start(c node.Config) (*node.Node, error) {
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	m.nodes = append(m.nodes, n)
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	return n, n.Ready(ctx)
}

// leaf starts an end. What the relay sends it has a bounded rate in bytes per
// second, unless that is 0.
func (m *mesh) leaf(rate int) (*node.Node, error) {
	at := m.relay.URLs()[0]
	if rate > 0 {
		u, err := url.Parse(at)
		if err != nil {
			return nil, err
		}
		t, err := newThrottle(u.Host, rate)
		if err != nil {
			return nil, err
		}
		m.throttles = append(m.throttles, t)
		u.Host = t.listener.Addr().String()
		at = u.String()
	}
	return m.start(node.Config{Leaf: true, WebRTC: node.WebRTCOff, MaxPeers: 1, Homes: 1, Bootstrap: []string{at}})
}

// close ends the leaves before their relay.
func (m *mesh) close() error {
	var err error
	for i := len(m.nodes) - 1; i >= 0; i-- {
		err = errors.Join(err, m.nodes[i].Close())
	}
	for _, t := range m.throttles {
		t.close()
	}
	return err
}

// ignore is the handler of a port that only sends.
var ignore = node.HandlerFunc(func(context.Context, *node.Message) {})

// probe sends datagrams until one has arrived.
func probe(ctx context.Context, send func() error, arrived <-chan struct{}) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := send(); err != nil && !errors.Is(err, node.ErrQueueFull) {
			return err
		}
		select {
		case <-arrived:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// flood sends datagrams until ctx ends, waiting for room as a PacketConn does.
func flood(ctx context.Context, from *node.Port, to node.Addr, size int) (sent uint64) {
	msg := make([]byte, size)
	for ; ctx.Err() == nil; sent++ {
		if err := from.SendDatagramWithin(to, msg, sendWait); err != nil && !errors.Is(err, node.ErrQueueFull) {
			return sent
		}
	}
	return sent
}

// sendWait is how long a send waits for room, the default of the project's
// PacketConn.
const sendWait = 50 * time.Millisecond
