//go:build !nowebrtc

package webrtc

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/time/rate"

	"github.com/peermesh/peermesh/internal/limits"
)

func TestAnswerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAnswerLimit()
		count := func(addr string, of int) (n int) {
			for range of {
				if l.allow(netip.MustParseAddr(addr)) {
					n++
				}
			}
			return n
		}
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			if got := count(addr, 1000); got != limits.STUNBurst {
				t.Errorf("%s: got %d answers at once, want %d", addr, got, limits.STUNBurst)
			}
		}
		if got := count("192.0.2.77", 10) + count("2001:db8:0:7::9", 10); got > 0 {
			t.Errorf("got %d more answers to neighbours, want none", got)
		}
		time.Sleep(time.Second)
		if got := count("192.0.2.1", 1000); got != limits.STUNRate {
			t.Errorf("got %d answers in the next second, want %d", got, limits.STUNRate)
		}
		all := 0
		for i := range 250 {
			all += count(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}).String(), 100)
		}
		if most := limits.STUNBurstAll - limits.STUNRate; all > most {
			t.Errorf("got %d answers to many networks, want at most %d", all, most)
		}
	})
}

// An answer to a question of STUN, with the write but not the read of a packet.
func BenchmarkAnswer(b *testing.B) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	s := newSocket(udp)
	s.answers.all.SetLimit(rate.Inf)
	question := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	to := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	b.ReportAllocs()
	for b.Loop() {
		if !s.answer(question.Raw, to) {
			b.Fatal("no question")
		}
	}
}
