//go:build !linux

package ws

import "net"

func askForBBR(*net.TCPConn) {}

func congestionOf(net.Conn) string { return "" }

// LinkCongestion is the congestion control that a link to another machine gets;
// false: the system does not tell.
func LinkCongestion() (name string, ok bool) { return "", false }
