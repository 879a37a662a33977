package testnet

import (
	"context"
	"sync"
	"time"
)

// Fault is what is wrong with the links between two nodes.
type Fault uint8

const (
	// LinkUp: nothing is.
	LinkUp Fault = iota
	// LinkCut: live links end at once and new ones are refused.
	LinkCut
	// LinkSilent: links stay open, new ones too, and nothing arrives by them.
	LinkSilent
)

// goodbyeTime bounds a goodbye.
const goodbyeTime = 2 * time.Second

// Kill ends a node at once, without a goodbye: its links close.
func (n *Net) Kill(i int) { n.killAll([]int{i}) }

func (n *Net) killAll(nodes []int) { _ = closeMembers(n.disturb(nodes)) } // always nil

// Silence makes a node dead to the others as a power cut does: its links stay
// open and nothing comes by them any more. It ends with the network.
func (n *Net) Silence(i int) { n.silence([]int{i}) }

func (n *Net) silence(nodes []int) {
	dead := n.disturb(nodes)
	n.faults.change(func(f *faults) {
		for _, m := range dead {
			m.gone.Store(true)
			f.silent[m] = true
		}
	})
}

// Leave ends a node politely: it says goodbye to its peers, for two seconds at
// most, and returns when nothing of it runs any more.
func (n *Net) Leave(i int) {
	m := n.disturb([]int{i})[0]
	m.gone.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	_ = m.node.Shutdown(ctx) // a peer that does not read its goodbye is cut off
}

// Partition cuts a group of nodes off from all others, until Heal. Nodes added
// meanwhile are among the others. It replaces the partition before.
func (n *Net) Partition(group []int) {
	cut := make(map[*member]bool, len(group))
	for _, m := range n.disturb(group) {
		cut[m] = true
	}
	n.faults.change(func(f *faults) { f.group, f.healed = cut, false })
}

// Heal ends a partition. The nodes have to find each other again, see WaitReady.
func (n *Net) Heal() {
	n.faults.change(func(f *faults) { f.group, f.healed = nil, f.healed || len(f.group) > 0 })
}

// SetLink breaks whatever links two nodes have or will have with each other, or
// with LinkUp mends them.
func (n *Net) SetLink(a, b int, fault Fault) {
	ends := n.disturb([]int{a, b})
	n.faults.change(func(f *faults) {
		f.links[[2]*member{ends[0], ends[1]}], f.links[[2]*member{ends[1], ends[0]}] = fault, fault
	})
}

// disturb returns nodes that something is done to.
func (n *Net) disturb(nodes []int) []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	disturbed := make([]*member, len(nodes))
	for i, index := range nodes {
		disturbed[i], n.disturbed = n.members[index], true
	}
	return disturbed
}

// faults are what is broken between the nodes of a Net.
type faults struct {
	mu     sync.Mutex
	hosts  map[string]*member // by the address they listen on
	group  map[*member]bool   // cut off from the others; empty: no partition
	healed bool               // there was one, and none since
	silent map[*member]bool
	links  map[[2]*member]Fault // both orders
	conns  map[*conn]struct{}   // that are open
}

func (f *faults) init() {
	f.hosts, f.silent = make(map[string]*member), make(map[*member]bool)
	f.links, f.conns = make(map[[2]*member]Fault), make(map[*conn]struct{})
}

// know tells which node listens at an address.
func (f *faults) know(host string, m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[host] = m
}

// node is who listens at an address; nil: nobody of the network.
func (f *faults) node(host string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts[host]
}

// again ends the pipes on which no line is, of the pairs that it is asked of.
func (f *faults) again(of func(from, to *member) bool) {
	for _, c := range f.bare(of) {
		_ = c.Conn.Close()
	}
}

func (f *faults) bare(of func(from, to *member) bool) (all []*conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		if _, lined := c.Conn.(*shaped); !lined && of(c.owner, f.hosts[c.host]) {
			all = append(all, c)
		}
	}
	return all
}

// open says whether new nodes can reach a node.
func (f *faults) open(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.group[m]
}

// wasHealed says whether the last partition has ended.
func (f *faults) wasHealed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healed
}

// between is what is wrong between a node and whoever listens at an address.
func (f *faults) between(from *member, host string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault(from, host)
}

// fault is between for who has the lock. A member not known yet, or a node
// outside of the network, is on the side of those that are not cut off.
func (f *faults) fault(from *member, host string) Fault {
	to := f.hosts[host]
	switch {
	case f.silent[from] || f.silent[to]:
		return LinkSilent
	case f.group[from] != f.group[to]:
		return LinkCut
	}
	return f.links[[2]*member{from, to}]
}

// hold takes a new pipe; false: there may be none.
func (f *faults) hold(c *conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault := f.fault(c.owner, c.host)
	if fault == LinkCut {
		return false
	}
	c.silent.Store(fault == LinkSilent)
	f.conns[c] = struct{}{}
	return true
}

func (f *faults) release(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// change breaks or mends something, and the pipes that are open with it. They
// are closed outside of the lock, which their own end takes.
func (f *faults) change(do func(*faults)) {
	for c, fault := range f.changed(do) {
		c.suffer(fault)
	}
}

func (f *faults) changed(do func(*faults)) map[*conn]Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
	all := make(map[*conn]Fault, len(f.conns))
	for c := range f.conns {
		all[c] = f.fault(c.owner, c.host)
	}
	return all
}
