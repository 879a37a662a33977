package node

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
)

func TestAdvertisedAddresses(t *testing.T) {
	many := make([]string, 0, 20)
	for i := range 20 {
		many = append(many, fmt.Sprintf("10.0.0.%d", i+1))
	}
	for _, test := range []struct {
		name  string
		only4 bool
		own   string // separated by blanks, in the system's order
		want  string
	}{
		{"none told", false, "", "127.0.0.1"},
		{"loopback alone", false, "127.0.0.1 ::1", "127.0.0.1"},
		{"public before private, loopback last", false, "127.0.0.1 10.1.2.3 fd00::1 8.8.4.4 2a00::1", "8.8.4.4 2a00::1 10.1.2.3 fd00::1 127.0.0.1"},
		{"link-local never", false, "fe80::1%eth0 169.254.7.7 192.168.1.2", "192.168.1.2 127.0.0.1"},
		{"nobody's never", false, "0.0.0.0 224.0.0.1 192.0.2.1 ff02::1", "127.0.0.1"},
		{"no IPv6 where the port takes none", true, "2a00::1 fd00::1 8.8.4.4", "8.8.4.4 127.0.0.1"},
		{"each once", false, "10.0.0.1 ::ffff:10.0.0.1 10.0.0.1", "10.0.0.1 127.0.0.1"},
		{"too many", false, strings.Join(many, " "), strings.Join(many[:limits.ContactURLs-1], " ") + " 127.0.0.1"},
		{"too many, a public one last", false, strings.Join(many, " ") + " 8.8.4.4", "8.8.4.4 " + strings.Join(many[:limits.ContactURLs-2], " ") + " 127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var own []netip.Addr
			for _, text := range strings.Fields(test.own) {
				own = append(own, netip.MustParseAddr(text))
			}
			if got := strings.Trim(fmt.Sprint(advertised(test.only4, own)), "[]"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAddressesOfInnerNetworksAreNotTold(t *testing.T) {
	for _, test := range []struct{ own, want string }{ // each address after its interface
		{"lo 127.0.0.1 eth0 10.1.2.3 docker0 172.17.0.1 br-0123456789ab 172.18.0.1", "127.0.0.1 10.1.2.3"},
		{"virbr0 192.168.122.1 wlan0 2a00::1", "2a00::1"},
		{"br-lan 192.168.1.1 br0 10.0.0.1 bridge0 10.0.1.1", "192.168.1.1 10.0.0.1 10.0.1.1"},
		{"flannel.1 10.244.0.0 cni0 10.244.0.1 kube-ipvs0 10.96.0.1 cali12 10.9.0.1 eth0 10.0.0.5", "10.0.0.5"},
		{"lo 127.0.0.1 eth0 fe80::1 docker0 172.17.0.1", "127.0.0.1 fe80::1 172.17.0.1"}, // none to tell but that
		{"", ""},
	} {
		var own []localAddr
		for fields := strings.Fields(test.own); len(fields) > 0; fields = fields[2:] {
			own = append(own, localAddr{fields[0], netip.MustParseAddr(fields[1])})
		}
		if got := strings.Trim(fmt.Sprint(outward(own)), "[]"); got != test.want {
			t.Errorf("%s: got %s, want %s", test.own, got, test.want)
		}
	}
}

func TestURLsOfAPort(t *testing.T) {
	for _, test := range []struct {
		listen string
		public []string
		first  string // what the first URL begins with
		last   string // and the last one
	}{
		{"127.0.0.1:0", nil, "ws://127.0.0.1:", "ws://127.0.0.1:"},
		{":0", nil, "ws://", "ws://127.0.0.1:"},
		{"0.0.0.0:0", nil, "ws://", "ws://127.0.0.1:"},
		{":0", []string{"wss://mesh.example"}, "wss://mesh.example", "wss://mesh.example"},
	} {
		n, err := New(Config{Listen: test.listen, PublicURLs: test.public})
		if err != nil {
			t.Fatal(err)
		}
		urls := n.URLs()
		n.Close()
		if len(urls) == 0 || len(urls) > limits.ContactURLs || !strings.HasPrefix(urls[0], test.first) || !strings.HasPrefix(urls[len(urls)-1], test.last) {
			t.Errorf("%s: got %q, want %s… to %s…", test.listen, urls, test.first, test.last)
		}
	}
}

func TestDialableWithinScopes(t *testing.T) {
	d := dialers{"ws": nil, "mem": &wsInMemory{}}
	for _, test := range []struct {
		url    string
		scopes engine.Scopes
		want   bool
	}{
		{"mem://8.8.4.4:1", engine.ScopePublic, true},
		{"mem://10.0.0.1:1", engine.ScopePublic, false},
		{"mem://10.0.0.1:1", engine.ScopePublic | engine.ScopePrivate, true},
		{"mem://127.0.0.1:1", engine.ScopePublic | engine.ScopePrivate, false},
		{"mem://[fd00::1]:1", engine.ScopePrivate, true},
		{"mem://192.0.2.1:1", engine.ScopePublic, false},
		{"mem://192.0.2.1:1", engine.AllScopes, true}, // the dial says what is wrong
		{"mem://name:1", engine.ScopePublic, true},
		{"ws://8.8.4.4:1", engine.ScopePublic, false},
		{"mem:", engine.AllScopes, false},
	} {
		if got := d.dialable(test.url, test.scopes); got != test.want {
			t.Errorf("%s, scopes %b: got %v, want %v", test.url, test.scopes, got, test.want)
		}
	}
}
