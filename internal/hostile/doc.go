// Package hostile is a client for tests that keeps no rule of its own. It
// speaks the protocol by means of the codecs alone (internal/wire,
// internal/identity, the Noise and WebSocket libraries), so that no check of
// this implementation's links, sessions or engine stands between a test and
// the bytes that it wants to send.
//
// A test that wants something hostile said takes these steps and may stop
// after any of them:
//
//	self := hostile.NewSelf(wire.RoleRelay)           // who it is; change self.Hello at will
//	pipe, err := hostile.Open(ctx, url, hostile.Options{}) // an upgraded WebSocket, nothing said yet
//	hs := hostile.NewHandshake(pipe, self, true)      // Write and Read one message each
//	link, err := hostile.Join(pipe, self)             // the whole handshake
//	link.Run(hostile.Habits{NoAck: true})             // read, answer pings, hand frames to sessions
//	link.Send(frame, frame)                           // any link or mesh frames
//	s, err := link.Session(ctx, node, hostile.Claim{Src: victim})
//	err = s.Message(ctx, port, data)
//
// [Dial] does the first steps at once, [Serve] makes it a relay that others
// dial. The scenarios are the external tests of this directory, one file for
// each theme; they run real
// nodes, and docs/security.md lists them by theme.
package hostile
