package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// fuzzFixed checks a parser of a body with one spelling: what parses is
// appended identically, and holds no more memory than a few times its bytes.
func fuzzFixed[T any](f *testing.F, c codec[T], seeds ...T) {
	addSeeds(f, c, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := c.parse(b)
		if err != nil {
			return
		}
		checkFootprint(t, b, v)
		if got := c.append(nil, &v); !bytes.Equal(got, b) {
			t.Errorf("got %x, want %x", got, b)
		}
	})
}

// fuzzTagged checks a parser of tagged fields, or of a body that may go on: what
// parses is appended as something that parses to the same.
func fuzzTagged[T any](f *testing.F, c codec[T], seeds ...T) {
	addSeeds(f, c, seeds)
	f.Add(join(field(1, []byte{1}), field(2, pattern(1, 8)), field(99, []byte("unknown"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := c.parse(b)
		if err != nil {
			return
		}
		checkFootprint(t, b, v)
		again := c.append(nil, &v)
		if len(again) > len(b) {
			t.Errorf("got %d bytes from %d, want no more", len(again), len(b))
		}
		got, err := c.parse(again)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("got %+v, %v, want %+v", got, err, v)
		}
	})
}

func addSeeds[T any](f *testing.F, c codec[T], seeds []T) {
	f.Helper()
	f.Add([]byte(nil))
	for i := range seeds {
		b := c.append(nil, &seeds[i])
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(bytes.Clone(b), 0))
	}
}

func checkFootprint(t *testing.T, b []byte, v any) {
	t.Helper()
	if got, most := footprint(reflect.ValueOf(v)), 2*len(b)+1024; got > most {
		t.Errorf("%d bytes parsed into %d, want at most %d", len(b), got, most)
	}
}

// footprint sums the memory behind v, as if nothing aliased the input.
func footprint(v reflect.Value) int {
	n := 0
	switch v.Kind() {
	case reflect.String:
		n = v.Len()
	case reflect.Slice:
		n = v.Cap() * int(v.Type().Elem().Size())
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				n += footprint(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += footprint(v.Field(i))
		}
	}
	return n
}

func FuzzFrame(f *testing.F) { fuzzFixed(f, frames, dataFrame(43), dataFrame(300), fullFrame()) }

func FuzzBatch(f *testing.F) { fuzzFixed(f, batches, [][]byte{{1}, pattern(0, 300), {0x80}}) }

func FuzzPing(f *testing.F) { fuzzFixed(f, pings, [8]byte{1}) }

func FuzzPong(f *testing.F) { fuzzFixed(f, pongs, [8]byte{1}) }

func FuzzLinkAck(f *testing.F) { fuzzFixed(f, acks, Taken{1, 2}) }

func FuzzBye(f *testing.F) {
	fuzzFixed(f, byes, Bye{}, Bye{3, "text \uFFFD", [][]byte{testContact(1), testContact(2)}})
}

func FuzzLinkRecord(f *testing.F) { fuzzFixed(f, copies, RecordCopy{3, testContact(1)}) }

func FuzzHeld(f *testing.F) { fuzzFixed(f, helds, Held{7, 0}, Held{8, 17}) }

func FuzzPiece(f *testing.F) {
	fuzzFixed(f, pieces, Piece{1, true, pattern(0, 7)}, Piece{63, false, pattern(0, MinPiece)})
}

func FuzzPeers(f *testing.F) { fuzzFixed(f, peers, Peers{}, Peers{manyPeers(3)}) }

func FuzzFindNode(f *testing.F) { fuzzFixed(f, findNodes, FindNode{testKey(1), 20}) }

func FuzzNodes(f *testing.F) { fuzzFixed(f, nodes, Nodes{}, Nodes{[][]byte{testContact(1)}}) }

func FuzzHello(f *testing.F) { fuzzTagged(f, hellos, fullHello()) }

func FuzzHandshakePayload(f *testing.F) { fuzzTagged(f, payloads, fullPayload()) }

