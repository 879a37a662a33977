package transport_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

func TestErrClosed(t *testing.T) {
	if !errors.Is(transport.ErrClosed, net.ErrClosed) {
		t.Error("ErrClosed is not net.ErrClosed")
	}
	if errors.Is(net.ErrClosed, transport.ErrClosed) {
		t.Error("any net.ErrClosed is taken for ErrClosed")
	}
}

func TestDialError(t *testing.T) {
	err := error(&transport.DialError{URL: "ws://host:1", Stage: transport.StageUpgrade, Err: io.ErrUnexpectedEOF})
	if got, want := err.Error(), "dial ws://host:1: upgrade: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("DialError does not unwrap to its cause")
	}
}
