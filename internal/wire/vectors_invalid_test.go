package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// vectorsInvalid gathers what each parser must refuse.
func vectorsInvalid(t *testing.T) []invalid {
	var all []invalid
	for _, list := range [][]invalid{
		invalidFrames(t), invalidLink(t), invalidTagged(t), invalidBodies(t), invalidSigned(t), invalidPlain(t), invalidConnect(t),
	} {
		all = append(all, list...)
	}
	return all
}

func invalidFrames(t *testing.T) []invalid {
	b := AppendFrame(nil, ptr(typedFrame(TypeData)))
	option := func(flag Flags, option ...byte) []byte { return join(with(b, 1, byte(flag))[:HeaderLen], option) }
	large := dataFrame(LargeFrame - 67)
	large.Detour = pattern(0, 17*PrefixLen)
	return append(reject(t, frames, "frame", []refusal{
		{"empty", nil, ErrShort},
		{"header cut", b[:HeaderLen-1], ErrShort},
		{"type 0", with(b, 0, 0), ErrType},
		{"type 7", with(b, 0, 7), ErrType},
		{"a link frame", with(b, 0, 0x80), ErrType},
		{"marked control", with(b, 1, 0x40), ErrMark},
		{"marked ack", with(b, 1, 0x41), ErrMark},
		{"marked bulk", with(b, 1, 0x43), ErrMark},
		{"marked probe", with(with(b, 1, 0x42), 0, byte(TypeProbe)), ErrMark},
		{"hop limit 65", with(b, 2, 65), ErrHopLimit},
		{"nearest with a destination", with(b, 0, byte(TypeNearest)), ErrDst},
		{"detour without count", option(FlagDetour), ErrShort},
		{"detour cut", option(FlagDetour, 2, 1, 2, 3, 4, 5), ErrShort},
		{"detour of 65", option(FlagDetour, append([]byte{65}, pattern(0, 260)...)...), ErrDetour},
		{"detour of 17 in a frame of 4,097 bytes", append(AppendFrame(nil, &large)[:LargeFrame-2], 1, 2, 3), ErrDetour},
		{"no waypoint", option(FlagWaypoints, append([]byte{0}, pattern(0, 60)...)...), ErrWaypoints},
		{"four waypoints", option(FlagWaypoints, append([]byte{4}, pattern(0, 80)...)...), ErrWaypoints},
		{"waypoint cut", option(FlagWaypoints, append([]byte{1}, pattern(0, 19)...)...), ErrShort},
		{"return cut", option(FlagReturn, pattern(0, 19)...), ErrShort},
		{"aim cut", option(FlagAim, pattern(0, 7)...), ErrShort},
	}), reject(t, batches, "batch", []refusal{
		{"empty", nil, ErrShort},
		{"half a length", []byte{0}, ErrShort},
		{"frame of no bytes", []byte{0, 0}, ErrLength},
		{"frame of 65,001 bytes", []byte{0xfd, 0xe9, 1}, ErrTooLong},
		{"second frame cut", []byte{0, 1, 1, 0, 2, 1}, ErrShort},
	})...)
}

