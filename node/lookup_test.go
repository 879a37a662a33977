package node

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// relaysOn starts relays on loopback that join by the first one, and waits until
// all are linked with each other.
func relaysOn(t *testing.T, count int) []*Node {
	t.Helper()
	all := []*Node{relayOn(t, Config{})}
	for range count - 1 {
		n := relayOn(t, Config{Bootstrap: all[0].URLs()})
		for _, other := range all {
			awaitPeer(t, n, other.ID())
		}
		all = append(all, n)
	}
	return all
}

func TestLookupFindsTheNearest(t *testing.T) {
	relays := relaysOn(t, 5)
	key := routing.ID{9}.Key()
	slices.SortFunc(relays, func(a, b *Node) int {
		x, y := a.ID().Key().Xor(key), b.ID().Key().Xor(key)
		return bytes.Compare(x[:], y[:])
	})
	leaf := leafOf(t, relays[4], Config{})
	ids, err := leaf.Lookup(within(t, amply), key)
	if err != nil || len(ids) == 0 || ids[0] != relays[0].ID() {
		t.Errorf("got %v, %v, want %s first", ids, err, relays[0].ID().Short())
	}
	for i := 1; i < len(ids); i++ {
		if routing.Closer(ids[i].Key(), ids[i-1].Key(), key) {
			t.Errorf("got %v, want the nearest first", ids)
		}
	}
}

func TestLookupErrors(t *testing.T) {
	n := relayOn(t, Config{})
	if _, err := n.Lookup(within(t, time.Second), routing.Key{}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("without a link: got %v, want %v", err, ErrNotConnected)
	}
	n.Close()
	if _, err := n.Lookup(within(t, time.Second), routing.Key{}); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed node: got %v, want %v", err, ErrClosed)
	}
}

func TestTraceNamesEachHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := relayed(t, &mesh{t: t}, Config{Leaf: false})
		hops, err := a.Trace(within(t, 20*time.Second), c.ID())
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(hops[0].ID == b.ID(), hops[len(hops)-1].ID == c.ID(), len(hops))
		if got != fmt.Sprint(true, true, 2) {
			t.Errorf("got %+v, want %s, then %s", hops, b.ID().Short(), c.ID().Short())
		}
		for _, h := range hops {
			if h.Transport != "mem" {
				t.Errorf("got %+v, want the transport mem", h)
			}
		}
	})
}

func TestTraceOfLeavesOverSockets(t *testing.T) {
	relays := relaysOn(t, 2)
	a, b := leafOf(t, relays[0], Config{}), leafOf(t, relays[1], Config{})
	hops, err := a.Trace(within(t, amply), b.ID())
	if err != nil || len(hops) == 0 || hops[0].ID != relays[0].ID() || hops[len(hops)-1].ID != b.ID() {
		t.Fatalf("got %+v, %v, want the way by %s to %s", hops, err, relays[0].ID().Short(), b.ID().Short())
	}
	for _, h := range hops {
		if h.ID.IsZero() || h.RTT <= 0 || h.Transport != "ws" {
			t.Errorf("got %+v, want a hop that answered over ws", h)
		}
	}
}

func TestTraceErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := relayed(t, &mesh{t: t}, Config{})
		if _, err := a.Trace(within(t, time.Second), a.ID()); !errors.Is(err, reason.OwnID) {
			t.Errorf("to itself: got %v, want %v", err, reason.OwnID)
		}
		if hops, err := a.Trace(within(t, time.Minute), routing.ID{1, 2, 3}); !errors.Is(err, ErrNoRoute) {
			t.Errorf("to nobody: got %v, %v, want %v", hops, err, ErrNoRoute)
		}
		hops, err := a.Trace(within(t, time.Millisecond), routing.ID{1, 2, 3})
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("in no time: got %v, %v, want %v", hops, err, ErrTimeout)
		}
		a.Close()
		if _, err := a.Trace(within(t, time.Second), routing.ID{1}); !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed node: got %v, want %v", err, ErrClosed)
		}
	})
}
