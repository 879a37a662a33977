package hostile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/wire"
)

// Claim is what a client says in an end-to-end handshake. The zero Claim is an
// honest one.
type Claim struct {
	Src     wire.ID                  // zero: the link's own
	First   []byte                   // payload of message 1; nil: zeros up to its full length
	Payload *wire.HandshakePayload   // of message 2 or 3; nil: an honest one
	Extra   []byte                   // raw fields { tag, length u16, value } behind those of Payload
	Raw     []byte                   // sent in place of Payload and Extra
	Frame   func(frame *wire.Frame)  // changes each frame of the session before it leaves: class, return, waypoints, hop limit
	By      func(frame []byte) error // sends the frames; nil: the link
}

// Session is one end of an end-to-end session.
type Session struct {
	link  *Link
	self  wire.ID
	peer  wire.ID
	claim Claim

	// guarded by the link's mu
	local, remote uint32
	state         *noise.HandshakeState
	send, recv    noise.Cipher
	counter       uint64
	inbox         [][]byte // plaintexts, or handshake bodies while there is no cipher
	early         [][]byte // Data frames that came before message 3
	third         []byte   // body of message 3, until a frame of the session came
	id            uint64   // of the last message

	// PeerPayload is what the peer's handshake message told.
	PeerPayload wire.HandshakePayload
}

// Local is the session's own index, Remote that of the peer.
func (s *Session) Local() uint32 { return s.local }

// Remote is the index of the peer.
func (s *Session) Remote() uint32 { return s.remote }

func (l *Link) newSession(peer wire.ID, claim Claim, initiator bool) *Session {
	s := &Session{link: l, self: claim.Src, peer: peer, claim: claim, id: 1 << 20}
	if s.self == (wire.ID{}) {
		s.self = l.Self.ID()
	}
	from, to := s.self, s.peer
	if !initiator {
		from, to = to, from
	}
	prologue := append(append([]byte(e2ePrologue), from[:]...), to[:]...)
	s.state = newNoise(l.Self, initiator, prologue)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index++
	s.local = l.index
	l.sessions[s.local] = s
	return s
}

// Session opens a session toward a node as initiator, over a link that runs.
// Message 1 is sent again each second until the context ends.
func (l *Link) Session(ctx context.Context, peer wire.ID, claim Claim) (*Session, error) {
	s := l.newSession(peer, claim, true)
	err := s.initiate(ctx)
	if err != nil {
		l.mu.Lock()
		delete(l.sessions, s.local)
		l.mu.Unlock()
		return nil, fmt.Errorf("hostile: session: %w", err)
	}
	return s, nil
}

func (s *Session) initiate(ctx context.Context) error {
	payload := s.claim.First
	if payload == nil {
		payload = make([]byte, s.firstPayload())
	}
	first, _, _, err := s.state.WriteMessage(nil, payload)
	if err != nil {
		return err
	}
	second, err := s.exchange(ctx, &wire.HandshakeBody{Kind: wire.HandshakeFirst, Sender: s.local, Receiver: s.local, Noise: first})
	if err != nil {
		return err
	}
	got, _, _, err := s.state.ReadMessage(nil, second.Noise)
	if err != nil {
		return err
	}
	if s.PeerPayload, err = wire.ParseHandshakePayload(got); err != nil {
		return err
	}
	third, c1, c2, err := s.state.WriteMessage(nil, s.payload())
	if err != nil {
		return err
	}
	s.third = wire.AppendHandshakeBody(nil, &wire.HandshakeBody{
		Kind: wire.HandshakeThird, Sender: s.local, Receiver: second.Sender, Noise: third,
	})
	s.stand(second.Sender, c1, c2)
	return s.frame(wire.TypeHandshake, wire.ClassControl, s.third)
}

// stand notes that the handshake is over.
func (s *Session) stand(remote uint32, send, recv *noise.CipherState) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.remote, s.send, s.recv = remote, send.Cipher(), recv.Cipher()
	for _, frame := range s.early {
		if f, err := wire.ParseFrame(frame); err == nil {
			s.open(&f)
		}
	}
	s.early = nil
}

