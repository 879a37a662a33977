//go:build race

package dgram_test

// raced tells that the race detector runs, with which pools forget on purpose.
const raced = true
