package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// nextDial runs the clock until the engine dials again.
func (b *brain) nextDial() time.Duration {
	b.t.Helper()
	begin := b.now
	for len(find[Dial](b.actions)) == 0 {
		at, ok := b.Next()
		if !ok {
			b.t.Fatal("never dialled again")
		}
		if at.After(b.now) {
			b.now = at
		}
		b.step(Wake{})
	}
	return b.now.Sub(begin)
}

// a full relay takes the handshake and says Bye(link-limit).
func TestStepLinkLimitIsNoStorm(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://full")[0]
	begin, dials := b.now, 0
	for b.now.Sub(begin) < time.Minute {
		p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
		b.up(p, target)
		b.step(Goodbye{Link: p.Link, Reason: reason.LinkLimit})
		b.down(p, reason.Leaving) // what node.linkFrame ends the link with
		b.nextDial()
		dials++
	}
	if dials > 70 {
		t.Errorf("full handshakes in a minute with a relay that says link-limit: got %d, want <= 60 (one per BootstrapRetry at worst twice)", dials)
	}
}

// Disconnect of a bootstrap peer.
func TestStepDisconnectStaysAway(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://a")[0]
	p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
	b.up(p, target)
	b.step(Disconnect{routing.ID{1}})
	b.down(p, reason.Disconnected)
	if d := b.nextDial(); d < 9*time.Minute {
		t.Errorf("dialled the disconnected peer again after %v, want about 10 min", d)
	}
}

// the loser of a cross dial ends by itself before the survivor's pong.
func TestStepReplacedLinkIsCountedOnce(t *testing.T) {
	b := newBrain(t, func(c *Config) { c.Self = routing.ID{0, 1} })
	id := routing.ID{1}
	ours := b.peer(id, func(c *link.Config) { c.Outbound = true })
	theirs := b.peer(id, func(c *link.Config) { c.Dial = 1 })
	b.up(ours, nil)
	b.up(theirs, nil) // CloseNewOK: ours.replaces = theirs
	b.down(theirs, reason.CarrierFailed)
	b.step(Pong{ours.Link})
	if got := b.links.live(); got != 1 {
		t.Errorf("live links: got %d, want 1", got)
	}
}

// a dial or an accepted handshake that ends after Leave.
func TestStepLinkAfterLeave(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://a")[0]
	b.step(Leave{})
	p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
	if got := find[CloseLink](b.up(p, target)); len(got) != 1 {
		t.Errorf("a link that came up after Leave: closed %v, want it closed", got)
	}
}

// a leaf that comes back as a relay passes the relay cap.
func TestStepRelayCap(t *testing.T) {
	b := newBrain(t, nil) // 3 relays, 2 leaves
	for i := range 3 {
		b.up(b.peer(routing.ID{1, byte(i)}, nil), nil)
	}
	for i := range 20 {
		id := routing.ID{2, byte(i)}
		leaf := b.peer(id, func(c *link.Config) { c.Leaf, c.Dial = true, 1 })
		b.up(leaf, nil)
		b.up(b.peer(id, func(c *link.Config) { c.Dial = 2 }), nil)
		b.down(leaf, reason.Replaced)
	}
	if b.links.relays > 3 {
		t.Errorf("relay links: got %d, want at most 3", b.links.relays)
	}
}

// dead targets at the head of the list starve those behind.
func TestStepEveryTargetIsTried(t *testing.T) {
	b := newBrain(t, nil)
	var urls []string
	for i := range 20 {
		urls = append(urls, fmt.Sprint("ws://", i))
	}
	flying := map[*Target]time.Time{}
	tried := map[string]bool{}
	note := func() {
		for _, d := range find[Dial](b.actions) {
			flying[d.Target] = b.now
			tried[d.Target.URL.Reveal()] = true
		}
	}
	b.joining(urls...)
	note()
	for end := b.now.Add(5 * time.Minute); b.now.Before(end); {
		var oldest *Target
		for x, at := range flying {
			if oldest == nil || at.Before(flying[oldest]) || at.Equal(flying[oldest]) && x.URL < oldest.URL {
				oldest = x
			}
		}
		b.now = flying[oldest].Add(5 * time.Second) // limits.HandshakeTimeout: packets are dropped
		delete(flying, oldest)
		b.step(DialFailed{Target: oldest, Stage: "connect", Err: errors.New("timeout")})
		note()
	}
	if len(tried) != 20 {
		t.Errorf("targets tried in five minutes: got %d, want all 20", len(tried))
	}
}
