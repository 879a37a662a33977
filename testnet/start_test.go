package testnet_test

import (
	"context"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/testnet"
)

// This is how a test of a program that uses a mesh may look.
func TestAsItsUsersDo(t *testing.T) {
	mesh := testnet.Start(t, testnet.Options{Nodes: 8, Seed: 1})
	nodes := mesh.Nodes()

	got := make(chan string, 1)
	nodes[7].Handle(node.HandlerFunc(func(_ context.Context, m *node.Message) { got <- string(m.Data) }))
	if err := nodes[0].Send(t.Context(), nodes[7].ID(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "hello" {
		t.Errorf("message: got %q, want %q", text, "hello")
	}

	mesh.Kill(3)
	mesh.Leave(4)
	if _, err := mesh.Add(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := mesh.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	r := mesh.Deliver(ctx, mesh.AllPairs())
	if r.Delivered != 7*6 || len(r.Failures) > 0 {
		t.Errorf("got %+v, want each of 7 nodes to have sent to the 6 others", r)
	}
	for i, peers := range mesh.Graph() {
		if alive := i != 3 && i != 4; alive == (len(peers) == 0) {
			t.Errorf("node %d: got peers %v, want some: %v", i, peers, alive)
		}
	}
}
