package peermesh

import (
	"context"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/node"
)

// meshLimit bounds the time until all nodes of an idle mesh are linked.
const meshLimit = 30 * time.Second

// Idle implements [harness.Idler]: nodes that will all be linked to each other,
// as few as make the wanted number of links. What a node itself holds is there
// before the links are.
func (System) Idle(links int) (harness.IdleLinks, error) {
	i := new(idle)
	for k := 0; k*(k-1)/2 < links; k++ {
		n, err := node.New(node.Config{Listen: "127.0.0.1:0"})
		if err != nil {
			return nil, err
		}
		i.nodes = append(i.nodes, n)
	}
	return i, nil
}

type idle struct{ nodes []*node.Node }

// Connect implements [harness.IdleLinks]. The links' handshakes and first pings
// are their messages.
func (i *idle) Connect() (ends int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), meshLimit)
	defer cancel()
	var urls []string
	for _, n := range i.nodes {
		for _, u := range urls {
			if err := n.Join(ctx, u); err != nil {
				return 0, err
			}
		}
		urls = append(urls, n.URLs()[0])
	}
	return i.wait(ctx)
}

// wait returns the number of link ends when every node has all others as peers.
func (i *idle) wait(ctx context.Context) (ends int, err error) {
	want := len(i.nodes) * (len(i.nodes) - 1)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ends = 0
		for _, n := range i.nodes {
			ends += len(n.Peers())
		}
		if ends == want {
			return ends, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d link ends: %w", ends, want, ctx.Err())
		case <-tick.C:
		}
	}
}

// Close implements [harness.IdleLinks].
func (i *idle) Close() error { return closeNodes(i.nodes) }
