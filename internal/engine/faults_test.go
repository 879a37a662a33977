package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// broken is a record whose signature does not verify.
func broken(record []byte) []byte {
	b := slices.Clone(record)
	b[len(b)-1] ^= 1
	return b
}

// liar brings up a link with the sender of bad records.
func (b *brain) liar(who *identity.Identity, leaf bool) *Peer {
	p := b.peer(routing.ID(who.ID()), func(c *link.Config) { c.Leaf = leaf })
	b.up(p, nil)
	return p
}

// nodes has a peer answer a question for contacts with these records.
func (b *brain) nodes(p *Peer, records ...[]byte) []Action {
	b.links.byNumber[p.Link.Number].asked = 1
	return b.step(LinkFrame{p.Link, wire.AppendNodes(nil, &wire.Nodes{Records: records})})
}

// cut is the reason for which a link was closed.
func cut(actions []Action, p *Peer) (why reason.Reason) {
	for _, c := range find[CloseLink](actions) {
		if c.Link == p.Link {
			why = c.Reason
		}
	}
	return why
}

// saying are the ways in which a peer says what does not verify.
var saying = map[string]struct {
	leaf bool
	say  func(b *brain, p *Peer, who *identity.Identity) []Action
}{
	"a contact in a Record": {false, func(b *brain, p *Peer, who *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, recordFrame(broken(contactRecord(who, wire.RoleRelay, b.now, 60, "mem://a")), 60)})
	}},
	"another's contact in a Record": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, recordFrame(contactRecord(person(6), wire.RoleRelay, b.now, 60, "mem://a"), 60)})
	}},
	"an attachment in a Record": {false, func(b *brain, p *Peer, who *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, recordFrame(broken(attestation(person(6), person(6).ID(), b.now, 60, who.ID())), 60)})
	}},
	"an attachment by another key": {false, func(b *brain, p *Peer, who *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, recordFrame(attestation(who, person(6).ID(), b.now, 60, who.ID()), 60)})
	}},
	"a leaf's own": {true, func(b *brain, p *Peer, who *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, recordFrame(broken(attestation(who, who.ID(), b.now, 60, wire.ID{7})), 60)})
	}},
	"a contact in Nodes": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.nodes(p, broken(contactRecord(person(6), wire.RoleRelay, b.now, 60, "mem://a")))
	}},
	"an attachment in Nodes": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.nodes(p, attestation(person(6), person(6).ID(), b.now, 60, wire.ID{7}))
	}},
	"rubbish in Nodes": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.nodes(p, []byte{wire.Version, byte(wire.RecordContact), 3})
	}},
	"a malformed body": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, []byte{byte(wire.LinkFindNode), 1}})
	}},
	"a malformed Record": {false, func(b *brain, p *Peer, _ *identity.Identity) []Action {
		return b.step(LinkFrame{p.Link, []byte{byte(wire.LinkRecord), 1}})
	}},
}

func TestBadRecordsCostTheLink(t *testing.T) {
	for name, s := range saying {
		t.Run(name, func(t *testing.T) {
			b, who := newBrain(t, as(person(1), false)), person(5)
			p := b.liar(who, s.leaf)
			for i := 1; i < limits.BadRecords; i++ {
				if why := cut(s.say(b, p, who), p); why != reason.None {
					t.Fatalf("after %d: closed as %v", i, why)
				}
			}
			actions := s.say(b, p, who)
			if why := cut(actions, p); why != reason.ProtocolError {
				t.Errorf("after %d: closed as %v, want protocol-error", limits.BadRecords, why)
			}
			told := slices.ContainsFunc(find[Tell](actions), func(n Tell) bool {
				return n.Notice.Kind == NoticeRefused && n.Notice.Peer == p.ID && n.Notice.Reason == reason.ProtocolError
			})
			if !told {
				t.Error("the user hears nothing")
			}
			b.down(p, reason.ProtocolError)
			b.now = b.now.Add(limits.DisconnectHold - time.Second)
			again := b.peer(p.ID, nil)
			if why := cut(b.up(again, nil), again); why != reason.Banned {
				t.Errorf("when it came back: closed as %v, want banned", why)
			}
			b.now = b.now.Add(time.Second)
			again = b.peer(p.ID, nil)
			if why := cut(b.up(again, nil), again); why != reason.None {
				t.Errorf("after a while: closed as %v", why)
			}
		})
	}
}

