package node

import (
	"context"
	"errors"

	"github.com/peermesh/peermesh/internal/wire"
)

// Handler takes the messages of a port.
type Handler interface {
	// HandleMessage is called for one message after another, on the port's own
	// goroutine. m.Data is valid until it returns. ctx ends with the port.
	HandleMessage(ctx context.Context, m *Message)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(ctx context.Context, m *Message)

// HandleMessage calls f.
func (f HandlerFunc) HandleMessage(ctx context.Context, m *Message) { f(ctx, m) }

// Message is what a Handler gets.
type Message struct {
	From     Addr   // proven by the session it came in
	To       uint16 // the port
	Hops     int    // links crossed; told by the relays, not proven
	Datagram bool   // it was not acknowledged
	Data     []byte // valid until the handler returns

	// Transmission names the copy of an acknowledged message that arrived first,
	// of several that may have left: the sender's Receipt.First if it is the first
	// of them. 0 of datagrams and requests.
	Transmission uint64

	port    *Port
	request uint64
	asks    bool
}

// WantsReply says whether the sender waits for a Reply.
func (m *Message) WantsReply() bool { return m.asks }

// ErrNoRequest is what Reply returns for a message that asked for nothing.
var ErrNoRequest = errors.New("the message is not a request")

// Reply answers a request, once, and returns nil when the asker has the answer.
// It may be called after the handler has returned.
func (m *Message) Reply(ctx context.Context, data []byte) error {
	if !m.asks {
		return ErrNoRequest
	}
	_, err := m.port.n.send(ctx, m.port.num, m.From, message{kind: wire.PlainResponse, request: m.request, data: data})
	return err
}
