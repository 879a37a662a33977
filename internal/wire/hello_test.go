package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func fullHello() Hello {
	return Hello{
		Version: ProtocolVersion, Cert: testCert(1), Instance: Instance(pattern(1, 8)), Contact: testContact(1),
		Dial: 7, FreeSlots: 12, Agent: "peermesh/2 (test)", Network: "lab", Need: true,
	}
}

func TestHelloRoundTrip(t *testing.T) {
	least := Hello{Version: ProtocolVersion, Instance: Instance{1}}
	hellos.roundTrip(t, "least", least)
	hellos.roundTrip(t, "full", fullHello())
	webrtc := least
	webrtc.Proof = pattern(0, ProofLen)
	hellos.roundTrip(t, "with proof", webrtc)
}

func field(tag uint8, value []byte) []byte { return append(appendTag(nil, tag, len(value)), value...) }

func TestHelloSkipsUnknownFields(t *testing.T) {
	want := fullHello()
	b := join(field(0, []byte("older")), AppendHello(nil, &want), field(200, []byte("newer")), field(255, nil))
	got, err := ParseHello(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestHelloRefused(t *testing.T) {
	version, instance := field(1, []byte{1}), field(4, pattern(1, 8))
	hellos.refuse(t, []refusal{
		{"empty", nil, ErrMissing},
		{"no instance", version, ErrMissing},
		{"zero instance", join(version, field(4, make([]byte, 8))), ErrMissing},
		{"no version", instance, ErrMissing},
		{"version 0", join(field(1, []byte{0}), instance), ErrMissing},
		{"version of 2 bytes", join(field(1, []byte{1, 1}), instance), ErrTrailing},
		{"field twice", join(version, version, instance), ErrOrder},
		{"fields out of order", join(instance, version), ErrOrder},
		{"tag alone", join(version, instance, []byte{5}), ErrShort},
		{"value cut", join(version, instance, []byte{9, 0, 2, 'a'}), ErrShort},
		{"certificate cut", join(version, field(2, pattern(0, CertLen-1)), instance), ErrLength},
		{"proof too long", join(version, field(3, pattern(0, ProofLen+1)), instance), ErrLength},
		{"contact too short", join(version, instance, field(5, pattern(0, 107))), ErrLength},
		{"contact too long", join(version, instance, field(5, pattern(0, MaxRecordLen+1))), ErrLength},
		{"dial of 3 bytes", join(version, instance, field(6, pattern(0, 3))), ErrShort},
		{"slots of 3 bytes", join(version, instance, field(7, pattern(0, 3))), ErrTrailing},
		{"agent too long", join(version, instance, field(8, bytes.Repeat([]byte("x"), MaxAgent+1))), ErrTooLong},
		{"agent with a line break", join(version, instance, field(8, []byte("a\nb"))), ErrText},
		{"network too long", join(version, instance, field(9, bytes.Repeat([]byte("x"), MaxNetwork+1))), ErrTooLong},
	})
}

func TestHelloAgentIsMadeFit(t *testing.T) {
	h := fullHello()
	h.Agent = strings.Repeat("y", 100) + "\n"
	got, err := ParseHello(AppendHello(nil, &h))
	if want := strings.Repeat("y", MaxAgent); err != nil || got.Agent != want {
		t.Errorf("got %q, %v, want %q", got.Agent, err, want)
	}
}

// TestHelloFitsAHandshake: messages 2 and 3 of a link hold a Hello, and 4 KiB
// are held for a link that has not proved itself.
func TestHelloFitsAHandshake(t *testing.T) {
	h := fullHello()
	h.Contact = make([]byte, MaxRecordLen)
	h.Agent, h.Network = strings.Repeat("x", MaxAgent), strings.Repeat("x", MaxNetwork)
	if got := len(AppendHello(nil, &h)) + 200; got > 4<<10 {
		t.Errorf("longest handshake message: got %d bytes, want at most 4 KiB", got)
	}
}
