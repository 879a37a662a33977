package wire

import (
	"bytes"
	"testing"
)

func TestNearestBody(t *testing.T) {
	v := NearestBody{Nonce: testNonce(1), Target: testKey(2), Op: OpFindNode, Rest: []byte{}}
	b := nearests.roundTrip(t, "find node", v)
	nearests.refuseCuts(t, "find node", b)
	if len(b) != NearestHeaderLen {
		t.Errorf("length: got %d, want %d", len(b), NearestHeaderLen)
	}
	v.Rest = make([]byte, 1200)
	nearests.roundTrip(t, "padded find node", v)
	v.Op, v.Rest = OpStore, testContact(1)
	nearests.roundTrip(t, "store", v)
	nearests.refuse(t, []refusal{
		{"operation 0", with(b, 48, 0), ErrType},
		{"operation 3", with(b, 48, 3), ErrType},
		{"store of nothing", with(b, 48, byte(OpStore)), ErrLength},
		{"store of too much", append(with(b, 48, byte(OpStore)), make([]byte, MaxRecordLen+1)...), ErrLength},
	})
}

func TestProbeBody(t *testing.T) {
	b := probes.roundTrip(t, "bare", ProbeBody{Nonce: testNonce(1), Padding: []byte{}})
	probes.refuseCuts(t, "bare", b)
	probes.roundTrip(t, "padded", ProbeBody{Nonce: testNonce(1), Padding: make([]byte, AnswerProbeLen-NonceLen)})
}

func TestAnswerBody(t *testing.T) {
	probe := AnswerBody{Nonce: testNonce(1), Kind: AnswerProbe, Probe: ProbeReport{testID(1), LinkKindWebRTC, 1 << 20, 63}}
	answers.fixed(t, "no nodes", AnswerBody{Nonce: testNonce(1), Kind: AnswerNodes})
	answers.fixed(t, "nodes", AnswerBody{Kind: AnswerNodes, Records: [][]byte{testContact(1), testContact(2)}})
	answers.roundTrip(t, "record", AnswerBody{Kind: AnswerRecord, Record: testAttachment(1, testID(9))})
	answers.fixed(t, "probe", probe)
	b := AppendAnswerBody(nil, &probe)
	if len(b) != AnswerProbeLen {
		t.Errorf("length: got %d, want %d", len(b), AnswerProbeLen)
	}
	nonce := make([]byte, NonceLen)
	answers.refuse(t, []refusal{
		{"kind 0", append(nonce, 0), ErrType},
		{"kind 5", append(nonce, 5), ErrType},
		{"no record", append(nonce, 4), ErrLength},
		{"21 nodes", join(nonce, []byte{1}, manyRecords(MaxNodes+1)), ErrCount},
		{"kind 2, which is gone", append(nonce, 2, 0, 0), ErrType},
		{"hop limit 65", with(b, len(b)-1, 65), ErrHopLimit},
	})
}

func TestHint(t *testing.T) {
	v := Hint{Reason: 3, Type: TypeData, Dst: testID(1), Echo: testNonce(2)}
	hints.fixed(t, "hint", v)
	b := AppendHint(nil, &v)
	if len(b) != HintLen {
		t.Errorf("length: got %d, want %d", len(b), HintLen)
	}
	hints.refuse(t, []refusal{
		{"no reason", with(b, 0, 0), ErrValue},
		{"about type 0", with(b, 1, 0), ErrType},
		{"about an answer", with(b, 1, byte(TypeAnswer)), ErrType},
		{"about a hint", with(b, 1, byte(TypeHint)), ErrType},
	})
}

func TestEcho(t *testing.T) {
	if got, want := Echo(pattern(1, 40)), testNonce(1); got != want {
		t.Errorf("long body: got %x, want %x", got, want)
	}
	short := Echo([]byte{1, 2})
	if want := append([]byte{1, 2}, make([]byte, 14)...); !bytes.Equal(short[:], want) {
		t.Errorf("short body: got %x, want %x", short, want)
	}
}
