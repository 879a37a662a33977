package engine_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// The cast of the tables: this node, relays by the leading bits of their Keys,
// and nodes that are not linked.
var (
	me     = at("0000")
	r1     = relay(at("1000"))
	r11    = relay(at("11000"))
	r01    = relay(at("0100"))
	r001   = relay(at("0010"))
	lf     = leaf(at("1110"))
	lf2    = leaf(at("0110"))
	target = at("11111111")    // closer to r11 than to r1
	beside = at("00000000", 1) // closer to this node than to any relay
	source = at("0111", 3)
)

// scene is what a rule is tried on.
type scene struct {
	leaf    bool
	peers   []engine.PeerState
	records engine.Records
	from    *engine.Peer // nil: this node itself
	in      *engine.Ingress
}

func (s scene) snapshot() *engine.Snapshot {
	return engine.NewSnapshot(engine.SnapshotConfig{
		Self: me, Leaf: s.leaf, Peers: s.peers, Records: s.records,
	})
}

// outcome is what is expected of it.
type outcome struct {
	action engine.FrameAction
	why    reason.Reason
	to     *engine.Peer
	change func(f *wire.Frame) // what was rewritten, besides the hop limit
}

func send(to *engine.Peer) outcome { return outcome{action: engine.ActionSend, to: to} }

func sendChanged(to *engine.Peer, change func(f *wire.Frame)) outcome {
	return outcome{action: engine.ActionSend, to: to, change: change}
}

func hint(why reason.Reason) outcome { return outcome{action: engine.ActionHint, why: why} }

func dropped(why reason.Reason) outcome { return outcome{action: engine.ActionDrop, why: why} }

func ends(a engine.FrameAction) outcome { return outcome{action: a} }

type ruleCase struct {
	name  string
	scene scene
	frame wire.Frame
	want  outcome
}

// frame fills what a case leaves open: a datagram from source with 64 crossings left.
func (c *ruleCase) fill() wire.Frame {
	f := c.frame
	if f.Type == 0 {
		f.Type = wire.TypeData
	}
	if f.Src == (wire.ID{}) {
		f.Src = wire.ID(source)
	}
	if f.HopLimit == 0 {
		f.HopLimit = wire.MaxHopLimit
	}
	if f.Body == nil {
		f.Body = []byte("twenty bytes of body")
	}
	return f
}

func (c *ruleCase) run(t *testing.T) {
	f := c.fill()
	in := c.scene.in
	if in == nil {
		in = engine.NewIngress(c.scene.from)
	}
	frame := bytesOf(f)
	v := c.scene.snapshot().Forward(in, frame, noon)
	checkOutcome(t, v, c.want, f, frame, c.scene.from == nil)
}

// checkOutcome compares a verdict about f, whose bytes were frame.
func checkOutcome(t *testing.T, v engine.Verdict, want outcome, f wire.Frame, frame []byte, own bool) {
	t.Helper()
	if v.Action != want.action || v.Reason != want.why || v.Peer != want.to {
		t.Fatalf("got %v, %v, to %v, want %v, %v, to %v", v.Action, v.Reason, v.Peer, want.action, want.why, want.to)
	}
	switch v.Action {
	case engine.ActionDrop:
		if v.Frame != nil {
			t.Errorf("got a frame with a drop")
		}
		return
	case engine.ActionSend:
		if !own {
			f.HopLimit--
		}
		if want.change != nil {
			want.change(&f)
		} else if &v.Frame[0] != &frame[0] {
			t.Error("got a copy, want the frame itself")
		}
	}
	if got := mustParse(t, v.Frame); !same(got, f) {
		t.Errorf("got %s\nwant %s", show(got), show(f))
	}
}

