package session

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// A thief answers to the ID of another under its own key, as initiator and as
// responder, to a node that knows the owner of the ID and to one that does not.
func TestNobodySpeaksForAnother(t *testing.T) {
	for _, c := range []struct {
		name  string
		knows bool
	}{{"an ID that has shown its key", true}, {"an ID that has not", false}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 33)
			owner, b := w.add(nil), w.add(nil)
			if c.knows {
				w.connect(owner, b)
			}
			key, err := identity.New(seeded(5))
			if err != nil {
				t.Fatal(err)
			}
			thief := w.add(func(n *testNode, cfg *Config) {
				n.id, n.self = key, owner.self
				cfg.Self = owner.self
			})
			before := len(b.got)
			w.nodes[owner.self] = thief // what is for the owner comes to the thief now
			said := thief.send(b, "stolen")
			w.run(5 * time.Second)
			if said.calls != 0 || len(b.got) != before || b.drops.Get(reason.WrongID) == 0 {
				t.Errorf("as initiator: got %+v, delivered %v, reasons %v", said.Result, b.got, b.drops.Map())
			}
			b.restart() // it begins anew, toward the thief
			heard := b.send(owner, "for the owner")
			w.run(5 * time.Second)
			if heard.calls != 0 || len(thief.got) != 0 || b.drops.Get(reason.WrongID) == 0 {
				t.Errorf("as responder: got %+v, delivered %v, reasons %v", heard.Result, thief.got, b.drops.Map())
			}
		})
	}
}

// A handshake is judged by its certificate alone. Tag 6, which was to let a
// gateway speak for others, is as any unknown one.
func TestNoRecordSpeaksInAHandshake(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	thief, err := identity.New(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := identity.New(seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	static, err := identity.NewStatic(seeded(3))
	if err != nil {
		t.Fatal(err)
	}
	record := func(signer *identity.Identity, home wire.ID) []byte {
		body := wire.AppendAttachment(nil, &wire.Attachment{Leaf: owner.ID(), Homes: []wire.ID{home}})
		return signer.Sign(wire.RecordAttachment, uint64(now.UnixMilli()), limits.AttachmentTTL, body)
	}
	for _, c := range []struct {
		name   string
		record []byte
		cert   *identity.Identity
		want   error
	}{
		{"signed by the thief", record(thief, thief.ID()), thief, identity.ErrWrongID},
		{"signed by the owner", record(owner, thief.ID()), thief, identity.ErrWrongID},
		{"none", nil, thief, identity.ErrWrongID},
		{"beside the owner's own certificate", record(thief, thief.ID()), owner, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := c.cert.Certify(static.Public, now)
			b := wire.AppendHandshakePayload(nil, &wire.HandshakePayload{Cert: wire.AppendCert(nil, &cert), Instance: wire.Instance{1}})
			b = append(binary.BigEndian.AppendUint16(append(b, 6), uint16(len(c.record))), c.record...)
			p, err := wire.ParseHandshakePayload(b)
			if err != nil {
				t.Fatalf("tag 6: got %v, want it skipped", err)
			}
			j := judge{peer: owner.ID(), now: now}
			if err := j.verify(&p, static.Public); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
