//go:build !race

package hostile_test

// raced: see race_test.go.
const raced = false
