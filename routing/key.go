package routing

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// KeyBits is the number of bits of a Key, and so the number of buckets a node
// can have.
const KeyBits = 8 * KeyLen

// Key is a place in the routing space: 32 bytes, read as one number with the
// most significant byte first. The Key of a node is [ID.Key]; any other value may
// be a target.
type Key [KeyLen]byte

// ParseKey reads a Key from exactly 64 hex digits of either case. Its errors wrap
// [ErrSyntax].
func ParseKey(s string) (Key, error) {
	var k Key
	if err := parseHex(k[:], s); err != nil {
		return Key{}, fmt.Errorf("parse Key: %w", err)
	}
	return k, nil
}

// String returns the Key as 64 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Prefix returns the first four bytes as a big-endian number: the form in which
// a frame lists the relays that it has visited.
func (k Key) Prefix() uint32 { return binary.BigEndian.Uint32(k[:]) }

// Xor returns the distance of the two Keys.
func (k Key) Xor(other Key) Key {
	var d Key
	for i := range d {
		d[i] = k[i] ^ other[i]
	}
	return d
}

// CommonPrefixLen returns how many leading bits the two Keys share, 0 to 256. It
// is the bucket of other seen from k, and 256 exactly when they are equal.
func (k Key) CommonPrefixLen(other Key) int {
	for i := 0; i < KeyLen; i += 8 {
		if x := k.word(i) ^ other.word(i); x != 0 {
			return 8*i + bits.LeadingZeros64(x)
		}
	}
	return KeyBits
}

// Closer tells whether a is strictly closer to target than b is.
func Closer(a, b, target Key) bool {
	for i := 0; i < KeyLen; i += 8 {
		t := target.word(i)
		if x, y := a.word(i)^t, b.word(i)^t; x != y {
			return x < y
		}
	}
	return false
}

// word returns the 8 bytes from offset on, big-endian.
func (k *Key) word(offset int) uint64 { return binary.BigEndian.Uint64(k[offset : offset+8]) }

// bit tells whether bit i is one; bit 0 is the most significant.
func (k *Key) bit(i int) bool { return k[i/8]<<(i%8)&0x80 != 0 }

// compare orders Keys as numbers, for slices.SortFunc.
func (k *Key) compare(other *Key) int { return bytes.Compare(k[:], other[:]) }
