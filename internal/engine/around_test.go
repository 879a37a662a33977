package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// Datagrams go around suspect links; where no way around is known they go there all
// the same, and their source is told.
func TestDatagramsGoAroundSuspects(t *testing.T) {
	with := func(late *engine.Peer, others ...*engine.Peer) []engine.PeerState {
		return append(states(others...), engine.PeerState{Peer: late, Suspect: true})
	}
	datagram := func(to routing.ID, waypoint ...routing.ID) wire.Frame {
		f := wire.Frame{Class: wire.ClassBulk, Dst: wid(to)}
		if len(waypoint) > 0 {
			f.Waypoints = waypoints(waypoint...)
		}
		return f
	}
	to := func(peer *engine.Peer, why reason.Reason, change func(f *wire.Frame)) outcome {
		return outcome{action: engine.ActionSend, to: peer, why: why, change: change}
	}
	plain := func(f *wire.Frame) { f.Waypoints = nil }
	by := func(home routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) { f.Waypoints, f.Found = waypoints(home), true }
	}
	list := func(ids ...routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) { f.Detour = prefixes(ids...) }
	}
	homes := func(ids ...routing.ID) engine.Records { return new(held).put(target, ids...) }
	message := datagram(target, r1.ID)
	message.Class, message.Detour = wire.ClassInteractive, []byte{}
	hidden := at("0111", 9) // closer to r01 than to this node, and to r1 and r11 farther
	found := datagram(target, r1.ID)
	found.Found = true
	runCases(t, []ruleCase{
		{"the leaf of a suspect home is linked here", scene{peers: with(r1, lf), from: r001}, datagram(lf.ID, r1.ID), to(lf, reason.None, plain)},
		{"not back to the leaf", scene{peers: with(r1, lf), from: lf}, wire.Frame{Class: wire.ClassBulk, Src: wid(lf.ID), Dst: wid(lf.ID), Waypoints: waypoints(r1.ID)}, to(r1, reason.Detached, nil)},
		{"another home is linked here", scene{peers: with(r1, r11), records: homes(r1.ID, r11.ID), from: r001}, datagram(target, r1.ID), to(r11, reason.Detached, by(r11.ID))},
		{"another home is far away", scene{peers: with(r1, r11), records: homes(r1.ID, at("11001")), from: r001}, datagram(target, r1.ID), to(r11, reason.Detached, by(at("11001")))},
		{"a home that a record named", scene{peers: with(r1, r01), records: homes(r1.ID, r01.ID), from: r001}, found, to(r1, reason.Detached, nil)},
		{"no other home", scene{peers: with(r1, r01), records: homes(r1.ID), from: r001}, datagram(target, r1.ID), to(r1, reason.Detached, nil)},
		{"nothing is known", scene{peers: with(r1, r01), from: r001}, datagram(target, r1.ID), to(r1, reason.Detached, nil)},
		{"a message is told nothing", scene{peers: with(r1, r01), from: r1}, message, outcome{action: engine.ActionSend, to: r01, change: list(me)}},
		{"not the last waypoint", scene{peers: with(r1, lf), from: r001}, datagram(lf.ID, r1.ID, r11.ID), to(r1, reason.None, nil)},
		{"a dead end begins a detour", scene{peers: with(r01, r1, r11), from: r1}, datagram(hidden), to(r11, reason.None, list(r1.ID, me))},
		{"without a suspect, too", scene{peers: states(r1, r11), from: r1}, datagram(hidden), to(r11, reason.None, list(r1.ID, me))},
		{"what a leaf brings begins an empty one", scene{peers: with(r01, r11), from: lf}, wire.Frame{Class: wire.ClassBulk, Src: wid(lf.ID), Dst: wid(hidden)}, to(r11, reason.None, list(me))},
		{"no detour, a suspect that is closer", scene{peers: with(r01, r1), from: r1}, datagram(hidden), to(r01, reason.Detached, list(r1.ID, me))},
		{"no detour, and a suspect that is not closer: back", scene{peers: with(r11, r1), from: r1}, datagram(hidden), to(r1, reason.None, list(r1.ID, me))},
		{"nobody at all", scene{peers: with(r11), from: lf}, wire.Frame{Class: wire.ClassBulk, Src: wid(lf.ID), Dst: wid(hidden)}, hint(reason.NoRoute)},
		{"no detour, and a suspect that it came from", scene{peers: with(r11), from: r11}, datagram(target), hint(reason.NoRoute)},
	})
}

// The source is told so often and no more; the frames go on.
func TestSourcesAreToldOfSuspectsWithinABudget(t *testing.T) {
	s := scene{peers: append(states(r01), engine.PeerState{Peer: r1, Suspect: true})}.snapshot()
	in := engine.NewIngress(r001)
	told := 0
	for range 100 {
		f := (&ruleCase{frame: wire.Frame{Class: wire.ClassBulk, Dst: wid(target), Waypoints: waypoints(r1.ID)}}).fill()
		v := s.Forward(in, bytesOf(f), noon)
		if v.Action != engine.ActionSend || v.Peer != r1 {
			t.Fatalf("got %v to %v, want it sent to %v", v.Action, v.Peer, r1)
		}
		if v.Reason != reason.None {
			told++
		}
	}
	if told != 20 { // limits.HintBurst
		t.Errorf("got the source told %d times, want 20", told)
	}
}

// A home whose link is suspect comes last.
func TestSuspectHomesRankLast(t *testing.T) {
	s := scene{peers: append(states(r01), engine.PeerState{Peer: r1, Suspect: true})}.snapshot()
	homes := []wire.ID{wid(r1.ID), wid(target), wid(r01.ID)}
	if s.RankHomes(homes); homes[0] != wid(r01.ID) || homes[2] != wid(r1.ID) {
		t.Errorf("got %v", homes)
	}
}
