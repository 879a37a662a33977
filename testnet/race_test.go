//go:build race

package testnet

// raced tells that the race detector runs, which a simulation is ten times slower
// with and, being one goroutine, has no need of.
const raced = true