func runCases(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func wid(id routing.ID) wire.ID { return wire.ID(id) }

func TestBytesThatAreNoFrame(t *testing.T) {
	s := scene{peers: states(r1, r11)}.snapshot()
	good := func(change func(f *wire.Frame)) []byte {
		f := wire.Frame{Type: wire.TypeData, HopLimit: 9, Dst: wid(target), Src: wid(source)}
		change(&f)
		return bytesOf(f)
	}
	plain := func() []byte { return good(func(*wire.Frame) {}) }
	edit := func(i int, v byte) []byte { b := plain(); b[i] = v; return b }
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"nothing", nil},
		{"one byte less than a header", plain()[:wire.HeaderLen-1]},
		{"longer than allowed", append(plain(), make([]byte, wire.MaxFrame)...)},
		{"type 0", edit(0, 0)},
		{"type 7", edit(0, 7)},
		{"a link frame", edit(0, 0x80)},
		{"reserved flag", edit(1, 0x40)},
		{"hop limit 65", edit(2, 65)},
		{"detour flag without a list", edit(1, byte(wire.FlagDetour))},
		{"65 prefixes", good(func(f *wire.Frame) { f.Detour = make([]byte, 65*4) })},
		{"17 prefixes in a large frame", good(func(f *wire.Frame) { f.Detour = make([]byte, 17*4); f.Body = make([]byte, 4096) })},
		{"no waypoint", good(func(f *wire.Frame) { f.Waypoints = []byte{} })},
		{"4 waypoints", good(func(f *wire.Frame) { f.Waypoints = make([]byte, 4*20) })},
		{"half a return", good(func(f *wire.Frame) { f.Return = make([]byte, 10) })},
		{"nearest with a destination", edit(0, byte(wire.TypeNearest))},
		{"nearest without an operation", good(func(f *wire.Frame) {
			f.Type, f.Dst, f.Body = wire.TypeNearest, wire.ID{}, make([]byte, 48)
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := s.Forward(engine.NewIngress(r1), tt.b, noon)
			if v.Action != engine.ActionDrop || v.Reason != reason.Malformed {
				t.Errorf("got %v, %v, want drop, malformed", v.Action, v.Reason)
			}
		})
	}
}

func TestRule0Source(t *testing.T) {
	runCases(t, []ruleCase{
		{"a leaf's own", scene{peers: states(r1, r11, lf), from: lf}, wire.Frame{Src: wid(lf.ID), Dst: wid(target)}, send(r11)},
		{"another source from a leaf", scene{peers: states(r1, r11, lf), from: lf}, wire.Frame{Dst: wid(target)}, dropped(reason.ForgedSource)},
		{"this node's ID from a leaf", scene{peers: states(r1, r11, lf), from: lf}, wire.Frame{Src: wid(me), Dst: wid(target)}, dropped(reason.ForgedSource)},
		{"a relay's ID from a leaf", scene{peers: states(r1, r11, lf), from: lf}, wire.Frame{Src: wid(r1.ID), Dst: wid(target)}, dropped(reason.ForgedSource)},
		{"another leaf's ID from a leaf", scene{peers: states(r11, lf, lf2), from: lf2}, wire.Frame{Src: wid(lf.ID), Dst: wid(target)}, dropped(reason.ForgedSource)},
		{"any source from a relay", scene{peers: states(r1, r11), from: r1}, wire.Frame{Dst: wid(target)}, send(r11)},
		{"no forged hint either", scene{peers: states(r1, r11, lf), from: lf}, wire.Frame{Type: wire.TypeHint, Dst: wid(target)}, dropped(reason.ForgedSource)},
	})
}

func TestRule0AtALeaf(t *testing.T) {
	at := scene{leaf: true, peers: states(r1, r11, lf), from: r1}
	fromLeaf := at
	fromLeaf.from = lf
	runCases(t, []ruleCase{
		{"for itself", at, wire.Frame{Dst: wid(me)}, ends(engine.ActionDeliver)},
		{"for itself at the last crossing", at, wire.Frame{Dst: wid(me), HopLimit: 1}, ends(engine.ActionDeliver)},
		{"for itself with a waypoint left", at, wire.Frame{Dst: wid(me), Waypoints: waypoints(r1.ID)}, ends(engine.ActionDeliver)},
		{"for a stranger", at, wire.Frame{Dst: wid(target)}, dropped(reason.NotForUs)},
		{"for a direct peer", at, wire.Frame{Dst: wid(r11.ID)}, dropped(reason.NotForUs)},
		{"by way of itself", at, wire.Frame{Dst: wid(target), Waypoints: waypoints(me)}, dropped(reason.NotForUs)},
		{"a nearest", at, wire.Frame{Type: wire.TypeNearest, Body: nearest(me.Key(), wire.OpFindNode)}, dropped(reason.NotForUs)},
		{"a probe for another", at, wire.Frame{Type: wire.TypeProbe, Dst: wid(target), HopLimit: 1}, dropped(reason.NotForUs)},
		{"from a leaf", fromLeaf, wire.Frame{Src: wid(lf.ID), Dst: wid(me)}, ends(engine.ActionDeliver)},
		{"forged by a leaf", fromLeaf, wire.Frame{Dst: wid(me)}, dropped(reason.ForgedSource)},
	})
}

