package node

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/peermesh/peermesh/internal/guard"
)

// A timer that panics does not end the program. Without its turns a node admits
// nobody: it ends, with an error.
func TestPanicOfATimerEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		n := m.start("a", Config{})
		n.turns.mu.Lock()
		n.turns.wait(netip.Prefix{}, netip.Prefix{})
		clear(n.turns.groups) // of which one is to have a turn
		n.turns.mu.Unlock()
		<-n.Done()
		var p *guard.Panic
		if err := n.Err(); !errors.As(err, &p) || n.Status().Panics != 1+guard.Loose() {
			t.Errorf("got %v, %d panics, want the panic, counted", err, n.Status().Panics)
		}
	})
}
