package wire

import (
	"encoding/hex"
	"flag"
	"fmt"
	"testing"

	"github.com/peermesh/peermesh/internal/wire/vectors"
)

var update = flag.Bool("update", false, "rewrite this package's sections of testdata/vectors.json")

// vector is one example: the bytes and what they mean.
type vector struct {
	Name   string `json:"name"`
	Parser string `json:"parser"`
	Bytes  string `json:"bytes"`
	Fields any    `json:"fields"`
}

// example checks that v survives a round trip and returns it as a vector. A
// struct of one array or number has its fields told by describe.
func example[T any](t *testing.T, c codec[T], parser, name string, v T, fields ...any) vector {
	t.Helper()
	b := c.roundTrip(t, parser+": "+name, v)
	described := vectors.Describe(v)
	if len(fields) == 1 {
		described = fields[0]
	}
	return vector{Name: name, Parser: parser, Bytes: hex.EncodeToString(b), Fields: described}
}

func TestVectors(t *testing.T) {
	sections := map[string]any{
		"about":      vectorsAbout(),
		"frames":     vectorsFrames(t),
		"batches":    vectorsBatches(t),
		"link":       vectorsLink(t),
		"hello":      vectorsHello(t),
		"handshakes": vectorsHandshakes(t),
		"data":       vectorsData(t),
		"plain":      vectorsPlain(t),
		"nearest":    vectorsNearest(t),
		"answers":    vectorsAnswers(t),
		"hints":      vectorsHints(t),
		"connect":    vectorsConnect(t),
		"invalid":    vectorsInvalid(t),
		"tolerant":   vectorsTolerant(t),
		"limits":     vectorsLimits(),
	}
	for name, got := range sections {
		t.Run(name, func(t *testing.T) { vectors.Section(t, name, *update, got) })
	}
}

// vectorsAbout tells a reader of the file how to use it.
func vectorsAbout() any {
	return map[string]string{
		"bytes":    "lower-case hex",
		"numbers":  "64-bit numbers are decimal strings, all others are JSON numbers",
		"absent":   "null is an absent option or an empty list, an empty string is one that is there and has no bytes",
		"parser":   "names what the bytes are: the same names in all sections; plain is a plaintext header and the body of its kind",
		"valid":    "bytes beside fields parse to them, and the fields are appended as those bytes",
		"options":  "detour and waypoints of a frame are their entries one behind the other, without the count",
		"tolerant": "bytes that parse although they are not what an implementation appends, which is canonical",
		"invalid":  "bytes that the parser must refuse; error is the text of the Go implementation, for information",
		"signed":   "certificates and records inside of frames and bodies verify at 1750000000 Unix seconds; certificates are of the static key 6061..7f",
		"now":      "Unix milliseconds at which a certificate, record or proof is looked at",
	}
}

func vectorsLimits() any {
	return map[string]int{
		"headerLen": HeaderLen, "maxFrame": MaxFrame, "maxMessage": MaxMessage, "maxHopLimit": MaxHopLimit,
		"maxDetour": MaxDetour, "aimLen": AimLen, "maxDetourLarge": MaxDetourLarge, "largeFrame": LargeFrame, "maxWaypoints": MaxWaypoints,
		"maxByeText": MaxByeText, "maxByeContacts": MaxByeContacts, "maxPeers": MaxPeers, "maxNodes": MaxNodes,
		"maxAgent": MaxAgent, "maxNetwork": MaxNetwork, "certLen": CertLen, "proofLen": ProofLen,
		"recordOverhead": RecordOverhead, "maxRecordBody": MaxRecordBody, "maxRecordLen": MaxRecordLen,
		"maxContactURLs": MaxContactURLs, "maxContactURLBytes": MaxContactURLBytes, "maxHomes": MaxHomes,
		"maxTopicPayload": MaxTopicPayload, "firstFrameLen": FirstFrameLen, "secondFrameMax": SecondFrameMax,
		"maxAckRanges": MaxAckRanges, "messageWindow": MessageWindow, "maxBundle": MaxBundle,
		"minPiece": MinPiece, "pieceSlots": PieceSlots,
		"maxSDP": MaxSDP, "maxCandidates": MaxCandidates, "maxCandidateBytes": MaxCandidateBytes,
	}
}

