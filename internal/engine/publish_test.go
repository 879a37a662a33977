package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
)

// BenchmarkPublish is the making of a snapshot with as many links as a relay with a
// port has.
func BenchmarkPublish(b *testing.B) {
	for _, age := range []time.Duration{0, limits.ProvenAfter + time.Minute} {
		b.Run(fmt.Sprint("age ", age), func(b *testing.B) {
			e := newBrain(b, func(c *Config) { c.MaxRelays, c.MaxLeaves = 200, 256 })
			e.step(Wake{})
			e.now = e.now.Add(age)
			for i := range 200 {
				p := e.peer(stranger(i).ID(), nil)
				e.step(LinkUp{Peer: p})
				e.step(Pong{p.Link})
			}
			for i := range 256 {
				p := e.peer(stranger(1000+i).ID(), func(c *link.Config) { c.Leaf = true })
				e.step(LinkUp{Peer: p})
				e.step(Pong{p.Link})
			}
			b.Logf("%d relays, %d links", e.links.relays, len(e.links.list))
			for b.Loop() {
				e.publish(e.now)
			}
		})
	}
}
