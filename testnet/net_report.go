package testnet

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/peermesh/peermesh/routing"
)

// overCapLooks bounds how often the links of a node with too many are counted
// again: a link that is being refused shows for a moment.
const overCapLooks = 100

// Report tells of all messages that Deliver has sent so far, and of the network
// as it is now. Of what a simulation counts HandshakeHops and Displaced are zero.
func (n *Net) Report() Report {
	n.traffic.mu.Lock()
	flights := slices.Clip(n.traffic.flights)
	n.traffic.mu.Unlock()
	return n.report(flights)
}

// report tells of some messages.
func (n *Net) report(flights []*flight) Report {
	n.mu.Lock()
	settled, disturbed := n.settled, n.disturbed
	before, since := n.settledAt, n.lastStart.Add(n.settled)
	all := slices.Clip(n.members)
	n.mu.Unlock()
	running := n.running()
	r := Report{V: 1, Nodes: len(running), SettledMs: milliseconds(settled)}
	r.Links, r.LeafLinks = n.countLinks(running)
	r.Carriers = countCarriers(running)
	n.traffic.tell(flights, &r)
	if minutes := time.Since(since).Minutes() * float64(len(running)); settled > 0 && minutes > 0 {
		r.countUpkeep(crossings(all), before, minutes)
	}
	if len(running) > 0 {
		now := memory()
		r.BytesPerNode = int(now-min(now, n.baseline)) / len(running)
	}
	r.Failures = append(r.Failures, n.opts.broken(&r)...)
	if !disturbed && !n.opts.Line.some() && r.Delivered < r.Sent {
		r.Failures = append(r.Failures, fmt.Sprintf("%d of %d messages were not acknowledged", r.Sent-r.Delivered, r.Sent))
	}
	return r
}

// tell adds what became of some messages to a report.
func (t *traffic) tell(flights []*flight, r *Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var hops, latency []float64
	for _, f := range flights {
		r.Sent++
		if f.copies > 0 {
			hops = append(hops, float64(f.hops))
			r.Duplicates += f.copies - 1
		}
		if f.first() {
			r.First++
		}
		if f.acked() {
			r.Delivered++
			latency = append(latency, milliseconds(f.latency))
		}
		if f.acked() && f.copies == 0 && !f.to.gone.Load() {
			r.FalseAcks++
		}
	}
	r.Hops, r.LatencyMs = spreadOf(hops), spreadOf(latency)
	if t.strays > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%d messages arrived where they were not sent to", t.strays))
	}
}

// broken lists the promises that hold whatever happens to a network and that
// were not kept.
func (o *Options) broken(r *Report) []string {
	var all []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(r.Links.Max > o.MaxPeers, "a node has %d links with relays, the cap is %d", r.Links.Max, o.MaxPeers)
	add(r.LeafLinks.Max > o.MaxLeaves, "a relay has %d links with leaves, the cap is %d", r.LeafLinks.Max, o.MaxLeaves)
	add(r.Duplicates > 0, "%d messages were delivered twice", r.Duplicates)
	add(r.FalseAcks > 0, "%d messages were acknowledged and not delivered", r.FalseAcks)
	return all
}

// countLinks counts the links of each relay.
func (n *Net) countLinks(running []*member) (relays, leaves Links) {
	var withRelays, withLeaves []int
	for _, m := range running {
		if m.leaf {
			continue
		}
		r, l := n.linksOf(m)
		withRelays, withLeaves = append(withRelays, r), append(withLeaves, l)
	}
	return linksOf(withRelays), linksOf(withLeaves)
}

// carriedLink is a link between two nodes by one kind of carrier; a is the lesser ID.
type carriedLink struct {
	a, b routing.ID
	kind string
}

// carriers are links, each of them once, whichever of its ends knows of it.
type carriers map[carriedLink]bool

func (c carriers) add(a, b routing.ID, kind string) {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	c[carriedLink{a, b, kind}] = true
}

// byKind counts them.
func (c carriers) byKind() map[string]int {
	counts := make(map[string]int)
	for l := range c {
		counts[l.kind]++
	}
	return counts
}

func countCarriers(running []*member) map[string]int {
	here := make(map[routing.ID]bool)
	for _, m := range running {
		here[m.node.ID()] = true
	}
	links := make(carriers)
	for _, m := range running {
		for _, p := range m.node.Peers() {
			if here[p.ID] {
				links.add(m.node.ID(), p.ID, p.Transport)
			}
		}
	}
	return links.byKind()
}

// linksOf counts the peers of a node; of one with too many the fewest of some looks.
func (n *Net) linksOf(m *member) (relays, leaves int) {
	relays, leaves = m.peers()
	for look := 0; look < overCapLooks && (relays > n.opts.MaxPeers || leaves > n.opts.MaxLeaves); look++ {
		time.Sleep(lookAgain)
		r, l := m.peers()
		relays, leaves = min(relays, r), min(leaves, l)
	}
	return relays, leaves
}

// peers counts the peers of a node. Two links with one peer, of which one is
// about to go, are one.
func (m *member) peers() (relays, leaves int) {
	seen := make(map[routing.ID]bool)
	for _, p := range m.node.Peers() {
		switch {
		case seen[p.ID]:
		case p.Leaf:
			leaves++
		default:
			relays++
		}
		seen[p.ID] = true
	}
	return relays, leaves
}

func linksOf(counts []int) Links {
	if len(counts) == 0 {
		return Links{}
	}
	sum := 0
	for _, c := range counts {
		sum += c
	}
	return Links{Mean: float64(sum) / float64(len(counts)), Max: slices.Max(counts)}
}

// memory is what this process holds: live objects and stacks, in bytes.
func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
