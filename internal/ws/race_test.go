//go:build race

package ws

// raced tells that the race detector runs, with which pools forget on purpose.
const raced = true
