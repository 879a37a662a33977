package link

import (
	"bytes"

	"github.com/peermesh/peermesh/internal/wire"
)

// Origin tells apart two links to the same peer.
type Origin struct {
	Instance wire.Instance // of the peer
	Outbound bool          // dialled by this node
	Dial     uint32        // the dialler's count of dials to this peer's ID or URL
}

// Choice is what becomes of two links to one peer.
type Choice uint8

// The choices.
const (
	KeepBoth   Choice = iota // not ours to decide: the peer accepted the one to be closed
	CloseOld                 // at once
	CloseNew                 // at once
	CloseOldOK               // after the new link has answered a ping
	CloseNewOK               // after the old link has answered a ping
)

// Duplicate decides between an old and a new link of self to peer. Only the
// end that accepted a link closes it, so that the two ends never close one
// each: what the peer has to close is KeepBoth.
//
//   - Another instance of the peer: the newer link stays.
//   - The same instance, dialled by the same side: the higher dial count stays.
//   - The same instance, dialled from both sides: the link dialled by the lower
//     ID stays, once it has answered a ping.
func Duplicate(self, peer wire.ID, old, fresh Origin) Choice {
	switch {
	case old.Instance != fresh.Instance:
		return closeUnless(CloseOld, false)
	case old.Outbound == fresh.Outbound:
		if old.Outbound {
			return KeepBoth
		}
		if fresh.Dial > old.Dial {
			return CloseOld
		}
		return CloseNew
	}
	lowerDials := bytes.Compare(self[:], peer[:]) < 0 // this node's dial stays
	if old.Outbound == lowerDials {
		return closeUnless(CloseNewOK, fresh.Outbound)
	}
	return closeUnless(CloseOldOK, old.Outbound)
}

// closeUnless is c, or KeepBoth when the link to be closed was dialled here.
func closeUnless(c Choice, dialledHere bool) Choice {
	if dialledHere {
		return KeepBoth
	}
	return c
}
