package greeter

import (
	"testing"

	"github.com/peermesh/peermesh/testnet"
)

func TestEverybodyGreetsEverybody(t *testing.T) {
	nodes := testnet.Start(t, testnet.Options{Nodes: 6, Seed: 1}).Nodes()
	for _, n := range nodes {
		Serve(n)
	}
	for _, from := range nodes {
		for _, to := range nodes {
			if from == to {
				continue
			}
			if got, err := Greet(t.Context(), from, to.ID(), "you"); err != nil || got != "hello, you" {
				t.Errorf("from %s to %s: got %q and %v, want hello, you", from.ID().Short(), to.ID().Short(), got, err)
			}
		}
	}
}

func TestGreetingsSurviveCrashes(t *testing.T) {
	mesh := testnet.Start(t, testnet.Options{Nodes: 8, Seed: 2})
	nodes := mesh.Nodes()
	Serve(nodes[7])
	mesh.Kill(2)
	mesh.Kill(5)
	if got, err := Greet(t.Context(), nodes[0], nodes[7].ID(), "you"); err != nil || got != "hello, you" {
		t.Errorf("after two nodes died: got %q and %v, want hello, you", got, err)
	}
}

func TestANewcomerGreets(t *testing.T) {
	mesh := testnet.Start(t, testnet.Options{Nodes: 5, Leaves: 0.4, Seed: 3})
	late, err := mesh.AddLeaf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	Serve(late)
	if err := mesh.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := Greet(t.Context(), mesh.Nodes()[0], late.ID(), "you"); err != nil || got != "hello, you" {
		t.Errorf("from a newcomer: got %q and %v, want hello, you", got, err)
	}
}
