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
	"time"

	"github.com/quic-go/quic-go"

	"github.com/peermesh/peermesh/dgram"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	alice, bob := apart(ctx)
	go func() { check(receive(ctx, alice)) }()
	check(send(ctx, bob, alice.LocalAddr().(dgram.Addr)))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// receive takes one stream and answers with the sum of what came.
func receive(ctx context.Context, at *dgram.PacketConn) error {
	config, err := serverTLS(at.Node().ID(), "sum")
	if err != nil {
		return err
	}
	listener, err := (&quic.Transport{Conn: at}).Listen(config, nil)
	if err != nil {
		return err
	}
	conn, err := listener.Accept(ctx)
	if err != nil {
		return err
	}
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, _ := io.Copy(sum, stream) // an error: then the sums differ
	fmt.Printf("alice got %d bytes\n", n)
	fmt.Fprintf(stream, "%x", sum.Sum(nil))
	return stream.Close()
}

// send sends, and compares the answer.
func send(ctx context.Context, from *dgram.PacketConn, to dgram.Addr) error {
	conn, err := (&quic.Transport{Conn: from}).Dial(ctx, to, clientTLS(to.ID, "sum"), nil)
	if err != nil {
		return err
	}
	defer conn.CloseWithError(0, "")
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(stream, sum), rand.NewChaCha8([32]byte{}), 32<<20); err != nil {
		return err
	}
	stream.Close()
	answer, err := io.ReadAll(stream)
	fmt.Println("bob sees that they are the same:", string(answer) == fmt.Sprintf("%x", sum.Sum(nil)))
	return err
}
