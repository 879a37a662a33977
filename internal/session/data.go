package session

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func putBE32(b []byte, v uint32) { binary.BigEndian.PutUint32(b, v) }

// AppendDatagram appends one complete mesh frame with a sealed datagram to dst,
// whose own bytes stay as they are. ok is false, and nothing appended, when no
// session stands: use Datagram then. Any goroutine; it takes no lock for a peer
// used lately and allocates nothing when dst has room for MaxOverhead+len(data)
// bytes more. data is 0 to limits.MaxMessage bytes.
func (t *Table) AppendDatagram(dst []byte, now time.Time, to wire.ID, dstPort, srcPort uint16, class wire.Class, data []byte) (frame []byte, ok bool) {
	p := t.find(&to)
	if p == nil || len(data) > limits.MaxMessage {
		return dst, false
	}
	s := p.current.Load()
	if s == nil {
		return dst, false
	}
	at := t.at(now)
	if frame, ok = p.appendDatagram(dst, s, dstPort, srcPort, class, data); !ok {
		return dst, false
	}
	p.speak(at)
	if s.sent.Load() >= s.renew {
		s.askRenewal(at)
	}
	return frame, true
}

// Via returns the first hop for a datagram of AppendDatagram to a peer: the one by
// which messages to it got through when others had failed; zero: the best choice.
// Any goroutine; it takes no lock for a peer used lately.
func (t *Table) Via(now time.Time, to *wire.ID) (hop wire.ID) {
	if p := t.find(to); p != nil {
		return p.lead.hop(t.at(now))
	}
	return hop
}

// MaxOverhead is the most bytes that a frame of AppendDatagram has besides its
// data: header, an empty detour list, one waypoint, data header, plaintext
// header, tag.
const MaxOverhead = wire.HeaderLen + 1 + 1 + len(wire.ID{}) + wire.DataHeaderLen + wire.PlainHeaderLen + TagLen

func (p *peer) appendDatagram(dst []byte, s *session, dstPort, srcPort uint16, class wire.Class, data []byte) ([]byte, bool) {
	class &= 3
	start := len(dst)
	r := p.route.Load()
	dst = r.append(dst, wire.TypeData, class, &r.first)
	from := len(dst) + wire.DataHeaderLen
	dst = append(dst, make([]byte, wire.DataHeaderLen)...)
	dst = wire.AppendPlainHeader(dst, wire.PlainHeader{Kind: wire.PlainDatagram, DstPort: dstPort, SrcPort: srcPort})
	dst = append(dst, data...)
	out, _, ok := s.seal(dst, from, class)
	if !ok {
		return dst[:start], false
	}
	return out, true
}

// askRenewal asks, once per session, for a new one because of a count.
func (s *session) askRenewal(at time.Duration) {
	if !s.asked.CompareAndSwap(false, true) {
		return
	}
	p := s.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Load() == s {
		p.renewAt = at
		p.arm(at)
	}
}

// datagramQueue holds datagrams that wait for a session.
type datagramQueue struct {
	list  []waitingDatagram
	bytes int
}

type waitingDatagram struct {
	dstPort, srcPort uint16
	class            wire.Class
	data             []byte
	since            time.Duration
}

// Datagram sends a datagram for which AppendDatagram found no session: it waits
// for one, at most limits.DatagramPatience, and causes the handshake. data is
// copied. Errors: reason.TooLarge, reason.OwnID, reason.Closed, and
// reason.SessionLimit when limits.WaitingMessages or WaitingBytes already wait
// for this peer, and reason.MemoryLimit when Config.Budget is used up. What waits in vain is counted as reason.Expired. Any goroutine.
func (t *Table) Datagram(now time.Time, to wire.ID, dstPort, srcPort uint16, class wire.Class, data []byte) error {
	if len(data) > limits.MaxMessage {
		return reason.TooLarge
	}
	at := t.at(now)
	var fx effects
	defer fx.run(t)
	p, err := t.lock(to, at, &fx)
	if err != nil {
		return err
	}
	defer p.mu.Unlock()
	d := waitingDatagram{dstPort, srcPort, class, data, at}
	if s := p.usable(); s != nil {
		p.sendDatagram(s, &d, at)
		return nil
	}
	if p.waitingFull(len(data)) {
		return reason.SessionLimit
	}
	if !p.affords(len(data)) {
		return reason.MemoryLimit
	}
	d.data = bytes.Clone(data)
	p.datagrams.list = append(p.datagrams.list, d)
	p.datagrams.bytes += len(data)
	p.charge()
	p.arm(at + limits.DatagramPatience)
	p.flush(at)
	return nil
}

// lock returns the entry of a peer with its lock held, making one if need be.
func (t *Table) lock(id wire.ID, at time.Duration, fx *effects) (*peer, error) {
	for {
		p, why := t.ensure(id, Ingress{}, at, fx)
		if why != reason.None {
			return nil, why
		}
		p.mu.Lock()
		if !p.gone {
			return p, nil
		}
		p.mu.Unlock()
	}
}

// waitingFull reports whether n more bytes are too many to wait for a session.
func (p *peer) waitingFull(n int) bool {
	count := len(p.datagrams.list) + p.out.fresh.n
	size := p.datagrams.bytes + p.out.freshBytes + n
	return count >= limits.WaitingMessages || count > 0 && size > limits.WaitingBytes
}

// sendDatagram seals and emits one datagram. One that no link takes is counted.
func (p *peer) sendDatagram(s *session, d *waitingDatagram, at time.Duration) {
	t := p.table
	buf := t.frames.get(MaxOverhead + len(d.data))
	defer t.frames.put(buf)
	frame, ok := p.appendDatagram((*buf)[:0], s, d.dstPort, d.srcPort, d.class, d.data)
	if ok {
		_, _, ok = t.emit(frame, Choice{Via: p.lead.hop(at)})
	}
	if !ok {
		t.drop(reason.QueueFull)
	}
	p.speak(at)
}

// flushDatagrams sends what waited for a session. mu is held.
func (p *peer) flushDatagrams(s *session, at time.Duration) {
	p.expireDatagrams(at)
	for i := range p.datagrams.list {
		p.sendDatagram(s, &p.datagrams.list[i], at)
	}
	p.datagrams = datagramQueue{}
	p.charge()
}

// expireDatagrams drops what has waited too long. mu is held.
func (p *peer) expireDatagrams(at time.Duration) {
	n := 0
	for n < len(p.datagrams.list) && at-p.datagrams.list[n].since >= limits.DatagramPatience {
		n++
	}
	p.dropDatagrams(n, reason.Expired)
}

// dropDatagrams drops the n oldest of those that wait.
func (p *peer) dropDatagrams(n int, why reason.Reason) {
	if n == 0 {
		return
	}
	p.table.cfg.Drops.Add(why, n)
	for _, d := range p.datagrams.list[:n] {
		p.datagrams.bytes -= len(d.data)
	}
	p.datagrams.list = slices.Delete(p.datagrams.list, 0, n)
	if len(p.datagrams.list) == 0 {
		p.datagrams = datagramQueue{}
	}
	p.charge()
}
