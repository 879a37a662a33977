package identity

import (
	"bytes"
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

func FuzzVerifyCert(f *testing.F) {
	alice := seeded(1)
	good := certify(alice, now)
	f.Add(good)
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		id, _, err := VerifyCert(b, static, wire.ID{}, now)
		if err == nil && !bytes.Equal(b, good) && id == alice.ID() {
			t.Errorf("accepted %x", b)
		}
	})
}

func FuzzVerifyRecord(f *testing.F) {
	alice := seeded(1)
	good := alice.Sign(wire.RecordContact, ms(now), 60, contactBody())
	f.Add(good)
	f.Add(good[:107])
	f.Add(alice.Sign(wire.RecordTopic, ms(now), 60, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, id, err := VerifyRecord(b, now)
		if err == nil && !bytes.Equal(b, good) && id == alice.ID() {
			t.Errorf("accepted %x", b)
		}
	})
}

func FuzzVerifyProof(f *testing.F) {
	alice, bob := seeded(1), seeded(2)
	good := alice.Prove(claim(alice, bob))
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := VerifyProof(b, claim(alice, bob)); err == nil && !bytes.Equal(b, good) {
			t.Errorf("accepted %x", b)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	f.Add(formatKeyFile(seeded(1)))
	f.Add([]byte("peermesh identity 1\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, problem := parseKeyFile(b)
		if (id == nil) == (problem == "") {
			t.Fatalf("got %v and problem %q, want one of them", id, problem)
		}
		if id == nil {
			return
		}
		again, problem := parseKeyFile(formatKeyFile(id))
		if problem != "" || again.ID() != id.ID() {
			t.Errorf("written again: got %v, %q, want %v", again, problem, id)
		}
	})
}
