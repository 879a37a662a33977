package wire

import (
	"math"
	"testing"
	"time"
)

func TestPlainHeader(t *testing.T) {
	for kind := uint8(PlainDatagram); kind <= PlainBundle; kind++ {
		v := plain{PlainHeader{kind, 0x1234, 0xff00}, pattern(0, 9)}
		plains.roundTrip(t, "header", v)
	}
	b := plains.roundTrip(t, "empty datagram", plain{PlainHeader{PlainDatagram, 1, 2}, []byte{}})
	plains.refuseCuts(t, "empty datagram", b)
	plains.roundTrip(t, "longest datagram", plain{PlainHeader{PlainDatagram, 1, 2}, pattern(0, MaxMessage)})
	plains.refuse(t, []refusal{
		{"kind 0", make([]byte, 9), ErrType},
		{"kind 9", with(make([]byte, 9), 0, 9), ErrType},
		{"datagram too long", with(make([]byte, PlainHeaderLen+MaxMessage+1), 0, 1), ErrTooLong},
	})
}

func TestMessageBody(t *testing.T) {
	b := messages.roundTrip(t, "empty", MessageBody{ID: 5, Lowest: 5, Data: []byte{}})
	messages.refuseCuts(t, "empty", b)
	messages.roundTrip(t, "longest", MessageBody{ID: MessageWindow, Lowest: 1, Data: pattern(0, MaxMessage)})
	messages.roundTrip(t, "highest ids", MessageBody{ID: math.MaxUint64, Lowest: math.MaxUint64 - 1, Data: pattern(0, 1)})
	messages.refuse(t, []refusal{
		{"too long", make([]byte, 16+MaxMessage+1), ErrTooLong},
		{"lowest above id", AppendMessageBody(nil, &MessageBody{ID: 4, Lowest: 5}), ErrValue},
		{"id beyond the window", AppendMessageBody(nil, &MessageBody{ID: MessageWindow + 1, Lowest: 1}), ErrValue},
	})
}

func TestResponseBody(t *testing.T) {
	b := responses.roundTrip(t, "empty", ResponseBody{ID: 5, Lowest: 2, Request: 1 << 50, Data: []byte{}})
	responses.refuseCuts(t, "empty", b)
	responses.roundTrip(t, "longest", ResponseBody{ID: 5, Lowest: 5, Data: pattern(0, MaxMessage)})
	responses.refuse(t, []refusal{
		{"too long", make([]byte, 24+MaxMessage+1), ErrTooLong},
		{"lowest above id", AppendResponseBody(nil, &ResponseBody{ID: 4, Lowest: 5}), ErrValue},
	})
}

func TestAckBody(t *testing.T) {
	ackBodies.fixed(t, "empty", AckBody{Newest: NoCounter})
	ackBodies.fixed(t, "one", AckBody{1 << 40, math.MaxUint16, math.MaxUint32, []AckRange{{7, 1}}})
	most := make([]AckRange, MaxAckRanges)
	for i := range most {
		most[i] = AckRange{uint64(i) * 10, 5}
	}
	ackBodies.fixed(t, "sixteen", AckBody{Ranges: most})
	ackBodies.fixed(t, "highest", ackOf([]AckRange{{math.MaxUint64 - 1, 2}}))
	ackBodies.refuse(t, []refusal{
		{"nothing", nil, ErrShort},
		{"no count", make([]byte, ackHeadLen), ErrShort},
		{"seventeen", appendAck(make([]AckRange, MaxAckRanges+1)), ErrCount},
		{"range of none", appendAck([]AckRange{{7, 0}}), ErrValue},
		{"beyond the last id", appendAck([]AckRange{{math.MaxUint64, 2}}), ErrValue},
		{"range behind the last", append(appendAck([]AckRange{{7, 1}}), 0), ErrTrailing},
	})
}

func TestAckBodyKeepsWhatIsThere(t *testing.T) {
	have := []AckRange{{1, 1}}
	got, err := ParseAckBody(have, appendAck([]AckRange{{7, 2}}))
	if r := got.Ranges; err != nil || len(r) != 2 || r[0] != (AckRange{1, 1}) || r[1] != (AckRange{7, 2}) {
		t.Errorf("got %v, %v, want the old range and the new one", r, err)
	}
	got, err = ParseAckBody(have, appendAck([]AckRange{{7, 2}, {8, 0}}))
	if err != ErrValue || got.Ranges != nil {
		t.Errorf("got %v, %v, want nothing and %v", got, err, ErrValue)
	}
}

func TestAckDelay(t *testing.T) {
	for d, want := range map[time.Duration]uint16{
		-time.Second: 0, 0: 0, AckDelayUnit - 1: 0, AckDelayUnit: 1, 2 * time.Millisecond: 31,
		4 * time.Second: 62_500, 5 * time.Second: math.MaxUint16, math.MaxInt64: math.MaxUint16,
	} {
		if got := AckDelay(d); got != want {
			t.Errorf("%v: got %d, want %d", d, got, want)
		}
	}
}

func TestRefusalBody(t *testing.T) {
	refusals.fixed(t, "refusal", RefusalBody{ID: 1 << 33, Reason: 14})
	refusals.refuse(t, []refusal{{"no reason", make([]byte, 9), ErrValue}})
}

func TestHomesBody(t *testing.T) {
	homes.fixed(t, "none", HomesBody{ID: 2, Lowest: 1})
	homes.fixed(t, "four", HomesBody{ID: 2, Lowest: 2, Homes: []ID{testID(1), testID(2), testID(3), testID(4)}})
	homes.refuse(t, []refusal{
		{"five", append(make([]byte, 16), append([]byte{5}, pattern(0, 100)...)...), ErrCount},
		{"lowest above id", AppendHomesBody(nil, &HomesBody{ID: 1, Lowest: 2}), ErrValue},
	})
}
