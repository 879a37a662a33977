// Command http-over-mesh serves pages by HTTP/3 at an ID, and gets one: the URL
// is https://<ID>:<port>/, and no address of any machine is in it.
//
//	go run ./examples/http-over-mesh
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	alice, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 443)
	if err != nil {
		return err
	}
	defer alice.Close()
	config := dgram.ServerTLS(alice.Node(), http3.NextProtoH3) // proves her ID
	server := &http3.Server{TLSConfig: config, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "a page of alice's, by %s", r.Proto) // r.RemoteAddr is who asks: an ID and a port
	})}
	defer server.Close()
	go server.Serve(alice) // ends with Close

	bob, err := dgram.ListenConfig(node.Config{Bootstrap: alice.Node().URLs(), Leaf: true}, 0)
	if err != nil {
		return err
	}
	defer bob.Close()
	if err := bob.Node().Ready(context.Background()); err != nil {
		return err
	}
	browser := &http.Client{Transport: over(bob, alice.LocalAddr().(dgram.Addr))}
	page, err := browser.Get("https://" + alice.LocalAddr().String() + "/")
	if err != nil {
		return err
	}
	text, err := io.ReadAll(page.Body)
	fmt.Printf("bob reads %q\n", text)
	return err
}

// over carries the requests to one node from a port.
func over(from *dgram.PacketConn, to dgram.Addr) http.RoundTripper {
	socket := &quic.Transport{Conn: from}
	return &http3.Transport{
		TLSClientConfig: dgram.ClientTLS(to.ID, http3.NextProtoH3),
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return socket.DialEarly(ctx, to, tlsConfig, config)
		},
	}
}
