//go:build peermesh

package main

import (
	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/peermesh"
)

func init() { ours = []harness.System{peermesh.System{}} }
