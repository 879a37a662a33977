package main

import (
	"fmt"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/testnet"
)

const (
	// fewestPairs is how many nodes a message needs.
	fewestPairs = 2

	// shortestSession is the shortest mean life of a simulated node: of those that live
	// less few ever link, and the network does nothing but to begin.
	shortestSession = time.Second

	// sybilsForEach bounds the Sybils by the honest nodes: more show nothing that so
	// many do not.
	sybilsForEach = 100
)

// senseless finds settings that are each right, and by which nothing can be shown:
// the run would not end, or find nobody to send messages between.
func senseless(c *cli.Context, o *testnet.Options) error {
	killed := int(math.Round(o.Kill * float64(o.Nodes)))
	for _, s := range []struct {
		is         bool
		flag, text string
	}{
		{o.Messages > 0 && o.Nodes < fewestPairs, "nodes", "messages need two nodes: give --nodes 2 or more, or --messages 0"},
		{o.Leaves == 1, "leaves", "the first node is a relay, and leaves need one: give less than 100%"},
		{o.Kill > 0 && o.Nodes-killed < fewestPairs, "kill", fmt.Sprintf("of %d nodes less than two would be left to send messages between", o.Nodes)},
		{o.Partition == 1, "partition", "with all nodes cut off there is nobody to be cut off from: give less than 100%"},
		{get[bufferSize](c, "buffer") != (bufferSize{}) && o.Line.Rate == 0, "buffer", "what waits, waits for a rate: give --rate, too"},
		{o.Loss == 1 || o.Line.Loss == 1, "loss", "nothing would arrive: give less than 100%"},
		{o.Session > 0 && o.Session < shortestSession, "session", fmt.Sprintf("nodes that live less than %v do nothing but to join", shortestSession)},
		{o.Sybils > sybilsForEach*o.Nodes, "sybils", fmt.Sprintf("give at most %d for each of the %d nodes", sybilsForEach, o.Nodes)},
	} {
		if s.is {
			return &usageError{command: c.Command.Name, text: dashed(s.flag) + ": " + s.text}
		}
	}
	return nil
}
