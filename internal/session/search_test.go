package session

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// seen is a copy of something that left a node.
type seen struct {
	after time.Duration
	hop   wire.ID
	home  []byte // waypoints
	aim   []byte
	nonce [wire.NonceLen]byte
}

// searcher is a node that makes scatter frames, and what it has sent that which
// picks.
func searcher(w *world, which func(frame []byte) bool, change func(*testNode, *Config)) (a *testNode, out *[]seen) {
	var aims uint64
	out = new([]seen)
	a = w.add(func(n *testNode, c *Config) {
		c.Aim = func(wire.ID) (aim [8]byte) {
			aims++
			binary.BigEndian.PutUint64(aim[:], aims)
			return aim
		}
		emit := c.Emit
		start := w.now
		c.Emit = func(frame []byte, choice Choice) (wire.ID, bool) {
			f, err := wire.ParseFrame(frame)
			if err != nil {
				w.t.Fatal(err)
			}
			hop, ok := emit(frame, choice)
			if ok && which(frame) {
				*out = append(*out, seen{w.now.Sub(start), hop, bytes.Clone(f.Waypoints), bytes.Clone(f.Aim), wire.Echo(f.Body)})
			}
			return hop, ok
		}
		if change != nil {
			change(n, c)
		}
	})
	return a, out
}

func isFirst(frame []byte) bool { return isKind(frame, wire.HandshakeFirst) }

func silence(*testNode, int) bool { return true }

func TestCopiesOfAFirstMessageShareNothing(t *testing.T) {
	w := newWorld(t, 400)
	w.hops, w.dead = 100, silence
	a, out := searcher(w, isFirst, nil)
	a.send(w.add(nil), "x")
	w.run(40 * time.Second)
	const T = limits.SearchPaceMax
	aims, hops := map[string]bool{}, map[wire.ID]bool{}
	for k, c := range (*out)[:limits.FirstCopies] {
		at := time.Duration(0)
		switch {
		case k == 0:
		case k < 4:
			at = T
		case k < 8:
			at = 2 * T
		case k < 16:
			at = 4 * T
		case k < 32:
			at = 8 * T
		default:
			at = 8*T + time.Duration(k-31)*time.Second
		}
		if c.after != at {
			t.Errorf("copy %d: got it after %v, want %v", k+1, c.after, at)
		}
		if greedy := k%3 == 0; greedy != (c.aim == nil) || c.home != nil {
			t.Errorf("copy %d: got the aim %x and waypoints %x, want it greedily: %v", k+1, c.aim, c.home, greedy)
		}
		if c.aim != nil && aims[string(c.aim)] || hops[c.hop] {
			t.Errorf("copy %d: got the aim %x and the first hop %x once more, want new ones", k+1, c.aim, c.hop[:2])
		}
		aims[string(c.aim)], hops[c.hop] = true, true
	}
	if n := len(*out); n != limits.FirstCopies+1 {
		t.Errorf("got %d copies within 40 s, want %d, and then one each 4 s", n, limits.FirstCopies+1)
	}
	if n := len(a.t.find(&a.w.only(a).self).init.search.copies); n != limits.FirstCopies {
		t.Errorf("got %d copies remembered, want %d", n, limits.FirstCopies)
	}
}

// only returns the one other node there is.
func (w *world) only(n *testNode) *testNode {
	for _, x := range w.nodes {
		if x != n {
			return x
		}
	}
	return nil
}

// TestFewFirstHopsAreUsedInTurn has a leaf with three homes.
func TestFewFirstHopsAreUsedInTurn(t *testing.T) {
	w := newWorld(t, 401)
	w.hops, w.dead = 3, silence
	a, out := searcher(w, isFirst, nil)
	a.send(w.add(nil), "x")
	w.run(time.Second)
	count := map[wire.ID]int{}
	for _, c := range *out {
		count[c.hop]++
	}
	for hop, n := range count {
		if n < 5 || n > 6 {
			t.Errorf("got %d of 16 copies by %x, want 5 or 6 by each of three", n, hop[:2])
		}
	}
	if len(*out) != 16 || len(count) != 3 {
		t.Errorf("got %d copies by %d first hops, want 16 by 3", len(*out), len(count))
	}
}

