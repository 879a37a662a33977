package main

import (
	"context"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// apart starts two relays and, at each of them, a port of a node that has no other
// link. On machines of their own these would be four programs.
func apart(ctx context.Context) (alice, bob *dgram.PacketConn, stop func(), err error) {
	var started []interface{ Close() error }
	stop = func() {
		for _, s := range started {
			s.Close()
		}
	}
	var ends []*dgram.PacketConn
	var urls []string // of the relay before
	for range 2 {
		relay, err := node.New(node.Config{Listen: "127.0.0.1:0", Bootstrap: urls})
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		started, urls = append(started, relay), relay.URLs()
		end, err := join(ctx, urls)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		started, ends = append(started, end), append(ends, end)
	}
	return ends[0], ends[1], stop, nil
}

// join starts a node and opens its port 4433.
func join(ctx context.Context, urls []string) (*dgram.PacketConn, error) {
	// One home is enough for one that does one thing and goes.
	conn, err := dgram.ListenConfig(node.Config{Leaf: true, Homes: 1, Bootstrap: urls}, 4433)
	if err != nil {
		return nil, err
	}
	if err := conn.Node().Ready(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
