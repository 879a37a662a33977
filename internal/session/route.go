package session

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// route is how frames to one peer begin: header and options, written once and
// copied for each frame. It does not change; new homes make a new route.
type route struct {
	self, to wire.ID
	homes    []wire.ID // as the peer told them
	ranked   []wire.ID // the same, the best first
	first    wire.ID   // the best, if it may be a waypoint; else zero
	before   *route    // while a home is shunned: the one without that; nil: none is
	best     []byte    // by way of first
	bulk     []byte    // the same of class 3: no detour list
	plain    []byte    // without a waypoint
}

// newRoute returns the route from self to a peer with the given homes, the best
// first.
func newRoute(self, to wire.ID, homes []wire.ID) *route {
	r := &route{self: self, to: to, homes: homes, ranked: homes}
	if len(homes) > 0 && homes[0] != self && homes[0] != to {
		r.first = homes[0]
	}
	r.bulk = r.head(nil, &r.first, nil)
	r.best = r.head(nil, &r.first, []byte{})
	if r.plain = r.best; r.first != (wire.ID{}) {
		r.plain = r.head(nil, &wire.ID{}, []byte{})
	}
	return r
}

// head appends the beginning of a frame by a home, zero for none.
func (r *route) head(dst []byte, home *wire.ID, detour []byte) []byte {
	f := wire.Frame{HopLimit: wire.MaxHopLimit, Dst: r.to, Src: r.self, Detour: detour}
	if *home != (wire.ID{}) {
		f.Waypoints = home[:]
	}
	return wire.AppendFrame(dst, &f)
}

// append appends the beginning of a frame by a home, zero for none. One of class 3
// goes by first.
func (r *route) append(dst []byte, typ wire.Type, class wire.Class, home *wire.ID) []byte {
	at := len(dst)
	switch {
	case class == wire.ClassBulk:
		dst = append(dst, r.bulk...)
	case wire.SameID(home, &r.first):
		dst = append(dst, r.best...)
	case *home == (wire.ID{}):
		dst = append(dst, r.plain...)
	default:
		dst = r.head(dst, home, []byte{})
	}
	dst[at] = byte(typ)
	dst[at+1] |= byte(class)
	return dst
}

// homes returns our own homes, at most limits.Homes of them.
func (t *Table) homes() []wire.ID {
	if t.cfg.Homes == nil {
		return nil
	}
	homes := t.cfg.Homes()
	return homes[:min(len(homes), limits.Homes)]
}

// handshakeFrame returns a whole Handshake frame to f.Dst by f.Waypoints and f.Aim.
func (t *Table) handshakeFrame(f *wire.Frame, body *wire.HandshakeBody) []byte {
	f.Type, f.HopLimit, f.Src, f.Detour = wire.TypeHandshake, wire.MaxHopLimit, t.cfg.Self, []byte{}
	if homes := t.homes(); len(homes) > 0 {
		f.Return = homes[0][:]
	}
	return wire.AppendHandshakeBody(wire.AppendFrame(nil, f), body)
}
