package node

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
)

// Peers describes the live links, in the order of their IDs.
func (n *Node) Peers() []PeerInfo {
	all := n.live.all()
	peers := make([]PeerInfo, 0, len(all))
	for _, l := range all {
		if !l.admitted.Load() {
			continue // still being looked at
		}
		s := l.link.Stats()
		info := PeerInfo{
			ID: l.link.Peer, Leaf: l.link.Leaf, Transport: l.conn.Kind(), Outbound: l.link.Outbound, Agent: l.link.Agent,
			RTT: s.RTT, Since: l.since, Suspect: s.Suspect, Queued: s.Queued,
			RxBytes: s.RxBytes, TxBytes: s.TxBytes, RxFrames: s.RxFrames, TxFrames: s.TxFrames,
		}
		if addr := l.conn.RemoteAddr(); addr != nil {
			info.Address = addr.String()
		}
		peers = append(peers, info)
	}
	slices.SortFunc(peers, func(a, b PeerInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return peers
}

// counters count frames.
type counters struct {
	forwarded, delivered atomic.Uint64
	upkeep, links, pings atomic.Uint64
}

// crossed adds what a batch brought.
func (c *counters) crossed(by *engine.Crossings) {
	c.upkeep.Add(by.Upkeep)
	c.links.Add(by.Links)
	c.pings.Add(by.Pings)
}

func (c *counters) upkeepSoFar() Upkeep {
	return Upkeep{MeshFrames: c.upkeep.Load(), LinkFrames: c.links.Load(), Pings: c.pings.Load()}
}

// Status is a picture of the node now.
func (n *Node) Status() Status {
	return Status{
		V: 1, ID: n.id, Uptime: time.Since(n.started), Leaf: n.cfg.Leaf, URLs: n.URLs(),
		Peers: n.Peers(), Bootstraps: n.bootstraps(), Sessions: n.sessions.Len(), Ports: n.ports.list(),
		Forwarded: n.counters.forwarded.Load(), Delivered: n.counters.delivered.Load(), Drops: n.drops.Map(),
		Upkeep: n.counters.upkeepSoFar(),
	}
}

func (n *Node) bootstraps() []BootstrapInfo {
	targets := n.state.load().targets
	infos := make([]BootstrapInfo, 0, len(targets))
	for _, t := range targets {
		info := BootstrapInfo{URL: t.URL, Linked: t.Linked, Peer: t.Peer, Attempts: t.Attempts}
		if t.Err != nil {
			info.LastError = joinError(t).(*JoinError).Err.Error()
		}
		if !t.Linked {
			info.NextTry = t.Next
		}
		infos = append(infos, info)
	}
	return infos
}
