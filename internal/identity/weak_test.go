package identity

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

// Edwards25519 with big integers, as RFC 8032 section 5.1 writes it: slow, and
// independent of the table that is tested.
var (
	fieldP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveD = mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), fieldP)))
)

func mod(x *big.Int) *big.Int     { return x.Mod(x, fieldP) }
func mul(a, b *big.Int) *big.Int  { return mod(new(big.Int).Mul(a, b)) }
func plus(a, b *big.Int) *big.Int { return mod(new(big.Int).Add(a, b)) }
func less(a, b *big.Int) *big.Int { return mod(new(big.Int).Sub(a, b)) }

type point struct{ x, y *big.Int }

func (p point) double() point {
	xy, one := mul(p.x, p.y), big.NewInt(1)
	product := mul(curveD, mul(xy, xy))
	x := mul(plus(xy, xy), new(big.Int).ModInverse(plus(one, product), fieldP))
	y := mul(plus(mul(p.y, p.y), mul(p.x, p.x)), new(big.Int).ModInverse(less(one, product), fieldP))
	return point{x, y}
}

// decode solves the curve's equation for x, which exists for points only.
func decode(encoded [32]byte) (point, bool) {
	encoded[31] &= 0x7f
	slices.Reverse(encoded[:])
	y, one := mod(new(big.Int).SetBytes(encoded[:])), big.NewInt(1)
	yy := mul(y, y)
	xx := mul(less(yy, one), new(big.Int).ModInverse(plus(mul(curveD, yy), one), fieldP))
	x := new(big.Int).ModSqrt(xx, fieldP)
	return point{x, y}, x != nil
}

// TestWeakKeysHaveSmallOrder: eight times each of them is the neutral point.
func TestWeakKeysHaveSmallOrder(t *testing.T) {
	if len(weakKeys) != 7 {
		t.Errorf("got %d keys, want 7", len(weakKeys))
	}
	for key := range weakKeys {
		p, ok := decode(key)
		if !ok {
			t.Errorf("%x: got no point, want one", key)
			continue
		}
		p = p.double().double().double()
		if p.x.Sign() != 0 || p.y.Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%x: got (%v, %v) for eight times it, want (0, 1)", key, p.x, p.y)
		}
	}
}

// TestWeakKeyIsRefused with the signature that works for every message: R the
// neutral point, S zero.
func TestWeakKeyIsRefused(t *testing.T) {
	for key := range weakKeys {
		for _, sign := range []byte{0, 0x80} {
			key := key
			key[31] |= sign
			if _, err := Verify(key, wire.ID{}, []byte("anything"), [64]byte{0: 1}); !errors.Is(err, ErrWeakKey) {
				t.Errorf("%x: got %v, want %v", key, err, ErrWeakKey)
			}
		}
	}
}