func TestPaceOfASearch(t *testing.T) {
	for _, tt := range []struct {
		mean, pace, gap time.Duration // gap: between copy 1 and 2
	}{
		{0, 250, 250}, {10, 100, 100}, {100, 150, 150}, {160, 240, 240}, {220, 250, 250}, {600, 250, 600}, {9000, 250, 1000},
	} {
		var table Table
		if tt.mean > 0 {
			table.trips.change(0, tt.mean*time.Millisecond/2)
			table.trips.change(0, tt.mean*time.Millisecond*3/2)
		}
		if got := table.pace(); got != tt.pace*time.Millisecond {
			t.Errorf("mean of %d ms: got the pace %v, want %d ms", tt.mean, got, tt.pace)
		}
		if got := table.searchPause(1); got != tt.gap*time.Millisecond {
			t.Errorf("mean of %d ms: got %v to the second copy, want %d ms", tt.mean, got, tt.gap)
		}
		table.trips.change(tt.mean*time.Millisecond/2, 0)
		table.trips.change(tt.mean*time.Millisecond*3/2, 0)
		if got := table.trips.mean(); got != 0 {
			t.Errorf("mean of %d ms: got %v without sessions, want none", tt.mean, got)
		}
	}
}

// TestFewSearchesAtOnce looks for many that do not answer.
func TestFewSearchesAtOnce(t *testing.T) {
	w := newWorld(t, 402)
	w.dead = silence
	a, _ := searcher(w, isFirst, nil)
	const many = 200
	for i := range many {
		to := wire.ID{1, byte(i), byte(i >> 8)}
		if _, err := a.t.Send(w.now, Message{To: to, Kind: wire.PlainMessage, Patient: true}, func(Result) {}); err != nil {
			t.Fatal(err)
		}
	}
	beyond := func() (n int) {
		for _, p := range a.t.sorted() {
			if p.init.trail.sent > 1 {
				n++
			}
		}
		return n
	}
	w.run(200 * time.Millisecond)
	if got := a.emitted[wire.HandshakeFirst]; got != many {
		t.Errorf("got %d first copies, want %d at once", got, many)
	}
	for s := range 4 {
		w.run(time.Second)
		want := limits.SearchBurst + (s+1)*limits.SearchRate
		if got := beyond(); got > want || got < want-limits.SearchRate/2 {
			t.Errorf("after %d s: got %d searches beyond one copy, want about %d", s+1, got, want)
		}
	}
	w.run(20 * time.Second)
	if got := beyond(); got != many {
		t.Errorf("in the end: got %d searches beyond one copy, want all %d", got, many)
	}
}

