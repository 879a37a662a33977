// Package ironwood is the routing library of Yggdrasil: nodes with the encrypted
// PacketConn, linked over TCP. What finds a queue full is dropped and nobody is
// told. A tree must have formed before packets arrive, which takes three to four
// seconds; one path in four carried nothing within 15 s and is opened anew, see
// [harness.Bounds].
package ironwood

import (
	"crypto/ed25519"
	"errors"
	"net"
	"sync"

	"github.com/Arceliar/ironwood/encrypted"
	"github.com/Arceliar/ironwood/types"

	"github.com/peermesh/peermesh/bench/harness"
)

// readBuffer is more than the largest packet, in bytes.
const readBuffer = 64 << 10

// System is the ironwood network.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "ironwood" }

// Bounds implements [harness.Bounded]. More relays could be had, for the price of
// opening paths for minutes.
func (System) Bounds() harness.Bounds {
	return harness.Bounds{Relays: 1, Drops: true, Slow: true}
}

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	p := new(path)
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type path struct {
	nodes   []*node // A, the relays, C
	conns   []net.Conn
	running sync.WaitGroup
}

type node struct {
	conn *encrypted.PacketConn
	key  ed25519.PublicKey
	addr types.Addr
}

func (p *path) open(o harness.Options) error {
	for range o.Relays + 2 {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		conn, err := encrypted.NewPacketConn(private)
		if err != nil {
			return err
		}
		p.nodes = append(p.nodes, &node{conn, public, types.Addr(public)})
	}
	for i := range p.nodes[1:] {
		via := o.Dial
		if i > 0 {
			via = func(addr string) (string, error) { return addr, nil }
		}
		if err := p.link(p.nodes[i], p.nodes[i+1], via); err != nil {
			return err
		}
	}
	// Everybody reads: sessions form inside ReadFrom.
	for i, n := range p.nodes {
		deliver := func([]byte) {}
		switch i {
		case 0:
			deliver = o.AtA
		case len(p.nodes) - 1:
			deliver = o.AtC
		}
		p.running.Go(func() { n.read(deliver) })
	}
	return nil
}

// read delivers what arrives until the node is closed.
func (n *node) read(deliver harness.Handler) {
	buf := make([]byte, readBuffer)
	for {
		size, _, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		deliver(buf[:size])
	}
}

// link connects from to its neighbour.
func (p *path) link(from, to *node, via func(string) (string, error)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	addr, err := via(l.Addr().String())
	if err != nil {
		return err
	}
	dialled, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	p.conns = append(p.conns, dialled)
	accepted, err := l.Accept()
	if err != nil {
		return err
	}
	p.conns = append(p.conns, accepted)
	p.running.Go(func() { _ = from.conn.HandleConn(to.key, dialled, 0) })
	p.running.Go(func() { _ = to.conn.HandleConn(from.key, accepted, 0) })
	return nil
}

func (p *path) SendToC(msg []byte) error { return p.send(p.nodes[0], p.nodes[len(p.nodes)-1], msg) }
func (p *path) SendToA(msg []byte) error { return p.send(p.nodes[len(p.nodes)-1], p.nodes[0], msg) }

func (p *path) send(from, to *node, msg []byte) error {
	_, err := from.conn.WriteTo(msg, to.addr)
	return err
}

func (p *path) Close() error {
	var err error
	for _, n := range p.nodes {
		err = errors.Join(err, n.conn.Close())
	}
	for _, c := range p.conns {
		_ = c.Close() // HandleConn may have done so
	}
	p.running.Wait()
	return err
}
