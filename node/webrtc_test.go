//go:build !nowebrtc

package node

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// twoRelays returns two relays that are linked with each other.
func twoRelays(t *testing.T) (first, second *Node) {
	t.Helper()
	first = relayOn(t, Config{WebRTC: WebRTCOff})
	second = relayOn(t, Config{WebRTC: WebRTCOff, Bootstrap: first.URLs()})
	awaitPeer(t, second, first.ID())
	awaitPeer(t, first, second.ID())
	return first, second
}

// apart returns two leaves, each behind a relay of its own: they make no link
// with each other unless they are told to.
func apart(t *testing.T, cfg Config) (a, b *Node) {
	t.Helper()
	first, second := twoRelays(t)
	return leafOf(t, first, cfg), leafOf(t, second, cfg)
}

func TestConnectOverWebRTC(t *testing.T) {
	a, b := apart(t, Config{})
	connected(t, a, b)
	out, in := peerInfo(t, a, b.ID()), peerInfo(t, b, a.ID())
	for _, p := range []PeerInfo{out, in} {
		if p.Transport != rtcKind || p.Path != "host/host" && p.Path != "host/prflx" || !p.Direct {
			t.Errorf("got %+v, want a direct link over WebRTC between own addresses", p)
		}
	}
	if !out.Outbound || in.Outbound {
		t.Errorf("got outbound %v and %v, want it of who asked alone", out.Outbound, in.Outbound)
	}
	if out.RTT == 0 {
		t.Error("the round trip was not measured")
	}
}

// A URL that answers is preferred, whoever has it.
func TestConnectPrefersWebSocket(t *testing.T) {
	first, second := twoRelays(t)
	for _, ports := range [][2]Config{{onPort, {}}, {{}, onPort}} {
		a, b := leafOf(t, first, ports[0]), leafOf(t, second, ports[1])
		connected(t, a, b)
		if p := peerInfo(t, a, b.ID()); p.Transport != "ws" {
			t.Errorf("got a link over %s, want ws", p.Transport)
		}
	}
}

// A URL that leads nowhere does not stand in the way of WebRTC.
func TestConnectPastDeadURLs(t *testing.T) {
	first, second := twoRelays(t)
	dead := Config{PublicURLs: []string{"ws://127.0.0.1:1"}}
	a, b := leafOf(t, first, dead), leafOf(t, second, dead)
	connected(t, a, b)
	if p := peerInfo(t, a, b.ID()); p.Transport != rtcKind {
		t.Errorf("got a link over %s, want %s", p.Transport, rtcKind)
	}
}

func TestConnectToWhoSpeaksNoWebRTC(t *testing.T) {
	first, second := twoRelays(t)
	for _, uses := range [][2]WebRTCUse{{WebRTCOn, WebRTCOff}, {WebRTCOff, WebRTCOn}} {
		a, b := leafOf(t, first, Config{WebRTC: uses[0]}), leafOf(t, second, Config{WebRTC: uses[1]})
		err := a.Connect(within(t, amply), b.ID())
		var e *ConnectError
		if !errors.As(err, &e) || e.Stage != ConnectNegotiate || !errors.Is(err, ErrRefused) {
			t.Errorf("%v: got %v, want a refusal at the stage %s", uses, err, ConnectNegotiate)
		}
	}
}

// What two nodes say to each other takes the link that they have, whatever way led
// there before.
func TestMessagesTakeTheLinkAtOnce(t *testing.T) {
	relay := relayOn(t, Config{WebRTC: WebRTCOff})
	for range 4 {
		a, b := leafOf(t, relay, Config{}), leafOf(t, relay, Config{})
		connected(t, a, b)
		for _, pair := range [][2]*Node{{a, b}, {b, a}} {
			box := newInbox()
			pair[1].Handle(box)
			if err := pair[0].Send(within(t, amply), pair[1].ID(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if got := box.wait(t, 1)[0].Hops; got != 1 {
				t.Errorf("got a message after %d hops, want 1", got)
			}
		}
	}
}

// Both ends connect at once: one link comes of it, and stays.
func TestConnectAtOnce(t *testing.T) {
	first, second := twoRelays(t)
	for range 8 {
		a, b := leafOf(t, first, Config{}), leafOf(t, second, Config{})
		var both sync.WaitGroup
		for _, pair := range [][2]*Node{{a, b}, {b, a}} {
			both.Go(func() {
				if err := pair[0].Connect(within(t, amply), pair[1].ID()); err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		both.Wait()
		for _, pair := range [][2]*Node{{a, b}, {b, a}} {
			links := 0
			for _, l := range pair[0].live.all() {
				if l.link.Peer == wire.ID(pair[1].ID()) {
					links++
				}
			}
			if links != 1 {
				t.Errorf("got %d links, want 1", links)
			}
			if err := pair[0].Send(within(t, amply), pair[1].ID(), nil); !errors.Is(err, ErrNoHandler) {
				t.Errorf("got %v, want that nobody listens there", err)
			}
		}
		a.Close()
		b.Close()
	}
}

// Many links come and go, and nothing of them stays.
func TestConnectAndCloseOften(t *testing.T) {
	first, second := twoRelays(t)
	hub := leafOf(t, first, Config{})
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 5 {
				n, err := New(Config{Leaf: true, Homes: 1, Bootstrap: second.URLs()})
				if err != nil {
					t.Error(err)
					return
				}
				if err := n.Ready(within(t, amply)); err != nil {
					t.Error(err)
				} else if err := n.Connect(within(t, amply), hub.ID()); err != nil {
					t.Error(err)
				}
				n.Close()
			}
		})
	}
	done.Wait()
	awaitNoAttempts(t, hub)
}

// awaitNoAttempts waits until no link is being signalled and none over WebRTC runs.
func awaitNoAttempts(t *testing.T, n *Node) {
	t.Helper()
	timeout := time.After(limits.SignalTimeout + 2*time.Second) // a busy machine's
	for {
		_, changed := n.state.look()
		n.rtc.mu.Lock()
		attempts := len(n.rtc.attempts)
		n.rtc.mu.Unlock()
		links := 0
		for _, l := range n.live.all() {
			if l.conn.Kind() == rtcKind {
				links++
			}
		}
		if attempts == 0 && links == 0 {
			return
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // attempts end without a change of the board
		case <-timeout:
			t.Fatalf("got %d attempts and %d links left, want none", attempts, links)
		}
	}
}

// A pair that talks much gets a link of its own, and when that dies nothing that
// is acknowledged is lost.
func TestPairThatTalksMuch(t *testing.T) {
	t.Parallel()
	a, b := apart(t, Config{})
	b.Handle(newInbox())
	events := a.Events(within(t, amply))
	stop := make(chan struct{})
	sent := make(chan error, 1)
	go func() {
		defer close(sent)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			begin := time.Now()
			if err := a.Send(within(t, amply), b.ID(), make([]byte, 1000)); err != nil {
				sent <- err
				return
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("a message took %v", took)
			}
		}
	}()
	upgraded := false
	for e := range events {
		if e.Kind == Upgraded && e.Peer == b.ID() {
			upgraded = true
			break
		}
	}
	if !upgraded {
		t.Fatal("got no direct link")
	}
	if p := peerInfo(t, a, b.ID()); p.Transport != rtcKind || !p.Direct {
		t.Errorf("got %+v, want a direct link over WebRTC", p)
	}
	for _, l := range a.live.all() { // the channel breaks
		if l.conn.Kind() == rtcKind {
			l.conn.Close()
		}
	}
	if err := a.Send(within(t, amply), b.ID(), []byte("by relays again")); err != nil {
		t.Error(err)
	}
	close(stop)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
