//go:build !nowebrtc

package webrtc_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// foreigner is an end that is not of this package, with the library's own
// settings, as a browser would be.
type foreigner struct {
	*pion.PeerConnection
	channel  *pion.DataChannel
	messages chan pion.DataChannelMessage
}

func newForeigner(t *testing.T) *foreigner {
	t.Helper()
	var se pion.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	se.SetIPFilter(net.IP.IsLoopback)
	pc, err := pion.NewAPI(pion.WithSettingEngine(se)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	f := &foreigner{PeerConnection: pc, messages: make(chan pion.DataChannelMessage, 16)}
	id, yes := uint16(0), true
	if f.channel, err = pc.CreateDataChannel("x", &pion.DataChannelInit{ID: &id, Negotiated: &yes}); err != nil {
		t.Fatal(err)
	}
	f.channel.OnMessage(func(m pion.DataChannelMessage) { f.messages <- m })
	return f
}

// offer returns an offer with all candidates.
func (f *foreigner) offer(t *testing.T) string {
	t.Helper()
	offer, err := f.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(f.PeerConnection)
	if err := f.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return f.LocalDescription().SDP
}

func (f *foreigner) take(t *testing.T, a *webrtc.Attempt) {
	t.Helper()
	if err := f.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.Description()}); err != nil {
		t.Fatal(err)
	}
}

func answerTo(t *testing.T, offer string) *webrtc.Attempt {
	t.Helper()
	a, err := endpoint(t, webrtc.Config{}).Answer(soon(t), local, offer)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestForeignPeer(t *testing.T) {
	f := newForeigner(t)
	a := answerTo(t, f.offer(t))
	f.take(t, a)
	c := open(t, a)
	for _, text := range []string{"", "hello"} {
		if err := c.Send([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := <-f.messages; string(got.Data) != text || got.IsString {
			t.Fatalf("got %q, text %v, want %q as bytes", got.Data, got.IsString, text)
		}
		if err := f.channel.Send([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Receive(func() []byte { return make([]byte, 10) }); err != nil || string(got) != text {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
	if err := f.channel.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(nil); !errors.Is(err, io.EOF) {
		t.Fatalf("the peer closed the channel: got %v, want EOF", err)
	}
}

// Channels cost memory, so a second one ends the pipe.
func TestSecondChannel(t *testing.T) {
	f := newForeigner(t)
	a := answerTo(t, f.offer(t))
	f.take(t, a)
	c := open(t, a)
	if _, err := f.CreateDataChannel("another", nil); err != nil {
		t.Fatal(err)
	}
	received := make(chan error, 1)
	go func() { _, err := c.Receive(nil); received <- err }()
	select {
	case err := <-received:
		if err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want an error of its own", err)
		}
	case <-soon(t).Done():
		t.Fatal("the pipe lives on")
	}
}

// Whoever changed the fingerprints on the way gets no pipe.
func TestWrongFingerprint(t *testing.T) {
	f, other := newForeigner(t), newForeigner(t)
	offer := f.offer(t)
	a := answerTo(t, strings.Replace(offer, fingerprint(offer), fingerprint(other.offer(t)), 1))
	f.take(t, a)
	_, err := a.Wait(soon(t))
	wantStage(t, err, webrtc.StageDTLS, nil)
}

func fingerprint(sdp string) string {
	_, rest, _ := strings.Cut(sdp, "a=fingerprint:")
	line, _, _ := strings.Cut(rest, "\r\n")
	return line
}
