package session

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Outcome says what is known of a message that ended.
type Outcome uint8

// The outcomes.
const (
	Unknown     Outcome = iota // a copy left and nobody can tell whether it arrived
	Delivered                  // accepted into the queue of the port
	Undelivered                // not delivered, and never will be
)

var outcomeNames = [...]string{"unknown", "delivered", "undelivered"}

// String returns the lower-case name of o.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// errRestarted is the end of messages whose receiver forgot what it has seen.
const errRestarted = reason.PeerRestarted

// Message is one message to be delivered at most once, with an ack.
type Message struct {
	To               wire.ID
	Kind             uint8 // wire.PlainMessage, PlainRequest or PlainResponse
	DstPort, SrcPort uint16
	RequestID        uint64 // of a response: Delivery.MessageID of the request
	Data             []byte // 0 to limits.MaxMessage bytes

	// Patient messages wait for room instead of being refused, and their Data is
	// not copied: it must not change before the result is known. It is for
	// callers that wait for the result anyway.
	Patient bool

	// Deadline is when nobody needs the message any more; zero: never. It ends
	// nothing by itself: that is for Cancel. What cannot arrive in time does not
	// leave, and while a peer is overloaded it says which messages can be met.
	Deadline time.Time
}

// Result is how a message ended.
type Result struct {
	// Err is nil when a message was acked or a request answered. Otherwise it is
	// the cause given to Cancel, or a reason.Reason: what the peer's refusal said
	// (NoHandler, Unsolicited for a response nobody waits for, …), NoRoute,
	// PeerRestarted, SessionLimit when the entry of the peer had to go, Closed.
	Err          error
	Outcome      Outcome       // of the message, not of the response
	Response     []byte        // of a request; the receiver may keep it
	ResponseHops int           // links that the response crossed
	Hop          wire.ID       // the first hop of the last copy
	Sent         int           // copies that left
	First        uint64        // Delivery.Transmission of the first of them; 0: none left
	RTT          time.Duration // from the only copy to its ack, else the smoothed round trip; 0: none known
	Last         reason.Reason // what was heard last on the way, if anything: a better cause than a timeout
	Told, Tried  int           // first hops that led to somebody who knows no way, of those that were tried
}

// Pending is a message under way.
type Pending struct {
	peer *peer
	done func(Result)

	// guarded by the lock of the peer
	m        Message
	id       uint64 // once a copy has left
	began    uint64 // peer.began when the first copy left
	acked    bool
	over     bool
	stay     bool      // the next copy is to take the first hop of the last one
	stayed   bool      // the last copy did
	probe    bool      // the next copy leaves whatever the window is: a timer has gone off
	timeouts uint8     // copies that were not acked in time; see patience
	last     departure // of the last copy
	first    uint64    // names the first copy
	rtt      time.Duration
	trail    trail
	echo     [limits.HintEcho]byte // what a Hint about the last copy echoes
	hop      wire.ID               // of the last copy
	by       way                   // the same

	list           *list
	before, behind *Pending
	path           *path // by which its last copy is on its way; nil: none is
}

// Send takes a message or request. done is called exactly once, on any
// goroutine, possibly before Send returns, without any lock held, unless Send
// returns an error: reason.TooLarge, Unsupported for another kind, OwnID, Closed,
// or QueueFull when, for one that is not Patient, as much waits as is kept for
// one peer: limits.WaitingMessages and WaitingBytes without a session, else
// what leaves in a second, limits.WaitingBytes in any case, and with what is on its
// way limits.MessageWindow and UnackedBytes; for such a one reason.MemoryLimit too, when
// Config.Budget is used up. Any goroutine.
func (t *Table) Send(now time.Time, m Message, done func(Result)) (*Pending, error) {
	if m.Kind != wire.PlainMessage && m.Kind != wire.PlainRequest && m.Kind != wire.PlainResponse {
		return nil, reason.Unsupported
	}
	if len(m.Data) > limits.MaxMessage {
		return nil, reason.TooLarge
	}
	at := t.at(now)
	var fx effects
	defer fx.run(t)
	p, err := t.lock(m.To, at, &fx)
	if err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	return p.submit(m, at, done)
}

