package session

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// A message 1 for a peer that may be anywhere leaves in copies that share
// nothing: each has its own first hop and its own way (docs/adr/026). They leave
// in volleys that double, as long as nobody answers.

// firstCopy is a copy of message 1 that left. Its tag stands in the receiver
// index, which message 1 has no other use for, so that a Hint, a record or an
// answer tells which copy it is about.
type firstCopy struct {
	tag  uint32
	echo [limits.HintEcho]byte // the first bytes of its body
	hop  wire.ID
	at   time.Duration
	by   way
	told bool // a Hint told that it got no further
}

// search is what the copies of a message 1 have come to.
type search struct {
	copies []firstCopy // in their order; of more than limits.FirstCopies the oldest went
	past   []wire.ID   // first hops that were used since all were
	left   time.Duration
	linked bool // the first copy went by the link of the peer itself
	beyond bool // it may send more than one copy: see pacer
	told   int  // copies that a Hint told about

	sequence uint64    // of the record that was found; 0: none
	homes    []wire.ID // as that says, the best first
	aimed    int       // copies that left since homes are known
}

// searching reports whether the handshake is one for a peer that may be anywhere,
// and somebody waits for it. mu is held.
func (p *peer) searching() bool { return !p.init.search.linked && p.usable() == nil }

// volley returns how many copies leave together when so many have left.
func volley(sent int) int {
	switch {
	case sent == 0:
		return 1
	case sent < 4:
		return 4 - sent
	case sent < limits.FirstCopiesSoon:
		end := 8
		for end <= sent {
			end *= 2
		}
		return end - sent
	}
	return 1
}

// searchPause returns how long to wait for an answer when so many copies have
// left: the volleys leave at 0, 1, 2, 4 and 8 times the pace. Where round trips
// are long it is a round trip at least: what is late is not lost.
func (t *Table) searchPause(sent int) time.Duration {
	pause := t.pace()
	switch {
	case sent < 8:
	case sent < 16:
		pause *= 2
	case sent < limits.FirstCopiesSoon:
		pause *= 4
	case sent < limits.FirstCopies:
		pause = limits.FirstCopiesPause
	default:
		pause = limits.HandshakeRetryMax
	}
	return max(pause, min(t.trips.mean(), limits.SearchLate))
}

// pace is one and a half mean round trips of this node's sessions.
func (t *Table) pace() time.Duration {
	mean := t.trips.mean()
	if mean == 0 {
		return limits.SearchPaceMax
	}
	return min(max(mean*3/2, limits.SearchPaceMin), limits.SearchPaceMax)
}

// sendFirst sends the copies of message 1 that are due. mu is held.
func (p *peer) sendFirst(at time.Duration) {
	in := p.init
	n, searching := 1, p.searching()
	if searching {
		if n = volley(in.trail.sent); !p.mayGoOn(at) {
			return
		}
	}
	for ; n > 0 && p.sendCopy(at, nil); n-- {
	}
	if searching {
		in.next = at + in.latePause(p.table.searchPause(in.trail.sent))
	} else {
		in.next = at + in.latePause(in.trail.pause(max(in.trail.sent-1, 0)))
	}
	p.armFirst(at)
}

// mayGoOn takes leave to send more than one copy, and comes back for it later.
func (p *peer) mayGoOn(at time.Duration) bool {
	in := p.init
	if in.trail.sent == 0 || in.search.beyond {
		return true
	}
	if in.search.beyond = p.table.pacer.take(at); !in.search.beyond {
		in.next = at + p.table.pace()
		p.armFirst(at)
	}
	return in.search.beyond
}

// sendCopy sends one more copy of message 1: as an earlier one, or by another
// first hop and another way. false: no link took it. mu is held.
func (p *peer) sendCopy(at time.Duration, as *firstCopy) bool {
	t, in := p.table, p.init
	k := in.trail.sent
	if k == firstCertain-1 && in.trail.led {
		p.lead.failed(in.trail.tried[0].hop)
	}
	body := wire.HandshakeBody{
		Kind: wire.HandshakeFirst, Sender: in.local, Receiver: t.draw(), Cookie: in.cookie, Noise: in.first,
	}
	by, c := way{}, Choice{Past: in.search.past}
	switch {
	case as != nil:
		by, c.Via = as.by, as.hop
	case k == 0:
		by, c = p.nextWay(), p.lead.choice(0, false, at)
	default:
		by = p.nextWay()
	}
	frame := t.handshakeFrame(by.frame(p.id), &body)
	hop, c, ok := t.emit(frame, c)
	if !ok {
		return false
	}
	in.sentAt = at
	in.trail.leave(hop, c)
	in.search.leave(firstCopy{tag: body.Receiver, echo: wire.Echo(wire.AppendHandshakeBody(nil, &body)), hop: hop, at: at, by: by})
	in.search.linked = k == 0 && hop == p.id || k > 0 && in.search.linked
	return true
}

