package testnet_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/peermesh/peermesh/testnet"
)

// In a test, Start does the same in one line.
func ExampleNew() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mesh, err := testnet.New(ctx, testnet.Options{Nodes: 5, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer mesh.Close()
	if err := mesh.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	r := mesh.Deliver(ctx, mesh.AllPairs())
	fmt.Println(r.Delivered, "of", r.Sent, "delivered,", r.Duplicates, "twice")
	// Output: 20 of 20 delivered, 0 twice
}

// The same seed gives the same trace, whatever the machine.
func ExampleSim() {
	s, err := testnet.Sim(testnet.Options{Nodes: 30, Messages: 100, Kill: 0.1, Seed: 7})
	if err != nil {
		log.Fatal(err)
	}
	r := s.Run()
	fmt.Println(r.Delivered, "of", r.Sent, "delivered,", r.Duplicates, "twice; failures:", len(r.Failures))
	// Output: 100 of 100 delivered, 0 twice; failures: 0
}
