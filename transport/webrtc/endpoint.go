//go:build !nowebrtc

package webrtc

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	ptransport "github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// Supported says whether this program was built with WebRTC.
const Supported = true

// Config describes an Endpoint; the zero value works.
type Config struct {
	// UDP is one socket for all pipes, which also answers STUN; the Endpoint
	// closes it. Two Endpoints with such sockets can have but one pipe with
	// each other at a time: a second one between the same two addresses
	// breaks the first. nil: each pipe has sockets of its own.
	UDP net.PacketConn

	// Net is a virtual network, for tests; nil: the machine's.
	Net ptransport.Net

	// Logger takes what the library says, for debugging; nil: nobody.
	Logger *slog.Logger
}

// Endpoint makes pipes. Its methods may be called by several goroutines.
type Endpoint struct {
	config Config
	mux    *ice.UDPMuxDefault // nil: each pipe has sockets of its own

	turns turns
	ended chan struct{} // closed when closed is set

	mu     sync.Mutex
	closed bool
	live   map[*Attempt]bool // attempts and pipes that hold something
	stuck  int               // ends that were given up and still hold something
}

// New returns an Endpoint. It fails with ErrUnsupported in a program that was
// built without WebRTC.
func New(config Config) (*Endpoint, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{config: config, ended: make(chan struct{}), live: make(map[*Attempt]bool)}
	if config.Net == nil {
		e.config.Net = machine{&stdnet.Net{}}
	}
	if config.UDP != nil {
		grow(config.UDP)
		e.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{
			UDPConn: newSocket(config.UDP),
			Net:     e.config.Net,
			Logger:  loggers{config.Logger}.NewLogger("mux"),
		})
	}
	return e, nil
}

// STUNPort is the port of Config.UDP, at which STUN is answered; 0 without one.
func (e *Endpoint) STUNPort() uint16 {
	if e.config.UDP == nil {
		return 0
	}
	addr, _ := e.config.UDP.LocalAddr().(*net.UDPAddr)
	if addr == nil {
		return 0
	}
	return uint16(addr.Port)
}

// Close ends all attempts and pipes and returns when they hold nothing any
// more, and then closes Config.UDP.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.ended)
	}
	live := make([]*Attempt, 0, len(e.live))
	for a := range e.live {
		live = append(live, a)
	}
	e.mu.Unlock()
	var ending sync.WaitGroup
	for _, a := range live {
		ending.Go(func() { guard.Do("the end of a link over WebRTC", a.endAll, nil) })
	}
	ending.Wait()
	if e.mux == nil {
		return nil
	}
	return e.mux.Close()
}

// networks are the addresses of this machine's interfaces that are up, each with the
// length of its network's prefix; link-local ones too: packets to a peer that is here
// as well may come from any of them. None when the system does not tell.
func (e *Endpoint) networks() (all []netip.Prefix) {
	interfaces, err := e.config.Net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, _ := i.Addrs() // of one that has gone meanwhile there are none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// add counts an attempt in, unless the Endpoint is closed or too many ends are
// stuck.
func (e *Endpoint) add(a *Attempt) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return transport.ErrClosed
	case e.stuck >= limits.StuckEndsMost:
		return ErrStuck
	}
	e.live[a] = true
	return nil
}

func (e *Endpoint) remove(a *Attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, a)
}

// connection makes the library's object for one attempt: data channels alone,
// none of the machinery for media. The context bounds dials of servers.
func (e *Endpoint) connection(ctx context.Context, s Setup, offer bool) (*pion.PeerConnection, error) {
	config := pion.Configuration{ICEServers: make([]pion.ICEServer, 0, len(s.Servers))}
	dialer := &serverDialer{ctx: ctx, roots: s.Roots}
	for _, text := range s.Servers {
		server, err := ParseServer(text)
		if err != nil {
			return nil, err
		}
		config.ICEServers = append(config.ICEServers, iceServer(server))
		dialer.add(server)
	}
	engine := e.engine(s)
	engine.SetICEProxyDialer(dialer)
	if !offer {
		engine.SetICEMaxBindingRequests(limits.CheckRequests)
	}
	return pion.NewAPI(
		pion.WithSettingEngine(engine),
		pion.WithMediaEngine(&pion.MediaEngine{}),
		pion.WithInterceptorRegistry(&interceptor.Registry{}),
	).NewPeerConnection(config)
}

func iceServer(s Server) pion.ICEServer {
	if !s.Relay {
		return pion.ICEServer{URLs: []string{"stun:" + s.Host}}
	}
	by := OverUDP
	if s.Transport != OverUDP {
		by = OverTCP // serverDialer adds TLS
	}
	return pion.ICEServer{
		URLs:     []string{"turn:" + s.Host + "?transport=" + string(by)},
		Username: s.User, Credential: s.Password,
	}
}

// engine returns the settings of one attempt.
func (e *Endpoint) engine(s Setup) pion.SettingEngine {
	var se pion.SettingEngine
	se.LoggerFactory = loggers{e.config.Logger}
	se.DetachDataChannels()
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeUDP6})
	se.SetICETimeouts(limits.ICEDisconnected, limits.ICEFailed, limits.ICEKeepalive)
	se.SetIncludeLoopbackCandidate(s.tell(loopback))
	se.SetSrflxAcceptanceMinWait(reflexiveWait)
	se.SetPrflxAcceptanceMinWait(reflexiveWait)
	// Addresses are proved by ICE, so the round trip by which DTLS proves them
	// once more is saved.
	se.SetDTLSInsecureSkipHelloVerify(true)
	se.SetDTLSConnectContextMaker(handshakeTime)
	// The encryption below tells altered packets already; without the second
	// sum a small message costs a twentieth less.
	se.EnableSCTPZeroChecksum(true)
	// What SCTP's handshake tells goes with the descriptions (sctp-init): two
	// round trips less behind DTLS, and nothing of it that can get lost. A lost
	// packet of the handshake costs a second. Browsers that do not know it shake
	// hands as ever.
	se.EnableSctpSnap(true)
	se.SetNet(e.config.Net)
	if e.mux != nil {
		se.SetICEUDPMux(e.mux)
	}
	return se
}

// reflexiveWait is how long a pair of the own addresses is waited for when one
// through a NAT works already. The library's own half a second and second are
// most of the time that such a link takes to open; two hosts of one network
// know in a few milliseconds that they are.
const reflexiveWait = 50 * time.Millisecond

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// handshakeTime bounds the handshake of DTLS; a caller who gives up earlier
// closes the attempt.
func handshakeTime() (context.Context, func()) {
	return context.WithTimeout(context.Background(), limits.SignalTimeout)
}