func TestRule1Waypoints(t *testing.T) {
	s := scene{peers: states(r1, r11, r01), from: r01}
	drop1 := func(rest ...routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) {
			f.Waypoints = waypoints(rest...)
			if f.Detour != nil {
				f.Detour = prefixes(me)
			}
		}
	}
	runCases(t, []ruleCase{
		{"the last one is this node", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me)}, sendChanged(r11, drop1())},
		{"the first of three", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me, r1.ID, r01.ID)}, sendChanged(r1, drop1(r1.ID, r01.ID))},
		{"this node twice", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me, me)}, sendChanged(r11, drop1())},
		{"this node twice, with a list", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me, me), Detour: prefixes(r01.ID)}, sendChanged(r11, drop1())},
		{"the list is emptied", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me), Detour: prefixes(r11.ID, r01.ID)}, sendChanged(r11, drop1())},
		{"not the first", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(r1.ID, me)}, send(r1)},
		{"on the way to one", s, wire.Frame{Dst: wid(r01.ID), Waypoints: waypoints(target)}, send(r11)},
		{"return is kept", s, wire.Frame{Dst: wid(target), Waypoints: waypoints(me), Return: wire.Frame{Return: r1.ID[:]}.Return}, sendChanged(r11, drop1())},
		{"of a nearest", s, wire.Frame{Type: wire.TypeNearest, Waypoints: waypoints(me), Body: nearest(target.Key(), wire.OpFindNode)}, sendChanged(r11, drop1())},
	})
}

func TestRule2Arrival(t *testing.T) {
	s := scene{peers: states(r1, r11, r01), from: r01}
	runCases(t, []ruleCase{
		{"for this node", s, wire.Frame{Dst: wid(me)}, ends(engine.ActionDeliver)},
		{"at the last crossing", s, wire.Frame{Dst: wid(me), HopLimit: 1}, ends(engine.ActionDeliver)},
		{"as waypoint and destination", s, wire.Frame{Dst: wid(me), Waypoints: waypoints(me)}, ends(engine.ActionDeliver)},
		{"aimed by a record", s, wire.Frame{Dst: wid(me), Waypoints: waypoints(me), Found: true}, ends(engine.ActionDeliver)},
		{"a waypoint left", s, wire.Frame{Dst: wid(me), Waypoints: waypoints(r1.ID)}, send(r1)},
		{"a probe", s, wire.Frame{Type: wire.TypeProbe, Dst: wid(me)}, ends(engine.ActionDeliver)},
		{"a full detour list", s, wire.Frame{Dst: wid(me), Detour: make([]byte, 64*4)}, ends(engine.ActionDeliver)},
	})
}

func TestRule2DirectPeer(t *testing.T) {
	suspect := states(r1, r11)
	suspect[1].Suspect = true
	runCases(t, []ruleCase{
		{"a relay, though farther", scene{peers: states(r1, r11), from: r1}, wire.Frame{Dst: wid(r11.ID)}, send(r11)},
		{"a leaf", scene{peers: states(r1, r11, lf), from: r1}, wire.Frame{Dst: wid(lf.ID)}, send(lf)},
		{"a leaf to a leaf", scene{peers: states(r1, lf, lf2), from: lf}, wire.Frame{Src: wid(lf.ID), Dst: wid(lf2.ID)}, send(lf2)},
		{"suspect", scene{peers: suspect, from: r01}, wire.Frame{Dst: wid(r11.ID)}, send(r1)},
		{"as waypoint", scene{peers: states(r1, r11), from: r01}, wire.Frame{Dst: wid(target), Waypoints: waypoints(r1.ID)}, send(r1)},
		{"its prefix in the list", scene{peers: states(r1, r11), from: r01}, wire.Frame{Dst: wid(r11.ID), Detour: prefixes(r11.ID)},
			sendChanged(r11, func(f *wire.Frame) { f.Detour = prefixes(r11.ID, me) })},
		{"a nearest that would go back to its source", scene{peers: states(r1, r11), from: r1},
			wire.Frame{Type: wire.TypeNearest, Src: wid(r11.ID), Waypoints: waypoints(r11.ID), Body: nearest(target.Key(), wire.OpFindNode)}, send(r1)},
	})
}

