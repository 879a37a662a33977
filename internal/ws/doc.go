// Package ws moves whole messages over WebSocket connections, gathering many
// of them into one system call.
//
// It is the only package that imports the WebSocket library, and nhooyr.go the
// only file of it, so that another library is one changed line. The mesh uses
// it through transport/ws, the gateways directly.
//
// # How a connection is built
//
//	Conn      Receive, Send, Flush, TryFlush, Close
//	socket    the library: frames, masking, pings, the closing handshake
//	cork      gathers complete WebSocket frames, writes them on Flush
//	source    reads ahead, one frame after the other; tells when it is about to wait;
//	          keeps io.EOF from the library, which takes it for the end of a message
//	net.Conn  TCP or TLS
//
// Send hands one message to the library, which writes its frame into the cork:
// that never touches the network. Flush writes everything gathered with one
// call, TryFlush with one call that does not block (TCP only). Pongs and close
// frames, which the library writes from inside Receive, leave at once when
// nothing is gathered, else behind what is, and never wait for the network on
// the caller's goroutine.
//
// # What an idle connection costs
//
// One goroutine (the library's) and little memory: the buffer of the cork goes
// back to its pool when it has been written, the one of the source when it has
// been read, and the buffer of the reader is asked for when a message has begun
// to arrive. An accepted connection has small buffers for the library instead of
// those of net/http; a dialled one has the library's own, 4 KiB each way. Receive
// waits outside the library, on a stack that stays small (TCP only), unless many
// messages in a row have come soon.
package ws
