package node

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Whichever way the clock jumps, what the node says of itself is good for those
// whose clock is right.
func TestCredentialsOutliveAClockJump(t *testing.T) {
	n, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	attach := wire.AppendAttachment(nil, &wire.Attachment{Leaf: wire.ID(n.ID()), Homes: []wire.ID{{7}}})
	var last [wire.RecordTopic + 1]uint64
	for _, jump := range []time.Duration{0, time.Hour, -time.Hour, 13 * time.Hour, -13 * time.Hour, -time.Second, -limits.ClockTolerance} {
		for _, later := range []time.Duration{0, time.Second} {
			now := time.Now().Add(jump + later)
			static, cert := n.creds.at(now)
			if _, _, err := identity.VerifyCert(cert, static.Public, wire.ID(n.ID()), now); err != nil {
				t.Errorf("after %v: certificate: %v", jump, err)
			}
			for _, raw := range [][]byte{n.contact(now), n.creds.sign(wire.RecordAttachment, now, limits.AttachmentTTL, attach)} {
				rec, _, err := identity.VerifyRecord(raw, now)
				if err != nil {
					t.Errorf("after %v: record of kind %d: %v", jump, rec.Kind, err)
				}
				if later > 0 && rec.Kind == wire.RecordAttachment && rec.Sequence <= last[rec.Kind] {
					t.Errorf("after %v: sequence %d follows %d", jump, rec.Sequence, last[rec.Kind])
				}
				last[rec.Kind] = rec.Sequence
			}
		}
	}
}

// A clock that is set back a little leaves the order of the records as it is.
func TestSequenceGoesOnAfterASmallStepBack(t *testing.T) {
	n, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	now := time.Now()
	sequence := func(at time.Duration) uint64 {
		rec, err := wire.ParseRecord(n.creds.sign(wire.RecordContact, now.Add(at), 60, nil))
		if err != nil {
			t.Fatal(err)
		}
		return rec.Sequence
	}
	first := sequence(0)
	if got := sequence(-time.Minute); got != first+1 {
		t.Errorf("a minute back: got sequence %d after %d, want the next", got, first)
	}
}
