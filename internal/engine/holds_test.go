package engine

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/mem"
)

// What a suspect link holds is somebody else's to bring only if there is somebody.
func TestHolds(t *testing.T) {
	self := routing.ID{1}
	hop, other := wire.ID{2}, wire.ID{3}
	frame := wire.Frame{Type: wire.TypeData, Class: wire.ClassInteractive, HopLimit: 64, Src: wire.ID(self)}
	frame.Body = append(wire.AppendDataHeader(nil, 7, 9), make([]byte, 40)...)
	copy := session.Transmission(frame.Body)
	for _, tt := range []struct {
		name     string
		suspect  bool
		leaf     bool
		another  bool // a relay in good standing
		sent     bool
		absent   bool // from the link
		unlinked bool
		want     session.Holding
	}{
		{name: "in good standing", want: session.Moving},
		{name: "in good standing, beside another", another: true, want: session.Moving},
		{name: "written by one in good standing", another: true, sent: true, want: session.Moving},
		{name: "suspect", suspect: true, another: true, want: session.Waiting},
		{name: "written by a suspect one", suspect: true, another: true, sent: true, want: session.Unacked},
		{name: "a suspect leaf alone", suspect: true, leaf: true, want: session.Moving},
		{name: "not there", another: true, absent: true, want: session.Gone},
		{name: "no link", another: true, unlinked: true, want: session.Gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			mk := func(id wire.ID, leaf bool) *Peer {
				c, _ := mem.Pipe()
				return NewPeer(link.New(link.Config{Number: 1, Peer: id, Leaf: leaf, Carrier: c, Wake: func() {}}, now))
			}
			var peers []PeerState
			p := mk(hop, tt.leaf)
			if !tt.absent {
				p.Link.AppendFrame(link.Self, wire.ClassInteractive, wire.AppendFrame(nil, &frame))
			}
			if tt.sent {
				p.Link.Pump(now)
			}
			if !tt.unlinked {
				peers = append(peers, PeerState{Peer: p, Suspect: tt.suspect})
			}
			if tt.another {
				peers = append(peers, PeerState{Peer: mk(other, false)})
			}
			var mark uint64
			s := NewSnapshot(SnapshotConfig{Self: self, Peers: peers})
			if got := s.Holds(now.Add(limits.LinkTick), &hop, copy, &mark); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