// frameFields adds to a frame what the parser makes of it.
func frameFields(f Frame) any {
	fields := vectors.Describe(f).(map[string]any)
	fields["flags"] = uint64(f.Flags())
	fields["ad"] = hex.EncodeToString(AppendAD(nil, f.Type, f.Class, &f.Dst, &f.Src))
	return fields
}

func vectorsFrames(t *testing.T) []vector {
	add := func(list []vector, name string, f Frame) []vector {
		return append(list, example(t, frames, "frame", name, f, frameFields(f)))
	}
	var list []vector
	for typ := TypeData; typ <= TypeHint; typ++ {
		list = add(list, typ.String()+" without options", typedFrame(typ))
		list = add(list, typ.String()+" with every option", withOptions(typedFrame(typ)))
	}
	for _, o := range singleOptions() {
		f := typedFrame(TypeData)
		o.edit(&f)
		list = add(list, o.name, f)
	}
	return list
}

// typedFrame is a frame with a body that fits its type.
func typedFrame(typ Type) Frame {
	f := Frame{Type: typ, Class: ClassControl, HopLimit: 64, Dst: testID(0x10), Src: testID(0x30)}
	switch typ {
	case TypeData:
		f.Class, f.Body = ClassBulk, AppendDataBody(nil, &DataBody{Receiver: 7, Counter: 9, Sealed: pattern(0, 24)})
	case TypeHandshake:
		f.Body = AppendHandshakeBody(nil, &HandshakeBody{Kind: HandshakeFirst, Sender: 7, Noise: pattern(0, minFirstBody-HandshakeHeaderLen)})
	case TypeNearest:
		f.Dst = ID{}
		f.Body = AppendNearestBody(nil, &NearestBody{Nonce: testNonce(1), Target: testKey(2), Op: OpFindNode, Rest: make([]byte, 8)})
	case TypeProbe:
		f.HopLimit, f.Body = 3, AppendProbeBody(nil, &ProbeBody{Nonce: testNonce(1), Padding: make([]byte, AnswerProbeLen-NonceLen)})
	case TypeAnswer:
		f.Body = AppendAnswerBody(nil, &AnswerBody{Nonce: testNonce(1), Kind: AnswerProbe, Probe: ProbeReport{testID(1), LinkKindWS, 512, 3}})
	case TypeHint:
		f.Body = AppendHint(nil, &Hint{Reason: 3, Type: TypeData, Dst: testID(0x50), Echo: testNonce(4)})
	}
	return f
}

func withOptions(f Frame) Frame {
	f.Found, f.Detour, f.Waypoints, f.Return = true, pattern(1, 8), pattern(0x80, 40), pattern(0xd0, 20)
	f.Aim = pattern(0xa0, 8)
	return f
}

type frameEdit struct {
	name string
	edit func(f *Frame)
}

func singleOptions() []frameEdit {
	return []frameEdit{
		{"class control", func(f *Frame) { f.Class = ClassControl }},
		{"class ack", func(f *Frame) { f.Class = ClassAck }},
		{"class interactive", func(f *Frame) { f.Class = ClassInteractive }},
		{"hop limit 0", func(f *Frame) { f.HopLimit = 0 }},
		{"empty detour", func(f *Frame) { f.Detour = []byte{} }},
		{"detour of one", func(f *Frame) { f.Detour = pattern(1, 4) }},
		{"longest detour", func(f *Frame) { f.Detour = pattern(0, MaxDetour*PrefixLen) }},
		{"one waypoint", func(f *Frame) { f.Waypoints = pattern(0x80, 20) }},
		{"three waypoints", func(f *Frame) { f.Waypoints = pattern(0x80, 60) }},
		{"return", func(f *Frame) { f.Return = pattern(0xd0, 20) }},
		{"found", func(f *Frame) { f.Found = true }},
		{"marked", func(f *Frame) { f.Class, f.Marked = ClassInteractive, true }},
		{"aim", func(f *Frame) { f.Aim = pattern(0xa0, 8) }},
		{"no body", func(f *Frame) { f.Body = []byte{} }},
	}
}

