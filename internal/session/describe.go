package session

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/wire"
)

// State says how far the session with a peer is.
type State string

// The states.
const (
	StateNone     State = "none"     // nothing is sealed for the peer: there was no need yet, or no answer
	StateOpening  State = "opening"  // a handshake is under way
	StateUp       State = "up"       // messages go
	StateAway     State = "away"     // nobody knows a way to it: it is looked for, and no message goes
	StateRenewing State = "renewing" // messages go, and a handshake for new keys is under way
)

// Info describes the session with one peer.
type Info struct {
	Peer      wire.ID
	State     State
	Initiator bool          // this node began it; only of one that is up or renewed
	Age       time.Duration // of its keys; 0: there are none
	Idle      time.Duration // since something was sent or arrived
	RTT       time.Duration // from end to end; 0: not measured
	Waiting   int           // messages that wait for an ack or a response

	// Of the first hop that the last message left by; 0: none has.
	Window   int           // bytes that may be under way
	InFlight int           // bytes that are
	Rate     int           // bytes/s that arrived lately
	Base     time.Duration // least round trip lately
	Marked   uint64        // copies that relays marked, by whatever hop
}

// Overload tells what the messages to all peers have met with.
type Overload struct {
	Marked uint64 // copies that relays marked
	Unsent uint64 // messages that ended at their deadline and had not left, though a session stood
}

// Overload tells what the messages to all peers have met with so far. Any goroutine.
func (t *Table) Overload() Overload { return Overload{t.marked.Load(), t.unsent.Load()} }

// Describe tells of the sessions, the one used last first, and no more than most
// of them. Any goroutine.
func (t *Table) Describe(now time.Time, most int) []Info {
	at := t.at(now)
	type use struct {
		p    *peer
		used time.Duration
	}
	t.mu.RLock()
	all := make([]use, 0, len(t.peers))
	for _, p := range t.peers {
		all = append(all, use{p, p.usedAt()})
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b use) int {
		return cmp.Or(cmp.Compare(b.used, a.used), bytes.Compare(a.p.id[:], b.p.id[:]))
	})
	infos := make([]Info, min(len(all), most))
	for i := range infos {
		infos[i] = all[i].p.describe(at)
	}
	return infos
}

func (p *peer) describe(at time.Duration) Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := Info{
		Peer: p.id, State: StateNone, RTT: p.srtt,
		Idle: max(at-p.usedAt(), 0), Waiting: int(p.awaited.Load()),
	}
	if f := p.out.pathOf(&p.out.by); f != nil {
		c := &f.control
		i.Window, i.InFlight, i.Rate, i.Base = max(c.window, c.floor()), c.inflight, int(c.rate), c.base.least()
	}
	for _, f := range p.out.paths {
		i.Marked += f.marks
	}
	opening := p.init != nil || p.next != nil
	if s := p.usable(); s != nil {
		i.State, i.Initiator, i.Age = StateUp, s.initiator, max(at-s.born, 0)
		if p.away.on.Load() {
			i.State = StateAway
		} else if opening {
			i.State = StateRenewing
		}
	} else if opening {
		i.State = StateOpening
	}
	return i
}
