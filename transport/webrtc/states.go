//go:build !nowebrtc

package webrtc

import (
	"errors"
	"fmt"
	"io"
	"slices"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// The causes of an end that neither side chose.
var (
	errNoPair = fmt.Errorf("no pair of addresses works, tried for %v: UDP may be blocked, or both ends are behind NATs that "+
		"give each peer another port; a TURN server helps, or a link through a relay", limits.ICEDisconnected+limits.ICEFailed)
	errHandshake = errors.New("the handshake failed: the peer's certificate is not the one of its description, or its packets got lost")
	errGone      = errors.New("the peer ended the attempt")
	errSilent    = fmt.Errorf("the peer has been silent for %v", limits.ICEDisconnected+limits.ICEFailed)
	errFlood     = errors.New("the peer sends much and no whole message")
	errIntruder  = errors.New("the peer opened a second channel, which this carrier has no use for")
)

// openChannel makes the one channel, which both ends know the number of.
func (a *Attempt) openChannel() error {
	var id uint16
	yes := true
	dc, err := a.pc.CreateDataChannel("peermesh", &pion.DataChannelInit{ID: &id, Negotiated: &yes, Ordered: &yes})
	if err != nil {
		return err
	}
	dc.OnOpen(guard.Func("the opening of a channel", func() { a.channelOpen(dc) }, a.broke))
	a.pc.OnDataChannel(guard.With("a second channel", func(*pion.DataChannel) { a.lost(errIntruder) }, a.broke))
	a.pc.SCTP().OnClose(guard.With("the end of an association", func(error) { a.lost(io.EOF) }, a.broke))
	return nil
}

// broke ends the attempt, or the pipe that came of it, for a panic on one of
// its goroutines or in a callback of the library.
func (a *Attempt) broke(p *guard.Panic) {
	p.Loose()
	a.lost(p)
}

// channelOpen is called once. Only here may the channel be detached.
func (a *Attempt) channelOpen(dc *pion.DataChannel) {
	raw, err := dc.Detach()
	if err != nil {
		a.fail(err)
		return
	}
	conn, err := newConn(a, raw)
	if err != nil {
		a.fail(err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == nil && a.cause == nil {
		a.conn = conn
		close(a.opened)
		go guard.Do("a link over WebRTC", conn.listen, a.broke)
	}
}

// lost ends the attempt or the pipe that came of it.
func (a *Attempt) lost(err error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn != nil {
		conn.lost(err)
		return
	}
	if errors.Is(err, io.EOF) {
		err = errGone
	}
	a.fail(err)
}

var stages = []string{StageICE, StageDTLS, StageChannel}

// advance goes to a later stage. The library's callbacks may overtake each
// other, so it never goes back.
func (a *Attempt) advance(to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Index(stages, to) > slices.Index(stages, a.stage) {
		a.stage = to
	}
}

func (a *Attempt) at(stage string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stage == stage
}

func (a *Attempt) iceState(s pion.ICEConnectionState) {
	switch {
	case s == pion.ICEConnectionStateConnected:
		a.advance(StageDTLS)
	case s == pion.ICEConnectionStateFailed && a.at(StageICE):
		a.lost(errNoPair)
	case s == pion.ICEConnectionStateFailed:
		a.lost(errSilent)
	}
}

func (a *Attempt) dtlsState(s pion.DTLSTransportState) {
	switch s {
	case pion.DTLSTransportStateConnected:
		a.advance(StageChannel)
	case pion.DTLSTransportStateFailed:
		a.lost(errHandshake)
	}
}

func (a *Attempt) connectionState(s pion.PeerConnectionState) {
	if s == pion.PeerConnectionStateClosed {
		a.lost(io.EOF)
	}
}
