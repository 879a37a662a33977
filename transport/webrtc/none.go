//go:build nowebrtc

package webrtc

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"github.com/peermesh/peermesh/transport"
)

// Supported says whether this program was built with WebRTC.
const Supported = false

// Config describes an Endpoint.
type Config struct {
	UDP    net.PacketConn
	Net    any
	Logger *slog.Logger
}

// Endpoint would make pipes.
type Endpoint struct{}

// New fails with ErrUnsupported; it closes Config.UDP.
func New(c Config) (*Endpoint, error) {
	if c.UDP != nil {
		_ = c.UDP.Close()
	}
	return nil, ErrUnsupported
}

// Close does nothing.
func (*Endpoint) Close() error { return nil }

// STUNPort is 0.
func (*Endpoint) STUNPort() uint16 { return 0 }

// Stuck is 0.
func (*Endpoint) Stuck() int { return 0 }

// Offer fails with ErrUnsupported.
func (*Endpoint) Offer(context.Context, Setup) (*Attempt, error) { return nil, ErrUnsupported }

// Answer fails with ErrUnsupported.
func (*Endpoint) Answer(context.Context, Setup, string) (*Attempt, error) { return nil, ErrUnsupported }

// Attempt is one end of a pipe that is being negotiated: there is none.
type Attempt struct{}

// Description is empty.
func (*Attempt) Description() string { return "" }

// Candidates carries nothing and is never closed.
func (*Attempt) Candidates() <-chan string { return nil }

// SetAnswer fails with ErrUnsupported.
func (*Attempt) SetAnswer(context.Context, string) error { return ErrUnsupported }

// AddCandidate fails with ErrUnsupported.
func (*Attempt) AddCandidate(string) error { return ErrUnsupported }

// Wait fails with ErrUnsupported.
func (*Attempt) Wait(context.Context) (*Conn, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Attempt) Close() error { return nil }

// Conn is a pipe over a data channel: there is none.
type Conn struct{ transport.Conn }

// Pair is empty.
func (*Conn) Pair() (local, remote string) { return "", "" }

// Batch is 0.
func (*Conn) Batch() int { return 0 }

// CheckServer fails with ErrUnsupported.
func CheckServer(context.Context, Server, *x509.CertPool) (time.Duration, error) {
	return 0, ErrUnsupported
}

// ErrServerLogin is never met.
var ErrServerLogin = ErrUnsupported
