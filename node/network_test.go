package node

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/netwatch"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// host is a machine in memory whose addresses change. What it dials stands on the
// newest of them.
type host struct {
	dialer transport.Dialer

	mu     sync.Mutex
	addrs  []netip.Addr
	ready  bool
	stood  time.Duration
	conns  []*mem.Conn
	dials  int
	silent bool // dials are not answered
	hint   chan struct{}
	closed chan struct{}
}

func newHost(addr string) *host {
	h := &host{hint: make(chan struct{}, 16), closed: make(chan struct{})}
	h.addrs, h.ready = []netip.Addr{netip.MustParseAddr(addr)}, true
	return h
}

func (h *host) change(f func()) {
	h.mu.Lock()
	f()
	h.mu.Unlock()
	h.hint <- struct{}{}
}

// cut has nothing pass by the connections so far, without a word.
func (h *host) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Stall()
	}
}

// Look implements netwatch.Machine.
func (h *host) Look() (netwatch.Picture, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := netwatch.Picture{Addrs: slices.Clone(h.addrs)}
	if h.ready {
		p.Ready = p.Addrs
	}
	return p, nil
}

// Wait implements netwatch.Machine.
func (h *host) Wait(until time.Time) (bool, error) {
	select {
	case <-h.hint:
		return true, nil
	case <-time.After(time.Until(until)):
		return false, nil
	case <-h.closed:
		return false, net.ErrClosed
	}
}

// Hints implements netwatch.Machine.
func (*host) Hints() bool { return true }

// Stood implements netwatch.Machine.
func (h *host) Stood() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stood
}

// Close implements netwatch.Machine.
func (h *host) Close() error { close(h.closed); return nil }

// Dial implements transport.Dialer.
func (h *host) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	h.mu.Lock()
	h.dials++
	silent := h.silent
	h.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, err := h.dialer.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	m := c.(*mem.Conn)
	h.conns = append(h.conns, m)
	return &onAddress{m, net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.addrs[len(h.addrs)-1], 1))}, nil
}

// onAddress is a pipe that stands on an address.
type onAddress struct {
	*mem.Conn
	at net.Addr
}

func (s *onAddress) LocalAddr() net.Addr { return s.at }

// moved is a relay and two leaves of it, one on a host.
type moved struct {
	*host
	relay     *listening
	leaf, far *Node
	in, out   *inbox // of the two leaves
}

func newMoved(t *testing.T) *moved {
	m := &mesh{t: t}
	d := &moved{host: newHost("10.0.0.1"), relay: m.listen("relay", Config{}), in: newInbox(), out: newInbox()}
	d.dialer = m.net.Dialer("leaf")
	d.leaf = m.start("leaf", Config{Leaf: true, Homes: 1, Dialers: map[string]transport.Dialer{"mem": d.host}})
	d.leaf.watchNetwork(d.host)
	d.far = m.start("far", Config{Leaf: true, Homes: 1})
	for _, n := range []*Node{d.leaf, d.far} {
		if err := n.Join(within(t, amply), "mem://relay"); err != nil {
			t.Fatal(err)
		}
		ready(t, n)
	}
	d.leaf.Handle(d.in)
	d.far.Handle(d.out)
	d.sendBoth(t, time.Second)
	return d
}

// sendBoth sends from each leaf to the other, which has to take no longer than most.
func (d *moved) sendBoth(t *testing.T, most time.Duration) {
	t.Helper()
	var both sync.WaitGroup
	for _, p := range [][2]*Node{{d.leaf, d.far}, {d.far, d.leaf}} {
		both.Go(func() {
			began := time.Now()
			if err := p[0].Send(within(t, amply), p[1].ID(), []byte("hello")); err != nil || time.Since(began) > most {
				t.Errorf("sent in %v, %v, want within %v", time.Since(began), err, most)
			}
		})
	}
	both.Wait()
}

// atOnce is how long it takes to come back where no answer has to be waited for.
const atOnce = limits.NetGather + limits.BootstrapRetry/8 + 300*time.Millisecond