func invalidLink(t *testing.T) []invalid {
	bye := func(text string, rest ...byte) []byte {
		return append(append([]byte{0x83, 1, byte(len(text))}, text...), rest...)
	}
	var all []invalid
	all = append(all, reject(t, pings, "ping", []refusal{
		{"a pong", AppendPong(nil, [8]byte{}), ErrType},
		{"nonce of 7 bytes", AppendPing(nil, [8]byte{})[:8], ErrShort},
		{"nonce of 9 bytes", append(AppendPing(nil, [8]byte{}), 0), ErrTrailing},
	})...)
	all = append(all, reject(t, acks, "linkAck", []refusal{
		{"count of 7 bytes", AppendLinkAck(nil, Taken{1, 1})[:8], ErrShort},
		{"a count alone", AppendLinkAck(nil, Taken{1, 1})[:9], ErrShort},
	})...)
	all = append(all, reject(t, byes, "bye", []refusal{
		{"text of 129 bytes", bye(strings.Repeat("x", 129), 0), ErrCount},
		{"text with a line break", bye("a\nb", 0), ErrText},
		{"text that is not UTF-8", bye("\xff", 0), ErrText},
		{"nine contacts", bye("", manyRecords(9)...), ErrCount},
		{"contact of 107 bytes", bye("", append([]byte{1, 0, 107}, make([]byte, 108)...)...), ErrLength},
		{"no count of contacts", bye(""), ErrShort},
	})...)
	all = append(all, reject(t, copies, "linkRecord", []refusal{{"no record", []byte{0x84, 0, 1}, ErrLength}})...)
	all = append(all, reject(t, helds, "held", []refusal{{"no reason", AppendHeld(nil, Held{1, 0})[:9], ErrShort}})...)
	all = append(all, reject(t, pieces, "piece", []refusal{
		{"65th slot", AppendPiece(nil, &Piece{PieceSlots, true, []byte{1}}), ErrValue},
		{"flag 2", []byte{0x8A, 1, 2, 1}, ErrFlags},
		{"no bytes", AppendPiece(nil, &Piece{1, true, nil}), ErrLength},
		{"1,399 bytes and not the last", AppendPiece(nil, &Piece{1, false, make([]byte, MinPiece-1)}), ErrLength},
	})...)
	all = append(all, reject(t, peers, "peers", []refusal{
		{"257 peers", AppendPeers(nil, &Peers{manyPeers(257)}), ErrCount},
		{"role 0", AppendPeers(nil, &Peers{[]PeerEntry{{testID(1), 0}}}), ErrValue},
		{"role 3", AppendPeers(nil, &Peers{[]PeerEntry{{testID(1), 3}}}), ErrValue},
	})...)
	all = append(all, reject(t, findNodes, "findNode", []refusal{
		{"nobody wanted", AppendFindNode(nil, &FindNode{Count: 0}), ErrCount},
		{"21 wanted", AppendFindNode(nil, &FindNode{Count: 21}), ErrCount},
	})...)
	return append(all, reject(t, nodes, "nodes", []refusal{{"21 nodes", append([]byte{0x88}, manyRecords(21)...), ErrCount}})...)
}

func invalidTagged(t *testing.T) []invalid {
	version, instance := field(1, []byte{ProtocolVersion}), field(4, pattern(1, 8))
	return append(reject(t, hellos, "hello", []refusal{
		{"empty", nil, ErrMissing},
		{"no instance", version, ErrMissing},
		{"zero instance", join(version, field(4, make([]byte, 8))), ErrMissing},
		{"version 0", join(field(1, []byte{0}), instance), ErrMissing},
		{"field twice", join(version, version, instance), ErrOrder},
		{"fields out of order", join(instance, version), ErrOrder},
		{"value cut", join(version, instance, []byte{9, 0, 2, 'a'}), ErrShort},
		{"certificate of 100 bytes", join(version, field(2, pattern(0, 100)), instance), ErrLength},
		{"proof of 97 bytes", join(version, field(3, pattern(0, 97)), instance), ErrLength},
		{"contact of 107 bytes", join(version, instance, field(5, pattern(0, 107))), ErrLength},
		{"dial of 3 bytes", join(version, instance, field(6, pattern(0, 3))), ErrShort},
		{"agent of 65 bytes", join(version, instance, field(8, bytes.Repeat([]byte("x"), 65))), ErrTooLong},
		{"network with a control character", join(version, instance, field(9, []byte("a\x7f"))), ErrText},
	}), reject(t, payloads, "handshakePayload", []refusal{
		{"no instance", field(1, pattern(0, CertLen)), ErrMissing},
		{"certificate of 102 bytes", join(field(1, pattern(0, 102)), field(2, pattern(1, 8))), ErrLength},
		{"five homes", join(field(2, pattern(1, 8)), field(5, append([]byte{5}, pattern(0, 100)...))), ErrCount},
		{"byte behind the homes", join(field(2, pattern(1, 8)), field(5, append([]byte{1}, pattern(0, 21)...))), ErrTrailing},
	})...)
}

