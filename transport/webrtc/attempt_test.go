//go:build !nowebrtc

package webrtc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

func TestDescribesTheLink(t *testing.T) {
	a, b := pipe(t, fixed(t), endpoint(t, webrtc.Config{}))
	for _, e := range []struct{ own, other *webrtc.Conn }{{a, b}, {b, a}} {
		own, other := e.own.Binding(), e.other.Binding()
		if len(own) != 64 || string(own) != string(other[32:])+string(other[:32]) {
			t.Errorf("got bindings %x and %x, want the same two halves, the own first", own, other)
		}
		if local, remote := e.own.Pair(); local != "host" && local != "prflx" || remote != "host" && remote != "prflx" {
			t.Errorf("got pair %s, %s, want a direct one", local, remote)
		}
		if e.own.Kind() != "webrtc" || e.own.Max() != 65_535 || e.own.Batch() != 16<<10 {
			t.Errorf("got %s, %d, %d", e.own.Kind(), e.own.Max(), e.own.Batch())
		}
	}
	addr, ok := b.RemoteAddr().(*net.UDPAddr)
	if !ok || !addr.IP.IsLoopback() || addr.Port == 0 {
		t.Errorf("got address %v, want one of loopback", b.RemoteAddr())
	}
}

func TestTellsOnlyWhatMayBeTold(t *testing.T) {
	e := endpoint(t, webrtc.Config{})
	for _, c := range []struct {
		name string
		tell func(netip.Addr) bool
		ok   func(netip.Addr) bool
	}{
		{"by default", nil, func(a netip.Addr) bool { return !a.IsLoopback() && !a.IsLinkLocalUnicast() }},
		{"loopback", netip.Addr.IsLoopback, netip.Addr.IsLoopback},
		{"nothing", func(netip.Addr) bool { return false }, func(netip.Addr) bool { return false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := e.Offer(soon(t), webrtc.Setup{Tell: c.tell})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Close() }()
			if len(a.Description()) > limits.SDPBytes {
				t.Errorf("got %d bytes", len(a.Description()))
			}
			told := 0
			for text := range strings.Lines(a.Description()) {
				if !strings.HasPrefix(text, "a=candidate:") {
					continue
				}
				told++
				if addr := netip.MustParseAddr(strings.Fields(text)[4]); !c.ok(addr) {
					t.Errorf("got %v told", addr)
				}
			}
			if c.name == "loopback" && told == 0 {
				t.Error("got nothing told, want 127.0.0.1")
			}
			for line := range a.Candidates() {
				t.Errorf("got %q late, want all with the offer", line)
			}
		})
	}
}

func TestOutOfTurn(t *testing.T) {
	e := endpoint(t, webrtc.Config{})
	offer, err := e.Offer(soon(t), local)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = offer.Close() }()
	const line = "candidate:1 1 udp 1 127.0.0.1 9 typ host"
	if err := offer.AddCandidate(line); !errors.Is(err, webrtc.ErrOrder) {
		t.Errorf("a candidate before the answer: got %v, want ErrOrder", err)
	}
	answer, err := e.Answer(soon(t), local, offer.Description())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Close() }()
	if err := answer.SetAnswer(soon(t), answer.Description()); !errors.Is(err, webrtc.ErrOrder) {
		t.Errorf("an answer to an answer: got %v, want ErrOrder", err)
	}
	if err := offer.SetAnswer(soon(t), "nonsense"); !errors.Is(err, webrtc.ErrDescription) {
		t.Errorf("nonsense: got %v, want ErrDescription", err)
	}
	if err := offer.SetAnswer(soon(t), answer.Description()); err != nil {
		t.Fatal(err)
	}
	if err := offer.SetAnswer(soon(t), answer.Description()); !errors.Is(err, webrtc.ErrOrder) {
		t.Errorf("a second answer: got %v, want ErrOrder", err)
	}
	if err := offer.AddCandidate("candidate:nonsense"); !errors.Is(err, webrtc.ErrCandidate) {
		t.Errorf("a malformed candidate: got %v, want ErrCandidate", err)
	}
	for range limits.Candidates {
		err = offer.AddCandidate(line)
	}
	if !errors.Is(err, webrtc.ErrCandidate) {
		t.Errorf("too many candidates: got %v, want ErrCandidate", err)
	}
	first := open(t, offer)
	if _, err := offer.Wait(soon(t)); !errors.Is(err, webrtc.ErrOrder) {
		t.Errorf("a second Wait: got %v, want ErrOrder", err)
	}
	_ = offer.Close() // the pipe is not the attempt's any more
	say(t, first, open(t, answer), "hello")
}

