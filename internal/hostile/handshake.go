package hostile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/wire"
)

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

// Handshake is one side of a link handshake, message by message.
type Handshake struct {
	pipe  Pipe
	self  *Self
	state *noise.HandshakeState
	dials bool

	first, second *noise.CipherState // of the dialler, of the acceptor
}

// NewHandshake begins a handshake; the dialler writes first.
func NewHandshake(pipe Pipe, self *Self, dials bool) *Handshake {
	return &Handshake{pipe: pipe, self: self, dials: dials, state: newNoise(self, dials, []byte(linkPrologue))}
}

func newNoise(self *Self, initiator bool, prologue []byte) *noise.HandshakeState {
	cfg := noise.Config{
		CipherSuite: suite, Random: rand.Reader, Pattern: noise.HandshakeXX, Initiator: initiator, Prologue: prologue,
		StaticKeypair: noise.DHKey{Private: self.Static.Private[:], Public: self.Static.Public[:]},
	}
	if self.NetworkKey != nil {
		cfg.PresharedKey, cfg.PresharedKeyPlacement = self.NetworkKey, 0
	}
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		panic(err) // only for a wrong key length
	}
	return state
}

// Write sends the next message, with any payload.
func (h *Handshake) Write(payload []byte) error {
	msg, c1, c2, err := h.state.WriteMessage(nil, payload)
	if err != nil {
		return err
	}
	if c1 != nil {
		h.first, h.second = c1, c2
	}
	return h.pipe.Write(msg)
}

// Read reads the next message and returns its payload.
func (h *Handshake) Read() ([]byte, error) {
	msg, err := h.pipe.Read()
	if err != nil {
		return nil, err
	}
	payload, c1, c2, err := h.state.ReadMessage(nil, msg)
	if c1 != nil {
		h.first, h.second = c1, c2
	}
	return payload, err
}

// Link returns the link of a handshake whose three messages are through, with
// the payload that the node's message had.
func (h *Handshake) Link(payload []byte) (*Link, error) {
	if h.first == nil {
		return nil, errors.New("hostile: the handshake has not ended")
	}
	hello, err := wire.ParseHello(payload)
	if err != nil {
		return nil, fmt.Errorf("hostile: the node's Hello: %w", err)
	}
	l := &Link{Self: h.self, Pipe: h.pipe, PeerHello: hello, send: direction{state: h.first}, recv: direction{state: h.second}}
	if !h.dials {
		l.send, l.recv = l.recv, l.send
	}
	if hello.Cert != nil {
		l.Peer, _, err = identity.VerifyCert(hello.Cert, [32]byte(h.state.PeerStatic()), wire.ID{}, time.Now())
	}
	l.init()
	return l, err
}

// Join runs the dialling side on a pipe.
func Join(pipe Pipe, self *Self) (*Link, error) {
	h := NewHandshake(pipe, self, true)
	if err := h.Write(nil); err != nil {
		return nil, err
	}
	payload, err := h.Read()
	if err != nil {
		return nil, err
	}
	if err := h.Write(self.hello()); err != nil {
		return nil, err
	}
	return h.Link(payload)
}

// Take runs the accepting side on a pipe.
func Take(pipe Pipe, self *Self) (*Link, error) {
	h := NewHandshake(pipe, self, false)
	if _, err := h.Read(); err != nil {
		return nil, err
	}
	if err := h.Write(self.hello()); err != nil {
		return nil, err
	}
	payload, err := h.Read()
	if err != nil {
		return nil, err
	}
	return h.Link(payload)
}

// Dial opens a pipe and runs the handshake. The context bounds both.
func Dial(ctx context.Context, url string, self *Self, opts Options) (*Link, error) {
	pipe, err := Open(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { pipe.Close() })
	l, err := Join(pipe, self)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		stop()
		pipe.Close()
		return nil, err
	}
	return l, nil
}

// PeerStatic is the Noise key of the other end, once its message that has it was read.
func (h *Handshake) PeerStatic() [32]byte { return [32]byte(h.state.PeerStatic()) }
