package wire

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const testSDP = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n"

var testURLs = []string{"ws://192.0.2.1:8080", "wss://mesh.example"}

func fullAsk() ConnectAsk {
	return ConnectAsk{Kind: ConnectLink, Direct: true, Need: true, URLs: testURLs, Session: testNonce(1), SDP: testSDP}
}

func fullReply() ConnectReply {
	return ConnectReply{Kind: ConnectAnswer, URLs: testURLs, Session: testNonce(1), SDP: testSDP}
}

func fullCandidates() Candidates {
	return Candidates{Session: testNonce(1), First: 3, Lines: []string{
		"candidate:1 1 udp 2130706431 192.0.2.1 4444 typ host", "candidate:2 1 udp 1694498815 198.51.100.7 5555 typ srflx raddr 0.0.0.0 rport 0",
	}}
}

// begins is codec.fixed for a body that may go on.
func begins[T any](t *testing.T, c codec[T], name string, v T) {
	t.Helper()
	b := c.roundTrip(t, name, v)
	c.refuseCuts(t, name, b)
	got, err := c.parse(append(bytes.Clone(b), "of a later version"...))
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%s: with more behind it: got %+v, %v, want %+v", name, got, err, v)
	}
}

func TestConnectAsk(t *testing.T) {
	begins(t, asks, "bare", ConnectAsk{Kind: ConnectLinkBack})
	begins(t, asks, "full", fullAsk())
	b := AppendConnectAsk(nil, &ConnectAsk{Kind: ConnectLink})
	asks.refuse(t, []refusal{
		{"version 2", with(b, 0, 2), ErrVersion},
		{"kind 0", with(b, 1, 0), ErrType},
		{"a reply", with(b, 1, byte(ConnectDialMe)), ErrType},
		{"reserved bit", with(b, 2, 4), ErrFlags},
		{"nine URLs", with(b, 3, 9), ErrCount},
		{"session without an offer", with(b, 4, 1), ErrValue},
		{"offer without a session", append(with(b, 21, 1), 'v'), ErrValue},
		{"offer of 8,193 bytes", append(join(b[:20], []byte{0x20, 1}), make([]byte, 8193)...), ErrTooLong},
	})
	asks.refuse(t, urlRefusals(b[:4]))
}

// urlRefusals are lists of URLs that must not parse behind a head whose last
// byte is their count.
func urlRefusals(head []byte) []refusal {
	one := slices.Clip(with(head, len(head)-1, 1))
	return []refusal{
		{"empty URL", append(one, 0, 0), ErrLength},
		{"URL of 257 bytes", append(one, append([]byte{1, 1}, bytes.Repeat([]byte("u"), 257)...)...), ErrLength},
		{"URL with a blank", append(one, 0, 1, ' '), ErrText},
		{"URL that is no ASCII", append(one, 0, 2, 0xc3, 0xa4), ErrText},
		{"half a URL", append(one, 0, 2, 'x'), ErrShort},
	}
}

func TestConnectReply(t *testing.T) {
	begins(t, replies, "answer", fullReply())
	begins(t, replies, "dial me", ConnectReply{Kind: ConnectDialMe, URLs: testURLs})
	begins(t, replies, "no way", ConnectReply{Kind: ConnectNoWay, Reason: 34, Session: testNonce(1)})
	begins(t, replies, "yield", ConnectReply{Kind: ConnectYield, Session: testNonce(1)})
	b := AppendConnectReply(nil, &ConnectReply{Kind: ConnectLinked})
	answer := AppendConnectReply(nil, ptr(fullReply()))
	replies.refuse(t, []refusal{
		{"version 0", with(b, 0, 0), ErrVersion},
		{"an ask", with(b, 1, byte(ConnectLinkBack)), ErrType},
		{"kind 8", with(b, 1, 8), ErrType},
		{"yield without a session", with(b, 1, byte(ConnectYield)), ErrValue},
		{"answer without a description", append(with(b[:20], 1, byte(ConnectAnswer)), 0, 0), ErrValue},
		{"answer without a session", append(with(b[:20], 1, byte(ConnectAnswer)), 0, 1, 'v'), ErrValue},
		{"description of no answer", with(answer, 1, byte(ConnectNoWay)), ErrValue},
		{"description of 8,193 bytes", append(with(b[:20], 1, byte(ConnectAnswer)), append([]byte{0x20, 1}, make([]byte, 8193)...)...), ErrTooLong},
	})
	replies.refuse(t, urlRefusals(b[:4]))
}

func TestCandidates(t *testing.T) {
	begins(t, candidates, "none", Candidates{Session: testNonce(1)})
	begins(t, candidates, "two", fullCandidates())
	begins(t, candidates, "as many as there may be", Candidates{Session: testNonce(1), Lines: slices.Repeat([]string{"c"}, MaxCandidates)})
	b := AppendCandidates(nil, &Candidates{Session: testNonce(1)})
	one := slices.Clip(with(b, 20, 1))
	candidates.refuse(t, []refusal{
		{"version 2", with(b, 0, 2), ErrVersion},
		{"an ask", with(b, 1, byte(ConnectLink)), ErrType},
		{"no session", join(b[:2], make([]byte, 19)), ErrValue},
		{"17 candidates", with(b, 20, 17), ErrCount},
		{"candidate number 16", with(one, 19, 16), ErrCount},
		{"highest number", with(with(one, 18, 255), 19, 255), ErrCount},
		{"empty candidate", append(one, 0, 0), ErrLength},
		{"candidate of 257 bytes", append(one, append([]byte{1, 1}, bytes.Repeat([]byte("c"), 257)...)...), ErrLength},
		{"candidate with a line break", append(one, 0, 1, '\n'), ErrText},
	})
}

func TestConnectOver(t *testing.T) {
	begins(t, overs, "one", ConnectOver{testNonce(1)})
	b := AppendConnectOver(nil, &ConnectOver{testNonce(1)})
	overs.refuse(t, []refusal{
		{"version 2", with(b, 0, 2), ErrVersion},
		{"candidates", with(b, 1, byte(connectCandidates)), ErrType},
		{"no session", join(b[:2], make([]byte, 16)), ErrValue},
	})
}

func TestConnectURLsBeyondTheBoundsAreLeftOut(t *testing.T) {
	long := strings.Repeat("u", MaxContactURLBytes)
	ask := ConnectAsk{Kind: ConnectLink, URLs: append([]string{"", long + "u"}, slices.Repeat([]string{long}, 2*MaxContactURLs)...)}
	got, err := ParseConnectAsk(AppendConnectAsk(nil, &ask))
	if err != nil || len(got.URLs) != MaxContactURLs || got.URLs[0] != long {
		t.Errorf("got %d URLs, %v, want %d of the longest", len(got.URLs), err, MaxContactURLs)
	}
}

// The longest of them all fits one message.
func TestConnectFitsAMessage(t *testing.T) {
	ask := fullAsk()
	ask.URLs, ask.SDP = slices.Repeat([]string{strings.Repeat("u", MaxContactURLBytes)}, MaxContactURLs), strings.Repeat("v", MaxSDP)
	if b := asks.roundTrip(t, "longest", ask); len(b) > MaxMessage {
		t.Errorf("got %d bytes, want at most %d", len(b), MaxMessage)
	}
}
