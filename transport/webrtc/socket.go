//go:build !nowebrtc

package webrtc

import (
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"os"

	"github.com/pion/stun/v4"
	"golang.org/x/time/rate"

	"github.com/peermesh/peermesh/internal/limits"
)

// socket is the fixed socket: it answers STUN and gives all else to ICE. It is
// an ice.AddrPortReaderWriter; one goroutine at a time reads.
type socket struct {
	net.PacketConn
	fast    *net.UDPConn // the same, on the machine's own network: it saves allocations
	request stun.Message // that is looked at
	answers answerLimit
}

func newSocket(conn net.PacketConn) *socket {
	fast, _ := conn.(*net.UDPConn)
	return &socket{PacketConn: conn, fast: fast, answers: newAnswerLimit()}
}

// ReadFromAddrPort returns the next packet that is no question of STUN. Some
// systems report here that an earlier packet was not wanted, so an error is
// one only when there are many in a row.
func (s *socket) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	for faults := 0; faults < limits.UDPErrors; {
		n, from, err = s.read(b)
		switch {
		case err == nil && s.answer(b[:n], from):
			faults = 0
		case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return n, from, err
		default:
			faults++
		}
	}
	return 0, netip.AddrPort{}, err
}

func (s *socket) read(b []byte) (int, netip.AddrPort, error) {
	if s.fast != nil {
		return s.fast.ReadFromUDPAddrPort(b)
	}
	n, from, err := s.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	addr, ok := from.(*net.UDPAddr)
	if !ok {
		return n, netip.AddrPort{}, errors.New("a packet without a UDP address")
	}
	return n, addr.AddrPort(), nil
}

// WriteToAddrPort sends a packet.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.fast != nil {
		return s.fast.WriteToUDPAddrPort(b, to)
	}
	return s.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// answer reports whether a packet was a question of STUN, and answers it
// within the limits: with the asker's address and nothing else, 12 or 24 bytes
// more than the shortest question. Questions with a user name are ICE's.
func (s *socket) answer(packet []byte, from netip.AddrPort) bool {
	if !stun.IsMessage(packet) {
		return false
	}
	s.request.Raw = append(s.request.Raw[:0], packet...)
	if s.request.Decode() != nil || s.request.Type != stun.BindingRequest || s.request.Contains(stun.AttrUsername) {
		return false
	}
	addr := from.Addr().Unmap()
	if !s.answers.allow(addr) {
		return true
	}
	reply, err := stun.Build(
		stun.NewTransactionIDSetter(s.request.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: addr.AsSlice(), Port: int(from.Port())},
	)
	if err == nil {
		_, _ = s.WriteToAddrPort(reply.Raw, from)
	}
	return true
}

// answerLimit bounds the answers to each network and to all. One goroutine at
// a time uses it.
type answerLimit struct {
	seed     maphash.Seed
	all      *rate.Limiter
	networks [limits.STUNBuckets]*rate.Limiter
}

func newAnswerLimit() answerLimit {
	l := answerLimit{seed: maphash.MakeSeed(), all: rate.NewLimiter(limits.STUNRateAll, limits.STUNBurstAll)}
	for i := range l.networks {
		l.networks[i] = rate.NewLimiter(limits.STUNRate, limits.STUNBurst)
	}
	return l
}

// allow counts an answer; this machine's own questions count for the whole
// only.
func (l *answerLimit) allow(a netip.Addr) bool {
	if a.IsLoopback() {
		return l.all.Allow()
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	network := netip.PrefixFrom(a.WithZone(""), bits).Masked()
	return l.networks[maphash.Comparable(l.seed, network)%limits.STUNBuckets].Allow() && l.all.Allow()
}
