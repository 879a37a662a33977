//go:build !unix

package testnet

// shrinkBuffer leaves the receive buffer of a socket as the system has it.
func shrinkBuffer(uintptr) {}
