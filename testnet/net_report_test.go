package testnet

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func TestSpread(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, test := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"nothing", nil, Spread{}},
		{"one", []float64{3}, Spread{3, 3, 3, 3}},
		{"two", []float64{4, 1}, Spread{2.5, 1, 4, 4}},
		{"three", []float64{1, 3, 2}, Spread{2, 2, 3, 3}},
		{"a hundred", hundred, Spread{50.5, 50, 99, 100}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := spreadOf(test.values); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestLinksAreCountedOnce(t *testing.T) {
	a, b, c := routing.ID{1}, routing.ID{2}, routing.ID{3}
	links := make(carriers)
	links.add(a, b, "ws")
	links.add(b, a, "ws") // its other end
	links.add(a, b, "webrtc")
	links.add(c, a, "ws") // told by one end alone
	if got, want := links.byKind(), map[string]int{"ws": 2, "webrtc": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBrokenPromises(t *testing.T) {
	o := Options{MaxPeers: 24, MaxLeaves: 256}
	for _, test := range []struct {
		name string
		r    Report
		want []string
	}{
		{"none", Report{Links: Links{Max: 24}, LeafLinks: Links{Max: 256}}, nil},
		{"links", Report{Links: Links{Max: 25}}, []string{"a node has 25 links with relays, the cap is 24"}},
		{"leaves", Report{LeafLinks: Links{Max: 257}}, []string{"a relay has 257 links with leaves, the cap is 256"}},
		{"messages", Report{Duplicates: 1, FalseAcks: 2},
			[]string{"1 messages were delivered twice", "2 messages were acknowledged and not delivered"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := o.broken(&test.r); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTrafficCounts(t *testing.T) {
	n := Start(t, Options{Nodes: 3, Seed: 1})
	all := n.all()
	began := time.Now()
	for _, test := range []struct {
		name     string
		from, at *member // who sent it and where it arrived; at nil: nowhere
		number   uint64  // in it
		copies   int
		late     time.Duration // its arrival
		second   bool          // it was the second transmission that arrived
		acked    bool
		want     Report
	}{
		{"as it should be", all[0], all[1], 0, 1, 0, false, true, Report{First: 1, Delivered: 1}},
		{"late", all[0], all[1], 0, 1, time.Minute, false, true, Report{First: 1, Delivered: 1}},
		{"by the second copy", all[0], all[1], 0, 1, time.Second, true, true, Report{Delivered: 1}},
		{"without an ack", all[0], all[1], 0, 1, 0, false, false, Report{First: 1}},
		{"twice", all[0], all[1], 0, 3, 0, false, true, Report{First: 1, Delivered: 1, Duplicates: 2}},
		{"an ack alone", all[0], nil, 0, 0, 0, false, true, Report{Delivered: 1, FalseAcks: 1}},
		{"at another node", all[0], all[2], 0, 1, 0, false, false, Report{Failures: []string{"1 messages arrived where they were not sent to"}}},
		{"from another node", all[2], all[1], 0, 1, 0, false, false, Report{Failures: []string{"1 messages arrived where they were not sent to"}}},
		{"never sent", all[0], all[1], 1, 1, 0, false, false, Report{Failures: []string{"1 messages arrived where they were not sent to"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var traffic traffic
			f := &flight{from: all[0], to: all[1], over: true}
			if !test.acked {
				f.err = node.ErrTimeout
			}
			traffic.add([]*flight{f})
			if f.sent, f.left = began, 7; test.second {
				f.left = 6
			}
			for range test.copies {
				m := &node.Message{From: node.Addr{ID: test.from.node.ID()}, Hops: 2, Transmission: 7, Data: binary.BigEndian.AppendUint64(nil, test.number)}
				traffic.take(test.at, m, began.Add(test.late))
			}
			var got Report
			traffic.tell(traffic.flights, &got)
			test.want.Sent = 1
			if got.Sent != 1 || got.First != test.want.First || got.Delivered != test.want.Delivered ||
				got.Duplicates != test.want.Duplicates || got.FalseAcks != test.want.FalseAcks || !slices.Equal(got.Failures, test.want.Failures) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// What the mesh costs is counted from the moment it had settled.
func TestReportCountsUpkeep(t *testing.T) {
	n := Start(t, Options{Nodes: 6, Seed: 1})
	leaf, err := n.AddLeaf(t.Context()) // which asks, and is answered
	if err != nil {
		t.Fatal(err)
	}
	n.noteSettled()
	n.settledAt = engine.Crossings{}
	for range 10 {
		if _, err := leaf.Lookup(t.Context(), leaf.ID().Key()); err != nil {
			t.Fatal(err)
		}
	}
	if r := n.Report(); r.MaintenancePerNodeMinute <= 0 || r.LinkFramesPerNodeMinute <= 0 || r.PingsPerNodeMinute <= 0 {
		t.Errorf("got %+v, want frames of the mesh's own", r)
	}
	if _, err := n.Add(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := n.Report(); r.MaintenancePerNodeMinute != 0 || r.LinkFramesPerNodeMinute != 0 || r.PingsPerNodeMinute != 0 {
		t.Errorf("before it has settled: got %+v, want no upkeep", r)
	}
	if err := n.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Kill(0)
	sum := crossings(n.all())
	if sum.Upkeep < n.settledAt.Upkeep || sum.Links < n.settledAt.Links || sum.Pings < n.settledAt.Pings {
		t.Errorf("got %+v after a node ended, %+v before: a count must not fall", sum, n.settledAt)
	}
}
