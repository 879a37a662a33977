package main

import (
	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/derp"
	"github.com/peermesh/peermesh/bench/systems/ironwood"
	"github.com/peermesh/peermesh/bench/systems/libp2p"
	"github.com/peermesh/peermesh/bench/systems/nats"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
	"github.com/peermesh/peermesh/bench/systems/sealed"
	"github.com/peermesh/peermesh/bench/systems/tcp"
	"github.com/peermesh/peermesh/bench/systems/ws"
)

// allSystems returns every system, in the order of the tables.
func allSystems() []harness.System {
	return []harness.System{
		tcp.System{}, ws.System{}, sealed.System{},
		nats.System{}, libp2p.System{}, derp.System{}, ironwood.System{},
		peermesh.System{},
	}
}

// The systems that others are compared with, by name.
const (
	baselineEcho = "ws"
	baselinePeer = "nats"
	baselineSeal = "sealed"
	baselineWire = "tcp"
)

// peers are the systems that a user would take in a node's place.
var peers = []string{baselinePeer, "libp2p", "derp", "ironwood"}
