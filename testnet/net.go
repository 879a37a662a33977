package testnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport"
)

// startGroup is how many nodes are started at once: each of a group joins by a
// node of an earlier group, so the mesh grows as a real one does, and the
// handshakes of a large network do not all fall into one moment.
const startGroup = 8

// Net is a mesh of real nodes in this process, each on a port of its own on
// 127.0.0.1. A node is meant by its index: nodes are numbered in the order in
// which they were started, from 0, and keep their number when they end. An index
// that no node has is a panic, as it is of a slice. The methods may be called
// from any goroutine.
type Net struct {
	opts     Options
	faults   faults
	lines    lines
	traffic  traffic
	baseline uint64 // bytes of memory before the first node

	mu        sync.Mutex // guards what follows
	rand      *rand.Rand
	members   []*member
	wasCut    []int // the group that Run cut off
	disturbed bool  // somebody broke something: not every message can arrive at once
	closed    bool
	lastStart time.Time
	settled   time.Duration    // from lastStart; 0: not yet
	settledAt engine.Crossings // what the nodes had counted by then

	progress sync.Mutex // held to write to Options.Progress
}

// member is one node of a Net.
type member struct {
	node *node.Node
	port *node.Port // where the messages of Deliver go
	leaf bool
	urls []string    // where others can join; none: it can be linked over WebRTC alone
	gone atomic.Bool // it ended, or says nothing any more
}

// New starts the nodes of a network and returns when each has a link. It does
// not wait until they have settled, see WaitReady. Close ends them. An error
// tells all mistakes of the options at once, or why a node did not come up; then
// nothing is left running. ctx bounds the start alone.
func New(ctx context.Context, opts Options) (*Net, error) {
	opts, err := opts.forNet()
	if err != nil {
		return nil, err
	}
	n := &Net{opts: opts, baseline: memory(), rand: rand.New(rand.NewPCG(opts.Seed, 0))}
	n.faults.init()
	n.lines.init(opts.Line, opts.Seed)
	n.say("starting %d nodes", opts.Nodes)
	if err := n.startAll(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// startAll starts the nodes that the options tell of.
func (n *Net) startAll(ctx context.Context) error {
	roles := n.roles()
	for len(roles) > 0 {
		size := min(startGroup, len(roles))
		if len(n.members) == 0 {
			size = 1 // the others join by it
		}
		if _, err := n.startGroup(ctx, roles[:size]); err != nil {
			return err
		}
		roles = roles[size:]
	}
	return nil
}

// roles says of each node, in the order of the start, whether it is a leaf. The
// first is none: a leaf is nobody's way into a mesh.
func (n *Net) roles() []bool {
	roles := make([]bool, n.opts.Nodes)
	leaves := min(share(n.opts.Leaves, len(roles)), len(roles)-1)
	for _, i := range n.rand.Perm(len(roles) - 1)[:leaves] {
		roles[i+1] = true
	}
	return roles
}

// startGroup starts some nodes at once and numbers them in their order. On an
// error none of them runs.
func (n *Net) startGroup(ctx context.Context, leaf []bool) ([]*member, error) {
	group, errs := make([]*member, len(leaf)), make([]error, len(leaf))
	first := len(n.all())
	var wg sync.WaitGroup
	for i := range leaf {
		way, err := n.entry()
		if err != nil {
			errs[i] = err
			break
		}
		listens := !leaf[i] && n.listens(first+i)
		wg.Go(func() { group[i], errs[i] = n.start(ctx, leaf[i], listens, way) })
	}
	wg.Wait()
	err := errors.Join(errs...)
	if err == nil {
		err = n.enrol(group)
	}
	if err != nil {
		closeMembers(group)
		return nil, err
	}
	return group, nil
}

// enrol numbers nodes that came up.
func (n *Net) enrol(group []*member) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return node.ErrClosed
	}
	n.members = append(n.members, group...)
	n.lastStart, n.settled = time.Now(), 0
	return nil
}