// An address that goes takes its links with it, in both directions of traffic.
func TestAddressGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMoved(t)
		before := d.leaf.Peers()[0].Since
		d.cut()
		d.change(func() { d.addrs = []netip.Addr{netip.MustParseAddr("10.0.0.2")} })
		d.sendBoth(t, atOnce)
		if p := d.leaf.Peers(); len(p) != 1 || !p[0].Since.After(before) {
			t.Errorf("got %+v, want a new link", p)
		}
		if s := d.leaf.Status(); s.NetworkChanges != 1 || s.NetworkChange != "gone: 10.0.0.1, new: 10.0.0.2" || s.NetworkChangeAt.IsZero() {
			t.Errorf("status: got %d changes, %q at %v", s.NetworkChanges, s.NetworkChange, s.NetworkChangeAt)
		}
	})
}

// Links that a change may concern are asked: one that lives stays, one that is silent
// is replaced.
func TestLinksAreProbed(t *testing.T) {
	for name, change := range map[string]func(*host){
		"cable out and in": func(h *host) {
			h.change(func() { h.ready = false })
			time.Sleep(2 * limits.NetGather)
			h.change(func() { h.ready = true })
		},
		"another address beside it, and sleep": func(h *host) {
			h.change(func() {
				h.addrs, h.stood = append(h.addrs, netip.MustParseAddr("10.0.0.2")), time.Hour
			})
		},
	} {
		for _, dead := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newMoved(t)
					before := d.leaf.Peers()[0].Since
					if dead {
						d.cut()
					}
					change(d.host)
					if !dead {
						time.Sleep(5 * limits.ProbeAnswer)
					}
					d.sendBoth(t, limits.ProbeAnswer+atOnce)
					if p := d.leaf.Peers(); len(p) != 1 || p[0].Since.After(before) != dead {
						t.Errorf("got %+v, want a new link: %v", p, dead)
					}
				})
			})
		}
	}
}

// A dial that nobody answers ends when there is a network again, and the next begins.
func TestDialsBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMoved(t)
		d.change(func() { d.addrs, d.silent = []netip.Addr{netip.MustParseAddr("127.0.0.1")}, true })
		time.Sleep(20 * time.Second)
		d.change(func() { d.addrs, d.silent = []netip.Addr{netip.MustParseAddr("10.0.0.3")}, false })
		d.sendBoth(t, atOnce)
	})
}

// 20 s without a network: each of 700 messages that have 45 s arrives, once.
func TestTwentySecondsWithoutANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMoved(t)
		const count = 350 // each way
		var all sync.WaitGroup
		for i := range count {
			for _, p := range [][2]*Node{{d.leaf, d.far}, {d.far, d.leaf}} {
				all.Go(func() {
					if err := p[0].Send(within(t, 45*time.Second), p[1].ID(), []byte{byte(i), byte(i >> 8)}); err != nil {
						t.Errorf("message %d: %v", i, err)
					}
				})
			}
			switch i {
			case 40:
				d.cut()
				d.change(func() { d.addrs, d.silent = nil, true })
			case 240:
				d.change(func() { d.addrs, d.silent = []netip.Addr{netip.MustParseAddr("10.0.0.2")}, false })
			}
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		for _, box := range []*inbox{d.in, d.out} {
			if got := box.len(); got != count+1 {
				t.Errorf("got %d messages, want %d", got, count+1)
			}
		}
	})
}

// A network that changes all the time is one line, and ends no dials without end.
func TestNetworkThatChangesAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMoved(t)
		var told []Event
		go func() {
			for ev := range d.leaf.Events(t.Context()) {
				if ev.Kind == NetworkChanged {
					told = append(told, ev)
				}
			}
		}()
		d.mu.Lock()
		d.dials = 0
		d.mu.Unlock()
		for i := range 600 {
			d.change(func() {
				d.addrs = []netip.Addr{netip.MustParseAddr([]string{"10.0.0.8", "10.0.0.9"}[i%2]), netip.MustParseAddr("10.0.0.1")}
			})
			time.Sleep(2 * limits.NetGather)
		}
		synctest.Wait()
		if len(told) == 0 || len(told) > 3 {
			t.Errorf("told %d times in 2 minutes, want a line or two: %v", len(told), told)
		}
		sum := uint64(0)
		for _, ev := range told {
			sum += ev.Count
		}
		if s := d.leaf.Status(); s.NetworkChanges != 600 || sum > 600 || sum < 2 {
			t.Errorf("got %d changes and %d told, want 600 and some", s.NetworkChanges, sum)
		}
		if len(d.leaf.Peers()) != 1 || d.dials > 0 {
			t.Errorf("got %d links and %d dials, want the link to stay", len(d.leaf.Peers()), d.dials)
		}
	})
}
