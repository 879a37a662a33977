package dgram

import (
	"crypto/tls"
	"errors"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// ServerTLS is what QUIC, HTTP/3 or TLS over the mesh need to serve at a node's ID:
// it shows [node.Node.TLSCertificate], for the application protocols given. Clients
// check it by [ClientTLS].
//
// Clients are not asked for a certificate. Who a client is tells the address of its
// datagrams, which the mesh has proven; a QUIC connection may move, and its
// RemoteAddr then names the node that has it now.
func ServerTLS(n *node.Node, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		NextProtos:     protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return n.TLSCertificate() },
	}
}

// ClientTLS is the other end of [ServerTLS]: it takes a server that proves to be the
// node with that ID, and no other.
//
// The mesh has proven that a datagram comes from the ID of its address. Yet
// libraries of QUIC find the connection of a datagram by a number in it, not by the
// address, so the address alone does not prove who answers; the certificate does.
// InsecureSkipVerify is set because it has no authority: VerifyConnection checks
// instead that the ID's own key has signed for it, also when a session is resumed.
// Keep both as they are.
func ClientTLS(to routing.ID, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         to.String(),
		NextProtos:         protocols,
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("the server has shown no certificate")
			}
			return node.VerifyTLSCertificate(s.PeerCertificates[0].Raw, to)
		},
	}
}