// entry is the address of a random running relay: all that a new node is told.
// The first node is told none.
func (n *Net) entry() ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.members) == 0 {
		return nil, nil
	}
	var ways []*member
	for _, m := range n.members {
		if len(m.urls) > 0 && !m.gone.Load() && n.faults.open(m) {
			ways = append(ways, m)
		}
	}
	if len(ways) == 0 {
		return nil, errors.New("no relay runs that a new node could join by")
	}
	return ways[n.rand.IntN(len(ways))].urls, nil
}

// listens says whether the relay that will be number i has a port.
func (n *Net) listens(i int) bool {
	switch n.opts.Transport {
	case WebRTC:
		return i == 0
	case Mixed:
		return i%2 == 0
	}
	return true
}

// start starts one node and waits for its first link.
func (n *Net) start(ctx context.Context, leaf, listens bool, way []string) (*member, error) {
	m := &member{leaf: leaf}
	cfg := node.Config{
		Bootstrap: way, Leaf: leaf, MaxPeers: n.opts.MaxPeers,
		Dialers: map[string]transport.Dialer{"ws": &dialer{n.wsDialer(), &n.faults, &n.lines, m}},
	}
	if n.opts.Transport == WS {
		cfg.WebRTC = node.WebRTCOff
	}
	if leaf {
		cfg.Homes = n.opts.Homes
	} else {
		cfg.MaxLeaves = n.opts.MaxLeaves
	}
	if listens {
		cfg.Listen = "127.0.0.1:0"
	}
	var err error
	if m.node, err = node.New(cfg); err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	if err = n.equip(ctx, m); err != nil {
		m.node.Close()
		return nil, fmt.Errorf("node %s: %w", m.node.ID().Short(), err)
	}
	return m, nil
}

// equip makes a node that runs a part of the network.
func (n *Net) equip(ctx context.Context, m *member) (err error) {
	m.urls = m.node.URLs()
	for _, raw := range m.urls {
		u, err := url.Parse(raw)
		if err != nil {
			return err
		}
		n.faults.know(u.Host, m)
	}
	if m.port, err = m.node.OpenPort(trafficPort, &receiver{&n.traffic, m}); err != nil {
		return err
	}
	return m.node.Ready(ctx)
}

// Add starts one more relay, by the address of a random running one, and waits
// for its first link. Its index is that of the last of Nodes.
func (n *Net) Add(ctx context.Context) (*node.Node, error) { return n.add(ctx, false) }

// AddLeaf is Add of a leaf.
func (n *Net) AddLeaf(ctx context.Context) (*node.Node, error) { return n.add(ctx, true) }

func (n *Net) add(ctx context.Context, leaf bool) (*node.Node, error) {
	group, err := n.startGroup(ctx, []bool{leaf})
	if err != nil {
		return nil, err
	}
	return group[0].node, nil
}

// Nodes returns every node that was started, by index; those that ended too.
func (n *Net) Nodes() []*node.Node {
	all := n.all()
	nodes := make([]*node.Node, len(all))
	for i, m := range all {
		nodes[i] = m.node
	}
	return nodes
}

// Running returns the indices of the nodes that were not killed, silenced or
// told to leave.
func (n *Net) Running() []int {
	var running []int
	for i, m := range n.all() {
		if !m.gone.Load() {
			running = append(running, i)
		}
	}
	return running
}

// all returns the members so far; the slice is not changed any more.
func (n *Net) all() []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clip(n.members)
}

func (n *Net) running() []*member {
	var running []*member
	for _, m := range n.all() {
		if !m.gone.Load() {
			running = append(running, m)
		}
	}
	return running
}

// Close ends all nodes at once and returns when nothing of them runs any more.
func (n *Net) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	return closeMembers(n.all())
}

// closeMembers closes nodes at the same time; nil ones were never started.
func closeMembers(all []*member) error {
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, m := range all {
		if m != nil {
			m.gone.Store(true)
			wg.Go(func() { errs[i] = m.node.Close() })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// say tells what is going on.
func (n *Net) say(format string, args ...any) {
	if n.opts.Progress == nil {
		return
	}
	n.progress.Lock()
	defer n.progress.Unlock()
	fmt.Fprintf(n.opts.Progress, format+"\n", args...)
}
