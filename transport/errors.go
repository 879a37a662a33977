package transport

import (
	"errors"
	"net"

	"github.com/peermesh/peermesh/internal/secret"
)

// URL is a URL as a user gave it. It prints with "***" in the place of passwords,
// tokens and the values of a query; its method Reveal returns the text itself.
type URL = secret.URL

// ErrMessageTooBig says that a message is longer than the pipe (Conn.Max) or
// its receiver (the memory given to Conn.Receive) accepts.
var ErrMessageTooBig = errors.New("message too big")

// ErrClosed says that this end of the pipe was closed. It unwraps to
// net.ErrClosed.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "pipe closed" }
func (closedError) Unwrap() error { return net.ErrClosed }

// The stages of a dial, in their order.
const (
	StageParse       = "parse"       // the URL itself
	StageResolve     = "resolve"     // the host's name
	StageConnect     = "connect"     // the connection below
	StageProxy       = "proxy"       // instead of these two: the way through a forward proxy
	StageTLS         = "tls"         // certificates and TLS
	StageUpgrade     = "upgrade"     // the HTTP upgrade
	StageSubprotocol = "subprotocol" // what is spoken after it
)

// VersionError says that the two ends of a pipe speak different versions of the
// protocol above it.
type VersionError struct {
	Ours, Theirs string // subprotocols; Theirs is "another version" where the peer does not say
}

// Error names both, and what to do.
func (e *VersionError) Error() string {
	return "bad-version: this node speaks " + e.Ours + ", the peer " + e.Theirs + "; bring both to the same version"
}

// DialError says at which stage the dial of a URL ended, and why. It unwraps
// to the cause.
type DialError struct {
	URL   URL    // as it was dialled, without fragment; it prints masked
	Stage string // one of the Stage constants
	Cause string // one of the Cause constants; empty: the stage says all that is known
	Err   error  // the cause; its text says what to do about it
}

// Error implements error.
func (e *DialError) Error() string {
	return "dial " + e.URL.String() + ": " + e.Stage + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// ProxyError is why a forward proxy opens no way. It is the cause of a DialError of
// stage StageProxy.
type ProxyError struct {
	Proxy  string // its URL without user and password
	Status int    // what an HTTP proxy answered: 407 for a user or password, 403, 502; 0: none
	Err    error  // the cause; its text says what to do about it
}

// Error names the proxy and the cause.
func (e *ProxyError) Error() string { return e.Proxy + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }
