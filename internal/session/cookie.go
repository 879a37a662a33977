package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// cookie proves that who sent message 1 gets what is sent to its source ID, or
// to the home that it names.
type cookie = [16]byte

// cookieJar makes and checks cookies and keeps the budgets of message 1. Owned
// by the control calls.
type cookieJar struct {
	secret, before [32]byte
	since          time.Duration // when secret was drawn; 0: never
	links          budgets[uint64]
	returns        budgets[wire.ID]
}

// turn draws a new secret when the present one has lived limits.CookieLife.
func (j *cookieJar) turn(t *Table, at time.Duration) {
	if j.since != 0 && at-j.since < limits.CookieLife {
		return
	}
	if j.before = j.secret; j.since == 0 || at-j.since >= 2*limits.CookieLife {
		t.random(j.before[:]) // nothing that old may still count
	}
	t.random(j.secret[:])
	j.since = at
}

// bake returns the cookie under secret:
// HMAC-SHA256(secret, src ‖ return ‖ sender index ‖ SHA-256(noise message 1))[:16].
func bake(secret *[32]byte, f *wire.Frame, sender uint32, hash *[32]byte) (c cookie) {
	m := hmac.New(sha256.New, secret[:])
	var home wire.ID
	copy(home[:], f.Return)
	m.Write(f.Src[:])
	m.Write(home[:])
	m.Write(binary.BigEndian.AppendUint32(nil, sender))
	m.Write(hash[:])
	copy(c[:], m.Sum(nil))
	return c
}

// shown reports whether the frame shows a cookie of ours.
func (j *cookieJar) shown(f *wire.Frame, b *wire.HandshakeBody, hash *[32]byte) bool {
	if b.Cookie == (cookie{}) {
		return false
	}
	for _, secret := range []*[32]byte{&j.secret, &j.before} {
		if want := bake(secret, f, b.Sender, hash); hmac.Equal(want[:], b.Cookie[:]) {
			return true
		}
	}
	return false
}

// admit decides whether a message 1 is worth a Diffie-Hellman. When it is not,
// for now, its sender gets a cookie or, having shown one, nothing.
func (t *Table) admit(at time.Duration, f *wire.Frame, b *wire.HandshakeBody, hash *[32]byte, ingress Ingress) reason.Reason {
	j := &t.cookies
	j.turn(t, at)
	if j.shown(f, b, hash) {
		payer := f.Src
		copy(payer[:], f.Return)
		if !j.returns.take(payer, at) {
			return reason.RateLimited
		}
		return reason.None
	}
	if !t.answers.loaded() && j.links.take(ingress.Link, at) {
		return reason.None
	}
	t.sendCookie(f, b, hash)
	return reason.RateLimited
}

// sendCookie asks for message 1 once more. The answer is smaller than the question.
func (t *Table) sendCookie(f *wire.Frame, b *wire.HandshakeBody, hash *[32]byte) {
	body := wire.HandshakeBody{
		Kind: wire.HandshakeCookie, Sender: b.Receiver, Receiver: b.Sender,
		Cookie: bake(&t.cookies.secret, f, b.Sender, hash),
	}
	t.cfg.Emit(t.handshakeFrame(&wire.Frame{Dst: f.Src, Waypoints: f.Return}, &body), Choice{})
}
