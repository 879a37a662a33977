// Package peermesh is the project's own node: A and C are leaves with one link
// each, the relays are nodes with a port. Messages are datagrams, sealed end to
// end and on each link.
package peermesh

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/node"
)

const (
	// port is the port that both ends open.
	port = 1
	// sendWait is how long a send waits for room, the default of the project's
	// PacketConn.
	sendWait = 50 * time.Millisecond
	// readyLimit bounds the time until a node is reachable.
	readyLimit = 10 * time.Second
)

// System is the peermesh node.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "peermesh" }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	p := &path{links: o.Relays + 1}
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type path struct {
	nodes []*node.Node
	a, c  *node.Port
	links int          // between A and C
	hops  atomic.Int64 // of a message that came another way, 0 if none did
}

// open starts the relays, each joined to the one before, then the ends.
func (p *path) open(o harness.Options) error {
	var urls []string
	for i := range o.Relays {
		relay, err := p.start(node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, Bootstrap: urls[max(0, i-1):]})
		if err != nil {
			return err
		}
		urls = append(urls, relay.URLs()[0])
	}
	first, err := url.Parse(urls[0])
	if err != nil {
		return err
	}
	if first.Host, err = o.Dial(first.Host); err != nil {
		return err
	}
	if p.a, err = p.leaf(first.String(), node.WebRTCOff, o.AtA); err != nil {
		return err
	}
	p.c, err = p.leaf(urls[len(urls)-1], node.WebRTCOff, o.AtC)
	return err
}

func (p *path) start(c node.Config) (*node.Node, error) {
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	p.nodes = append(p.nodes, n)
	return n, nil
}

// leaf starts an end with a link to one relay only. What goes by relays must not
// get a link of its own.
func (p *path) leaf(url string, use node.WebRTCUse, deliver harness.Handler) (*node.Port, error) {
	n, err := p.start(node.Config{Leaf: true, WebRTC: use, MaxPeers: 1, Bootstrap: []string{url}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return nil, fmt.Errorf("ready: %w", err)
	}
	return n.OpenPort(port, node.HandlerFunc(func(_ context.Context, m *node.Message) {
		if m.Hops != p.links {
			p.hops.Store(int64(m.Hops))
		}
		deliver(m.Data)
	}))
}

func (p *path) SendToC(msg []byte) error { return p.send(p.a, p.c, msg) }
func (p *path) SendToA(msg []byte) error { return p.send(p.c, p.a, msg) }

func (p *path) send(from, to *node.Port, msg []byte) error {
	if hops := p.hops.Load(); hops != 0 {
		return fmt.Errorf("a message took %d hops, want %d", hops, p.links)
	}
	err := from.SendDatagramWithin(to.Addr(), msg, sendWait)
	if errors.Is(err, node.ErrQueueFull) {
		return harness.ErrDropped
	}
	return err
}

func (p *path) Close() error { return closeNodes(p.nodes) }

// closeNodes closes the last one first, so that ends go before their relays.
func closeNodes(nodes []*node.Node) error {
	var err error
	for i := len(nodes) - 1; i >= 0; i-- {
		err = errors.Join(err, nodes[i].Close())
	}
	return err
}
