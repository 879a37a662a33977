package link

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

// bound is a pipe with a binding of its own choice.
type bound struct {
	*mem.Conn
	binding []byte
}

func (b bound) Binding() []byte { return b.binding }

// prints is a binding of two made-up fingerprints.
func prints(own, other byte) []byte {
	return append(bytes.Repeat([]byte{own}, 32), bytes.Repeat([]byte{other}, 32)...)
}

// encounter is two ends that meet. As made by newEncounter it goes well.
type encounter struct {
	locals   [2]*Local
	want     [2]wire.ID
	sessions [2]wire.Session
	bindings [2][]byte
}

func newEncounter(t *testing.T) *encounter {
	t.Helper()
	x, y := newLocal(t, nil), newLocal(t, nil)
	return &encounter{
		[2]*Local{x, y}, [2]wire.ID{y.ID, x.ID}, [2]wire.Session{{1}, {1}}, [2][]byte{prints(1, 2), prints(2, 1)},
	}
}

// meet runs both ends, of which the first asked for the link; either ends its
// carrier when it fails.
func (e *encounter) meet() [2]handshakeEnd {
	a, b := mem.Pipe()
	defer a.Close()
	defer b.Close()
	run := func(i int, c *mem.Conn) (end handshakeEnd) {
		end.remote, end.err = Meet(bound{c, e.bindings[i]}, e.locals[i], e.want[i], e.sessions[i], i == 0, 7, time.Now())
		if end.err != nil {
			c.Close()
		}
		return end
	}
	second := make(chan handshakeEnd)
	go func() { second <- run(1, b) }()
	first := run(0, a)
	return [2]handshakeEnd{first, <-second}
}

func wantReason(t *testing.T, who string, err error, want ...reason.Reason) {
	t.Helper()
	var h *HandshakeError
	if !errors.As(err, &h) || !slices.Contains(want, h.Reason) {
		t.Errorf("%s: got %v, want one of %v", who, err, want)
	}
}

func TestMeetProvesBothEnds(t *testing.T) {
	e := newEncounter(t)
	for i, end := range e.meet() {
		if end.err != nil {
			t.Fatal(end.err)
		}
		r := end.remote
		if r.ID != e.locals[1-i].ID || r.Hello.Agent != "test" || r.Contact.Role != wire.RoleLeaf {
			t.Errorf("end %d: got %x and hello %+v", i, r.ID, r.Hello)
		}
		if r.Send != nil || r.Recv != nil || r.RTT != 0 || r.Hello.Cert != nil {
			t.Errorf("end %d: got a Noise layer, a certificate or a round trip, want none", i)
		}
		if want := uint32(7 * i); r.Hello.Dial != want {
			t.Errorf("end %d: got dial %d of the other, want %d", i, r.Hello.Dial, want)
		}
	}
	if e.locals[0].Hello.Cert == nil || e.locals[0].Hello.Proof != nil {
		t.Error("what a node says of itself on other links has changed")
	}
}

func TestMeetRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(e *encounter)
		first  reason.Reason // of the end that is told the lie
		second reason.Reason // None: it is told nothing but the truth. Else the faster of the two ends the carrier
	}{
		{"a man in the middle, with a DTLS leg to each", func(e *encounter) {
			e.bindings = [2][]byte{prints(1, 8), prints(2, 9)}
		}, reason.BadCertificate, reason.BadCertificate},
		{"a man in the middle who hides one leg", func(e *encounter) { e.bindings[1] = prints(2, 9) }, reason.BadCertificate, reason.BadCertificate},
		{"fingerprints in the wrong order", func(e *encounter) { e.bindings[1] = prints(1, 2) }, reason.BadCertificate, reason.BadCertificate},
		{"of another session", func(e *encounter) { e.sessions[1] = wire.Session{2} }, reason.BadCertificate, reason.BadCertificate},
		{"right signature, wrong ID", func(e *encounter) { e.want[0] = wire.ID{9} }, reason.WrongID, reason.BadCertificate},
		{"nobody in particular", func(e *encounter) { e.want[0] = wire.ID{} }, reason.WrongID, reason.BadCertificate},
		{"signed for somebody else", func(e *encounter) { e.want[1] = wire.ID{9} }, reason.BadCertificate, reason.WrongID},
		{"no proof", func(e *encounter) { e.locals[1].Prove = func(identity.Claim) []byte { return nil } }, reason.BadCertificate, reason.None},
		{"a garbled proof", func(e *encounter) {
			prove := e.locals[1].Prove
			e.locals[1].Prove = func(c identity.Claim) []byte { return append(prove(c)[:95], 0xA5) }
		}, reason.BadCertificate, reason.None},
		{"another network", func(e *encounter) { e.locals[1].Hello.Network = "other" }, reason.WrongNetwork, reason.WrongNetwork},
		{"another version", func(e *encounter) { e.locals[1].Hello.Version = Version - 1 }, reason.BadVersion, reason.None},
		{"contact record of another key", func(e *encounter) { e.locals[1].Hello.Contact = contactOf(stranger(t)) }, reason.BadRecord, reason.None},
		{"no contact record", func(e *encounter) { e.locals[1].Hello.Contact = nil }, reason.BadRecord, reason.None},
		{"no instance", func(e *encounter) { e.locals[1].Hello.Instance = wire.Instance{} }, reason.Malformed, reason.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEncounter(t)
			c.change(e)
			ends := e.meet()
			if c.second == reason.None {
				wantReason(t, "first", ends[0].err, c.first)
				return
			}
			wantReason(t, "first", ends[0].err, c.first, reason.CarrierFailed)
			wantReason(t, "second", ends[1].err, c.second, reason.CarrierFailed)
			if errors.Is(ends[0].err, reason.CarrierFailed) && errors.Is(ends[1].err, reason.CarrierFailed) {
				t.Error("each end blames the carrier")
			}
		})
	}
}

