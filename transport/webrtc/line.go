//go:build !nowebrtc

package webrtc

import (
	"time"

	"github.com/peermesh/peermesh/transport"
)

// packetHeaders is what SCTP puts before the payload of a packet: its own header and
// that of one DATA chunk.
const packetHeaders = 12 + 16

var _ transport.Liner = (*Conn)(nil)

// Line implements transport.Liner.
func (c *Conn) Line() (transport.Line, bool) {
	if c.ended() {
		return transport.Line{}, false
	}
	stats := c.attempt.pc.SCTP().Stats()
	return transport.Line{
		Held:    int(c.raw.BufferedAmount()),
		RTT:     time.Duration(stats.SmoothedRoundTripTime * float64(time.Second)),
		Segment: max(0, int(stats.MTU)-packetHeaders),
	}, true
}
