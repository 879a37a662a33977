package routing_test

import (
	"fmt"
	"log"

	"github.com/peermesh/peermesh/routing"
)

// Nodes are near each other by the hashes of their IDs, not by the IDs.
func ExampleID_Key() {
	self, target := routing.ID{1}, routing.ID{2}
	fmt.Println(self.Key().CommonPrefixLen(target.Key()), "bits are shared")
	fmt.Println(routing.Closer(routing.ID{3}.Key(), self.Key(), target.Key()))
	// Output:
	// 0 bits are shared
	// false
}

func ExampleParseID() {
	id, err := routing.ParseID("A41C22E0F1B25D3C9A70E4886F0B7D2135C9E864")
	fmt.Println(id, id.Short(), err)
	_, err = routing.ParseID("a41c22e0")
	fmt.Println(err)
	// Output:
	// a41c22e0f1b25d3c9a70e4886f0b7d2135c9e864 a41c22e0 <nil>
	// parse ID: not a hexadecimal name: want 40 hex digits, got 8 bytes of text
}

// What a relay does with a frame: it goes to the linked relay closest to its
// target, as long as that is closer than the relay itself.
func ExampleSnapshot() {
	self := routing.ID{9}
	var hops []routing.Hop[string]
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		id := routing.ID{byte(i + 1)}
		hops = append(hops, routing.Hop[string]{ID: id, Key: id.Key(), Value: name})
	}
	s := routing.NewSnapshot(self.Key(), hops)
	if i, ok := s.Next(routing.ID{3}.Key()); ok {
		fmt.Println("for carol herself, to", s.At(i).Value)
	}
	if i, ok := s.Next(routing.ID{77}.Key()); ok {
		fmt.Println("for somebody unknown, to", s.At(i).Value)
	}
	if _, ok := s.Next(self.Key()); !ok {
		fmt.Println("for this node, to nobody")
	}
	// Output:
	// for carol herself, to carol
	// for somebody unknown, to dave
	// for this node, to nobody
}

func ExampleTable() {
	table, err := routing.NewTable(routing.ID{9}, 24)
	if err != nil {
		log.Fatal(err)
	}
	for i := range byte(5) {
		if err := table.Add(routing.ID{i + 1}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(table.Len(), "peers,", table.BucketLen(0), "of them in the other half of the space")
	fmt.Println(table.Nearest(routing.ID{3}.Key(), 1)[0] == routing.ID{3})
	// Output:
	// 5 peers, 2 of them in the other half of the space
	// true
}
