package mem_test

import (
	"context"
	"fmt"
	"log"
	"net/url"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// Two nodes of one process, without a socket.
func ExampleNetwork() {
	var network mem.Network
	alice, err := node.New(node.Config{MaxLeaves: 8})
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	listener, err := network.Listen("alice", alice.Accept)
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()

	bob, err := node.New(node.Config{
		Leaf:      true,
		Bootstrap: []string{"mem://alice"},
		Dialers:   map[string]transport.Dialer{mem.Scheme: network.Dialer("bob")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	if err := bob.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.Peers()[0].ID == alice.ID(), bob.Peers()[0].Transport)
	// Output: true mem
}

// A pipe that loses what it is told to lose.
func ExampleConn_SetFaults() {
	a, b := mem.Pipe()
	defer a.Close()
	defer b.Close()
	a.SetFaults(mem.Faults{Drop: func(msg []byte) bool { return msg[0] == '2' }})
	for _, text := range []string{"1", "2", "3"} {
		_ = a.Send([]byte(text)) // an error: the pipe is closed
	}
	_ = a.Flush()
	for range 2 {
		msg, err := b.Receive(func() []byte { return make([]byte, 16) })
		fmt.Printf("%s %v\n", msg, err)
	}
	// Output:
	// 1 <nil>
	// 3 <nil>
}

// Names that nobody listens at cannot be dialled.
func ExampleNetwork_Dialer() {
	var network mem.Network
	_, err := network.Dialer("alice").Dial(context.Background(), &url.URL{Scheme: mem.Scheme, Host: "bob"})
	fmt.Println(err)
	// Output: dial mem://bob: connect: nobody listens as "bob"; start that node first
}