// Nobody brings a verification more than the number that ends the link.
func TestBadRecordsOfOneFrame(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	p, other := b.liar(person(5), false), b.liar(person(4), false)
	records := slices.Repeat([][]byte{broken(contactRecord(person(6), wire.RoleRelay, b.now, 60, "mem://a"))}, wire.MaxNodes)
	actions := b.nodes(p, records...)
	if cut(actions, p) != reason.ProtocolError || b.drops.Get(reason.BadRecord) != limits.BadRecords {
		t.Errorf("closed as %v, dropped %v", cut(actions, p), b.drops.Map())
	}
	if cut(actions, other) != reason.None || !b.Linked(other.Link) {
		t.Error("an honest peer lost its link")
	}
}

func TestBadRecordsAreForgiven(t *testing.T) {
	b, who := newBrain(t, as(person(1), false)), person(5)
	p, say := b.liar(who, false), saying["a contact in Nodes"].say
	one := limits.BadRecordsForget / limits.BadRecords
	for range limits.BadRecords - 1 {
		say(b, p, who)
	}
	for i := range 3 * limits.BadRecords {
		b.now = b.now.Add(one)
		if why := cut(say(b, p, who), p); why != reason.None {
			t.Fatalf("one in %v, %d of them: closed as %v", one, i, why)
		}
	}
	b.now = b.now.Add(one - time.Second)
	if why := cut(say(b, p, who), p); why != reason.ProtocolError {
		t.Errorf("one too early: closed as %v, want protocol-error", why)
	}
}

// A new link does not wash a peer clean, and a Bye counts with the rest.
func TestBadRecordsOutliveALink(t *testing.T) {
	b, who := newBrain(t, as(person(1), false)), person(5)
	p := b.liar(who, false)
	bad := broken(contactRecord(person(6), wire.RoleRelay, b.now, 60, "mem://a"))
	b.nodes(p, bad, bad, bad, bad)
	b.step(Goodbye{Link: p.Link, Reason: reason.Leaving, Contacts: [][]byte{bad, bad, bad}})
	b.down(p, reason.Leaving)
	p = b.liar(who, false)
	if b.isBanned(b.now, p.ID) {
		t.Fatal("away too early")
	}
	if why := cut(b.nodes(p, bad), p); why != reason.ProtocolError {
		t.Errorf("closed as %v, want protocol-error", why)
	}
}

// What an honest peer may say or pass on never counts.
func TestWhatDoesNotCountAgainstAPeer(t *testing.T) {
	leaf, who := person(6), person(5)
	key := identity.KeyOf(leaf.ID())
	for name, say := range map[string]func(b *brain, p *Peer){
		"expired, in Nodes": func(b *brain, p *Peer) {
			b.nodes(p, contactRecord(leaf, wire.RoleRelay, b.now.Add(-time.Hour), 60, "mem://a"))
		},
		"expired, in a Record": func(b *brain, p *Peer) {
			b.step(LinkFrame{p.Link, recordFrame(attestation(leaf, leaf.ID(), b.now.Add(-time.Hour), 60, who.ID()), 60)})
		},
		"by a clock ahead": func(b *brain, p *Peer) {
			b.nodes(p, contactRecord(leaf, wire.RoleRelay, b.now.Add(time.Hour), 60, "mem://a"))
		},
		"twice": func(b *brain, p *Peer) {
			good := attestation(leaf, leaf.ID(), b.now, 60, who.ID())
			b.step(LinkFrame{p.Link, recordFrame(good, 60)})
			b.step(LinkFrame{p.Link, recordFrame(attestation(leaf, leaf.ID(), b.now.Add(-time.Second), 60, who.ID()), 60)})
		},
		"of a later version": func(b *brain, p *Peer) {
			later := contactRecord(leaf, wire.RoleRelay, b.now, 60, "mem://a")
			later[0]++
			kind := contactRecord(leaf, wire.RoleRelay, b.now, 60, "mem://a")
			kind[1] = 99
			b.nodes(p, later, kind)
		},
		"unsolicited": func(b *brain, p *Peer) {
			b.step(LinkFrame{p.Link, wire.AppendNodes(nil, &wire.Nodes{Records: [][]byte{broken(contactRecord(leaf, wire.RoleRelay, b.now, 60))}})})
		},
		"in a Store that ends here": func(b *brain, p *Peer) {
			b.step(Control{Link: p.Link.Number, Frame: storeFrame(leaf.ID(), key, broken(attestation(leaf, leaf.ID(), b.now, 60, wire.ID{7})))})
		},
		"in a Store that passes": func(b *brain, p *Peer) {
			b.step(Passed{Link: p.Link.Number, Frame: storeFrame(leaf.ID(), key, broken(attestation(leaf, leaf.ID(), b.now, 60, wire.ID{7})))})
		},
		"in an Answer": func(b *brain, p *Peer) {
			nonce := [wire.NonceLen]byte{9}
			b.asks = []*ask{{nonce: nonce, next: b.now.Add(time.Hour), done: func(*Engine, time.Time, *answer) {}}}
			b.step(Control{Link: p.Link.Number, Frame: answerFrame(wire.ID(p.ID), &wire.AnswerBody{
				Nonce: nonce, Kind: wire.AnswerNodes, Records: [][]byte{broken(contactRecord(leaf, wire.RoleRelay, b.now, 60, "mem://a"))},
			})})
			if b.drops.Get(reason.BadRecord) == 0 {
				b.t.Error("the answer was not read")
			}
		},
		"in a record sent back": func(b *brain, p *Peer) {
			b.step(Control{Link: p.Link.Number, Frame: answerFrame(wire.ID(p.ID), &wire.AnswerBody{
				Nonce: [wire.NonceLen]byte{9}, Kind: wire.AnswerRecord, Record: broken(attestation(leaf, leaf.ID(), b.now, 60, wire.ID{7})),
			})})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrain(t, as(person(1), false))
			p := b.liar(who, false)
			for range 3 * limits.BadRecords {
				say(b, p)
			}
			if !b.Linked(p.Link) || b.isBanned(b.now, p.ID) {
				t.Errorf("the link ended; dropped %v", b.drops.Map())
			}
			if len(b.drops.Map()) == 0 {
				t.Error("nothing was dropped: the test says nothing")
			}
		})
	}
}

