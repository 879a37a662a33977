package engine

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// aims draws the aims of scatter frames.
type aims struct {
	secret [SecretLen]byte // of the snapshots; set at New

	mu   sync.Mutex
	rand *rand.ChaCha8 // guarded by mu
}

func (a *aims) init(r *rand.Rand) {
	for i := 0; i < SecretLen; i += 8 {
		binary.BigEndian.PutUint64(a.secret[i:], r.Uint64())
	}
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.BigEndian.PutUint64(seed[i:], r.Uint64())
	}
	a.rand = rand.NewChaCha8(seed)
}

// Aim draws where a scatter frame to a node makes for: in half of the cases
// anywhere, else a point that shares some leading bits with the node's Key, up to
// where a handful of relays lie. Any goroutine.
func (e *Engine) Aim(to wire.ID) (aim [wire.AimLen]byte) {
	head, deepest := keyHeadOf(to), e.snapshot.Load().depth
	e.aims.mu.Lock()
	point, how := e.aims.rand.Uint64(), e.aims.rand.Uint64()
	e.aims.mu.Unlock()
	if how&1 == 1 {
		shared := (how >> 1) % uint64(deepest+1)
		point = point>>shared | head&^(^uint64(0)>>shared)
	}
	binary.BigEndian.PutUint64(aim[:], point)
	return aim
}

func keyHeadOf(id wire.ID) uint64 {
	key := routing.ID(id).Key()
	return keyHead(&key)
}

// depth is how many leading bits an aim near a Key shares with it at most: there
// some 16 relays are left. Their number in all follows from how far the fourth
// nearest that carries is; a leaf has no near set and takes a usual one.
func depth(self *routing.Key, leaf bool, calm *routing.Snapshot[*Peer]) int {
	if leaf {
		return limits.AimDepthLeaf
	}
	near := calm.Nearest(*self, limits.NearSet, nil)
	if len(near) < limits.NearSet {
		return 0
	}
	far := keyHead(&calm.At(near[len(near)-1]).Key) ^ keyHead(self)
	log2N := bits.LeadingZeros64(far) + 2 // 4 of N within that share of the space
	return max(0, log2N-4)
}
