package session

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// route is how frames to one peer begin: header and options, written once and
// copied for each frame. It does not change; new homes make a new route.
type route struct {
	homes  []wire.ID // as the peer told them
	ranked []wire.ID // the same, the best first
	bulk   []byte    // class 3: no detour list
	tries  [3][]byte // by number of the try: best home, another home, no waypoint
	points [3][]byte // the waypoints of these
}

// newRoute returns the route from self to a peer with the given homes, the best
// first.
func newRoute(self, to wire.ID, homes []wire.ID) *route {
	r := &route{homes: homes, ranked: homes}
	via := [3]int{0, 1 % max(len(homes), 1), -1}
	for k, home := range via {
		f := wire.Frame{HopLimit: wire.MaxHopLimit, Dst: to, Src: self, Detour: []byte{}}
		if home >= 0 && home < len(homes) && homes[home] != self && homes[home] != to {
			f.Waypoints = homes[home][:]
		}
		r.points[k], r.tries[k] = f.Waypoints, wire.AppendFrame(nil, &f)
		if f.Detour = nil; k == 0 {
			r.bulk = wire.AppendFrame(nil, &f)
		}
	}
	return r
}

// append appends the beginning of the k-th try of a frame.
func (r *route) append(dst []byte, typ wire.Type, class wire.Class, k int) []byte {
	head := r.tries[min(k, 2)]
	if class == wire.ClassBulk {
		head = r.bulk
	}
	at := len(dst)
	dst = append(dst, head...)
	dst[at] = byte(typ)
	dst[at+1] |= byte(class)
	return dst
}

// appendAim makes a scatter frame of the one that begins at dst[at] and ends
// behind its other options.
func appendAim(dst []byte, at int, aim []byte) []byte {
	dst[at+1] |= byte(wire.FlagAim)
	return append(dst, aim...)
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
