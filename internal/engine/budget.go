package engine

import "time"

// bucket is a token bucket. It keeps one time only: the moment at which it will
// be full again. The zero bucket is full.
type bucket struct{ full time.Time }

// take removes one token if there is one. The bucket holds burst tokens and
// gains rate of them per second, 1 to 1,000,000,000.
func (b *bucket) take(now time.Time, rate, burst int) bool {
	interval := time.Second / time.Duration(rate)
	if b.full.Before(now) {
		b.full = now
	}
	if b.full.Sub(now) > time.Duration(burst-1)*interval {
		return false
	}
	b.full = b.full.Add(interval)
	return true
}
