package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
)

// seeded returns a stream of bytes that is the same for the same seed.
func seeded(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

func newStatic(t testing.TB, seed uint64) identity.Static {
	t.Helper()
	s, err := identity.NewStatic(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sides returns the two ends of a handshake that has not begun.
func sides(t testing.TB, psk []byte) (initiator, responder *Handshake) {
	t.Helper()
	return side(t, true, psk), side(t, false, psk)
}

func side(t testing.TB, initiator bool, psk []byte) *Handshake {
	t.Helper()
	seed := uint64(1)
	if initiator {
		seed = 2
	}
	h, err := NewHandshake(initiator, []byte("prologue"), newStatic(t, seed), psk, seeded(seed+10))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// pass carries one message from w to r and returns the bytes.
func pass(t testing.TB, w, r *Handshake, payload string) []byte {
	t.Helper()
	msg, err := w.Write(nil, []byte(payload))
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	got, err := r.Read(nil, msg)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if string(got) != payload {
		t.Fatalf("payload: got %q, want %q", got, payload)
	}
	return msg
}

func shake(t testing.TB, psk []byte) (initiator, responder *Handshake) {
	t.Helper()
	i, r := sides(t, psk)
	pass(t, i, r, "")
	pass(t, r, i, "two")
	pass(t, i, r, "three")
	return i, r
}

func TestHandshakeBothWays(t *testing.T) {
	for name, psk := range map[string][]byte{"without psk": nil, "with psk": bytes.Repeat([]byte{7}, 32)} {
		t.Run(name, func(t *testing.T) {
			i, r := shake(t, psk)
			if !i.Done() || !r.Done() {
				t.Fatalf("done: got %v and %v, want both", i.Done(), r.Done())
			}
			if i.PeerStatic() != newStatic(t, 1).Public || r.PeerStatic() != newStatic(t, 2).Public {
				t.Error("static keys: got others than the peers hold")
			}
			is, ir := i.Split()
			rs, rr := r.Split()
			for n := range 3 {
				for _, way := range []struct{ s, r *Cipher }{{is, rr}, {rs, ir}} {
					got, err := way.r.Open(nil, way.s.Seal(nil, []byte{byte(n)}, []byte("ad")), []byte("ad"))
					if err != nil || !bytes.Equal(got, []byte{byte(n)}) {
						t.Fatalf("message %d: got %v, %v", n, got, err)
					}
				}
			}
		})
	}
}

func TestHandshakeDifferentKeys(t *testing.T) {
	i, r := side(t, true, bytes.Repeat([]byte{7}, 32)), side(t, false, bytes.Repeat([]byte{8}, 32))
	msg, err := i.Write(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(nil, msg); err == nil {
		t.Error("message under another network key: got no error")
	}
	if _, err := NewHandshake(true, nil, newStatic(t, 1), make([]byte, 31), seeded(1)); err == nil {
		t.Error("network key of 31 bytes: got no error")
	}
}

func TestHandshakeOutOfTurn(t *testing.T) {
	i, r := sides(t, nil)
	if _, err := i.Read(nil, make([]byte, 64)); !errors.Is(err, errNotInTurn) {
		t.Errorf("initiator reads first: got %v, want %v", err, errNotInTurn)
	}
	if _, err := r.Write(nil, nil); !errors.Is(err, errNotInTurn) {
		t.Errorf("responder writes first: got %v, want %v", err, errNotInTurn)
	}
	if s, _ := i.Split(); s != nil {
		t.Error("split before the end: got a cipher")
	}
	i, _ = shake(t, nil)
	if _, err := i.Write(nil, nil); !errors.Is(err, errFinished) {
		t.Errorf("write after the end: got %v, want %v", err, errFinished)
	}
}

// A forged message must not spoil the handshake for the genuine one.
func TestHandshakeSurvivesForgery(t *testing.T) {
	for name, psk := range map[string][]byte{"without psk": nil, "with psk": bytes.Repeat([]byte{7}, 32)} {
		t.Run(name, func(t *testing.T) {
			i, r := sides(t, psk)
			m1, _ := i.Write(nil, nil)
			forge(t, r, m1, psk != nil)
			mustRead(t, r, m1)
			m2, _ := r.Write(nil, []byte("two"))
			forge(t, i, m2, true)
			mustRead(t, i, m2)
			i.rewind()
			forge(t, i, m2, true)
			mustRead(t, i, m2)
			m3, _ := i.Write(nil, []byte("three"))
			forge(t, r, m3, true)
			mustRead(t, r, m3)
			s, _ := i.Split()
			_, o := r.Split()
			if _, err := o.Open(nil, s.Seal(nil, []byte("x"), nil), nil); err != nil {
				t.Errorf("after forgeries: got %v", err)
			}
		})
	}
}

func mustRead(t *testing.T, h *Handshake, msg []byte) {
	t.Helper()
	if _, err := h.Read(nil, msg); err != nil {
		t.Fatalf("genuine message: got %v", err)
	}
}

// forge shows h altered copies of msg: each byte changed, a key of small order, cut short.
func forge(t *testing.T, h *Handshake, msg []byte, sealed bool) {
	t.Helper()
	for at := 0; sealed && at < len(msg); at += 7 {
		bad := bytes.Clone(msg)
		bad[at] ^= 0x55
		if _, err := h.Read(nil, bad); err == nil {
			t.Fatalf("byte %d changed: got no error", at)
		}
	}
	for n := range 31 {
		if _, err := h.Read(nil, msg[:n]); err == nil {
			t.Fatalf("first %d bytes: got no error", n)
		}
	}
	if sealed {
		if _, err := h.Read(nil, append(make([]byte, 32), msg[32:]...)); err == nil {
			t.Fatal("zero ephemeral: got no error")
		}
	}
}

// The ciphers must be those of the library that made the handshake, rekey included.
func TestCipherMatchesLibrary(t *testing.T) {
	i, r := shake(t, nil)
	theirs := noise.UnsafeNewCipherState(suite, i.first.UnsafeKey(), 0)
	ours, _ := i.Split()
	_, opens := r.Split()
	ours.EnableRekey()
	opens.EnableRekey()
	buf := make([]byte, 0, 64)
	for n := range 2*limits.LinkRekey + 3 {
		if n > 0 && n%limits.LinkRekey == 0 {
			theirs.Rekey()
		}
		want, err := theirs.Encrypt(nil, []byte("ad"), []byte("plaintext"))
		if err != nil {
			t.Fatal(err)
		}
		got := ours.Seal(buf, []byte("plaintext"), []byte("ad"))
		if !bytes.Equal(got, want) {
			t.Fatalf("message %d: got %x, want %x", n, got, want)
		}
		if _, err := opens.Open(got[:0], got, []byte("ad")); err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
	}
	if ours.Counter() != 2*limits.LinkRekey+3 {
		t.Errorf("counter: got %d, want %d", ours.Counter(), 2*limits.LinkRekey+3)
	}
}

func TestCipherFailedOpenDoesNotCount(t *testing.T) {
	i, r := shake(t, nil)
	s, _ := i.Split()
	_, o := r.Split()
	msg := s.Seal(nil, []byte("x"), nil)
	bad := bytes.Clone(msg)
	bad[0] ^= 1
	if _, err := o.Open(nil, bad, nil); err == nil {
		t.Fatal("altered message: got no error")
	}
	if _, err := o.Open(nil, msg, nil); err != nil {
		t.Errorf("genuine message after a forged one: got %v", err)
	}
}

func TestCipherAllocates(t *testing.T) {
	i, r := shake(t, nil)
	s, _ := i.Split()
	_, o := r.Split()
	buf := make([]byte, 1024, 1024+TagLen)
	var nonce = new([NonceLen]byte)
	count := uint64(0)
	for name, f := range map[string]func(){
		"Seal and Open": func() {
			sealed := s.Seal(buf[:0], buf, nil)
			if _, err := o.Open(sealed[:0], sealed, nil); err != nil {
				t.Fatal(err)
			}
		},
		"SealAt and OpenAt": func() {
			sealed := s.SealAt(nonce, count, buf[:0], buf, nil)
			if _, err := o.OpenAt(nonce, count, sealed[:0], sealed, nil); err != nil {
				t.Fatal(err)
			}
			count++
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}
