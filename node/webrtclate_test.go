//go:build !nowebrtc

package node

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peermesh/peermesh/internal/wire"
)

// slowSTUN is a STUN server on loopback that answers nothing before begin is closed. It
// sees everybody at 8.8.8.8.
func slowSTUN(t *testing.T, begin <-chan struct{}) (url string) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			ask := &stun.Message{Raw: append([]byte(nil), buf[:size]...)}
			if ask.Decode() != nil {
				continue
			}
			select {
			case <-begin:
			case <-t.Context().Done():
				return
			}
			seen := &stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, 8), Port: from.(*net.UDPAddr).Port}
			if answer, err := stun.Build(ask, stun.BindingSuccess, seen, stun.Fingerprint); err == nil {
				_, _ = c.WriteTo(answer.Raw, from)
			}
		}
	}()
	return "stun:" + c.LocalAddr().String()
}

// What a server tells after the offer has left is told the peer too.
func TestLateCandidatesAreTold(t *testing.T) {
	begin := make(chan struct{})
	a, b := apart(t, Config{ICEServers: []string{slowSTUN(t, begin)}})
	mirror := endpoint(t)
	ctx, cancel := context.WithCancel(within(t, 20*time.Second))
	defer cancel()
	offered, late := make(chan wire.ConnectAsk, 1), make(chan wire.Candidates, 16)
	answers(t, b, func(ctx context.Context, m *Message) {
		if c, err := wire.ParseCandidates(m.Data); err == nil && !m.WantsReply() {
			late <- c
			return
		}
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil {
			return // the end
		}
		setup := b.iceSetup()
		setup.Servers = nil
		pc, err := mirror.Answer(ctx, setup, ask.SDP)
		if err != nil {
			t.Error(err)
			return
		}
		offered <- ask
		pc.Close()
		_ = m.Reply(ctx, wire.AppendConnectReply(nil, &wire.ConnectReply{Kind: wire.ConnectAnswer, Session: ask.Session, SDP: pc.Description()}))
		close(begin)
	})
	connecting := make(chan error, 1)
	go func() { connecting <- a.Connect(ctx, b.ID()) }()
	select {
	case c := <-late:
		ask := <-offered
		if strings.Contains(ask.SDP, "8.8.8.8") {
			t.Fatalf("got the address in the offer, want it later: %s", ask.SDP)
		}
		if c.Session != ask.Session || c.First != 0 || len(c.Lines) != 1 || !strings.Contains(c.Lines[0], "8.8.8.8") {
			t.Errorf("got %+v, want the address that the server tells, of session %x", c, ask.Session)
		}
	case err := <-connecting:
		t.Fatalf("got told nothing before the end: %v", err)
	}
	cancel()
	<-connecting
	awaitNoAttempts(t, a)
}