func TestRule3Detached(t *testing.T) {
	home := scene{peers: states(r1, r11, lf), from: r1}
	runCases(t, []ruleCase{
		{"the leaf has gone", home, wire.Frame{Dst: wid(target), Found: true, Waypoints: waypoints(me)}, hint(reason.Detached)},
		{"the leaf is here", home, wire.Frame{Dst: wid(lf.ID), Found: true, Waypoints: waypoints(me)}, sendChanged(lf, func(f *wire.Frame) { f.Waypoints = nil })},
		{"not removed here", home, wire.Frame{Dst: wid(target), Found: true}, send(r11)},
		{"not aimed by a record", home, wire.Frame{Dst: wid(target), Waypoints: waypoints(me)}, sendChanged(r11, func(f *wire.Frame) { f.Waypoints = nil })},
		{"a hint about it", home, wire.Frame{Type: wire.TypeHint, Dst: wid(target), Found: true, Waypoints: waypoints(me)}, dropped(reason.Detached)},
		{"a record found here, after a waypoint was removed", scene{peers: states(r1, r11), from: r1, records: new(held).put(target, at("1011"))},
			wire.Frame{Dst: wid(target), Waypoints: waypoints(me)},
			sendChanged(r1, func(f *wire.Frame) { f.Waypoints, f.Found = waypoints(at("1011")), true })},
	})
}

func TestRule4OwnFramesOfALeaf(t *testing.T) {
	own := scene{leaf: true, peers: states(r1, r11, r01, lf)}
	suspect := states(r1, r11)
	suspect[1].Suspect = true
	runCases(t, []ruleCase{
		{"closest relay", own, wire.Frame{Src: wid(me), Dst: wid(target)}, send(r11)},
		{"whatever the distance", own, wire.Frame{Src: wid(me), Dst: wid(beside)}, send(r01)},
		{"toward the waypoint", own, wire.Frame{Src: wid(me), Dst: wid(target), Waypoints: waypoints(at("0101"))}, send(r01)},
		{"toward the key", own, wire.Frame{Type: wire.TypeNearest, Src: wid(me), Body: nearest(target.Key(), wire.OpStore)}, send(r11)},
		{"even toward its own key", own, wire.Frame{Type: wire.TypeNearest, Src: wid(me), Body: nearest(me.Key(), wire.OpFindNode)}, send(r01)},
		{"a direct peer first", own, wire.Frame{Src: wid(me), Dst: wid(lf.ID)}, send(lf)},
		{"never by a suspect", scene{leaf: true, peers: suspect}, wire.Frame{Src: wid(me), Dst: wid(target)}, send(r1)},
		{"never by a leaf", scene{leaf: true, peers: states(lf)}, wire.Frame{Src: wid(me), Dst: wid(target)}, dropped(reason.NoLink)},
		{"the list stays empty", own, wire.Frame{Src: wid(me), Dst: wid(target), Detour: []byte{}}, send(r11)},
		{"before any record", scene{leaf: true, peers: states(r1, r11), records: new(held).put(target, r1.ID)}, wire.Frame{Src: wid(me), Dst: wid(target)}, send(r11)},
	})
}

func TestRule5Records(t *testing.T) {
	away, stray := at("1001", 5), at("0110", 6)
	aimed := func(home routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) {
			f.Waypoints, f.Found = waypoints(home), true
			if f.Detour != nil {
				f.Detour = prefixes(me)
			}
		}
	}
	with := func(homes ...routing.ID) scene {
		return scene{peers: states(r1, r11, r01), from: r01, records: new(held).put(target, homes...)}
	}
	runCases(t, []ruleCase{
		{"a home far away", with(away), wire.Frame{Dst: wid(target)}, sendChanged(r1, aimed(away))},
		{"a linked home", with(r01.ID), wire.Frame{Dst: wid(target)}, sendChanged(r01, aimed(r01.ID))},
		{"the linked one of several", with(away, stray, r01.ID, me), wire.Frame{Dst: wid(target)}, sendChanged(r01, aimed(r01.ID))},
		{"not this node", with(me, away), wire.Frame{Dst: wid(target)}, sendChanged(r1, aimed(away))},
		{"only this node", with(me), wire.Frame{Dst: wid(target)}, send(r11)},
		{"no home", with(), wire.Frame{Dst: wid(target)}, send(r11)},
		{"the list is emptied", with(r01.ID), wire.Frame{Dst: wid(target), Detour: prefixes(r11.ID)}, sendChanged(r01, aimed(r01.ID))},
		{"tried before", with(r01.ID), wire.Frame{Dst: wid(target), Found: true}, send(r11)},
		{"a waypoint is set", with(r01.ID), wire.Frame{Dst: wid(target), Waypoints: waypoints(away)}, send(r1)},
		{"the destination is linked", scene{peers: states(r1, lf), from: r01, records: new(held).put(lf.ID, r1.ID)}, wire.Frame{Dst: wid(lf.ID)}, send(lf)},
		{"no way to the home", with(at("00000001")), wire.Frame{Dst: wid(target)}, hint(reason.NoRoute)},
		{"a nearest has no destination", scene{peers: states(r1, r11), from: r01, records: new(held).put(routing.ID{}, r1.ID)},
			wire.Frame{Type: wire.TypeNearest, Body: nearest(target.Key(), wire.OpFindNode)}, send(r11)},
	})
}

