package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"time"

	"github.com/peermesh/peermesh/routing"
)

// serverTLS shows a self-signed certificate for an ID.
func serverTLS(id routing.ID, protocol string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{id.String()}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{protocol},
	}, nil
}

// clientTLS takes the certificate of an ID and no other. Nobody need have signed
// it: the mesh has proven that what comes from an ID's address comes from that ID.
func clientTLS(id routing.ID, protocol string) *tls.Config {
	return &tls.Config{
		ServerName:         id.String(),
		NextProtos:         []string{protocol},
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			return s.PeerCertificates[0].VerifyHostname(id.String())
		},
	}
}
