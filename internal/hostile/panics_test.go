package hostile_test

import (
	"context"
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// Who finds what makes a program's handler panic takes one port from it: neither
// the program nor the node, nor the other ports.
func TestAPeerThatMakesAHandlerPanic(t *testing.T) {
	n := relay(t)
	n.Handle(node.HandlerFunc(func(_ context.Context, m *node.Message) { _ = m.Data[len(m.Data)] }))
	box := newInbox()
	if _, err := n.OpenPort(7, box); err != nil {
		t.Fatal(err)
	}
	l := dial(t, n, hostile.NewSelf(wire.RoleRelay), hostile.Habits{})
	s, err := l.Session(within(t, amply), l.Peer, hostile.Claim{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = s.Datagram(0, []byte("x"))
	}
	until(t, "the panic is counted", func() bool { return n.Status().Panics > 0 })
	if err := s.Message(within(t, amply), 7, []byte("still here")); err != nil {
		t.Errorf("another port: %v", err)
	}
	if err := s.Message(within(t, amply), 0, nil); err == nil {
		t.Error("the port whose handler panicked still takes messages")
	}
	if n.Status().Panics != 1 || n.Err() != nil {
		t.Errorf("got %d panics, error %v; want 1 and none", n.Status().Panics, n.Err())
	}
}
