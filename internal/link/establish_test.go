package link

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

// newLocal makes a node that says the truth of itself; change tells lies.
func newLocal(t *testing.T, change func(id *identity.Identity, l *Local)) *Local {
	t.Helper()
	id, err := identity.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	static, err := identity.NewStatic(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &Local{ID: id.ID(), Static: static, Rand: rand.Reader, Prove: id.Prove}
	l.Hello = wire.Hello{Version: Version, Instance: wire.Instance{1}, Agent: "test"}
	l.Hello.Cert = certOf(id, static)
	l.Hello.Contact = contactOf(id)
	if change != nil {
		change(id, l)
	}
	return l
}

func certOf(id *identity.Identity, static identity.Static) []byte {
	cert := id.Certify(static.Public, time.Now())
	return wire.AppendCert(nil, &cert)
}

func contactOf(id *identity.Identity) []byte {
	body := wire.AppendContact(nil, &wire.Contact{Role: wire.RoleLeaf})
	return id.Sign(wire.RecordContact, identity.NextSequence(0, time.Now()), limits.ContactTTL, body)
}

func stranger(t *testing.T) *identity.Identity {
	t.Helper()
	id, err := identity.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

type handshakeEnd struct {
	remote *Remote
	err    error
}

// shake runs both sides; either ends its carrier when it fails, as a node does.
func shake(dialler, acceptor *Local, want wire.ID) (d, a handshakeEnd) {
	cd, ca := mem.Pipe()
	done := make(chan handshakeEnd)
	go func() {
		r, err := Accept(ca, acceptor, time.Now())
		if err != nil {
			ca.Close()
		}
		done <- handshakeEnd{r, err}
	}()
	d.remote, d.err = Dial(cd, dialler, want, 3, time.Now())
	if d.err != nil {
		cd.Close()
	}
	a = <-done
	cd.Close()
	ca.Close()
	return d, a
}

func TestHandshakeProvesBothEnds(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
		withKey := func(_ *identity.Identity, l *Local) { l.NetworkKey = key }
		x, y := newLocal(t, withKey), newLocal(t, withKey)
		d, a := shake(x, y, y.ID)
		if d.err != nil || a.err != nil {
			t.Fatalf("with key %x: got %v and %v", key, d.err, a.err)
		}
		if d.remote.ID != y.ID || a.remote.ID != x.ID {
			t.Error("the proven IDs are not those of the two")
		}
		if a.remote.Hello.Dial != 3 || a.remote.Hello.Agent != "test" || a.remote.Contact.Role != wire.RoleLeaf {
			t.Errorf("hello: got %+v", a.remote.Hello)
		}
		sealed := d.remote.Send.Seal(nil, []byte("hello"), nil)
		if got, err := a.remote.Recv.Open(nil, sealed, nil); err != nil || string(got) != "hello" {
			t.Errorf("opened %q, %v", got, err)
		}
	}
}

func TestHandshakeRefusals(t *testing.T) {
	key1, key2 := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	type lie = func(id *identity.Identity, l *Local)
	keyed := func(k []byte) lie { return func(_ *identity.Identity, l *Local) { l.NetworkKey = k } }
	for _, c := range []struct {
		name     string
		dialler  lie
		acceptor lie
		pin      wire.ID
		dialled  reason.Reason // what the dialler reports; CarrierFailed: the other side hung up
		accepted reason.Reason // what the acceptor reports
	}{
		{name: "wrong pinned ID", pin: wire.ID{1, 2, 3}, dialled: reason.WrongID, accepted: reason.CarrierFailed},
		{name: "network keys differ", dialler: keyed(key1), acceptor: keyed(key2), dialled: reason.CarrierFailed, accepted: reason.WrongNetwork},
		{name: "only the dialler has a network key", dialler: keyed(key1), dialled: reason.CarrierFailed, accepted: reason.WrongNetwork},
		{name: "only the acceptor has a network key", acceptor: keyed(key1), dialled: reason.CarrierFailed, accepted: reason.WrongNetwork},
		{
			name:     "network names differ",
			acceptor: func(_ *identity.Identity, l *Local) { l.Hello.Network = "other" },
			dialled:  reason.WrongNetwork, accepted: reason.CarrierFailed,
		}, {
			name:     "another protocol version",
			acceptor: func(_ *identity.Identity, l *Local) { l.Hello.Version = Version - 1 },
			dialled:  reason.BadVersion, accepted: reason.CarrierFailed,
		}, {
			name:     "certificate of another Noise key",
			acceptor: func(id *identity.Identity, l *Local) { l.Hello.Cert = certOf(id, identity.Static{Public: [32]byte{9}}) },
			dialled:  reason.BadCertificate, accepted: reason.CarrierFailed,
		}, {
			name:     "certificate signed by nobody",
			acceptor: func(_ *identity.Identity, l *Local) { l.Hello.Cert[100] ^= 1 },
			dialled:  reason.BadCertificate, accepted: reason.CarrierFailed,
		}, {
			name:     "no certificate",
			acceptor: func(_ *identity.Identity, l *Local) { l.Hello.Cert = nil },
			dialled:  reason.BadCertificate, accepted: reason.CarrierFailed,
		}, {
			name: "expired certificate",
			acceptor: func(id *identity.Identity, l *Local) {
				cert := id.Certify(l.Static.Public, time.Now().Add(-48*time.Hour))
				l.Hello.Cert = wire.AppendCert(nil, &cert)
			},
			dialled: reason.BadCertificate, accepted: reason.CarrierFailed,
		}, {
			name:     "contact record of another key",
			acceptor: func(_ *identity.Identity, l *Local) { l.Hello.Contact = contactOf(stranger(t)) },
			dialled:  reason.BadRecord, accepted: reason.CarrierFailed,
		}, {
			name:    "the dialler's contact record of another key",
			dialler: func(_ *identity.Identity, l *Local) { l.Hello.Contact = contactOf(stranger(t)) },
			dialled: reason.None, accepted: reason.BadRecord,
		}, {
			name:    "the dialler's certificate forged",
			dialler: func(_ *identity.Identity, l *Local) { l.Hello.Cert[100] ^= 1 },
			dialled: reason.None, accepted: reason.BadCertificate,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, a := shake(newLocal(t, c.dialler), newLocal(t, c.acceptor), c.pin)
			check := func(who string, err error, want reason.Reason) {
				if want == reason.None && err == nil {
					return
				}
				var h *HandshakeError
				if !errors.As(err, &h) || h.Reason != want {
					t.Errorf("%s: got %v, want reason %v", who, err, want)
				}
			}
			check("dialler", d.err, c.dialled)
			check("acceptor", a.err, c.accepted)
		})
	}
}

