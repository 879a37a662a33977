package hostile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// reserved is one number that docs/protocol.md reserves.
type reserved struct {
	number string   // as its section 7 says
	marks  []string // what is in each line of the other sections that marks it
	test   func(t *testing.T, n *node.Node, l *hostile.Link)
}

// token stands in what has to be ignored, and is to be found nowhere.
const token = "neither stored nor shown"

var allReserved = []reserved{
	{"record kind 3", []string{"topic *(reserved)*"}, topicRecords},
	{"Nearest operation 3", []string{"2 Store · *(reserved)* 3"}, func(t *testing.T, n *node.Node, l *hostile.Link) {
		store := nearest(l, wire.OpStore, l.Self.Contact())
		body := len(store) - len(l.Self.Contact()) - 1
		store[body] = 3
		drops(t, n, "unsupported", 1, func() error { return l.Send(store) })
	}},
	{"Answer kind 5", []string{"*(reserved)* 5"}, func(t *testing.T, n *node.Node, l *hostile.Link) {
		drops(t, n, "unsupported", 1, func() error {
			return l.Send(frame(l, wire.TypeAnswer, append(make([]byte, wire.NonceLen), append([]byte{5}, token...)...)))
		})
	}},
	{"Hello tag 10", []string{"*(reserved)* membership token"}, helloToken},
	{"capability bits 1, 2", []string{"*(reserved)* 1 QUIC streams, 2 mux1 streams"}, capabilities},
	{"link frame 0x8B", []string{"| 0x8B | *(reserved)*"}, unknownLinkFrames},
	{"ports from 0xFF02", []string{"those from 0xFF02 *(reserved)*"}, ports},
}

// What is reserved is never acted on, and the link it comes by goes on.
func TestReservedIsRefused(t *testing.T) {
	for _, r := range allReserved {
		t.Run(r.number, func(t *testing.T) {
			n := relay(t)
			l := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{})
			until(t, "the link is up", func() bool { return peers(n, l.Self.ID()) })
			r.test(t, n, l)
			if err := l.Ping(within(t, amply), [8]byte{7}); err != nil {
				t.Errorf("the link afterwards: %v", err)
			}
		})
	}
}

