// Package derp is Tailscale's relay: a derpserver with clients over plain TCP,
// no encryption (its users bring WireGuard). What finds the receiver's queue
// full is dropped and nobody is told; the queue is 4096 packets long instead of
// the default 32, with which a window of 128 messages loses some.
package derp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"tailscale.com/derp"
	"tailscale.com/derp/derpserver"
	"tailscale.com/envknob"
	"tailscale.com/types/key"

	"github.com/peermesh/peermesh/bench/harness"
)

// buffer is that of each connection and direction, in bytes.
const buffer = 64 << 10

// System is the DERP relay.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "derp" }

// Bounds implements [harness.Bounded]: servers pass packets on only inside one
// region, by a mesh of trusted ones.
func (System) Bounds() harness.Bounds { return harness.Bounds{Relays: 1, Drops: true} }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	p := new(path)
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// quietly is the log of server and clients.
func quietly(string, ...any) {}

var deepQueues = sync.OnceFunc(func() {
	envknob.Setenv("TS_DEBUG_DERP_PER_CLIENT_SEND_QUEUE_DEPTH", "4096")
})

type path struct {
	listener net.Listener
	server   *derpserver.Server
	a, c     *end
	running  sync.WaitGroup
}

// end is A or C.
type end struct {
	conn   net.Conn
	client *derp.Client
	self   key.NodePublic
}

func (p *path) open(o harness.Options) (err error) {
	deepQueues()
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	p.server = derpserver.New(key.NewNode(), quietly)
	p.running.Go(p.serve)
	addr := p.listener.Addr().String()
	first, err := o.Dial(addr)
	if err != nil {
		return err
	}
	if p.a, err = p.connect(first, o.AtA); err != nil {
		return err
	}
	p.c, err = p.connect(addr, o.AtC)
	return err
}

// serve accepts until the listener is closed.
func (p *path) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() {
			p.server.Accept(context.Background(), conn, buffered(conn), conn.RemoteAddr().String())
		})
	}
}

func buffered(conn net.Conn) *bufio.ReadWriter {
	return bufio.NewReadWriter(bufio.NewReaderSize(conn, buffer), bufio.NewWriterSize(conn, buffer))
}

// connect returns a client that receives until its connection is closed.
func (p *path) connect(addr string, deliver harness.Handler) (*end, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	private := key.NewNode()
	client, err := derp.NewClient(private, conn, buffered(conn), quietly)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("client: %w", err)
	}
	p.running.Go(func() {
		for {
			m, err := client.Recv()
			if err != nil {
				return
			}
			if packet, ok := m.(derp.ReceivedPacket); ok {
				deliver(packet.Data)
			}
		}
	})
	return &end{conn, client, private.Public()}, nil
}

func (p *path) SendToC(msg []byte) error { return p.a.client.Send(p.c.self, msg) }
func (p *path) SendToA(msg []byte) error { return p.c.client.Send(p.a.self, msg) }

func (p *path) Close() error {
	var err error
	for _, e := range []*end{p.a, p.c} {
		if e != nil {
			err = errors.Join(err, e.conn.Close())
		}
	}
	if p.listener != nil {
		err = errors.Join(err, p.listener.Close())
	}
	if p.server != nil {
		err = errors.Join(err, p.server.Close())
	}
	p.running.Wait()
	return err
}
