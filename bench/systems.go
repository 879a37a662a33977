package main

import (
	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/nats"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
	"github.com/peermesh/peermesh/bench/systems/sealed"
	"github.com/peermesh/peermesh/bench/systems/tcp"
	"github.com/peermesh/peermesh/bench/systems/ws"
)

// allSystems returns every system, in the order of the tables.
func allSystems() []harness.System {
	return []harness.System{tcp.System{}, ws.System{}, sealed.System{}, nats.System{}, peermesh.System{}}
}

// The systems that others are compared with, by name.
const (
	baselineEcho = "ws"
	baselinePeer = "nats"
	baselineSeal = "sealed"
	baselineWire = "tcp"
)
