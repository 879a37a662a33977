package node

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// Peers describes the live links, in the order of their IDs.
func (n *Node) Peers() []PeerInfo {
	all := n.live.all()
	peers := make([]PeerInfo, 0, len(all))
	for _, l := range all {
		if l.admitted.Load() { // else still being looked at
			peers = append(peers, l.info(n.id.Key()))
		}
	}
	slices.SortFunc(peers, func(a, b PeerInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return peers
}

func (l *liveLink) info(self routing.Key) PeerInfo {
	s := l.link.Stats()
	id := routing.ID(l.link.Peer)
	info := PeerInfo{
		ID: id, Leaf: l.link.Leaf, Transport: l.conn.Kind(), Outbound: l.link.Outbound, Agent: l.link.Agent,
		RTT: s.RTT, Since: l.since, Suspect: s.Suspect, Queued: s.Queued,
		RxBytes: s.RxBytes, TxBytes: s.TxBytes, RxFrames: s.RxFrames, TxFrames: s.TxFrames,
		Direct: l.link.Direct, QueueFill: min(1, float64(s.Queued)/limits.LinkQueue), Age: time.Since(l.since),
		Bucket: self.CommonPrefixLen(id.Key()),
		Slow:   s.Slow, LineRate: s.Line.Rate, LineBase: s.Line.Base, LineLimit: s.Line.Limit,
	}
	if c, ok := l.conn.(interface{ Congestion() string }); ok {
		info.Congestion = c.Congestion()
	}
	if addr := l.conn.RemoteAddr(); addr != nil {
		info.Address = addr.String()
		if at, err := netip.ParseAddrPort(info.Address); err == nil && at.Port() == 0 {
			info.Address = at.Addr().String() // as a proxy told it
		}
	}
	if pair, ok := l.conn.(interface{ Pair() (local, remote string) }); ok {
		local, remote := pair.Pair()
		info.Path = local + "/" + remote
	}
	return info
}

// Status is a picture of the node now. It costs a walk over the links and takes
// nothing that a frame waits for.
func (n *Node) Status() Status {
	board, peers := n.state.load(), n.Peers()
	delivered, hops := n.counters.deliveredSoFar()
	s := Status{
		V: 1, ID: n.id, Uptime: time.Since(n.started), Leaf: n.cfg.Leaf, URLs: append([]string{}, n.URLs()...),
		Peers: peers, Bootstraps: bootstraps(board.targets), Sessions: n.sessions.Len(), Ports: n.ports.list(),
		Forwarded: n.counters.forwarded.Load(), Delivered: delivered, Drops: n.drops.Map(),
		LimitsHit: make(map[string]uint64), LimitsHitAt: make(map[string]time.Time), Attached: board.linked, Settled: board.settled,
		Homes: []routing.ID{}, Table: table(peers), Traffic: n.live.traffic(),
		Dials:  Dials{Linked: n.counters.dialsLinked.Load(), Failed: n.counters.dialsFailed.Load()},
		Upkeep: n.counters.upkeepSoFar(), Hops: hops, ForwardTimes: n.counters.forwardTimes.soFar(),
		SignalTimes: n.counters.signalTimes.soFar(), Panics: n.panics.Load() + guard.Loose(), Warnings: n.warnings.list(),
	}
	s.DropsMoot = moot(s.Drops)
	for _, id := range n.engine.Homes() {
		s.Homes = append(s.Homes, routing.ID(id))
	}
	if at := n.identityUsed.Load(); at != 0 {
		s.IdentityInUseAt = time.Unix(0, at).UTC()
	}
	s.UndeclaredProxy, s.UndeclaredProxyAt = n.edge.lastProxy()
	s.NetworkChanges, s.NetworkChange, s.NetworkChangeAt = n.network.last()
	s.SessionList = n.sessionList(peers)
	s.Overload = Overload(n.sessions.Overload())
	n.limitsHit(&s)
	s.Limits = n.limits(&s)
	return s
}

// moot are the drops that plain use makes.
func moot(drops map[string]uint64) map[string]uint64 {
	all := make(map[string]uint64)
	for r := range reason.Count {
		if name := reason.Reason(r).String(); reason.Reason(r).IsMoot() && drops[name] > 0 {
			all[name] = drops[name]
		}
	}
	return all
}

// sessionList describes the sessions used last.
func (n *Node) sessionList(peers []PeerInfo) []SessionInfo {
	linked := make(map[routing.ID]bool, len(peers))
	for _, p := range peers {
		linked[p.ID] = true
	}
	all := n.sessions.Describe(time.Now(), limits.StatusSessions)
	infos := make([]SessionInfo, len(all))
	for i, s := range all {
		id := routing.ID(s.Peer)
		infos[i] = SessionInfo{
			ID: id, State: string(s.State), Linked: linked[id], Initiator: s.Initiator,
			Age: s.Age, Idle: s.Idle, RTT: s.RTT, Waiting: s.Waiting,
			Window: s.Window, InFlight: s.InFlight, Rate: s.Rate, Base: s.Base, Marked: s.Marked,
		}
	}
	return infos
}

// limitsHit tells which of the drops a bound caused.
func (n *Node) limitsHit(s *Status) {
	for r := range reason.Count {
		name := reason.Reason(r).String()
		if !reason.Reason(r).IsLimit() || s.Drops[name] == 0 {
			continue
		}
		s.LimitsHit[name], s.LimitsHitAt[name] = s.Drops[name], time.Now().UTC() // until the ticker has looked
		if at := n.droppedAt[r].Load(); at != 0 {
			s.LimitsHitAt[name] = time.Unix(0, at).UTC()
		}
	}
}

// limits tells how near the node is to what it holds at most.
func (n *Node) limits(s *Status) []LimitUse {
	leaves, overWebRTC := 0, 0
	for _, p := range s.Peers {
		if p.Leaf {
			leaves++
		}
		if p.Transport == rtcKind {
			overWebRTC++
		}
	}
	return []LimitUse{
		{"relay-links", len(s.Peers) - leaves, n.cfg.MaxPeers},
		{"leaf-links", leaves, n.cfg.MaxLeaves},
		{"webrtc-links", overWebRTC, n.cfg.MaxWebRTC},
		{"webrtc-stuck", n.rtc.stuck(), limits.StuckEndsMost},
		{"links-under-way", n.gate.inside(), limits.PreAuthLinks},
		{"sessions", s.Sessions, limits.Sessions},
		{"ports", len(s.Ports), limits.Ports},
		{"loop-queue", len(n.loop), limits.LoopQueue},
		{"memory", n.memory.used(), n.cfg.MaxMemory},
		{"port-connections", n.connections(), limits.HTTPConns},
	}
}

// table counts the relay links by bucket.
func table(peers []PeerInfo) []BucketInfo {
	var links [routing.KeyBits + 1]int
	for _, p := range peers {
		if !p.Leaf {
			links[p.Bucket]++
		}
	}
	all := []BucketInfo{}
	for b, count := range links {
		if count > 0 {
			all = append(all, BucketInfo{b, count})
		}
	}
	return all
}

func bootstraps(targets []engine.TargetInfo) []BootstrapInfo {
	infos := make([]BootstrapInfo, 0, len(targets))
	for _, t := range targets {
		info := BootstrapInfo{URL: t.URL, Linked: t.Linked, Peer: t.Peer, Attempts: t.Attempts}
		if stage, err := troubleOf(&t); err != nil {
			info.Stage, info.Reason, info.LastError = stage, causeName(err), err.Error()
		}
		if !t.Linked {
			info.NextTry = t.Next
		}
		infos = append(infos, info)
	}
	return infos
}
