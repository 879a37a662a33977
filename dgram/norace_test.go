//go:build !race

package dgram_test

// raced: see race_test.go.
const raced = false
