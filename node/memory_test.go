package node

import (
	"errors"
	"math"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
)

// The default is what the links cost and what waits, and no more than a quarter of
// the machine.
func TestDefaultMemory(t *testing.T) {
	small := Config{MaxPeers: 10, WebRTC: WebRTCOff}
	large := Config{MaxPeers: 10_000, MaxLeaves: 10_000, WebRTC: WebRTCOn, MaxWebRTC: 32}
	for _, test := range []struct {
		cfg           Config
		machine, want int
	}{
		{small, math.MaxInt, limits.MemoryWaiting + 10*limits.LinkMemory},
		{large, math.MaxInt, limits.MemoryWaiting + 20_000*limits.LinkMemory + 32*(limits.LinkMemoryWebRTC-limits.LinkMemory)},
		{large, 256 << 20, 64 << 20},
		{small, 32 << 20, limits.MemoryLeast},
	} {
		if got := test.cfg.defaultMemory(test.machine); got != test.want {
			t.Errorf("%d links on a machine of %d bytes: got %d, want %d", test.cfg.MaxPeers+test.cfg.MaxLeaves, test.machine, got, test.want)
		}
	}
	if err := (Config{MaxMemory: 1}).Check(); err == nil {
		t.Error("one byte: got no mistake")
	}
}

func TestMachineMemory(t *testing.T) {
	files := map[string]string{
		meminfo:   "MemFree: 1 kB\nMemTotal:       2048 kB\n",
		ownGroups: "9:memory:/a/b\n4:cpu:/z\n0::/c/d\n",
		groups + "/memory/a/b/memory.limit_in_bytes": "9000\n", groups + "/memory/a/memory.limit_in_bytes": "8000\n",
		groups + "/c/d/memory.max": "max\n", groups + "/c/memory.max": "7000\n", groups + "/z/memory.max": "1\n",
	}
	read := func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, errors.New("no such file")
		}
		return []byte(text), nil
	}
	if got := physicalMemory(read); got != 2<<20 {
		t.Errorf("the machine's: got %d, want %d", got, 2<<20)
	}
	if got := groupMemory(read); got != 7000 {
		t.Errorf("the control group's: got %d, want 7000", got)
	}
	clear(files)
	if physicalMemory(read) != math.MaxInt || groupMemory(read) != math.MaxInt {
		t.Error("unknown: got a number")
	}
	if got := machineMemory(); got < 1<<20 {
		t.Errorf("here: got %d", got)
	}
}

// Links have room up to what the config allows, or as many as MaxMemory has room
// for, and what waits takes none of it.
func TestPlacesOfLinksAreBounded(t *testing.T) {
	var m memory
	m.init(&Config{MaxPeers: 1_000, MaxMemory: limits.MemoryMin, WebRTC: WebRTCOff})
	waiting := m.waiting.Open()
	waiting.Set(m.waiting.Most())
	links := 0
	for m.enter("ws") {
		links++
	}
	if want := limits.MemoryMin/2/limits.LinkMemory + limits.EndingLinks; links != want {
		t.Errorf("got %d links, want %d", links, want)
	}
	m.leave("ws")
	if !m.enter("ws") {
		t.Error("a place that is free again: got none")
	}
}
