//go:build !race

package ws

// raced: see race_test.go.
const raced = false
