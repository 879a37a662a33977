package netwatch

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups are what the kernel is to tell of: addresses, interfaces, and routes,
// of which the default ones count.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// kernel is this machine, and what its kernel says of it.
type kernel struct {
	*poller
	socket *os.File
	buf    []byte
	ways   uint64 // default routes that came or went since the start
}

// local is this machine. Where the kernel's word is refused, as in some containers,
// it is looked at now and then.
func local() Machine {
	socket, err := listen()
	if err != nil {
		return newPoller()
	}
	return &kernel{poller: newPoller(), socket: socket, buf: make([]byte, 16<<10)}
}

// listen opens the netlink socket.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	if err := f.SetReadDeadline(time.Now()); err != nil { // it cannot be waited for
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Hints implements Machine.
func (*kernel) Hints() bool { return true }

// Close implements Machine.
func (k *kernel) Close() error { return k.socket.Close() }

// Wait implements Machine. What was said and not kept, as it was too much, is a hint.
func (k *kernel) Wait(until time.Time) (bool, error) {
	if err := k.socket.SetReadDeadline(until); err != nil {
		return false, errClosed
	}
	for {
		n, err := k.socket.Read(k.buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return false, nil
		case errors.Is(err, unix.ENOBUFS):
			return true, nil
		case err != nil:
			return false, errClosed
		}
		if hint, ways := heard(k.buf[:n]); hint {
			k.ways += ways
			return true, nil
		}
	}
}

// heard says whether one of the kernel's messages is about an address, an interface
// or a default route, and how many default routes came or went. A router's other
// routes change all the time, and one that replaces its like is none.
func heard(b []byte) (hint bool, ways uint64) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			break
		}
		replaces := binary.NativeEndian.Uint16(b[6:])&unix.NLM_F_REPLACE != 0
		switch body := b[unix.NLMSG_HDRLEN:size]; binary.NativeEndian.Uint16(b[4:]) {
		case unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWLINK, unix.RTM_DELLINK:
			hint = true
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if isDefault(body) && !replaces {
				hint = true
				ways++
			}
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return hint, ways
}

// isDefault says that a route of the main table leads everywhere: struct rtmsg has the
// length of its destination in byte 1 and the table in byte 4.
func isDefault(body []byte) bool {
	return len(body) >= unix.SizeofRtMsg && body[1] == 0 && body[4] == unix.RT_TABLE_MAIN
}

// Look implements Machine. It leaves out addresses of IPv6 that are not yet known to
// be nobody else's: nothing can be sent from them.
func (k *kernel) Look() (Picture, error) {
	p, err := k.poller.Look()
	if err != nil {
		return p, err
	}
	text, _ := os.ReadFile(inet6) // not there: no IPv6
	unproven := tentative(text)
	p.Addrs, p.Ready = without(p.Addrs, unproven), without(p.Ready, unproven)
	p.Ways = k.ways
	return p, nil
}

// inet6 tells the addresses of IPv6 with their flags.
const inet6 = "/proc/net/if_inet6"

// tentative are the addresses in that file that may be another's: 32 hex digits, the
// interface, the length of the prefix, the scope, the flags, the name.
func tentative(text []byte) (addrs []netip.Addr) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		raw, err := hex.DecodeString(fields[0])
		flags, bad := strconv.ParseUint(fields[4], 16, 32)
		if addr, ok := netip.AddrFromSlice(raw); ok && errors.Join(err, bad) == nil && flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// stood is how long the machine has slept since it was started: one of the two
// clocks goes on meanwhile.
func stood(time.Time, time.Time) time.Duration {
	var running, all unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &running) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &all) != nil {
		return 0
	}
	return time.Duration(all.Nano() - running.Nano())
}
