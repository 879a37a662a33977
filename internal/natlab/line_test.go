//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// line is a running line; see lineRole.
type line struct{ *process }

// newLine lays a line between two places. The devices are called line there, with an
// address of the place's own net each.
func newLine(t *testing.T, a, b place) *line {
	t.Helper()
	at := newSpace(t, "line")
	l := &line{at.play(t, "line", "end0", "end1")}
	l.counts(t)
	for i, p := range []place{a, b} {
		far := []place{b, a}[i]
		at.ip(t, fmt.Sprintf("link set dev end%d netns %s name line", i, p.space))
		p.ip(t, "addr add "+lineAddress(p)+" dev line", "link set line up mtu 1500", "route add "+lineAddress(far)+" dev line")
	}
	return l
}

// lineAddress is the address of a place on its line.
func lineAddress(p place) string {
	b := p.addr.As4()
	return fmt.Sprintf("5.%d.200.1", b[1])
}

// shape changes both directions of a line.
func (l *line) shape(t *testing.T, s shaping) {
	t.Helper()
	for s.Way = range 2 {
		l.shapeWay(t, s)
	}
}

func (l *line) shapeWay(t *testing.T, s shaping) lineCount {
	t.Helper()
	l.tellJSON(t, s)
	return l.counts(t)
}

// count returns what the line has carried.
func (l *line) count(t *testing.T) lineCount {
	t.Helper()
	l.tell(t, "")
	return l.counts(t)
}

func (l *line) counts(t *testing.T) (c lineCount) {
	t.Helper()
	if text := l.next(t); json.Unmarshal([]byte(text), &c) != nil {
		t.Fatalf("%s: got %s, want counts", l.name, text)
	}
	return c
}

// megabit is the line of an uplink: 1 Mbit/s, 20 ms there and back, 50 packets.
var megabit = shaping{Rate: 1e6, Delay: 10 * time.Millisecond, Packets: 50}
