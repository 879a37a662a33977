package pion

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"
)

const (
	// mostHeld is how many bytes may be under way, and enough at how many a
	// waiting sender goes on: the bound that a link of the node has.
	mostHeld, enough = 512 << 10, 480 << 10
	// longest is the longest message of a data channel, in bytes.
	longest = 64 << 10
	// openLimit bounds the time until both ends are open.
	openLimit = 10 * time.Second
)

// detached is a channel without the library's callbacks.
type detached interface {
	io.ReadWriteCloser
	BufferedAmount() uint64
	SetBufferedAmountLowThreshold(n uint64)
	OnBufferedAmountLow(f func())
}

// end is one end of a channel. Writes wait for room.
type end struct {
	pc   *webrtc.PeerConnection
	raw  detached
	low  chan struct{}
	done chan struct{}
}

// Write sends one message.
func (e *end) Write(msg []byte) (int, error) {
	for e.raw.BufferedAmount() > mostHeld {
		select {
		case <-e.low:
		case <-e.done:
			return 0, io.ErrClosedPipe
		}
	}
	return e.raw.Write(msg)
}

func (e *end) close() error {
	close(e.done)
	return e.pc.GracefulClose()
}

// socketBuffer is how many bytes the system is asked to hold for a socket, as
// much as the node asks for. With what it holds unasked packets of a flood get
// lost, and the library does nothing but wait a second after each.
const socketBuffer = 2 << 20

// roomy is the machine's network with such sockets.
type roomy struct{ *stdnet.Net }

// ListenUDP implements transport.Net.
func (r roomy) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	c, err := r.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
}

// pair opens an ordered, reliable channel between two ends on loopback.
func pair() (ends [2]*end, err error) {
	own, err := stdnet.NewNet()
	if err != nil {
		return ends, err
	}
	var se webrtc.SettingEngine
	se.SetNet(roomy{own})
	se.EnableSCTPZeroChecksum(true)
	se.DetachDataChannels()
	se.SetIncludeLoopbackCandidate(true)
	se.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	api := webrtc.NewAPI(webrtc.WithSettingEngine(se))
	opened := [2]chan detached{make(chan detached, 1), make(chan detached, 1)}
	for i := range ends {
		e := &end{low: make(chan struct{}, 1), done: make(chan struct{})}
		if e.pc, err = channel(api, opened[i]); err != nil {
			return ends, errors.Join(err, closeEnds(ends))
		}
		ends[i] = e
	}
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	defer cancel()
	if err := negotiate(ctx, ends[0].pc, ends[1].pc); err != nil {
		return ends, errors.Join(err, closeEnds(ends))
	}
	for i, e := range ends {
		select {
		case e.raw = <-opened[i]:
			e.listen()
		case <-ctx.Done():
			return ends, errors.Join(ctx.Err(), closeEnds(ends))
		}
	}
	return ends, nil
}

// channel makes an end with a channel whose number both ends know.
func channel(api *webrtc.API, opened chan<- detached) (*webrtc.PeerConnection, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	id, yes := uint16(0), true
	dc, err := pc.CreateDataChannel("bench", &webrtc.DataChannelInit{ID: &id, Negotiated: &yes, Ordered: &yes})
	if err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	dc.OnOpen(func() {
		if raw, err := dc.Detach(); err == nil {
			opened <- raw.(detached)
		}
	})
	return pc, nil
}

// listen wakes a waiting Write.
func (e *end) listen() {
	e.raw.SetBufferedAmountLowThreshold(enough)
	e.raw.OnBufferedAmountLow(func() {
		select {
		case e.low <- struct{}{}:
		default:
		}
	})
}

// negotiate hands the descriptions over, with all candidates.
func negotiate(ctx context.Context, a, b *webrtc.PeerConnection) error {
	offer, err := a.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := describe(ctx, a, offer); err != nil {
		return err
	}
	if err := b.SetRemoteDescription(*a.LocalDescription()); err != nil {
		return err
	}
	answer, err := b.CreateAnswer(nil)
	if err != nil {
		return err
	}
	if err := describe(ctx, b, answer); err != nil {
		return err
	}
	return a.SetRemoteDescription(*b.LocalDescription())
}

// describe sets the own description and waits for its candidates.
func describe(ctx context.Context, pc *webrtc.PeerConnection, own webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(own); err != nil {
		return err
	}
	select {
	case <-gathered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeEnds closes those that were made.
func closeEnds(ends [2]*end) error {
	var err error
	for _, e := range ends {
		if e != nil {
			err = errors.Join(err, e.close())
		}
	}
	return err
}
