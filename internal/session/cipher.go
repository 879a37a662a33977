package session

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/limits"
)

// NonceLen is the length in bytes of the nonce: four zero bytes and the
// counter, big-endian (Noise, section 12.4, AESGCM).
const NonceLen = 12

// TagLen is how many bytes sealing adds.
const TagLen = 16

// Cipher is one direction of a finished handshake.
//
// Seal and Open count by themselves, for carriers that keep the order; one
// goroutine at a time may call them. SealAt and OpenAt take the counter from
// the caller, for frames that may be lost or overtake each other; many
// goroutines may call them at once. One Cipher serves one of the two ways.
// None of them allocates when dst has room.
type Cipher struct {
	aead  cipher.AEAD
	key   [32]byte // for the next rekey; zero for the null suite
	n     uint64   // counter of the next message
	rekey bool
	nonce [NonceLen]byte // lives here so that it need not escape for each message
}

func newCipher(state *noise.CipherState) *Cipher {
	key := state.UnsafeKey()
	return &Cipher{key: key, aead: newGCM(key)}
}

func newGCM(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a wrong key length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for a wrong block size
	}
	return aead
}

// EnableRekey makes Seal and Open take a new key after each limits.LinkRekey
// messages of this direction; the counter goes on. Both ends must call it
// before the first message.
func (c *Cipher) EnableRekey() { c.rekey = true }

// Counter returns how many messages Seal has sealed or Open has opened.
func (c *Cipher) Counter() uint64 { return c.n }

// Seal appends the sealed plaintext (TagLen bytes longer) to dst. The
// plaintext may lie exactly where it will be sealed, otherwise the two must
// not overlap.
func (c *Cipher) Seal(dst, plaintext, ad []byte) []byte {
	dst = c.SealAt(&c.nonce, c.n, dst, plaintext, ad)
	c.advance()
	return dst
}

// Open appends what was sealed to dst, which may be ciphertext[:0]. An error
// leaves the counter where it was, and the bytes at dst undefined.
func (c *Cipher) Open(dst, ciphertext, ad []byte) ([]byte, error) {
	out, err := c.OpenAt(&c.nonce, c.n, dst, ciphertext, ad)
	if err != nil {
		return dst, err
	}
	c.advance()
	return out, nil
}

// advance counts one message and takes the next key when one is due.
func (c *Cipher) advance() {
	c.n++
	if c.rekey && c.key != [32]byte{} && c.n%limits.LinkRekey == 0 {
		state := noise.UnsafeNewCipherState(suite, c.key, 0)
		state.Rekey()
		c.key = state.UnsafeKey()
		c.aead = newGCM(c.key)
	}
}

// SealAt is Seal with the caller's counter, which must never come twice, and
// the caller's memory for the nonce.
func (c *Cipher) SealAt(nonce *[NonceLen]byte, counter uint64, dst, plaintext, ad []byte) []byte {
	putNonce(nonce, counter)
	return c.aead.Seal(dst, nonce[:], plaintext, ad)
}

// OpenAt is Open with the caller's counter and memory for the nonce. It does
// not look for counters that come twice.
func (c *Cipher) OpenAt(nonce *[NonceLen]byte, counter uint64, dst, ciphertext, ad []byte) ([]byte, error) {
	putNonce(nonce, counter)
	out, err := c.aead.Open(dst, nonce[:], ciphertext, ad)
	if err != nil {
		return dst, fmt.Errorf("noise open: %w", err)
	}
	return out, nil
}

func putNonce(nonce *[NonceLen]byte, counter uint64) {
	clear(nonce[:4])
	binary.BigEndian.PutUint64(nonce[4:], counter)
}
