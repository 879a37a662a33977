package engine

import (
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// What this node answers to whoever asks, without knowing who that is, is no
// larger than the question, its options aside: a forged source gains nothing by it.
func TestAnswersAreNoLargerThanTheirQuestions(t *testing.T) {
	b := newBrain(t, as(person(1), false))
	b.relays(20)
	home := wire.ID{7}
	question := func(typ wire.Type, body []byte) []byte {
		return wire.AppendFrame(nil, &wire.Frame{Type: typ, HopLimit: 60, Src: wire.ID{9}, Return: home[:], Dst: wire.ID(b.cfg.Self), Body: body})
	}
	lookup := func(padding int) []byte {
		body := wire.NearestBody{Target: wire.Key(routing.ID{3}.Key()), Op: wire.OpFindNode, Rest: make([]byte, padding)}
		f := wire.Frame{Type: wire.TypeNearest, HopLimit: 60, Src: wire.ID{9}, Return: home[:], Body: wire.AppendNearestBody(nil, &body)}
		return wire.AppendFrame(nil, &f)
	}
	answered := 0
	for name, frame := range map[string][]byte{
		"a lookup without padding": lookup(0),
		"a lookup":                 lookup(1351),
		"a lookup of 8 KiB":        lookup(8 << 10),
		"a probe without padding":  question(wire.TypeProbe, make([]byte, wire.NonceLen)),
		"a probe":                  question(wire.TypeProbe, make([]byte, wire.AnswerProbeLen)),
		"a Store":                  storeFrame(wire.ID{9}, wire.Key(routing.ID{3}.Key()), attestation(person(3), person(3).ID(), b.now, 120, wire.ID{6})),
	} {
		got := 0
		for _, s := range find[SendFrame](b.step(Control{Link: 1, Frame: frame})) {
			got += len(s.Frame)
		}
		if got > 0 {
			answered++
		}
		if got > len(frame)+2 { // an option of the answer has a count where that of the question has none
			t.Errorf("%s of %d bytes: answered with %d", name, len(frame), got)
		}
	}
	if answered < 3 {
		t.Errorf("answered %d questions: little is tested", answered)
	}
}
