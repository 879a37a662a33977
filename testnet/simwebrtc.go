package testnet

import (
	"bytes"
	"slices"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/session"
)

// webRTC is what the nodes use it for.
func (s *Simulation) webRTC() engine.WebRTCUse {
	if s.opts.NoURL > 0 || s.opts.MaxWebRTC > 0 {
		return engine.WebRTCOn
	}
	return engine.WebRTCOff
}

// apart says whether WebRTC cannot link two nodes: their NATs do not let it.
func (s *Simulation) apart(a, b *simNode) bool {
	return s.opts.Apart > 0 && s.lot(a, b, s.salt^0x415041) < s.opts.Apart
}

// tellTraffic tells the engine whom its node talks to, once a second, and looks
// whether it has more links over WebRTC than it may have for longer than two ends
// take to agree which of two goes.
func (n *simNode) tellTraffic() {
	s := n.sim
	if s.webRTC() == engine.WebRTCOff {
		return
	}
	n.traffic = n.sessions.Traffic(n.traffic[:0])
	if len(n.traffic) > 0 {
		slices.SortFunc(n.traffic, func(a, b session.PeerTraffic) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		s.post(n, engine.Traffic{Peers: n.traffic})
	}
	most, carried := s.opts.MaxWebRTC, 0
	if most == 0 {
		most = limits.WebRTCLinks
	}
	for _, l := range n.links {
		if l.admitted && l.link.Carrier.(*simEnd).webRTC {
			carried++
		}
	}
	if n.carried++; carried <= most {
		n.carried = 0
	}
	if n.carried == 3 {
		s.fail("node %d: got %d links over WebRTC, want at most %d", n.index, carried, most)
	}
}
