// Package libp2p is a circuit relay v2 of go-libp2p: hosts over TCP with Noise
// and yamux, A's stream to C goes through the relay and is encrypted end to end
// once more. The relay's limits on data, time and reservations are lifted, its
// buffer is 64 KiB and the ends gather messages into large writes: without all
// that it carries a third of the messages of 1 KiB.
package libp2p

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/gather"
)

const (
	protocol = "/bench/1"
	// relayBuffer is the relay's copy buffer for each direction, in bytes.
	relayBuffer = 64 << 10
	// openLimit bounds the making of the circuit.
	openLimit = 10 * time.Second
)

// System is the libp2p relay.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "libp2p" }

// Bounds implements [harness.Bounded]: a circuit has one relay.
func (System) Bounds() harness.Bounds { return harness.Bounds{Relays: 1} }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	p := new(path)
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type path struct {
	hosts   []host.Host
	relay   *relay.Relay
	streams []network.Stream
	a, c    *gather.Writer
	running sync.WaitGroup
}

func (p *path) open(o harness.Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	defer cancel()
	via, err := p.startRelay(o)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	c, err := p.start(libp2p.NoListenAddrs)
	if err != nil {
		return err
	}
	if err := c.Connect(ctx, peer.AddrInfo{ID: p.hosts[0].ID(), Addrs: p.hosts[0].Addrs()}); err != nil {
		return err
	}
	if _, err := client.Reserve(ctx, c, p.hosts[0].Peerstore().PeerInfo(p.hosts[0].ID())); err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	accepted := make(chan network.Stream, 1)
	c.SetStreamHandler(protocol, func(s network.Stream) { accepted <- s })
	ends, err := p.circuit(ctx, via, c.ID(), accepted)
	if err != nil {
		return err
	}
	p.a, p.c = gather.New(ends[0]), gather.New(ends[1])
	p.running.Go(p.a.Run)
	p.running.Go(p.c.Run)
	p.running.Go(func() { gather.Receive(ends[0], o.AtA) })
	p.running.Go(func() { gather.Receive(ends[1], o.AtC) })
	return nil
}

func (p *path) start(options ...libp2p.Option) (host.Host, error) {
	h, err := libp2p.New(append(options,
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport), libp2p.EnableRelay(),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics())...)
	if err == nil {
		p.hosts = append(p.hosts, h)
	}
	return h, err
}

// startRelay returns the relay's address as A dials it.
func (p *path) startRelay(o harness.Options) (multiaddr.Multiaddr, error) {
	h, err := p.start(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	resources := relay.DefaultResources()
	resources.Limit, resources.BufferSize = nil, relayBuffer
	p.relay, err = relay.New(h, relay.WithResources(resources), relay.WithInfiniteLimits(), relay.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return true }))
	if err != nil {
		return nil, err
	}
	port, err := h.Addrs()[0].ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		return nil, err
	}
	dial, err := o.Dial("127.0.0.1:" + port)
	if err != nil {
		return nil, err
	}
	_, port, _ = strings.Cut(dial, ":")
	return multiaddr.NewMultiaddr("/ip4/127.0.0.1/tcp/" + port + "/p2p/" + h.ID().String())
}

// circuit makes A and a stream to C through the relay, and returns its ends.
func (p *path) circuit(ctx context.Context, via multiaddr.Multiaddr, c peer.ID, accepted <-chan network.Stream) (ends [2]network.Stream, err error) {
	a, err := p.start(libp2p.NoListenAddrs)
	if err != nil {
		return ends, err
	}
	through, err := multiaddr.NewMultiaddr(via.String() + "/p2p-circuit")
	if err != nil {
		return ends, err
	}
	if err := a.Connect(ctx, peer.AddrInfo{ID: c, Addrs: []multiaddr.Multiaddr{through}}); err != nil {
		return ends, fmt.Errorf("circuit: %w", err)
	}
	if ends[0], err = a.NewStream(network.WithAllowLimitedConn(ctx, "bench"), c, protocol); err != nil {
		return ends, fmt.Errorf("stream: %w", err)
	}
	p.streams = append(p.streams, ends[0])
	if _, err := ends[0].Write(nil); err != nil { // negotiates the protocol
		return ends, err
	}
	select {
	case ends[1] = <-accepted:
		p.streams = append(p.streams, ends[1])
		return ends, nil
	case <-ctx.Done():
		return ends, fmt.Errorf("stream at the other end: %w", ctx.Err())
	}
}

func (p *path) SendToC(msg []byte) error { return p.a.Send(msg) }
func (p *path) SendToA(msg []byte) error { return p.c.Send(msg) }

func (p *path) Close() error {
	for _, s := range p.streams {
		_ = s.Reset() // its end is the wish
	}
	for _, g := range []*gather.Writer{p.a, p.c} {
		if g != nil {
			g.Close()
		}
	}
	p.running.Wait()
	var err error
	if p.relay != nil {
		err = p.relay.Close()
	}
	for i := len(p.hosts) - 1; i >= 0; i-- {
		err = errors.Join(err, p.hosts[i].Close())
	}
	return err
}
