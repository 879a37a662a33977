package engine

import (
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// AppendHint appends to dst a whole Hint frame from self that tells the source of
// frame why it was dropped, and returns the longer slice. frame is what Forward
// returned with ActionHint; of bytes that do not parse there is no Hint. A return
// of the frame becomes the waypoint of the Hint. It does not allocate when dst
// has room for 160 bytes.
//
// The Hint is a frame of this node: it goes out by ForwardOwn.
func AppendHint(dst []byte, self wire.ID, frame []byte, r reason.Reason) []byte {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		return dst
	}
	dst = wire.AppendFrame(dst, &wire.Frame{
		Type: wire.TypeHint, Class: wire.ClassControl, HopLimit: wire.MaxHopLimit,
		Dst: f.Src, Src: self,
		Detour: []byte{}, Waypoints: f.Return,
	})
	return wire.AppendHint(dst, &wire.Hint{Reason: uint8(r), Type: f.Type, Dst: f.Dst, Echo: wire.Echo(f.Body)})
}
