package transport

import (
	"context"
	"net"
	"net/url"
)

// Conn is one message pipe to a neighbour.
//
// One goroutine at a time receives and one at a time sends (Send, Flush and
// TryFlush together); the two may be different ones. The callers see to it.
// Close and the describing methods may be called by anybody at any time.
type Conn interface {
	// Receive waits for the next message, then calls buf for memory and
	// returns the part of it that it filled. It calls buf once for each
	// message and only when the message has begun to arrive, so an idle pipe
	// holds no buffer. The memory is the caller's all the time: the pipe keeps
	// no reference to it after Receive has returned.
	//
	// The caller accepts messages of up to len(memory)-1 bytes: the last byte
	// is room to see the end. A longer message, or one longer than Max,
	// ends the pipe with an error that is ErrMessageTooBig. A message may be
	// empty, and comes whole or not at all: a pipe that ends inside a message
	// ends with an error.
	Receive(buf func() []byte) ([]byte, error)

	// Send gathers one message of at most Max bytes. The bytes are copied
	// before it returns. It never blocks on the peer: a pipe holds what is
	// gathered until Flush, so the callers bound how much that is. A longer
	// message is refused with an error that is ErrMessageTooBig, and the pipe
	// lives on.
	Send(msg []byte) error

	// Flush hands everything gathered to the carrier and waits until it is
	// taken. A peer that takes nothing for limits.WriteStall ends the pipe
	// with an error that is os.ErrDeadlineExceeded, on carriers that can tell.
	Flush() error

	// TryFlush makes one attempt to hand over what was gathered and never
	// blocks. When done is false and err nil, the rest is still gathered and
	// Flush must be called to finish it. Carriers that cannot write without
	// blocking always report false. With nothing gathered done is true.
	TryFlush() (done bool, err error)

	// Max is the longest message in bytes. It does not change.
	Max() int

	// Binding identifies the secure channel below (WebRTC: both DTLS
	// fingerprints, the caller's own first, 32 bytes each); nil on carriers
	// without one. The caller must not change it.
	Binding() []byte

	// Kind names the carrier: "ws", "mem" or "webrtc".
	Kind() string

	// RemoteAddr is the neighbour's address as seen through trusted proxies;
	// nil if the carrier has none.
	RemoteAddr() net.Addr

	// Close ends the pipe at once and wakes whoever waits on either end. It
	// may be called often and by several goroutines; it returns when the
	// carrier holds nothing of the pipe any more.
	Close() error
}

// Dialer opens pipes to the addresses that one carrier understands.
type Dialer interface {
	// Dial opens a pipe to u. The context bounds the dial alone, not the
	// pipe. A carrier with IP addresses asks CheckAddress with this context
	// about each one before it connects to it. An error is a *DialError.
	Dial(ctx context.Context, u *url.URL) (Conn, error)
}
