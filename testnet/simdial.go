package testnet

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
)

// simScheme begins the URL of a simulated node; its index follows.
const simScheme = "sim://"

// simDial is a link that is being established: a round trip to connect, and
// one and a half more for the three messages of the handshake.
type simDial struct {
	from, to *simNode // to is nil: no node has that URL
	action   engine.Dial
	began    time.Duration
	latency  time.Duration
	hello    []byte // of the side that spoke last
	here     *simEnd
	greeted  time.Duration // when the acceptor had message 1 and sent message 2
	webRTC   bool          // it is signalled
	why      reason.Reason // the offer was refused
}

const (
	dialConnect simKind = iota // the acceptor hears of it
	dialRefused                // the dialler hears that nobody listens
	dialSilent                 // nothing was heard
	dialGreeted                // the acceptor has message 1
	dialHello                  // the dialler has message 2
	dialUp                     // the acceptor has message 3
)

var (
	errRefused = errors.New("connection refused")
	errSilent  = errors.New("no answer")
)

// stageHandshake is where a dial is once the carrier stands, as package node
// names it.
const (
	stageSignal    = "signal"
	stageHandshake = "handshake"
)

// dial begins to open a link.
func (s *Simulation) dial(from *simNode, a engine.Dial) {
	d := &simDial{from: from, to: s.listener(a.Target.URL.Reveal()), action: a, began: s.now}
	if id, ok := engine.ParseWebRTCURL(a.Target.URL.Reveal()); ok {
		d.webRTC, d.to = true, s.byID[id]
	}
	if d.to == nil || d.to == from {
		d.latency = s.opts.LatencyMin
	} else {
		d.latency = s.oneWayDelay(from, d.to)
	}
	s.heap.push(s.now+d.way(s), d, dialConnect)
}

// way is how long a message takes before the carrier stands: what is signalled
// goes by two links of the mesh, both as long as the new one.
func (d *simDial) way(s *Simulation) time.Duration {
	if d.webRTC {
		return s.delay(d.latency) + s.delay(d.latency)
	}
	return s.delay(d.latency)
}

// offer lets the engine of the other side decide about an offer.
func (d *simDial) offer(s *Simulation) {
	s.post(d.to, engine.Offered{ID: d.from.id, Direct: d.action.Direct, Need: d.action.Need, Done: func(why reason.Reason) {
		if d.why = why; why != reason.None {
			s.heap.push(s.now+d.way(s), d, dialRefused)
			return
		}
		if s.apart(d.from, d.to) {
			s.heap.push(d.began+limits.SignalTimeout, d, dialSilent)
			return
		}
		// The answer; then a round trip of ICE and two of DTLS.
		s.heap.push(s.now+d.way(s)+6*s.delay(d.latency), d, dialGreeted)
	}})
}

// listener returns the node at a URL, nil if none ever was there. A leaf has no URL.
func (s *Simulation) listener(url string) *simNode {
	index, ok := strings.CutPrefix(url, simScheme)
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i < 0 || i >= len(s.nodes) || s.nodes[i].leaf || s.nodes[i].noURL {
		return nil
	}
	return s.nodes[i]
}

// happen lets the next message of the handshake arrive.
func (d *simDial) happen(s *Simulation, kind simKind) {
	if d.from.putOff(d, kind) {
		return
	}
	switch kind {
	case dialConnect:
		switch {
		case d.webRTC && (d.to == nil || d.to == d.from):
			d.failed(s, stageSignal, reason.NoRoute, errSilent)
			return
		case d.webRTC:
			if d.heard(s) {
				d.offer(s)
			}
			return
		}
		if d.to == nil || (d.to.dead || d.to.leaving) && !d.to.silent {
			s.heap.push(s.now+s.delay(d.latency), d, dialRefused)
		} else if d.heard(s) {
			s.heap.push(s.now+s.delay(d.latency)+s.delay(d.latency), d, dialGreeted)
		}
	case dialRefused:
		d.failed(s, transport.StageConnect, d.why, errRefused)
	case dialSilent:
		stage := transport.StageConnect
		if d.hello != nil {
			stage = stageHandshake
		}
		s.post(d.from, engine.DialFailed{
			Target: d.action.Target, Stage: stage, Err: errSilent, Silent: d.webRTC && !s.apart(d.from, d.to),
		})
	case dialGreeted:
		if d.heard(s) {
			d.hello, d.greeted = d.to.hello(0, false), s.now
			s.heap.push(s.now+s.delay(d.latency), d, dialHello)
		}
	case dialHello:
		d.answered(s)
	case dialUp:
		d.accepted(s)
	}
}

// heard says whether the acceptor can still be heard; if not, the dialler waits
// for its end of patience.
func (d *simDial) heard(s *Simulation) bool {
	if d.to.dead || d.to.frozen != nil || s.cut(d.from, d.to) || s.cut(d.to, d.from) {
		patience := limits.HandshakeTimeout
		if d.webRTC {
			patience = limits.SignalTimeout
		}
		s.heap.push(max(s.now, d.began+patience), d, dialSilent)
		return false
	}
	return true
}

