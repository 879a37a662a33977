// Package webrtc carries links over WebRTC data channels, so that two nodes
// without a public address, behind NATs or in a browser, are linked directly.
//
// A pipe is negotiated: one end makes an offer, the other answers it, both tell
// candidates as they find them. How these texts get from one end to the other is
// the caller's affair (nodes send them through the mesh); this package makes and
// takes them and ends with a [transport.Conn].
package webrtc
