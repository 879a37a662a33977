// Package greeter is a small service on a mesh. Its test shows how to test one:
// real nodes in one process, some of which die.
//
//	go test ./examples/testnet-in-your-test
package greeter

import (
	"context"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// Serve makes n greet whoever asks.
func Serve(n *node.Node) {
	n.Handle(node.HandlerFunc(func(ctx context.Context, m *node.Message) {
		if m.WantsReply() {
			_ = m.Reply(ctx, append([]byte("hello, "), m.Data...)) // an error: who asked is gone
		}
	}))
}

// Greet asks the node with that ID for a greeting.
func Greet(ctx context.Context, n *node.Node, id routing.ID, name string) (string, error) {
	greeting, err := n.Request(ctx, id, []byte(name))
	return string(greeting), err
}
