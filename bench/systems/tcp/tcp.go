// Package tcp is the transport floor: length-prefixed frames over plain TCP,
// gathered into large writes at the ends and at the relays, and nothing else.
package tcp

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
)

const (
	// prefix is the length of a frame, 4 bytes, big-endian.
	prefix = 4
	// queueBound is the most a sender may have gathered, in bytes: the bound
	// that the sealed floor has.
	queueBound = 256 << 10
	// readBuffer is how much a reader takes in one system call.
	readBuffer = 64 << 10
)

// System is the batching TCP forwarder.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "tcp" }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	p := new(path)
	left, err := p.build(o)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.a, p.c = newGatherer(left[0]), newGatherer(left[1])
	p.running.Go(p.a.run)
	p.running.Go(p.c.run)
	p.running.Go(func() { receive(left[0], o.AtA) })
	p.running.Go(func() { receive(left[1], o.AtC) })
	return p, nil
}

type path struct {
	a, c    *gatherer
	conns   []net.Conn
	running sync.WaitGroup
}

// build connects the chain, starts the relays and returns the ends of A and C.
func (p *path) build(o harness.Options) (ends [2]net.Conn, err error) {
	var nearer net.Conn // the connection of the last relay toward A
	for i := range o.Relays {
		dialled, accepted, err := p.link(o.Dial, i == 0)
		if err != nil {
			return ends, err
		}
		if i == 0 {
			ends[0] = dialled
		} else {
			p.relay(nearer, dialled)
		}
		nearer = accepted
	}
	dialled, accepted, err := p.link(nil, false)
	if err != nil {
		return ends, err
	}
	ends[1] = dialled
	p.relay(nearer, accepted)
	return ends, nil
}

// link makes one connection and returns its two ends.
func (p *path) link(via func(string) (string, error), first bool) (dialled, accepted net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	addr := l.Addr().String()
	if first {
		if addr, err = via(addr); err != nil {
			return nil, nil, err
		}
	}
	if dialled, err = net.Dial("tcp", addr); err != nil {
		return nil, nil, err
	}
	p.conns = append(p.conns, dialled)
	if accepted, err = l.Accept(); err != nil {
		return nil, nil, err
	}
	p.conns = append(p.conns, accepted)
	return dialled, accepted, nil
}

func (p *path) relay(a, b net.Conn) {
	p.running.Go(func() { forward(b, a) })
	p.running.Go(func() { forward(a, b) })
}

func (p *path) SendToC(msg []byte) error { return p.a.send(msg) }
func (p *path) SendToA(msg []byte) error { return p.c.send(msg) }

func (p *path) Close() error {
	var err error
	for _, c := range p.conns {
		err = errors.Join(err, c.Close())
	}
	for _, g := range []*gatherer{p.a, p.c} {
		if g != nil {
			g.close()
		}
	}
	p.running.Wait()
	return err
}

// gatherer is the sending half of an end: what is sent while a write is under
// way leaves with the next one.
type gatherer struct {
	conn net.Conn

	mu          sync.Mutex // guards the rest
	work, space sync.Cond
	pending     []byte
	closed      bool
}

func newGatherer(conn net.Conn) *gatherer {
	g := &gatherer{conn: conn}
	g.work.L, g.space.L = &g.mu, &g.mu
	return g
}

func (g *gatherer) send(msg []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.pending)+prefix+len(msg) > queueBound && !g.closed {
		g.space.Wait()
	}
	if g.closed {
		return net.ErrClosed
	}
	g.pending = binary.BigEndian.AppendUint32(g.pending, uint32(len(msg)))
	g.pending = append(g.pending, msg...)
	g.work.Signal()
	return nil
}

// run is the writer's goroutine.
func (g *gatherer) run() {
	var out []byte
	for {
		g.mu.Lock()
		for len(g.pending) == 0 && !g.closed {
			g.work.Wait()
		}
		if g.closed {
			g.mu.Unlock()
			return
		}
		out, g.pending = g.pending, out[:0]
		g.space.Signal()
		g.mu.Unlock()
		if _, err := g.conn.Write(out); err != nil {
			g.close()
			return
		}
	}
}

func (g *gatherer) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.work.Signal()
	g.space.Signal()
}

// receive hands each message to deliver until the connection ends.
func receive(conn net.Conn, deliver harness.Handler) {
	_ = frames(conn, func(batch []byte) error {
		for len(batch) > 0 {
			end := prefix + int(binary.BigEndian.Uint32(batch))
			deliver(batch[prefix:end])
			batch = batch[end:]
		}
		return nil
	})
}

// forward is one direction of a relay: each batch of whole frames that one read
// brought leaves in one write. A slow reader behind it stops the reading.
func forward(to, from net.Conn) {
	_ = frames(from, func(batch []byte) error {
		_, err := to.Write(batch)
		return err
	})
}

// frames reads until the connection ends and passes on what is whole.
func frames(conn net.Conn, use func(batch []byte) error) error {
	buf, have := make([]byte, readBuffer), 0
	for {
		n, err := conn.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
		whole, need := wholeFrames(buf[:have])
		if whole > 0 {
			if err := use(buf[:whole]); err != nil {
				return err
			}
		}
		have = copy(buf, buf[whole:have])
		if need > len(buf) {
			buf = append(buf, make([]byte, need-len(buf))...)
		}
	}
}

// wholeFrames returns how many leading bytes of b are whole frames, and how long
// the next frame is if that is known.
func wholeFrames(b []byte) (whole, need int) {
	for len(b)-whole >= prefix {
		need = prefix + int(binary.BigEndian.Uint32(b[whole:]))
		if len(b)-whole < need {
			return whole, need
		}
		whole += need
	}
	return whole, 0
}
