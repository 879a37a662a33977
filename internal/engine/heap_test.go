package engine

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/heaptest"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// What peers can fill of an engine costs what is said of it in docs/security.md.
func TestHeapOfFullTables(t *testing.T) {
	const some = limits.Records / 8
	homes := make([]wire.ID, limits.Homes)
	for i := range homes {
		homes[i] = wire.ID{9, byte(i)}
	}
	stored := func(ttl uint16, homes ...wire.ID) func(t *testing.T) any {
		return func(t *testing.T) any {
			s := newStore(some)
			for i := range some {
				p := person(i)
				if why := s.offerBy(routing.ID{1, byte(i), byte(i >> 8)}, attestation(p, p.ID(), midday, ttl, homes...), midday); why != reason.None {
					t.Fatalf("record %d: got %v", i, why)
				}
			}
			return s
		}
	}
	heaptest.Run(t, []heaptest.Row{
		{Limit: "Records", Entries: some, Each: 1 << 10, Fill: stored(limits.AttachmentTTL, homes...)}, // each brought by another peer
		{Limit: "RecordsRemembered", Entries: some, Each: 256, Fill: stored(0)},
		{Limit: "PeerListEntries", Entries: 100 * limits.PeerListEntries, Each: 64, Fill: func(t *testing.T) any {
			b := newBrain(t, func(c *Config) { c.MaxRelays, c.MaxLeaves = 100, 8 })
			for i := range 100 {
				b.list(b.relay(stranger(i), nil), i)
			}
			b.now = b.now.Add(limits.SnapshotGather)
			b.step(Wake{})
			return b.Engine
		}},
		{Limit: "ContactsPerLink", Entries: limits.ContactsPerLink * limits.RelayLinksPort, Each: 8 << 10, Fill: func(t *testing.T) any {
			b := newBrain(t, func(c *Config) { c.MaxRelays = limits.RelayLinksPort })
			for i := range b.book.max {
				var urls []string
				for j := range limits.ContactURLs {
					url := fmt.Sprintf("mem://%d.%d.", i, j)
					urls = append(urls, url+strings.Repeat("x", limits.ContactURLBytes-len(url)))
				}
				if b.learn(b.now, contactRecord(stranger(1+i), wire.RoleRelay, b.now, limits.ContactTTL, urls...), AllScopes) == nil {
					t.Fatalf("contact %d is of no use", i)
				}
			}
			if got := len(b.book.list); got < b.book.max {
				t.Errorf("contacts: got %d, want %d", got, b.book.max)
			}
			return b.Engine
		}},
	})
}

// list has a peer tell the longest list of neighbours, of which no other peer knows.
func (b *brain) list(p *Peer, number int) {
	b.t.Helper()
	var list wire.Peers
	for j := range limits.PeerListEntries {
		id := wire.ID{1}
		binary.BigEndian.PutUint32(id[1:], uint32(number*limits.PeerListEntries+j))
		list.Entries = append(list.Entries, wire.PeerEntry{ID: id, Role: wire.RoleRelay})
	}
	b.linkFrame(p, wire.AppendPeers(nil, &list))
}
