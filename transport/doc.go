// Package transport is the contract between a link and what carries it: a pipe
// of whole messages to one neighbour.
//
// A carrier moves bytes and keeps their order and their boundaries. It knows
// nothing of frames, keys or peers. Three carriers implement it: WebSocket
// (transport/ws), WebRTC data channels (transport/webrtc) and memory
// (transport/mem); transport/transporttest holds the suite that each of them
// passes.
//
// # Sending
//
// Sending has two halves, so that many messages cost one system call: Send
// gathers, Flush and TryFlush hand over what was gathered.
//
//	for _, record := range records {
//		if err := conn.Send(record); err != nil { ... }
//	}
//	if done, err := conn.TryFlush(); err == nil && !done {
//		err = conn.Flush() // on a goroutine that may block
//	}
//
// What TryFlush leaves over stays gathered, in order, until Flush finishes it.
//
// # Ending
//
// Close ends a pipe at once: what was gathered and not flushed is dropped, and
// every call that waits on either end returns. After it, calls on the closing
// end fail with an error that is [ErrClosed]; on the other end Receive fails
// with an error that is io.EOF or, when the carrier can only tell that its
// connection broke, some other error. No call on a pipe succeeds after one has
// failed, but for Close, which always may be called.
package transport
