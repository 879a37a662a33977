package main

import (
	"context"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// apart starts two relays that are linked and, at each of them, a port of a node
// that has no other link. On machines of their own these would be four programs.
func apart(ctx context.Context) (alice, bob *dgram.PacketConn) {
	first, err := node.New(node.Config{Listen: "127.0.0.1:0"})
	check(err)
	second, err := node.New(node.Config{Listen: "127.0.0.1:0", Bootstrap: first.URLs()})
	check(err)
	return join(ctx, first.URLs()), join(ctx, second.URLs())
}

// join starts a node and opens its port 4433.
func join(ctx context.Context, urls []string) *dgram.PacketConn {
	// One home is enough for one that does one thing and goes.
	conn, err := dgram.ListenConfig(node.Config{Leaf: true, Homes: 1, Bootstrap: urls}, 4433)
	check(err)
	check(conn.Node().Ready(ctx))
	return conn
}
