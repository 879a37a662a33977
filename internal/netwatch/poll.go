package netwatch

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// poller is a machine that does not say when something changes.
type poller struct {
	begun  time.Time
	closed chan struct{}
	once   sync.Once
}

func newPoller() *poller { return &poller{begun: time.Now(), closed: make(chan struct{})} }

// Wait implements Machine.
func (p *poller) Wait(until time.Time) (bool, error) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-p.closed:
		return false, errClosed
	}
}

// Hints implements Machine.
func (*poller) Hints() bool { return false }

// Stood implements Machine.
func (p *poller) Stood() time.Duration { return stood(p.begun, time.Now()) }

// Close implements Machine.
func (p *poller) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Look implements Machine.
func (*poller) Look() (Picture, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return Picture{}, err
	}
	p := Picture{Out: outs()}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, _ := i.Addrs() // of one that has gone meanwhile there are none
		for _, prefix := range prefixes {
			if parsed, err := netip.ParsePrefix(prefix.String()); err == nil {
				p.add(parsed.Addr(), i.Flags&net.FlagRunning != 0)
			}
		}
	}
	return p, nil
}

// add enters an address.
func (p *Picture) add(addr netip.Addr, ready bool) {
	addr = addr.Unmap().WithZone("")
	p.Addrs = append(p.Addrs, addr)
	if ready {
		p.Ready = append(p.Ready, addr)
	}
}

// Two public addresses, of the networks for documentation: nothing is sent there.
var anybody = [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("[2001:db8::1]:9")}

// outs are the addresses from which the machine would send to a public one. To
// connect a UDP socket sends nothing.
func outs() (from [2]netip.Addr) {
	for i, to := range anybody {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			continue
		}
		if at, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			from[i] = at.AddrPort().Addr().Unmap().WithZone("")
		}
		_ = conn.Close()
	}
	return from
}
