package wire

import (
	"strings"
	"testing"
)

func TestLinkFramesRoundTrip(t *testing.T) {
	contact := testContact(1)
	pings.fixed(t, "ping", [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	pongs.fixed(t, "pong", [8]byte{8, 7, 6, 5, 4, 3, 2, 1})
	acks.fixed(t, "ack", Taken{1<<63 + 5, 1<<63 + 7})
	byes.fixed(t, "shortest bye", Bye{})
	byes.fixed(t, "bye", Bye{Reason: 36, Text: "moving house: à bientôt", Contacts: [][]byte{contact, testContact(2)}})
	byes.fixed(t, "longest text", Bye{Text: strings.Repeat("x", MaxByeText)})
	byes.fixed(t, "replacement character", Bye{Text: "\uFFFD"})
	copies.roundTrip(t, "record", RecordCopy{Remaining: 77, Record: contact})
	helds.fixed(t, "held", Held{1<<63 + 7, 0})
	helds.fixed(t, "not held", Held{7, 17})
	pieces.roundTrip(t, "piece", Piece{PieceSlots - 1, false, make([]byte, MinPiece)})
	pieces.roundTrip(t, "last piece", Piece{0, true, []byte{1}})
	peers.fixed(t, "no peers", Peers{})
	peers.fixed(t, "peers", Peers{Entries: []PeerEntry{{testID(1), RoleRelay}, {testID(2), RoleLeaf}}})
	peers.roundTrip(t, "most peers", Peers{Entries: manyPeers(MaxPeers)})
	findNodes.fixed(t, "find node", FindNode{Target: testKey(5), Count: MaxNodes})
	nodes.fixed(t, "no nodes", Nodes{})
	nodes.fixed(t, "nodes", Nodes{Records: [][]byte{contact, contact}})
}

func manyPeers(n int) []PeerEntry {
	list := make([]PeerEntry, n)
	for i := range list {
		list[i] = PeerEntry{testID(byte(i)), RoleRelay}
	}
	return list
}

// manyRecords returns count u8 and n records of the least length.
func manyRecords(n int) []byte {
	b := []byte{byte(n)}
	for range n {
		b = append(appendU16(b, RecordOverhead), make([]byte, RecordOverhead)...)
	}
	return b
}

func TestByeRefused(t *testing.T) {
	head := func(text string) []byte { return append([]byte{0x83, 1, byte(len(text))}, text...) }
	byes.refuse(t, []refusal{
		{"another frame", AppendPing(nil, [8]byte{}), ErrType},
		{"text too long", append(head(strings.Repeat("x", MaxByeText+1)), 0), ErrCount},
		{"line break", append(head("a\nb"), 0), ErrText},
		{"escape", append(head("\x1b[2J"), 0), ErrText},
		{"control of the upper half", append(head("\u0085"), 0), ErrText},
		{"not UTF-8", append(head("\xff"), 0), ErrText},
		{"nine contacts", append(head(""), manyRecords(MaxByeContacts+1)...), ErrCount},
		{"count without contacts", append(head(""), 8), ErrShort},
		{"contact too short", append(head(""), append([]byte{1, 0, 107}, make([]byte, 200)...)...), ErrLength},
	})
}

func TestByeTextIsMadeFit(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"controls", "a\nb\x00c\u0085", "a?b?c?"},
		{"not UTF-8", "a\xff\xfeb", "a?b"},
		{"cut between characters", strings.Repeat("x", MaxByeText-1) + "é", strings.Repeat("x", MaxByeText-1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseBye(AppendBye(nil, &Bye{Text: test.text}))
			if err != nil || got.Text != test.want {
				t.Errorf("got %q, %v, want %q", got.Text, err, test.want)
			}
		})
	}
}

func TestLinkFramesRefused(t *testing.T) {
	type one interface {
		refuse(t *testing.T, rows []refusal)
	}
	long := make([]byte, MaxRecordLen+1)
	tests := []struct {
		c   one
		row refusal
	}{
		{pings, refusal{"pong for ping", AppendPong(nil, [8]byte{}), ErrType}},
		{pongs, refusal{"ping for pong", AppendPing(nil, [8]byte{}), ErrType}},
		{acks, refusal{"ack of 18 bytes", append(AppendLinkAck(nil, Taken{1, 1}), 1), ErrTrailing}},
		{copies, refusal{"copy without record", []byte{0x84, 0, 1}, ErrLength}},
		{copies, refusal{"copy of a record too long", append([]byte{0x84, 0, 1}, long...), ErrLength}},
		{copies, refusal{"copy cut", []byte{0x84, 0}, ErrShort}},
		{helds, refusal{"ack for held", AppendLinkAck(nil, Taken{1, 1}), ErrType}},
		{helds, refusal{"held cut", AppendHeld(nil, Held{1, 0})[:9], ErrShort}},
		{helds, refusal{"held of 11 bytes", append(AppendHeld(nil, Held{1, 0}), 1), ErrTrailing}},
		{pieces, refusal{"held for piece", AppendHeld(nil, Held{1, 0}), ErrType}},
		{pieces, refusal{"piece without flags", []byte{0x8A, 1}, ErrShort}},
		{pieces, refusal{"65th slot", AppendPiece(nil, &Piece{PieceSlots, true, []byte{1}}), ErrValue}},
		{pieces, refusal{"piece with another flag", []byte{0x8A, 1, 2, 1}, ErrFlags}},
		{pieces, refusal{"empty piece", AppendPiece(nil, &Piece{1, false, nil}), ErrLength}},
		{pieces, refusal{"empty last piece", AppendPiece(nil, &Piece{1, true, nil}), ErrLength}},
		{pieces, refusal{"short piece", AppendPiece(nil, &Piece{1, false, make([]byte, MinPiece-1)}), ErrLength}},
		{peers, refusal{"257 peers", AppendPeers(nil, &Peers{manyPeers(MaxPeers + 1)}), ErrCount}},
		{peers, refusal{"count without peers", []byte{0x86, 1, 0}, ErrShort}},
		{peers, refusal{"peer without role", AppendPeers(nil, &Peers{[]PeerEntry{{testID(1), 0}}}), ErrValue}},
		{findNodes, refusal{"nobody wanted", AppendFindNode(nil, &FindNode{}), ErrCount}},
		{findNodes, refusal{"21 wanted", AppendFindNode(nil, &FindNode{Count: 21}), ErrCount}},
		{nodes, refusal{"21 nodes", append([]byte{0x88}, manyRecords(MaxNodes+1)...), ErrCount}},
		{nodes, refusal{"record behind the last", append([]byte{0x88}, append(manyRecords(1), 0)...), ErrTrailing}},
	}
	for _, test := range tests {
		test.c.refuse(t, []refusal{test.row})
	}
}
