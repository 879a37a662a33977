package identity

import (
	"math"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// What a certificate signs begins with one of these: of a Noise static key, and of
// a key that TLS uses.
const (
	certLabel = "peermesh-noise-v1"
	tlsLabel  = "peermesh-tls-v1"
)

// Certify binds a Noise static key to i for limits.CertLife from now on. The
// owner renews it at half-life.
//
// The signature covers "peermesh-noise-v1" ‖ version u8 ‖ static key 32 ‖ not
// after u32.
func (i *Identity) Certify(static [32]byte, now time.Time) wire.Cert {
	return i.certify(certLabel, static, now)
}

// CertifyTLS is Certify for the key of a TLS certificate: spki is the SHA-256 of
// its SubjectPublicKeyInfo, and the label "peermesh-tls-v1".
func (i *Identity) CertifyTLS(spki [32]byte, now time.Time) wire.Cert {
	return i.certify(tlsLabel, spki, now)
}

func (i *Identity) certify(label string, key [32]byte, now time.Time) wire.Cert {
	c := wire.Cert{Version: wire.Version, Public: i.public, NotAfter: unixSeconds(now.Add(limits.CertLife))}
	c.Sig = i.sign(c.SignedPart(label, key))
	return c
}

// VerifyCert checks that cert, of wire.CertLen bytes, binds static to an
// identity whose ID is want (the zero ID: any) at the time now, give or take
// limits.ClockTolerance. It returns that ID and the identity key.
//
// Errors: those of wire.ParseCert and of Verify, ErrCertExpired, and
// ErrCertFuture when the certificate lives longer than limits.CertLife from now.
// On an error ID and key are zero.
func VerifyCert(cert []byte, static [32]byte, want wire.ID, now time.Time) (id wire.ID, public [32]byte, err error) {
	return verifyCert(certLabel, cert, static, want, now)
}

// VerifyTLS is VerifyCert for what CertifyTLS made.
func VerifyTLS(cert []byte, spki [32]byte, want wire.ID, now time.Time) (id wire.ID, public [32]byte, err error) {
	return verifyCert(tlsLabel, cert, spki, want, now)
}

func verifyCert(label string, cert []byte, key [32]byte, want wire.ID, now time.Time) (id wire.ID, public [32]byte, err error) {
	c, err := wire.ParseCert(cert)
	if err != nil {
		return id, public, err
	}
	if err := checkCertTime(c.NotAfter, now); err != nil {
		return id, public, err
	}
	if id, err = Verify(c.Public, want, c.SignedPart(label, key), c.Sig); err != nil {
		return id, public, err
	}
	return id, c.Public, nil
}

func checkCertTime(notAfter uint32, now time.Time) error {
	left := time.Unix(int64(notAfter), 0).Sub(now)
	switch {
	case left < -limits.ClockTolerance:
		return ErrCertExpired
	case left > limits.CertLife+limits.ClockTolerance:
		return ErrCertFuture
	}
	return nil
}

// unixSeconds returns t as the wire has it, held within the 32 bits.
func unixSeconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}
