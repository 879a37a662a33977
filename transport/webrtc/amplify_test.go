//go:build !nowebrtc

package webrtc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// meter is a socket that counts what is sent.
type meter struct {
	net.PacketConn
	packets, bytes atomic.Int64
}

func (m *meter) WriteTo(b []byte, to net.Addr) (int, error) {
	m.packets.Add(1)
	m.bytes.Add(int64(len(b)))
	return m.PacketConn.WriteTo(b, to)
}

// failures is a log that tells of each pair of addresses that ICE has given up.
type failures chan struct{}

func (failures) Enabled(context.Context, slog.Level) bool { return true }
func (f failures) WithAttrs([]slog.Attr) slog.Handler     { return f }
func (f failures) WithGroup(string) slog.Handler          { return f }
func (f failures) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "Maximum requests reached") {
		f <- struct{}{}
	}
	return nil
}

// An offer whose candidates are others' addresses makes this end send little to any
// of them, and not much in all: so many times the bytes of the offer, from each
// address of its own.
func TestAmplification(t *testing.T) {
	offerer := endpoint(t, webrtc.Config{})
	for _, c := range []struct {
		name     string
		victims  int // addresses; the offer has limits.Candidates, spread over them
		tried    int // candidates
		mostTime float64
	}{
		{"one victim", 1, limits.CandidatePorts, 1.5},
		{"four victims", 4, 4 * limits.CandidatePorts, 6},
		{"one for each candidate", limits.Candidates, limits.CandidateAddrs, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := offerer.Offer(soon(t), webrtc.Setup{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = o.Close() }()
			text, _, _ := strings.Cut(o.Description(), "a=candidate:")
			text = strings.ReplaceAll(text, "a=end-of-candidates\r\n", "")
			for i := range limits.Candidates { // nobody listens there
				text += fmt.Sprintf("a=candidate:%d 1 udp %d 127.1.0.%d %d typ host\r\n", i, 1<<31-i, 1+i%c.victims, 1024+i)
			}
			socket, given := &meter{PacketConn: listen(t, "127.0.0.1:0")}, make(failures, limits.Candidates)
			a, err := endpoint(t, webrtc.Config{UDP: socket, Logger: slog.New(given)}).Answer(soon(t), local, text)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Close() }()
			late := soon(t).Done()
			for i := range c.tried {
				select {
				case <-given:
				case <-late:
					t.Fatalf("got %d candidates given up, want %d", i, c.tried)
				}
			}
			times := float64(socket.bytes.Load()) / float64(len(text))
			t.Logf("%d bytes of offer, %d packets, %d bytes: %.1f times", len(text), socket.packets.Load(), socket.bytes.Load(), times)
			if want := int64(c.tried * (1 + limits.CheckRequests)); socket.packets.Load() != want || times > c.mostTime {
				t.Errorf("got %d packets and %.1f times the bytes, want %d and at most %.1f times", socket.packets.Load(), times, want, c.mostTime)
			}
		})
	}
}
