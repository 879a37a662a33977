package session

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// budgets are token buckets of limits.HandshakeRate and HandshakeBurst, one for
// each key. A bucket that is full again need not be kept, so at most
// limits.HandshakeBuckets are; while none of them is full, new keys get nothing.
type budgets[K comparable] struct{ m map[K]bucket }

type bucket struct {
	tokens float64
	at     time.Duration
}

// take takes one token of key.
func (b *budgets[K]) take(key K, at time.Duration) bool {
	v, ok := b.m[key]
	if !ok {
		if !b.room(at) {
			return false
		}
		v = bucket{limits.HandshakeBurst, at}
	}
	v = bucket{v.now(at), at}
	if ok = v.tokens >= 1; ok {
		v.tokens--
	}
	b.m[key] = v
	return ok
}

func (b bucket) now(at time.Duration) float64 {
	return min(limits.HandshakeBurst, b.tokens+limits.HandshakeRate*(at-b.at).Seconds())
}

// room makes room for one more key.
func (b *budgets[K]) room(at time.Duration) bool {
	if b.m == nil {
		b.m = make(map[K]bucket)
	}
	if len(b.m) < limits.HandshakeBuckets {
		return true
	}
	for key, v := range b.m {
		if v.now(at) >= limits.HandshakeBurst {
			delete(b.m, key)
		}
	}
	return len(b.m) < limits.HandshakeBuckets
}