func FuzzHandshakeBody(f *testing.F) {
	fuzzFixed(f, handshakes,
		HandshakeBody{Kind: HandshakeFirst, Noise: make([]byte, minFirstBody-HandshakeHeaderLen)}, HandshakeBody{Kind: HandshakeSecond, Noise: pattern(0, 96)},
		HandshakeBody{Kind: HandshakeThird, Noise: pattern(0, 64)}, HandshakeBody{Kind: HandshakeCookie, Cookie: testNonce(1)})
}

func FuzzDataBody(f *testing.F) { fuzzFixed(f, datas, DataBody{1, 2, pattern(0, 30)}) }

func FuzzCert(f *testing.F) { fuzzFixed(f, certs, Cert{Version: Version}) }

func FuzzRecord(f *testing.F) {
	fuzzFixed(f, records, Record{Version: Version, Kind: RecordTopic, Body: pattern(0, 30)})
}

func FuzzContact(f *testing.F) {
	fuzzFixed(f, contacts, Contact{Role: RoleLeaf}, Contact{RoleRelay, true, 3478, []string{"ws://a", "wss://b/c"}})
}

func FuzzAttachment(f *testing.F) { fuzzFixed(f, attachs, Attachment{testID(1), []ID{testID(2)}}) }

func FuzzTopic(f *testing.F) { fuzzFixed(f, topics, Topic{testID(1), []byte("payload")}) }

func FuzzPlainHeader(f *testing.F) {
	fuzzFixed(f, plains, plain{PlainHeader{PlainDatagram, 1, 2}, []byte("data")})
}

// A bundle is walked, never gathered: the list that the codec of the tests makes
// weighs more than the bundle, so its memory says nothing and is not checked.
func FuzzBundle(f *testing.F) {
	addSeeds(f, bundles, [][][]byte{{{}, {}}, {[]byte("a"), pattern(0, 300), {}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := bundles.parse(b)
		if err != nil {
			return
		}
		if got := bundles.append(nil, &list); !bytes.Equal(got, b) {
			t.Errorf("got %x, want %x", got, b)
		}
	})
}

func FuzzMessageBody(f *testing.F) { fuzzFixed(f, messages, MessageBody{2, 1, []byte("data")}) }

func FuzzResponseBody(f *testing.F) { fuzzFixed(f, responses, ResponseBody{2, 1, 9, []byte("data")}) }

func FuzzAckBody(f *testing.F) {
	fuzzFixed(f, ackBodies, AckBody{Newest: NoCounter}, ackOf([]AckRange{{1, 2}, {9, 1}}))
}

func FuzzRefusalBody(f *testing.F) { fuzzFixed(f, refusals, RefusalBody{1, 2}) }

func FuzzHomesBody(f *testing.F) { fuzzFixed(f, homes, HomesBody{2, 1, []ID{testID(1), testID(2)}}) }

func FuzzNearestBody(f *testing.F) {
	fuzzFixed(f, nearests, NearestBody{Op: OpFindNode, Rest: make([]byte, 9)}, NearestBody{Op: OpStore, Rest: testContact(1)})
}

func FuzzProbeBody(f *testing.F) { fuzzFixed(f, probes, ProbeBody{testNonce(1), make([]byte, 9)}) }

func FuzzAnswerBody(f *testing.F) {
	fuzzFixed(f, answers,
		AnswerBody{Kind: AnswerNodes, Records: [][]byte{testContact(1)}},
		AnswerBody{Kind: AnswerProbe, Probe: ProbeReport{testID(1), LinkKindWS, 5, 6}},
		AnswerBody{Kind: AnswerRecord, Record: testAttachment(1, testID(2))})
}

func FuzzHint(f *testing.F) { fuzzFixed(f, hints, Hint{Reason: 1, Type: TypeProbe}) }

func FuzzConnectAsk(f *testing.F) {
	fuzzTagged(f, asks, ConnectAsk{Kind: ConnectLinkBack}, fullAsk())
}

func FuzzConnectReply(f *testing.F) {
	fuzzTagged(f, replies, ConnectReply{Kind: ConnectNoWay, Reason: 3}, fullReply())
}

func FuzzCandidates(f *testing.F) { fuzzTagged(f, candidates, fullCandidates()) }

func FuzzConnectOver(f *testing.F) { fuzzTagged(f, overs, ConnectOver{testNonce(1)}) }
