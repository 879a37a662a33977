package wire

import (
	"bytes"
	"crypto/ed25519"
	"reflect"
	"testing"
)

// pattern returns n bytes that count up from first.
func pattern(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func testID(first byte) ID          { return ID(pattern(first, 20)) }
func testKey(first byte) Key        { return Key(pattern(first, 32)) }
func testNonce(first byte) [16]byte { return [16]byte(pattern(first, 16)) }

// testTime is when the records and certificates of the vectors were made, in
// Unix seconds.
const testTime = 1_750_000_000

func testSigner(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
}

// testRecord returns a record that verifies at testTime.
func testRecord(seed byte, kind RecordKind, ttl uint16, body []byte) []byte {
	key := testSigner(seed)
	r := Record{Version: Version, Kind: kind, Sequence: testTime * 1000, TTL: ttl, Body: body}
	copy(r.Public[:], key[32:])
	label := map[RecordKind]string{
		RecordContact: "peermesh-contact-v1", RecordAttachment: "peermesh-attachment-v1", RecordTopic: "peermesh-topic-record-v1",
	}[kind]
	r.Sig = [64]byte(ed25519.Sign(key, r.SignedPart(label)))
	return AppendRecord(nil, &r)
}

func testContact(seed byte) []byte {
	return testRecord(seed, RecordContact, 3600, AppendContact(nil, &Contact{
		Role: RoleRelay, STUN: 3478, URLs: []string{"ws://192.0.2.1:8080"},
	}))
}

func testAttachment(seed byte, leaf ID, homes ...ID) []byte {
	return testRecord(seed, RecordAttachment, 120, AppendAttachment(nil, &Attachment{Leaf: leaf, Homes: homes}))
}

// testCert returns a certificate of the static key that counts up from 0x60,
// valid at testTime.
func testCert(seed byte) []byte {
	key := testSigner(seed)
	c := Cert{Version: Version, NotAfter: testTime + 86_400}
	copy(c.Public[:], key[32:])
	c.Sig = [64]byte(ed25519.Sign(key, c.SignedPart("peermesh-noise-v1", [32]byte(pattern(0x60, 32)))))
	return AppendCert(nil, &c)
}

// codec is a pair of functions, as tables of tests need it.
type codec[T any] struct {
	append func(dst []byte, v *T) []byte
	parse  func(b []byte) (T, error)
}

// roundTrip checks that v survives, that dst is kept, and that append has no
// second spelling. It returns the bytes.
func (c codec[T]) roundTrip(t testing.TB, name string, v T) []byte {
	t.Helper()
	b := c.append([]byte("dst"), &v)
	if !bytes.HasPrefix(b, []byte("dst")) {
		t.Errorf("%s: append overwrote what was in front", name)
	}
	b = b[3:]
	got, err := c.parse(b)
	if err != nil {
		t.Errorf("%s: got error %v for %x, want none", name, err, b)
		return b
	}
	if !reflect.DeepEqual(got, v) {
		t.Errorf("%s: got %+v, want %+v", name, got, v)
	}
	return b
}

// refuseCuts checks that no beginning of b parses.
func (c codec[T]) refuseCuts(t testing.TB, name string, b []byte) {
	t.Helper()
	for n := range b {
		if _, err := c.parse(b[:n]); err == nil {
			t.Errorf("%s: the first %d of %d bytes: got no error, want one", name, n, len(b))
		}
	}
}

// refuseMore checks that b with a byte behind it does not parse.
func (c codec[T]) refuseMore(t testing.TB, name string, b []byte) {
	t.Helper()
	if _, err := c.parse(append(bytes.Clone(b), 0)); err == nil {
		t.Errorf("%s: a byte behind the end: got no error, want one", name)
	}
}

// fixed runs all three.
func (c codec[T]) fixed(t testing.TB, name string, v T) {
	t.Helper()
	b := c.roundTrip(t, name, v)
	c.refuseCuts(t, name, b)
	c.refuseMore(t, name, b)
}

// refusal is a row of a table of bytes that must not parse.
type refusal struct {
	name string
	b    []byte
	want *Error
}

func (c codec[T]) refuse(t *testing.T, rows []refusal) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := c.parse(row.b)
			if err != row.want {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if zero := *new(T); !reflect.DeepEqual(got, zero) {
				t.Errorf("got %+v beside the error, want the zero value", got)
			}
		})
	}
}

// join concatenates.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// with returns a copy of b whose byte at i is v.
func with(b []byte, i int, v byte) []byte {
	b = bytes.Clone(b)
	b[i] = v
	return b
}

