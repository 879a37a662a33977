package session

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Opening is how a frame for small datagrams from one port to another begins.
// Such a frame is not sealed where it is made: a link writes it as a Draft, adds
// datagrams to it while it waits, and has it sealed when it leaves.
type Opening struct {
	// Head is the frame up to its plaintext, the counter still zero. Who finds
	// the way of the frame may put a changed copy in its place.
	Head    []byte
	Via     wire.ID          // the first hop, as Table.Via says it
	ports   [plainPorts]byte // as they stand in the plaintext header
	session *session
}

// plainPorts is the length of the ports in a plaintext header; the kind stands
// before them.
const plainPorts = wire.PlainHeaderLen - 1

// Open makes o the Opening of a frame of class 3; its Head is appended to dst. ok
// is false when no session stands that may seal more: use Datagram then. Any
// goroutine; it takes no lock for a peer used lately and allocates nothing when
// dst has room for MaxOverhead bytes more.
func (t *Table) Open(o *Opening, dst []byte, now time.Time, to *wire.ID, dstPort, srcPort uint16) (ok bool) {
	p := t.find(to)
	if p == nil {
		return false
	}
	s := p.usable()
	if s == nil {
		return false
	}
	at := t.at(now)
	p.speak(at)
	if s.sent.Load() >= s.renew {
		s.askRenewal(at)
	}
	o.session, o.Via = s, p.lead.hop(at)
	r := p.route.Load()
	o.Head = wire.AppendDataHeader(r.append(dst, wire.TypeData, wire.ClassBulk, &r.first), s.remote, 0)
	binary.BigEndian.PutUint16(o.ports[:], dstPort)
	binary.BigEndian.PutUint16(o.ports[2:], srcPort)
	return true
}

// Len is how long a frame with one datagram of n bytes is.
func (o *Opening) Len(n int) int { return len(o.Head) + wire.PlainHeaderLen + n + TagLen }

// Count takes the counter of one frame. ok is false when the session has sealed
// as much as it may. Any goroutine.
func (o *Opening) Count() (counter uint64, ok bool) { return o.session.count() }

// Begin appends to dst a frame with one datagram and a counter of Count,
// unsealed and with room for its tag: Len(len(data)) bytes.
func (o *Opening) Begin(dst []byte, counter uint64, data []byte) ([]byte, Draft) {
	dst = append(dst, o.Head...)
	binary.BigEndian.PutUint64(dst[len(dst)-counterLen:], counter)
	dst = append(append(dst, wire.PlainDatagram), o.ports[:]...)
	return appendTagRoom(append(dst, data...)), Draft{o.session, uint16(len(o.Head)), 1}
}

// counterLen is the length of the counter at the end of a data header.
const counterLen = 8

func appendTagRoom(dst []byte) []byte { return append(dst, make([]byte, TagLen)...) }

// Draft is a frame that is not sealed yet: datagrams from one port to another of
// one peer. Who holds it holds its bytes, too, and gives them to its methods. It
// stays with the session that it began with, and is sealed by that even when the
// session has been replaced or dropped: nobody else has its counter.
type Draft struct {
	session   *session
	plain     uint16 // where the plaintext begins in the frame
	datagrams uint16
}

// Datagrams is how many there are in the frame.
func (d *Draft) Datagrams() int { return int(d.datagrams) }

// More is by how many bytes a further datagram of n bytes makes the frame longer.
func (d *Draft) More(n int) int {
	if d.datagrams == 1 {
		return 2*wire.BundleHeader + n
	}
	return wire.BundleHeader + n
}

// Takes says whether one more datagram of n bytes may be added to frame, the
// bytes of d: it has the same way, ports and session as o, and there is room in
// the bundle.
func (d *Draft) Takes(frame []byte, o *Opening, n int) bool {
	plain := int(d.plain)
	if d.session != o.session || len(o.Head) != plain || len(frame)-plain-wire.PlainHeaderLen-TagLen+d.More(n) > limits.MaxBundle {
		return false
	}
	return bytes.Equal(frame[:plain-counterLen], o.Head[:plain-counterLen]) &&
		bytes.Equal(frame[plain+1:plain+wire.PlainHeaderLen], o.ports[:])
}

// Add appends a datagram to the frame that is buf[at:] and returns buf, which is
// More(len(data)) bytes longer.
func (d *Draft) Add(buf []byte, at int, data []byte) []byte {
	body := at + int(d.plain) + wire.PlainHeaderLen
	buf = buf[:len(buf)-TagLen]
	if d.datagrams == 1 {
		first := len(buf) - body
		buf = append(buf, make([]byte, wire.BundleHeader)...)
		copy(buf[body+wire.BundleHeader:], buf[body:])
		binary.BigEndian.PutUint16(buf[body:], uint16(first))
		buf[body-wire.PlainHeaderLen] = wire.PlainBundle
	}
	d.datagrams++
	return appendTagRoom(wire.AppendToBundle(buf, data))
}

// Seal seals frame, the bytes of d, in place. It is called once. Any goroutine.
func (d *Draft) Seal(frame []byte) {
	plain, end := int(d.plain), len(frame)-TagLen
	head := (*[NonceLen]byte)(frame[plain-wire.DataHeaderLen : plain])
	d.session.sealAt(head, be64(head[wire.DataHeaderLen-counterLen:]), frame[:plain:len(frame)], frame[plain:end], wire.ClassBulk)
}