// Every number that the page reserves has a case, and no other: a number newly
// reserved, in section 7 or by a mark, wants one.
func TestReservedIsWhatThePageSays(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, list, ok := strings.Cut(string(page), "\n## 7. ")
	if !ok {
		t.Fatal("the page has no section 7")
	}
	numbers, marks := map[string]bool{}, map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*[0-9A-F]) \| .* \|$`).FindAllStringSubmatch(list, -1) {
		numbers[row[1]] = true
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "*(reserved)*") && !strings.HasPrefix(line, "**Status.**") {
			marks[line] = true
		}
	}
	for _, r := range allReserved {
		if !numbers[r.number] {
			t.Errorf("%q is tried, and is none of section 7: %v", r.number, numbers)
		}
		delete(numbers, r.number)
		for _, mark := range r.marks {
			found := false
			for line := range marks {
				if strings.Contains(line, mark) && strings.Count(line, "*(reserved)*") == 1 {
					found = true
					delete(marks, line)
				}
			}
			if !found {
				t.Errorf("%q is tried, and no line of the page has %q", r.number, mark)
			}
		}
	}
	for number := range numbers {
		t.Errorf("section 7 reserves %q, which has no case here", number)
	}
	for line := range marks {
		t.Errorf("the page marks as reserved what has no case here: %s", line)
	}
}

// drops sends and waits until so many more are counted.
func drops(t *testing.T, n *node.Node, why string, want uint64, send func() error) {
	t.Helper()
	before := n.Status().Drops[why]
	if err := send(); err != nil {
		t.Fatal(err)
	}
	until(t, fmt.Sprintf("%d more are dropped as %s", want, why), func() bool { return n.Status().Drops[why] >= before+want })
	if got := n.Status().Drops[why] - before; got != want {
		t.Errorf("dropped as %s: got %d, want %d", why, got, want)
	}
}

// frame is a mesh frame from the client to the node.
func frame(l *hostile.Link, typ wire.Type, body []byte) []byte {
	return wire.AppendFrame(nil, &wire.Frame{Type: typ, HopLimit: wire.MaxHopLimit, Dst: l.Peer, Src: l.Self.ID(), Body: body})
}

// nearest is a Nearest frame that ends at the node, the only relay that the client has.
func nearest(l *hostile.Link, op wire.Op, rest []byte) []byte {
	body := wire.AppendNearestBody(nil, &wire.NearestBody{Nonce: [16]byte{1}, Target: l.Self.Key(), Op: op, Rest: rest})
	return wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeNearest, HopLimit: wire.MaxHopLimit, Src: l.Self.ID(), Body: body})
}

func topicRecords(t *testing.T, n *node.Node, l *hostile.Link) {
	topic := l.Self.Sign(wire.RecordTopic, 60, wire.AppendTopic(nil, &wire.Topic{ID: l.Self.ID(), Payload: []byte(token)}))
	drops(t, n, "unsupported", 1, func() error { return l.Send(nearest(l, wire.OpStore, topic)) })
	drops(t, n, "unsupported", 1, func() error {
		return l.Send(wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 60, Record: topic}))
	})
	drops(t, n, "unsupported", 1, func() error {
		return l.Send(frame(l, wire.TypeAnswer, wire.AppendAnswerBody(nil, &wire.AnswerBody{Nonce: [16]byte{2}, Kind: wire.AnswerRecord, Record: topic})))
	})
}

// unknownLinkFrames tries the numbers that are no link frame: reserved, gone, and new.
func unknownLinkFrames(t *testing.T, n *node.Node, l *hostile.Link) {
	var frames [][]byte
	for code := 0x80; code <= 0xFF; code++ {
		if wire.LinkType(code).String() == "unknown" {
			frames = append(frames, append([]byte{byte(code)}, token...))
		}
	}
	for _, code := range []byte{0x85, 0x8B} {
		if got := wire.LinkType(code).String(); got != "unknown" {
			t.Errorf("%#x is named %s", code, got)
		}
	}
	drops(t, n, "unsupported", uint64(len(frames)), func() error { return l.Send(frames...) })
}

// helloToken links once more with the tag in the Hello, of a length that it may
// have and of one that it may not.
func helloToken(t *testing.T, n *node.Node, _ *hostile.Link) {
	for _, value := range []string{token, strings.Repeat(token, 30), ""} {
		self := hostile.NewSelf(wire.RoleRelay)
		self.Extra = tagged(10, []byte(value))
		l := dial(t, n, self, hostile.Habits{})
		until(t, "the link is up", func() bool { return peers(n, self.ID()) })
		if again := wire.AppendHello(nil, &l.PeerHello); strings.Contains(string(again), token) {
			t.Errorf("the node's Hello repeats the token")
		}
		notShown(t, n)
	}
}

// notShown looks for the token in all that the node tells of itself.
func notShown(t *testing.T, n *node.Node) {
	t.Helper()
	text, err := json.Marshal(n.Status())
	if err != nil || strings.Contains(string(text), token) {
		t.Errorf("status: %v, %s", err, text)
	}
}

// capabilities opens a session with every bit set: it stands, as one with bit 0 does.
func capabilities(t *testing.T, n *node.Node, l *hostile.Link) {
	box := newInbox()
	n.Handle(box)
	p := &wire.HandshakePayload{Cert: l.Self.Cert(), Instance: l.Self.Hello.Instance}
	raw := append(wire.AppendHandshakePayload(nil, p), tagged(4, []byte{0xFF, 0xFF, 0xFF, 0xFF})...)
	s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Message(within(t, amply), 0, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	box.wait(t, 1)
	for _, about := range n.Status().SessionList {
		if text, err := json.Marshal(about); err != nil || strings.Contains(strings.ToLower(string(text)), "capab") {
			t.Errorf("shown: %s, %v", text, err)
		}
	}
}

// ports sends to ports that nobody may open.
func ports(t *testing.T, n *node.Node, l *hostile.Link) {
	s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []uint16{0xFF02, 0xFF10, 0xFFFF} {
		if err := s.Message(within(t, amply), port, nil); !errors.Is(err, hostile.ErrRefused) || !strings.HasSuffix(err.Error(), "unsupported") {
			t.Errorf("a message to port %#x: got %v, want it refused as unsupported", port, err)
		}
		if err := l.Ping(within(t, amply), [8]byte{byte(port)}); err != nil { // the message has been counted now
			t.Fatal(err)
		}
		drops(t, n, "unsupported", 1, func() error { return s.Datagram(port, nil) })
	}
	for port := 0xFF00; port <= 0xFFFF; port++ {
		if p, err := n.OpenPort(uint16(port), newInbox()); err == nil {
			p.Close()
			t.Errorf("a program opened port %#x", port)
		}
		if p, err := n.OpenPacketPort(uint16(port)); err == nil {
			p.Close()
			t.Errorf("a program opened port %#x for packets", port)
		}
	}
}
