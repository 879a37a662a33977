package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// tlsScheme is that of the URI in a TLS certificate which holds the proof of the ID.
const tlsScheme = "peermesh"

// tlsCredentials are the node's key for TLS and its certificate.
type tlsCredentials struct {
	mu   sync.Mutex
	cert *tls.Certificate // nil: nobody has asked yet; else never changed in place
	life halfLife
}

// TLSCertificate returns a certificate for this node's ID, with which programs that
// speak TLS, QUIC or DTLS over the mesh prove who they are; see
// [VerifyTLSCertificate] for the other end.
//
// The certificate has a key of its own (ECDSA on P-256) and a proof, signed with the
// node's identity key, that the key is the node's. No authority signs it, and the
// identity key never signs what TLS or a peer has chosen. It is valid for 24 hours
// and made anew at half of that, so a server should ask for it at each handshake, as
// [tls.Config.GetCertificate] does, which takes no more than a lock. It must not be
// changed. The error is one of the system's randomness.
func (n *Node) TLSCertificate() (*tls.Certificate, error) {
	c, now := &n.tlsCreds, time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.life.over(now, limits.CertLife) {
		return c.cert, nil
	}
	cert, err := newTLSCertificate(n.creds.identity, now)
	if err != nil {
		c.life = halfLife{} // the next call tries again
		return nil, fmt.Errorf("tls certificate: %w", err)
	}
	c.cert = cert
	return cert, nil
}

func newTLSCertificate(id *identity.Identity, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	proof := id.CertifyTLS(sha256.Sum256(spki), now)
	text := base64.RawURLEncoding.EncodeToString(wire.AppendCert(nil, &proof))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), // there is no authority that counts
		DNSNames:     []string{id.String()},
		URIs:         []*url.URL{{Scheme: tlsScheme, Opaque: text}},
		NotBefore:    now.Add(-limits.ClockTolerance),
		NotAfter:     now.Add(limits.CertLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ErrTLSCertificate is why a certificate does not prove an ID; the error that
// wraps it says more.
var ErrTLSCertificate = errors.New("the certificate does not prove the ID")

// VerifyTLSCertificate checks that a certificate in DER, the first that the other end
// showed, was made by [Node.TLSCertificate] of the node with that ID, and is valid
// now. TLS has proven that the other end has the certificate's key; with the proof
// in it, the other end is that node. It is enough by itself: there is no chain, and
// nothing else in the certificate says who made it. The error is an
// [ErrTLSCertificate].
func VerifyTLSCertificate(der []byte, id routing.ID) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrTLSCertificate, id.Short(), err)
	}
	for _, uri := range cert.URIs {
		if uri.Scheme != tlsScheme {
			continue
		}
		if err = verifyTLSProof(uri.Opaque, cert.RawSubjectPublicKeyInfo, id); err != nil {
			return fmt.Errorf("%w %s: %w", ErrTLSCertificate, id.Short(), err)
		}
		return nil
	}
	return fmt.Errorf("%w %s: it has no proof in it", ErrTLSCertificate, id.Short())
}

func verifyTLSProof(text string, spki []byte, id routing.ID) error {
	proof, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	if id.IsZero() {
		return identity.ErrWrongID // which Verify takes for any
	}
	_, _, err = identity.VerifyTLS(proof, sha256.Sum256(spki), wire.ID(id), time.Now())
	return err
}
