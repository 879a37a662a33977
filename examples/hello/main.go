// Command hello runs two nodes in one program: one asks, the other answers.
//
//	go run ./examples/hello
//
// Between two machines it is the same: the second node needs the URL of the
// first, and whoever sends needs the ID of whoever is meant.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/peermesh/peermesh/node"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	// The first node has a port, so that others can join by its URL. Port 0
	// takes a free one.
	alice, err := node.New(node.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer alice.Close()
	alice.Handle(node.HandlerFunc(func(ctx context.Context, m *node.Message) {
		fmt.Printf("alice got %q\n", m.Data)
		if m.WantsReply() {
			_ = m.Reply(ctx, append([]byte("you said "), m.Data...)) // an error: who asked is gone
		}
	}))

	// The second node has none. It joins the mesh by the first.
	bob, err := node.New(node.Config{Bootstrap: alice.URLs()})
	if err != nil {
		return err
	}
	defer bob.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := bob.Ready(ctx); err != nil {
		return err
	}

	// All that bob knows of alice from here on is her ID.
	if err := bob.Send(ctx, alice.ID(), []byte("hello")); err != nil {
		return err
	}
	answer, err := bob.Request(ctx, alice.ID(), []byte("hello again"))
	if err != nil {
		return err
	}
	fmt.Printf("bob got %q\n", answer)
	return nil
}
