package testnet

import (
	"fmt"
	"slices"

	"github.com/peermesh/peermesh/internal/engine"
)

// bytesPerNode is the memory that the simulation takes for each node.
func (s *Simulation) bytesPerNode() int {
	if len(s.alive) == 0 {
		return 0
	}
	used := int64(heapBytes()) - int64(s.heapBefore)
	return int(max(used, 0)) / len(s.alive)
}

// Report tells what became of the network so far.
func (s *Simulation) Report() Report {
	r := Report{
		V: 1, Nodes: len(s.alive),
		Duplicates: s.load.duplicates, FalseAcks: s.load.falseAcks, Displaced: s.lost,
		BytesPerNode: s.perNode, TraceHash: s.trace.sum(),
		SettledMs: milliseconds(s.settling),
	}
	s.reportLinks(&r)
	r.Carriers = s.countCarriers()
	s.reportUpkeep(&r)
	s.reportMessages(&r)
	r.Failures = slices.Concat(s.failures, s.opts.broken(&r), s.late(&r))
	if r.Displaced > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%d proven links went for a stranger's sake", r.Displaced))
	}
	return r
}

func (s *Simulation) reportLinks(r *Report) {
	relays := 0
	for _, n := range s.alive {
		if n.leaf {
			continue
		}
		relays++
		leaves := 0
		for _, l := range n.links {
			if l.admitted && l.link.Leaf {
				leaves++
			}
		}
		r.Links.Mean += float64(n.relays)
		r.LeafLinks.Mean += float64(leaves)
		r.LeafLinks.Max = max(r.LeafLinks.Max, leaves)
	}
	r.Links.Max = s.mostRelays
	if relays > 0 {
		r.Links.Mean /= float64(relays)
		r.LeafLinks.Mean /= float64(relays)
	}
}

func (s *Simulation) countCarriers() map[string]int {
	links := make(carriers)
	for _, n := range s.alive {
		for _, l := range n.links {
			end := l.link.Carrier.(*simEnd)
			if l.admitted && !end.other.node.dead {
				links.add(n.id, end.other.node.id, end.Kind())
			}
		}
	}
	return links.byKind()
}

func (s *Simulation) reportUpkeep(r *Report) {
	nodeMinutes := float64(len(s.alive)) * (s.now - s.settledAt).Minutes()
	if s.settledAt == 0 || nodeMinutes == 0 {
		return
	}
	r.countUpkeep(s.counts, s.settled, nodeMinutes)
}

// countUpkeep tells what the mesh itself cost from one count to a later one.
func (r *Report) countUpkeep(now, before engine.Crossings, nodeMinutes float64) {
	rate := func(now, before uint64) float64 { return float64(now-before) / nodeMinutes }
	r.MaintenancePerNodeMinute = rate(now.Upkeep, before.Upkeep)
	r.LinkFramesPerNodeMinute = rate(now.Links, before.Links)
	r.PingsPerNodeMinute = rate(now.Pings, before.Pings)
}

func (s *Simulation) reportMessages(r *Report) {
	var hops, took []float64
	for _, m := range s.load.messages {
		if m.void {
			continue
		}
		r.Sent++
		if m.reached {
			r.First++
		}
		if m.delivered {
			hops = append(hops, float64(m.hops))
		}
		if m.acked {
			r.Delivered++
			took = append(took, milliseconds(m.took))
		}
	}
	r.Hops, r.LatencyMs = spreadOf(hops), spreadOf(took)
	first := make([]float64, len(s.load.handshakeHops))
	for i, h := range s.load.handshakeHops {
		first[i] = float64(h)
	}
	r.HandshakeHops = spreadOf(first)
}

// late says, where nothing harmful was asked for, that a message needed more
// than its first transmission.
func (s *Simulation) late(r *Report) []string {
	o := &s.opts
	calm := o.Session == 0 && o.Loss == 0 && o.Kill == 0 && o.Partition == 0 && o.Sybils == 0 && !o.Line.some()
	if !calm || r.First == r.Sent {
		return nil
	}
	return []string{fmt.Sprintf("%d of %d messages did not arrive by their first transmission", r.Sent-r.First, r.Sent)}
}
