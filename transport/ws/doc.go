// Package ws carries links over WebSocket: the subprotocol peermesh.2, binary
// messages of at most 65,535 bytes, no compression.
//
// A server mounts a [Handler] at any path, under [NewServer] or a server of
// its own, beside whatever else it serves; [Wants] tells which requests are
// for it. A client dials with a [Dialer]. Neither looks at Origin or at
// cookies: links prove in band who they are.
package ws
