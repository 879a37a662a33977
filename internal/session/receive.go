package session

import (
	"encoding/binary"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Batch is what one reader keeps between the frames that it received together.
// The zero value is ready. One goroutine at a time.
type Batch struct {
	// Context is the caller's own; each Delivery of the batch has it too.
	Context any

	session  *session // of the last frame
	counter  uint64   // of that frame
	owed     []*peer  // who is owed an ack
	since    time.Duration
	delivery Delivery
	filled   *session // whose peer delivery names
	ranges   [limits.AckRanges]wire.AckRange
	fx       effects
}

// Receive takes a Data frame for this node. The frame is opened in place and
// spoilt; it is not kept. The reason tells why nothing was delivered, and is
// counted, as is each datagram of a bundle that was not; only after
// UnknownSession is the frame as it was, so that the caller may answer with a
// Hint. It allocates nothing for a datagram. Call EndBatch after the last frame
// that arrived together. Any goroutine.
func (t *Table) Receive(b *Batch, now time.Time, frame []byte) reason.Reason {
	at := t.at(now)
	why := t.receive(b, at, frame)
	if len(b.owed) > 0 && at-b.since >= limits.MessageAckDelay {
		t.flushAcks(b, at)
	}
	b.fx.run(t)
	return t.drop(why)
}

// arrival is a frame whose header was checked.
type arrival struct {
	src    *wire.ID
	class  wire.Class
	hops   int
	body   []byte
	copy   uint64 // transmission of body
	marked bool   // a relay had a standing queue
}

// parse checks the header. A frame without options, the usual one, is not
// parsed any further.
func (t *Table) parse(frame []byte) (a arrival, why reason.Reason) {
	if len(frame) < wire.HeaderLen {
		return a, reason.Malformed
	}
	a = arrival{wire.FrameSrc(frame), wire.FrameFlags(frame).Class(), wire.MaxHopLimit + 1 - int(wire.FrameHopLimit(frame)), nil, 0, false}
	if plain(frame) {
		a.body = wire.FrameBody(frame)
	} else {
		f, err := wire.ParseFrame(frame)
		if err != nil || f.Type != wire.TypeData {
			return a, reason.Malformed
		}
		a.body, a.marked = f.Body, f.Marked
	}
	switch {
	case len(a.body) < wire.DataHeaderLen+wire.TagLen:
		return a, reason.Malformed
	case !wire.SameID(wire.FrameDst(frame), &t.cfg.Self):
		return a, reason.NotForUs
	}
	return a, reason.None
}

// plain reports whether the frame is a valid Data frame without options or mark.
func plain(frame []byte) bool {
	return wire.FrameType(frame) == wire.TypeData && wire.FrameFlags(frame)&^(wire.ClassMask|wire.FlagFound) == 0 &&
		wire.FrameHopLimit(frame) <= wire.MaxHopLimit && len(frame) <= wire.MaxFrame
}

func (t *Table) receive(b *Batch, at time.Duration, frame []byte) reason.Reason {
	a, why := t.parse(frame)
	if why != reason.None {
		return why
	}
	s := b.session
	if i := binary.BigEndian.Uint32(a.body); s == nil || s.local != i || s.closed.Load() {
		x := t.index.find(i)
		switch {
		case x == nil || x.init != nil:
			return reason.UnknownSession
		case x.answer != nil:
			return x.answer.overtaken(&a, frame, at)
		}
		s = x.session
	}
	if !wire.SameID(a.src, &s.peer.id) {
		return reason.BadSeal // what the seal covers differs
	}
	b.session = s
	return t.opened(b, s, at, &a)
}

// overtaken holds a frame that came before message 3, if it is from the same peer.
func (x *answer) overtaken(a *arrival, frame []byte, at time.Duration) reason.Reason {
	if *a.src != x.key.src {
		return reason.BadSeal
	}
	return x.hold(frame, at)
}

// opened opens the frame and hands the plaintext on.
func (t *Table) opened(b *Batch, s *session, at time.Duration, a *arrival) reason.Reason {
	a.copy = Transmission(a.body)
	plaintext, counter, why := s.open(a.body, a.class)
	if why != reason.None {
		return why
	}
	b.counter = counter
	p := s.peer
	p.touch(at)
	note(&p.heard, at)
	p.moves(len(a.body))
	if p.away.on.Load() {
		p.stillThere(at)
	}
	if !s.confirmed.Load() {
		t.confirm(s, at)
	}
	if counter >= s.renew {
		s.askRenewal(at)
	}
	h, body, err := wire.ParsePlainHeader(plaintext)
	if err != nil {
		return reason.Malformed
	}
	return t.dispatch(b, s, at, a, h, body)
}

func (t *Table) dispatch(b *Batch, s *session, at time.Duration, a *arrival, h wire.PlainHeader, body []byte) reason.Reason {
	p := s.peer
	if a.marked {
		s.gotMark(h.Kind)
	}
	switch h.Kind {
	case wire.PlainDatagram:
		return t.cfg.Deliver(b.fill(s, a, h, 0, body))
	case wire.PlainBundle:
		return t.deliverBundle(b, s, a, h, body)
	case wire.PlainMessage, wire.PlainRequest:
		m, err := wire.ParseMessageBody(body)
		if err != nil {
			return reason.Malformed
		}
		b.fill(s, a, h, m.ID, m.Data)
		return t.onMessage(b, s, at, &m)
	case wire.PlainAck:
		return p.onAck(b, s, body, at)
	case wire.PlainRefusal:
		return p.onRefusal(b, body, at)
	case wire.PlainResponse:
		return p.onResponse(b, s, body, at, a.hops)
	}
	return p.onHomes(b, s, body, at)
}

// deliverBundle delivers the datagrams of a bundle in their order; of a malformed
// one, none. Each that its port does not take is counted. The reason is that of
// the last of them if none was taken.
func (t *Table) deliverBundle(b *Batch, s *session, a *arrival, h wire.PlainHeader, body []byte) (last reason.Reason) {
	if wire.CheckBundle(body) != nil {
		return reason.Malformed
	}
	h.Kind = wire.PlainDatagram
	d := b.fill(s, a, h, 0, nil)
	taken := false
	for len(body) > 0 {
		d.Data, body = wire.NextInBundle(body)
		if why := t.cfg.Deliver(d); why == reason.None {
			taken = true
		} else {
			t.drop(last) // Receive counts the last one
			last = why
		}
	}
	if taken {
		t.drop(last)
		return reason.None
	}
	return last
}

// fill makes b.delivery that of a frame of s. What is the same for all frames of
// a session is left as it stands.
func (b *Batch) fill(s *session, a *arrival, h wire.PlainHeader, id uint64, data []byte) *Delivery {
	d := &b.delivery
	if b.filled != s {
		b.filled, d.From = s, s.peer.id
	}
	d.Kind, d.SrcPort, d.DstPort, d.MessageID, d.Transmission, d.Hops, d.Data = h.Kind, h.SrcPort, h.DstPort, id, a.copy, a.hops, data
	d.Context = b.Context
	return d
}

// onMessage delivers the message in b.delivery, at most once.
//
// The lock is not held while it is delivered. Meanwhile its id is busy, so that
// a copy that arrives by another link is not delivered beside it.
func (t *Table) onMessage(b *Batch, s *session, at time.Duration, m *wire.MessageBody) reason.Reason {
	p := s.peer
	in, why := p.admit(b, s, m.ID, m.Lowest, at)
	if in == nil {
		return why
	}
	why = t.cfg.Deliver(&b.delivery)
	p.mu.Lock()
	defer p.mu.Unlock()
	in.finished(m.ID)
	if why == reason.PortFull || why == reason.MemoryLimit {
		return why // neither acked nor marked: the sender tries again
	}
	if p.in != in || p.gone {
		return why // the window went meanwhile, and the sender will learn that
	}
	if !p.decide(m.ID, why) {
		return reason.MemoryLimit
	}
	p.settle(b, s, m.ID, why, at)
	return why
}

// admit looks a message up in the window. The inbox is nil when the message is
// not to be delivered; otherwise its id is busy.
func (p *peer) admit(b *Batch, s *session, id, lowest uint64, at time.Duration) (*inbox, reason.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.in
	if s.closed.Load() || p.gone || in == nil {
		return nil, reason.UnknownSession
	}
	in.advance(lowest)
	p.chargeWindow()
	switch v, why := in.look(id); v {
	case isNew:
		if !p.affordsWindow(in.reach(id, false)) {
			return nil, reason.MemoryLimit
		}
		in.busy = append(in.busy, id)
		return in, reason.None
	case isSeen:
		p.owe(b, id, true, at)
		return nil, reason.Duplicate
	case isRefused:
		p.refuse(s, id, why)
		return nil, reason.Duplicate
	case isFar:
		return nil, reason.Malformed
	}
	return nil, reason.Duplicate // busy or old
}

// decide notes what became of a message. false: nothing is noted, because the node
// has no room to remember one more refusal, and the sender tries again. mu is held.
func (p *peer) decide(id uint64, why reason.Reason) bool {
	if why != reason.None && !p.affordsWindow(p.in.reach(id, true)) {
		return false
	}
	p.in.decide(id, why)
	p.chargeWindow()
	return true
}

// settle tells the sender what became of a message: an ack is owed, a refusal
// leaves at once. mu is held.
func (p *peer) settle(b *Batch, s *session, id uint64, why reason.Reason, at time.Duration) {
	if why == reason.None {
		p.owe(b, id, false, at)
		return
	}
	p.refuse(s, id, why)
}

// onResponse takes a response: it ends the request that it names, at most once
// like any message.
func (p *peer) onResponse(b *Batch, s *session, body []byte, at time.Duration, hops int) reason.Reason {
	m, err := wire.ParseResponseBody(body)
	if err != nil {
		return reason.Malformed
	}
	in, why := p.admit(b, s, m.ID, m.Lowest, at)
	if in == nil {
		return why
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	in.finished(m.ID)
	if p.in != in || p.gone {
		return reason.UnknownSession
	}
	why = p.answered(&m, hops, &b.fx)
	if !p.decide(m.ID, why) {
		return reason.MemoryLimit
	}
	p.settle(b, s, m.ID, why, at)
	return why
}

// answered ends the request that m answers, whether its ack came or not.
func (p *peer) answered(m *wire.ResponseBody, hops int, fx *effects) reason.Reason {
	request := p.out.asking[m.Request]
	if request == nil {
		request = p.out.get(m.Request)
	}
	if request == nil || request.m.Kind != wire.PlainRequest {
		return reason.Unsolicited
	}
	p.arrived(request, fx)
	p.end(request, Result{Response: append([]byte{}, m.Data...), ResponseHops: hops}, fx)
	return reason.None
}
