package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/peermesh/peermesh/internal/limits"
)

// byteCount is a number of bytes with its unit.
type byteCount int

// memorySize reads a node's MaxMemory; 0 is its default.
func memorySize() *value[byteCount] {
	return &value[byteCount]{text: "0", read: func(text string) (byteCount, error) {
		n, ok := parseBytes(text)
		if !ok || n != 0 && n < limits.MemoryMin {
			return 0, fmt.Errorf("want bytes from %dMiB up, such as 64MiB or 1GiB, or 0", limits.MemoryMin>>20)
		}
		return byteCount(n), nil
	}}
}

// parseBytes reads bytes, with KiB, MiB or GiB behind them or without.
func parseBytes(text string) (n int, ok bool) {
	digits, shift := strings.TrimSuffix(text, "B"), 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if d, found := strings.CutSuffix(text, unit); found {
			digits, shift = d, 10*(i+1)
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > math.MaxInt>>shift {
		return 0, false
	}
	return n << shift, true
}
