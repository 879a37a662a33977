package dgram

import "sync/atomic"

// Stats are a PacketConn's figures since it was opened.
type Stats struct {
	Received, ReceivedBytes uint64 // by ReadFrom
	Truncated               uint64 // of them, larger than the buffer they were read into
	Sent, SentBytes         uint64 // taken by WriteTo without an error, drops included

	// Drops counts what WriteTo dropped, what found no room to wait for ReadFrom
	// ("port-full") and what Close found unread ("no-handler"), by the reasons that logs, events and the node's
	// status name too. What is lost later on its way is counted by the node
	// that drops it.
	Drops map[string]uint64
}

// Stats returns the figures now.
func (c *PacketConn) Stats() Stats {
	s := &c.stats
	return Stats{
		Received: s.received.Load(), ReceivedBytes: s.receivedBytes.Load(), Truncated: s.truncated.Load(),
		Sent: s.sent.Load(), SentBytes: s.sentBytes.Load(), Drops: c.port.Drops(),
	}
}

type counters struct {
	received, receivedBytes, truncated atomic.Uint64
	sent, sentBytes                    atomic.Uint64
}

func (s *counters) read(size, n int) {
	s.received.Add(1)
	s.receivedBytes.Add(uint64(n))
	if n < size {
		s.truncated.Add(1)
	}
}

func (s *counters) wrote(n int) {
	s.sent.Add(1)
	s.sentBytes.Add(uint64(n))
}