func TestRule5TakesHomesInTurn(t *testing.T) {
	homes := []routing.ID{at("1001", 5), at("1010", 5), at("1011", 5)}
	s := scene{peers: states(r1), records: new(held).put(target, homes...)}.snapshot()
	in := engine.NewIngress(r01)
	seen := map[wire.ID]int{}
	for range 300 {
		v := s.Forward(in, bytesOf(wire.Frame{Type: wire.TypeData, HopLimit: 9, Dst: wid(target), Src: wid(source)}), noon)
		seen[wire.ID(mustParse(t, v.Frame).Waypoints)]++
	}
	for _, h := range homes {
		if n := seen[wid(h)]; n < 60 || n > 140 {
			t.Errorf("home %s: got %d frames of 300, want about 100", h.Short(), n)
		}
	}
}

func TestRule6Greedy(t *testing.T) {
	suspect := states(r1, r11)
	suspect[1].Suspect = true
	s := scene{peers: states(r1, r11, r01, r001, lf), from: r01}
	runCases(t, []ruleCase{
		{"the closest", s, wire.Frame{Dst: wid(target)}, send(r11)},
		{"toward another bucket", s, wire.Frame{Dst: wid(at("0111", 9))}, send(r01)},
		{"nobody strictly closer", s, wire.Frame{Dst: wid(beside)}, hint(reason.NoRoute)},
		{"never a leaf", s, wire.Frame{Dst: wid(at("111011", 4))}, send(r11)},
		{"never a suspect", scene{peers: suspect, from: r01}, wire.Frame{Dst: wid(target)}, send(r1)},
		{"a listed one is passed over", s, wire.Frame{Dst: wid(target), Detour: prefixes(source, r11.ID)},
			sendChanged(r1, func(f *wire.Frame) { f.Detour = prefixes(source, r11.ID, me) })},
		{"the list grows by this node", s, wire.Frame{Dst: wid(target), Detour: []byte{}},
			sendChanged(r11, func(f *wire.Frame) { f.Detour = prefixes(me) })},
		{"also when it came back", s, wire.Frame{Dst: wid(target), Detour: prefixes(me, r11.ID)},
			sendChanged(r1, func(f *wire.Frame) { f.Detour = prefixes(me, r11.ID, me) })},
		{"a nearest", s, wire.Frame{Type: wire.TypeNearest, Body: nearest(target.Key(), wire.OpFindNode)}, send(r11)},
		{"a nearest never to its source", s, wire.Frame{Type: wire.TypeNearest, Src: wid(r11.ID), Body: nearest(target.Key(), wire.OpFindNode)}, send(r1)},
		{"a nearest never to a leaf", scene{peers: states(r1, lf), from: r01}, wire.Frame{Type: wire.TypeNearest, Body: nearest(lf.Key, wire.OpFindNode)}, send(r1)},
		{"a nearest at its source", scene{peers: states(r1, r11, r01)}, wire.Frame{Type: wire.TypeNearest, Src: wid(me), Body: nearest(me.Key(), wire.OpFindNode)}, send(r01)},
	})
}

