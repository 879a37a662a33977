package engine

import (
	"testing"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/routing"
)

// A handshake counts for the link and the address group that it came by; those that
// came by links that have ended count together, so that who comes again and again
// has no share for each time.
func TestIngressOfHandshakes(t *testing.T) {
	b := newBrain(t, nil)
	at := from("192.0.2.7")
	up := func(id byte) *Peer {
		p := b.peer(routing.ID{id}, func(c *link.Config) { c.Leaf = true })
		b.step(LinkUp{Peer: p, From: at})
		return p
	}
	first, second := up(7), up(8)
	if got, want := b.ingress(first.Link.Number), (session.Ingress{Link: first.Link.Number, Group: at.Group}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	b.down(first, 0)
	b.down(second, 0)
	if x, y := b.ingress(first.Link.Number), b.ingress(second.Link.Number); x != y || x.Link == 0 {
		t.Errorf("links that have ended: got %v and %v, want the same, and a link", x, y)
	}
}
