package identity

import (
	"errors"
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

// claim is what alice says to bob.
func claim(alice, bob *Identity) Claim {
	return Claim{
		Own: alice.ID(), Other: bob.ID(), Session: [16]byte{1},
		OwnFingerprint: [32]byte{2}, OtherFingerprint: [32]byte{3},
	}
}

func TestVerifyProof(t *testing.T) {
	alice, bob := seeded(1), seeded(2)
	said := claim(alice, bob)
	proof := alice.Prove(Claim{
		Other: said.Other, Session: said.Session,
		OwnFingerprint: said.OwnFingerprint, OtherFingerprint: said.OtherFingerprint,
	})
	tests := []struct {
		name  string
		proof []byte
		edit  func(c *Claim)
		err   error
	}{
		{"as said", proof, func(*Claim) {}, nil},
		{"right signature, wrong ID", proof, func(c *Claim) { c.Own = seeded(3).ID() }, ErrWrongID},
		{"nobody expected", proof, func(c *Claim) { c.Own = wire.ID{} }, ErrWrongID},
		{"one's own ID", proof, func(c *Claim) { c.Own = c.Other }, ErrWrongID},
		{"for somebody else", proof, func(c *Claim) { c.Other = seeded(3).ID() }, ErrBadSignature},
		{"of another session", proof, func(c *Claim) { c.Session[0]++ }, ErrBadSignature},
		{"of another certificate", proof, func(c *Claim) { c.OwnFingerprint[0]++ }, ErrBadSignature},
		{"sent back", proof, func(c *Claim) { *c = c.Mirror() }, ErrWrongID},
		{"to another certificate", proof, func(c *Claim) { c.OtherFingerprint[0]++ }, ErrBadSignature},
		{"cut", proof[:95], func(*Claim) {}, wire.ErrLength},
		{"none", nil, func(*Claim) {}, wire.ErrLength},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := said
			test.edit(&c)
			public, err := VerifyProof(test.proof, c)
			if !errors.Is(err, test.err) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if test.err == nil && public != alice.Public() {
				t.Errorf("got key %x, want %x", public, alice.Public())
			}
		})
	}
	if got := claim(alice, bob).Mirror().Mirror(); got != said {
		t.Errorf("mirrored twice: got %+v, want %+v", got, said)
	}
}
