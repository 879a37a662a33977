//go:build !nowebrtc

package webrtc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pion/ice/v4"

	"github.com/peermesh/peermesh/internal/limits"
)

func line(addr, typ string) string {
	return fmt.Sprintf("candidate:1 1 udp 2130706431 %s 5000 typ %s", addr, typ)
}

func TestParseCandidate(t *testing.T) {
	for _, c := range []struct {
		name, line, want string // want: what is left of it; empty: of no use
		malformed        bool
	}{
		{"host", "candidate:842163049 1 udp 1677729535 192.168.1.7 46154 typ host", "candidate:842163049 1 udp 1677729535 192.168.1.7 46154 typ host", false},
		{"with a=", "a=" + line("10.0.0.1", "host"), line("10.0.0.1", "host"), false},
		{"as Chromium writes it", "candidate:842163049 1 udp 1677729535 203.0.114.9 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0 ufrag abcd network-cost 999",
			"candidate:842163049 1 udp 1677729535 203.0.114.9 46154 typ srflx raddr 0.0.0.0 rport 0", false},
		{"IPv6", line("2a00::1", "relay"), line("2a00::1", "relay") + " raddr :: rport 0", false},
		{"zone", line("2a00::1%eth0", "host"), line("2a00::1", "host"), false},
		{"mapped", line("::ffff:10.0.0.1", "host"), line("10.0.0.1", "host"), false},
		{"upper case", strings.Replace(line("10.0.0.1", "host"), "udp", "UDP", 1), line("10.0.0.1", "host"), false},
		{"multicast DNS name", line("0f1b2c3d-0000-4000-8000-000000000000.local", "host"), "", false},
		{"name", line("localhost", "host"), "", false},
		{"old spelling of an address", line("127.1", "host"), "", false},
		{"TCP", strings.Replace(line("10.0.0.1", "host"), "udp", "tcp", 1) + " tcptype active", "", false},
		{"second component", strings.Replace(line("10.0.0.1", "host"), ":1 1 ", ":1 2 ", 1), "", false},
		{"unknown type", line("10.0.0.1", "other"), "", false},
		{"port 0", strings.Replace(line("10.0.0.1", "host"), "5000", "0", 1), "", false},
		{"empty", "", "", true},
		{"no candidate", "a=sendrecv", "", true},
		{"short", "candidate:1 1 udp 1 10.0.0.1 5000 typ", "", true},
		{"no typ", strings.Replace(line("10.0.0.1", "host"), "typ", "type", 1), "", true},
		{"bad port", strings.Replace(line("10.0.0.1", "host"), "5000", "65536", 1), "", true},
		{"bad priority", strings.Replace(line("10.0.0.1", "host"), "2130706431", "-1", 1), "", true},
		{"bad foundation", strings.Replace(line("10.0.0.1", "host"), ":1", ":1<1", 1), "", true},
		{"long", line("10.0.0.1", "host") + strings.Repeat(" x", limits.CandidateBytes), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok, err := parseCandidate(c.line)
			if (err != nil) != c.malformed || err != nil && !errors.Is(err, ErrCandidate) {
				t.Fatalf("got error %v, want one: %v", err, c.malformed)
			}
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Fatalf("got %q, %v, want %q", got, ok, c.want)
			}
		})
	}
}

func TestForbidden(t *testing.T) {
	for _, a := range strings.Fields("0.0.0.0 0.1.2.3 :: 169.254.169.254 169.254.1.1 100.100.100.200 168.63.129.16 192.0.0.192 " +
		"224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1 fe80::1 fe80::1%eth0 ff02::1 ff0e::1 fd00:ec2::254 fd20:ce::254 " +
		"::ffff:169.254.169.254 64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 ::ffff:0:169.254.169.254 2002:e000:1::") {
		if !forbidden(netip.MustParseAddr(a)) {
			t.Errorf("%s: got allowed, want forbidden", a)
		}
	}
	for _, a := range strings.Fields("8.8.8.8 10.0.0.1 192.168.1.1 172.16.0.1 100.64.0.1 127.0.0.1 ::1 fd00::1 2a00::1 64:ff9b::8.8.8.8 2002:808:808::1") {
		if forbidden(netip.MustParseAddr(a)) {
			t.Errorf("%s: got forbidden, want the callers to say", a)
		}
	}
}

