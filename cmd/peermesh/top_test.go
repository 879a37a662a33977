package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func TestSnapshotIsWhatHappenedBetween(t *testing.T) {
	since := time.Unix(1, 0)
	status := func(uptime time.Duration, forwarded, drops, traffic uint64, peers ...node.PeerInfo) *admin.Status {
		return &admin.Status{PID: 7, Status: node.Status{
			ID: testID, Uptime: uptime, Forwarded: forwarded, Delivered: forwarded / 2, Drops: map[string]uint64{"no-route": drops, "expired": 5},
			Traffic: []node.Traffic{{Transport: "ws", RxBytes: traffic, TxBytes: 2 * traffic}}, Peers: peers,
		}}
	}
	quiet := node.PeerInfo{ID: routing.ID{1}, Since: since, RxBytes: 100}
	busy := node.PeerInfo{ID: routing.ID{2}, Since: since, TxBytes: 100}
	busyLater := busy
	busyLater.TxBytes = 2148
	again := node.PeerInfo{ID: routing.ID{3}, Since: since.Add(time.Second), RxBytes: 10}
	gone := node.PeerInfo{ID: routing.ID{3}, Since: since, RxBytes: 1000}

	s := newSnapshot(status(time.Second, 100, 4, 1000, quiet, busy, gone), status(3*time.Second, 300, 10, 3000, quiet, busyLater, again))
	if s.seconds != 2 || s.forwarded != 100 || s.delivered != 50 || s.rx != 1000 || s.tx != 2000 || s.totalDrops != 3 || len(s.drops) != 1 || s.drops["no-route"] != 3 {
		t.Errorf("got %+v, want the rates of two seconds", s)
	}
	if len(s.peers) != 3 || s.peers[0].ID != busy.ID || s.peers[0].tx != 1024 || s.peers[1].ID != again.ID || s.peers[1].rx != 5 || s.peers[2].rx != 0 {
		t.Errorf("peers: got %+v, want the busiest first, a new link from nothing", s.peers)
	}
	if got := s.lines(false); !slices.Contains(got, "drops/s   3.0  no-route 3.0") || !slices.Contains(got, "bytes/s   1000 B in, 2.0 KiB out") {
		t.Errorf("got %q, want the drops and bytes", got)
	}

	restarted := newSnapshot(status(time.Hour, 1000, 4, 1000), status(time.Second, 3, 1, 10))
	if restarted.forwarded != 0 || restarted.rx != 0 || restarted.totalDrops != 0 {
		t.Errorf("after a restart: got %+v, want no rates", restarted)
	}
	back := newSnapshot(status(time.Second, 100, 4, 1000), status(2*time.Second, 50, 4, 500))
	if back.forwarded != 0 || back.rx != 0 {
		t.Errorf("counters that went back: got %+v, want no rates", back)
	}
}

func TestHumanFigures(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10_188: "9.9 KiB", 10_189: "10 KiB", 1<<20 - 1: "1.0 MiB", 1_258_291: "1.2 MiB", 1 << 40: "1.0 TiB", 1<<64 - 1: "16 EiB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("humanBytes(%d): got %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "-", 400 * time.Microsecond: "0.4ms", 12 * time.Millisecond: "12ms", 1500 * time.Millisecond: "1s", 4*time.Minute + 12*time.Second: "4m12s", 76 * time.Hour: "3d4h",
	} {
		if got := shortTime(d); got != want {
			t.Errorf("shortTime(%v): got %s, want %s", d, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	tab := &table{}
	tab.row("PEER", "RTT", "STATE")
	tab.row("ä", "", "ok")
	if got, want := tab.lines(true), []string{"PEER  RTT  STATE", "ä          ok"}; !slices.Equal(got, want) {
		t.Errorf("columns: got %q, want %q", got, want)
	}
	if got, want := tab.lines(false), []string{"PEER\tRTT\tSTATE", "ä\t\tok"}; !slices.Equal(got, want) {
		t.Errorf("tabs: got %q, want %q", got, want)
	}
}

func TestPeerOrders(t *testing.T) {
	a := node.PeerInfo{ID: routing.ID{1}, RTT: 0, RxBytes: 5, Since: time.Unix(3, 0)}
	b := node.PeerInfo{ID: routing.ID{2}, RTT: 9, RxBytes: 1, TxBytes: 6, Since: time.Unix(2, 0)}
	c := node.PeerInfo{ID: routing.ID{3}, RTT: 3, TxBytes: 6, Since: time.Unix(1, 0)}
	for name, want := range map[string]string{"id": "abc", "rtt": "cba", "bytes": "bca", "age": "cba"} {
		all := []node.PeerInfo{a, b, c}
		slices.SortStableFunc(all, peerOrders[name])
		var got strings.Builder
		for _, p := range all {
			got.WriteByte('a' + p.ID[0] - 1)
		}
		if got.String() != want {
			t.Errorf("by %s: got %s, want %s", name, got.String(), want)
		}
	}
}

func TestReasonsTheMostFrequentFirst(t *testing.T) {
	if got, want := reasonCounts(map[string]uint64{"a": 1, "b": 300, "c": 1}), "b 300, a 1, c 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A device that is no terminal gets no control sequences.
func TestATerminalThatIsNone(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isScreen(null) || isTTY(null) {
		t.Errorf("%s: got a terminal, want none", os.DevNull)
	}
	if _, err := readKeys(null); err == nil {
		t.Errorf("keys of %s: got no error", os.DevNull)
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errInterrupted)
	if err := pause(ctx, time.Hour); err != errInterrupted {
		t.Errorf("got %v, want the cause", err)
	}
}
