//go:build !nowebrtc

package webrtc_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// Ends of attempts at any moment, many at once, leave nothing behind.
func TestManyEnds(t *testing.T) {
	count := 200
	if testing.Short() {
		count = 20
	}
	a, b := endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{})
	places := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i := range count {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			cycle(t, a, b, i)
		})
	}
	all.Wait()
}

// So many begun at once on a busy machine all open, and leave nothing behind.
func TestManyAtOnce(t *testing.T) {
	count := 200
	if testing.Short() {
		count = 20
	}
	a, b := endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{})
	var all sync.WaitGroup
	for range count {
		all.Go(func() { cycle(t, a, b, 4) })
	}
	all.Wait()
}

// cycle goes a part of the way and ends both sides, in one order or another.
func cycle(t *testing.T, a, b *webrtc.Endpoint, i int) {
	ctx := soon(t)
	offer, err := a.Offer(ctx, local)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = offer.Close() }()
	if i%5 == 0 {
		return // abandoned
	}
	answer, err := b.Answer(ctx, local, offer.Description())
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = answer.Close() }()
	if i%5 == 1 {
		return // unanswered
	}
	if err := offer.SetAnswer(ctx, answer.Description()); err != nil {
		t.Error(err)
		return
	}
	if i%5 == 2 {
		time.Sleep(time.Duration(i) * 50 * time.Microsecond) // somewhere in ICE, DTLS or SCTP
		return
	}
	x, err := offer.Wait(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	y, err := answer.Wait(ctx)
	if err != nil {
		t.Error(err)
		_ = x.Close()
		return
	}
	if i%2 == 0 {
		x, y = y, x
	}
	_ = x.Close()
	_ = y.Close()
}

// muffler is a socket that goes deaf and dumb.
type muffler struct {
	net.PacketConn
	off atomic.Bool
}

func (m *muffler) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := m.PacketConn.ReadFrom(b)
		if err != nil || !m.off.Load() {
			return n, from, err
		}
	}
}

func (m *muffler) WriteTo(b []byte, to net.Addr) (int, error) {
	if m.off.Load() {
		return len(b), nil
	}
	return m.PacketConn.WriteTo(b, to)
}

func TestSilentPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 8 seconds")
	}
	t.Parallel()
	socket := &muffler{PacketConn: listen(t, "127.0.0.1:0")}
	a, b := pipe(t, fixed(t), endpoint(t, webrtc.Config{UDP: socket}))
	say(t, a, b, "hello")
	socket.off.Store(true)
	began := time.Now()
	ends := make(chan error, 2)
	for _, c := range []transport.Conn{a, b} {
		go func() { _, err := c.Receive(nil); ends <- err }()
	}
	for range 2 {
		if err := <-ends; err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want an error of its own", err)
		}
	}
	if took := time.Since(began); took > 10*time.Second+busy {
		t.Errorf("noticed after %v, want 10 s at most, and %v on a busy machine", took, busy)
	}
	for _, c := range []transport.Conn{a, b} {
		if err := c.Send([]byte("x")); err == nil {
			t.Error("Send on a dead pipe: got no error")
		}
		_ = c.Close()
	}
}

// A peer that does not read makes Flush give up.
func TestWriteStall(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 seconds")
	}
	t.Parallel()
	a, _ := pipe(t, endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{}))
	for range 64 {
		if err := a.Send(make([]byte, 64_000)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := a.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want ErrDeadlineExceeded", err)
	}
	if took := time.Since(began); took < limits.WriteStall {
		t.Errorf("gave up after %v, want %v at least", took, limits.WriteStall)
	}
	if err := a.Send(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Send afterwards: got %v, want the same", err)
	}
}

// A clean end is seen without waiting for silence to be noticed.
func TestCloseIsSeenAtOnce(t *testing.T) {
	a, b := pipe(t, fixed(t), fixed(t))
	seen := make(chan error)
	go func() { _, err := b.Receive(nil); seen <- err }()
	began := time.Now()
	_ = a.Close()
	if err := <-seen; !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
	if took := time.Since(began); took > limits.ICEDisconnected {
		t.Errorf("seen after %v, want it at once", took)
	}
}