func vectorsBatches(t *testing.T) []vector {
	frame := AppendFrame(nil, ptr(typedFrame(TypeData)))
	ping := AppendPing(nil, [8]byte(pattern(1, 8)))
	return []vector{
		example(t, batches, "batch", "one mesh frame", [][]byte{frame}),
		example(t, batches, "batch", "link frame and two mesh frames", [][]byte{ping, frame, frame}),
		example(t, batches, "batch", "frame of one byte", [][]byte{{0xff}}),
	}
}

func ptr[T any](v T) *T { return &v }

func vectorsLink(t *testing.T) []vector {
	nonce := [8]byte(pattern(1, 8))
	nonceFields := map[string]any{"nonce": hex.EncodeToString(nonce[:])}
	return []vector{
		example(t, pings, "ping", "ping", nonce, nonceFields),
		example(t, pongs, "pong", "pong", nonce, nonceFields),
		example(t, acks, "linkAck", "ack", Taken{1<<53 + 1, 1<<53 + 3}, map[string]any{"count": "9007199254740993", "bytes": "9007199254740995"}),
		example(t, byes, "bye", "bare bye", Bye{Reason: 37}),
		example(t, byes, "bye", "bye with text and contacts", Bye{38, "so long, à bientôt", [][]byte{testContact(1), testContact(2)}}),
		example(t, copies, "linkRecord", "copy of a record", RecordCopy{77, testContact(1)}),
		example(t, peers, "peers", "no peers", Peers{}),
		example(t, peers, "peers", "relay and leaf", Peers{[]PeerEntry{{testID(1), RoleRelay}, {testID(2), RoleLeaf}}}),
		example(t, findNodes, "findNode", "find node", FindNode{testKey(5), 20}),
		example(t, nodes, "nodes", "no nodes", Nodes{}),
		example(t, nodes, "nodes", "two nodes", Nodes{[][]byte{testContact(1), testContact(2)}}),
		example(t, helds, "held", "held", Held{1<<53 + 3, 0}),
		example(t, helds, "held", "refused", Held{1<<53 + 3, 17}),
		example(t, pieces, "piece", "piece", Piece{63, false, pattern(0, MinPiece)}),
		example(t, pieces, "piece", "last piece", Piece{7, true, []byte{42}}),
	}
}

func vectorsHello(t *testing.T) []vector {
	return []vector{
		example(t, hellos, "hello", "least", Hello{Version: ProtocolVersion, Instance: Instance(pattern(1, 8))}),
		example(t, hellos, "hello", "full", fullHello()),
		example(t, hellos, "hello", "with a proof", Hello{Version: ProtocolVersion, Instance: Instance(pattern(1, 8)), Proof: pattern(0, ProofLen)}),
	}
}

func vectorsHandshakes(t *testing.T) []vector {
	body := func(kind uint8, n int) HandshakeBody {
		return HandshakeBody{Kind: kind, Sender: 0x01020304, Receiver: 0xf1f2f3f4, Cookie: testNonce(7), Noise: pattern(0, n)}
	}
	return []vector{
		example(t, handshakes, "handshake", "first", HandshakeBody{Kind: HandshakeFirst, Sender: 7, Noise: make([]byte, minFirstBody-HandshakeHeaderLen)}),
		example(t, handshakes, "handshake", "first with a cookie", body(HandshakeFirst, minFirstBody-HandshakeHeaderLen)),
		example(t, handshakes, "handshake", "second", body(HandshakeSecond, 96)),
		example(t, handshakes, "handshake", "third", body(HandshakeThird, 64)),
		example(t, handshakes, "handshake", "cookie", body(HandshakeCookie, 0)),
		example(t, payloads, "handshakePayload", "least", HandshakePayload{Instance: Instance(pattern(1, 8))}),
		example(t, payloads, "handshakePayload", "full", fullPayload()),
	}
}

func vectorsData(t *testing.T) []vector {
	return []vector{
		example(t, datas, "data", "least", DataBody{1, 2, pattern(0, TagLen)}),
		example(t, datas, "data", "highest numbers", DataBody{1<<32 - 1, 1<<64 - 1, pattern(0, 40)}),
	}
}