// Who cannot prove anything says nothing.
func TestMeetNeedsSomethingToProve(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(e *encounter)
		want   reason.Reason
	}{
		{"no binding", func(e *encounter) { e.bindings[0] = nil }, reason.BadCertificate},
		{"half a binding", func(e *encounter) { e.bindings[0] = e.bindings[0][:32] }, reason.BadCertificate},
		{"no key", func(e *encounter) { e.locals[0].Prove = nil }, reason.BadCertificate},
		{"no session", func(e *encounter) { e.sessions[0] = wire.Session{} }, reason.BadCertificate},
		{"itself", func(e *encounter) { e.want[0] = e.locals[0].ID }, reason.OwnID},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEncounter(t)
			c.change(e)
			quiet := &tray{}
			_, err := Meet(boundTray{quiet, e.bindings[0]}, e.locals[0], e.want[0], e.sessions[0], true, 1, time.Now())
			wantReason(t, "it", err, c.want)
			if len(quiet.sent) > 0 {
				t.Errorf("got %d messages sent, want none", len(quiet.sent))
			}
		})
	}
}

type boundTray struct {
	*tray
	binding []byte
}

func (b boundTray) Binding() []byte { return b.binding }

// answered meets with somebody who sends what answer makes of the first's Hello.
func (e *encounter) answered(t *testing.T, answer func(hello []byte) []byte) error {
	t.Helper()
	ours, theirs := mem.Pipe()
	defer ours.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		hello, err := theirs.Receive(func() []byte { return make([]byte, limits.PreAuthBytes+1) })
		if err != nil {
			t.Error(err)
			return
		}
		if theirs.Send(answer(hello)) != nil || theirs.Flush() != nil {
			t.Error("the answer was not taken")
		}
		_, _ = theirs.Receive(func() []byte { return make([]byte, 1) }) // until the other end closes
	}()
	_, err := Meet(bound{ours, e.bindings[0]}, e.locals[0], e.want[0], e.sessions[0], true, 1, time.Now())
	ours.Close()
	<-done
	return err
}

func TestMeetWithAReflection(t *testing.T) {
	e := newEncounter(t)
	wantReason(t, "it", e.answered(t, func(hello []byte) []byte { return hello }), reason.WrongID)
	e.bindings[0] = prints(1, 1) // as a carrier that reflects would have it
	wantReason(t, "with a binding alike", e.answered(t, func(hello []byte) []byte { return hello }), reason.WrongID)
}

// A Hello that was good in an earlier session is worth nothing in the next, even
// if both ends keep their DTLS certificates.
func TestMeetWithAReplay(t *testing.T) {
	e := newEncounter(t)
	hello := e.locals[1].Hello
	hello.Cert = nil
	claim, err := e.locals[1].claim(e.bindings[1], e.want[1], e.sessions[1])
	if err != nil {
		t.Fatal(err)
	}
	hello.Proof = e.locals[1].Prove(claim)
	recorded := wire.AppendHello(nil, &hello)
	if err := e.answered(t, func([]byte) []byte { return recorded }); err != nil {
		t.Fatalf("at the first time: got %v, want no error", err)
	}
	e.sessions[0] = wire.Session{2}
	wantReason(t, "at the second time", e.answered(t, func([]byte) []byte { return recorded }), reason.BadCertificate)
}

func TestMeetWithGarbage(t *testing.T) {
	e := newEncounter(t)
	for name, msg := range map[string][]byte{
		"empty": {}, "noise": bytes.Repeat([]byte{0xA5}, 200), "zeros": make([]byte, limits.PreAuthBytes),
	} {
		wantReason(t, name, e.answered(t, func([]byte) []byte { return msg }), reason.Malformed)
	}
	long := make([]byte, limits.PreAuthBytes+1)
	wantReason(t, "too long", e.answered(t, func([]byte) []byte { return long }), reason.CarrierFailed)
}
