package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 31, 32, 33, 63, 64, 65, 1000, time.Millisecond, time.Hour, math.MaxInt64} {
		b := bucketOf(d)
		upper := upperOf(b)
		if upper < d || float64(upper-d) > float64(d)/bucketsEach {
			t.Errorf("%d ns: got a bucket up to %d ns, want one up to 1/32 more", d, upper)
		}
		if b > 0 && upperOf(b-1) >= d {
			t.Errorf("%d ns: the bucket before reaches to %d ns", d, upperOf(b-1))
		}
	}
	if b := bucketOf(-time.Second); b != 0 {
		t.Errorf("below zero: got bucket %d, want 0", b)
	}
	if b := bucketOf(math.MaxInt64); b >= allBuckets {
		t.Errorf("the longest time: got bucket %d of %d", b, allBuckets)
	}
}

func TestQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	var halves [2]histogram
	for i := range 10_000 {
		d := time.Duration(math.Exp(r.Float64() * 20))
		all = append(all, d)
		halves[i%2].add(d)
	}
	slices.Sort(all)
	h := &halves[0]
	h.merge(&halves[1])
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*(1+1.0/bucketsEach)+1 {
			t.Errorf("p%v: got %d, want %d or up to 1/32 more", 100*q, got, want)
		}
	}
	var sum uint64
	h.buckets(func(_ time.Duration, n uint64) { sum += n })
	if sum != 10_000 || h.max != all[len(all)-1] {
		t.Errorf("got %d in buckets, max %v, want 10000, %v", sum, h.max, all[len(all)-1])
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
}

func TestHistogramIsDrawn(t *testing.T) {
	var h histogram
	for d, n := range map[time.Duration]int{1 << 19: 1, 1<<20 + 1: 80, 1 << 22: 40} {
		for range n {
			h.add(d)
		}
	}
	var b strings.Builder
	h.draw(&b)
	want := "" +
		"       1.048 ms          1  #\n" +
		"       2.097 ms         80  " + strings.Repeat("#", 40) + "\n" +
		"       4.194 ms          0\n" +
		"       4.194 ms         40  " + strings.Repeat("#", 20) + "\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	if new(histogram).draw(&b); b.Len() > 0 {
		t.Errorf("of nothing: got %q", b.String())
	}
}
