package identity

import (
	"crypto/ed25519"
	"errors"

	"github.com/peermesh/peermesh/internal/wire"
)

// Why a certificate, record or proof was refused. Bytes that do not parse are
// refused with the *wire.Error of the parser.
var (
	ErrWrongID      = errors.New("identity: the key belongs to another ID")
	ErrBadSignature = errors.New("identity: the signature does not verify")
	ErrWeakKey      = errors.New("identity: the key is one that anybody can sign for")
	ErrCertExpired  = errors.New("identity: the certificate has expired")
	ErrCertFuture   = errors.New("identity: the certificate is valid for longer than allowed")
	ErrExpired      = errors.New("identity: the record is too old")
	ErrFuture       = errors.New("identity: the record was signed in the future")
	ErrTTL          = errors.New("identity: the record lives longer than its kind may")
	ErrRecordBody   = errors.New("identity: the body of the record says nothing")
)

// Verify is the one check that ties an ID to a key and a signature: it returns
// the ID of public if that is want (the zero ID: any), and sig is public's
// signature over message. Every certificate, record and proof goes through it.
//
// Errors: ErrWrongID, ErrWeakKey, ErrBadSignature. On an error the ID is zero.
func Verify(public [32]byte, want wire.ID, message []byte, sig [64]byte) (wire.ID, error) {
	id := IDOf(public)
	switch {
	case want != (wire.ID{}) && id != want:
		return wire.ID{}, ErrWrongID
	case isWeak(public):
		return wire.ID{}, ErrWeakKey
	case !ed25519.Verify(public[:], message, sig[:]):
		return wire.ID{}, ErrBadSignature
	}
	return id, nil
}

// sign returns i's signature over message.
func (i *Identity) sign(message []byte) [64]byte {
	return [64]byte(ed25519.Sign(i.key, message))
}
