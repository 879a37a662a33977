//go:build race

package dgram_test

// underRace tells that the race detector runs, which looks at each byte several times.
const underRace = true
