//go:build !race

package testnet

// raced: see race_test.go.
const raced = false