func TestRule7Nearest(t *testing.T) {
	s := scene{peers: states(r1, r11, r01, lf), from: r01}
	ask := func(op wire.Op) []byte { return nearest(beside.Key(), op) }
	runCases(t, []ruleCase{
		{"ends here", s, wire.Frame{Type: wire.TypeNearest, Body: ask(wire.OpFindNode)}, ends(engine.ActionAnswer)},
		{"a store", s, wire.Frame{Type: wire.TypeNearest, Body: ask(wire.OpStore)}, ends(engine.ActionAnswer)},
		{"at the last crossing", s, wire.Frame{Type: wire.TypeNearest, HopLimit: 1, Body: ask(wire.OpFindNode)}, ends(engine.ActionAnswer)},
		{"with a detour list", s, wire.Frame{Type: wire.TypeNearest, Detour: []byte{}, Body: ask(wire.OpFindNode)}, ends(engine.ActionAnswer)},
		{"only its source is closer", scene{peers: states(r11), from: r11}, wire.Frame{Type: wire.TypeNearest, Src: wid(r11.ID), Body: nearest(target.Key(), wire.OpFindNode)}, ends(engine.ActionAnswer)},
		{"only a leaf is closer", scene{peers: states(lf), from: lf}, wire.Frame{Type: wire.TypeNearest, Src: wid(lf.ID), Body: nearest(lf.Key, wire.OpStore)}, ends(engine.ActionAnswer)},
		{"alone at its source", scene{}, wire.Frame{Type: wire.TypeNearest, Src: wid(me), Body: ask(wire.OpFindNode)}, ends(engine.ActionAnswer)},
		{"at the dead end of a waypoint", s, wire.Frame{Type: wire.TypeNearest, Waypoints: waypoints(beside), Body: nearest(target.Key(), wire.OpFindNode)},
			sendChanged(r11, func(f *wire.Frame) { f.Waypoints = nil })},
	})
}

func TestRule7Detour(t *testing.T) {
	s := scene{peers: states(r1, r11, r01, r001, lf), from: r01}
	list := func(ids ...routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) { f.Detour = prefixes(ids...) }
	}
	all := []routing.ID{r01.ID, me, r001.ID, me, r1.ID, me, r11.ID}
	big := make([]byte, 4096)
	runCases(t, []ruleCase{
		{"sideways to the closest", s, wire.Frame{Dst: wid(beside), Detour: prefixes(r01.ID)}, sendChanged(r001, list(r01.ID, me))},
		{"then to the next", s, wire.Frame{Dst: wid(beside), Detour: prefixes(r01.ID, me, r001.ID)}, sendChanged(r1, list(r01.ID, me, r001.ID, me))},
		{"back to where it was new", s, wire.Frame{Dst: wid(beside), Detour: prefixes(all...)}, sendChanged(r01, list(append(all, me)...))},
		{"back at once", scene{peers: states(r01), from: r01}, wire.Frame{Dst: wid(beside), Detour: prefixes(r01.ID)}, sendChanged(r01, list(r01.ID, me))},
		{"back to a link that has gone", scene{peers: states(r1), from: r1}, wire.Frame{Dst: wid(beside), Detour: prefixes(r01.ID, me, r1.ID)}, hint(reason.NoRoute)},
		{"back at the source", scene{peers: states(r1), from: r1}, wire.Frame{Src: wid(me), Dst: wid(beside), Detour: prefixes(me, r1.ID)}, hint(reason.NoRoute)},
		{"from a leaf there is no way back", scene{peers: states(lf), from: lf}, wire.Frame{Src: wid(lf.ID), Dst: wid(beside), Detour: prefixes(lf.ID)}, hint(reason.NoRoute)},
		{"at the last crossing", s, wire.Frame{Dst: wid(beside), Detour: prefixes(r01.ID), HopLimit: 1}, dropped(reason.HopLimit)},
		{"63 entries", s, wire.Frame{Dst: wid(target), Detour: make([]byte, 63*4)}, sendChanged(r11, func(f *wire.Frame) { f.Detour = append(make([]byte, 63*4), prefixes(me)...) })},
		{"64 entries", s, wire.Frame{Dst: wid(target), Detour: make([]byte, 64*4)}, hint(reason.LoopedDetour)},
		{"64 entries of a hint", s, wire.Frame{Type: wire.TypeHint, Dst: wid(target), Detour: make([]byte, 64*4)}, dropped(reason.LoopedDetour)},
		{"15 entries of a large frame", s, wire.Frame{Dst: wid(target), Detour: make([]byte, 15*4), Body: big}, sendChanged(r11, func(f *wire.Frame) { f.Detour = append(make([]byte, 15*4), prefixes(me)...) })},
		{"16 entries of a large frame", s, wire.Frame{Dst: wid(target), Detour: make([]byte, 16*4), Body: big}, hint(reason.LoopedDetour)},
		{"the entry that would make the frame large", s, wire.Frame{Dst: wid(target), Detour: make([]byte, 16*4), Body: make([]byte, 4096-43-65)}, hint(reason.LoopedDetour)},
		{"the entry that would make the frame too long", s, wire.Frame{Dst: wid(target), Detour: []byte{}, Body: make([]byte, wire.MaxFrame-43-1)}, hint(reason.TooLarge)},
		{"nobody to go to, as this node's own", scene{}, wire.Frame{Src: wid(me), Dst: wid(beside), Detour: []byte{}}, dropped(reason.NoLink)},
		{"gets a list at its source", scene{peers: states(r1, r001)}, wire.Frame{Src: wid(me), Dst: wid(beside)}, sendChanged(r001, list(me))},
		{"without a list only at its source", scene{peers: states(r1, r001), from: r1}, wire.Frame{Src: wid(me), Dst: wid(beside)}, hint(reason.NoRoute)},
		{"sideways, as this node's own", scene{peers: states(r1, r001)}, wire.Frame{Src: wid(me), Dst: wid(beside), Detour: []byte{}}, sendChanged(r001, list(me))},
	})
}

