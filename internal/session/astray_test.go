package session

import (
	"testing"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// strays is a pair of which b is to be found at three homes.
type strays struct {
	t    *testing.T
	a, b *testNode
	w    *world
}

func newStrays(t *testing.T) *strays {
	w, a, b := pair(t, 71)
	b.homes = []wire.ID{{1}, {2}, {3}}
	w.connect(a, b)
	return &strays{t, a, b, w}
}

// datagram returns the frame of one, and the home that it goes by.
func (s *strays) datagram() (frame []byte, home byte) {
	s.t.Helper()
	frame, ok := s.a.t.AppendDatagram(nil, s.w.now, s.b.self, 1, 1, wire.ClassBulk, []byte("x"))
	f, err := wire.ParseFrame(frame)
	if !ok || err != nil || len(f.Waypoints) != len(wire.ID{}) {
		s.t.Fatalf("got %v, %v, waypoints %x", ok, err, f.Waypoints)
	}
	return frame, f.Waypoints[0]
}

// hinted tells a that a frame got no further.
func (s *strays) hinted(frame []byte) reason.Reason {
	f, _ := wire.ParseFrame(frame)
	return s.a.t.HandleHint(s.w.now, wire.Hint{Reason: uint8(reason.Detached), Type: wire.TypeData, Dst: s.b.self, Echo: wire.Echo(f.Body)})
}

// A Hint about a datagram makes the next ones go by another home, once for all that
// left before.
func TestDatagramsThatGoAstrayTurnToAnotherHome(t *testing.T) {
	s := newStrays(t)
	first, _ := s.datagram()
	second, home := s.datagram()
	if home != 1 {
		t.Fatalf("got home %d, want the best", home)
	}
	for _, frame := range [][]byte{first, second} {
		if why := s.hinted(frame); why != reason.None {
			t.Fatalf("got %v", why)
		}
	}
	third, home := s.datagram()
	if home != 2 {
		t.Errorf("after hints about two datagrams by one home: got home %d, want 2", home)
	}
	s.hinted(third)
	if _, home = s.datagram(); home != 3 {
		t.Errorf("after a hint about the next: got home %d, want 3", home)
	}
	f, _ := wire.ParseFrame(third)
	echo := wire.Echo(f.Body)
	echo[3] ^= 1
	if why := s.a.t.HandleHint(s.w.now, wire.Hint{Reason: uint8(reason.Detached), Type: wire.TypeData, Dst: s.b.self, Echo: echo}); why != reason.Unsolicited {
		t.Errorf("a hint about what never left: got %v", why)
	}
	if _, home = s.datagram(); home != 3 {
		t.Errorf("after a hint about what never left: got home %d, want 3", home)
	}
}

// While the own link with the best home is suspect another one is used.
func TestAShunnedHomeIsUsedAgainOnceItIsTrusted(t *testing.T) {
	s := newStrays(t)
	want := func(what string, want byte) {
		t.Helper()
		if _, home := s.datagram(); home != want {
			t.Errorf("%s: got home %d, want %d", what, home, want)
		}
	}
	s.a.t.Shun(wire.ID{2})
	want("not the best one", 1)
	s.a.t.Shun(wire.ID{1})
	want("the best is shunned", 2)
	s.a.t.Trust(wire.ID{3})
	want("another one is trusted", 2)
	s.a.t.Shun(wire.ID{2})
	want("the next one, too", 3)
	s.a.t.Trust(wire.ID{1})
	want("the best is trusted", 1)
	if got := s.a.peerOf(s.b).route.Load(); got.before != nil || len(got.ranked) != 3 {
		t.Errorf("got %+v", got)
	}
}
