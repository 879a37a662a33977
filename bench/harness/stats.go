package harness

import (
	"math"
	"slices"
)

// Median returns the middle of the values, NaN if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// MedianRatio returns the median of a[i]/b[i]. The two slices hold the rounds of
// two systems that ran right after each other, so that a ratio compares equal
// conditions even when the machine's speed drifts. A failed round, which is
// zero, is left out.
func MedianRatio(a, b []float64) float64 {
	return paired(a, b, func(x, y float64) float64 { return x / y })
}

// MedianDifference is the like of [MedianRatio] for a[i]-b[i].
func MedianDifference(a, b []float64) float64 {
	return paired(a, b, func(x, y float64) float64 { return x - y })
}

func paired(a, b []float64, join func(x, y float64) float64) float64 {
	var joined []float64
	for i := range min(len(a), len(b)) {
		if a[i] != 0 && b[i] != 0 {
			joined = append(joined, join(a[i], b[i]))
		}
	}
	return Median(joined)
}
