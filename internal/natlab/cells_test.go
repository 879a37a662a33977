//go:build linux

package natlab

import (
	"fmt"
	"testing"
)

// pairing is what two nodes have between them.
type pairing struct {
	a, b   shape
	layout layout
}

type layout int

const (
	apart      layout = iota // each behind its own translator, on private nets with different addresses
	samePrefix               // the same, and both nets and hosts have the same addresses
	together                 // both behind one translator
)

func (p pairing) String() string {
	switch p.layout {
	case samePrefix:
		return fmt.Sprintf("%s, %s, same private addresses", p.a, p.b)
	case together:
		return fmt.Sprintf("both behind one, %s", p.a)
	}
	return fmt.Sprintf("%s, %s", p.a, p.b)
}

// pairings are all cells of the lab. The order of the two counts: the first
// one makes the offer.
func pairings() []pairing {
	var all []pairing
	for _, a := range shapes {
		for _, b := range shapes {
			all = append(all, pairing{a, b, apart})
		}
	}
	return append(all, pairing{portRestricted, portRestricted, samePrefix}, pairing{portRestricted, portRestricted, together})
}

// direct tells whether the two can have a direct link: a hole for a peer is as
// good as none if the peer's packets come from another port than it was told.
func (p pairing) direct() bool {
	switch {
	case p.layout == together:
		return true
	case p.a == blocked || p.b == blocked:
		return false
	case p.a == symmetric:
		return p.b == fullCone
	case p.b == symmetric:
		return p.a == fullCone
	}
	return true
}

// build makes the cell and returns the two hosts.
func (p pairing) build(t *testing.T) (c *cell, a, b place) {
	t.Helper()
	c = newCell(t)
	left := c.newNAT(t, p.a, 1)
	a = left.host(t, "a")
	switch p.layout {
	case together:
		return c, a, left.host(t, "b")
	case samePrefix:
		return c, a, c.newNAT(t, p.b, 1).host(t, "b")
	}
	return c, a, c.newNAT(t, p.b, 2).host(t, "b")
}

// eachPairing runs a test in every cell, several at once, and returns what
// they found, in the order of the cells.
func eachPairing(t *testing.T, try func(t *testing.T, p pairing) outcome) []outcome {
	t.Helper()
	all := pairings()
	found := make([]outcome, len(all))
	t.Run("cells", func(t *testing.T) {
		for i, p := range all {
			found[i].pairing = p
			t.Run(p.String(), func(t *testing.T) {
				t.Parallel()
				found[i] = try(t, p)
				found[i].pairing = p
			})
		}
	})
	return found
}