// draw returns four random bytes.
func (t *Table) draw() uint32 {
	var b [4]byte
	t.random(b[:])
	return be32(b[:])
}

// leave notes a copy that left.
func (s *search) leave(c firstCopy) {
	if len(s.copies) == 0 {
		s.left = c.at
	}
	if len(s.copies) >= limits.FirstCopies {
		s.copies = append(s.copies[:0], s.copies[1:]...)
	}
	s.copies = append(s.copies, c)
	if slices.Contains(s.past, c.hop) {
		s.past = s.past[:0] // all have been tried: begin anew
	}
	s.past = append(s.past, c.hop)
	if len(s.homes) > 0 {
		s.aimed++
	}
}

// nextWay returns the way of the next copy. Where homes of the peer are known two
// of three copies go by one of them, each by another, and one anywhere: what was
// found may be old. Else the first copy goes greedily, and of those behind it every
// third.
func (p *peer) nextWay() way {
	in := p.init
	s, k := &in.search, in.trail.sent
	if k == 0 && len(s.homes) == 0 {
		s.homes = p.homesOf(p.route.Load().ranked)
	}
	switch {
	case len(s.homes) > 0:
		return p.table.wayOf(p.id, s.homes, s.aimed)
	case k%3 == 0:
		return way{}
	}
	return p.table.scatter(p.id)
}

// homesOf returns those of homes that may be waypoints to the peer.
func (p *peer) homesOf(homes []wire.ID) (out []wire.ID) {
	for _, h := range homes[:min(len(homes), limits.Homes)] {
		if h != p.id && h != p.table.cfg.Self && h != (wire.ID{}) {
			out = append(out, h)
		}
	}
	return out
}

// tagged returns the copy with that tag, or nil.
func (s *search) tagged(tag uint32) *firstCopy {
	for i := range s.copies {
		if s.copies[i].tag == tag {
			return &s.copies[i]
		}
	}
	return nil
}

// echoed returns the copy whose body begins so, or nil.
func (s *search) echoed(echo *[limits.HintEcho]byte) *firstCopy {
	for i := range s.copies {
		if bytes.Equal(s.copies[i].echo[:], echo[:]) {
			return &s.copies[i]
		}
	}
	return nil
}

// Found takes what an attachment record of leaf says, whose signature and life
// the caller has checked: its sequence and the homes, none if it is withdrawn. It
// counts only as an answer to a copy of a message 1 of ours that is under way, to
// leaf, whose body begins with nonce, and only if no record with a higher sequence
// was found before. Then a copy leaves by these homes at once. Any goroutine.
func (t *Table) Found(now time.Time, leaf wire.ID, nonce [wire.NonceLen]byte, sequence uint64, homes []wire.ID) bool {
	p := t.find(&leaf)
	if p == nil {
		return false
	}
	at := t.at(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.init
	if in == nil || sequence <= in.search.sequence || in.search.echoed(&nonce) == nil {
		return false
	}
	ranked := p.homesOf(homes)
	if t.cfg.Rank != nil {
		t.cfg.Rank(ranked)
	}
	in.search.sequence, in.search.homes, in.search.aimed = sequence, ranked, 0
	if !in.busy && len(ranked) > 0 && p.searching() && in.trail.sent < limits.FirstCopiesSoon && p.mayGoOn(at) {
		p.sendCopy(at, nil)
	}
	return true
}

// pacer lets limits.SearchRate handshakes a second send more than one copy of
// message 1: many that nobody answers are no reason to flood the mesh.
type pacer struct {
	mu      sync.Mutex // guards what follows; taken last
	spent   float64    // of limits.SearchBurst
	spentAt time.Duration
}

// take takes leave for one handshake.
func (b *pacer) take(at time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-limits.SearchRate*(at-b.spentAt).Seconds())
	b.spentAt = at
	if b.spent > limits.SearchBurst-1 {
		return false
	}
	b.spent++
	return true
}
