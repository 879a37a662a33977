package node

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// forge makes a certificate with a key of its own and a URI: what anybody can.
func forge(t *testing.T, uri func(spki [32]byte) string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	if text := uri(sha256.Sum256(spki)); text != "" {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func proofText(c wire.Cert) string {
	return tlsScheme + ":" + base64.RawURLEncoding.EncodeToString(wire.AppendCert(nil, &c))
}

func TestTLSCertificateProvesTheID(t *testing.T) {
	n := (&mesh{t: t}).start("a", Config{})
	cert, err := n.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	der := cert.Certificate[0]
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id, signer := n.ID(), n.creds.identity
	other, err := identity.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		der []byte
		id  routing.ID
		err error // nil: any
	}{
		"of another ID":        {der, routing.ID(other.ID()), identity.ErrWrongID},
		"of the zero ID":       {der, routing.ID{}, identity.ErrWrongID},
		"no certificate":       {[]byte("none"), id, nil},
		"without a proof":      {forge(t, func([32]byte) string { return "" }), id, nil},
		"with another URI":     {forge(t, func([32]byte) string { return "spiffe:x" }), id, nil},
		"with a proof of junk": {forge(t, func([32]byte) string { return tlsScheme + ":!" }), id, nil},
		"with a short proof":   {forge(t, func([32]byte) string { return tlsScheme + ":AAAA" }), id, nil},
		"the proof of another key": {forge(t, func([32]byte) string {
			return parsed.URIs[0].String()
		}), id, identity.ErrBadSignature},
		"signed by another ID": {forge(t, func(spki [32]byte) string {
			return proofText(other.CertifyTLS(spki, time.Now()))
		}), id, identity.ErrWrongID},
		"signed as a key for links": {forge(t, func(spki [32]byte) string {
			return proofText(signer.Certify(spki, time.Now()))
		}), id, identity.ErrBadSignature},
	} {
		err := VerifyTLSCertificate(test.der, test.id)
		if !errors.Is(err, ErrTLSCertificate) || test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("%s: got %v, want %v", name, err, test.err)
		}
	}
	if err := VerifyTLSCertificate(der, id); err != nil {
		t.Errorf("its own: got %v", err)
	}
}

func TestTLSCertificateIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := (&mesh{t: t}).start("a", Config{})
		der := func() []byte {
			cert, err := n.TLSCertificate()
			if err != nil {
				t.Fatal(err)
			}
			return cert.Certificate[0]
		}
		first := der()
		time.Sleep(11 * time.Hour)
		if !bytes.Equal(der(), first) {
			t.Error("after 11 hours: got another certificate, want the same")
		}
		time.Sleep(2 * time.Hour)
		if bytes.Equal(der(), first) {
			t.Error("after 13 hours: got the same certificate, want a new one")
		}
		time.Sleep(12 * time.Hour)
		if err := VerifyTLSCertificate(first, n.ID()); !errors.Is(err, identity.ErrCertExpired) {
			t.Errorf("after 25 hours: got %v, want %v", err, identity.ErrCertExpired)
		}
		if err := VerifyTLSCertificate(der(), n.ID()); err != nil {
			t.Errorf("the newest: got %v", err)
		}
	})
}
