package node

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Why a bootstrap URL is no way into the mesh, in a word.
func TestStatusTellsWhyABootstrapFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		n := m.listen("self", Config{Bootstrap: []string{"mem://self", "mem://nobody"}})
		time.Sleep(10 * time.Second)
		all := n.Status().Bootstraps
		if len(all) != 2 || all[0].Reason != "own-id" || all[1].Reason != "" || all[1].Stage != "connect" {
			t.Errorf("got %+v, want own-id, and no reason where nobody answers", all)
		}
	})
}

func TestStatusTellsLinksTableAndLimits(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0", MaxPeers: 7, MaxLeaves: 5})
	relay := startPage(t, Config{Listen: "127.0.0.1:0", Bootstrap: n.URLs()})
	leaf := startPage(t, Config{Leaf: true, Bootstrap: n.URLs(), Homes: 1})
	ready(t, relay)
	ready(t, leaf)
	until(t, "both are peers", func() bool { return len(n.Peers()) == 2 })

	s := n.Status()
	bucket := n.ID().Key().CommonPrefixLen(relay.ID().Key())
	if want := []BucketInfo{{bucket, 1}}; !slices.Equal(s.Table, want) {
		t.Errorf("table: got %v, want %v", s.Table, want)
	}
	for _, want := range []LimitUse{{"relay-links", 1, 7}, {"leaf-links", 1, 5}} {
		if !slices.Contains(s.Limits, want) {
			t.Errorf("limits: got %v, want %v among them", s.Limits, want)
		}
	}
	for _, p := range s.Peers {
		if p.Age <= 0 || p.QueueFill < 0 || p.QueueFill > 1 || p.Bucket != n.ID().Key().CommonPrefixLen(p.ID.Key()) {
			t.Errorf("peer: got %+v, want an age, a fill from 0 to 1 and its bucket", p)
		}
	}
	if got := leaf.Status(); !slices.Equal(got.Homes, []routing.ID{n.ID()}) || got.Dials.Linked == 0 || got.Attached == false {
		t.Errorf("leaf: got homes %v, dials %+v, attached %v, want the node, one and true", got.Homes, got.Dials, got.Attached)
	}
}

func TestStatusTellsHopsAndForwardTimes(t *testing.T) {
	relay := startPage(t, Config{Listen: "127.0.0.1:0"})
	a := startPage(t, Config{Leaf: true, MaxPeers: 1, Homes: 1, Bootstrap: relay.URLs()})
	b := startPage(t, Config{Leaf: true, MaxPeers: 1, Homes: 1, Bootstrap: relay.URLs()})
	ready(t, a)
	ready(t, b)
	const count = 2 * forwardSample
	for range count { // each answered, so that the relay gets batches of one
		if _, err := a.Ping(within(t, amply), b.ID()); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Status()
	if len(s.Hops) != 1 || s.Hops[0].Hops != 2 || s.Hops[0].Frames < count || s.Hops[0].Frames != s.Delivered {
		t.Errorf("hops: got %v of %d delivered, want all by 2 links, at least %d", s.Hops, s.Delivered, count)
	}
	f := relay.Status().ForwardTimes
	var timed uint64
	for _, bucket := range f.Buckets {
		timed += bucket.Count
	}
	// Two links bring count batches each at least: two samples of each, but for
	// those that hold nothing to forward.
	if f.Count < 2 || f.Count > relay.Status().Forwarded/8 || timed != f.Count || f.Total <= 0 {
		t.Errorf("forward times: got %+v of %d frames, want some of them", f, relay.Status().Forwarded)
	}
}

// A counter that went back would be taken for a restart by who watches it.
func TestTrafficOutlivesItsLinks(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0"})
	leaf := startPage(t, Config{Leaf: true, Bootstrap: n.URLs()})
	ready(t, leaf)
	if err := leaf.Send(within(t, amply), n.ID(), make([]byte, 10_000)); err == nil {
		t.Fatal("send without a handler: got no error")
	}
	before := n.Status().Traffic
	leaf.Close()
	until(t, "the link has ended", func() bool { return len(n.live.all()) == 0 })
	after := n.Status().Traffic
	if len(before) != 1 || len(after) != 1 || after[0].Transport != "ws" || after[0].RxBytes < before[0].RxBytes || before[0].RxBytes < 10_000 {
		t.Errorf("got %+v, then %+v, want no less and more than 10,000 bytes", before, after)
	}
}

func TestStatusTellsWhichLimitsWereHit(t *testing.T) {
	n := startPage(t, Config{})
	n.drops.Add(reason.QueueFull, 3)
	n.drops.Add(reason.NoRoute, 2)
	s := n.Status()
	if len(s.LimitsHit) != 1 || s.LimitsHit["queue-full"] != 3 || s.Drops["no-route"] != 2 {
		t.Errorf("got limits %v, drops %v, want queue-full 3 alone, and no-route 2 among the drops", s.LimitsHit, s.Drops)
	}
	until(t, "the ticker has seen it", func() bool { return len(n.Status().LimitsHitAt) > 0 })
	if at := n.Status().LimitsHitAt; len(at) != 1 || time.Since(at["queue-full"]) > time.Minute {
		t.Errorf("got the limits at %v, want queue-full alone, just now", at)
	}
	n.dialDead(t)
}

// dialDead joins by a URL where nobody is, and looks at what the status says.
func (n *Node) dialDead(t *testing.T) {
	t.Helper()
	go n.Join(within(t, amply), "ws://127.0.0.1:1")
	until(t, "the bootstrap's error and next try", func() bool {
		s := n.Status()
		return len(s.Bootstraps) == 1 && s.Bootstraps[0].LastError != "" && !s.Bootstraps[0].NextTry.IsZero() && s.Dials.Failed > 0
	})
}

// Lists are never null, so that a reader in any language can walk them.
func TestStatusListsAreNeverNull(t *testing.T) {
	text, err := json.Marshal(startPage(t, Config{}).Status())
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for name, v := range all {
		if v == nil {
			t.Errorf("%s: got null", name)
		}
	}
}