// TestFound takes records about a leaf that does not answer.
func TestFound(t *testing.T) {
	w := newWorld(t, 403)
	w.hops, w.dead = 100, silence
	a, out := searcher(w, isFirst, nil)
	b, other := w.add(nil), w.add(nil)
	homes := []wire.ID{{1}, {2}, {3}}
	a.send(b, "x")
	a.send(other, "x")
	w.run(time.Millisecond)
	first, foreign := (*out)[0].nonce, (*out)[1].nonce
	left := len(*out)
	for name, ok := range map[string]bool{
		"of another leaf":  a.t.Found(w.now, b.self, foreign, 10, homes),
		"an unknown leaf":  a.t.Found(w.now, wire.ID{9}, first, 10, homes),
		"an unknown nonce": a.t.Found(w.now, b.self, [16]byte{1}, 10, homes),
		"no sequence":      a.t.Found(w.now, b.self, first, 0, homes),
	} {
		if ok || len(*out) != left {
			t.Errorf("%s: got %v and %d copies, want it to count for nothing", name, ok, len(*out)-left)
		}
	}
	if !a.t.Found(w.now, b.self, first, 10, homes) || len(*out) != left+1 || !bytes.Equal((*out)[left].home, homes[0][:]) {
		t.Fatalf("the first record: got %d copies, want one at once by the first home", len(*out)-left)
	}
	for name, ok := range map[string]bool{
		"the same once more": a.t.Found(w.now, b.self, first, 10, []wire.ID{{7}}),
		"an older one":       a.t.Found(w.now, b.self, first, 9, []wire.ID{{7}}),
	} {
		if ok || len(*out) != left+1 {
			t.Errorf("%s: got %v and %d copies, want it to count for nothing", name, ok, len(*out)-left)
		}
	}
	a.peerOf(other).init.next = time.Hour * 1000
	w.run(time.Second)
	to := (*out)[left:]
	want := []int{0, 1, -1, 2, 0, -1, 1, 2, -1} // home, -1: anywhere
	seenHops := map[wire.ID]bool{}
	for i, h := range want {
		c := to[i]
		if (h < 0) != (c.aim != nil) || h >= 0 && !bytes.Equal(c.home, homes[h][:]) {
			t.Errorf("copy %d after the record: got waypoints %x, aim %x, want home %d", i, c.home, c.aim, h)
		}
		if seenHops[c.hop] {
			t.Errorf("copy %d after the record: got the first hop %x once more", i, c.hop[:2])
		}
		seenHops[c.hop] = true
	}

	// A newer record, about a later copy.
	last := to[len(to)-1].nonce
	left = len(*out)
	if !a.t.Found(w.now, b.self, last, 11, []wire.ID{{5}, b.self, a.self, {}}) {
		t.Error("a newer record: got false, want it taken")
	}
	if got := a.peerOf(b).init.search.homes; !slices.Equal(got, []wire.ID{{5}}) || len(*out) != left+1 || !bytes.Equal((*out)[left].home, got[0][:]) {
		t.Errorf("a newer record: got the homes %x and %d copies, want one by the one home that is another node", got, len(*out)-left)
	}
	// Withdrawn: nothing is known any more.
	if !a.t.Found(w.now, b.self, last, 12, nil) || len(*out) != left+1 {
		t.Errorf("withdrawn: got %d copies more, want none at once", len(*out)-left-1)
	}
	w.run(2 * time.Second)
	for _, c := range (*out)[left+1:] {
		if c.home != nil {
			t.Errorf("withdrawn: got a copy by %x, want none", c.home)
		}
	}
}

// TestAFalseRecordHoldsNoSearch has the sender's way by the homes lead nowhere.
func TestAFalseRecordHoldsNoSearch(t *testing.T) {
	w := newWorld(t, 404)
	w.hops = 100
	a, out := searcher(w, isFirst, nil)
	b := w.add(nil)
	w.tamper = func(to *testNode, frame []byte) bool {
		f, _ := wire.ParseFrame(frame)
		return to != b || f.Aim != nil || !isFirst(frame)
	}
	o := a.send(b, "x")
	w.run(time.Millisecond)
	if !a.t.Found(w.now, b.self, (*out)[0].nonce, 1, []wire.ID{{1}}) {
		t.Fatal("the record was not taken")
	}
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
}

// TestDetachedGoesElsewhereAtOnce: a home says that the peer is not there any more.
func TestDetachedGoesElsewhereAtOnce(t *testing.T) {
	w := newWorld(t, 405)
	w.hops, w.dead = 100, silence
	a, out := searcher(w, isFirst, nil)
	var frames [][]byte
	w.tap = func(_ *testNode, frame []byte) { frames = append(frames, bytes.Clone(frame)) }
	o := a.send(w.add(nil), "x")
	w.run(limits.SearchPaceMax + time.Millisecond)
	for range 5 {
		a.hinted(frames[1], reason.Detached)
	}
	if n := len(*out); n != 5 {
		t.Errorf("got %d copies after one was detached, want one more than four", n)
	}
	for _, f := range frames {
		a.hinted(f, reason.NoRoute)
	}
	w.run(3 * time.Second)
	for _, f := range frames {
		a.hinted(f, reason.NoRoute)
	}
	if o.calls != 0 {
		t.Errorf("got %v, want the search to go on: one copy found where the peer was", o.Err)
	}
}

