//go:build linux

package natlab

import (
	"net/netip"
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
)

// A lab that does not do what it says proves nothing: each shape is measured
// with bare sockets before a node is put behind it.

const (
	insidePort = 4000
	first      = 7000 // the port that the host inside sends to first
	other      = 7001
)

// stage is a host behind a translator and sockets on the wide net.
type stage struct {
	nat         *nat
	inside      socket
	near, far   socket // on two hosts outside
	nearAnother socket // another port of the near one
}

func newStage(t *testing.T, s shape) *stage {
	t.Helper()
	c := newCell(t)
	st := &stage{nat: c.newNAT(t, s, 1)}
	st.inside = st.nat.host(t, "a").socket(t, insidePort)
	st.near, st.far = c.relay[0].socket(t, first), c.relay[1].socket(t, first)
	st.nearAnother = c.relay[0].socket(t, other)
	return st
}

// mapped sends from inside to a socket outside and returns as whom it saw that.
func (st *stage) mapped(t *testing.T, to socket) string {
	t.Helper()
	st.inside.to(t, to.own, "out")
	return to.from(t, "out")
}

func TestWideNetIsPublic(t *testing.T) {
	for _, n := range []int{1, 2, 11, 12} {
		if got := engine.ScopeOf(netip.MustParseAddr(outer(n))); got != engine.ScopePublic {
			t.Errorf("scope of %s: got %v, want public", outer(n), got)
		}
	}
}

func TestMapping(t *testing.T) {
	for s, same := range map[shape]bool{fullCone: true, portRestricted: true, symmetric: false} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			st := newStage(t, s)
			one := st.mapped(t, st.near)
			for _, to := range []socket{st.far, st.nearAnother} {
				if two := st.mapped(t, to); (one == two) != same {
					t.Errorf("to two targets from %s and %s: got the same: %v, want %v", one, two, one == two, same)
				}
			}
			if again := st.mapped(t, st.near); again != one {
				t.Errorf("to the first target again from %s, want %s", again, one)
			}
			if outer := netip.MustParseAddrPort(one).Addr(); outer != st.nat.addr {
				t.Errorf("outer address: got %v, want %v", outer, st.nat.addr)
			}
		})
	}
}

// Packets on one way keep their order, so what has not come before the one
// that must come has been dropped.
func TestFiltering(t *testing.T) {
	for s, open := range map[shape]bool{fullCone: true, portRestricted: false, symmetric: false} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			st := newStage(t, s)
			outer := st.mapped(t, st.near)
			for _, stranger := range []socket{st.far, st.nearAnother} {
				stranger.to(t, outer, "unasked")
				stranger.tell(t, "tcp %s", st.near.own) // when this is done, that has left
				if got := stranger.next(t); got != "connected" {
					t.Fatalf("got %q, want connected", got)
				}
				if open {
					st.inside.from(t, "unasked")
				}
			}
			st.near.to(t, outer, "answer")
			if from := st.inside.from(t, "answer"); from != st.near.own {
				t.Errorf("answer from %s, want %s", from, st.near.own)
			}
		})
	}
}

// Two peers send at about the same time. Whose packet comes before the hole is
// there must not spoil the mapping.
func TestEarlyPacketSpoilsNothing(t *testing.T) {
	for _, s := range []shape{fullCone, portRestricted} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			st := newStage(t, s)
			outer := st.mapped(t, st.near)
			st.far.to(t, outer, "early")
			st.far.tell(t, "tcp %s", st.near.own)
			if got := st.far.next(t); got != "connected" {
				t.Fatalf("got %q, want connected", got)
			}
			if s == fullCone {
				st.inside.from(t, "early")
			}
			if got := st.mapped(t, st.far); got != outer {
				t.Errorf("mapping after an early packet: got %s, want %s", got, outer)
			}
			st.far.to(t, outer, "late")
			st.inside.from(t, "late")
		})
	}
}

func TestBlocked(t *testing.T) {
	st := newStage(t, blocked)
	st.inside.to(t, st.near.own, "out")
	st.inside.tell(t, "tcp %s", st.near.own)
	if got := st.inside.next(t); got != "connected" {
		t.Fatalf("TCP through a translator that blocks UDP: got %q, want connected", got)
	}
	st.far.to(t, st.near.own, "beside")
	st.near.from(t, "beside") // and not "out"
}

func TestNoHairpin(t *testing.T) {
	for _, s := range []shape{fullCone, portRestricted, symmetric} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			st := newStage(t, s)
			beside := st.nat.host(t, "b").socket(t, insidePort+1)
			outer := st.mapped(t, st.near)
			beside.to(t, outer, "hairpin")
			beside.to(t, st.inside.own, "direct")
			if from := st.inside.from(t, "direct"); from != beside.own {
				t.Errorf("on the private net from %s, want %s", from, beside.own)
			}
		})
	}
}
