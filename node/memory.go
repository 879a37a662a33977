package node

import (
	"sync/atomic"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
)

// memory is Config.MaxMemory in two parts: what links cost while nothing waits on
// them, and what waits for peers. Links never take the room of what waits, nor that
// of each other's places.
type memory struct {
	waiting *budget.Budget
	places  atomic.Int64 // bytes of the links that there are
	room    int64        // for them
}

func (m *memory) init(c *Config) {
	room := min(c.linkMemory(), c.MaxMemory/2)
	m.room, m.waiting = int64(room), budget.New(c.MaxMemory-room)
}

// linkMemory is what the links cost that a node may have.
func (c *Config) linkMemory() int {
	all := c.MaxPeers + c.MaxLeaves
	overWebRTC := 0
	if c.WebRTC != WebRTCOff {
		overWebRTC = min(c.MaxWebRTC, all)
	}
	return all*limits.LinkMemory + overWebRTC*(limits.LinkMemoryWebRTC-limits.LinkMemory)
}

// costOf is what a link over a carrier costs.
func costOf(kind string) int64 {
	if kind == rtcKind {
		return limits.LinkMemoryWebRTC
	}
	return limits.LinkMemory
}

// enter takes the room of a link; false: there is none. A place that the config
// promises always has it, unless MaxMemory is too small for all of them.
func (m *memory) enter(kind string) bool {
	if m.places.Add(costOf(kind)) <= m.room+limits.EndingLinks*limits.LinkMemory {
		return true
	}
	m.leave(kind)
	return false
}

func (m *memory) leave(kind string) { m.places.Add(-costOf(kind)) }

// used is what of MaxMemory is taken.
func (m *memory) used() int { return int(m.places.Load()) + m.waiting.Used() }

// defaultMemory is MaxMemory when the config does not tell it: what the links cost
// and limits.MemoryWaiting, but no more than a quarter of the machine.
func (c *Config) defaultMemory(machine int) int {
	return max(limits.MemoryLeast, min(c.linkMemory()+limits.MemoryWaiting, machine/4))
}
