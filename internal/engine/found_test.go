package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// A record that a relay sends back counts if the leaf that is looked for has signed
// it, and as an answer to a first message that left.
func TestFoundRecord(t *testing.T) {
	leaf, other := person(2), person(3)
	var sent [][]byte
	b := newBrain(t, func(c *Config) {
		as(person(1), false)(c)
		table, err := session.New(session.Config{
			Self: wire.ID(c.Self), Instance: wire.Instance{1}, Null: true, Rand: rand.NewChaCha8([32]byte{1}), Drops: c.Drops,
			Emit: func(frame []byte, _ session.Choice) (wire.ID, bool) {
				sent = append(sent, slices.Clone(frame))
				return wire.ID{byte(len(sent))}, true
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Sessions = table
	})
	if err := b.cfg.Sessions.Datagram(b.now, leaf.ID(), 1, 2, wire.ClassInteractive, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, j := range b.cfg.Sessions.Tick(b.now) {
		j.Run()
		b.step(Finished{j})
	}
	if len(sent) == 0 {
		t.Fatal("no first message left")
	}
	first, err := wire.ParseFrame(sent[0])
	if err != nil || first.Type != wire.TypeHandshake {
		t.Fatalf("got %v, %v, want a first message", first.Type, err)
	}
	good := attestation(leaf, leaf.ID(), b.now, limits.AttachmentTTL, wire.ID{7})
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	for _, tt := range []struct {
		name   string
		record []byte
		nonce  [wire.NonceLen]byte
		want   reason.Reason
	}{
		{"forged", forged, wire.Echo(first.Body), reason.BadRecord},
		{"of the leaf, signed by somebody else", attestation(other, leaf.ID(), b.now, 120, wire.ID{6}), wire.Echo(first.Body), reason.BadRecord},
		{"of somebody else", attestation(other, other.ID(), b.now, 120, wire.ID{6}), wire.Echo(first.Body), reason.Unsolicited},
		{"of another time", attestation(leaf, leaf.ID(), b.now.Add(-limits.WithdrawalKept), 120, wire.ID{6}), wire.Echo(first.Body), reason.Expired},
		{"a contact", other.Sign(wire.RecordContact, uint64(b.now.UnixMilli()), 60, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleLeaf})), wire.Echo(first.Body), reason.Unsupported},
		{"to nothing that left", good, [wire.NonceLen]byte{1}, reason.Unsolicited},
		{"good", good, wire.Echo(first.Body), reason.None},
		{"again", good, wire.Echo(first.Body), reason.Unsolicited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, left := b.drops.Get(tt.want), len(sent)
			b.step(Control{Link: 1, Frame: wire.AppendFrame(nil, &wire.Frame{
				Type: wire.TypeAnswer, HopLimit: 60, Dst: wire.ID(b.cfg.Self), Src: wire.ID{9},
				Body: wire.AppendAnswerBody(nil, &wire.AnswerBody{Nonce: tt.nonce, Kind: wire.AnswerRecord, Record: tt.record}),
			})})
			if tt.want != reason.None {
				if got := b.drops.Get(tt.want); got != before+1 || len(sent) != left {
					t.Errorf("counted %v, %d copies sent", b.drops.Map(), len(sent)-left)
				}
				return
			}
			if len(sent) != left+1 {
				t.Fatalf("copies sent: got %d, want one at once", len(sent)-left)
			}
			if f, err := wire.ParseFrame(sent[left]); err != nil || string(f.Waypoints) != string(append([]byte{7}, make([]byte, 19)...)) {
				t.Errorf("waypoints: got %x, %v, want the home", f.Waypoints, err)
			}
		})
	}
}
