package routing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Sizes of the two names a node has, in bytes.
const (
	// IDLen is the length of an ID. 160 bits is the width of the original
	// Kademlia and of the existing JavaScript clients.
	IDLen = 20
	// KeyLen is the length of a Key: one SHA-256.
	KeyLen = 32
)

// shortDigits is how many hex digits Short prints. Eight digits, 32 bits, tell
// apart all nodes that a person will ever look at side by side.
const shortDigits = 8

// ErrSyntax is wrapped by every error of [ParseID], [ParseKey] and
// [ID.UnmarshalText].
var ErrSyntax = errors.New("not a hexadecimal name")

// ID names a node: 20 bytes, the head of a hash of its public key. It is
// comparable and may be a map key. The zero ID names nobody.
type ID [IDLen]byte

// ParseID reads an ID from exactly 40 hex digits of either case. Its errors wrap
// [ErrSyntax].
func ParseID(s string) (ID, error) {
	var id ID
	if err := parseHex(id[:], s); err != nil {
		return ID{}, fmt.Errorf("parse ID: %w", err)
	}
	return id, nil
}

// RandomID reads 20 bytes from rand and returns them as an ID that no key pair
// stands behind: for tests, simulations and invented targets.
func RandomID(rand io.Reader) (ID, error) {
	var id ID
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return ID{}, fmt.Errorf("random ID: %w", err)
	}
	return id, nil
}

// Key returns the place of the ID in the routing space, its SHA-256. It costs
// about 100 ns; callers keep the Keys of peers they meet often.
func (id ID) Key() Key { return sha256.Sum256(id[:]) }

// String returns the ID as 40 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 hex digits, for logs and tables.
func (id ID) Short() string { return hex.EncodeToString(id[:shortDigits/2]) }

// IsZero tells whether id is the zero ID, which names nobody.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText returns the form of [ID.String]. It never fails.
func (id ID) MarshalText() ([]byte, error) {
	return hex.AppendEncode(make([]byte, 0, 2*IDLen), id[:]), nil
}

// UnmarshalText reads what [ParseID] reads. On an error id keeps its value.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// LogValue lets slog print the short form.
func (id ID) LogValue() slog.Value { return slog.StringValue(id.Short()) }

// parseHex fills dst from exactly two hex digits per byte.
func parseHex(dst []byte, s string) error {
	if want := 2 * len(dst); len(s) != want {
		return fmt.Errorf("%w: want %d hex digits, got %d bytes of text", ErrSyntax, want, len(s))
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return nil
}
