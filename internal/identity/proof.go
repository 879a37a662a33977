package identity

import "github.com/peermesh/peermesh/internal/wire"

// proofLabel begins what a proof signs.
const proofLabel = "peermesh-dtls-v1"

// Claim is what one end of a WebRTC link signs: who connects to whom in which
// signalling session, and the DTLS certificates that both ends see.
type Claim struct {
	Own, Other                       wire.ID
	Session                          [16]byte // of the connect request
	OwnFingerprint, OtherFingerprint [32]byte // SHA-256 of the DTLS certificates, raw
}

// Mirror returns the claim as the other end must make it.
func (c Claim) Mirror() Claim {
	return Claim{
		Own: c.Other, Other: c.Own, Session: c.Session,
		OwnFingerprint: c.OtherFingerprint, OtherFingerprint: c.OwnFingerprint,
	}
}

func (c *Claim) signedPart() []byte {
	b := append(make([]byte, 0, len(proofLabel)+1+20+20+16+32+32), proofLabel...)
	b = append(append(append(b, wire.Version), c.Own[:]...), c.Other[:]...)
	b = append(append(b, c.Session[:]...), c.OwnFingerprint[:]...)
	return append(b, c.OtherFingerprint[:]...)
}

// Prove returns the wire.ProofLen bytes that stand in a Hello on a WebRTC link
// in place of a certificate:
//
//	identity key 32, signature 64
//
// The signature covers "peermesh-dtls-v1" ‖ version u8 ‖ own ID ‖ other ID ‖
// signalling session 16 ‖ own fingerprint 32 ‖ other fingerprint 32. c.Own is
// set to i's ID.
func (i *Identity) Prove(c Claim) []byte {
	c.Own = i.id
	sig := i.sign(c.signedPart())
	return append(append(make([]byte, 0, wire.ProofLen), i.public[:]...), sig[:]...)
}

// VerifyProof checks the other end's proof. c is the claim as that end must
// have made it (Mirror of one's own), with the ID that is expected in c.Own,
// which must not be zero. It returns the identity key.
//
// Errors: wire.ErrLength, and those of Verify.
func VerifyProof(proof []byte, c Claim) (public [32]byte, err error) {
	if len(proof) != wire.ProofLen {
		return public, wire.ErrLength
	}
	if c.Own == (wire.ID{}) || c.Own == c.Other {
		return public, ErrWrongID
	}
	key := [32]byte(proof)
	if _, err := Verify(key, c.Own, c.signedPart(), [64]byte(proof[32:])); err != nil {
		return public, err
	}
	return key, nil
}
