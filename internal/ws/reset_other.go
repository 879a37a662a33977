//go:build !unix

package ws

func isReset(error) bool { return false } // a net.OpError tells
