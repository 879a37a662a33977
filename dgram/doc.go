// Package dgram is UDP on a mesh: a port of a node as a [net.PacketConn].
package dgram
