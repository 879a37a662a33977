package signal

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// A node in the middle of all IDs, and peers below and above it.
var (
	self  = wire.ID{0x80}
	lower = wire.ID{0x10}
	upper = wire.ID{0xF0}
)

func session(n int) (s wire.Session) {
	binary.BigEndian.PutUint64(s[:], uint64(n))
	return s
}

func peerNumber(n int) (id wire.ID) {
	binary.BigEndian.PutUint64(id[4:], uint64(n))
	return id
}

func wantVerdict(t *testing.T, what string, got, want Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func refusal(r reason.Reason) Verdict { return Verdict{Reason: r} }

func wantBegun(t *testing.T, table *Table, peer wire.ID, s wire.Session) {
	t.Helper()
	if why := table.Begin(start, peer, s); why != reason.None {
		t.Fatalf("begin: got %v, want none", why)
	}
}

func TestOffered(t *testing.T) {
	ours, theirs := session(1), session(2)
	for _, c := range []struct {
		name   string
		peer   wire.ID
		before func(t *Table, peer wire.ID)
		offer  wire.Session
		want   Verdict
	}{
		{"nothing under way", upper, func(*Table, wire.ID) {}, theirs, Verdict{Action: Accept}},
		{"beside ours, of a higher ID", upper, func(t *Table, p wire.ID) { t.Begin(start, p, ours) }, theirs, Verdict{Action: Yield}},
		{"beside ours, of a lower ID", lower, func(t *Table, p wire.ID) { t.Begin(start, p, ours) }, theirs, Verdict{Action: AcceptDroppingOurs, Drop: ours}},
		{"beside ours that is answered, of a lower ID", lower, func(t *Table, p wire.ID) {
			t.Begin(start, p, ours)
			t.Answered(start, p, ours)
		}, theirs, refusal(reason.Duplicate)},
		{"that ours was given up for", lower, func(t *Table, p wire.ID) {
			t.Begin(start, p, ours)
			t.Yielded(start, p, ours)
		}, theirs, Verdict{Action: Accept}},
		{"after ours has ended", upper, func(t *Table, p wire.ID) {
			t.Begin(start, p, ours)
			t.End(p, ours)
		}, theirs, Verdict{Action: Accept}},
		{"beside another of theirs", upper, func(t *Table, p wire.ID) { t.Offered(start, p, session(3)) }, theirs, refusal(reason.Duplicate)},
		{"once more", upper, func(t *Table, p wire.ID) { t.Offered(start, p, theirs) }, theirs, refusal(reason.Replayed)},
		{"once more, after it has ended", upper, func(t *Table, p wire.ID) {
			t.Offered(start, p, theirs)
			t.End(p, theirs)
		}, theirs, refusal(reason.Replayed)},
		{"our own, sent back", lower, func(t *Table, p wire.ID) { t.Begin(start, p, ours) }, ours, refusal(reason.Replayed)},
		{"without a session", upper, func(*Table, wire.ID) {}, wire.Session{}, refusal(reason.Replayed)},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := New(self)
			c.before(table, c.peer)
			before, was := table.Of(c.peer)
			wantVerdict(t, "it", table.Offered(start, c.peer, c.offer), c.want)
			after, is := table.Of(c.peer)
			if taken := c.want.Action == Accept || c.want.Action == AcceptDroppingOurs; taken {
				before, was = Attempt{Peer: c.peer, Session: c.offer, Until: start.Add(limits.SignalTimeout)}, true
			}
			if after != before || is != was {
				t.Errorf("under way: got %+v, %v, want %+v, %v", after, is, before, was)
			}
		})
	}
}