func answerFrame(from wire.ID, body *wire.AnswerBody) []byte {
	return wire.AppendFrame(nil, &wire.Frame{
		Type: wire.TypeAnswer, Class: wire.ClassControl, HopLimit: 60, Dst: person(1).ID(), Src: from, Detour: []byte{}, Body: wire.AppendAnswerBody(nil, body),
	})
}

// Who floods a node with bad records lifts no ban by its user, and what is
// remembered is bounded.
func TestBadPeersAreBounded(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	banned := routing.ID{2}
	b.step(Disconnect{banned})
	for i := range limits.BadPeers + limits.Bans + 2 {
		who := stranger(i)
		p := b.liar(who, false)
		bad := broken(contactRecord(who, wire.RoleRelay, b.now, 60, "mem://a"))
		for range limits.BadRecords - 1 {
			b.nodes(p, bad)
		}
		if i%2 == 0 {
			b.nodes(p, bad)
		}
		b.down(p, reason.Leaving)
	}
	for range limits.BadPeers + 1 {
		b.number++
		who := stranger(1000 + int(b.number))
		p := b.liar(who, false)
		b.nodes(p, slices.Repeat([][]byte{broken(contactRecord(who, wire.RoleRelay, b.now, 60, "mem://a"))}, limits.BadRecords)...)
		b.down(p, reason.Leaving)
	}
	if got := len(b.shunned); got != limits.BadPeers {
		t.Errorf("sent away: got %d, want %d", got, limits.BadPeers)
	}
	if got := len(b.owing); got == 0 || got > limits.BadPeers {
		t.Errorf("remembered: got %d, want 1 to %d", got, limits.BadPeers)
	}
	if !b.isBanned(b.now, banned) {
		t.Error("whom the user sent away is welcome again")
	}
}

// The user's own wish for a link counts for more.
func TestBadPeerIsWelcomeToTheUser(t *testing.T) {
	b, who := newBrain(t, as(person(1), false)), person(5)
	p := b.liar(who, false)
	bad := broken(contactRecord(who, wire.RoleRelay, b.now, 60, "mem://a"))
	b.nodes(p, slices.Repeat([][]byte{bad}, limits.BadRecords)...)
	b.down(p, reason.ProtocolError)
	if !b.isBanned(b.now, p.ID) {
		t.Fatal("not sent away")
	}
	b.step(Reach{Contact: Contact{ID: p.ID, URLs: []string{"mem://a"}}, Done: func(error) {}})
	if b.isBanned(b.now, p.ID) {
		t.Error("still away")
	}
}
