// Command udp-echo is an echo server and its client as one writes them for UDP.
// It runs them twice: over UDP, and over a mesh, where a node's ID stands for the
// IP address. Only the two constructors differ.
//
//	go run ./examples/udp-echo
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// serve sends each datagram back to where it came from, until conn is closed.
func serve(conn net.PacketConn) {
	buf := make([]byte, dgram.MTU)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buf[:n], from)
	}
}

// ask sends a datagram until an answer comes: any of them may be lost.
func ask(conn net.PacketConn, server net.Addr, question string) (string, error) {
	buf := make([]byte, dgram.MTU)
	var err error
	for range 5 {
		if _, err = conn.WriteTo([]byte(question), server); err != nil {
			return "", err
		}
		var n int
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, _, err = conn.ReadFrom(buf); err == nil {
			return string(buf[:n]), nil
		}
	}
	return "", err
}

func run(server, client net.PacketConn) error {
	defer server.Close()
	defer client.Close()
	go serve(server)
	answer, err := ask(client, server.LocalAddr(), "hello")
	fmt.Printf("%s: got %q back\n", server.LocalAddr().Network(), answer)
	return err
}

func main() {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	exitOn(err)
	client, err := net.ListenPacket("udp", "127.0.0.1:0")
	exitOn(err)
	exitOn(run(server, client))

	first, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 7)
	exitOn(err)
	second, err := dgram.ListenConfig(node.Config{Bootstrap: first.Node().URLs()}, 0)
	exitOn(err)
	exitOn(run(first, second))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
