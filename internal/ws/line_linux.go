package ws

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/peermesh/peermesh/transport"
)

func (p *probe) ask(fd uintptr) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if p.ok = err == nil; p.ok {
		p.line = lineOf(info)
	}
}

// lineOf reads what the kernel tells. Of what is under way it counts segments, which
// may be short; the bytes that were sent and are not acknowledged are the same in
// bytes.
func lineOf(info *unix.TCPInfo) transport.Line {
	unacked := int64(info.Unacked) * int64(info.Snd_mss)
	if sent := int64(info.Bytes_sent - info.Bytes_retrans - info.Bytes_acked); info.Bytes_sent > 0 {
		unacked = max(0, min(sent, unacked))
	}
	held, lost := unacked, int64(0)
	if n := int64(info.Unacked); n > 0 {
		held -= unacked * min(int64(info.Sacked), n) / n
		lost = unacked * min(max(int64(info.Lost)-int64(info.Retrans), 0), n) / n
	}
	return transport.Line{
		Held:    int(held) + int(info.Notsent_bytes),
		Lost:    int(min(lost, held)),
		RTT:     time.Duration(info.Rtt) * time.Microsecond,
		Segment: int(info.Snd_mss),
	}
}
