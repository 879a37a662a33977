//go:build !linux

package ws

import "net"

func tuneSystem(*net.TCPConn) {}

func limitUnsent(*net.TCPConn, int) {}
