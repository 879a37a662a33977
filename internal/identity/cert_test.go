package identity

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// static is the Noise key that the certificates of the tests are for.
var static = StaticFromPrivate([32]byte{1, 2, 3}).Public

// certify returns the bytes of a certificate of i for static.
func certify(i *Identity, at time.Time) []byte {
	c := i.Certify(static, at)
	return wire.AppendCert(nil, &c)
}

func TestVerifyCert(t *testing.T) {
	alice, bob := seeded(1), seeded(2)
	good := certify(alice, now)
	flipped := func(i int) []byte {
		b := certify(alice, now)
		b[i] ^= 1
		return b
	}
	const life, tolerance = limits.CertLife, limits.ClockTolerance
	tests := []struct {
		name   string
		cert   []byte
		static [32]byte
		want   wire.ID
		at     time.Time
		err    error
	}{
		{"anybody", good, static, wire.ID{}, now, nil},
		{"the one asked for", good, static, alice.ID(), now, nil},
		{"right signature, wrong ID", good, static, bob.ID(), now, ErrWrongID},
		{"another's static key", good, StaticFromPrivate([32]byte{9}).Public, alice.ID(), now, ErrBadSignature},
		{"at its end", good, static, alice.ID(), now.Add(life), nil},
		{"at the end of the tolerance", good, static, alice.ID(), now.Add(life + tolerance), nil},
		{"expired", good, static, alice.ID(), now.Add(life + tolerance + time.Second), ErrCertExpired},
		{"signer's clock ahead", good, static, alice.ID(), now.Add(-tolerance), nil},
		{"signer's clock far ahead", good, static, alice.ID(), now.Add(-tolerance - time.Second), ErrCertFuture},
		{"signature forged", flipped(wire.CertLen - 1), static, wire.ID{}, now, ErrBadSignature},
		{"life forged", flipped(36), static, wire.ID{}, now, ErrBadSignature},
		{"key exchanged", flipped(1), static, wire.ID{}, now, ErrBadSignature},
		{"key exchanged, ID asked for", flipped(1), static, alice.ID(), now, ErrWrongID},
		{"version forged", flipped(0), static, wire.ID{}, now, wire.ErrVersion},
		{"cut", good[:wire.CertLen-1], static, wire.ID{}, now, wire.ErrShort},
		{"too long", append(certify(alice, now), 0), static, wire.ID{}, now, wire.ErrTrailing},
		{"none", nil, static, wire.ID{}, now, wire.ErrShort},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id, public, err := VerifyCert(test.cert, test.static, test.want, test.at)
			if !errors.Is(err, test.err) {
				t.Fatalf("got error %v, want %v", err, test.err)
			}
			wantID, wantPublic := alice.ID(), alice.Public()
			if test.err != nil {
				wantID, wantPublic = wire.ID{}, [32]byte{}
			}
			if id != wantID || public != wantPublic {
				t.Errorf("got ID %x and key %x, want %x and %x", id, public, wantID, wantPublic)
			}
		})
	}
}

// TestCertOfAnotherLabel: a signature over the same bytes for another purpose
// is not a certificate.
func TestCertOfAnotherLabel(t *testing.T) {
	alice := seeded(1)
	c := alice.Certify(static, now)
	for _, label := range []string{"", "peermesh-dtls-v1", "peermesh-contact-v1", "peermesh-noise-v2"} {
		c.Sig = alice.sign(c.SignedPart(label, static))
		if _, _, err := VerifyCert(wire.AppendCert(nil, &c), static, alice.ID(), now); !errors.Is(err, ErrBadSignature) {
			t.Errorf("label %q: got %v, want %v", label, err, ErrBadSignature)
		}
	}
}

// TestCertAtTheEdgeOfTime: a clock before 1970 or beyond 32 bits does not wrap.
func TestCertAtTheEdgeOfTime(t *testing.T) {
	alice := seeded(1)
	for _, at := range []time.Time{{}, time.Unix(1<<33, 0)} {
		if _, _, err := VerifyCert(certify(alice, at), static, alice.ID(), now); err == nil {
			t.Errorf("made at %v: got no error, want one", at)
		}
	}
}

// What one label signs is nothing under the other.
func TestCertificatesAreForOneUse(t *testing.T) {
	alice := seeded(1)
	forTLS := alice.CertifyTLS(static, now)
	b := wire.AppendCert(nil, &forTLS)
	if id, _, err := VerifyTLS(b, static, alice.ID(), now); err != nil || id != alice.ID() {
		t.Errorf("for TLS: got %x and %v, want %x", id, err, alice.ID())
	}
	if _, _, err := VerifyCert(b, static, alice.ID(), now); !errors.Is(err, ErrBadSignature) {
		t.Errorf("one for TLS, for Noise: got %v, want %v", err, ErrBadSignature)
	}
	if _, _, err := VerifyTLS(certify(alice, now), static, alice.ID(), now); !errors.Is(err, ErrBadSignature) {
		t.Errorf("one for Noise, for TLS: got %v, want %v", err, ErrBadSignature)
	}
}
