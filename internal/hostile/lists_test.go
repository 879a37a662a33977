package hostile_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// An identity that links with every relay that takes it, says that all relays are its
// neighbours, and drops what it should carry, keeps no message from its receiver.
// Datagrams are counted: nobody learns of one that is lost, and in a mesh that is
// seconds old some relays have no calm links beside the liar's.
func TestALiarAboutItsNeighboursHoldsUpNothing(t *testing.T) {
	relays := meshOf(t, besiegedRelays)
	var arrived atomic.Int64
	for _, n := range relays {
		n.Handle(node.HandlerFunc(func(context.Context, *node.Message) { arrived.Add(1) }))
	}
	var lie wire.Peers
	for _, n := range relays {
		lie.Entries = append(lie.Entries, wire.PeerEntry{ID: wire.ID(n.ID()), Role: wire.RoleRelay})
	}
	self, links := hostile.NewSelf(wire.RoleRelay), 0
	self.Hello.Need = true
	var drawn atomic.Int64
	for _, n := range relays {
		l, err := hostile.Dial(within(t, amply), url(n), self, hostile.Options{})
		if err != nil {
			continue // it had no place
		}
		t.Cleanup(func() { l.Close() })
		l.Run(hostile.Habits{On: func(frame []byte) bool {
			if hostile.IsMesh(wire.TypeData)(frame) || hostile.IsMesh(wire.TypeHandshake)(frame) {
				drawn.Add(1)
			}
			return false
		}})
		if l.Ping(within(t, amply), [8]byte{1}) != nil || l.Send(wire.AppendPeers(nil, &lie)) != nil {
			continue
		}
		links++
	}
	if links < besiegedRelays/2 {
		t.Fatalf("links: got %d, want half of the relays at least", links)
	}
	type pair struct{ from, to *node.Node }
	var pairs []pair
	for i := range 4 * besiegedRelays {
		if p := (pair{relays[i%besiegedRelays], relays[(i*7+1+i/besiegedRelays*5)%besiegedRelays]}); p.from != p.to {
			pairs = append(pairs, p)
		}
	}
	failed, sum := 0, time.Duration(0)
	for _, p := range pairs {
		began := time.Now()
		if err := p.from.Send(within(t, amply), p.to.ID(), []byte("hello")); err != nil {
			failed++
			t.Errorf("Send %s to %s: %v", p.from.ID().Short(), p.to.ID().Short(), err)
		}
		sum += time.Since(began)
	}
	const each = 5
	before, sent := arrived.Load(), int64(each*len(pairs))
	for range each {
		for _, p := range pairs {
			if err := p.from.SendDatagram(p.to.ID(), []byte("datagram")); err != nil {
				t.Error(err)
			}
		}
	}
	until(t, "more than half of the datagrams arrive", func() bool { return arrived.Load()-before > sent/2 })
	t.Logf("%d links of the liar: %d of %d Sends, %v in the mean; at least %d of %d datagrams; %d frames came to it",
		links, len(pairs)-failed, len(pairs), sum/time.Duration(len(pairs)), arrived.Load()-before, sent, drawn.Load())
}
