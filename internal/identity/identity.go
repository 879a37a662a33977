package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/peermesh/peermesh/internal/wire"
)

// idLabel keeps IDs apart from every other hash of a public key.
const idLabel = "peermesh-id-v1"

// Identity is the Ed25519 key pair of a node and the ID that follows from it.
// It does not change and may be used by many goroutines.
type Identity struct {
	key    ed25519.PrivateKey
	public [32]byte
	id     wire.ID
}

// New makes an identity from 32 bytes of rand, which must be fit for keys
// (crypto/rand.Reader). The error is that of rand.
func New(rand io.Reader) (*Identity, error) {
	var seed [32]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("make identity: %w", err)
	}
	return FromSeed(seed), nil
}

// FromSeed returns the identity of an Ed25519 seed: the same for the same seed.
// The seed is the secret; whoever has it is that ID.
func FromSeed(seed [32]byte) *Identity {
	i := &Identity{key: ed25519.NewKeyFromSeed(seed[:])}
	copy(i.public[:], i.key[32:])
	i.id = IDOf(i.public)
	return i
}

// ID returns the ID of i.
func (i *Identity) ID() wire.ID { return i.id }

// Public returns the public key of i: 32 bytes, Ed25519.
func (i *Identity) Public() [32]byte { return i.public }

// String returns the ID as 40 hex digits. The key never shows in any format.
func (i *Identity) String() string { return fmt.Sprintf("%x", i.id[:]) }

// GoString returns what String does, so that %#v does not show the key.
func (i *Identity) GoString() string { return i.String() }

// seed returns the secret that FromSeed takes.
func (i *Identity) seed() []byte { return i.key.Seed() }

// IDOf returns the ID of an identity key: the first 20 bytes of
// SHA-256("peermesh-id-v1" ‖ public key). It does not allocate.
func IDOf(public [32]byte) wire.ID {
	var b [len(idLabel) + 32]byte
	copy(b[copy(b[:], idLabel):], public[:])
	sum := sha256.Sum256(b[:])
	return wire.ID(sum[:20])
}

// KeyOf returns the point of id in the routing space: SHA-256(id).
func KeyOf(id wire.ID) wire.Key { return sha256.Sum256(id[:]) }

// Static is an X25519 key pair for Noise handshakes, made anew at every start
// of a node. The private key is the 32 bytes as drawn, unclamped.
type Static struct{ Private, Public [32]byte }

// NewStatic makes a key pair from 32 bytes of rand, which must be fit for keys.
// The error is that of rand.
func NewStatic(rand io.Reader) (Static, error) {
	var private [32]byte
	if _, err := io.ReadFull(rand, private[:]); err != nil {
		return Static{}, fmt.Errorf("make static key: %w", err)
	}
	return StaticFromPrivate(private), nil
}

// StaticFromPrivate returns the key pair of a private key.
func StaticFromPrivate(private [32]byte) Static {
	key, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		panic("identity: X25519 refuses 32 bytes: " + err.Error())
	}
	return Static{Private: private, Public: [32]byte(key.PublicKey().Bytes())}
}

// String hides the private key in logs.
func (s Static) String() string { return fmt.Sprintf("static %x", s.Public[:4]) }

// GoString hides the private key in %#v.
func (s Static) GoString() string { return s.String() }