func invalidBodies(t *testing.T) []invalid {
	nonce := make([]byte, NonceLen)
	find := AppendNearestBody(nil, &NearestBody{Op: OpFindNode})
	hint := AppendHint(nil, &Hint{Reason: 3, Type: TypeData})
	var all []invalid
	all = append(all, reject(t, handshakes, "handshake", []refusal{
		{"kind 0", make([]byte, 300), ErrType},
		{"kind 5", with(make([]byte, 300), 0, 5), ErrType},
		{"header cut", with(make([]byte, 24), 0, 3), ErrShort},
		{"first message of 228 bytes", with(make([]byte, 228), 0, 1), ErrShort},
		{"second message of 726 bytes", with(make([]byte, 726), 0, 2), ErrTooLong},
		{"cookie with a Noise message", with(make([]byte, 26), 0, 4), ErrTrailing},
	})...)
	all = append(all, reject(t, datas, "data", []refusal{{"tag cut", make([]byte, 27), ErrShort}})...)
	all = append(all, reject(t, nearests, "nearest", []refusal{
		{"operation 0", with(find, 48, 0), ErrType},
		{"store of nothing", with(find, 48, 2), ErrLength},
		{"operation 3", with(find, 48, 3), ErrType},
	})...)
	all = append(all, reject(t, probes, "probe", []refusal{{"nonce cut", nonce[:15], ErrShort}})...)
	all = append(all, reject(t, answers, "answer", []refusal{
		{"kind 0", append(nonce, 0), ErrType},
		{"21 nodes", join(nonce, []byte{1}, manyRecords(21)), ErrCount},
		{"kind 2", append(nonce, 2, 0, 0), ErrType},
		{"kind 5", join(nonce, []byte{5}, testContact(1)), ErrType},
		{"no record", join(nonce, []byte{4}), ErrLength},
		{"hop limit 65", join(nonce, []byte{3}, make([]byte, 25), []byte{65}), ErrHopLimit},
	})...)
	return append(all, reject(t, hints, "hint", []refusal{
		{"reason 0", with(hint, 0, 0), ErrValue},
		{"about an answer", with(hint, 1, byte(TypeAnswer)), ErrType},
		{"about a hint", with(hint, 1, byte(TypeHint)), ErrType},
		{"37 bytes", hint[:37], ErrShort},
		{"39 bytes", append(hint, 0), ErrTrailing},
	})...)
}

func invalidSigned(t *testing.T) []invalid {
	record := testContact(1)
	var all []invalid
	all = append(all, reject(t, certs, "cert", []refusal{
		{"version 2", with(testCert(1), 0, 2), ErrVersion},
		{"100 bytes", testCert(1)[:100], ErrShort},
		{"102 bytes", append(testCert(1), 0), ErrTrailing},
	})...)
	all = append(all, reject(t, records, "record", []refusal{
		{"version 2", with(record, 0, 2), ErrVersion},
		{"kind 0", with(record, 1, 0), ErrType},
		{"kind 4", with(record, 1, 4), ErrType},
		{"107 bytes", record[:107], ErrShort},
	})...)
	all = append(all, reject(t, contacts, "contact", []refusal{
		{"role 0", []byte{0, 0, 0, 0, 0}, ErrValue},
		{"reserved bit", []byte{1, 2, 0, 0, 0}, ErrFlags},
		{"nine URLs", []byte{1, 0, 0, 0, 9}, ErrCount},
		{"empty URL", []byte{1, 0, 0, 0, 1, 0, 0}, ErrLength},
		{"URL with a space", []byte{1, 0, 0, 0, 1, 0, 1, ' '}, ErrText},
		{"byte behind the end", []byte{1, 0, 0, 0, 0, 0}, ErrTrailing},
	})...)
	all = append(all, reject(t, attachs, "attachment", []refusal{
		{"five homes", append(pattern(0, 20), append([]byte{5}, pattern(0, 100)...)...), ErrCount},
		{"home cut", append(pattern(0, 20), append([]byte{1}, pattern(0, 19)...)...), ErrShort},
	})...)
	return append(all, reject(t, topics, "topic", []refusal{{"payload of 513 bytes", pattern(0, 533), ErrTooLong}})...)
}

// rejectPlain is reject for the bodies of a kind of plaintext, told with the header.
func rejectPlain[T any](t *testing.T, c codec[T], kind uint8, rows []refusal) []invalid {
	t.Helper()
	list := reject(t, c, "plain", rows)
	for i := range list {
		head := AppendPlainHeader(nil, PlainHeader{Kind: kind, DstPort: 1, SrcPort: 2})
		list[i].Bytes = fmt.Sprintf("%x", join(head, rows[i].b))
	}
	return list
}

