package testnet

import (
	"context"
	"testing"
	"time"
)

// sendAll delivers messages from one node to another and tells how long the
// slowest took.
func sendAll(t *testing.T, n *Net, from, to, count int) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pairs := make([]Pair, count)
	for i := range pairs {
		pairs[i] = Pair{From: from, To: to}
	}
	n.Deliver(ctx, pairs)
	r := n.Report()
	if r.Delivered != r.Sent {
		t.Errorf("got %d of %d messages acknowledged, want all", r.Delivered, r.Sent)
	}
	return time.Duration(r.LatencyMs.Max * float64(time.Millisecond))
}

func TestNetOnLines(t *testing.T) {
	n := Start(t, Options{Nodes: 3, Seed: 1, Line: Line{Rate: 10 * mbit, Delay: 20 * time.Millisecond, Buffer: 50}})
	if took := sendAll(t, n, 1, 2, 20); took < 40*time.Millisecond {
		t.Errorf("got the slowest message after %v, want a round trip of 40 ms and more", took)
	}
	if s := n.LineStats(1, 0); s.Sent == 0 || s.Packets == 0 {
		t.Errorf("got %+v of the line from 1 to 0, want something sent", s)
	}
}

// A line that comes later ends the links that have none, and they begin again on it.
func TestNetNodeLines(t *testing.T) {
	n := Start(t, Options{Nodes: 3, Seed: 1})
	n.SetNodeLines(2, Line{Delay: 60 * time.Millisecond}, Line{Rate: mbit})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := n.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if took := sendAll(t, n, 1, 2, 5); took < 60*time.Millisecond {
		t.Errorf("got the slowest message after %v, want the way back to take 60 ms", took)
	}
	n.SetLine(1, 2, Line{Delay: 100 * time.Millisecond})
	n.SetLine(2, 1, Line{Loss: .01})
	if err := n.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	sendAll(t, n, 1, 2, 5)
}
