package identity

import "encoding/hex"

// The points of small order of edwards25519, in each spelling that decodes, by
// the little-endian y coordinate with the sign bit cleared. A signature can be
// made for such a key without any secret (RFC 8032 leaves the check to the
// protocol), so an ID made of one would belong to everybody.
var weakKeys = weakKeySet(
	"0000000000000000000000000000000000000000000000000000000000000000", // y = 0, order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // y = 1, order 1
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p-1, order 2
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p, the same as 0
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p+1, the same as 1
)

func weakKeySet(keys ...string) map[[32]byte]bool {
	set := make(map[[32]byte]bool, len(keys))
	for _, s := range keys {
		b, err := hex.DecodeString(s)
		if err != nil {
			panic("identity: table of weak keys: " + err.Error())
		}
		set[[32]byte(b)] = true
	}
	return set
}

// isWeak reports whether public is a point of small order.
func isWeak(public [32]byte) bool {
	public[31] &= 0x7f
	return weakKeys[public]
}