func TestYielded(t *testing.T) {
	ours := session(1)
	for _, c := range []struct {
		name   string
		peer   wire.ID
		before func(t *Table, peer wire.ID)
		after  time.Duration
		want   bool
	}{
		{"to a lower ID", lower, func(*Table, wire.ID) {}, 0, true},
		{"to a higher ID, which has no right to that", upper, func(*Table, wire.ID) {}, 0, false},
		{"after the answer", lower, func(t *Table, p wire.ID) { t.Answered(start, p, ours) }, 0, false},
		{"after the offer that counts", lower, func(t *Table, p wire.ID) { t.Offered(start, p, session(2)) }, 0, false},
		{"after the end", lower, func(t *Table, p wire.ID) { t.End(p, ours) }, 0, false},
		{"twice", lower, func(t *Table, p wire.ID) { t.Yielded(start, p, ours) }, 0, false},
		{"too late", lower, func(*Table, wire.ID) {}, limits.SignalTimeout, false},
	} {
		table := New(self)
		wantBegun(t, table, c.peer, ours)
		c.before(table, c.peer)
		if got := table.Yielded(start.Add(c.after), c.peer, ours); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// What was given up for the peer's offer occupies the peer until the timeout, or
// until it is ended.
func TestWaitingForThePeersOffer(t *testing.T) {
	table := New(self)
	wantBegun(t, table, lower, session(1))
	table.Yielded(start, lower, session(1))
	if a, ok := table.Of(lower); !ok || !a.Yielded {
		t.Errorf("got %+v, %v, want an attempt that was given up", a, ok)
	}
	if why := table.Begin(start, lower, session(2)); why != reason.Duplicate {
		t.Errorf("another: got %v, want %v", why, reason.Duplicate)
	}
	if table.Answered(start, lower, session(1)) {
		t.Error("got a late answer used, want it ignored")
	}
	if got, _ := table.Candidates(start, lower, session(1), 0, []string{"c"}); got != nil || table.Described(lower, session(1)) != nil {
		t.Error("got candidates of a session that was given up")
	}
	table.End(lower, session(1))
	wantBegun(t, table, lower, session(3))
}

// Who has yielded is free when the peer's offer is over, whatever comes first.
func TestOverEndsTheWait(t *testing.T) {
	for _, first := range []bool{false, true} {
		table := New(self)
		wantBegun(t, table, lower, session(1))
		if first {
			table.Over(start, lower, session(2))
		}
		if got := table.Yielded(start, lower, session(1)); got == first {
			t.Errorf("the end first %v: got a wait %v", first, got)
		}
		if first {
			table.End(lower, session(1))
		} else if table.Over(start, lower, session(2)) {
			t.Error("got a PeerConnection to close, and there is none")
		}
		wantBegun(t, table, lower, session(3))
		wantVerdict(t, "the offer that is over", table.Offered(start, lower, session(2)), refusal(reason.Replayed))
	}
}

// Whoever was told that this node's offer counts is told of its end too.
func TestEndOfAPromise(t *testing.T) {
	table := New(self)
	wantBegun(t, table, upper, session(1))
	wantVerdict(t, "beside ours", table.Offered(start, upper, session(2)), Verdict{Action: Yield})
	if !table.End(upper, session(1)) || table.End(upper, session(1)) {
		t.Error("want the end told once")
	}
	wantBegun(t, table, upper, session(3))
	if table.End(upper, session(3)) {
		t.Error("got an end to tell of an offer that nobody waits for")
	}
}

// The end of a session ends that one, and no other of the peer.
func TestOver(t *testing.T) {
	table := New(self)
	wantVerdict(t, "offer", table.Offered(start, upper, session(1)), Verdict{Action: Accept})
	if table.Over(start, upper, session(2)) || table.Over(start, lower, session(1)) {
		t.Error("got a session ended by the end of another")
	}
	if !table.Over(start, upper, session(1)) || table.accepted != 0 {
		t.Error("got the session kept")
	}
	wantVerdict(t, "the next offer", table.Offered(start, upper, session(3)), Verdict{Action: Accept})
}

func TestAnsweredOnce(t *testing.T) {
	table := New(self)
	wantBegun(t, table, upper, session(1))
	table.Offered(start, lower, session(2))
	for _, c := range []struct {
		name string
		peer wire.ID
		of   wire.Session
		at   time.Duration
		want bool
	}{
		{"another session", upper, session(9), 0, false},
		{"of another peer", lower, session(1), 0, false},
		{"an offer of the peer", lower, session(2), 0, false},
		{"too late", upper, session(1), limits.SignalTimeout, false},
		{"in time", upper, session(1), limits.SignalTimeout - 1, true},
		{"twice", upper, session(1), 0, false},
	} {
		if got := table.Answered(start.Add(c.at), c.peer, c.of); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	table := New(self)
	for i := range limits.SignalAccepted {
		wantVerdict(t, "offer", table.Offered(start, peerNumber(i), session(1)), Verdict{Action: Accept})
	}
	wantVerdict(t, "one more", table.Offered(start, lower, session(1)), refusal(reason.SessionLimit))
	for i := limits.SignalAccepted; i < limits.SignalSessions; i++ {
		wantBegun(t, table, peerNumber(i), session(1))
	}
	if why := table.Begin(start, upper, session(1)); why != reason.SessionLimit {
		t.Errorf("one more: got %v, want %v", why, reason.SessionLimit)
	}
	table.End(peerNumber(0), session(1))
	table.End(peerNumber(0), session(1))
	wantVerdict(t, "after an end", table.Offered(start, lower, session(1)), Verdict{Action: Accept})
	wantVerdict(t, "one more", table.Offered(start, upper, session(1)), refusal(reason.SessionLimit))
}

func TestAttemptsEndInTime(t *testing.T) {
	table := New(self)
	wantBegun(t, table, upper, session(1))
	table.Offered(start.Add(time.Second), lower, session(2))
	end := start.Add(limits.SignalTimeout)
	if got := table.Expired(end.Add(-1)); len(got) > 0 {
		t.Errorf("before the end: got %v, want none", got)
	}
	got := table.Expired(end.Add(time.Second))
	want := []Attempt{
		{Peer: upper, Session: session(1), Ours: true, Until: end},
		{Peer: lower, Session: session(2), Until: end.Add(time.Second)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, left := table.Of(upper); left || table.accepted != 0 {
		t.Error("something is left")
	}
}

// 10,000 offers in a second from one peer are refused but for a few, and make the
// table neither grow nor allocate.
func TestOffersAreLimited(t *testing.T) {
	table := New(self)
	accepted := 0
	for i := range 10_000 {
		now := start.Add(time.Duration(i) * 100 * time.Microsecond)
		switch v := table.Offered(now, upper, session(i+1)); {
		case v.Action == Accept:
			accepted++
			table.End(upper, session(i+1))
		case v.Reason != reason.RateLimited:
			t.Fatalf("offer %d: got %+v, want it rate-limited", i, v)
		}
	}
	if accepted != limits.OfferBurst || len(table.peers) != 1 {
		t.Errorf("got %d accepted and %d peers kept, want %d and 1", accepted, len(table.peers), limits.OfferBurst)
	}
	if got := testing.AllocsPerRun(100, func() { table.Offered(start, upper, session(1)) }); got != 0 {
		t.Errorf("got %v allocations for an offer too many, want 0", got)
	}
	wantVerdict(t, "a peer with patience", table.Offered(start.Add(time.Second+limits.OfferPause), upper, session(20_000)), Verdict{Action: Accept})
}

// The sessions used last are remembered, the peers seen last, and those whose
// attempt is under way.
func TestMemoryIsBounded(t *testing.T) {
	table := New(self)
	now := start
	for i := 1; i <= limits.SignalUsed+1; i++ {
		now = now.Add(limits.OfferPause)
		wantVerdict(t, "offer", table.Offered(now, upper, session(i)), Verdict{Action: Accept})
		table.End(upper, session(i))
	}
	for i := 2; i <= limits.SignalUsed+1; i++ {
		now = now.Add(limits.OfferPause)
		wantVerdict(t, "again", table.Offered(now, upper, session(i)), refusal(reason.Replayed))
	}
	wantBegun(t, table, lower, session(1))
	for i := range 2 * limits.SignalPeers {
		table.Candidates(now.Add(time.Second), peerNumber(i), session(1), 0, []string{"c"})
	}
	if got := len(table.peers); got != limits.SignalPeers {
		t.Errorf("got %d peers kept, want %d", got, limits.SignalPeers)
	}
	if table.peers[lower] == nil || table.peers[upper] != nil || table.peers[peerNumber(2*limits.SignalPeers-1)] == nil {
		t.Error("want the peer seen longest ago forgotten, but not the one with an attempt, nor the last one")
	}
}
