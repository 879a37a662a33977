package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// optional makes the help show no default of a value that means nothing unset.
func optional[T any](v *value[T]) *value[T] {
	v.text = ""
	return v
}

// percent reads shares, such as 30%; they are kept as 0 to 1.
func percent() *value[float64] {
	return &value[float64]{read: parsePercent}
}

func parsePercent(text string) (float64, error) {
	digits, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return 0, errors.New("want a share such as 30%, from 0% to 100%")
	}
	return v / 100, nil
}

// timeSpan is from a shortest to a longest time.
type timeSpan struct{ min, max time.Duration }

// span reads two times, such as 20ms-80ms, or one for both.
func span() *value[timeSpan] {
	return &value[timeSpan]{read: func(text string) (timeSpan, error) {
		low, high, both := strings.Cut(text, "-")
		if !both {
			high = low
		}
		s, errLow := time.ParseDuration(low)
		l, errHigh := time.ParseDuration(high)
		if errLow != nil || errHigh != nil || s <= 0 || l < s {
			return timeSpan{}, errors.New("want two times above zero, the shorter first, such as 20ms-80ms, or one, such as 50ms")
		}
		return timeSpan{s, l}, nil
	}}
}

// partition is a share of the nodes that is cut off for a time.
type partition struct {
	share float64
	time  time.Duration
}

// cutOff reads a share and a time, such as 50%:60s.
func cutOff() *value[partition] {
	return &value[partition]{read: func(text string) (partition, error) {
		share, long, _ := strings.Cut(text, ":")
		part, errShare := parsePercent(share)
		d, errTime := time.ParseDuration(long)
		if errShare != nil || errTime != nil || d <= 0 {
			return partition{}, errors.New("want a share and a time, such as 50%:60s")
		}
		return partition{part, d}, nil
	}}
}

// seed reads whole numbers. Without it every run is the same as the last.
func seed() *value[uint64] {
	return &value[uint64]{v: 1, text: "1", read: func(text string) (uint64, error) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, errors.New("want a whole number from 0 to 18446744073709551615")
		}
		return n, nil
	}}
}
