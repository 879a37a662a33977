//go:build !nowebrtc

package webrtc_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"
	"github.com/pion/turn/v5"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// The virtual network: a WAN with a server, and two LANs behind NATs.
const (
	serverIP = "1.2.3.4"
	stunURL  = "stun:1.2.3.4:3478"
	turnURL  = "turn:me:secret@1.2.3.4:3479"
)

var (
	cone      = vnet.NATType{MappingBehavior: vnet.EndpointIndependent, FilteringBehavior: vnet.EndpointAddrPortDependent}
	symmetric = vnet.NATType{MappingBehavior: vnet.EndpointAddrPortDependent, FilteringBehavior: vnet.EndpointAddrPortDependent}
)

type wan struct {
	*vnet.Router
	t      *testing.T
	server *vnet.Net
	lans   int
}

func newWAN(t *testing.T) *wan {
	t.Helper()
	r, err := vnet.NewRouter(&vnet.RouterConfig{CIDR: "0.0.0.0/0", LoggerFactory: quiet})
	if err != nil {
		t.Fatal(err)
	}
	w := &wan{Router: r, t: t}
	w.server = w.host(r, serverIP)
	return w
}

var quiet = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}

func (w *wan) host(at *vnet.Router, ip string) *vnet.Net {
	w.t.Helper()
	n, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
	if err == nil {
		err = at.AddNet(n)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// lan adds a network behind a NAT, with hosts of the given last bytes.
func (w *wan) lan(nat vnet.NATType, hosts ...string) (ends []*webrtc.Endpoint) {
	w.t.Helper()
	w.lans++
	public := netip.AddrFrom4([4]byte{27, 0, byte(w.lans), 1}).String()
	prefix := netip.AddrFrom4([4]byte{10, byte(w.lans), 0, 0}).String()
	r, err := vnet.NewRouter(&vnet.RouterConfig{StaticIPs: []string{public}, CIDR: prefix + "/24", NATType: &nat, LoggerFactory: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	nets := make([]*vnet.Net, 0, len(hosts))
	for _, h := range hosts {
		nets = append(nets, w.host(r, prefix[:len(prefix)-1]+h))
	}
	if err := w.AddRouter(r); err != nil {
		w.t.Fatal(err)
	}
	for _, n := range nets {
		ends = append(ends, endpoint(w.t, webrtc.Config{Net: n}))
	}
	return ends
}

// start lets packets flow, and begins the STUN service, which is that of an
// endpoint with a fixed socket.
func (w *wan) start() *webrtc.Endpoint {
	w.t.Helper()
	if err := w.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.Stop() })
	return endpoint(w.t, webrtc.Config{UDP: w.listen(3478), Net: w.server})
}

func (w *wan) listen(port int) net.PacketConn {
	w.t.Helper()
	c, err := w.server.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(serverIP), Port: port})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func setupWith(servers ...string) webrtc.Setup {
	public := func(a netip.Addr) bool { return !a.IsPrivate() && !a.IsLoopback() }
	return webrtc.Setup{Servers: servers, Tell: func(a netip.Addr) bool { return !a.IsLoopback() }, Take: public}
}

// meet opens a pipe and returns the pair of it.
func meet(t *testing.T, a, b *webrtc.Endpoint, s webrtc.Setup) (local, remote string) {
	t.Helper()
	offer, answer := negotiate(t, a, b, s, s)
	x, y := open(t, offer), open(t, answer)
	say(t, x, y, "through")
	say(t, y, x, "and back")
	for _, c := range []*webrtc.Conn{x, y} {
		standsOn(t, c)
	}
	return x.Pair()
}

// standsOn checks that a pipe tells the address of its own host: the one behind the
// NAT, not the outer one; none where a server relays, and perhaps none where one told the
// outer address.
func standsOn(t *testing.T, c *webrtc.Conn) {
	t.Helper()
	addr, _ := c.LocalAddr().(*net.UDPAddr)
	switch local, _ := c.Pair(); {
	case local == "srflx" && c.LocalAddr() == nil:
	case local == "relay" && c.LocalAddr() != nil:
		t.Errorf("relayed: got address %v, want none", c.LocalAddr())
	case local != "relay" && (addr == nil || !addr.IP.IsPrivate() && addr.IP.String() != serverIP):
		t.Errorf("%s: got address %v, want that of the host", local, c.LocalAddr())
	}
}

func TestThroughNATs(t *testing.T) {
	w := newWAN(t)
	a, b := w.lan(cone, "7")[0], w.lan(cone, "8")[0]
	c := w.lan(symmetric, "9")[0]
	server := w.start()
	for _, n := range []struct {
		name string
		a, b *webrtc.Endpoint
	}{
		{"cone to cone", a, b},
		{"cone to open", a, server},
		{"open to cone", server, b},
		{"symmetric to open", c, server},
		{"open to symmetric", server, c},
	} {
		t.Run(n.name, func(t *testing.T) {
			if local, remote := meet(t, n.a, n.b, setupWith(stunURL)); local == "relay" || remote == "relay" {
				t.Errorf("got the pair %s, %s, want a direct one", local, remote)
			}
		})
	}
}

// Behind one NAT, which does not hairpin, only the private addresses work;
// they are tried although the setup refuses them.
func TestBehindOneNAT(t *testing.T) {
	w := newWAN(t)
	ends := w.lan(cone, "7", "8")
	w.start()
	local, remote := meet(t, ends[0], ends[1], setupWith(stunURL))
	direct := []string{"host", "prflx"}
	if !slices.Contains(direct, local) || !slices.Contains(direct, remote) {
		t.Errorf("got the pair %s, %s, want private addresses", local, remote)
	}
}

// On one LAN the private addresses work, although the setup refuses them and no
// server tells an end how it is seen from outside.
func TestOnOneLAN(t *testing.T) {
	w := newWAN(t)
	ends := w.lan(cone, "7", "8")
	w.start()
	if local, remote := meet(t, ends[0], ends[1], setupWith()); local != "host" && remote != "host" {
		t.Errorf("got the pair %s, %s, want private addresses", local, remote)
	}
}

func TestSymmetricNATs(t *testing.T) {
	w := newWAN(t)
	a, b := w.lan(symmetric, "7")[0], w.lan(symmetric, "8")[0]
	w.start()
	w.relay()
	t.Run("without a relay", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes 8 seconds")
		}
		began := time.Now()
		offer, answer := negotiate(t, a, b, setupWith(stunURL), setupWith(stunURL))
		_, err := offer.Wait(soon(t))
		wantStage(t, err, webrtc.StageICE, nil)
		_, err = answer.Wait(soon(t))
		wantStage(t, err, webrtc.StageICE, nil)
		if took := time.Since(began); took > limits.SignalTimeout {
			t.Errorf("gave up after %v, want less than %v", took, limits.SignalTimeout)
		}
	})
	t.Run("with one", func(t *testing.T) {
		if local, remote := meet(t, a, b, setupWith(stunURL, turnURL)); local != "relay" && remote != "relay" {
			t.Errorf("got the pair %s, %s, want a relay in it", local, remote)
		}
	})
}

// relay runs a TURN server.
func (w *wan) relay() {
	w.t.Helper()
	key := turn.GenerateAuthKey("me", "mesh", "secret")
	s, err := turn.NewServer(turn.ServerConfig{
		Realm:         "mesh",
		LoggerFactory: quiet,
		AuthHandler: func(*turn.RequestAttributes) (string, []byte, bool) {
			return "me", key, true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: w.listen(3479),
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.ParseIP(serverIP), Address: "0.0.0.0", Net: w.server,
			},
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
}
