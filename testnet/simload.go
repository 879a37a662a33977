package testnet

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

var errImpatient = errors.New("testnet: not acknowledged in time")

// simLoad are the messages that were sent. Each carries its own number.
//
// That the null suite leaves plaintexts readable tells which message, and which
// transmission of it, a frame is.
type simLoad struct {
	sim           *Simulation
	messages      []*simMessage
	open          int // that are not over
	datagrams     int // without a number that arrived
	duplicates    int
	falseAcks     int
	asking        []*simMessage // whose handshakes are counted
	handshakeHops []int         // of the first messages of handshakes
	counting      bool
}

// simMessage is one message and what became of it.
type simMessage struct {
	load     *simLoad
	number   int
	from, to *simNode
	pending  *session.Pending
	began    time.Duration
	took     time.Duration // to the ack
	size     int           // bytes of data; less than 8: 8
	patience time.Duration // 0: that of the options
	result   func(session.Result)
	err      error // why it is over; nil: it is acknowledged
	hops     int
	arrived  time.Duration // when it was delivered first
	answer   func()        // called then; nil: nobody is
	first    copyMark      // of the first transmission
	copies   int
	firsts   int // copies of the first message of a handshake that left for the receiver

	reached   bool // the first transmission did
	delivered bool
	acked     bool
	over      bool
	void      bool // an end of it died first: it does not count
}

const (
	messageStart simKind = iota
	messageGiveUp
)

// copyMark tells transmissions apart: the receiver's index and the counter of
// the seal.
type copyMark [wire.DataHeaderLen]byte

// add makes a message that is to be sent.
func (d *simLoad) add() *simMessage {
	m := &simMessage{load: d, number: len(d.messages)}
	d.messages = append(d.messages, m)
	d.open++
	return m
}

// happen starts a message between a random pair, or gives one up.
func (m *simMessage) happen(s *Simulation, kind simKind) {
	if kind == messageGiveUp {
		if !m.over {
			m.pending.Cancel(s.time(), errImpatient)
		}
		return
	}
	from, to, ok := s.pair()
	if !ok {
		m.finish()
		m.void = true
		s.fail("message %d: found no pair of nodes to send between", m.number)
		return
	}
	m.send(from, to)
}

func (m *simMessage) send(from, to *simNode) {
	s := m.load.sim
	m.from, m.to, m.began = from, to, s.now
	patience := s.opts.Patience
	if m.patience > 0 {
		patience = m.patience
	}
	var err error
	data := make([]byte, max(m.size, 8))
	binary.BigEndian.PutUint64(data, uint64(m.number))
	m.pending, err = from.sessions.Send(s.time(), session.Message{
		To: wire.ID(to.id), Kind: wire.PlainMessage, Patient: true, Deadline: s.time().Add(patience), Data: data,
	}, m.done)
	if err != nil {
		m.err = err
		m.finish()
		return
	}
	s.heap.push(s.now+patience, m, messageGiveUp)
}

func (m *simMessage) done(r session.Result) {
	if m.void {
		return
	}
	m.err = r.Err
	m.finish()
	if m.result != nil {
		defer m.result(r)
	}
	if r.Err != nil {
		return
	}
	m.acked, m.took = true, m.load.sim.now-m.began
	if !m.delivered {
		m.load.falseAcks++
	}
}

func (m *simMessage) finish() {
	if !m.over {
		m.over = true
		m.load.open--
	}
}

// died takes the messages out of the count that can end no more.
func (d *simLoad) died(n *simNode) {
	if d.open == 0 {
		return
	}
	for _, m := range d.messages {
		if !m.over && (m.from == n || m.to == n) {
			m.void = true
			m.finish()
		}
	}
}

// identify tells which message a Data frame carries a copy of, nil for none.
func (d *simLoad) identify(frame []byte) (m *simMessage, mark copyMark) {
	if len(d.messages) == 0 || wire.FrameType(frame) != wire.TypeData || wire.FrameFlags(frame).Class() != wire.ClassInteractive {
		return nil, mark
	}
	f, err := wire.ParseFrame(frame)
	if err != nil || len(f.Body) < wire.DataHeaderLen+wire.TagLen {
		return nil, mark
	}
	h, body, err := wire.ParsePlainHeader(f.Body[wire.DataHeaderLen : len(f.Body)-wire.TagLen])
	if err != nil || h.Kind != wire.PlainMessage {
		return nil, mark
	}
	b, err := wire.ParseMessageBody(body)
	if err != nil || len(b.Data) < 8 {
		return nil, mark
	}
	if number := binary.BigEndian.Uint64(b.Data); number < uint64(len(d.messages)) {
		m = d.messages[number]
	}
	return m, copyMark(f.Body)
}

// emitted notes a transmission.
func (d *simLoad) emitted(from *simNode, frame []byte) {
	if len(d.asking) > 0 {
		d.asked(from, frame)
	}
	m, mark := d.identify(frame)
	if m == nil {
		return
	}
	if m.copies++; m.copies == 1 {
		m.first = mark
	}
}

// asked counts a first message of a handshake, for the messages that wait for it.
func (d *simLoad) asked(from *simNode, frame []byte) {
	if wire.FrameType(frame) != wire.TypeHandshake {
		return
	}
	f, err := wire.ParseFrame(frame)
	if err != nil || len(f.Body) == 0 || f.Body[0] != wire.HandshakeFirst {
		return
	}
	d.asking = slices.DeleteFunc(d.asking, func(m *simMessage) bool { return m.over || m.delivered })
	for _, m := range d.asking {
		if m.from == from && wire.ID(m.to.id) == f.Dst {
			m.firsts++
		}
	}
}

// arriving returns the message whose first transmission a frame for this node is.
func (d *simLoad) arriving(frame []byte) *simMessage {
	if m, mark := d.identify(frame); m != nil && m.first == mark {
		return m
	}
	return nil
}

// arrived notes what became of it.
func (d *simLoad) arrived(m *simMessage, why reason.Reason) {
	if m != nil && (why == reason.None || why == reason.Duplicate) {
		m.reached = true
	}
}

// handshake notes how far the first message of a handshake came.
func (d *simLoad) handshake(frame []byte) {
	if !d.counting || wire.FrameType(frame) != wire.TypeHandshake {
		return
	}
	f, err := wire.ParseFrame(frame)
	if err != nil || len(f.Body) == 0 || f.Body[0] != wire.HandshakeFirst {
		return
	}
	d.handshakeHops = append(d.handshakeHops, wire.MaxHopLimit+1-int(f.HopLimit))
}

// delivered is the port of every node.
func (d *simLoad) delivered(v *session.Delivery) reason.Reason {
	if v.Kind == wire.PlainDatagram && len(v.Data) == 0 {
		d.datagrams++
		return reason.None
	}
	if len(v.Data) < 8 {
		return reason.NoHandler
	}
	number := binary.BigEndian.Uint64(v.Data)
	if number >= uint64(len(d.messages)) {
		return reason.NoHandler
	}
	m := d.messages[number]
	if m.delivered {
		d.duplicates++
		return reason.None
	}
	m.delivered, m.hops, m.arrived = true, v.Hops, d.sim.now
	if m.answer != nil {
		m.answer()
	}
	return reason.None
}
