package wire

import (
	"bytes"
	"strings"
	"testing"
)

func TestCert(t *testing.T) {
	v := Cert{Version: 1, Public: testKey(1), NotAfter: testTime, Sig: [64]byte(pattern(2, 64))}
	certs.fixed(t, "cert", v)
	if got := len(AppendCert(nil, &v)); got != CertLen {
		t.Errorf("length: got %d, want %d", got, CertLen)
	}
	certs.refuse(t, []refusal{
		{"version 0", make([]byte, CertLen), ErrVersion},
		{"version 2", with(make([]byte, CertLen), 0, 2), ErrVersion},
	})
	want := join([]byte("label"), []byte{1}, pattern(9, 32), []byte{0x68, 0x4e, 0xe1, 0x80})
	if got := v.SignedPart("label", testKey(9)); !bytes.Equal(got, want) {
		t.Errorf("signed part: got %x, want %x", got, want)
	}
}

func TestRecord(t *testing.T) {
	v := Record{
		Version: 1, Kind: RecordTopic, Public: testKey(1), Sequence: 1<<41 + 1, TTL: 600,
		Body: pattern(3, 30), Sig: [64]byte(pattern(2, 64)),
	}
	b := records.roundTrip(t, "record", v)
	if got, want := v.SignedPart("label"), append([]byte("label"), b[:len(b)-64]...); !bytes.Equal(got, want) {
		t.Errorf("signed part: got %x, want %x", got, want)
	}
	v.Body = []byte{}
	b = records.roundTrip(t, "no body", v)
	records.refuseCuts(t, "no body", b)
	if len(b) != RecordOverhead {
		t.Errorf("length: got %d, want %d", len(b), RecordOverhead)
	}
	v.Body = make([]byte, MaxRecordBody)
	b = records.roundTrip(t, "longest", v)
	records.refuse(t, []refusal{
		{"too long", append(b, 0), ErrTooLong},
		{"version 0", with(b, 0, 0), ErrVersion},
		{"version 2", with(b, 0, 2), ErrVersion},
		{"kind 0", with(b, 1, 0), ErrType},
		{"kind 4", with(b, 1, 4), ErrType},
		{"empty", nil, ErrShort},
	})
}

func TestContact(t *testing.T) {
	contacts.fixed(t, "least", Contact{Role: RoleLeaf})
	longest := Contact{Role: RoleRelay, WebRTC: true, STUN: 3478}
	for range MaxContactURLs {
		longest.URLs = append(longest.URLs, "ws://"+strings.Repeat("h", MaxContactURLBytes-5))
	}
	contacts.fixed(t, "longest", longest)
	if got := len(AppendContact(nil, &longest)); got != MaxRecordBody {
		t.Errorf("longest: got %d bytes, want %d", got, MaxRecordBody)
	}
	url := func(n int, s string) []byte { return append([]byte{1, 0, 0, 0, 1, byte(n >> 8), byte(n)}, s...) }
	contacts.refuse(t, []refusal{
		{"no role", []byte{0, 0, 0, 0, 0}, ErrValue},
		{"role 3", []byte{3, 0, 0, 0, 0}, ErrValue},
		{"reserved bit", []byte{1, 2, 0, 0, 0}, ErrFlags},
		{"nine URLs", []byte{1, 0, 0, 0, 9}, ErrCount},
		{"empty URL", url(0, ""), ErrLength},
		{"URL too long", url(257, strings.Repeat("h", 257)), ErrLength},
		{"URL cut", url(5, "ws:/"), ErrShort},
		{"URL with a space", url(4, "ws :"), ErrText},
		{"URL with a line break", url(4, "ws:\n"), ErrText},
		{"URL beyond ASCII", url(5, "ws:\u00e9"), ErrText},
	})
}

func TestAttachment(t *testing.T) {
	attachs.fixed(t, "no homes", Attachment{Leaf: testID(1)})
	attachs.fixed(t, "four homes", Attachment{Leaf: testID(1), Homes: []ID{testID(2), testID(3), testID(4), testID(5)}})
	attachs.refuse(t, []refusal{
		{"five homes", append(pattern(0, 20), append([]byte{5}, pattern(0, 100)...)...), ErrCount},
		{"no count", pattern(0, 20), ErrShort},
	})
}

func TestTopic(t *testing.T) {
	b := topics.roundTrip(t, "no payload", Topic{ID: testID(1), Payload: []byte{}})
	topics.refuseCuts(t, "no payload", b)
	topics.roundTrip(t, "longest", Topic{ID: testID(1), Payload: pattern(0, MaxTopicPayload)})
	topics.refuse(t, []refusal{{"payload too long", pattern(0, 20+MaxTopicPayload+1), ErrTooLong}})
}
