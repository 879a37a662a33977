package dgram_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// Two conns, each with a node of its own. All that the second knows of the first
// is a URL to join the mesh by, here its own, and its address.
func Example() {
	server, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := dgram.ListenConfig(node.Config{Bootstrap: server.Node().URLs()}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	// Nothing has to be waited for: this goes once there is a link.
	_, _ = client.WriteTo([]byte("hello"), server.LocalAddr())

	buf := make([]byte, dgram.MTU)
	_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := server.ReadFrom(buf)
	fmt.Printf("%q, from the client: %v, %v\n", buf[:n], from == client.LocalAddr(), err)
	// Output: "hello", from the client: true, <nil>
}

// A port of a node that runs anyway. The address of a far one is parsed from
// what its LocalAddr printed.
func ExampleListen() {
	n, err := node.New(node.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	conn, err := dgram.Listen(n, 53)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close() // the node runs on
	far, err := node.ParseAddr("a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864:53")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = conn.WriteTo([]byte("anybody there?"), far)
	fmt.Println(conn.LocalAddr().(dgram.Addr).Port, far, err)
	// Output: 53 a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864:53 <nil>
}

// Why nothing comes: the node tells what WriteTo, as on UDP, does not.
func ExamplePacketConn_Node() {
	conn, err := dgram.ListenConfig(node.Config{Bootstrap: []string{"ws://127.0.0.1:1"}}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fmt.Println("ready:", conn.Node().Ready(ctx) == nil)
	// Output: ready: false
}

// HTTPS to an ID: the URL has no address of a machine in it, and the certificate
// proves the ID.
func ExampleServerTLS() {
	alice, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 443)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	server := &http3.Server{
		TLSConfig: dgram.ServerTLS(alice.Node(), http3.NextProtoH3),
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") }),
	}
	defer server.Close()
	go server.Serve(alice) // ends with Close

	bob, err := dgram.ListenConfig(node.Config{Bootstrap: alice.Node().URLs()}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()
	socket, to := &quic.Transport{Conn: bob}, alice.LocalAddr().(dgram.Addr)
	defer socket.Close()
	browser := &http.Client{Transport: &http3.Transport{
		TLSClientConfig: dgram.ClientTLS(to.ID, http3.NextProtoH3),
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return socket.DialEarly(ctx, to, tlsConfig, config)
		},
	}}
	page, err := browser.Get("https://" + to.String() + "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	fmt.Printf("%s by %s, %v\n", text, page.Proto, err)
	// Output: a page by HTTP/3.0, <nil>
}
