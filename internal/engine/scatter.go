package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// A scatter frame makes for a random point, its aim, by any link that carries and
// leads closer, not by the best one. So no place in the mesh is on the way of all
// copies of a frame, however well it was chosen. Which link it takes hangs on a
// secret of each relay, and on nothing that changes: a frame with the same aim
// for the same destination takes the same way.

// SecretLen is the length of SnapshotConfig.Secret.
const SecretLen = 16

// exit is a relay that carries, as a scatter frame sees it.
type exit struct {
	peer   *Peer
	tag    uint64 // the first bytes of its Key
	chosen bool   // by this node
}

// byChoice tells whether a scatter frame with this aim goes by links that this
// node chose, where one leads closer: a quarter of them do.
func byChoice(aim []byte) bool { return aim[wire.AimLen-1]&3 == 1 }

// aimed tells whether the frame makes for its aim now.
func (p *pass) aimed() bool { return p.f.Aim != nil && p.f.Waypoints == nil }

// scatter is rule 6 for a frame that makes for its aim: the exit with the lowest
// lot, or of a frame of this node the one of number k; nil: none is closer. A
// leaf's own goes anywhere.
func (p *pass) scatter() (peer *Peer) {
	var at turn
	var dst []byte
	if p.f.Type == wire.TypeNearest {
		dst = p.f.Body[wire.NonceLen:]
	} else {
		dst = p.f.Dst[:]
	}
	seed := p.s.lotSeed(p.f.Aim, dst)
	for left := p.k; left >= 0; left-- {
		next, rank := p.lowest(seed, at)
		if next == nil {
			break // fewer than that: the last one
		}
		peer, at = next, rank
	}
	return peer
}

// turn is where an exit stands in the order of one frame; the zero turn is
// before all.
type turn struct {
	rank uint8 // 1 to 4
	lot  uint64
}

func (a turn) before(b turn) bool { return a.rank < b.rank || a.rank == b.rank && a.lot < b.lot }

// lowest returns the first exit behind after that leads closer to the aim.
func (p *pass) lowest(seed uint64, after turn) (first *Peer, at turn) {
	toward := keyHead(&p.s.selfKey) ^ binary.BigEndian.Uint64(p.f.Aim)
	anywhere, chosen, b := p.own && p.s.leaf, byChoice(p.f.Aim), p.unbarred()
	for i := range p.s.exits {
		x := &p.s.exits[i]
		if !anywhere && !leadsToward(toward, x.tag^keyHead(&p.s.selfKey)) || b.forbids(x.peer) {
			continue
		}
		here := turn{1, lot(seed, x.tag)}
		if chosen && !x.chosen {
			here.rank++
		}
		if p.own && p.used(x.peer) {
			here.rank += 2
		}
		if after.before(here) && (first == nil || here.before(at)) {
			first, at = x.peer, here
		}
	}
	return first, at
}

// leadsToward tells whether a node that differs from this one by bits is strictly
// closer to a point that differs from this one by toward: whether that has a one
// where the first of the bits is.
func leadsToward(toward, differs uint64) bool {
	return toward<<bits.LeadingZeros64(differs)>>63 != 0
}

// lotSeed is what the lots of one frame hang on: nobody else can tell it.
func (s *Snapshot) lotSeed(aim, dst []byte) uint64 {
	var b [SecretLen + wire.AimLen + idLen]byte
	n := copy(b[:], s.secret[:])
	n += copy(b[n:], aim)
	copy(b[n:], dst)
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:])
}

// lot is a number that is the same for the same seed and relay, and looks random
// (splitmix64's finisher).
func lot(seed, tag uint64) uint64 {
	x := seed ^ tag
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// aimKey is the Key that begins with the aim.
func aimKey(aim []byte) (k routing.Key) {
	copy(k[:], aim)
	return k
}
