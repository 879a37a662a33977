// Command dtls-over-mesh has two nodes talk by pion/dtls, as they would over UDP,
// and each proves its ID to the other.
//
//	go run ./examples/dtls-over-mesh
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/pion/dtls/v3"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func main() {
	alice, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 4433)
	check(err)
	defer alice.Close()
	bob, err := dgram.ListenConfig(node.Config{Bootstrap: alice.Node().URLs()}, 0)
	check(err)
	defer bob.Close()
	check(bob.Node().Ready(context.Background()))
	go serve(alice, bob.LocalAddr().(dgram.Addr))

	to := alice.LocalAddr().(dgram.Addr)
	conn, err := dtls.ClientWithOptions(bob, to, proof(bob.Node()), only(to.ID), dtls.WithInsecureSkipVerify(true)) // only verifies
	check(err)
	defer conn.Close()
	_, err = conn.Write([]byte("hello")) // after a handshake
	check(err)
	answer := make([]byte, dgram.MTU)
	n, err := conn.Read(answer)
	check(err)
	fmt.Printf("bob got %q\n", answer[:n])
}

// serve answers one datagram of one client.
func serve(at *dgram.PacketConn, client dgram.Addr) {
	conn, err := dtls.ServerWithOptions(at, client, proof(at.Node()), only(client.ID), dtls.WithClientAuth(dtls.RequireAnyClientCert))
	check(err)
	question := make([]byte, dgram.MTU)
	n, err := conn.Read(question)
	check(err)
	_, err = fmt.Fprintf(conn, "you said %s", question[:n])
	check(err)
}

// proof shows the certificate of a node's ID.
func proof(n *node.Node) dtls.Option {
	cert, err := n.TLSCertificate()
	check(err)
	return dtls.WithCertificates(*cert)
}

// only takes the certificate of one ID.
func only(id routing.ID) dtls.Option {
	return dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 {
			return errors.New("no certificate")
		}
		return node.VerifyTLSCertificate(raw[0], id)
	})
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