// TestAFoundPeerIsNotNowhere: who has a record of it has told so.
func TestAFoundPeerIsNotNowhere(t *testing.T) {
	w := newWorld(t, 406)
	w.hops = 8
	a, out := searcher(w, isFirst, nil)
	w.noRoute = func(from *testNode, hop int) bool { return from == a }
	o := a.send(w.add(nil), "x")
	w.run(time.Millisecond)
	a.t.Found(w.now, a.w.only(a).self, (*out)[0].nonce, 1, []wire.ID{{1}})
	w.run(10 * time.Second)
	if o.calls != 0 {
		t.Errorf("got %v, want the search to go on", o.Err)
	}
	if n := len(*out); n > limits.FirstCopiesSoon+10 {
		t.Errorf("got %d copies in 10 s of dead ends, want no more than the schedule has", n)
	}
}

// TestAnswersToASearchAreBounded lets each copy be answered at once by a Hint that
// makes another one leave.
func TestAnswersToASearchAreBounded(t *testing.T) {
	for _, why := range []reason.Reason{reason.Detached, reason.DetourBudget, reason.NoRoute} {
		w := newWorld(t, 407)
		a, out := searcher(w, isFirst, nil)
		w.tap = func(from *testNode, frame []byte) {
			f := bytes.Clone(frame)
			w.after(time.Millisecond, func() { a.hinted(f, why) })
		}
		w.dead = silence
		a.send(w.add(nil), "x")
		w.run(5 * time.Second)
		if n := len(*out); n > limits.FirstCopiesSoon+5 {
			t.Errorf("%v: got %d copies in 5 s, want at most %d", why, n, limits.FirstCopiesSoon+5)
		}
	}
}

// TestSixteenCopiesCostOneBudget has them arrive by one link of the receiver.
func TestSixteenCopiesCostOneBudget(t *testing.T) {
	w := newWorld(t, 408)
	b := w.add(nil)
	for range 3 {
		a, out := searcher(w, isFirst, nil)
		w.tamper = func(to *testNode, frame []byte) bool { return to == b }
		a.send(b, "x")
		w.run(time.Second)
		if len(*out) < 16 {
			t.Fatalf("got %d copies, want 16", len(*out))
		}
	}
	at := b.t.at(w.now)
	if got, want := b.t.cookies.links.m[1].now(at), float64(limits.HandshakeBurst)-1; got < want {
		t.Errorf("got a budget of %v, want %v or more", got, want)
	}
	if n := b.t.answers.underWay; n != 3 {
		t.Errorf("got %d answers under way, want one for each peer", n)
	}
	if b.drops.Get(reason.RateLimited) != 0 {
		t.Error("a copy was rate-limited, want none")
	}
}

// TestThirdGoesTheWayOfTheCopyThatWasAnswered lets one scatter frame through.
func TestThirdGoesTheWayOfTheCopyThatWasAnswered(t *testing.T) {
	w := newWorld(t, 409)
	w.hops = 100
	a, out := searcher(w, func(frame []byte) bool { return wire.FrameType(frame) == wire.TypeHandshake }, nil)
	b := w.add(nil)
	w.dead = func(from *testNode, hop int) bool { return from == a && hop != 2 }
	o := a.send(b, "x")
	w.until(time.Second, func() bool { return o.calls == 1 })
	o.want(t, nil, Delivered)
	third := (*out)[len(*out)-1]
	if len(*out) != 5 || third.hop != (*out)[2].hop || !bytes.Equal(third.aim, (*out)[2].aim) || third.aim == nil {
		t.Errorf("got %d frames, message 3 by %x to %x, want 5, by %x to %x", len(*out), third.hop[:2], third.aim, (*out)[2].hop[:2], (*out)[2].aim)
	}
	if o.Sent != 1 || o.Hop != hopID(2) {
		t.Errorf("got %d copies of the message, the last by %x, want one by the same", o.Sent, o.Hop[:2])
	}
	if rtt := a.peerOf(b).srtt; rtt > 25*time.Millisecond {
		t.Errorf("got a round trip of %v, want that of the copy that was answered", rtt)
	}
}

// TestLinkedPeersAreNotSearched has the peer's own link take the first copy.
func TestLinkedPeersAreNotSearched(t *testing.T) {
	w := newWorld(t, 410)
	b := w.add(nil)
	a, out := searcher(w, isFirst, func(n *testNode, c *Config) {
		emit := c.Emit
		c.Emit = func(frame []byte, choice Choice) (wire.ID, bool) {
			_, ok := emit(frame, choice)
			return b.self, ok
		}
	})
	w.dead = silence
	a.send(b, "x")
	w.run(1900 * time.Millisecond)
	if n := len(*out); n != 4 {
		t.Errorf("got %d copies within 1.9 s, want 4: at 0, 250, 750 and 1,750 ms", n)
	}
}