func invalidPlain(t *testing.T) []invalid {
	var all []invalid
	all = append(all, reject(t, plains, "plain", []refusal{
		{"kind 0", make([]byte, 9), ErrType},
		{"kind 9", with(make([]byte, 9), 0, 9), ErrType},
		{"header cut", []byte{1, 0, 0, 0}, ErrShort},
	})...)
	all = append(all, rejectPlain(t, messages, PlainMessage, []refusal{
		{"message: ids cut", make([]byte, 15), ErrShort},
		{"message: lowest above id", AppendMessageBody(nil, &MessageBody{4, 5, nil}), ErrValue},
		{"message: id beyond the window", AppendMessageBody(nil, &MessageBody{MessageWindow + 1, 1, nil}), ErrValue},
	})...)
	all = append(all, rejectPlain(t, responses, PlainResponse, []refusal{
		{"response: ids cut", make([]byte, 23), ErrShort},
		{"response: lowest above id", AppendResponseBody(nil, &ResponseBody{4, 5, 1, nil}), ErrValue},
	})...)
	all = append(all, rejectPlain(t, ackBodies, PlainAck, []refusal{
		{"ack: 13 bytes", make([]byte, 13), ErrShort},
		{"ack: no count", make([]byte, 14), ErrShort},
		{"ack: 17 ranges", appendAck(make([]AckRange, 17)), ErrCount},
		{"ack: range of none", appendAck([]AckRange{{7, 0}}), ErrValue},
		{"ack: range beyond the last id", appendAck([]AckRange{{1<<64 - 1, 2}}), ErrValue},
		{"ack: byte behind the ranges", append(appendAck(nil), 0), ErrTrailing},
	})...)
	all = append(all, rejectPlain(t, refusals, PlainRefusal, []refusal{
		{"refusal: reason 0", make([]byte, 9), ErrValue},
		{"refusal: 10 bytes", append(AppendRefusalBody(nil, &RefusalBody{1, 2}), 0), ErrTrailing},
	})...)
	for _, row := range bundleRefusals() {
		row.name = "bundle: " + row.name
		all = append(all, rejectPlain(t, bundles, PlainBundle, []refusal{row})...)
	}
	return append(all, rejectPlain(t, homes, PlainHomes, []refusal{
		{"homes: five", append(make([]byte, 16), append([]byte{5}, pattern(0, 100)...)...), ErrCount},
		{"homes: lowest above id", AppendHomesBody(nil, &HomesBody{1, 2, nil}), ErrValue},
	})...)
}

func invalidConnect(t *testing.T) []invalid {
	ask := AppendConnectAsk(nil, &ConnectAsk{Kind: ConnectLink})
	reply := AppendConnectReply(nil, &ConnectReply{Kind: ConnectLinked})
	empty := AppendCandidates(nil, &Candidates{Session: testNonce(1)})
	return append(append(append(reject(t, asks, "connectAsk", []refusal{
		{"version 2", with(ask, 0, 2), ErrVersion},
		{"a reply", with(ask, 1, 3), ErrType},
		{"reserved bit", with(ask, 2, 4), ErrFlags},
		{"nine URLs", with(ask, 3, 9), ErrCount},
		{"URL with a blank", append(with(ask[:4], 3, 1), 0, 1, ' '), ErrText},
		{"session without an offer", with(ask, 4, 1), ErrValue},
		{"offer without a session", append(with(ask, 21, 1), 'v'), ErrValue},
		{"no length of the offer", ask[:20], ErrShort},
	}), reject(t, replies, "connectReply", []refusal{
		{"an ask", with(reply, 1, 1), ErrType},
		{"kind 8", with(reply, 1, 8), ErrType},
		{"yield without a session", with(reply, 1, 7), ErrValue},
		{"answer without a description", with(with(reply, 1, 6), 4, 1), ErrValue},
		{"description of a no way", append(with(with(reply, 1, 5), 21, 1), 'v'), ErrValue},
	})...), reject(t, candidates, "candidates", []refusal{
		{"no session", join(empty[:2], make([]byte, 19)), ErrValue},
		{"17 candidates", with(empty, 20, 17), ErrCount},
		{"candidate number 16", with(with(empty, 20, 1), 19, 16), ErrCount},
		{"empty candidate", append(with(empty, 20, 1), 0, 0), ErrLength},
		{"candidate with a line break", append(with(empty, 20, 1), 0, 1, '\n'), ErrText},
	})...), reject(t, overs, "connectOver", []refusal{
		{"candidates", empty, ErrType},
		{"no session", join([]byte{1, 9}, make([]byte, 16)), ErrValue},
	})...)
}
