package node

import (
	"log/slog"
	"net/netip"

	"github.com/peermesh/peermesh/transport"
)

// Config says how a node runs. The zero value is a working private node.
type Config struct {
	// StateDir keeps the identity (and with it the ID) over restarts. It is one
	// node's at a time: another does not start, with a [StateInUseError]. Empty: a
	// fresh identity at every start. Flag --state.
	StateDir string

	// Listen is the TCP address of the public port, "host:port"; port 0 takes a
	// free one. Empty: no port. Flags --host and --port.
	Listen string

	// PublicURLs are the URLs others can dial, told to peers. Empty with a
	// port: the listening address; of a port on all addresses those of this
	// machine, the public ones first and loopback last. Flag --public-url.
	PublicURLs []string

	// TLSCert and TLSKey are PEM files; with both the port speaks TLS (wss). They
	// are read again when they change, see [Node.Reload]. Flags --cert and --key.
	TLSCert, TLSKey string

	// TLSCA is a PEM file with further roots to trust when dialling wss URLs. It is
	// read again when it changes, see [Node.Reload]. Flag --tls-ca.
	TLSCA string

	// Proxy is the forward proxy by which ws and wss URLs are dialled:
	// "http://user:password@host:port", or https, socks5 or socks5h in the place of
	// http. Empty: those of HTTPS_PROXY (for wss), HTTP_PROXY (for ws) and ALL_PROXY.
	// NO_PROXY holds for all, and loopback addresses go by none. [NoProxy]: none. What
	// peers tell of goes by a proxy as a public address alone. Links over WebRTC go by
	// none. Flag --proxy.
	Proxy string

	// TrustedProxies are the networks whose X-Forwarded-For, -Proto, -Host and -Prefix
	// are believed, and the address in a PROXY protocol header before a connection to
	// the port. What comes by another proxy counts as one client at the proxy's
	// address, and not as one of this machine. Flag --trusted-proxy.
	TrustedProxies []netip.Prefix

	// AllowOrigins are the Origins of web pages, "https://app.example.org" or "null",
	// that may link with this node though its port is for this machine alone. Pages
	// of this machine always may, and any page may at a port that other machines
	// reach. A page is never taken for a peer of this machine or its networks. Flag
	// --allow-origin.
	AllowOrigins []string

	// Bootstrap are URLs of running nodes: ws://host:port, wss://…, "#<id>" pins
	// the ID that has to answer. Flag --bootstrap.
	Bootstrap []string

	// MaxPeers caps the links with relays. 0: 24, or 200 with a port. Flag --max-peers.
	MaxPeers int

	// MaxLeaves caps the links with leaves. 0: none, or 256 with a port. A leaf has no
	// use for it. Flag --max-leaves.
	MaxLeaves int

	// MaxMemory is how many bytes this node holds for others at most: for its links,
	// and for what waits to be sent, acknowledged or read. Beyond it the link that
	// holds most is the first to lose datagrams; what is acknowledged is sent again.
	// 0: 32 MiB, 32 KiB for each link that it may have and 768 KiB for each over
	// WebRTC, or a quarter of the memory of the machine, the control group or
	// GOMEMLIMIT if that is less. Flag --max-memory.
	MaxMemory int

	// Leaf makes this node never forward for others. Flag --leaf.
	Leaf bool

	// Homes is how many relays a leaf attaches to, 1 to 4. 0: 3, which a leaf
	// that stays needs; 1 is enough for one that does one thing and goes. It is
	// never more than MaxPeers.
	Homes int

	// NetworkKey, 32 bytes, closes the mesh: only nodes with the same key get a
	// link or a session. Nil: open.
	NetworkKey []byte

	// NetworkKeyFile holds the NetworkKey: 64 hex digits, or 32 bytes. The file is read
	// again when it changes, see [Node.Reload]: new handshakes use the new key, links
	// and sessions that are up stay. Empty: NetworkKey counts. Flag --network-key.
	NetworkKeyFile string

	// Agent is a short text that peers see beside the ID, at most 64 bytes.
	Agent string

	// WebRTC says when links are made over WebRTC. Empty: WebRTCOn, or WebRTCOff in
	// a program built with the tag nowebrtc. With WebRTCOff the next three have to be
	// empty. Flag --webrtc.
	WebRTC WebRTCUse

	// MaxWebRTC caps the links over WebRTC. 0: 32. Flag --max-webrtc.
	MaxWebRTC int

	// WebRTCListen is a UDP address, "host:port", that all links over WebRTC share
	// and that answers STUN to who looks for its own public address; peers are told
	// of it. Empty: each link has a port of its own, and STUN is not answered. Flag
	// --webrtc-port.
	WebRTCListen string

	// WebRTCHidePrivate leaves the private addresses of this machine out of what
	// peers are told for links over WebRTC. Two on one LAN still link directly if one
	// of them tells its own and the other's packets get in. The URLs of a port are
	// told all the same, see PublicURLs. Flag --webrtc-hide-private.
	WebRTCHidePrivate bool

	// ICEServers are servers that help to find a way between NATs:
	// "stun:host:port", "turn:user:password@host:port", over TCP with "?transport=tcp" at
	// its end, over TLS with "turns:". In user and password "%3A" stands for ":", "%40" for
	// "@" and "%25" for "%". Each is asked at the start and every 10 minutes; a [Warning]
	// tells of one that does not help. Relays that this node is
	// linked with and that answer STUN are used without being named. Flag --ice.
	ICEServers []string

	// Dialers open links by URL scheme. Nil: ws and wss. Given entries are added.
	Dialers map[string]transport.Dialer

	// Logger gets the node's log. Nil: nothing is logged.
	Logger *slog.Logger
}
