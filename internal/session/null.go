package session

import (
	"bytes"
	"crypto/cipher"
	"errors"
)

// handshaker is what a session needs of a handshake: Handshake, or the null
// suite of a simulation.
type handshaker interface {
	Write(dst, payload []byte) ([]byte, error)
	Read(dst, msg []byte) ([]byte, error)
	PeerStatic() [32]byte
	Split() (send, recv *Cipher)
	rewind()
}

// nullHandshake is the null suite: messages of the same kinds and about the
// same lengths, and no secrets. Only Config.Null makes one; nothing that comes
// over a wire can ask for it, and a Noise message never passes for one of its
// own: each begins with nullMark.
type nullHandshake struct{}

var nullMark = bytes.Repeat([]byte("null"), 8) // as long as an ephemeral key

var errNull = errors.New("session: not a message of the null suite")

func (nullHandshake) Write(dst, payload []byte) ([]byte, error) {
	return append(append(dst, nullMark...), payload...), nil
}

func (nullHandshake) Read(dst, msg []byte) ([]byte, error) {
	if !bytes.HasPrefix(msg, nullMark) {
		return dst, errNull
	}
	return append(dst, msg[len(nullMark):]...), nil
}

func (nullHandshake) PeerStatic() (key [32]byte) { return key }

func (nullHandshake) Split() (send, recv *Cipher) {
	return &Cipher{aead: nullAEAD{}}, &Cipher{aead: nullAEAD{}}
}

func (nullHandshake) rewind() {}

// nullAEAD leaves the plaintext as it is and adds a tag of zeros.
type nullAEAD struct{}

var _ cipher.AEAD = nullAEAD{}

func (nullAEAD) NonceSize() int { return NonceLen }
func (nullAEAD) Overhead() int  { return TagLen }

func (nullAEAD) Seal(dst, _, plaintext, _ []byte) []byte {
	var tag [TagLen]byte
	return append(append(dst, plaintext...), tag[:]...)
}

func (nullAEAD) Open(dst, _, ciphertext, _ []byte) ([]byte, error) {
	n := len(ciphertext) - TagLen
	if n < 0 {
		return dst, errNull
	}
	for _, b := range ciphertext[n:] {
		if b != 0 {
			return dst, errNull
		}
	}
	return append(dst, ciphertext[:n]...), nil
}