func TestRule7Suspect(t *testing.T) {
	with := func(late *engine.Peer, others ...*engine.Peer) []engine.PeerState {
		return append(states(others...), engine.PeerState{Peer: late, Suspect: true})
	}
	listed := prefixes(r01.ID)
	list := func(ids ...routing.ID) func(f *wire.Frame) {
		return func(f *wire.Frame) { f.Detour = prefixes(ids...) }
	}
	runCases(t, []ruleCase{
		{"better than no route", scene{peers: with(r11), from: r01}, wire.Frame{Dst: wid(r11.ID)}, send(r11)},
		{"a leaf", scene{peers: with(lf), from: r01}, wire.Frame{Dst: wid(lf.ID)}, send(lf)},
		{"as this node's own", scene{peers: with(lf, r01)}, wire.Frame{Src: wid(me), Dst: wid(lf.ID), Detour: prefixes(me, r01.ID)}, sendChanged(lf, list(me, r01.ID, me))},
		{"after those who are closer", scene{peers: with(r11, r1, r01), from: r01}, wire.Frame{Dst: wid(r11.ID)}, send(r1)},
		{"after all detours", scene{peers: with(r11, r01, r001), from: r01}, wire.Frame{Dst: wid(r11.ID), Detour: listed}, sendChanged(r001, list(r01.ID, me))},
		{"before the way back", scene{peers: with(r11, r01), from: r01}, wire.Frame{Dst: wid(r11.ID), Detour: listed}, sendChanged(r11, list(r01.ID, me))},
		{"not for others", scene{peers: with(r11), from: r01}, wire.Frame{Dst: wid(target)}, hint(reason.NoRoute)},
		{"as waypoint", scene{peers: with(r11), from: r01}, wire.Frame{Dst: wid(beside), Waypoints: waypoints(r11.ID)}, send(r11)},
		{"not what came from it", scene{peers: with(r11), from: r11}, wire.Frame{Dst: wid(r11.ID)}, hint(reason.NoRoute)},
		{"at the last crossing", scene{peers: with(r11), from: r01}, wire.Frame{Dst: wid(r11.ID), HopLimit: 1}, dropped(reason.HopLimit)},
		{"a home that lost its leaf says so", scene{peers: with(lf, r01), from: r01}, wire.Frame{Dst: wid(lf.ID), Found: true, Waypoints: waypoints(me)}, hint(reason.Detached)},
	})
}

func TestRule7Waypoint(t *testing.T) {
	alone := scene{peers: states(r11), from: r11}
	given := func(f *wire.Frame) {
		f.Waypoints = nil
		if f.Detour != nil {
			f.Detour = prefixes(me)
		}
	}
	runCases(t, []ruleCase{
		{"given up", alone, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside)}, sendChanged(r11, given)},
		{"given up for the next", alone, wire.Frame{Dst: wid(beside), Waypoints: waypoints(beside, target)}, sendChanged(r11, func(f *wire.Frame) { f.Waypoints = waypoints(target) })},
		{"given up to arrive", alone, wire.Frame{Dst: wid(me), Waypoints: waypoints(beside)}, ends(engine.ActionDeliver)},
		{"the next is this node", alone, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside, me)}, sendChanged(r11, given)},
		{"a detour comes first", scene{peers: states(r11, r01), from: r11}, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside), Detour: prefixes(r11.ID)},
			sendChanged(r01, func(f *wire.Frame) { f.Detour = prefixes(r11.ID, me) })},
		{"after the detour, with an empty list", scene{peers: states(r11), from: r11}, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside), Detour: prefixes(me, r11.ID)}, sendChanged(r11, given)},
		{"not one that a record added", alone, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside), Found: true}, hint(reason.NoRoute)},
		{"then a record is looked up", scene{peers: states(r11, r1), from: r11, records: new(held).put(target, r1.ID)}, wire.Frame{Dst: wid(target), Waypoints: waypoints(beside)},
			sendChanged(r1, func(f *wire.Frame) { f.Waypoints, f.Found = waypoints(r1.ID), true })},
		{"all given up", alone, wire.Frame{Dst: wid(beside), Waypoints: waypoints(beside, beside, beside)}, hint(reason.NoRoute)},
	})
}

