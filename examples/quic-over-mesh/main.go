// Command quic-over-mesh sends 32 MiB by QUIC to a node of which it knows nothing
// but the ID, over two relays: each end is linked with one of them alone.
//
//	go run ./examples/quic-over-mesh
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/quic-go/quic-go"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

func main() { // on machines of their own these would be four programs
	ctx := context.Background()
	first, err := node.New(node.Config{Listen: "127.0.0.1:0"})
	check(err)
	second, err := node.New(node.Config{Listen: "127.0.0.1:0", Bootstrap: first.URLs()})
	check(err)
	alice, bob := join(ctx, first.URLs()), join(ctx, second.URLs())
	go receive(ctx, alice)
	send(ctx, bob, alice.LocalAddr().(dgram.Addr))
}

// join starts a node that has no other link, and opens its port 4433.
func join(ctx context.Context, urls []string) *dgram.PacketConn {
	// One home is enough for one that does one thing and goes.
	conn, err := dgram.ListenConfig(node.Config{Leaf: true, Homes: 1, Bootstrap: urls}, 4433)
	check(err)
	check(conn.Node().Ready(ctx))
	return conn
}

// receive takes one stream and answers with the sum of what came.
func receive(ctx context.Context, at *dgram.PacketConn) {
	listener, err := (&quic.Transport{Conn: at}).Listen(dgram.ServerTLS(at.Node(), "sum"), nil)
	check(err)
	conn, err := listener.Accept(ctx)
	check(err)
	stream, err := conn.AcceptStream(ctx)
	check(err)
	sum := sha256.New()
	n, _ := io.Copy(sum, stream) // an error: then the sums differ
	fmt.Printf("alice got %d bytes\n", n)
	fmt.Fprintf(stream, "%x", sum.Sum(nil))
	check(stream.Close())
}

// send sends, and compares the answer.
func send(ctx context.Context, from *dgram.PacketConn, to dgram.Addr) {
	conn, err := (&quic.Transport{Conn: from}).Dial(ctx, to, dgram.ClientTLS(to.ID, "sum"), nil)
	check(err)
	stream, err := conn.OpenStreamSync(ctx)
	check(err)
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(stream, sum), rand.NewChaCha8([32]byte{}), 32<<20)
	check(err)
	check(stream.Close())
	answer, err := io.ReadAll(stream)
	check(err)
	fmt.Println("bob sees that they are the same:", string(answer) == fmt.Sprintf("%x", sum.Sum(nil)))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
