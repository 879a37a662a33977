package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/peermesh/peermesh/transport"
)

// Status codes of a close frame (RFC 6455, section 7.4.1).
const (
	StatusNormal      = 1000 // done
	StatusProtocol    = 1002 // the peer broke the rules, or speaks others
	StatusUnsupported = 1003 // a type of message that is not accepted
	StatusPolicy      = 1008 // refused
	StatusTooBig      = 1009 // a message longer than is accepted
	StatusTryLater    = 1013 // busy
)

// errLost is the end of a connection of which nothing more is known.
var errLost = fmt.Errorf("connection lost: %w", io.EOF)

// CloseError says that the peer ended the connection with a close frame. It
// unwraps to io.EOF, or to transport.ErrMessageTooBig if that was its cause.
type CloseError struct {
	Code   int    // one of the Status constants or another of RFC 6455; 1005: none given
	Reason string // the peer's words, at most 123 bytes
}

// Error implements error.
func (e *CloseError) Error() string {
	text := "closed by the peer with status " + strconv.Itoa(e.Code)
	if e.Reason != "" {
		text += " " + strconv.Quote(e.Reason)
	}
	return text
}

// Unwrap returns io.EOF or transport.ErrMessageTooBig.
func (e *CloseError) Unwrap() error {
	if e.Code == StatusTooBig {
		return transport.ErrMessageTooBig
	}
	return io.EOF
}

// cause says in our words what an error of the library or of the connection
// means: closed by us, ended by the peer (io.EOF), stalled, or a breach of the
// protocol.
func cause(err error) error {
	if ce, ok := closeError(err); ok {
		return ce
	}
	var op *net.OpError
	switch {
	case errors.Is(err, transport.ErrMessageTooBig), errors.Is(err, net.ErrClosed), isTimeout(err):
		return err
	case errors.Is(err, errEnd), errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errLost
	case errors.As(err, &op):
		return fmt.Errorf("%w: %w", errLost, op)
	case isReset(err):
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return fmt.Errorf("breach of the WebSocket protocol: %w", bare(err))
}

// bare takes the library's layers off an error, which begin with "failed to".
func bare(err error) error {
	for strings.HasPrefix(err.Error(), "failed to ") {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
