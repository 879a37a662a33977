// Package tcp is the transport floor: length-prefixed frames over plain TCP,
// gathered into large writes at the ends and at the relays, and nothing else.
package tcp

import (
	"errors"
	"net"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/gather"
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
	p.a, p.c = gather.New(left[0]), gather.New(left[1])
	p.running.Go(p.a.Run)
	p.running.Go(p.c.Run)
	p.running.Go(func() { gather.Receive(left[0], o.AtA) })
	p.running.Go(func() { gather.Receive(left[1], o.AtC) })
	return p, nil
}

type path struct {
	a, c    *gather.Writer
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

func (p *path) SendToC(msg []byte) error { return p.a.Send(msg) }
func (p *path) SendToA(msg []byte) error { return p.c.Send(msg) }

func (p *path) Close() error {
	var err error
	for _, c := range p.conns {
		err = errors.Join(err, c.Close())
	}
	for _, g := range []*gather.Writer{p.a, p.c} {
		if g != nil {
			g.Close()
		}
	}
	p.running.Wait()
	return err
}

// forward is one direction of a relay: each batch of whole frames that one read
// brought leaves in one write. A slow reader behind it stops the reading.
func forward(to, from net.Conn) {
	_ = gather.Frames(from, func(batch []byte) error {
		_, err := to.Write(batch)
		return err
	})
}
