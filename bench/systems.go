package main

import (
	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/nats"
	"github.com/peermesh/peermesh/bench/systems/sealed"
	"github.com/peermesh/peermesh/bench/systems/tcp"
	"github.com/peermesh/peermesh/bench/systems/ws"
)

// ours is the project's node where the build contains it.
var ours []harness.System

// allSystems returns every system of this build, in the order of the tables.
func allSystems() []harness.System {
	return append([]harness.System{tcp.System{}, ws.System{}, sealed.System{}, nats.System{}}, ours...)
}

// The systems that others are compared with, by name.
const (
	baselineEcho = "ws"
	baselinePeer = "nats"
	baselineSeal = "sealed"
	baselineWire = "tcp"
)