// submit queues a message and sends what may be sent. mu is held.
func (p *peer) submit(m Message, at time.Duration, done func(Result)) (*Pending, error) {
	if !m.Patient {
		if p.out.full(len(m.Data)) || p.overfull(len(m.Data)) {
			return nil, reason.QueueFull
		}
		if !p.affords(len(m.Data)) {
			return nil, reason.MemoryLimit
		}
		m.Data = bytes.Clone(m.Data)
		p.out.bytes += len(m.Data)
		p.out.copied++
		p.charge()
	}
	p.firstOfAll(at)
	x := &Pending{peer: p, done: done, m: m}
	p.out.count++
	p.awaited.Add(1)
	if x.asks() {
		p.asked.Add(1)
	}
	p.queue(x, at)
	p.flush(at)
	return x, nil
}

// Cancel ends m with cause, unless it has ended. The outcome tells whether a
// copy may have arrived. Any goroutine.
func (m *Pending) Cancel(now time.Time, cause error) {
	p := m.peer
	at := p.table.at(now)
	var fx effects
	p.mu.Lock()
	p.abandon(m, at)
	p.end(m, Result{Err: cause}, &fx)
	p.mu.Unlock()
	fx.run(p.table)
}

// end ends m, whatever it waits for. r says how; what is known of the way is
// added. mu is held.
func (p *peer) end(m *Pending, r Result, fx *effects) {
	if m.over {
		return
	}
	p.retire(m)
	delete(p.out.asking, m.id)
	m.over = true
	p.awaited.Add(-1)
	if m.asks() {
		p.asked.Add(-1)
	}
	switch {
	case m.acked:
		r.Outcome = Delivered
	case m.trail.sent == 0:
		r.Outcome = Undelivered
	case r.Outcome == Undelivered: // the peer's own word
		p.backAgain()
	}
	r.Hop, r.Sent, r.First, r.RTT = m.hop, m.trail.sent, m.first, m.rtt
	p.tell(m, &r)
	if r.RTT == 0 {
		r.RTT = p.srtt
	}
	m.m.Data = nil
	fx.done = append(fx.done, ended{m.done, r})
}

// retire takes m out of the queues: no copy of it leaves any more.
func (p *peer) retire(m *Pending) {
	if m.acked {
		return
	}
	if m.list == &p.out.fresh {
		p.out.freshBytes -= len(m.m.Data)
	}
	m.cut()
	if m.trail.sent > 0 {
		p.out.leave(m)
	}
	p.out.count--
	if !m.m.Patient {
		p.out.bytes -= len(m.m.Data)
		p.out.copied--
		p.charge()
	}
}

// arrived notes that m was accepted: a request goes on waiting for its response.
func (p *peer) arrived(m *Pending, fx *effects) {
	if m.acked || m.over {
		return
	}
	p.retire(m)
	p.backAgain()
	m.acked, m.m.Data = true, nil
	if m.m.Kind != wire.PlainRequest {
		p.end(m, Result{}, fx)
		return
	}
	if p.out.asking == nil {
		p.out.asking = make(map[uint64]*Pending)
	}
	p.out.asking[m.id] = m
}

// requests returns the acked requests in the order of their ids.
func (o *outbox) requests() []*Pending {
	all := make([]*Pending, 0, len(o.asking))
	for _, m := range o.asking {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *Pending) int { return cmp.Compare(a.id, b.id) })
	return all
}

// endAll ends everything that waits in p. mu is held.
func (p *peer) endAll(cause error, fx *effects) {
	p.endUnsent(Result{Err: cause}, fx)
	for id, ok := p.out.nextLive(p.out.lowest, p.out.next); ok; id, ok = p.out.nextLive(id+1, p.out.next) {
		p.end(p.out.get(id), Result{Err: cause}, fx)
	}
	for _, m := range p.out.requests() {
		p.end(m, Result{Err: cause}, fx)
	}
	p.dropDatagrams(len(p.datagrams.list), reason.Expired)
}

