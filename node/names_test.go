package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/transport"
)

// ip is the address of the node of that number.
func ip(number int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(number)}) }

// nameDialer dials a name: each of its addresses is a name of the network in memory.
type nameDialer struct {
	m     *mesh
	from  string
	addrs func() []netip.Addr
}

func (d *nameDialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	err := transport.ErrNoAddress
	failed := &transport.AddressesError{}
	for _, addr := range transport.OrderAddresses(ctx, d.addrs()) {
		var conn transport.Conn
		if conn, err = d.m.net.Dialer(d.from).Dial(ctx, &url.URL{Scheme: "mem", Host: addr.String()}); err == nil {
			return &atAddress{conn, addr}, nil
		}
		failed.Addrs, failed.Errs = append(failed.Addrs, addr), append(failed.Errs, err)
	}
	if len(failed.Errs) > 0 {
		err = failed
	}
	return nil, &transport.DialError{URL: transport.URL(u.String()), Stage: transport.StageConnect, Err: err}
}

// atAddress is a carrier to an address.
type atAddress struct {
	transport.Conn
	addr netip.Addr
}

func (a *atAddress) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.addr, 1))
}

// named starts relay number i, which others reach at ip(i). It joins by one name,
// which has the addresses that lookup returns.
func (m *mesh) named(i int, lookup func() []netip.Addr) *listening {
	name := fmt.Sprint("node", i)
	n := m.start(name, Config{
		Bootstrap: []string{"ws://mesh.test"},
		Dialers:   map[string]transport.Dialer{"ws": &nameDialer{m, name, lookup}},
	})
	return &listening{n, m.open(ip(i).String(), n)}
}

// one says that all nodes are of one mesh: each reaches each.
func (m *mesh) one(all []*listening) bool {
	for _, a := range all {
		for _, b := range all {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := a.Ping(ctx, b.ID())
			cancel()
			if a != b && err != nil {
				return false
			}
		}
	}
	return true
}

func TestNamesThatLeadToTheNodeItself(t *testing.T) {
	orders := map[string]func(self int, addrs []netip.Addr) []netip.Addr{
		"one order for all": func(_ int, addrs []netip.Addr) []netip.Addr { return addrs },
		"each itself first": func(self int, addrs []netip.Addr) []netip.Addr {
			return append([]netip.Addr{ip(self)}, slices.DeleteFunc(addrs, func(a netip.Addr) bool { return a == ip(self) })...)
		},
		"two orders": func(self int, addrs []netip.Addr) []netip.Addr { // islands 1-3 and 4-6
			if self > 3 {
				slices.Reverse(addrs)
			}
			return addrs
		},
		"a balancer": func(self int, addrs []netip.Addr) []netip.Addr { // one address, see below
			return []netip.Addr{netip.MustParseAddr("10.9.9.9")}
		},
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mesh{t: t}
				var all []*listening
				var turn atomic.Int32
				if name == "a balancer" {
					l, err := m.net.Listen("10.9.9.9", func(c transport.Conn) {
						all[int(turn.Add(1))%len(all)].Accept(c)
					})
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
				}
				ready := make(chan struct{})
				for i := 1; i <= 6; i++ {
					all = append(all, m.named(i, func() []netip.Addr {
						<-ready
						var addrs []netip.Addr
						for k := range 6 {
							addrs = append(addrs, ip(k+1))
						}
						return order(i, addrs)
					}))
				}
				close(ready)
				began := time.Now()
				for !m.one(all) {
					if time.Since(began) > time.Minute {
						for _, n := range all {
							t.Errorf("%v: %d links, %+v", n.ID().Short(), len(n.Peers()), n.Status().Bootstraps)
						}
						t.Fatal("after a minute the relays that share a name are not one mesh")
					}
					time.Sleep(time.Second)
				}
				t.Logf("one mesh after %v", time.Since(began).Round(time.Second))
			})
		})
	}
}

// A name moves to another address while the node runs.
func TestNameIsResolvedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		at := 1
		n := m.named(1, func() []netip.Addr { return []netip.Addr{ip(at)} })
		if err := n.Ready(within(t, time.Minute)); !errors.Is(err, ErrRefused) || !errors.Is(err, reason.OwnID) {
			t.Errorf("a name that leads to the node alone: got %v, want own-id", err)
		}
		other := m.listen(ip(2).String(), Config{})
		at = 2
		if err := n.Ready(within(t, time.Minute)); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		for began := time.Now(); !linkedTo(n.Node, other.ID()); time.Sleep(time.Second) {
			if time.Since(began) > time.Minute {
				t.Fatal("got no link with the node that has the name now")
			}
		}
	})
}

func TestOrderOfAddresses(t *testing.T) {
	now := time.Unix(1e9, 0)
	all := []netip.Addr{ip(1), ip(2), ip(3)}
	var m names
	want := func(what string, look bool, at time.Time, want ...netip.Addr) {
		t.Helper()
		if got := m.order("ws://a", all, look, at); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	want("nothing known", false, now, ip(1), ip(2), ip(3))
	if !m.judged("ws://a", ip(1), reason.OwnID, now) {
		t.Error("two addresses were not tried: want more")
	}
	want("the node itself is left out", false, now, ip(2), ip(3))
	m.failed("ws://a", ip(2), now)
	want("what failed comes last", false, now, ip(3), ip(2))
	m.came("ws://a", ip(2), now)
	want("what worked comes first", false, now, ip(2), ip(3))
	want("a look tries what is new", true, now, ip(3))
	if m.judged("ws://a", ip(3), reason.WrongID, now) {
		t.Error("all addresses are known: want no more")
	}
	want("nothing new", true, now)
	want("later the longest unseen first", true, now.Add(limits.NameLookAgain), ip(1), ip(2), ip(3))
	for range 20 {
		m.judged("ws://a", ip(1), reason.Duplicate, now)
	}
	want("seen often", true, now.Add(limits.NameLookAgain-1), ip(2), ip(3))
	all = []netip.Addr{ip(4)}
	want("another address", true, now, ip(4))
	all = append(all, ip(1))
	want("an address that was gone is new", true, now, ip(4), ip(1))
	for i := range 2 * limits.NameAddresses {
		all = append(all, netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
	}
	m.order("ws://a", all, false, now)
	for i := range 2 * limits.BootstrapURLs {
		m.order(secret.URL(fmt.Sprint("ws://", i)), all, false, now)
	}
	if got := len(m.byURL); got > limits.BootstrapURLs {
		t.Errorf("names: got %d, want at most %d", got, limits.BootstrapURLs)
	}
	if got := len(m.byURL["ws://a"]); got > limits.NameAddresses {
		t.Errorf("addresses of a name: got %d, want at most %d", got, limits.NameAddresses)
	}
}

// Looks at other addresses of a name are no trouble of anybody's: in ten minutes
// neither a relay that a name leads to nor one that its own name leads to says or
// counts a thing.
func TestLooksAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		listen := make(chan struct{})
		both := func() []netip.Addr {
			<-listen
			return []netip.Addr{ip(1), ip(2)}
		}
		all := []*listening{m.named(1, both), m.named(2, both)}
		close(listen)
		for _, n := range all {
			events := watch(t, n.Node)
			t.Cleanup(func() {
				for len(events) > 0 {
					if ev := <-events; ev.Kind == Refused || ev.Kind == Retry {
						t.Errorf("got %+v, want nothing told of looks", ev)
					}
				}
				if drops := n.Status().Drops; drops["carrier-failed"] > 0 {
					t.Errorf("got %v, want no drops by looks", drops)
				}
			})
		}
		time.Sleep(10 * time.Minute)
	})
}
