//go:build linux

package natlab

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

const stunPort = "3478"

// TestCarrier: the carrier alone makes a pipe wherever there can be one, by the
// addresses that a relay's fixed socket has told both ends.
func TestCarrier(t *testing.T) {
	needLab(t)
	show(t, "The carrier alone", eachPairing(t, func(t *testing.T, p pairing) outcome {
		c, a, b := p.build(t)
		servers := [2]string{}
		for i, r := range c.relay {
			if got := r.play(t, "stun", stunPort).next(t); got != "ready" {
				t.Fatalf("relay %d: got %q, want ready", i, got)
			}
			servers[i] = "stun:" + r.addr.String() + ":" + stunPort
		}
		one, two := negotiate(t, a.play(t, "offer", servers[0]), b.play(t, "answer", servers[1]))
		for _, end := range []signal{one, two} {
			if open := end.Stage == ""; open != p.direct() {
				t.Errorf("pipe open: got %v (%s: %s), want %v", open, end.Stage, end.Cause, p.direct())
			}
			checkAddress(t, p, end)
		}
		return outcome{link: one.Stage == "", path: one.Path, took: one.Took}
	}))
}

// negotiate passes the signals of two ends on until both are done.
func negotiate(t *testing.T, a, b *process) (one, two signal) {
	t.Helper()
	type ending struct {
		of *process
		signal
	}
	done := make(chan ending, 2)
	pass := func(from, to *process) {
		for line := range from.lines {
			var s signal
			if json.Unmarshal([]byte(line), &s) == nil && s.Done {
				done <- ending{from, s}
				return
			}
			from.hand(line, to)
		}
		done <- ending{from, signal{Done: true, Stage: "none", Cause: "the process ended"}}
	}
	go pass(a, b)
	go pass(b, a)
	overdue := time.After(patience)
	for range 2 {
		select {
		case e := <-done:
			if e.of == a {
				one = e.signal
			} else {
				two = e.signal
			}
		case <-overdue:
			t.Fatalf("the ends are not done after %v: got %+v and %+v", patience, one, two)
		}
	}
	return one, two
}

// checkAddress: behind one translator the private address is taken, and apart
// never, whatever addresses the private nets have.
func checkAddress(t *testing.T, p pairing, end signal) {
	t.Helper()
	if end.Stage != "" {
		return
	}
	addr, err := netip.ParseAddrPort(end.Address)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := addr.Addr().IsPrivate(), p.layout == together; got != want {
		t.Errorf("peer's address %v: got private: %v, want %v", addr, got, want)
	}
}