func (d *simDial) failed(s *Simulation, stage string, why reason.Reason, err error) {
	s.post(d.from, engine.DialFailed{Target: d.action.Target, Stage: stage, Reason: why, Err: err})
}

// answered is the dialler's side once it has message 2: its link is up as soon
// as it has sent message 3.
func (d *simDial) answered(s *Simulation) {
	if d.from.dead {
		return
	}
	remote, err := s.verify(d.from, d.hello, wire.ID(d.action.Target.Pin))
	if err != nil {
		d.failed(s, stageHandshake, err.Reason, err)
		return
	}
	d.hello = d.from.hello(d.action.Count, d.action.Need || d.from.needy)
	here := &simEnd{node: d.from, latency: d.latency, webRTC: d.webRTC}
	there := &simEnd{node: d.to, latency: d.latency, other: here, webRTC: d.webRTC}
	here.other, d.here = there, here
	s.lay(here, there)
	there.last = s.now + s.delay(d.latency)
	s.heap.push(there.last, d, dialUp)
	here.up(s, remote, d.action, 2*(s.now-d.greeted))
}

// accepted is the acceptor's side once it has message 3.
func (d *simDial) accepted(s *Simulation) {
	there := d.here.other
	if d.to.dead || d.to.frozen != nil || s.cut(d.from, d.to) {
		there.closed = true // nothing comes of it; the dialler's pings will tell
		return
	}
	remote, err := s.verify(d.to, d.hello, wire.ID{})
	if err != nil || d.to.leaving {
		if err != nil {
			s.drops.Add(err.Reason, 1)
		}
		there.Close()
		return
	}
	there.up(s, remote, engine.Dial{Count: remote.hello.Dial, Direct: d.webRTC && d.action.Direct}, s.now-d.greeted)
	if there.tcp != nil {
		there.tcp.Resume()
	}
}

// hello is what the node says of itself on a new link.
func (n *simNode) hello(dial uint32, need bool) []byte {
	return wire.AppendHello(nil, &wire.Hello{
		Version: link.Version, Instance: n.instance, Contact: n.contactRecord(n.sim.time()), Dial: dial, Need: need,
	})
}

// simRemote is what a neighbour said of itself.
type simRemote struct {
	id    wire.ID
	hello wire.Hello
	leaf  bool
}

// verify checks what a Hello claims. The contact record proves who speaks:
// there is no static key that a certificate could bind.
func (s *Simulation) verify(n *simNode, hello []byte, want wire.ID) (r simRemote, _ *link.HandshakeError) {
	var err error
	if r.hello, err = wire.ParseHello(hello); err != nil {
		return r, &link.HandshakeError{Reason: reason.Malformed, Err: err}
	}
	if r.hello.Version != link.Version {
		return r, &link.HandshakeError{Reason: reason.BadVersion, Err: errors.New("another version")}
	}
	record, id, err := s.records.verify(r.hello.Contact, s.time())
	if err != nil {
		return r, &link.HandshakeError{Reason: reason.BadRecord, Err: err}
	}
	switch {
	case want != (wire.ID{}) && id != want:
		return r, &link.HandshakeError{Reason: reason.WrongID, Err: errors.New("another node answers")}
	case id == wire.ID(n.id):
		return r, &link.HandshakeError{Reason: reason.OwnID, Err: errors.New("the peer is this node")}
	}
	contact, err := wire.ParseContact(record.Body)
	if err != nil {
		return r, &link.HandshakeError{Reason: reason.BadRecord, Err: err}
	}
	r.id, r.leaf = id, contact.Role == wire.RoleLeaf
	r.hello.Contact = s.records.intern(r.hello.Contact, s.time())
	return r, nil
}

// up makes the link on this end of a carrier and tells the engine. The acceptor
// has no target.
func (e *simEnd) up(s *Simulation, r simRemote, dial engine.Dial, rtt time.Duration) {
	n := e.node
	n.number++
	l := &simLink{node: n, since: s.now, direct: dial.Direct}
	e.link = l
	l.link = link.New(link.Config{
		Number: n.number, Peer: r.id, Leaf: r.leaf, LeafLink: r.leaf || n.leaf,
		Outbound: dial.Target != nil, Direct: dial.Direct, Instance: r.hello.Instance, Dial: dial.Count,
		Contact: r.hello.Contact, Carrier: e, OnBusy: l.onBusy, OnRoom: l.onRoom, Wake: l.wake, Clock: s.time, Drops: &s.drops, Line: e.lineOf(),
	}, s.time())
	peer := engine.NewPeer(l.link)
	l.in = engine.NewIngress(peer)
	l.in.Share(&s.scratch)
	n.links = append(n.links, l)
	s.post(n, engine.LinkUp{
		Peer: peer, Target: dial.Target,
		From: engine.Origin{Need: r.hello.Need, RTT: rtt, Direct: dial.Direct},
	})
}