func TestRule8Hint(t *testing.T) {
	s := scene{peers: states(r1), from: r1}
	runCases(t, []ruleCase{
		{"no route", s, wire.Frame{Dst: wid(beside)}, hint(reason.NoRoute)},
		{"of a handshake", s, wire.Frame{Type: wire.TypeHandshake, Dst: wid(beside)}, hint(reason.NoRoute)},
		{"of a probe", s, wire.Frame{Type: wire.TypeProbe, Dst: wid(beside)}, hint(reason.NoRoute)},
		{"never of a hint", s, wire.Frame{Type: wire.TypeHint, Dst: wid(beside)}, dropped(reason.NoRoute)},
		{"never of an answer", s, wire.Frame{Type: wire.TypeAnswer, Dst: wid(beside)}, dropped(reason.NoRoute)},
		{"never to this node itself", scene{peers: states(r1)}, wire.Frame{Src: wid(me), Dst: wid(beside), Detour: prefixes(me, r1.ID)}, dropped(reason.NoRoute)},
		{"without any link", scene{}, wire.Frame{Src: wid(me), Dst: wid(beside)}, dropped(reason.NoLink)},
	})
}

func TestHopLimit(t *testing.T) {
	s := scene{peers: states(r1, r11), from: r1}
	own := scene{peers: states(r1, r11)}
	runCases(t, []ruleCase{
		{"lowered in place", s, wire.Frame{Dst: wid(target), HopLimit: 2}, send(r11)},
		{"lowered in the copy", s, wire.Frame{Dst: wid(target), HopLimit: 2, Detour: []byte{}}, sendChanged(r11, func(f *wire.Frame) { f.Detour = prefixes(me) })},
		{"used up", s, wire.Frame{Dst: wid(target), HopLimit: 1}, dropped(reason.HopLimit)},
		{"used up before a direct peer", s, wire.Frame{Dst: wid(r11.ID), HopLimit: 1}, dropped(reason.HopLimit)},
		{"a probe answers", s, wire.Frame{Type: wire.TypeProbe, Dst: wid(target), HopLimit: 1}, ends(engine.ActionAnswer)},
		{"a probe on a detour answers", s, wire.Frame{Type: wire.TypeProbe, Dst: wid(beside), HopLimit: 1, Detour: []byte{}}, ends(engine.ActionAnswer)},
		{"a probe goes on", s, wire.Frame{Type: wire.TypeProbe, Dst: wid(target), HopLimit: 2}, send(r11)},
		{"an own frame keeps it", own, wire.Frame{Src: wid(me), Dst: wid(target), HopLimit: 1}, send(r11)},
		{"an own copy keeps it", own, wire.Frame{Src: wid(me), Dst: wid(target), HopLimit: 64, Detour: []byte{}}, sendChanged(r11, func(f *wire.Frame) { f.Detour = prefixes(me) })},
	})
	for _, typ := range []wire.Type{wire.TypeData, wire.TypeProbe} {
		b := bytesOf(wire.Frame{Type: typ, Dst: wid(me), Src: wid(source)})
		if v := s.snapshot().Forward(engine.NewIngress(r1), b, noon); v.Reason != reason.HopLimit {
			t.Errorf("%v at 0: got %v, %v, want a drop for the hop limit", typ, v.Action, v.Reason)
		}
	}
}

func TestFrameActionString(t *testing.T) {
	for a, want := range map[engine.FrameAction]string{
		engine.ActionDrop: "drop", engine.ActionSend: "send", engine.ActionDeliver: "deliver",
		engine.ActionAnswer: "answer", engine.ActionHint: "hint", 99: "unknown",
	} {
		if got := a.String(); got != want {
			t.Errorf("action %d: got %q, want %q", a, got, want)
		}
	}
}
