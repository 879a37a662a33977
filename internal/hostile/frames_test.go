package hostile_test

import (
	"bytes"
	"context"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

const (
	badFrames      = 100_000
	markedMessages = 10_000
)

// Of frames that were altered on their way, sent again, or made without the keys
// of the session, none is delivered; what is genuine still is.
func TestAlteredReplayedAndForgedFrames(t *testing.T) {
	n, box, rnd := relay(t), newInbox(), mathrand.New(seeded(1))
	n.Handle(box)
	l := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{})
	s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	plain := append(wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainDatagram}), "genuine"...)
	genuine := s.Seal(wire.ClassBulk, plain)
	if err := l.Send(genuine); err != nil {
		t.Fatal(err)
	}
	box.wait(t, 1)
	const batch = 100
	for range badFrames / batch {
		var frames [batch][]byte
		for i := range frames {
			switch i % 3 {
			case 0: // replayed
				frames[i] = genuine
			case 1: // altered in what the seal covers, once it is there
				frames[i] = s.Seal(wire.ClassBulk, plain)
				for range 1 + rnd.IntN(4) {
					frames[i][wire.HeaderLen+wire.DataHeaderLen+rnd.IntN(len(plain)+wire.TagLen)] ^= byte(1 + rnd.IntN(255))
				}
			case 2: // made up, or of another counter, class or session
				frames[i] = s.Seal(wire.ClassBulk, plain)
				switch rnd.IntN(3) {
				case 0:
					frames[i][1] ^= byte(1 + rnd.IntN(3))
				case 1:
					frames[i][wire.HeaderLen+rnd.IntN(wire.DataHeaderLen)] ^= byte(1 + rnd.IntN(255))
				case 2:
					for j := wire.HeaderLen + 4; j < len(frames[i]); j++ {
						frames[i][j] = byte(rnd.Uint32())
					}
				}
			}
		}
		if err := l.Send(frames[:]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Message(within(t, amply), 0, []byte("the last")); err != nil {
		t.Fatalf("a genuine message afterwards: %v", err)
	}
	got := box.wait(t, 2)
	if len(got) != 2 || string(got[0].Data) != "genuine" || string(got[1].Data) != "the last" {
		t.Errorf("delivered: got %d, want the two genuine ones", len(got))
	}
	dropped := uint64(0)
	for _, count := range n.Status().Drops {
		dropped += count
	}
	if dropped < badFrames {
		t.Errorf("dropped and counted: got %d, want all %d", dropped, badFrames)
	}
}

// A datagram of 64 bytes is a frame of 140 bytes, and 158 on a link, in front of
// which WebSocket puts 4, or 8 toward the acceptor.
func TestBytesOfASmallDatagram(t *testing.T) {
	n := relay(t)
	l := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{})
	s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	plain := append(wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: wire.PlainDatagram}), make([]byte, 64)...)
	frame := s.Seal(wire.ClassBulk, plain)
	if got := len(frame); got != 140 {
		t.Errorf("frame: got %d bytes, want 140", got)
	}
	if got := len(wire.AppendToBatch(nil, frame)) + wire.TagLen; got != 158 {
		t.Errorf("message of a link: got %d bytes, want 158", got)
	}
}

// tap is a pipe that sees what is on the wire.
type tap struct {
	hostile.Pipe
	see func([]byte)
}

func (p tap) Write(b []byte) error {
	p.see(b)
	return p.Pipe.Write(b)
}

func (p tap) Read() ([]byte, error) {
	b, err := p.Pipe.Read()
	p.see(b)
	return b, err
}

// goBetween forwards mesh frames between all that dial it, and looks at each.
type goBetween struct {
	mu    sync.Mutex
	links map[wire.ID]*hostile.Link

	passed, found atomic.Int64
	bytes         atomic.Int64
	marker        []byte
}

func (g *goBetween) look(b []byte) {
	g.bytes.Add(int64(len(b)))
	if bytes.Contains(b, g.marker) {
		g.found.Add(1)
	}
}

func (g *goBetween) pass(frame []byte) bool {
	g.look(frame)
	f, err := wire.ParseFrame(frame)
	if err != nil {
		return false
	}
	g.mu.Lock()
	to := g.links[f.Dst]
	g.mu.Unlock()
	if to == nil || f.HopLimit < 2 {
		return false
	}
	sent := bytes.Clone(frame)
	wire.SetFrameHopLimit(sent, f.HopLimit-1)
	g.passed.Add(1)
	_ = to.Send(sent)
	return true
}

// What a message says is in none of the frames of the relay that it crosses, nor
// on the wire.
func TestMarkedMessagesAreNowhereToBeRead(t *testing.T) {
	g := &goBetween{links: map[wire.ID]*hostile.Link{}, marker: []byte("MARK:9f1c2a77d03b")}
	self := hostile.NewSelf(wire.RoleRelay)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		l, err := hostile.Take(tap{p, g.look}, self)
		if err != nil {
			return
		}
		g.mu.Lock()
		g.links[l.Peer] = l
		g.mu.Unlock()
		l.Run(hostile.Habits{On: g.pass})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.Close()
		for _, l := range g.links {
			l.Close()
		}
	})
	a := start(t, node.Config{Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	b := start(t, node.Config{Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	until(t, "both are linked with the relay", func() bool { return peers(a, self.ID()) && peers(b, self.ID()) })
	var delivered atomic.Int64
	b.Handle(node.HandlerFunc(func(_ context.Context, m *node.Message) {
		if bytes.HasPrefix(m.Data, g.marker) {
			delivered.Add(1)
		}
	}))
	const at = 50
	var sending sync.WaitGroup
	for range at {
		sending.Go(func() {
			for range markedMessages / at {
				if err := a.Send(within(t, amply), b.ID(), append(bytes.Clone(g.marker), make([]byte, 64)...)); err != nil {
					t.Errorf("send: %v", err)
					return
				}
			}
		})
	}
	sending.Wait()
	if got := delivered.Load(); got != markedMessages {
		t.Errorf("delivered: got %d, want %d", got, markedMessages)
	}
	if g.passed.Load() < markedMessages {
		t.Errorf("the relay saw %d frames of %d messages: it was passed by", g.passed.Load(), markedMessages)
	}
	if got := g.found.Load(); got != 0 {
		t.Errorf("found %d times, want never", got)
	}
	t.Logf("%d frames passed on, %d bytes looked at", g.passed.Load(), g.bytes.Load())
}
