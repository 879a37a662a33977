package peermesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/node"
)

// Direct is the node with a link over WebRTC between A and C, which have no port
// and signalled it through a relay each: [harness.Options.Relays] is not read.
type Direct struct{}

// Name implements [harness.System].
func (Direct) Name() string { return "peermesh over WebRTC" }

// Open implements [harness.System].
func (Direct) Open(o harness.Options) (harness.Path, error) {
	p := &path{links: 1}
	err := p.line(1)
	if err == nil {
		url := p.nodes[0].URLs()[0]
		p.a, err = p.leaf(url, node.WebRTCOn, o.AtA)
		if err == nil {
			p.c, err = p.leaf(url, node.WebRTCOn, o.AtC)
		}
	}
	if err == nil {
		err = p.connect()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// line starts relays, each joined to the one before.
func (p *path) line(relays int) error {
	var urls []string
	for i := range relays {
		relay, err := p.start(node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, Bootstrap: urls[max(0, i-1):]})
		if err != nil {
			return err
		}
		urls = append(urls, relay.URLs()[0])
	}
	return nil
}

// connect links the two last nodes over WebRTC.
func (p *path) connect() error {
	a, c := p.nodes[len(p.nodes)-2], p.nodes[len(p.nodes)-1]
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	if err := a.Connect(ctx, c.ID()); err != nil {
		return err
	}
	if !slices.ContainsFunc(a.Peers(), func(p node.PeerInfo) bool { return p.ID == c.ID() && p.Transport == "webrtc" }) {
		return errors.New("the link is not one over WebRTC")
	}
	return nil
}

// Connect measures how long a Connect takes, of fresh pairs of nodes that reach
// each other through so many relays, one after the other.
func Connect(ctx context.Context, relays, pairs int) (times []time.Duration, err error) {
	p := new(path)
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.line(relays); err != nil {
		return nil, err
	}
	for range pairs {
		if ctx.Err() != nil {
			return times, ctx.Err()
		}
		took, err := p.fresh(p.nodes[0].URLs()[0], p.nodes[relays-1].URLs()[0])
		if err != nil {
			return times, fmt.Errorf("connect through %d relays: %w", relays, err)
		}
		times = append(times, took)
	}
	return times, nil
}

// fresh starts a pair, links it, and ends it.
func (p *path) fresh(first, last string) (took time.Duration, err error) {
	running := len(p.nodes)
	ignore := func([]byte) {}
	if p.a, err = p.leaf(first, node.WebRTCOn, ignore); err == nil {
		p.c, err = p.leaf(last, node.WebRTCOn, ignore)
	}
	if err == nil {
		begun := time.Now()
		err = p.connect()
		took = time.Since(begun)
	}
	err = errors.Join(err, closeNodes(p.nodes[running:]))
	p.nodes = p.nodes[:running]
	return took, err
}

// Idle implements [harness.Idler]: pairs of nodes with relays' links, to which
// the links over WebRTC come.
func (Direct) Idle(links int) (harness.IdleLinks, error) {
	i := &idleDirect{path: new(path)}
	err := i.line(1)
	for range 2 * links {
		if err != nil {
			break
		}
		_, err = i.leaf(i.nodes[0].URLs()[0], node.WebRTCOn, func([]byte) {})
	}
	if err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

type idleDirect struct{ *path }

// Connect implements [harness.IdleLinks].
func (i *idleDirect) Connect() (ends int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), meshLimit)
	defer cancel()
	for k := 1; k < len(i.nodes); k += 2 {
		if err := i.nodes[k].Connect(ctx, i.nodes[k+1].ID()); err != nil {
			return 0, err
		}
	}
	return len(i.nodes) - 1, nil
}
