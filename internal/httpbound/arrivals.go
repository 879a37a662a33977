package httpbound

import (
	"net"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"golang.org/x/time/rate"
)

// arrivals bounds how many connections a second a server serves: each costs some
// 100 µs before anything of its client's is looked at, and TLS more. Who comes from
// a group of addresses that brings few is served in any case; of the others, as many
// as there is room for. One goroutine uses it.
type arrivals struct {
	all      *rate.Limiter // nil: there is no bound
	perGroup int

	groups map[netip.Prefix]int // connections of this second
	second time.Time            // its beginning
}

func newArrivals(o Options) arrivals {
	if o.Rate == 0 {
		return arrivals{}
	}
	return arrivals{all: rate.NewLimiter(rate.Limit(o.Rate), o.Burst), perGroup: o.GroupRate, groups: make(map[netip.Prefix]int)}
}

// take counts a connection from a group in; false: it is one too many.
func (a *arrivals) take(now time.Time, group netip.Prefix) bool {
	if a.all == nil || !group.IsValid() {
		return true
	}
	if now.Sub(a.second) >= time.Second {
		a.second = now
		clear(a.groups)
	}
	room := a.all.AllowN(now, 1)
	count, known := a.groups[group]
	if !known && len(a.groups) >= limits.HTTPGroups {
		return room
	}
	if count >= a.perGroup {
		return room
	}
	a.groups[group] = count + 1
	return true
}

// groupOf is the /16 or /48 of a source, for which arrivals count; zero: they do not.
func groupOf(source netip.Prefix) (group netip.Prefix) {
	if source.IsValid() {
		bits := 16
		if source.Addr().Is6() {
			bits = 48
		}
		group, _ = source.Addr().Prefix(bits) // of a valid address and length
	}
	return group
}

// listener closes the connections that are too many before anything is made for
// them. One goroutine accepts.
type listener struct {
	net.Listener
	conns    *conns
	arrivals arrivals
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil || l.arrivals.take(time.Now(), groupOf(l.conns.sourceOf(socketAddr(nc)))) {
			return nc, err
		}
		cut(nc)
		l.conns.refused()
	}
}
