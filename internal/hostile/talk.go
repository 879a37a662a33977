package hostile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// toSession hands a frame to the session that it is for.
func (l *Link) toSession(frame []byte) bool {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch f.Type {
	case wire.TypeHandshake:
		b, err := wire.ParseHandshakeBody(f.Body)
		if err != nil || b.Kind == wire.HandshakeFirst {
			return false
		}
		s := l.sessions[b.Receiver]
		if s == nil || s.peer != f.Src {
			return false
		}
		if s.send == nil {
			s.put(f.Body)
		}
		return true
	case wire.TypeData:
		b, err := wire.ParseDataBody(f.Body)
		if err != nil {
			return false
		}
		s := l.sessions[b.Receiver]
		if s == nil {
			return false
		}
		if s.recv == nil && len(s.early) < inboxLen {
			s.early = append(s.early, frame)
			return true
		}
		return s.open(&f)
	}
	return false
}

// open opens a Data frame and keeps what was in it; it needs the link's mu.
func (s *Session) open(f *wire.Frame) bool {
	b, err := wire.ParseDataBody(f.Body)
	if err != nil || s.recv == nil {
		return false
	}
	plain, err := s.recv.Decrypt(nil, b.Counter, wire.AppendAD(nil, f.Type, f.Class, &f.Dst, &f.Src), b.Sealed)
	if err == nil {
		s.third = nil
		s.put(plain)
	}
	return err == nil
}

// put keeps a plaintext or a body for next; it needs the link's mu.
func (s *Session) put(b []byte) {
	if len(s.inbox) >= inboxLen {
		s.inbox = s.inbox[1:]
	}
	s.inbox = append(s.inbox, b)
	s.link.tell()
}

// next waits for a plaintext, or for a handshake body while there is no cipher.
func (s *Session) next(ctx context.Context) ([]byte, error) {
	l := s.link
	for {
		l.mu.Lock()
		if len(s.inbox) > 0 {
			b := s.inbox[0]
			s.inbox = s.inbox[1:]
			l.mu.Unlock()
			return b, nil
		}
		news, err := l.news, l.err
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Next waits for the next plaintext of the session and splits off its header.
func (s *Session) Next(ctx context.Context) (wire.PlainHeader, []byte, error) {
	b, err := s.next(ctx)
	if err != nil {
		return wire.PlainHeader{}, nil, err
	}
	return wire.ParsePlainHeader(b)
}

// Seal returns a Data frame with the next counter.
func (s *Session) Seal(c wire.Class, plain []byte) []byte {
	s.link.mu.Lock()
	n := s.counter
	s.counter++
	s.link.mu.Unlock()
	return s.SealAt(n, c, plain)
}

// SealAt returns a Data frame with any counter.
func (s *Session) SealAt(counter uint64, c wire.Class, plain []byte) []byte {
	ad := wire.AppendAD(nil, wire.TypeData, c, &s.peer, &s.self)
	sealed := s.send.Encrypt(nil, counter, ad, plain)
	return s.build(nil, wire.TypeData, c, wire.AppendDataBody(nil, &wire.DataBody{Receiver: s.remote, Counter: counter, Sealed: sealed}))
}

// Send seals a plaintext and sends it.
func (s *Session) Send(c wire.Class, plain []byte) error {
	b := s.Seal(c, plain)
	if s.claim.By != nil {
		return s.claim.By(b)
	}
	return s.link.Send(b)
}

// ErrRefused is why a message was not taken.
var ErrRefused = errors.New("hostile: the message was refused")

// Message sends a message to a port, each second anew, until its ack comes. A refusal is an
// ErrRefused that names its reason.
func (s *Session) Message(ctx context.Context, port uint16, data []byte) error {
	s.link.mu.Lock()
	id := s.id
	s.id++
	s.link.mu.Unlock()
	plain := wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainMessage, DstPort: port})
	plain = wire.AppendMessageBody(plain, &wire.MessageBody{ID: id, Lowest: id, Data: data})
	for {
		if err := s.transmit(plain); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, time.Second)
		err := s.acked(wait, id)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// transmit sends a message, and before it message 3 while it may be lost.
func (s *Session) transmit(plain []byte) error {
	s.link.mu.Lock()
	third := s.third
	s.link.mu.Unlock()
	if third != nil {
		if err := s.frame(wire.TypeHandshake, wire.ClassControl, third); err != nil {
			return err
		}
	}
	return s.Send(wire.ClassInteractive, plain)
}

// acked waits for the ack or refusal of a message.
func (s *Session) acked(ctx context.Context, id uint64) error {
	for {
		h, body, err := s.Next(ctx)
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.PlainAck:
			if names(body, id) {
				return nil
			}
		case wire.PlainRefusal:
			if r, err := wire.ParseRefusalBody(body); err == nil && r.ID == id {
				return fmt.Errorf("%w: %v", ErrRefused, reason.Reason(r.Reason))
			}
		}
	}
}

// Datagram sends a datagram to a port.
func (s *Session) Datagram(port uint16, data []byte) error {
	plain := wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainDatagram, DstPort: port})
	return s.Send(wire.ClassBulk, append(plain, data...))
}

// names says whether the body of an ack names a message.
func names(body []byte, id uint64) bool {
	ack, err := wire.ParseAckBody(nil, body)
	for _, r := range ack.Ranges {
		if id >= r.First && id-r.First < uint64(r.Count) {
			return err == nil
		}
	}
	return false
}
