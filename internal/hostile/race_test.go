//go:build race

package hostile_test

// raced tells that the race detector runs, which makes hundreds of real links slower
// than the times that they keep.
const raced = true
