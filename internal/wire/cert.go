package wire

// Version is the version byte of certificates, records and proofs. That of the
// protocol counts apart (ProtocolVersion).
const Version = 1

// CertLen is the length of a certificate in bytes.
const CertLen = 101

// Cert binds a Noise static key, which it does not contain, to an identity key.
//
//	offset  size  field
//	0       1     version, 1
//	1       32    identity key (Ed25519)
//	33      4     not after, Unix seconds
//	37      64    signature over SignedPart
type Cert struct {
	Version  uint8
	Public   [32]byte
	NotAfter uint32
	Sig      [64]byte
}

// AppendCert appends the CertLen bytes of v.
func AppendCert(dst []byte, v *Cert) []byte {
	dst = append(append(dst, v.Version), v.Public[:]...)
	return append(appendU32(dst, v.NotAfter), v.Sig[:]...)
}

// ParseCert reads the certificate that fills b. It verifies nothing: package
// identity does.
func ParseCert(b []byte) (Cert, error) {
	r := reader{b: b}
	v := Cert{Version: r.u8()}
	r.require(v.Version == Version, ErrVersion)
	r.fill(v.Public[:])
	v.NotAfter = r.u32()
	r.fill(v.Sig[:])
	return finish(&r, v)
}

// SignedPart returns what the signature covers, for the Noise static key:
//
//	label, version u8, static key 32, not after u32
func (v *Cert) SignedPart(label string, static [32]byte) []byte {
	b := make([]byte, 0, len(label)+1+32+4)
	b = append(append(b, label...), v.Version)
	return appendU32(append(b, static[:]...), v.NotAfter)
}