// TestKnownHomesComeFirst has a session end whose homes are known.
func TestKnownHomesComeFirst(t *testing.T) {
	w := newWorld(t, 411)
	b := w.add(nil)
	b.homes = []wire.ID{{1}, {2}}
	a, out := searcher(w, isFirst, nil)
	w.connect(a, b)
	a.peerOf(b).mu.Lock()
	a.peerOf(b).dropSessions(nil)
	a.peerOf(b).mu.Unlock()
	*out = nil
	w.dead = silence
	a.send(b, "x")
	w.run(limits.SearchPaceMin + 50*time.Millisecond)
	if len(*out) != 4 {
		t.Fatalf("got %d copies, want 4", len(*out))
	}
	for k, home := range []wire.ID{{1}, {2}, {}, {1}} {
		c := (*out)[k]
		if aim := home == (wire.ID{}); aim != (c.aim != nil) || !aim && !bytes.Equal(c.home, home[:]) {
			t.Errorf("copy %d: got waypoints %x, aim %x, want the home %x", k, c.home, c.aim, home[:1])
		}
	}
}

// TestLaterTransmissionsShareNothing looks at a message in a session: h goes by a
// home, g greedily, s scatters.
func TestLaterTransmissionsShareNothing(t *testing.T) {
	for homes, want := range []string{"ggssgssgs", "hhshhshhs", "hhshhshhs", "hhshhshhs"} {
		w := newWorld(t, 412)
		w.hops = 12
		b := w.add(nil)
		b.homes = []wire.ID{{1}, {2}, {3}}[:homes]
		a, out := searcher(w, isMessage, nil)
		w.connect(a, b)
		*out = nil
		w.dead = func(from *testNode, _ int) bool { return from == a }
		a.send(b, "x")
		w.run(10 * time.Second)
		got, hops, used := "", map[wire.ID]bool{}, map[string]bool{}
		for k, c := range (*out)[:len(want)] {
			switch {
			case c.home != nil:
				got += "h"
				used[string(c.home)] = true
			case c.aim != nil:
				got += "s"
				if used[string(c.aim)] {
					t.Errorf("%d homes, transmission %d: got the aim %x once more", homes, k, c.aim)
				}
				used[string(c.aim)] = true
			default:
				got += "g"
			}
			if hops[c.hop] {
				t.Errorf("%d homes, transmission %d: got the first hop %x once more", homes, k, c.hop[:2])
			}
			hops[c.hop] = true
		}
		if scattered := strings.Count(want, "s"); got != want || len(used) != homes+scattered {
			t.Errorf("%d homes: got %s by %d homes, want %s by all", homes, got, len(used)-scattered, want)
		}
	}
}

// TestLostIsToldOnce has the best first hop drop all.
func TestLostIsToldOnce(t *testing.T) {
	var lost []wire.ID
	w := newWorld(t, 413)
	b := w.add(nil)
	a, _ := searcher(w, isFirst, func(n *testNode, c *Config) { c.Lost = func(hop wire.ID) { lost = append(lost, hop) } })
	w.dropper(a, 0, 1)
	a.sendThrough(b, "of the handshake")
	want := []wire.ID{hopID(0)}
	if !slices.Equal(lost, want) {
		t.Fatalf("after a handshake: got %x, want %x", lost, want)
	}
	a.peerOf(b).lead = lead{}
	a.sendThrough(b, "of a message")
	if want = append(want, hopID(0)); !slices.Equal(lost, want) {
		t.Errorf("after a message: got %x, want %x", lost, want)
	}
	w.dropper(a)
	a.sendThrough(b, "nothing")
	w.noRoute = func(from *testNode, hop int) bool { return from == a && hop == 0 }
	a.peerOf(b).lead = lead{}
	a.sendThrough(b, "of a hint")
	if want = append(want, hopID(0)); !slices.Equal(lost, want) {
		t.Errorf("after a hint: got %x, want %x", lost, want)
	}
}