// What a filter lets pass is of the peer's candidates in the order of the
// steps: "typ/addr" or "typ/addr:port" is one of the peer's, "=addr" the own address
// as seen by a server.
func TestVetting(t *testing.T) {
	public := func(a netip.Addr) bool { return !a.IsPrivate() && !a.IsLoopback() }
	everything := func(netip.Addr) bool { return true }
	nothing := func(netip.Addr) bool { return false }
	const here, elsewhere = "198.51.101.7", "198.51.101.8"
	const lan = "192.168.1.20/24 fd00:1::5/64 127.0.0.1/8 fe80::1/64" // the networks of a machine at home
	for _, c := range []struct {
		name     string
		take     func(netip.Addr) bool
		networks string // of this machine
		steps    string
		want     string // addresses, in order
	}{
		{"what take allows", public, "", "host/8.8.8.8 host/2a00::1 srflx/" + here, "8.8.8.8 2a00::1 " + here},
		{"what take refuses", public, "", "host/10.0.0.1 host/127.0.0.1 host/fd00::1", ""},
		{"what is never tried", everything, "", "host/169.254.169.254 srflx/224.0.0.1 relay/0.0.0.0 host/127.0.0.1", "127.0.0.1"},
		{"one NAT, own first", public, "", "=" + here + " srflx/" + here + " host/10.0.0.1", here + " 10.0.0.1"},
		{"one NAT, theirs late", public, "", "host/10.0.0.1 host/fd00::1 =" + here + " srflx/" + here, here + " 10.0.0.1 fd00::1"},
		{"one NAT, own late", public, "", "host/10.0.0.1 srflx/" + here + " =" + here, here + " 10.0.0.1"},
		{"each once", public, "", "host/10.0.0.1 srflx/" + here + " =" + here + " =" + here, here + " 10.0.0.1"},
		{"two NATs", public, "", "host/10.0.0.1 srflx/" + elsewhere + " =" + here, elsewhere},
		{"a host candidate proves nothing", public, "", "host/10.0.0.1 host/" + here + " =" + here, here},
		{"one NAT frees private ones alone", public, "", "host/127.0.0.1 host/169.254.1.1 host/100.100.100.200 =" + here + " srflx/" + here, here},
		{"shared NAT", nothing, "", "host/100.64.0.9 =" + here + " srflx/" + here, "100.64.0.9"},
		{"one LAN", public, lan, "host/192.168.1.7 host/fd00:1::7", "192.168.1.7 fd00:1::7"},
		{"one machine", public, lan, "host/127.0.0.1 host/192.168.1.20", "192.168.1.20"},
		{"a whole address of a tunnel", nothing, "100.101.102.103/32 10.9.0.1/31", "host/100.101.102.103 host/100.101.102.104 host/10.9.0.0", "100.101.102.103 10.9.0.0"},
		{"another LAN", public, lan, "host/192.168.2.7 host/10.0.0.1 host/fd00:2::7", ""},
		{"another LAN behind the same NAT", public, lan, "host/192.168.2.7 =" + here + " srflx/" + here, here + " 192.168.2.7"},
		{"one's own network frees private addresses alone", public, lan, "host/127.0.0.1 host/127.0.0.2 host/::1 host/169.254.169.254 host/fe80::2", ""},
		{"metadata in one's own network", everything, "fd00:ec2::1/64 100.100.0.1/16 169.254.1.1/16", "host/fd00:ec2::254 host/100.100.100.200 host/169.254.169.254", ""},
		{"to all of a network", everything, lan, "host/192.168.1.255 host/192.168.1.0 host/127.255.255.255 host/192.168.2.255", "192.168.2.255"},
		{"ports of the system", everything, lan, "host/192.168.1.1:53 host/[fd00:1::1]:1023 host/127.0.0.1:443 host/8.8.8.8:443 host/192.168.1.1:1024", "8.8.8.8 192.168.1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := vetting{take: c.take}
			for _, n := range strings.Fields(c.networks) {
				v.networks = append(v.networks, netip.MustParsePrefix(n))
			}
			var got []string
			for _, step := range strings.Fields(c.steps) {
				var now []candidate
				var err error
				if own, ok := strings.CutPrefix(step, "="); ok {
					now = v.ownAddress(netip.MustParseAddr(own))
				} else {
					typ, addr, _ := strings.Cut(step, "/")
					at, noPort := netip.ParseAddrPort(addr)
					if noPort != nil {
						at = netip.AddrPortFrom(netip.MustParseAddr(addr), 5000)
					}
					now, err = v.add(fmt.Sprintf("candidate:1 1 udp 2130706431 %s %d typ %s", at.Addr(), at.Port(), typ))
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range now {
					got = append(got, n.addr.Addr().String())
				}
			}
			if want := strings.Fields(c.want); !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		})
	}
}

func TestTooManyCandidates(t *testing.T) {
	v := vetting{take: func(netip.Addr) bool { return true }}
	for i := range limits.Candidates {
		if _, err := v.add(line(fmt.Sprintf("10.0.0.%d", i+1), "host")); err != nil {
			t.Fatalf("candidate %d: %v", i+1, err)
		}
	}
	if _, err := v.add(line("10.0.1.1", "host")); !errors.Is(err, ErrCandidate) {
		t.Fatalf("one more than %d: got %v, want ErrCandidate", limits.Candidates, err)
	}
}

// What comes through is what ICE is given: an address that may be tried, which
// the library reads as the same.
func FuzzCandidate(f *testing.F) {
	for _, addr := range []string{"10.0.0.1", "2a00::1%eth0", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "x.local"} {
		f.Add(line(addr, "srflx") + " raddr 1.2.3.4 rport 5 ufrag x")
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := vetting{take: func(a netip.Addr) bool { return !a.IsPrivate() && !a.IsLoopback() }}
		now, err := v.add(text)
		if err != nil && !errors.Is(err, ErrCandidate) {
			t.Fatalf("got %v, want an ErrCandidate", err)
		}
		for _, c := range now {
			addr := c.addr.Addr()
			if forbidden(addr) || addr.IsLoopback() || addr.IsPrivate() || addr.Zone() != "" {
				t.Fatalf("%q gave %v", text, addr)
			}
			read, err := ice.UnmarshalCandidate(c.String())
			if err != nil || read.Address() != addr.String() || read.Port() != int(c.addr.Port()) || read.NetworkType().IsTCP() {
				t.Fatalf("%q became %q, which is read as %v, %v", text, c, read, err)
			}
		}
	})
}
