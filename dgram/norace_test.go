//go:build !race

package dgram_test

// underRace: see race_test.go.
const underRace = false