func vectorsPlain(t *testing.T) []vector {
	var list []vector
	add := func(kind uint8, name string, v vector) {
		h := PlainHeader{kind, 0x1234, 0xff00}
		body, err := hex.DecodeString(v.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		v.Bytes = hex.EncodeToString(append(AppendPlainHeader(nil, h), body...))
		v.Name, v.Parser, v.Fields = name, "plain", map[string]any{"header": vectors.Describe(h), "body": v.Fields}
		list = append(list, v)
	}
	add(PlainDatagram, "datagram", vector{Bytes: "68690a", Fields: map[string]any{"data": "68690a"}})
	add(PlainDatagram, "empty datagram", vector{Fields: map[string]any{"data": ""}})
	add(PlainMessage, "message", example(t, messages, "message", "", MessageBody{5, 3, []byte("hello")}))
	add(PlainMessage, "highest id of a window", example(t, messages, "message", "", MessageBody{MessageWindow, 1, []byte{}}))
	add(PlainRequest, "request", example(t, messages, "message", "", MessageBody{6, 3, []byte("what?")}))
	add(PlainResponse, "response", example(t, responses, "response", "", ResponseBody{9, 9, 6, []byte("that")}))
	add(PlainAck, "empty ack", example(t, ackBodies, "ack", "", AckBody{Newest: NoCounter}))
	add(PlainAck, "ack", example(t, ackBodies, "ack", "", ackOf([]AckRange{{3, 2}, {1<<64 - 1, 1}})))
	add(PlainRefusal, "refusal", example(t, refusals, "refusal", "", RefusalBody{5, 14}))
	add(PlainHomes, "no homes", example(t, homes, "homes", "", HomesBody{7, 7, nil}))
	add(PlainHomes, "homes", example(t, homes, "homes", "", HomesBody{8, 7, []ID{testID(1), testID(2)}}))
	add(PlainBundle, "bundle", example(t, bundles, "bundle", "", [][]byte{[]byte("hi"), {}, []byte("there")}))
	return list
}

func vectorsNearest(t *testing.T) []vector {
	find := NearestBody{testNonce(1), testKey(2), OpFindNode, make([]byte, 16)}
	store := NearestBody{testNonce(1), testKey(2), OpStore, testContact(1)}
	return []vector{
		example(t, nearests, "nearest", "find node", find),
		example(t, nearests, "nearest", "store", store),
		example(t, probes, "probe", "probe", ProbeBody{testNonce(1), make([]byte, AnswerProbeLen-NonceLen)}),
	}
}

func vectorsAnswers(t *testing.T) []vector {
	answer := func(name string, v AnswerBody) vector {
		v.Nonce = testNonce(1)
		return example(t, answers, "answer", name, v)
	}
	return []vector{
		answer("no nodes", AnswerBody{Kind: AnswerNodes}),
		answer("nodes", AnswerBody{Kind: AnswerNodes, Records: [][]byte{testContact(1), testContact(2)}}),
		answer("probe", AnswerBody{Kind: AnswerProbe, Probe: ProbeReport{testID(1), LinkKindWebRTC, 1 << 20, 61}}),
		answer("record", AnswerBody{Kind: AnswerRecord, Record: testAttachment(1, testID(0x40))}),
	}
}

func vectorsHints(t *testing.T) []vector {
	return []vector{
		example(t, hints, "hint", "no route", Hint{3, TypeData, testID(1), testNonce(2)}),
		example(t, hints, "hint", "detached", Hint{4, TypeHandshake, testID(1), testNonce(2)}),
	}
}

func vectorsConnect(t *testing.T) []vector {
	return []vector{
		example(t, asks, "connectAsk", "link, without an offer", ConnectAsk{Kind: ConnectLink, URLs: testURLs}),
		example(t, asks, "connectAsk", "link back, needed", ConnectAsk{Kind: ConnectLinkBack, Need: true, URLs: testURLs[:1]}),
		example(t, asks, "connectAsk", "direct, with an offer", fullAsk()),
		example(t, replies, "connectReply", "dial me", ConnectReply{Kind: ConnectDialMe, URLs: testURLs}),
		example(t, replies, "connectReply", "linked", ConnectReply{Kind: ConnectLinked}),
		example(t, replies, "connectReply", "no way", ConnectReply{Kind: ConnectNoWay, Reason: 34, Session: testNonce(1)}),
		example(t, replies, "connectReply", "answer", ConnectReply{Kind: ConnectAnswer, Session: testNonce(1), SDP: testSDP}),
		example(t, replies, "connectReply", "yield", ConnectReply{Kind: ConnectYield, Session: testNonce(1)}),
		example(t, candidates, "candidates", "two", fullCandidates()),
		example(t, candidates, "candidates", "none", Candidates{Session: testNonce(1)}),
		example(t, overs, "connectOver", "over", ConnectOver{testNonce(1)}),
	}
}

// tolerant is an example of bytes that parse and have a shorter spelling.
type tolerant struct {
	Name      string `json:"name"`
	Parser    string `json:"parser"`
	Bytes     string `json:"bytes"`
	Canonical string `json:"canonical"`
}

func tolerate[T any](t *testing.T, c codec[T], parser, name string, b []byte) tolerant {
	t.Helper()
	v, err := c.parse(b)
	if err != nil {
		t.Errorf("%s: %s: got %v, want no error", parser, name, err)
	}
	canonical := c.append(nil, &v)
	if len(canonical) >= len(b) {
		t.Errorf("%s: %s: got %x appended for %x, want less", parser, name, canonical, b)
	}
	return tolerant{name, parser, hex.EncodeToString(b), hex.EncodeToString(canonical)}
}

func vectorsTolerant(t *testing.T) []tolerant {
	hello, payload := fullHello(), fullPayload()
	least := join(field(1, []byte{ProtocolVersion}), field(4, pattern(1, 8)))
	return []tolerant{
		tolerate(t, hellos, "hello", "unknown tags", join(field(0, []byte("older")), AppendHello(nil, &hello), field(255, nil))),
		tolerate(t, hellos, "hello", "newer version", join(field(1, []byte{9}), field(4, pattern(1, 8)), field(120, []byte("new")))),
		tolerate(t, hellos, "hello", "zero dial and empty agent", join(least, field(6, make([]byte, 4)), field(8, nil))),
		tolerate(t, hellos, "hello", "reserved tag 10", join(least, field(10, pattern(0, 300)))),
		tolerate(t, payloads, "handshakePayload", "tag 6, once of guests", join(field(2, pattern(1, 8)), field(6, pattern(0, 200)))),
		tolerate(t, payloads, "handshakePayload", "reserved capabilities alone", join(field(2, pattern(1, 8)), field(4, []byte{0xff, 0xff, 0xff, 0xfe}))),
		tolerate(t, payloads, "handshakePayload", "unknown tag", append(AppendHandshakePayload(nil, &payload), 9, 0, 1, 0xff)),
		tolerate(t, payloads, "handshakePayload", "zero window and no homes",
			join(field(2, pattern(1, 8)), field(3, make([]byte, 8)), field(5, []byte{0}))),
		tolerate(t, asks, "connectAsk", "of a later version", append(AppendConnectAsk(nil, ptr(fullAsk())), 1, 2, 3)),
		tolerate(t, replies, "connectReply", "of a later version", append(AppendConnectReply(nil, ptr(fullReply())), 1)),
		tolerate(t, candidates, "candidates", "of a later version", append(AppendCandidates(nil, ptr(fullCandidates())), 1)),
		tolerate(t, overs, "connectOver", "of a later version", append(AppendConnectOver(nil, &ConnectOver{testNonce(1)}), 1)),
	}
}

// invalid is an example of bytes that must be refused.
type invalid struct {
	Name   string `json:"name"`
	Parser string `json:"parser"`
	Bytes  string `json:"bytes"`
	Error  string `json:"error"`
}

// reject checks that each row is refused as it says and returns the vectors.
func reject[T any](t *testing.T, c codec[T], parser string, rows []refusal) []invalid {
	t.Helper()
	list := make([]invalid, 0, len(rows))
	for _, row := range rows {
		if _, err := c.parse(row.b); err != row.want {
			t.Errorf("%s: %s: got %v, want %v", parser, row.name, err, row.want)
		}
		list = append(list, invalid{row.name, parser, fmt.Sprintf("%x", row.b), row.want.Error()})
	}
	return list
}
