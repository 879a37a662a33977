// Package netwatch tells a node when the network below it has changed: an address
// of the machine came or went, a cable was pulled or put in, what goes out takes
// another way, or the machine has slept.
//
// A [Watcher] compares pictures of the machine (change.go is pure). On Linux the
// kernel says when to look, by a netlink socket; elsewhere, and where that socket is
// refused, it looks every limits.NetLook. It also notes when the clock says that
// the process stood still.
//
// What happens within limits.NetGather is one change: an address that goes and
// another that comes are told together.
package netwatch
