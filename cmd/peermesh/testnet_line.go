package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/testnet"
)

// setLine makes a line of the flags that describe one. Real nodes lose packets on a
// line alone; in a simulation without one the carriers do.
func setLine(c *cli.Context, o *testnet.Options) {
	size := get[bufferSize](c, "buffer")
	l := testnet.Line{
		Rate: get[int64](c, "rate"), Delay: get[time.Duration](c, "delay"), Jitter: get[time.Duration](c, "jitter"),
		Buffer: size.packets, Bytes: size.bytes,
	}
	sim := get[string](c, "transport") == "sim"
	if l.Rate > 0 || l.Delay > 0 || l.Jitter > 0 || !sim {
		l.Loss, o.Loss = o.Loss, 0
	}
	o.Line = l
}

const (
	leastRate = 1_000           // bit/s
	mostRate  = 100_000_000_000 // the same
)

// rateUnits are bits a second.
var rateUnits = []struct {
	name string
	bits float64
}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}

// bitRate reads a rate such as 1mbit, 64kbit or 2.5 Gbit/s; it is kept in bytes/s.
func bitRate() *value[int64] {
	return &value[int64]{read: func(text string) (int64, error) {
		bits, ok := parseRate(text)
		if !ok || bits < leastRate || bits > mostRate {
			return 0, errors.New("want a rate such as 64kbit, 1mbit or 2.5gbit, in bits a second, from 1kbit to 100gbit")
		}
		return int64(bits / 8), nil
	}}
}

func parseRate(text string) (bits float64, ok bool) {
	text = strings.TrimSuffix(strings.ToLower(text), "/s")
	for _, u := range rateUnits {
		if digits, found := strings.CutSuffix(text, u.name); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			return n * u.bits, err == nil && n > 0
		}
	}
	return 0, false
}

// bufferSize is how much may wait before a line: packets or bytes.
type bufferSize struct{ packets, bytes int }

// buffer reads packets, such as 50, or bytes, such as 64KiB.
func buffer() *value[bufferSize] {
	return &value[bufferSize]{read: func(text string) (b bufferSize, _ error) {
		n, ok := parseBytes(text)
		if !ok || n == 0 {
			return b, errors.New("want packets, such as 50, or bytes with their unit, such as 64KiB, above zero")
		}
		if strings.HasSuffix(text, "B") {
			return bufferSize{bytes: n}, nil
		}
		return bufferSize{packets: n}, nil
	}}
}
