package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// The sentinels. Each is found by errors.Is in what the methods return, and
// each is also the matching error of the standard library where there is one.
var (
	ErrClosed       error = &sentinel{"node closed", net.ErrClosed, false}
	ErrTimeout      error = &sentinel{"timed out", os.ErrDeadlineExceeded, true}
	ErrTooLarge     error = &sentinel{"message too large", syscall.EMSGSIZE, false}
	ErrNoRoute      error = &sentinel{"no route", syscall.EHOSTUNREACH, false}
	ErrNotConnected error = &sentinel{"no live link", syscall.ENOTCONN, false}
	ErrQueueFull    error = &sentinel{"queue full", syscall.ENOBUFS, false}
	ErrRefused      error = &sentinel{"refused", syscall.ECONNREFUSED, false}
	ErrPortInUse    error = &sentinel{"port in use", syscall.EADDRINUSE, false}
	ErrNoHandler    error = &sentinel{"no handler", ErrRefused, false}
)

type sentinel struct {
	text    string
	std     error
	timeout bool
}

func (s *sentinel) Error() string   { return s.text }
func (s *sentinel) Unwrap() error   { return s.std }
func (s *sentinel) Timeout() bool   { return s.timeout }
func (s *sentinel) Temporary() bool { return s.timeout }

// Outcome tells what is known about a message whose Send did not succeed.
type Outcome uint8

const (
	// Undelivered: the receiver did not and will not get it.
	Undelivered Outcome = iota + 1
	// Unknown: a copy had left; the receiver may have got it.
	Unknown
	// Delivered: the receiver took the request, and its answer did not come.
	Delivered
)

// String returns "undelivered", "delivered" or "unknown".
func (o Outcome) String() string {
	switch o {
	case Undelivered:
		return "undelivered"
	case Delivered:
		return "delivered"
	case Unknown:
	}
	return "unknown"
}

// SendError is how a message ends that was not acknowledged.
type SendError struct {
	To      routing.ID
	Outcome Outcome
	Reason  string // the reason's name as in logs and status, or "no-answer"; "" when only the context ended
	Sent    int    // transmissions that left this node
	Err     error  // a sentinel of this package or the context's error

	why reason.Reason // the same as Reason
}

// Error says what is known, in one line.
func (e *SendError) Error() string {
	s := fmt.Sprintf("send to %s: %v", e.To.Short(), e.Err)
	if e.Reason != "" && e.Reason != e.Err.Error() {
		s += " (" + e.Reason + ")"
	}
	switch {
	case e.Outcome == Delivered:
		return s + "; the node there took the request and did not answer it"
	case e.Sent == 1:
		return fmt.Sprintf("%s; %s after 1 transmission", s, e.Outcome)
	}
	return fmt.Sprintf("%s; %s after %d transmissions", s, e.Outcome, e.Sent)
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Timeout reports whether the cause is a time that ran out.
func (e *SendError) Timeout() bool { return errors.Is(e.Err, ErrTimeout) }

// Temporary is the same as Timeout; it completes [net.Error].
func (e *SendError) Temporary() bool { return e.Timeout() }

// TooLargeError is an [ErrTooLarge] with its figures.
type TooLargeError struct{ Size, Max int }

// Error names both sizes and the way out.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message of %d bytes is larger than %d: split it", e.Size, e.Max)
}

// Unwrap returns ErrTooLarge.
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }

// NoRouteError is an [ErrNoRoute] with its figures: how many of the first hops that
// were tried led to somebody who knows no way to the node.
type NoRouteError struct{ Said, Tried int }

// Error tells both.
func (e *NoRouteError) Error() string {
	return fmt.Sprintf("no route: %d of %d first hops said so", e.Said, e.Tried)
}

// Unwrap returns ErrNoRoute.
func (e *NoRouteError) Unwrap() error { return ErrNoRoute }

// JoinError is why no link came up by one URL.
type JoinError struct {
	URL   transport.URL // prints masked
	Stage string        // parse, resolve, connect, proxy, tls, upgrade, subprotocol, handshake, admission, link: it came up and ended, or its peer has not answered; attach: linked, and the relay is no home of this leaf
	// Reason is why, in a word: the name of a reason as in logs and status, or one of
	// transport's Cause constants; empty: the stage says all that is known.
	Reason string
	Err    error
}

// Error names the URL, the stage and the cause.
func (e *JoinError) Error() string { return fmt.Sprintf("join %s: %s: %v", e.URL, e.Stage, e.Err) }

// Unwrap returns the cause.
func (e *JoinError) Unwrap() error { return e.Err }

// causeOf maps a reason to the sentinel that a caller tests for.
func causeOf(r reason.Reason) error {
	switch r {
	case reason.NoRoute, reason.Detached, reason.HopLimit, reason.LoopedDetour:
		return ErrNoRoute
	case reason.NoLink:
		return ErrNotConnected
	case reason.QueueFull, reason.PortFull, reason.SessionLimit, reason.MemoryLimit:
		return ErrQueueFull
	case reason.NoHandler, reason.Unsupported:
		return ErrNoHandler
	case reason.TooLarge:
		return ErrTooLarge
	case reason.Closed:
		return ErrClosed
	case reason.Expired:
		return ErrTimeout
	case reason.PeerRestarted:
		return r
	case reason.None:
		return nil
	}
	return &refusal{r}
}

// refusal is an ErrRefused that keeps its reason.
type refusal struct{ r reason.Reason }

func (e *refusal) Error() string   { return "refused: " + e.r.String() }
func (e *refusal) Unwrap() []error { return []error{ErrRefused, e.r} }

// contextCause turns the end of a context into the package's words.
func contextCause(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}
