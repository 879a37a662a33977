package engine_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

var noon = time.Unix(1_700_000_000, 0)

// at returns an ID whose Key begins with the bits; n tells several apart.
func at(bits string, n ...int) routing.ID {
	var id routing.ID
	for _, v := range n {
		id[8] = byte(v)
	}
	for i := uint64(1); ; i++ {
		binary.BigEndian.PutUint64(id[:], i)
		if startsWith(id.Key(), bits) {
			return id
		}
	}
}

func startsWith(k routing.Key, bits string) bool {
	for i, c := range bits {
		if k[i/8]<<(i%8)&0x80 != 0 != (c == '1') {
			return false
		}
	}
	return true
}

func relay(id routing.ID) *engine.Peer { return &engine.Peer{ID: id, Key: id.Key()} }

func leaf(id routing.ID) *engine.Peer { return &engine.Peer{ID: id, Key: id.Key(), Leaf: true} }

// states are healthy links to the peers.
func states(peers ...*engine.Peer) []engine.PeerState {
	list := make([]engine.PeerState, len(peers))
	for i, p := range peers {
		list[i].Peer = p
	}
	return list
}

// prefixes is a detour list of these relays.
func prefixes(ids ...routing.ID) []byte {
	list := []byte{}
	for _, id := range ids {
		list = binary.BigEndian.AppendUint32(list, id.Key().Prefix())
	}
	return list
}

// waypoints is a list of these nodes.
func waypoints(ids ...routing.ID) []byte {
	var list []byte
	for _, id := range ids {
		list = append(list, id[:]...)
	}
	return list
}

// held is a store of attachment records.
type held struct {
	homes   map[wire.ID][]wire.ID
	version uint64
}

func (h *held) Attachment(id wire.ID) ([]wire.ID, bool) {
	homes, ok := h.homes[id]
	return homes, ok
}

func (h *held) Version() uint64 { return h.version }

func (h *held) put(leaf routing.ID, homes ...routing.ID) *held {
	if h.homes == nil {
		h.homes = map[wire.ID][]wire.ID{}
	}
	h.version++
	list := make([]wire.ID, len(homes))
	for i, id := range homes {
		list[i] = wire.ID(id)
	}
	h.homes[wire.ID(leaf)] = list
	return h
}

// nearest is the body of a Nearest frame.
func nearest(target routing.Key, op wire.Op) []byte {
	return wire.AppendNearestBody(nil, &wire.NearestBody{Target: wire.Key(target), Op: op, Rest: make([]byte, 8)})
}

// bytesOf is f on the wire.
func bytesOf(f wire.Frame) []byte { return wire.AppendFrame(nil, &f) }

func mustParse(tb testing.TB, b []byte) wire.Frame {
	tb.Helper()
	f, err := wire.ParseFrame(b)
	if err != nil {
		tb.Fatalf("frame of %d bytes: %v", len(b), err)
	}
	return f
}

// show prints a frame for a failure.
func show(f wire.Frame) string {
	return fmt.Sprintf("{%v class %v found %v limit %d dst %x src %x detour %x waypoints %x return %x aim %x body %d}",
		f.Type, f.Class, f.Found, f.HopLimit, f.Dst[:4], f.Src[:4], f.Detour, f.Waypoints, f.Return, f.Aim, len(f.Body))
}

func same(a, b wire.Frame) bool {
	return show(a) == show(b) && string(bytesOf(a)) == string(bytesOf(b))
}

// ids returns n different IDs, the same for the same seed.
func ids(n int, seed uint64) []routing.ID {
	r := rand.New(rand.NewPCG(seed, 1))
	list := make([]routing.ID, n)
	for i := range list {
		for j := 0; j < len(list[i]); j += 4 {
			binary.BigEndian.PutUint32(list[i][j:], r.Uint32())
		}
	}
	return list
}
