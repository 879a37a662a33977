package wire

import (
	"reflect"
	"testing"
)

func fullPayload() HandshakePayload {
	return HandshakePayload{
		Cert: testCert(1), Instance: Instance(pattern(1, 8)), Window: Instance(pattern(0x11, 8)),
		Capabilities: CapDatagram,
		Homes:        []ID{testID(1), testID(2), testID(3), testID(4)},
	}
}

func TestHandshakeBodyRoundTrip(t *testing.T) {
	body := func(kind uint8, n int) HandshakeBody {
		return HandshakeBody{Kind: kind, Sender: 0x01020304, Receiver: 0xf1f2f3f4, Cookie: testNonce(7), Noise: pattern(0, n)}
	}
	first := body(HandshakeFirst, minFirstBody-HandshakeHeaderLen)
	b := handshakes.roundTrip(t, "first", first)
	handshakes.refuseCuts(t, "first", b)
	if got := HeaderLen + len(b); got != FirstFrameLen {
		t.Errorf("frame of the first message: got %d bytes, want %d", got, FirstFrameLen)
	}
	handshakes.roundTrip(t, "second", body(HandshakeSecond, maxSecondBody-HandshakeHeaderLen))
	handshakes.roundTrip(t, "third", body(HandshakeThird, 600))
	handshakes.fixed(t, "cookie", body(HandshakeCookie, 0))
}

// A record with the most homes fits into an answer to the first message: one home
// to send it by has a count where the return of the question has none.
func TestFirstMessageHasRoomForARecordWithTheMostHomes(t *testing.T) {
	homes := make([]ID, MaxHomes)
	record := AppendRecord(nil, &Record{Version: Version, Kind: RecordAttachment, Body: AppendAttachment(nil, &Attachment{Homes: homes})})
	first := Frame{Type: TypeHandshake, Detour: []byte{}, Return: homes[0][:], Body: make([]byte, minFirstBody)}
	answer := Frame{
		Type: TypeAnswer, Detour: []byte{}, Waypoints: homes[0][:],
		Body: AppendAnswerBody(nil, &AnswerBody{Kind: AnswerRecord, Record: record}),
	}
	if answer.Len() > first.Len() {
		t.Errorf("got an answer of %d bytes to a question of %d", answer.Len(), first.Len())
	}
}

func TestHandshakeBodyRefused(t *testing.T) {
	handshakes.refuse(t, []refusal{
		{"kind 0", make([]byte, 300), ErrType},
		{"kind 5", with(make([]byte, 300), 0, 5), ErrType},
		{"header cut", with(make([]byte, HandshakeHeaderLen-1), 0, 3), ErrShort},
		{"first message too short", with(make([]byte, minFirstBody-1), 0, 1), ErrShort},
		{"second message too long", with(make([]byte, maxSecondBody+1), 0, 2), ErrTooLong},
		{"cookie with a Noise message", with(make([]byte, HandshakeHeaderLen+1), 0, 4), ErrTrailing},
	})
}

func TestHandshakePayloadRoundTrip(t *testing.T) {
	payloads.roundTrip(t, "least", HandshakePayload{Instance: Instance{1}})
	payloads.roundTrip(t, "full", fullPayload())
}

func TestHandshakePayloadSkipsUnknownFields(t *testing.T) {
	want := fullPayload()
	got, err := ParseHandshakePayload(append(AppendHandshakePayload(nil, &want), 9, 0, 1, 0xff))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestHandshakePayloadRefused(t *testing.T) {
	instance := field(2, pattern(1, 8))
	payloads.refuse(t, []refusal{
		{"empty", nil, ErrMissing},
		{"zero instance", field(2, make([]byte, 8)), ErrMissing},
		{"certificate too long", join(field(1, pattern(0, CertLen+1)), instance), ErrLength},
		{"instance of 7 bytes", field(2, pattern(0, 7)), ErrShort},
		{"window of 9 bytes", join(instance, field(3, pattern(0, 9))), ErrTrailing},
		{"capabilities of 5 bytes", join(instance, field(4, pattern(0, 5))), ErrTrailing},
		{"five homes", join(instance, field(5, append([]byte{5}, pattern(0, 100)...))), ErrCount},
		{"home cut", join(instance, field(5, append([]byte{1}, pattern(0, 19)...))), ErrShort},
		{"half a home more", join(instance, field(5, append([]byte{1}, pattern(0, 30)...))), ErrTrailing},
		{"field twice", join(instance, instance), ErrOrder},
	})
}

// TestSecondMessageFits: a full payload with all homes stays
// within the frame that a responder may send to somebody unproved.
func TestSecondMessageFits(t *testing.T) {
	p := fullPayload()
	const noise = 32 + 48 + 16 // ephemeral key, sealed static key, tag
	if got := HeaderLen + HandshakeHeaderLen + noise + len(AppendHandshakePayload(nil, &p)); got > SecondFrameMax {
		t.Errorf("frame of the second message: got %d bytes, want at most %d", got, SecondFrameMax)
	}
}

func TestDataBody(t *testing.T) {
	v := DataBody{Receiver: 0xdeadbeef, Counter: 1<<40 + 3, Sealed: pattern(0, TagLen)}
	b := datas.roundTrip(t, "shortest", v)
	datas.refuseCuts(t, "shortest", b)
	datas.roundTrip(t, "longer", DataBody{Sealed: pattern(0, 1000)})
}
