package session

import (
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// ackList is what a peer is owed: ids that were accepted since the last ack.
// Guarded by the lock of the peer.
type ackList struct {
	ranges [limits.AckRanges]wire.AckRange
	n      int
	copies int  // acks that did not arrive: later ones take other ways
	led    bool // the first of them left by the lead
	drawn  int  // the way of that number is by; 0: none is
	by     way

	sentAt time.Duration // of the last ack; 0: it is known to be lost
	stay   time.Duration // until then acks do not go back to the best way: it loses them
}

// missed notes that a message came again, so that the last ack was late or lost.
// It is lost for certain when the copy left so late that the ack of the one
// before should have been known: a sender that does not know the round trip
// waits limits.FirstHopsPause.
func (l *ackList) missed(srtt, at time.Duration) {
	if l.sentAt == 0 {
		return
	}
	if srtt == 0 {
		srtt = limits.FirstHopsPause / 2
	}
	if at-l.sentAt > srtt+srtt/4 {
		l.stay = at + limits.LeadLife
	}
	l.copies++
	l.sentAt = 0
}

// add adds an id. false: there is no room for it.
func (l *ackList) add(id uint64) bool {
	for i := l.n - 1; i >= 0; i-- {
		r := &l.ranges[i]
		switch off := id - r.First; {
		case off < uint64(r.Count):
			return true
		case off == uint64(r.Count) && r.Count < 1<<15:
			r.Count++
			return true
		case id+1 == r.First && r.Count < 1<<15:
			r.First, r.Count = id, r.Count+1
			return true
		}
	}
	if l.n == len(l.ranges) {
		return false
	}
	l.ranges[l.n] = wire.AckRange{First: id, Count: 1}
	l.n++
	return true
}

// receipt is what a session has got of messages, as its acks tell. Guarded by the
// lock of the peer.
type receipt struct {
	next uint64        // above the highest counter of a message that was accepted; 0: none was
	at   time.Duration // when that one came
}

// gotMark notes that a frame of that kind came marked. Only those of messages count,
// as the peer counts what it sends.
func (s *session) gotMark(kind uint8) {
	switch kind {
	case wire.PlainMessage, wire.PlainRequest, wire.PlainResponse, wire.PlainHomes:
		s.marks.Add(1)
	}
}

// took notes that a message was accepted, or comes again.
func (r *receipt) took(counter uint64, at time.Duration) {
	if counter >= r.next {
		r.next, r.at = counter+1, at
	}
}

// ack returns what a session acks now.
func (s *session) ack(ranges []wire.AckRange, at time.Duration) wire.AckBody {
	a := wire.AckBody{Newest: wire.NoCounter, Marked: s.marks.Load(), Ranges: ranges}
	if s.got.next != 0 {
		a.Newest, a.Delay = s.got.next-1, wire.AckDelay(at-s.got.at)
	}
	return a
}

// owe notes that the peer is owed an ack of id. again: for one that was accepted
// before, so an ack was lost or is late. mu is held.
func (p *peer) owe(b *Batch, id uint64, again bool, at time.Duration) {
	b.session.got.took(b.counter, at)
	if again {
		p.acks.missed(p.srtt, at)
	} else if at >= p.acks.stay {
		p.acks.copies = 0
	}
	if !p.acks.add(id) {
		p.flushAck(b.ranges[:0], at)
		p.acks.add(id)
	}
	if slices.Contains(b.owed, p) {
		return
	}
	if len(b.owed) == 0 {
		b.since = at
	}
	b.owed = append(b.owed, p)
}

// EndBatch sends the acks that the frames of a batch made due. Any goroutine,
// the one of the batch.
func (t *Table) EndBatch(b *Batch, now time.Time) {
	if len(b.owed) > 0 {
		t.flushAcks(b, t.at(now))
	}
	b.fx.run(t)
}

func (t *Table) flushAcks(b *Batch, at time.Duration) {
	for _, p := range b.owed {
		p.mu.Lock()
		p.flushAck(b.ranges[:0], at)
		p.mu.Unlock()
	}
	clear(b.owed)
	b.owed = b.owed[:0]
	b.since = at
}

// flushAck sends what is owed, if anything. Where no link takes it, the sender
// will ask again by its next copy. mu is held.
func (p *peer) flushAck(scratch []wire.AckRange, at time.Duration) {
	s := p.usable()
	if p.acks.n == 0 || s == nil || p.in == nil {
		return
	}
	ranges := append(scratch, p.acks.ranges[:p.acks.n]...)
	p.acks.n = 0
	p.sendAck(s, p.in.remind(ranges), p.acks.copies, at)
	p.acks.sentAt = at
}

// remind adds what was accepted before, at most limits.AckReach ids below the
// newest range: so a lost or late ack does not make the sender take messages for
// lost. Ranges grow down at the cost of no byte; those behind the gaps below
// take the room that is left.
func (b *inbox) remind(ranges []wire.AckRange) []wire.AckRange {
	newest := 0
	for i := range ranges {
		if ranges[i].First > ranges[newest].First {
			newest = i
		}
	}
	floor := max(b.base, ranges[newest].First-min(ranges[newest].First, limits.AckReach))
	for i := range ranges {
		r := &ranges[i]
		first := b.runDown(r.First, floor, true)
		r.First, r.Count = first, r.Count+uint16(r.First-first)
	}
	for id := ranges[newest].First; len(ranges) < limits.AckRanges; {
		end := b.runDown(id, floor, false)
		id = b.runDown(end, floor, true)
		if id == end {
			break
		}
		if !named(ranges, end-1) { // else down to id, too
			ranges = append(ranges, wire.AckRange{First: id, Count: uint16(end - id)})
		}
	}
	return ranges
}

// named reports whether an ack names an id.
func named(ranges []wire.AckRange, id uint64) bool {
	return slices.ContainsFunc(ranges, func(r wire.AckRange) bool { return id-r.First < uint64(r.Count) })
}

// sendAck sends an ack by the k-th way: another one for each ack that did not
// arrive. Without ranges it says only that we hold the keys. mu is held.
func (p *peer) sendAck(s *session, ranges []wire.AckRange, k int, at time.Duration) {
	if p.acks.copies == 0 {
		p.acks.led = p.lead.hop(at) != (wire.ID{})
	}
	by, c := p.acks.way(p, k, at), p.lead.choice(k, p.acks.led, at)
	ack := s.ack(ranges, at)
	p.sendSmall(s, wire.PlainAck, &by, c, func(dst []byte) []byte { return wire.AppendAckBody(dst, &ack) })
}

// way returns the k-th way of acks. One that has lost none keeps its aim.
func (l *ackList) way(p *peer, k int, at time.Duration) way {
	if k < scattered {
		return p.wayAt(k, at)
	}
	if l.drawn != k {
		l.drawn, l.by = k, p.wayAt(k, at)
	}
	return l.by
}

// refuse tells the peer that a message was not taken and never will be. mu is held.
func (p *peer) refuse(s *session, id uint64, why reason.Reason) {
	if u := p.usable(); u != nil {
		s = u
	}
	p.sendSmall(s, wire.PlainRefusal, &way{home: p.route.Load().first}, Choice{}, func(dst []byte) []byte {
		return wire.AppendRefusalBody(dst, &wire.RefusalBody{ID: id, Reason: uint8(why)})
	})
}

// sendSmall seals and emits a plaintext of the session itself.
func (p *peer) sendSmall(s *session, kind uint8, by *way, c Choice, body func([]byte) []byte) {
	t := p.table
	buf := t.frames.get(limits.Scratch)
	defer t.frames.put(buf)
	frame := p.appendRoute((*buf)[:0], wire.ClassAck, by)
	from := len(frame) + wire.DataHeaderLen
	frame = append(frame, make([]byte, wire.DataHeaderLen)...)
	frame = body(wire.AppendPlainHeader(frame, wire.PlainHeader{Kind: kind}))
	if frame, _, ok := s.seal(frame, from, wire.ClassAck); ok {
		if _, ok = t.cfg.Emit(frame, c); !ok {
			t.drop(reason.QueueFull)
		}
	}
}