// transmit sends one copy of m, sealed anew, by the next first hop. false: it
// stays where it was. mu is held.
func (p *peer) transmit(s *session, m *Pending, at time.Duration) bool {
	t := p.table
	buf := t.frames.get(MaxOverhead + messageHead + len(m.m.Data))
	defer t.frames.put(buf)
	by, c := p.nextHop(m, at)
	frame, body, ok := p.appendMessage((*buf)[:0], s, m, &by)
	if !ok {
		p.arm(at) // the key is used up: a new session is due
		return false
	}
	hop, c, ok := t.emitMessage(frame, c)
	if !ok {
		p.refused(hop, at)
		return false
	}
	m.by = by
	s.messages++
	p.departed(m, hop, c, Transmission(frame[body:]), len(frame), at)
	m.echo = wire.Echo(frame[body:])
	if s.sent.Load() >= s.renew && s.asked.CompareAndSwap(false, true) {
		p.renewAt = at
		p.arm(at)
	}
	return true
}

// Transmission names one sealed frame by what stands before its ciphertext: the
// receiver's index and the counter. No two frames of a session have the same.
func Transmission(body []byte) uint64 {
	return transmissionOf(binary.BigEndian.Uint32(body), binary.BigEndian.Uint64(body[4:]))
}

func transmissionOf(index uint32, counter uint64) uint64 { return uint64(index)<<32 ^ counter }

// nextHop returns the way and the first hop of the next copy of m.
func (p *peer) nextHop(m *Pending, at time.Duration) (way, Choice) {
	if m.stay {
		return m.by, Choice{Via: m.hop, K: m.trail.turns()}
	}
	return p.wayAt(m.trail.turns(), at), p.choiceAt(&m.trail, at)
}

// departed notes that a copy of m, of so many bytes, has left by hop.
func (p *peer) departed(m *Pending, hop wire.ID, c Choice, copy uint64, size int, at time.Duration) {
	o := &p.out
	o.stalls = 0
	if m.trail.sent == 0 {
		o.freshBytes -= len(m.m.Data)
		o.enter(m)
		m.began, m.first = p.began, copy
		o.by = hop
	} else if f := o.pathOf(&m.hop); f != nil {
		f.others = hop != m.hop
	}
	m.cut()
	m.trail.leave(hop, c)
	if m.trail.sent > 1 && !m.stay {
		o.aside = hop
	}
	m.hop, m.stayed, m.stay, m.probe = hop, m.stay, false, false
	f := o.pathBy(&hop, at)
	f.depart(m, copy, size, at, p.rto(f))
	if m.asks() {
		p.speak(at)
	} else {
		p.touch(at)
	}
	p.arm(p.due(f))
}

// asks reports whether this node sent m of its own accord.
func (m *Pending) asks() bool {
	return m.m.Kind == wire.PlainMessage || m.m.Kind == wire.PlainRequest
}

// messageHead is the most bytes between the plaintext header and the data.
const messageHead = wire.MessageIDsLen + 8

// appendMessage appends the frame of a copy of m; its body begins at frame[body].
func (p *peer) appendMessage(dst []byte, s *session, m *Pending, by *way) (frame []byte, body int, ok bool) {
	id := m.id
	if m.trail.sent == 0 {
		id = p.out.next
	}
	dst = p.appendRoute(dst, wire.ClassInteractive, by)
	body = len(dst)
	dst = append(dst, make([]byte, wire.DataHeaderLen)...)
	dst = wire.AppendPlainHeader(dst, wire.PlainHeader{Kind: m.m.Kind, DstPort: m.m.DstPort, SrcPort: m.m.SrcPort})
	dst = binary.BigEndian.AppendUint64(dst, id)
	dst = binary.BigEndian.AppendUint64(dst, p.out.lowest)
	if m.m.Kind == wire.PlainResponse {
		dst = binary.BigEndian.AppendUint64(dst, m.m.RequestID)
	}
	dst = append(dst, m.m.Data...)
	frame, _, ok = s.seal(dst, body+wire.DataHeaderLen, wire.ClassInteractive)
	return frame, body, ok
}

// arm makes sure that the peer is looked at by the given time. mu is held.
func (p *peer) arm(at time.Duration) { p.table.timers.earlier(&p.timer, at) }
