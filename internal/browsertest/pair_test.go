//go:build linux && !nowebrtc

package browsertest

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// everywhere tells the page all addresses, loopback too: the one that every
// machine has.
var everywhere = webrtc.Setup{Tell: func(netip.Addr) bool { return true }}

// pair is a data channel between the carrier and the page.
type pair struct {
	*webrtc.Conn
	n    int           // the page's attempt
	took time.Duration // from the wish for it to open at this end
}

// direction is who makes the offer.
type direction struct {
	name    string
	connect func(t *testing.T, p *page, e *webrtc.Endpoint, s webrtc.Setup) pair
}

var directions = []direction{{"the page offers", pageOffers}, {"Go offers", goOffers}}

// newEndpoint returns an Endpoint, with one socket at udp for all pipes unless
// that is empty.
func newEndpoint(t *testing.T, udp string) *webrtc.Endpoint {
	t.Helper()
	var config webrtc.Config
	if udp != "" {
		socket, err := net.ListenPacket("udp", udp)
		if err != nil {
			t.Fatal(err)
		}
		config.UDP = socket
	}
	e, err := webrtc.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func pageOffers(t *testing.T, p *page, e *webrtc.Endpoint, s webrtc.Setup) pair {
	t.Helper()
	begun := time.Now()
	n, theirs := p.attempt()
	offer := call[string](t, p, "offer", args{"n": n})
	a, err := e.Answer(t.Context(), s, offer)
	if err != nil {
		t.Fatal(err)
	}
	p.do(t, "setAnswer", args{"n": n, "answer": a.Description()})
	return p.open(t, a, n, theirs, begun)
}

func goOffers(t *testing.T, p *page, e *webrtc.Endpoint, s webrtc.Setup) pair {
	t.Helper()
	begun := time.Now()
	n, theirs := p.attempt()
	a, err := e.Offer(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetAnswer(t.Context(), call[string](t, p, "answer", args{"n": n, "offer": a.Description()})); err != nil {
		t.Fatal(err)
	}
	return p.open(t, a, n, theirs, begun)
}

// open exchanges what candidates follow and waits for both ends.
func (p *page) open(t *testing.T, a *webrtc.Attempt, n int, theirs <-chan string, begun time.Time) pair {
	t.Helper()
	p.exchange(t, a, n, theirs)
	opened := p.begin("open", args{"n": n})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := a.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	t.Cleanup(func() { _ = c.Close() })
	if err := opened(nil); err != nil {
		t.Fatalf("the page: open: %v", err)
	}
	return pair{c, n, took}
}

// exchange tells either end of the other's candidates until both have no more,
// or the test ends.
func (p *page) exchange(t *testing.T, a *webrtc.Attempt, n int, theirs <-chan string) {
	var both sync.WaitGroup
	both.Go(func() {
		for line := range theirs {
			if err := a.AddCandidate(line); err != nil {
				t.Errorf("the page's candidate %q: %v", line, err)
			}
		}
	})
	both.Go(func() {
		for line := range a.Candidates() {
			if err := p.begin("candidate", args{"n": n, "line": line})(nil); err != nil {
				t.Errorf("the page: candidate %q: %v", line, err)
			}
		}
	})
	t.Cleanup(func() {
		p.mu.Lock()
		p.forget(n)
		p.mu.Unlock()
		_ = a.Close()
		both.Wait()
		_ = p.begin("close", args{"n": n})(nil) // it may have been closed
	})
}

// message returns the i-th message of so many bytes; both ends make the same.
func message(i, size int) []byte {
	b := make([]byte, size)
	for j := range b {
		b[j] = byte(i + j)
	}
	if size >= 4 {
		binary.BigEndian.PutUint32(b, uint32(i))
	}
	return b
}

// send sends one message and waits until the carrier has taken it.
func (c pair) send(b []byte) error {
	if err := c.Send(b); err != nil {
		return err
	}
	return c.Flush()
}

// receive returns the next message. If none comes it ends the pipe, so that the
// test fails instead of waiting.
func (c pair) receive() ([]byte, error) {
	defer c.endIfLate()()
	return c.Receive(func() []byte { return make([]byte, c.Max()+1) })
}

// endIfLate closes the pipe after patience unless stop is called before.
func (c pair) endIfLate() (stop func() bool) {
	return time.AfterFunc(patience, func() { _ = c.Close() }).Stop
}
