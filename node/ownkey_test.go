package node

import (
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
)

// What a process remembers of its own records is bounded, and what it forgets may
// be its own.
func TestOwnContactsAreBounded(t *testing.T) {
	var c credentials
	if !c.maySign(7) {
		t.Error("a record of before the start counts as another's")
	}
	for i := range uint64(3 * limits.OwnContacts) {
		c.contacts.add(1_000 + 2*i)
	}
	last := uint64(1_000 + 2*(3*limits.OwnContacts-1))
	for sequence, want := range map[uint64]bool{1: true, 1_000: true, 1_001: true, last: true, last - 1: false, last + 1: false, last - 2: true} {
		if got := c.maySign(sequence); got != want {
			t.Errorf("sequence %d may be its own: got %v, want %v", sequence, got, want)
		}
	}
	if got := len(c.contacts.last); got != limits.OwnContacts {
		t.Errorf("remembered: got %d, want %d", got, limits.OwnContacts)
	}
}
