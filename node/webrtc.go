package node

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/signal"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// WebRTCUse says when a node makes links over WebRTC.
type WebRTCUse string

// The uses.
const (
	WebRTCOn         WebRTCUse = "on"               // for its table, for pairs that talk much, and when it is told or asked to
	WebRTCWhenNeeded WebRTCUse = "only-when-needed" // where a link that is needed, told or asked for can be had in no other way
	WebRTCOff        WebRTCUse = "off"              // never
)

// WebRTCSupported says whether this program was built with WebRTC: without the
// tag nowebrtc.
const WebRTCSupported = webrtc.Supported

// rtcKind is the Kind of the carrier over WebRTC.
const rtcKind = "webrtc"

// engineUse is the same in the engine's words.
var engineUse = map[WebRTCUse]engine.WebRTCUse{
	WebRTCOn: engine.WebRTCOn, WebRTCWhenNeeded: engine.WebRTCWhenNeeded, WebRTCOff: engine.WebRTCOff,
}

const partWebRTCPort = "webrtc-port"

// setUpWebRTC makes the endpoint.
func (n *Node) setUpWebRTC() error {
	n.rtc.table, n.rtc.attempts = signal.New(wire.ID(n.id)), make(map[routing.ID]*attempt)
	if n.cfg.WebRTC == WebRTCOff {
		return nil
	}
	cfg := webrtc.Config{Logger: n.log}
	if n.cfg.WebRTCListen != "" {
		udp, err := net.ListenPacket("udp", n.cfg.WebRTCListen)
		if err != nil { // links come about without it
			n.setWarning(partWebRTCPort, Warning{
				Part: partWebRTCPort, Since: n.started, Broken: true,
				Text: fmt.Sprintf("UDP %s cannot be listened on: %v; each link over WebRTC has a port of its own, and peers are not told their public addresses", n.cfg.WebRTCListen, err),
				Hint: "end what has the port, or choose another with --webrtc-port, and start the node again",
			})
		} else {
			cfg.UDP = udp
		}
	}
	endpoint, err := webrtc.New(cfg)
	if err != nil {
		return err
	}
	n.rtc.endpoint = endpoint
	return nil
}

// stunPort is the UDP port on which this node answers STUN; 0: none.
func (r *rtc) stunPort() uint16 {
	if r.endpoint == nil {
		return 0
	}
	return r.endpoint.STUNPort()
}

// stuck is how many links over WebRTC have never ended.
func (r *rtc) stuck() int {
	if r.endpoint == nil {
		return 0
	}
	return r.endpoint.Stuck()
}

// close ends all attempts and links.
func (r *rtc) close() {
	if r.endpoint != nil {
		_ = r.endpoint.Close()
	}
}

// iceSetup is how a connection looks for a way now. Take is the rule of all links; the
// carrier adds private addresses of networks that this machine is in or whose NAT it is behind.
func (n *Node) iceSetup() webrtc.Setup {
	told := n.candidateScopes()
	tell := engine.ScopePublic | told&engine.ScopeLoopback
	if !n.cfg.WebRTCHidePrivate {
		tell |= engine.ScopePrivate
	}
	return webrtc.Setup{
		Servers: n.iceServers(),
		Roots:   n.files.roots.Load(),
		Tell:    func(a netip.Addr) bool { return engine.ScopeOf(a)&tell != 0 },
		Take:    func(a netip.Addr) bool { return engine.ScopeOf(a)&told&^engine.ScopeLinkLocal != 0 },
	}
}

// iceServers are those of the config, and of this node's own relays those that
// answer STUN, at most limits.RelaySTUN.
func (n *Node) iceServers() []string {
	servers := n.ice.inUse(n.cfg.ICEServers)
	own := 0
	for _, l := range n.live.all() {
		if port := stunPortOf(l.link.Contact); port != 0 && own < limits.RelaySTUN && !l.link.Leaf && l.conn.Kind() != rtcKind {
			if ip, ok := remoteIP(l.conn); ok && engine.ScopeOf(ip) != engine.ScopeLoopback {
				servers = append(servers[:len(servers):len(servers)], "stun:"+net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
				own++
			}
		}
	}
	return servers
}

// stunPortOf is the STUN port that a contact record tells.
func stunPortOf(record []byte) uint16 {
	rec, err := wire.ParseRecord(record)
	if err != nil {
		return 0
	}
	c, err := wire.ParseContact(rec.Body)
	if err != nil {
		return 0
	}
	return c.STUN
}