func TestOwnIDIsRefused(t *testing.T) {
	x := newLocal(t, nil)
	y := *x
	d, _ := shake(x, &y, wire.ID{})
	if !errors.Is(d.err, reason.OwnID) {
		t.Errorf("got %v, want %v", d.err, reason.OwnID)
	}
}

// Whatever a stranger sends in place of a handshake message ends in an error,
// without a panic, and without memory beyond the bound.
func TestHandshakeGarbage(t *testing.T) {
	for _, c := range []struct {
		name string
		msgs [][]byte
	}{
		{"nothing", nil},
		{"empty", [][]byte{{}}},
		{"short", [][]byte{make([]byte, 31)}},
		{"noise", [][]byte{bytes.Repeat([]byte{0xA5}, 32)}},
		{"too long", [][]byte{make([]byte, limits.PreAuthBytes+1)}},
		{"good length, then garbage", [][]byte{bytes.Repeat([]byte{9}, 32), make([]byte, 300)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := mem.Pipe()
				for _, m := range c.msgs {
					if err := theirs.Send(m); err != nil {
						t.Fatal(err)
					}
				}
				if err := theirs.Flush(); err != nil {
					t.Fatal(err)
				}
				late := time.AfterFunc(limits.HandshakeTimeout, func() { ours.Close() })
				defer late.Stop()
				if r, err := Accept(ours, newLocal(t, nil), time.Now()); err == nil {
					t.Errorf("accepted %+v", r)
				}
				ours.Close()
				theirs.Close()
			})
		})
	}
}

// A dialler that is sent its own messages back gets no link.
func TestReflectedHandshake(t *testing.T) {
	ours, theirs := mem.Pipe()
	go func() {
		for {
			msg, err := theirs.Receive(func() []byte { return make([]byte, limits.MaxRecord) })
			if err != nil || theirs.Send(msg) != nil || theirs.Flush() != nil {
				return
			}
		}
	}()
	if r, err := Dial(ours, newLocal(t, nil), wire.ID{}, 1, time.Now()); err == nil {
		t.Errorf("linked with %+v", r)
	}
	ours.Close()
	theirs.Close()
}

// The keys of both directions change together, again and again, while records
// flow both ways.
func TestRecordsFlowAcrossRekeys(t *testing.T) {
	x, y := newLocal(t, nil), newLocal(t, nil)
	d, a := shake(x, y, wire.ID{})
	if d.err != nil || a.err != nil {
		t.Fatal(d.err, a.err)
	}
	for _, c := range []*session.Cipher{d.remote.Send, d.remote.Recv, a.remote.Send, a.remote.Recv} {
		c.EnableRekey()
	}
	msg, buf := []byte("record"), make([]byte, 0, 64)
	for i := range 2*limits.LinkRekey + 10 {
		sealed := d.remote.Send.Seal(buf, msg, nil)
		if got, err := a.remote.Recv.Open(sealed[:0], sealed, nil); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("record %d: got %q, %v", i, got, err)
		}
		if i%3 == 0 { // the other direction has a rhythm of its own
			sealed = a.remote.Send.Seal(buf, msg, nil)
			if _, err := d.remote.Recv.Open(sealed[:0], sealed, nil); err != nil {
				t.Fatalf("record %d back: %v", i, err)
			}
		}
	}
}