// Refused offers leave nothing behind: goleak sees what they do.
func TestBadOffers(t *testing.T) {
	e := endpoint(t, webrtc.Config{})
	offer, err := e.Offer(soon(t), local)
	if err != nil {
		t.Fatal(err)
	}
	good := offer.Description()
	_ = offer.Close()
	for name, text := range map[string]string{
		"empty":          "",
		"no fingerprint": strings.Replace(good, "a=fingerprint:", "a=x:", 1),
		"no password":    strings.Replace(good, "a=ice-pwd:", "a=x:", 1),
		"bad candidate":  good + "a=candidate:x\r\n",
		"media":          good + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
	} {
		if _, err := e.Answer(soon(t), local, text); !errors.Is(err, webrtc.ErrDescription) && !errors.Is(err, webrtc.ErrCandidate) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	if _, err := e.Offer(soon(t), webrtc.Setup{Servers: []string{"ftp:nobody"}}); err == nil {
		t.Error("a bad server: got no error")
	}
}

func wantStage(t *testing.T, err error, stage string, cause error) {
	t.Helper()
	var setup *webrtc.SetupError
	if !errors.As(err, &setup) || setup.Stage != stage || cause != nil && !errors.Is(err, cause) {
		t.Errorf("got %v, want stage %s and %v", err, stage, cause)
	}
}

func TestWaitEnds(t *testing.T) {
	e := endpoint(t, webrtc.Config{})
	for _, c := range []struct {
		name string
		stop func(context.CancelFunc, *webrtc.Attempt)
		want error
	}{
		{"with its context", func(cancel context.CancelFunc, _ *webrtc.Attempt) { cancel() }, context.Canceled},
		{"by Close", func(_ context.CancelFunc, a *webrtc.Attempt) { _ = a.Close() }, transport.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := e.Offer(soon(t), local)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			waited := make(chan error)
			go func() { _, err := a.Wait(ctx); waited <- err }()
			c.stop(cancel, a)
			wantStage(t, <-waited, webrtc.StageICE, c.want)
			_, err = a.Wait(soon(t))
			wantStage(t, err, webrtc.StageICE, c.want)
		})
	}
}

func TestClosedEndpoint(t *testing.T) {
	e := fixed(t)
	far := endpoint(t, webrtc.Config{})
	a, b := pipe(t, e, far)
	waiting, err := e.Offer(soon(t), local)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() { _, err := waiting.Wait(soon(t)); waited <- err }()
	_ = e.Close()
	_ = e.Close()
	wantStage(t, <-waited, webrtc.StageICE, transport.ErrClosed)
	if _, err := a.Receive(nil); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("the pipe: got %v, want ErrClosed", err)
	}
	if _, err := b.Receive(nil); !errors.Is(err, io.EOF) {
		t.Errorf("the peer: got %v, want EOF", err)
	}
	if _, err := e.Offer(soon(t), local); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("an offer: got %v, want ErrClosed", err)
	}
	if _, err := e.Answer(soon(t), local, waiting.Description()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("an answer: got %v, want ErrClosed", err)
	}
}

// An offer whose context ends while it gathers is given up.
func TestOfferIsGivenUp(t *testing.T) {
	deaf := listen(t, "127.0.0.1:0") // a server that never answers
	e := endpoint(t, webrtc.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	s := webrtc.Setup{Servers: []string{"stun:" + deaf.LocalAddr().String()}, Tell: local.Tell}
	if _, err := e.Offer(ctx, s); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want Canceled", err)
	}
	began := time.Now()
	a, err := e.Offer(soon(t), s)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < limits.GatherTime {
		t.Errorf("offered after %v, want it to wait for the server until %v", took, limits.GatherTime)
	}
	if !strings.Contains(a.Description(), "a=candidate:") || strings.Contains(a.Description(), "end-of-candidates") {
		t.Errorf("got %q, want own addresses, and more to come", a.Description())
	}
	_ = a.Close()
	for range a.Candidates() {
		t.Error("got a candidate, want the end")
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = e.Close() })
	if _, err := e.Offer(soon(t), s); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("the endpoint closed meanwhile: got %v, want ErrClosed", err)
	}
}

// Between two ends on this machine packets go by any of its addresses, those that
// nobody was told of too; a peer that is here is at loopback all the same.
func TestPeerOnThisMachine(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil || !slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().IsGlobalUnicast()
	}) {
		t.Skip("this machine has no address but loopback: run it where there is a network interface")
	}
	private := webrtc.Setup{Tell: netip.Addr.IsGlobalUnicast, Take: netip.Addr.IsGlobalUnicast}
	for range 8 { // which pair wins is a matter of luck
		offer, answer := negotiate(t, endpoint(t, webrtc.Config{}), endpoint(t, webrtc.Config{}), private, private)
		for _, c := range []*webrtc.Conn{open(t, offer), open(t, answer)} {
			addr, ok := c.RemoteAddr().(*net.UDPAddr)
			if !ok || !addr.IP.IsLoopback() && !addr.IP.IsLinkLocalUnicast() || addr.Port == 0 {
				t.Errorf("got address %v, want one of loopback", c.RemoteAddr()) // the library does not tell of own link-local ones
			}
		}
	}
}