var (
	frames     = codec[Frame]{AppendFrame, ParseFrame}
	byes       = codec[Bye]{AppendBye, ParseBye}
	copies     = codec[RecordCopy]{AppendLinkRecord, ParseLinkRecord}
	peers      = codec[Peers]{AppendPeers, ParsePeers}
	findNodes  = codec[FindNode]{AppendFindNode, ParseFindNode}
	nodes      = codec[Nodes]{AppendNodes, ParseNodes}
	hellos     = codec[Hello]{AppendHello, ParseHello}
	handshakes = codec[HandshakeBody]{AppendHandshakeBody, ParseHandshakeBody}
	payloads   = codec[HandshakePayload]{AppendHandshakePayload, ParseHandshakePayload}
	datas      = codec[DataBody]{AppendDataBody, ParseDataBody}
	certs      = codec[Cert]{AppendCert, ParseCert}
	records    = codec[Record]{AppendRecord, ParseRecord}
	contacts   = codec[Contact]{AppendContact, ParseContact}
	attachs    = codec[Attachment]{AppendAttachment, ParseAttachment}
	topics     = codec[Topic]{AppendTopic, ParseTopic}
	messages   = codec[MessageBody]{AppendMessageBody, ParseMessageBody}
	responses  = codec[ResponseBody]{AppendResponseBody, ParseResponseBody}
	refusals   = codec[RefusalBody]{AppendRefusalBody, ParseRefusalBody}
	homes      = codec[HomesBody]{AppendHomesBody, ParseHomesBody}
	nearests   = codec[NearestBody]{AppendNearestBody, ParseNearestBody}
	probes     = codec[ProbeBody]{AppendProbeBody, ParseProbeBody}
	answers    = codec[AnswerBody]{AppendAnswerBody, ParseAnswerBody}
	hints      = codec[Hint]{AppendHint, ParseHint}
	asks       = codec[ConnectAsk]{AppendConnectAsk, ParseConnectAsk}
	replies    = codec[ConnectReply]{AppendConnectReply, ParseConnectReply}
	pieces     = codec[Piece]{AppendPiece, ParsePiece}
	candidates = codec[Candidates]{AppendCandidates, ParseCandidates}
	overs      = codec[ConnectOver]{AppendConnectOver, ParseConnectOver}

	pings = codec[[8]byte]{func(dst []byte, v *[8]byte) []byte { return AppendPing(dst, *v) }, ParsePing}
	pongs = codec[[8]byte]{func(dst []byte, v *[8]byte) []byte { return AppendPong(dst, *v) }, ParsePong}
	acks  = codec[Taken]{func(dst []byte, v *Taken) []byte { return AppendLinkAck(dst, *v) }, ParseLinkAck}
	helds = codec[Held]{func(dst []byte, v *Held) []byte { return AppendHeld(dst, *v) }, ParseHeld}

	plains = codec[plain]{
		func(dst []byte, v *plain) []byte { return append(AppendPlainHeader(dst, v.PlainHeader), v.body...) },
		func(b []byte) (plain, error) {
			h, body, err := ParsePlainHeader(b)
			return plain{h, body}, err
		},
	}
	ackBodies = codec[AckBody]{AppendAckBody, func(b []byte) (AckBody, error) { return ParseAckBody(nil, b) }}
	batches   = codec[[][]byte]{
		func(dst []byte, v *[][]byte) []byte {
			for _, f := range *v {
				dst = AppendToBatch(dst, f)
			}
			return dst
		},
		func(b []byte) (v [][]byte, err error) {
			for more := true; more; more = len(b) > 0 {
				var f []byte
				if f, b, err = NextInBatch(b); err != nil {
					return nil, err
				}
				v = append(v, f)
			}
			return v, nil
		},
	}
	bundles = codec[[][]byte]{
		func(dst []byte, v *[][]byte) []byte {
			for _, data := range *v {
				dst = AppendToBundle(dst, data)
			}
			return dst
		},
		func(b []byte) (v [][]byte, err error) {
			if err := CheckBundle(b); err != nil {
				return nil, err
			}
			for len(b) > 0 {
				var data []byte
				data, b = NextInBundle(b)
				v = append(v, data)
			}
			return v, nil
		},
	}
)

// plain is a plaintext cut behind its header.
type plain struct {
	PlainHeader
	body []byte
}

// ackOf is an ack of these ranges.
func ackOf(ranges []AckRange) AckBody {
	return AckBody{Newest: 1 << 24, Delay: 31, Marked: 2, Ranges: ranges}
}

func appendAck(ranges []AckRange) []byte {
	v := ackOf(ranges)
	return AppendAckBody(nil, &v)
}
