package session

import (
	"errors"
	"fmt"
	"io"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/identity"
)

// suite is Noise_XX_25519_AESGCM_SHA256, with psk0 when a network key is set:
// hardware AES in Go and native in WebCrypto.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

// Errors of a Handshake that is used out of order.
var (
	errFinished  = errors.New("session: the handshake is finished")
	errNotInTurn = errors.New("session: not this side's turn in the handshake")
)

// Handshake is one side of a Noise XX handshake, of a link or of a session.
// It is used by one goroutine at a time.
//
// A message that does not verify changes nothing: the genuine one may follow
// and is read as if the other had never come.
type Handshake struct {
	config noise.Config
	tape   tape
	state  *noise.HandshakeState
	past   []step // what went well so far, to begin again after a forged message
	stale  bool   // state was spoilt by a message that did not verify

	first, second *noise.CipherState // initiator to responder, responder to initiator
}

// step is one message of the past: what was written into it or what was read.
type step struct {
	write bool
	bytes []byte
}

// NewHandshake returns one side of a new handshake. Both sides need the same
// prologue and the same psk: nil, or the 32 bytes of the network key, which is
// mixed in before the first message. The ephemeral key is read from rand.
func NewHandshake(initiator bool, prologue []byte, static identity.Static, psk []byte, rand io.Reader) (*Handshake, error) {
	if n := len(psk); n != 0 && n != 32 {
		return nil, fmt.Errorf("noise handshake: the network key has %d bytes, want 32", n)
	}
	h := &Handshake{tape: tape{from: rand}}
	h.config = noise.Config{
		CipherSuite: suite,
		Random:      &h.tape,
		Pattern:     noise.HandshakeXX,
		Initiator:   initiator,
		Prologue:    append([]byte(nil), prologue...),
		StaticKeypair: noise.DHKey{
			Private: append([]byte(nil), static.Private[:]...),
			Public:  append([]byte(nil), static.Public[:]...),
		},
	}
	if len(psk) > 0 {
		h.config.PresharedKey = append([]byte(nil), psk...)
		h.config.PresharedKeyPlacement = 0
	}
	return h, h.restart()
}

// restart brings the state to where the past had led it.
func (h *Handshake) restart() (err error) {
	h.tape.at, h.stale = 0, false
	if h.state, err = noise.NewHandshakeState(h.config); err != nil {
		return fmt.Errorf("noise handshake: %w", err)
	}
	for _, s := range h.past {
		if s.write {
			_, _, _, err = h.state.WriteMessage(nil, s.bytes)
		} else {
			_, _, _, err = h.state.ReadMessage(nil, s.bytes)
		}
		if err != nil {
			return fmt.Errorf("noise handshake: %w", err)
		}
	}
	return nil
}

// ready checks that it is this side's turn to write or to read.
func (h *Handshake) ready(write bool) error {
	switch {
	case h.Done():
		return errFinished
	case write != (h.config.Initiator == (len(h.past)%2 == 0)):
		return errNotInTurn
	case h.stale:
		return h.restart()
	}
	return nil
}

// Write appends the next handshake message, which carries payload, to dst.
func (h *Handshake) Write(dst, payload []byte) ([]byte, error) {
	if err := h.ready(true); err != nil {
		return dst, err
	}
	out, c1, c2, err := h.state.WriteMessage(dst, payload)
	if err != nil {
		h.stale = true
		return dst, fmt.Errorf("noise write: %w", err)
	}
	h.went(true, payload, c1, c2)
	return out, nil
}

// Read verifies the next handshake message and appends its payload to dst.
// After an error the handshake waits for the same message once more.
func (h *Handshake) Read(dst, msg []byte) ([]byte, error) {
	if err := h.ready(false); err != nil {
		return dst, err
	}
	out, c1, c2, err := h.state.ReadMessage(dst, msg)
	if err != nil {
		h.stale = true
		return dst, fmt.Errorf("noise read: %w", err)
	}
	h.went(false, msg, c1, c2)
	return out, nil
}

// went notes that a message went well.
func (h *Handshake) went(write bool, b []byte, c1, c2 *noise.CipherState) {
	if c1 != nil {
		h.first, h.second, h.past = c1, c2, nil
		return
	}
	h.past = append(h.past, step{write, append([]byte(nil), b...)})
}

// rewind forgets the message read last, which proved to be genuine Noise from
// the wrong party, so that the right one's can be read. Only before the end.
func (h *Handshake) rewind() {
	if n := len(h.past); n > 0 && !h.past[n-1].write {
		h.past, h.stale = h.past[:n-1], true
	}
}

// PeerStatic returns the static key that the peer proved to hold, zero before
// its message was read.
func (h *Handshake) PeerStatic() (key [32]byte) {
	if h.state != nil && !h.stale {
		copy(key[:], h.state.PeerStatic())
	}
	return key
}

// Done reports whether all three messages went well.
func (h *Handshake) Done() bool { return h.first != nil }

// Split returns the two directions of a finished handshake and nil, nil for
// one that is not finished. It may be called once.
func (h *Handshake) Split() (send, recv *Cipher) {
	if !h.Done() {
		return nil, nil
	}
	send, recv = newCipher(h.first), newCipher(h.second)
	if !h.config.Initiator {
		send, recv = recv, send
	}
	return send, recv
}

// tape hands on what it reads and can be wound back, so that a handshake that
// begins again uses the same ephemeral key.
type tape struct {
	from io.Reader
	kept []byte
	at   int
}

// Read fills p from what was kept, then from the source.
func (t *tape) Read(p []byte) (int, error) {
	if t.at < len(t.kept) {
		n := copy(p, t.kept[t.at:])
		t.at += n
		return n, nil
	}
	n, err := t.from.Read(p)
	t.kept = append(t.kept, p[:n]...)
	t.at += n
	return n, err
}
