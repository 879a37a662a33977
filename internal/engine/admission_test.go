package engine

import (
	"testing"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
)

// While two links to one peer stand, neither is ended for another's sake: one of
// them goes anyway, and without both the peer is lost.
func TestSpareIsNoneOfTwoLinksToAPeer(t *testing.T) {
	b := crowd(t)
	usual := b.spare(b.now, false)
	if usual == nil {
		t.Fatal("got no spare link of a crowd that needs none")
	}
	again := b.peer(usual.ID, func(c *link.Config) { c.Outbound = true })
	b.up(again, nil)
	if usual.closing || !b.Linked(again.Link) {
		t.Fatal("got one of the two closed, want both up until the new one has answered")
	}
	if got := b.spare(b.now, false); got == nil || got.ID == usual.ID {
		t.Errorf("two links up: got %v, want the link to another peer", got)
	}
	b.end(b.links.byNumber[again.Link.Number], reason.Replaced, b.now)
	if got := b.spare(b.now, false); got != usual {
		t.Errorf("one is ending: got %v, want the other one", got)
	}
}
