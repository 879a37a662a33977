package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/peermesh/peermesh/internal/limits"
)

// ports are the open ones of a node.
type ports struct {
	open atomic.Pointer[map[uint16]*Port] // never changed in place

	port0 sync.Mutex // one Handle at a time; taken before mu
	mu    sync.Mutex // held to replace open
	ended bool
	next  uint16
}

// firstFreePort is where OpenPort(0) begins to look; ports from reservedPorts on
// belong to the mesh itself.
const (
	firstFreePort = 1024
	reservedPorts = 0xFF00
)

func (p *ports) init() {
	p.open.Store(&map[uint16]*Port{})
	p.next = firstFreePort
}

// get returns the open port of a number, or nil.
func (p *ports) get(num uint16) *Port { return (*p.open.Load())[num] }

// find is get for a reader, which remembers the port it found last.
func (p *ports) find(num uint16, w *walker) *Port {
	open := p.open.Load()
	if w == nil {
		return (*open)[num]
	}
	if w.ports != open || w.port == nil || w.port.num != num {
		w.ports, w.port = open, (*open)[num]
	}
	return w.port
}

// change replaces the open ports by a changed copy; it needs mu.
func (p *ports) change(do func(map[uint16]*Port)) {
	open := maps.Clone(*p.open.Load())
	do(open)
	p.open.Store(&open)
}

// Handle sets the handler of port 0, where Send, Request and SendDatagram go.
// It takes over what waits for the one before. Nil closes the port: senders then
// get [ErrNoHandler].
func (n *Node) Handle(h Handler) {
	n.ports.port0.Lock()
	defer n.ports.port0.Unlock()
	switch old := n.ports.get(0); {
	case old == nil && h != nil:
		_, _ = n.open(0, h) // fails only when the node has ended
	case old != nil && h != nil:
		old.handler.Store(&h)
	case old != nil:
		_ = old.Close()
	}
}

// OpenPort opens a port from 1 to 0xFEFF, or with 0 a free one from 1024 on.
// The errors are [ErrPortInUse], [ErrClosed], or say what is wrong.
func (n *Node) OpenPort(port uint16, h Handler) (*Port, error) {
	if h == nil {
		return nil, errors.New("open port: no handler given")
	}
	num, err := n.choosePort(port)
	if err != nil {
		return nil, err
	}
	return n.open(num, h)
}

// choosePort checks the number of a port to be opened, and finds one for 0.
func (n *Node) choosePort(port uint16) (uint16, error) {
	if port >= reservedPorts {
		return 0, fmt.Errorf("open port %d: ports from %d on are the mesh's own", port, reservedPorts)
	}
	if port == 0 {
		return n.ports.free()
	}
	return port, nil
}

func (n *Node) open(num uint16, h Handler) (*Port, error) {
	p := n.newPort(num)
	p.handler.Store(&h)
	if err := n.register(p, p.run); err != nil {
		return nil, err
	}
	return p, nil
}

func (n *Node) newPort(num uint16) *Port {
	p := &Port{n: n, num: num, addr: Addr{n.id, num}, space: make(chan struct{}, 1), account: n.memory.waiting.Open()}
	p.ready.L = &p.mu
	p.limit.Store(limits.PortQueue)
	return p
}

// register makes p reachable; run is its goroutine, or nil.
func (n *Node) register(p *Port, run func()) error {
	n.ports.mu.Lock()
	defer n.ports.mu.Unlock()
	switch {
	case n.ports.ended:
		return ErrClosed
	case n.ports.get(p.num) != nil:
		return fmt.Errorf("open port %d: %w", p.num, ErrPortInUse)
	case len(*n.ports.open.Load()) >= limits.Ports:
		return fmt.Errorf("open port %d: %d ports are open: %w", p.num, limits.Ports, ErrPortInUse)
	}
	p.ctx, p.cancel = context.WithCancel(n.ctx)
	if run != nil && !n.spawn(run) {
		p.cancel()
		return ErrClosed
	}
	n.ports.change(func(open map[uint16]*Port) { open[p.num] = p })
	return nil
}

// free finds a port that is not open.
func (p *ports) free() (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range reservedPorts - firstFreePort {
		num := p.next
		if p.next++; p.next >= reservedPorts {
			p.next = firstFreePort
		}
		if p.get(num) == nil {
			return num, nil
		}
	}
	return 0, fmt.Errorf("open port: no free one: %w", ErrPortInUse)
}

func (p *ports) list() []uint16 {
	open := *p.open.Load()
	nums := make([]uint16, 0, len(open))
	for num := range open {
		if num < reservedPorts {
			nums = append(nums, num)
		}
	}
	slices.Sort(nums)
	return nums
}

func (p *ports) closeAll() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	for _, o := range *p.open.Load() {
		_ = o.Close()
	}
}