// firstPayload is how many zeros message 1 needs.
func (s *Session) firstPayload() int {
	n := wire.FirstFrameLen - wire.HeaderLen - wire.HandshakeHeaderLen - 32
	if s.link.Self.NetworkKey != nil {
		n -= wire.TagLen
	}
	return n
}

// exchange sends message 1 until message 2 came, with a cookie once one was asked for.
func (s *Session) exchange(ctx context.Context, body *wire.HandshakeBody) (wire.HandshakeBody, error) {
	for {
		if err := s.frame(wire.TypeHandshake, wire.ClassControl, wire.AppendHandshakeBody(nil, body)); err != nil {
			return wire.HandshakeBody{}, err
		}
		wait, cancel := context.WithTimeout(ctx, time.Second)
		got, err := s.next(wait)
		cancel()
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			return wire.HandshakeBody{}, err
		}
		answer, err := wire.ParseHandshakeBody(got)
		if err == nil && answer.Kind == wire.HandshakeSecond {
			return answer, nil
		}
		body.Cookie = answer.Cookie
	}
}

// payload is that of message 2 or 3.
func (s *Session) payload() []byte {
	if s.claim.Raw != nil {
		return s.claim.Raw
	}
	p := s.claim.Payload
	if p == nil {
		p = &wire.HandshakePayload{Cert: s.link.Self.Cert(), Instance: s.link.Self.Hello.Instance, Capabilities: wire.CapDatagram}
	}
	return append(wire.AppendHandshakePayload(nil, p), s.claim.Extra...)
}

// Answer answers a frame with a message 1 as responder, under the ID that the
// frame is for, and waits for message 3.
func (l *Link) Answer(ctx context.Context, frame []byte, claim Claim) (*Session, error) {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		return nil, err
	}
	first, err := wire.ParseHandshakeBody(f.Body)
	if err != nil {
		return nil, err
	}
	if claim.Src == (wire.ID{}) {
		claim.Src = f.Dst
	}
	s := l.newSession(f.Src, claim, false)
	if _, _, _, err := s.state.ReadMessage(nil, first.Noise); err != nil {
		return nil, err
	}
	second, _, _, err := s.state.WriteMessage(nil, s.payload())
	if err != nil {
		return nil, err
	}
	err = s.frameBy(f.Return, wire.TypeHandshake, wire.ClassControl, wire.AppendHandshakeBody(nil, &wire.HandshakeBody{
		Kind: wire.HandshakeSecond, Sender: s.local, Receiver: first.Sender, Noise: second,
	}))
	if err != nil {
		return nil, err
	}
	return s, s.conclude(ctx, first.Sender)
}

func (s *Session) conclude(ctx context.Context, remote uint32) error {
	for {
		b, err := s.next(ctx)
		if err != nil {
			return err
		}
		third, err := wire.ParseHandshakeBody(b)
		if err != nil || third.Kind != wire.HandshakeThird {
			continue
		}
		got, c1, c2, err := s.state.ReadMessage(nil, third.Noise)
		if err != nil {
			return err
		}
		if s.PeerPayload, err = wire.ParseHandshakePayload(got); err != nil {
			return err
		}
		s.stand(remote, c2, c1)
		return nil
	}
}

// frame sends a mesh frame of the session.
func (s *Session) frame(t wire.Type, c wire.Class, body []byte) error {
	return s.frameBy(nil, t, c, body)
}

// frameBy is frame by way of a home of the peer.
func (s *Session) frameBy(home []byte, t wire.Type, c wire.Class, body []byte) error {
	b := s.build(home, t, c, body)
	if s.claim.By != nil {
		return s.claim.By(b)
	}
	return s.link.Send(b)
}

func (s *Session) build(home []byte, t wire.Type, c wire.Class, body []byte) []byte {
	f := wire.Frame{Type: t, Class: c, HopLimit: wire.MaxHopLimit, Dst: s.peer, Src: s.self, Waypoints: home, Body: body}
	if s.claim.Frame != nil {
		s.claim.Frame(&f)
	}
	return wire.AppendFrame(nil, &f)
}
