package ws

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peermesh/peermesh/transport"
)

func TestLineOfWhatTheKernelTells(t *testing.T) {
	for name, test := range map[string]struct {
		info unix.TCPInfo
		want transport.Line
	}{
		"nothing sent": {
			unix.TCPInfo{Snd_mss: 1448, Rtt: 20_000},
			transport.Line{RTT: 20 * time.Millisecond, Segment: 1448},
		},
		"short segments are no whole ones": {
			unix.TCPInfo{Snd_mss: 1448, Unacked: 10, Bytes_sent: 2000, Bytes_acked: 1000, Notsent_bytes: 50},
			transport.Line{Held: 1050, Segment: 1448},
		},
		"a kernel that does not count bytes": {
			unix.TCPInfo{Snd_mss: 1000, Unacked: 10, Bytes_acked: 5000, Notsent_bytes: 500},
			transport.Line{Held: 10_500, Segment: 1000},
		},
		"what was selectively acknowledged has arrived": {
			unix.TCPInfo{Snd_mss: 1000, Unacked: 10, Sacked: 4, Bytes_sent: 10_000},
			transport.Line{Held: 6000, Segment: 1000},
		},
		"lost, and half of it sent again": {
			unix.TCPInfo{Snd_mss: 1000, Unacked: 10, Sacked: 4, Lost: 4, Retrans: 2, Bytes_sent: 12_000, Bytes_retrans: 2000},
			transport.Line{Held: 6000, Lost: 2000, Segment: 1000},
		},
		"an acknowledged SYN is no byte": {
			unix.TCPInfo{Snd_mss: 1000, Bytes_sent: 100, Bytes_acked: 101},
			transport.Line{Segment: 1000},
		},
		"nonsense": {
			unix.TCPInfo{Snd_mss: 1000, Unacked: 1, Sacked: 9, Lost: 9, Bytes_sent: 500},
			transport.Line{Segment: 1000},
		},
	} {
		if got := lineOf(&test.info); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// A connection tells of its line, over TCP and TLS, and counts what waits for a flush.
func TestConnTellsOfItsLine(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			c, _ := pair(t, Settings{}, secure)
			if err := c.Send(make([]byte, 5000)); err != nil {
				t.Fatal(err)
			}
			line, ok := c.Line()
			if !ok || line.Held < 5000 || line.Segment == 0 || line.RTT == 0 {
				t.Errorf("before the flush: got %+v, %v, want 5,000 bytes held, a segment and a round trip", line, ok)
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			if c.cork.gathered() != 0 {
				t.Errorf("after the flush: got %d bytes gathered", c.cork.gathered())
			}
		})
	}
}

// What a peer that does not read keeps waiting is held.
func TestWhatThePeerDoesNotReadIsHeld(t *testing.T) {
	c, _ := pair(t, Settings{}, false)
	for done := true; done; {
		if err := c.Send(make([]byte, 60_000)); err != nil {
			t.Fatal(err)
		}
		var err error
		if done, err = c.TryFlush(); err != nil {
			t.Fatal(err)
		}
	}
	if line, ok := c.Line(); !ok || line.Held <= c.cork.gathered() {
		t.Errorf("got %+v, %v with %d bytes gathered, want that the socket holds some", line, ok, c.cork.gathered())
	}
}

func BenchmarkLine(b *testing.B) {
	c, _ := pair(b, Settings{}, false)
	b.ReportAllocs()
	for b.Loop() {
		c.Line()
	}
}
