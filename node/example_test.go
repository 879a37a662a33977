package node_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// pair starts a node with a port and one that joins by it.
func pair(ctx context.Context) (alice, bob *node.Node) {
	alice, err := node.New(node.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	bob, err = node.New(node.Config{Bootstrap: alice.URLs()})
	if err != nil {
		log.Fatal(err)
	}
	if err := bob.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	return alice, bob
}

// Two nodes: one takes messages, the other sends one knowing nothing but an ID.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	alice, err := node.New(node.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	alice.Handle(node.HandlerFunc(func(_ context.Context, m *node.Message) {
		fmt.Printf("%s, after %d hop\n", m.Data, m.Hops)
	}))

	bob, err := node.New(node.Config{Bootstrap: alice.URLs()})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	if err := bob.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	if err := bob.Send(ctx, alice.ID(), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_ = alice.Shutdown(ctx) // the handler has returned once the node has ended
	// Output: hello, after 1 hop
}

func ExampleNode_Request() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, bob := pair(ctx)
	defer alice.Close()
	defer bob.Close()

	alice.Handle(node.HandlerFunc(func(ctx context.Context, m *node.Message) {
		_ = m.Reply(ctx, append([]byte("you said "), m.Data...)) // an error: who asked is gone
	}))
	answer, err := bob.Request(ctx, alice.ID(), []byte("hello"))
	fmt.Printf("%s %v\n", answer, err)
	// Output: you said hello <nil>
}

// A message that was not acknowledged ends in an error that says what is known.
func ExampleSendError() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, bob := pair(ctx)
	defer alice.Close()
	defer bob.Close()

	err := bob.Send(ctx, alice.ID(), []byte("is anybody there?")) // alice has no handler
	var failed *node.SendError
	fmt.Println(errors.Is(err, node.ErrNoHandler), errors.As(err, &failed) && failed.Outcome == node.Undelivered)
	// Output: true true
}

// Ports tell the programs of one node apart. A datagram may be lost; over a single
// healthy link it is not.
func ExampleNode_OpenPort() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	alice, bob := pair(ctx)
	defer alice.Close()
	defer bob.Close()

	got := make(chan string, 1)
	at, err := alice.OpenPort(4000, node.HandlerFunc(func(_ context.Context, m *node.Message) {
		got <- fmt.Sprintf("port %d got %q", m.To, m.Data)
	}))
	if err != nil {
		log.Fatal(err)
	}
	from, err := bob.OpenPort(0, node.HandlerFunc(func(context.Context, *node.Message) {})) // 0: a free one
	if err != nil {
		log.Fatal(err)
	}
	if err := from.SendDatagram(at.Addr(), []byte("position 1,2")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	// Output: port 4000 got "position 1,2"
}

func ExampleParseAddr() {
	id, _ := routing.ParseID("a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864")
	fmt.Println(node.Addr{ID: id, Port: 4000})
	addr, err := node.ParseAddr("a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864:4000")
	fmt.Println(addr.Port, addr == node.Addr{ID: id, Port: 4000}, err)
	// Output:
	// a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864:4000
	// 4000 true <nil>
}
