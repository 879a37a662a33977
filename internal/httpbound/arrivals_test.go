package httpbound

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// groupN is one of many groups of addresses.
func groupN(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(11 + i>>8), byte(i), 0, 0}), 16)
}

// Of 5,000 connections a second of four groups those are served that the budget has
// room for; of another group each is, as long as it brings few.
func TestArrivalsHaveABudget(t *testing.T) {
	const each, seconds = 5_000, 10
	a := newArrivals(Public(nil, nil))
	now := time.Unix(1_700_000_000, 0)
	served := 0
	for i := range each * seconds {
		if a.take(now, groupN(i%4)) {
			served++
		}
		if i%100 == 0 && !a.take(now, groupN(100+i/100%7)) {
			t.Fatalf("after %d: a connection of a group that brings few was refused", i)
		}
		now = now.Add(time.Second / each)
	}
	if most := limits.HTTPConns + seconds*(limits.HTTPConnRate+4*limits.HTTPGroupRate); served > most {
		t.Errorf("served: got %d in %d s, want at most %d", served, seconds, most)
	}
	if least := seconds * limits.HTTPConnRate; served < least {
		t.Errorf("served: got %d in %d s, want at least %d", served, seconds, least)
	}
	if !a.take(now, netip.Prefix{}) {
		t.Error("one of this machine or a trusted proxy was refused")
	}
}

// Many groups share what is there, and are not remembered without a bound.
func TestArrivalsOfManyGroups(t *testing.T) {
	a := newArrivals(Public(nil, nil))
	now := time.Unix(1_700_000_000, 0)
	served := 0
	for i := range 2 * limits.HTTPGroups {
		for range limits.HTTPGroupRate {
			if a.take(now, groupN(i)) {
				served++
			}
		}
	}
	if len(a.groups) > limits.HTTPGroups {
		t.Errorf("groups remembered: got %d, want at most %d", len(a.groups), limits.HTTPGroups)
	}
	if most := limits.HTTPConns + limits.HTTPGroups*limits.HTTPGroupRate; served > most {
		t.Errorf("served: got %d, want at most %d", served, most)
	}
	if now = now.Add(time.Second); !a.take(now, groupN(2*limits.HTTPGroups)) || len(a.groups) != 1 {
		t.Errorf("a second later: got %d groups, want that one", len(a.groups))
	}
}

// crowd is a listener to which many come at once.
type crowd struct {
	net.Listener
	come []*fakeConn
}

func (c *crowd) Accept() (net.Conn, error) {
	if len(c.come) == 0 {
		return nil, net.ErrClosed
	}
	nc := c.come[0]
	c.come = c.come[1:]
	return nc, nil
}

// Whom the budget has no room for is closed before the server hears of it, and counted.
func TestListenerClosesArrivalsBeyondTheBudget(t *testing.T) {
	refused := 0
	o := Options{Conns: 1_000, Rate: 1, Burst: 10, GroupRate: 5, Refused: func() { refused++ }}
	var all []*fakeConn
	for i := range 100 {
		all = append(all, &fakeConn{from: fmt.Sprintf("198.51.100.%d:1", i)})
	}
	all = append(all, &fakeConn{from: "203.0.113.1:1"}, &fakeConn{from: "127.0.0.1:1"})
	l := &listener{Listener: &crowd{come: all}, conns: newConns(o), arrivals: newArrivals(o)}
	given := make(map[net.Conn]bool)
	for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
		given[nc] = true
	}
	closed := 0
	for _, nc := range all {
		if nc.closed == given[nc] {
			t.Errorf("%s: got closed %t and given %t, want one of them", nc.from, nc.closed, given[nc])
		}
		if nc.closed {
			closed++
		}
	}
	if closed < 80 || closed > 90 || refused != closed {
		t.Errorf("closed: got %d and %d counted, want 80 to 90", closed, refused)
	}
	for _, nc := range all[100:] {
		if nc.closed {
			t.Errorf("%s of another group, or of this machine, was closed", nc.from)
		}
	}
}
