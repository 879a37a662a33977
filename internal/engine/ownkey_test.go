package engine

import (
	"testing"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// A peer's word alone does not say that the identity is in use elsewhere: what
// only the key can have signed does.
func TestIdentityInUseNeedsProof(t *testing.T) {
	self, other := identity.FromSeed([32]byte{0x50}), identity.FromSeed([32]byte{0x51})
	body := wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"mem://x"}})
	b := newBrain(t, nil)
	now := uint64(b.now.UnixMilli())
	forged := self.Sign(wire.RecordContact, now, limits.ContactTTL, body)
	forged[len(forged)-1] ^= 1
	for _, c := range []struct {
		name   string
		record []byte
		proves bool
	}{
		{"nothing", nil, false},
		{"another's contact", other.Sign(wire.RecordContact, now, limits.ContactTTL, body), false},
		{"a forged one of this node", forged, false},
		{"one that this process signed", self.Sign(wire.RecordContact, now-1, limits.ContactTTL, body), false},
		{"a stale one", self.Sign(wire.RecordContact, 1, limits.ContactTTL, body), false},
		{"one that it did not sign", self.Sign(wire.RecordContact, now, limits.ContactTTL, body), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBrain(t, func(cfg *Config) {
				cfg.Self = routing.ID(self.ID())
				cfg.Signed = func(sequence uint64) bool { return sequence == now-1 }
			})
			p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
			b.up(p, b.joining("ws://a")[0])
			bye := Goodbye{Link: p.Link, Reason: reason.Replaced}
			if c.record != nil {
				bye.Contacts = [][]byte{c.record}
			}
			told := 0
			for _, a := range find[Tell](b.step(bye)) {
				if a.Notice.Kind == NoticeIdentityInUse {
					told++
				}
			}
			if told > 1 || (told == 1) != c.proves {
				t.Errorf("told %d times that the identity is in use; proven: %v", told, c.proves)
			}
		})
	}
}

// Who replaces a link of one instance by that of another shows the record that
// the newer one came with.
func TestReplacedLinkIsShownTheNewerOnesRecord(t *testing.T) {
	b := newBrain(t, nil)
	id := identity.FromSeed([32]byte{9})
	contact := id.Sign(wire.RecordContact, uint64(b.now.UnixMilli()), limits.ContactTTL, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"mem://x"}}))
	old := b.peer(routing.ID(id.ID()), func(c *link.Config) { c.Instance = wire.Instance{1} })
	b.up(old, nil)
	fresh := b.peer(routing.ID(id.ID()), func(c *link.Config) { c.Instance, c.Contact = wire.Instance{2}, contact })
	b.up(fresh, nil)
	closed := find[CloseLink](b.actions)
	if len(closed) != 1 || closed[0].Link != old.Link || len(closed[0].Contacts) != 1 || string(closed[0].Contacts[0]) != string(contact) {
		t.Errorf("closed: got %+v, want the old one, with the record of the newer", closed)
	}
}
