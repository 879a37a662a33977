package identity

import (
	"math/rand"
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

const forgedAttempts = 10_000

// TestForgedAttempts tries certificates, records and proofs that were changed
// in one to four places, or signed by somebody else: none is accepted.
func TestForgedAttempts(t *testing.T) {
	alice, mallory, bob := seeded(1), seeded(6), seeded(2)
	rnd := rand.New(rand.NewSource(1))
	said := claim(alice, bob)
	kinds := []struct {
		name     string
		genuine  []byte
		by       []byte // the same claims by mallory
		accepted func(b []byte) bool
	}{
		{"certificate", certify(alice, now), certify(mallory, now), func(b []byte) bool {
			_, _, err := VerifyCert(b, static, alice.ID(), now)
			return err == nil
		}},
		{"record", alice.Sign(wire.RecordContact, ms(now), 60, contactBody()),
			mallory.Sign(wire.RecordContact, ms(now), 60, contactBody()), func(b []byte) bool {
				_, id, err := VerifyRecord(b, now)
				return err == nil && id == alice.ID()
			}},
		{"proof", alice.Prove(said), mallory.Prove(said), func(b []byte) bool {
			_, err := VerifyProof(b, said)
			return err == nil
		}},
	}
	accepted := 0
	for i := range forgedAttempts {
		k := kinds[i%len(kinds)]
		b := forge(rnd, k.genuine, k.by)
		if k.accepted(b) {
			accepted++
			t.Errorf("%s: accepted %x", k.name, b)
		}
	}
	if accepted != 0 {
		t.Errorf("got %d of %d accepted, want 0", accepted, forgedAttempts)
	}
	for _, k := range kinds {
		if !k.accepted(k.genuine) {
			t.Errorf("%s: got the genuine one refused", k.name)
		}
	}
}

// forge returns bytes that alice never signed: flips of genuine, genuine's key
// over mallory's signature, or the other way round.
func forge(rnd *rand.Rand, genuine, by []byte) []byte {
	b := append([]byte(nil), genuine...)
	switch rnd.Intn(4) {
	case 0:
		copy(b[len(b)-64:], by[len(by)-64:])
	case 1:
		copy(b[:len(b)-64], by[:len(by)-64])
	default:
		for range 1 + rnd.Intn(4) {
			i := rnd.Intn(len(b))
			b[i] = genuine[i] ^ byte(1+rnd.Intn(255))
		}
	}
	return b
}
