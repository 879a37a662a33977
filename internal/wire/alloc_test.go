package wire

import "testing"

// sink keeps the compiler from dropping what the tests below compute.
var sink struct {
	frame Frame
	bytes []byte
	id    ID
	n     uint64
	ack   AckBody
}

// TestDataPathDoesNotAllocate covers all that happens for each frame of data.
func TestDataPathDoesNotAllocate(t *testing.T) {
	full := fullFrame()
	frame := AppendFrame(nil, &full)
	data := DataBody{Receiver: 1, Counter: 2, Sealed: pattern(0, 100)}
	dataBody := AppendDataBody(nil, &data)
	message := AppendMessageBody(AppendPlainHeader(nil, PlainHeader{PlainMessage, 1, 2}), &MessageBody{ID: 1, Lowest: 1, Data: pattern(0, 50)})
	response := AppendResponseBody(nil, &ResponseBody{ID: 1, Lowest: 1, Request: 4, Data: pattern(0, 50)})
	ack := appendAck([]AckRange{{1, 2}, {5, 9}})
	refused := AppendRefusalBody(nil, &RefusalBody{1, 2})
	batch := AppendToBatch(AppendToBatch(nil, frame), frame)
	bundle := AppendToBundle(AppendToBundle(nil, pattern(0, 50)), pattern(0, 60))
	hint := AppendHint(nil, &Hint{Reason: 1, Type: TypeData})
	first := AppendHandshakeBody(nil, &HandshakeBody{Kind: HandshakeFirst, Noise: make([]byte, 200)})
	ping, linkAck := AppendPing(nil, [8]byte{1}), AppendLinkAck(nil, Taken{9, 9})
	buf := make([]byte, 0, 4096)
	ranges := make([]AckRange, 0, MaxAckRanges)
	bad := with(frame, 1, 0xff)

	tests := []struct {
		name string
		run  func()
	}{
		{"ParseFrame", func() { sink.frame, _ = ParseFrame(frame) }},
		{"ParseFrame refuses", func() { sink.frame, _ = ParseFrame(bad) }},
		{"AppendFrame", func() { sink.bytes = AppendFrame(buf, &full) }},
		{"AppendHeader", func() { sink.bytes = AppendHeader(buf, TypeData, ClassBulk, 64, &full.Dst, &full.Src) }},
		{"accessors", func() {
			sink.id, sink.n = *FrameDst(frame), uint64(FrameType(frame))+uint64(FrameFlags(frame))+uint64(FrameHopLimit(frame))
			sink.id, sink.bytes = *FrameSrc(frame), FrameBody(frame)
		}},
		{"AppendAD", func() { sink.bytes = AppendAD(buf, TypeData, ClassBulk, &full.Dst, &full.Src) }},
		{"NextInBatch", func() {
			for rest := batch; len(rest) > 0; {
				sink.bytes, rest, _ = NextInBatch(rest)
			}
		}},
		{"bundle", func() {
			if CheckBundle(bundle) == nil {
				sink.bytes, _ = NextInBundle(bundle)
			}
		}},
		{"AppendToBundle", func() { sink.bytes = AppendToBundle(buf, bundle) }},
		{"AppendToBatch", func() { sink.bytes = AppendToBatch(buf, frame) }},
		{"ParseDataBody", func() { d, _ := ParseDataBody(dataBody); sink.bytes = d.Sealed }},
		{"AppendDataBody", func() { sink.bytes = AppendDataBody(buf, &data) }},
		{"message", func() {
			_, body, _ := ParsePlainHeader(message)
			m, _ := ParseMessageBody(body)
			sink.bytes = m.Data
		}},
		{"append message", func() {
			m := MessageBody{ID: 1, Lowest: 1, Data: data.Sealed}
			sink.bytes = AppendMessageBody(AppendPlainHeader(buf, PlainHeader{PlainMessage, 1, 2}), &m)
		}},
		{"response", func() { m, _ := ParseResponseBody(response); sink.bytes = m.Data }},
		{"ack", func() { sink.ack, _ = ParseAckBody(ranges, ack) }},
		{"append ack", func() { sink.bytes = AppendAckBody(buf, &AckBody{Ranges: []AckRange{{1, 2}}}) }},
		{"refusal", func() { v, _ := ParseRefusalBody(refused); sink.n = v.ID }},
		{"hint", func() { v, _ := ParseHint(hint); sink.id = v.Dst }},
		{"handshake", func() { v, _ := ParseHandshakeBody(first); sink.bytes = v.Noise }},
		{"ping", func() { v, _ := ParsePing(ping); sink.n = uint64(v[0]) }},
		{"link ack", func() { t, _ := ParseLinkAck(linkAck); sink.n = t.Bytes }},
		{"append ping", func() { sink.bytes = AppendLinkAck(AppendPing(buf, [8]byte{1}), Taken{9, 9}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, test.run); got != 0 {
				t.Errorf("got %v allocations, want 0", got)
			}
		})
	}
}

func BenchmarkParseFrame(b *testing.B) {
	full := fullFrame()
	frame := AppendFrame(nil, &full)
	b.ReportAllocs()
	for b.Loop() {
		sink.frame, _ = ParseFrame(frame)
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	full := fullFrame()
	buf := make([]byte, 0, full.Len())
	b.ReportAllocs()
	for b.Loop() {
		sink.bytes = AppendFrame(buf, &full)
	}
}
