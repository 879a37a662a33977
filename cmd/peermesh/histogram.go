package main

import (
	"fmt"
	"io"
	"math/bits"
	"strings"
	"time"
)

// A histogram has 32 buckets for each power of two of nanoseconds, so that what
// it says is at most 1/32, 3 %, above the truth, whatever the times are. Below
// 32 ns a bucket is one nanosecond.
const (
	bucketBits  = 5
	bucketsEach = 1 << bucketBits
	allBuckets  = (64 - bucketBits) * bucketsEach
)

// histogram counts times in buckets of fixed number: 15 KiB, however many times.
// It is for one goroutine at a time.
type histogram struct {
	counts [allBuckets]uint64
	n      uint64
	max    time.Duration
}

// bucketOf is the bucket of a time; those below zero count as zero.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < bucketsEach {
		return int(v)
	}
	shift := bits.Len64(v) - bucketBits - 1
	return shift*bucketsEach + int(v>>shift)
}

// upperOf is the longest time in a bucket.
func upperOf(bucket int) time.Duration {
	if bucket < bucketsEach {
		return time.Duration(bucket)
	}
	shift := bucket/bucketsEach - 1
	return time.Duration(uint64(bucket-shift*bucketsEach+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// quantile is a time that the share q of all times, from 0 to 1, does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.n)), uint64(0)
	for i, n := range h.counts {
		if seen += n; seen > rank {
			return min(upperOf(i), h.max)
		}
	}
	return h.max
}

// buckets calls visit with each bucket that holds something, the shortest first.
func (h *histogram) buckets(visit func(upper time.Duration, count uint64)) {
	for i, n := range h.counts {
		if n > 0 {
			visit(upperOf(i), n)
		}
	}
}

// barWidth is the length of the longest bar that draw draws, in characters.
const barWidth = 40

// draw draws a bar for each power of two of nanoseconds from the shortest time to
// the longest. One that holds anything has a bar of one character at least.
func (h *histogram) draw(w io.Writer) {
	var octaves [65]uint64 // by the number of bits
	h.buckets(func(upper time.Duration, n uint64) { octaves[bits.Len64(uint64(upper))] += n })
	first, last, most := len(octaves), 0, uint64(0)
	for i, n := range octaves {
		if n > 0 {
			first, last, most = min(first, i), i, max(most, n)
		}
	}
	for i := first; i <= last; i++ {
		n := octaves[i]
		bar := strings.Repeat("#", int((n*barWidth+most-1)/most))
		upper := min(time.Duration(uint64(1)<<i-1), h.max)
		fmt.Fprintf(w, "%s\n", strings.TrimRight(fmt.Sprintf("%12.3f ms  %9d  %s", millis(upper), n, bar), " "))
	}
}
